//! A connection that has begun: its state, the loop that reads messages, and how a statement runs.
//!
//! The engine knows whether a transaction is open and whether it has failed; what fails before the engine hears of
//! it (a text that is no SQL, a cursor that does not exist) is noted here, and counts the same.

use std::collections::HashMap;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use gnitz::{
    Commit, Datum, Outcome, Session, SessionFacts, SettingChange, State, StatementKind, Status, Value,
};
use tokio::sync::watch;

use crate::meter::Meter;
use crate::metrics::Held;
use crate::pg::Phase;
use crate::pg::cancel::Backend;
use crate::pg::command::{Command, Discard};
use crate::pg::cursor;
use crate::pg::error::Report;
use crate::pg::frame::{Format, Formats, Malformed, Message};
use crate::pg::io::Io;
use crate::pg::listen::Shared;
use crate::pg::portal::{Answer, Cursor, Done, Portal};
use crate::pg::settings::{self, Settings};
use crate::pg::statement::{Body, Cache, Named, Prepared, Statement, plan_briefly};
use crate::pg::types::oid;
use crate::pg::wait::{Linger, Wake};

/// Bytes of a value that is large.
const LARGE: usize = 64 << 10;

/// The setting that says whether transactions only read.
const READ_ONLY: &str = "default_transaction_read_only";

/// A connection that has begun.
pub(crate) struct Client {
    pub(crate) io: Io,
    pub(crate) engine: Session,
    pub(crate) settings: Settings,
    pub(crate) backend: Slot,
    pub(crate) meter: Meter,
    /// The prepared statements, by name.
    pub(crate) named: Named,
    /// The portals and cursors, by name.
    pub(crate) portals: HashMap<String, Portal>,
    pub(crate) cache: Cache,
    /// Whether the open transaction has failed without the engine.
    failed: bool,
    /// Whether the open transaction is that of a group of statements, which nobody began.
    pub(crate) implicit: bool,
    /// Whether messages are passed over until the next Sync.
    pub(crate) skipping: bool,
    /// Whether the client waits for what is in the buffer.
    pub(crate) wanted: bool,
    /// What the statement that ran has committed, until it is waited for.
    unsettled: Option<Commit>,
    pub(crate) linger: Linger,
    pub(crate) phase: watch::Receiver<Phase>,
}

/// A connection's place among all of them, which is given back whatever way it ends.
pub(crate) struct Slot {
    backend: Arc<Backend>,
    pub(crate) shared: Arc<Shared>,
    _open: Held,
}

impl Slot {
    /// The place of a connection that was added.
    pub(crate) fn new(backend: Arc<Backend>, shared: Arc<Shared>) -> Slot {
        let open = shared.metrics.connection("pg");
        Slot { backend, shared, _open: open }
    }
}

impl Deref for Slot {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        &self.backend
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.backends.remove(&self.backend);
    }
}

impl Client {
    /// A connection that the client has been told is ready.
    pub(crate) fn new(mut io: Io, engine: Session, settings: Settings, slot: Slot) -> Client {
        io.take_up_to(slot.shared.options.max_message);
        let (phase, role) = (slot.shared.phase.clone(), engine.facts().session_user.clone());
        let (metrics, slow) = (slot.shared.metrics.clone(), slot.shared.options.slow_statement);
        let client = Client {
            meter: Meter { metrics, protocol: "pg", role, slow },
            io,
            engine,
            settings,
            named: Named::new(Arc::clone(&slot.listed)),
            backend: slot,
            portals: HashMap::new(),
            cache: Cache::default(),
            failed: false,
            implicit: false,
            skipping: false,
            wanted: false,
            unsettled: None,
            linger: Linger::default(),
            phase,
        };
        client.share_settings();
        client
    }

