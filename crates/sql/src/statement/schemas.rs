//! `CREATE SCHEMA`, `DROP SCHEMA`, `ALTER SCHEMA … OWNER TO`.

use datafusion::sql::sqlparser::ast::{AlterSchema, AlterSchemaOperation, ObjectName, SchemaName};

use super::{Statement, alter};
use crate::error::SqlError;
use crate::names;

/// A change of the schemas there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaChange {
    /// `CREATE SCHEMA`
    Create {
        /// Its name.
        name: String,
        /// One that exists is no error.
        if_not_exists: bool,
        /// Whose it is; `None` is the session's role.
        owner: Option<String>,
    },
    /// `DROP SCHEMA`
    Drop {
        /// Their names.
        names: Vec<String>,
        /// A name that does not exist is no error.
        if_exists: bool,
        /// What is in them goes, too.
        cascade: bool,
    },
    /// `ALTER SCHEMA … OWNER TO`
    Owner {
        /// Its name.
        name: String,
        /// A name that does not exist is no error.
        if_exists: bool,
        /// Whose it becomes; `None` is the session's role.
        owner: Option<String>,
    },
}

impl SchemaChange {
    /// The statement's name.
    pub fn statement(&self) -> &'static str {
        match self {
            SchemaChange::Create { .. } => "CREATE SCHEMA",
            SchemaChange::Drop { .. } => "DROP SCHEMA",
            SchemaChange::Owner { .. } => "ALTER SCHEMA",
        }
    }
}

pub(super) fn create(schema: &SchemaName, if_not_exists: bool) -> Result<Statement, SqlError> {
    let (name, owner) = match schema {
        SchemaName::Simple(name) => (names::schema(name)?, None),
        SchemaName::NamedAuthorization(name, owner) => (names::schema(name)?, Some(names::fold(owner))),
        SchemaName::UnnamedAuthorization(owner) => {
            let name = ObjectName::from(vec![owner.clone()]);
            (names::schema(&name)?, Some(names::fold(owner)))
        }
    };
    // Who is meant is known only where the statement runs.
    let owner =
        owner.filter(|owner| !matches!(owner.as_str(), "current_user" | "current_role" | "session_user"));
    Ok(Statement::Schema(SchemaChange::Create { name, if_not_exists, owner }))
}

pub(super) fn drop(names: &[ObjectName], if_exists: bool, cascade: bool) -> Result<Statement, SqlError> {
    let names = names.iter().map(names::schema).collect::<Result<_, _>>()?;
    Ok(Statement::Schema(SchemaChange::Drop { names, if_exists, cascade }))
}

pub(super) fn alter(asked: &AlterSchema) -> Result<Statement, SqlError> {
    let refused =
        |what: &str| SqlError::unsupported(format!("ALTER SCHEMA … {what}")).at(names::position(&asked.name));
    let name = names::schema(&asked.name)?;
    match asked.operations.as_slice() {
        [AlterSchemaOperation::OwnerTo { owner }] => {
            let (if_exists, owner) = (asked.if_exists, alter::owner(owner));
            Ok(Statement::Schema(SchemaChange::Owner { name, if_exists, owner }))
        }
        [AlterSchemaOperation::Rename { .. }] => {
            Err(refused("RENAME TO").with_hint("create another schema, and in it what this one has"))
        }
        _ => Err(refused("with these options")),
    }
}
