//! A million rows around SQL, as Arrow batches: `cargo run --release -p gnitz --example bulk_load`.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use gnitz::Database;

const ROWS: i64 = 1_000_000;
const BATCH: i64 = 50_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::in_memory()?;
    let session = database.session();
    session.execute(
        "CREATE TABLE events (id BIGINT PRIMARY KEY, kind INTEGER, who BIGINT, what TEXT, amount DOUBLE)",
    )?;
    let start = Instant::now();
    let mut appender = session.appender("events")?;
    for first in (0..ROWS).step_by(BATCH as usize) {
        appender.append_batch(&batch(first)?)?;
    }
    let rows = appender.flush()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{rows} rows in {seconds:.2} s: {:.0} rows/s", rows as f64 / seconds);
    println!(
        "{}",
        session.query("SELECT kind, count(*), sum(amount) FROM events GROUP BY kind ORDER BY kind")?
    );
    Ok(())
}

fn batch(first: i64) -> Result<RecordBatch, arrow::error::ArrowError> {
    let ids = first..first + BATCH;
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())) as _),
        ("kind", Arc::new(Int32Array::from_iter_values(ids.clone().map(|id| (id % 5) as i32))) as _),
        ("who", Arc::new(Int64Array::from_iter_values(ids.clone().map(|id| id * 7_919 % 10_007))) as _),
        ("what", Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("event {id}")))) as _),
        ("amount", Arc::new(Float64Array::from_iter_values(ids.map(|id| id as f64 / 8.0))) as _),
    ])
}
