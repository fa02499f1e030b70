//! Sequences in the catalog: those that tables are made with, those of `CREATE SEQUENCE`, and how they begin again.

use std::sync::Arc;

use sql::ddl::OwnSequence;
use sql::statement::{Privileges, Restart, SequenceDraft};
use sql::{ColumnDef, Identity, Planner, SqlError, SqlState, sequence};
use storage::State;
use zset::{CollectionId, Deltas};

use crate::bounds;
use crate::catalog::Catalog;
use crate::counter::{Counter, Mark, Owner, Sequence};
use crate::definition::{Redefined, exists};
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::relation::{Relation, fingerprint};
use crate::version::{Compiled, Version};

/// Makes the sequences of a new table, and has its columns name them.
pub(crate) fn make(
    catalog: &mut Catalog,
    state: &mut State,
    (table, name, columns): (CollectionId, &str, &mut [ColumnDef]),
    sequences: &[OwnSequence],
    (epoch, by): (u64, &str),
) -> Result<()> {
    for OwnSequence { column: index, always, course } in sequences {
        let Some(column) = columns.get_mut(*index as usize) else { continue };
        let sequence = catalog.free_sequence_name(name, &column.name);
        match always {
            Some(always) => {
                column.identity = Some(Identity { always: *always, sequence: sequence.clone() });
            }
            None => column.default = Some(sequence::default_text(&sequence)),
        }
        let owner = Owner { table, column: *index, identity: always.is_some() };
        insert(catalog, state, sequence, (*course, Some(owner)), (epoch, by))?;
    }
    Ok(())
}

fn insert(
    catalog: &mut Catalog,
    state: &mut State,
    name: String,
    (course, owner): (sql::Course, Option<Owner>),
    (epoch, by): (u64, &str),
) -> Result<()> {
    let id = catalog.allocate();
    let relation = Relation::of_sequence(id, name, (course, owner), catalog.secret).made(epoch, by);
    state.insert(id, fingerprint(&relation.def.schema))?;
    catalog.insert(relation);
    Ok(())
}

/// Defaults take values of sequences that are there.
pub(crate) fn check_defaults(catalog: &Catalog, columns: &[ColumnDef], by: &str) -> Result<()> {
    for name in columns.iter().filter_map(|column| sequence::of_default(column.default.as_deref()?)) {
        match catalog.get(&name) {
            Some(relation) if relation.sequence.is_some() => {
                catalog.permit_in_schema(by, &name, Privileges::USAGE)?;
            }
            Some(_) => return Err(Error::WrongKind { name, expected: "a sequence" }),
            None => return Err(Error::UndefinedTable { name }),
        }
    }
    Ok(())
}

/// `CREATE SEQUENCE`
pub(crate) fn create(
    planner: &Planner,
    base: &Version,
    draft: &SequenceDraft,
    (epoch, by): (u64, &str),
    notices: &mut Vec<Notice>,
) -> Redefined {
    if exists(&base.compiled.catalog, &draft.name, draft.if_not_exists, notices)? {
        return Ok(None);
    }
    let mut catalog = base.compiled.catalog.clone();
    let mut state = base.state.clone();
    insert(&mut catalog, &mut state, draft.name.clone(), (draft.course, None), (epoch, by))?;
    Ok(Some((Compiled::new(catalog, planner.functions())?, state)))
}

/// Has sequences begin again, each with a new counter: the transaction that says so counts by it at once, the others
/// when it has committed.
pub(crate) fn restart(
    planner: &Planner,
    base: &Version,
    all: &[Restart],
    (epoch, by): (u64, &str),
    notices: &mut Vec<Notice>,
) -> Redefined {
    let mut catalog = base.compiled.catalog.clone();
    let mut rows = Deltas::new();
    for asked in all {
        let Some(relation) = target(&catalog, asked)? else {
            notices.push(Notice::missing("relation", &asked.name));
            continue;
        };
        catalog.permit_owner(by, &relation)?;
        let Some(Sequence { course, owner, .. }) = relation.sequence.clone() else { continue };
        let mark = match asked.with {
            Some(first) => {
                course.check(first, "RESTART")?;
                Mark { last: first, called: false }
            }
            None => Mark::start(&course),
        };
        rows.insert(relation.id(), bounds::change(&relation, base.runs(relation.id())?, mark)?);
        let sequence = Some(Sequence { course, owner, counter: Counter::at(mark) });
        catalog.replace(&relation, Relation { sequence, ..Relation::clone(&relation) });
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let state = base.state.with(&rows, epoch)?;
    Ok(Some((Compiled::new(catalog, planner.functions())?, state)))
}

/// The sequence that is to begin again.
fn target(catalog: &Catalog, asked: &Restart) -> Result<Option<Arc<Relation>>> {
    let Restart { name, column, if_exists, .. } = asked;
    let Some(relation) = catalog.get(name) else {
        return if *if_exists { Ok(None) } else { Err(Error::UndefinedTable { name: name.clone() }) };
    };
    let Some(column) = column else {
        return match relation.sequence {
            Some(_) => Ok(Some(Arc::clone(relation))),
            None => Err(Error::WrongKind { name: name.clone(), expected: "a sequence" }),
        };
    };
    let at = relation.def.column(column).ok_or_else(|| {
        let message = format!("column \"{column}\" of relation \"{name}\" does not exist");
        SqlError::new(SqlState::UndefinedColumn, message)
    })?;
    let identity = relation.def.columns[at as usize].identity.as_ref().ok_or_else(|| {
        let message = format!("column \"{column}\" of relation \"{name}\" is not an identity column");
        SqlError::new(SqlState::NotInPrerequisiteState, message)
    })?;
    Ok(catalog.get(&identity.sequence).cloned())
}

/// Refuses to drop a sequence that columns need and that does not go with its table.
pub(crate) fn check_drop(
    catalog: &Catalog,
    relation: &Arc<Relation>,
    goes: &dyn Fn(&Arc<Relation>) -> bool,
) -> Result<()> {
    let own = catalog.sequences_of(relation.id());
    for sequence in own.iter().chain(relation.sequence.as_ref().map(|_| relation)) {
        let refused = |why: String| {
            let message = format!("cannot drop sequence {} because {why}", sequence.name());
            Err(SqlError::new(SqlState::DependentObjects, message).into())
        };
        let owner = sequence.sequence.as_ref().and_then(|sequence| sequence.owner);
        let table = owner.and_then(|owner| Some((catalog.by_id(owner.table)?, owner.column)));
        if let Some((table, column)) = table.filter(|(table, _)| !goes(table)) {
            let column = table.def.columns.get(column as usize).map_or("", |column| column.name.as_str());
            return refused(format!("column {column} of table {} requires it", table.name()));
        }
        let left = |name: &String| catalog.get(name).is_none_or(|table| !goes(table));
        if let Some(table) = catalog.takers(sequence).into_iter().find(left) {
            return refused(format!("the default of a column of table {table} depends on it"));
        }
    }
    Ok(())
}
