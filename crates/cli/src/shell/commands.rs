//! Dot commands: what the shell itself can do, apart from SQL.

use std::io::Write;

use clap::ValueEnum;

use super::render::{self, Mode};
use super::runner::Runner;
use super::{fault, grid, import};

/// What the shell does after a command.
pub enum Next {
    /// Takes the next line.
    GoOn,
    /// Ends.
    Exit,
}

/// Every command with its arguments and what it does, for `.help` and completion.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    (".exit", "", "leave (so does Ctrl-D)"),
    (".help", "", "this list"),
    (".import", "FILE.csv TABLE", "load a CSV file with a header line"),
    (".mode", "table|csv|json|line", "how results are written"),
    (".schema", "[NAME]", "the statements that made a table or view, or all"),
    (".tables", "", "tables and views"),
    (".timer", "on|off", "tell each statement's time"),
];

/// Runs one command.
pub fn run(runner: &mut Runner, text: &str) -> Result<Next, String> {
    let text = text.trim_end_matches(';').trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [".exit" | ".quit"] => return Ok(Next::Exit),
        [".help"] => help(),
        [".tables"] => {
            query(runner, "SELECT name, kind FROM gnitz_tables WHERE kind <> 'system' ORDER BY name")?
        }
        [".schema"] => schema(runner, None)?,
        [".schema", name] => schema(runner, Some(name))?,
        [".mode", mode] => runner.mode = Mode::from_str(mode, true).map_err(|_| usage(".mode"))?,
        [".timer", "on"] => runner.timer = true,
        [".timer", "off"] => runner.timer = false,
        [".import", path, table] => import::csv(&runner.session, path, table)?,
        [name, ..] if COMMANDS.iter().any(|(command, _, _)| command == name) => return Err(usage(name)),
        [name, ..] => return Err(format!("no command {name}; .help lists them")),
        [] => {}
    }
    Ok(Next::GoOn)
}

fn usage(name: &str) -> String {
    let arguments =
        COMMANDS.iter().find(|(command, _, _)| *command == name).map_or("", |(_, arguments, _)| arguments);
    format!("usage: {name} {arguments}")
}

fn help() {
    for (name, arguments, what) in COMMANDS {
        println!("{:<28} {what}", format!("{name} {arguments}"));
    }
    println!("Anything else is SQL and ends with a semicolon; Ctrl-C cancels a running statement.");
}

fn query(runner: &mut Runner, sql: &str) -> Result<(), String> {
    let result = runner
        .session
        .query(sql)
        .and_then(|result| grid(&result))
        .map_err(|error| fault::sentence(&error))?;
    let mut out = std::io::stdout().lock();
    render::write(&mut out, runner.mode, &result)
        .and_then(|()| out.flush())
        .map_err(|error| error.to_string())
}

fn schema(runner: &mut Runner, name: Option<&str>) -> Result<(), String> {
    let statements = runner.session.definitions(name).map_err(|error| fault::sentence(&error))?;
    for statement in statements {
        println!("{statement};");
    }
    Ok(())
}
