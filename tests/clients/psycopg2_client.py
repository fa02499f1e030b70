"""psycopg 2: everything in the simple protocol, values written into the text; COPY, cursors, execute_values, cancelling; and
the queries of Grafana's PostgreSQL data source, which come this way too."""
import datetime
import decimal
import io
import sys
import threading
import uuid

import psycopg2
import psycopg2.errors
import psycopg2.extras

name = "d" + uuid.uuid4().hex[:8]
conn = psycopg2.connect(sys.argv[1])
cur = conn.cursor()


def query(sql, values=None):
    cur.execute(sql, values)
    return cur.fetchall()


def fails(error, sql, values=None):
    try:
        cur.execute(sql, values)
    except error:
        return
    raise SystemExit(f"it should have failed with {error.__name__}: {sql}")


cur.execute(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, label TEXT, price NUMERIC(10,2), at TIMESTAMPTZ, plain TIMESTAMP, day DATE, clock TIME, raw BYTEA, flag BOOLEAN, x DOUBLE PRECISION)")
cur.execute(f"CREATE MATERIALIZED VIEW {name}_sum AS SELECT label, sum(price) AS total FROM {name} GROUP BY label")
conn.commit()
at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc)
row = (1, "it's \\ ü", decimal.Decimal("-2.50"), at, at.replace(tzinfo=None), at.date(), at.time(), b"\x00\xff'\\", True, 1.25)
cur.execute(f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", row[:7] + (psycopg2.Binary(row[7]),) + row[8:])
assert cur.rowcount == 1 and cur.statusmessage == "INSERT 0 1"
found = query(f"SELECT * FROM {name}")[0]
assert tuple(bytes(v) if isinstance(v, memoryview) else v for v in found) == row, found
assert query(f"SELECT id FROM {name} WHERE label = %(label)s AND id IN %(ids)s", {"label": row[1], "ids": (1, 2)}) == [(1,)]
assert query(f"SELECT id FROM {name} WHERE at > %s AND day = %s", (at - datetime.timedelta(days=1), at.date())) == [(1,)]
assert query("SELECT %s, %s, %s::numeric", (None, True, decimal.Decimal("1.5")))[0][:2] == (None, True)
conn.rollback()
assert query(f"SELECT * FROM {name}") == []
conn.commit()

psycopg2.extras.execute_values(cur, f"INSERT INTO {name} (id, label, price) VALUES %s", [(n, f"l{n % 3}", n) for n in range(1000)], page_size=300)
psycopg2.extras.execute_batch(cur, f"UPDATE {name} SET price = price + %s WHERE id = %s", [(1, n) for n in range(10)])
cur.copy_from(io.StringIO("".join(f"{n}\tc\t\\N\n" for n in range(1000, 1500))), name, columns=("id", "label", "price"), null="\\N")
out = io.StringIO()
cur.copy_expert(f"COPY (SELECT id, label FROM {name} WHERE id >= 1498 ORDER BY id) TO STDOUT WITH CSV HEADER", out)
assert out.getvalue() == "id,label\n1498,c\n1499,c\n", out.getvalue()
assert query(f"SELECT total FROM {name}_sum WHERE label = 'c'") == [(None,)]
conn.commit()
with conn.cursor("by_name") as server_side:
    server_side.itersize = 64
    server_side.execute(f"SELECT id FROM {name} ORDER BY id")
    assert sum(1 for _ in server_side) == 1500
with conn.cursor("scrolled", scrollable=True) as scrolled:
    scrolled.execute(f"SELECT id FROM {name} ORDER BY id")
    assert scrolled.fetchmany(2) == [(0,), (1,)]
    scrolled.scroll(-1)
    assert scrolled.fetchone() == (1,)
with conn.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as by_name:
    by_name.execute(f"SELECT id AS a, label FROM {name} WHERE id = 5")
    assert by_name.fetchall() == [{"a": 5, "label": "l2"}]
conn.commit()

fails(psycopg2.errors.UniqueViolation, f"INSERT INTO {name} (id) VALUES (1)")
fails(psycopg2.errors.InFailedSqlTransaction, "SELECT 1")
conn.rollback()
fails(psycopg2.errors.UndefinedTable, "SELECT * FROM nowhere_at_all")
conn.rollback()
timer = threading.Timer(0.3, conn.cancel)
timer.start()
fails(psycopg2.errors.QueryCanceled, "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b")
conn.rollback()
conn.set_session(isolation_level="REPEATABLE READ")
assert query("SELECT 1 + 1") == [(2,)]
conn.rollback()
conn.autocommit = True

# Grafana: its pickers of tables and columns, then panels with the macros written out.
assert (f"{name}",) in query("""SELECT CASE WHEN quote_ident(table_schema) IN (
    SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
    FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
    string_to_array(current_setting('search_path'), ',') s)
  THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
  FROM information_schema.tables
  WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache', '_timescaledb_catalog', '_timescaledb_internal', '_timescaledb_config', 'timescaledb_information', 'timescaledb_experimental')
  ORDER BY CASE WHEN quote_ident(table_schema) IN (
    SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
    FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
    string_to_array(current_setting('search_path'), ',') s) THEN 0 ELSE 1 END, 1""")
columns = query(f"""SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE
  CASE WHEN array_length(parse_ident('{name}'), 1) = 2 THEN quote_ident(table_schema) = (parse_ident('{name}'))[1] AND quote_ident(table_name) = (parse_ident('{name}'))[2]
  ELSE quote_ident(table_name) = '{name}' AND quote_ident(table_schema) IN (
    SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
    FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
    string_to_array(current_setting('search_path'), ',') s) END""")
assert columns[:2] == [("id", "bigint"), ("label", "text")] and ("at", "timestamp with time zone") in columns, columns
assert query("SELECT current_setting('server_version_num')::int / 100")[0][0] >= 1200
assert query("SELECT extname, extversion FROM pg_extension WHERE extname = 'timescaledb'") == []
assert len(query(f"SELECT DISTINCT label FROM {name} WHERE label ILIKE 'L%' ORDER BY label LIMIT 1000")) == 3
cur.execute(f"UPDATE {name} SET at = TIMESTAMPTZ '2026-01-01T00:00:00Z' + id * INTERVAL '1 minute', x = id WHERE id < 1000")
cur.execute(f"UPDATE {name} SET plain = at WHERE id < 1000")
between = "at BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T01:59:59.999Z'"
# $__timeGroup(at, 5m), $__timeFilter(at)
panel = query(f"""SELECT floor(extract(epoch from at)/300)*300 AS time, label AS metric, avg(x) AS value FROM {name} WHERE {between} GROUP BY 1, 2 ORDER BY 1, 2""")
assert len(panel) == 72 and panel[0][:2] == (1767225600, "l0") and panel[0][2] == 1.5, panel[0]
panel = query(f"""SELECT at AS "time", x FROM {name} WHERE {between} ORDER BY at LIMIT 50""")
assert panel[1] == (datetime.datetime(2026, 1, 1, 0, 1, tzinfo=datetime.timezone.utc), 1.0)
# $__timeGroupAlias(at, 1h), $__timeFrom(), $__unixEpochFilter(id), $__unixEpochGroup(id, 1m)
panel = query(f"""SELECT date_trunc('hour', at) AS "time", count(*) AS n, max(x) FILTER (WHERE label = 'l1') AS l1 FROM {name}
  WHERE at >= '2026-01-01T00:00:00Z' AND at < '2026-01-01T03:00:00Z' GROUP BY 1 ORDER BY 1""")
assert [r[1] for r in panel] == [60, 60, 60]
panel = query(f"""SELECT floor((id)/60)*60 AS "time", min(x) FROM {name} WHERE id >= 0 AND id <= 299 GROUP BY 1 ORDER BY 1""")
assert [r[1] for r in panel] == [0, 60, 120, 180, 240], panel
panel = query(f"""SELECT extract(epoch from plain)::bigint AS time, x AS value FROM {name} WHERE plain BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01T00:02:00Z' ORDER BY 1""")
assert panel == [(1767225600, 0.0), (1767225660, 1.0), (1767225720, 2.0)], panel
# Kept at all times by a view instead.
cur.execute(f"CREATE MATERIALIZED VIEW {name}_hours AS SELECT date_trunc('hour', at) AS time, count(*) AS n, sum(x) AS total FROM {name} WHERE at IS NOT NULL GROUP BY 1")
assert query(f"SELECT count(*), sum(n) FROM {name}_hours WHERE time >= '2026-01-01T00:00:00Z'") == [(17, 1000)]

cur.execute(f"DROP TABLE {name} CASCADE")
conn.close()
print("psycopg2", psycopg2.__version__.split()[0], "ok")
