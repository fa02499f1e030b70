//! Roles and rights: who may do what, who proves it how, and that all of it is transactional and survives.

use gnitz::Database;

use crate::{memory, rows, run, state};

const BASE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
    CREATE TABLE secret (id INTEGER);
    CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS c FROM secret;
    CREATE USER ann PASSWORD 'swordfish';
    CREATE ROLE readers;
    CREATE USER bob IN ROLE readers";

fn denied(database: &Database, role: &str, statements: &[&str]) {
    let session = database.session_as(role).unwrap();
    for statement in statements {
        assert_eq!(state(&session, statement), "42501", "{role}: {statement}");
    }
}

#[test]
fn rights_are_asked_for_and_given() {
    let (database, session) = memory();
    run(&session, BASE);
    let everything = [
        "SELECT * FROM t",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM t)",
        "INSERT INTO t VALUES (1, 1)",
        "UPDATE t SET n = 2",
        "DELETE FROM t",
        "SELECT * FROM v",
        "CHECK MATERIALIZED VIEW v",
        "EXPLAIN SELECT * FROM t",
        "CREATE TABLE mine (id INTEGER)",
        "CREATE MATERIALIZED VIEW mine AS SELECT 1 AS one",
        "DROP TABLE secret CASCADE",
        "CREATE ROLE other",
        "ALTER ROLE bob SUPERUSER",
        "GRANT SELECT ON t TO ann",
        "GRANT readers TO ann",
        "COPY t TO '/tmp/never-written.csv' (FORMAT csv)",
    ];
    denied(&database, "ann", &everything);
    run(
        &session,
        "GRANT SELECT, INSERT ON t TO ann; GRANT SELECT ON v TO PUBLIC; GRANT UPDATE ON TABLE t TO readers",
    );
    let ann = database.session_as("ann").unwrap();
    run(&ann, "INSERT INTO t VALUES (1, 1), (2, 2)");
    assert_eq!(rows(&ann, "SELECT n FROM t ORDER BY n"), ["1", "2"]);
    assert_eq!(rows(&ann, "SELECT c FROM v"), ["0"]);
    denied(
        &database,
        "ann",
        &[
            "UPDATE t SET n = 3",
            "DELETE FROM t WHERE id = 1",
            "INSERT INTO t VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = 5",
            "INSERT INTO t SELECT id, id FROM secret",
            "SELECT * FROM secret",
        ],
    );
    run(&database.session_as("bob").unwrap(), "UPDATE t SET n = 3");
    denied(&database, "bob", &["UPDATE t SET n = 3 WHERE id = 1", "UPDATE t SET n = 3 RETURNING id"]);
    run(&session, "REVOKE ALL ON t FROM ann; REVOKE readers FROM bob");
    denied(&database, "ann", &["SELECT * FROM t"]);
    denied(&database, "bob", &["UPDATE t SET n = 4"]);
    assert!(rows(&ann, "SELECT name FROM gnitz_tables WHERE name = 't'").len() == 1);
}

#[test]
fn owners_do_as_they_like_with_what_is_theirs() {
    let (database, session) = memory();
    run(&session, BASE);
    run(&session, "GRANT CREATE ON SCHEMA public TO ann");
    let ann = database.session_as("ann").unwrap();
    run(&ann, "CREATE TABLE mine (id INTEGER); INSERT INTO mine VALUES (1)");
    assert_eq!(state(&ann, "CREATE MATERIALIZED VIEW spy AS SELECT * FROM secret"), "42501");
    run(&ann, "CREATE MATERIALIZED VIEW ours AS SELECT id FROM mine; GRANT SELECT ON ours TO bob");
    assert_eq!(rows(&database.session_as("bob").unwrap(), "SELECT * FROM ours"), ["1"]);
    assert_eq!(state(&session, "DROP ROLE ann"), "2BP01");
    run(&ann, "DROP TABLE mine CASCADE");
    assert_eq!(state(&session, "DROP ROLE ann"), "2BP01");
    run(&session, "REVOKE CREATE ON SCHEMA public FROM ann; DROP ROLE ann");
    assert!(database.session_as("ann").is_err());
    assert_eq!(state(&ann, "SELECT * FROM t"), "42704");
    assert_eq!(state(&session, "DROP ROLE gnitz"), "2BP01");
    run(&session, "DROP USER IF EXISTS ann");
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    let (_database, session) = memory();
    run(&session, BASE);
    for (statement, sqlstate) in [
        ("CREATE ROLE ann", "42710"),
        ("DROP ROLE nobody", "42704"),
        ("GRANT SELECT ON t TO nobody", "42704"),
        ("GRANT SELECT ON nothing TO ann", "42P01"),
        ("GRANT CREATE ON t TO ann", "0LP01"),
        ("GRANT SELECT ON SCHEMA public TO ann", "0LP01"),
        ("GRANT SELECT ON t TO ann WITH GRANT OPTION", "0A000"),
        ("GRANT SELECT (id) ON t TO ann", "0A000"),
        ("GRANT USAGE ON SCHEMA other TO ann", "3F000"),
        ("CREATE ROLE pg_me", "22023"),
        ("CREATE ROLE x PASSWORD ''", "28P01"),
        ("GRANT bob TO readers", "0LP01"),
        ("ALTER ROLE ann VALID UNTIL '2030-01-01'", "0A000"),
    ] {
        assert_eq!(state(&session, statement), sqlstate, "{statement}");
    }
    run(&session, "BEGIN; CREATE ROLE passing; GRANT SELECT ON t TO passing; ROLLBACK");
    assert_eq!(state(&session, "DROP ROLE passing"), "42704");
}

