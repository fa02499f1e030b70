//! Subscriptions: a relation's contents at one epoch, then the change of every later epoch that touched it,
//! in order, none lost and none twice.
//!
//! Publishing a commit pushes its delta (immutable, shared) into a queue and never waits for the reader. What a
//! slow reader leaves unread stays bounded by addition: when the queue is full, the two neighbours that are
//! smallest together become one delta, in which what was inserted and deleted meanwhile vanishes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use zset::Batch;

use crate::error::Result;
use crate::relation::Relation;
use crate::sync::lock;

/// How many unread deltas a subscription keeps apart.
const QUEUE_LIMIT: usize = 1024;

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
/// or the database is closed. The first item is the relation's contents, even if it is empty.
pub struct Subscription {
    relation: Arc<Relation>,
    /// The epoch it began at and the runs that hold the contents then, until they are read.
    contents: Option<(u64, Vec<Batch>)>,
    queue: Arc<Queue>,
}

impl Subscription {
    /// A subscription that begins at `epoch`, with what the runs hold; `queue` gets everything after it.
    pub(crate) fn new(
        relation: Arc<Relation>,
        epoch: u64,
        runs: Vec<Batch>,
        queue: Arc<Queue>,
    ) -> Subscription {
        Subscription { relation, contents: Some((epoch, runs)), queue }
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> Result<Option<Delta>> {
        self.next_timeout(Duration::ZERO)
    }

    /// The next change, waited for at most so long. `None` if there was none, or if there will be no more.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Delta>> {
        self.pop(Some(Instant::now() + timeout)).transpose()
    }

    /// Has `wake` called whenever a change has come and when no more will: for readers that wait for many
    /// subscriptions at once and not on a thread for each. It is called by whoever commits, so it must return at
    /// once and must not call the database. What came before is not told again: read what is there afterwards.
    pub fn set_waker(&mut self, wake: Box<dyn Fn() + Send + Sync>) {
        lock(&self.queue.state).waker = Some(Waker(Arc::from(wake)));
    }

    /// Whether every change has been read and no other will come.
    pub fn is_finished(&self) -> bool {
        let state = lock(&self.queue.state);
        self.contents.is_none() && state.ended && state.deltas.is_empty()
    }

    fn pop(&mut self, deadline: Option<Instant>) -> Option<Result<Delta>> {
        if let Some((epoch, runs)) = self.contents.take() {
            return Some(
                zset::merge(&runs).map_err(Into::into).and_then(|contents| self.decode(epoch, &contents)),
            );
        }
        let (epoch, batch) = self.queue.pop(deadline)?;
        Some(self.decode(epoch, &batch))
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
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<Unread>,
    ready: Condvar,
}

#[derive(Default)]
struct Unread {
    deltas: VecDeque<(u64, Batch)>,
    ended: bool,
    waker: Option<Waker>,
}

/// Who is to be called when there is something to read.
#[derive(Clone)]
struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Queue {
    /// Adds the delta of a later epoch.
    pub(crate) fn push(&self, epoch: u64, delta: Batch) {
        let mut state = lock(&self.state);
        state.deltas.push_back((epoch, delta));
        if state.deltas.len() > QUEUE_LIMIT {
            state.fold_smallest_pair();
        }
        self.tell(state);
    }

    /// No delta will follow.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        self.tell(state);
    }

    /// Wakes the reader, without the lock that it will want.
    fn tell(&self, state: MutexGuard<'_, Unread>) {
        let waker = state.waker.clone();
        drop(state);
        self.ready.notify_all();
        if let Some(Waker(wake)) = waker {
            wake();
        }
    }

    /// The oldest delta; waits for it until the deadline, or for good if there is none.
    fn pop(&self, deadline: Option<Instant>) -> Option<(u64, Batch)> {
        let mut state = lock(&self.state);
        loop {
            if let Some(delta) = state.deltas.pop_front() {
                return Some(delta);
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
        self.deltas[at + 1].1 = sum;
        self.deltas.remove(at);
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
        let queue = Queue::default();
        for epoch in 1..=5_000_u32 {
            queue.push(u64::from(epoch), one(epoch % 10, 1));
        }
        assert!(lock(&queue.state).deltas.len() <= QUEUE_LIMIT);
        queue.end();
        let mut weights = [0_i64; 10];
        let mut last = 0;
        while let Some((epoch, batch)) = queue.pop(None) {
            assert!(epoch >= last);
            last = epoch;
            for row in 0..batch.len() {
                weights[usize::from(batch.key(row)[3])] += batch.weight(row);
            }
        }
        assert_eq!((last, weights), (5_000, [500; 10]));
    }

    #[test]
    fn the_waker_is_called_for_each_change_and_for_the_end() {
        let queue = Queue::default();
        let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let wake = move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        lock(&queue.state).waker = Some(Waker(Arc::new(wake)));
        queue.push(1, one(1, 1));
        queue.push(2, one(2, 1));
        queue.end();
        assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 3);
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let queue = Queue::default();
        assert!(queue.pop(Some(Instant::now())).is_none());
    }
}
