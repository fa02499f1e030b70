//! A collection's trace: an immutable value of sorted runs, the large ones on disk, the young ones in memory.
//!
//! A row may occur in several runs; its weight is the sum. Pushing a batch makes a new spine that shares
//! everything with the old one, so readers keep what they have.
//!
//! *Folding*: young runs are merged so that there are few, small ones when a batch is pushed and larger ones beside
//! commits (`fold` has the rules); what is larger still is the checkpoint's. Runs that a checkpoint is
//! writing are *sealed*: folding does not touch them, so that it can take exactly those away.
//!
//! Shards group into disk runs; within a run shards do not overlap. Their least and greatest keys lie packed in
//! parallel arrays, so a point read asks few cache lines which shards it needs, and verifies only those.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use zset::{Batch, Strings, merge};

use crate::error::Result;
use crate::fold;
use crate::shard::Shard;

/// Shards in key order that do not overlap.
pub type Run = Vec<Arc<Shard>>;

/// A trace. Cloning copies one pointer.
#[derive(Debug, Clone)]
pub struct Spine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    fingerprint: u64,
    disk: Arc<Disk>,
    /// Oldest first.
    memory: Vec<Batch>,
    /// How many of them a checkpoint is writing.
    sealed: usize,
    /// The others that are to be merged beside commits.
    fold: Option<Range<usize>>,
    /// All runs, once somebody has asked and every shard has been verified.
    all: OnceLock<Vec<Batch>>,
}

/// The part on disk: parallel arrays over all shards.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    runs: Vec<Run>,
    least: Strings,
    greatest: Strings,
    handles: Vec<Arc<Shard>>,
}

impl Disk {
    pub(crate) fn new(runs: Vec<Run>) -> Disk {
        let handles: Vec<Arc<Shard>> = runs.iter().flatten().cloned().collect();
        debug_assert!(runs.iter().all(apart), "shards of a run do not overlap");
        let (mut least, mut greatest) = (Strings::default(), Strings::default());
        for shard in &handles {
            least.push(shard.least());
            greatest.push(shard.greatest());
        }
        Disk { runs, least, greatest, handles }
    }

    /// The shards that may hold keys which start with `prefix`.
    fn with_prefix<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a Arc<Shard>> {
        let near = move |index: &usize| {
            let (least, greatest) = (self.least.get(*index), self.greatest.get(*index));
            prefix <= greatest && (least <= prefix || least.starts_with(prefix))
        };
        (0..self.handles.len()).filter(near).map(|index| &self.handles[index])
    }
}

/// Whether each shard ends before the next begins.
fn apart(run: &Run) -> bool {
    run.iter().all(|shard| shard.least() <= shard.greatest())
        && run.windows(2).all(|pair| pair[0].greatest() < pair[1].least())
}

impl Spine {
    pub(crate) fn new(fingerprint: u64, disk: Disk) -> Spine {
        Spine::build(fingerprint, Arc::new(disk), Vec::new(), 0)
    }

    fn build(fingerprint: u64, disk: Arc<Disk>, memory: Vec<Batch>, sealed: usize) -> Spine {
        debug_assert!(sealed <= memory.len(), "{sealed} of {} runs are sealed", memory.len());
        debug_assert!(memory.iter().all(|run| !run.is_empty()), "an empty run costs every read a search");
        let fold = fold::beside(&memory[sealed..]).map(|runs| runs.start + sealed..runs.end + sealed);
        Spine { inner: Arc::new(Inner { fingerprint, disk, memory, sealed, fold, all: OnceLock::new() }) }
    }

    /// All runs, ready for a cursor. Shards not read before are verified first; afterwards a call costs one load.
    pub fn runs(&self) -> Result<&[Batch]> {
        let inner = &*self.inner;
        if inner.disk.handles.is_empty() {
            return Ok(&inner.memory);
        }
        if let Some(all) = inner.all.get() {
            return Ok(all);
        }
        let mut all = Vec::with_capacity(inner.disk.handles.len() + inner.memory.len());
        for shard in &inner.disk.handles {
            all.push(shard.batch()?.clone());
        }
        all.extend_from_slice(&inner.memory);
        Ok(inner.all.get_or_init(|| all))
    }

