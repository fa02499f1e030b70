//! What ad-hoc queries answer, and how they fail.

use super::{Data, Db, cancelled, cases, lines, never, query, small};
use sql::Rows;
use zset::{Datum, Type};

/// `rows` (any order), `ordered`, or `error STATE words`.
#[test]
fn the_cases() {
    let db = Db::new(small());
    let mut wrong = Vec::new();
    for case in cases(include_str!("cases/queries.txt")) {
        let answer = db.answer(&case.sql);
        let (kind, rest) = case.keyword.split_once(' ').unwrap_or((&case.keyword, ""));
        let problem = match (kind, answer) {
            ("error", Err(error)) => {
                let (state, words) = rest.split_once(' ').unwrap_or((rest, ""));
                let same = error.sqlstate() == state && error.to_string().contains(words);
                (!same).then(|| format!("failed with {error}"))
            }
            ("error", Ok(rows)) => Some(format!("answered {rows:?}")),
            (_, Err(error)) => Some(format!("failed with {error}")),
            (_, Ok(mut rows)) => {
                let mut expected = case.expected.clone();
                if kind != "ordered" {
                    rows.sort();
                    expected.sort();
                }
                (rows != expected).then(|| format!("answered {rows:#?}"))
            }
        };
        wrong.extend(problem.map(|problem| format!("line {}: {}\n  {problem}", case.line, case.sql)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn columns_are_named_and_typed() {
    let db = Db::new(small());
    let rows =
        db.rows("SELECT id, a + 1, count(*) OVER () AS n, 'x', t.s, CAST(b AS TEXT) FROM t").expect("rows");
    let names: Vec<&str> = rows.schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["id", "?column?", "n", "?column?", "s", "b"]);
    let types: Vec<Type> =
        rows.schema.fields().iter().map(|f| sql::types::from_arrow(f.data_type()).expect("ours")).collect();
    assert_eq!(types, [Type::Int32, Type::Int32, Type::Int64, Type::Text, Type::Text, Type::Text]);
}

#[test]
fn parameters_take_the_type_of_their_place() {
    let db = Db::new(small());
    let prepared = db
        .planner
        .prepare(
            &db.snapshot,
            &query("SELECT s FROM t WHERE id = $1 OR a > $2 + 5 ORDER BY id").expect("query"),
            &[],
        )
        .expect("prepared");
    assert_eq!(prepared.params(), [Some(Type::Int32), Some(Type::Int64)]);
    let run = |one: i64, two: i64| -> Vec<String> {
        let params = [(Datum::Int(one), Type::Int64), (Datum::Int(two), Type::Int32)];
        lines(&db.planner.run(&prepared, &db.snapshot, &params, 0, &never()).expect("rows"))
    };
    assert_eq!(run(1, 10), ["ab", "cd"]);
    assert_eq!(run(4, 100), ["ef"]);
    assert_eq!(run(9, 100), [""; 0]);
}

#[test]
fn parameters_without_a_place_take_the_type_given() {
    let db = Db::new(small());
    let text = query("SELECT $1, $2 || '!'").expect("query");
    let params = [(Datum::Int(7), Type::Int64), (Datum::Text("a".into()), Type::Text)];
    let rows: Rows = db.planner.query(&db.snapshot, &text, &params, 0, &never()).expect("rows");
    assert_eq!(lines(&rows), ["7|a!"]);
    let prepared = db.planner.prepare(&db.snapshot, &text, &[]).expect("prepared");
    let rows = db.planner.run(&prepared, &db.snapshot, &params, 0, &never()).expect("rows");
    assert_eq!(lines(&rows), ["7|a!"]);
}

#[test]
fn a_prepared_query_follows_its_tables() {
    let mut db = Db::new(small());
    let prepared = db
        .planner
        .prepare(&db.snapshot, &query("SELECT count(*) FROM bag").expect("query"), &[])
        .expect("prepared");
    let count = |db: &Db| lines(&db.planner.run(&prepared, &db.snapshot, &[], 0, &never()).expect("rows"));
    assert_eq!(count(&db), ["6"]);
    let mut data = small();
    data.rows("bag", "5 | q x4");
    db.snapshot = std::sync::Arc::new(data);
    assert_eq!(count(&db), ["10"]);
    let mut other = Data::default();
    other.define("bag", "x BIGINT", &[]);
    other.rows("bag", "1\n2");
    db.snapshot = std::sync::Arc::new(other);
    assert_eq!(count(&db), ["2"]);
}

#[test]
fn a_cancelled_query_stops() {
    let db = Db::new(small());
    let text = query("SELECT count(*) FROM t").expect("query");
    let error = db.planner.query(&db.snapshot, &text, &[], 0, &cancelled()).expect_err("cancelled");
    assert_eq!(error.sqlstate(), "57014");
    let flag = never();
    let other = flag.clone();
    let stop = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        other.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let endless =
        query("SELECT sum(x * y % 7) FROM generate_series(1, 1000000) x, generate_series(1, 1000000) y")
            .expect("query");
    let error = db.planner.query(&db.snapshot, &endless, &[], 0, &flag).expect_err("cancelled");
    assert_eq!(error.sqlstate(), "57014");
    stop.join().expect("the other thread");
}

#[test]
fn many_runs_are_one_table() {
    let mut data = Data::default();
    data.define("t", "id INTEGER!; v BIGINT", &[0]);
    for start in 0..7 {
        let rows: Vec<(Vec<Datum>, i64)> =
            (0..5000).map(|i| (vec![Datum::Int(i * 7 + start), Datum::Int(i)], 1)).collect();
        data.run("t", &rows);
    }
    let removed: Vec<(Vec<Datum>, i64)> =
        (0..1000).map(|i| (vec![Datum::Int(i * 7), Datum::Int(i)], -1)).collect();
    data.run("t", &removed);
    let db = Db::new(data);
    assert_eq!(
        db.answer("SELECT count(*), sum(id), min(id), max(id) FROM t").expect("rows"),
        [format!("34000|{}|1|34999", 35_000i64 * 34_999 / 2 - 7 * 999 * 500)]
    );
    assert_eq!(
        db.answer("SELECT id FROM t WHERE id BETWEEN 6999 AND 7001 ORDER BY id").expect("rows"),
        ["6999", "7000", "7001"]
    );
    assert_eq!(db.answer("SELECT count(*) FROM t WHERE id = 7").expect("rows"), ["0"]);
    assert_eq!(db.answer("SELECT id FROM t LIMIT 20000").expect("rows").len(), 20_000);
}
