//! Statements of other databases' upkeep, which find nothing to do here; `DROP` of what nobody makes; and `TRUNCATE`.

use gnitz::{Outcome, Session};

use crate::{check, fails, memory, rows, run, state};

const BASE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
    CREATE TABLE bag (x TEXT);
    CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS c, SUM(n) AS s FROM t;
    INSERT INTO t VALUES (1, 10), (2, 20);
    INSERT INTO bag VALUES ('a'), ('a'), ('b')";

/// What a statement says besides its tag.
fn said(session: &Session, sql: &str, tag: &str) -> Vec<String> {
    let outcomes = run(session, sql);
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Done { tag: done }] if *done == tag),
        "{sql}: {outcomes:?}"
    );
    session.take_notices().iter().map(ToString::to_string).collect()
}

#[test]
fn views_need_no_refresh_and_tables_no_vacuum() {
    let (database, session) = memory();
    run(&session, BASE);
    let stale = ["NOTICE: materialized view \"total\" is never stale: there is nothing to refresh"];
    let tag = "REFRESH MATERIALIZED VIEW";
    assert_eq!(said(&session, "REFRESH MATERIALIZED VIEW total", tag), stale);
    assert_eq!(said(&session, "REFRESH MATERIALIZED VIEW CONCURRENTLY public.total WITH DATA", tag), stale);
    assert_eq!(state(&session, "REFRESH MATERIALIZED VIEW t"), "0A000");
    assert_eq!(state(&session, "REFRESH MATERIALIZED VIEW nothing"), "42P01");
    for sql in ["ANALYZE", "ANALYZE VERBOSE t", "ANALYZE t (id, n), bag, total"] {
        assert!(said(&session, sql, "ANALYZE").is_empty(), "{sql}");
    }
    for sql in ["VACUUM", "VACUUM FULL t", "VACUUM (ANALYZE) t, total"] {
        assert!(said(&session, sql, "VACUUM").is_empty(), "{sql}");
    }
    assert_eq!(state(&session, "ANALYZE nothing"), "42P01");
    assert_eq!(state(&session, "ANALYZE t (nothing)"), "42703");
    run(&session, "BEGIN; ANALYZE t");
    assert_eq!(state(&session, "VACUUM t"), "25001");
    run(&session, "ROLLBACK; BEGIN READ ONLY; ANALYZE t");
    assert_eq!(state(&session, "REFRESH MATERIALIZED VIEW total"), "25006");
    run(&session, "ROLLBACK; CREATE USER ann");
    let ann = database.session_as("ann").unwrap();
    assert_eq!(state(&ann, "REFRESH MATERIALIZED VIEW total"), "42501");
    let skipped = ["WARNING: skipping \"t\" --- only table or database owner can vacuum it"];
    assert_eq!(said(&ann, "VACUUM t", "VACUUM"), skipped);
}

#[test]
fn a_view_without_data_has_its_data() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(&session, "CREATE MATERIALIZED VIEW a AS SELECT id FROM t WITH DATA");
    assert!(session.take_notices().is_empty());
    let told = said(
        &session,
        "CREATE MATERIALIZED VIEW b AS SELECT id FROM t WITH NO DATA",
        "CREATE MATERIALIZED VIEW",
    );
    assert_eq!(told, ["NOTICE: materialized view \"b\" is filled all the same: it is never stale"]);
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM a, b"), ["4"]);
    run(&session, "CREATE TABLE copy AS SELECT id FROM t WITH DATA");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM copy"), ["2"]);
}

