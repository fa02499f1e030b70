//! Sequences for a session: values taken for rows, the functions `nextval`, `setval` and their kin, and what the
//! session remembers of the values it took.
//!
//! A sequence that the open transaction made, or had begin again, has a counter that nobody else sees: its values go
//! into the steps of the transaction. Every other one is shared, and taking a value has no part in the transaction.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use sql::sequence::{Callee, Calls, Item, Run};
use sql::statement::{Path, Privileges};
use sql::{Course, Sequences, SqlError, SqlState, TableKind, names, sequence, types};
use zset::{CollectionId, Datum, Deltas, Type};

use crate::bounds::is_private;
use crate::catalog::Catalog;
use crate::counter::{Counter, Mark, Taken};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::mode::{Core, Status};
use crate::outcome::{Column, Description, QueryResult};
use crate::relation::Relation;
use crate::role::{Object, refused};
use crate::search_path::SearchPath;
use crate::transaction::Work;
use crate::version::Version;

/// The sequences that a statement sees.
pub(crate) struct Source {
    core: Core,
    /// What its transaction began on, and the same with its own changes of the catalog.
    origin: Arc<Version>,
    base: Arc<Version>,
}

/// A sequence, as it is to be counted.
struct Found {
    relation: Arc<Relation>,
    private: bool,
}

impl Source {
    /// The sequences that the next statement sees.
    pub(crate) fn new(core: &Core, work: &Work) -> Source {
        Source { core: core.clone(), origin: Arc::clone(work.origin()), base: Arc::clone(work.base()) }
    }

    /// Has it see what the next statement sees. Nothing of the session may run meanwhile.
    pub(crate) fn renew(&mut self) -> Result<()> {
        *self = self.core.read(|work| Ok(Source::new(&self.core, work)))?;
        Ok(())
    }

    /// Those of a version, for who only asks.
    pub(crate) fn at(core: &Core, version: &Arc<Version>) -> Source {
        Source { core: core.clone(), origin: Arc::clone(version), base: Arc::clone(version) }
    }

    fn find(&self, name: &str) -> std::result::Result<Found, SqlError> {
        let relation = self.base.compiled.catalog.get(name);
        let relation = relation.ok_or_else(|| names::unknown(name))?;
        let Some(sequence) = &relation.sequence else {
            return Err(SqlError::new(SqlState::WrongObjectType, format!("\"{name}\" is not a sequence")));
        };
        let private = is_private(&self.origin.compiled.catalog, relation.id(), sequence);
        let mut found = Found { relation: Arc::clone(relation), private };
        // It may have begun again since the transaction began.
        if let (false, Ok(newest)) = (private, self.core.engine().published())
            && newest.number > self.origin.number
            && let Some(relation) = newest.compiled.catalog.by_id(relation.id())
        {
            found.relation = Arc::clone(relation);
        }
        Ok(found)
    }

    fn take(&self, found: &Found, count: usize) -> std::result::Result<Taken, SqlError> {
        let (counter, course) = found.counted()?;
        let list = (!found.private).then(|| (&self.core.engine().unwritten, found.relation.id()));
        let taken = counter.take(course, count, list).ok_or_else(|| {
            let (which, bound) =
                if course.increment > 0 { ("maximum", course.max) } else { ("minimum", course.min) };
            let name = found.relation.name();
            let message = format!("nextval: reached {which} value of sequence \"{name}\" ({bound})");
            SqlError::new(SqlState::SequenceLimitExceeded, message)
        })?;
        self.core.remember(|memory| {
            memory.note((found.relation.name(), found.relation.id()), found.private, taken.last);
            memory.set_last(found.relation.name());
        });
        Ok(taken)
    }

    fn set(&self, found: &Found, mark: Mark) -> std::result::Result<(), SqlError> {
        let (counter, course) = found.counted()?;
        if mark.last < course.min || mark.last > course.max {
            let (value, name, min, max) = (mark.last, found.relation.name(), course.min, course.max);
            let message =
                format!("setval: value {value} is out of bounds for sequence \"{name}\" ({min}..{max})");
            return Err(SqlError::new(SqlState::NumericOutOfRange, message));
        }
        let list = (!found.private).then(|| (&self.core.engine().unwritten, found.relation.id()));
        counter.set(course, mark, list);
        if mark.called {
            let named = (found.relation.name(), found.relation.id());
            self.core.remember(|memory| memory.note(named, found.private, mark.last));
        }
        Ok(())
    }

    /// The full name that a value means: the text of the statement says nothing of it.
    fn named(&self, text: &str) -> Result<String> {
        let name = sequence::name_in(text)?;
        let alone = sequence::is_alone(text);
        if !alone || self.core.has_plain_path() {
            return Ok(name);
        }
        let session = self.core.facts();
        let path = SearchPath::new(&self.base.compiled.catalog, &session, self.core.role());
        Ok(path.find(names::own(&name)))
    }

