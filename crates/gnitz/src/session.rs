//! A session: statements one after another, and at most one open transaction.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sql::statement::{self, Parsed};
use zset::Type;

use crate::alike::Alike;
use crate::appender::Appender;
use crate::commit::Commit;
use crate::error::{Error, Result};
use crate::execute::{self, Prepared};
use crate::follow::{self, Feed};
use crate::handle::Handle;
use crate::mode::{Core, Status};
use crate::notice::Notice;
use crate::outcome::{CopyLayout, Description, Outcome, QueryResult, StatementKind, Value};
use crate::peers::{Peers, SettingChange};
use crate::remembered::Memory;
use crate::role::FIRST;
use crate::settled::{self, Settled};
use crate::subscribe::{Start, Subscription};
use crate::sync::lock;

/// Where statements run. Several threads may call it, but they share its one transaction: give each its own.
pub struct Session {
    core: Arc<Core>,
    alike: Mutex<Alike>,
}

impl Session {
    pub(crate) fn new(handle: Arc<Handle>, role: Arc<str>) -> Session {
        Session::of(Core::new(handle, role))
    }

    fn of(core: Core) -> Session {
        Session { core: Arc::new(core), alike: Mutex::default() }
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
        if let Some((statement, values)) = self.recall(sql) {
            return each(statement.execute(&values)?);
        }
        for read in statement::read(sql)? {
            let (_, parsed) = settled::settle(&self.core, read)?;
            each(Prepared::new(parsed).run(&self.core, &[])?)?;
        }
        Ok(())
    }

    /// Runs one statement that answers rows.
    pub fn query(&self, sql: &str) -> Result<QueryResult> {
        match self.recall(sql) {
            Some((statement, values)) => statement.query(&values),
            None => self.prepare(sql)?.query(&[]),
        }
    }

    /// A statement that the text differs from in its values alone, and these values, if the session has run such ones
    /// before and each costs less to run than to read and plan. Without it, [`Session::prepare`] reads the text.
    pub fn recall(&self, sql: &str) -> Option<(Statement, Vec<Value>)> {
        if !self.core.has_plain_path() {
            return None;
        }
        let (prepared, values) = lock(&self.alike).recall(&self.core, sql)?;
        let settled = Settled::known(prepared);
        Some((Statement { core: Arc::clone(&self.core), settled, is_recalled: true }, values))
    }

    /// Parses one statement, to run it many times. Parameters are `$1`, `$2`, …
    pub fn prepare(&self, sql: &str) -> Result<Statement> {
        let settled = Settled::new(&self.core, sql)?;
        Ok(Statement { core: Arc::clone(&self.core), settled, is_recalled: false })
    }

    /// Follows a query that no view keeps: its answer, then how each commit changes it. The query must be one that a
    /// view could have; its state belongs to the subscription. It cannot begin after an earlier epoch.
    pub fn subscribe_query(&self, sql: &str, start: Start) -> Result<Subscription> {
        let (_, Parsed { statement, depth, .. }) = settled::settle(&self.core, statement::read_alone(sql)?)?;
        if !matches!(statement, sql::Statement::Query(_)) {
            return Err(Error::Usage {
                message: format!("{} cannot be followed: a query can", statement.name()),
            });
        }
        depth.run(|| follow::begin(&self.core, &statement, start))
    }

    /// Follows a table or view: as [`Database::subscribe_from`](crate::Database::subscribe_from), if the session's role
    /// may read it.
    pub fn subscribe(&self, name: &str, start: Start) -> Result<Subscription> {
        follow::begin_named(&self.core, name, start)
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<Transaction<'_>> {
        self.core.begin(None)?;
        Ok(Transaction { session: self, open: true })
    }

    /// Whether a transaction is open, by [`Session::begin`] or by `BEGIN`.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Whether statements outside of transactions, and transactions that do not say it themselves, may only read from
    /// now on: what writes fails with 25006.
    pub fn set_read_only(&self, read_only: bool) {
        self.core.set_read_only(read_only);
    }

    /// Whether the open transaction may only read from now on. Without one it does nothing.
    pub fn set_transaction_read_only(&self, read_only: bool) {
        self.core.set_transaction_read_only(read_only);
    }

    /// Whether the open transaction, or without one the next statement, may only read.
    pub fn is_read_only(&self) -> bool {
        self.core.is_read_only()
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

    /// Forgets which values the session took from sequences: `currval` and `lastval` know of none.
    pub fn forget_sequences(&self) {
        self.core.remember(Memory::forget);
    }

    /// What the catalogs say of this session: who it is, what database it is in, its settings.
    pub fn facts(&self) -> Arc<pgcatalog::Session> {
        self.core.facts()
    }

    /// Says who this session is, for `current_user`, `pg_stat_activity`, `current_setting` and the like. It gives no
    /// rights and takes none.
    pub fn set_facts(&self, facts: pgcatalog::Session) {
        self.core.set_facts(facts);
    }

    /// Says how the catalogs ask for the other sessions of the program (`pg_stat_activity`, `pg_cancel_backend`), and
    /// for what the session has prepared. From then on [`Session::take_changes`] is the program's to call.
    pub fn set_peers(&self, peers: Arc<dyn Peers>) {
        self.core.set_peers(peers);
    }

    /// The settings that queries have changed by `set_config` since the last call, if the session has peers: the program
    /// that keeps the settings says whether they may be so, and what the catalogs say then ([`Session::set_facts`]).
    pub fn take_changes(&self) -> Vec<SettingChange> {
        self.core.take_changes()
    }

    /// The bulk path into a table.
    pub fn appender(&self, table: &str) -> Result<Appender> {
        let gathered = execute::gather(&self.core, table, &[], false)?;
        Ok(Appender::new(Arc::clone(&self.core), gathered))
    }

    /// The bulk path into some columns of a table; the others get their defaults.
    pub fn appender_into(&self, table: &str, columns: &[String]) -> Result<Appender> {
        let gathered = execute::gather(&self.core, table, columns, false)?;
        Ok(Appender::new(Arc::clone(&self.core), gathered))
    }

    /// The same session, its transaction included, with every right: for programs that keep tables of their own beside
    /// their users', and write both in one commit.
    pub fn privileged(&self) -> Session {
        Session::of(self.core.acting_as(FIRST.into()))
    }

    /// Stops a running statement from another thread.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle { flag: Arc::clone(self.core.cancel()) }
    }
}

