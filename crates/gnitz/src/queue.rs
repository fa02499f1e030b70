//! The unread changes of one subscription.
//!
//! Publishing a commit pushes its changes (immutable, shared) and never waits for the reader. What a slow reader
//! leaves unread stays bounded by addition: when the queue is full, the two neighbours that are smallest together
//! become one, in which what was inserted and deleted meanwhile vanishes. If even that grows past a bound, everything
//! is dropped and the reader is told so.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use zset::{Batch, Deltas};

use crate::error::Error;
use crate::sync::lock;
use crate::version::Version;

/// How many unread changes a subscription keeps apart.
const LIMIT: usize = 1024;

/// How many bytes of unread changes a subscription keeps.
const LIMIT_BYTES: usize = 64 << 20;

/// What changed with one commit, or with several that were folded.
pub(crate) struct Unread {
    /// The epoch after it.
    pub(crate) epoch: u64,
    /// The changes.
    pub(crate) changes: Deltas,
    /// The database after it, for readers who need it.
    pub(crate) version: Option<Arc<Version>>,
}

impl Unread {
    fn rows(&self) -> usize {
        self.changes.values().map(Batch::len).sum()
    }

    fn bytes(&self) -> usize {
        self.changes.values().map(Batch::bytes).sum()
    }

    /// This, and then the later one. `None` where a sum is too large for one batch.
    fn then(&self, later: &Unread) -> Option<Unread> {
        let mut changes = self.changes.clone();
        for (&id, change) in &later.changes {
            let sum = match changes.get(&id) {
                Some(before) => before.add(change).ok()?,
                None => change.clone(),
            };
            changes.insert(id, sum);
        }
        Some(Unread { epoch: later.epoch, changes, version: later.version.clone() })
    }
}

/// What a reader finds.
pub(crate) enum Found {
    /// The oldest change.
    Change(Unread),
    /// From here on changes were dropped.
    Lagged,
    /// The reader may not read on.
    Refused(Error),
}

/// Who is to be called when there is something to read.
type Waker = Arc<dyn Fn() + Send + Sync>;

/// The queue: the publisher pushes, one reader pops.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

struct State {
    unread: VecDeque<Unread>,
    /// Of all of them.
    bytes: usize,
    /// The newest epoch that was told.
    epoch: u64,
    ended: bool,
    /// Why the reader cannot read on, until it has heard of it.
    verdict: Option<Found>,
    /// What was told is not all that there is to read, or was.
    dropped: bool,
    waker: Option<Waker>,
}

impl Queue {
    /// A queue for what comes after this epoch.
    pub(crate) fn new(epoch: u64) -> Queue {
        let unread = VecDeque::new();
        let state =
            State { unread, bytes: 0, epoch, ended: false, verdict: None, dropped: false, waker: None };
        Queue { state: Mutex::new(state), ready: Condvar::new() }
    }

    /// Adds what changed in a later epoch.
    pub(crate) fn push(&self, change: Unread) {
        let mut state = lock(&self.state);
        debug_assert!(change.epoch > state.epoch, "epochs are told in order");
        if state.ended {
            return;
        }
        state.epoch = change.epoch;
        state.bytes += change.bytes();
        state.unread.push_back(change);
        if state.unread.len() > LIMIT {
            state.fold_smallest_pair();
        }
        if state.bytes > LIMIT_BYTES {
            state.fold_all();
        }
        self.tell(state);
    }

    /// A later epoch left everything alone that is followed here.
    pub(crate) fn pass(&self, epoch: u64) {
        lock(&self.state).epoch = epoch;
    }

