CREATE TABLE upsert (id INT PRIMARY KEY, v INT);
INSERT INTO upsert SELECT n, n FROM generate_series(1, 100000) AS s (n);
