//! The extended protocol: statements prepared, given values, run and forgotten, message by message.
//!
//! After an error everything is passed over until the client says Sync. The statements between two Syncs are one
//! transaction, unless the client has one open; one that stands alone, as most do, is not made a transaction
//! but runs as any single statement.

use std::io;
use std::sync::Arc;

use gnitz::Value;

use crate::pg::command::Command;
use crate::pg::error::Report;
use crate::pg::frame::{Bind, Format, Formats, Message, Parse, Target};
use crate::pg::portal::{Cursor, Done, Portal, State};
use crate::pg::reply::text_column;
use crate::pg::session::{Client, no_statement};
use crate::pg::settings;
use crate::pg::statement::{Body, Prepared, Statement, plan_briefly};
use crate::pg::types::{oid, value};

impl Client {
    /// Answers a message of the extended protocol.
    pub(crate) async fn extended(&mut self, message: Message) -> io::Result<()> {
        let done = match message {
            Message::Parse(parse) => self.parse(parse),
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(Target::Statement(name)) => self.describe_statement(&name),
            Message::Describe(Target::Portal(name)) => self.describe_portal(&name),
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await?,
            Message::Close(target) => {
                match target {
                    Target::Statement(name) => {
                        self.named.remove(&name);
                    }
                    Target::Portal(name) => drop(self.portals.remove(&name)),
                }
                self.io.out.plain(b'3');
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(report) = done {
            self.fail(&report);
            self.skipping = true;
            self.unless_fatal(&report).await?;
        }
        Ok(())
    }

    /// Ends a group of messages.
    pub(crate) fn sync(&mut self) {
        self.skipping = false;
        if let Err(report) = self.commit_group() {
            self.fail(&report);
        }
        self.ready();
    }

    fn parse(&mut self, parse: Parse) -> Result<(), Report> {
        if !parse.name.is_empty() && self.named.get(&parse.name).is_some() {
            return Err(Report::error(
                "42P05",
                format!("prepared statement \"{}\" already exists", parse.name),
            ));
        }
        let given: Vec<oid::Given> = parse.types.iter().map(|&oid| oid::given(oid)).collect();
        if let Some(at) = given.iter().position(|given| *given == oid::Given::Foreign) {
            let message =
                format!("parameter ${} is of a type that does not exist here: {}", at + 1, parse.types[at]);
            return Err(Report::error("42704", message));
        }
        let declared = parse.types.clone();
        let key = (parse.sql, parse.types);
        let statement = match self.cache.get(&key) {
            Some(statement) => statement,
            None => {
                let parsed = Statement::parse(&self.engine, &key.0)?;
                self.cache.put(key, &parsed);
                parsed
            }
        };
        self.check(&statement)?;
        let prepared = self.prepared(statement, &given, &declared)?;
        self.named.insert(parse.name, prepared, None);
        self.io.out.plain(b'1');
        Ok(())
    }

    /// What a statement takes and answers. A plan that must be made for it takes a while.
    fn prepared(
        &self,
        statement: Arc<Statement>,
        given: &[oid::Given],
        declared: &[u32],
    ) -> Result<Prepared, Report> {
        let short = match &statement.body {
            Body::Engine(engine) => {
                plan_briefly(engine, &statement.text);
                engine.is_brief()
            }
            _ => true,
        };
        let mut prepared = match short {
            true => Prepared::new(statement, given, declared)?,
            false => tokio::task::block_in_place(|| Prepared::new(statement, given, declared))?,
        };
        if let Body::Command(command) = &prepared.statement.body {
            prepared.columns = self.command_columns(command);
        }
        Ok(prepared)
    }

    /// The columns that a statement of the session answers.
    fn command_columns(&self, command: &Command) -> Option<Vec<gnitz::Column>> {
        match command {
            Command::Show(Some(name)) => Some(vec![text_column(&settings::shown(name))]),
            Command::Show(None) => Some(["name", "setting", "description"].map(text_column).to_vec()),
            Command::Execute { name, .. } => self.named.get(name)?.columns.clone(),
            Command::Fetch { name, only_move: false, .. } => self.portals.get(name)?.prepared.columns.clone(),
            _ => None,
        }
    }

    fn bind(&mut self, bind: Bind) -> Result<(), Report> {
        let prepared =
            self.named.get(&bind.statement).cloned().ok_or_else(|| no_statement(&bind.statement))?;
        self.check(&prepared.statement)?;
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            return Err(Report::error("42P03", format!("cursor \"{}\" already exists", bind.portal)));
        }
        let (wanted, given) = (prepared.parameters.len(), bind.values.len());
        if wanted != given {
            let name = &bind.statement;
            let message = format!(
                "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {wanted}"
            );
            return Err(Report::error("08P01", message));
        }
        if !bind.formats.fit(given) {
            let message =
                format!("bind message has parameter formats that are not one for each of {given} parameters");
            return Err(Report::error("08P01", message));
        }
        let columns = prepared.columns.as_ref().map_or(0, Vec::len);
        if columns > 0 && !bind.results.fit(columns) {
            let message =
                format!("bind message has result formats that are not one for each of {columns} columns");
            return Err(Report::error("08P01", message));
        }
        let mut values: Vec<Value> = Vec::with_capacity(given);
        for (index, bytes) in bind.values.iter().enumerate() {
            let format = bind.formats.get(index);
            let read = match prepared.elements.get(index).copied().flatten() {
                Some(element) => value::read_array(bytes, format, element),
                None => value::read(bytes, format, prepared.parameters[index]),
            };
            values.push(read.map_err(|error| {
                let mut report = Report::of(&error, "");
                report.detail = Some(format!("It is the value of parameter ${}.", index + 1));
                report
            })?);
        }
        let cursor = Cursor::default();
        let portal = Portal { prepared, values, formats: bind.results, state: State::Ready, cursor };
        self.portals.insert(bind.portal, portal);
        self.io.out.plain(b'2');
        Ok(())
    }

    fn describe_statement(&mut self, name: &str) -> Result<(), Report> {
        let prepared = self.named.get(name).cloned().ok_or_else(|| no_statement(name))?;
        self.io.out.parameters(&prepared.oids);
        self.describe_columns(&prepared, &Formats::default());
        Ok(())
    }

    fn describe_portal(&mut self, name: &str) -> Result<(), Report> {
        let portal = self.portals.get(name).ok_or_else(|| Client::undefined_portal(name))?;
        let (prepared, mut formats) = (Arc::clone(&portal.prepared), portal.formats.clone());
        if self.fetches_binary(&prepared) {
            formats = Formats::all(Format::Binary);
        }
        self.describe_columns(&prepared, &formats);
        Ok(())
    }

    /// Whether it fetches from a cursor that gives its rows in binary.
    fn fetches_binary(&self, prepared: &Prepared) -> bool {
        match &prepared.statement.body {
            Body::Command(Command::Fetch { name, .. }) => {
                self.portals.get(name).is_some_and(|portal| portal.cursor.binary)
            }
            _ => false,
        }
    }

    fn describe_columns(&mut self, prepared: &Prepared, formats: &Formats) {
        match &prepared.columns {
            Some(columns) => self.io.out.columns(columns, formats),
            None => self.io.out.plain(b'n'),
        }
    }

    async fn execute(&mut self, name: &str, max_rows: usize) -> io::Result<Result<(), Report>> {
        let Some(portal) = self.portals.get(name) else { return Ok(Err(Client::undefined_portal(name))) };
        if matches!(portal.state, State::Ready) {
            return self.start(name, max_rows).await;
        }
        self.go_on(name, max_rows).await
    }

    /// Runs a portal for the first time.
    async fn start(&mut self, name: &str, max_rows: usize) -> io::Result<Result<(), Report>> {
        let Some(mut portal) = self.portals.remove(name) else {
            return Ok(Err(Client::undefined_portal(name)));
        };
        let statement = Arc::clone(&portal.prepared.statement);
        let alone = !self.implicit && self.io.peek() == Some(b'S');
        let ready =
            self.check(&statement).and_then(|()| if alone { Ok(()) } else { self.join_group(&statement) });
        if let Err(report) = ready {
            return Ok(Err(report));
        }
        let given = (portal.values.as_slice(), &portal.formats);
        let done = self.perform(&statement, given, Some(&portal.prepared)).await?;
        let done = match done {
            Ok(done) => done,
            Err(report) => return Ok(Err(report)),
        };
        let keeps = !statement.ends_transaction();
        match done {
            Done::Rows(answer, tag) if max_rows > 0 && answer.rows > max_rows => {
                portal.state = State::Rows { answer, at: 0, tag };
                self.portals.insert(name.to_string(), portal);
                return self.go_on(name, max_rows).await;
            }
            Done::Rows(answer, tag) => {
                self.send_rows(&answer, 0..answer.rows, &portal.formats).await?;
                self.complete_rows(tag, answer.rows);
                let at = answer.rows;
                portal.state = State::Rows { answer, at, tag };
            }
            done => {
                self.send(done, &portal.formats, false).await?;
                portal.state = State::Done;
            }
        }
        if keeps {
            self.portals.insert(name.to_string(), portal);
        }
        Ok(Ok(()))
    }

    /// Gives the next rows of a portal that has run.
    async fn go_on(&mut self, name: &str, max_rows: usize) -> io::Result<Result<(), Report>> {
        let Some(portal) = self.portals.get_mut(name) else { return Ok(Err(Client::undefined_portal(name))) };
        let State::Rows { answer, at, tag } = &mut portal.state else {
            return Ok(Err(Report::error("55000", format!("portal \"{name}\" cannot be run"))));
        };
        let start = (*at).min(answer.rows);
        let end = if max_rows == 0 { answer.rows } else { answer.rows.min(start.saturating_add(max_rows)) };
        *at = end;
        let (answer, tag, formats) = (answer.clone(), *tag, portal.formats.clone());
        self.send_rows(&answer, start..end, &formats).await?;
        match end < answer.rows {
            true => self.io.out.plain(b's'),
            false => self.complete_rows(tag, end - start),
        }
        Ok(Ok(()))
    }
}
