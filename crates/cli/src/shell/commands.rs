//! Dot commands: what the shell itself can do, apart from SQL.

use std::io::{self, Write};
use std::time::Instant;

use clap::ValueEnum;

use super::render::{self, Mode};
use super::runner::Runner;
use super::words::{folded, split, unquoted};
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
    (".import", "FILE.csv TABLE", "load a CSV file; its header line names the columns"),
    (".mode", "table|csv|json|line", "how results are written"),
    (".schema", "[NAME]", "the statements that made a table or view, or all"),
    (".tables", "", "tables and views"),
    (".timer", "on|off", "tell each statement's time"),
];

/// Runs one command.
pub fn run(runner: &mut Runner, text: &str) -> Result<Next, String> {
    let words = split(text.trim_end_matches(';').trim());
    match words.as_slice() {
        [".exit" | ".quit"] => return Ok(Next::Exit),
        [".help"] => help(runner)?,
        [".tables"] => {
            query(runner, "SELECT name, kind FROM gnitz_tables WHERE kind <> 'system' ORDER BY name")?;
        }
        [".schema"] => schema(runner, None)?,
        [".schema", name] => schema(runner, Some(&folded(name)))?,
        [".mode", mode] => runner.mode = Mode::from_str(mode, true).map_err(|_| usage(".mode"))?,
        [".timer", "on"] => runner.timer = true,
        [".timer", "off"] => runner.timer = false,
        [".import", path, table] => import(runner, unquoted(path), table)?,
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

fn help(runner: &Runner) -> Result<(), String> {
    tell(runner, |out| {
        for (name, arguments, what) in COMMANDS {
            writeln!(out, "{:<28} {what}", format!("{name} {arguments}"))?;
        }
        writeln!(out, "Anything else is SQL and ends with a semicolon; Ctrl-C cancels a running statement.")
    })
}

fn import(runner: &Runner, path: &str, table: &str) -> Result<(), String> {
    let start = Instant::now();
    runner.interrupt.begin();
    let rows = import::csv(&runner.session, path, table);
    runner.interrupt.end();
    let (rows, took) = (rows?, start.elapsed());
    let noun = if rows == 1 { "row" } else { "rows" };
    tell(runner, |out| writeln!(out, "{rows} {noun} imported into {table}"))?;
    runner.tell_time(took);
    Ok(())
}

fn query(runner: &Runner, sql: &str) -> Result<(), String> {
    let result = runner.session.query(sql).and_then(|result| grid(&result));
    let result = result.map_err(|error| fault::sentence(&error))?;
    tell(runner, |out| render::write(out, runner.mode, &result))
}

fn schema(runner: &Runner, name: Option<&str>) -> Result<(), String> {
    let statements = runner.session.definitions(name).map_err(|error| fault::sentence(&error))?;
    tell(runner, |out| statements.iter().try_for_each(|statement| writeln!(out, "{statement};")))
}

fn tell(runner: &Runner, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    let mut out = runner.interrupt.stdout();
    write(&mut out).and_then(|()| out.flush()).map_err(|error| error.to_string())
}
