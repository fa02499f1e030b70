//! What a statement may not do: be deeper than the stack, take more memory than it may, or write where it only reads.

use std::time::Duration;

use gnitz::{Database, Datum, Type, Value};

use crate::{check, count, memory, rows, run, state};

/// A chain of so many operands.
fn chain(operand: &str, operator: &str, length: usize) -> String {
    vec![operand; length].join(operator)
}

#[test]
fn deep_statements_run() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)");
    assert_eq!(rows(&session, &format!("SELECT {}", chain("1", " + ", 300))), ["300"]);
    let union = chain("SELECT 1 AS x", " UNION ALL ", 150);
    assert_eq!(rows(&session, &format!("SELECT count(*) FROM ({union}) u")), ["150"]);
    let cases = format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(40), " END".repeat(40));
    assert_eq!(rows(&session, &cases), ["1"]);
    assert_eq!(count(&session, &format!("INSERT INTO t VALUES (1, {})", chain("1", " + ", 300))), 1);
    let ids: Vec<String> = (0..5000).map(|id| format!("id = {id}")).collect();
    let ids = ids.join(" OR ");
    assert_eq!(rows(&session, &format!("SELECT n FROM t WHERE {ids}")), ["300"]);
    assert_eq!(count(&session, &format!("UPDATE t SET n = 2 WHERE {ids}")), 1);
    run(&session, &format!("CREATE MATERIALIZED VIEW v AS SELECT id, n FROM t WHERE {ids}"));
    run(&session, "INSERT INTO t VALUES (4999, 3), (5000, 4)");
    assert_eq!(rows(&session, "SELECT n FROM v ORDER BY id"), ["2", "3"]);
    check(&session);
}

#[test]
fn what_is_too_deep_is_refused() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)");
    for text in [
        format!("SELECT {}", chain("1", " + ", 100_000)),
        format!("SELECT {}1", "- ".repeat(100_000)),
        format!("SELECT {}true", "NOT ".repeat(100_000)),
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT 1 WHERE {}", chain("1 = 1", " AND ", 100_000)),
        chain("SELECT 1", " EXCEPT ", 100_000),
        format!("CREATE MATERIALIZED VIEW v AS SELECT {} AS x FROM t", chain("id", " + ", 100_000)),
        format!("UPDATE t SET n = {}", chain("n", " + ", 100_000)),
        format!("CREATE TABLE u (id BIGINT DEFAULT ({}))", chain("1", " + ", 100_000)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(100_000), " END".repeat(100_000)),
    ] {
        assert_eq!(state(&session, &text), "54001", "{}…", &text[..60]);
    }
    assert_eq!(rows(&session, "SELECT 1"), ["1"]);
}

#[test]
fn a_query_has_so_much_memory_and_no_more() {
    let database = Database::builder().query_memory(4 << 20).inline_maintenance().open_in_memory().unwrap();
    let session = database.session();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, x TEXT)");
    let filled = "INSERT INTO t SELECT n, 'row number ' || n FROM generate_series(1, 40000) n";
    assert_eq!(count(&session, filled), 40_000);
    for greedy in [
        "SELECT * FROM t a, t b",
        "SELECT a.x, b.x FROM t a JOIN t b ON a.x <> b.x",
        "SELECT x, repeat(x, 100) FROM t",
        "SELECT array_agg(a.x || b.x) FROM t a, t b",
        "INSERT INTO t SELECT a.id + 1000000 * b.id, a.x FROM t a, t b",
    ] {
        assert_eq!(state(&session, greedy), "53200", "{greedy}");
    }
    // What does not fit is sorted in files.
    assert_eq!(rows(&session, "SELECT x FROM t ORDER BY repeat(x, 20) DESC LIMIT 1"), ["row number 9"]);
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["40000"]);
}

/// An operator makes thousands of rows at once, a program a column for all rows: what is constant would stand in each.
#[test]
fn constants_beside_many_rows_take_no_more() {
    let database = Database::builder().query_memory(64 << 20).open_in_memory().unwrap();
    let session = database.session();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, x TEXT)");
    assert_eq!(count(&session, "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 20000) n"), 20_000);
    let large = "y".repeat(3_000_000);
    for greedy in [
        "SELECT repeat('x', 1000000) FROM t".to_string(),
        format!("SELECT x, '{large}' FROM t"),
        format!("SELECT a.x, b.y FROM t a JOIN (SELECT id, '{large}' AS y FROM t) b ON a.id = b.id"),
        format!("INSERT INTO t SELECT id + 100000, '{large}' FROM t"),
        format!("UPDATE t SET x = '{large}'"),
        format!("DELETE FROM t WHERE id < 10000 RETURNING '{large}'"),
        format!("CREATE MATERIALIZED VIEW v AS SELECT id, '{large}' AS b FROM t"),
    ] {
        assert_eq!(state(&session, &greedy), "53200", "{greedy:.100}");
    }
    let given = [Value { datum: Datum::Text(large.as_str().into()), ty: Type::Text }];
    let update = session.prepare("UPDATE t SET x = $1").unwrap();
    assert_eq!(update.execute(&given).unwrap_err().sqlstate(), "53200");
    let query = |sql: &str| rows(&session, sql).concat();
    assert_eq!(query(&format!("SELECT max(length(coalesce(nullif(x, 'x'), '{large}'))) FROM t")), "3000000");
    assert_eq!(query(&format!("SELECT count(*) FROM t WHERE x || id < '{large}'")), "20000");
    assert_eq!(query("SELECT count(rpad(x, 1000000)) FROM t WHERE id <= 2000"), "2000");
    let either =
        format!("SELECT DISTINCT length(CASE WHEN id > 5 THEN '{large}' ELSE x END) AS l FROM t ORDER BY l");
    assert_eq!(rows(&session, &either), ["1", "3000000"]);
    let lengths = format!("SELECT id, length('{large}' || x) AS b FROM t WHERE id <= 500");
    run(&session, &format!("CREATE MATERIALIZED VIEW v AS {lengths}"));
    assert_eq!(query("SELECT min(b), max(b), count(*) FROM v"), "3000001|3000001|500");
    assert_eq!(query("SELECT count(*), max(length(x)) FROM t"), "20000|1");
}

