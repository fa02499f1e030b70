//! Runs statements as their text arrives, and writes what they answer.

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use gnitz::{Database, Error, Outcome, Session};

use super::commands::{self, Next};
use super::interrupt::Interrupt;
use super::render::{self, Grid, Mode};
use super::{fault, grid};

/// The shell's state: a session, how to write, and the text that is not yet a whole statement.
pub struct Runner {
    /// The session that statements run in.
    pub session: Session,
    /// How results are written.
    pub mode: Mode,
    /// Whether each statement's time is told.
    pub timer: bool,
    /// The terminal's width, where results go to one.
    pub width: Option<usize>,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    finished: bool,
    /// What errors name; nothing at a terminal, where each statement counts its own lines.
    source: Option<String>,
    pending: String,
    /// Whether `pending` has more than blanks and comments.
    open: bool,
    line: usize,
    column: usize,
}

impl Runner {
    /// A shell on a database. Ctrl-C cancels the running statement; a script's ends with it, as the error it causes.
    pub fn new(database: &Database, mode: Mode, interactive: bool) -> Runner {
        let session = database.session();
        let interrupt = Interrupt::install(&session, interactive);
        Runner {
            session,
            mode,
            timer: false,
            width: None,
            interrupt,
            finished: false,
            source: None,
            pending: String::new(),
            open: false,
            line: 1,
            column: 1,
        }
    }

    /// Starts a new source of text: errors name it, lines count from 1.
    pub fn begin_source(&mut self, name: &str) {
        self.source = Some(name.to_string());
        self.pending.clear();
        self.open = false;
        (self.line, self.column) = (1, 1);
    }

    /// Runs a whole source; false when it ended in an error.
    pub fn feed_all(&mut self, name: &str, text: &str) -> bool {
        self.begin_source(name);
        text.split_inclusive('\n').all(|line| self.finished || self.feed(line))
            && (self.finished || self.end_source())
    }

    /// Whether `.exit` was given.
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Whether the text so far ends within a statement.
    pub fn inside_statement(&self) -> bool {
        self.open
    }

    /// Drops the text that is not yet a statement.
    pub fn discard(&mut self) {
        let dropped = std::mem::take(&mut self.pending);
        self.open = false;
        self.advance(&dropped);
    }

    /// Takes more text and runs every statement that is whole by now; false at the first error.
    pub fn feed(&mut self, text: &str) -> bool {
        if !self.open && text.trim_start().starts_with('.') {
            self.discard();
            let done = self.command(text.trim());
            self.advance(text);
            return done;
        }
        self.pending.push_str(text);
        // Only a semicolon ends a statement; looking for one first keeps long statements of many lines linear.
        if self.open && !text.contains(';') {
            return true;
        }
        let whole = gnitz::split(&self.pending);
        let text = std::mem::take(&mut self.pending);
        self.open = false;
        let mut told = 0;
        for range in whole.complete {
            self.advance(&text[told..range.start]);
            let done = self.statement(&text[range.clone()]);
            self.advance(&text[range.clone()]);
            told = range.end;
            if !done {
                self.advance(&text[told..]);
                return false;
            }
        }
        self.advance(&text[told..whole.rest.start]);
        self.pending.push_str(&text[whole.rest.start..]);
        self.open = !self.pending.is_empty();
        true
    }

    /// Runs what is left without a semicolon at the end.
    pub fn end_source(&mut self) -> bool {
        let rest = std::mem::take(&mut self.pending);
        self.open = false;
        let done = rest.trim().is_empty() || self.statement(&rest);
        self.advance(&rest);
        done
    }

    /// Tells how long something took, if the user wants to know. Rows for a program stay alone on standard output.
    pub fn tell_time(&self, took: Duration) {
        let text = format!("Time: {:.3} ms", took.as_secs_f64() * 1e3);
        match self.mode {
            _ if !self.timer => {}
            // Standard output may be closed; its next reader tells.
            Mode::Table | Mode::Line => drop(writeln!(io::stdout(), "{text}")),
            Mode::Csv | Mode::Json => eprintln!("{text}"),
        }
    }

    fn command(&mut self, text: &str) -> bool {
        match commands::run(self, text) {
            Ok(Next::GoOn) => true,
            Ok(Next::Exit) => {
                self.finished = true;
                true
            }
            Err(why) => {
                match &self.source {
                    Some(source) => eprintln!("{source}:{}:{}: {why}", self.line, self.column),
                    None => eprintln!("{why}"),
                }
                false
            }
        }
    }

    fn statement(&mut self, text: &str) -> bool {
        self.interrupt.begin();
        let start = Instant::now();
        let ran = self.session.execute(text);
        let shown = ran.and_then(|outcomes| outcomes.iter().map(Shown::of).collect::<Result<Vec<_>, _>>());
        let took = start.elapsed();
        for notice in self.session.take_notices() {
            eprintln!("{notice}");
        }
        let done = match shown {
            Ok(outcomes) => self.write(&outcomes),
            Err(error) => {
                eprintln!("{}", self.pointed(&error, text));
                false
            }
        };
        self.tell_time(took);
        self.interrupt.end();
        done
    }

    fn pointed(&self, error: &Error, statement: &str) -> String {
        match &self.source {
            Some(source) => fault::pointed(error, source, statement, self.line, self.column),
            None => fault::marked(error, statement),
        }
    }

    fn write(&self, outcomes: &[Shown]) -> bool {
        let mut out = self.interrupt.stdout();
        let written = outcomes.iter().try_for_each(|shown| shown.write(&mut out, self.mode, self.width));
        match written.and_then(|()| out.flush()) {
            Ok(()) => true,
            // Whoever read it has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
            Err(error) => {
                // A line may be cut in the middle.
                println!();
                eprintln!("the rest of the answer is not written: {error}");
                false
            }
        }
    }

    fn advance(&mut self, text: &str) {
        (self.line, self.column) = after(text, self.line, self.column);
    }
}

/// The place after some text that starts at a place.
fn after(text: &str, line: usize, column: usize) -> (usize, usize) {
    match text.rfind('\n') {
        None => (line, column + text.chars().count()),
        Some(last) => (line + text.matches('\n').count(), text[last + 1..].chars().count() + 1),
    }
}

/// A statement's outcome, ready to be written.
enum Shown {
    Rows(Grid),
    Tag(String),
}

impl Shown {
    fn of(outcome: &Outcome) -> Result<Shown, Error> {
        match outcome {
            Outcome::Rows(result) => grid(result).map(Shown::Rows),
            other => Ok(Shown::Tag(other.to_string())),
        }
    }

    fn write(&self, out: &mut dyn Write, mode: Mode, width: Option<usize>) -> io::Result<()> {
        match self {
            Shown::Rows(grid) => render::write_fitting(out, mode, grid, width),
            Shown::Tag(tag) if matches!(mode, Mode::Table | Mode::Line) => writeln!(out, "{tag}"),
            // A program that reads rows wants nothing else on its standard output.
            Shown::Tag(_) => Ok(()),
        }
    }
}
