//! The store: one database's files, opened and kept. Everything here is about durability; what the rows mean,
//! and which epochs are visible, is the caller's.
//!
//! - *Commit*: [`Store::append`] writes the epoch's record, [`Store::wait_durable`] returns when it is safe.
//! - *Checkpoint*, in five steps, so that the long ones run beside commits: [`Store::begin_checkpoint`] starts a new
//!   log segment and seals what is in memory; [`Job::run`] writes and merges shards; [`Store::install`] makes the
//!   manifest name them; [`Store::finish`] swaps them into the state; [`Store::discard`] removes what they replaced. A
//!   change of the catalog is a checkpoint with the new text.
//! - *Open*: read the manifest, map the shards (headers and footers only), return the log's later epochs for the
//!   caller to run again. Files that no manifest names are removed.
//!
//! The order of syncs is the argument: a log segment is durable before records enter it; a record before it is
//! acknowledged; shards and their names before the manifest that names them; the manifest before anything it
//! replaces is removed.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use zset::{CollectionId, Deltas, Secret};

use crate::checkpoint::{Edit, Job, Ticket, remove_shards};
use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::fs_mem::hold;
use crate::history::History;
use crate::manifest::{self, Manifest};
use crate::options::Options;
use crate::poison::Poison;
use crate::postpone::Postponed;
use crate::record::{SEGMENT_HEADER, SegmentHeader, segment_name, segment_number};
use crate::shard::{Owner, Shard, shard_number};
use crate::spine::{Disk, Run, Spine};
use crate::state::State;
use crate::wal::{Lsn, Wal, create_segment};

/// What was found when a database was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The state of the last checkpoint.
    pub state: State,
    /// The catalog of the last checkpoint; empty in a new database.
    pub catalog: String,
    /// The database's secret.
    pub secret: Secret,
    /// The epochs committed since, in order, to be run again.
    pub tail: Vec<(u64, Deltas)>,
}

/// An edit that the manifest on disk has.
#[must_use = "the state does not have it yet"]
#[derive(Debug)]
pub struct Installed(Edit);

/// Files that no manifest names any more.
#[must_use = "the files are still there"]
#[derive(Debug)]
pub struct Replaced {
    /// Their files go with their last readers.
    _shards: Vec<Arc<Shard>>,
    /// The log before this segment.
    wal: u64,
}