/// A parsed statement of a session.
pub struct Statement {
    core: Arc<Core>,
    settled: Settled,
    /// Its text is not the one that somebody wrote.
    is_recalled: bool,
}

impl Statement {
    /// Runs it with these values for `$1`, `$2`, …
    pub fn execute(&self, params: &[Value]) -> Result<Outcome> {
        self.core.take_notices();
        self.now()?.run(&self.core, params).map_err(|error| self.told(error))
    }

    /// As [`Statement::execute`], for a statement that [is brief](Statement::is_brief): what it commits is not waited
    /// for, but handed over. The caller's answer to its own caller waits until that is settled, and so does what the
    /// session runs next if it is to see the change.
    pub fn execute_briefly(&self, params: &[Value]) -> Result<(Outcome, Option<Commit>)> {
        self.core.take_notices();
        let prepared = self.now()?;
        self.core.briefly(|core| prepared.run(core, params)).map_err(|error| self.told(error))
    }

    /// The statement as the session means it now.
    fn now(&self) -> Result<Arc<Prepared>> {
        self.settled.get(&self.core)
    }

    /// An error as whoever wrote the text understands it.
    fn told(&self, error: Error) -> Error {
        if self.is_recalled { error.nowhere() } else { error }
    }

    /// Begins what a `SUBSCRIBE` statement asks for; `None` if it is another statement.
    pub fn subscribe(&self) -> Result<Option<Feed>> {
        self.now()?.subscribe(&self.core)
    }

    /// As [`Statement::execute`], for a statement that answers rows; any other is refused and does not run.
    pub fn query(&self, params: &[Value]) -> Result<QueryResult> {
        let rowless = || Error::Usage {
            message: format!("{} answers no rows: use execute", self.settled.last().name()),
        };
        if !self.settled.last().answers_rows() {
            return Err(rowless());
        }
        match self.execute(params)? {
            Outcome::Rows(rows) => Ok(rows),
            Outcome::Count { .. } | Outcome::Done { .. } => Err(rowless()),
        }
    }

    /// What it takes and answers, as of now. `given` are the types of parameters that are known, whatever their
    /// places suggest; those it leaves out are inferred. The plan that is made for this is the one that runs.
    pub fn describe(&self, given: &[Option<Type>]) -> Result<Description> {
        self.now()?.describe(&self.core, given)
    }

    /// Which parameters, counted from 0, take arrays: in `x = ANY ($1)`, `unnest($1)` in FROM. Their value is an array's
    /// text (`{1,2}`), and [`Statement::describe`] gives and takes the type of the elements.
    pub fn array_parameters(&self) -> Vec<usize> {
        self.settled.last().array_parameters().to_vec()
    }

    /// What it does.
    pub fn kind(&self) -> StatementKind {
        self.settled.last().kind()
    }

    /// Its first words, as command tags have them.
    pub fn name(&self) -> &'static str {
        self.settled.last().name()
    }

    /// Whether its outcome is rows.
    pub fn answers_rows(&self) -> bool {
        self.settled.last().answers_rows()
    }

    /// Plans it if that takes some microseconds: a look-up by key, or a change that asks nothing of other rows. Where it
    /// is not called, planning is part of the first run.
    pub fn plan_briefly(&self) {
        if let Ok(prepared) = self.now() {
            prepared.plan_briefly(&self.core);
        }
    }

    /// Whether running it, [briefly](Statement::execute_briefly), takes some microseconds: a planned read of one row by
    /// its key, a planned change of a few rows that took no longer the last time, or a statement that only notes
    /// something down. It may have to wait until it is the writer.
    pub fn is_brief(&self) -> bool {
        self.now().is_ok_and(|prepared| prepared.is_brief(&self.core))
    }

    /// Whether it is brief and, if it runs now, waits for nobody who is not: for callers whose thread must not be held.
    pub fn is_short(&self) -> bool {
        self.now().is_ok_and(|prepared| prepared.is_short(&self.core))
    }

    /// How the stream of a `COPY` of `STDIN` or `STDOUT` is laid out; `None` for any other statement.
    pub fn copy_layout(&self) -> Result<Option<CopyLayout>> {
        self.now()?.copy_layout(&self.core)
    }

    /// Runs `COPY … FROM STDIN`: reads `input` to its end and says how many rows were in it. If it cannot be read,
    /// nothing of it is kept.
    pub fn copy_in(&self, input: impl Read) -> Result<u64> {
        self.now()?.copy_in(&self.core, || Ok(Box::new(input)))
    }

    /// Runs `COPY … TO STDOUT` and says how many rows were written. Each row is one call of `output.write_all`; the
    /// header of the binary format comes with the first one.
    pub fn copy_out(&self, mut output: impl Write) -> Result<u64> {
        let output: &mut dyn Write = &mut output;
        let mut output = Some(output);
        self.now()?.copy_out(&self.core, &mut || match output.take() {
            Some(output) => Ok(Box::new(output)),
            None => Err(Error::Usage { message: "a stream is written once".to_string() }),
        })
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
