//! The database: opening, closing, and the handles that come from it.
//!
//! Opening reads the catalog of the last checkpoint, prepares the program it stores, and runs the log's later
//! epochs through it again. Views and operators come back with their state; nothing is recomputed.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use sql::{Planner, SqlError, SqlState};
use storage::{Fs, MemFs, Options, RealFs, Recovered, Store, Sync};

use crate::bounds;
use crate::catalog_text;
use crate::engine::{Engine, Parts};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::role::FIRST;
use crate::scram::Verifier;
use crate::session::Session;
use crate::subscribe::{Start, Subscription};
use crate::sync::lock;
use crate::version::{Compiled, Version};

/// The planner holds no data and is the same for every database of the process, and making one takes a while.
static PLANNER: Mutex<Option<Arc<Planner>>> = Mutex::new(None);

/// An open database. Clones are handles of the same one; it closes with the last handle, or by
/// [`Database::close`].
#[derive(Clone)]
pub struct Database {
    handle: Arc<Handle>,
}

impl Database {
    /// Opens the database in a directory, which is made if it is not there.
    pub fn open(directory: impl AsRef<Path>) -> Result<Database> {
        Database::builder().open(directory)
    }

    /// A database that lives as long as its handles.
    pub fn in_memory() -> Result<Database> {
        Database::builder().open_in_memory()
    }

    /// Opens a database with other settings than the usual.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A session: where statements run. Sessions are independent; each may be used from its own thread. It may do
    /// everything: whoever has the files has the database.
    pub fn session(&self) -> Session {
        Session::new(Arc::clone(&self.handle), Arc::from(FIRST))
    }

    /// A session of a role that may log in, whoever asks: the caller has made sure that it is who it says.
    pub fn session_as(&self, role: &str) -> Result<Session> {
        let version = self.handle.engine.published()?;
        match version.compiled.catalog.roles.get(role) {
            Some(known) if known.login => Ok(Session::new(Arc::clone(&self.handle), Arc::from(role))),
            Some(_) => Err(unauthorized(format!("role \"{role}\" is not permitted to log in"))),
            None => Err(unauthorized(format!("role \"{role}\" does not exist"))),
        }
    }

    /// A session of a role that proves itself with its password.
    pub fn login(&self, role: &str, password: &str) -> Result<Session> {
        let accepted = self.verifier(role)?.is_some_and(|verifier| verifier.accepts(password));
        if accepted {
            return self.session_as(role);
        }
        let message = format!("password authentication failed for user \"{role}\"");
        Err(SqlError::new(SqlState::InvalidPassword, message).into())
    }

    /// Whether there is a role of this name.
    pub fn has_role(&self, role: &str) -> Result<bool> {
        Ok(self.handle.engine.published()?.compiled.catalog.roles.get(role).is_some())
    }

    /// What is kept of a role's password; `None` without the role, or without a password.
    pub fn verifier(&self, role: &str) -> Result<Option<Verifier>> {
        let version = self.handle.engine.published()?;
        let role = version.compiled.catalog.roles.get(role);
        Ok(role.and_then(|role| Verifier::parse(role.verifier.as_deref()?)))
    }

    /// How many sessions of a role there may be at once; `None` for any number.
    pub fn connection_limit(&self, role: &str) -> Result<Option<u32>> {
        let version = self.handle.engine.published()?;
        let role = version.compiled.catalog.roles.get(role);
        Ok(role.and_then(|role| u32::try_from(role.connection_limit).ok()))
    }

    /// Whether some role has a password: until then nobody can prove who they are.
    pub fn has_passwords(&self) -> Result<bool> {
        let version = self.handle.engine.published()?;
        Ok(version.compiled.catalog.roles.iter().any(|(_, role)| role.verifier.is_some()))
    }

    /// The changes of a table or view from now on, after its contents.
    pub fn subscribe(&self, name: &str) -> Result<Subscription> {
        self.subscribe_from(name, Start::Contents)
    }

    /// The changes of a table or view, beginning where it is said. Resuming after an epoch that was delivered before
    /// is exact, over restarts and crashes too, as long as the log goes back so far ([`Builder::history_bytes`]).
    pub fn subscribe_from(&self, name: &str, start: Start) -> Result<Subscription> {
        self.handle.engine.subscribe(name, start, None)
    }

    /// The epoch that readers see: how many commits there have been.
    pub fn epoch(&self) -> Result<u64> {
        Ok(self.handle.engine.published()?.state.epoch)
    }

    /// What the database weighs at the moment.
    pub fn stats(&self) -> Result<Stats> {
        let engine = &self.handle.engine;
        let state = &engine.published()?.state;
        Ok(Stats {
            epoch: state.epoch,
            log_bytes: engine.store.wal_bytes(),
            memory_bytes: state.memory_bytes() as u64,
        })
    }

    /// Whether commits are possible: an error if the database is closed, or if a write has failed.
    pub fn check_writable(&self) -> Result<()> {
        self.handle.engine.check_open()?;
        self.handle.engine.store.poisoned().map_or(Ok(()), |cause| Err(cause.into()))
    }

    /// What the disk has no space for at the moment, as far as the database knows: the last commit, or a checkpoint that
    /// is due. It takes what fits meanwhile, and goes on by itself when there is space.
    pub fn full(&self) -> Option<Error> {
        self.handle.engine.store.full().map(Error::from)
    }

    /// Writes everything to shards and begins the log anew. Commits go on meanwhile.
    pub fn checkpoint(&self) -> Result<()> {
        self.handle.engine.checkpoint()
    }

