//! Which connections there are, what they do, and how a running statement is stopped: by a client's request, by
//! another session, by its time limit, or because the server shuts down.
//!
//! A connection notes when a statement begins and when it ends. One task looks at all of them many times a second
//! and stops what has run too long, so that a statement costs two short locks and no timer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use gnitz::{Activity, Asked, CancelHandle, PreparedStatement, State};
use tokio::sync::Notify;

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
    /// Another session has its connection end.
    Terminate,
    /// The server does not wait for it any longer.
    Shutdown,
}

impl Cause {
    /// What its client is told.
    pub(crate) fn report(self) -> Report {
        match self {
            Cause::Request => Report::error("57014", "canceling statement due to user request"),
            Cause::Timeout => Report::error("57014", "canceling statement due to statement timeout"),
            Cause::Terminate | Cause::Shutdown => terminated(),
        }
    }
}

/// What a client is told whose connection ends without its doing.
pub(crate) fn terminated() -> Report {
    Report::fatal("57P01", "terminating connection due to administrator command")
}

/// Whose connection it is.
pub(crate) struct Who {
    /// The name of its role.
    pub(crate) user: String,
    /// The name of the database, as the client wrote it.
    pub(crate) database: String,
    /// The address and port of the client's side.
    pub(crate) client: (String, u16),
}

/// The statements that a connection has prepared, by name.
pub(crate) type Listed = Mutex<HashMap<String, PreparedStatement>>;

/// A connection, as those who want to stop it see it.
pub(crate) struct Backend {
    /// Its number.
    pub(crate) pid: i32,
    /// What proves that who wants to cancel may.
    pub(crate) secret: i32,
    /// What it has prepared.
    pub(crate) listed: Arc<Listed>,
    who: Who,
    started: i64,
    handle: CancelHandle,
    running: Mutex<Option<Running>>,
    doing: Mutex<Doing>,
    ending: Notify,
}

/// What a connection does, or did last; times are in microseconds since 1970.
#[derive(Default)]
struct Doing {
    application_name: String,
    state: State,
    state_changed: i64,
    query: Arc<str>,
    query_started: Option<i64>,
    transaction_started: Option<i64>,
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

    /// Does what another session asks of this one.
    pub(crate) fn ask(&self, asked: Asked) {
        match asked {
            Asked::Cancel => self.stop(Cause::Request),
            Asked::Terminate => {
                self.stop(Cause::Terminate);
                self.ending.notify_one();
            }
        }
    }

    /// Until another session has the connection end.
    pub(crate) async fn ended(&self) {
        self.ending.notified().await;
    }

    /// A statement of the client begins.
    pub(crate) fn runs(&self, text: &Arc<str>) {
        let now = now();
        let mut doing = lock(&self.doing);
        (doing.state, doing.state_changed, doing.query) = (State::Active, now, Arc::clone(text));
        doing.query_started = Some(now);
        doing.transaction_started.get_or_insert(now);
    }

    /// The client is waited for.
    pub(crate) fn rests(&self, state: State) {
        let mut doing = lock(&self.doing);
        (doing.state, doing.state_changed) = (state, now());
        if state == State::Idle {
            doing.transaction_started = None;
        }
    }

    /// What the client calls itself.
    pub(crate) fn called(&self, name: &str) {
        let mut doing = lock(&self.doing);
        if doing.application_name != name {
            doing.application_name = name.to_string();
        }
    }

    fn activity(&self) -> Activity {
        let doing = lock(&self.doing);
        Activity {
            pid: self.pid,
            user: self.who.user.clone(),
            database: self.who.database.clone(),
            application_name: doing.application_name.clone(),
            client: Some(self.who.client.clone()),
            started: self.started,
            transaction_started: doing.transaction_started,
            query_started: doing.query_started,
            state_changed: doing.state_changed,
            state: doing.state,
            query: Arc::clone(&doing.query),
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
    /// Adds a connection, unless there are as many as there may be, of all roles or of its own.
    pub(crate) fn add(
        &self,
        who: Who,
        handle: CancelHandle,
        secret: i32,
        limits: Limits,
    ) -> Result<Arc<Backend>, Full> {
        let mut all = lock(&self.all);
        if all.len() >= limits.all {
            return Err(Full::All);
        }
        let of_role = || all.values().filter(|backend| backend.who.user == who.user).count();
        if limits.of_role.is_some_and(|limit| of_role() >= limit as usize) {
            return Err(Full::Role);
        }
        let next = || (self.last.fetch_add(1, Ordering::Relaxed) & i32::MAX).wrapping_add(1) & i32::MAX;
        let mut pid = next();
        while pid == 0 || all.contains_key(&pid) {
            pid = next();
        }
        let started = now();
        let backend = Arc::new(Backend {
            pid,
            secret,
            listed: Arc::default(),
            who,
            started,
            handle,
            running: Mutex::new(None),
            doing: Mutex::new(Doing { state_changed: started, ..Doing::default() }),
            ending: Notify::new(),
        });
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

    /// What every connection does, in the order in which they began.
    pub(crate) fn activities(&self) -> Vec<Activity> {
        let all: Vec<Arc<Backend>> = lock(&self.all).values().cloned().collect();
        let mut activities: Vec<Activity> = all.iter().map(|backend| backend.activity()).collect();
        activities.sort_by_key(|activity| (activity.started, activity.pid));
        activities
    }

    /// Has a connection do what another one asks of it; whether there is one of this number.
    pub(crate) fn ask(&self, pid: i32, asked: Asked) -> bool {
        let found = lock(&self.all).get(&pid).cloned();
        found.iter().for_each(|backend| backend.ask(asked));
        found.is_some()
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

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Nothing that is guarded here is left half done by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
