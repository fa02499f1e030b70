//! What is refused: by which SQLSTATE, and that nothing of it has happened.

use gnitz::Database;

use crate::{check, fails, memory, rows, run, state};

#[test]
fn constraints() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n SMALLINT NOT NULL, x VARCHAR(3), m DECIMAL(4, 1));
         INSERT INTO t VALUES (1, 1, 'a', 1.5)",
    );
    let (code, message) = fails(&session, "INSERT INTO t VALUES (2, 2, 'b', 2), (1, 5, 'c', 3)");
    assert_eq!(code, "23505");
    assert!(message.contains("(id)=(1)") && message.contains('t'), "{message}");
    for (sql, code) in [
        ("INSERT INTO t VALUES (3, NULL, 'b', 2)", "23502"),
        ("INSERT INTO t VALUES (NULL, 1, 'b', 2)", "23502"),
        ("INSERT INTO t VALUES (3, 1, 'abcd', 2)", "22001"),
        ("INSERT INTO t VALUES (3, 40000, 'b', 2)", "22003"),
        ("INSERT INTO t VALUES (3, 1, 'b', 1000)", "22003"),
        ("INSERT INTO t VALUES (3, 'x', 'b', 2)", "22P02"),
        ("INSERT INTO t VALUES (3, 1, 'b', 2), (3, 1, 'b', 2)", "23505"),
        ("UPDATE t SET n = NULL", "23502"),
        ("UPDATE t SET n = n / 0", "22012"),
        ("UPDATE t SET n = n + 32767", "22003"),
        ("UPDATE t SET missing = 1", "42703"),
        ("SELECT missing FROM t", "42703"),
        ("SELECT * FROM missing", "42P01"),
        ("INSERT INTO missing VALUES (1)", "42P01"),
        ("DROP TABLE missing", "42P01"),
        ("CREATE TABLE t (a INTEGER)", "42P07"),
        ("CREATE TABLE u (a INTEGER, a TEXT)", "42701"),
        ("SELEC 1", "42601"),
        ("SELECT $1", "42P02"),
    ] {
        assert_eq!(state(&session, sql), code, "{sql}");
    }
    assert_eq!(rows(&session, "SELECT * FROM t"), ["1|1|a|1.5"]);
}

#[test]
fn a_commit_that_breaks_a_view_is_refused_whole() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
         CREATE MATERIALIZED VIEW ratio AS SELECT id, 100 / n AS r FROM t;
         CREATE MATERIALIZED VIEW total AS SELECT SUM(CAST(n AS BIGINT)) AS s FROM t;
         INSERT INTO t VALUES (1, 5)",
    );
    let (code, message) = fails(&session, "INSERT INTO t VALUES (2, 4), (7, 0), (8, 3)");
    assert_eq!(code, "22012");
    assert!(message.contains("\"ratio\"") && message.contains('7'), "{message}");
    assert_eq!(rows(&session, "SELECT * FROM t"), ["1|5"]);
    assert_eq!(rows(&session, "SELECT * FROM total"), ["5"]);
    run(&session, "INSERT INTO t VALUES (2, 4)");
    assert_eq!(rows(&session, "SELECT * FROM ratio ORDER BY id"), ["1|20", "2|25"]);
    check(&session);
}

#[test]
fn a_sum_that_overflows_refuses_the_commit() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n BIGINT);
         CREATE MATERIALIZED VIEW total AS SELECT SUM(n) AS s FROM t;
         INSERT INTO t VALUES (1, 9223372036854775807)",
    );
    assert_eq!(state(&session, "INSERT INTO t VALUES (2, 1)"), "22003");
    run(&session, "INSERT INTO t VALUES (2, 1), (3, -1)");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["9223372036854775807"]);
    check(&session);
}

#[test]
fn what_views_do_not_take_is_named() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)");
    for (sql, construct) in [
        ("SELECT id, row_number() OVER (ORDER BY n) FROM t", "window"),
        ("SELECT id FROM t ORDER BY n LIMIT 3", "limit"),
        ("SELECT a.id FROM t a LEFT JOIN t b ON a.id = b.n", "left"),
        ("SELECT id FROM t WHERE n > random()", "random"),
        ("SELECT name FROM gnitz_tables", "gnitz_tables"),
    ] {
        let (code, message) = fails(&session, &format!("CREATE MATERIALIZED VIEW v AS {sql}"));
        assert_eq!(code, "0A000", "{sql}: {message}");
        assert!(message.to_lowercase().contains(construct), "{sql}: {message}");
    }
    assert_eq!(rows(&session, "SELECT count(*) FROM gnitz_views"), ["0"]);
}

