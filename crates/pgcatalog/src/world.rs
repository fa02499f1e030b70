//! Everything that exists, as one query sees it: users' relations from [`Facts`], gathered once, and the OIDs by
//! which the catalogs' rows point at each other.

use std::collections::HashMap;

use sql::names;

use crate::facts::{Facts, Relation, RelationKind, Role, Schema, Sequence};
use crate::oid::{self, Part};
use crate::types;

/// The facts of one query.
pub(crate) struct World<'a> {
    pub(crate) facts: &'a dyn Facts,
    /// Users' tables and views and Gnitz's own system tables, in the order in which they were made.
    pub(crate) relations: Vec<Relation>,
    /// All roles, the owner of the database first.
    pub(crate) roles: Vec<Role>,
    /// The schemas that have relations of users, `public` first.
    pub(crate) schemas: Vec<Schema>,
    /// Those in which names are looked for.
    path: Vec<String>,
    /// By full name; system tables as if they were in `public`.
    by_name: HashMap<String, usize>,
    by_oid: HashMap<u32, usize>,
}

impl<'a> World<'a> {
    pub(crate) fn new(facts: &'a dyn Facts) -> World<'a> {
        let mut relations = facts.relations();
        relations.sort_by_key(|relation| relation.id);
        let by_name = relations.iter().enumerate().map(|(at, r)| (full_name(r), at)).collect();
        let by_oid = relations.iter().enumerate().map(|(at, r)| (oid_of(r), at)).collect();
        let mut schemas = facts.schemas();
        schemas.sort_by_key(|schema| schema.id);
        let path = path(facts, &schemas);
        World { facts, relations, roles: roles(facts), schemas, path, by_name, by_oid }
    }

    /// The relation of this full name, or the system table.
    pub(crate) fn relation(&self, full: &str) -> Option<&Relation> {
        self.by_name.get(full).map(|at| &self.relations[*at])
    }

    /// The relation of this name in a schema; without one, among the system tables or in the search path.
    pub(crate) fn find(&self, schema: Option<&str>, own: &str) -> Option<&Relation> {
        let in_schema = |schema: &str| self.relation(&names::full(schema, own));
        match schema {
            None => self.system(own).or_else(|| self.path().find_map(in_schema)),
            Some("pg_catalog") => self.system(own),
            Some(schema) => in_schema(schema),
        }
    }

    /// Gnitz's own table of this name. They are in `pg_catalog`, and may be asked for as if they were in `public`, too.
    fn system(&self, own: &str) -> Option<&Relation> {
        let found = self.relation(&names::full(names::PUBLIC, own));
        found.filter(|found| found.kind == RelationKind::System)
    }

    /// All schemas: their OIDs and names.
    pub(crate) fn all_schemas(&self) -> impl Iterator<Item = (u32, &str)> {
        let own = self.schemas.iter().map(|schema| (schema_oid(schema), schema.name.as_str()));
        oid::CATALOGS.into_iter().chain(own)
    }

    /// The OID of the schema of this name.
    pub(crate) fn schema_named(&self, name: &str) -> Option<u32> {
        self.all_schemas().find(|(_, known)| *known == name).map(|(oid, _)| oid)
    }

    /// The name of the schema with this OID.
    pub(crate) fn schema_name(&self, oid: u32) -> Option<&str> {
        self.all_schemas().find(|(known, _)| *known == oid).map(|(_, name)| name)
    }

    /// The schema of users' relations with this OID.
    pub(crate) fn schema_by_oid(&self, oid: u32) -> Option<&Schema> {
        self.schemas.iter().find(|schema| schema_oid(schema) == oid)
    }

    /// The OID of the schema that a relation is listed in.
    pub(crate) fn schema_of(&self, relation: &Relation) -> u32 {
        self.schema_named(&relation.schema).unwrap_or_default()
    }

    /// A name in a schema as SQL writes it, with the schema where it is not searched.
    pub(crate) fn short(&self, schema: &str, name: &str) -> String {
        if self.sees(schema, name) { quoted(name) } else { whole(schema, name) }
    }

    /// The relation that an OID belongs to, and what of it the OID stands for.
    pub(crate) fn owner(&self, oid: u32) -> Option<(&Relation, Part)> {
        let (relation, part) = oid::owner(oid);
        let at = self.by_oid.get(&relation)?;
        Some((&self.relations[*at], part?))
    }

    /// The sequence that was made with a column, counted from 0.
    pub(crate) fn sequence_of(&self, table: &Relation, column: i64) -> Option<&Sequence> {
        self.owned_sequence(table, column)?.sequence.as_ref()
    }

    /// As [`World::sequence_of`], as a relation.
    pub(crate) fn owned_sequence(&self, table: &Relation, column: i64) -> Option<&Relation> {
        let column = u32::try_from(column).ok()?;
        let owner = |relation: &Relation| relation.sequence.as_ref().and_then(|sequence| sequence.owner);
        self.relations.iter().find(|relation| owner(relation) == Some((table.id, column)))
    }

    /// The relation with this OID.
    pub(crate) fn by_oid(&self, oid: u32) -> Option<&Relation> {
        self.by_oid.get(&oid).map(|at| &self.relations[*at])
    }

    /// The relations that are users'.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(|relation| relation.kind != RelationKind::System)
    }

    /// Those of them that are no sequences.
    pub(crate) fn tables_and_views(&self) -> impl Iterator<Item = &Relation> {
        self.stored().filter(|relation| relation.kind != RelationKind::Sequence)
    }

    /// The relations that have a primary key.
    pub(crate) fn keyed(&self) -> impl Iterator<Item = &Relation> {
        self.stored().filter(|relation| !relation.primary_key.is_empty())
    }

