//! JSON as far as clients build it from catalog rows: objects and arrays of plain values.

use sql::SqlError;

use super::{ANY, Function, strict};
use crate::context::Context;
use crate::oid::JSON;
use crate::value::{Value, bounded};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("json_build_object", &[ANY], JSON, object).variadic().lenient(),
    strict("jsonb_build_object", &[ANY], JSON, object).variadic().lenient(),
    strict("json_build_array", &[ANY], JSON, array).variadic().lenient(),
    strict("to_json", &[ANY], JSON, |_, args| Ok(json(&args[0])?.into())),
    strict("to_jsonb", &[ANY], JSON, |_, args| Ok(json(&args[0])?.into())),
];

fn object(_: &Context<'_>, args: &[Value]) -> Result<Value, SqlError> {
    let mut out = String::from("{");
    for (nth, pair) in args.chunks(2).enumerate() {
        out.push_str(if nth == 0 { "" } else { ", " });
        write(&mut out, &Value::text(pair[0].as_str().unwrap_or_default()))?;
        out.push_str(" : ");
        write(&mut out, pair.get(1).unwrap_or(&Value::Null))?;
    }
    out.push('}');
    Ok(out.into())
}

fn array(_: &Context<'_>, args: &[Value]) -> Result<Value, SqlError> {
    json_array(args.iter()).map(Value::from)
}

/// Values as an array in JSON.
pub(crate) fn json_array<'v>(values: impl Iterator<Item = &'v Value>) -> Result<String, SqlError> {
    let mut out = String::new();
    write_array(&mut out, values, ", ")?;
    Ok(out)
}

/// A value as JSON.
fn json(value: &Value) -> Result<String, SqlError> {
    let mut out = String::new();
    write(&mut out, value)?;
    Ok(out)
}

fn write_array<'v>(
    out: &mut String,
    values: impl Iterator<Item = &'v Value>,
    separator: &str,
) -> Result<(), SqlError> {
    out.push('[');
    for (nth, value) in values.enumerate() {
        out.push_str(if nth == 0 { "" } else { separator });
        write(out, value)?;
    }
    out.push(']');
    Ok(())
}

/// Puts a value as JSON behind what is there. All of it has no more bytes than a value may.
fn write(out: &mut String, value: &Value) -> Result<(), SqlError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&value.to_string()),
        Value::Array(array) => write_array(out, array.items.iter(), ",")?,
        Value::Record(row) => write_array(out, row.iter(), ",")?,
        // What is JSON already stays as it is.
        Value::Text(text) if text.starts_with('{') && text.ends_with('}') && text.contains(" : ") => {
            out.push_str(text);
        }
        Value::Text(text) => {
            out.push('"');
            for c in text.chars() {
                match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    '\n' => out.push_str("\\n"),
                    c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            out.push('"');
        }
    }
    bounded(out.len())
}
