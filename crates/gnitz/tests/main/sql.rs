//! The SQL surface: types, writing statements, RETURNING, COPY, EXPLAIN, system tables.

use crate::{check, count, fails, memory, rows, run, state};

#[test]
fn every_type_comes_back_as_it_went_in() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (b BOOLEAN, s SMALLINT, i INTEGER, l BIGINT PRIMARY KEY, r REAL, d DOUBLE PRECISION,
            m DECIMAL(10, 2), w DECIMAL(38, 6), x TEXT, v VARCHAR(5), c CHAR(3), y BYTEA, da DATE, ti TIME,
            ts TIMESTAMP, tz TIMESTAMPTZ);
         INSERT INTO t VALUES (true, -5, 7, 1, 1.5, 2.25, 12.34, 12345678901234567890.123456, 'häl''lo', 'abc', 'xy',
            '\\x00ff', '2020-02-29', '12:34:56.5', '2021-01-01 00:00:00', '2021-06-01 12:00:00+02');
         INSERT INTO t (l) VALUES (2);",
    );
    assert_eq!(
        rows(&session, "SELECT b, s, i, l, r, d, m, w, x, v FROM t ORDER BY l"),
        ["true|-5|7|1|1.5|2.25|12.34|12345678901234567890.123456|häl'lo|abc", "-|-|-|2|-|-|-|-|-|-"]
    );
    assert_eq!(
        rows(&session, "SELECT da, ti, ts, tz FROM t WHERE l = 1"),
        ["2020-02-29|12:34:56.500|2021-01-01T00:00:00|2021-06-01T10:00:00Z"]
    );
    assert_eq!(
        rows(&session, "SELECT count(*) FROM t WHERE da + INTERVAL '1 day' = DATE '2020-03-01'"),
        ["1"]
    );
}

#[test]
fn keys_of_any_type_but_floats() {
    let (_database, session) = memory();
    for (index, ty) in [
        "BOOLEAN",
        "SMALLINT",
        "INTEGER",
        "DECIMAL(12,3)",
        "DECIMAL(30,3)",
        "TEXT",
        "BYTEA",
        "DATE",
        "TIMESTAMP",
    ]
    .into_iter()
    .enumerate()
    {
        run(&session, &format!("CREATE TABLE k{index} (k {ty} PRIMARY KEY, v INTEGER)"));
    }
    assert_eq!(state(&session, "CREATE TABLE f (k DOUBLE PRECISION PRIMARY KEY)"), "0A000");
    run(&session, "INSERT INTO k5 VALUES ('b', 1), ('a', 2), ('', 3)");
    assert_eq!(rows(&session, "SELECT v FROM k5 WHERE k = ''"), ["3"]);
    run(
        &session,
        "CREATE TABLE two (a TEXT, b INTEGER, v INTEGER, PRIMARY KEY (b, a));
                   INSERT INTO two VALUES ('x', 1, 1), ('y', 1, 2), ('x', 2, 3)",
    );
    assert_eq!(state(&session, "INSERT INTO two VALUES ('y', 1, 9)"), "23505");
    assert_eq!(rows(&session, "SELECT v FROM two WHERE a = 'x' AND b = 2"), ["3"]);
    assert_eq!(rows(&session, "SELECT v FROM two WHERE b = 1 ORDER BY v"), ["1", "2"]);
}

#[test]
fn insert_update_delete() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 7, x TEXT)");
    assert_eq!(count(&session, "INSERT INTO t (id, x) VALUES (1, 'a'), (2, 'b'), (3, NULL)"), 3);
    assert_eq!(count(&session, "UPDATE t SET n = n + id WHERE x IS NOT NULL"), 2);
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), ["1|8|a", "2|9|b", "3|7|-"]);
    assert_eq!(count(&session, "UPDATE t SET id = id + 1"), 3);
    assert_eq!(count(&session, "DELETE FROM t WHERE id = 4"), 1);
    assert_eq!(count(&session, "DELETE FROM t WHERE id = 4"), 0);
    assert_eq!(count(&session, "INSERT INTO t SELECT id + 10, n, x FROM t"), 2);
    assert_eq!(rows(&session, "SELECT id FROM t ORDER BY id"), ["2", "3", "12", "13"]);
    assert_eq!(count(&session, "DELETE FROM t"), 4);
}

