//! Dot commands: what the shell itself can do, apart from SQL.

use std::io::{self, Write};
use std::time::Instant;

use clap::ValueEnum;

use super::backend;
use super::fault::Fault;
use super::import;
use super::render::{self, Cell, Grid, Mode};
use super::runner::Runner;
use super::words::{folded, split, unquoted};

/// What the shell does after a command.
pub enum Next {
    /// Takes the next line.
    GoOn,
    /// Ends.
    Exit,
    /// Ends a script: something failed, and that was told.
    Failed,
}

/// Every command with its arguments and what it does, for `.help` and completion.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    (".exit", "", "leave (so does Ctrl-D)"),
    (".help", "", "this list"),
    (".import", "FILE.csv TABLE", "load a CSV file; its header line names the columns"),
    (".mode", "table|csv|json|line", "how results are written"),
    (".read", "FILE", "run a file's statements and commands"),
    (".schema", "[NAME]", "the statements that made a table or view, or all"),
    (".tables", "", "tables and views"),
    (".timer", "on|off", "tell each statement's time"),
    (".views", "", "views with their sizes"),
];

/// Runs one command.
pub fn run(runner: &mut Runner, text: &str) -> Result<Next, String> {
    let words = split(text.trim_end_matches(';').trim());
    match words.as_slice() {
        [".exit" | ".quit"] => return Ok(Next::Exit),
        [".help"] => help(runner)?,
        [".tables"] => {
            show(
                runner,
                "SELECT name, kind FROM gnitz_tables WHERE kind NOT IN ('system', 'sequence') ORDER BY name",
            )?;
        }
        [".views"] => {
            show(runner, "SELECT name, rows, bytes FROM gnitz_tables WHERE kind = 'view' ORDER BY name")?;
        }
        [".read", path] => {
            if !runner.read(unquoted(path))? {
                return Ok(Next::Failed);
            }
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
        writeln!(out, "Anything else is SQL and ends with a semicolon; Ctrl-C cancels a running statement.")?;
        writeln!(out, "SUBSCRIBE shows changes as they come, until Ctrl-C.")
    })
}

fn import(runner: &mut Runner, path: &str, table: &str) -> Result<(), String> {
    let start = Instant::now();
    runner.interrupt.begin();
    let rows = import::csv(&mut *runner.backend, path, table);
    runner.interrupt.end();
    let (rows, took) = (rows?, start.elapsed());
    let noun = if rows == 1 { "row" } else { "rows" };
    tell(runner, |out| writeln!(out, "{rows} {noun} imported into {table}"))?;
    runner.tell_time(took);
    Ok(())
}

fn query(runner: &mut Runner, sql: &str) -> Result<Grid, String> {
    runner.interrupt.begin();
    let result = backend::query(&mut *runner.backend, sql);
    runner.interrupt.end();
    result.map_err(|fault| fault.sentence())
}

fn show(runner: &mut Runner, sql: &str) -> Result<(), String> {
    let grid = query(runner, sql)?;
    tell(runner, |out| render::write(out, runner.mode, &grid))
}

/// Tells the statements that make a relation, or all of them in the order in which they were made.
fn schema(runner: &mut Runner, name: Option<&str>) -> Result<(), String> {
    let one = name.map_or(String::new(), |name| format!(" AND name = '{}'", name.replace('\'', "''")));
    let schemas = match name {
        Some(_) => Vec::new(),
        None => {
            // Lower numbers are those of the schemas that every database has.
            let sql = "SELECT 'CREATE SCHEMA ' || quote_ident(nspname) FROM pg_namespace
                       WHERE oid > 16383 ORDER BY oid";
            query(runner, sql)?.rows
        }
    };
    // Collections are a letter and a number.
    let grid = query(
        runner,
        &format!(
            "SELECT definition FROM gnitz_tables WHERE definition IS NOT NULL{one}
             ORDER BY length(collection), collection"
        ),
    )?;
    if let Some(name) = name.filter(|_| grid.rows.is_empty()) {
        return Err(Fault::new("42P01", format!("relation \"{name}\" does not exist")).sentence());
    }
    tell(runner, |out| {
        schemas.iter().chain(&grid.rows).flatten().try_for_each(|cell| match cell {
            Cell::Text(statement) => writeln!(out, "{statement};"),
            _ => Ok(()),
        })
    })
}

fn tell(runner: &Runner, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    let mut out = runner.interrupt.stdout();
    write(&mut out).and_then(|()| out.flush()).map_err(|error| error.to_string())
}
