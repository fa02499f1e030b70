//! `ALTER TABLE`, `ALTER VIEW` and `ALTER MATERIALIZED VIEW`: new names and owners. Rows and circuits stay as they are; the texts of
//! the views that read the relation follow.

use std::sync::Arc;

use sql::statement::{Alter, AlterAction, Privileges, Statement, parse_one};
use sql::{Planner, SqlError, SqlState, TableDef, TableKind};

use crate::catalog::Catalog;
use crate::definition::{Redefined, exists, expected};
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::relation::{Relation, View};
use crate::snapshot::Snapshot;
use crate::version::{Compiled, Version};

/// Makes the change, for the role `by`.
pub(crate) fn apply(
    planner: &Arc<Planner>,
    base: &Version,
    alter: &Alter,
    by: &str,
    notices: &mut Vec<Notice>,
) -> Redefined {
    let catalog = &base.compiled.catalog;
    let Some(relation) = target(catalog, alter)? else {
        notices.push(Notice::missing("relation", &alter.name));
        return Ok(None);
    };
    catalog.permit_owner(by, &relation)?;
    let mut catalog = catalog.clone();
    match &alter.action {
        AlterAction::Rename(to) => {
            exists(&catalog, to, false, notices)?;
            catalog.permit_in_schema(by, to, Privileges::CREATE)?;
            return rename(planner, base, catalog, (&relation, to));
        }
        AlterAction::RenameColumn(from, to) => rename_column(&mut catalog, &relation, from, to)?,
        AlterAction::Owner(owner) => {
            let owner = owner.as_deref().unwrap_or(by);
            catalog.permit_giving(by, owner)?;
            if !catalog.roles.is_superuser(by) {
                catalog.permit_in_schema(owner, relation.name(), Privileges::CREATE)?;
            }
            let sequences = catalog.sequences_of(relation.id());
            for owned in sequences.iter().chain([&relation]) {
                catalog.replace(owned, Relation { owner: owner.to_string(), ..Relation::clone(owned) });
            }
        }
    }
    Ok(Some((Compiled::new(catalog, planner.functions())?, base.state.clone())))
}

fn target(catalog: &Catalog, alter: &Alter) -> Result<Option<Arc<Relation>>> {
    let kind = alter.kind;
    match catalog.get(&alter.name) {
        // PostgreSQL lets ALTER TABLE change a view's name and owner, and clients make use of it.
        Some(relation)
            if relation.def.kind == kind || kind == TableKind::Table && relation.view.is_some() =>
        {
            Ok(Some(Arc::clone(relation)))
        }
        Some(_) => Err(Error::WrongKind { name: alter.name.clone(), expected: expected(kind) }),
        None if alter.if_exists => Ok(None),
        None => Err(Error::UndefinedTable { name: alter.name.clone() }),
    }
}

/// Gives a relation another name, and tells the views that read it.
fn rename(
    planner: &Arc<Planner>,
    base: &Version,
    mut catalog: Catalog,
    (relation, to): (&Arc<Relation>, &str),
) -> Redefined {
    catalog.replace(relation, renamed(relation, |def| def.name = to.to_string()));
    let readers = catalog.readers(relation.id());
    for reader in &readers {
        let Some(view) = &reader.view else { continue };
        let query = sql::rename::relation_in_query(&view.query, relation.name(), to)?;
        let view = View { query, ..view.clone() };
        catalog.replace(reader, Relation { view: Some(view), ..Relation::clone(reader) });
    }
    // The plans are shown with the names as they are now, so they are made once more.
    let renamed = Compiled::new(catalog.clone(), planner.functions())?;
    let version = Version { number: base.number, state: base.state.clone(), compiled: Arc::new(renamed) };
    let snapshot: Arc<dyn sql::Snapshot> = Arc::new(Snapshot::new(Arc::new(version)));
    for reader in catalog.readers(relation.id()) {
        let Some(view) = reader.view.as_ref().filter(|_| reader.has_rows()) else { continue };
        let Statement::Query(query) = parse_one(&view.query)? else {
            return Err(SqlError::internal("the query of a view is not a query").into());
        };
        let logical = planner.plan_view(&snapshot, &query)?.logical;
        let view = View { logical, ..view.clone() };
        catalog.replace(&reader, Relation { view: Some(view), ..Relation::clone(&reader) });
    }
    Ok(Some((Compiled::new(catalog, planner.functions())?, base.state.clone())))
}

fn rename_column(catalog: &mut Catalog, relation: &Arc<Relation>, from: &str, to: &str) -> Result<()> {
    let readers = catalog.readers(relation.id());
    if !readers.is_empty() {
        let dependents = readers.iter().map(|reader| reader.name().to_string()).collect();
        return Err(Error::Dependents { name: format!("{}.{from}", relation.name()), dependents });
    }
    let missing = || {
        let message = format!("column \"{from}\" of relation \"{}\" does not exist", relation.name());
        SqlError::new(SqlState::UndefinedColumn, message)
    };
    let at = relation.def.column(from).ok_or_else(missing)?;
    if relation.def.column(to).is_some() {
        let message = format!("column \"{to}\" of relation \"{}\" already exists", relation.name());
        return Err(SqlError::new(SqlState::DuplicateColumn, message).into());
    }
    catalog.replace(relation, renamed(relation, |def| def.columns[at as usize].name = to.to_string()));
    Ok(())
}

/// The relation with a definition that differs in names only.
fn renamed(relation: &Relation, change: impl FnOnce(&mut TableDef)) -> Relation {
    let mut def = TableDef::clone(&relation.def);
    change(&mut def);
    Relation { def: Arc::new(def), ..relation.clone() }
}