#[test]
fn on_conflict_and_returning() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 10)");
    assert_eq!(count(&session, "INSERT INTO t VALUES (1, 11), (2, 20) ON CONFLICT DO NOTHING"), 1);
    assert_eq!(
        count(
            &session,
            "INSERT INTO t VALUES (1, 5), (3, 30) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n"
        ),
        2
    );
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), ["1|15", "2|20", "3|30"]);
    assert_eq!(rows(&session, "INSERT INTO t VALUES (4, 40) RETURNING id, n * 2 AS twice"), ["4|80"]);
    assert_eq!(rows(&session, "UPDATE t SET n = 0 WHERE id = 1 RETURNING *"), ["1|0"]);
    assert_eq!(rows(&session, "DELETE FROM t WHERE id = 2 RETURNING n"), ["20"]);
}

#[test]
fn a_table_without_a_key_is_a_bag() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (a INTEGER, b TEXT);
         CREATE MATERIALIZED VIEW v AS SELECT a, COUNT(*) AS n FROM t GROUP BY a;
         INSERT INTO t VALUES (1, 'x'), (1, 'x'), (NULL, 'y'); INSERT INTO t VALUES (1, 'x');",
    );
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY a, b"), ["1|x", "1|x", "1|x", "-|y"]);
    assert_eq!(rows(&session, "SELECT * FROM v ORDER BY a"), ["1|3", "-|1"]);
    assert_eq!(count(&session, "DELETE FROM t WHERE a = 1"), 3);
    assert_eq!(rows(&session, "SELECT * FROM v"), ["-|1"]);
    check(&session);
}

#[test]
fn copy_out_and_in() {
    let (_database, session) = memory();
    let directory = std::env::temp_dir().join(format!("gnitz-copy-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("t.csv").display().to_string();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT, d DATE, m DECIMAL(8, 2));
         CREATE TABLE u (id INTEGER PRIMARY KEY, x TEXT DEFAULT 'none', d DATE, m DECIMAL(8, 2));
         INSERT INTO t VALUES (1, 'a,\"b\"', '2020-01-02', 1.50), (2, '', NULL, NULL), (3, NULL, NULL, -2.25)",
    );
    assert_eq!(count(&session, &format!("COPY t TO '{file}' (FORMAT csv, HEADER)")), 3);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, "id,x,d,m\n1,\"a,\"\"b\"\"\",2020-01-02,1.50\n2,\"\",,\n3,,,-2.25\n");
    assert_eq!(count(&session, &format!("COPY u FROM '{file}' (FORMAT csv, HEADER)")), 3);
    assert_eq!(rows(&session, "SELECT * FROM u ORDER BY id"), rows(&session, "SELECT * FROM t ORDER BY id"));

    std::fs::write(&file, "id\n7\n8\nnine\n").unwrap();
    let (code, message) = fails(&session, &format!("COPY u (id) FROM '{file}' (FORMAT csv, HEADER)"));
    assert_eq!(code, "22P02");
    assert!(message.contains("line 4"), "{message}");
    assert_eq!(rows(&session, "SELECT count(*) FROM u"), ["3"]);
    std::fs::write(&file, "7\n8\n").unwrap();
    assert_eq!(count(&session, &format!("COPY u (id) FROM '{file}' (FORMAT csv)")), 2);
    assert_eq!(rows(&session, "SELECT x FROM u WHERE id = 8"), ["none"]);
    assert_eq!(count(&session, &format!("COPY (SELECT id * 2 AS twice FROM t) TO '{file}' (FORMAT csv)")), 3);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_database_describes_itself() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x VARCHAR(9) NOT NULL DEFAULT 'q');
         CREATE MATERIALIZED VIEW v AS SELECT x, COUNT(*) AS n FROM t GROUP BY x;
         INSERT INTO t VALUES (1, 'a'), (2, 'a'), (3, 'b')",
    );
    assert_eq!(
        rows(
            &session,
            "SELECT name, kind, primary_key, rows FROM gnitz_tables WHERE kind <> 'system' ORDER BY name"
        ),
        ["t|table|id|3", "v|view||2"]
    );
    assert_eq!(
        rows(
            &session,
            "SELECT name, type, nullable, max_length FROM gnitz_columns WHERE table_name = 't' ORDER BY position"
        ),
        ["id|INTEGER|false|-", "x|TEXT|false|9"]
    );
    assert_eq!(rows(&session, "SELECT count(*) FROM gnitz_views WHERE sql LIKE '%GROUP BY%'"), ["1"]);
    assert_eq!(
        rows(
            &session,
            "SELECT view, kind, cost FROM gnitz_operators WHERE kind IN ('reduce', 'sink') ORDER BY kind"
        ),
        ["v|reduce|change", "v|sink|change"]
    );
    let plan = rows(&session, "EXPLAIN v").join("\n");
    assert!(plan.contains("reduce"), "{plan}");
    let plan = rows(&session, "EXPLAIN SELECT x, SUM(id) FROM t GROUP BY x").join("\n");
    assert!(plan.contains("reduce"), "{plan}");
    assert_eq!(rows(&session, "SHOW TABLES").len(), 2);
}