    /// The runs that may hold keys which start with `prefix`: what a point read needs, without reading the rest.
    pub fn runs_with_prefix(&self, prefix: &[u8]) -> Result<Vec<Batch>> {
        let mut runs = Vec::new();
        for shard in self.inner.disk.with_prefix(prefix) {
            runs.push(shard.batch()?.clone());
        }
        runs.extend(self.inner.memory.iter().filter(|batch| batch.spans(prefix)).cloned());
        Ok(runs)
    }

    /// This trace with a batch added to it.
    pub fn push(&self, batch: Batch) -> Result<Spine> {
        if batch.is_empty() {
            return Ok(self.clone());
        }
        let Inner { fingerprint, disk, memory, sealed, .. } = &*self.inner;
        let keep = memory.len() - fold::at_push(&memory[*sealed..], &batch);
        debug_assert!(keep >= *sealed, "a run that a checkpoint is writing is not folded");
        let mut folded = Vec::with_capacity(keep + 1);
        folded.extend_from_slice(&memory[..keep]);
        if keep == memory.len() {
            folded.push(batch);
        } else {
            let mut inputs = memory[keep..].to_vec();
            inputs.push(batch);
            let merged = merge(&inputs)?;
            folded.extend((!merged.is_empty()).then_some(merged));
        }
        Ok(Spine::build(*fingerprint, disk.clone(), folded, *sealed))
    }

    /// The runs to merge beside commits.
    pub(crate) fn to_fold(&self) -> &[Batch] {
        self.inner.fold.clone().map_or(&[], |runs| &self.inner.memory[runs])
    }

    /// This trace with `runs` replaced by their sum, if it still has them.
    pub(crate) fn folded(&self, runs: &[Batch], sum: &Batch) -> Option<Spine> {
        let Inner { fingerprint, disk, memory, sealed, .. } = &*self.inner;
        let same = |window: &[Batch]| window.iter().zip(runs).all(|(left, right)| left.is(right));
        let start = sealed + memory[*sealed..].windows(runs.len().max(1)).position(same)?;
        let mut folded = memory[..start].to_vec();
        folded.extend((!sum.is_empty()).then(|| sum.clone()));
        folded.extend_from_slice(&memory[start + runs.len()..]);
        Some(Spine::build(*fingerprint, disk.clone(), folded, *sealed))
    }

    /// Rows in all runs: an upper bound of the rows of the collection.
    pub fn rows_estimate(&self) -> usize {
        let shards: usize = self.inner.disk.handles.iter().map(|shard| shard.rows()).sum();
        shards + self.inner.memory.iter().map(Batch::len).sum::<usize>()
    }

    /// Bytes in memory, which the next checkpoint writes to disk.
    pub fn memory_bytes(&self) -> usize {
        self.inner.memory.iter().map(Batch::bytes).sum()
    }

    /// Bytes of shard files.
    pub fn disk_bytes(&self) -> u64 {
        self.inner.disk.handles.iter().map(|shard| shard.bytes()).sum()
    }

    /// How many runs there are in memory and how many shards on disk.
    pub fn shape(&self) -> (usize, usize) {
        (self.inner.memory.len(), self.inner.disk.handles.len())
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.inner.fingerprint
    }

    pub(crate) fn disk_runs(&self) -> &[Run] {
        &self.inner.disk.runs
    }

    pub(crate) fn sealed_runs(&self) -> &[Batch] {
        &self.inner.memory[..self.inner.sealed]
    }

    /// The same trace with all runs in memory sealed.
    pub(crate) fn seal(&self) -> Spine {
        let Inner { fingerprint, disk, memory, .. } = &*self.inner;
        Spine::build(*fingerprint, disk.clone(), memory.clone(), memory.len())
    }

    /// The same trace with no run sealed.
    pub(crate) fn reopened(&self) -> Option<Spine> {
        let Inner { fingerprint, disk, memory, sealed, .. } = &*self.inner;
        (*sealed > 0).then(|| Spine::build(*fingerprint, disk.clone(), memory.clone(), 0))
    }

    /// The same trace where the sealed runs have gone into `runs`, which is all there is on disk now.
    pub(crate) fn unseal(&self, sealed: usize, runs: Vec<Run>) -> Spine {
        debug_assert_eq!(sealed, self.inner.sealed, "the runs that were written are those that were sealed");
        let memory = self.inner.memory.get(sealed..).unwrap_or_default().to_vec();
        Spine::build(self.inner.fingerprint, Arc::new(Disk::new(runs)), memory, 0)
    }
}
