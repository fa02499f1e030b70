//! A small engine over the store, and the model it is compared with.
//!
//! There are tables, and for each table a derived collection (its rows with the keys reversed), which the log does
//! not hold: like a view, it must come back by running the log's epochs again.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::{Edit, Fs, Job, Options, Random, Result, State, StorageError, Store};
use zset::{Batch, BatchBuilder, CollectionId, Deltas, Secret};

/// The rows of every collection: key to weight. A row's value follows from its key.
pub(crate) type Contents = BTreeMap<CollectionId, BTreeMap<Vec<u8>, i64>>;

/// What the database held at an epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Version {
    pub(crate) epoch: u64,
    pub(crate) contents: Contents,
    pub(crate) catalog: String,
}

/// Options of tests: small shards, a fixed secret.
pub(crate) fn options() -> Options {
    let secret = Some(Secret([9; 16]));
    Options { shard_bytes: 2_000, history_bytes: 3_000, secret, ..Options::default() }
}

/// The derived collection of a table.
pub(crate) fn derived(table: CollectionId) -> CollectionId {
    CollectionId(table.0 + 1)
}

pub(crate) fn value_of(key: &[u8]) -> Vec<u8> {
    let length = key.first().map_or(0, |&byte| usize::from(byte) * 7 % 300);
    key.iter().copied().cycle().take(length).collect()
}

pub(crate) fn batch(rows: &BTreeMap<Vec<u8>, i64>) -> Batch {
    let mut builder = BatchBuilder::new();
    for (key, &weight) in rows {
        builder.push(key, &value_of(key), weight).unwrap();
    }
    builder.finish().unwrap()
}

/// Tables' deltas, with those of the derived collections.
fn with_derived(tables: &Deltas) -> Deltas {
    let mut deltas = tables.clone();
    for (&table, change) in tables {
        let mut builder = BatchBuilder::new();
        for (key, value, weight) in change.iter() {
            let reversed: Vec<u8> = key.iter().rev().copied().collect();
            assert_eq!(value, value_of(key));
            builder.push(&reversed, &value_of(&reversed), weight).unwrap();
        }
        deltas.insert(derived(table), builder.finish().unwrap());
    }
    deltas
}

/// What a state holds, read from all its runs.
pub(crate) fn contents(state: &State) -> Result<Contents> {
    let mut all = Contents::new();
    for (id, spine) in state.collections() {
        let rows = all.entry(id).or_default();
        for run in spine.runs()? {
            for (key, value, weight) in run.iter() {
                assert_eq!(value, value_of(key));
                *rows.entry(key.to_vec()).or_insert(0) += weight;
            }
        }
        rows.retain(|_, weight| *weight != 0);
    }
    Ok(all)
}

/// The engine: a store, its state, and the catalog text.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) state: State,
    pub(crate) catalog: String,
}

impl Engine {
    pub(crate) fn open(fs: Arc<dyn Fs>, options: Options) -> Result<Engine> {
        let (store, recovered) = Store::open(fs, options)?;
        let mut state = recovered.state;
        for (epoch, deltas) in recovered.tail {
            state = state.with(&with_derived(&deltas), epoch)?;
        }
        Ok(Engine { store, state, catalog: recovered.catalog })
    }

    pub(crate) fn version(&self) -> Result<Version> {
        let contents = contents(&self.state)?;
        Ok(Version { epoch: self.state.epoch, contents, catalog: self.catalog.clone() })
    }

    /// Commits the changes as the next epoch; returns when they are durable.
    pub(crate) fn commit(&mut self, tables: &Deltas) -> Result<()> {
        let epoch = self.state.epoch + 1;
        let lsn = self.store.append(epoch, tables)?;
        self.state = self.state.with(&with_derived(tables), epoch)?;
        self.store.wait_durable(lsn)
    }

    /// Does a part of a checkpoint; if there is no space for it, the state goes on without.
    fn or_reopen<A, T>(&mut self, part: A, run: impl FnOnce(&Store, A) -> Result<T>) -> Result<T> {
        let done = run(&self.store, part);
        if done.as_ref().is_err_and(StorageError::is_full) {
            self.state.reopen();
        }
        done
    }
}

/// A random history of commits, checkpoints, new and dropped tables.
#[derive(Debug)]
pub(crate) struct Workload {
    random: Random,
    /// The newest version, and all before it, by attempt: an epoch is here before it is tried.
    pub(crate) now: Version,
    pub(crate) history: Vec<Version>,
    /// The versions for which there was no space, which nobody must see.
    pub(crate) withdrawn: Vec<Version>,
    tables: Vec<CollectionId>,
    pending: Option<Edit>,
}

