//! Statements that have nothing to do here, because what they ask for is the case anyway: `REFRESH`, `ANALYZE`, `VACUUM`;
//! and `DROP` of objects of kinds that nothing makes. Names, kinds and rights are looked at as PostgreSQL does, so that
//! what would be a mistake there is one here.

use sql::sqlparser::ast::{DataType, Expr};
use sql::statement::{Absent, DropAbsent, Task, Upkeep, parse_expression};
use sql::{SqlError, SqlState, TableKind};

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::mode::{Core, Status};
use crate::notice::Notice;
use crate::relation::Relation;
use crate::rights;

/// Sees to it that the upkeep could be done.
pub(crate) fn run(core: &Core, upkeep: &Upkeep) -> Result<Vec<Notice>> {
    let Upkeep { task, relations } = upkeep;
    let in_transaction = core.status() != Status::Idle;
    let read_only = core.is_read_only();
    core.read(|work| {
        if *task == Task::Vacuum && in_transaction {
            let message = "VACUUM cannot run inside a transaction block";
            return Err(SqlError::new(SqlState::ActiveTransaction, message).into());
        }
        if *task == Task::Refresh && read_only {
            return Err(Error::ReadOnly);
        }
        let catalog = &work.base().compiled.catalog;
        let mut notices = Vec::new();
        for (name, columns) in relations {
            let relation = work.relation(name)?;
            match task {
                Task::Refresh => notices.push(refresh(catalog, core.role(), &relation)?),
                Task::Analyze | Task::Vacuum => {
                    check_columns(&relation, columns)?;
                    notices.extend(skipped(catalog, core.role(), *task, &relation));
                }
            }
        }
        Ok(notices)
    })
}

fn refresh(catalog: &Catalog, role: &str, relation: &Relation) -> Result<Notice> {
    let name = relation.name();
    match relation.def.kind {
        TableKind::View => {
            catalog.permit_owner(role, relation)?;
            Ok(Notice::new(format!(
                "materialized view \"{name}\" is never stale: there is nothing to refresh"
            )))
        }
        TableKind::Table | TableKind::System | TableKind::Sequence => {
            let message = format!("\"{name}\" is not a materialized view");
            Err(SqlError::new(SqlState::FeatureNotSupported, message).into())
        }
        TableKind::PlainView => {
            let expected = "a table or materialized view";
            Err(Error::WrongKind { name: name.to_string(), expected })
        }
    }
}

fn check_columns(relation: &Relation, columns: &[String]) -> Result<()> {
    match columns.iter().find(|column| relation.def.column(column).is_none()) {
        None => Ok(()),
        Some(column) => {
            let message = format!("column \"{column}\" of relation \"{}\" does not exist", relation.name());
            Err(SqlError::new(SqlState::UndefinedColumn, message).into())
        }
    }
}

/// A warning, if it would not be done.
fn skipped(catalog: &Catalog, role: &str, task: Task, relation: &Relation) -> Option<Notice> {
    let (name, verb) = (relation.name(), task.name().to_ascii_lowercase());
    if relation.is_plain_view() || relation.sequence.is_some() {
        let message = format!("skipping \"{name}\" --- cannot {verb} non-tables or special system tables");
        return Some(Notice::warning(message));
    }
    if catalog.owns(role, relation) {
        return None;
    }
    let why = match relation.def.kind {
        TableKind::System => format!("only superuser can {verb} it"),
        _ => format!("only table or database owner can {verb} it"),
    };
    Some(Notice::warning(format!("skipping \"{name}\" --- {why}")))
}

/// Drops what is not there; what is of the kind cannot go.
pub(crate) fn drop_absent(core: &Core, drop: &DropAbsent) -> Result<Vec<Notice>> {
    let DropAbsent { kind, names, if_exists } = drop;
    let read_only = core.is_read_only();
    core.read(|work| {
        if read_only {
            return Err(Error::ReadOnly);
        }
        let catalog = &work.base().compiled.catalog;
        let mut notices = Vec::new();
        for name in names {
            refuse_present(catalog, *kind, name)?;
            if !if_exists {
                let message = format!("{} \"{name}\" does not exist", kind.name());
                return Err(SqlError::new(SqlState::UndefinedObject, message).into());
            }
            notices.push(Notice::missing(kind.name(), name));
        }
        Ok(notices)
    })
}

/// An error if something of the name is there that the statement could mean.
fn refuse_present(catalog: &Catalog, kind: Absent, name: &str) -> Result<()> {
    let required = |message: String| Err(SqlError::new(SqlState::DependentObjects, message).into());
    let relation = catalog.get(name);
    match (kind, relation) {
        (Absent::Index, Some(relation)) => Err(rights::not_a(relation, "an index")),
        (Absent::Index, None) => match name.strip_suffix("_pkey").and_then(|table| catalog.get(table)) {
            Some(table) if table.is_keyed() => {
                let table = table.name();
                let message = format!(
                    "cannot drop index {name} because constraint {name} on table {table} requires it"
                );
                required(message)
            }
            _ => Ok(()),
        },
        (Absent::Type, Some(relation)) => {
            let kind = rights::kind(relation);
            required(format!("cannot drop type {name} because {kind} {name} requires it"))
        }
        (Absent::Type, None) if is_type(name) => {
            required(format!("cannot drop type {name} because it is required by the database system"))
        }
        _ => Ok(()),
    }
}

/// Whether a type of this name is built in.
fn is_type(name: &str) -> bool {
    let cast = parse_expression(&format!("NULL::{name}"));
    matches!(cast, Ok(Expr::Cast { data_type, .. }) if !matches!(data_type, DataType::Custom(..)))
}
