//! Explicit transactions: what they see, how they end, who wins.

use gnitz::{Datum, Status, Value};

use crate::{check, memory, rows, run, state};

const BASE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
    CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS c, SUM(n) AS s FROM t;
    CREATE MATERIALIZED VIEW doubled AS SELECT s * 2 AS d FROM total;
    INSERT INTO t VALUES (1, 10), (2, 20)";

#[test]
fn a_transaction_reads_its_own_writes_in_tables_and_views() {
    let (database, session) = memory();
    run(&session, BASE);
    let other = database.session();
    run(&session, "BEGIN; UPDATE t SET n = 11 WHERE id = 1; INSERT INTO t VALUES (3, 30)");
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), ["1|11", "2|20", "3|30"]);
    assert_eq!(rows(&session, "SELECT * FROM total"), ["3|61"]);
    run(&session, "DELETE FROM t WHERE id = 2; UPDATE t SET n = n + 1");
    assert_eq!(rows(&session, "SELECT total.c, d FROM total, doubled"), ["2|86"]);
    assert_eq!(rows(&other, "SELECT * FROM total"), ["2|30"]);
    run(&session, "COMMIT");
    assert_eq!(rows(&other, "SELECT * FROM total"), ["2|43"]);
    check(&session);
}

#[test]
fn rollback_and_drop_leave_nothing() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(&session, "BEGIN; DELETE FROM t; ROLLBACK");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["2|30"]);
    let transaction = session.begin().unwrap();
    transaction.execute("DELETE FROM t").unwrap();
    drop(transaction);
    assert_eq!(session.status(), Status::Idle);
    assert_eq!(rows(&session, "SELECT * FROM total"), ["2|30"]);
}

#[test]
fn a_failed_transaction_takes_nothing_but_its_end() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(&session, "BEGIN; INSERT INTO t VALUES (3, 30)");
    assert_eq!(state(&session, "INSERT INTO t VALUES (3, 31)"), "23505");
    assert_eq!(session.status(), Status::Failed);
    assert_eq!(state(&session, "SELECT 1"), "25P02");
    assert_eq!(state(&session, "CREATE TABLE u (a INTEGER)"), "25P02");
    run(&session, "COMMIT");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["2|30"]);
    assert_eq!(state(&session, "COMMIT"), "25P01");
    run(&session, "BEGIN");
    assert_eq!(state(&session, "BEGIN"), "25001");
    run(&session, "ROLLBACK");
}

#[test]
fn the_first_committer_wins() {
    let (database, session) = memory();
    run(&session, BASE);
    let (a, b) = (database.session(), database.session());
    run(&a, "BEGIN; UPDATE t SET n = 1 WHERE id = 1");
    run(&b, "BEGIN; UPDATE t SET n = 2 WHERE id = 1");
    run(&a, "COMMIT");
    assert_eq!(state(&b, "COMMIT"), "40001");
    assert_eq!(b.status(), Status::Idle);
    // Different rows don't meet, and views follow both.
    run(&a, "BEGIN; UPDATE t SET n = 5 WHERE id = 1");
    run(&b, "BEGIN; UPDATE t SET n = 6 WHERE id = 2");
    run(&a, "COMMIT");
    run(&b, "COMMIT");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["2|11"]);
    // The same new key.
    run(&a, "BEGIN; INSERT INTO t VALUES (9, 1)");
    run(&b, "BEGIN; INSERT INTO t VALUES (9, 1)");
    run(&b, "COMMIT");
    assert_eq!(state(&a, "COMMIT"), "40001");
    check(&session);
}

#[test]
fn a_bag_never_owes_rows() {
    let (database, session) = memory();
    run(&session, "CREATE TABLE bag (a INTEGER); INSERT INTO bag VALUES (1), (1)");
    let (a, b) = (database.session(), database.session());
    run(&a, "BEGIN; DELETE FROM bag");
    run(&b, "BEGIN; INSERT INTO bag VALUES (1); DELETE FROM bag");
    run(&a, "COMMIT");
    assert_eq!(state(&b, "COMMIT"), "40001");
    assert_eq!(rows(&session, "SELECT count(*) FROM bag"), ["0"]);
}

#[test]
fn a_transaction_sees_one_version_to_its_end() {
    let (database, session) = memory();
    run(&session, BASE);
    let reader = database.session();
    run(&reader, "BEGIN");
    assert_eq!(rows(&reader, "SELECT * FROM total"), ["2|30"]);
    run(&session, "INSERT INTO t VALUES (3, 70); CREATE TABLE u (a INTEGER)");
    assert_eq!(rows(&reader, "SELECT * FROM total"), ["2|30"]);
    assert_eq!(state(&reader, "SELECT * FROM u"), "42P01");
    run(&reader, "ROLLBACK");
    assert_eq!(rows(&reader, "SELECT * FROM total"), ["3|100"]);
}

#[test]
fn many_statements_in_one_transaction() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
                   CREATE MATERIALIZED VIEW parity AS SELECT n % 2 AS p, COUNT(*) AS c FROM t GROUP BY n % 2",
    );
    let insert = session.prepare("INSERT INTO t VALUES ($1, $2)").unwrap();
    run(&session, "BEGIN");
    for id in 0..30_000_i32 {
        insert.execute(&[Value::from(id), Value::from(id % 10)]).unwrap();
    }
    assert_eq!(rows(&session, "SELECT * FROM parity ORDER BY p"), ["0|15000", "1|15000"]);
    run(&session, "DELETE FROM t WHERE n = 3; COMMIT");
    assert_eq!(rows(&session, "SELECT * FROM parity ORDER BY p"), ["0|15000", "1|12000"]);
    check(&session);
}

