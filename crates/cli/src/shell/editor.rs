//! The conversation at a terminal: line editing, history, completion of keywords and names, statements over
//! several lines.

use std::path::{Path, PathBuf};

use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Context, Editor, Helper, Highlighter, Hinter, Validator};

use super::commands::COMMANDS;
use super::runner::Runner;

const KEYWORDS: &[&str] = &[
    "ABORT",
    "AND",
    "AS",
    "ASC",
    "AVG",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "BY",
    "CASE",
    "CAST",
    "CHECK",
    "COALESCE",
    "COMMIT",
    "CONFLICT",
    "COPY",
    "COUNT",
    "CREATE",
    "DATE",
    "DECIMAL",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "DOUBLE PRECISION",
    "DROP",
    "ELSE",
    "END",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FROM",
    "GROUP BY",
    "HAVING",
    "IN",
    "INSERT INTO",
    "INTEGER",
    "INTERVAL",
    "IS",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MATERIALIZED VIEW",
    "MAX",
    "MIN",
    "NOT",
    "NOTHING",
    "NULL",
    "ON",
    "OR",
    "ORDER BY",
    "PRIMARY KEY",
    "RETURNING",
    "ROLLBACK",
    "SELECT",
    "SET",
    "SUM",
    "TABLE",
    "TEXT",
    "THEN",
    "TIMESTAMP",
    "TRUE",
    "UNION ALL",
    "UPDATE",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Talks until the user leaves. Errors are told and the talk goes on, so the end is always clean.
pub fn converse(runner: &mut Runner, dir: Option<&Path>) -> bool {
    match dir {
        Some(dir) => println!("Gnitz {} on {}", env!("CARGO_PKG_VERSION"), dir.display()),
        None => println!("Gnitz {}, in memory: nothing is kept when you leave", env!("CARGO_PKG_VERSION")),
    }
    println!("SQL ends with a semicolon; .help lists the commands.");
    let Ok(mut editor) = Editor::<Words, FileHistory>::new() else {
        eprintln!("this terminal takes no line editing; use a pipe or -c");
        return false;
    };
    editor.set_completion_type(CompletionType::List);
    editor.set_auto_add_history(true);
    let history = history_file();
    if let Some(path) = &history {
        let _ = editor.load_history(path);
    }
    runner.begin_source("shell");
    while !runner.finished() {
        editor.set_helper(Some(Words { names: runner.session.names().unwrap_or_default() }));
        let prompt = if runner.inside_statement() { "   ...> " } else { "gnitz> " };
        match editor.readline(prompt) {
            Ok(line) => {
                runner.feed(&(line + "\n"));
            }
            Err(ReadlineError::Interrupted) => runner.discard(),
            Err(ReadlineError::Eof) => break,
            Err(error) => {
                eprintln!("{error}");
                break;
            }
        }
    }
    if let Some(path) = &history {
        let _ = editor.save_history(path);
    }
    true
}

fn history_file() -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".gnitz_history"))
}

#[derive(Helper, Highlighter, Hinter, Validator)]
struct Words {
    names: Vec<String>,
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let start = line[..position]
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
            .map_or(0, |at| at + 1);
        let word = &line[start..position];
        if word.is_empty() {
            return Ok((start, Vec::new()));
        }
        let lower = word.to_lowercase();
        let commands = COMMANDS.iter().map(|(name, _, _)| name.to_string()).filter(|_| start == 0);
        let keywords = KEYWORDS.iter().map(|keyword| keyword.to_string());
        let found = commands.chain(self.names.iter().cloned()).chain(keywords);
        let pairs = found
            .filter(|candidate| candidate.to_lowercase().starts_with(&lower))
            .map(|candidate| Pair { display: candidate.clone(), replacement: candidate })
            .collect();
        Ok((start, pairs))
    }
}
