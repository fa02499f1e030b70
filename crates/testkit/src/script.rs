//! Tests that are text: statements with what they answer, in files that anyone can extend.
//!
//! A script is a list of blocks with empty lines between them. A block is a statement (of any number of
//! lines), a line `----`, and the answer: `ok` and the command tag, the rows with `|` between the columns, or
//! `error` with the SQLSTATE and the beginning of the message, or all of it. Rows are sorted unless the statement
//! orders them or explains something. NULL is `NULL`, empty text is `''`, an empty line of an answer is `.`. Lines that
//! begin with `#` are comments. Three words stand for what is not SQL: `reopen`, `checkpoint`, and `session N`, which
//! makes session N the one that speaks from there on.
//!
//! With `GNITZ_BLESS=1` in the environment a run writes the answers it got into the file; the diff is the review.

use crate::actual;
use crate::reference::Value;
use gnitz::{Database, Error, Outcome, Session};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::MemFs;

/// Runs every `*.test` file of a directory; the answer is how many blocks they had.
pub fn run_dir(dir: &Path) -> Result<usize, String> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(|error| format!("{}: {error}", dir.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    paths.sort();
    let mut blocks = 0;
    let mut failures = Vec::new();
    for path in paths {
        match run_file(&path) {
            Ok(count) => blocks += count,
            Err(message) => failures.push(message),
        }
    }
    if failures.is_empty() { Ok(blocks) } else { Err(failures.join("\n")) }
}

/// Runs one file.
pub fn run_file(path: &Path) -> Result<usize, String> {
    let explain = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(explain)?;
    let script = parse(&text);
    let mut player = Player::new()?;
    let mut answered = String::new();
    let mut failures = Vec::new();
    let mut blocks = 0;
    for part in &script {
        match part {
            Part::Comment(text) => answered += &format!("{text}\n"),
            Part::Block { line, statement, expected } => {
                blocks += 1;
                let found = player.answer(statement)?;
                if !accepts(expected, &found) {
                    failures.push(format!(
                        "{}:{line}: {statement}\n  expected:\n{}\n  found:\n{}",
                        path.display(),
                        indent(expected),
                        indent(&found)
                    ));
                }
                answered += statement;
                let answer = if accepts(expected, &found) { expected } else { &found };
                answered +=
                    &if answer.is_empty() { "\n\n".to_owned() } else { format!("\n----\n{answer}\n\n") };
            }
        }
    }
    if std::env::var_os("GNITZ_BLESS").is_some() {
        fs::write(path, answered.trim_end().to_owned() + "\n").map_err(explain)?;
        return Ok(blocks);
    }
    if failures.is_empty() { Ok(blocks) } else { Err(failures.join("\n")) }
}

/// An error is given by its SQLSTATE and as much of the message as the test cares for.
fn accepts(expected: &str, found: &str) -> bool {
    expected == found || (expected.starts_with("error ") && found.starts_with(expected))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

enum Part {
    Comment(String),
    Block { line: usize, statement: String, expected: String },
}

fn parse(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut block: Vec<&str> = Vec::new();
    let mut start = 1;
    for (line, number) in text.lines().chain([""]).zip(1..) {
        if block.is_empty() && line.starts_with('#') {
            parts.push(Part::Comment(line.to_owned()));
        } else if !line.is_empty() {
            if block.is_empty() {
                start = number;
            }
            block.push(line);
        } else if !block.is_empty() {
            let (statement, expected) = match block.iter().position(|line| *line == "----") {
                Some(at) => (block[..at].join("\n"), block[at + 1..].join("\n")),
                None => (block.join("\n"), String::new()),
            };
            parts.push(Part::Block { line: start, statement, expected });
            block.clear();
        }
    }
    parts
}

struct Player {
    disk: MemFs,
    database: Database,
    sessions: BTreeMap<u32, Session>,
    speaking: u32,
}

impl Player {
    fn new() -> Result<Player, String> {
        let disk = MemFs::new();
        let database = open(&disk)?;
        Ok(Player { disk, database, sessions: BTreeMap::new(), speaking: 1 })
    }

    /// What the database says to a statement, or nothing to one of the words.
    fn answer(&mut self, statement: &str) -> Result<String, String> {
        if let Some(number) = statement.strip_prefix("session ") {
            self.speaking = number.trim().parse().map_err(|_| format!("not a session: {number}"))?;
            return Ok(String::new());
        }
        match statement {
            "reopen" => {
                self.sessions.clear();
                let closed = std::mem::replace(&mut self.database, open(&MemFs::new())?);
                closed.close().map_err(|error| format!("closing failed: {error}"))?;
                drop(closed);
                self.database = open(&self.disk)?;
                return Ok(String::new());
            }
            "checkpoint" => {
                self.database.checkpoint().map_err(|error| format!("a checkpoint failed: {error}"))?;
                return Ok(String::new());
            }
            _ => {}
        }
        let database = &self.database;
        let session = self.sessions.entry(self.speaking).or_insert_with(|| database.session());
        Ok(match session.execute(statement) {
            Ok(outcomes) => {
                let answers: Vec<String> = outcomes.iter().map(|outcome| print(outcome, statement)).collect();
                answers.join("\n")
            }
            Err(error) => print_error(&error),
        })
    }
}

fn open(disk: &MemFs) -> Result<Database, String> {
    let database = Database::builder().inline_maintenance().open_fs(Arc::new(disk.clone()));
    database.map_err(|error| format!("opening failed: {error}"))
}

fn print_error(error: &Error) -> String {
    format!("error {} {}", error.sqlstate(), error.message())
}

fn print(outcome: &Outcome, statement: &str) -> String {
    let result = match outcome {
        Outcome::Rows(result) => result,
        Outcome::Count { tag, rows } => return format!("ok {tag} {rows}"),
        Outcome::Done { tag } => return format!("ok {tag}"),
    };
    let mut lines: Vec<String> = actual::rows(&result.batches)
        .iter()
        .map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|"))
        .collect();
    let upper = statement.to_uppercase();
    let ordered = upper.contains("ORDER BY") || upper.trim_start().starts_with("EXPLAIN");
    if !ordered {
        lines.sort();
    }
    let lines = lines.iter().flat_map(|line| line.split('\n'));
    lines
        .map(|line| if line.trim().is_empty() { "." } else { line.trim_end() })
        .collect::<Vec<_>>()
        .join("\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => "''".to_owned(),
        Value::Text(text) => text.to_string(),
        Value::Date(days) => crate::reference::value::date_text(*days),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_comments_and_blocks() {
        let parts = parse("# one\n\nSELECT 1\n----\n1\n\nreopen\n");
        let [Part::Comment(_), Part::Block { line: 3, statement, expected }, Part::Block { line: 7, .. }] =
            &parts[..]
        else {
            panic!("three parts");
        };
        assert_eq!((statement.as_str(), expected.as_str()), ("SELECT 1", "1"));
        assert!(accepts("error 22012", "error 22012 division by zero"));
    }
}
