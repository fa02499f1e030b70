//! TPC-H as a stream: how fast it loads, how many changes a second go through each view and through all, statement by
//! statement and in batches, how long a one-row commit takes, what a view's state weighs, how long a view of empty
//! tables takes to create, and how long a reopened database is not there.

use std::time::Instant;

use clap::Args;
use gnitz::{Datum, Error, Session, Sync, Type, Value};

use super::{Report, Scratch};
use crate::measure::{Latencies, cpu_seconds, resident_bytes};
use crate::tpch::{self, Batch, BulkWriter, Change, Refresh, VIEWS, View, Writer};

/// How much data, and how many changes.
#[derive(Args)]
pub struct TpchArguments {
    /// TPC-H scale factor
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// Rows changed a commit in the throughput figures
    #[arg(long, default_value_t = 10_000)]
    batch: u64,
    /// Rows changed for each throughput figure by statements; by batches twice as many
    #[arg(long, default_value_t = 80_000)]
    changes: u64,
    /// One-row commits for each latency figure
    #[arg(long, default_value_t = 5_000)]
    commits: usize,
}

impl Default for TpchArguments {
    fn default() -> TpchArguments {
        TpchArguments { scale: 0.1, batch: 10_000, changes: 80_000, commits: 5_000 }
    }
}

/// Runs every figure on one database on disk with `sync = off`, so that the disk's own latency stays out of them.
pub fn run(arguments: &TpchArguments, scratch: &Scratch, report: &mut Report) -> Result<(), Error> {
    create_empty(scratch, report)?;
    let database = scratch.open("tpch", Sync::Off)?;
    let session = database.session();
    load(&session, arguments, report)?;
    let mut stream = Refresh::new(arguments.scale);
    for view in VIEWS {
        create(&session, arguments, view, report)?;
        statements(&session, arguments, &mut stream, view.name, report)?;
        if view.name == "q3" {
            batches(&session, arguments, &mut stream, view.name, report)?;
        }
        one_row(&session, arguments, view.name, report)?;
        session.execute(&format!("DROP MATERIALIZED VIEW {}", view.name))?;
    }
    statements(&session, arguments, &mut stream, "none", report)?;
    batches(&session, arguments, &mut stream, "none", report)?;
    one_row(&session, arguments, "none", report)?;
    for view in VIEWS {
        session.execute(&format!("CREATE MATERIALIZED VIEW {} AS {}", view.name, view.query))?;
    }
    statements(&session, arguments, &mut stream, "all", report)?;
    batches(&session, arguments, &mut stream, "all", report)?;
    one_row(&session, arguments, "all", report)?;
    state(&session, arguments, report)?;
    session.execute("DROP MATERIALIZED VIEW top_customers")?;
    one_row(&session, arguments, "q1+q3+q6", report)?;
    report.figure("tpch-memory", &scale(arguments), resident_bytes() as f64 / 1e6, "MB");
    drop(session);
    database.close()?;
    drop(database);
    reopen(scratch, arguments, report)?;
    scratch.remove("tpch");
    Ok(())
}

/// The time until a closed database is there again, and until its first queries are answered.
fn reopen(scratch: &Scratch, arguments: &TpchArguments, report: &mut Report) -> Result<(), Error> {
    let size = [("database", format!("{:.0} MB", scratch.bytes("tpch") as f64 / 1e6))];
    let conditions = [scale(arguments), size].concat();
    let start = Instant::now();
    let reopened = scratch.open("tpch", Sync::Off)?;
    report.figure("tpch-reopen", &conditions, start.elapsed().as_secs_f64() * 1e3, "ms");
    let session = reopened.session();
    for (what, query) in [
        ("view", "SELECT count(*) FROM q3"),
        ("row by key", "SELECT o_totalprice FROM orders WHERE o_orderkey = 7"),
    ] {
        let conditions = [conditions.as_slice(), &[("first query", what.to_string())]].concat();
        let start = Instant::now();
        session.query(query)?;
        report.figure("tpch-reopen-query", &conditions, start.elapsed().as_secs_f64() * 1e3, "ms");
    }
    Ok(())
}

