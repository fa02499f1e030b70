//! Objects of kinds that no statement makes here: indexes, schemas, types, extensions. Programs drop them if
//! they exist, before they make their own, so that is taken and answered truthfully.

use datafusion::sql::sqlparser::ast::{self, ObjectType, SchemaName};

use super::Statement;
use crate::error::{SqlError, SqlState};
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
    /// A schema besides those that are always there.
    Schema,
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
            Absent::Schema => "DROP SCHEMA",
            Absent::Type => "DROP TYPE",
            Absent::Extension => "DROP EXTENSION",
        }
    }

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Absent::Index => "index",
            Absent::Schema => "schema",
            Absent::Type => "type",
            Absent::Extension => "extension",
        }
    }

    /// The class of the error that one of the name is not there.
    pub fn undefined(self) -> SqlState {
        match self {
            Absent::Schema => SqlState::UndefinedSchema,
            Absent::Index | Absent::Type | Absent::Extension => SqlState::UndefinedObject,
        }
    }

    pub(super) fn of(object: ObjectType) -> Option<Absent> {
        match object {
            ObjectType::Index => Some(Absent::Index),
            ObjectType::Schema => Some(Absent::Schema),
            ObjectType::Type => Some(Absent::Type),
            _ => None,
        }
    }
}

pub(super) fn drop(kind: Absent, if_exists: bool, names: &[ast::ObjectName]) -> Result<Statement, SqlError> {
    let name = |name: &ast::ObjectName| match kind {
        Absent::Schema | Absent::Extension => names::column(name)
            .map_err(|_| SqlError::unsupported(format!("the name {name}")).at(names::position(name))),
        Absent::Index | Absent::Type => names::relation(name),
    };
    let names = names.iter().map(name).collect::<Result<_, _>>()?;
    Ok(Statement::DropAbsent(DropAbsent { kind, names, if_exists }))
}

pub(super) fn drop_extension(drop: &ast::DropExtension) -> Statement {
    let names = drop.names.iter().map(names::fold).collect();
    Statement::DropAbsent(DropAbsent { kind: Absent::Extension, names, if_exists: drop.if_exists })
}

/// `CREATE SCHEMA` of the one there is.
pub(super) fn create_schema(schema: &SchemaName, if_not_exists: bool) -> Result<Statement, SqlError> {
    let SchemaName::Simple(name) = schema else { return Err(SqlError::unsupported("CREATE SCHEMA")) };
    let place = names::position(name);
    match names::column(name).as_deref() {
        Ok("public") if if_not_exists => Ok(Statement::CreateSchema),
        Ok("public") => {
            let message = "schema \"public\" already exists";
            Err(SqlError::new(SqlState::DuplicateSchema, message).at(place))
        }
        _ => Err(SqlError::unsupported("CREATE SCHEMA")
            .at(place)
            .with_hint("there is one schema, \"public\", and one database")),
    }
}
