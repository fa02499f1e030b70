//! Checkpoints: what is in memory goes to shards, and the log begins anew.
//!
//! A checkpoint has three parts. The first and the last run under the writer's lock and are short: the log is
//! rotated and the runs to write are named; the manifest is replaced and the runs are swapped for shards. The
//! long part between them, writing and merging shards, runs beside commits, by default on a thread of its own.
//! A change of the catalog is a checkpoint too (`redefine.rs`).

use std::sync::Arc;

use zset::Deltas;

use crate::engine::Engine;
use crate::error::Result;
use crate::sync::{Call, lock};

impl Engine {
    /// Sees to a checkpoint if enough of the log has gathered. It never fails a commit that is done: a failure
    /// poisons the store, and the next commit says so.
    pub(crate) fn maintain(&self) {
        if !self.checkpoint_due() {
            return;
        }
        if self.background {
            self.alarm.ring(Call::Work);
        } else {
            let _ = self.checkpoint();
        }
    }

    /// Runs on the maintenance thread until it is told to stop.
    pub(crate) fn maintain_in_background(&self) {
        while self.alarm.wait() == Call::Work {
            if self.checkpoint_due() {
                let _ = self.checkpoint();
            }
        }
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
        let edit = job.run()?;
        let swapped = {
            let mut writer = self.writer()?;
            let (mut state, compiled) = (writer.head().state.clone(), Arc::clone(&writer.head().compiled));
            self.store.finish(edit, &mut state)?;
            writer.advance(state, compiled, Deltas::new())
        };
        self.settle(swapped)
    }
}
