"""psycopg 3 as programs use it: parameters, transactions, COPY, cursors, binary, errors, a change feed."""
import datetime
import decimal
import sys
import uuid

import psycopg

name = "c" + uuid.uuid4().hex[:8]
with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    conn.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY, name TEXT, price NUMERIC(10,2), at TIMESTAMPTZ, raw BYTEA)")
    conn.execute(f"CREATE MATERIALIZED VIEW {name}_sum AS SELECT name, SUM(price) AS total FROM {name} GROUP BY name")
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    row = (1, "a", decimal.Decimal("2.50"), at, b"\x00\xff")
    conn.execute(f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s)", row)
    for binary in (False, True):
        with conn.cursor(binary=binary) as cur:
            assert cur.execute(f"SELECT * FROM {name} WHERE id = %s", (1,)).fetchone() == row, binary
    with conn.cursor() as cur:
        cur.executemany(f"INSERT INTO {name} (id, name, price) VALUES (%s, %s, %s)", [(n, "b", n) for n in range(2, 50)])
        with cur.copy(f"COPY {name} (id, name) FROM STDIN") as copy:
            for n in range(50, 1050):
                copy.write_row((n, "c\t\n\\"))
        assert cur.execute(f"SELECT count(*) FROM {name}").fetchone() == (1049,)
        with cur.copy(f"COPY (SELECT name FROM {name} WHERE id = 50) TO STDOUT") as copy:
            assert [r for r in copy.rows()] == [("c\t\n\\",)]
    try:
        conn.execute(f"INSERT INTO {name} (id) VALUES (1)")
        raise SystemExit("a duplicate key was taken")
    except psycopg.errors.UniqueViolation:
        pass
    with conn.transaction():
        conn.execute(f"UPDATE {name} SET price = 10 WHERE id = 1")
        total = conn.execute(f"SELECT total FROM {name}_sum WHERE name = 'a'").fetchone()
        assert total == (decimal.Decimal("10.00"),), total
with psycopg.connect(sys.argv[1]) as conn:
    with conn.cursor(name="server_side") as cur:
        cur.itersize = 100
        cur.execute(f"SELECT id FROM {name} ORDER BY id")
        assert sum(1 for _ in cur) == 1049
    conn.execute(f"CREATE TABLE {name}_tmp (id INT)")
    conn.rollback()
    try:
        conn.execute(f"SELECT * FROM {name}_tmp")
        raise SystemExit("a table outlived its rollback")
    except psycopg.errors.UndefinedTable:
        conn.rollback()
with psycopg.connect(sys.argv[1], autocommit=True) as conn, psycopg.connect(sys.argv[1], autocommit=True) as writer:
    feed = conn.cursor().stream(f"SUBSCRIBE (SELECT total FROM {name}_sum WHERE name = 'a')")
    first = next(feed)
    assert first[1:] == (1, decimal.Decimal("10.00")), first
    writer.execute(f"UPDATE {name} SET price = 11 WHERE id = 1")
    changes = sorted((next(feed)[1:], next(feed)[1:]))
    assert changes == [(-1, decimal.Decimal("10.00")), (1, decimal.Decimal("11.00"))], changes
    conn.cancel()
    try:
        next(feed)
        raise SystemExit("a feed outlived its cancellation")
    except psycopg.errors.QueryCanceled:
        pass
    with conn.transaction():
        conn.execute(f"DECLARE feed CURSOR FOR SUBSCRIBE {name}_sum WITH (SNAPSHOT false)")
        assert conn.execute("FETCH ALL feed WITH (TIMEOUT = '0s')").fetchall() == []
        writer.execute(f"UPDATE {name} SET price = 12 WHERE id = 1")
        changes = [row[1:] for row in conn.execute("FETCH 1 feed").fetchall()]
        changes += [row[1:] for row in conn.execute("FETCH ALL feed", binary=True).fetchall()]
        assert sorted(changes) == [(-1, "a", decimal.Decimal("11.00")), (1, "a", decimal.Decimal("12.00"))], changes
    with conn.transaction(), conn.cursor(name="named") as cur:
        cur.execute(f"SUBSCRIBE (SELECT total FROM {name}_sum WHERE name = 'a')")
        assert cur.fetchone()[1:] == (1, decimal.Decimal("12.00"))
    writer.execute(f"DROP TABLE {name} CASCADE")
print("psycopg", psycopg.__version__, "ok")
