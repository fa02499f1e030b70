//! Functions over arrays.

use sql::SqlError;

use super::texts::joined;
use super::{ANY, Function, Returns, strict};
use crate::context::Context;
use crate::oid::*;
use crate::value::{Value, parts_bounded};

type Answer = Result<Value, SqlError>;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("array_to_string", &[TEXT_ARRAY, TEXT, TEXT], TEXT, array_to_string).from(2).lenient(),
    strict("string_to_array", &[TEXT, TEXT], TEXT_ARRAY, string_to_array).lenient(),
    strict("array_length", &[ANY, INT4], INT4, |_, a| Ok(bound(&a[0], |len, _| len))),
    strict("cardinality", &[ANY], INT4, |_, a| Ok(Value::Int(a[0].items().len() as i64))),
    strict("array_lower", &[ANY, INT4], INT4, |_, a| Ok(bound(&a[0], |_, lower| lower))),
    strict("array_upper", &[ANY, INT4], INT4, |_, a| Ok(bound(&a[0], |len, lower| lower + len - 1))),
    strict("array_ndims", &[ANY], INT4, |_, a| Ok(bound(&a[0], |_, _| 1))),
    strict("array_position", &[ANY, ANY], INT4, array_position),
    strict("array_append", &[ANY, ANY], ANY, array_append).lenient().returns(Returns::Argument(0)),
    strict("array_cat", &[ANY, ANY], ANY, array_cat).lenient().returns(Returns::Argument(0)),
    strict("array_remove", &[ANY, ANY], ANY, |_, args| {
        let kept = args[0].items().iter().filter(|item| **item != args[1]);
        Ok(Value::array(kept.cloned().collect()))
    })
    .returns(Returns::Argument(0)),
];

fn bound(array: &Value, of: impl Fn(i64, i64) -> i64) -> Value {
    match array {
        Value::Array(array) if !array.items.is_empty() => {
            Value::Int(of(array.items.len() as i64, array.lower))
        }
        _ => Value::Null,
    }
}

fn array_to_string(_: &Context<'_>, args: &[Value]) -> Answer {
    let (Value::Array(array), Some(separator)) = (&args[0], args[1].as_str()) else { return Ok(Value::Null) };
    let null = args.get(2).and_then(Value::as_str);
    let texts = array.items.iter().filter_map(|item| item.as_str().or(null));
    joined(texts, separator)
}

fn string_to_array(_: &Context<'_>, args: &[Value]) -> Answer {
    let Some(text) = args[0].as_str() else { return Ok(Value::Null) };
    parts_bounded(match args[1].as_str() {
        None => text.len(),
        Some("") => 1,
        Some(separator) => text.matches(separator).count(),
    })?;
    let parts: Vec<Value> = match args[1].as_str() {
        _ if text.is_empty() => Vec::new(),
        None => text.chars().map(|c| c.to_string().into()).collect(),
        Some("") => vec![text.into()],
        Some(separator) => text.split(separator).map(Value::from).collect(),
    };
    Ok(Value::array(parts))
}

fn array_position(_: &Context<'_>, args: &[Value]) -> Answer {
    let Value::Array(array) = &args[0] else { return Ok(Value::Null) };
    let at = array.items.iter().position(|item| *item == args[1]);
    Ok(at.map_or(Value::Null, |at| Value::Int(at as i64 + array.lower)))
}

fn array_append(_: &Context<'_>, args: &[Value]) -> Answer {
    let items = args[0].items().iter().chain([&args[1]]);
    Ok(Value::array(items.cloned().collect()))
}

fn array_cat(_: &Context<'_>, args: &[Value]) -> Answer {
    Ok(match (&args[0], &args[1]) {
        (Value::Null, other) | (other, Value::Null) => other.clone(),
        (a, b) => Value::array(a.items().iter().chain(b.items()).cloned().collect()),
    })
}