#[test]
fn ad_hoc_queries() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, g TEXT, n INTEGER);
         INSERT INTO t VALUES (1, 'a', 5), (2, 'a', NULL), (3, 'b', -1), (4, NULL, 2)",
    );
    assert_eq!(
        rows(&session, "SELECT g, sum(n), count(n) FROM t GROUP BY g ORDER BY g"),
        ["a|5|1", "b|-1|1", "-|2|1"]
    );
    assert_eq!(
        rows(&session, "SELECT id, row_number() OVER (ORDER BY n DESC NULLS LAST) FROM t ORDER BY id"),
        ["1|1", "2|4", "3|3", "4|2"]
    );
    assert_eq!(rows(&session, "SELECT id FROM t WHERE n > (SELECT avg(n) FROM t) ORDER BY id"), ["1"]);
    assert_eq!(rows(&session, "WITH big AS (SELECT * FROM t WHERE n > 0) SELECT count(*) FROM big"), ["2"]);
    assert_eq!(rows(&session, "SELECT id FROM t ORDER BY id LIMIT 2 OFFSET 1"), ["2", "3"]);
    assert_eq!(
        rows(&session, "SELECT id, id, n, t.id, n AS n, *, id FROM t WHERE id = 1"),
        ["1|1|5|1|5|1|a|5|1"]
    );
    assert_eq!(rows(&session, "SELECT n, n FROM t UNION ALL SELECT 8, 8 ORDER BY 1 LIMIT 1"), ["-1|-1"]);
    assert_eq!(state(&session, "SELECT 1 / (n + 1) FROM t"), "22012");
    assert_eq!(state(&session, "SELECT n + 2147483647 FROM t"), "22003");
    assert_eq!(state(&session, "SELECT sum(n::BIGINT + 9223372036854775800) FROM t WHERE n > 0"), "22003");
    assert_eq!(
        rows(&session, "SELECT CASE WHEN n + 1 <> 0 THEN 6 / (n + 1) END FROM t ORDER BY id"),
        ["1", "-", "-", "2"]
    );
}