/// What a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something that an image may or may not show.
    Quiet,
    /// A commit: its version must survive what the setting promises.
    Committed,
    /// A checkpoint: its version must survive a power loss under any setting that syncs.
    Checkpointed,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Workload {
        let history = vec![Version::default()];
        Workload {
            random: Random::new(seed),
            now: Version::default(),
            history,
            withdrawn: Vec::new(),
            tables: Vec::new(),
            pending: None,
        }
    }

    /// One random step. On an error the engine must not be used further, unless there was no space: then it is as if
    /// the step had not been taken.
    pub(crate) fn step(&mut self, engine: &mut Engine) -> Result<Step> {
        let (now, attempts, tables) = (self.now.clone(), self.history.len(), self.tables.clone());
        let step = self.try_step(engine);
        if step.as_ref().is_err_and(StorageError::is_full) {
            self.withdrawn.extend(self.history.drain(attempts..));
            (self.now, self.tables) = (now, tables);
        }
        step
    }

    fn try_step(&mut self, engine: &mut Engine) -> Result<Step> {
        match self.random.below(16) {
            _ if self.tables.is_empty() => self.create(engine),
            0 => self.create(engine),
            1 if self.tables.len() > 1 => self.drop_table(engine),
            2..5 => {
                if self.pending.is_some() {
                    self.end_checkpoint(engine)?;
                } else {
                    let catalog = self.now.catalog.clone();
                    let job = engine.store.begin_checkpoint(&mut engine.state, &catalog)?;
                    self.pending = Some(engine.or_reopen(job, |_, job: Job| job.run())?);
                }
                Ok(Step::Quiet)
            }
            _ => self.commit(engine),
        }
    }

    /// Ends the checkpoint that is under way.
    pub(crate) fn end_checkpoint(&mut self, engine: &mut Engine) -> Result<()> {
        if let Some(edit) = self.pending.take() {
            let installed = engine.or_reopen(edit, |store, edit: Edit| store.install(edit))?;
            let replaced = engine.store.finish(installed, &mut engine.state);
            engine.store.discard(replaced);
        }
        Ok(())
    }

    /// Drops the checkpoint that is under way.
    pub(crate) fn forget_checkpoint(&mut self) {
        self.pending = None;
    }

    fn commit(&mut self, engine: &mut Engine) -> Result<Step> {
        let mut deltas = Deltas::new();
        for &table in &self.tables {
            if self.random.below(3) == 0 {
                continue;
            }
            let mut change = BTreeMap::new();
            for _ in 0..self.random.below(8) {
                let key = vec![self.random.below(20) as u8 + 1, self.random.below(3) as u8];
                change.insert(key, [-1, 1, 2][self.random.below(3) as usize]);
            }
            for (key, weight) in &change {
                let reversed: Vec<u8> = key.iter().rev().copied().collect();
                for (id, key) in [(table, key.clone()), (derived(table), reversed)] {
                    let rows = self.now.contents.entry(id).or_default();
                    *rows.entry(key).or_insert(0) += weight;
                    rows.retain(|_, weight| *weight != 0);
                }
            }
            deltas.insert(table, batch(&change));
        }
        self.attempt();
        engine.commit(&deltas)?;
        Ok(Step::Committed)
    }

    fn create(&mut self, engine: &mut Engine) -> Result<Step> {
        self.end_checkpoint(engine)?;
        let mut state = engine.state.clone();
        let (table, view) = (state.allocate(), state.allocate());
        for id in [table, view] {
            state.insert(id, 77)?;
            self.now.contents.insert(id, BTreeMap::new());
        }
        self.tables.push(table);
        self.change_catalog(engine, state)
    }

    fn drop_table(&mut self, engine: &mut Engine) -> Result<Step> {
        self.end_checkpoint(engine)?;
        let mut state = engine.state.clone();
        let table = self.tables.remove(self.random.below(self.tables.len() as u64) as usize);
        for id in [table, derived(table)] {
            state.remove(id);
            self.now.contents.remove(&id);
        }
        self.change_catalog(engine, state)
    }

    /// A change of the catalog: a checkpoint at an epoch of its own, when none is under way.
    fn change_catalog(&mut self, engine: &mut Engine, mut state: State) -> Result<Step> {
        state.epoch += 1;
        let catalog = format!("catalog of epoch {}", state.epoch);
        self.now.catalog = catalog.clone();
        self.attempt();
        engine.store.checkpoint(&mut state, &catalog)?;
        engine.state = state;
        engine.catalog = catalog;
        Ok(Step::Checkpointed)
    }

    fn attempt(&mut self) {
        self.now.epoch += 1;
        self.history.push(self.now.clone());
    }
}

/// Opens the directory and checks that it holds one version of the history, no older than `acknowledged`.
pub(crate) fn check(
    fs: Arc<dyn Fs>,
    history: &[Version],
    acknowledged: u64,
    what: &dyn Fn() -> String,
) -> Engine {
    let engine = Engine::open(fs, options()).unwrap_or_else(|error| panic!("{}: {error}", what()));
    let found = engine.version().unwrap_or_else(|error| panic!("{}: {error}", what()));
    assert!(found.epoch >= acknowledged, "{}: epoch {} is lost, found {}", what(), acknowledged, found.epoch);
    let expected: Vec<_> = history.iter().filter(|version| version.epoch == found.epoch).collect();
    assert!(expected.contains(&&found), "{}: {found:?} instead of {expected:?}", what());
    engine
}
