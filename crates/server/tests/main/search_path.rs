//! Names without a schema, in sessions that look for them elsewhere than in `public`.

use futures::StreamExt;
use tokio_postgres::types::Type;

use crate::{ask, code, connect, connect_as, start};

const TABLES: &str = "
    CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE TABLE t (id INT PRIMARY KEY, x TEXT);
    CREATE TABLE a.t (id INT PRIMARY KEY, x TEXT);
    CREATE TABLE a.sole (id INT PRIMARY KEY);
    INSERT INTO t VALUES (1, 'public'); INSERT INTO a.t VALUES (1, 'a')";

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_statement_looks_where_the_path_says() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLES).await.unwrap();
    ask(&client, "SET search_path = a, public").await.unwrap();
    for (text, answer) in [
        ("SELECT x FROM t", "a"),
        ("SELECT t.x FROM t WHERE t.id = 1", "a"),
        ("SELECT public.t.x FROM public.t", "public"),
        ("WITH t AS (SELECT 'with' AS x) SELECT x FROM t", "with"),
        ("SELECT (SELECT MAX(x) FROM t)", "a"),
        ("SELECT x FROM generate_series(1, 1) AS g (id) JOIN t USING (id)", "a"),
        ("INSERT INTO t VALUES (2, 'a2') ON CONFLICT (id) DO UPDATE SET x = t.x RETURNING t.x", "a2"),
        ("UPDATE t SET x = t.x || '!' FROM sole RIGHT JOIN public.t AS o ON true WHERE t.id = 1", "#1"),
        ("DELETE FROM t WHERE t.id = 2 RETURNING x", "a2"),
        ("CREATE TABLE made (id INT GENERATED ALWAYS AS IDENTITY, n INT)", "#0"),
        ("CREATE SEQUENCE q START 7", "#0"),
        ("CREATE TABLE taking (id INT DEFAULT nextval('q'), n INT)", "#0"),
        ("INSERT INTO taking (n) VALUES (1) RETURNING id", "7"),
        ("SELECT nextval('q'::regclass)", "8"),
        ("CREATE TABLE copied AS SELECT * FROM t", "#1"),
        ("CREATE MATERIALIZED VIEW m AS SELECT x, COUNT(*) AS n FROM t GROUP BY x", "#0"),
        ("CREATE VIEW v AS SELECT x FROM m", "#0"),
        ("SELECT x FROM v", "a!"),
        ("ALTER TABLE made RENAME TO remade", "#0"),
        ("ALTER TABLE remade RENAME COLUMN n TO k", "#0"),
        ("TRUNCATE copied", "#0"),
        ("GRANT SELECT ON copied TO PUBLIC", "#0"),
        ("REFRESH MATERIALIZED VIEW m", "#0"),
        ("DROP TABLE copied", "#0"),
        ("SELECT current_schema()", "a"),
        ("SELECT current_schemas(true)::text", "{pg_catalog,a,public}"),
        (
            "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'v', 'm') \
          AND relnamespace = 'a'::regnamespace",
            "m,remade,sole,t,taking,v",
        ),
        ("SELECT 't'::regclass::text || ' ' || 'public.t'::regclass::text", "t public.t"),
        ("SELECT pg_table_is_visible('public.t'::regclass)", "f"),
        ("SELECT pg_get_viewdef('v'::regclass)", " SELECT x FROM a.m;"),
        ("SELECT pg_get_serial_sequence('remade', 'id')", "a.made_id_seq"),
    ] {
        let told = ask(&client, text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(told.first().map_or("", String::as_str), answer, "{text}");
    }
    assert_eq!(ask(&client, "SELECT x FROM public.t").await.unwrap()[0], "public");
    for copy in ["COPY t TO STDOUT", "COPY (SELECT * FROM t) TO STDOUT"] {
        let pieces: Vec<_> = client.copy_out(copy).await.unwrap().collect().await;
        assert_eq!(pieces.into_iter().map(|piece| piece.unwrap()).collect::<Vec<_>>().concat(), b"1\ta!\n");
    }
    let next = client.prepare("SELECT nextval($1)").await.unwrap();
    assert_eq!(client.query_one(&next, &[&"q"]).await.unwrap().get::<_, i64>(0), 9);
    let missing = client.simple_query("SELECT 1 FROM gone").await.unwrap_err();
    assert_eq!(missing.as_db_error().unwrap().message(), "relation \"gone\" does not exist");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_searched_in_its_order_and_nowhere_else() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLES).await.unwrap();
    let x = async |path: &str| {
        ask(&client, &format!("SET search_path = {path}")).await.unwrap();
        ask(&client, "SELECT x FROM t")
            .await
            .map(|rows| rows[0].clone())
            .map_err(|error| code::<()>(Err(error)))
    };
    assert_eq!(x("b, a, public").await.unwrap(), "a");
    assert_eq!(x("nowhere, public, a").await.unwrap(), "public");
    assert_eq!(x("pg_catalog, a").await.unwrap(), "a");
    assert_eq!(x("\"$user\", a").await.unwrap(), "a");
    assert_eq!(x("b").await, Err("42P01".to_string()));
    assert_eq!(x("''").await, Err("42P01".to_string()));
    for text in ["CREATE TABLE n (i INT)", "CREATE VIEW n AS SELECT 1", "CREATE SEQUENCE n"] {
        assert_eq!(code(client.simple_query(text).await), "3F000", "{text}");
    }
    ask(&client, "DROP TABLE IF EXISTS t; SELECT COUNT(*) FROM pg_class").await.unwrap();
    assert_eq!(x("information_schema").await, Err("42P01".to_string()));
    assert_eq!(ask(&client, "SELECT COUNT(*) > 3 FROM tables").await.unwrap()[0], "t");
    ask(&client, "RESET search_path; CREATE SCHEMA me; CREATE TABLE me.t AS SELECT 'me' AS x").await.unwrap();
    ask(&client, "CREATE USER me; GRANT USAGE ON SCHEMA me TO me; GRANT SELECT ON me.t, t TO me")
        .await
        .unwrap();
    let me = connect_as(&server, "me").await;
    assert_eq!(ask(&me, "SET search_path = \"$user\", public; SELECT x FROM t").await.unwrap()[1], "me");
    // A schema that one may not look into is passed over.
    ask(&client, "REVOKE USAGE ON SCHEMA me FROM me").await.unwrap();
    assert_eq!(ask(&me, "SELECT x FROM t").await.unwrap()[0], "public");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_follows_the_path() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLES).await.unwrap();
    let statement = client.prepare("SELECT x FROM t WHERE id = $1").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, 'new')").await.unwrap();
    let x = async || client.query_one(&statement, &[&1_i32]).await.unwrap().get::<_, String>(0);
    assert_eq!(x().await, "public");
    ask(&client, "BEGIN; SET LOCAL search_path = b, a").await.unwrap();
    assert_eq!(x().await, "a");
    client.execute(&insert, &[&5_i32]).await.unwrap();
    ask(&client, "CREATE TABLE t (id INT PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'b')").await.unwrap();
    assert_eq!(x().await, "b");
    ask(&client, "COMMIT").await.unwrap();
    assert_eq!(x().await, "public");
    client.execute(&insert, &[&6_i32]).await.unwrap();
    let ids = "SELECT string_agg(id::text, ',' ORDER BY id) FROM";
    for (table, expected) in [("public.t", "1,6"), ("a.t", "1,5"), ("b.t", "1")] {
        assert_eq!(ask(&client, &format!("{ids} {table}")).await.unwrap()[0], expected, "{table}");
    }
    // Statements that differ in their values alone are known again, but not in another schema.
    for (path, expected) in [("public", "public"), ("a", "a"), ("b", "b"), ("public", "public")] {
        ask(&client, &format!("SET search_path = {path}")).await.unwrap();
        for _ in 0..5 {
            assert_eq!(ask(&client, "SELECT x FROM t WHERE id = 1").await.unwrap()[0], expected);
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_leaves_the_path_as_it_was() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLES).await.unwrap();
    let path = async || ask(&client, "SHOW search_path").await.unwrap()[0].clone();
    assert_eq!(code(ask(&client, "SET search_path = a; SELECT 1 / 0").await), "22012");
    assert_eq!(path().await, "public");
    ask(&client, "SET search_path = ''").await.unwrap();
    // What a statement means is asked when it runs, not when its message comes.
    ask(&client, "SET search_path = b; CREATE TABLE n (i INT); INSERT INTO n VALUES (3)").await.unwrap();
    assert_eq!(ask(&client, "SELECT i FROM b.n").await.unwrap()[0], "3");
    ask(&client, "SET search_path = ''; BEGIN").await.unwrap();
    assert_eq!(code(ask(&client, "SELECT 1 / 0").await), "22012");
    assert_eq!(code(ask(&client, "CREATE TABLE n (i INT)").await), "25P02");
    ask(&client, "ROLLBACK").await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_what_the_catalogs_say() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLES).await.unwrap();
    ask(&client, "SET search_path = a, a, public; CREATE TABLE a.pg_class (i INT)").await.unwrap();
    for (text, answer) in [
        ("SELECT current_schemas(false)::text", "{a,public}"),
        ("SELECT 'a.pg_class'::regclass::text", "a.pg_class"),
        ("SELECT pg_table_is_visible('a.pg_class'::regclass)", "f"),
    ] {
        assert_eq!(ask(&client, text).await.unwrap()[0], answer, "{text}");
    }
    for (text, state) in [
        ("DROP INDEX t_pkey", "2BP01"),
        ("DROP INDEX IF EXISTS sole_pkey", "2BP01"),
        ("SELECT nextval('gone')", "42P01"),
        ("BEGIN; LOCK TABLE gone IN ACCESS SHARE MODE", "42P01"),
    ] {
        let error = client.simple_query(text).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), state, "{text}");
        assert!(!error.message().contains(".gone"), "{}", error.message());
    }
    ask(&client, "ROLLBACK; CREATE USER me; GRANT SELECT ON a.t, public.t TO me").await.unwrap();
    let me = connect_as(&server, "me").await;
    ask(&me, "SET search_path = a, public").await.unwrap();
    let seen = "SELECT current_schema()::text || ' ' || 't'::regclass::text || ' ' || 'a.t'::regclass::text";
    assert_eq!(ask(&me, seen).await.unwrap()[0], "public t a.t");
    assert_eq!(ask(&me, "SELECT x FROM t").await.unwrap()[0], "public");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_read_again_keeps_its_types() {
    let server = start().await;
    let (client, other) = (connect(&server).await, connect(&server).await);
    ask(&client, TABLES).await.unwrap();
    ask(&client, "SET search_path = a, public; PREPARE q (date) AS SELECT $1 AS d FROM t").await.unwrap();
    assert_eq!(ask(&client, "EXECUTE q ('2026-11-22')").await.unwrap()[0], "2026-11-22");
    let half = client.prepare_typed("SELECT $1 / 4 FROM t", &[Type::FLOAT8]).await.unwrap();
    for text in ["CREATE TABLE other (i INT)", "DROP TABLE other"] {
        ask(&other, text).await.unwrap();
        assert_eq!(ask(&client, "EXECUTE q ('2026-11-22')").await.unwrap()[0], "2026-11-22");
        assert_eq!(client.query_one(&half, &[&1_f64]).await.unwrap().get::<_, f64>(0), 0.25);
    }
    ask(&client, "SET search_path = public").await.unwrap();
    assert_eq!(ask(&client, "EXECUTE q ('2026-11-22')").await.unwrap()[0], "2026-11-22");
    server.stop().await;
}
