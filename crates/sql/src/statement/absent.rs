//! Objects of kinds that no statement makes here: indexes, types, extensions. Programs drop them if
//! they exist, before they make their own, so that is taken and answered truthfully.

use datafusion::sql::sqlparser::ast::{self, ObjectType};

use super::Statement;
use crate::error::SqlError;
use crate::names;

/// `DROP INDEX`, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropAbsent {
    /// What is to go.
    pub kind: Absent,
    /// Its names.
    pub names: Vec<String>,
    /// A name that does not exist is no error.
    pub if_exists: bool,
}

/// A kind of object that is not made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// An index; those of primary keys belong to their tables.
    Index,
    /// A type besides those that are always there.
    Type,
    /// An extension.
    Extension,
}

impl Absent {
    /// The statement that drops one.
    pub fn statement(self) -> &'static str {
        match self {
            Absent::Index => "DROP INDEX",
            Absent::Type => "DROP TYPE",
            Absent::Extension => "DROP EXTENSION",
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Absent::Index => "index",
            Absent::Type => "type",
            Absent::Extension => "extension",
        }
    }

    pub(super) fn of(object: ObjectType) -> Option<Absent> {
        match object {
            ObjectType::Index => Some(Absent::Index),
            ObjectType::Type => Some(Absent::Type),
            _ => None,
        }
    }
}

pub(super) fn drop(kind: Absent, if_exists: bool, names: &[ast::ObjectName]) -> Result<Statement, SqlError> {
    let name = |name: &ast::ObjectName| match kind {
        Absent::Extension => names::column(name)
            .map_err(|_| SqlError::unsupported(format!("the name {name}")).at(names::position(name))),
        Absent::Index | Absent::Type => names::said(name),
    };
    let names = names.iter().map(name).collect::<Result<_, _>>()?;
    Ok(Statement::DropAbsent(DropAbsent { kind, names, if_exists }))
}

pub(super) fn drop_extension(drop: &ast::DropExtension) -> Statement {
    let names = drop.names.iter().map(names::fold).collect();
    Statement::DropAbsent(DropAbsent { kind: Absent::Extension, names, if_exists: drop.if_exists })
}
