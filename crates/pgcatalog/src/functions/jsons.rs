//! JSON as far as clients build it from catalog rows: objects and arrays of plain values.

use sql::SqlError;

use super::{ANY, Function, strict};
use crate::context::Context;
use crate::oid::JSON;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("json_build_object", &[ANY], JSON, object).variadic().lenient(),
    strict("jsonb_build_object", &[ANY], JSON, object).variadic().lenient(),
    strict("json_build_array", &[ANY], JSON, array).variadic().lenient(),
    strict("to_json", &[ANY], JSON, |_, args| Ok(json(&args[0]).into())),
    strict("to_jsonb", &[ANY], JSON, |_, args| Ok(json(&args[0]).into())),
];

fn object(_: &Context<'_>, args: &[Value]) -> Result<Value, SqlError> {
    let pairs = args.chunks(2).map(|pair| {
        let name = Value::text(pair[0].as_str().unwrap_or_default());
        format!("{} : {}", json(&name), json(pair.get(1).unwrap_or(&Value::Null)))
    });
    Ok(format!("{{{}}}", pairs.collect::<Vec<_>>().join(", ")).into())
}

fn array(_: &Context<'_>, args: &[Value]) -> Result<Value, SqlError> {
    Ok(format!("[{}]", args.iter().map(json).collect::<Vec<_>>().join(", ")).into())
}

/// A value as JSON.
pub(crate) fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Array(array) => format!("[{}]", array.items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Record(row) => format!("[{}]", row.iter().map(json).collect::<Vec<_>>().join(",")),
        // What is JSON already stays as it is.
        Value::Text(text) if text.starts_with('{') && text.ends_with('}') && text.contains(" : ") => {
            text.to_string()
        }
        Value::Text(text) => {
            let mut out = String::from("\"");
            for c in text.chars() {
                match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    '\n' => out.push_str("\\n"),
                    c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                    c => out.push(c),
                }
            }
            out + "\""
        }
    }
}
