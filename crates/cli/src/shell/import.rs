//! `.import`: a CSV file into a table, with a bar that shows how far it is.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::backend::{Answer, Backend, query};
use super::fault::Fault;
use super::words::quoted;

/// How often the bar is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// How a database calls the stream that it reads.
const STREAM: &str = "the stream, ";

/// Loads a CSV file whole or not at all, and says how many rows it had. Its header line names columns of the table,
/// in any order; those it does not name get their defaults.
pub fn csv(backend: &mut dyn Backend, path: &str, table: &str) -> Result<u64, String> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?.len();
    let columns: Vec<String> = columns(backend, path, table)?.iter().map(|name| quoted(name)).collect();
    let statement = format!("COPY {table} ({}) FROM STDIN (FORMAT csv, HEADER)", columns.join(", "));
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let (read, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut rows = 0;
    let copied = std::thread::scope(|scope| {
        let bar = scope.spawn(|| watch(bytes, &read, &done));
        let copied = backend.run(&statement, Some(&mut Counted { file, read: &read }), &mut |answer| {
            match answer {
                Answer::Tag(tag) => rows = tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0),
                Answer::Notice(text) => eprintln!("{text}"),
                _ => {}
            }
            true
        });
        done.store(true, Ordering::Relaxed);
        bar.thread().unpark();
        copied
    });
    copied.map_err(|fault| in_file(fault, path).sentence())?;
    Ok(rows)
}

/// The fault with its place in the file instead of in the stream.
fn in_file(mut fault: Fault, path: &str) -> Fault {
    let line = fault.context.as_ref().and_then(|context| {
        let (copy, place) = context.split_once(", line ")?;
        copy.starts_with("COPY").then(|| place.split([',', ':']).next().unwrap_or_default().to_string())
    });
    if let Some(line) = line {
        fault.message = format!("{path}, line {line}: {}", fault.message);
        fault.context = None;
    } else if let Some(rest) = fault.message.strip_prefix(STREAM) {
        fault.message = format!("{path}, {rest}");
    }
    fault
}

/// A file that counts what is read of it.
struct Counted<'r> {
    file: File,
    read: &'r AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
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
fn columns(backend: &mut dyn Backend, path: &str, table: &str) -> Result<Vec<String>, String> {
    let known = query(backend, &format!("SELECT * FROM {table} LIMIT 0"));
    let known = known.map_err(|fault| fault.sentence())?.columns;
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let mut reader = csv::ReaderBuilder::new().from_reader(file);
    let header = reader.headers().map_err(|error| format!("{path}, line 1: {error}"))?;
    if header.is_empty() {
        return Err(format!("{path}, line 1: a header line with the names of columns is missing"));
    }
    let column = |name: &str| {
        let name = name.trim().trim_start_matches('\u{feff}');
        let same = known.iter().find(|known| *known == name);
        let same = same.or_else(|| known.iter().find(|known| known.eq_ignore_ascii_case(name)));
        same.cloned().ok_or_else(|| {
            let known = known.join(", ");
            format!("{path}, line 1: the header names \"{name}\", but the columns of {table} are {known}")
        })
    };
    header.iter().map(column).collect()
}
