//! `information_schema`: the standard's tables of relations, columns, keys and grants.
//!
//! PostgreSQL leaves materialized views out of it. Here they are what a database is made of, and tools that
//! look for relations in `information_schema.tables` should find them: they are listed as `VIEW`.

use zset::Type;

use super::rows::Rows;
use super::{Builder, Table, all};
use crate::facts::{Column, Relation, RelationKind, Sequence};
use crate::types::{self, pg_type_of};
use crate::value::Value;
use crate::world::{World, default_text};

pub(super) fn builder(name: &str) -> Option<Builder> {
    Some(match name {
        "tables" => tables,
        "columns" => columns,
        "views" => views,
        "schemata" => schemata,
        "information_schema_catalog_name" => catalog_name,
        "character_sets" => character_sets,
        _ => return None,
    })
}

/// The name of the database, in which all schemas are.
fn catalog(world: &World<'_>) -> Value {
    world.facts.session().database.as_str().into()
}

fn yes(value: bool) -> Value {
    if value { "YES" } else { "NO" }.into()
}

fn tables(world: &World<'_>, rows: &mut Rows) {
    let mut push = |schema: &str, name: &str, table: bool| {
        rows.push([
            ("table_catalog", catalog(world)),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("table_type", if table { "BASE TABLE" } else { "VIEW" }.into()),
            ("is_insertable_into", yes(table)),
            ("is_typed", "NO".into()),
        ]);
    };
    for relation in world.relations.iter().filter(|relation| relation.kind != RelationKind::Sequence) {
        push(&relation.schema, &relation.name, relation.kind == RelationKind::Table);
    }
    for table in all() {
        push(table.schema, table.name, table.kind == "r");
    }
}

fn views(world: &World<'_>, rows: &mut Rows) {
    let mut push = |schema: &str, name: &str, definition: Value| {
        rows.push([
            ("table_catalog", catalog(world)),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("view_definition", definition),
            ("check_option", "NONE".into()),
            ("is_updatable", "NO".into()),
            ("is_insertable_into", "NO".into()),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ]);
    };
    for view in world.relations.iter().filter(|relation| is_view(relation)) {
        let definition = crate::viewdef::text(world, view).map(|query| format!(" {query};").into());
        push(&view.schema, &view.name, Value::or_null(definition));
    }
    for table in all().iter().filter(|table| table.kind == "v") {
        push(table.schema, table.name, Value::Null);
    }
}

/// Gnitz's own system tables are listed as views.
fn is_view(relation: &Relation) -> bool {
    !matches!(relation.kind, RelationKind::Table | RelationKind::Sequence)
}

fn columns(world: &World<'_>, rows: &mut Rows) {
    for relation in world.relations.iter().filter(|relation| relation.kind != RelationKind::Sequence) {
        for (number, column) in (1..).zip(&relation.columns) {
            user_column(world, rows, relation, number, column);
        }
    }
    for table in all() {
        catalog_columns(world, rows, table);
    }
}

