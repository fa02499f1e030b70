//! Lookups a second by primary key, through a prepared statement.

use std::time::Instant;

use clap::Args;
use gnitz::{Error, Sync, Value};

use super::ingest::rows;
use super::{Report, Scratch};
use crate::measure::Latencies;

/// How large the table is and how often it is asked.
#[derive(Args)]
pub struct PointArguments {
    /// Rows of the table
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Lookups
    #[arg(long, default_value_t = 1_000_000)]
    lookups: usize,
}

impl Default for PointArguments {
    fn default() -> PointArguments {
        PointArguments { rows: 1_000_000, lookups: 1_000_000 }
    }
}

/// Loads a table, then looks up keys that are there and keys that are not.
pub fn run(arguments: &PointArguments, scratch: &Scratch, report: &mut Report) -> Result<(), Error> {
    let database = scratch.open("point", Sync::Off)?;
    let session = database.session();
    session.execute(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, day DATE NOT NULL, amount DECIMAL(15,2) NOT NULL, \
         score DOUBLE PRECISION, name TEXT)",
    )?;
    let mut keys = Vec::with_capacity(arguments.rows);
    let mut appender = session.appender("t")?;
    for first in (0..arguments.rows).step_by(100_000) {
        let batch = rows(first, 100_000.min(arguments.rows - first));
        appender.append_batch(&batch)?;
        appender.flush()?;
    }
    drop(appender);
    keys.extend((0..arguments.rows).map(|n| (n.wrapping_mul(0x9E37_79B1) & 0xFFFF_FFFF) as i64));
    let statement = session.prepare("SELECT amount, name FROM t WHERE id = $1")?;
    for (name, offset) in [("present", 0), ("absent", 1_i64 << 33)] {
        let mut latencies = Latencies::default();
        let mut found = 0;
        let start = Instant::now();
        for n in 0..arguments.lookups {
            let key = keys[n.wrapping_mul(7_919) % keys.len()] + offset;
            let begun = Instant::now();
            found += statement.query(&[Value::from(key)])?.num_rows();
            latencies.add(begun.elapsed());
        }
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(
            found,
            if offset == 0 { arguments.lookups } else { 0 },
            "a lookup gave a wrong number of rows"
        );
        let conditions = [("rows", arguments.rows.to_string()), ("key", name.to_string())];
        report.figure("point", &conditions, arguments.lookups as f64 / seconds, "lookups/s");
        report.figure("point-p50", &conditions, latencies.quantile(0.5), "µs");
        report.figure("point-p99", &conditions, latencies.quantile(0.99), "µs");
    }
    drop(session);
    database.close()?;
    scratch.remove("point");
    Ok(())
}
