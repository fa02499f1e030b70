//! `.import`: a CSV file into a table, with a bar that shows how far it is.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gnitz::{Outcome, Session};
use indicatif::{ProgressBar, ProgressStyle};

use super::fault;
use super::words::quoted;

/// How often the bar is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// Loads a CSV file whole or not at all, and says how many rows it had. Its header line names columns of the table,
/// in any order; those it does not name get their defaults.
pub fn csv(session: &Session, path: &str, table: &str) -> Result<u64, String> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?.len();
    let columns: Vec<String> = columns(session, path, table)?.iter().map(|name| quoted(name)).collect();
    let file = path.replace('\'', "''");
    let statement = format!("COPY {table} ({}) FROM '{file}' (FORMAT csv, HEADER)", columns.join(", "));
    let read = session.copy_progress();
    read.store(0, Ordering::Relaxed);
    let done = AtomicBool::new(false);
    let copied = std::thread::scope(|scope| {
        let bar = scope.spawn(|| watch(bytes, &read, &done));
        let copied = session.execute(&statement);
        done.store(true, Ordering::Relaxed);
        bar.thread().unpark();
        copied
    });
    match copied.map_err(|error| fault::sentence(&error))?.as_slice() {
        [Outcome::Count { rows, .. }] => Ok(*rows),
        _ => Ok(0),
    }
}

/// Draws the bar until all is done. Behind the last byte comes the commit, which takes its time too.
fn watch(bytes: u64, read: &AtomicU64, done: &AtomicBool) {
    let bar = ProgressBar::new(bytes);
    let style =
        |template| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left"));
    while !done.load(Ordering::Relaxed) {
        let position = read.load(Ordering::Relaxed);
        if position >= bytes {
            bar.set_style(style("{bar:30} {bytes} read, committing"));
        }
        bar.set_position(position);
        std::thread::park_timeout(REDRAW);
    }
    bar.finish_and_clear();
}

/// The table's columns that the file's header names.
fn columns(session: &Session, path: &str, table: &str) -> Result<Vec<String>, String> {
    let known = session.query(&format!("SELECT * FROM {table} LIMIT 0"));
    let known = known.map_err(|error| fault::sentence(&error))?.schema;
    let known: Vec<&str> = known.fields().iter().map(|field| field.name().as_str()).collect();
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let mut reader = csv::ReaderBuilder::new().from_reader(file);
    let header = reader.headers().map_err(|error| format!("{path}, line 1: {error}"))?;
    if header.is_empty() {
        return Err(format!("{path}, line 1: a header line with the names of columns is missing"));
    }
    let column = |name: &str| {
        let name = name.trim().trim_start_matches('\u{feff}');
        let same = known.iter().find(|known| **known == name);
        let same = same.or_else(|| known.iter().find(|known| known.eq_ignore_ascii_case(name)));
        same.map(|known| known.to_string()).ok_or_else(|| {
            let known = known.join(", ");
            format!("{path}, line 1: the header names \"{name}\", but the columns of {table} are {known}")
        })
    };
    header.iter().map(column).collect()
}
