//! The bulk path into a table: rows are encoded as they come, sorted, and committed as one epoch at each flush.
//! Rows that go are named by their primary keys and looked up in the order of these, all in one pass.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use zset::Datum;

use crate::error::{Error, Result};
use crate::mode::Core;
use crate::rows::Gather;

/// Adds rows to one table and takes rows away, around SQL. Nothing is visible before [`Appender::flush`]; rows that are not flushed
/// when it drops are forgotten. After an error of an `append` method, make a new one.
///
/// Inside an explicit transaction of its session, a flush adds the rows to that transaction instead.
pub struct Appender {
    core: Arc<Core>,
    gathered: Gather,
}

impl Appender {
    pub(crate) fn new(core: Arc<Core>, gathered: Gather) -> Appender {
        Appender { core, gathered }
    }

    /// Adds the rows of a batch that has the table's columns in the table's order. Arrow types that differ from
    /// the columns' are converted as an assignment converts.
    pub fn append_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.gathered.add_batch(batch)
    }

    /// Adds a row: one value for each column, in the representation of its type (see [`Datum`]).
    pub fn append_row(&mut self, row: &[Datum]) -> Result<()> {
        self.gathered.add_row(row)
    }

    /// Adds a row given as text, each value read as a quoted literal of its column's type; `None` is NULL. A value
    /// that cannot be stored is told at once.
    pub fn append_text<'f>(&mut self, fields: impl ExactSizeIterator<Item = Option<&'f str>>) -> Result<()> {
        self.gathered.add_text(fields)
    }

    /// Takes away the row with this primary key, given as [`Appender::append_row`] takes values; without such a row
    /// nothing happens. A flush first removes and then adds, whatever the order of the calls: a row that is removed
    /// and appended is replaced.
    pub fn remove_row(&mut self, key: &[Datum]) -> Result<()> {
        self.gathered.remove_row(key)
    }

    /// How many rows and keys wait for the next flush.
    pub fn pending(&self) -> u64 {
        self.gathered.pending()
    }

    /// Commits what was appended and removed, all of it or nothing, and returns how many rows that are. After an
    /// error the rows are forgotten.
    pub fn flush(&mut self) -> Result<u64> {
        self.core.clear_cancel();
        flush(&self.core, &mut self.gathered)
    }
}

/// Adds what was gathered to the session's transaction, or commits it if none is open.
pub(crate) fn flush(core: &Core, gathered: &mut Gather) -> Result<u64> {
    let (rows, removed) = (gathered.rows(), gathered.take_removed());
    let batch = gathered.take()?;
    let relation = gathered.relation();
    core.write(None, |work| {
        let current = work.relation(relation.name())?;
        if current.id() != relation.id() {
            return Err(Error::UndefinedTable { name: relation.name().to_string() });
        }
        Ok(rows + work.load(&current, &batch, &removed)?)
    })
}
