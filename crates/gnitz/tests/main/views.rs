//! Materialized views: what they may be over, and that they equal their queries after every change.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch, StringArray};
use gnitz::Session;

use crate::{check, memory, rows, run};

/// Changes that touch every table of [`TABLES`] in the ways that matter: new rows, gone rows, changed keys, NULLs,
/// several tables in one commit, a change that cancels itself out.
const CHANGES: &[&str] = &[
    "INSERT INTO item VALUES (1, 10, 'a', 1.50, '2020-01-01'), (2, 10, 'b', 2.25, '2020-02-01'), (3, 20, NULL, NULL, NULL)",
    "INSERT INTO person VALUES (10, 'ada', NULL), (20, 'bob', 10), (30, NULL, 10)",
    "BEGIN; INSERT INTO item VALUES (4, 30, 'a', -3.00, '2021-03-01'); DELETE FROM person WHERE id = 20;
     INSERT INTO log VALUES ('x', 1), ('x', 1), (NULL, 2); COMMIT",
    "UPDATE item SET price = price + 1 WHERE kind = 'a'",
    "INSERT INTO log VALUES ('x', 1), ('y', NULL)",
    "UPDATE item SET owner = 30 WHERE owner = 10",
    "BEGIN; INSERT INTO person VALUES (40, 'eve', 40); DELETE FROM person WHERE id = 40; COMMIT",
    "DELETE FROM log WHERE word = 'x'",
    "UPDATE person SET id = id + 100",
    "DELETE FROM item",
    "INSERT INTO item SELECT id, id, name, id * 1.0, NULL FROM person",
    "DELETE FROM person",
];

const TABLES: &str =
    "CREATE TABLE item (id INTEGER PRIMARY KEY, owner INTEGER, kind TEXT, price DECIMAL(10, 2), day DATE);
    CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, boss INTEGER);
    CREATE TABLE log (word TEXT, n INTEGER)";

const VIEWS: &[(&str, &str)] = &[
    (
        "projected",
        "SELECT id, upper(kind) AS kind, price * 2 AS twice, CASE WHEN price > 2 THEN 'dear' ELSE 'cheap' END AS c FROM item",
    ),
    ("filtered", "SELECT * FROM item WHERE kind IN ('a', 'b') AND price BETWEEN 0 AND 5 OR day IS NULL"),
    (
        "texts",
        "SELECT substring(name, 1, 2) AS s, coalesce(name, '?') || '!' AS t FROM person WHERE name LIKE '%b%' OR name IS NULL",
    ),
    (
        "dates",
        "SELECT id, EXTRACT(YEAR FROM day) AS y, day + INTERVAL '1 month' AS later FROM item WHERE day >= DATE '2020-01-15'",
    ),
    (
        "grouped",
        "SELECT kind, COUNT(*) AS n, COUNT(price) AS p, SUM(price) AS s, AVG(price) AS a, MIN(price) AS lo, MAX(day) AS hi FROM item GROUP BY kind",
    ),
    ("whole", "SELECT COUNT(*) AS n, SUM(price) AS s, MAX(kind) AS m FROM item"),
    ("having_two", "SELECT owner, COUNT(*) AS n FROM item GROUP BY owner HAVING COUNT(*) > 1"),
    (
        "joined",
        "SELECT i.id, p.name, i.price FROM item i JOIN person p ON i.owner = p.id WHERE p.name <> 'bob'",
    ),
    (
        "self_joined",
        "SELECT a.name AS boss, b.name AS worker FROM person a JOIN person b ON a.id = b.boss AND b.id > 10",
    ),
    (
        "three",
        "SELECT p.name, q.name AS boss, SUM(i.price) AS s FROM item i JOIN person p ON i.owner = p.id JOIN person q ON p.boss = q.id GROUP BY p.name, q.name",
    ),
    (
        "all_names",
        "SELECT name AS n FROM person UNION ALL SELECT kind FROM item UNION ALL SELECT word FROM log",
    ),
    ("words", "SELECT DISTINCT word FROM log"),
    ("bag", "SELECT word, n FROM log"),
    ("over_grouped", "SELECT n, COUNT(*) AS kinds FROM grouped GROUP BY n"),
    ("over_two", "SELECT g.kind, g.n, p.id FROM grouped g JOIN projected p ON lower(p.kind) = g.kind"),
    ("no_table", "SELECT 1 AS one, 'x' AS x"),
];