#[test]
fn a_transaction_changes_so_much_and_no_more() {
    let database = Database::builder().transaction_memory(4 << 20).open_in_memory().unwrap();
    let session = database.session();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, x TEXT)");
    let filled = |from: u32| {
        format!("INSERT INTO t SELECT n + {from}, repeat('x', 1000) FROM generate_series(1, 1000) n")
    };
    for first in [0, 1_000, 2_000, 3_000] {
        assert_eq!(count(&session, &filled(first)), 1_000);
    }
    assert_eq!(state(&session, "UPDATE t SET x = x || 'y'"), "53200");
    run(&session, "BEGIN");
    for first in [4_000, 5_000, 6_000] {
        assert_eq!(count(&session, &filled(first)), 1_000);
    }
    run(&session, "SAVEPOINT s");
    assert_eq!(state(&session, &filled(7_000)), "53200");
    run(&session, "ROLLBACK TO s; CREATE TABLE u (id BIGINT PRIMARY KEY)");
    assert_eq!(count(&session, &filled(7_000)), 1_000);
    assert_eq!(state(&session, &filled(8_000)), "53200");
    run(&session, "ROLLBACK TO s; INSERT INTO t VALUES (9000, 'z'); COMMIT");
    assert_eq!(rows(&session, "SELECT count(*), max(id) FROM t"), ["7001|9000"]);
}

#[test]
fn a_query_of_the_catalogs_has_so_much_memory_and_no_more() {
    let database = Database::builder().query_memory(8 << 20).inline_maintenance().open_in_memory().unwrap();
    let session = database.session();
    let levels = |first: &str, next: &str| {
        let next = (1..=40).map(|n| format!(", l{n} AS (SELECT {next} AS a FROM l{})", n - 1));
        format!("WITH l0 AS ({first}){} SELECT a FROM l40", next.collect::<String>())
    };
    let nested = levels("SELECT '\"' || relname AS a FROM pg_class", "row(a)");
    let doubled = levels("SELECT relname AS a FROM pg_class", "row(a, a)");
    let arguments = vec!["repeat(relname, 100000)"; 20].join(", ");
    for greedy in [
        "SELECT * FROM pg_type a, pg_type b, pg_type c".to_string(),
        "SELECT count(*) FROM pg_attribute a, pg_attribute b".to_string(),
        "SELECT * FROM pg_attribute a ORDER BY repeat(attname, 1000)".to_string(),
        "SELECT repeat(attname, 1000) FROM pg_attribute".to_string(),
        "SELECT DISTINCT repeat(attname, 1000) || attnum FROM pg_attribute".to_string(),
        "SELECT count(*) FROM (SELECT repeat(attname, 1000) FROM pg_attribute OFFSET 0) x".to_string(),
        "SELECT repeat(attname, 1000), count(*) FROM pg_attribute GROUP BY 1".to_string(),
        "SELECT count(DISTINCT repeat(attname, 1000)) FROM pg_attribute".to_string(),
        "SELECT row_number() OVER (ORDER BY repeat(attname, 1000)) FROM pg_attribute".to_string(),
        "SELECT max(repeat(attname, 1000)) OVER (PARTITION BY attrelid, attnum) FROM pg_attribute"
            .to_string(),
        "SELECT array_agg(a.attname) FROM pg_attribute a, pg_type b".to_string(),
        "SELECT count(*) FROM pg_attribute a JOIN pg_attribute b
             ON repeat(a.attname, 1000) = repeat(b.attname, 1000)"
            .to_string(),
        "WITH RECURSIVE r(n) AS (SELECT 1 FROM pg_class UNION ALL SELECT n + 1 FROM r)
             SELECT count(*) FROM r"
            .to_string(),
        "SELECT count(*) FROM generate_series(1, 1000000) n WHERE 'pg_class'::regclass = 1259".to_string(),
        format!("SELECT length(concat({arguments})) FROM pg_class"),
        "SELECT count(*) FROM pg_class c, LATERAL (SELECT repeat(attname, 1000) AS r FROM pg_attribute a
             WHERE a.attrelid = c.oid) x"
            .to_string(),
        "SELECT count(*) FROM pg_class c, LATERAL string_to_table(repeat(relname, 10000), '_') x".to_string(),
    ] {
        assert_eq!(state(&session, &greedy), "53200", "{greedy}");
    }
    // Each level of quotes has them twice, each level of rows two of them.
    assert_eq!(state(&session, &nested), "54000");
    assert_eq!(state(&session, &doubled), "53200");
    // What one row needs the next one has again.
    for modest in [
        "SELECT count(l) > 1000 FROM (SELECT length(string_to_table(repeat(attname, 1000), ',')) AS l FROM pg_attribute) x",
        "SELECT count(*) > 1 FROM (SELECT 1 FROM pg_attribute GROUP BY repeat(left(attname, 1), 10000)) x",
        "SELECT count(*) > 1000 FROM pg_attribute WHERE length(repeat(attname, 1000)) > 0",
        "SELECT sum(length(repeat(attname, 1000))) > 8000000 FROM pg_attribute",
        "SELECT bool_and((SELECT length(repeat(b.attname, 1000)) > 0 FROM pg_attribute b
             WHERE b.attrelid = c.oid AND b.attnum = 1)) FROM pg_class c WHERE relkind = 'r'",
        "SELECT count(*) > 500 FROM pg_class c, LATERAL (SELECT repeat(attname, 1000) AS r FROM pg_attribute a
             WHERE a.attrelid = c.oid) x WHERE length(r) > 0 AND c.relkind = 'r'",
    ] {
        assert_eq!(rows(&session, modest), ["true"], "{modest}");
    }
}

