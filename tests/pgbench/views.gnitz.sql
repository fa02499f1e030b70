CREATE MATERIALIZED VIEW per_shop AS
SELECT shop.name, COUNT(*) AS sales, SUM(sale.amount) AS total
FROM sale JOIN shop ON shop.id = sale.shop GROUP BY shop.name;
CREATE MATERIALIZED VIEW per_size AS
SELECT amount / 100 AS size, COUNT(*) AS sales, SUM(amount) AS total FROM sale GROUP BY amount / 100;
CREATE MATERIALIZED VIEW large AS
SELECT sale.id, shop.name, sale.amount FROM sale JOIN shop ON shop.id = sale.shop WHERE sale.amount > 900;
