//! The appender: what it takes, what it refuses, and that a flush is one epoch.

use std::sync::Arc;

use arrow::array::{Int32Array, Int64Array, RecordBatch, StringArray};
use gnitz::Datum;

use crate::{check, memory, rows, run};

fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())) as _),
        ("n", Arc::new(Int32Array::from_iter_values(ids.clone().map(|id| (id % 10) as i32))) as _),
        ("x", Arc::new(StringArray::from_iter_values(ids.map(|id| format!("row {id}")))) as _),
    ])
    .unwrap()
}

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, x VARCHAR(10));
    CREATE MATERIALIZED VIEW v AS SELECT n, COUNT(*) AS c, MAX(x) AS x FROM t GROUP BY n";

#[test]
fn batches_and_rows() {
    let (database, session) = memory();
    run(&session, TABLE);
    let before = database.epoch().unwrap();
    let mut appender = session.appender("t").unwrap();
    for first in [40_000, 0, 20_000] {
        appender.append_batch(&batch(first..first + 20_000)).unwrap();
    }
    appender.append_row(&[Datum::Int(100_000), Datum::Int(3), Datum::Null]).unwrap();
    assert_eq!(appender.pending(), 60_001);
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["0"]);
    assert_eq!(appender.flush().unwrap(), 60_001);
    assert_eq!(database.epoch().unwrap(), before + 1);
    assert_eq!(rows(&session, "SELECT count(*), sum(id) FROM t"), ["60001|1800070000"]);
    assert_eq!(rows(&session, "SELECT c, x FROM v WHERE n = 3"), ["6001|row 9993"]);
    assert_eq!(rows(&session, "SELECT x FROM t WHERE id = 59999"), ["row 59999"]);
    check(&session);
    assert_eq!(appender.flush().unwrap(), 0);
}

#[test]
fn what_breaks_the_table_is_refused_whole() {
    let (_database, session) = memory();
    run(&session, TABLE);
    run(&session, "INSERT INTO t VALUES (5, 5, 'five')");
    let mut appender = session.appender("t").unwrap();
    appender.append_batch(&batch(0..10)).unwrap();
    assert_eq!(appender.flush().unwrap_err().sqlstate(), "23505");
    assert_eq!(rows(&session, "SELECT * FROM t"), ["5|5|five"]);
    let refused = |row: &[Datum]| {
        let mut appender = session.appender("t").unwrap();
        appender.append_row(row).and_then(|()| appender.flush()).unwrap_err().sqlstate()
    };
    assert_eq!(refused(&[Datum::Int(1), Datum::Null, Datum::Null]), "23502");
    assert_eq!(refused(&[Datum::Int(1), Datum::Int(1), Datum::Text("much too long".into())]), "22001");
    assert_eq!(refused(&[Datum::Int(1), Datum::Text("1".into()), Datum::Null]), "42804");
    assert_eq!(refused(&[Datum::Int(1), Datum::Int(1)]), "22P04");
    assert!(session.appender("v").is_err() && session.appender("missing").is_err());
}

#[test]
fn inside_a_transaction_a_flush_is_part_of_it() {
    let (_database, session) = memory();
    run(&session, TABLE);
    let transaction = session.begin().unwrap();
    let mut appender = session.appender("t").unwrap();
    appender.append_batch(&batch(0..1_000)).unwrap();
    appender.flush().unwrap();
    assert_eq!(rows(&session, "SELECT sum(c) FROM v"), ["1000"]);
    transaction.rollback().unwrap();
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["0"]);
}

#[test]
fn rows_go_by_their_keys() {
    let (database, session) = memory();
    run(&session, TABLE);
    let mut appender = session.appender("t").unwrap();
    appender.append_batch(&batch(0..20_000)).unwrap();
    appender.flush().unwrap();
    let before = database.epoch().unwrap();
    for id in (0..20_000).rev().step_by(2) {
        appender.remove_row(&[Datum::Int(id)]).unwrap();
    }
    appender.append_row(&[Datum::Int(1), Datum::Int(3), Datum::Text("replaced".into())]).unwrap();
    // Keys twice, keys without a row, keys that no row can have.
    for key in [Datum::Int(1), Datum::Int(1), Datum::Int(99_999), Datum::Null] {
        appender.remove_row(&[key]).unwrap();
    }
    assert_eq!(appender.pending(), 10_004);
    assert_eq!(appender.flush().unwrap(), 10_001);
    assert_eq!(database.epoch().unwrap(), before + 1);
    assert_eq!(rows(&session, "SELECT count(*), sum(id) FROM t"), ["10001|99990001"]);
    assert_eq!(rows(&session, "SELECT * FROM t WHERE id = 1"), ["1|3|replaced"]);
    check(&session);
    assert_eq!(appender.flush().unwrap(), 0);
    assert_eq!(appender.remove_row(&[Datum::Text("1".into())]).unwrap_err().sqlstate(), "22023");
    assert_eq!(appender.remove_row(&[]).unwrap_err().sqlstate(), "22023");
    run(&session, "CREATE TABLE bag (n INTEGER)");
    let mut bag = session.appender("bag").unwrap();
    assert_eq!(bag.remove_row(&[Datum::Int(1)]).unwrap_err().sqlstate(), "22023");
}

#[test]
fn text_goes_into_some_columns() {
    let (database, session) = memory();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, n INTEGER DEFAULT 7, d DATE)");
    let mut appender = session.appender_into("t", &["d".to_string(), "id".to_string()]).unwrap();
    appender.append_text([Some("2026-01-05"), Some("1")].into_iter()).unwrap();
    appender.append_text([None, Some("2")].into_iter()).unwrap();
    assert_eq!(appender.flush().unwrap(), 2);
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), ["1|7|2026-01-05", "2|7|-"]);
    let wrong = session.appender_into("t", &["id".to_string()]).unwrap().append_text([Some("x")].into_iter());
    assert_eq!(wrong.unwrap_err().sqlstate(), "22P02");
    assert!(session.appender_into("t", &["nope".to_string()]).is_err());
    let stats = database.stats().unwrap();
    assert_eq!(stats.epoch, 2);
    assert!(stats.log_bytes > 0 && stats.memory_bytes > 0);
}
