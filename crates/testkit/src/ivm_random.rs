//! Random programs with answers that others computed: a thousand small schemas, their views, and what each
//! view holds after every batch, as PostgreSQL and DuckDB agree.
//!
//! The programs use more SQL than is supported; a view that is refused with 0A000 is counted under the construct
//! that it was refused for, and every other view must be exactly right. Even-numbered programs run each batch
//! as one transaction, so that several tables change in one epoch; the others commit every statement.

use crate::reference::query::Bag;
use crate::reference::{Row, Value};
use crate::{actual, parallel};
use flate2::read::GzDecoder;
use gnitz::{Database, Session, Subscription};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What a run went through.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Programs.
    pub programs: u64,
    /// Views whose every check passed.
    pub passed: u64,
    /// Comparisons that passed.
    pub checks: u64,
    /// Views that were wrong or failed, each with a report.
    pub failed: Vec<String>,
    /// Views refused as not supported, by construct.
    pub unsupported: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.programs += other.programs;
        self.passed += other.passed;
        self.checks += other.checks;
        self.failed.extend(other.failed);
        for (construct, count) in other.unsupported {
            *self.unsupported.entry(construct).or_insert(0) += count;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsupported: u64 = self.unsupported.values().sum();
        writeln!(
            f,
            "{} programs: {} views passed ({} checks), {} failed, {unsupported} not supported",
            self.programs,
            self.passed,
            self.checks,
            self.failed.len()
        )?;
        let mut constructs: Vec<_> = self.unsupported.iter().collect();
        constructs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        constructs.into_iter().try_for_each(|(construct, count)| writeln!(f, "  {count:>6}  {construct}"))
    }
}

/// Where the data of others lies, if it is there: `$GNITZ_TEST_DATA`, or `shared/data` beside the repository.
pub fn data_dir() -> Option<PathBuf> {
    // Where cargo runs us, not where we were compiled: clones may share a target directory.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let beside = Path::new(&own).join("../../../shared/data");
    let dir = std::env::var_os("GNITZ_TEST_DATA").map_or(beside, PathBuf::from).join("ivm_random");
    dir.is_dir().then_some(dir)
}

/// Runs every program in a directory, on every core.
pub fn run_all(dir: &Path) -> Result<Counts, String> {
    let programs = programs(dir)?;
    let results = parallel::run(programs.len() as u64, |number| run(&programs[number as usize]))?;
    let mut total = Counts::default();
    results.into_iter().for_each(|counts| total.add(counts));
    total.failed.sort();
    Ok(total)
}

fn programs(dir: &Path) -> Result<Vec<String>, String> {
    let explain = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        if path.to_string_lossy().ends_with(".jsonl.gz") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut programs = Vec::new();
    for path in paths {
        let file = BufReader::new(GzDecoder::new(File::open(path).map_err(explain)?));
        for line in file.lines() {
            programs.push(line.map_err(explain)?);
        }
    }
    Ok(programs)
}

/// A view under test.
struct View {
    name: String,
    sql: String,
    subscription: Subscription,
    sum: Bag,
    checks: u64,
    failure: Option<String>,
}

/// Runs one program. The error is one in the data; what the database does wrong is counted.
fn run(line: &str) -> Result<Counts, String> {
    let program: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let id = program["id"].as_u64().ok_or("a program has no id")?;
    let mut counts = Counts { programs: 1, ..Counts::default() };
    let database = Database::in_memory().map_err(|error| error.to_string())?;
    let session = database.session();
    for ddl in texts(&program["ddl"]) {
        if let Err(error) = session.execute(ddl) {
            counts.failed.push(format!("program {id}: {ddl}: {error}"));
            return Ok(counts);
        }
    }
    let mut views = create_views(&database, &session, &program, id, &mut counts);
    for batch in program["batches"].as_array().into_iter().flatten() {
        if let Err(message) = apply(&session, batch, id % 2 == 0) {
            counts.failed.push(format!("program {id}: {message}"));
            return Ok(counts);
        }
        for view in &mut views {
            if view.failure.is_none() {
                view.failure = compare(view, &batch["expect"][&view.name]);
            }
        }
    }
    for view in views {
        counts.checks += view.checks;
        match view.failure {
            None => counts.passed += 1,
            Some(failure) => {
                counts.failed.push(format!("program {id}, view {}: {}\n{failure}", view.name, view.sql))
            }
        }
    }
    Ok(counts)
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str)
}

fn create_views(
    database: &Database,
    session: &Session,
    program: &Json,
    id: u64,
    counts: &mut Counts,
) -> Vec<View> {
    let mut views = Vec::new();
    for view in program["views"].as_array().into_iter().flatten() {
        let (Some(name), Some(sql)) = (view["name"].as_str(), view["sql"].as_str()) else { continue };
        let created = session.execute(&format!("CREATE MATERIALIZED VIEW {name} AS {sql}"));
        match created.map_err(Box::new).and_then(|_| database.subscribe(name).map_err(Box::new)) {
            Ok(subscription) => views.push(View {
                name: name.to_owned(),
                sql: sql.to_owned(),
                subscription,
                sum: Bag::new(),
                checks: 0,
                failure: None,
            }),
            Err(error) if error.sqlstate() == "0A000" => {
                *counts.unsupported.entry(error.message()).or_insert(0) += 1;
            }
            Err(error) => {
                counts
                    .failed
                    .push(format!("program {id}, view {name}: {sql}\n  {}: {error}", error.sqlstate()));
            }
        }
    }
    views
}

fn apply(session: &Session, batch: &Json, together: bool) -> Result<(), String> {
    let run = |text: &str| session.execute(text).map(|_| ()).map_err(|error| format!("{text}: {error}"));
    if together {
        run("BEGIN")?;
    }
    texts(&batch["sql"]).try_for_each(run)?;
    if together { run("COMMIT") } else { Ok(()) }
}

fn compare(view: &mut View, expected: &Json) -> Option<String> {
    loop {
        match view.subscription.try_next() {
            Ok(Some(delta)) => actual::add_delta(&mut view.sum, &delta.rows, &delta.weights),
            Ok(None) => break,
            Err(error) => return Some(format!("  its subscription failed: {error}")),
        }
    }
    let mut wanted = Bag::new();
    for row in expected.as_array().into_iter().flatten() {
        let row: Row = row.as_array().into_iter().flatten().map(plain_json).collect();
        *wanted.entry(row).or_insert(0) += 1;
    }
    let mut found = Bag::new();
    for (row, weight) in &view.sum {
        *found.entry(row.iter().map(plain).collect()).or_insert(0) += weight;
    }
    view.checks += 1;
    actual::difference(&wanted, &found)
}

/// A value as the data writes it: numbers of all types alike, to nine significant digits.
fn plain(value: &Value) -> Value {
    match value {
        Value::Int(_) | Value::Decimal(_) | Value::Double(_) => number(value.to_f64()),
        Value::Null | Value::Bool(_) | Value::Text(_) => value.clone(),
        Value::Date(days) => Value::text(crate::reference::value::date_text(*days)),
        Value::Other(text) => Value::text(text),
    }
}

fn plain_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => number(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::text(text),
        other => Value::text(other.to_string()),
    }
}

fn number(value: f64) -> Value {
    let rounded: f64 = format!("{value:.8e}").parse().unwrap_or(value);
    Value::double(rounded)
}
