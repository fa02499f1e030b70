//! Runs statements as their text arrives, and writes what they answer.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use gnitz::{Database, Error, Outcome, Session};

use super::commands::{self, Next};
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
    running: Arc<AtomicBool>,
    finished: bool,
    source: String,
    pending: String,
    line: usize,
    column: usize,
}

impl Runner {
    /// A shell on a database. Ctrl-C cancels the running statement; a script's ends with it, as the error it causes.
    pub fn new(database: &Database, mode: Mode, interactive: bool) -> Runner {
        let session = database.session();
        let running = Arc::new(AtomicBool::new(false));
        cancel_on_interrupt(&session, &running, interactive);
        Runner {
            session,
            mode,
            timer: false,
            running,
            finished: false,
            source: String::new(),
            pending: String::new(),
            line: 1,
            column: 1,
        }
    }

    /// Starts a new source of text: errors name it, lines count from 1.
    pub fn begin_source(&mut self, name: &str) {
        self.source = name.to_string();
        self.pending.clear();
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
        !self.pending.trim().is_empty()
    }

    /// Drops the text that is not yet a statement.
    pub fn discard(&mut self) {
        let dropped = std::mem::take(&mut self.pending);
        self.advance(&dropped);
    }

    /// Takes more text and runs every statement that is whole by now; false at the first error.
    pub fn feed(&mut self, text: &str) -> bool {
        if !self.inside_statement() && text.trim_start().starts_with('.') {
            self.discard();
            let done = self.command(text.trim());
            self.advance(text);
            return done;
        }
        self.pending.push_str(text);
        // Only a semicolon ends a statement; looking for one first keeps long statements of many lines linear.
        if !text.contains(';') {
            return true;
        }
        let whole = gnitz::split(&self.pending);
        let text = std::mem::take(&mut self.pending);
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
        true
    }

    /// Runs what is left without a semicolon at the end.
    pub fn end_source(&mut self) -> bool {
        let rest = std::mem::take(&mut self.pending);
        let done = rest.trim().is_empty() || self.statement(&rest);
        self.advance(&rest);
        done
    }

    fn command(&mut self, text: &str) -> bool {
        match commands::run(self, text) {
            Ok(Next::GoOn) => true,
            Ok(Next::Exit) => {
                self.finished = true;
                true
            }
            Err(why) => {
                eprintln!("{}:{}: {why}", self.source, self.line);
                false
            }
        }
    }

    fn statement(&mut self, text: &str) -> bool {
        let start = Instant::now();
        self.running.store(true, Ordering::Relaxed);
        let ran = self.session.execute(text);
        self.running.store(false, Ordering::Relaxed);
        match ran.and_then(|outcomes| outcomes.iter().map(Shown::of).collect::<Result<Vec<_>, _>>()) {
            Ok(outcomes) => {
                let mut out = std::io::stdout().lock();
                let written = (outcomes.iter()).try_for_each(|outcome| outcome.write(&mut out, self.mode));
                if self.timer {
                    let _ = writeln!(out, "Time: {:.3} ms", start.elapsed().as_secs_f64() * 1e3);
                }
                written.and_then(|()| out.flush()).is_ok()
            }
            Err(error) => {
                let _ = std::io::stdout().flush();
                eprintln!("{}", fault::pointed(&error, &self.source, text, self.line, self.column));
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

    fn write(&self, out: &mut dyn Write, mode: Mode) -> std::io::Result<()> {
        match self {
            Shown::Rows(grid) => render::write(out, mode, grid),
            Shown::Tag(tag) if mode == Mode::Table => writeln!(out, "{tag}"),
            // A program that reads rows wants nothing else on its standard output.
            Shown::Tag(_) => Ok(()),
        }
    }
}

/// Lets Ctrl-C cancel the running statement. A script ends by the error that this causes; where none runs (a script
/// that waits for its input), the program ends.
fn cancel_on_interrupt(session: &Session, running: &Arc<AtomicBool>, interactive: bool) {
    let (handle, running) = (session.cancel_handle(), Arc::clone(running));
    let installed = ctrlc::set_handler(move || {
        if running.load(Ordering::Relaxed) {
            handle.cancel();
        } else if !interactive {
            std::process::exit(130);
        }
    });
    if let Err(error) = installed {
        eprintln!("Ctrl-C will end the shell instead of the statement: {error}");
    }
}
