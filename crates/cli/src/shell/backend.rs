//! What a shell needs of a database, wherever it is: in this process (`embedded`) or behind a connection (`remote`).
//!
//! A text goes in; what it answers comes out piece by piece, as it comes, so that a result without an end can be
//! shown as well as one with. Everything else that the shell does, its commands included, is built on that.

use std::io::Read;
use std::sync::Arc;

use gnitz::Status;

use super::fault::Fault;
use super::render::{Cell, Grid};

/// A piece of an answer.
pub enum Answer {
    /// The columns of the rows that follow.
    Columns(Vec<String>),
    /// A row.
    Row(Vec<Cell>),
    /// Nothing more is there yet: what came can be shown.
    Pause,
    /// Lines of a `COPY … TO STDOUT`.
    Bytes(Vec<u8>),
    /// The statement has ended; with rows before it, so have they.
    Tag(String),
    /// A remark.
    Notice(String),
}

/// Who takes an answer; false if no more of it is wanted.
pub type Taker<'a> = &'a mut dyn FnMut(Answer) -> bool;

/// Stops the running statement, from any thread. It is told whether it was asked before: then whoever waits wants to
/// wait no longer.
pub type Cancel = Arc<dyn Fn(bool) + Send + Sync>;

/// A database as a shell sees it.
pub trait Backend {
    /// Runs a text of one statement. `input` is the stream of a `COPY … FROM STDIN`.
    fn run(&mut self, text: &str, input: Option<&mut dyn Read>, take: Taker<'_>) -> Result<(), Fault>;

    /// What stops it.
    fn cancel(&self) -> Cancel;

    /// Whether a transaction is open.
    fn status(&self) -> Status;

    /// The names of relations and columns, as far as they can be had now.
    fn names(&mut self) -> Vec<String>;

    /// Where the database is, for the greeting.
    fn title(&self) -> String;

    /// Ends the session; says what is worth a warning.
    fn close(self: Box<Self>) -> Result<(), Fault>;
}

/// Runs a statement that answers rows, and gathers them.
pub fn query(backend: &mut dyn Backend, text: &str) -> Result<Grid, Fault> {
    let mut grid = Grid { columns: Vec::new(), rows: Vec::new() };
    backend.run(text, None, &mut |answer| {
        match answer {
            Answer::Columns(names) => grid.columns = names,
            Answer::Row(row) => grid.rows.push(row),
            Answer::Notice(text) => eprintln!("{text}"),
            Answer::Pause | Answer::Bytes(_) | Answer::Tag(_) => {}
        }
        true
    })?;
    Ok(grid)
}

/// A `COPY … FROM STDIN` that nobody gave a stream to.
pub fn no_input() -> Fault {
    let message = "COPY FROM STDIN has nothing to read: a shell's input is statements";
    Fault::new("0A000", message).with_hint("load a file with .import FILE TABLE")
}