#[test]
fn views_equal_their_queries_after_every_change() {
    let (_database, session) = memory();
    run(&session, TABLES);
    for (name, query) in VIEWS {
        run(&session, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
    }
    check(&session);
    for change in CHANGES {
        run(&session, change);
        check(&session);
    }
}

#[test]
fn a_view_made_late_equals_one_made_early() {
    for made_after in [1, 4, CHANGES.len()] {
        let (_database, session) = memory();
        run(&session, TABLES);
        for change in &CHANGES[..made_after] {
            run(&session, change);
        }
        for (name, query) in VIEWS {
            run(&session, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        }
        check(&session);
        for change in &CHANGES[made_after..] {
            run(&session, change);
        }
        check(&session);
    }
}

#[test]
fn views_that_share_operators_come_and_go_alone() {
    let (_database, session) = memory();
    run(&session, TABLES);
    run(&session, CHANGES[0]);
    run(&session, CHANGES[1]);
    let query = "SELECT p.name, COUNT(*) AS n FROM item i JOIN person p ON i.owner = p.id GROUP BY p.name";
    run(&session, &format!("CREATE MATERIALIZED VIEW one AS {query}"));
    run(&session, &format!("CREATE MATERIALIZED VIEW two AS {query} HAVING COUNT(*) > 1"));
    let states = "SELECT count(DISTINCT collection) FROM gnitz_operators WHERE kind <> 'sink'";
    let shared = rows(&session, states);
    run(&session, CHANGES[3]);
    check(&session);
    run(&session, "DROP MATERIALIZED VIEW one");
    assert_eq!(rows(&session, states), shared);
    run(&session, CHANGES[5]);
    check(&session);
    run(&session, &format!("CREATE MATERIALIZED VIEW one AS {query}; DROP MATERIALIZED VIEW two"));
    run(&session, CHANGES[7]);
    check(&session);
    run(&session, "DROP MATERIALIZED VIEW one");
    assert_eq!(rows(&session, states), ["0"]);
}

#[test]
fn columns_can_be_named() {
    let (_database, session) = memory();
    run(&session, "CREATE MATERIALIZED VIEW v (a, b) AS SELECT 1, 2");
    assert_eq!(rows(&session, "SELECT b, a FROM v"), ["2|1"]);
    assert_eq!(crate::state(&session, "CREATE MATERIALIZED VIEW w AS SELECT 1 AS a, 2 AS a"), "42701");
    run(&session, "CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 3");
    assert_eq!(rows(&session, "SELECT b, a FROM v"), ["2|1"]);
}

/// Loads rows (id, id % `groups`, text).
fn load(session: &Session, table: &str, rows: i32, groups: i32) {
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int32Array::from_iter_values(0..rows)) as _),
        ("g", Arc::new(Int32Array::from_iter_values((0..rows).map(|id| id % groups))) as _),
        (
            "x",
            Arc::new(StringArray::from_iter_values((0..rows).map(|id| format!("some longer text of {id}"))))
                as _,
        ),
    ]);
    let mut appender = session.appender(table).unwrap();
    appender.append_batch(&batch.unwrap()).unwrap();
    appender.flush().unwrap();
}

/// Larger than what a fill feeds at once, so that every join and aggregate meets what earlier pieces left.
#[test]
fn a_large_table_is_fed_in_pieces() {
    let (database, session) = memory();
    run(
        &session,
        "CREATE TABLE big (id INTEGER PRIMARY KEY, g INTEGER, x TEXT);
         CREATE TABLE bag (id INTEGER, g INTEGER, x TEXT)",
    );
    load(&session, "big", 250_000, 30_000);
    load(&session, "bag", 120_000, 100_000);
    // Half of it in shards, half in memory, with rows of one run cancelled by another.
    database.checkpoint().unwrap();
    run(&session, "DELETE FROM big WHERE id % 10 = 3; UPDATE bag SET g = g + 1 WHERE id < 1000");
    run(
        &session,
        "CREATE MATERIALIZED VIEW pairs AS SELECT a.id, b.id AS other FROM big a JOIN big b ON a.g = b.id WHERE a.id % 7 = 0;
         CREATE MATERIALIZED VIEW two AS SELECT big.g, COUNT(*) AS n, MIN(bag.x) AS lo FROM big JOIN bag ON big.id = bag.g GROUP BY big.g;
         CREATE MATERIALIZED VIEW gs AS SELECT DISTINCT g FROM bag;
         CREATE MATERIALIZED VIEW all_of_it AS SELECT COUNT(*) AS n, SUM(id) AS s, MAX(x) AS hi FROM big",
    );
    check(&session);
    run(&session, "DELETE FROM big WHERE id % 1000 < 7; INSERT INTO bag VALUES (1, 5, 'a')");
    check(&session);
}
