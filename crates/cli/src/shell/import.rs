//! `.import`: a CSV file into a table, with a bar that shows how far it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gnitz::{Outcome, Session};
use indicatif::{ProgressBar, ProgressStyle};

use super::fault;

/// How often the bar is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// Loads a CSV file with a header line, whole or not at all.
pub fn csv(session: &Session, path: &str, table: &str) -> Result<(), String> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?.len();
    let bar = ProgressBar::new(bytes);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
    {
        bar.set_style(style);
    }
    let read = session.copy_progress();
    let done = AtomicBool::new(false);
    let statement = format!("COPY {table} FROM '{}' (FORMAT csv, HEADER)", path.replace('\'', "''"));
    let copied = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                bar.set_position(read.load(Ordering::Relaxed));
                std::thread::park_timeout(REDRAW);
            }
        });
        let copied = session.execute(&statement);
        done.store(true, Ordering::Relaxed);
        copied
    });
    bar.finish_and_clear();
    for outcome in copied.map_err(|error| fault::sentence(&error))? {
        if let Outcome::Count { rows, .. } = outcome {
            println!("{rows} rows imported into {table}");
        }
    }
    Ok(())
}
