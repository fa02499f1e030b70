//! `CREATE VIEW`: a query under a name. Nothing of it is computed or stored but its text; wherever the name is read, in
//! queries and in the queries of materialized views, the planner puts the query in its place.
//!
//! What a plain view reads, it depends on as a materialized view does, and its owner must have the right to read it
//! whenever the view is read. It cannot be replaced under a materialized view, whose rows would be another query's.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use pgcatalog::Concern;
use sql::sqlparser::ast::{self, Query};
use sql::statement::{CreateView, Statement, parse_one, read_alone};
use sql::{ColumnDef, Planner, SqlError, SqlState, TableDef, TableKind, names};
use zset::{CollectionId, Schema};

use crate::catalog::Catalog;
use crate::definition::{self, Redefined};
use crate::error::{Error, Result};
use crate::relation::{Relation, View};
use crate::rights::not_a;
use crate::snapshot::Snapshot;
use crate::version::{Compiled, Version};

/// Levels that a plan nests where a view's query stands, besides the query's own.
const LEVELS: usize = 3;

/// The most queries that one view may stand for: views that name views twice would double with each.
const MOST_PARTS: usize = 1_000;

/// Names the query, or gives the name to another query.
pub(crate) fn create(
    planner: &Arc<Planner>,
    base: &Arc<Version>,
    create: &CreateView,
    (epoch, by): (u64, &str),
) -> Redefined {
    let mut catalog = base.compiled.catalog.clone();
    let name = &create.name;
    let old = catalog.get(name).cloned();
    if let Some(old) = &old {
        if !create.or_replace {
            return Err(Error::DuplicateTable { name: name.clone() });
        }
        if !old.is_plain_view() {
            return Err(not_a(old, "a view"));
        }
        catalog.permit_owner(by, old)?;
    }
    if pgcatalog::concern(&create.query) != Concern::None {
        return Err(SqlError::unsupported("a view that asks the catalogs")
            .with_hint("ask them directly")
            .into());
    }
    let snapshot: Arc<dyn sql::Snapshot> = Arc::new(Snapshot::new(Arc::clone(base)));
    let columns = planner.plan_plain_view(&snapshot, &create.query)?;
    let columns = definition::renamed(columns, &create.columns)?;
    let view = view(&catalog, &create.query)?;
    let schema = Schema::new(columns.iter().map(|column| column.ty).collect(), Vec::new());
    let kind = TableKind::PlainView;
    let mut def =
        TableDef { id: CollectionId(0), name: name.clone(), kind, columns, primary_key: Vec::new(), schema };
    match old {
        None => {
            def.id = catalog.allocate();
            catalog.insert(Relation::new(def, Some(view), catalog.secret).made(epoch, by));
        }
        Some(old) => {
            check_replacement(&catalog, &old, &def.columns, &view)?;
            def.id = old.id();
            let new = Relation::new(def, Some(view), catalog.secret).made(old.created, old.owner.clone());
            catalog.replace(&old, new);
        }
    }
    Ok(Some((Compiled::new(catalog, planner.functions())?, base.state.clone())))
}

/// The query with what it reads and how deep it nests.
fn view(catalog: &Catalog, query: &Query) -> Result<View> {
    let text = query.to_string();
    let mut sources = BTreeSet::new();
    let (mut behind, mut parts) = (0, 1_usize);
    for relation in relations(query).iter().filter_map(|name| catalog.get(name)) {
        if relation.sequence.is_some() {
            let refusal = SqlError::unsupported(format!("the sequence \"{}\" in a view", relation.name()));
            return Err(refusal.with_hint("select from it directly").into());
        }
        sources.insert(relation.id());
        if let Some(plain) = relation.view.as_ref().filter(|_| relation.is_plain_view()) {
            behind = behind.max(plain.depth);
            parts = parts.saturating_add(plain.parts);
        }
    }
    let depth = read_alone(&text)?.in_public()?.depth.over(behind + LEVELS);
    depth.check()?;
    if parts > MOST_PARTS {
        let message = format!("the view stands for more than {MOST_PARTS} queries");
        let error = SqlError::new(SqlState::TooComplex, message);
        return Err(error.with_hint("make materialized views of some of the views that it reads").into());
    }
    let sources = sources.into_iter().collect();
    Ok(View { query: text, logical: String::new(), sources, depth: depth.levels(), parts })
}

/// The plain views that a query names.
pub(crate) fn named(catalog: &Catalog, query: &Query) -> BTreeSet<CollectionId> {
    let names = relations(query);
    let known = names.iter().filter_map(|name| catalog.get(name));
    known.filter(|relation| relation.is_plain_view()).map(|relation| relation.id()).collect()
}

/// The names of relations in a query. Names that a WITH gives are among them: such a view depends on more than it
/// must.
fn relations(query: &Query) -> Vec<String> {
    let mut found = Vec::new();
    let _ = ast::visit_relations(query, |name| {
        found.extend(names::relation(name));
        ControlFlow::<()>::Continue(())
    });
    found
}

/// The new query must answer the old one's columns first, as they were.
fn check_replacement(catalog: &Catalog, old: &Relation, columns: &[ColumnDef], view: &View) -> Result<()> {
    let invalid = |message: String| Err(SqlError::new(SqlState::InvalidTableDefinition, message).into());
    if columns.len() < old.def.columns.len() {
        return invalid("cannot drop columns from view".to_string());
    }
    for (before, after) in old.def.columns.iter().zip(columns) {
        if before.name != after.name {
            let (from, to) = (&before.name, &after.name);
            return invalid(format!("cannot change name of view column \"{from}\" to \"{to}\""));
        }
        if before.ty.ty != after.ty.ty {
            let (name, from, to) = (&before.name, before.ty.ty, after.ty.ty);
            return invalid(format!("cannot change data type of view column \"{name}\" from {from} to {to}"));
        }
    }
    let dependents = catalog.dependents(old.id());
    let itself = |id: &CollectionId| *id == old.id() || dependents.iter().any(|view| view.id() == *id);
    if view.sources.iter().any(itself) {
        let message = format!("infinite recursion detected in rules for relation \"{}\"", old.name());
        return Err(SqlError::new(SqlState::InvalidObjectDefinition, message).into());
    }
    let refused = |what: &str| {
        let refusal = SqlError::unsupported(format!("CREATE OR REPLACE VIEW {what}"));
        Err(refusal.with_hint("drop the view with CASCADE, and create it and its dependents again").into())
    };
    if dependents.iter().any(|view| view.has_rows()) {
        return refused("of a view that a materialized view reads");
    }
    if columns.len() > old.def.columns.len() && !dependents.is_empty() {
        return refused("with more columns, of a view that other views read");
    }
    Ok(())
}

/// The query of all that a relation shows.
pub(crate) fn contents(name: &str) -> Result<Box<Query>> {
    match parse_one(&format!("SELECT * FROM {}", names::written(name)))? {
        Statement::Query(query) => Ok(query),
        _ => Err(SqlError::internal("SELECT is a query").into()),
    }
}
