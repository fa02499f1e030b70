//! PostgreSQL's types: which there are, their names, and which of them stand for ours.
//!
//! The rows of `pg_type` are data, exported from PostgreSQL; here they are an index for the binder.

use std::collections::HashMap;
use std::sync::LazyLock;

use zset::Type;

use crate::oid;

/// The built-in rows of `pg_type`: a head line of column names, then a row a line.
pub(crate) const TYPES: &str = include_str!("../data/types.tsv");

/// What the binder knows of a type.
#[derive(Clone, Debug)]
pub(crate) struct TypeInfo {
    /// Its OID.
    pub(crate) oid: u32,
    /// Its name in the catalog, such as `int8`.
    pub(crate) name: &'static str,
    /// The type of its elements, if it is an array or a vector; else 0.
    pub(crate) element: u32,
    /// The type of arrays over it; else 0.
    pub(crate) array: u32,
    /// PostgreSQL's letter for its kind: `N`umbers, `S`trings, `B`ooleans, `A`rrays, `D`ates.
    pub(crate) category: u8,
    /// Bytes it takes; -1 if that varies.
    pub(crate) len: i64,
    /// Whether it is passed by value.
    pub(crate) by_value: bool,
    /// PostgreSQL's letters for its alignment and storage.
    pub(crate) align: &'static str,
    /// See `align`.
    pub(crate) storage: &'static str,
    /// Its collation; 0 if it has none.
    pub(crate) collation: u32,
}

struct Registry {
    by_oid: HashMap<u32, TypeInfo>,
    by_name: HashMap<&'static str, u32>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut lines = TYPES.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let at = |name: &str| head.iter().position(|column| *column == name).unwrap_or_default();
    let (elem, array, category) = (at("typelem"), at("typarray"), at("typcategory"));
    let (mut by_oid, mut by_name) = (HashMap::new(), HashMap::new());
    for line in lines {
        let fields: Vec<&'static str> = line.split('\t').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0);
        let info = TypeInfo {
            oid: number(0),
            name: fields[1],
            element: number(elem),
            array: number(array),
            category: fields[category].as_bytes()[0],
            len: fields[at("typlen")].parse().unwrap_or(-1),
            by_value: fields[at("typbyval")] == "t",
            align: fields[at("typalign")],
            storage: fields[at("typstorage")],
            collation: number(at("typcollation")),
        };
        by_name.insert(info.name, info.oid);
        by_oid.insert(info.oid, info);
    }
    Registry { by_oid, by_name }
});

/// SQL's names for types that the catalog calls otherwise.
const SPELLINGS: [(&str, u32); 25] = [
    ("bigint", oid::INT8),
    ("integer", oid::INT4),
    ("int", oid::INT4),
    ("smallint", oid::INT2),
    ("boolean", oid::BOOL),
    ("double precision", oid::FLOAT8),
    ("double", oid::FLOAT8),
    ("float", oid::FLOAT8),
    ("real", oid::FLOAT4),
    ("decimal", oid::NUMERIC),
    ("dec", oid::NUMERIC),
    ("string", oid::TEXT),
    ("character varying", oid::VARCHAR),
    ("nvarchar", oid::VARCHAR),
    ("character", oid::BPCHAR),
    ("\"char\"", oid::CHAR),
    ("bit varying", 1562),
    ("timestamp without time zone", oid::TIMESTAMP),
    ("timestamp with time zone", oid::TIMESTAMPTZ),
    ("time without time zone", oid::TIME),
    ("time with time zone", 1266),
    ("sql_identifier", oid::NAME),
    ("character_data", oid::VARCHAR),
    ("cardinal_number", oid::INT4),
    ("yes_or_no", oid::VARCHAR),
];

/// The type of this OID, if it is built in.
pub(crate) fn info(oid: u32) -> Option<&'static TypeInfo> {
    REGISTRY.by_oid.get(&oid)
}

/// The built-in type of a (folded) name, `[]` after it included. A bare `char` is SQL's, not the catalog's.
pub(crate) fn by_name(name: &str) -> Option<u32> {
    let name = name.trim();
    if let Some(element) = name.strip_suffix("[]") {
        return by_name(element).and_then(array_of);
    }
    let base = match name.split_once('(') {
        Some((base, rest)) => format!("{}{}", base.trim(), rest.split_once(')').map_or("", |(_, rest)| rest)),
        None => name.to_string(),
    };
    if base == "char" {
        return Some(oid::BPCHAR);
    }
    let spelled = SPELLINGS.iter().find(|(spelling, _)| *spelling == base).map(|(_, oid)| *oid);
    spelled.or_else(|| REGISTRY.by_name.get(base.as_str()).copied())
}

/// The built-in type of a name as SQL writes it, with a schema and quotes if it likes.
pub fn named(name: &str) -> Option<u32> {
    let lower = name.trim().to_lowercase();
    let bare = ["pg_catalog.", "\"pg_catalog\"."].iter().find_map(|schema| lower.strip_prefix(schema));
    let bare = bare.unwrap_or(&lower);
    match bare {
        "\"char\"" => Some(oid::CHAR),
        _ => by_name(&bare.replace('"', "")),
    }
}

/// The array type over a type.
pub(crate) fn array_of(oid: u32) -> Option<u32> {
    info(oid).map(|info| info.array).filter(|array| *array != 0)
}

