//! Tables that describe relations: one row for a table, column, key or view.

use std::sync::LazyLock;

use super::builtin::{DESCRIPTIONS, TYPES, operator_class};
use super::rows::Rows;
use super::{Builder, all, find};
use crate::facts::{Column, Relation, RelationKind, Schema};
use crate::oid::{self, Part, default_of, part};
use crate::types::{self, info, pg_type_of};
use crate::value::{Row, Value};
use crate::world::{DATABASE_OWNER, World, default_text, key_name, oid_of};

pub(super) fn builder(name: &str) -> Option<Builder> {
    Some(match name {
        "pg_class" => classes,
        "pg_attribute" => attributes,
        "pg_type" => types_of,
        "pg_index" => indexes,
        "pg_constraint" => constraints,
        "pg_attrdef" => defaults,
        "pg_rewrite" => rules,
        "pg_depend" => dependencies,
        "pg_description" => descriptions,
        "pg_namespace" => namespaces,
        "pg_init_privs" => first_rights,
        _ => return None,
    })
}

fn namespaces(world: &World<'_>, rows: &mut Rows) {
    for (oid, name) in world.all_schemas() {
        let (owner, owner_name) = schema_owner(world, oid);
        let granted = world.schema_by_oid(oid).map(|schema| granted(world, schema, owner_name));
        rows.push([
            ("oid", Value::oid(oid)),
            ("nspname", name.into()),
            ("nspowner", Value::oid(owner)),
            ("nspacl", granted.unwrap_or_else(|| schema_grants(owner_name))),
        ]);
    }
}

/// Who owns a schema: `public` is the database's owner's, whoever that is.
pub(super) fn schema_owner<'w>(world: &'w World<'_>, schema: u32) -> (u32, &'w str) {
    let own = || world.role(world.schema_by_oid(schema)?.owner.as_ref()?);
    match schema {
        oid::PUBLIC => (oid::DATABASE_OWNER, DATABASE_OWNER),
        _ => own().map_or((oid::BOOTSTRAP_ROLE, world.database_owner()), |role| (role.oid, &role.name)),
    }
}

/// What was granted on a schema of users; nothing, if nothing ever was.
fn granted(world: &World<'_>, schema: &Schema, owner: &str) -> Value {
    access(world.facts.schema_access_list(schema, owner))
}

fn access(list: Option<Vec<String>>) -> Value {
    list.map_or(Value::Null, |list| Value::array(list.iter().map(Value::text).collect()))
}

fn schema_grants(owner: &str) -> Value {
    let grants = [format!("{owner}=UC/{owner}"), format!("=U/{owner}")];
    Value::array(grants.iter().map(Value::text).collect())
}

/// What everybody may do with a table of the catalogs.
const CATALOG_GRANTS: &str = "=r/gnitz";

/// The rights that a database begins with, so that those who copy one need not copy them.
fn first_rights(world: &World<'_>, rows: &mut Rows) {
    let mut push = |class: u32, object: u32, rights: Value| {
        rows.push([
            ("objoid", Value::oid(object)),
            ("classoid", Value::oid(class)),
            ("privtype", "i".into()),
            ("initprivs", rights),
        ]);
    };
    for table in all() {
        push(oid::PG_CLASS, table.oid, Value::array(vec![CATALOG_GRANTS.into()]));
    }
    for schema in [oid::PG_CATALOG, oid::PUBLIC, oid::INFORMATION_SCHEMA] {
        push(oid::PG_NAMESPACE, schema, schema_grants(schema_owner(world, schema).1));
    }
}

fn classes(world: &World<'_>, rows: &mut Rows) {
    rows.extend(&CATALOG_CLASSES);
    for relation in &world.relations {
        let id = oid_of(relation);
        let keyed = !relation.primary_key.is_empty() && relation.kind == RelationKind::Table;
        let plain = relation.kind == RelationKind::PlainView;
        let sequence = relation.kind == RelationKind::Sequence;
        let owner = Value::oid(world.owner_of(relation));
        let acl = access(world.facts.access_list(relation));
        rows.push([
            ("oid", Value::oid(id)),
            ("relname", relation.name.as_str().into()),
            ("relnamespace", Value::oid(world.schema_of(relation))),
            ("reltype", Value::oid(row_type(relation))),
            ("relowner", owner.clone()),
            ("relam", Value::Int(if plain || sequence { 0 } else { 2 })),
            ("relfilenode", Value::oid(if plain { 0 } else { id })),
            ("relpages", Value::Int((relation.bytes + 8191) / 8192)),
            (
                "reltuples",
                Value::Float(if plain {
                    -1.0
                } else if sequence {
                    1.0
                } else {
                    relation.rows as f64
                }),
            ),
            ("relhasindex", keyed.into()),
            ("relpersistence", "p".into()),
            ("relkind", kind_letter(relation.kind).into()),
            ("relnatts", Value::Int(relation.columns.len() as i64)),
            ("relhasrules", relation.kind.is_view().into()),
            ("relispopulated", true.into()),
            ("relreplident", if plain || sequence { "n" } else { "d" }.into()),
            ("relacl", acl),
        ]);
        if keyed {
            rows.push([
                ("oid", Value::oid(part(id, Part::Index))),
                ("relname", key_name(relation).into()),
                ("relnamespace", Value::oid(world.schema_of(relation))),
                ("relowner", owner),
                ("relam", Value::Int(403)),
                ("relfilenode", Value::oid(part(id, Part::Index))),
                ("relpages", Value::Int(1)),
                ("reltuples", Value::Float(relation.rows as f64)),
                ("relpersistence", "p".into()),
                ("relkind", "i".into()),
                ("relnatts", Value::Int(relation.primary_key.len() as i64)),
                ("relispopulated", true.into()),
                ("relreplident", "n".into()),
            ]);
        }
    }
}

