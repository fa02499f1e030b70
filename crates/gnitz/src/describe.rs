//! The rows of the system tables (`system.rs`), computed from a version.

use std::collections::BTreeMap;
use std::sync::Arc;

use sql::TableKind;
use zset::{CollectionId, Datum};

use crate::relation::Relation;
use crate::system::{COLUMNS, OPERATORS, TABLES, VIEWS};
use crate::version::Version;
use crate::written::definition;

/// The rows of a system table at this version; none for any other collection.
pub(crate) fn rows(id: CollectionId, version: &Version) -> Vec<Vec<Datum>> {
    match id {
        TABLES => tables(version),
        COLUMNS => columns(version),
        VIEWS => views(version),
        OPERATORS => operators(version),
        _ => Vec::new(),
    }
}

fn tables(version: &Version) -> Vec<Vec<Datum>> {
    let row = |relation: &Arc<Relation>| {
        let def = &relation.def;
        let kind = match def.kind {
            TableKind::Table => "table",
            TableKind::View => "view",
            TableKind::PlainView => "plain view",
            TableKind::System => "system",
            TableKind::Sequence => "sequence",
        };
        let key: Vec<&str> = def.primary_key.iter().map(|&c| def.columns[c as usize].name.as_str()).collect();
        let (rows, bytes) = version.size_of(def.id);
        let definition = match def.kind {
            TableKind::System => Datum::Null,
            _ => string(definition(&version.compiled.catalog, relation)),
        };
        vec![
            string(&def.name),
            string(kind),
            string(def.id),
            string(key.join(", ")),
            Datum::Int(rows),
            Datum::Int(bytes),
            definition,
        ]
    };
    version.compiled.catalog.relations().map(row).collect()
}

fn columns(version: &Version) -> Vec<Vec<Datum>> {
    let mut rows = Vec::new();
    for relation in version.compiled.catalog.relations() {
        for (position, column) in relation.def.columns.iter().enumerate() {
            rows.push(vec![
                string(relation.name()),
                Datum::Int(position as i64 + 1),
                string(&column.name),
                string(column.ty.ty),
                Datum::Bool(column.ty.nullable),
                column.max_len.map_or(Datum::Null, |limit| Datum::Int(i64::from(limit))),
                column.default.as_ref().map_or(Datum::Null, string),
            ]);
        }
    }
    rows
}

fn views(version: &Version) -> Vec<Vec<Datum>> {
    let catalog = &version.compiled.catalog;
    let mut rows = Vec::new();
    for relation in catalog.stored().filter(|relation| relation.def.kind == TableKind::View) {
        let Some(view) = &relation.view else { continue };
        let slice = catalog.circuit.slice(relation.id());
        let program = circuit::lower(&slice).map_or_else(|error| error.to_string(), |p| p.to_string());
        rows.push(vec![
            string(relation.name()),
            string(&view.query),
            string(&view.logical),
            string(&slice),
            string(program),
        ]);
    }
    rows
}

/// One row for each operator of each view; an operator that several views share is listed under each.
fn operators(version: &Version) -> Vec<Vec<Datum>> {
    let catalog = &version.compiled.catalog;
    let mut sizes = BTreeMap::new();
    let mut rows = Vec::new();
    for relation in catalog.stored().filter(|relation| relation.def.kind == TableKind::View) {
        for (node, operator) in catalog.circuit.slice(relation.id()).nodes() {
            let collection = operator.op.collection();
            let (state_rows, state_bytes) =
                collection.map_or((0, 0), |id| *sizes.entry(id).or_insert_with(|| version.size_of(id)));
            rows.push(vec![
                string(relation.name()),
                string(node),
                string(operator.op.name()),
                string(operator.op.cost()),
                collection.map_or(Datum::Null, string),
                Datum::Int(state_rows),
                Datum::Int(state_bytes),
            ]);
        }
    }
    rows
}

fn string(value: impl ToString) -> Datum {
    Datum::Text(value.to_string())
}
