//! Writes the inputs that make sense into a folder for each target: `cargo run -p fuzz --example seeds -- FOLDER`.

use std::path::PathBuf;
use std::process::ExitCode;

use fuzz::{Target, seeds};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: seeds FOLDER");
        return ExitCode::FAILURE;
    };
    for target in Target::ALL {
        let folder = folder.join(target.name());
        let written = std::fs::create_dir_all(&folder).and_then(|()| {
            let mut inputs = seeds::of(target).into_iter().enumerate();
            inputs.try_for_each(|(at, input)| std::fs::write(folder.join(format!("seed-{at}")), input))
        });
        if let Err(error) = written {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
