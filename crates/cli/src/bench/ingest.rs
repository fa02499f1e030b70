//! Rows a second into a table of five columns with a primary key and no views, by rows a commit and durability.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use clap::Args;
use gnitz::{Error, Sync};

use super::{Report, Scratch};
use crate::measure::{Latencies, cpu_seconds};

/// What is loaded.
#[derive(Args)]
pub struct IngestArguments {
    /// Rows for the largest commits; smaller ones get fewer, so that each takes seconds
    #[arg(long, default_value_t = 5_000_000)]
    rows: usize,
}

impl Default for IngestArguments {
    fn default() -> IngestArguments {
        IngestArguments { rows: 5_000_000 }
    }
}

const DDL: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, day DATE NOT NULL, amount DECIMAL(15,2) NOT NULL, \
                   score DOUBLE PRECISION, name TEXT)";

/// Loads by commits of 1, 100, 10,000 and 100,000 rows, with and without waiting for the disk.
pub fn run(arguments: &IngestArguments, scratch: &Scratch, report: &mut Report) -> Result<(), Error> {
    for (sync, name) in [(Sync::Off, "off"), (Sync::Full, "full")] {
        for size in [1, 100, 10_000, 100_000] {
            let commits = (arguments.rows / size).min(if sync == Sync::Full { 2_000 } else { 20_000 });
            let database = scratch.open("ingest", sync)?;
            let session = database.session();
            session.execute(DDL)?;
            let batches: Vec<RecordBatch> = (0..commits).map(|commit| rows(commit * size, size)).collect();
            let mut appender = session.appender("t")?;
            let mut latencies = Latencies::default();
            let (start, cpu) = (Instant::now(), cpu_seconds());
            for batch in &batches {
                let begun = Instant::now();
                appender.append_batch(batch)?;
                appender.flush()?;
                latencies.add(begun.elapsed());
            }
            let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            let conditions = [("sync", name.to_string()), ("rows a commit", size.to_string())];
            let total = (commits * size) as f64;
            report.figure("ingest", &conditions, total / seconds, "rows/s");
            report.figure("ingest-cpu", &conditions, total / cpu.max(1e-9), "rows/CPU-s");
            report.figure("ingest-commit-p50", &conditions, latencies.quantile(0.5), "µs");
            report.figure("ingest-commit-p99", &conditions, latencies.quantile(0.99), "µs");
            drop(appender);
            drop(session);
            database.close()?;
            scratch.remove("ingest");
        }
    }
    Ok(())
}

/// Rows `first..first + count` of a table whose keys come in a scattered order.
pub fn rows(first: usize, count: usize) -> RecordBatch {
    // An odd multiplier permutes the integers below a power of two, so no key comes twice.
    let keys: Vec<i64> =
        (first..first + count).map(|n| (n.wrapping_mul(0x9E37_79B1) & 0xFFFF_FFFF) as i64).collect();
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("id", Arc::new(Int64Array::from(keys.clone())), false),
        ("day", Arc::new(Date32Array::from_iter_values(keys.iter().map(|k| (k % 10_000) as i32))), false),
        ("amount", Arc::new(decimals(&keys)), false),
        ("score", Arc::new(Float64Array::from_iter_values(keys.iter().map(|k| *k as f64 / 7.0))), true),
        (
            "name",
            Arc::new(StringArray::from_iter_values(keys.iter().map(|k| format!("name {}", k % 100_000)))),
            true,
        ),
    ];
    match RecordBatch::try_from_iter_with_nullable(columns) {
        Ok(batch) => batch,
        Err(error) => unreachable!("five columns of one length: {error}"),
    }
}

fn decimals(keys: &[i64]) -> Decimal128Array {
    let plain = Decimal128Array::from_iter_values(keys.iter().map(|k| i128::from(k % 1_000_000)));
    match plain.with_precision_and_scale(15, 2) {
        Ok(array) => array,
        Err(error) => unreachable!("(15,2) is a precision: {error}"),
    }
}
