//! What a statement is described as is what it then gives and takes: types of parameters and columns, and where
//! columns come from.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::{Running, ask, code, connect, start};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, small SMALLINT, big BIGINT, n NUMERIC(10, 2), r REAL, \
    f DOUBLE PRECISION, x TEXT, v VARCHAR(10), d DATE, ts TIMESTAMP, at TIMESTAMPTZ, b BOOLEAN); \
    INSERT INTO t VALUES (1, 2, 3, 4.5, 5.5, 6.5, 'seven', 'eight', '2026-01-09', '2026-01-10 01:02:03', \
    '2026-01-11 00:00:00Z', true), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";

async fn with_table() -> (Running, Client) {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLE).await.unwrap();
    (server, client)
}

/// The types of a statement's parameters and columns.
async fn types(client: &Client, sql: &str) -> (Vec<Type>, Vec<Type>) {
    let prepared = client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let columns = prepared.columns().iter().map(|column| column.type_().clone()).collect();
    (prepared.params().to_vec(), columns)
}

/// Without parameters: every way to an answer, whose columns are described before it is there.
const PLAIN: [&str; 62] = [
    "SELECT 1::int + 1",
    "SELECT 1::int2 + 1::int2",
    "SELECT 1::int * 2 - 3",
    "SELECT 1::int + 1.5",
    "SELECT 1::int + 1.5::float8",
    "SELECT -(1::int)",
    "SELECT 7 % 3::int",
    "SELECT 1",
    "SELECT 1.50",
    "SELECT NULL",
    "SELECT 'x'",
    "SELECT id + 1, small + 1, big + 1, n + 1, r + 1, f + 1 FROM t",
    "SELECT id + 1 FROM t WHERE id = 1",
    "SELECT id * 2, id / 2, id % 2, id # 1, id & 3, id | 4, id << 1, id >> 1 FROM t",
    "SELECT small * small, small + id, id + big FROM t",
    "SELECT n * 2, n / 3, n * n, n + 1.25, n * f FROM t",
    "SELECT round(n, 1), round(n), trunc(n, 1), abs(n), ceil(n), floor(n) FROM t",
    "SELECT round(f), sqrt(f), power(f, 2), abs(id), sign(f), mod(id, 2), mod(big, 2) FROM t",
    "SELECT coalesce(id, 0), coalesce(small, 1), coalesce(n, 0), coalesce(f, 0.5), coalesce(x, '') FROM t",
    "SELECT nullif(id, 1), greatest(id, 5), least(small, 7), greatest(n, 1.5) FROM t",
    "SELECT CASE WHEN b THEN id ELSE 0 END, CASE id WHEN 1 THEN 1.5 ELSE n END FROM t",
    "SELECT CASE WHEN b THEN NULL ELSE x END, CASE WHEN b THEN 1 END FROM t",
    "SELECT sum(id), sum(small), sum(big), sum(n), sum(r), sum(f) FROM t",
    "SELECT avg(id), avg(n), avg(f), min(id), max(x), min(at), max(n), min(small) FROM t",
    "SELECT count(*), count(x), count(DISTINCT id), count(*) FILTER (WHERE b) FROM t",
    "SELECT sum(id + 1), sum(id)::int + 1, max(id) + 1, sum(n * 2) FROM t",
    "SELECT stddev(f), var_pop(f), bool_and(b), bool_or(b), string_agg(x, ',') FROM t",
    "SELECT id % 2 AS g, count(*) FROM t GROUP BY id % 2 ORDER BY 1",
    "SELECT id + 1, sum(big) FROM t GROUP BY id + 1 HAVING count(*) > 0",
    "SELECT DISTINCT id + 1 FROM t",
    "SELECT DISTINCT ON (b) id + 1, b FROM t ORDER BY b, id",
    "SELECT x || 'a', x || id, lower(x), length(x), substr(x, 2), left(v, 1), trim(x) FROM t",
    "SELECT upper(v), v, v || v, v::varchar(3), id::text, id::varchar FROM t",
    "SELECT position('a' in x), x LIKE 'a%', x ~ 'a', replace(x, 'a', 'b'), split_part(x, ',', 1) FROM t",
    "SELECT d + 1, d - 1, d - d, d + interval '1 day', d::timestamp FROM t",
    "SELECT ts + interval '1 hour', ts - ts, at - at, at + interval '1 day', ts::date, ts::time FROM t",
    "SELECT extract(year FROM ts), extract(epoch FROM at), date_part('hour', ts), date_trunc('day', ts) FROM t",
    "SELECT date_trunc('month', at), date_trunc('day', d) FROM t",
    "SELECT interval '1 day' * 2, interval '1 day' / 2, 2 * interval '1 hour', '1 day'::interval",
    "SELECT now() - interval '1 day', now() > now(), current_date, current_date + 1",
    "SELECT id FROM t WHERE at < now() ORDER BY id",
    "SELECT id, now() FROM t WHERE id = 1",
    "SELECT true AND b, NOT b, b IS NULL, id = 1, id IS DISTINCT FROM 2, id BETWEEN 1 AND 2, id IN (1, 2) FROM t",
    "SELECT (SELECT max(id) FROM t) + 1",
    "SELECT * FROM (SELECT id + 1 AS a, n * 2 AS c FROM t) s WHERE a > 1",
    "WITH c AS (SELECT id + 1 AS a FROM t) SELECT a + 1, a::int8 + 1 FROM c",
    "SELECT a.id + 1, b.big FROM t a LEFT JOIN t b ON a.id = b.id + 1",
    "SELECT id FROM t UNION SELECT big FROM t",
    "SELECT id + 1 FROM t UNION ALL SELECT 5",
    "SELECT n FROM t UNION ALL SELECT 1.125",
    "SELECT id FROM t INTERSECT SELECT 1",
    "SELECT id FROM t EXCEPT SELECT 1",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT * FROM (VALUES (1, 1.5), (2, 2.25)) v(a, b)",
    "SELECT row_number() OVER (ORDER BY id), rank() OVER (ORDER BY id), lag(id) OVER (ORDER BY id) FROM t",
    "SELECT sum(id) OVER (PARTITION BY b), first_value(id) OVER (ORDER BY id), ntile(2) OVER (ORDER BY id) FROM t",
    "SELECT avg(n) OVER (), count(*) OVER (), sum(n) OVER (ORDER BY id) FROM t",
    "SELECT g, g + 1 FROM generate_series(1, 3) g",
    "SELECT * FROM generate_series(1::int, 3::int)",
    "SELECT CAST('1' AS int) + 1, '1.5'::numeric(5, 2) + 1, '2026-01-01'::date + 1, 'a'::text",
    "SELECT cast(id AS numeric(12, 3)), cast(n AS int) + 1, f::int + 1, r::float8, n::float8 FROM t",
    "SELECT to_timestamp(0), chr(65), ascii('A'), md5('a') IS NULL OR true, random() < 1, pi()",
];

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_what_was_described() {
    let (server, client) = with_table().await;
    let mut wrong = Vec::new();
    for sql in PLAIN {
        if let Err(error) = client.query(sql, &[]).await {
            // What does not exist here at all is not the question.
            if !matches!(error.code().map(|state| state.code()), Some("42883")) {
                wrong.push(format!("{sql}: {error:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_type_of_their_cast() {
    let (server, client) = with_table().await;
    let cases = [
        ("SELECT $1::int", Type::INT4, Type::INT4),
        ("SELECT $1::int + 1", Type::INT4, Type::INT4),
        ("SELECT $1::int * 2", Type::INT4, Type::INT4),
        ("SELECT ($1)::bigint + 1", Type::INT8, Type::INT8),
        ("SELECT CAST($1 AS interval)", Type::INTERVAL, Type::INTERVAL),
        ("SELECT $1::float8 + 1", Type::FLOAT8, Type::FLOAT8),
        ("SELECT $1::date + 1", Type::DATE, Type::DATE),
        ("SELECT $1::boolean AND b FROM t", Type::BOOL, Type::BOOL),
        ("SELECT $1::numeric(10, 2)", Type::NUMERIC, Type::NUMERIC),
        ("SELECT $1::numeric", Type::NUMERIC, Type::NUMERIC),
        ("SELECT $1", Type::TEXT, Type::TEXT),
        ("SELECT $1 || 'a'", Type::TEXT, Type::TEXT),
        ("SELECT id + $1 FROM t", Type::INT4, Type::INT4),
        ("SELECT big FROM t WHERE id = $1 AND $1::text <> ''", Type::INT4, Type::INT8),
        ("SELECT coalesce($1::int, 5)", Type::INT4, Type::INT4),
        ("SELECT id FROM t WHERE id = $1::bigint + 1", Type::INT8, Type::INT4),
        ("SELECT id FROM t ORDER BY id LIMIT $1", Type::INT8, Type::INT4),
        ("SELECT id FROM t ORDER BY id OFFSET $1", Type::INT8, Type::INT4),
        ("SELECT id FROM t ORDER BY id FETCH FIRST $1 ROWS ONLY", Type::INT8, Type::INT4),
        ("SELECT id FROM t ORDER BY id LIMIT $1::int", Type::INT4, Type::INT4),
        ("SELECT interval '1 day' * $1", Type::FLOAT8, Type::INTERVAL),
        ("SELECT $1 * interval '1 day'", Type::FLOAT8, Type::INTERVAL),
        ("SELECT round(n, $1) FROM t", Type::INT4, Type::NUMERIC),
        ("SELECT round(n, $1) FROM t WHERE id = 1", Type::INT4, Type::NUMERIC),
        ("SELECT left(x, $1) FROM t", Type::INT4, Type::TEXT),
        ("SELECT substring(x from $1) FROM t", Type::INT4, Type::TEXT),
        ("SELECT now() - $1::interval > at FROM t", Type::INTERVAL, Type::BOOL),
        ("SELECT count(*) FROM generate_series(1, $1)", Type::INT4, Type::INT8),
    ];
    for (sql, parameter, column) in cases {
        assert_eq!(types(&client, sql).await, (vec![parameter], vec![column]), "{sql}");
    }
    let one = |sql: &'static str| {
        let client = &client;
        async move { client.query_one(sql, &[&1_i32]).await.unwrap() }
    };
    assert_eq!(one("SELECT $1::int + 1").await.get::<_, i32>(0), 2);
    assert_eq!(one("SELECT coalesce($1::int, 5) * 3").await.get::<_, i32>(0), 3);
    assert_eq!(one("SELECT left('abc', $1)").await.get::<_, &str>(0), "a");
    assert_eq!(one("SELECT round(n, $1)::float8 FROM t WHERE id = 1").await.get::<_, f64>(0), 4.5);
    assert_eq!(one("SELECT round(n, $1)::float8 FROM t ORDER BY id LIMIT 1").await.get::<_, f64>(0), 4.5);
    let days = client.query_one("SELECT (interval '1 day' * $1)::text", &[&2.5_f64]).await.unwrap();
    assert_eq!(days.get::<_, &str>(0), "2 days 12:00:00");
    server.stop().await;
}

/// The numbers that a statement gives for one parameter of a declared type.
async fn numbers(
    client: &Client,
    sql: &str,
    ty: Type,
    value: &(dyn ToSql + Sync),
) -> Result<Vec<i32>, String> {
    let prepared = client.prepare_typed(sql, &[ty]).await;
    let rows = match prepared {
        Ok(prepared) => client.query(&prepared, &[value]).await,
        Err(error) => Err(error),
    };
    match rows {
        Ok(rows) => Ok(rows.iter().map(|row| row.get(0)).collect()),
        Err(error) => Err(code::<()>(Err(error))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_take_any_number() {
    let (server, client) = with_table().await;
    let limit = "SELECT id FROM t ORDER BY id LIMIT $1";
    let offset = "SELECT id FROM t ORDER BY id OFFSET $1";
    let both = [vec![1], vec![2]];
    for (sql, wanted) in [limit, offset].into_iter().zip(&both) {
        assert_eq!(numbers(&client, sql, Type::INT2, &1_i16).await.as_ref(), Ok(wanted));
        assert_eq!(numbers(&client, sql, Type::INT4, &1_i32).await.as_ref(), Ok(wanted));
        assert_eq!(numbers(&client, sql, Type::INT8, &1_i64).await.as_ref(), Ok(wanted));
        assert_eq!(numbers(&client, sql, Type::TEXT, &"1").await.as_ref(), Ok(wanted));
        assert_eq!(numbers(&client, sql, Type::UNKNOWN, &1_i64).await.as_ref(), Ok(wanted));
        assert_eq!(numbers(&client, sql, Type::INT8, &None::<i64>).await, Ok(vec![1, 2]));
        assert_eq!(numbers(&client, sql, Type::TEXT, &None::<&str>).await, Ok(vec![1, 2]));
        assert_eq!(numbers(&client, sql, Type::TEXT, &"one").await, Err("22P02".to_string()));
        assert_eq!(numbers(&client, sql, Type::BOOL, &true).await, Err("42804".to_string()));
    }
    assert_eq!(numbers(&client, limit, Type::INT4, &-1_i32).await, Err("2201W".to_string()));
    assert_eq!(numbers(&client, offset, Type::INT4, &-1_i32).await, Err("2201X".to_string()));
    let cast = "SELECT id FROM t ORDER BY id LIMIT $1::int OFFSET $1::int - 1";
    assert_eq!(numbers(&client, cast, Type::INT4, &2_i32).await, Ok(vec![2]));
    let key = "SELECT id FROM t WHERE id = $1 LIMIT $1";
    assert_eq!(numbers(&client, key, Type::INT4, &2_i32).await, Ok(vec![2]));
    for (sql, wanted) in [
        ("SELECT id FROM t ORDER BY id LIMIT 1::int", vec!["1", "#1"]),
        ("SELECT id FROM t ORDER BY id LIMIT '1'", vec!["1", "#1"]),
        ("SELECT id FROM t ORDER BY id LIMIT 1 + 1 OFFSET 1::smallint", vec!["2", "#1"]),
        ("SELECT id FROM t ORDER BY id LIMIT 0.6", vec!["1", "#1"]),
        ("SELECT id FROM t ORDER BY id LIMIT NULL OFFSET NULL", vec!["1", "2", "#2"]),
        ("SELECT id FROM t ORDER BY id LIMIT ALL", vec!["1", "2", "#2"]),
        (
            "SELECT id FROM (SELECT id FROM t ORDER BY id LIMIT 2::int8) s ORDER BY id DESC LIMIT 1::int",
            vec!["2", "#1"],
        ),
    ] {
        assert_eq!(ask(&client, sql).await.unwrap(), wanted, "{sql}");
    }
    assert_eq!(code(ask(&client, "SELECT id FROM t LIMIT -1").await), "2201W");
    assert_eq!(code(ask(&client, "SELECT id FROM t OFFSET -1").await), "2201X");
    assert_eq!(code(ask(&client, "SELECT id FROM t LIMIT true").await), "42804");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operands_have_the_type_they_are_declared_with() {
    let (server, client) = with_table().await;
    for condition in ["id = 1", "id < 2"] {
        let sql = format!("SELECT (at - $1)::text FROM t WHERE {condition}");
        let minus = client.prepare_typed(&sql, &[Type::INTERVAL]).await.unwrap();
        assert_eq!(minus.params(), [Type::INTERVAL]);
        let undeclared = format!("SELECT at - $1 FROM t WHERE {condition}");
        assert_eq!(types(&client, &undeclared).await, (vec![Type::TIMESTAMPTZ], vec![Type::INTERVAL]));
    }
    let update = "UPDATE t SET at = at - $1 WHERE id = 1";
    assert_eq!(client.prepare_typed(update, &[Type::INTERVAL]).await.unwrap().params(), [Type::INTERVAL]);
    ask(&client, "PREPARE back(interval) AS UPDATE t SET at = at - $1 WHERE id = 1").await.unwrap();
    ask(&client, "EXECUTE back('1 day')").await.unwrap();
    ask(&client, "PREPARE ago(interval) AS SELECT at - $1 FROM t WHERE id = 1").await.unwrap();
    assert_eq!(ask(&client, "EXECUTE ago('1 hour')").await.unwrap()[0], "2026-01-09 23:00:00+00");
    let wide = client.prepare_typed("SELECT id FROM t WHERE id < $1", &[Type::FLOAT8]).await.unwrap();
    assert_eq!(client.query(&wide, &[&1.5_f64]).await.unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn series_take_parameters_and_times() {
    let (server, client) = with_table().await;
    let sum = "SELECT sum(g)::int FROM generate_series(1, $1) g";
    for _ in 0..2 {
        assert_eq!(client.query_one(sum, &[&4_i32]).await.unwrap().get::<_, i32>(0), 10);
    }
    assert_eq!(numbers(&client, sum, Type::INT8, &5_i64).await, Ok(vec![15]));
    let joined = "SELECT id FROM t JOIN generate_series(1, $1::int) g ON g = id ORDER BY id";
    assert_eq!(numbers(&client, joined, Type::INT4, &1_i32).await, Ok(vec![1]));
    assert_eq!(numbers(&client, joined, Type::INT4, &2_i32).await, Ok(vec![1, 2]));
    assert_eq!(numbers(&client, joined, Type::INT4, &None::<i32>).await, Ok(vec![]));
    for (sql, wanted) in [
        (
            "SELECT * FROM generate_series(timestamp '2026-01-31', '2026-03-31', interval '1 month')",
            vec!["2026-01-31 00:00:00", "2026-02-28 00:00:00", "2026-03-28 00:00:00"],
        ),
        (
            "SELECT g FROM generate_series(timestamptz '2026-01-02', timestamptz '2026-01-01', '-12 h'::interval) g",
            vec!["2026-01-02 00:00:00+00", "2026-01-01 12:00:00+00", "2026-01-01 00:00:00+00"],
        ),
        (
            "SELECT d FROM generate_series('2026-01-01'::date, '2026-01-02'::date, interval '1 day') AS s(d)",
            vec!["2026-01-01 00:00:00+00", "2026-01-02 00:00:00+00"],
        ),
        ("SELECT count(*) FROM generate_series(1::smallint, 2 + 1)", vec!["3"]),
        ("SELECT generate_series + 1 FROM pg_catalog.generate_series(1, 1)", vec!["2"]),
    ] {
        let rows = ask(&client, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(rows[..rows.len() - 1], wanted, "{sql}");
    }
    let times = "SELECT g FROM generate_series(timestamp '2026-01-01', $1, $2) g";
    assert_eq!(types(&client, times).await, (vec![Type::TIMESTAMP, Type::INTERVAL], vec![Type::TIMESTAMP]));
    let endless =
        "SELECT * FROM generate_series(timestamp '2026-01-01', timestamp '2026-01-02', interval '0')";
    assert_eq!(code(ask(&client, endless).await), "22023");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_name_their_origin() {
    let (server, client) = with_table().await;
    ask(&client, "CREATE MATERIALIZED VIEW m AS SELECT b, count(*) AS c FROM t GROUP BY b").await.unwrap();
    let oid = |name: &'static str| {
        let client = &client;
        async move {
            let sql = format!("SELECT oid FROM pg_class WHERE relname = '{name}'");
            ask(client, &sql).await.unwrap()[0].parse::<u32>().unwrap()
        }
    };
    let (t, m) = (oid("t").await, oid("m").await);
    let none = (None, None);
    let of = |table: u32, number: i16| (Some(table), Some(number));
    for (sql, wanted) in [
        ("SELECT * FROM t WHERE id = 1", (1..=12).map(|number| of(t, number)).collect()),
        ("SELECT v AS short, id + 1, id FROM t WHERE id = 1", vec![of(t, 8), none, of(t, 1)]),
        ("SELECT v, id FROM t WHERE f > 1 ORDER BY r LIMIT 1", vec![of(t, 8), of(t, 1)]),
        ("SELECT lower(v), v::text, v || '', 'x' FROM t", vec![none; 4]),
        ("SELECT s.c, s.a FROM (SELECT id AS a, n AS c FROM t) s", vec![of(t, 4), of(t, 1)]),
        ("WITH w(z) AS (SELECT v FROM t) SELECT z FROM w", vec![of(t, 8)]),
        ("SELECT x.v, m.c FROM t x JOIN m ON m.b = x.b", vec![of(t, 8), of(m, 2)]),
        ("SELECT y.v FROM t x LEFT JOIN t y ON x.id = y.id", vec![of(t, 8)]),
        ("SELECT v, count(*), max(x) FROM t GROUP BY v", vec![of(t, 8), none, none]),
        ("SELECT DISTINCT v FROM t", vec![of(t, 8)]),
        ("SELECT v, row_number() OVER (ORDER BY id) FROM t", vec![of(t, 8), none]),
        ("SELECT v FROM t UNION ALL SELECT v FROM t", vec![none]),
        ("SELECT c, b FROM m", vec![of(m, 2), of(m, 1)]),
        ("UPDATE t SET f = 1 WHERE id = 1 RETURNING v, f + 1", vec![of(t, 8), none]),
        ("VALUES (1)", vec![none]),
    ] {
        let prepared = client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let origins: Vec<_> = prepared.columns().iter().map(|c| (c.table_oid(), c.column_id())).collect();
        assert_eq!(origins, wanted, "{sql}");
        for column in prepared.columns().iter().filter(|column| matches!(column.name(), "v" | "short" | "z"))
        {
            let is_column = column.table_oid().is_some();
            let wanted = if is_column { (Type::VARCHAR, 14) } else { (Type::TEXT, -1) };
            let told = (column.type_().clone(), column.type_modifier());
            assert!(told == wanted || told.0 == Type::TEXT && !is_column, "{sql}: {told:?}");
        }
    }
    let short = client.query_one("SELECT v FROM t WHERE id = 1", &[]).await.unwrap();
    assert_eq!(short.get::<_, &str>(0), "eight");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_columns_are_named_as_postgresql_names_them() {
    let (server, client) = with_table().await;
    for (sql, message) in [
        ("SELECT nothing_such FROM t", "column \"nothing_such\" does not exist"),
        ("SELECT \"No Such\" FROM t", "column \"No Such\" does not exist"),
        ("SELECT t.nothing_such FROM t", "column t.nothing_such does not exist"),
        ("SELECT id FROM t WHERE nothing_such = 1", "column \"nothing_such\" does not exist"),
        ("SELECT nothing_such", "column \"nothing_such\" does not exist"),
    ] {
        let error = ask(&client, sql).await.expect_err(sql);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!((error.code().code(), error.message()), ("42703", message), "{sql}");
    }
    server.stop().await;
}
