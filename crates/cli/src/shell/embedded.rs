//! The database in this process.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gnitz::wire::{self, Cells};
use gnitz::{Database, Delta, Error, Outcome, Session, Statement, StatementKind, Status, Type};

use super::backend::{Answer, Backend, Cancel, Taker, no_input};
use super::fault::Fault;
use super::grid::{Kind, cell, grid};
use super::words::first;

/// How long a feed without changes waits before it is looked at again.
const LOOK: Duration = Duration::from_millis(100);

/// A session of a database that this process has open.
pub struct Embedded {
    database: Database,
    session: Session,
    dir: Option<PathBuf>,
    cancelled: Arc<AtomicBool>,
}

/// How a statement ended that did not fail.
enum Ran {
    /// Well.
    Done,
    /// It wants a stream, and there is none.
    NoInput,
}

impl Embedded {
    /// Opens the database of a directory, or makes one in memory.
    pub fn open(dir: Option<PathBuf>) -> Result<Embedded, Fault> {
        let opened = match &dir {
            Some(dir) => Database::open(dir),
            None => Database::in_memory(),
        };
        let database = opened.map_err(|error| Fault::of(&error, ""))?;
        Ok(Embedded { session: database.session(), database, dir, cancelled: Arc::default() })
    }

    fn execute(&self, text: &str, input: Option<&mut dyn Read>, take: Taker<'_>) -> gnitz::Result<Ran> {
        // The others need no stream, and an empty text is none of them.
        if matches!(first(text).as_str(), "copy" | "subscribe") {
            let statement = self.session.prepare(text)?;
            match (statement.kind(), input) {
                (StatementKind::CopyIn, None) => return statement.copy_layout().map(|_| Ran::NoInput),
                (StatementKind::CopyIn, Some(input)) => {
                    let rows = statement.copy_in(input)?;
                    self.end(&format!("COPY {rows}"), take);
                    return Ok(Ran::Done);
                }
                (StatementKind::CopyOut, _) => {
                    let rows = statement.copy_out(Lines { take: &mut *take })?;
                    self.end(&format!("COPY {rows}"), take);
                    return Ok(Ran::Done);
                }
                (StatementKind::Subscribe, _) => return self.follow(&statement, take).map(|()| Ran::Done),
                _ => {}
            }
        }
        self.session.execute_each(text, |outcome| {
            match outcome {
                Outcome::Rows(result) => {
                    let grid = grid(&result)?;
                    take(Answer::Columns(grid.columns));
                    let rows = grid.rows.len();
                    for row in grid.rows {
                        take(Answer::Row(row));
                    }
                    self.end(&format!("SELECT {rows}"), take);
                }
                other => self.end(&other.to_string(), take),
            }
            Ok(())
        })?;
        Ok(Ran::Done)
    }

    /// The statement's end, after what it had to say.
    fn end(&self, tag: &str, take: Taker<'_>) {
        self.tell_notices(take);
        take(Answer::Tag(tag.to_string()));
    }

    fn tell_notices(&self, take: Taker<'_>) {
        for notice in self.session.take_notices() {
            take(Answer::Notice(notice.to_string()));
        }
    }

    /// Gives the changes that a `SUBSCRIBE` asks for, until it is cancelled. Nobody else commits to this database, so
    /// there is no progress to tell besides.
    fn follow(&self, statement: &Statement, take: Taker<'_>) -> gnitz::Result<()> {
        let Some(mut feed) = statement.subscribe()? else { return Ok(()) };
        if !feed.copy {
            take(Answer::Columns(feed.columns()?.into_iter().map(|column| column.name).collect()));
        }
        let (mut rows, mut more) = (0, true);
        while more && !feed.subscription.is_finished() {
            match feed.subscription.next_timeout(LOOK)? {
                Some(delta) => {
                    rows += delta.weights.len();
                    more = give(&delta, feed.progress, feed.copy, take)?;
                }
                None => more = take(Answer::Pause),
            }
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Canceled);
            }
        }
        self.end(&format!("SUBSCRIBE {rows}"), take);
        Ok(())
    }
}

/// Gives the rows of a change; false if no more is wanted.
fn give(delta: &Delta, progress: bool, copy: bool, take: Taker<'_>) -> gnitz::Result<bool> {
    let cells = Cells::new(&delta.rows)?;
    let epoch = i64::try_from(delta.epoch).unwrap_or(i64::MAX);
    for (at, weight) in delta.weights.iter().enumerate() {
        let mut row = vec![(wire::Cell::Int(epoch), Type::Int64), (wire::Cell::Int(*weight), Type::Int64)];
        row.extend(progress.then_some((wire::Cell::Bool(false), Type::Bool)));
        row.extend((0..cells.columns()).map(|column| (cells.get(column, at), cells.ty(column))));
        let answer = if copy {
            let mut line = Vec::new();
            gnitz::text_line(&mut line, row.into_iter());
            Answer::Bytes(line)
        } else {
            Answer::Row(row.into_iter().map(|(value, ty)| cell(value, ty, Kind::of_type(ty))).collect())
        };
        if !take(answer) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Backend for Embedded {
    fn run(&mut self, text: &str, input: Option<&mut dyn Read>, take: Taker<'_>) -> Result<(), Fault> {
        self.cancelled.store(false, Ordering::Relaxed);
        let ran = self.execute(text, input, take);
        self.tell_notices(take);
        match ran {
            Ok(Ran::Done) => Ok(()),
            Ok(Ran::NoInput) => Err(no_input()),
            Err(error) => Err(Fault::of(&error, text)),
        }
    }

    fn cancel(&self) -> Cancel {
        let (handle, cancelled) = (self.session.cancel_handle(), Arc::clone(&self.cancelled));
        Arc::new(move |_| {
            cancelled.store(true, Ordering::Relaxed);
            handle.cancel();
        })
    }

    fn status(&self) -> Status {
        self.session.status()
    }

    fn names(&mut self) -> Vec<String> {
        self.session.names().unwrap_or_default()
    }

    fn title(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match &self.dir {
            Some(dir) => format!("Gnitz {version} on {}", dir.display()),
            None => format!("Gnitz {version}, in memory: nothing is kept when you leave"),
        }
    }

    fn close(self: Box<Self>) -> Result<(), Fault> {
        let Embedded { database, session, .. } = *self;
        drop(session);
        database.close().map_err(|error| {
            // Whatever was answered is in the log already; only tidying up has failed.
            let kept = "every acknowledged commit is kept; the next start reads them from the log";
            Fault::of(&error, "").with_hint(kept)
        })
    }
}

/// The lines of a copy on their way out.
struct Lines<'t> {
    take: Taker<'t>,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (self.take)(Answer::Bytes(bytes.to_vec())) {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
