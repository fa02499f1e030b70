//! The one binary: a shell on a database, the server, the demonstration, and the benchmarks.

mod bench;
mod demo;
mod measure;
mod serve;
mod shell;
mod tpch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;

/// Commits and batches come from one thread and are freed on another, many times a second.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A SQL database whose materialized views are never stale.
#[derive(Parser)]
#[command(name = "gnitz", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Talk SQL to a database, or run scripts
    Shell(shell::ShellArguments),
    /// Serve a database to PostgreSQL's clients and over HTTP
    Serve(serve::ServeArguments),
    /// Load TPC-H, keep four views fresh under a stream of changes, and check every row
    Demo(demo::DemoArguments),
    /// Measure: loads, changes through views, commits, lookups
    Bench(bench::BenchArguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Shell(arguments) => shell::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    }
}
