//! Plain views: names for queries, in queries and in materialized views; what depends on them; whose rights count.

use crate::recovery::Directory;
use crate::{check, fails, memory, rows, run, state};

const BASE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, name VARCHAR(10));
    INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, NULL);
    CREATE VIEW big AS SELECT id, n * 2 AS twice FROM t WHERE n > 10";

#[test]
fn a_view_is_its_query_wherever_it_is_named() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(
        &session,
        "CREATE VIEW sums (label, total) AS SELECT 'all', SUM(twice) FROM big;
         CREATE VIEW ordered AS SELECT id, id AS again FROM t ORDER BY n DESC LIMIT 2",
    );
    assert_eq!(rows(&session, "SELECT * FROM big ORDER BY id"), ["2|40", "3|60"]);
    assert_eq!(rows(&session, "SELECT label, s.total FROM public.sums AS s"), ["all|100"]);
    assert_eq!(rows(&session, "SELECT * FROM ordered"), ["3|3", "2|2"]);
    // A name that a WITH gives is not what the view means by it.
    assert_eq!(rows(&session, "WITH t AS (SELECT 9 AS id, 9 AS n) SELECT COUNT(*) FROM t, big"), ["2"]);
    assert_eq!(rows(&session, "SELECT b.id FROM big b JOIN t ON t.id = b.id AND t.name = 'b'"), ["2"]);
    run(
        &session,
        "INSERT INTO t SELECT id + 10, twice FROM big; UPDATE t SET n = 0 WHERE id IN (SELECT id FROM big)",
    );
    assert_eq!(rows(&session, "SELECT id, n FROM t ORDER BY id"), ["1|10", "2|0", "3|0", "12|0", "13|0"]);
    run(&session, "BEGIN; UPDATE t SET n = 11 WHERE id = 1");
    assert_eq!(rows(&session, "SELECT * FROM big"), ["1|22"]);
    run(&session, "ROLLBACK; CREATE TABLE copy AS SELECT * FROM ordered");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM copy"), ["2"]);
}

#[test]
fn a_materialized_view_follows_through_it() {
    let (database, session) = memory();
    run(&session, BASE);
    run(
        &session,
        "CREATE VIEW bigger AS SELECT * FROM big WHERE twice > 40;
         CREATE MATERIALIZED VIEW kept AS SELECT COUNT(*) AS c, SUM(twice) AS s FROM bigger",
    );
    assert_eq!(rows(&session, "SELECT * FROM kept"), ["1|60"]);
    let mut feed = database.subscribe("big").unwrap();
    assert_eq!(feed.try_next().unwrap().unwrap().rows.num_rows(), 2);
    run(&session, "INSERT INTO t VALUES (4, 40, 'd'), (5, 5, 'e')");
    assert_eq!(rows(&session, "SELECT * FROM kept"), ["2|140"]);
    let change = feed.try_next().unwrap().unwrap();
    assert_eq!((change.rows.num_rows(), change.weights), (1, vec![1]));
    check(&session);
    run(
        &session,
        "CREATE VIEW timed AS SELECT id, now() AS at FROM t; CREATE VIEW few AS SELECT id FROM t LIMIT 1",
    );
    assert_eq!(state(&session, "CREATE MATERIALIZED VIEW m AS SELECT * FROM timed"), "0A000");
    assert_eq!(state(&session, "CREATE MATERIALIZED VIEW m AS SELECT * FROM few"), "0A000");
}

#[test]
fn what_depends_on_it_is_known() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(
        &session,
        "CREATE VIEW over AS SELECT twice FROM big;
         CREATE MATERIALIZED VIEW kept AS SELECT SUM(twice) AS s FROM over",
    );
    assert_eq!(state(&session, "DROP TABLE t"), "2BP01");
    assert_eq!(state(&session, "DROP VIEW big"), "2BP01");
    run(
        &session,
        "ALTER TABLE t RENAME TO u; ALTER VIEW big RENAME TO large; ALTER TABLE over RENAME TO above",
    );
    assert_eq!(rows(&session, "SELECT SUM(twice) FROM above"), ["100"]);
    run(&session, "INSERT INTO u VALUES (4, 50, 'd')");
    assert_eq!(rows(&session, "SELECT s FROM kept"), ["200"]);
    check(&session);
    assert_eq!(state(&session, "ALTER VIEW large RENAME COLUMN twice TO double"), "2BP01");
    run(&session, "DROP VIEW large CASCADE");
    let notices: Vec<String> = session.take_notices().iter().map(ToString::to_string).collect();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert_eq!(state(&session, "SELECT * FROM kept"), "42P01");
    run(&session, "CREATE VIEW v AS SELECT id FROM u; ALTER VIEW v RENAME COLUMN id TO number");
    assert_eq!(rows(&session, "SELECT v.number FROM v WHERE number = 4"), ["4"]);
    run(&session, "DROP VIEW IF EXISTS v, gone");
    assert_eq!(session.take_notices()[0].message, "view \"gone\" does not exist, skipping");
    run(&session, "DROP TABLE u");
}