/// The time to create each view while the tables are empty: the median of several.
fn create_empty(scratch: &Scratch, report: &mut Report) -> Result<(), Error> {
    const TIMES: usize = 21;
    let database = scratch.open("tpch-empty", Sync::Off)?;
    let session = database.session();
    tpch::create_tables(&session)?;
    for view in VIEWS {
        let mut latencies = Latencies::default();
        for _ in 0..TIMES {
            let start = Instant::now();
            session.execute(&format!("CREATE MATERIALIZED VIEW {} AS {}", view.name, view.query))?;
            latencies.add(start.elapsed());
            session.execute(&format!("DROP MATERIALIZED VIEW {}", view.name))?;
        }
        let conditions = [("view", view.name.to_string())];
        report.figure("tpch-create-empty", &conditions, latencies.quantile(0.5) / 1e3, "ms");
    }
    drop(session);
    database.close()?;
    scratch.remove("tpch-empty");
    Ok(())
}

fn scale(arguments: &TpchArguments) -> [(&'static str, String); 1] {
    [("scale", arguments.scale.to_string())]
}

fn load(session: &Session, arguments: &TpchArguments, report: &mut Report) -> Result<(), Error> {
    tpch::create_tables(session)?;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut rows = 0;
    for table in tpch::TABLES {
        rows += tpch::load(session, table, arguments.scale, |_| {})?;
    }
    report.figure("tpch-load", &scale(arguments), rows as f64 / start.elapsed().as_secs_f64(), "rows/s");
    report.figure(
        "tpch-load-cpu",
        &scale(arguments),
        rows as f64 / (cpu_seconds() - cpu).max(1e-9),
        "rows/CPU-s",
    );
    Ok(())
}

fn create(
    session: &Session,
    arguments: &TpchArguments,
    view: &View,
    report: &mut Report,
) -> Result<(), Error> {
    let start = Instant::now();
    session.execute(&format!("CREATE MATERIALIZED VIEW {} AS {}", view.name, view.query))?;
    let conditions = [("scale", arguments.scale.to_string()), ("view", view.name.to_string())];
    report.figure("tpch-create-view", &conditions, start.elapsed().as_secs_f64() * 1e3, "ms");
    Ok(())
}

/// Commits of about `--batch` changed rows through the views that are there, each change by a prepared statement.
fn statements(
    session: &Session,
    arguments: &TpchArguments,
    stream: &mut Refresh,
    views: &str,
    report: &mut Report,
) -> Result<(), Error> {
    let writer = Writer::new(session)?;
    let batches = transactions(stream, arguments.changes, arguments.batch);
    let by = [("views", views.to_string()), ("by", "statements".to_string())];
    throughput(&by, arguments, report, &batches, |batch| writer.commit(session, batch))
}

/// The same, each commit as one batch of new rows and of keys of rows that go.
fn batches(
    session: &Session,
    arguments: &TpchArguments,
    stream: &mut Refresh,
    views: &str,
    report: &mut Report,
) -> Result<(), Error> {
    let mut writer = BulkWriter::new(session)?;
    let batches = transactions(stream, 2 * arguments.changes, arguments.batch);
    let batches: Vec<Batch> = batches.iter().map(|changes| Batch::of(changes)).collect();
    let by = [("views", views.to_string()), ("by", "batches".to_string())];
    throughput(&by, arguments, report, &batches, |batch| writer.commit(session, batch))
}

/// The next `changes` changed rows in transactions of `batch` rows.
fn transactions(stream: &mut Refresh, changes: u64, batch: u64) -> Vec<Vec<Change>> {
    let mut transactions = Vec::new();
    let (mut left, mut rows, mut transaction) = (changes, 0, Vec::new());
    while left > 0
        && let Some(change) = stream.next()
    {
        rows += change.rows();
        left = left.saturating_sub(change.rows());
        transaction.push(change);
        if rows >= batch || left == 0 {
            transactions.push(std::mem::take(&mut transaction));
            rows = 0;
        }
    }
    transactions.extend((!transaction.is_empty()).then_some(transaction));
    transactions
}

/// Times the commits of some transactions.
fn throughput<T>(
    by: &[(&'static str, String)],
    arguments: &TpchArguments,
    report: &mut Report,
    transactions: &[T],
    mut commit: impl FnMut(&T) -> Result<u64, Error>,
) -> Result<(), Error> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut rows = 0;
    for transaction in transactions {
        rows += commit(transaction)?;
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let conditions = [by, &[("rows a commit", arguments.batch.to_string())]].concat();
    report.figure("tpch-changes", &conditions, rows as f64 / seconds, "rows/s");
    report.figure("tpch-changes-cpu", &conditions, rows as f64 / cpu.max(1e-9), "rows/CPU-s");
    Ok(())
}

/// Price updates of one line item each, a commit each.
fn one_row(
    session: &Session,
    arguments: &TpchArguments,
    views: &str,
    report: &mut Report,
) -> Result<(), Error> {
    let keys = session
        .query("SELECT l_orderkey, l_linenumber FROM lineitem ORDER BY l_comment LIMIT 5000")?
        .rows()?;
    let update = session
        .prepare("UPDATE lineitem SET l_extendedprice = $3 WHERE l_orderkey = $1 AND l_linenumber = $2")?;
    let mut latencies = Latencies::default();
    // A price that no earlier figure has set, so that every update changes its row.
    let base = 100_000
        + session
            .query("SELECT max(l_extendedprice) FROM lineitem")?
            .rows()?
            .iter()
            .flatten()
            .find_map(cents)
            .unwrap_or(0);
    for n in 0..arguments.commits {
        let Some([Datum::Int(order), Datum::Int(line)]) = keys.get(n % keys.len().max(1)).map(Vec::as_slice)
        else {
            break;
        };
        let price =
            Value { datum: Datum::Int(base + n as i64), ty: Type::Decimal { precision: 15, scale: 2 } };
        let values = [Value::from(*order), Value::from(*line), price];
        let begun = Instant::now();
        update.execute(&values)?;
        latencies.add(begun.elapsed());
    }
    let conditions = [("views", views.to_string()), ("sync", "off".to_string())];
    report.figure("tpch-commit-p50", &conditions, latencies.quantile(0.5), "µs");
    report.figure("tpch-commit-p99", &conditions, latencies.quantile(0.99), "µs");
    report.figure("tpch-commit-p999", &conditions, latencies.quantile(0.999), "µs");
    report.figure("tpch-commit-max", &conditions, latencies.quantile(1.0), "µs");
    Ok(())
}

fn cents(price: &Datum) -> Option<i64> {
    match price {
        Datum::Int(cents) => Some(*cents),
        _ => None,
    }
}

/// What each view keeps, by the system table of operators.
fn state(session: &Session, arguments: &TpchArguments, report: &mut Report) -> Result<(), Error> {
    let rows = session
        .query(
            "SELECT view, sum(state_rows), sum(state_bytes) FROM gnitz_operators GROUP BY view ORDER BY view",
        )?
        .rows()?;
    for row in rows {
        let [Datum::Text(view), Datum::Int(state_rows), Datum::Int(bytes)] = row.as_slice() else { continue };
        let conditions = [("scale", arguments.scale.to_string()), ("view", view.clone())];
        report.figure("tpch-state-rows", &conditions, *state_rows as f64, "rows");
        report.figure("tpch-state-bytes", &conditions, *bytes as f64 / 1e6, "MB");
    }
    Ok(())
}
