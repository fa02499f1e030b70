//! Tables come and relations go: the statements that change the catalog without running a circuit.

use std::sync::Arc;

use sql::ddl::TableDraft;
use sql::statement::Drop;
use sql::{ColumnDef, SqlError, SqlState, TableDef, TableKind};

use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::relation::{Relation, fingerprint};
use crate::version::Compiled;

/// Creates a table.
pub(crate) fn create_table(engine: &Engine, draft: TableDraft) -> Result<Vec<Notice>> {
    let mut notices = Vec::new();
    engine.change_catalog(|writer| {
        let head = writer.head();
        if exists(&head.compiled.catalog, &draft.name, draft.if_not_exists)? {
            notices.push(Notice::exists(&draft.name));
            return Ok(None);
        }
        let mut catalog = head.compiled.catalog.clone();
        let id = catalog.allocate();
        let mut state = head.state.clone();
        state.insert(id, fingerprint(&draft.schema))?;
        let TableDraft { name, columns, primary_key, schema, .. } = draft;
        let def = TableDef { id, name, kind: TableKind::Table, columns, primary_key, schema };
        catalog.insert(Relation::new(def, None, catalog.secret));
        Ok(Some((Compiled::new(catalog, engine.planner.functions())?, state)))
    })?;
    Ok(notices)
}

/// Drops tables or views, and with CASCADE what depends on them.
pub(crate) fn drop(engine: &Engine, drop: &Drop) -> Result<Vec<Notice>> {
    let mut notices = Vec::new();
    engine.change_catalog(|writer| {
        let head = writer.head();
        let mut catalog = head.compiled.catalog.clone();
        let mut state = head.state.clone();
        let targets = targets(&catalog, drop, &mut notices)?;
        if targets.is_empty() {
            return Ok(None);
        }
        for relation in targets {
            for freed in catalog.remove(&relation) {
                state.remove(freed);
            }
        }
        catalog.lower()?;
        Ok(Some((Compiled::new(catalog, engine.planner.functions())?, state)))
    })?;
    Ok(notices)
}

/// Whether a relation of this name exists, which is an error unless it is allowed.
pub(crate) fn exists(catalog: &Catalog, name: &str, allowed: bool) -> Result<bool> {
    match catalog.get(name) {
        None => Ok(false),
        Some(_) if allowed => Ok(true),
        Some(_) => Err(Error::DuplicateTable { name: name.to_string() }),
    }
}

/// A query's columns under the names that a view gives them; fewer names leave the last columns theirs.
pub(crate) fn renamed(mut columns: Vec<ColumnDef>, names: &[String]) -> Result<Vec<ColumnDef>> {
    if names.len() > columns.len() {
        let message = format!("{} column names for a query of {} columns", names.len(), columns.len());
        return Err(SqlError::new(SqlState::SyntaxError, message).into());
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|other| other.name == column.name) {
            let message = format!("column \"{}\" specified more than once", column.name);
            let error = SqlError::new(SqlState::DuplicateColumn, message);
            return Err(error.with_hint("give each column a name of its own with AS").into());
        }
    }
    Ok(columns)
}

/// What is to go, dependents first. Everything that would be left dangling is named in the refusal.
fn targets(catalog: &Catalog, drop: &Drop, notices: &mut Vec<Notice>) -> Result<Vec<Arc<Relation>>> {
    let named = named(catalog, drop, notices)?;
    let mut targets: Vec<Arc<Relation>> = Vec::new();
    for relation in &named {
        let dependents = catalog.dependents(relation.id());
        let is_named = |other: &Arc<Relation>| named.iter().any(|n| n.id() == other.id());
        let left: Vec<String> =
            dependents.iter().filter(|d| !is_named(d)).map(|d| d.name().to_string()).collect();
        if !drop.cascade && !left.is_empty() {
            return Err(Error::Dependents { name: relation.name().to_string(), dependents: left });
        }
        for target in dependents.into_iter().chain([Arc::clone(relation)]) {
            if !targets.iter().any(|t| t.id() == target.id()) {
                if !is_named(&target) {
                    notices.push(Notice::new(format!("drop cascades to \"{}\"", target.name())));
                }
                targets.push(target);
            }
        }
    }
    Ok(targets)
}

fn named(catalog: &Catalog, drop: &Drop, notices: &mut Vec<Notice>) -> Result<Vec<Arc<Relation>>> {
    let (kind, expected) = match drop.views {
        true => (TableKind::View, "a materialized view"),
        false => (TableKind::Table, "a table"),
    };
    let mut named = Vec::new();
    for (name, _) in &drop.names {
        match catalog.get(name) {
            Some(relation) if relation.def.kind == kind => named.push(Arc::clone(relation)),
            Some(_) => return Err(Error::WrongKind { name: name.clone(), expected }),
            None if drop.if_exists => {
                notices.push(Notice::new(format!("relation \"{name}\" does not exist, skipping")));
            }
            None => return Err(Error::UndefinedTable { name: name.clone() }),
        }
    }
    Ok(named)
}
