//! A transaction's private work: the version it began on, and its own changes, which only it can see.
//!
//! Changes go into one memtable a table. What a statement reads is the base version with the memtables laid over
//! it. A snapshot shares them; a change that finds one still in use, by a reader that has not ended, copies them.
//! Views follow only when a statement names one: the changes made since the last time are then run
//! through the circuits, on a private state that nobody else has, so that a transaction of many statements pays
//! for its views once. Rolling back is dropping this value.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sql::{Planner, SqlError, SqlState};
use storage::Memtable;
use zset::{Batch, CollectionId, Deltas, Strings};

use crate::apply;
use crate::bounds;
use crate::clock;
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::redefine::{Rows, Step};
use crate::relation::Relation;
use crate::snapshot::{Changes, Snapshot};
use crate::version::Version;

/// Changes of at most so many rows go into the list of the memtable, larger ones around it.
const SMALL_CHANGE: usize = 1_000;

/// Rows that a transaction may have changed for its commit to be quick.
const FEW_ROWS: usize = 64;

/// One transaction, or one statement outside of any. A clone is a savepoint: it shares everything until either goes on.
#[derive(Clone)]
pub(crate) struct Work {
    /// The published version it began on.
    origin: Arc<Version>,
    /// What it did up to its last change of the catalog, which is all in `base`.
    steps: Vec<Step>,
    base: Arc<Version>,
    /// When it began, which is what `now()` gives all through it.
    now: i64,
    tables: Arc<Changes>,
    /// The base with some of the changes, views included.
    seen: Arc<Version>,
    /// Those changes.
    seen_changes: Deltas,
    read_only: bool,
    /// The bytes of changed rows that it may have.
    most: usize,
    /// Those of the rows that are in `steps`.
    settled: usize,
}

impl Work {
    /// Work that begins on a version and may change rows of so many bytes.
    pub(crate) fn new(base: Arc<Version>, most: usize) -> Work {
        Work {
            origin: Arc::clone(&base),
            steps: Vec::new(),
            seen: Arc::clone(&base),
            base,
            tables: Arc::default(),
            now: clock::now_micros(),
            seen_changes: Deltas::new(),
            read_only: false,
            most,
            settled: 0,
        }
    }

    /// Says whether it only reads.
    pub(crate) fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// An error if it only reads.
    pub(crate) fn may_write(&self) -> Result<()> {
        if self.read_only { Err(Error::ReadOnly) } else { Ok(()) }
    }

    /// The version it began on.
    pub(crate) fn origin(&self) -> &Arc<Version> {
        &self.origin
    }

    /// The version it began on, with its own changes of the catalog, and of rows before them.
    pub(crate) fn base(&self) -> &Arc<Version> {
        &self.base
    }

    /// The time of its beginning, in microseconds since 1970 in UTC.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// The tables that it has changed, if they are few rows and nothing else.
    pub(crate) fn few_changes(&self) -> Option<Vec<Arc<Relation>>> {
        let rows: usize = self.tables.values().map(Memtable::rows).sum();
        let table = |id: &CollectionId| self.base.compiled.catalog.by_id(*id).cloned();
        (self.steps.is_empty() && rows <= FEW_ROWS).then(|| self.tables.keys().filter_map(table).collect())
    }

    /// The relation of this name.
    pub(crate) fn relation(&self, name: &str) -> Result<Arc<Relation>> {
        let found = self.base.compiled.catalog.get(name);
        found.cloned().ok_or_else(|| Error::UndefinedTable { name: name.to_string() })
    }

    /// Takes away the rows with some (encoded) primary keys and adds rows that nobody has looked at: fails if that
    /// does not leave the table a table. Returns how many rows went.
    pub(crate) fn load(&mut self, relation: &Relation, rows: &Batch, removed: &Strings) -> Result<u64> {
        let runs = self.table_runs(relation.id())?;
        let gone = apply::removal(relation, &runs, removed)?;
        let delta = rows.add(&gone)?;
        apply::check(relation, &runs, &delta)?;
        self.change(relation.id(), &delta)?;
        Ok(gone.len() as u64)
    }

