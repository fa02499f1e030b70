\set id random(1, 100000)
\set v random(1, 1000000)
INSERT INTO upsert (id, v) VALUES (:id, :v) ON CONFLICT (id) DO UPDATE SET v = excluded.v;
