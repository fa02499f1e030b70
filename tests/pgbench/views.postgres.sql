-- The three views of Gnitz as tables, each kept by a trigger: what a row took part in is taken back, what it takes part
-- in now is added.
CREATE TABLE per_shop (name TEXT PRIMARY KEY, sales BIGINT NOT NULL, total NUMERIC NOT NULL);
INSERT INTO per_shop
SELECT shop.name, COUNT(*), SUM(sale.amount) FROM sale JOIN shop ON shop.id = sale.shop GROUP BY shop.name;
CREATE TABLE per_size (size BIGINT PRIMARY KEY, sales BIGINT NOT NULL, total NUMERIC NOT NULL);
INSERT INTO per_size SELECT amount / 100, COUNT(*), SUM(amount) FROM sale GROUP BY amount / 100;
CREATE TABLE large (id INT PRIMARY KEY, name TEXT NOT NULL, amount BIGINT NOT NULL);
INSERT INTO large
SELECT sale.id, shop.name, sale.amount FROM sale JOIN shop ON shop.id = sale.shop WHERE sale.amount > 900;

-- Rows of groups are taken in one order, or two sales that meet in two groups would wait for each other for ever.
CREATE FUNCTION keep_per_shop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND TG_OP <> 'DELETE' AND OLD.shop > NEW.shop THEN
        PERFORM 1 FROM per_shop WHERE name = (SELECT name FROM shop WHERE id = NEW.shop) FOR UPDATE;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        UPDATE per_shop SET sales = sales - 1, total = total - OLD.amount
        WHERE name = (SELECT name FROM shop WHERE id = OLD.shop);
        DELETE FROM per_shop WHERE sales = 0 AND name = (SELECT name FROM shop WHERE id = OLD.shop);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO per_shop AS g SELECT name, 1, NEW.amount FROM shop WHERE id = NEW.shop
        ON CONFLICT (name) DO UPDATE SET sales = g.sales + 1, total = g.total + excluded.total;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER a_per_shop AFTER INSERT OR UPDATE OR DELETE ON sale FOR EACH ROW EXECUTE FUNCTION keep_per_shop();

CREATE FUNCTION keep_per_size() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND TG_OP <> 'DELETE' AND OLD.amount / 100 > NEW.amount / 100 THEN
        PERFORM 1 FROM per_size WHERE size = NEW.amount / 100 FOR UPDATE;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        UPDATE per_size SET sales = sales - 1, total = total - OLD.amount WHERE size = OLD.amount / 100;
        DELETE FROM per_size WHERE sales = 0 AND size = OLD.amount / 100;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO per_size AS g VALUES (NEW.amount / 100, 1, NEW.amount)
        ON CONFLICT (size) DO UPDATE SET sales = g.sales + 1, total = g.total + excluded.total;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER b_per_size AFTER INSERT OR UPDATE OR DELETE ON sale FOR EACH ROW EXECUTE FUNCTION keep_per_size();

CREATE FUNCTION keep_large() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM large WHERE id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.amount > 900 THEN
        INSERT INTO large SELECT NEW.id, name, NEW.amount FROM shop WHERE id = NEW.shop;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER c_large AFTER INSERT OR UPDATE OR DELETE ON sale FOR EACH ROW EXECUTE FUNCTION keep_large();
