//! The long tests by hand: `cargo xtask sim` and `cargo xtask crash` start this, and the kill test its load.

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
testkit simulate [N] [--seed S]   N random databases against the reference; one, if only a seed is given
testkit crash [N] [--seed S]      N disk images that a power loss could have left
testkit faults [N] [--seed S]     N workloads in which every disk call fails once
testkit scripts DIR               the scripts of a directory
testkit load DIR S                commits for ever, saying each; what the kill test kills
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["simulate", rest @ ..] => counted(rest).and_then(|(count, seed)| match (count, seed) {
            (None, Some(seed)) => testkit::oracle::case(seed).map(|tally| tally.to_string()),
            (count, seed) => {
                testkit::simulate(count.unwrap_or(2000), seed.unwrap_or(1)).map(|tally| tally.to_string())
            }
        }),
        ["crash", rest @ ..] => counted(rest).and_then(|(count, seed)| match (count, seed) {
            (None, Some(seed)) => testkit::crash::run(seed).map(|tally| tally.to_string()),
            (count, seed) => {
                testkit::crash(count.unwrap_or(20_000), seed.unwrap_or(1)).map(|tally| tally.to_string())
            }
        }),
        ["faults", rest @ ..] => counted(rest).and_then(|(count, seed)| {
            testkit::fault::faults(count.unwrap_or(1), seed.unwrap_or(1)).map(|tally| tally.to_string())
        }),
        ["scripts", dir] => {
            testkit::script::run_dir(Path::new(dir)).map(|blocks| format!("{blocks} blocks of scripts"))
        }
        ["load", dir, seed] => match seed.parse() {
            Ok(seed) => {
                testkit::ledger::load(Path::new(dir), seed, std::io::stdout()).map(|()| String::new())
            }
            Err(_) => Err(format!("not a seed: {seed}")),
        },
        _ => Err(HELP.to_owned()),
    };
    match outcome {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// `[N] [--seed S]`
fn counted(words: &[&str]) -> Result<(Option<u64>, Option<u64>), String> {
    let number = |word: &str| word.parse().map_err(|_| format!("not a number: {word}\n{HELP}"));
    match words {
        [] => Ok((None, None)),
        ["--seed", seed] => Ok((None, Some(number(seed)?))),
        [count] => Ok((Some(number(count)?), None)),
        [count, "--seed", seed] => Ok((Some(number(count)?), Some(number(seed)?))),
        _ => Err(HELP.to_owned()),
    }
}
