//! System tables: the database's description of itself, computed when a query reads them.
//!
//! They have definitions like any table, so that ad-hoc SQL can join and filter them; their rows (`describe.rs`)
//! come from the version the query runs on. No view reads them: what they say changes without a commit.

use sql::{ColumnDef, TableDef, TableKind};
use zset::{CollectionId, ColumnType, Schema, Secret, Type};

use crate::relation::Relation;

/// System tables count down from the largest collection number.
pub(crate) const TABLES: CollectionId = CollectionId(u32::MAX);
pub(crate) const COLUMNS: CollectionId = CollectionId(u32::MAX - 1);
pub(crate) const VIEWS: CollectionId = CollectionId(u32::MAX - 2);
pub(crate) const OPERATORS: CollectionId = CollectionId(u32::MAX - 3);

/// Whether a collection is a system table.
pub(crate) fn is_system(id: CollectionId) -> bool {
    ALL.iter().any(|(system, ..)| *system == id)
}

const fn text(name: &'static str) -> (&'static str, Type, bool) {
    (name, Type::Text, false)
}

const fn number(name: &'static str) -> (&'static str, Type, bool) {
    (name, Type::Int64, false)
}

/// A system table: its collection, its name, its columns (name, type, nullable).
type Description = (CollectionId, &'static str, &'static [(&'static str, Type, bool)]);

const ALL: [Description; 4] = [
    (
        TABLES,
        "gnitz_tables",
        &[
            text("name"),
            text("kind"),
            text("collection"),
            text("primary_key"),
            number("rows"),
            number("bytes"),
            ("definition", Type::Text, true),
        ],
    ),
    (
        COLUMNS,
        "gnitz_columns",
        &[
            text("table_name"),
            number("position"),
            text("name"),
            text("type"),
            ("nullable", Type::Bool, false),
            ("max_length", Type::Int64, true),
            ("default_value", Type::Text, true),
        ],
    ),
    (VIEWS, "gnitz_views", &[text("name"), text("sql"), text("plan"), text("circuit"), text("program")]),
    (
        OPERATORS,
        "gnitz_operators",
        &[
            text("view"),
            text("operator"),
            text("kind"),
            text("cost"),
            ("collection", Type::Text, true),
            number("state_rows"),
            number("state_bytes"),
        ],
    ),
];

/// The definitions of all system tables.
pub(crate) fn relations(secret: Secret) -> impl Iterator<Item = Relation> {
    ALL.into_iter().map(move |(id, name, columns)| {
        let column =
            |&(name, ty, nullable): &(&str, Type, bool)| ColumnDef::new(name, ColumnType { ty, nullable });
        let columns: Vec<ColumnDef> = columns.iter().map(column).collect();
        let schema = Schema { columns: columns.iter().map(|c| c.ty).collect(), key: Vec::new() };
        let kind = TableKind::System;
        let def = TableDef { id, name: name.to_string(), kind, columns, primary_key: Vec::new(), schema };
        Relation::new(def, None, secret)
    })
}
