"""dbt with PostgreSQL's adapter: builds and tests the project in `dbt/`, builds it again when its seed has changed, and writes
its documentation, which reads the catalogs."""
import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile
from urllib.parse import urlparse

import psycopg2
from dbt.cli.main import dbtRunner


def dbt(*command):
    done = dbtRunner().invoke(list(command))
    if not done.success:
        raise SystemExit(f"dbt {' '.join(command)} failed: {done.exception}")
    return done.result


def query(cursor, sql):
    cursor.execute(sql)
    return [tuple(str(value) for value in row) for row in cursor.fetchall()]


def main():
    address = urlparse(sys.argv[1])
    project = pathlib.Path(__file__).parent / "dbt"
    scratch = tempfile.TemporaryDirectory()
    os.environ.update(
        PGUSER=address.username, PGHOST=address.hostname, PGPORT=str(address.port), PGDATABASE=address.path[1:],
        DBT_PROJECT_DIR=str(project), DBT_PROFILES_DIR=str(project), DBT_TARGET_PATH=scratch.name + "/target", DBT_LOG_PATH=scratch.name)
    connection = psycopg2.connect(sys.argv[1])
    connection.autocommit = True
    cursor = connection.cursor()
    results = {result.node.name: result.status for result in dbt("build").results}
    assert results["sales"] == results["customers"] == results["by_day"] == "success" and results["totals_agree"] == "pass", results
    assert query(cursor, "SELECT customer, sales, total FROM analytics.customers ORDER BY 1") == [("ada", "2", "14.75"), ("bob", "1", "7.00"), ("o'neil", "1", "1.00")]
    assert query(cursor, "SELECT count(*) FROM analytics.latest") == [("5",)]

    # The materialized view follows by itself; the tables do with the next run.
    cursor.execute("INSERT INTO analytics.sales VALUES (6, 'bob', 3, '2026-02-03')")
    assert query(cursor, "SELECT sales, total FROM analytics.by_day WHERE day = '2026-02-03'") == [("2", "5.00")]
    assert query(cursor, "SELECT total FROM analytics.customers WHERE customer = 'bob'") == [("7.00",)]
    dbt("run", "--full-refresh")
    assert query(cursor, "SELECT total FROM analytics.customers WHERE customer = 'bob'") == [("10.00",)]
    assert query(cursor, "SELECT count(*) FROM analytics.latest") == [("6",)]

    dbt("docs", "generate")
    nodes = json.loads(pathlib.Path(scratch.name, "target", "catalog.json").read_text())["nodes"]
    kinds = {key: node["metadata"]["type"] for key, node in nodes.items()}
    assert kinds == {"seed.shop.sales": "BASE TABLE", "model.shop.customers": "BASE TABLE", "model.shop.latest": "BASE TABLE",
                     "model.shop.by_day": "MATERIALIZED VIEW"}, kinds
    assert nodes["seed.shop.sales"]["columns"]["amount"]["type"] == "numeric(10,2)"
    cursor.execute("DROP SCHEMA analytics CASCADE")
    print("dbt", importlib.metadata.version("dbt-core"), "ok")


# dbt starts processes that load this file again.
if __name__ == "__main__":
    main()
