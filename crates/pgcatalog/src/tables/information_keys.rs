//! `information_schema`: constraints, and who may do what.

use super::Builder;
use super::relations::key_columns;
use super::rows::Rows;
use crate::facts::{Relation, RelationKind};
use crate::value::Value;
use crate::world::{World, key_name, oid_of};

pub(super) fn builder(name: &str) -> Option<Builder> {
    Some(match name {
        "table_constraints" => constraints,
        "check_constraints" => checks,
        "key_column_usage" => key_columns_used,
        "constraint_column_usage" => constraint_columns,
        "constraint_table_usage" => constraint_tables,
        "table_privileges" | "role_table_grants" => table_privileges,
        "column_privileges" | "role_column_grants" => column_privileges,
        "enabled_roles" => enabled_roles,
        "applicable_roles" => applicable_roles,
        _ => return None,
    })
}

fn catalog(world: &World<'_>) -> Value {
    world.facts.session().database.as_str().into()
}

/// The constraints that the standard sees: primary keys, and a check for each column that is NOT NULL.
fn constraints(world: &World<'_>, rows: &mut Rows) {
    let mut push = |relation: &Relation, name: String, kind: &str| {
        rows.push([
            ("constraint_catalog", catalog(world)),
            ("constraint_schema", relation.schema.as_str().into()),
            ("constraint_name", name.into()),
            ("table_catalog", catalog(world)),
            ("table_schema", relation.schema.as_str().into()),
            ("table_name", relation.name.as_str().into()),
            ("constraint_type", kind.into()),
            ("is_deferrable", "NO".into()),
            ("initially_deferred", "NO".into()),
            ("enforced", "YES".into()),
        ]);
    };
    for relation in world.keyed() {
        push(relation, key_name(relation), "PRIMARY KEY");
    }
    for (relation, number, _) in required(world) {
        push(relation, check_name(world, relation, number), "CHECK");
    }
}

/// The columns of tables that are NOT NULL, with their numbers.
fn required<'w>(world: &'w World<'_>) -> impl Iterator<Item = (&'w Relation, usize, &'w str)> {
    let tables = world.stored().filter(|relation| relation.kind == RelationKind::Table);
    tables.flat_map(|relation| {
        let columns = (1..).zip(&relation.columns).filter(|(_, column)| !column.nullable);
        columns.map(move |(number, column)| (relation, number, column.name.as_str()))
    })
}

/// PostgreSQL 15 makes up this name, since the constraint has none.
fn check_name(world: &World<'_>, relation: &Relation, number: usize) -> String {
    format!("{}_{}_{number}_not_null", world.schema_of(relation), oid_of(relation))
}

fn checks(world: &World<'_>, rows: &mut Rows) {
    for (relation, number, column) in required(world) {
        rows.push([
            ("constraint_catalog", catalog(world)),
            ("constraint_schema", relation.schema.as_str().into()),
            ("constraint_name", check_name(world, relation, number).into()),
            ("check_clause", format!("{column} IS NOT NULL").into()),
        ]);
    }
}

fn key_columns_used(world: &World<'_>, rows: &mut Rows) {
    for relation in world.keyed() {
        for (number, column) in (1i64..).zip(key_columns(relation)) {
            rows.push([
                ("constraint_catalog", catalog(world)),
                ("constraint_schema", relation.schema.as_str().into()),
                ("constraint_name", key_name(relation).into()),
                ("table_catalog", catalog(world)),
                ("table_schema", relation.schema.as_str().into()),
                ("table_name", relation.name.as_str().into()),
                ("column_name", column.name.as_str().into()),
                ("ordinal_position", Value::Int(number)),
            ]);
        }
    }
}

fn constraint_columns(world: &World<'_>, rows: &mut Rows) {
    for relation in world.keyed() {
        for column in key_columns(relation) {
            rows.push([
                ("table_catalog", catalog(world)),
                ("table_schema", relation.schema.as_str().into()),
                ("table_name", relation.name.as_str().into()),
                ("column_name", column.name.as_str().into()),
                ("constraint_catalog", catalog(world)),
                ("constraint_schema", relation.schema.as_str().into()),
                ("constraint_name", key_name(relation).into()),
            ]);
        }
    }
}

fn constraint_tables(world: &World<'_>, rows: &mut Rows) {
    for relation in world.keyed() {
        rows.push([
            ("table_catalog", catalog(world)),
            ("table_schema", relation.schema.as_str().into()),
            ("table_name", relation.name.as_str().into()),
            ("constraint_catalog", catalog(world)),
            ("constraint_schema", relation.schema.as_str().into()),
            ("constraint_name", key_name(relation).into()),
        ]);
    }
}

/// The privileges that exist on a relation here.
const PRIVILEGES: [&str; 5] = ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE"];

fn table_privileges(world: &World<'_>, rows: &mut Rows) {
    for_each_privilege(world, |relation, role, owner, privilege| {
        rows.push([
            ("grantor", owner.into()),
            ("grantee", role.into()),
            ("table_catalog", catalog(world)),
            ("table_schema", relation.schema.as_str().into()),
            ("table_name", relation.name.as_str().into()),
            ("privilege_type", privilege.into()),
            ("is_grantable", if role == owner { "YES" } else { "NO" }.into()),
            ("with_hierarchy", if privilege == "SELECT" { "YES" } else { "NO" }.into()),
        ]);
    });
}

fn column_privileges(world: &World<'_>, rows: &mut Rows) {
    for_each_privilege(world, |relation, role, owner, privilege| {
        for column in relation.columns.iter().filter(|_| !matches!(privilege, "DELETE" | "TRUNCATE")) {
            rows.push([
                ("grantor", owner.into()),
                ("grantee", role.into()),
                ("table_catalog", catalog(world)),
                ("table_schema", relation.schema.as_str().into()),
                ("table_name", relation.name.as_str().into()),
                ("column_name", column.name.as_str().into()),
                ("privilege_type", privilege.into()),
                ("is_grantable", if role == owner { "YES" } else { "NO" }.into()),
            ]);
        }
    });
}

fn for_each_privilege(world: &World<'_>, mut each: impl FnMut(&Relation, &str, &str, &'static str)) {
    for relation in world.tables_and_views() {
        let owner = world.owner_name(relation);
        for role in &world.roles {
            for privilege in PRIVILEGES {
                if world.facts.has_privilege(&role.name, relation, privilege) {
                    each(relation, &role.name, &owner, privilege);
                }
            }
        }
    }
}

fn enabled_roles(world: &World<'_>, rows: &mut Rows) {
    for role in &world.roles {
        rows.push([("role_name", role.name.as_str().into())]);
    }
}

fn applicable_roles(world: &World<'_>, rows: &mut Rows) {
    for role in &world.roles {
        for group in role.member_of.iter().filter_map(|oid| world.role_by_oid(*oid)) {
            rows.push([
                ("grantee", role.name.as_str().into()),
                ("role_name", group.name.as_str().into()),
                ("is_grantable", "NO".into()),
            ]);
        }
    }
}
