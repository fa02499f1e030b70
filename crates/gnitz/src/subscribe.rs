//! Subscriptions: a relation's contents at one epoch, or what changed since an earlier one, then the change of every
//! later epoch that touched it, in order, none lost and none twice.
//!
//! Publishing a commit pushes its delta (immutable, shared) into a queue and never waits for the reader. What a
//! slow reader leaves unread stays bounded by addition: when the queue is full, the two neighbours that are
//! smallest together become one delta, in which what was inserted and deleted meanwhile vanishes. If even that grows
//! past a bound, the deltas are dropped and the reader gets an error that says after which epoch to resume.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use sql::types;
use zset::Batch;

use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::sync::lock;

/// How many unread deltas a subscription keeps apart.
const QUEUE_LIMIT: usize = 1024;

/// How many bytes of unread deltas a subscription keeps.
const QUEUE_BYTES: usize = 64 << 20;

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

/// The changes of one relation: an iterator that waits for the next one, and ends when the relation is dropped
/// or the database is closed.
pub struct Subscription {
    relation: Arc<Relation>,
    /// The epoch up to which everything has been read.
    epoch: u64,
    /// The runs that make up the first delta, until it is read.
    first: Option<Vec<Batch>>,
    queue: Arc<Queue>,
}

impl Subscription {
    /// A subscription that begins at `epoch`, with what the runs hold; `queue` gets everything after it.
    pub(crate) fn new(
        relation: Arc<Relation>,
        epoch: u64,
        first: Option<Vec<Batch>>,
        queue: Arc<Queue>,
    ) -> Subscription {
        Subscription { relation, epoch, first, queue }
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

    /// Whether every change has been read and no other will come.
    pub fn is_finished(&self) -> bool {
        let state = lock(&self.queue.state);
        self.first.is_none() && state.ended && !state.lagged && state.deltas.is_empty()
    }

    fn pop(&mut self, deadline: Option<Instant>) -> Option<Result<Delta>> {
        if let Some(runs) = self.first.take() {
            let first = zset::merge(&runs).map_err(Into::into);
            return Some(first.and_then(|batch| self.decode(self.epoch, &batch)));
        }
        match self.queue.pop(deadline)? {
            Unqueued::Delta(epoch, batch) => {
                self.epoch = epoch;
                Some(self.decode(epoch, &batch))
            }
            Unqueued::Lagged => Some(Err(Error::Lagged { epoch: self.epoch })),
        }
    }

    fn decode(&self, epoch: u64, batch: &Batch) -> Result<Delta> {
        let rows = self.relation.record_batch(batch)?;
        Ok(Delta { epoch, rows, weights: batch.weights().to_vec() })
    }
}

impl Iterator for Subscription {
    type Item = Result<Delta>;

    fn next(&mut self) -> Option<Result<Delta>> {
        self.pop(None)
    }
}

/// The unread deltas of one subscription: the publisher's end.
pub(crate) struct Queue {
    state: Mutex<Unread>,
    ready: Condvar,
}

struct Unread {
    deltas: VecDeque<(u64, Batch)>,
    /// Of all deltas.
    bytes: usize,
    /// The newest epoch that was told.
    epoch: u64,
    ended: bool,
    /// Deltas were dropped, and the reader has not heard of it yet.
    lagged: bool,
}

/// What a reader finds.
enum Unqueued {
    Delta(u64, Batch),
    /// From here on something was dropped.
    Lagged,
}

impl Queue {
    /// A queue for what comes after this epoch.
    pub(crate) fn new(epoch: u64) -> Queue {
        let deltas = VecDeque::new();
        let state = Unread { deltas, bytes: 0, epoch, ended: false, lagged: false };
        Queue { state: Mutex::new(state), ready: Condvar::new() }
    }

    /// Adds the delta of a later epoch.
    pub(crate) fn push(&self, epoch: u64, delta: Batch) {
        let mut state = lock(&self.state);
        debug_assert!(epoch > state.epoch, "epochs are told in order");
        if state.ended {
            return;
        }
        state.epoch = epoch;
        state.bytes += delta.bytes();
        state.deltas.push_back((epoch, delta));
        if state.deltas.len() > QUEUE_LIMIT {
            state.fold_smallest_pair();
        }
        if state.bytes > QUEUE_BYTES {
            state.give_up();
        }
        drop(state);
        self.ready.notify_one();
    }

