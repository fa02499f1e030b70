//! Statements of a client: what a text is, what a prepared one takes and answers, and a small cache of texts.

use std::collections::HashMap;
use std::sync::Arc;

use gnitz::{Column, PreparedStatement, Session, StatementKind, Type, Value};

use crate::logging;
use crate::pg::cancel::{Listed, lock, now};
use crate::pg::command::Command;
use crate::pg::error::Report;
use crate::pg::types::oid::{self, Given};

/// One statement.
pub(crate) struct Statement {
    /// Its text.
    pub(crate) text: Arc<str>,
    /// What it is.
    pub(crate) body: Body,
    /// What kind it is, for those who count.
    pub(crate) first_word: &'static str,
}

/// Bytes of a text that is read, and may be planned, in no time; for longer ones the thread is told to be held.
const SHORT: usize = 200;

/// What a statement is.
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// The engine's.
    Engine(Box<gnitz::Statement>),
    /// The session's.
    Command(Command),
}

impl Statement {
    /// Reads the one statement of a text.
    pub(crate) fn parse(session: &Session, text: &str) -> Result<Arc<Statement>, Report> {
        let body = match Command::parse(text) {
            Some(command) => Body::Command(command?),
            None if is_blank(text) => Body::Empty,
            None => {
                let read = || session.prepare(text).map_err(|error| Report::of(&error, text));
                let statement = if text.len() > SHORT { tokio::task::block_in_place(read) } else { read() };
                Body::Engine(Box::new(statement?))
            }
        };
        Ok(Arc::new(Statement { text: text.into(), body, first_word: logging::kind(text) }))
    }

    /// The statement of a text, and the values to run it with, if only they are new in it.
    pub(crate) fn recall(session: &Session, text: &str) -> Option<(Arc<Statement>, Vec<Value>)> {
        let (statement, values) = session.recall(text)?;
        let body = Body::Engine(Box::new(statement));
        Some((Arc::new(Statement { text: text.into(), body, first_word: logging::kind(text) }), values))
    }

    /// What the engine's statement does.
    pub(crate) fn kind(&self) -> Option<StatementKind> {
        match &self.body {
            Body::Engine(statement) => Some(statement.kind()),
            _ => None,
        }
    }

    /// Whether it begins or ends a transaction.
    pub(crate) fn is_control(&self) -> bool {
        matches!(self.kind(), Some(StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback))
    }

    /// Whether it may run in a transaction that has failed.
    pub(crate) fn ends_transaction(&self) -> bool {
        use StatementKind::{Commit, Rollback, RollbackTo};
        matches!(self.kind(), Some(Commit | Rollback | RollbackTo))
    }
}

/// Plans the engine's statement of this text if that is done in no time.
pub(crate) fn plan_briefly(engine: &gnitz::Statement, text: &str) {
    if text.len() <= SHORT {
        engine.plan_briefly();
    }
}

fn is_blank(text: &str) -> bool {
    let split = gnitz::split(text);
    split.complete.is_empty() && split.rest.is_empty()
}

/// A statement that has been prepared under a name.
pub(crate) struct Prepared {
    /// The statement.
    pub(crate) statement: Arc<Statement>,
    /// The types of its parameters. Arrays are text.
    pub(crate) parameters: Vec<Type>,
    /// The types of the elements of those that are arrays.
    pub(crate) elements: Vec<Option<Type>>,
    /// The same as clients know them.
    pub(crate) oids: Vec<u32>,
    /// The columns of its answer.
    pub(crate) columns: Option<Vec<Column>>,
}

