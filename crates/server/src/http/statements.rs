//! Running the statements of a request: one after the other, each counted, logged and written as soon as it is
//! done.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use gnitz::{CancelHandle, Error, Outcome, Session, Status, Value, split};
use tokio::sync::OwnedSemaphorePermit;

use super::auth::Identity;
use super::body::Output;
use super::encode::Encoder;
use super::guard;
use super::problem::Problem;
use super::state::State;
use crate::logging::kind;
use crate::meter::{Done, Meter};

/// A request's turn to run statements.
pub struct Turn {
    /// Where they run.
    pub session: Session,
    /// What counts and logs them.
    pub meter: Meter,
    /// What stops them.
    pub stop: Stop,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// Waits until another request may run, at most until the deadline.
    pub async fn wait(
        state: &State,
        identity: Identity,
        deadline: tokio::time::Instant,
    ) -> Result<Turn, Problem> {
        let shared = &state.0;
        let permit = guard::permit(&shared.requests, deadline).await?;
        let session = shared.authenticator.session(&shared.database, &identity)?;
        let slow = shared.config.log.slow_statement;
        let metrics = shared.metrics.clone();
        let meter = Meter { metrics, protocol: "http", role: identity.role, slow };
        let stop = Stop::of(&session);
        Ok(Turn { session, meter, stop, _permit: permit })
    }
}

/// Stops what a request runs when nobody waits for it any more.
#[derive(Clone)]
pub struct Stop {
    handle: CancelHandle,
    stopped: Arc<AtomicBool>,
}

impl Stop {
    /// Stops what the session runs.
    pub fn of(session: &Session) -> Stop {
        Stop { handle: session.cancel_handle(), stopped: Arc::default() }
    }

    /// Stops the running statement, and those after it.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.handle.cancel();
    }

    /// An error once it was stopped: a cancel that comes between two statements is otherwise lost.
    pub fn check(&self) -> gnitz::Result<()> {
        if self.stopped.load(Ordering::Acquire) { Err(Error::Canceled) } else { Ok(()) }
    }
}

/// Stops when it drops.
pub struct StopOnDrop(pub Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What a request asks to be run.
pub struct Script {
    /// The text.
    pub sql: String,
    /// Values for `$1`, `$2`, … of its one statement.
    pub params: Vec<Value>,
}

/// Runs a script to its end and writes its answer. A problem is returned if nothing has been sent, and written if
/// something has.
pub fn run(turn: &Turn, script: &Script, encoder: Encoder, out: Output) -> Result<(), Problem> {
    let Turn { session, meter, stop, .. } = turn;
    let mut run = Run { session, meter, stop, encoder, out, completed: 0, lost: false };
    let done = run.statements(script).and_then(|()| run.nothing_open());
    run.finish(done)
}

struct Run<'a> {
    session: &'a Session,
    meter: &'a Meter,
    stop: &'a Stop,
    encoder: Encoder,
    out: Output,
    completed: usize,
    /// Whether the client is gone.
    lost: bool,
}

impl Run<'_> {
    fn statements(&mut self, script: &Script) -> Result<(), Problem> {
        let pieces = split(&script.sql);
        let mut ranges = pieces.complete;
        ranges.extend((!pieces.rest.is_empty()).then_some(pieces.rest));
        let text = |at: usize| ranges.get(at).map_or("", |range| &script.sql[range.clone()]);
        let mut begun = Instant::now();
        self.stop.check()?;
        let done = if script.params.is_empty() {
            let session = self.session;
            session.execute_each(&script.sql, |outcome| {
                self.ended(text(self.completed), begun.elapsed(), outcome)?;
                begun = Instant::now();
                Ok(())
            })
        } else {
            let outcome = self.session.prepare(&script.sql).and_then(|s| s.execute(&script.params));
            outcome.and_then(|outcome| self.ended(text(0), begun.elapsed(), outcome))
        };
        done.map_err(|error| {
            let sql = text(self.completed);
            self.meter.ended(sql, kind(sql), begun.elapsed(), Err(error.sqlstate()));
            self.problem(error.into())
        })
    }

    fn ended(&mut self, sql: &str, took: Duration, outcome: Outcome) -> gnitz::Result<()> {
        self.completed += 1;
        let changes = match &outcome {
            Outcome::Count { rows, .. } => *rows > 0,
            Outcome::Done { tag } => *tag == "COMMIT",
            Outcome::Rows(_) => matches!(kind(sql), "insert" | "update" | "delete"),
        };
        let committed = changes && self.session.status() == Status::Idle;
        self.meter.ended(sql, kind(sql), took, Ok(Done::of(&outcome, committed)));
        self.encoder.outcome(&mut self.out, &outcome).map_err(|error| self.unwritten(&error))?;
        self.stop.check()
    }

    /// What a failed write means: a type that the format cannot show, or a client that is gone.
    fn unwritten(&mut self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::TimedOut => {
                self.lost = true;
                Error::Canceled
            }
            _ => Error::Usage { message: format!("the result cannot be written in this format: {error}") },
        }
    }

    /// A transaction that the script leaves open has nobody to end it.
    fn nothing_open(&mut self) -> Result<(), Problem> {
        if self.session.status() == Status::Idle {
            return Ok(());
        }
        let _ = self.session.rollback();
        let detail = "the text leaves a transaction open; it was rolled back";
        Err(self.problem(Problem::new(StatusCode::CONFLICT, "25001", detail).with_hint("end it with COMMIT")))
    }

    fn problem(&self, mut problem: Problem) -> Problem {
        problem.completed = Some(self.completed);
        problem
    }

    fn finish(mut self, done: Result<(), Problem>) -> Result<(), Problem> {
        let Err(problem) = done else {
            let ended = self.encoder.end(&mut self.out).and_then(|()| self.out.finish());
            return ended.map_err(|error| Problem::internal(format!("the answer was not sent: {error}")));
        };
        if !self.out.has_sent() || self.lost {
            return Err(problem);
        }
        match self.encoder.fail(&mut self.out, &problem) {
            Ok(true) => drop(self.out.finish()),
            Ok(false) => self.out.abort(&problem.detail),
            Err(_) => {}
        }
        Err(problem)
    }
}

impl Problem {
    /// Whether it says that the statement was cancelled.
    pub fn is_cancel(&self) -> bool {
        self.sqlstate == "57014"
    }
}