/// An open database's files.
#[derive(Debug)]
pub struct Store {
    fs: Arc<dyn Fs>,
    options: Options,
    secret: Secret,
    poison: Arc<Poison>,
    postponed: Arc<Postponed>,
    wal: Wal,
    next_shard: Arc<AtomicU64>,
    checkpointing: Arc<AtomicBool>,
    /// The shards that the manifest names.
    named: Mutex<BTreeMap<u64, Arc<Shard>>>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl Store {
    /// Opens the database in this directory, or makes one.
    pub fn open(fs: Arc<dyn Fs>, options: Options) -> Result<(Store, Recovered)> {
        let lock = fs.lock().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StorageError::Locked,
            _ => StorageError::writing("lock", "LOCK")(error),
        })?;
        let names = fs.list().map_err(StorageError::io("list", "."))?;
        let is_new = !names.iter().any(|name| name == manifest::NAME);
        if is_new && let Err(error) = create(fs.as_ref(), &options, &names) {
            if error.is_full() {
                // There is no manifest yet that would need it.
                let _ = fs.remove(&segment_name(FIRST_SEGMENT));
            }
            return Err(error);
        }
        let manifest = Manifest::read(fs.as_ref())?;
        let mut named = BTreeMap::new();
        let mut spines = Vec::with_capacity(manifest.collections.len());
        for entry in &manifest.collections {
            let owner = Owner { collection: entry.id, fingerprint: entry.fingerprint };
            let mut runs = Vec::with_capacity(entry.runs.len());
            for numbers in &entry.runs {
                let run: Run =
                    numbers.iter().map(|&number| Shard::open(&fs, number, owner)).collect::<Result<_>>()?;
                named.extend(run.iter().map(|shard| (shard.number(), shard.clone())));
                runs.push(run);
            }
            spines.push((entry.id, Spine::new(entry.fingerprint, Disk::new(runs))));
        }
        let poison = Arc::new(Poison::default());
        let place = (manifest.wal, manifest.epoch);
        let segments: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
        let history = History::find(fs.as_ref(), &segments, manifest.wal, options.history_bytes)?;
        let first_kept = history.first().unwrap_or(manifest.wal);
        let (wal, tail) =
            Wal::open(fs.clone(), options.sync, manifest.secret, poison.clone(), place, history)?;
        remove_unnamed(fs.as_ref(), &names, first_kept, &named)?;
        let store = Store {
            fs,
            options,
            secret: manifest.secret,
            poison,
            postponed: Arc::default(),
            wal,
            next_shard: Arc::new(AtomicU64::new(manifest.next_shard)),
            checkpointing: Arc::default(),
            named: Mutex::new(named),
            _lock: lock,
        };
        let state = State::new(manifest.epoch, spines, manifest.next_collection);
        Ok((store, Recovered { state, catalog: manifest.catalog, secret: manifest.secret, tail }))
    }

    /// Writes the record of an epoch, which must be later than all before. It is not durable yet. After
    /// [`StorageError::Full`] nothing has happened.
    pub fn append(&self, epoch: u64, deltas: &Deltas) -> Result<Lsn> {
        self.wal.append(epoch, deltas)
    }

    /// Writes the record of an epoch that a manifest has already, for [`Store::changes_between`]. If there is no space
    /// for it, it is written before the next one.
    pub fn append_installed(&self, epoch: u64, deltas: &Deltas) -> Result<()> {
        self.wal.append_installed(epoch, deltas)
    }

    /// Waits until the record is as durable as [`Options::sync`] promises. Commits that wait together share one sync.
    pub fn wait_durable(&self, lsn: Lsn) -> Result<()> {
        self.wal.wait_durable(lsn)
    }

    /// The changes of tables in the epochs after `after` and up to `to`, added up; `None` if the log no longer has every
    /// one of them (see [`Options::history_bytes`]).
    pub fn changes_between(&self, after: u64, to: u64) -> Result<Option<Deltas>> {
        self.wal.changes_between(after, to)
    }

    /// Whether enough has gathered for a checkpoint; after one that found no space, enough more.
    pub fn checkpoint_due(&self, state: &State) -> bool {
        let (limit, log) = (self.options.checkpoint_bytes, self.wal.bytes());
        !self.checkpointing.load(Ordering::Acquire)
            && (log >= limit || state.memory_bytes() as u64 >= limit.saturating_mul(4))
            && !self.postponed.waits(log)
    }

    /// Begins a checkpoint of this state. Until it is finished or its job is dropped, another one is refused
    /// with [`StorageError::Busy`]. Any part of it may find no space ([`StorageError::Full`]): then it is as if the
    /// checkpoint had not begun, once the state has let go of what it was to write ([`State::reopen`]).
    pub fn begin_checkpoint(&self, state: &mut State, catalog: &str) -> Result<Job> {
        self.poison.check()?;
        let ticket = Ticket::take(&self.checkpointing).ok_or(StorageError::Busy)?;
        self.postponed.begin(self.wal.bytes(), self.options.checkpoint_bytes);
        self.postponed.watch(self.wal.rotate())?;
        state.replace(|_, spine| (spine.memory_bytes() > 0).then(|| spine.seal()));
        Ok(Job {
            fs: self.fs.clone(),
            sync: self.options.sync,
            shard_bytes: self.options.shard_bytes,
            poison: self.poison.clone(),
            postponed: self.postponed.clone(),
            next_shard: self.next_shard.clone(),
            collections: state.collections().map(|(id, spine)| (id, spine.clone())).collect(),
            manifest: Manifest {
                epoch: state.epoch,
                wal: self.wal.first_after(state.epoch),
                next_shard: 0,
                next_collection: state.next_collection(),
                secret: self.secret,
                catalog: catalog.to_string(),
                collections: Vec::new(),
            },
            ticket,
        })
    }

    /// Makes the edit take effect on disk: from here on it is what a restart finds. The state needs it no sooner than
    /// the next checkpoint.
    pub fn install(&self, edit: Edit) -> Result<Installed> {
        self.poison.check()?;
        let (fs, sync) = (self.fs.as_ref(), self.options.sync);
        if let Err(error) = self.poison.watch(edit.manifest.write(fs, sync)) {
            if error.is_full() {
                remove_shards(fs, edit.written);
            }
            return self.postponed.watch(Err(error));
        }
        self.poison.watch(Manifest::put(fs, sync))?;
        self.postponed.done();
        Ok(Installed(edit))
    }

    /// Makes the edit take effect in `state`, which may have gone on since the checkpoint began. Nothing here waits
    /// for the disk.
    pub fn finish(&self, Installed(edit): Installed, state: &mut State) -> Replaced {
        let changes: BTreeMap<CollectionId, _> =
            edit.changes.iter().map(|change| (change.id, change)).collect();
        state.replace(|id, spine| {
            let change = changes.get(&id).filter(|change| change.changed)?;
            Some(spine.unseal(change.sealed, change.runs.clone()))
        });
        let shards = edit.changes.iter().flat_map(|change| change.runs.iter().flatten());
        let named = shards.map(|shard| (shard.number(), shard.clone())).collect();
        let before = std::mem::replace(&mut *hold(&self.named), named);
        let named = hold(&self.named);
        let shards: Vec<Arc<Shard>> =
            before.into_iter().filter(|(number, _)| !named.contains_key(number)).map(|(_, s)| s).collect();
        shards.iter().for_each(|shard| shard.retire());
        Replaced { _shards: shards, wal: edit.manifest.wal }
    }

    /// Removes what a checkpoint has replaced, as far as nobody reads it any more. Removing large files takes a
    /// while: nobody should have to wait for it.
    pub fn discard(&self, replaced: Replaced) {
        self.wal.retire_before(replaced.wal);
    }

    /// The steps of a checkpoint, one after the other.
    pub fn checkpoint(&self, state: &mut State, catalog: &str) -> Result<()> {
        let edit = self.begin_checkpoint(state, catalog)?.run()?;
        let replaced = self.finish(self.install(edit)?, state);
        self.discard(replaced);
        Ok(())
    }

    /// Bytes in the log that a restart would have to replay.
    pub fn wal_bytes(&self) -> u64 {
        self.wal.bytes()
    }

    /// What could not be written for want of space: the last record, or the last checkpoint, as long as one is due.
    pub fn full(&self) -> Option<StorageError> {
        let due = || self.wal.bytes() >= self.options.checkpoint_bytes;
        self.wal.refused().or_else(|| self.postponed.cause().filter(|_| due()))
    }

    /// The failure that stopped the database from taking changes, if one did.
    pub fn poisoned(&self) -> Option<StorageError> {
        self.poison.check().err()
    }
}

