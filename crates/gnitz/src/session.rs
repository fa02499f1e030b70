//! A session: statements one after another, and at most one open transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sql::statement;

use crate::appender::Appender;
use crate::error::{Error, Result};
use crate::execute::{self, Prepared};
use crate::handle::Handle;
use crate::mode::{Core, Status};
use crate::notice::Notice;
use crate::outcome::{Outcome, QueryResult, Value};

/// Where statements run. Several threads may call it, but they share its one transaction: give each its own.
pub struct Session {
    core: Arc<Core>,
}

impl Session {
    pub(crate) fn new(handle: Arc<Handle>) -> Session {
        Session { core: Arc::new(Core::new(handle)) }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Runs the statements of a text, one after another, each as its own transaction unless one is open. Nothing
    /// runs if the text does not parse; the first statement that fails ends it.
    pub fn execute(&self, sql: &str) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        self.execute_each(sql, |outcome| {
            outcomes.push(outcome);
            Ok(())
        })?;
        Ok(outcomes)
    }

    /// As [`Session::execute`], but hands over each statement's outcome as soon as it is committed.
    pub fn execute_each(&self, sql: &str, mut each: impl FnMut(Outcome) -> Result<()>) -> Result<()> {
        self.core.take_notices();
        for parsed in statement::parse(sql)? {
            each(Prepared::new(parsed.statement).run(&self.core, &[])?)?;
        }
        Ok(())
    }

    /// Runs one statement that answers rows.
    pub fn query(&self, sql: &str) -> Result<QueryResult> {
        self.prepare(sql)?.query(&[])
    }

    /// Parses one statement, to run it many times. Parameters are `$1`, `$2`, …
    pub fn prepare(&self, sql: &str) -> Result<Statement> {
        let prepared = Prepared::new(statement::parse_one(sql)?);
        Ok(Statement { core: Arc::clone(&self.core), prepared })
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<Transaction<'_>> {
        self.core.begin()?;
        Ok(Transaction { session: self, open: true })
    }

    /// Whether a transaction is open, by [`Session::begin`] or by `BEGIN`.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Commits the open transaction.
    pub fn commit(&self) -> Result<()> {
        if self.core.commit()? { Ok(()) } else { Err(Error::FailedTransaction) }
    }

    /// Forgets the open transaction.
    pub fn rollback(&self) -> Result<()> {
        self.core.rollback()
    }

    /// What the statements of the last call had to say besides their answers.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.core.take_notices()
    }

    /// The bulk path into a table.
    pub fn appender(&self, table: &str) -> Result<Appender> {
        let gathered = execute::gather(&self.core, table, &[], false)?;
        Ok(Appender::new(Arc::clone(&self.core), gathered))
    }

    /// Stops a running statement from another thread.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle { flag: Arc::clone(self.core.cancel()) }
    }
}

/// A parsed statement of a session.
pub struct Statement {
    core: Arc<Core>,
    prepared: Prepared,
}

impl Statement {
    /// Runs it with these values for `$1`, `$2`, …
    pub fn execute(&self, params: &[Value]) -> Result<Outcome> {
        self.core.take_notices();
        self.prepared.run(&self.core, params)
    }

    /// As [`Statement::execute`], for a statement that answers rows; any other is refused and does not run.
    pub fn query(&self, params: &[Value]) -> Result<QueryResult> {
        let rowless =
            || Error::Usage { message: format!("{} answers no rows: use execute", self.prepared.name()) };
        if !self.prepared.answers_rows() {
            return Err(rowless());
        }
        match self.execute(params)? {
            Outcome::Rows(rows) => Ok(rows),
            Outcome::Count { .. } | Outcome::Done { .. } => Err(rowless()),
        }
    }
}

/// An open transaction; it is rolled back if it drops before [`Transaction::commit`].
pub struct Transaction<'a> {
    session: &'a Session,
    open: bool,
}

impl Transaction<'_> {
    /// Runs the statements of a text. They see the transaction's own changes, in tables and views.
    pub fn execute(&self, sql: &str) -> Result<Vec<Outcome>> {
        self.session.execute(sql)
    }

    /// Runs one statement that answers rows.
    pub fn query(&self, sql: &str) -> Result<QueryResult> {
        self.session.query(sql)
    }

    /// Commits it, as one epoch.
    pub fn commit(mut self) -> Result<()> {
        self.open = false;
        self.session.commit()
    }

    /// Forgets it.
    pub fn rollback(mut self) -> Result<()> {
        self.open = false;
        self.session.rollback()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            // `COMMIT` or `ROLLBACK` as text may have ended it already.
            let _ = self.session.rollback();
        }
    }
}

/// Stops a session's running statement; it fails with 57014, and a transaction it belongs to fails with it.
#[derive(Clone, Debug)]
pub struct CancelHandle {
    flag: Arc<AtomicBool>,
}

impl CancelHandle {
    /// Asks the running statement to stop. Without one it does nothing.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }
}