    /// Checkpoints and closes the database, for all handles. What was acknowledged is kept without it too; the next
    /// start is quicker with it.
    pub fn close(&self) -> Result<()> {
        let exact = self.handle.engine.write_sequences_exactly();
        let done = exact.and_then(|()| self.handle.engine.checkpoint());
        self.handle.close();
        done
    }
}

/// What a database weighs at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The epoch that readers see.
    pub epoch: u64,
    /// Bytes of log since the last checkpoint.
    pub log_bytes: u64,
    /// Bytes of rows and traces in memory, not yet in shards.
    pub memory_bytes: u64,
}

/// The bytes of changed rows that a transaction may have unless told otherwise.
const TRANSACTION_MEMORY: usize = 4 << 30;

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Builder {
    options: Options,
    background: bool,
    query_memory: usize,
    transaction_memory: usize,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            options: Options::default(),
            background: true,
            query_memory: sql::QUERY_MEMORY,
            transaction_memory: TRANSACTION_MEMORY,
        }
    }
}

impl Builder {
    /// What an acknowledged commit survives; [`Sync::Full`] unless said otherwise.
    pub fn sync(mut self, sync: Sync) -> Builder {
        self.options.sync = sync;
        self
    }

    /// How many bytes of log, or of changes in memory, make a checkpoint due.
    pub fn checkpoint_bytes(mut self, bytes: u64) -> Builder {
        self.options.checkpoint_bytes = bytes;
        self
    }

    /// How many bytes of log are kept for subscribers who resume, beyond what a restart needs.
    pub fn history_bytes(mut self, bytes: u64) -> Builder {
        self.options.history_bytes = bytes;
        self
    }

    /// How many bytes a query may take for what its operators keep and for its answer; one GiB unless said otherwise.
    /// One that takes more fails with 53200.
    pub fn query_memory(mut self, bytes: usize) -> Builder {
        self.query_memory = bytes;
        self
    }

    /// How many bytes of changed rows a transaction may have, or a statement outside of any; four GiB unless said
    /// otherwise. A statement that would change more fails with 53200.
    pub fn transaction_memory(mut self, bytes: usize) -> Builder {
        self.transaction_memory = bytes;
        self
    }

    /// At how many bytes a shard file ends and the next one begins.
    pub fn shard_bytes(mut self, bytes: usize) -> Builder {
        self.options.shard_bytes = bytes;
        self
    }

    /// Checkpoints run within the commit that makes them due, and not on a thread: for tests that must repeat.
    pub fn inline_maintenance(mut self) -> Builder {
        self.background = false;
        self
    }

    /// The secret of a database that is new: for tests that must repeat.
    pub fn secret(mut self, secret: [u8; 16]) -> Builder {
        self.options.secret = Some(zset::Secret(secret));
        self
    }

    /// Opens the database in a directory, which is made if it is not there.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<Database> {
        let directory = directory.as_ref();
        let failed = |source| Error::File { path: directory.display().to_string(), source };
        let fs = RealFs::open(directory).map_err(failed)?;
        self.open_fs(Arc::new(fs))
    }

    /// Opens a database that lives as long as its handles.
    pub fn open_in_memory(self) -> Result<Database> {
        self.sync(Sync::Off).open_fs(Arc::new(MemFs::new()))
    }

    /// Opens the database on any [`Fs`].
    pub fn open_fs(self, fs: Arc<dyn Fs>) -> Result<Database> {
        let (store, recovered) = Store::open(fs, self.options)?;
        let planner = Arc::new(planner()?.with_query_memory(self.query_memory));
        let version = recover(recovered, &planner)?;
        let engine = Engine::new(Parts {
            store,
            planner,
            background: self.background,
            transaction_memory: self.transaction_memory,
            version,
        });
        Ok(Database { handle: Arc::new(Handle::start(engine)?) })
    }
}

fn unauthorized(message: String) -> Error {
    SqlError::new(SqlState::InvalidAuthorization, message).into()
}

fn planner() -> Result<Arc<Planner>> {
    let mut shared = lock(&PLANNER);
    if let Some(planner) = &*shared {
        return Ok(Arc::clone(planner));
    }
    let failed = |source| Error::File { path: "the planner's threads".to_string(), source };
    let planner = Arc::new(Planner::new().map_err(failed)?);
    *shared = Some(Arc::clone(&planner));
    Ok(planner)
}

/// The version after the log's last epoch.
fn recover(recovered: Recovered, planner: &Planner) -> Result<Version> {
    let catalog = catalog_text::parse(&recovered.catalog, recovered.secret)?;
    for id in catalog.collections() {
        if recovered.state.spine(id).is_none() {
            return Err(Error::Catalog { message: format!("the manifest has no collection {id}") });
        }
    }
    let compiled = Arc::new(Compiled::new(catalog, planner.functions())?);
    let mut version = Version { number: 0, state: recovered.state, compiled };
    for (epoch, changes) in recovered.tail {
        let mut deltas = version.step(&changes, &AtomicBool::new(false))?;
        deltas.extend(changes);
        version.state = version.state.with(&deltas, epoch)?;
    }
    for relation in version.compiled.catalog.stored() {
        let Some(sequence) = &relation.sequence else { continue };
        if let Some(mark) = bounds::stored(relation, version.runs(relation.id())?)? {
            sequence.counter.restore(mark);
        }
    }
    Ok(version)
}
