//! A checkpoint's work: what is in memory goes into shards, and shards are merged. It runs on any thread, beside
//! commits, and changes nothing that the database depends on: its outcome is an [`Edit`], which takes effect when
//! the store finishes it. A job that is dropped, or whose process dies, leaves files that no manifest
//! names, and the next start removes them.
//!
//! *Want of space*: merging shards takes as much space as they do, for a while. So a job that finds too little removes
//! what it wrote and begins again without merging what is on disk; the next checkpoint sees to that. If what is in memory
//! alone does not fit, it is written by a later checkpoint, and the log is kept until then.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zset::{Batch, CollectionId, Merger};

use crate::compact::{Piece, Step, choose, plan};
use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::manifest::{Entry, Manifest};
use crate::options::Sync;
use crate::poison::Poison;
use crate::postpone::Postponed;
use crate::shard::{Owner, Shard, shard_name};
use crate::spine::{Run, Spine};

/// Marks that a checkpoint is under way until it drops.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<AtomicBool>);

impl Ticket {
    /// `None` when another one is out.
    pub(crate) fn take(busy: &Arc<AtomicBool>) -> Option<Ticket> {
        (!busy.swap(true, Ordering::AcqRel)).then(|| Ticket(busy.clone()))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A checkpoint that has begun.
#[derive(Debug)]
pub struct Job {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) sync: Sync,
    pub(crate) shard_bytes: usize,
    pub(crate) poison: Arc<Poison>,
    pub(crate) postponed: Arc<Postponed>,
    pub(crate) next_shard: Arc<AtomicU64>,
    pub(crate) collections: Vec<(CollectionId, Spine)>,
    /// The manifest to be, without collections and shard numbers.
    pub(crate) manifest: Manifest,
    pub(crate) ticket: Ticket,
}

/// What a job has made, ready to take effect.
#[derive(Debug)]
pub struct Edit {
    pub(crate) manifest: Manifest,
    pub(crate) changes: Vec<Change>,
    /// The numbers of the shards that were written for it.
    pub(crate) written: Range<u64>,
    pub(crate) _ticket: Ticket,
}

/// One collection's part of an edit.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) id: CollectionId,
    /// How many of the oldest runs in memory are now on disk.
    pub(crate) sealed: usize,
    pub(crate) runs: Vec<Run>,
    /// Whether this differs from what the spine has.
    pub(crate) changed: bool,
}

impl Job {
    /// Writes and merges. A failure poisons the database, unless it is want of space: then no file is left, and the state
    /// may [let go](crate::State::reopen) of what was to be written.
    pub fn run(self) -> Result<Edit> {
        let (poison, postponed) = (self.poison.clone(), self.postponed.clone());
        poison.check()?;
        postponed.watch(poison.watch(self.run_unwatched()))
    }

    fn run_unwatched(self) -> Result<Edit> {
        let first = self.next_shard.load(Ordering::Acquire);
        let changes = self.write(true).or_else(|error| match error.is_full() {
            true => self.write(false),
            false => Err(error),
        })?;
        let mut manifest = self.manifest;
        manifest.next_shard = self.next_shard.load(Ordering::Acquire);
        manifest.collections = changes
            .iter()
            .zip(&self.collections)
            .map(|(change, (id, spine))| Entry {
                id: *id,
                fingerprint: spine.fingerprint(),
                runs: change
                    .runs
                    .iter()
                    .map(|run| run.iter().map(|shard| shard.number()).collect())
                    .collect(),
            })
            .collect();
        let written = first..manifest.next_shard;
        Ok(Edit { manifest, changes, written, _ticket: self.ticket })
    }

    /// Makes every collection's change, merging what is on disk or not. If there is no space, what it wrote is removed.
    fn write(&self, merging: bool) -> Result<Vec<Change>> {
        let first = self.next_shard.load(Ordering::Acquire);
        let change = |(id, spine): &(CollectionId, Spine)| self.collection(*id, spine, merging);
        let changes = self.collections.iter().map(change).collect::<Result<Vec<_>>>();
        if changes.as_ref().is_err_and(StorageError::is_full) {
            remove_shards(self.fs.as_ref(), first..self.next_shard.load(Ordering::Acquire));
        }
        changes
    }