#[test]
fn filling_a_view_that_fails_leaves_nothing() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 0)");
    assert_eq!(state(&session, "CREATE MATERIALIZED VIEW v AS SELECT 1 / n AS r FROM t"), "22012");
    assert_eq!(rows(&session, "SELECT count(*) FROM gnitz_views"), ["0"]);
    run(&session, "INSERT INTO t VALUES (2, 0)");
}

#[test]
fn drop_names_dependents() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY);
         CREATE MATERIALIZED VIEW a AS SELECT id FROM t;
         CREATE MATERIALIZED VIEW b AS SELECT id + 1 AS next FROM a",
    );
    let (code, message) = fails(&session, "DROP TABLE t");
    assert_eq!(code, "2BP01");
    assert!(message.contains("\"a\"") && message.contains("\"b\""), "{message}");
    assert_eq!(state(&session, "DROP MATERIALIZED VIEW a"), "2BP01");
    assert_eq!(state(&session, "DROP TABLE a"), "42809");
    run(&session, "DROP MATERIALIZED VIEW b; DROP TABLE t CASCADE; DROP TABLE IF EXISTS t");
    assert_eq!(rows(&session, "SELECT count(*) FROM gnitz_tables WHERE kind <> 'system'"), ["0"]);
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
}

#[test]
fn a_query_must_answer_rows() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    assert_eq!(session.query("INSERT INTO t VALUES (1)").unwrap_err().sqlstate(), "22023");
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["0"]);
    assert_eq!(rows(&session, "INSERT INTO t VALUES (1) RETURNING id"), ["1"]);
    let insert = session.prepare("INSERT INTO t VALUES ($1)").unwrap();
    assert_eq!(insert.execute(&[]).unwrap_err().sqlstate(), "42P02");
    assert_eq!(insert.execute(&[gnitz::Value::from("x")]).unwrap_err().sqlstate(), "22P02");
    assert_eq!(insert.execute(&[gnitz::Value::NULL]).unwrap_err().sqlstate(), "23502");
    insert.execute(&["2".into()]).unwrap();
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["2"]);
}

#[test]
fn a_closed_database_says_so() {
    let database = Database::in_memory().unwrap();
    let session = database.session();
    database.close().unwrap();
    assert_eq!(state(&session, "SELECT 1"), "58030");
    assert_eq!(database.check_writable().unwrap_err().sqlstate(), "58030");
    assert!(database.stats().is_err());
}

/// No value that is computed has more than 64 MiB, whoever computes it: a query, a view, a writing statement, the
/// interpreter of catalogs' queries.
#[test]
fn values_have_a_largest_size() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, n INTEGER);
         INSERT INTO t VALUES (1, 'ab', 3);
         CREATE MATERIALIZED VIEW v AS SELECT id, length(repeat(s, n) || lpad(s, n)) AS l FROM t;
         CREATE MATERIALIZED VIEW c AS SELECT id, repeat('x', 2000000) AS r FROM t",
    );
    for sql in [
        "SELECT repeat(s, 2000000000) FROM t",
        "INSERT INTO t VALUES (2, repeat('x', 2000000000), 1)",
        "INSERT INTO t VALUES (2, 'ab', 2000000000)",
        "UPDATE t SET n = 50000000",
        "UPDATE t SET s = rpad(s, 2000000000)",
        "SELECT repeat(relname, 2000000000) FROM pg_class",
        "SELECT lpad(relname, 2000000000) FROM pg_class",
        "SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 1000))) FROM pg_class",
        "SELECT regexp_replace(repeat('a', 1000000), 'a', repeat('b', 1000), 'g') FROM pg_class",
        "SELECT length(string_agg(repeat(relname, 100000), '')) FROM pg_class",
        "SELECT length(repeat('a', 40000000) || repeat(relname, 10000000)) FROM pg_class",
        "SELECT format('%1$s%1$s', repeat('a', 40000000)) FROM pg_class",
        "SELECT string_to_array(repeat('p', 3000000), 'p') FROM pg_class",
        "SELECT string_to_table(repeat('p', 3000000), 'p') FROM pg_class",
        "SELECT json_agg(repeat(relname, 100000)) FROM pg_class",
        "SELECT array_agg(repeat(relname, 100000)) FROM pg_class",
        "SELECT array_to_string(array_agg(relname), repeat('b', 20000000)) FROM pg_class",
    ] {
        let (code, message) = fails(&session, sql);
        assert_eq!(code, "54000", "{sql}: {message}");
        assert!(message.starts_with("requested length too large"), "{sql}: {message}");
    }
    assert_eq!(rows(&session, "SELECT id, l FROM v"), ["1|9"]);
    assert_eq!(rows(&session, "SELECT length(r) FROM c"), ["2000000"]);
    assert_eq!(
        rows(&session, "SELECT length(repeat(relname, 20000)) FROM pg_class WHERE relname = 't'"),
        ["20000"]
    );
    // What a view computes does not stand in its program: 2 MB of x would.
    let circuit = rows(&session, "EXPLAIN MATERIALIZED VIEW c").concat();
    assert!(circuit.len() < 100_000 && circuit.contains("repeat"), "{circuit:.200}");
}

