//! The core of a session: whether a transaction is open, and how a piece of work runs in either case.
//!
//! Outside a transaction what only reads runs on the published version, and what writes runs under the writer's
//! lock, so that it sees the newest rows and never conflicts. A transaction runs on the version it began on and
//! meets the others when it commits. Any error in it leaves it failed: it can only be rolled back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::catalog::Catalog;
use crate::commit::Commit;
use crate::definition::{Change, Definition};
use crate::engine::{Engine, Ticket, Writer};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::notice::Notice;
use crate::pace::Pace;
use crate::peers::{Peers, SettingChange};
use crate::redefine::Step;
use crate::remembered::Memory;
use crate::sync::lock;
use crate::transaction::{Done, Work};
use crate::version::{Compiled, Version};

/// What a session shares with its prepared statements and appenders, and the role that acts.
#[derive(Clone)]
pub(crate) struct Core {
    shared: Arc<Shared>,
    role: Arc<str>,
    /// Where the ticket of a commit goes for which somebody else waits.
    unsettled: Option<Arc<Mutex<Option<Ticket>>>>,
}

struct Shared {
    handle: Arc<Handle>,
    cancel: Arc<AtomicBool>,
    copied_bytes: Arc<AtomicU64>,
    notices: Mutex<Vec<Notice>>,
    facts: Mutex<Arc<pgcatalog::Session>>,
    /// Whether the search path is what it is without a setting.
    plain_path: AtomicBool,
    mode: Mutex<Mode>,
    /// The open transaction as it was at its savepoints, the oldest first.
    savepoints: Mutex<Vec<(String, Work)>>,
    /// Whether transactions only read that do not say it themselves.
    read_only: AtomicBool,
    /// How other sessions are asked, if a server said so.
    peers: Mutex<Option<Arc<dyn Peers>>>,
    /// The settings that queries have changed, for the server to take.
    changes: Mutex<Vec<SettingChange>>,
    /// The values that the session took from sequences.
    sequences: Mutex<Memory>,
}

/// Where a session stands between two statements.
enum Mode {
    /// No transaction is open.
    Auto,
    /// One is.
    Open(Box<Work>),
    /// One is, but a statement of it failed.
    Failed,
}

/// Whether a session is in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every statement is its own transaction.
    Idle,
    /// A transaction is open.
    InTransaction,
    /// A transaction is open and has failed.
    Failed,
}

impl Core {
    /// A session without a transaction.
    pub(crate) fn new(handle: Arc<Handle>, role: Arc<str>) -> Core {
        let (user, session_user) = (role.to_string(), role.to_string());
        let facts = pgcatalog::Session { user, session_user, ..pgcatalog::Session::default() };
        let shared = Shared {
            handle,
            cancel: Arc::default(),
            copied_bytes: Arc::default(),
            notices: Mutex::default(),
            facts: Mutex::new(Arc::new(facts)),
            plain_path: AtomicBool::new(true),
            mode: Mutex::new(Mode::Auto),
            savepoints: Mutex::default(),
            read_only: AtomicBool::new(false),
            peers: Mutex::default(),
            changes: Mutex::default(),
            sequences: Mutex::default(),
        };
        Core { shared: Arc::new(shared), role, unsettled: None }
    }

    /// The same session with the rights of another role.
    pub(crate) fn acting_as(&self, role: Arc<str>) -> Core {
        Core { role, ..self.clone() }
    }

    /// Runs work that takes some microseconds. It holds the writer's lock as one who does so briefly, and what it
    /// commits is not waited for.
    pub(crate) fn briefly<T>(&self, work: impl FnOnce(&Core) -> Result<T>) -> Result<(T, Option<Commit>)> {
        let unsettled = Arc::default();
        let core = Core { unsettled: Some(Arc::clone(&unsettled)), ..self.clone() };
        let done = work(&core);
        let commit = lock(&unsettled).take().map(|ticket| Commit::new(&self.shared.handle, ticket));
        Ok((done?, commit))
    }

    /// Waits until a commit is durable, or leaves that to others.
    fn acknowledge(&self, ticket: Option<Ticket>) -> Result<()> {
        let Some(ticket) = ticket else { return Ok(()) };
        match &self.unsettled {
            Some(unsettled) => *lock(unsettled) = Some(ticket),
            None => Commit::new(&self.shared.handle, ticket).settle()?,
        }
        Ok(())
    }

