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
    run(&session, "BEGIN; CREATE TABLE w (id INTEGER)");
    run(&other, "CREATE TABLE w (id INTEGER)");
    assert_eq!(state(&session, "COMMIT"), "40001");
    run(&session, "BEGIN; INSERT INTO w VALUES (1); CREATE TABLE x (id INTEGER)");
    run(&other, "DROP TABLE w; CREATE TABLE w (id INTEGER)");
    assert_eq!(state(&session, "COMMIT"), "40001");
    run(&session, "BEGIN; INSERT INTO t VALUES (7, 7)");
    run(&other, "DROP MATERIALIZED VIEW total");
    run(&session, "COMMIT");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM t"), ["3"]);
}

#[test]
fn transactions_that_define_different_things_do_not_meet() {
    let (database, session) = memory();
    run(&session, BASE);
    let other = database.session();
    run(
        &session,
        "BEGIN; CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO a VALUES (1, 10), (2, 20);
         CREATE MATERIALIZED VIEW of_a AS SELECT a.id, a.n + t.n AS n FROM a JOIN t ON a.id = t.id;
         INSERT INTO a VALUES (3, 30); ALTER TABLE a RENAME TO aa; UPDATE aa SET n = n + 1; INSERT INTO t VALUES (3, 1)",
    );
    run(
        &other,
        "BEGIN; CREATE TABLE b (id INTEGER PRIMARY KEY); INSERT INTO b VALUES (7);
         CREATE MATERIALIZED VIEW of_b AS SELECT id FROM b; INSERT INTO b VALUES (8); COMMIT;
         INSERT INTO t VALUES (4, 40)",
    );
    run(&session, "COMMIT");
    assert_eq!(rows(&session, "SELECT * FROM aa ORDER BY id"), ["1|11", "2|21", "3|31"]);
    assert_eq!(rows(&session, "SELECT * FROM of_a ORDER BY id"), ["1|21", "2|41", "3|32"]);
    assert_eq!(rows(&session, "SELECT * FROM of_b ORDER BY id"), ["7", "8"]);
    check(&session);
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

#[test]
fn a_renamed_relation_takes_its_readers_along() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(
        &session,
        "CREATE MATERIALIZED VIEW pairs AS SELECT a.id, t.n FROM t AS a JOIN t ON a.id = t.id;
         CREATE MATERIALIZED VIEW over AS SELECT SUM(pairs.n) AS s FROM pairs",
    );
    run(
        &session,
        "BEGIN; ALTER TABLE t RENAME TO \"New\"; ALTER MATERIALIZED VIEW pairs RENAME TO couples; COMMIT",
    );
    assert_eq!(state(&session, "SELECT * FROM t"), "42P01");
    run(&session, "INSERT INTO \"New\" VALUES (3, 30); CREATE TABLE t (id INTEGER)");
    assert_eq!(rows(&session, "SELECT s FROM over"), ["60"]);
    assert_eq!(rows(&session, "SELECT c FROM total"), ["3"]);
    check(&session);
    let texts = session.definitions(None).unwrap();
    assert!(texts.iter().any(|text| text.contains("FROM \"New\" AS a JOIN \"New\" AS t ON")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("FROM couples AS pairs")), "{texts:?}");
    run(&session, "DROP TABLE \"New\" CASCADE");
    for text in texts {
        run(&session, &text.replace("CREATE TABLE \"t\"", "CREATE TABLE again"));
    }
    assert_eq!(state(&session, "ALTER TABLE couples RENAME TO total"), "42P07");
    assert_eq!(state(&session, "ALTER MATERIALIZED VIEW t RENAME TO x"), "42809");
    assert_eq!(state(&session, "ALTER TABLE nothing RENAME TO x"), "42P01");
    run(
        &session,
        "ALTER TABLE IF EXISTS nothing RENAME TO x; ALTER TABLE total RENAME TO sums; SELECT * FROM sums",
    );
}

#[test]
fn columns_and_owners_change_names() {
    let (database, session) = memory();
    run(&session, BASE);
    assert_eq!(state(&session, "ALTER TABLE t RENAME COLUMN n TO m"), "2BP01");
    run(&session, "CREATE TABLE u (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO u VALUES (1, 'x')");
    run(&session, "ALTER TABLE u RENAME COLUMN a TO id; ALTER TABLE u RENAME b TO text");
    assert_eq!(rows(&session, "SELECT id, text FROM u WHERE id = 1"), ["1|x"]);
    assert_eq!(state(&session, "ALTER TABLE u RENAME COLUMN a TO c"), "42703");
    assert_eq!(state(&session, "ALTER TABLE u RENAME COLUMN id TO text"), "42701");
    run(&session, "CREATE USER ann; ALTER TABLE u OWNER TO ann");
    run(&database.session_as("ann").unwrap(), "UPDATE u SET text = 'y' WHERE id = 1");
    assert_eq!(state(&database.session_as("ann").unwrap(), "ALTER TABLE u OWNER TO nobody"), "42704");
    assert_eq!(state(&database.session_as("ann").unwrap(), "ALTER TABLE t OWNER TO ann"), "42501");
    assert_eq!(state(&session, "ALTER TABLE u ADD COLUMN c INTEGER"), "0A000");
}

#[test]
fn a_table_is_made_of_a_query() {
    let (_database, session) = memory();
    run(&session, BASE);
    let outcomes =
        session.execute("CREATE TABLE kept AS SELECT id, n * 2 AS doubled, 'x' AS t FROM t").unwrap();
    assert_eq!(outcomes[0].to_string(), "SELECT 2");
    assert_eq!(rows(&session, "SELECT * FROM kept ORDER BY id"), ["1|20|x", "2|40|x"]);
    run(
        &session,
        "CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS one; CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS c FROM kept",
    );
    assert_eq!(state(&session, "CREATE TABLE kept AS SELECT 1 AS one"), "42P07");
    assert_eq!(state(&session, "CREATE TABLE bad AS SELECT id / 0 AS x FROM t"), "22012");
    assert_eq!(state(&session, "CREATE TABLE bad AS SELECT 1 AS x, 2 AS x"), "42701");
    assert_eq!(state(&session, "SELECT * FROM bad"), "42P01");
    assert_eq!(session.status(), Status::Idle);
    run(&session, "BEGIN; CREATE TABLE passing AS SELECT * FROM t; INSERT INTO passing VALUES (9, 9)");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM passing"), ["3"]);
    run(&session, "ROLLBACK");
    assert_eq!(state(&session, "SELECT * FROM passing"), "42P01");
    check(&session);
}