#[test]
fn types_that_do_not_compare_are_refused() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (k INT PRIMARY KEY, name TEXT, day DATE, at TIMESTAMP, clock TIME, flag BOOLEAN, n NUMERIC(8, 2), raw BYTEA);
         INSERT INTO t VALUES (1, 'one', '2020-01-01', '2020-01-01 05:06:07', '05:06', TRUE, 1.5, 'x')",
    );
    for (condition, operator) in [
        ("name = 1", "text = integer"),
        ("2.5 > name", "numeric(2,1) > text"),
        ("name IN ('a', 7)", "text = integer"),
        ("name BETWEEN 1 AND 2", "text >= integer"),
        ("day = 1", "date = integer"),
        ("day <> name", "date <> text"),
        ("flag = k", "boolean = integer"),
        ("clock < at", "time without time zone < timestamp without time zone"),
        ("k IS DISTINCT FROM name", "integer = text"),
        ("CASE name WHEN 5 THEN true ELSE false END", "text = integer"),
        ("name IN (SELECT k FROM t)", "text = integer"),
        ("raw = name", "bytea = text"),
        ("name || 'x' = 4", "text = integer"),
        ("CAST('1' AS TEXT) = k", "text = integer"),
    ] {
        let refused = ("42883".to_string(), format!("operator does not exist: {operator}"));
        assert_eq!(fails(&session, &format!("SELECT k FROM t WHERE {condition}")), refused, "{condition}");
        assert_eq!(fails(&session, &format!("DELETE FROM t WHERE {condition}")), refused, "{condition}");
        let view = format!("CREATE MATERIALIZED VIEW v AS SELECT k FROM t WHERE {condition}");
        assert_eq!(fails(&session, &view), refused, "{condition}");
    }
    for condition in [
        "k = '1'",
        "'2020-01-01' = day",
        "day <= at",
        "n > k",
        "name > 'a'",
        "clock = '05:06'",
        "k IN ('1', 2)",
        "CAST(name AS TEXT) <> '1'",
        "CAST(k AS TEXT) < name",
        "raw = 'x'",
        "CASE k WHEN '1' THEN true END",
        "name IN (SELECT name FROM t)",
        "COALESCE(day, DATE '2000-01-01') = '2020-01-01'",
    ] {
        assert_eq!(rows(&session, &format!("SELECT k FROM t WHERE {condition}")), ["1"], "{condition}");
    }
}

#[test]
fn regular_expressions_are_read_or_refused() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (k INT PRIMARY KEY, s TEXT); INSERT INTO t VALUES (1, '(')");
    for expression in [
        "s ~ s",
        "s !~* '['",
        "regexp_replace(s, s, s)",
        "regexp_replace('a', 'a', s, 'q')",
        "regexp_like(s, s)",
    ] {
        let (code, message) = fails(&session, &format!("SELECT {expression} FROM t"));
        assert_eq!(code, "2201B", "{expression}: {message}");
        assert!(message.starts_with("invalid regular expression: "), "{expression}: {message}");
    }
    assert_eq!(state(&session, "UPDATE t SET k = 2 RETURNING regexp_replace(s, s, s)"), "2201B");
    assert_eq!(rows(&session, "SELECT k FROM t"), ["1"]);
}
