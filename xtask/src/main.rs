//! The chores of this tree, started by `cargo xtask NAME`: what CI runs, the tidy check, and the long
//! random tests. Plain Rust without dependencies, so that the first answer comes within seconds.

mod chores;
mod circles;
mod edges;
mod ratchet;
mod source;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask ci                     everything a change must pass: format, lints, docs, tidy, all tests
cargo xtask tidy [--tighten]       the house rules alone; --tighten writes better limits down
cargo xtask sim [N] [--seed S]     N random databases against the reference; one, if only a seed is given
cargo xtask crash [N] [--seed S]   N disk images that a power loss could have left
cargo xtask faults [N] [--seed S]  N workloads in which every disk call fails once
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["ci"] => chores::ci(),
        ["tidy"] => tidy::check(false),
        ["tidy", "--tighten"] => tidy::check(true),
        ["sim", rest @ ..] => chores::testkit("simulate", rest),
        ["faults", rest @ ..] => chores::testkit("faults", rest),
        ["crash", rest @ ..] => chores::testkit("crash", rest),
        [] | ["help"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(format!("no such chore\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
