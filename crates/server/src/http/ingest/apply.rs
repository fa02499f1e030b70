//! Rows into a table, inside the session's transaction and in their order.
//!
//! Neighbours that do the same to the same columns go together: inserts the way of a bulk load, upserts as one
//! statement of many rows. Deletes go one by one; each is a search by key.

use std::io::BufRead;
use std::rc::Rc;

use axum::http::StatusCode;
use gnitz::{Appender, Error, Session, Statement, Value, names};

use super::super::problem::Problem;
use super::super::statements::Stop;
use super::rows::{self, Form, Op, Row};

/// Rows that go together at most.
pub const CHUNK: usize = 256;

/// As many parameters as one statement may have.
const MOST_PARAMETERS: usize = 60_000;

/// Writes rows into one table.
pub struct Ingest<'a> {
    session: &'a Session,
    stop: &'a Stop,
    table: String,
    /// The names of the key's columns; none if the table has no key.
    key: Vec<String>,
    op: Op,
    chunk: usize,
    run: Option<Run>,
    rows: u64,
}

/// Neighbours that go together.
struct Run {
    op: Op,
    columns: Rc<[String]>,
    /// The line of the last row.
    line: u64,
    how: How,
}

enum How {
    /// Rows go to the appender as they come.
    Append(Box<Appender>),
    /// Rows wait for a statement of this many, prepared once there are so many.
    Upsert { values: Vec<Value>, rows: usize, full: Option<Statement> },
    /// Each row is one execution, with the values of these columns.
    Delete { statement: Statement, places: Vec<usize> },
}

impl<'a> Ingest<'a> {
    /// Nothing written yet. Rows that do not say what happens to them are subject to `op`.
    pub fn new(
        session: &'a Session,
        table: &str,
        op: Op,
        chunk: usize,
        stop: &'a Stop,
    ) -> Result<Ingest<'a>, Problem> {
        let key = key_columns(session, table)?;
        Ok(Ingest { session, stop, table: table.to_string(), key, op, chunk, run: None, rows: 0 })
    }

    /// Writes every row of a body and says how many there were.
    pub fn all(mut self, form: Form, body: impl BufRead) -> Result<u64, Problem> {
        rows::read(form, body, |row| self.row(row))?;
        self.end_run()?;
        Ok(self.rows)
    }

    fn row(&mut self, row: Row) -> Result<(), Problem> {
        let line = row.line;
        let op = row.op.unwrap_or(self.op);
        let same = |run: &Run| run.op == op && run.columns == row.columns;
        if !self.run.as_ref().is_some_and(same) {
            self.end_run()?;
            self.run = Some(self.begin_run(op, &row).map_err(|problem| problem.at_line(line))?);
        }
        self.rows += 1;
        if self.rows.is_multiple_of(CHUNK as u64) {
            self.stop.check()?;
        }
        let Some(run) = &mut self.run else { return Ok(()) };
        run.line = line;
        let written = match &mut run.how {
            How::Append(appender) => {
                let texts = row.values.iter().map(Option::as_deref);
                appender.append_text(texts).map_err(Problem::from).map_err(|problem| problem.at_line(line))
            }
            How::Delete { statement, places } => {
                let params: Vec<Value> =
                    places.iter().map(|&place| row.values[place].clone().into()).collect();
                let deleted = statement.execute(&params).map(drop);
                deleted.map_err(|error| Problem::from(error).at_line(line))
            }
            How::Upsert { values, rows, .. } => {
                values.extend(row.values.into_iter().map(Value::from));
                *rows += 1;
                Ok(())
            }
        };
        written.and_then(|()| self.flush_full())
    }

    fn begin_run(&self, op: Op, row: &Row) -> Result<Run, Problem> {
        for (at, name) in row.columns.iter().enumerate() {
            if row.columns[..at].contains(name) {
                let detail = format!("column \"{name}\" is given twice");
                return Err(Problem::new(StatusCode::BAD_REQUEST, "42701", detail));
            }
        }
        let how = match op {
            Op::Insert if self.chunk > 1 => {
                How::Append(Box::new(self.session.appender_into(&self.table, &row.columns)?))
            }
            Op::Insert | Op::Upsert => How::Upsert { values: Vec::new(), rows: 0, full: None },
            Op::Delete => self.delete(&row.columns)?,
        };
        if op == Op::Upsert && self.key.is_empty() {
            return Err(keyless(&self.table));
        }
        Ok(Run { op, columns: Rc::clone(&row.columns), line: row.line, how })
    }

    fn delete(&self, columns: &[String]) -> Result<How, Problem> {
        let places = self.key.iter().map(|name| columns.iter().position(|column| column == name));
        let places: Option<Vec<usize>> = places.collect();
        let places = match places {
            Some(places) if !places.is_empty() => places,
            Some(_) => (0..columns.len()).collect(),
            None => {
                let detail = format!("the row lacks a column of the key ({})", self.key.join(", "));
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "23502", detail));
            }
        };
        let keyed = !self.key.is_empty();
        let condition = |(at, &place): (usize, &usize)| {
            let (name, at) = (quoted(&columns[place]), at + 1);
            match keyed {
                true => format!("{name} = ${at}"),
                false => format!("({name} = ${at} OR ({name} IS NULL AND ${at} IS NULL))"),
            }
        };
        let conditions: Vec<String> = places.iter().enumerate().map(condition).collect();
        let sql = format!("DELETE FROM {} WHERE {}", names::written(&self.table), conditions.join(" AND "));
        Ok(How::Delete { statement: self.session.prepare(&sql)?, places })
    }

    /// Runs the statement of a full chunk.
    fn flush_full(&mut self) -> Result<(), Problem> {
        let chunk = self.chunk;
        let Some(run) = &mut self.run else { return Ok(()) };
        let most = chunk.min(MOST_PARAMETERS / run.columns.len().max(1)).max(1);
        let How::Upsert { values, rows, full } = &mut run.how else { return Ok(()) };
        if *rows < most {
            return Ok(());
        }
        let statement = match full {
            Some(statement) => statement,
            None => full.insert(self.session.prepare(&insert(
                (&self.table, &self.key),
                run.op,
                &run.columns,
                most,
            ))?),
        };
        let done = statement.execute(&std::mem::take(values)).map(drop);
        *rows = 0;
        done.map_err(|error| located(error, chunk, run.line))
    }

    /// Writes what still waits of a run.
    fn end_run(&mut self) -> Result<(), Problem> {
        let Some(run) = self.run.take() else { return Ok(()) };
        match run.how {
            How::Append(mut appender) => appender.flush().map(drop).map_err(Problem::from),
            How::Delete { .. } => Ok(()),
            How::Upsert { rows: 0, .. } => Ok(()),
            How::Upsert { values, rows, .. } => {
                let statement =
                    self.session.prepare(&insert((&self.table, &self.key), run.op, &run.columns, rows))?;
                statement.execute(&values).map(drop).map_err(|error| located(error, self.chunk, run.line))
            }
        }
    }
}

