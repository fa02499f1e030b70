//! Values from text and back, for the types whose text needs no catalog.

use sql::{SqlError, SqlState, array_text};
use zset::{Datum, Type};

use crate::value::{Array, Value, bounded};
use crate::{oid, types};

/// The text of a value; NULL has none.
pub(crate) type Output = Result<Option<String>, SqlError>;

/// The value that a text is in a type. Types that we know nothing of keep their text.
pub(crate) fn input(text: &str, ty: u32) -> Result<Value, SqlError> {
    let invalid = || {
        let name = types::sql_name(ty, None).unwrap_or_default();
        SqlError::new(SqlState::InvalidText, format!("invalid input syntax for type {name}: \"{text}\""))
    };
    let trimmed = text.trim();
    Ok(match ty {
        oid::BOOL => Value::Bool(boolean(trimmed).ok_or_else(invalid)?),
        oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => number(trimmed).ok_or_else(invalid)?,
        oid::NAME => Value::text(truncated(text, 63)),
        oid::CHAR => Value::text(truncated(text, 1)),
        _ if types::is_vector(ty) => {
            let items = trimmed.split_whitespace().map(|item| item.parse().map_err(|_| invalid()));
            Value::vector(items.collect::<Result<Vec<i64>, _>>()?)
        }
        _ if types::is_array(ty) => {
            let element = types::element_of(ty).unwrap_or(oid::TEXT);
            let items = array_text::parse(text).ok_or_else(|| {
                SqlError::new(SqlState::InvalidText, format!("malformed array literal: \"{text}\""))
            })?;
            let item = |item: Option<String>| item.map_or(Ok(Value::Null), |item| input(&item, element));
            Value::array(items.into_iter().map(item).collect::<Result<_, _>>()?)
        }
        _ if types::is_integer(ty) => Value::Int(trimmed.parse().map_err(|_| invalid())?),
        _ => match types::time_type(ty) {
            Some(ty) => Value::Int(time(trimmed, ty).ok_or_else(invalid)?),
            None => Value::text(text),
        },
    })
}

/// The text of a value of a type; types whose values are names of things are printed as their numbers.
pub(crate) fn output(value: &Value, ty: u32) -> Output {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(value) => if *value { "t" } else { "f" }.to_string(),
        Value::Int(value) => match types::time_type(ty) {
            Some(ty) => Datum::Int(*value).display(ty).to_string(),
            None => value.to_string(),
        },
        Value::Float(value) => {
            let ty = if ty == oid::FLOAT4 { Type::Float32 } else { Type::Float64 };
            Datum::Float(*value).display(ty).to_string()
        }
        Value::Text(text) => text.to_string(),
        Value::Array(array) => array_text(array, ty, &output)?,
        Value::Record(row) => record_text(row)?,
    }))
}

/// The text of an array, each element printed by `element`.
pub(crate) fn array_text(
    array: &Array,
    ty: u32,
    element: &dyn Fn(&Value, u32) -> Output,
) -> Result<String, SqlError> {
    let inner = types::element_of(ty).unwrap_or(oid::TEXT);
    let items = texts(array.items.iter().map(|item| element(item, inner)))?;
    let text = match types::is_vector(ty) {
        true => items.into_iter().flatten().collect::<Vec<_>>().join(" "),
        false => array_text::format(items),
    };
    bounded(text.len())?;
    Ok(text)
}

/// The texts of parts, which come to no more than a value may have. What is within quotes within quotes grows with
/// every level, so each is looked at.
fn texts(parts: impl Iterator<Item = Output>) -> Result<Vec<Option<String>>, SqlError> {
    let mut bytes = 0;
    let counted = parts.map(|part| {
        let part = part?;
        bytes += part.as_ref().map_or(0, String::len);
        bounded(bytes)?;
        Ok(part)
    });
    counted.collect()
}

/// `(a,b,"c d")`
fn record_text(row: &[Value]) -> Result<String, SqlError> {
    let field = |field: Option<String>| match field {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '(', ')', '"', '\\', ' ']) => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
        }
        Some(text) => text,
    };
    let fields = texts(row.iter().map(|value| output(value, oid::TEXT)))?;
    let text = format!("({})", fields.into_iter().map(field).collect::<Vec<_>>().join(","));
    bounded(text.len())?;
    Ok(text)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse() {
        return Some(Value::Int(whole));
    }
    text.parse().ok().map(Value::Float)
}

fn time(text: &str, ty: Type) -> Option<i64> {
    expr_time(text, ty).and_then(|datum| datum.as_int())
}

fn expr_time(text: &str, ty: Type) -> Option<Datum> {
    sql::input::from_text(text, ty).ok()
}

/// The first bytes of a text, whole characters only.
fn truncated(text: &str, bytes: usize) -> &str {
    match text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= bytes).last() {
        Some((at, c)) => &text[..at + c.len_utf8()],
        // A character of several bytes stays whole.
        None => text.chars().next().map_or("", |c| &text[..c.len_utf8()]),
    }
}