    /// One call of a query: its arguments are the sequence's name, then the rest.
    fn call(&self, callee: Callee, args: &[Datum]) -> Result<Datum> {
        if args.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        let found = |name: &str, rights: &[Privileges]| -> Result<Found> {
            let found = self.find(&self.named(name)?)?;
            self.base.compiled.catalog.permit_sequence(self.core.role(), &found.relation, rights)?;
            if let Some(sequence) = found.relation.sequence.as_ref().filter(|_| !found.private) {
                self.core.remember(|memory| memory.tell(&sequence.counter));
            }
            Ok(found)
        };
        let value = match (callee, args) {
            (Callee::Next, [Datum::Text(name)]) => {
                self.take(&found(name, &[Privileges::USAGE, Privileges::UPDATE])?, 1)?.last
            }
            (Callee::Current, [Datum::Text(name)]) => self.current(&self.named(name)?)?,
            (Callee::Last, []) => self.last()?,
            (Callee::Set, [Datum::Text(name), Datum::Int(last), rest @ ..]) => {
                let called = !matches!(rest, [Datum::Bool(false)]);
                self.set(&found(name, &[Privileges::UPDATE])?, Mark { last: *last, called })?;
                *last
            }
            _ => return Err(SqlError::internal("a call of a sequence has other arguments").into()),
        };
        Ok(Datum::Int(value))
    }
}

impl Found {
    fn counted(&self) -> std::result::Result<(&Arc<Counter>, &Course), SqlError> {
        let sequence = self.relation.sequence.as_ref();
        let sequence = sequence.ok_or_else(|| SqlError::internal("a sequence has no counter"))?;
        Ok((&sequence.counter, &sequence.course))
    }
}

impl Sequences for Source {
    fn next(&self, sequence: &str, count: usize) -> std::result::Result<Run, SqlError> {
        let found = self.find(sequence)?;
        if count == 0 {
            return Ok(Run::new(0, 0));
        }
        let first = self.take(&found, count)?.first;
        Ok(Run::new(first, found.counted()?.1.increment))
    }

    fn current(&self, sequence: &str) -> std::result::Result<i64, SqlError> {
        let found = self.find(sequence)?;
        self.core.remember(|memory| memory.value(found.relation.name(), found.relation.id())).ok_or_else(
            || {
                let message =
                    format!("currval of sequence \"{sequence}\" is not yet defined in this session");
                SqlError::new(SqlState::NotInPrerequisiteState, message)
            },
        )
    }

    fn last(&self) -> std::result::Result<i64, SqlError> {
        let last = self.core.remember(|memory| memory.last());
        let value = last.and_then(|name| {
            let relation = self.base.compiled.catalog.get(&name)?;
            self.core.remember(|memory| memory.value(&name, relation.id()))
        });
        value.ok_or_else(|| {
            SqlError::new(SqlState::NotInPrerequisiteState, "lastval is not yet defined in this session")
        })
    }
}

impl Engine {
    /// Waits until the log has what covers the values of these counters.
    pub(crate) fn cover(&self, counters: &[Arc<Counter>]) -> Result<()> {
        if counters.iter().any(|counter| counter.covered_by().0) {
            self.write_sequences()?;
        }
        for lsn in counters.iter().filter_map(|counter| counter.covered_by().1) {
            self.store.wait_durable(lsn)?;
        }
        Ok(())
    }

    /// Commits the rows of the sequences that have passed them.
    pub(crate) fn write_sequences(&self) -> Result<()> {
        let ticket = {
            let mut writer = self.writer()?;
            let head = Arc::clone(writer.head());
            writer.commit(&head, Deltas::new(), &AtomicBool::new(false))?
        };
        ticket.map_or(Ok(()), |ticket| self.settle(ticket))
    }

    /// Commits the rows of all sequences as they stand, so that a start after this skips no value.
    pub(crate) fn write_sequences_exactly(&self) -> Result<()> {
        let ticket = {
            let mut writer = self.writer()?;
            let head = Arc::clone(writer.head());
            let rows = self.unwritten.exact_rows(&head)?;
            if rows.deltas().is_empty() {
                return Ok(());
            }
            writer.commit_sequences(rows)?
        };
        self.settle(ticket)
    }
}

impl Catalog {
    /// Refuses calls of a sequence that the role has none of these rights for.
    fn permit_sequence(&self, role: &str, relation: &Relation, rights: &[Privileges]) -> Result<()> {
        self.permit_in_schema(role, relation.name(), Privileges::USAGE)?;
        let held = self.roles.held(role, Object::Relation(relation.id()), &relation.owner);
        match self.owns(role, relation) || rights.iter().any(|right| held.covers(*right)) {
            true => Ok(()),
            false => Err(refused(format!("permission denied for sequence {}", relation.name()))),
        }
    }

