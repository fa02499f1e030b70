"""asyncpg: everything prepared, everything binary, types looked up in the catalogs."""
import asyncio
import datetime
import decimal
import sys
import uuid

import asyncpg


async def main():
    name = "a" + uuid.uuid4().hex[:8]
    conn = await asyncpg.connect(sys.argv[1])
    await conn.execute(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, n SMALLINT, d DATE, t TIME, x DOUBLE PRECISION, m NUMERIC(20,4))")
    row = (1, 7, datetime.date(2026, 2, 3), datetime.time(1, 2, 3, 4), 1.5, decimal.Decimal("12345.6789"))
    await conn.execute(f"INSERT INTO {name} VALUES ($1, $2, $3, $4, $5, $6)", *row)
    assert tuple(await conn.fetchrow(f"SELECT * FROM {name} WHERE id = $1", 1)) == row
    await conn.executemany(f"INSERT INTO {name} (id) VALUES ($1)", [(n,) for n in range(2, 200)])
    async with conn.transaction():
        count = 0
        async for _ in conn.cursor(f"SELECT id FROM {name}", prefetch=50):
            count += 1
        assert count == 199
    await conn.copy_records_to_table(name, records=[(1000, 1, None, None, None, None)])
    assert await conn.fetchval(f"SELECT count(*) FROM {name}") == 200
    try:
        await conn.execute(f"INSERT INTO {name} (id) VALUES (1)")
        raise SystemExit("a duplicate key was taken")
    except asyncpg.UniqueViolationError:
        pass
    types = await conn.fetch("SELECT oid, typname, typarray FROM pg_catalog.pg_type WHERE typname IN ($1, $2)", "int4", "text")
    assert sorted(r["oid"] for r in types) == [23, 25], types
    await conn.execute(f"DROP TABLE {name}")
    await conn.close()
    print("asyncpg", asyncpg.__version__, "ok")


asyncio.run(main())