    /// What the catalogs say of the session.
    pub(crate) fn facts(&self) -> Arc<pgcatalog::Session> {
        Arc::clone(&lock(&self.shared.facts))
    }

    /// Has the catalogs say something else of the session.
    pub(crate) fn set_facts(&self, facts: pgcatalog::Session) {
        let plain = facts.search_path == pgcatalog::Session::default().search_path;
        self.shared.plain_path.store(plain, Ordering::Relaxed);
        *lock(&self.shared.facts) = Arc::new(facts);
    }

    /// Says in which schemas names are looked for.
    pub(crate) fn set_path(&self, path: &str) -> Result<()> {
        let in_transaction = self.status() != Status::Idle;
        self.read(|_| {
            // A rollback would have to take it back.
            if in_transaction {
                let refusal = sql::SqlError::unsupported("SET search_path in a transaction of this session");
                return Err(refusal.with_hint("set it before BEGIN").into());
            }
            let mut facts = pgcatalog::Session::clone(&self.facts());
            facts.set("search_path", path);
            self.set_facts(facts);
            Ok(())
        })
    }

    /// Whether names without a schema are those of `public`, whatever there is.
    pub(crate) fn has_plain_path(&self) -> bool {
        self.shared.plain_path.load(Ordering::Relaxed)
    }

    /// How other sessions are asked.
    pub(crate) fn peers(&self) -> Option<Arc<dyn Peers>> {
        lock(&self.shared.peers).clone()
    }

    /// Says how other sessions are asked.
    pub(crate) fn set_peers(&self, peers: Arc<dyn Peers>) {
        *lock(&self.shared.peers) = Some(peers);
    }

    /// Keeps what a query has set until the server takes it.
    pub(crate) fn change_settings(&self, changes: Vec<SettingChange>) {
        lock(&self.shared.changes).extend(changes);
    }

    /// What queries have set since the last time.
    pub(crate) fn take_changes(&self) -> Vec<SettingChange> {
        std::mem::take(&mut lock(&self.shared.changes))
    }

    /// Looks at what the session remembers of sequences, or notes more.
    pub(crate) fn remember<T>(&self, note: impl FnOnce(&mut Memory) -> T) -> T {
        note(&mut lock(&self.shared.sequences))
    }

    /// Waits until no crash can give those values of sequences again that queries have told the client of.
    pub(crate) fn cover(&self) -> Result<()> {
        let told = self.remember(Memory::take_told);
        if told.is_empty() { Ok(()) } else { self.engine().cover(&told) }
    }

