//! `gnitz demo`: TPC-H data is loaded, four views are created, the benchmark's refresh stream runs through them, and
//! at the end every row of every view is compared with a recomputation from the tables.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use gnitz::{Database, Error, Session};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::measure::{Latencies, duration, grouped};
use crate::shell::{Mode, grid, write};
use crate::tpch::{self, Change, Refresh, VIEWS, Writer};

/// The demo's arguments.
#[derive(Args)]
pub struct DemoArguments {
    /// TPC-H scale factor, at least 0.01: 1 is 6 million line items
    #[arg(long, default_value_t = 0.1, value_parser = scale)]
    scale: f64,
    /// Rounds of the refresh stream; each inserts, deletes and reprices scale × 1,500 orders
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Orders a transaction touches
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    orders: u32,
    /// Where the database is made; the directory must be empty or absent [default: a new temporary one]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs the demo; the exit code is a failure when anything went wrong or a row differs.
pub fn run(arguments: &DemoArguments) -> ExitCode {
    let (dir, temporary) = match &arguments.dir {
        Some(dir) => (dir.clone(), false),
        None => (std::env::temp_dir().join(format!("gnitz-demo-{}", std::process::id())), true),
    };
    if temporary {
        remove_on_interrupt(dir.clone());
    }
    let outcome = demo(arguments, &dir);
    if temporary {
        let _ = std::fs::remove_dir_all(&dir);
    }
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error {}: {}", error.sqlstate(), error.message());
            ExitCode::FAILURE
        }
    }
}

/// The benchmark's generator gives too small data the same key twice.
fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    if (0.01..=1000.0).contains(&scale) { Ok(scale) } else { Err("must be from 0.01 to 1000".to_string()) }
}

/// A demo that is cut short leaves no gigabyte behind.
fn remove_on_interrupt(dir: PathBuf) {
    let _ = ctrlc::set_handler(move || {
        // The demo still writes: what it makes meanwhile is removed in the next round.
        for _ in 0..10 {
            if std::fs::remove_dir_all(&dir).is_ok() {
                break;
            }
        }
        eprintln!("\ninterrupted; {} is removed", dir.display());
        std::process::exit(130);
    });
}

fn demo(arguments: &DemoArguments, dir: &Path) -> Result<bool, Error> {
    println!("Gnitz demo: TPC-H at scale {}, database in {}", arguments.scale, dir.display());
    let database = Database::open(dir)?;
    let session = database.session();
    load(&session, arguments.scale)?;
    create_views(&session)?;
    stream(&session, arguments)?;
    for view in VIEWS {
        show(&session, view)?;
    }
    let equal = check(&session)?;
    drop(session);
    database.close()?;
    Ok(equal)
}

fn load(session: &Session, scale: f64) -> Result<(), Error> {
    tpch::create_tables(session)?;
    let total: u64 = tpch::TABLES.iter().map(|table| table.rows(scale)).sum();
    let bar = progress(total, "loading  {bar:20} {human_pos}/{human_len} rows  {rate}  {msg}");
    let start = Instant::now();
    let mut rows = 0;
    for table in tpch::TABLES {
        bar.set_message(table.name);
        rows += tpch::load(session, table, scale, |loaded| bar.inc(loaded))?;
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "loaded {} rows into 8 tables: {seconds:.1} s, {} rows/s",
        grouped(rows),
        grouped((rows as f64 / seconds) as u64)
    );
    Ok(())
}

fn create_views(session: &Session) -> Result<(), Error> {
    for view in VIEWS {
        let start = Instant::now();
        session.execute(&format!("CREATE MATERIALIZED VIEW {} AS {}", view.name, view.query))?;
        println!(
            "created view {:<14} filled in {}",
            view.name,
            duration(start.elapsed().as_secs_f64() * 1e6)
        );
    }
    Ok(())
}

fn stream(session: &Session, arguments: &DemoArguments) -> Result<(), Error> {
    let orders = f64::from(arguments.rounds) * 3.0 * (arguments.scale * 1500.0).max(1.0);
    let changes: Vec<Change> = Refresh::new(arguments.scale).take(orders as usize).collect();
    let total: u64 = changes.iter().map(Change::rows).sum();
    let writer = Writer::new(session)?;
    let bar = progress(total, "changing {bar:20} {human_pos}/{human_len} rows  {rate}  {msg}");
    let mut latencies = Latencies::default();
    let mut told = Instant::now();
    let start = Instant::now();
    for transaction in changes.chunks(arguments.orders as usize) {
        let begun = Instant::now();
        bar.inc(writer.commit(session, transaction)?);
        latencies.add(begun.elapsed());
        if told.elapsed() > Duration::from_millis(200) {
            bar.set_message(summary(&mut latencies));
            told = Instant::now();
        }
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "streamed {} changed rows in {} transactions through {} views: {} rows/s, {}",
        grouped(total),
        grouped(latencies.len() as u64),
        VIEWS.len(),
        grouped((total as f64 / seconds) as u64),
        summary(&mut latencies),
    );
    Ok(())
}

fn summary(latencies: &mut Latencies) -> String {
    format!("commit median {}, p99 {}", duration(latencies.quantile(0.5)), duration(latencies.quantile(0.99)))
}

fn show(session: &Session, view: &tpch::View) -> Result<(), Error> {
    let result = session.query(&format!("SELECT * FROM {} {}", view.name, view.order))?;
    println!("\n{}", view.title);
    let mut out = std::io::stdout().lock();
    let _ = write(&mut out, Mode::Table, &grid(&result)?).and_then(|()| out.flush());
    Ok(())
}

/// Recomputes each view from the tables and compares every row; tells what differs.
fn check(session: &Session) -> Result<bool, Error> {
    println!();
    let mut equal = true;
    for view in VIEWS {
        let rows = session.query(&format!("SELECT * FROM {}", view.name))?.num_rows();
        let differing = session.query(&format!("CHECK MATERIALIZED VIEW {}", view.name))?;
        if differing.num_rows() == 0 {
            println!(
                "check {:<14} {} {}, all equal to a recomputation from the tables",
                view.name,
                grouped(rows as u64),
                if rows == 1 { "row" } else { "rows" }
            );
        } else {
            equal = false;
            println!(
                "check {:<14} {} rows DIFFER (weight > 0: only in the view)",
                view.name,
                differing.num_rows()
            );
            let mut out = std::io::stdout().lock();
            let _ = write(&mut out, Mode::Table, &grid(&differing)?).and_then(|()| out.flush());
        }
    }
    Ok(equal)
}

/// A bar on a terminal, nothing elsewhere: the plain lines around it say the same.
fn progress(total: u64, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{} rows/s", grouped(state.per_sec() as u64));
        };
        bar.set_style(style.with_key("rate", rate));
    }
    bar
}