    /// Nothing will follow.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        self.tell(state);
    }

    /// The reader may not read on: neither what follows nor what it has left unread.
    pub(crate) fn refuse(&self, refusal: Error) {
        let mut state = lock(&self.state);
        state.unread.clear();
        state.bytes = 0;
        (state.ended, state.dropped) = (true, true);
        state.verdict = Some(Found::Refused(refusal));
        self.tell(state);
    }

    /// Whether the reader has yet to hear that it may not read on.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(lock(&self.state).verdict, Some(Found::Refused(_)))
    }

    /// Has `wake` called whenever something is added, and at the end.
    pub(crate) fn set_waker(&self, wake: Waker) {
        lock(&self.state).waker = Some(wake);
    }

    /// The newest epoch told, if everything told has been read.
    pub(crate) fn complete(&self) -> Option<u64> {
        let state = lock(&self.state);
        (state.unread.is_empty() && !state.dropped).then_some(state.epoch)
    }

    /// How many bytes the oldest change has; 0 without one.
    pub(crate) fn next_bytes(&self) -> usize {
        lock(&self.state).unread.front().map_or(0, Unread::bytes)
    }

    /// Whether everything has been read and nothing will follow.
    pub(crate) fn is_finished(&self) -> bool {
        let state = lock(&self.state);
        state.ended && state.verdict.is_none() && state.unread.is_empty()
    }

    /// The oldest change; waits for it until the deadline, or for good if there is none.
    pub(crate) fn pop(&self, deadline: Option<Instant>) -> Option<Found> {
        let mut state = lock(&self.state);
        loop {
            if let Some(change) = state.unread.pop_front() {
                state.bytes -= change.bytes();
                return Some(Found::Change(change));
            }
            if let Some(verdict) = state.verdict.take() {
                return Some(verdict);
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

    /// Wakes the reader, without the lock that it will want.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let waker = state.waker.clone();
        drop(state);
        self.ready.notify_all();
        if let Some(wake) = waker {
            wake();
        }
    }
}

impl State {
    /// Adds up two neighbours. Where the sum is too large for one batch, both stay as they are.
    fn fold_smallest_pair(&mut self) {
        let size = |at: usize| self.unread[at].rows() + self.unread[at + 1].rows();
        let Some(at) = (0..self.unread.len() - 1).min_by_key(|&at| size(at)) else { return };
        let Some(sum) = self.unread[at].then(&self.unread[at + 1]) else { return };
        self.bytes = self.bytes + sum.bytes() - self.unread[at].bytes() - self.unread[at + 1].bytes();
        self.unread[at + 1] = sum;
        self.unread.remove(at);
    }

    /// Adds up everything; if that is still too much, drops it.
    fn fold_all(&mut self) {
        let mut sum = self.unread.pop_front();
        for later in self.unread.drain(..) {
            sum = sum.and_then(|sum| sum.then(&later));
        }
        self.unread.extend(sum.filter(|sum| sum.bytes() <= LIMIT_BYTES / 2));
        self.bytes = self.unread.iter().map(Unread::bytes).sum();
        if self.unread.is_empty() {
            (self.ended, self.dropped) = (true, true);
            self.verdict = Some(Found::Lagged);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use zset::{BatchBuilder, CollectionId};

    use super::*;

    const ID: CollectionId = CollectionId(1);

    fn change(epoch: u32, key: u32, value: &[u8]) -> Unread {
        let mut builder = BatchBuilder::new();
        builder.push(&key.to_be_bytes(), value, 1).unwrap();
        let changes = Deltas::from([(ID, builder.finish().unwrap())]);
        Unread { epoch: epoch.into(), changes, version: None }
    }

    #[test]
    fn a_slow_reader_costs_a_bounded_queue_and_loses_nothing() {
        let queue = Queue::new(0);
        for epoch in 1..=5_000 {
            queue.push(change(epoch, epoch % 10, &[]));
        }
        assert!(lock(&queue.state).unread.len() <= LIMIT);
        queue.end();
        let mut weights = [0_i64; 10];
        let mut last = 0;
        while let Some(Found::Change(change)) = queue.pop(None) {
            assert!(change.epoch >= last);
            last = change.epoch;
            let batch = &change.changes[&ID];
            for row in 0..batch.len() {
                weights[usize::from(batch.key(row)[3])] += batch.weight(row);
            }
        }
        assert_eq!((last, weights), (5_000, [500; 10]));
        assert!(queue.is_finished());
    }

    #[test]
    fn a_reader_who_cannot_follow_is_told_once() {
        let queue = Queue::new(0);
        for epoch in 1..=80 {
            queue.push(change(epoch, epoch, &vec![7; 1 << 20]));
        }
        assert!(lock(&queue.state).bytes <= LIMIT_BYTES);
        assert!(!queue.is_finished());
        assert!(matches!(queue.pop(None), Some(Found::Lagged)));
        assert!(queue.pop(None).is_none());
        assert!(queue.is_finished());
    }

    #[test]
    fn the_waker_is_called_for_each_change_and_for_the_end() {
        let queue = Queue::new(0);
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        queue.set_waker(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        queue.push(change(1, 1, &[]));
        queue.push(change(2, 2, &[]));
        queue.pass(3);
        queue.end();
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let queue = Queue::new(0);
        assert!(queue.pop(Some(Instant::now())).is_none());
    }
}