#[test]
fn what_does_not_exist_is_dropped_if_it_exists() {
    let (_database, session) = memory();
    run(&session, BASE);
    for (kind, undefined) in
        [("INDEX", "42704"), ("SEQUENCE", "42P01"), ("TYPE", "42704"), ("EXTENSION", "42704")]
    {
        let told = said(&session, &format!("DROP {kind} IF EXISTS gone"), &format!("DROP {kind}"));
        let kind_name = kind.to_lowercase();
        assert_eq!(told, [format!("NOTICE: {kind_name} \"gone\" does not exist, skipping")]);
        assert_eq!(state(&session, &format!("DROP {kind} gone")), undefined, "{kind}");
    }
    for (sql, refused) in [
        ("DROP INDEX IF EXISTS t", "42809"),
        ("DROP SEQUENCE total", "42809"),
        ("DROP INDEX IF EXISTS t_pkey", "2BP01"),
        ("DROP TYPE IF EXISTS t", "2BP01"),
        ("DROP TYPE integer", "2BP01"),
    ] {
        assert_eq!(state(&session, sql), refused, "{sql}");
    }
    run(&session, "BEGIN READ ONLY");
    assert_eq!(state(&session, "DROP INDEX IF EXISTS gone"), "25006");
    run(&session, "ROLLBACK");
}

#[test]
fn truncate_is_one_change_that_views_follow() {
    let (database, session) = memory();
    run(&session, BASE);
    let mut feed = database.subscribe("total").unwrap();
    assert_eq!(feed.try_next().unwrap().unwrap().weights, [1]);
    let before = database.epoch().unwrap();
    assert!(
        said(&session, "TRUNCATE TABLE ONLY t, bag RESTART IDENTITY CASCADE", "TRUNCATE TABLE").is_empty()
    );
    assert_eq!(database.epoch().unwrap(), before + 1);
    assert_eq!(rows(&session, "SELECT * FROM total"), ["0|-"]);
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM bag"), ["0"]);
    let mut weights = feed.try_next().unwrap().unwrap().weights;
    weights.sort_unstable();
    assert_eq!(weights, [-1, 1]);
    run(&session, "TRUNCATE t; INSERT INTO t VALUES (1, 11)");
    run(&session, "BEGIN; INSERT INTO t VALUES (3, 30); TRUNCATE t, t; INSERT INTO t VALUES (1, 5), (4, 40)");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["2|45"]);
    assert_eq!(rows(&database.session(), "SELECT * FROM total"), ["1|11"]);
    run(&session, "ROLLBACK");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["1|11"]);
    run(&session, "BEGIN; TRUNCATE t; COMMIT");
    assert_eq!(rows(&session, "SELECT * FROM total"), ["0|-"]);
    check(&session);
}

#[test]
fn truncate_is_for_tables_and_those_who_may() {
    let (database, session) = memory();
    run(&session, BASE);
    assert_eq!(fails(&session, "TRUNCATE total"), ("42809".into(), "\"total\" is not a table".into()));
    assert_eq!(state(&session, "TRUNCATE nothing"), "42P01");
    assert_eq!(state(&session, "TRUNCATE gnitz_tables"), "42501");
    run(&session, "BEGIN READ ONLY");
    assert_eq!(state(&session, "TRUNCATE t"), "25006");
    run(&session, "ROLLBACK; CREATE USER ann; GRANT DELETE, SELECT ON t TO ann");
    let ann = database.session_as("ann").unwrap();
    assert_eq!(fails(&ann, "TRUNCATE t"), ("42501".into(), "permission denied for table t".into()));
    run(&session, "GRANT TRUNCATE ON t TO ann");
    run(&ann, "TRUNCATE t");
    assert_eq!(state(&ann, "TRUNCATE t, bag"), "42501");
    let held =
        "SELECT has_table_privilege('ann', 't', 'TRUNCATE'), has_table_privilege('ann', 'bag', 'TRUNCATE')";
    assert_eq!(rows(&session, held), ["true|false"]);
    // A transaction that emptied a table meets the others when it commits.
    run(&session, "INSERT INTO t VALUES (1, 1); BEGIN; TRUNCATE t");
    run(&database.session(), "UPDATE t SET n = 2");
    assert_eq!(state(&session, "COMMIT"), "40001");
}