#[test]
fn passwords_are_checked_and_kept_as_verifiers() {
    let disk = storage::MemFs::new();
    let open = || Database::builder().open_fs(std::sync::Arc::new(disk.clone())).unwrap();
    {
        let database = open();
        assert!(!database.has_passwords().unwrap());
        run(&database.session(), BASE);
        run(
            &database.session(),
            "ALTER USER ann CONNECTION LIMIT 3; GRANT SELECT ON t TO ann; ALTER ROLE bob NOLOGIN",
        );
        database.close().unwrap();
    }
    let database = open();
    assert!(database.has_passwords().unwrap());
    assert_eq!(database.connection_limit("ann").unwrap(), Some(3));
    let fails = |role, password| database.login(role, password).err().map(|error| error.sqlstate());
    assert_eq!(fails("ann", "swordfish"), None);
    assert_eq!(fails("ann", "Swordfish"), Some("28P01"));
    assert_eq!(fails("bob", ""), Some("28P01"));
    assert_eq!(fails("nobody", "x"), Some("28P01"));
    assert_eq!(database.session_as("bob").err().map(|error| error.sqlstate()), Some("28000"));
    let ann = database.login("ann", "swordfish").unwrap();
    assert!(rows(&ann, "SELECT * FROM t").is_empty());
    run(&ann, "ALTER ROLE ann PASSWORD 'marlin'");
    assert_eq!(fails("ann", "swordfish"), Some("28P01"));
    let verifier = database.verifier("ann").unwrap().unwrap().text();
    run(
        &database.session(),
        &format!("CREATE USER copy PASSWORD '{verifier}'; ALTER ROLE ann PASSWORD NULL"),
    );
    assert_eq!(fails("copy", "marlin"), None);
    assert_eq!(fails("ann", "marlin"), Some("28P01"));
}

/// What is followed is read with the rights that the role has now, not with those that it began with.
#[test]
fn who_loses_the_right_to_read_follows_no_longer() {
    let (database, session) = memory();
    run(&session, BASE);
    run(
        &session,
        "CREATE VIEW plain AS SELECT id FROM t; CREATE USER eve;
         GRANT SELECT ON t TO readers; GRANT SELECT ON t, v, plain TO ann, eve",
    );
    let follow = |role: &str, name: &str| {
        database.session_as(role).unwrap().subscribe(name, gnitz::Start::Now).unwrap()
    };
    let query = |role: &str| {
        let session = database.session_as(role).unwrap();
        session.subscribe_query("SELECT count(*) FROM t", gnitz::Start::Now).unwrap()
    };
    let refused = |feed: &mut gnitz::Subscription| {
        let error = feed.next().expect("an error").expect_err("a right is lost");
        assert!(feed.next().is_none() && feed.is_finished());
        (error.sqlstate(), error.to_string())
    };
    let denied = |relation: &str| ("42501", format!("permission denied for {relation}"));
    let mut own = database.subscribe_from("t", gnitz::Start::Now).unwrap();
    let (mut direct, mut through, mut view) = (follow("ann", "t"), follow("bob", "t"), follow("ann", "v"));
    let (mut plain, mut counted, mut gone) = (follow("ann", "plain"), query("ann"), follow("eve", "t"));

    // Rights that are gained, a rename and other tables' changes end nothing; what was left unread is not given.
    run(&session, "GRANT INSERT ON t TO ann; ALTER TABLE t RENAME TO u; CREATE TABLE x (id INTEGER)");
    run(&session, "REVOKE INSERT ON u FROM ann; INSERT INTO u VALUES (1, 1)");
    for feed in [&mut through, &mut counted, &mut plain, &mut gone] {
        feed.next().expect("a change").expect("no error");
    }
    run(&session, "REVOKE SELECT ON u FROM ann");
    assert_eq!(refused(&mut direct), denied("table u"));
    assert_eq!(refused(&mut counted), denied("table u"));
    run(&session, "REVOKE readers FROM bob");
    assert_eq!(refused(&mut through), denied("table u"));
    run(&session, "REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM eve; DROP ROLE eve");
    assert_eq!(refused(&mut gone), denied("table u"));
    run(&session, "INSERT INTO u VALUES (2, 1)");
    assert!(plain.next().expect("a change").is_ok() && view.try_next().unwrap().is_none());
    run(&session, "REVOKE SELECT ON v, plain FROM ann");
    assert_eq!(refused(&mut plain), denied("view plain"));
    assert_eq!(refused(&mut view), denied("materialized view v"));
    assert_eq!(
        own.by_ref().take(2).map(Result::unwrap).map(|delta| delta.weights).collect::<Vec<_>>(),
        [[1], [1]]
    );
    run(&session, "DROP VIEW plain; DROP TABLE u");
    assert!(own.next().is_none());
}
