//! The long tests, at the size that `make test` runs them.
//!
//! `GNITZ_SEED=n` replays the oracle's case n alone; `GNITZ_CASES` and `GNITZ_IMAGES` change how many there are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LEDGER_SEED: u64 = 11;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn show<T: std::fmt::Display>(outcome: Result<T, String>) {
    match outcome {
        Ok(tally) => println!("{tally}"),
        Err(message) => panic!("{message}"),
    }
}

#[test]
fn oracle() {
    match number("GNITZ_SEED") {
        Some(seed) => show(testkit::oracle::case(seed)),
        None => show(testkit::simulate(number("GNITZ_CASES").unwrap_or(2000), 1)),
    }
}

#[test]
fn power_loss() {
    show(testkit::crash(number("GNITZ_IMAGES").unwrap_or(20_000), 1));
}

#[test]
fn disk_faults() {
    show(testkit::fault::faults(4, 1));
}

#[test]
fn kill_nine() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ledger-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory for the ledger");
    let child = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testkit"));
        command.arg("load").arg(&dir).arg(LEDGER_SEED.to_string());
        command
    };
    let outcome = testkit::ledger::kill_nine(&dir, 20, LEDGER_SEED, &child);
    let _ = fs::remove_dir_all(&dir);
    show(outcome.map(|commits| format!("killed 20 times in {commits} commits, none lost")));
}

#[test]
fn ivm_random() {
    let Some(dir) = testkit::ivm_random::data_dir() else {
        println!("skipped: no ivm_random data (set GNITZ_TEST_DATA to the directory that holds it)");
        return;
    };
    let counts = testkit::ivm_random::run_all(&dir).expect("the data can be read");
    println!("{counts}");
    let failures = counts.failed.iter().take(10).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(counts.failed.is_empty(), "{} views are wrong; the first:\n{failures}", counts.failed.len());
}

#[test]
fn scripts() {
    let dir = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("run by cargo")).join("scripts");
    show(testkit::script::run_dir(&dir).map(|blocks| format!("{blocks} blocks of scripts")));
}
