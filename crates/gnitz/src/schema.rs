//! `CREATE SCHEMA`, `DROP SCHEMA`, `ALTER SCHEMA`.

use sql::statement::SchemaChange;
use sql::{Planner, SqlError, SqlState, names};

use crate::catalog::Catalog;
use crate::definition::{self, Redefined};
use crate::error::Result;
use crate::namespace::Namespace;
use crate::notice::Notice;
use crate::role::{Object, refused, unknown};
use crate::version::{Compiled, Version};

/// Makes a change of the schemas that `by` asks for.
pub(crate) fn change(
    planner: &Planner,
    base: &Version,
    change: &SchemaChange,
    by: &str,
    notices: &mut Vec<Notice>,
) -> Redefined {
    let mut catalog = base.compiled.catalog.clone();
    match change {
        SchemaChange::Create { name, if_not_exists, owner } => {
            let owner = owner.as_deref().unwrap_or(by);
            if !create(&mut catalog, (name, *if_not_exists), (owner, by), notices)? {
                return Ok(None);
            }
        }
        SchemaChange::Drop { names, if_exists, cascade } => {
            return drop(planner, base, (names, *if_exists, *cascade), by, notices);
        }
        SchemaChange::Owner { name, if_exists, owner } => {
            if *if_exists && !catalog.namespaces.contains_key(name) {
                notices.push(Notice::missing("schema", name));
                return Ok(None);
            }
            give(&mut catalog, name, owner.as_deref().unwrap_or(by), by)?;
        }
    }
    Ok(Some((Compiled::new(catalog, planner.functions())?, base.state.clone())))
}

/// Whether a schema was made.
fn create(
    catalog: &mut Catalog,
    (name, if_not_exists): (&str, bool),
    (owner, by): (&str, &str),
    notices: &mut Vec<Notice>,
) -> Result<bool> {
    if !catalog.roles.is_superuser(by) {
        let refusal =
            "permission denied to create a schema: only superusers do, with AUTHORIZATION for others";
        return Err(refused(refusal));
    }
    catalog.roles.get(owner).ok_or_else(|| unknown(owner))?;
    if name.starts_with("pg_") {
        let message =
            format!("unacceptable schema name \"{name}\": names that begin with pg_ are the system's");
        return Err(SqlError::new(SqlState::ReservedName, message).into());
    }
    if catalog.namespaces.contains_key(name) || names::CATALOGS.contains(&name) {
        let message = format!("schema \"{name}\" already exists");
        if !if_not_exists {
            return Err(SqlError::new(SqlState::DuplicateSchema, message).into());
        }
        let sqlstate = SqlState::DuplicateSchema.code();
        notices.push(Notice { sqlstate, ..Notice::new(format!("{message}, skipping")) });
        return Ok(false);
    }
    let number = catalog.allocate().0;
    catalog.namespaces.insert(name.to_string(), Namespace { number, owner: owner.to_string() });
    Ok(true)
}

/// Refuses to change a schema that every database has.
fn check_own(schema: &str, what: &str) -> Result<()> {
    if schema != names::PUBLIC && !names::CATALOGS.contains(&schema) {
        return Ok(());
    }
    let message = format!("cannot {what} schema {schema} because it is required by the database system");
    Err(SqlError::new(SqlState::DependentObjects, message).into())
}

fn give(catalog: &mut Catalog, schema: &str, owner: &str, by: &str) -> Result<()> {
    check_own(schema, "change the owner of")?;
    catalog.permit_schema_owner(by, schema)?;
    catalog.permit_giving(by, owner)?;
    if let Some(namespace) = catalog.namespaces.get_mut(schema) {
        owner.clone_into(&mut namespace.owner);
    }
    Ok(())
}

/// Drops schemas, and with CASCADE what is in them and what depends on that.
fn drop(
    planner: &Planner,
    base: &Version,
    (schemas, if_exists, cascade): (&[String], bool, bool),
    by: &str,
    notices: &mut Vec<Notice>,
) -> Redefined {
    let mut catalog = base.compiled.catalog.clone();
    let mut gone = Vec::new();
    for schema in schemas {
        check_own(schema, "drop")?;
        if if_exists && !catalog.namespaces.contains_key(schema) {
            notices.push(Notice::missing("schema", schema));
            continue;
        }
        catalog.permit_schema_owner(by, schema)?;
        gone.push(schema);
    }
    let within: Vec<_> = gone.iter().flat_map(|schema| catalog.relations_in(schema)).cloned().collect();
    if !cascade && !within.is_empty() {
        let names: Vec<&str> = within.iter().map(|relation| relation.name()).collect();
        let schemas = gone.iter().map(|schema| schema.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("cannot drop schema {schemas} because it is not empty: {}", names.join(", "));
        let error = SqlError::new(SqlState::DependentObjects, message);
        return Err(error.with_hint("use DROP SCHEMA … CASCADE to drop what is in it, too").into());
    }
    let mut state = base.state.clone();
    definition::remove(&mut catalog, &mut state, (&within, true), notices)?;
    for schema in gone {
        if let Some(namespace) = catalog.namespaces.remove(schema) {
            catalog.roles.forget(Object::Schema(namespace.number));
        }
    }
    Ok(Some((Compiled::new(catalog, planner.functions())?, state)))
}
