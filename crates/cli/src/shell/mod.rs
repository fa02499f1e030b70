//! `gnitz shell`: statements and dot commands, from a terminal, a pipe, a file or the command line.
//!
//! The same loop serves all four: text comes in pieces, whole statements are taken off its front, each is run and
//! its result written and flushed before the next is looked at. Scripts end at their first error with status 1; a
//! terminal goes on. What it talks to is a `Backend`: a database in this process, or a server.

mod answers;
mod backend;
mod commands;
mod editor;
mod embedded;
mod fault;
mod grid;
mod import;
mod interrupt;
mod remote;
mod render;
mod runner;
mod words;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use backend::Backend;
use clap::Args;
use embedded::Embedded;
use fault::Fault;
pub use grid::grid;
use remote::Remote;
pub use render::{Mode, write};
use runner::Runner;

/// The shell's arguments.
#[derive(Args)]
pub struct ShellArguments {
    /// The database's directory, made when absent; without it the database is in memory
    dir: Option<PathBuf>,
    /// Talk to a server instead: postgres://USER:PASSWORD@HOST:PORT/DATABASE [password also: env PGPASSWORD]
    #[arg(long, value_name = "URL", conflicts_with = "dir")]
    connect: Option<String>,
    /// Run a statement and end; may be repeated
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    commands: Vec<String>,
    /// Run a file of statements and end
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// How results are written [default: table on a terminal, csv elsewhere]
    #[arg(long, value_enum)]
    format: Option<Mode>,
}

/// Runs the shell to its end.
pub fn run(arguments: &ShellArguments) -> ExitCode {
    match start(arguments) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("{}", fault.sentence());
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &ShellArguments) -> Result<ExitCode, Fault> {
    let backend: Box<dyn Backend> = match &arguments.connect {
        Some(address) => Box::new(Remote::connect(address)?),
        None => Box::new(Embedded::open(arguments.dir.clone())?),
    };
    let at_terminal = std::io::stdin().is_terminal();
    let interactive = at_terminal && arguments.commands.is_empty() && arguments.file.is_none();
    let mode =
        arguments.format.unwrap_or(if std::io::stdout().is_terminal() { Mode::Table } else { Mode::Csv });
    let mut runner = Runner::new(backend, mode, interactive);
    let clean = if interactive { editor::converse(&mut runner) } else { scripted(&mut runner, arguments) };
    if let Err(fault) = runner.backend.close()
        && clean
    {
        eprintln!("{}", fault.sentence().replacen("error", "warning", 1));
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn scripted(runner: &mut Runner, arguments: &ShellArguments) -> bool {
    for command in &arguments.commands {
        if !runner.feed_all("-c", command) {
            return false;
        }
    }
    if let Some(path) = &arguments.file {
        return match std::fs::read_to_string(path) {
            Ok(text) => runner.feed_all(&path.display().to_string(), &text),
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                false
            }
        };
    }
    !arguments.commands.is_empty() || piped(runner)
}

/// Takes standard input a line at a time, so that a program at the other end sees each result before it goes on.
fn piped(runner: &mut Runner) -> bool {
    runner.begin_source("stdin");
    for line in std::io::stdin().lock().lines() {
        let fed = match line {
            Ok(line) => runner.feed(&(line + "\n")),
            Err(error) => {
                eprintln!("stdin: {error}");
                false
            }
        };
        if !fed {
            return false;
        }
        if runner.finished() {
            return true;
        }
    }
    runner.end_source()
}
