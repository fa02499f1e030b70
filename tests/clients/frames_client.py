"""Data frames: pandas through SQLAlchemy, polars, and ADBC, whose driver speaks the binary COPY both ways."""
import datetime
import sys
import uuid

import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi
import pandas as pd
import polars as pl
import pyarrow as pa
import sqlalchemy as sa

name = "f" + uuid.uuid4().hex[:8]
engine = sa.create_engine(sys.argv[1].replace("postgresql://", "postgresql+psycopg2://"))
start = datetime.datetime(2026, 1, 1)
frame = pd.DataFrame({
    "id": range(1000),
    "label": [f"l{n % 3}" for n in range(1000)],
    "x": [n / 4 for n in range(1000)],
    "flag": [n % 2 == 0 for n in range(1000)],
    "at": [start + datetime.timedelta(minutes=n) for n in range(1000)],
})

# pandas: a table from a frame, in inserts of many rows; appended to; read whole, in pieces, with parameters.
assert frame.to_sql(name, engine, index=False, method="multi", chunksize=200) == 1000
assert frame.assign(id=frame.id + 1000).to_sql(name, engine, index=False, if_exists="append") == 1000
with engine.begin() as connection:
    connection.execute(sa.text(f"CREATE MATERIALIZED VIEW {name}_sum AS SELECT label, count(*) AS n, sum(x) AS total FROM {name} GROUP BY label"))
back = pd.read_sql_table(name, engine).sort_values("id").head(1000).reset_index(drop=True)
pd.testing.assert_frame_equal(back, frame, check_dtype=False)
sums = pd.read_sql(sa.text(f"SELECT label, n, total FROM {name}_sum WHERE label <> :label ORDER BY label"), engine, params={"label": "l0"})
assert list(sums.n) == [666, 666] and sums.total.sum() > 0, sums
with engine.connect().execution_options(stream_results=True) as connection:
    pieces = list(pd.read_sql_query(sa.text(f"SELECT id FROM {name}"), connection, chunksize=300))
assert [len(piece) for piece in pieces] == [300] * 6 + [200]
assert frame.head(10).to_sql(name + "_new", engine, index=False, if_exists="replace") == 10
assert frame.head(5).to_sql(name + "_new", engine, index=False, if_exists="replace") == 5
assert len(pd.read_sql_table(name + "_new", engine)) == 5

# ADBC: the types of a table, its rows as Arrow, rows of Arrow into a table, parameters in bulk, the catalog.
uri = sys.argv[1]
with adbc_driver_postgresql.dbapi.connect(uri) as connection, connection.cursor() as cursor:
    cursor.execute(f"SELECT id, label, x, flag, at FROM {name} WHERE id < 1000 ORDER BY id")
    table = cursor.fetch_arrow_table()
    assert table.num_rows == 1000 and table.schema.field("x").type == pa.float64() and table.schema.field("id").type == pa.int64()
    assert table.column("at")[1].as_py() == start + datetime.timedelta(minutes=1)
    cursor.execute(f"SELECT label FROM {name} WHERE id = $1", (4,))
    assert cursor.fetchall() == [("l1",)]
    arrow = pa.table({"id": pa.array([1, 2, None], pa.int64()), "label": ["a", None, "ü"], "x": [1.5, float("nan"), None], "flag": [True, False, None]})
    cursor.execute(f"CREATE TABLE {name}_arrow (id BIGINT, label TEXT, x DOUBLE PRECISION, flag BOOLEAN)")
    cursor.executemany(f"INSERT INTO {name}_arrow VALUES ($1, $2, $3, $4)", arrow)
    connection.commit()
    cursor.execute(f"SELECT count(*), count(label), sum(id) FROM {name}_arrow")
    assert [int(v) for v in cursor.fetchone()] == [3, 2, 3]
    cursor.executemany(f"INSERT INTO {name}_arrow (id, label) VALUES ($1, $2)", [(10, "m"), (11, "n")])
    connection.commit()
    schema = connection.adbc_get_table_schema(name)
    assert schema.names == ["id", "label", "x", "flag", "at"], schema
    catalogs = connection.adbc_get_objects(depth="db_schemas").read_all().to_pylist()
    assert "public" in [schema["db_schema_name"] for catalog in catalogs for schema in catalog["catalog_db_schemas"] or []]
    found = connection.adbc_get_objects(depth="columns", db_schema_filter="public", table_name_filter=name).read_all().to_pylist()
    tables = [table for catalog in found for schema in catalog["catalog_db_schemas"] or [] for table in schema["db_schema_tables"] or []]
    assert [(table["table_name"], [column["column_name"] for column in table["table_columns"]]) for table in tables] == [
        (name, ["id", "label", "x", "flag", "at"])], tables
    assert connection.adbc_get_info()["vendor_name"] == "PostgreSQL"

# polars, through both.
via_adbc = pl.read_database_uri(f"SELECT id, label, x FROM {name} WHERE id < 10 ORDER BY id", uri, engine="adbc")
assert via_adbc.shape == (10, 3) and via_adbc["label"][4] == "l1"
assert pl.read_database(f"SELECT label, n FROM {name}_sum ORDER BY label", engine).rows() == [("l0", 668), ("l1", 666), ("l2", 666)]
assert via_adbc.write_database(name + "_polars", engine, if_table_exists="replace") == 10
assert pl.read_database_uri(f"SELECT count(*) AS n FROM {name}_polars", uri, engine="adbc")["n"][0] == 10

with engine.begin() as connection:
    connection.execute(sa.text(f"DROP TABLE {name}, {name}_new, {name}_arrow, {name}_polars CASCADE"))
print("pandas", pd.__version__, "polars", pl.__version__, "adbc", adbc_driver_postgresql.__version__, "ok")