/// The number of a new database's first log segment.
const FIRST_SEGMENT: u64 = 1;

/// Makes the first log segment and the first manifest. A crash in between is made good by doing it again.
fn create(fs: &dyn Fs, options: &Options, names: &[String]) -> Result<()> {
    for name in names {
        let first_segment = segment_number(name) == Some(FIRST_SEGMENT);
        let unused = first_segment && fs.read(name).is_ok_and(|bytes| bytes.len() <= SEGMENT_HEADER);
        if name == manifest::NEW_NAME || unused {
            fs.remove(name).map_err(StorageError::io("remove", name))?;
        } else if segment_number(name).is_some() || shard_number(name).is_some() {
            let detail = format!("it is missing, but \"{name}\" is there");
            return Err(StorageError::corrupt(manifest::NAME, "name", 0, detail));
        }
    }
    debug_assert_eq!(segment_name(FIRST_SEGMENT), "wal-1");
    create_segment(fs, options.sync, SegmentHeader { number: FIRST_SEGMENT, first: 1, durable: 0 })?;
    let manifest = Manifest {
        epoch: 0,
        wal: FIRST_SEGMENT,
        next_shard: 1,
        next_collection: 1,
        secret: options.secret.unwrap_or_else(random_secret),
        catalog: String::new(),
        collections: Vec::new(),
    };
    manifest.write(fs, options.sync)?;
    Manifest::put(fs, options.sync)
}

/// Removes what a crash or a failed removal left behind.
fn remove_unnamed(
    fs: &dyn Fs,
    names: &[String],
    first_segment: u64,
    named: &BTreeMap<u64, Arc<Shard>>,
) -> Result<()> {
    let unnamed = |name: &&String| {
        name.as_str() == manifest::NEW_NAME
            || segment_number(name).is_some_and(|number| number < first_segment)
            || shard_number(name).is_some_and(|number| !named.contains_key(&number))
    };
    let manifest_existed = names.iter().any(|name| name == manifest::NAME);
    for name in names.iter().filter(unnamed).filter(|_| manifest_existed) {
        fs.remove(name).map_err(StorageError::io("remove", name))?;
    }
    Ok(())
}

/// 128 bits nobody can guess: two outputs of the keyed hash whose key the standard library draws from the system.
fn random_secret() -> Secret {
    let draw = || RandomState::new().build_hasher().finish().to_le_bytes();
    let mut secret = [0; 16];
    secret[..8].copy_from_slice(&draw());
    secret[8..].copy_from_slice(&draw());
    Secret(secret)
}