/// A pattern says where it may match in more ways than anyone can try.
#[test]
fn patterns_over_the_catalogs_take_no_power_of_their_length() {
    let (_database, session) = memory();
    let sql = "SELECT repeat(left(relname, 0) || 'a', 200) LIKE repeat('%a', 100) || '%b'
         FROM pg_class WHERE relname = 'pg_class'";
    assert_eq!(rows(&session, sql), ["false"]);
    assert_eq!(state(&session, "SELECT relname LIKE 'pg\\' FROM pg_class"), "22025");
}

#[test]
fn a_join_of_all_pairs_is_cancelled() {
    let (_database, session) = memory();
    for query in [
        "SELECT count(*) FROM generate_series(1, 1000000) a FULL JOIN generate_series(1, 1000000) b
             ON a * b = 7919 * 7919",
        "SELECT count(*) FROM generate_series(1, 1000000) a WHERE NOT EXISTS
             (SELECT 1 FROM generate_series(1, 1000000) b WHERE a + b < 0)",
        "SELECT count(*) OVER () FROM pg_attribute, generate_series(1, 50) n",
        "SELECT count(*) FROM pg_attribute a WHERE NOT EXISTS
             (SELECT 1 FROM pg_attribute b, pg_attribute c WHERE a.attnum + b.attnum + c.attnum < -1000)",
    ] {
        let handle = session.cancel_handle();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            handle.cancel();
        });
        assert_eq!(state(&session, query), "57014");
        stopper.join().unwrap();
    }
}

#[test]
fn what_only_reads_does_not_write() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY)");
    for writes in [
        "INSERT INTO t VALUES (1)",
        "CREATE TABLE u (id BIGINT)",
        "CREATE ROLE r",
        "DROP TABLE t",
        "COPY t FROM '/nowhere'",
    ] {
        run(&session, "BEGIN READ ONLY");
        assert!(session.is_read_only());
        assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["0"]);
        let failed = state(&session, writes);
        assert!(failed == "25006" || writes.starts_with("COPY"), "{writes}: {failed}");
        run(&session, "ROLLBACK");
    }
    run(&session, "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; COMMIT");
    session.set_read_only(true);
    assert_eq!(state(&session, "INSERT INTO t VALUES (1)"), "25006");
    assert_eq!(state(&session, "DROP TABLE t"), "25006");
    assert_eq!(state(&session, "BEGIN; INSERT INTO t VALUES (1)"), "25006");
    run(&session, "ROLLBACK; BEGIN READ WRITE; INSERT INTO t VALUES (1); COMMIT");
    session.set_read_only(false);
    assert_eq!(count(&session, "INSERT INTO t VALUES (2)"), 1);
}

#[test]
fn a_short_text_has_no_endless_plan() {
    let (_database, session) = memory();
    let doubling = |levels: usize| {
        let more = (1..levels).map(|n| format!(", a{n} AS (SELECT p.x FROM a{0} p, a{0} q)", n - 1));
        let last = levels - 1;
        format!("WITH a0 AS (SELECT 1 AS x){} SELECT count(*) FROM a{last}", more.collect::<String>())
    };
    assert_eq!(rows(&session, &doubling(6)), ["1"]);
    assert_eq!(state(&session, &doubling(30)), "54001");
    let wide = |columns: usize| format!("SELECT {}", vec!["1"; columns].join(", "));
    assert_eq!(state(&session, &wide(1_665)), "54011");
    assert_eq!(state(&session, &wide(100_000)), "54011");
    run(&session, &wide(200));
}