/// With one row a statement, the row is known that it failed for.
fn located(error: Error, chunk: usize, line: u64) -> Problem {
    let mut problem = Problem::from(error);
    (problem.line, problem.column) = (None, None);
    if chunk == 1 { problem.at_line(line) } else { problem }
}

fn keyless(table: &str) -> Problem {
    let detail = format!("table \"{table}\" has no primary key to upsert by");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "42P10", detail)
        .with_hint("insert, or give the table a key")
}

/// An INSERT of so many rows, whose values are parameters. As with a bulk load, what is given goes into identity
/// columns, too.
fn insert((table, key): (&str, &[String]), op: Op, columns: &[String], rows: usize) -> String {
    let listed: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let width = columns.len();
    let row = |at: usize| {
        let params: Vec<String> = (1..=width).map(|column| format!("${}", at * width + column)).collect();
        format!("({})", params.join(", "))
    };
    let values: Vec<String> = (0..rows).map(row).collect();
    let sql = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES {}",
        names::written(table),
        listed.join(", "),
        values.join(", ")
    );
    if op == Op::Insert {
        return sql;
    }
    // The key is what it was.
    let others = columns.iter().filter(|name| !key.contains(name)).map(|name| quoted(name));
    let set: Vec<String> = others.map(|name| format!("{name} = excluded.{name}")).collect();
    let constraint = quoted(&names::key(table));
    match set.is_empty() {
        true => format!("{sql} ON CONFLICT ON CONSTRAINT {constraint} DO NOTHING"),
        false => format!("{sql} ON CONFLICT ON CONSTRAINT {constraint} DO UPDATE SET {}", set.join(", ")),
    }
}

/// The columns of a table's primary key; an error if there is no such table.
fn key_columns(session: &Session, table: &str) -> Result<Vec<String>, Problem> {
    let name = [Value::from(table)];
    let found =
        session.prepare("SELECT primary_key, kind FROM gnitz_tables WHERE name = $1")?.query(&name)?;
    let Some(row) = found.rows()?.into_iter().next() else {
        return Err(Error::UndefinedTable { name: table.to_string() }.into());
    };
    let text = |at: usize| row[at].as_bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
    if text(1) != "table" {
        return Err(Error::WrongKind { name: table.to_string(), expected: "a table" }.into());
    }
    let key = text(0);
    Ok(key.split(", ").filter(|name| !name.is_empty()).map(str::to_string).collect())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
