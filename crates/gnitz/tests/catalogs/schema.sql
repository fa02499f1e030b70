CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, email TEXT, active BOOLEAN NOT NULL DEFAULT true, balance NUMERIC(12, 2) DEFAULT 0.00, created TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE orders (region SMALLINT, number INTEGER, customer BIGINT NOT NULL, placed DATE, note TEXT DEFAULT 'none', weight DOUBLE PRECISION, PRIMARY KEY (region, number));
CREATE TABLE log (at TIMESTAMP, line TEXT, payload BYTEA, took TIME, ratio REAL);
CREATE TABLE "Mixed Case" ("Id" INTEGER PRIMARY KEY, "select" TEXT);
CREATE MATERIALIZED VIEW spending AS SELECT c.name, count(*) AS orders FROM customers AS c JOIN orders AS o ON o.customer = c.id GROUP BY c.name;
