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
