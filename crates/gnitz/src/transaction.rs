//! A transaction's private work: the version it began on, and its own changes, which only it can see.
//!
//! Changes go into one memtable a table. What a statement reads is the base version with the memtables' runs laid
//! over it. Views follow only when a statement names one: the changes made since the last time are then run
//! through the circuits, on a private state that nobody else has, so that a transaction of many statements pays
//! for its views once. Rolling back is dropping this value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use storage::Memtable;
use zset::{Batch, CollectionId, Deltas};

use crate::apply;
use crate::clock;
use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::snapshot::Snapshot;
use crate::version::Version;

/// Changes of at most so many rows go into the list of the memtable, larger ones around it.
const SMALL_CHANGE: usize = 1_000;

/// One transaction, or one statement outside of any.
pub(crate) struct Work {
    base: Arc<Version>,
    /// When it began, which is what `now()` gives all through it.
    now: i64,
    tables: BTreeMap<CollectionId, Memtable>,
    /// The base with some of the changes, views included.
    seen: Arc<Version>,
    /// Those changes.
    seen_changes: Deltas,
}

impl Work {
    /// Work that begins on a version.
    pub(crate) fn new(base: Arc<Version>) -> Work {
        Work {
            seen: Arc::clone(&base),
            base,
            now: clock::now_micros(),
            tables: BTreeMap::new(),
            seen_changes: Deltas::new(),
        }
    }

    /// The version it began on.
    pub(crate) fn base(&self) -> &Arc<Version> {
        &self.base
    }

    /// The time of its beginning, in microseconds since 1970 in UTC.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// The relation of this name.
    pub(crate) fn relation(&self, name: &str) -> Result<Arc<Relation>> {
        let found = self.base.compiled.catalog.get(name);
        found.cloned().ok_or_else(|| Error::UndefinedTable { name: name.to_string() })
    }

    /// Adds rows that nobody has looked at: fails if they don't leave the table a table.
    pub(crate) fn load(&mut self, relation: &Relation, delta: Batch) -> Result<()> {
        let runs = self.table_runs(relation.id())?;
        apply::check(relation, &runs, &delta)?;
        self.change(relation.id(), &delta)
    }

    /// Adds a statement's change of a table, which was made and checked on [`Work::snapshot`].
    pub(crate) fn change(&mut self, table: CollectionId, delta: &Batch) -> Result<()> {
        if delta.is_empty() {
            return Ok(());
        }
        // The one change of a statement outside of a transaction stays the batch it is.
        let small = delta.len() <= SMALL_CHANGE && self.tables.contains_key(&table);
        let memtable = self.tables.entry(table).or_default();
        if !small {
            return Ok(memtable.push_batch(delta.clone())?);
        }
        for row in 0..delta.len() {
            memtable.upsert(delta.key(row), delta.value(row), delta.weight(row))?;
        }
        Ok(())
    }

    /// What the next statement reads: with `views`, their contents follow the transaction's own changes.
    pub(crate) fn snapshot(&mut self, views: bool, cancel: &AtomicBool) -> Result<Snapshot> {
        if self.tables.is_empty() {
            return Ok(Snapshot::new(Arc::clone(&self.base)));
        }
        if views {
            self.see_changes(cancel)?;
            return Ok(Snapshot::new(Arc::clone(&self.seen)));
        }
        let mut overlay = BTreeMap::new();
        for id in self.tables.keys().copied().collect::<Vec<_>>() {
            overlay.insert(id, self.table_runs(id)?);
        }
        Ok(Snapshot::with(Arc::clone(&self.base), overlay))
    }

    /// What is to be committed: one consolidated change a table.
    pub(crate) fn into_changes(self) -> Result<Deltas> {
        let batches = self.tables.into_iter().map(|(id, memtable)| Ok((id, memtable.into_batch()?)));
        batches.collect()
    }

    fn table_runs(&mut self, id: CollectionId) -> Result<Vec<Batch>> {
        let mut runs = self.base.runs(id)?.to_vec();
        if let Some(memtable) = self.tables.get_mut(&id) {
            runs.extend_from_slice(memtable.runs()?);
        }
        Ok(runs)
    }

    /// Runs the changes made since the last time through the circuits.
    fn see_changes(&mut self, cancel: &AtomicBool) -> Result<()> {
        let mut unseen = Deltas::new();
        for (&id, memtable) in &mut self.tables {
            let all = zset::merge(memtable.runs()?)?;
            let new = match self.seen_changes.get(&id) {
                Some(seen) => all.add(&seen.negate())?,
                None => all.clone(),
            };
            self.seen_changes.insert(id, all);
            unseen.extend((!new.is_empty()).then_some((id, new)));
        }
        if unseen.is_empty() {
            return Ok(());
        }
        let seen = &self.seen;
        unseen.extend(seen.step(&unseen, cancel)?);
        let state = seen.state.with(&unseen, seen.state.epoch + 1)?;
        self.seen = Arc::new(Version { number: seen.number, state, compiled: Arc::clone(&seen.compiled) });
        Ok(())
    }
}