fn user_column(world: &World<'_>, rows: &mut Rows, relation: &Relation, number: i64, column: &Column) {
    let (ty, _) = pg_type_of(column.ty, column.max_len);
    let table = relation.kind == RelationKind::Table;
    let number_of = |value: Option<i64>| value.map_or(Value::Null, Value::Int);
    let (precision, radix, scale) = numeric(column.ty);
    let text = column.ty == Type::Text;
    let octets = match column.max_len {
        Some(limit) => Some((i64::from(limit) * 4).min(1 << 30)),
        None => text.then_some(1 << 30),
    };
    let name = types::sql_name(ty, None).unwrap_or_default();
    let sequence = column.identity.and_then(|_| world.sequence_of(relation, number - 1));
    let option =
        |of: fn(&Sequence) -> i64| sequence.map_or(Value::Null, |sequence| of(sequence).to_string().into());
    let generation = column.identity.map(|always| if always { "ALWAYS" } else { "BY DEFAULT" });
    let generation = Value::or_null(generation.map(Value::from));
    rows.push([
        ("table_catalog", catalog(world)),
        ("table_schema", relation.schema.as_str().into()),
        ("table_name", relation.name.as_str().into()),
        ("column_name", column.name.as_str().into()),
        ("ordinal_position", Value::Int(number)),
        ("column_default", Value::or_null(default_text(world, column).map(Value::from))),
        ("is_nullable", yes(column.nullable || !table)),
        ("data_type", name.into()),
        ("character_maximum_length", number_of(column.max_len.map(i64::from))),
        ("character_octet_length", number_of(octets)),
        ("numeric_precision", number_of(precision)),
        ("numeric_precision_radix", number_of(radix)),
        ("numeric_scale", number_of(scale)),
        ("datetime_precision", number_of(datetime(column.ty))),
        ("udt_catalog", catalog(world)),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", types::info(ty).map_or("", |info| info.name).into()),
        ("dtd_identifier", number.to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", yes(column.identity.is_some())),
        ("identity_generation", generation),
        ("identity_start", option(|sequence| sequence.start)),
        ("identity_increment", option(|sequence| sequence.increment)),
        ("identity_maximum", option(|sequence| sequence.max)),
        ("identity_minimum", option(|sequence| sequence.min)),
        ("identity_cycle", "NO".into()),
        ("is_generated", "NEVER".into()),
        ("is_updatable", yes(table)),
    ]);
}

fn catalog_columns(world: &World<'_>, rows: &mut Rows, table: &Table) {
    for (number, column) in (1i64..).zip(&table.columns) {
        let array = types::is_array(column.ty) && !types::is_vector(column.ty);
        let name = match array {
            true => "ARRAY".to_string(),
            false => types::sql_name(column.ty, None).unwrap_or_default(),
        };
        rows.push([
            ("table_catalog", catalog(world)),
            ("table_schema", table.schema.into()),
            ("table_name", table.name.into()),
            ("column_name", column.name.into()),
            ("ordinal_position", Value::Int(number)),
            ("is_nullable", yes(!column.required)),
            ("data_type", name.into()),
            ("udt_catalog", catalog(world)),
            ("udt_schema", "pg_catalog".into()),
            ("udt_name", types::info(column.ty).map_or("", |info| info.name).into()),
            ("dtd_identifier", number.to_string().into()),
            ("is_self_referencing", "NO".into()),
            ("is_identity", "NO".into()),
            ("identity_cycle", "NO".into()),
            ("is_generated", "NEVER".into()),
            ("is_updatable", "NO".into()),
        ]);
    }
}

/// Precision, its radix, and scale of a numeric type.
fn numeric(ty: Type) -> (Option<i64>, Option<i64>, Option<i64>) {
    match ty {
        Type::Int16 => (Some(16), Some(2), Some(0)),
        Type::Int32 => (Some(32), Some(2), Some(0)),
        Type::Int64 => (Some(64), Some(2), Some(0)),
        Type::Float32 => (Some(24), Some(2), None),
        Type::Float64 => (Some(53), Some(2), None),
        Type::Decimal { precision, scale } => (Some(precision.into()), Some(10), Some(scale.into())),
        _ => (None, None, None),
    }
}

fn datetime(ty: Type) -> Option<i64> {
    match ty {
        Type::Date => Some(0),
        Type::Time | Type::Timestamp | Type::TimestampTz | Type::Interval => Some(6),
        _ => None,
    }
}

fn schemata(world: &World<'_>, rows: &mut Rows) {
    for (oid, name) in world.all_schemas() {
        rows.push([
            ("catalog_name", catalog(world)),
            ("schema_name", name.into()),
            ("schema_owner", super::relations::schema_owner(world, oid).1.into()),
        ]);
    }
}

fn catalog_name(world: &World<'_>, rows: &mut Rows) {
    rows.push([("catalog_name", catalog(world))]);
}

fn character_sets(world: &World<'_>, rows: &mut Rows) {
    rows.push([
        ("character_set_name", "UTF8".into()),
        ("character_repertoire", "UCS".into()),
        ("form_of_use", "UTF8".into()),
        ("default_collate_catalog", catalog(world)),
        ("default_collate_schema", "pg_catalog".into()),
        ("default_collate_name", "C".into()),
    ]);
}
