//! Subscriptions: the contents, then every change, in order, none lost and none twice.

use std::collections::BTreeMap;
use std::time::Duration;

use gnitz::{Delta, QueryResult};

use crate::{memory, rows, run, texts};

/// Adds a delta to what is known, and says what it held.
fn add(known: &mut BTreeMap<String, i64>, delta: &Delta) -> Vec<(String, i64)> {
    let result = QueryResult { schema: delta.rows.schema(), batches: vec![delta.rows.clone()] };
    let held: Vec<(String, i64)> = texts(&result).into_iter().zip(delta.weights.iter().copied()).collect();
    for (row, weight) in &held {
        *known.entry(row.clone()).or_default() += weight;
    }
    known.retain(|_, weight| *weight != 0);
    held
}

#[test]
fn a_snapshot_then_each_epoch() {
    let (database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, g TEXT);
         CREATE MATERIALIZED VIEW v AS SELECT g, COUNT(*) AS n FROM t GROUP BY g;
         INSERT INTO t VALUES (1, 'a')",
    );
    let mut subscription = database.subscribe("v").unwrap();
    run(&session, "INSERT INTO t VALUES (2, 'a'), (3, 'b')");
    run(&session, "CREATE TABLE other (x INTEGER); INSERT INTO other VALUES (1)");
    run(&session, "BEGIN; DELETE FROM t; INSERT INTO t VALUES (4, 'c'); COMMIT");
    let mut known = BTreeMap::new();
    let first = subscription.next().unwrap().unwrap();
    assert_eq!(add(&mut known, &first), [("a|1".to_string(), 1)]);
    let second = subscription.next().unwrap().unwrap();
    assert_eq!(add(&mut known, &second).len(), 3);
    let third = subscription.next().unwrap().unwrap();
    assert!(third.epoch > second.epoch + 1 && second.epoch == first.epoch + 1);
    add(&mut known, &third);
    assert_eq!(known, BTreeMap::from([("c|1".to_string(), 1)]));
    assert!(subscription.try_next().unwrap().is_none());
    assert!(!subscription.is_finished());
    run(&session, "DROP MATERIALIZED VIEW v");
    assert!(subscription.next().is_none() && subscription.is_finished());
}