fn kind_letter(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table => "r",
        RelationKind::View => "m",
        RelationKind::Sequence => "S",
        RelationKind::PlainView | RelationKind::System => "v",
    }
}

/// Only what users made has a row type.
fn row_type(relation: &Relation) -> u32 {
    match relation.kind {
        RelationKind::System | RelationKind::Sequence => 0,
        _ => part(oid_of(relation), Part::RowType),
    }
}

/// The catalogs' own rows in `pg_class`, which never change.
static CATALOG_CLASSES: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let Some(table) = find(None, "pg_class") else { return Vec::new() };
    let mut rows = Rows::new(table);
    for table in all() {
        let is_table = table.kind == "r";
        let schema = oid::CATALOGS.iter().find(|(_, name)| *name == table.schema).map_or(0, |(oid, _)| *oid);
        rows.push([
            ("oid", Value::oid(table.oid)),
            ("relname", table.name.into()),
            ("relnamespace", Value::oid(schema)),
            ("relowner", Value::oid(oid::BOOTSTRAP_ROLE)),
            ("relam", Value::Int(if is_table { 2 } else { 0 })),
            ("reltuples", Value::Float(-1.0)),
            ("relpersistence", "p".into()),
            ("relkind", table.kind.into()),
            ("relnatts", Value::Int(table.columns.len() as i64)),
            ("relhasrules", (!is_table).into()),
            ("relispopulated", true.into()),
            ("relreplident", "n".into()),
            ("relacl", Value::array(vec![CATALOG_GRANTS.into()])),
        ]);
    }
    rows.finish()
});

/// What `pg_attribute` says of one column.
struct Attribute<'a> {
    relation: u32,
    number: usize,
    name: &'a str,
    ty: u32,
    modifier: i32,
    required: bool,
    default: bool,
    identity: Option<bool>,
}

impl Attribute<'_> {
    /// Text in the catalogs is compared by its bytes by definition, elsewhere because the default says so.
    fn collation(&self, of_type: u32) -> u32 {
        const DEFAULT: u32 = 100;
        const BYTES: u32 = 950;
        let catalog = self.relation < oid::FIRST_USER;
        if catalog && of_type == DEFAULT { BYTES } else { of_type }
    }

    fn push(&self, rows: &mut Rows) {
        let info = info(self.ty);
        let letter = |letter: Option<&'static str>| letter.unwrap_or("i").into();
        rows.push([
            ("attrelid", Value::oid(self.relation)),
            ("attname", self.name.into()),
            ("atttypid", Value::oid(self.ty)),
            ("attstattarget", Value::Int(-1)),
            ("attlen", Value::Int(info.map_or(-1, |info| info.len))),
            ("attnum", Value::Int(self.number as i64)),
            ("attndims", Value::Int(i64::from(types::is_array(self.ty)))),
            ("attcacheoff", Value::Int(-1)),
            ("atttypmod", Value::Int(self.modifier.into())),
            ("attbyval", info.is_some_and(|info| info.by_value).into()),
            ("attalign", letter(info.map(|info| info.align))),
            ("attstorage", letter(info.map(|info| info.storage))),
            ("attnotnull", self.required.into()),
            ("atthasdef", self.default.into()),
            ("attidentity", self.identity.map_or("", |always| if always { "a" } else { "d" }).into()),
            ("attislocal", true.into()),
            ("attcollation", Value::oid(self.collation(info.map_or(0, |info| info.collation)))),
        ]);
    }
}

