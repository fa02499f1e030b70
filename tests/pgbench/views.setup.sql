CREATE TABLE shop (id INT PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO shop SELECT n, 'shop ' || n FROM generate_series(1, 100) AS s (n);
CREATE TABLE sale (id INT PRIMARY KEY, shop INT NOT NULL, amount BIGINT NOT NULL);
INSERT INTO sale SELECT n, n % 100 + 1, n % 1000 FROM generate_series(1, 100000) AS s (n);