impl Prepared {
    /// Finds out what a statement takes and answers, given what the client said of its parameters. The numbers by which
    /// it `declared` their types are those that it is told again.
    pub(crate) fn new(
        statement: Arc<Statement>,
        given: &[Given],
        declared: &[u32],
    ) -> Result<Prepared, Report> {
        let Body::Engine(engine) = &statement.body else {
            let none = Vec::new();
            return Ok(Prepared {
                statement,
                parameters: none,
                elements: Vec::new(),
                oids: Vec::new(),
                columns: None,
            });
        };
        let arrays = engine.array_parameters();
        let known = |(index, given): (usize, &Given)| match given {
            Given::Array(element) if arrays.contains(&index) => Some(*element),
            Given::Array(_) => Some(Type::Text),
            // What is said to be no array must be one as text.
            Given::Known(ty) => Some(*ty).filter(|_| !arrays.contains(&index)),
            Given::Unknown | Given::Numeric | Given::Foreign => None,
        };
        let known: Vec<Option<Type>> = given.iter().enumerate().map(known).collect();
        let described = engine.describe(&known).map_err(|error| Report::of(&error, &statement.text))?;
        let mut parameters = described.parameters;
        let mut elements = vec![None; parameters.len()];
        let declared = declared.iter().map(|&oid| Some(oid).filter(|&oid| oid::given(oid) != Given::Unknown));
        let mut declared = declared.chain(std::iter::repeat(None));
        let mut oids = Vec::with_capacity(parameters.len());
        for (index, (ty, element)) in parameters.iter_mut().zip(&mut elements).enumerate() {
            match (given.get(index), arrays.contains(&index)) {
                (Some(Given::Array(of)), _) => *element = Some(*of),
                (Some(Given::Known(_) | Given::Numeric), true) => *ty = Type::Text,
                (_, true) => *element = Some(*ty),
                // A number is read as the number that it is.
                (Some(Given::Numeric), false) => *ty = oid::ANY_NUMERIC,
                _ => {}
            }
            let own = element.map_or_else(|| oid::of(*ty), oid::of_array);
            *ty = if element.is_some() { Type::Text } else { *ty };
            oids.push(declared.next().flatten().unwrap_or(own));
        }
        Ok(Prepared { parameters, elements, oids, columns: described.columns, statement })
    }
}

/// The statements that a client has prepared, by name. Those with a name are listed for `pg_prepared_statements`.
pub(crate) struct Named {
    all: HashMap<String, Arc<Prepared>>,
    listed: Arc<Listed>,
}

impl Named {
    /// None yet.
    pub(crate) fn new(listed: Arc<Listed>) -> Named {
        Named { all: HashMap::new(), listed }
    }

    /// The statement of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Prepared>> {
        self.all.get(name)
    }

    /// Adds one, instead of another of the name; `sql` is the `PREPARE` that made it, if one did.
    pub(crate) fn insert(&mut self, name: String, prepared: Prepared, sql: Option<&str>) {
        if !name.is_empty() {
            let listed = PreparedStatement {
                name: name.clone(),
                statement: sql.map_or_else(|| Arc::clone(&prepared.statement.text), Arc::from),
                prepared: now(),
                parameters: prepared.oids.clone(),
                from_sql: sql.is_some(),
            };
            lock(&self.listed).insert(name.clone(), listed);
        }
        self.all.insert(name, Arc::new(prepared));
    }

    /// Forgets one; whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        if !name.is_empty() {
            lock(&self.listed).remove(name);
        }
        self.all.remove(name).is_some()
    }

    /// Forgets those that have a name.
    pub(crate) fn clear_named(&mut self) {
        lock(&self.listed).clear();
        self.all.retain(|name, _| name.is_empty());
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        lock(&self.listed).clear();
        self.all.clear();
    }
}

/// The statements that a client sent last, by text, so that one that comes again need not be planned again.
#[derive(Default)]
pub(crate) struct Cache {
    known: HashMap<(String, Vec<u32>), (Arc<Statement>, u64)>,
    clock: u64,
}

/// How many statements are kept.
const CACHED: usize = 64;

/// Longer texts are not.
const CACHED_BYTES: usize = 8 << 10;

impl Cache {
    /// The statement of a text whose parameters have these types.
    pub(crate) fn get(&mut self, key: &(String, Vec<u32>)) -> Option<Arc<Statement>> {
        self.clock += 1;
        let (statement, used) = self.known.get_mut(key)?;
        *used = self.clock;
        Some(Arc::clone(statement))
    }

    /// Keeps a statement, instead of the one that was not asked for longest.
    pub(crate) fn put(&mut self, key: (String, Vec<u32>), statement: &Arc<Statement>) {
        if key.0.len() > CACHED_BYTES {
            return;
        }
        if self.known.len() >= CACHED {
            let oldest = self.known.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.iter().for_each(|key| {
                self.known.remove(key);
            });
        }
        self.known.insert(key, (Arc::clone(statement), self.clock));
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}