fn attributes(world: &World<'_>, rows: &mut Rows) {
    rows.extend(&CATALOG_ATTRIBUTES);
    for relation in &world.relations {
        let id = oid_of(relation);
        for (number, column) in (1..).zip(&relation.columns) {
            attribute(id, number, column, !relation.kind.is_view()).push(rows);
        }
    }
    for relation in world.keyed() {
        let index = part(oid_of(relation), Part::Index);
        for (number, column) in (1..).zip(key_columns(relation)) {
            let attribute = attribute(index, number, column, false);
            Attribute { default: false, identity: None, ..attribute }.push(rows);
        }
    }
}

/// PostgreSQL does not know which columns of a view are never NULL, so clients do not expect it said.
fn attribute(relation: u32, number: usize, column: &Column, declared: bool) -> Attribute<'_> {
    let (ty, modifier) = pg_type_of(column.ty, column.max_len);
    Attribute {
        relation,
        number,
        name: &column.name,
        ty,
        modifier,
        required: declared && !column.nullable,
        default: column.default.is_some(),
        identity: column.identity,
    }
}

static CATALOG_ATTRIBUTES: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let Some(table) = find(None, "pg_attribute") else { return Vec::new() };
    let mut rows = Rows::new(table);
    for table in all() {
        for (number, column) in (1..).zip(&table.columns) {
            let (name, ty, required) = (column.name, column.ty, column.required);
            let (modifier, default, identity) = (-1, false, None);
            Attribute { relation: table.oid, number, name, ty, modifier, required, default, identity }
                .push(&mut rows);
        }
    }
    rows.finish()
});

/// The columns of a primary key, in its order.
pub(super) fn key_columns(relation: &Relation) -> impl Iterator<Item = &Column> {
    relation.primary_key.iter().filter_map(|column| relation.columns.get(*column as usize))
}

fn types_of(world: &World<'_>, rows: &mut Rows) {
    rows.extend(&TYPES);
    for relation in world.stored().filter(|relation| relation.kind != RelationKind::Sequence) {
        let id = oid_of(relation);
        let owner = Value::oid(world.owner_of(relation));
        let common = |rows: &mut Rows, oid: u32, name: &str, composite: bool, functions: [i64; 4]| {
            let [input, output, receive, send] = functions;
            let (row, array) = (part(id, Part::RowType), part(id, Part::RowArray));
            rows.push([
                ("oid", Value::oid(oid)),
                ("typname", name.into()),
                ("typnamespace", Value::oid(world.schema_of(relation))),
                ("typowner", owner.clone()),
                ("typlen", Value::Int(-1)),
                ("typtype", if composite { "c" } else { "b" }.into()),
                ("typcategory", if composite { "C" } else { "A" }.into()),
                ("typisdefined", true.into()),
                ("typdelim", ",".into()),
                ("typrelid", Value::oid(if composite { id } else { 0 })),
                ("typsubscript", Value::Int(if composite { 0 } else { 6179 })),
                ("typelem", Value::oid(if composite { 0 } else { row })),
                ("typarray", Value::oid(if composite { array } else { 0 })),
                ("typinput", Value::Int(input)),
                ("typoutput", Value::Int(output)),
                ("typreceive", Value::Int(receive)),
                ("typsend", Value::Int(send)),
                ("typalign", "d".into()),
                ("typstorage", "x".into()),
                ("typtypmod", Value::Int(-1)),
            ]);
        };
        common(rows, part(id, Part::RowType), &relation.name, true, [2290, 2291, 2402, 2403]);
        common(rows, part(id, Part::RowArray), &format!("_{}", relation.name), false, [750, 751, 2400, 2401]);
    }
}

