//! A fuzz target for every message of the PostgreSQL protocol.
//!
//! Each target leads one connection to where its message belongs, sends that with what the fuzzer made of it, and reads
//! until the connection ends. The server runs in the process, so that the fuzzer sees which code an input reaches; a
//! panic anywhere in it, a connection that does not end and memory that grows past a bound are findings.
//!
//! `crates/fuzz/run` fuzzes each target for a while. Without the fuzzer a target's program sends the files it is given,
//! which repeats a finding: `cargo run -p fuzz --bin query -- FILE`.

mod conversation;
mod harness;
pub mod seeds;

use std::process::ExitCode;

pub use conversation::Target;

/// Has the server answer one input of a target.
///
/// # Panics
///
/// If the server does, or if it does not end the connection.
pub fn run(target: Target, data: &[u8]) {
    harness::talk(target == Target::Password, &target.conversation(data));
}

/// Runs the files that the program is given.
pub fn replay(target: Target) -> ExitCode {
    for path in std::env::args_os().skip(1) {
        match std::fs::read(&path) {
            Ok(data) => run(target, &data),
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// The program of a target.
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::run(fuzz::Target::$target, data));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            fuzz::replay(fuzz::Target::$target)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_of_every_target_are_answered() {
        for target in Target::ALL {
            let seeds = seeds::of(target);
            assert!(!seeds.is_empty(), "{target:?}");
            seeds.iter().for_each(|seed| run(target, seed));
        }
    }
}