#[test]
fn it_can_be_replaced_by_more_of_the_same() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(&session, "CREATE OR REPLACE VIEW big AS SELECT id, n AS twice, name FROM t WHERE n >= 30");
    assert_eq!(rows(&session, "SELECT * FROM big"), ["3|30|-"]);
    for (query, refused) in [
        ("SELECT id FROM t", "42P16"),
        ("SELECT id, n, name FROM t", "42P16"),
        ("SELECT id, 'x' AS twice, name FROM t", "42P16"),
        ("SELECT * FROM big", "42P17"),
    ] {
        assert_eq!(state(&session, &format!("CREATE OR REPLACE VIEW big AS {query}")), refused, "{query}");
    }
    run(&session, "CREATE VIEW over AS SELECT * FROM big");
    assert_eq!(state(&session, "CREATE OR REPLACE VIEW big AS SELECT * FROM over"), "42P17");
    run(&session, "CREATE OR REPLACE VIEW big AS SELECT id, n AS twice, name FROM t WHERE n >= 20");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM over"), ["2"]);
    let more = "CREATE OR REPLACE VIEW big AS SELECT id, n AS twice, name, 1 AS one FROM t";
    assert_eq!(state(&session, more), "0A000");
    run(&session, "CREATE MATERIALIZED VIEW kept AS SELECT * FROM over");
    let same = "CREATE OR REPLACE VIEW big AS SELECT id, n AS twice, name FROM t";
    assert_eq!(state(&session, same), "0A000");
    run(&session, "DROP MATERIALIZED VIEW kept; BEGIN");
    run(&session, same);
    run(&session, "ROLLBACK");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM over"), ["2"]);
}

#[test]
fn what_it_is_not_is_said() {
    let (_database, session) = memory();
    run(&session, BASE);
    run(&session, "CREATE MATERIALIZED VIEW kept AS SELECT id FROM t");
    for (sql, refused) in [
        ("CREATE VIEW big AS SELECT 1 AS a", "42P07"),
        ("CREATE OR REPLACE VIEW t AS SELECT 1 AS a", "42809"),
        ("CREATE VIEW v AS SELECT $1", "42P02"),
        ("CREATE VIEW v AS SELECT 1 AS a, 2 AS a", "42701"),
        ("CREATE VIEW v (a, b) AS SELECT 1", "42601"),
        ("CREATE VIEW v AS SELECT nothing FROM t", "42703"),
        ("CREATE VIEW v AS SELECT * FROM pg_class", "0A000"),
        ("CREATE TEMP VIEW v AS SELECT 1 AS a", "0A000"),
        ("CREATE VIEW IF NOT EXISTS v AS SELECT 1 AS a", "42601"),
        ("INSERT INTO big VALUES (1, 1)", "0A000"),
        ("UPDATE big SET twice = 1", "0A000"),
        ("DELETE FROM big", "0A000"),
        ("TRUNCATE big", "42809"),
        ("DROP TABLE big", "42809"),
        ("DROP MATERIALIZED VIEW big", "42809"),
        ("DROP VIEW t", "42809"),
        ("DROP VIEW kept", "42809"),
        ("DROP VIEW gone", "42P01"),
        ("ALTER VIEW t RENAME TO x", "42809"),
        ("ALTER MATERIALIZED VIEW big RENAME TO x", "42809"),
        ("REFRESH MATERIALIZED VIEW big", "42809"),
        ("CHECK MATERIALIZED VIEW big", "42809"),
        ("EXPLAIN MATERIALIZED VIEW big", "42809"),
        ("COPY big TO '/tmp/never-written.csv' (FORMAT csv)", "42809"),
        ("COPY big FROM '/tmp/never-read.csv' (FORMAT csv)", "42809"),
    ] {
        assert_eq!(state(&session, sql), refused, "{sql}");
    }
    let (_, message) = fails(&session, "DROP VIEW t");
    assert_eq!(message, "\"t\" is not a view");
}

