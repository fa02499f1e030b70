//! The catalogs' tables: what columns each has, and what rows.
//!
//! The columns of every table of PostgreSQL 15 are data (`data/tables.txt`), so a client that reads a table Gnitz has
//! nothing to say in finds it empty, with all its columns. Rows come from builders, one function a table, grouped by
//! what they describe.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::types;
use crate::value::Row;
use crate::world::World;

mod builtin;
mod information;
mod information_keys;
mod listings;
mod relations;
mod rows;
mod sequences;
mod server;
mod sessions;
mod settings;

pub(crate) use builtin::description;
pub(crate) use settings::setting;

/// A table of the catalogs.
#[derive(Debug)]
pub(crate) struct Table {
    /// `pg_catalog` or `information_schema`.
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    /// Its row in `pg_class`.
    pub(crate) oid: u32,
    /// `r` for a table, `v` for a view: PostgreSQL's, here they are all computed.
    pub(crate) kind: &'static str,
    pub(crate) columns: Vec<TableColumn>,
}

/// A column of a catalog table.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) ty: u32,
    /// Whether it is never NULL.
    pub(crate) required: bool,
}

struct Index {
    tables: Vec<Table>,
    by_name: HashMap<(&'static str, &'static str), usize>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut tables: Vec<Table> = Vec::new();
    for line in include_str!("../../data/tables.txt").lines() {
        if let Some(head) = line.strip_prefix("= ") {
            let words: Vec<&'static str> = head.split(' ').collect();
            let (schema, name) = words[0].split_once('.').unwrap_or(("pg_catalog", words[0]));
            let oid = words[1].parse().unwrap_or_default();
            tables.push(Table { schema, name, oid, kind: words[2], columns: Vec::new() });
        } else if let Some((name, rest)) = line.split_once(' ') {
            let (ty, required) = rest.strip_suffix(" !").map_or((rest, false), |ty| (ty, true));
            let ty = types::by_name(ty).unwrap_or(crate::oid::TEXT);
            tables.last_mut().into_iter().for_each(|t| t.columns.push(TableColumn { name, ty, required }));
        }
    }
    let by_name = tables.iter().enumerate().map(|(at, t)| ((t.schema, t.name), at)).collect();
    Index { tables, by_name }
});

/// Every table of the catalogs.
pub(crate) fn all() -> &'static [Table] {
    &INDEX.tables
}

/// The table of this name; without a schema one of `pg_catalog`, which is always searched.
pub(crate) fn find(schema: Option<&str>, name: &str) -> Option<&'static Table> {
    let at = INDEX.by_name.get(&(schema.unwrap_or("pg_catalog"), name))?;
    Some(&INDEX.tables[*at])
}

/// Whether the catalogs have a table of this name.
pub fn has(schema: &str, name: &str) -> bool {
    find(Some(schema), name).is_some()
}

/// The table with this OID.
pub(crate) fn by_oid(oid: u32) -> Option<&'static Table> {
    all().iter().find(|table| table.oid == oid)
}

/// The rows of a table.
pub(crate) fn rows(table: &'static Table, world: &World<'_>) -> Vec<Row> {
    let builder = if table.schema == "information_schema" {
        information::builder(table.name)
            .or_else(|| information_keys::builder(table.name))
            .or_else(|| sequences::information_builder(table.name))
    } else {
        relations::builder(table.name)
            .or_else(|| server::builder(table.name))
            .or_else(|| settings::builder(table.name))
            .or_else(|| listings::builder(table.name))
            .or_else(|| sequences::builder(table.name))
            .or_else(|| sessions::builder(table.name))
            .or_else(|| builtin::builder(table.name))
    };
    builder.map_or_else(Vec::new, |build| {
        let mut rows = rows::Rows::new(table);
        build(world, &mut rows);
        rows.finish()
    })
}

/// Fills a table.
type Builder = fn(&World<'_>, &mut rows::Rows);