    /// The engine below.
    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.handle.engine
    }

    /// Set to stop the running statement.
    pub(crate) fn cancel(&self) -> &Arc<AtomicBool> {
        &self.shared.cancel
    }

    /// How much of its file a running COPY has read.
    pub(crate) fn copied_bytes(&self) -> &Arc<AtomicU64> {
        &self.shared.copied_bytes
    }

    /// Keeps what a statement has to say until it is taken.
    pub(crate) fn note(&self, notices: Vec<Notice>) {
        lock(&self.shared.notices).extend(notices);
    }

    /// What was said since the last time.
    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut lock(&self.shared.notices))
    }

    /// Forgets a cancel that came between statements.
    pub(crate) fn clear_cancel(&self) {
        self.shared.cancel.store(false, Ordering::Relaxed);
    }

    /// Whether a transaction is open.
    pub(crate) fn status(&self) -> Status {
        match *lock(&self.shared.mode) {
            Mode::Auto => Status::Idle,
            Mode::Open(_) => Status::InTransaction,
            Mode::Failed => Status::Failed,
        }
    }

    /// Runs work that changes nothing.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&mut Work) -> Result<T>) -> Result<T> {
        let mut mode = lock(&self.shared.mode);
        match &mut *mode {
            Mode::Auto => {
                drop(mode);
                work(&mut self.work_on(self.engine().published()?))
            }
            _ => in_transaction(&mut mode, work),
        }
    }

    /// Looks at the catalog that the next statement sees.
    pub(crate) fn with_catalog<T>(&self, look: impl FnOnce(&Catalog) -> T) -> Result<T> {
        Ok(look(&self.compiled()?.catalog))
    }

    /// The catalog that the next statement sees, with what is made of it.
    pub(crate) fn compiled(&self) -> Result<Arc<Compiled>> {
        match &*lock(&self.shared.mode) {
            Mode::Open(work) => Ok(Arc::clone(&work.base().compiled)),
            Mode::Auto | Mode::Failed => Ok(Arc::clone(&self.engine().published()?.compiled)),
        }
    }

    /// Runs work that may change rows. Outside a transaction its changes are committed when this returns; how long that
    /// took, waiting aside, is noted as the pace.
    pub(crate) fn write<T>(
        &self,
        pace: Option<&Pace>,
        work: impl FnOnce(&mut Work) -> Result<T>,
    ) -> Result<T> {
        let mut mode = lock(&self.shared.mode);
        if !matches!(*mode, Mode::Auto) {
            return in_transaction(&mut mode, |private| {
                private.may_write()?;
                work(private)
            });
        }
        drop(mode);
        if self.shared.read_only.load(Ordering::Relaxed) {
            return Err(Error::ReadOnly);
        }
        let (ticket, answer) = {
            let mut writer = self.writer()?;
            let begun = Instant::now();
            let base = Arc::clone(writer.head());
            let mut private = self.work_on(Arc::clone(&base));
            let answer = work(&mut private)?;
            let Done::Rows(rows) = private.into_changes()? else {
                return Err(Error::Sql(sql::SqlError::internal("a change of rows changed the catalog")));
            };
            let ticket = writer.commit(&base, rows, &self.shared.cancel)?;
            pace.iter().for_each(|pace| pace.note(begun.elapsed()));
            (ticket, answer)
        };
        self.acknowledge(ticket)?;
        Ok(answer)
    }

    fn work_on(&self, base: Arc<Version>) -> Work {
        Work::new(base, self.engine().transaction_memory)
    }

    fn writer(&self) -> Result<Writer<'_>> {
        if self.unsettled.is_some() { self.engine().writer_briefly() } else { self.engine().writer() }
    }

    /// Whether a commit of the open transaction takes some microseconds, once it is the writer.
    pub(crate) fn commits_briefly(&self) -> bool {
        // What the client knows of sequences would be waited for.
        if self.remember(|memory| memory.has_told()) {
            return false;
        }
        match &*lock(&self.shared.mode) {
            Mode::Open(work) => {
                work.few_changes().is_some_and(|tables| tables.iter().all(|table| table.pace.is_quick()))
            }
            Mode::Auto | Mode::Failed => true,
        }
    }

    /// The role that the session acts as.
    pub(crate) fn role(&self) -> &Arc<str> {
        &self.role
    }

    /// Changes the catalog: at once, or as a part of the open transaction.
    pub(crate) fn define(&self, what: Change) -> Result<Vec<Notice>> {
        let definition = Definition { by: Arc::clone(&self.role), what };
        let mut mode = lock(&self.shared.mode);
        if !matches!(*mode, Mode::Auto) {
            let planner = &self.engine().planner;
            return in_transaction(&mut mode, |work| {
                work.may_write()?;
                work.define(definition, planner, &self.shared.cancel)
            });
        }
        drop(mode);
        if self.shared.read_only.load(Ordering::Relaxed) {
            return Err(Error::ReadOnly);
        }
        self.engine().redefine(None, &[Step::Catalog(definition)], &self.shared.cancel)
    }

    /// Says whether transactions only read that do not say it themselves.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.shared.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Says whether the open transaction only reads.
    pub(crate) fn set_transaction_read_only(&self, read_only: bool) {
        if let Mode::Open(work) = &mut *lock(&self.shared.mode) {
            work.set_read_only(read_only);
        }
    }

    /// Whether the open transaction only reads, or without one the next statement.
    pub(crate) fn is_read_only(&self) -> bool {
        match &*lock(&self.shared.mode) {
            Mode::Open(work) => work.may_write().is_err(),
            Mode::Auto | Mode::Failed => self.shared.read_only.load(Ordering::Relaxed),
        }
    }

    /// Opens a transaction, which only reads if that is said, or if the session's do.
    pub(crate) fn begin(&self, read_only: Option<bool>) -> Result<()> {
        let mut mode = lock(&self.shared.mode);
        if !matches!(*mode, Mode::Auto) {
            return in_transaction(&mut mode, |_| Err(Error::ActiveTransaction));
        }
        let mut work = self.work_on(self.engine().published()?);
        work.set_read_only(read_only.unwrap_or_else(|| self.shared.read_only.load(Ordering::Relaxed)));
        *mode = Mode::Open(Box::new(work));
        lock(&self.shared.savepoints).clear();
        Ok(())
    }

    /// Notes where the open transaction stands, under a name.
    pub(crate) fn savepoint(&self, name: &str) -> Result<()> {
        let mut mode = lock(&self.shared.mode);
        if matches!(*mode, Mode::Auto) {
            return Err(Error::NoTransaction);
        }
        let work = in_transaction(&mut mode, |work| Ok(work.clone()))?;
        lock(&self.shared.savepoints).push((name.to_string(), work));
        Ok(())
    }

    /// Goes back to a savepoint, which stays; later ones are forgotten. It ends a failure, too.
    pub(crate) fn rollback_to(&self, name: &str) -> Result<()> {
        let mut mode = lock(&self.shared.mode);
        if matches!(*mode, Mode::Auto) {
            return Err(Error::NoTransaction);
        }
        let mut savepoints = lock(&self.shared.savepoints);
        let Some(at) = savepoints.iter().rposition(|(known, _)| known == name) else {
            *mode = Mode::Failed;
            return Err(no_savepoint(name));
        };
        savepoints.truncate(at + 1);
        *mode = Mode::Open(Box::new(savepoints[at].1.clone()));
        Ok(())
    }

    /// Forgets a savepoint and those after it; what was done since stays.
    pub(crate) fn release(&self, name: &str) -> Result<()> {
        let mut mode = lock(&self.shared.mode);
        if matches!(*mode, Mode::Auto) {
            return Err(Error::NoTransaction);
        }
        in_transaction(&mut mode, |_| {
            let mut savepoints = lock(&self.shared.savepoints);
            let at = savepoints.iter().rposition(|(known, _)| known == name);
            savepoints.truncate(at.ok_or_else(|| no_savepoint(name))?);
            Ok(())
        })
    }

    /// Commits the open transaction. False if it had failed and was rolled back. After an error it is rolled
    /// back too.
    pub(crate) fn commit(&self) -> Result<bool> {
        self.clear_cancel();
        let ended = std::mem::replace(&mut *lock(&self.shared.mode), Mode::Auto);
        lock(&self.shared.savepoints).clear();
        let work = match ended {
            Mode::Auto => return Err(Error::NoTransaction),
            Mode::Failed => return Ok(false),
            Mode::Open(work) => work,
        };
        let engine = self.engine();
        let origin = Arc::clone(work.origin());
        let few = work.few_changes();
        let changes = match work.into_changes()? {
            Done::Rows(rows) if rows.is_empty() => return self.cover().map(|()| true),
            Done::Rows(rows) => rows,
            Done::Steps(steps) => {
                // What there was to say was said when each was made.
                let _said = engine.redefine(Some(&origin), &steps, &self.shared.cancel)?;
                return Ok(true);
            }
        };
        let ticket = {
            let mut writer = self.writer()?;
            let begun = Instant::now();
            let ticket = writer.commit(&origin, changes, &self.shared.cancel)?;
            few.iter().flatten().for_each(|table| table.pace.note(begun.elapsed()));
            ticket
        };
        self.acknowledge(ticket)?;
        Ok(true)
    }

    /// Forgets the open transaction.
    pub(crate) fn rollback(&self) -> Result<()> {
        lock(&self.shared.savepoints).clear();
        match std::mem::replace(&mut *lock(&self.shared.mode), Mode::Auto) {
            Mode::Auto => Err(Error::NoTransaction),
            Mode::Open(_) | Mode::Failed => {
                // Values that it took are not given again.
                self.engine().cover_soon();
                Ok(())
            }
        }
    }
}

fn no_savepoint(name: &str) -> Error {
    let message = format!("savepoint \"{name}\" does not exist");
    sql::SqlError::new(sql::SqlState::InvalidSavepoint, message).into()
}

/// Runs work in the open transaction, which it fails if it fails itself.
fn in_transaction<T>(mode: &mut Mode, work: impl FnOnce(&mut Work) -> Result<T>) -> Result<T> {
    let Mode::Open(private) = mode else { return Err(Error::FailedTransaction) };
    let answer = work(private);
    if answer.is_err() {
        *mode = Mode::Failed;
    }
    answer
}
