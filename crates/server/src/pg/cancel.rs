//! Which connections there are, and how a running statement is stopped: by a client's request, by its time limit, or
//! because the server shuts down.
//!
//! A connection notes when a statement begins and when it ends. One task looks at all of them many times a second
//! and stops what has run too long, so that a statement costs two short locks and no timer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gnitz::CancelHandle;

use crate::pg::error::Report;

/// How often the task looks.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Why a statement is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A client asked for it.
    Request,
    /// It ran too long.
    Timeout,
    /// The server does not wait for it any longer.
    Shutdown,
}

impl Cause {
    /// What its client is told.
    pub(crate) fn report(self) -> Report {
        match self {
            Cause::Request => Report::error("57014", "canceling statement due to user request"),
            Cause::Timeout => Report::error("57014", "canceling statement due to statement timeout"),
            Cause::Shutdown => Report::fatal("57P01", "terminating connection due to administrator command"),
        }
    }
}

/// A connection, as those who want to stop it see it.
pub(crate) struct Backend {
    /// Its number.
    pub(crate) pid: i32,
    /// What proves that who wants to cancel may.
    pub(crate) secret: i32,
    /// Whose it is.
    role: String,
    handle: CancelHandle,
    running: Mutex<Option<Running>>,
}

struct Running {
    deadline: Option<Instant>,
    cause: Option<Cause>,
}

impl Backend {
    /// A statement begins.
    pub(crate) fn begin(&self, timeout: Option<Duration>) {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        *lock(&self.running) = Some(Running { deadline, cause: None });
    }

    /// It has ended; gives why it was stopped, if it was.
    pub(crate) fn end(&self) -> Option<Cause> {
        lock(&self.running).take().and_then(|running| running.cause)
    }

    /// Whether what is running is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        lock(&self.running).as_ref().is_some_and(|running| running.cause.is_some())
    }

    /// Stops what is running.
    pub(crate) fn stop(&self, cause: Cause) {
        if let Some(running) = lock(&self.running).as_mut() {
            running.cause.get_or_insert(cause);
            self.handle.cancel();
        }
    }

    /// Stops what has run too long. What is to stop is told so again, since a statement that is just beginning may
    /// not have heard it.
    fn look(&self, now: Instant) {
        if let Some(running) = lock(&self.running).as_mut() {
            if running.deadline.is_some_and(|deadline| deadline <= now) {
                running.cause.get_or_insert(Cause::Timeout);
            }
            if running.cause.is_some() {
                self.handle.cancel();
            }
        }
    }
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of all roles.
    pub(crate) all: usize,
    /// Of the role that connects, if it has a limit.
    pub(crate) of_role: Option<u32>,
}

/// Of whom there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All connections.
    All,
    /// Those of the role.
    Role,
}

/// All connections.
#[derive(Default)]
pub(crate) struct Backends {
    all: Mutex<HashMap<i32, Arc<Backend>>>,
    last: AtomicI32,
}

impl Backends {
    /// Adds a connection of a role, unless there are as many as there may be, of all roles or of this one.
    pub(crate) fn add(
        &self,
        handle: CancelHandle,
        secret: i32,
        role: &str,
        limits: Limits,
    ) -> Result<Arc<Backend>, Full> {
        let mut all = lock(&self.all);
        if all.len() >= limits.all {
            return Err(Full::All);
        }
        let of_role = || all.values().filter(|backend| backend.role == role).count();
        if limits.of_role.is_some_and(|limit| of_role() >= limit as usize) {
            return Err(Full::Role);
        }
        let next = || (self.last.fetch_add(1, Ordering::Relaxed) & i32::MAX).wrapping_add(1) & i32::MAX;
        let mut pid = next();
        while pid == 0 || all.contains_key(&pid) {
            pid = next();
        }
        let backend =
            Arc::new(Backend { pid, secret, role: role.to_string(), handle, running: Mutex::new(None) });
        all.insert(pid, Arc::clone(&backend));
        Ok(backend)
    }

    /// A connection has ended.
    pub(crate) fn remove(&self, backend: &Backend) {
        lock(&self.all).remove(&backend.pid);
    }

    /// Stops what a connection runs, if the secret is right.
    pub(crate) fn cancel(&self, pid: i32, secret: i32) {
        let found = lock(&self.all).get(&pid).cloned();
        if let Some(backend) = found.filter(|backend| backend.secret == secret) {
            backend.stop(Cause::Request);
        }
    }

    /// Stops what every connection runs.
    pub(crate) fn stop_all(&self, cause: Cause) {
        self.each(|backend| backend.stop(cause));
    }

    /// Stops what has run too long.
    pub(crate) fn look(&self) {
        let now = Instant::now();
        self.each(|backend| backend.look(now));
    }

    fn each(&self, what: impl Fn(&Backend)) {
        lock(&self.all).values().for_each(|backend| what(backend));
    }
}

/// Nothing that is guarded here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