#[test]
fn a_subscriber_that_joins_while_others_commit_misses_nothing() {
    let (database, session) = memory();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)");
    let writer = {
        let session = database.session();
        std::thread::spawn(move || {
            for id in 0..400 {
                run(&session, &format!("INSERT INTO t VALUES ({id}, {})", id % 7));
                if id % 3 == 0 {
                    run(&session, &format!("DELETE FROM t WHERE id = {}", id / 2));
                }
            }
        })
    };
    let mut subscriptions = Vec::new();
    for _ in 0..8 {
        subscriptions.push(database.subscribe("t").unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    writer.join().unwrap();
    let expected = rows(&session, "SELECT * FROM t ORDER BY id");
    for mut subscription in subscriptions {
        let mut known = BTreeMap::new();
        let mut last = None;
        while let Some(delta) = subscription.try_next().unwrap() {
            assert!(last.is_none_or(|last| last < delta.epoch));
            last = Some(delta.epoch);
            add(&mut known, &delta);
        }
        assert_eq!(known.len(), expected.len());
        assert!(expected.iter().all(|row| known.get(row) == Some(&1)));
    }
}

#[test]
fn only_tables_and_views_can_be_followed() {
    let (database, _session) = memory();
    assert_eq!(database.subscribe("nothing").err().map(|e| e.sqlstate()), Some("42P01"));
    assert_eq!(database.subscribe("gnitz_tables").err().map(|e| e.sqlstate()), Some("42809"));
}

/// What a view holds, row by row.
fn contents(database: &gnitz::Database, view: &str) -> BTreeMap<String, i64> {
    let mut known = BTreeMap::new();
    add(&mut known, &database.subscribe(view).unwrap().next().unwrap().unwrap());
    known
}

#[test]
fn resuming_gives_what_changed_and_nothing_else() {
    let (database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, g INTEGER, n INTEGER);
         CREATE TABLE u (g INTEGER, name TEXT);
         CREATE MATERIALIZED VIEW joined AS SELECT id, name, n FROM t JOIN u ON t.g = u.g WHERE n > 2;
         CREATE MATERIALIZED VIEW least AS SELECT g, MIN(n) AS lo, COUNT(*) AS c FROM t GROUP BY g;
         CREATE MATERIALIZED VIEW over AS SELECT DISTINCT a.lo, b.name FROM least a JOIN joined b ON a.lo = b.n",
    );
    let relations = ["t", "u", "joined", "least", "over"];
    // What each relation held at each epoch.
    let mut past: Vec<(u64, Vec<BTreeMap<String, i64>>)> = Vec::new();
    for step in 0..60_i64 {
        let (id, g) = (step * 7 % 20, step % 4);
        run(
            &session,
            &match step % 5 {
                0 => format!("INSERT INTO u VALUES ({g}, 'n{}')", step % 3),
                1 => format!("DELETE FROM t WHERE id = {}", id / 2),
                2 => format!("UPDATE t SET n = n + 1 WHERE g = {g}"),
                _ => format!(
                    "INSERT INTO t VALUES ({id}, {g}, {}) ON CONFLICT (id) DO UPDATE SET n = 9",
                    step % 6
                ),
            },
        );
        if step == 20 {
            database.checkpoint().unwrap();
        }
        if step == 40 {
            run(
                &session,
                "BEGIN; CREATE TABLE w (a INTEGER); DELETE FROM u WHERE g = 2; DROP TABLE w; COMMIT",
            );
        }
        past.push((database.epoch().unwrap(), relations.map(|name| contents(&database, name)).to_vec()));
    }
    let now = past.last().unwrap().1.clone();
    for (epoch, then) in &past {
        for (index, name) in relations.iter().enumerate() {
            let mut feed = database.subscribe_from(name, gnitz::Start::After(*epoch)).unwrap();
            let mut known = then[index].clone();
            while let Some(delta) = feed.try_next().unwrap() {
                assert!(delta.epoch > *epoch);
                add(&mut known, &delta);
            }
            assert_eq!(known, now[index], "{name} after epoch {epoch}");
            assert_eq!(feed.epoch(), database.epoch().unwrap());
        }
    }
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let disk = storage::MemFs::new();
    let open = |history| {
        gnitz::Database::builder().history_bytes(history).open_fs(std::sync::Arc::new(disk.clone())).unwrap()
    };
    let database = open(1 << 20);
    let session = database.session();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let before = database.epoch().unwrap();
    run(&session, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
    run(&session, "CREATE MATERIALIZED VIEW v AS SELECT id + 1 AS n FROM t; INSERT INTO t VALUES (3)");
    database.close().unwrap();
    drop((session, database));
    let refused = |database: &gnitz::Database, name, epoch| {
        let refused = database.subscribe_from(name, gnitz::Start::After(epoch)).err();
        refused.map(|error| (error.sqlstate(), error.to_string()))
    };
    let database = open(1 << 20);
    let now = database.epoch().unwrap();
    let mut feed = database.subscribe_from("t", gnitz::Start::After(before)).unwrap();
    assert_eq!(feed.next().unwrap().unwrap().weights, [1, 1, 1]);
    let mut feed = database.subscribe_from("v", gnitz::Start::After(now - 1)).unwrap();
    assert_eq!(feed.next().unwrap().unwrap().weights, [1]);
    let (state, text) = refused(&database, "v", before).unwrap();
    assert!(state == "55000" && text.contains("created later"), "{text}");
    let (state, text) = refused(&database, "t", now + 1).unwrap();
    assert!(state == "55000" && text.contains("not come to that epoch"), "{text}");
    database.close().unwrap();
    drop((feed, database));
    let database = open(0);
    let (state, text) = refused(&database, "t", before).unwrap();
    assert!(state == "55000" && text.contains("does not go back"), "{text}");
    assert!(refused(&database, "t", now).is_none());
}

#[test]
fn a_query_is_followed_without_a_view() {
    let (database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, g INTEGER, n INTEGER);
         CREATE TABLE names (g INTEGER, name TEXT);
         CREATE MATERIALIZED VIEW counted AS SELECT g, COUNT(*) AS c FROM t GROUP BY g;
         INSERT INTO names VALUES (0, 'zero'), (1, 'one'), (1, 'uno')",
    );
    let query = "SELECT name, SUM(n) AS s, MAX(c) AS c FROM t JOIN names ON t.g = names.g
                 JOIN counted ON counted.g = t.g WHERE n > 1 GROUP BY name";
    let mut feed = session.subscribe_query(query, gnitz::Start::Contents).unwrap();
    let mut late = session.subscribe_query(query, gnitz::Start::Now).unwrap();
    let mut known = BTreeMap::new();
    add(&mut known, &feed.next().unwrap().unwrap());
    assert!(known.is_empty());
    for step in 0..40_i64 {
        let (id, g) = (step % 9, step % 3);
        run(
            &session,
            &match step % 4 {
                0 => format!("DELETE FROM t WHERE id = {id}"),
                1 => "BEGIN; UPDATE names SET g = 2 - g; UPDATE t SET n = n + 1; COMMIT".to_string(),
                _ => format!("INSERT INTO t VALUES ({id}, {g}, {step}) ON CONFLICT (id) DO UPDATE SET n = 7"),
            },
        );
        // Sometimes several commits are read as one.
        if step % 3 != 0 {
            while let Some(delta) = feed.try_next().unwrap() {
                add(&mut known, &delta);
            }
            let now: BTreeMap<String, i64> = rows(&session, query).into_iter().map(|row| (row, 1)).collect();
            assert_eq!(known, now, "step {step}");
            assert_eq!(feed.epoch(), database.epoch().unwrap());
        }
    }
    let mut from_nothing = BTreeMap::new();
    while let Some(delta) = late.try_next().unwrap() {
        add(&mut from_nothing, &delta);
    }
    while let Some(delta) = feed.try_next().unwrap() {
        add(&mut known, &delta);
    }
    assert_eq!(from_nothing, known);
    let refused = |sql, start| session.subscribe_query(sql, start).err().map(|error| error.sqlstate());
    assert_eq!(refused(query, gnitz::Start::After(1)), Some("0A000"));
    assert_eq!(refused("SELECT now()", gnitz::Start::Now), Some("0A000"));
    assert_eq!(refused("DELETE FROM t", gnitz::Start::Now), Some("22023"));
    run(&session, "DROP TABLE names");
    assert!(feed.next().is_none() && feed.is_finished());
}
