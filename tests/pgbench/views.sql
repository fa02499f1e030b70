\set id random(1, 100000)
\set shop random(1, 100)
\set amount random(1, 1000)
INSERT INTO sale (id, shop, amount) VALUES (:id, :shop, :amount)
ON CONFLICT (id) DO UPDATE SET shop = excluded.shop, amount = excluded.amount;