    /// The sequences that were made with a table's columns.
    pub(crate) fn sequences_of(&self, table: CollectionId) -> Vec<Arc<Relation>> {
        let owned = |relation: &&Arc<Relation>| {
            let owner = relation.sequence.as_ref().and_then(|sequence| sequence.owner);
            owner.is_some_and(|owner| owner.table == table)
        };
        self.stored().filter(owned).cloned().collect()
    }

    /// A free name for the sequence of a column.
    pub(crate) fn free_sequence_name(&self, table: &str, column: &str) -> String {
        let (schema, own) = names::split(table);
        let name = names::full(schema, &format!("{own}_{column}_seq"));
        if self.get(&name).is_none() {
            return name;
        }
        let numbered = (1_u32..).map(|number| format!("{name}{number}"));
        numbered.into_iter().find(|name| self.get(name).is_none()).unwrap_or(name)
    }

    /// The tables with a column whose default takes this sequence's values, and which it does not belong to.
    pub(crate) fn takers(&self, sequence: &Relation) -> Vec<String> {
        let owner = sequence.sequence.as_ref().and_then(|sequence| sequence.owner);
        let takes = |relation: &&Arc<Relation>| {
            relation.def.kind == TableKind::Table
                && owner.is_none_or(|owner| owner.table != relation.id())
                && relation.def.columns.iter().any(|c| c.sequence().as_deref() == Some(sequence.name()))
        };
        self.stored().filter(takes).map(|relation| relation.name().to_string()).collect()
    }
}

/// Runs a query and makes the calls that were taken out of it. The client is told once no crash can have the values
/// given again.
pub(crate) fn run(
    core: &Core,
    calls: &Calls,
    query: impl FnOnce(&mut Work) -> Result<QueryResult>,
) -> Result<QueryResult> {
    let refused = calls.writes() && core.is_read_only();
    let idle = core.status() == Status::Idle;
    let rows = core.read(|work| {
        if refused {
            return Err(Error::ReadOnly);
        }
        let rows = query(work)?;
        answer(core, work, calls, &rows)
    })?;
    if idle {
        core.cover()?;
    }
    Ok(rows)
}

/// The answer of a query with its calls made: one after the other, row by row.
fn answer(core: &Core, work: &Work, calls: &Calls, rows: &QueryResult) -> Result<QueryResult> {
    let source = Source::new(core, work);
    let known = rows.types()?;
    let mut fields = Vec::new();
    let mut at = 0;
    for item in calls.items() {
        match item {
            Item::Same => {
                fields.push(rows.schema.field(at).clone());
                at += 1;
            }
            Item::Call { args, name, .. } => {
                fields.push(Field::new(name, DataType::Int64, true));
                at += args;
            }
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let mut batches = Vec::with_capacity(rows.batches.len());
    for batch in &rows.batches {
        let vectors = batch.columns().iter().zip(&known).map(|(array, ty)| types::to_vector(array, *ty));
        let vectors = vectors.collect::<std::result::Result<Vec<_>, _>>()?;
        let mut values: Vec<Vec<Option<i64>>> = vec![Vec::new(); calls.items().len()];
        for row in 0..batch.num_rows() {
            let mut at = 0;
            for (item, values) in calls.items().iter().zip(&mut values) {
                let Item::Call { callee, args, .. } = item else {
                    at += 1;
                    continue;
                };
                let args: Vec<Datum> =
                    (at..at + args).map(|column| vectors[column].get_as(row, known[column])).collect();
                at += args.len();
                values.push(match source.call(*callee, &args)? {
                    Datum::Int(value) => Some(value),
                    _ => None,
                });
            }
        }
        let mut at = 0;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (item, values) in calls.items().iter().zip(values) {
            match item {
                Item::Same => {
                    arrays.push(Arc::clone(batch.column(at)));
                    at += 1;
                }
                Item::Call { args, .. } => {
                    arrays.push(Arc::new(Int64Array::from(values)));
                    at += args;
                }
            }
        }
        batches.push(types::record_batch(&schema, arrays, batch.num_rows())?);
    }
    Ok(QueryResult { schema, batches })
}

/// What the answer of [`answer`] is like.
pub(crate) fn describe(calls: &Calls, inner: Description) -> Description {
    let Description { columns: Some(columns), .. } = &inner else { return inner };
    let mut described = Vec::new();
    let mut at = 0;
    for item in calls.items() {
        match item {
            Item::Same => {
                described.extend(columns.get(at).cloned());
                at += 1;
            }
            Item::Call { args, name, .. } => {
                described.push(Column::new(name, Type::Int64));
                at += args;
            }
        }
    }
    Description { columns: Some(described), ..inner }
}
