//! The conversation at a terminal: line editing, history over runs, statements over several lines.

use std::path::{Path, PathBuf};

use gnitz::Status;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Editor};

use super::runner::Runner;
use super::words::Words;

/// Statements that are remembered.
const HISTORY: usize = 10_000;

/// Talks until the user leaves. Errors are told and the talk goes on, so the end is always clean.
pub fn converse(runner: &mut Runner) -> bool {
    println!("{}", runner.backend.title());
    println!("SQL ends with a semicolon; .help lists the commands.");
    let Ok(mut editor) = Editor::<Words, FileHistory>::new() else {
        eprintln!("this terminal takes no line editing; use a pipe or -c");
        return false;
    };
    editor.set_completion_type(CompletionType::List);
    let _ = editor.set_max_history_size(HISTORY);
    let history = history_file();
    if let Some(path) = &history {
        // The first run has none.
        let _ = editor.load_history(path);
    }
    let mut entry = String::new();
    while !runner.finished() {
        let fresh = !runner.inside_statement();
        if fresh {
            remember(&mut editor, std::mem::take(&mut entry).trim(), history.as_deref());
            editor.set_helper(Some(Words { names: runner.backend.names(), fresh }));
        } else if let Some(words) = editor.helper_mut() {
            words.fresh = fresh;
        }
        match editor.readline(prompt(runner)) {
            Ok(text) => {
                entry.push_str(&text);
                entry.push('\n');
                runner.width = editor.dimensions().map(|(columns, _)| usize::from(columns));
                // Pasted text, or a statement out of the history, is several lines at once.
                for line in text.split('\n') {
                    runner.feed(&format!("{line}\n"));
                }
            }
            Err(ReadlineError::Interrupted) => {
                entry.clear();
                runner.discard();
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => {
                eprintln!("{error}");
                break;
            }
        }
    }
    remember(&mut editor, entry.trim(), history.as_deref());
    true
}

/// Like psql's: a star inside a transaction, an exclamation mark when it has failed.
fn prompt(runner: &Runner) -> &'static str {
    match runner.backend.status() {
        _ if runner.inside_statement() => "   ...> ",
        Status::Idle => "gnitz> ",
        Status::InTransaction => "gnitz*> ",
        Status::Failed => "gnitz!> ",
    }
}

/// Adds a whole statement, at once to the file too: another shell or a killed one loses nothing.
fn remember(editor: &mut Editor<Words, FileHistory>, entry: &str, file: Option<&Path>) {
    if !entry.is_empty()
        && matches!(editor.add_history_entry(entry), Ok(true))
        && let Some(path) = file
    {
        // A home that cannot be written keeps nothing; the shell works without.
        let _ = editor.append_history(path);
    }
}

fn history_file() -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".gnitz_history"))
}
