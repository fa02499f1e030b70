//! Rows into a table around SQL: the way of the appender and of COPY.
//!
//! Rows are collected by column and checked there (`sql::Loader`, with the same rules as INSERT), encoded a piece
//! at a time, and sorted in parts that the memory of one batch can hold.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use sql::{Loader, Planner};
use zset::{Batch, BatchBuilder, Datum, Strings, ZsetError};

use crate::clock;
use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::sequence::Source;
use crate::snapshot::Snapshot;
use crate::transaction::too_large;

/// Rows that are collected before they are encoded.
const PIECE_ROWS: usize = 1 << 14;

/// Bytes after which encoded rows are sorted into a batch.
const PART_BYTES: usize = 64 << 20;

/// Gathers a table's rows into sorted batches.
pub(crate) struct Gather {
    relation: Arc<Relation>,
    loader: Loader,
    now: Option<i64>,
    builder: BatchBuilder,
    parts: Vec<Batch>,
    rows: u64,
    /// The encoded primary keys of rows that go.
    removed: Strings,
    sequences: Source,
    /// The bytes of the parts, and how many there may be.
    bytes: usize,
    most: usize,
}

impl Gather {
    /// Nothing gathered yet. Rows give these columns, or all of them if none are named. `now` is what defaults of
    /// `now()` give; without it that is when their rows are encoded. They may have `most` bytes.
    pub(crate) fn new(
        planner: &Arc<Planner>,
        snapshot: Snapshot,
        relation: Arc<Relation>,
        (columns, sequences): (&[String], Source),
        (now, most): (Option<i64>, usize),
    ) -> Result<Gather> {
        let snapshot: Arc<dyn sql::Snapshot> = Arc::new(snapshot);
        let loader = Loader::new(planner, &snapshot, relation.name(), columns)?;
        let (builder, parts, removed) = (BatchBuilder::new(), Vec::new(), Strings::new());
        Ok(Gather { relation, loader, now, builder, parts, rows: 0, removed, sequences, bytes: 0, most })
    }

    /// The table.
    pub(crate) fn relation(&self) -> &Arc<Relation> {
        &self.relation
    }

    /// How many rows were added since the last [`Gather::take`].
    pub(crate) fn rows(&self) -> u64 {
        self.rows + self.loader.rows() as u64
    }

    /// How many rows and keys wait.
    pub(crate) fn pending(&self) -> u64 {
        self.rows() + self.removed.len() as u64
    }

    /// Adds rows given as Arrow columns.
    pub(crate) fn add_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.loader.push_batch(batch)?;
        self.encode_if(PIECE_ROWS)
    }

    /// Adds a row given as values.
    pub(crate) fn add_row(&mut self, row: &[Datum]) -> Result<()> {
        self.loader.push(row)?;
        self.encode_if(PIECE_ROWS)
    }

    /// Adds a row given as text. A value that cannot be stored is told at once.
    pub(crate) fn add_text<'f>(
        &mut self,
        fields: impl ExactSizeIterator<Item = Option<&'f str>>,
    ) -> Result<()> {
        self.loader.push_text(fields)?;
        self.encode_if(PIECE_ROWS)
    }

    /// Notes that the row with this primary key is to go.
    pub(crate) fn remove_row(&mut self, key: &[Datum]) -> Result<()> {
        let Relation { def, layout, .. } = self.relation.as_ref();
        let unusable = || {
            let (name, count) = (&def.name, def.primary_key.len());
            let message = match count {
                0 => format!("table \"{name}\" has no primary key to remove rows by"),
                _ => format!("the primary key of table \"{name}\" is {count} values of its columns' types"),
            };
            Error::Usage { message }
        };
        if def.primary_key.is_empty() || key.len() != def.primary_key.len() {
            return Err(unusable());
        }
        let mut encoded = Vec::with_capacity(32);
        match layout.encode_prefix(key, &mut encoded) {
            Ok(()) => self.removed.push(&encoded),
            // No row can have the key.
            Err(ZsetError::Null { .. } | ZsetError::OutOfRange { .. }) => {}
            Err(_) => return Err(unusable()),
        }
        Ok(())
    }

    /// The keys of the rows that go.
    pub(crate) fn take_removed(&mut self) -> Strings {
        std::mem::take(&mut self.removed)
    }

    /// Everything gathered, as one sorted batch.
    pub(crate) fn take(&mut self) -> Result<Batch> {
        self.encode_if(0)?;
        (self.rows, self.bytes) = (0, 0);
        let mut parts = std::mem::take(&mut self.parts);
        parts.push(std::mem::take(&mut self.builder).finish()?);
        match parts.as_slice() {
            [only] => Ok(only.clone()),
            several => Ok(zset::merge(several)?),
        }
    }

    fn encode_if(&mut self, rows: usize) -> Result<()> {
        if self.loader.rows() >= rows {
            if self.now.is_none() {
                // An appender may outlive the transaction in which it began.
                self.sequences.renew()?;
            }
            let now = self.now.unwrap_or_else(clock::now_micros);
            self.rows += self.loader.encode(now, &self.sequences, &mut self.builder)?;
        }
        if self.builder.bytes() >= PART_BYTES {
            self.bytes += self.builder.bytes();
            if self.bytes > self.most {
                return Err(too_large(self.most));
            }
            self.parts.push(std::mem::take(&mut self.builder).finish()?);
        }
        Ok(())
    }
}
