//! `gnitz bench`: the figures of `docs/benchmarks.md`. Each prints lines for people, or with `--json` one object a
//! figure, so that runs can be compared by a program.

mod ingest;
mod point;
mod report;
mod tpch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use gnitz::{Database, Error, Sync};

use report::Report;

/// The benchmarks' arguments.
#[derive(Args)]
pub struct BenchArguments {
    #[command(subcommand)]
    what: What,
    /// One JSON object a figure
    #[arg(long, global = true)]
    json: bool,
    /// Where databases are made [default: the system's temporary directory]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// Rows a second into a table of five columns with a primary key, without views
    Ingest(ingest::IngestArguments),
    /// Lookups a second by primary key
    Point(point::PointArguments),
    /// TPC-H: load, changes through views, one-row commits, state, memory, reopening
    Tpch(tpch::TpchArguments),
    /// All of them with their defaults
    All,
}

/// Runs one benchmark or all.
pub fn run(arguments: &BenchArguments) -> ExitCode {
    let base = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&base);
    let mut report = Report::new(arguments.json);
    let done = match &arguments.what {
        What::Ingest(ingest) => ingest::run(ingest, &scratch, &mut report),
        What::Point(point) => point::run(point, &scratch, &mut report),
        What::Tpch(tpch) => tpch::run(tpch, &scratch, &mut report),
        What::All => ingest::run(&ingest::IngestArguments::default(), &scratch, &mut report)
            .and_then(|()| point::run(&point::PointArguments::default(), &scratch, &mut report))
            .and_then(|()| tpch::run(&tpch::TpchArguments::default(), &scratch, &mut report)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error {}: {}", error.sqlstate(), error.message());
            ExitCode::FAILURE
        }
    }
}

/// A directory for databases that is gone afterwards.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(base: &Path) -> Scratch {
        Scratch { path: base.join(format!("gnitz-bench-{}", std::process::id())) }
    }

    /// A new database on disk.
    fn open(&self, name: &str, sync: Sync) -> Result<Database, Error> {
        Database::builder().sync(sync).open(self.path.join(name))
    }

    /// Bytes of a database's files.
    fn bytes(&self, name: &str) -> u64 {
        let Ok(files) = std::fs::read_dir(self.path.join(name)) else { return 0 };
        files.flatten().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }

    fn remove(&self, name: &str) {
        let _ = std::fs::remove_dir_all(self.path.join(name));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