    /// Adds a statement's change of a table, which was made and checked on [`Work::snapshot`].
    pub(crate) fn change(&mut self, table: CollectionId, delta: &Batch) -> Result<()> {
        if delta.is_empty() {
            return Ok(());
        }
        let changed: usize = self.tables.values().map(Memtable::bytes).sum();
        if self.settled + changed + delta.bytes() > self.most {
            return Err(too_large(self.most));
        }
        // The one change of a statement outside of a transaction stays the batch it is.
        let small = delta.len() <= SMALL_CHANGE && self.tables.contains_key(&table);
        let memtable = Arc::make_mut(&mut self.tables).entry(table).or_default();
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
        Ok(Snapshot::with(Arc::clone(&self.base), Arc::clone(&self.tables)))
    }

    /// Changes the catalog for the statements that follow.
    pub(crate) fn define(
        &mut self,
        definition: Definition,
        planner: &Arc<Planner>,
        cancel: &AtomicBool,
    ) -> Result<Vec<Notice>> {
        self.see_changes(cancel)?;
        let epoch = self.origin.state.epoch + 1;
        let mut notices = Vec::new();
        let changed = definition.apply(planner, &self.seen, (epoch, cancel), &mut notices)?;
        let Some((compiled, state)) = changed else { return Ok(notices) };
        let rows = take_changes(&mut self.tables)?;
        self.push_rows(rows);
        self.steps.push(Step::Catalog(definition));
        self.seen_changes.clear();
        let number = self.origin.number;
        self.base = Arc::new(Version { number, state, compiled: Arc::new(compiled) });
        self.seen = Arc::clone(&self.base);
        Ok(notices)
    }

    /// What is to be committed.
    pub(crate) fn into_changes(mut self) -> Result<Done> {
        let rows = take_changes(&mut self.tables)?;
        if self.steps.is_empty() {
            return Ok(Done::Rows(rows));
        }
        self.push_rows(rows);
        let sequences = bounds::private(&self.origin.compiled.catalog, &self.base.compiled.catalog);
        if !sequences.is_empty() {
            self.steps.push(Step::Sequences(sequences));
        }
        Ok(Done::Steps(self.steps))
    }

    fn push_rows(&mut self, changes: Deltas) {
        self.settled += changes.values().map(Batch::bytes).sum::<usize>();
        let (origin, base) = (&self.origin.compiled.catalog, &self.base.compiled.catalog);
        self.steps.extend(Rows::of(changes, origin, base).map(Step::Rows));
    }

    fn table_runs(&mut self, id: CollectionId) -> Result<Vec<Batch>> {
        let mut runs = self.base.runs(id)?.to_vec();
        if let Some(memtable) = Arc::make_mut(&mut self.tables).get_mut(&id) {
            runs.extend_from_slice(memtable.runs()?);
        }
        Ok(runs)
    }

    /// Runs the changes made since the last time through the circuits.
    fn see_changes(&mut self, cancel: &AtomicBool) -> Result<()> {
        let mut unseen = Deltas::new();
        for (&id, memtable) in Arc::make_mut(&mut self.tables) {
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
        let state = seen.state.with(&unseen, self.origin.state.epoch + 1)?;
        self.seen = Arc::new(Version { number: seen.number, state, compiled: Arc::clone(&seen.compiled) });
        Ok(())
    }
}

/// A transaction would change more than it may.
pub(crate) fn too_large(most: usize) -> Error {
    let message = format!("out of memory for this transaction: its changes have more than {most} bytes");
    let error = SqlError::new(SqlState::OutOfMemory, message);
    error.with_hint("change less at once, or raise the limit `transaction_memory`").into()
}

/// What a transaction did.
pub(crate) enum Done {
    /// It changed rows: one consolidated change a table.
    Rows(Deltas),
    /// It changed the catalog too.
    Steps(Vec<Step>),
}

/// The changes gathered in memtables, which are empty after it: one consolidated change a table.
fn take_changes(tables: &mut Arc<Changes>) -> Result<Deltas> {
    let gathered = Arc::unwrap_or_clone(std::mem::take(tables)).into_iter();
    let batches: Deltas =
        gathered.map(|(id, memtable)| Ok((id, memtable.into_batch()?))).collect::<Result<_>>()?;
    Ok(batches.into_iter().filter(|(_, batch)| !batch.is_empty()).collect())
}
