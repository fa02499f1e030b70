CREATE TABLE lookup (id INT PRIMARY KEY, v INT);
INSERT INTO lookup SELECT n, n FROM generate_series(1, 100000) AS s (n);
