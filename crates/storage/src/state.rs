//! The state of the database at one epoch: every collection's trace, as one value.
//!
//! Cheap to clone, never changed while shared: a commit makes the next state from this one and publishes it with
//! one pointer swap, and whoever reads the old one goes on reading it.

use std::sync::Arc;

use zset::{Batch, CollectionId, Deltas};

use crate::error::{Result, StorageError};
use crate::spine::Spine;

/// Runs of a collection and their sum.
#[derive(Debug)]
pub struct Fold {
    id: CollectionId,
    runs: Vec<Batch>,
    sum: Batch,
}

/// All traces at one epoch.
#[derive(Debug, Clone)]
pub struct State {
    /// The epoch; it only grows, over restarts too.
    pub epoch: u64,
    /// Sorted by collection.
    spines: Arc<Vec<(CollectionId, Spine)>>,
    /// Collections are numbered from here; a number is never used twice.
    next_collection: u32,
}

impl State {
    pub(crate) fn new(epoch: u64, spines: Vec<(CollectionId, Spine)>, next_collection: u32) -> State {
        debug_assert!(spines.is_sorted_by_key(|(id, _)| *id));
        State { epoch, spines: Arc::new(spines), next_collection }
    }

    /// The state after these deltas, at `epoch`.
    pub fn with(&self, deltas: &Deltas, epoch: u64) -> Result<State> {
        if epoch < self.epoch {
            return Err(StorageError::Misuse(format!("state of epoch {epoch} after epoch {}", self.epoch)));
        }
        debug_assert!(deltas.values().all(|batch| batch.unsound().is_none()), "a delta is a batch");
        let mut spines = (*self.spines).clone();
        for (&id, batch) in deltas {
            let place = find(&spines, id).map_err(|_| unknown(id))?;
            spines[place].1 = spines[place].1.push(batch.clone())?;
        }
        Ok(State { epoch, spines: Arc::new(spines), next_collection: self.next_collection })
    }

    /// A collection's trace.
    pub fn spine(&self, id: CollectionId) -> Option<&Spine> {
        find(&self.spines, id).ok().map(|place| &self.spines[place].1)
    }

    /// A collection's runs, verified.
    pub fn runs(&self, id: CollectionId) -> Result<&[Batch]> {
        self.spine(id).ok_or_else(|| unknown(id))?.runs()
    }

    /// Those of a collection's runs that may hold keys which start with `prefix`, verified.
    pub fn runs_with_prefix(&self, id: CollectionId, prefix: &[u8]) -> Result<Vec<Batch>> {
        self.spine(id).ok_or_else(|| unknown(id))?.runs_with_prefix(prefix)
    }

    /// Verifies what has not been read before of these collections; after it [`State::runs`] cannot fail for them.
    pub fn verify(&self, ids: impl IntoIterator<Item = CollectionId>) -> Result<()> {
        ids.into_iter().try_for_each(|id| self.runs(id).map(|_| ()))
    }

    /// All collections and their traces, in order.
    pub fn collections(&self) -> impl ExactSizeIterator<Item = (CollectionId, &Spine)> {
        self.spines.iter().map(|(id, spine)| (*id, spine))
    }

    /// Bytes in memory, over all traces.
    pub fn memory_bytes(&self) -> usize {
        self.spines.iter().map(|(_, spine)| spine.memory_bytes()).sum()
    }

    /// Whether runs in memory have gathered that are to be merged beside commits.
    pub fn fold_due(&self) -> bool {
        self.spines.iter().any(|(_, spine)| !spine.to_fold().is_empty())
    }

    /// Merges them; the state stays as it is. The sums take their places in any later state by [`State::put_folds`].
    pub fn fold(&self) -> Result<Vec<Fold>> {
        let due = self.collections().filter(|(_, spine)| !spine.to_fold().is_empty());
        due.map(|(id, spine)| {
            let runs = spine.to_fold().to_vec();
            Ok(Fold { id, sum: zset::merge(&runs)?, runs })
        })
        .collect()
    }

    /// Puts sums in the places of the runs they were made of, where these are still there.
    pub fn put_folds(&mut self, folds: &[Fold]) {
        for Fold { id, runs, sum } in folds {
            if let Ok(place) = find(&self.spines, *id)
                && let Some(folded) = self.spines[place].1.folded(runs, sum)
            {
                Arc::make_mut(&mut self.spines)[place].1 = folded;
            }
        }
    }

    /// Lets go of the runs that a checkpoint was to write, and has not: they are folded again as others are, until the
    /// next one takes them.
    pub fn reopen(&mut self) {
        self.replace(|_, spine| spine.reopened());
    }

    /// A number for a new collection. It is kept by the next checkpoint.
    pub fn allocate(&mut self) -> CollectionId {
        let id = CollectionId(self.next_collection);
        self.next_collection += 1;
        id
    }

    /// Adds an empty collection; `fingerprint` is a hash of its schema, written into its shards and compared
    /// when they are read.
    pub fn insert(&mut self, id: CollectionId, fingerprint: u64) -> Result<()> {
        match find(&self.spines, id) {
            Ok(_) => Err(StorageError::Misuse(format!("collection {id} exists"))),
            Err(place) => {
                let spine = Spine::new(fingerprint, Default::default());
                Arc::make_mut(&mut self.spines).insert(place, (id, spine));
                self.next_collection = self.next_collection.max(id.0.saturating_add(1));
                debug_assert!(self.spines.is_sorted_by_key(|(id, _)| *id));
                Ok(())
            }
        }
    }

    /// Forgets a collection. Its files go once a checkpoint without it is finished and nobody reads them.
    pub fn remove(&mut self, id: CollectionId) {
        if let Ok(place) = find(&self.spines, id) {
            Arc::make_mut(&mut self.spines).remove(place);
        }
    }

    pub(crate) fn next_collection(&self) -> u32 {
        self.next_collection
    }

    pub(crate) fn replace(&mut self, mut change: impl FnMut(CollectionId, &Spine) -> Option<Spine>) {
        for (id, spine) in Arc::make_mut(&mut self.spines) {
            if let Some(changed) = change(*id, spine) {
                *spine = changed;
            }
        }
    }
}

fn find(spines: &[(CollectionId, Spine)], id: CollectionId) -> std::result::Result<usize, usize> {
    spines.binary_search_by_key(&id, |(id, _)| *id)
}

fn unknown(id: CollectionId) -> StorageError {
    StorageError::Misuse(format!("there is no collection {id}"))
}