    /// The role of this name.
    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The role with this OID.
    pub(crate) fn role_by_oid(&self, oid: u32) -> Option<&Role> {
        self.roles.iter().find(|role| role.oid == oid)
    }

    /// Whether one role may do what another may: it is that role, a superuser, or a member of it, directly or not.
    pub(crate) fn acts_for(&self, user: &str, role: &str) -> bool {
        if user == role {
            return true;
        }
        let (Some(user), Some(role)) = (self.role(user), self.role(role)) else { return false };
        if user.superuser {
            return true;
        }
        let (mut open, mut seen) = (user.member_of.clone(), Vec::new());
        while let Some(group) = open.pop() {
            if group == role.oid {
                return true;
            }
            if !seen.contains(&group) {
                seen.push(group);
                open.extend(self.role_by_oid(group).iter().flat_map(|group| &group.member_of));
            }
        }
        false
    }

    /// The schemas in which names are looked for: those of the setting that there are and that the user may use, once.
    pub(crate) fn path(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map(String::as_str)
    }

    /// Whether a name in a schema is found without it.
    pub(crate) fn sees(&self, schema: &str, own: &str) -> bool {
        let has = |schema: &&str| self.by_name.contains_key(&names::full(schema, own));
        // The catalogs' own tables are found first.
        schema == "pg_catalog"
            || self.system(own).is_none()
                && match self.path().find(has) {
                    Some(first) => first == schema,
                    None => self.path().any(|searched| searched == schema),
                }
    }

    /// Who owns a relation.
    pub(crate) fn owner_of(&self, relation: &Relation) -> u32 {
        let named = relation.owner.as_ref().and_then(|name| self.role(name));
        named.or(self.roles.first()).map_or(oid::BOOTSTRAP_ROLE, |role| role.oid)
    }

    /// The name of a relation's owner.
    pub(crate) fn owner_name(&self, relation: &Relation) -> String {
        let owner = self.owner_of(relation);
        self.role_by_oid(owner).map_or_else(String::new, |role| role.name.clone())
    }

    /// The name of the role that owns the database.
    pub(crate) fn database_owner(&self) -> &str {
        self.roles.first().map_or("gnitz", |role| role.name.as_str())
    }
}

/// All roles: those of the facts, and the one that every PostgreSQL has for whoever owns the database.
fn roles(facts: &dyn Facts) -> Vec<Role> {
    let mut roles = facts.roles();
    roles.push(Role {
        oid: oid::DATABASE_OWNER,
        name: DATABASE_OWNER.to_string(),
        superuser: false,
        login: false,
        create_role: false,
        create_database: false,
        member_of: Vec::new(),
    });
    roles
}

/// The role that owns the schema `public`.
pub(crate) const DATABASE_OWNER: &str = "pg_database_owner";

/// The OID of a relation in `pg_class`.
pub(crate) fn oid_of(relation: &Relation) -> u32 {
    relation_oid(relation.kind, relation.id)
}

/// The OID in `pg_class` of the relation whose collection has this number.
pub fn relation_oid(kind: RelationKind, collection: u32) -> u32 {
    match kind {
        // Numbers of system tables count down from the largest.
        RelationKind::System => 15_000 + (u32::MAX - collection) % 1000,
        RelationKind::Table | RelationKind::View | RelationKind::PlainView | RelationKind::Sequence => {
            oid::FIRST_USER + collection
        }
    }
}

/// The name by which the engine knows it.
pub(crate) fn full_name(relation: &Relation) -> String {
    match relation.kind {
        RelationKind::System => names::full(names::PUBLIC, &relation.name),
        _ => names::full(&relation.schema, &relation.name),
    }
}

/// The schemas of the setting that there are and that the user may use, each once.
fn path(facts: &dyn Facts, schemas: &[Schema]) -> Vec<String> {
    let session = facts.session();
    let mut path = Vec::new();
    for name in session.search_path.iter().map(|element| session.schema_of(element)) {
        let open = match schemas.iter().find(|schema| schema.name == name) {
            Some(schema) => facts.has_schema_privilege(&session.user, schema, "USAGE"),
            None => names::CATALOGS.contains(&name),
        };
        if open && !path.iter().any(|before| before == name) {
            path.push(name.to_string());
        }
    }
    path
}

/// The OID of a schema that has relations of users.
pub(crate) fn schema_oid(schema: &Schema) -> u32 {
    if schema.id == 0 { oid::PUBLIC } else { oid::FIRST_USER + schema.id }
}

/// The name of the primary key's index and constraint.
pub(crate) fn key_name(relation: &Relation) -> String {
    format!("{}_pkey", relation.name)
}

/// A column's default as PostgreSQL would print it: a bare string literal says its type, and a sequence's schema is
/// said where it is not searched.
pub(crate) fn default_text(world: &World<'_>, column: &crate::facts::Column) -> Option<String> {
    let text = column.default.as_ref()?;
    if let Some(sequence) = sql::sequence::of_default(text) {
        let (schema, own) = names::split(&sequence);
        let name = world.short(schema, own).replace('\'', "''");
        return Some(format!("nextval('{name}'::regclass)"));
    }
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let literal = inner.is_some_and(|inner| !inner.replace("''", "").contains('\''));
    if !literal {
        return Some(text.clone());
    }
    let (ty, _) = types::pg_type_of(column.ty, column.max_len);
    Some(format!("{text}::{}", types::sql_name(ty, None).unwrap_or_default()))
}

/// A name in a schema as SQL writes it, with the schema.
pub(crate) fn whole(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A name as SQL must write it: quoted unless it is a plain word.
pub fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$';
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    if starts && name.chars().all(plain) && !RESERVED.contains(&name) {
        return name.to_string();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Words that PostgreSQL quotes when they are names.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];