    /// Reads messages and answers them, to the end.
    pub(crate) async fn run(&mut self) -> io::Result<()> {
        loop {
            match self.io.take() {
                Ok(Some(Message::Terminate)) => return self.io.flush().await,
                Ok(Some(message)) => self.answer(message).await?,
                Ok(None) => match self.wait().await? {
                    Wake::Input => {}
                    Wake::End => return Ok(()),
                    Wake::Told(report) => return self.end(&report).await,
                },
                Err(malformed) if malformed.within.is_none() => {
                    return self.end(&Report::of_message(&malformed)).await;
                }
                Err(malformed) => self.misunderstood(&malformed),
            }
        }
    }

    async fn end(&mut self, report: &Report) -> io::Result<()> {
        self.io.out.report(report);
        self.io.close().await;
        Ok(())
    }

    /// Answers a message that makes no sense within its frame.
    fn misunderstood(&mut self, malformed: &Malformed) {
        if self.skipping {
            return;
        }
        self.fail(&Report::of_message(malformed));
        match malformed.within {
            Some(b'Q') => self.ready(),
            _ => self.skipping = true,
        }
    }

    /// The epoch that readers see.
    pub(crate) fn database_epoch(&self) -> Option<u64> {
        self.backend.shared.database.epoch().ok()
    }

    /// Whether the server ends.
    pub(crate) fn is_ending(&self) -> bool {
        *self.phase.borrow() == Phase::Ending
    }

    async fn answer(&mut self, message: Message) -> io::Result<()> {
        if self.skipping && !matches!(message, Message::Sync) {
            return Ok(());
        }
        match message {
            Message::Query(text) => self.simple(text).await,
            Message::Sync => {
                self.sync();
                Ok(())
            }
            Message::Flush => {
                self.wanted = true;
                Ok(())
            }
            // Left over from a copy that has failed.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => Ok(()),
            Message::Password(_) | Message::Terminate => Ok(()),
            other => self.extended(other).await,
        }
    }

    /// Where the session stands.
    pub(crate) fn status(&self) -> Status {
        match self.engine.status() {
            Status::InTransaction if self.failed => Status::Failed,
            status => status,
        }
    }

    /// Whether a transaction is open that the client began.
    pub(crate) fn in_block(&self) -> bool {
        !self.implicit && self.engine.status() != Status::Idle
    }

    /// Tells of an error; the transaction it happened in has failed, and one that nobody began is over.
    pub(crate) fn fail(&mut self, report: &Report) {
        self.io.out.report(report);
        // Who waits for the answer to a Flush must hear of what came instead.
        self.wanted = true;
        self.failed = self.engine.status() != Status::Idle;
        if self.implicit {
            self.end_implicit(false);
        }
    }

