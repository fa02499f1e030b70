//! The core of a session: whether a transaction is open, and how a piece of work runs in either case.
//!
//! Outside a transaction what only reads runs on the published version, and what writes runs under the writer's
//! lock, so that it sees the newest rows and never conflicts. A transaction runs on the version it began on and
//! meets the others when it commits. Any error in it leaves it failed: it can only be rolled back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::definition::{Change, Definition};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::notice::Notice;
use crate::redefine::Step;
use crate::sync::lock;
use crate::transaction::{Done, Work};

/// What a session shares with its prepared statements and appenders.
pub(crate) struct Core {
    handle: Arc<Handle>,
    cancel: Arc<AtomicBool>,
    copied_bytes: Arc<AtomicU64>,
    notices: Mutex<Vec<Notice>>,
    facts: Mutex<Arc<pgcatalog::Session>>,
    mode: Mutex<Mode>,
    /// The open transaction as it was at its savepoints, the oldest first.
    savepoints: Mutex<Vec<(String, Work)>>,
    role: Arc<str>,
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
        Core {
            handle,
            cancel: Arc::default(),
            copied_bytes: Arc::default(),
            notices: Mutex::default(),
            facts: Mutex::new(Arc::new(facts)),
            mode: Mutex::new(Mode::Auto),
            savepoints: Mutex::default(),
            role,
        }
    }

    /// What the catalogs say of the session.
    pub(crate) fn facts(&self) -> Arc<pgcatalog::Session> {
        Arc::clone(&lock(&self.facts))
    }

    /// Has the catalogs say something else of the session.
    pub(crate) fn set_facts(&self, facts: pgcatalog::Session) {
        *lock(&self.facts) = Arc::new(facts);
    }

    /// The engine below.
    pub(crate) fn engine(&self) -> &Engine {
        &self.handle.engine
    }

    /// Set to stop the running statement.
    pub(crate) fn cancel(&self) -> &Arc<AtomicBool> {
        &self.cancel
    }

    /// How much of its file a running COPY has read.
    pub(crate) fn copied_bytes(&self) -> &Arc<AtomicU64> {
        &self.copied_bytes
    }

    /// Keeps what a statement has to say until it is taken.
    pub(crate) fn note(&self, notices: Vec<Notice>) {
        lock(&self.notices).extend(notices);
    }

    /// What was said since the last time.
    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut lock(&self.notices))
    }

    /// Forgets a cancel that came between statements.
    pub(crate) fn clear_cancel(&self) {
        self.cancel.store(false, Ordering::Relaxed);
    }

    /// Whether a transaction is open.
    pub(crate) fn status(&self) -> Status {
        match *lock(&self.mode) {
            Mode::Auto => Status::Idle,
            Mode::Open(_) => Status::InTransaction,
            Mode::Failed => Status::Failed,
        }
    }

    /// Runs work that changes nothing.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&mut Work) -> Result<T>) -> Result<T> {
        let mut mode = lock(&self.mode);
        match &mut *mode {
            Mode::Auto => {
                drop(mode);
                work(&mut Work::new(self.engine().published()?))
            }
            _ => in_transaction(&mut mode, work),
        }
    }

    /// Runs work that may change rows. Outside a transaction its changes are committed when this returns.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut Work) -> Result<T>) -> Result<T> {
        let mut mode = lock(&self.mode);
        if !matches!(*mode, Mode::Auto) {
            return in_transaction(&mut mode, work);
        }
        drop(mode);
        let engine = self.engine();
        let (ticket, answer) = {
            let mut writer = engine.writer()?;
            let base = Arc::clone(writer.head());
            let mut private = Work::new(Arc::clone(&base));
            let answer = work(&mut private)?;
            let Done::Rows(rows) = private.into_changes()? else {
                return Err(Error::Sql(sql::SqlError::internal("a change of rows changed the catalog")));
            };
            (writer.commit(&base, rows, &self.cancel)?, answer)
        };
        if let Some(ticket) = ticket {
            engine.settle(ticket)?;
            engine.maintain();
        }
        Ok(answer)
    }

    /// The role that the session acts as.
    pub(crate) fn role(&self) -> &Arc<str> {
        &self.role
    }

    /// Changes the catalog: at once, or as a part of the open transaction.
    pub(crate) fn define(&self, what: Change) -> Result<Vec<Notice>> {
        let definition = Definition { by: Arc::clone(&self.role), what };
        let mut mode = lock(&self.mode);
        if !matches!(*mode, Mode::Auto) {
            let planner = &self.engine().planner;
            return in_transaction(&mut mode, |work| work.define(definition, planner, &self.cancel));
        }
        drop(mode);
        self.engine().redefine(None, &[Step::Catalog(definition)], &self.cancel)
    }

    /// Opens a transaction.
    pub(crate) fn begin(&self) -> Result<()> {
        let mut mode = lock(&self.mode);
        if !matches!(*mode, Mode::Auto) {
            return in_transaction(&mut mode, |_| Err(Error::ActiveTransaction));
        }
        *mode = Mode::Open(Box::new(Work::new(self.engine().published()?)));
        lock(&self.savepoints).clear();
        Ok(())
    }

    /// Notes where the open transaction stands, under a name.
    pub(crate) fn savepoint(&self, name: &str) -> Result<()> {
        let mut mode = lock(&self.mode);
        if matches!(*mode, Mode::Auto) {
            return Err(Error::NoTransaction);
        }
        let work = in_transaction(&mut mode, |work| Ok(work.clone()))?;
        lock(&self.savepoints).push((name.to_string(), work));
        Ok(())
    }

    /// Goes back to a savepoint, which stays; later ones are forgotten. It ends a failure, too.
    pub(crate) fn rollback_to(&self, name: &str) -> Result<()> {
        let mut mode = lock(&self.mode);
        if matches!(*mode, Mode::Auto) {
            return Err(Error::NoTransaction);
        }
        let mut savepoints = lock(&self.savepoints);
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
        let mut mode = lock(&self.mode);
        if matches!(*mode, Mode::Auto) {
            return Err(Error::NoTransaction);
        }
        in_transaction(&mut mode, |_| {
            let mut savepoints = lock(&self.savepoints);
            let at = savepoints.iter().rposition(|(known, _)| known == name);
            savepoints.truncate(at.ok_or_else(|| no_savepoint(name))?);
            Ok(())
        })
    }

    /// Commits the open transaction. False if it had failed and was rolled back. After an error it is rolled
    /// back too.
    pub(crate) fn commit(&self) -> Result<bool> {
        self.clear_cancel();
        let ended = std::mem::replace(&mut *lock(&self.mode), Mode::Auto);
        lock(&self.savepoints).clear();
        let work = match ended {
            Mode::Auto => return Err(Error::NoTransaction),
            Mode::Failed => return Ok(false),
            Mode::Open(work) => work,
        };
        let engine = self.engine();
        let origin = Arc::clone(work.origin());
        let changes = match work.into_changes()? {
            Done::Rows(rows) if rows.is_empty() => return Ok(true),
            Done::Rows(rows) => rows,
            Done::Steps(steps) => {
                // What there was to say was said when each was made.
                let _said = engine.redefine(Some(&origin), &steps, &self.cancel)?;
                return Ok(true);
            }
        };
        let ticket = engine.writer()?.commit(&origin, changes, &self.cancel)?;
        if let Some(ticket) = ticket {
            engine.settle(ticket)?;
            engine.maintain();
        }
        Ok(true)
    }

    /// Forgets the open transaction.
    pub(crate) fn rollback(&self) -> Result<()> {
        lock(&self.savepoints).clear();
        match std::mem::replace(&mut *lock(&self.mode), Mode::Auto) {
            Mode::Auto => Err(Error::NoTransaction),
            Mode::Open(_) | Mode::Failed => Ok(()),
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
