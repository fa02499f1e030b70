//! The engine from the outside: SQL through sessions, and what must hold whoever else is at work.

mod alike;
mod arrays;
mod bounds;
mod bulk;
mod catalogs;
mod concurrent;
mod definitions;
mod errors;
mod full;
mod moments;
mod plain_views;
mod recovery;
mod roles;
mod schemas;
mod sequences;
mod sql;
mod streams;
mod subscribe;
mod transactions;
mod upkeep;
mod views;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use gnitz::{Database, Outcome, QueryResult, Session};

/// A database in memory with a session.
fn memory() -> (Database, Session) {
    let database = Database::in_memory().unwrap();
    let session = database.session();
    (database, session)
}

/// Runs statements that must succeed.
fn run(session: &Session, sql: &str) -> Vec<Outcome> {
    session.execute(sql).unwrap_or_else(|error| panic!("{sql}: {} {error}", error.sqlstate()))
}

/// The rows of a query, each as its values joined by `|`, NULL as `-`.
fn rows(session: &Session, sql: &str) -> Vec<String> {
    let result = session.query(sql).unwrap_or_else(|error| panic!("{sql}: {} {error}", error.sqlstate()));
    texts(&result)
}

/// The same of a result, in its order.
fn texts(result: &QueryResult) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let mut texts = Vec::new();
    for batch in &result.batches {
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            texts.push(values.join("|"));
        }
    }
    texts
}

/// The SQLSTATE and message that a text fails with.
fn fails(session: &Session, sql: &str) -> (String, String) {
    match session.execute(sql) {
        Ok(outcomes) => panic!("{sql} succeeded: {outcomes:?}"),
        Err(error) => (error.sqlstate().to_string(), error.message()),
    }
}

/// The SQLSTATE alone.
fn state(session: &Session, sql: &str) -> String {
    fails(session, sql).0
}

/// How many rows the last statement of a text wrote.
fn count(session: &Session, sql: &str) -> u64 {
    match run(session, sql).pop() {
        Some(Outcome::Count { rows, .. }) => rows,
        other => panic!("{sql}: {other:?}"),
    }
}

/// Every view equals its query.
fn check(session: &Session) {
    for view in rows(session, "SELECT name FROM gnitz_views ORDER BY name") {
        let differences = rows(session, &format!("CHECK MATERIALIZED VIEW \"{view}\""));
        assert!(differences.is_empty(), "view {view} differs from its query: {differences:?}");
    }
}
