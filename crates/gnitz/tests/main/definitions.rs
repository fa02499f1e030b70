//! Statements that change the catalog inside transactions: what they see, what a rollback undoes, who wins.

use gnitz::Status;

use crate::{check, memory, rows, run, state};

const BASE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
    CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS c, SUM(n) AS s FROM t;
    INSERT INTO t VALUES (1, 10), (2, 20)";

#[test]
fn a_transaction_makes_tables_views_and_rows_as_one() {
    let (database, session) = memory();
    run(&session, BASE);
    let other = database.session();
    let before = database.epoch().unwrap();
    run(
        &session,
        "BEGIN;
         INSERT INTO t VALUES (3, 30);
         CREATE TABLE u (id INTEGER PRIMARY KEY, t_id INTEGER);
         INSERT INTO u VALUES (1, 3), (2, 1);
         CREATE MATERIALIZED VIEW joined AS SELECT u.id, n FROM u JOIN t ON t.id = t_id;
         UPDATE t SET n = n + 1 WHERE id = 3;
         INSERT INTO u VALUES (4, 3)",
    );
    assert_eq!(rows(&session, "SELECT * FROM joined ORDER BY id"), ["1|31", "2|10", "4|31"]);
    assert_eq!(rows(&session, "SELECT * FROM total"), ["3|61"]);
    assert_eq!(state(&other, "SELECT * FROM u"), "42P01");
    assert_eq!(rows(&other, "SELECT * FROM total"), ["2|30"]);
    run(&session, "COMMIT");
    assert_eq!(database.epoch().unwrap(), before + 1);
    assert_eq!(rows(&other, "SELECT * FROM joined ORDER BY id"), ["1|31", "2|10", "4|31"]);
    run(&other, "DELETE FROM u WHERE id = 1; UPDATE t SET n = 0 WHERE id = 1");
    assert_eq!(rows(&session, "SELECT * FROM joined ORDER BY id"), ["2|0", "4|31"]);
    check(&session);
}

#[test]
fn a_rollback_undoes_the_catalog_too() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(&session, "BEGIN; DROP MATERIALIZED VIEW total; DROP TABLE t; CREATE TABLE t (other TEXT)");
    run(&session, "INSERT INTO t VALUES ('x')");
    assert_eq!(rows(&session, "SELECT * FROM t"), ["x"]);
    run(&session, "ROLLBACK");
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), ["1|10", "2|20"]);
    assert_eq!(rows(&session, "SELECT * FROM total"), ["2|30"]);
    run(&session, "BEGIN; CREATE TABLE u (id INTEGER)");
    assert_eq!(state(&session, "CREATE TABLE u (id INTEGER)"), "42P07");
    assert_eq!(session.status(), Status::Failed);
    run(&session, "ROLLBACK");
    assert_eq!(state(&session, "SELECT * FROM u"), "42P01");
    run(&session, "BEGIN; CREATE TABLE IF NOT EXISTS t (id INTEGER); COMMIT");
    check(&session);
}

#[test]
fn a_view_made_in_a_transaction_holds_what_others_committed_meanwhile() {
    let (database, session) = memory();
    run(&session, BASE);
    let other = database.session();
    run(
        &session,
        "BEGIN; INSERT INTO t VALUES (3, 30); CREATE MATERIALIZED VIEW big AS SELECT * FROM t WHERE n > 15",
    );
    run(&other, "INSERT INTO t VALUES (4, 40)");
    assert_eq!(rows(&session, "SELECT id FROM big ORDER BY id"), ["2", "3"]);
    run(&session, "COMMIT");
    assert_eq!(rows(&session, "SELECT id FROM big ORDER BY id"), ["2", "3", "4"]);
    check(&session);
}

#[test]
fn conflicts_are_found_in_transactions_that_change_the_catalog() {
    let (database, session) = memory();
    run(&session, BASE);
    let other = database.session();
    run(&session, "BEGIN; UPDATE t SET n = 11 WHERE id = 1; CREATE TABLE u (id INTEGER)");
    run(&other, "UPDATE t SET n = 12 WHERE id = 1");
    assert_eq!(state(&session, "COMMIT"), "40001");
    assert_eq!(session.status(), Status::Idle);
    assert_eq!(state(&session, "SELECT * FROM u"), "42P01");
    run(&session, "BEGIN; CREATE TABLE u (id INTEGER)");
    run(&other, "CREATE TABLE w (id INTEGER)");
    assert_eq!(state(&session, "COMMIT"), "40001");
    run(&session, "BEGIN; INSERT INTO t VALUES (7, 7)");
    run(&other, "DROP MATERIALIZED VIEW total");
    run(&session, "COMMIT");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM t"), ["3"]);
}

#[test]
fn a_subscription_sees_a_transaction_with_definitions_as_one_epoch() {
    let (database, session) = memory();
    run(&session, BASE);
    let mut feed = database.subscribe("total").unwrap();
    assert_eq!(feed.try_next().unwrap().unwrap().weights, [1]);
    run(
        &session,
        "BEGIN; INSERT INTO t VALUES (3, 30); CREATE TABLE u (id INTEGER); INSERT INTO t VALUES (4, 40); COMMIT",
    );
    let delta = feed.try_next().unwrap().unwrap();
    assert_eq!(delta.epoch, database.epoch().unwrap());
    let mut weights = delta.weights.clone();
    weights.sort_unstable();
    assert_eq!(weights, [-1, 1]);
    assert!(feed.try_next().unwrap().is_none());
}
