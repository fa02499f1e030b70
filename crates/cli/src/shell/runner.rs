//! Runs statements as their text arrives, and writes what they answer.

use std::io::{self, Write};
use std::time::Duration;

use super::answers::{self, Answers};
use super::backend::Backend;
use super::commands::{self, Next};
use super::interrupt::Interrupt;
use super::render::Mode;
use super::words::first;

/// How deep files may read files.
const DEEPEST: usize = 32;

/// The shell's state: a database, how to write, and the text that is not yet a whole statement.
pub struct Runner {
    /// Where statements run.
    pub backend: Box<dyn Backend>,
    /// How results are written.
    pub mode: Mode,
    /// Whether each statement's time is told.
    pub timer: bool,
    /// The terminal's width, where results go to one.
    pub width: Option<usize>,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    finished: bool,
    text: Text,
    /// How many files are being read, each by the one before.
    depth: usize,
}

/// The text that statements come from.
struct Text {
    /// What errors name; nothing at a terminal, where each statement counts its own lines.
    source: Option<String>,
    pending: String,
    /// Whether `pending` has more than blanks and comments.
    open: bool,
    line: usize,
    column: usize,
}

impl Text {
    fn of(source: Option<&str>) -> Text {
        let source = source.map(str::to_string);
        Text { source, pending: String::new(), open: false, line: 1, column: 1 }
    }
}

impl Runner {
    /// A shell on a database. Ctrl-C cancels the running statement; a script's ends with it, as the error it causes.
    pub fn new(backend: Box<dyn Backend>, mode: Mode, interactive: bool) -> Runner {
        let interrupt = Interrupt::install(backend.cancel(), interactive);
        let text = Text::of(None);
        Runner { backend, mode, timer: false, width: None, interrupt, finished: false, text, depth: 0 }
    }

    /// Starts a new source of text: errors name it, lines count from 1.
    pub fn begin_source(&mut self, name: &str) {
        self.text = Text::of(Some(name));
    }

    /// Runs a file's statements and commands, and goes on with the text that asked for it; false when it ended in an
    /// error, which is told.
    pub fn read(&mut self, path: &str) -> Result<bool, String> {
        if self.depth == DEEPEST {
            return Err(format!("{path}: {DEEPEST} files are being read already, each by the one before"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let outer = std::mem::replace(&mut self.text, Text::of(Some(path)));
        self.depth += 1;
        let done = self.feed_all(path, &text);
        self.depth -= 1;
        self.text = outer;
        Ok(done)
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
        self.text.open
    }

    /// Drops the text that is not yet a statement.
    pub fn discard(&mut self) {
        let dropped = std::mem::take(&mut self.text.pending);
        self.text.open = false;
        self.advance(&dropped);
    }

    /// Takes more text and runs every statement that is whole by now; false at the first error.
    pub fn feed(&mut self, text: &str) -> bool {
        if !self.text.open && text.trim_start().starts_with('.') {
            self.discard();
            let done = self.command(text.trim());
            self.advance(text);
            return done;
        }
        self.text.pending.push_str(text);
        // Only a semicolon ends a statement; looking for one first keeps long statements of many lines linear.
        if self.text.open && !text.contains(';') {
            return true;
        }
        let whole = gnitz::split(&self.text.pending);
        let text = std::mem::take(&mut self.text.pending);
        self.text.open = false;
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
        self.text.pending.push_str(&text[whole.rest.start..]);
        self.text.open = !self.text.pending.is_empty();
        true
    }

    /// Runs what is left without a semicolon at the end.
    pub fn end_source(&mut self) -> bool {
        let rest = std::mem::take(&mut self.text.pending);
        self.text.open = false;
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
            Ok(Next::Failed) => false,
            Err(why) => {
                match &self.text.source {
                    Some(source) => eprintln!("{source}:{}:{}: {why}", self.text.line, self.text.column),
                    None => eprintln!("{why}"),
                }
                false
            }
        }
    }

    fn statement(&mut self, text: &str) -> bool {
        self.interrupt.begin();
        let follows = first(text) == "subscribe";
        let mut answers = Answers::begin(&self.interrupt, self.mode, self.width, follows);
        let ran = self.backend.run(text, None, &mut |answer| answers.take(answer));
        let took = answers.took();
        let done = match (ran, answers.take_error()) {
            // A result without an end ends so.
            (Err(fault), _) if follows && self.interrupt.is_pressed() && fault.code == "57014" => {
                answers.end_growing();
                true
            }
            (_, Some(error)) => {
                answers::tell(&error);
                false
            }
            (Err(fault), None) => {
                let told = match &self.text.source {
                    Some(source) => fault.pointed(source, text, self.text.line, self.text.column),
                    None => fault.marked(text),
                };
                eprintln!("{told}");
                false
            }
            (Ok(()), None) => true,
        };
        drop(answers);
        self.tell_time(took);
        self.interrupt.end();
        done
    }

    fn advance(&mut self, text: &str) {
        (self.text.line, self.text.column) = after(text, self.text.line, self.text.column);
    }
}

/// The place after some text that starts at a place.
fn after(text: &str, line: usize, column: usize) -> (usize, usize) {
    match text.rfind('\n') {
        None => (line, column + text.chars().count()),
        Some(last) => (line + text.matches('\n').count(), text[last + 1..].chars().count() + 1),
    }
}
