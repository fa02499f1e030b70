//! Chores that start other programs: each is a list of commands, run in order, the first failure ends it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Every test but the long ones of testkit.
const LONG_TESTS_APART: &str = "test --workspace --no-fail-fast -- --skip long::";

/// The long tests, which print how many cases, images, faults and kills they made. The whole workspace is named so
/// that nothing is built again with other features; nothing else has tests of that name.
const LONG_TESTS: &str = "test --quiet --workspace --test long -- --nocapture";

/// Clients of other languages that take seconds each, as far as this machine can install them.
const CLIENTS: &[&str] =
    &["--available", "psql", "pg_dump", "psycopg", "psycopg2", "asyncpg", "sqlalchemy", "node-postgres"];

/// The checks of CI, cheapest first: a reader of a red run sees the simplest cause.
pub fn ci() -> Result<(), String> {
    let steps = [
        ("format", "fmt --all --check"),
        ("lints", "clippy --quiet --workspace --all-targets -- -D warnings"),
        ("docs", "doc --quiet --workspace --no-deps"),
        ("tests", LONG_TESTS_APART),
        ("long tests, with their counts", LONG_TESTS),
    ];
    timed("tidy", || crate::tidy::check(false))?;
    for (name, words) in steps {
        timed(name, || {
            let mut cargo = Command::new("cargo");
            run(cargo.current_dir(root()).args(words.split(' ')).env("RUSTDOCFLAGS", "-D warnings"))
        })?;
    }
    timed("clients", clients)
}

/// Runs clients against the server that the tests have built.
fn clients() -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut command = Command::new(root().join("tests/clients/run"));
    run(command.args(CLIENTS).env("GNITZ", target.join("debug/gnitz")))
}

/// One of testkit's long tests, with its arguments passed on.
pub fn testkit(name: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    command.args(["run", "--quiet", "--package", "testkit", "--bin", "testkit", "--", name]).args(arguments);
    run(&mut command)
}

/// The workspace's root, wherever cargo was called from.
pub fn root() -> PathBuf {
    // The one that cargo runs us for: clones that share a target directory share this program.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{command:?} did not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

fn timed(name: &str, step: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("== {name}");
    let start = Instant::now();
    step()?;
    println!("== {name}: good, {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