fn indexes(world: &World<'_>, rows: &mut Rows) {
    for relation in world.keyed() {
        let id = oid_of(relation);
        let count = relation.primary_key.len() as i64;
        let key_types = || key_columns(relation).map(|column| pg_type_of(column.ty, column.max_len).0);
        let collation = |ty| info(ty).map_or(0, |info| i64::from(info.collation));
        rows.push([
            ("indexrelid", Value::oid(part(id, Part::Index))),
            ("indrelid", Value::oid(id)),
            ("indnatts", Value::Int(count)),
            ("indnkeyatts", Value::Int(count)),
            ("indisunique", true.into()),
            ("indisprimary", true.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", Value::vector(key_numbers(relation))),
            ("indcollation", Value::vector(key_types().map(collation))),
            ("indclass", Value::vector(key_types().map(operator_class))),
            ("indoption", Value::vector(key_types().map(|_| 0))),
        ]);
    }
}

/// The numbers of a primary key's columns, from 1.
fn key_numbers(relation: &Relation) -> impl Iterator<Item = i64> {
    relation.primary_key.iter().map(|column| i64::from(*column) + 1)
}

fn constraints(world: &World<'_>, rows: &mut Rows) {
    for relation in world.keyed() {
        let id = oid_of(relation);
        rows.push([
            ("oid", Value::oid(part(id, Part::Constraint))),
            ("conname", key_name(relation).into()),
            ("connamespace", Value::oid(world.schema_of(relation))),
            ("contype", "p".into()),
            ("convalidated", true.into()),
            ("conrelid", Value::oid(id)),
            ("conindid", Value::oid(part(id, Part::Index))),
            ("confupdtype", " ".into()),
            ("confdeltype", " ".into()),
            ("confmatchtype", " ".into()),
            ("conislocal", true.into()),
            ("connoinherit", true.into()),
            ("conkey", Value::array(key_numbers(relation).map(Value::Int).collect())),
        ]);
    }
}

fn defaults(world: &World<'_>, rows: &mut Rows) {
    for relation in world.stored() {
        for (number, column) in (1..).zip(&relation.columns) {
            let Some(text) = default_text(world, column) else { continue };
            rows.push([
                ("oid", Value::oid(default_of(oid_of(relation), number))),
                ("adrelid", Value::oid(oid_of(relation))),
                ("adnum", Value::Int(number as i64)),
                ("adbin", text.into()),
            ]);
        }
    }
}

fn rules(world: &World<'_>, rows: &mut Rows) {
    for view in world.stored().filter(|relation| relation.kind.is_view()) {
        rows.push([
            ("oid", Value::oid(part(oid_of(view), Part::Rule))),
            ("rulename", "_RETURN".into()),
            ("ev_class", Value::oid(oid_of(view))),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
            ("ev_qual", "<>".into()),
            ("ev_action", view.query.clone().unwrap_or_default().into()),
        ]);
    }
}

fn dependencies(world: &World<'_>, rows: &mut Rows) {
    for sequence in world.stored() {
        sequence_dependencies(world, rows, sequence);
    }
    let mut depend = |class: u32, object: u32, on_class: u32, on: u32, kind: &str| {
        rows.push([
            ("classid", Value::oid(class)),
            ("objid", Value::oid(object)),
            ("refclassid", Value::oid(on_class)),
            ("refobjid", Value::oid(on)),
            ("deptype", kind.into()),
        ]);
    };
    for relation in world.stored() {
        let id = oid_of(relation);
        depend(oid::PG_CLASS, id, oid::PG_NAMESPACE, oid::PUBLIC, "n");
        if relation.kind == RelationKind::Sequence {
            continue;
        }
        depend(oid::PG_TYPE, part(id, Part::RowType), oid::PG_CLASS, id, "i");
        if !relation.primary_key.is_empty() {
            let (index, constraint) = (part(id, Part::Index), part(id, Part::Constraint));
            depend(oid::PG_CONSTRAINT, constraint, oid::PG_CLASS, id, "a");
            depend(oid::PG_CLASS, index, oid::PG_CONSTRAINT, constraint, "i");
        }
        if relation.kind.is_view() {
            let rule = part(id, Part::Rule);
            depend(oid::PG_REWRITE, rule, oid::PG_CLASS, id, "i");
            for source in &relation.reads {
                depend(oid::PG_REWRITE, rule, oid::PG_CLASS, oid::FIRST_USER + source, "n");
            }
        }
    }
}

/// A sequence goes with its column, and the column's default takes its values.
fn sequence_dependencies(world: &World<'_>, rows: &mut Rows, relation: &Relation) {
    let Some(sequence) = &relation.sequence else { return };
    let Some((table, column)) = sequence.owner else { return };
    let (id, table) = (oid_of(relation), oid::FIRST_USER + table);
    let number = i64::from(column) + 1;
    rows.push([
        ("classid", Value::oid(oid::PG_CLASS)),
        ("objid", Value::oid(id)),
        ("refclassid", Value::oid(oid::PG_CLASS)),
        ("refobjid", Value::oid(table)),
        ("refobjsubid", Value::Int(number)),
        ("deptype", if sequence.identity { "i" } else { "a" }.into()),
    ]);
    if world.by_oid(table).is_some() && !sequence.identity {
        rows.push([
            ("classid", Value::oid(oid::PG_ATTRDEF)),
            ("objid", Value::oid(default_of(table, column as usize + 1))),
            ("refclassid", Value::oid(oid::PG_CLASS)),
            ("refobjid", Value::oid(id)),
            ("deptype", "n".into()),
        ]);
    }
}

fn descriptions(world: &World<'_>, rows: &mut Rows) {
    rows.extend(&DESCRIPTIONS);
    for relation in world.stored() {
        for column in 0..=relation.columns.len() {
            let Some(comment) = world.facts.comment(relation, column) else { continue };
            rows.push([
                ("objoid", Value::oid(oid_of(relation))),
                ("classoid", Value::oid(oid::PG_CLASS)),
                ("objsubid", Value::Int(column as i64)),
                ("description", comment.into()),
            ]);
        }
    }
}
