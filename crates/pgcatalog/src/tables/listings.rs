//! PostgreSQL's views over its own catalogs, for people: `pg_tables`, `pg_matviews`, `pg_indexes` and their kin.

use super::rows::Rows;
use super::{Builder, all};
use crate::facts::RelationKind;
use crate::oid::{Part, part};
use crate::value::Value;
use crate::world::{World, key_name, oid_of, quoted, whole};

pub(super) fn builder(name: &str) -> Option<Builder> {
    Some(match name {
        "pg_tables" => tables,
        "pg_views" => views,
        "pg_matviews" => materialized,
        "pg_indexes" => indexes,
        "pg_stat_user_indexes" | "pg_stat_all_indexes" => index_statistics,
        "pg_statio_user_tables" | "pg_statio_all_tables" => table_input,
        _ => return None,
    })
}

fn tables(world: &World<'_>, rows: &mut Rows) {
    for relation in world.stored().filter(|relation| relation.kind == RelationKind::Table) {
        rows.push([
            ("schemaname", relation.schema.as_str().into()),
            ("tablename", relation.name.as_str().into()),
            ("tableowner", world.owner_name(relation).into()),
            ("hasindexes", (!relation.primary_key.is_empty()).into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
    for table in all().iter().filter(|table| table.kind == "r") {
        rows.push([
            ("schemaname", table.schema.into()),
            ("tablename", table.name.into()),
            ("tableowner", world.database_owner().into()),
            ("hasindexes", false.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ]);
    }
}

/// Plain views, and those of the catalogs.
fn views(world: &World<'_>, rows: &mut Rows) {
    for view in world.stored().filter(|relation| relation.kind == RelationKind::PlainView) {
        rows.push([
            ("schemaname", view.schema.as_str().into()),
            ("viewname", view.name.as_str().into()),
            ("viewowner", world.owner_name(view).into()),
            ("definition", Value::or_null(view.query.as_ref().map(|query| format!("{query};").into()))),
        ]);
    }
    for table in all().iter().filter(|table| table.kind == "v") {
        rows.push([
            ("schemaname", table.schema.into()),
            ("viewname", table.name.into()),
            ("viewowner", world.database_owner().into()),
        ]);
    }
}

fn materialized(world: &World<'_>, rows: &mut Rows) {
    for view in world.stored().filter(|relation| relation.kind == RelationKind::View) {
        rows.push([
            ("schemaname", view.schema.as_str().into()),
            ("matviewname", view.name.as_str().into()),
            ("matviewowner", world.owner_name(view).into()),
            ("hasindexes", false.into()),
            ("ispopulated", true.into()),
            (
                "definition",
                Value::or_null(crate::viewdef::text(world, view).map(|query| format!(" {query};").into())),
            ),
        ]);
    }
}

fn indexes(world: &World<'_>, rows: &mut Rows) {
    for relation in world.keyed() {
        let columns = super::relations::key_columns(relation).map(|column| quoted(&column.name));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let (index, table) = (quoted(&key_name(relation)), whole(&relation.schema, &relation.name));
        let definition = format!("CREATE UNIQUE INDEX {index} ON {table} USING btree ({columns})");
        rows.push([
            ("schemaname", relation.schema.as_str().into()),
            ("tablename", relation.name.as_str().into()),
            ("indexname", key_name(relation).into()),
            ("indexdef", definition.into()),
        ]);
    }
}

fn index_statistics(world: &World<'_>, rows: &mut Rows) {
    for relation in world.keyed() {
        rows.push([
            ("relid", Value::oid(oid_of(relation))),
            ("indexrelid", Value::oid(part(oid_of(relation), Part::Index))),
            ("schemaname", relation.schema.as_str().into()),
            ("relname", relation.name.as_str().into()),
            ("indexrelname", key_name(relation).into()),
        ]);
    }
}

fn table_input(world: &World<'_>, rows: &mut Rows) {
    for relation in world.tables_and_views() {
        rows.push([
            ("relid", Value::oid(oid_of(relation))),
            ("schemaname", relation.schema.as_str().into()),
            ("relname", relation.name.as_str().into()),
        ]);
    }
}
