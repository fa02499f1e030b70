//! `SUBSCRIBE`: a result that does not end, or not before the client, the server or the relation does.
//!
//! Rows are written as fast as the client reads them; while it does not, the engine adds up what it missed, and no
//! commit waits. If even that is too much, the client is told after which epoch to go on.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use gnitz::wire::{Cell, Cells};
use gnitz::{Delta, Type};

use crate::feed::AsyncFeed;
use crate::pg::cancel::Cause;
use crate::pg::error::Report;
use crate::pg::frame::Formats;
use crate::pg::portal::Done;
use crate::pg::session::Client;
use crate::pg::statement::{Body, Statement};

/// How often a feed without changes looks whether it is to end, and tells how far it is.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// A change as it was read.
pub(crate) struct Change {
    pub(crate) epoch: u64,
    pub(crate) weights: Vec<i64>,
    cells: Cells,
}

impl Change {
    pub(crate) fn of(delta: Delta) -> gnitz::Result<Change> {
        Ok(Change { epoch: delta.epoch, cells: Cells::new(&delta.rows)?, weights: delta.weights })
    }
}

/// How rows are written.
pub(crate) struct Form<'f> {
    pub(crate) formats: &'f Formats,
    /// As lines of a copy.
    pub(crate) copy: bool,
    /// With a column that says whether only an epoch is told.
    pub(crate) progress: bool,
    /// The types of the columns that are followed.
    pub(crate) types: Vec<Type>,
}

impl Client {
    /// Runs a `SUBSCRIBE`. With `describe` the columns are told first.
    pub(crate) async fn follow(
        &mut self,
        statement: &Arc<Statement>,
        formats: &Formats,
        describe: bool,
    ) -> io::Result<Result<Done, Report>> {
        let Body::Engine(engine) = &statement.body else { return Ok(Ok(Done::Empty)) };
        let begun = self.guarded(false, &statement.text, || {
            let Some(feed) = engine.subscribe()? else { return Ok(None) };
            let columns = feed.columns()?;
            Ok(Some((feed, columns)))
        });
        let (feed, columns) = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(Ok(Done::Empty)),
            Err(report) => return Ok(Err(report)),
        };
        let own = if feed.progress { 3 } else { 2 };
        let types = columns[own..].iter().map(|column| column.ty).collect();
        let form = Form { formats, copy: feed.copy, progress: feed.progress, types };
        if form.copy {
            self.io.out.copy(b'H', gnitz::CopyLayout { binary: false, columns: columns.len() });
        } else if describe {
            self.io.out.columns(&columns, formats);
        }
        let epoch = feed.subscription.epoch();
        let _open = self.meter.metrics.subscription("pg");
        self.backend.begin(None);
        let ended =
            self.pass_changes(AsyncFeed::new(Box::new(feed.subscription), Change::of), &form, epoch).await;
        let cause = self.backend.end();
        Ok(match (ended?, cause) {
            (_, Some(cause)) => Err(cause.report()),
            (Err(error), None) => Err(Report::of(&error, &statement.text)),
            (Ok(rows), None) => {
                if form.copy {
                    self.io.out.plain(b'c');
                }
                Ok(Done::Tag(format!("SUBSCRIBE {rows}")))
            }
        })
    }

    /// Writes changes until there are no more, or somebody stops it; says how many rows there were.
    async fn pass_changes(
        &mut self,
        mut feed: AsyncFeed<gnitz::Result<Change>>,
        form: &Form<'_>,
        mut told: u64,
    ) -> io::Result<gnitz::Result<u64>> {
        let (mut rows, mut woken) = (0, true);
        loop {
            // Whatever belongs to this epoch is in the feed once it can be seen.
            let reached = self.database_epoch();
            let mut more = woken || form.progress;
            while more {
                match feed.try_next().await {
                    Err(error) => return Ok(Err(error)),
                    Ok(None) => more = false,
                    Ok(Some(Err(error))) => return Ok(Err(error)),
                    Ok(Some(Ok(change))) => {
                        told = change.epoch;
                        rows += self.write_rows(&change, 0..change.weights.len(), form).await?;
                    }
                }
            }
            if form.progress && reached.is_some_and(|reached| reached > told) {
                told = reached.unwrap_or(told);
                self.write_progress(told, form);
            }
            self.io.flush().await?;
            if feed.is_finished() {
                return Ok(Ok(rows));
            }
            if self.is_ending() {
                self.backend.stop(Cause::Shutdown);
            }
            if self.backend.is_stopped() {
                return Ok(Ok(rows));
            }
            woken = tokio::select! {
                () = feed.ready() => true,
                more = self.io.fill() => if more? { true } else {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                },
                () = tokio::time::sleep(LOOK) => false,
            };
        }
    }

    /// Writes some rows of a change, and says how many.
    pub(crate) async fn write_rows(
        &mut self,
        change: &Change,
        rows: Range<usize>,
        form: &Form<'_>,
    ) -> io::Result<u64> {
        let cells = &change.cells;
        let epoch = i64::try_from(change.epoch).unwrap_or(i64::MAX);
        let mut row: Vec<(Cell<'_>, Type)> = Vec::with_capacity(cells.columns() + 3);
        let count = rows.len() as u64;
        for at in rows {
            let weight = change.weights[at];
            row.clear();
            row.extend([(Cell::Int(epoch), Type::Int64), (Cell::Int(weight), Type::Int64)]);
            row.extend(form.progress.then_some((Cell::Bool(false), Type::Bool)));
            row.extend((0..cells.columns()).map(|column| (cells.get(column, at), cells.ty(column))));
            match form.copy {
                true => self.io.out.line(&row),
                false => self.io.out.cells(&row, form.formats),
            }
            self.io.relieve().await?;
        }
        self.meter.metrics.rows("pg", "read", count);
        Ok(count)
    }

    /// Writes a row that tells of an epoch alone.
    pub(crate) fn write_progress(&mut self, epoch: u64, form: &Form<'_>) {
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        let mut row =
            vec![(Cell::Int(epoch), Type::Int64), (Cell::Null, Type::Int64), (Cell::Bool(true), Type::Bool)];
        row.extend(form.types.iter().map(|ty| (Cell::Null, *ty)));
        match form.copy {
            true => self.io.out.line(&row),
            false => self.io.out.cells(&row, form.formats),
        }
    }
}