    fn collection(&self, id: CollectionId, spine: &Spine, merging: bool) -> Result<Change> {
        let owner = Owner { collection: id, fingerprint: spine.fingerprint() };
        let memory = spine.sealed_runs();
        let mut runs = spine.disk_runs().to_vec();
        let mut sizes: Vec<u64> =
            runs.iter().map(|run| run.iter().map(|shard| shard.bytes()).sum()).collect();
        // What is in memory counts as one more run: if it is to be merged anyway, it is written only once.
        let virtual_run = (!memory.is_empty()).then_some(runs.len());
        sizes.extend(virtual_run.map(|_| memory.iter().map(|batch| batch.bytes() as u64).sum::<u64>()));
        let chosen = if merging { choose(&sizes) } else { Default::default() };
        let with_memory = virtual_run.is_some_and(|run| chosen.contains(&run));
        if !memory.is_empty() && !with_memory {
            let mut run = Run::new();
            self.merge(owner, memory, &mut run)?;
            runs.extend((!run.is_empty()).then_some(run));
        }
        if !chosen.is_empty() {
            let shards = chosen.iter().filter(|&&run| Some(run) != virtual_run).flat_map(|&run| &runs[run]);
            let merged =
                self.merge_runs(owner, shards.cloned().collect(), if with_memory { memory } else { &[] })?;
            let mut index = 0;
            runs.retain(|_| {
                index += 1;
                !chosen.contains(&(index - 1))
            });
            runs.extend((!merged.is_empty()).then_some(merged));
        }
        let changed = !memory.is_empty() || !chosen.is_empty();
        Ok(Change { id, sealed: memory.len(), runs, changed })
    }

    /// One run of these shards and batches, rewriting only what overlaps.
    fn merge_runs(&self, owner: Owner, shards: Run, memory: &[Batch]) -> Result<Run> {
        let mut pieces: Vec<Piece<'_>> = shards
            .iter()
            .map(|shard| Piece {
                least: shard.least(),
                greatest: shard.greatest(),
                may_stay: shard.bytes() >= self.shard_bytes as u64 / 4,
            })
            .collect();
        pieces.extend(memory.iter().map(|batch| Piece {
            least: batch.first_key().unwrap_or_default(),
            greatest: batch.last_key().unwrap_or_default(),
            may_stay: false,
        }));
        let mut run = Run::new();
        for step in plan(&pieces) {
            match step {
                Step::Keep(piece) => run.push(shards[piece].clone()),
                Step::Merge(members) => {
                    let mut inputs = Vec::with_capacity(members.len());
                    for piece in members {
                        inputs.push(match piece.checked_sub(shards.len()) {
                            Some(batch) => memory[batch].clone(),
                            None => shards[piece].batch()?.clone(),
                        });
                    }
                    self.merge(owner, &inputs, &mut run)?;
                }
            }
        }
        Ok(run)
    }

    /// Merges batches into shards cut at the size limit.
    fn merge(&self, owner: Owner, inputs: &[Batch], run: &mut Run) -> Result<()> {
        let mut merger = Merger::new(inputs);
        while let Some(batch) = merger.next(self.shard_bytes)? {
            if batch.is_empty() {
                continue;
            }
            let number = self.next_shard.fetch_add(1, Ordering::AcqRel);
            let shard = Shard::write(&self.fs, self.sync, number, owner, &batch)?;
            // Read back and verified here, so that no commit has to.
            shard.batch()?;
            run.push(shard);
        }
        Ok(())
    }
}

/// Removes shards that nobody was told of. One that cannot be removed is left to the next start: no number is used twice
/// before that.
pub(crate) fn remove_shards(fs: &dyn Fs, numbers: Range<u64>) {
    for number in numbers {
        let _ = fs.remove(&shard_name(number));
    }
}