#[test]
fn statements_of_one_row_see_each_other_by_key_and_by_scan() {
    let (_database, session) = memory();
    run(&session, BASE);
    let insert = session.prepare("INSERT INTO t VALUES ($1, $2)").unwrap();
    let update = session.prepare("UPDATE t SET n = n + $2 WHERE id = $1").unwrap();
    let delete = session.prepare("DELETE FROM t WHERE id = $1").unwrap();
    let read = session.prepare("SELECT n FROM t WHERE id = $1").unwrap();
    let transaction = session.begin().unwrap();
    // More than the write buffer holds before it is sealed, in no order.
    for step in 0..12_000_i32 {
        let id = (step * 7919) % 12_007 + 10;
        insert.execute(&[Value::from(id), Value::from(0)]).unwrap();
        update.execute(&[Value::from(id), Value::from(step)]).unwrap();
        assert_eq!(read.query(&[Value::from(id)]).unwrap().rows().unwrap(), [[Datum::Int(step.into())]]);
        if step % 3 == 0 {
            delete.execute(&[Value::from(id)]).unwrap();
            assert_eq!(read.query(&[Value::from(id)]).unwrap().num_rows(), 0);
        }
        if step % 5_000 == 1 {
            let gone = 1 + step / 3;
            assert_eq!(rows(&session, "SELECT count(*) FROM t"), [(2 + step + 1 - gone).to_string()]);
        }
    }
    assert_eq!(rows(&session, "SELECT * FROM total"), ["8002|48000030"]);
    transaction.commit().unwrap();
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["8002"]);
    check(&session);
}

#[test]
fn savepoints_undo_a_part_of_a_transaction() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(&session, "BEGIN; INSERT INTO t VALUES (3, 30); SAVEPOINT a; INSERT INTO t VALUES (4, 40)");
    run(&session, "CREATE TABLE u (id INTEGER); SAVEPOINT b; INSERT INTO t VALUES (5, 50)");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["5|150"]);
    assert_eq!(state(&session, "INSERT INTO t VALUES (1, 1)"), "23505");
    assert_eq!(state(&session, "SELECT 1"), "25P02");
    run(&session, "ROLLBACK TO SAVEPOINT b");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["4|100"]);
    run(&session, "INSERT INTO u VALUES (1); ROLLBACK TO a; INSERT INTO t VALUES (6, 60); ROLLBACK TO a");
    assert_eq!(state(&session, "ROLLBACK TO b"), "3B001");
    run(&session, "ROLLBACK TO a; RELEASE a");
    assert_eq!(state(&session, "ROLLBACK TO a"), "3B001");
    run(&session, "ROLLBACK");
    assert_eq!(state(&session, "SAVEPOINT a"), "25P01");
    run(
        &session,
        "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (3, 30); SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; COMMIT",
    );
    assert_eq!(rows(&session, "SELECT * FROM total"), ["3|60"]);
    assert_eq!(state(&session, "SELECT * FROM u"), "42P01");
    check(&session);
}

#[test]
fn now_is_the_beginning_of_the_transaction() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, made TIMESTAMPTZ DEFAULT now(), day DATE)");
    run(&session, "BEGIN; INSERT INTO t (id) VALUES (1)");
    std::thread::sleep(std::time::Duration::from_millis(2));
    run(
        &session,
        "INSERT INTO t (id) SELECT 2; UPDATE t SET day = current_date; INSERT INTO t VALUES (3, now())",
    );
    let moments = rows(&session, "SELECT DISTINCT made FROM t");
    assert_eq!(moments, rows(&session, "SELECT CAST(now() AS TIMESTAMPTZ)"));
    run(&session, "COMMIT");
    assert_ne!(moments, rows(&session, "SELECT CAST(now() AS TIMESTAMPTZ)"));
}

#[test]
fn notices_belong_to_the_last_call() {
    let (_database, session) = memory();
    run(&session, "DROP TABLE IF EXISTS a, b");
    let notices = session.take_notices();
    let told: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["NOTICE: table \"a\" does not exist, skipping", "NOTICE: table \"b\" does not exist, skipping"]
    );
    run(&session, "CREATE TABLE t (id BIGINT); CREATE TABLE IF NOT EXISTS t (id BIGINT)");
    let states: Vec<&str> = session.take_notices().iter().map(|notice| notice.sqlstate).collect();
    assert_eq!(states, ["42P07"]);
    run(&session, "CREATE TABLE IF NOT EXISTS t (id BIGINT)");
    run(&session, "SELECT 1");
    assert!(session.take_notices().is_empty());
}

#[test]
fn a_lock_for_readers_changes_nothing() {
    let (database, session) = memory();
    run(&session, BASE);
    assert_eq!(state(&session, "LOCK TABLE t IN ACCESS SHARE MODE"), "25P01");
    run(&session, "BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE");
    run(&database.session(), "INSERT INTO t VALUES (3, 30)");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["2|30"]);
    run(&session, "COMMIT");
    for (text, code) in [
        ("LOCK TABLE t IN SHARE MODE", "0A000"),
        ("LOCK TABLE t", "0A000"),
        ("LOCK TABLE nowhere IN ACCESS SHARE MODE", "42P01"),
        ("LOCK TABLE total IN ACCESS SHARE MODE", "42809"),
    ] {
        run(&session, "BEGIN");
        assert_eq!(state(&session, text), code, "{text}");
        run(&session, "ROLLBACK");
    }
    run(&session, "CREATE ROLE ann LOGIN");
    let ann = database.session_as("ann").unwrap();
    run(&ann, "BEGIN");
    assert_eq!(state(&ann, "LOCK TABLE t IN ACCESS SHARE MODE"), "42501");
    run(&ann, "ROLLBACK");
}