/// The element type of an array or a vector, both as OIDs; `None` for any other type.
pub fn element_of(oid: u32) -> Option<u32> {
    match oid {
        oid::ANYARRAY => Some(oid::TEXT),
        // PostgreSQL lets a name be subscripted; nobody does.
        oid::NAME => None,
        _ => info(oid).map(|info| info.element).filter(|element| *element != 0),
    }
}

/// Whether values of this type are arrays here.
pub(crate) fn is_array(oid: u32) -> bool {
    element_of(oid).is_some() && info(oid).is_some_and(|info| info.category == b'A')
}

/// Whether its subscripts begin at 0.
pub(crate) fn is_vector(oid: u32) -> bool {
    matches!(oid, oid::INT2VECTOR | oid::OIDVECTOR)
}

/// Whether values of this type are whole numbers here, OIDs of all kinds among them.
pub(crate) fn is_integer(oid: u32) -> bool {
    matches!(oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::OID | oid::XID | oid::CID) || is_reg(oid)
}

/// Whether the type's values are OIDs that print as a name.
pub(crate) fn is_reg(oid: u32) -> bool {
    matches!(
        oid,
        oid::REGPROC..=oid::REGPROC
            | oid::REGPROCEDURE..=oid::REGTYPE
            | oid::REGCONFIG
            | oid::REGDICTIONARY
            | oid::REGNAMESPACE
            | oid::REGROLE
            | oid::REGCOLLATION
    )
}

/// Whether values of this type are any kind of number here.
pub(crate) fn is_number(oid: u32) -> bool {
    is_integer(oid) || matches!(oid, oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC)
}

/// Whether values of this type are times, kept as microseconds (or days).
pub(crate) fn is_time(oid: u32) -> bool {
    time_type(oid).is_some()
}

/// Our type for a type of dates and times.
pub(crate) fn time_type(oid: u32) -> Option<Type> {
    Some(match oid {
        oid::DATE => Type::Date,
        oid::TIME => Type::Time,
        oid::TIMESTAMP => Type::Timestamp,
        oid::TIMESTAMPTZ => Type::TimestampTz,
        _ => return None,
    })
}

/// The PostgreSQL type and type modifier (-1 for none) that a column of ours has.
pub fn pg_type_of(ty: Type, max_len: Option<u32>) -> (u32, i32) {
    match ty {
        Type::Bool => (oid::BOOL, -1),
        Type::Int16 => (oid::INT2, -1),
        Type::Int32 => (oid::INT4, -1),
        Type::Int64 => (oid::INT8, -1),
        Type::Float32 => (oid::FLOAT4, -1),
        Type::Float64 => (oid::FLOAT8, -1),
        Type::Decimal { precision, scale } => {
            (oid::NUMERIC, ((i32::from(precision) << 16) | i32::from(scale)) + 4)
        }
        Type::Text => match max_len {
            Some(limit) => (oid::VARCHAR, i32::try_from(limit).unwrap_or(i32::MAX - 4) + 4),
            None => (oid::TEXT, -1),
        },
        Type::Bytes => (oid::BYTEA, -1),
        Type::Date => (oid::DATE, -1),
        Type::Time => (oid::TIME, -1),
        Type::Timestamp => (oid::TIMESTAMP, -1),
        Type::TimestampTz => (oid::TIMESTAMPTZ, -1),
        Type::Interval => (oid::INTERVAL, -1),
    }
}

/// The type of ours in which values of a PostgreSQL type are handed out; what we lack is handed out as text.
pub fn storage_type(oid: u32) -> Type {
    match oid {
        oid::BOOL => Type::Bool,
        oid::INT2 => Type::Int16,
        oid::INT4 => Type::Int32,
        oid::INT8 | oid::OID | oid::XID | oid::CID => Type::Int64,
        oid::FLOAT4 => Type::Float32,
        oid::FLOAT8 => Type::Float64,
        _ => time_type(oid).unwrap_or(Type::Text),
    }
}

/// SQL's name for a built-in type, with its modifier.
pub(crate) fn sql_name(oid: u32, modifier: Option<i64>) -> Option<String> {
    let info = info(oid)?;
    if is_array(oid) && !is_vector(oid) && oid != oid::ANYARRAY {
        return sql_name(info.element, modifier).map(|element| element + "[]");
    }
    let modifier = modifier.filter(|modifier| *modifier >= 4).map(|modifier| modifier - 4);
    let length = modifier.map_or(String::new(), |length| format!("({length})"));
    Some(match oid {
        oid::BOOL => "boolean".to_string(),
        oid::CHAR => "\"char\"".to_string(),
        oid::ANY => "\"any\"".to_string(),
        oid::INT8 => "bigint".to_string(),
        oid::INT4 => "integer".to_string(),
        oid::INT2 => "smallint".to_string(),
        oid::FLOAT4 => "real".to_string(),
        oid::FLOAT8 => "double precision".to_string(),
        oid::BPCHAR => format!("character{length}"),
        oid::VARCHAR => format!("character varying{length}"),
        oid::TIMESTAMP => "timestamp without time zone".to_string(),
        oid::TIMESTAMPTZ => "timestamp with time zone".to_string(),
        oid::TIME => "time without time zone".to_string(),
        1266 => "time with time zone".to_string(),
        1560 => "bit".to_string(),
        1562 => "bit varying".to_string(),
        oid::NUMERIC => match modifier {
            Some(modifier) => format!("numeric({},{})", modifier >> 16, modifier & 0x7ff),
            None => "numeric".to_string(),
        },
        _ => info.name.to_string(),
    })
}
