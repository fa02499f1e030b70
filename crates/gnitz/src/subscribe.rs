//! Subscriptions: what a relation or a query holds at one epoch, or what changed since an earlier one, then the change
//! of every later epoch that touched it, in order, none lost and none twice.
//!
//! A reader may be slow: commits never wait for it (`queue.rs`), and what it left unread comes as fewer, larger
//! changes. If that is too much to keep, it gets an error that says after which epoch to resume. A session's
//! subscription ends with an error when the session's role loses the right to read what is followed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use sql::types;
use zset::Batch;

use crate::error::{Error, Result};
use crate::live::Live;
use crate::queue::{Found, Queue};
use crate::relation::Relation;

/// Changes of so many bytes are read in no time.
const BRIEF_BYTES: usize = 16 << 10;

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the contents, as the first delta, even if it is empty.
    Contents,
    /// With the first change from now on.
    Now,
    /// With what changed after this epoch, which the subscriber has: the changes up to now are one delta.
    After(u64),
}

/// The change of a relation in one epoch.
#[derive(Clone, Debug)]
pub struct Delta {
    /// The epoch that the relation is at once this change is added; of several epochs read late as one, the last.
    pub epoch: u64,
    /// The rows that changed.
    pub rows: RecordBatch,
    /// For each row how many of it came (positive) or went (negative).
    pub weights: Vec<i64>,
}

/// The changes of one relation or query: an iterator that waits for the next one, and ends when a relation it follows
/// is dropped or the database is closed.
pub struct Subscription {
    relation: Arc<Relation>,
    /// The epoch up to which everything has been read.
    epoch: u64,
    /// The runs that make up the first delta, until it is read.
    first: Option<Vec<Batch>>,
    /// The query that is followed, if it is not a relation.
    live: Option<Box<Live>>,
    queue: Arc<Queue>,
}

impl Subscription {
    /// A subscription of a relation that begins at `epoch`, with what the runs hold; `queue` gets what comes after.
    pub(crate) fn new(
        relation: Arc<Relation>,
        epoch: u64,
        first: Option<Vec<Batch>>,
        queue: Arc<Queue>,
    ) -> Subscription {
        Subscription { relation, epoch, first, live: None, queue }
    }

    /// A subscription of a query, answered as of `epoch`; `queue` gets the changes of what it reads.
    pub(crate) fn of_query(
        live: Live,
        epoch: u64,
        first: Option<Vec<Batch>>,
        queue: Arc<Queue>,
    ) -> Subscription {
        let relation = Arc::clone(&live.relation);
        Subscription { relation, epoch, first, live: Some(Box::new(live)), queue }
    }

    /// What is followed, as a relation.
    pub(crate) fn relation(&self) -> &Relation {
        &self.relation
    }

    /// The columns of the rows.
    pub fn schema(&self) -> SchemaRef {
        types::arrow_schema(&self.relation.def.columns)
    }

    /// The epoch up to which everything has been read: the changes of every epoch up to it were delivered, or there
    /// were none. It moves on with commits that leave the relation alone, too.
    pub fn epoch(&self) -> u64 {
        match self.first {
            Some(_) => self.epoch,
            None => self.queue.complete().unwrap_or(self.epoch),
        }
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> Result<Option<Delta>> {
        self.next_timeout(Duration::ZERO)
    }

    /// The next change, waited for at most so long. `None` if there was none, or if there will be no more.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Delta>> {
        self.pop(Some(Instant::now() + timeout)).transpose()
    }

    /// Whether [`Subscription::try_next`] takes some microseconds now: there is nothing to read, or it is a small change
    /// of a relation. What a query makes of a change can take as long as the query.
    pub fn is_brief(&self) -> bool {
        (self.first.is_none() || self.queue.is_refused())
            && match self.queue.next_bytes() {
                0 => true,
                bytes => self.live.is_none() && bytes <= BRIEF_BYTES,
            }
    }

    /// Has `wake` called whenever a change has come and when no more will: for readers that wait for many
    /// subscriptions at once and not on a thread for each. It is called by whoever commits, so it must return at
    /// once and must not call the database. What came before is not told again: read what is there afterwards.
    pub fn set_waker(&mut self, wake: Box<dyn Fn() + Send + Sync>) {
        self.queue.set_waker(Arc::from(wake));
    }

    /// Whether every change has been read and no other will come.
    pub fn is_finished(&self) -> bool {
        self.first.is_none() && self.queue.is_finished()
    }

    fn pop(&mut self, deadline: Option<Instant>) -> Option<Result<Delta>> {
        if self.queue.is_refused() {
            self.first = None;
        }
        if let Some(runs) = self.first.take() {
            let first = zset::merge(&runs).map_err(Into::into);
            return Some(first.and_then(|batch| self.decode(&batch)));
        }
        loop {
            let change = match self.queue.pop(deadline)? {
                Found::Lagged => return Some(Err(Error::Lagged { epoch: self.epoch })),
                Found::Refused(refusal) => return Some(Err(refusal)),
                Found::Change(change) => change,
            };
            let batch = match (&mut self.live, change.version) {
                (Some(live), Some(version)) => live.step(version, &change.changes),
                _ => Ok(change.changes.get(&self.relation.id()).cloned()),
            };
            match batch {
                Err(error) => {
                    // The answer is not known any more: nothing may follow.
                    self.queue.end();
                    return Some(Err(error));
                }
                Ok(batch) => {
                    self.epoch = change.epoch;
                    if let Some(batch) = batch {
                        return Some(self.decode(&batch));
                    }
                }
            }
        }
    }

    fn decode(&self, batch: &Batch) -> Result<Delta> {
        let rows = self.relation.record_batch(batch)?;
        Ok(Delta { epoch: self.epoch, rows, weights: batch.weights().to_vec() })
    }
}

impl Iterator for Subscription {
    type Item = Result<Delta>;

    fn next(&mut self) -> Option<Result<Delta>> {
        self.pop(None)
    }
}
