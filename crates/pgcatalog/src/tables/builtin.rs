//! Tables whose rows PostgreSQL brings along: types, operators, functions. The rows are data, exported from it
//! (`data/export.sh`); only those of types and objects that exist here too.

use std::sync::{Arc, LazyLock};

use super::{Builder, Table, find};
use crate::text::input;
use crate::types;
use crate::value::{Row, Value};

macro_rules! exported {
    ($($constant:ident = $table:literal, $text:expr;)*) => {
        $(static $constant: LazyLock<Vec<Row>> = LazyLock::new(|| read($table, $text));)*

        /// The builder of a table whose rows are all data.
        pub(super) fn builder(name: &str) -> Option<Builder> {
            Some(match name {
                $($table => |_, rows| rows.extend(&$constant),)*
                _ => return None,
            })
        }
    };
}

exported! {
    AM = "pg_am", include_str!("../../data/am.tsv");
    CASTS = "pg_cast", include_str!("../../data/casts.tsv");
    COLLATIONS = "pg_collation", include_str!("../../data/collations.tsv");
    LANGUAGES = "pg_language", include_str!("../../data/languages.tsv");
    OPCLASSES = "pg_opclass", include_str!("../../data/opclasses.tsv");
    OPERATORS = "pg_operator", include_str!("../../data/operators.tsv");
    OPFAMILIES = "pg_opfamily", include_str!("../../data/opfamilies.tsv");
    PROCS = "pg_proc", include_str!("../../data/procs.tsv");
    RANGES = "pg_range", include_str!("../../data/ranges.tsv");
}

/// What PostgreSQL says of its functions, operators and types.
pub(super) static DESCRIPTIONS: LazyLock<Vec<Row>> =
    LazyLock::new(|| read("pg_description", include_str!("../../data/descriptions.tsv")));

/// What is said of a built-in object, of whatever class if none is given.
pub(crate) fn description(object: u32, class: Option<u32>) -> Option<Value> {
    let of = |row: &&Row| {
        row[0].as_oid() == Some(object) && class.is_none_or(|class| row[1].as_oid() == Some(class))
    };
    DESCRIPTIONS.iter().find(of).map(|row| row[3].clone())
}

/// The built-in rows of `pg_type`.
pub(super) static TYPES: LazyLock<Vec<Row>> = LazyLock::new(|| read("pg_type", types::TYPES));

/// The default operator class of a type for B-trees; 0 if there is none.
pub(super) fn operator_class(ty: u32) -> i64 {
    // Lengths do not change how text compares.
    let ty = if ty == crate::oid::VARCHAR { crate::oid::TEXT } else { ty };
    let found = OPCLASSES.iter().find(|row| row[6].as_oid() == Some(ty));
    found.and_then(|row| row[0].as_int()).unwrap_or(0)
}

/// The rows of a file: a head line of column names, then a row a line, `\N` for NULL.
fn read(table: &str, text: &str) -> Vec<Row> {
    let Some(table) = find(None, table) else { return Vec::new() };
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let places: Vec<usize> = head.split(' ').filter_map(|name| place(table, name)).collect();
    lines.map(|line| row(table, &places, line)).collect()
}

fn row(table: &Table, places: &[usize], line: &str) -> Row {
    let mut row = vec![Value::Null; table.columns.len()];
    for (place, field) in places.iter().zip(line.split('\t')) {
        if field != "\\N" {
            row[*place] = input(field, table.columns[*place].ty).unwrap_or(Value::Null);
        }
    }
    Arc::from(row)
}

fn place(table: &Table, name: &str) -> Option<usize> {
    table.columns.iter().position(|column| column.name == name)
}
