//! Checkpoints: what is in memory goes to shards, and the log begins anew.
//!
//! Two parts of a checkpoint run under the writer's lock and are short: at its beginning the log is rotated and the
//! runs to write are named; near its end the runs are swapped for shards. What takes time runs beside commits, by
//! default on a thread of its own: writing and merging shards and the manifest before the swap, removing what they
//! replaced after it.
//! A change of the catalog is a checkpoint too (`redefine.rs`).
//!
//! A checkpoint for which there is no space has not been: the log is kept, and the next one is due when it has grown by
//! some more (`Database::full` says so meanwhile).
//!
//! Between checkpoints, runs in memory that commits have left unmerged are merged here (`storage::State::fold`), also
//! beside commits.

use std::sync::Arc;

use zset::Deltas;

use crate::engine::Engine;
use crate::error::Result;
use crate::sync::{Call, lock};

impl Engine {
    /// Sees to what a commit has left to do. It never fails a commit that is done: a failure poisons the store, and
    /// the next commit says so; want of space is noted there, too.
    pub(crate) fn maintain(&self) {
        match self.background {
            true if self.fold_due() || self.checkpoint_due() => self.alarm.ring(Call::Work),
            true => {}
            false => self.work(),
        }
    }

    /// Runs on the maintenance thread until it is told to stop.
    pub(crate) fn maintain_in_background(&self) {
        while self.alarm.wait() == Call::Work {
            self.work();
        }
    }

    /// Has values of sequences covered that no commit has covered yet, when the thread comes to it.
    pub(crate) fn cover_soon(&self) {
        match (self.unwritten.any(), self.background) {
            (false, _) => {}
            (true, true) => self.alarm.ring(Call::Work),
            (true, false) => self.work(),
        }
    }

    fn work(&self) {
        if self.unwritten.any() {
            let _ = self.write_sequences();
        }
        if self.fold_due() {
            let _ = self.fold();
        }
        if self.checkpoint_due() {
            let _ = self.checkpoint();
        }
    }

    fn fold_due(&self) -> bool {
        self.published().is_ok_and(|version| version.state.fold_due())
    }

    /// Merges runs in memory and swaps them for their sums.
    fn fold(&self) -> Result<()> {
        let _one_at_a_time = lock(&self.maintenance);
        let folds = self.published()?.state.fold()?;
        let ticket = {
            let mut writer = self.writer_briefly()?;
            let (mut state, compiled) = (writer.head().state.clone(), Arc::clone(&writer.head().compiled));
            state.put_folds(&folds);
            writer.advance(state, compiled, Deltas::new())
        };
        self.settle(ticket)
    }

    fn checkpoint_due(&self) -> bool {
        self.published().is_ok_and(|version| self.store.checkpoint_due(&version.state))
    }

    /// Writes everything up to now to shards.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let _one_at_a_time = lock(&self.maintenance);
        self.checkpoint_alone()
    }

    /// A checkpoint, for a caller who holds the maintenance lock.
    pub(crate) fn checkpoint_alone(&self) -> Result<()> {
        let (job, sealed) = {
            let mut writer = self.writer()?;
            let (mut state, compiled) = (writer.head().state.clone(), Arc::clone(&writer.head().compiled));
            let job = self.store.begin_checkpoint(&mut state, &compiled.text)?;
            (job, writer.advance(state, compiled, Deltas::new()))
        };
        self.settle(sealed)?;
        let installed = match job.run().and_then(|edit| self.store.install(edit)) {
            Ok(installed) => installed,
            Err(error) => {
                if error.is_full() {
                    self.reopen()?;
                }
                return Err(error.into());
            }
        };
        let (swapped, replaced) = {
            let mut writer = self.writer()?;
            let (mut state, compiled) = (writer.head().state.clone(), Arc::clone(&writer.head().compiled));
            let replaced = self.store.finish(installed, &mut state);
            (writer.advance(state, compiled, Deltas::new()), replaced)
        };
        self.settle(swapped)?;
        self.store.discard(replaced);
        Ok(())
    }

    /// Has the runs in memory folded again that a checkpoint was to write and did not.
    fn reopen(&self) -> Result<()> {
        let reopened = {
            let mut writer = self.writer_briefly()?;
            let (mut state, compiled) = (writer.head().state.clone(), Arc::clone(&writer.head().compiled));
            state.reopen();
            writer.advance(state, compiled, Deltas::new())
        };
        self.settle(reopened)
    }
}