#[test]
fn a_decimal_beside_a_float_is_a_float() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE f (id BIGINT PRIMARY KEY, d DOUBLE PRECISION, n NUMERIC(10, 2));
         INSERT INTO f VALUES (1, 1.5, 1.50), (2, 'NaN', 2), (3, 1e300, 3), (4, NULL, 4);
         CREATE MATERIALIZED VIEW v AS SELECT id, d > 1.5 AS above, d = n AS same, greatest(d, 1.5) AS most FROM f;",
    );
    let expected = ["1|false|true|1.5", "2|true|false|NaN", "3|true|false|1e300", "4|-|-|1.5"];
    assert_eq!(rows(&session, "SELECT * FROM v ORDER BY id"), expected);
    check(&session);
    for (condition, ids) in [
        ("d IN (1.5, 2.25)", vec!["1"]),
        ("d BETWEEN 0.5 AND 2.5", vec!["1"]),
        ("d IS DISTINCT FROM 1.5", vec!["2", "3", "4"]),
        ("CASE d WHEN 1.5 THEN true ELSE false END", vec!["1"]),
        ("d IN (SELECT n FROM f)", vec!["1"]),
        ("n IN (SELECT d FROM f)", vec!["1"]),
        ("d > 1e200", vec!["2", "3"]),
        ("n > 1e-60", vec!["1", "2", "3", "4"]),
    ] {
        assert_eq!(
            rows(&session, &format!("SELECT id FROM f WHERE {condition} ORDER BY id")),
            ids,
            "{condition}"
        );
    }
    let list =
        "SELECT a FROM (VALUES (1e300::DOUBLE PRECISION), (2.25), ('NaN'::DOUBLE PRECISION)) x(a) ORDER BY a";
    assert_eq!(rows(&session, list), ["2.25", "1e300", "NaN"]);
    assert_eq!(rows(&session, "SELECT count(*) FROM f x JOIN f y ON x.d = y.n"), ["1"]);
    assert_eq!(rows(&session, "SELECT d FROM f INTERSECT SELECT n FROM f"), ["1.5"]);
}

#[test]
fn what_a_subquery_cannot_be_is_named() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)");
    for (query, construct) in [
        ("SELECT id, (SELECT n FROM t y WHERE y.id > x.id) FROM t x", "correlated scalar subquery"),
        ("SELECT id, (SELECT n FROM t y WHERE y.id > x.id LIMIT 1) FROM t x", "subquery"),
        ("SELECT 1 FROM t x, LATERAL (SELECT n FROM t y WHERE y.id > x.id LIMIT 1) l", "LATERAL subquery"),
    ] {
        let (state, message) = fails(&session, query);
        assert!(state == "0A000" && message.contains(construct), "{query}: {state} {message}");
    }
    let lateral = "SELECT x.id FROM t x, LATERAL (SELECT max(n) AS m FROM t y WHERE y.id = x.id) l";
    assert_eq!(rows(&session, lateral), Vec::<String>::new());
}

#[test]
fn a_scalar_subquery_without_a_row_is_null() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE u (id BIGINT PRIMARY KEY, note TEXT);
         INSERT INTO t VALUES (1, 'one'), (2, 'two');
         INSERT INTO u VALUES (1, 'a'), (9, 'b')",
    );
    for (query, expected) in [
        ("SELECT (SELECT name FROM t WHERE id = -1)", "-"),
        ("SELECT (SELECT name FROM t WHERE id = -1) IS NULL", "true"),
        ("SELECT (SELECT name FROM t WHERE id = -1 LIMIT 1) IS NULL", "true"),
        ("SELECT coalesce((SELECT name FROM t WHERE id = -1), 'none')", "none"),
        ("SELECT (SELECT name FROM t WHERE id = 1)", "one"),
        ("SELECT (SELECT count(*) FROM t WHERE id = -1)", "0"),
        ("SELECT (SELECT id FROM t LIMIT 1 OFFSET 4) + 1", "-"),
        ("SELECT 1 WHERE (SELECT name FROM t WHERE id = -1) IS NULL", "1"),
    ] {
        assert_eq!(rows(&session, query), [expected], "{query}");
    }
    let correlated = "SELECT id, (SELECT name FROM t WHERE t.id = u.id) IS NULL FROM u ORDER BY id";
    assert_eq!(rows(&session, correlated), ["1|false", "9|true"]);
    run(&session, "INSERT INTO u VALUES (5, (SELECT name FROM t WHERE id = -1))");
    assert_eq!(rows(&session, "SELECT note FROM u WHERE id = 5"), ["-"]);
}