    /// A later epoch left the relation alone.
    pub(crate) fn pass(&self, epoch: u64) {
        lock(&self.state).epoch = epoch;
    }

    /// The newest epoch told, if everything told has been read.
    fn complete(&self) -> Option<u64> {
        let state = lock(&self.state);
        (state.deltas.is_empty() && !state.lagged).then_some(state.epoch)
    }

    /// No delta will follow.
    pub(crate) fn end(&self) {
        lock(&self.state).ended = true;
        self.ready.notify_all();
    }

    /// The oldest delta; waits for it until the deadline, or for good if there is none.
    fn pop(&self, deadline: Option<Instant>) -> Option<Unqueued> {
        let mut state = lock(&self.state);
        loop {
            if let Some((epoch, delta)) = state.deltas.pop_front() {
                state.bytes -= delta.bytes();
                return Some(Unqueued::Delta(epoch, delta));
            }
            if std::mem::take(&mut state.lagged) {
                return Some(Unqueued::Lagged);
            }
            if state.ended {
                return None;
            }
            state = match deadline {
                None => self.ready.wait(state).unwrap_or_else(|broken| broken.into_inner()),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    let waited = self.ready.wait_timeout(state, left);
                    waited.unwrap_or_else(|broken| broken.into_inner()).0
                }
            };
        }
    }
}

impl Unread {
    /// Adds up two neighbours. Where the sum is too large for one batch, both stay as they are.
    fn fold_smallest_pair(&mut self) {
        let size = |at: usize| self.deltas[at].1.len() + self.deltas[at + 1].1.len();
        let Some(at) = (0..self.deltas.len() - 1).min_by_key(|&at| size(at)) else { return };
        let Ok(sum) = zset::merge(&[self.deltas[at].1.clone(), self.deltas[at + 1].1.clone()]) else {
            return;
        };
        let before = self.deltas[at].1.bytes() + self.deltas[at + 1].1.bytes();
        self.bytes = self.bytes - before + sum.bytes();
        self.deltas[at + 1].1 = sum;
        self.deltas.remove(at);
    }

    /// Adds up everything; if that is still too much, drops it.
    fn give_up(&mut self) {
        let all: Vec<Batch> = self.deltas.iter().map(|(_, delta)| delta.clone()).collect();
        let sum = zset::merge(&all).ok().filter(|sum| sum.bytes() <= QUEUE_BYTES / 2);
        self.deltas.clear();
        self.bytes = 0;
        match sum {
            Some(sum) => {
                self.bytes = sum.bytes();
                self.deltas.push_back((self.epoch, sum));
            }
            None => (self.ended, self.lagged) = (true, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zset::BatchBuilder;

    fn one(key: u32, weight: i64) -> Batch {
        let mut builder = BatchBuilder::new();
        builder.push(&key.to_be_bytes(), &[], weight).unwrap();
        builder.finish().unwrap()
    }

    #[test]
    fn a_slow_reader_costs_a_bounded_queue_and_loses_nothing() {
        let queue = Queue::new(0);
        for epoch in 1..=5_000_u32 {
            queue.push(u64::from(epoch), one(epoch % 10, 1));
        }
        assert!(lock(&queue.state).deltas.len() <= QUEUE_LIMIT);
        queue.end();
        let mut weights = [0_i64; 10];
        let mut last = 0;
        while let Some(Unqueued::Delta(epoch, batch)) = queue.pop(None) {
            assert!(epoch >= last);
            last = epoch;
            for row in 0..batch.len() {
                weights[usize::from(batch.key(row)[3])] += batch.weight(row);
            }
        }
        assert_eq!((last, weights), (5_000, [500; 10]));
    }

    #[test]
    fn a_reader_who_cannot_follow_is_told_once() {
        let queue = Queue::new(0);
        for epoch in 1..=80_u32 {
            let mut builder = BatchBuilder::new();
            builder.push(&epoch.to_be_bytes(), &vec![7; 1 << 20], 1).unwrap();
            queue.push(u64::from(epoch), builder.finish().unwrap());
        }
        assert!(lock(&queue.state).bytes <= QUEUE_BYTES);
        assert!(matches!(queue.pop(None), Some(Unqueued::Lagged)));
        assert!(queue.pop(None).is_none());
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let queue = Queue::new(0);
        assert!(queue.pop(Some(Instant::now())).is_none());
    }
}