#[test]
fn its_owners_rights_count_for_what_it_reads() {
    let (database, session) = memory();
    run(&session, BASE);
    run(
        &session,
        "CREATE USER ann; CREATE USER bob; GRANT CREATE ON SCHEMA public TO ann; GRANT SELECT ON big TO bob",
    );
    let (ann, bob) = (database.session_as("ann").unwrap(), database.session_as("bob").unwrap());
    assert_eq!(rows(&bob, "SELECT COUNT(*) FROM big"), ["2"]);
    assert_eq!(state(&bob, "SELECT COUNT(*) FROM t"), "42501");
    assert_eq!(state(&ann, "SELECT COUNT(*) FROM big"), "42501");
    run(&ann, "CREATE VIEW mine AS SELECT id FROM t; GRANT SELECT ON mine TO bob");
    for session in [&ann, &bob, &session] {
        assert_eq!(fails(session, "SELECT * FROM mine").1, "permission denied for table t");
    }
    assert_eq!(state(&ann, "CREATE MATERIALIZED VIEW m AS SELECT * FROM mine"), "42501");
    run(&session, "GRANT SELECT ON t TO ann");
    assert_eq!(rows(&bob, "SELECT COUNT(*) FROM mine"), ["3"]);
    assert_eq!(state(&bob, "DROP VIEW mine"), "42501");
    assert_eq!(state(&bob, "CREATE OR REPLACE VIEW mine AS SELECT id FROM t"), "42501");
    run(&session, "ALTER VIEW mine OWNER TO bob");
    assert_eq!(state(&ann, "SELECT * FROM mine"), "42501");
}

#[test]
fn the_catalogs_list_it() {
    let (_database, session) = memory();
    run(&session, BASE);
    let one = |sql: &str| rows(&session, sql).join(" ");
    assert_eq!(one("SELECT relkind, relhasrules FROM pg_class WHERE relname = 'big'"), "v|true");
    let text = "SELECT id, n * 2 AS twice FROM t WHERE n > 10";
    assert_eq!(
        one("SELECT viewname, viewowner, definition FROM pg_views WHERE schemaname = 'public'"),
        format!("big|gnitz|{text};")
    );
    assert_eq!(one("SELECT pg_get_viewdef('big'::regclass)").trim().trim_end_matches(';'), text);
    assert_eq!(one("SELECT table_type FROM information_schema.tables WHERE table_name = 'big'"), "VIEW");
    assert_eq!(one("SELECT table_name FROM information_schema.views WHERE table_schema = 'public'"), "big");
    let columns = "SELECT column_name, data_type FROM information_schema.columns
                   WHERE table_name = 'big' ORDER BY ordinal_position";
    assert_eq!(one(columns), "id|integer twice|integer");
    assert_eq!(one("SELECT COUNT(*) FROM pg_matviews"), "0");
    assert_eq!(one("SELECT kind FROM gnitz_tables WHERE name = 'big'"), "plain view");
    let made = session.definitions(Some("big")).unwrap();
    assert_eq!(made, [format!("CREATE VIEW \"big\" (\"id\", \"twice\") AS {text}")]);
}

#[test]
fn it_survives_a_restart() {
    let directory = Directory::new("plain-views");
    let database = directory.open();
    let session = database.session();
    run(&session, BASE);
    run(&session, "CREATE VIEW \"Over\" (\"a \"\"b\") AS SELECT 'x\ny' || id FROM big");
    run(&session, "CREATE MATERIALIZED VIEW kept AS SELECT COUNT(*) AS c FROM \"Over\"");
    drop(session);
    database.close().unwrap();
    drop(database);
    let database = directory.open();
    let session = database.session();
    run(&session, "INSERT INTO t VALUES (4, 40, 'd')");
    assert_eq!(rows(&session, "SELECT COUNT(*) FROM \"Over\" WHERE \"a \"\"b\" = 'x\ny4'"), ["1"]);
    assert_eq!(rows(&session, "SELECT c FROM kept"), ["3"]);
    assert_eq!(state(&session, "DROP VIEW big"), "2BP01");
    check(&session);
}

#[test]
fn views_over_views_nest_only_so_deep() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1); CREATE VIEW v0 AS SELECT id FROM t",
    );
    let mut last = 0;
    for number in 1..200 {
        let sql = format!("CREATE VIEW v{number} AS SELECT id FROM v{}", number - 1);
        match session.execute(&sql) {
            Ok(_) => last = number,
            Err(error) => {
                assert_eq!(error.sqlstate(), "54001");
                break;
            }
        }
    }
    assert!((20..150).contains(&last), "{last}");
    run(&session, "CREATE VIEW w0 AS SELECT id FROM t");
    let double =
        |n: i32| format!("CREATE VIEW w{} AS SELECT a.id FROM w{n} a JOIN w{n} b ON a.id = b.id", n + 1);
    for number in 0..6 {
        run(&session, &double(number));
    }
    let refused = (6..12).find_map(|number| session.execute(&double(number)).err());
    assert_eq!(refused.map(|error| error.sqlstate()), Some("54001"));
    assert_eq!(rows(&session, &format!("SELECT id FROM v{last}")), ["1"]);
}
