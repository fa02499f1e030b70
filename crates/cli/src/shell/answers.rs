//! Writes a statement's answer as its pieces come: results once they are whole, those without an end row by row,
//! remarks beside them.

use std::io;
use std::io::{BufWriter, ErrorKind, Write};
use std::time::{Duration, Instant};

use super::backend::Answer;
use super::interrupt::{Interrupt, Output};
use super::render::{self, Grid, Growing, Mode};

/// An answer on its way to standard output.
pub struct Answers {
    out: BufWriter<Output>,
    mode: Mode,
    /// The terminal's width.
    terminal: Option<usize>,
    /// Rows are shown as they come.
    follows: bool,
    grid: Option<Grid>,
    growing: Option<Growing>,
    broken: Option<io::Error>,
    begun: Instant,
    took: Option<Duration>,
}

impl Answers {
    /// The answer of a statement that begins now.
    pub fn begin(interrupt: &Interrupt, mode: Mode, terminal: Option<usize>, follows: bool) -> Answers {
        Answers {
            out: interrupt.stdout(),
            mode,
            terminal,
            follows,
            grid: None,
            growing: None,
            broken: None,
            begun: Instant::now(),
            took: None,
        }
    }

    /// Takes a piece; false once nobody reads what is written. After Ctrl-C the statement is being stopped anyway.
    pub fn take(&mut self, answer: Answer) -> bool {
        if self.broken.is_none()
            && let Err(error) = self.put(answer)
        {
            self.broken = Some(error);
        }
        self.broken.is_none() || self.out.get_ref().is_pressed()
    }

    /// Ends a result without an end, which Ctrl-C did, whatever became of standard output by it.
    pub fn end_growing(&mut self) {
        let mut out = io::stdout();
        if let Some(growing) = &mut self.growing {
            // Standard output may be closed; its next reader tells.
            let _ = growing.end(&mut out);
        }
    }

    /// Why not all was written.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    /// How long the statement took, without the writing of its result.
    pub fn took(&self) -> Duration {
        self.took.unwrap_or_else(|| self.begun.elapsed())
    }

    fn put(&mut self, answer: Answer) -> io::Result<()> {
        match answer {
            Answer::Columns(names) if self.follows => {
                self.growing = Some(Growing::new(self.mode, self.terminal, names));
            }
            Answer::Columns(columns) => self.grid = Some(Grid { columns, rows: Vec::new() }),
            Answer::Row(row) => match (&mut self.growing, &mut self.grid) {
                (Some(growing), _) => growing.push(row),
                (None, Some(grid)) => grid.rows.push(row),
                (None, None) => {}
            },
            Answer::Pause => match &mut self.growing {
                Some(growing) => growing.show(&mut self.out)?,
                None => self.out.flush()?,
            },
            Answer::Bytes(bytes) => self.out.write_all(&bytes)?,
            Answer::Tag(tag) => self.end(&tag)?,
            Answer::Notice(text) => eprintln!("{text}"),
        }
        Ok(())
    }

    fn end(&mut self, tag: &str) -> io::Result<()> {
        self.took = Some(self.begun.elapsed());
        if let Some(mut growing) = self.growing.take() {
            return growing.end(&mut self.out);
        }
        match self.grid.take() {
            Some(grid) => render::write_fitting(&mut self.out, self.mode, &grid, self.terminal)?,
            // A program that reads rows wants nothing else on its standard output.
            None if matches!(self.mode, Mode::Table | Mode::Line) => writeln!(self.out, "{tag}")?,
            None => {}
        }
        self.out.flush()
    }
}

/// Tells why the rest of an answer is not written.
pub fn tell(error: &io::Error) {
    // Whoever read it has seen enough.
    if error.kind() != ErrorKind::BrokenPipe {
        // A line may be cut in the middle.
        println!();
        eprintln!("the rest of the answer is not written: {error}");
    }
}
