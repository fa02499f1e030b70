//! The OIDs of PostgreSQL's built-in types and schemas, and of ours.

#![allow(missing_docs)]

macro_rules! oids {
    ($($name:ident = $oid:literal;)*) => {
        $(pub(crate) const $name: u32 = $oid;)*
    };
}

oids! {
    BOOL = 16; BYTEA = 17; CHAR = 18; NAME = 19; INT8 = 20; INT2 = 21; INT2VECTOR = 22; INT4 = 23; REGPROC = 24;
    TEXT = 25; OID = 26; XID = 28; CID = 29; OIDVECTOR = 30; JSON = 114; PG_NODE_TREE = 194;
    FLOAT4 = 700; FLOAT8 = 701; UNKNOWN = 705; INET = 869; INT4_ARRAY = 1007;
    TEXT_ARRAY = 1009; NAME_ARRAY = 1003;
    ACLITEM_ARRAY = 1034; BPCHAR = 1042; VARCHAR = 1043; DATE = 1082; TIME = 1083; TIMESTAMP = 1114; TIMESTAMPTZ = 1184;
    INTERVAL = 1186; NUMERIC = 1700; REGPROCEDURE = 2202; REGOPER = 2203; REGOPERATOR = 2204; REGCLASS = 2205;
    REGTYPE = 2206; RECORD = 2249; CSTRING = 2275; ANY = 2276; ANYARRAY = 2277; VOID = 2278; REGCONFIG = 3734;
    REGDICTIONARY = 3769; REGNAMESPACE = 4089; REGROLE = 4096; REGCOLLATION = 4191;
}

oids! {
    PG_CATALOG = 11; PUBLIC = 2200; INFORMATION_SCHEMA = 13207;
    // Catalogs that rows of others point into.
    PG_CLASS = 1259; PG_TYPE = 1247; PG_CONSTRAINT = 2606;
    PG_NAMESPACE = 2615; PG_REWRITE = 2618; PG_ATTRDEF = 2604;
    // The owner of everything built in, as in PostgreSQL.
    BOOTSTRAP_ROLE = 10; DATABASE_OWNER = 6171;
    DEFAULT_TABLESPACE = 1663; GLOBAL_TABLESPACE = 1664; DATABASE = 16383;
}

/// From here on OIDs are those of users' objects.
pub(crate) const FIRST_USER: u32 = 16384;

/// A collection has several objects, each with an OID that follows from the collection's number: the relation
/// itself lowest, so that the others are found from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The relation.
    Relation,
    /// Its row type.
    RowType,
    /// The array over its row type.
    RowArray,
    /// The index of its primary key.
    Index,
    /// The constraint of its primary key.
    Constraint,
    /// A view's rule.
    Rule,
}

/// The span of the relations' OIDs; each part has the next span.
const SPAN: u32 = 0x1000_0000;

/// The OID of one part of the relation with this OID.
pub(crate) fn part(relation: u32, part: Part) -> u32 {
    relation + part as u32 * SPAN
}

/// The OID of a column's default. It tells columns apart, nothing refers to it.
pub(crate) fn default_of(relation: u32, column: usize) -> u32 {
    0x6000_0000 | (relation.wrapping_mul(1600).wrapping_add(column as u32) & 0x0fff_ffff)
}

/// The relation and the part that an OID stands for.
pub(crate) fn owner(oid: u32) -> (u32, Option<Part>) {
    let part = match oid / SPAN {
        0 => Some(Part::Relation),
        1 => Some(Part::RowType),
        2 => Some(Part::RowArray),
        3 => Some(Part::Index),
        4 => Some(Part::Constraint),
        5 => Some(Part::Rule),
        _ => None,
    };
    (oid % SPAN, part)
}

/// The schemas of the catalogs.
pub(crate) const CATALOGS: [(u32, &str); 2] =
    [(PG_CATALOG, "pg_catalog"), (INFORMATION_SCHEMA, "information_schema")];