    /// Ends the connection if nothing can follow what was told.
    pub(crate) async fn unless_fatal(&mut self, report: &Report) -> io::Result<()> {
        if !report.is_fatal() {
            return Ok(());
        }
        self.io.close().await;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// The next statement may come.
    pub(crate) fn ready(&mut self) {
        drain_notices(&self.engine).iter().for_each(|notice| self.remark(notice));
        let status = self.status();
        self.backend.rests(match status {
            Status::Idle => State::Idle,
            Status::InTransaction => State::InTransaction,
            Status::Failed => State::Failed,
        });
        if status == Status::Idle {
            // A statement that stood alone was a transaction, too; its portal ends with it.
            self.portals.retain(|_, portal| portal.cursor.hold);
        }
        self.io.out.ready(status);
        self.wanted = true;
    }

    /// Tells of something that is no error, if the client wants to hear of it.
    fn remark(&mut self, report: &Report) {
        if self.settings.wants(report.severity) {
            self.io.out.report(report);
        }
    }

    /// Makes sure that the statement may run now.
    pub(crate) fn check(&self, statement: &Statement) -> Result<(), Report> {
        match self.status() == Status::Failed && !statement.ends_transaction() {
            true => Err(Report::aborted()),
            false => Ok(()),
        }
    }

    /// Before a statement of a group of several: they are one transaction, unless the client has one open.
    pub(crate) fn join_group(&mut self, statement: &Statement) -> Result<(), Report> {
        // What they set goes with what they do.
        let sets = matches!(&statement.body, Body::Command(Command::Set { .. } | Command::Reset(_)));
        if !sets && !matches!(statement.body, Body::Engine(_)) || statement.is_control() {
            return Ok(());
        }
        if self.engine.status() == Status::Idle {
            self.engine.execute("BEGIN").map_err(|error| Report::of(&error, ""))?;
            self.implicit = true;
        }
        Ok(())
    }

    /// Commits the transaction of a group, if there is one.
    pub(crate) fn commit_group(&mut self) -> Result<(), Report> {
        if !self.implicit {
            return Ok(());
        }
        let engine = &self.engine;
        let done = self.guarded(false, "", || engine.commit());
        self.end_transaction(done.is_ok());
        done
    }

    fn end_implicit(&mut self, committed: bool) {
        // There is one to roll back, or the engine has done so.
        let _ = self.engine.rollback();
        self.end_transaction(committed);
    }

    fn end_transaction(&mut self, committed: bool) {
        self.failed = false;
        self.implicit = false;
        self.portals.retain(|_, portal| portal.cursor.hold);
        if self.settings.has_changed() {
            self.changing_settings(|settings| settings.end_transaction(committed));
        }
    }

    /// Changes settings and tells of those that clients follow.
    fn changing_settings<T>(&mut self, change: impl FnOnce(&mut Settings) -> T) -> T {
        let before: Vec<String> = self.settings.told().map(|(_, value)| value.to_string()).collect();
        let done = change(&mut self.settings);
        self.share_settings();
        for ((name, value), before) in self.settings.told().zip(&before) {
            if value != before {
                self.io.out.parameter_status(name, value);
            }
        }
        done
    }

    /// Has the engine and the other sessions know the settings that they go by.
    fn share_settings(&self) {
        self.engine.set_read_only(self.settings.get(READ_ONLY).is_ok_and(|value| value == "on"));
        self.backend.called(&self.settings.get("application_name").unwrap_or_default());
        let mut facts = SessionFacts::clone(&self.engine.facts());
        self.settings.share(&mut facts);
        self.engine.set_facts(facts);
    }

    /// Sets what a query has set by `set_config`, as `SET` would.
    fn take_changes(&mut self) -> Result<(), Report> {
        let in_block = self.engine.status() != Status::Idle;
        for SettingChange { name, value, local } in self.engine.take_changes() {
            self.changing_settings(|settings| settings.set(&name, Some(&value), local, in_block))?;
        }
        Ok(())
    }

    /// Runs the engine, so that it can be stopped; what is not short tells the runtime that it holds its thread.
    pub(crate) fn guarded<T>(
        &self,
        short: bool,
        text: &str,
        work: impl FnOnce() -> gnitz::Result<T>,
    ) -> Result<T, Report> {
        self.backend.begin(self.settings.time("statement_timeout"));
        let done = if short { work() } else { tokio::task::block_in_place(work) };
        let cause = self.backend.end();
        done.map_err(|error| match cause.filter(|_| error.sqlstate() == "57014") {
            Some(cause) => cause.report(),
            None => Report::of(&error, text),
        })
    }

    /// Runs a statement; it is counted and logged. `described` are the columns that the client was told of; without
    /// them those of a stream are told before its rows.
    pub(crate) async fn perform(
        &mut self,
        statement: &Arc<Statement>,
        (values, formats): (&[Value], &Formats),
        described: Option<&Prepared>,
    ) -> io::Result<Result<Done, Report>> {
        let begun = Instant::now();
        self.backend.runs(&statement.text);
        let done = match statement.kind() {
            Some(StatementKind::CopyIn | StatementKind::CopyOut) => self.copy(statement).await?,
            Some(StatementKind::Subscribe) => {
                return self.follow(statement, formats, described.is_none()).await;
            }
            None if self.fetches_changes(statement) => {
                self.fetch_changes(statement, formats, described.is_none()).await?
            }
            _ => {
                let done = self.run_statement(statement, values, described);
                self.settled().await.and(done)
            }
        };
        let idle = self.engine.status() == Status::Idle;
        let counted = done.as_ref().map(|done| done.counted(idle)).map_err(|report| report.code);
        self.meter.ended(&statement.text, statement.first_word, begun.elapsed(), counted);
        Ok(done)
    }

    /// Runs a statement that has no stream. `described` are the columns that the client was told of.
    pub(crate) fn run_statement(
        &mut self,
        statement: &Arc<Statement>,
        values: &[Value],
        described: Option<&Prepared>,
    ) -> Result<Done, Report> {
        let engine = match &statement.body {
            Body::Empty => return Ok(Done::Empty),
            Body::Command(command) => return self.run_command(command, &statement.text),
            Body::Engine(engine) => engine,
        };
        if statement.is_control() {
            return self.control(engine);
        }
        let outcome = self.run_engine(engine, &statement.text, values)?;
        if engine.kind() == StatementKind::RollbackTo {
            self.failed = false;
        }
        self.take_changes()?;
        match outcome {
            Outcome::Rows(rows) => {
                let columns = described.and_then(|prepared| prepared.columns.as_deref());
                Ok(Done::Rows(Answer::new(&rows, columns)?, engine.name()))
            }
            other => Ok(Done::Outcome(other)),
        }
    }

    /// Has the engine run a statement. What a brief one commits is still to be [settled](Client::settled).
    fn run_engine(
        &mut self,
        engine: &gnitz::Statement,
        text: &str,
        values: &[Value],
    ) -> Result<Outcome, Report> {
        plan_briefly(engine, text);
        let short = engine.is_short();
        if values.iter().any(is_large) || !(short || engine.is_brief()) {
            return self.guarded(false, text, || engine.execute(values));
        }
        let (outcome, commit) = self.guarded(short, text, || engine.execute_briefly(values))?;
        self.unsettled = commit;
        Ok(outcome)
    }

    /// Waits for what the statement has committed: nothing is told of it before.
    async fn settled(&mut self) -> Result<(), Report> {
        match self.unsettled.take() {
            Some(commit) => {
                let settled = self.backend.shared.settler.settle(self.backend.pid, commit).await;
                settled.map_err(|error| Report::of(&error, ""))
            }
            None => Ok(()),
        }
    }

    /// Begins or ends a transaction.
    fn control(&mut self, engine: &gnitz::Statement) -> Result<Done, Report> {
        let kind = engine.kind();
        let (status, implicit) = (self.status(), self.implicit);
        let warn = |client: &mut Client, code, message: &str| {
            client.remark(&Report::warning(code, message));
        };
        if kind == StatementKind::Begin {
            match status {
                Status::InTransaction if implicit => self.implicit = false,
                Status::InTransaction => warn(self, "25001", "there is already a transaction in progress"),
                _ => {
                    self.guarded(true, "", || engine.execute(&[]))?;
                }
            }
            return Ok(Done::Tag("BEGIN".to_string()));
        }
        if status == Status::Idle || implicit {
            warn(self, "25P01", "there is no transaction in progress");
        }
        if kind == StatementKind::Commit && status == Status::InTransaction {
            let done = self.run_engine(engine, "", &[]);
            self.end_transaction(done.is_ok());
            return done.map(Done::Outcome);
        }
        if status != Status::Idle {
            self.end_implicit(false);
            return Ok(Done::Tag("ROLLBACK".to_string()));
        }
        Ok(Done::Tag(engine.name().to_string()))
    }

    /// Runs a statement of the session.
    fn run_command(&mut self, command: &Command, text: &str) -> Result<Done, Report> {
        let in_block = self.engine.status() != Status::Idle;
        match command {
            Command::Set { name, value, local } => {
                if *local && !in_block {
                    let message = "SET LOCAL can only be used in transaction blocks";
                    self.remark(&Report::warning("25P01", message));
                }
                if name.eq_ignore_ascii_case("transaction_read_only") {
                    let on = value.as_deref().is_some_and(settings::is_on);
                    self.engine.set_transaction_read_only(on);
                }
                let set = |settings: &mut Settings| settings.set(name, value.as_deref(), *local, in_block);
                self.changing_settings(set)?;
            }
            Command::SetTransaction { session: false, read_only } => {
                read_only.iter().for_each(|read_only| self.engine.set_transaction_read_only(*read_only));
            }
            Command::SetTransaction { session: true, read_only: Some(read_only) } => {
                let value = if *read_only { "on" } else { "off" };
                let set = |settings: &mut Settings| settings.set(READ_ONLY, Some(value), false, in_block);
                self.changing_settings(set)?;
            }
            Command::SetTransaction { .. } | Command::SetNothing | Command::Unlisten => {}
            Command::Reset(Some(name)) => {
                self.changing_settings(|settings| settings.set(name, None, false, in_block))?;
            }
            Command::Reset(None) => self.changing_settings(|settings| settings.reset(in_block)),
            Command::Show(name) => return self.show(name.as_deref()),
            Command::Prepare { name, types, start } => self.prepare_as(name, types, text, *start)?,
            Command::Execute { name, values } => return self.execute_named(name, values.as_deref()),
            Command::Deallocate(Some(name)) => {
                if !self.named.remove(name) {
                    return Err(no_statement(name));
                }
            }
            Command::Deallocate(None) => self.named.clear_named(),
            Command::Discard(Discard::All) => self.discard_all(in_block)?,
            Command::Discard(Discard::Sequences) => self.engine.forget_sequences(),
            Command::Discard(Discard::Nothing(_)) => {}
            Command::Declare { name, hold, forward, binary, start } => {
                let cursor = Cursor { hold: *hold, forward: *forward, binary: *binary };
                return self.declare(name, cursor, &text[*start..]);
            }
            Command::Fetch { name, to, only_move, .. } => return self.fetch(name, *to, *only_move),
            Command::Close(name) => self.close_cursor(name.as_deref())?,
        }
        Ok(Done::Tag(command.tag().to_string()))
    }

    fn show(&self, name: Option<&str>) -> Result<Done, Report> {
        let answer = match name {
            Some(name) => {
                let value = match name.eq_ignore_ascii_case("transaction_read_only") {
                    true if self.engine.is_read_only() => "on".to_string(),
                    _ => self.settings.get(name)?,
                };
                Answer::texts(&[&settings::shown(name)], &[vec![&value]])?
            }
            None => {
                let rows: Vec<Vec<&str>> =
                    self.settings.all().map(|(name, value, what)| vec![name, value, what]).collect();
                Answer::texts(&["name", "setting", "description"], &rows)?
            }
        };
        Ok(Done::Rows(answer, "SHOW"))
    }

    /// Keeps the statement that begins at `start` of a `PREPARE`.
    fn prepare_as(&mut self, name: &str, types: &[u32], text: &str, start: usize) -> Result<(), Report> {
        if self.named.get(name).is_some() {
            return Err(Report::error("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        let statement = Statement::parse(&self.engine, &text[start..])?;
        if !matches!(statement.kind(), Some(StatementKind::Query | StatementKind::Change)) {
            return Err(Report::syntax("PREPARE takes a query or INSERT, UPDATE or DELETE"));
        }
        let given: Vec<oid::Given> = types.iter().map(|&ty| oid::given(ty)).collect();
        let prepared = Prepared::new(statement, &given, types)?;
        self.named.insert(name.to_string(), prepared, Some(text));
        Ok(())
    }

    fn execute_named(&mut self, name: &str, values: Option<&str>) -> Result<Done, Report> {
        let prepared = self.named.get(name).cloned().ok_or_else(|| no_statement(name))?;
        let values = match values {
            Some(list) => self.evaluate(list)?,
            None => Vec::new(),
        };
        if values.len() != prepared.parameters.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            let mut report = Report::error("42601", message);
            let (wanted, given) = (prepared.parameters.len(), values.len());
            report.detail = Some(format!("Expected {wanted} parameters but got {given}."));
            return Err(report);
        }
        self.run_statement(&prepared.statement, &values, Some(&prepared))
    }

    /// The values of a select list.
    fn evaluate(&self, list: &str) -> Result<Vec<Value>, Report> {
        let text = format!("SELECT {list}");
        let read = || {
            let answer = self.engine.query(&text)?;
            let (types, mut rows) = (answer.types()?, answer.rows()?);
            let row = rows.pop().unwrap_or_default();
            Ok(row.into_iter().zip(types).map(|(datum, ty)| Value { datum, ty }).collect())
        };
        self.guarded(false, "", read)
    }

    fn discard_all(&mut self, in_block: bool) -> Result<(), Report> {
        if in_block {
            return Err(Report::error("25001", "DISCARD ALL cannot run inside a transaction block"));
        }
        self.portals.clear();
        self.named.clear();
        self.cache.clear();
        self.engine.forget_sequences();
        self.changing_settings(|settings| settings.reset(false));
        Ok(())
    }

    /// Answers what became of a statement, in these formats.
    pub(crate) async fn send(&mut self, done: Done, formats: &Formats, describe: bool) -> io::Result<()> {
        match done {
            Done::Empty => self.io.out.plain(b'I'),
            Done::Tag(tag) => self.io.out.complete(&tag),
            Done::Copied(rows) => self.io.out.complete(&format!("COPY {rows}")),
            Done::Outcome(outcome) => self.io.out.complete(&outcome.to_string()),
            Done::Rows(answer, tag) => {
                if describe {
                    self.io.out.columns(&answer.columns, formats);
                }
                self.send_rows(&answer, 0..answer.rows, formats).await?;
                self.complete_rows(tag, answer.rows);
            }
            Done::Fetched { answer, rows, binary } => {
                let formats = if binary { Formats::all(Format::Binary) } else { formats.clone() };
                if describe {
                    self.io.out.columns(&answer.columns, &formats);
                }
                let count = rows.len();
                self.send_rows(&answer, rows.into_iter(), &formats).await?;
                self.complete_rows("FETCH", count);
            }
        }
        Ok(())
    }

    /// The rows of these numbers.
    pub(crate) async fn send_rows(
        &mut self,
        answer: &Answer,
        rows: impl Iterator<Item = usize>,
        formats: &Formats,
    ) -> io::Result<()> {
        for row in rows {
            self.io.out.row(&answer.columns, answer.locate(row), formats);
            self.io.relieve().await?;
        }
        Ok(())
    }

    /// The tag of a statement that answered so many rows.
    pub(crate) fn complete_rows(&mut self, tag: &str, rows: usize) {
        match tag {
            "INSERT" => self.io.out.complete(&format!("INSERT 0 {rows}")),
            "SELECT" | "UPDATE" | "DELETE" | "FETCH" => self.io.out.complete(&format!("{tag} {rows}")),
            _ => self.io.out.complete(tag),
        }
    }

    /// A portal that does not exist.
    pub(crate) fn undefined_portal(name: &str) -> Report {
        match name {
            "" => Report::error("34000", "portal \"\" does not exist"),
            name => cursor::undefined(name),
        }
    }
}

/// Whether a value alone takes more than some microseconds to read, to write and to log.
fn is_large(value: &Value) -> bool {
    match &value.datum {
        Datum::Text(text) => text.len() > LARGE,
        Datum::Bytes(bytes) => bytes.len() > LARGE,
        _ => false,
    }
}

/// A prepared statement that does not exist.
pub(crate) fn no_statement(name: &str) -> Report {
    Report::error("26000", format!("prepared statement \"{name}\" does not exist"))
}

/// What the engine has to remark on the statements that ran, oldest first.
fn drain_notices(session: &Session) -> Vec<Report> {
    session.take_notices().into_iter().map(Report::of_notice).collect()
}
