//! `SET`: clients set what they take for granted when they connect. A setting is accepted if it asks for
//! what is the case here anyway, and refused by name otherwise, so that nothing is promised and not kept.

use datafusion::sql::sqlparser::ast::{ContextModifier, Expr, Ident, Set, Value};

use super::Statement;
use crate::error::SqlError;
use crate::names;

/// Settings and the values that describe this database; an empty list takes any value, because the setting
/// changes no answer.
const KNOWN: &[(&str, &[&str])] = &[
    ("application_name", &[]),
    ("client_min_messages", &[]),
    ("extra_float_digits", &[]),
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("names", &["utf8", "utf-8", "unicode"]),
    ("datestyle", &["iso", "iso, mdy", "iso, dmy", "iso, ymd"]),
    ("intervalstyle", &["postgres"]),
    ("bytea_output", &["hex"]),
    ("timezone", &["utc", "gmt", "etc/utc", "z", "0", "+00:00"]),
    ("standard_conforming_strings", &["on", "true", "1"]),
    ("statement_timeout", &["0"]),
    ("lock_timeout", &["0"]),
    ("idle_in_transaction_session_timeout", &["0"]),
];

pub(super) fn set(set: &Set) -> Result<Statement, SqlError> {
    let (name, value) = match set {
        Set::SingleAssignment { variable, values, hivevar: false, scope }
            if variable.to_string().eq_ignore_ascii_case("search_path") =>
        {
            if matches!(scope, Some(ContextModifier::Local)) {
                return Err(SqlError::unsupported("SET LOCAL of this session's search_path")
                    .with_hint("write the schema before the name, or SET it and set it back"));
            }
            return path(values).map(Statement::SetPath);
        }
        Set::SingleAssignment { variable, values, hivevar: false, .. } => {
            let values: Vec<String> = values.iter().map(word).collect();
            (variable.to_string().to_ascii_lowercase(), values.join(", "))
        }
        Set::SetTimeZone { value, .. } => ("timezone".to_string(), word(value)),
        Set::SetNames { charset_name, collation_name: None } => {
            ("names".to_string(), names::fold(charset_name))
        }
        other => return Err(SqlError::unsupported(other)),
    };
    let Some((_, values)) = KNOWN.iter().find(|(known, _)| *known == name) else {
        return Err(SqlError::unsupported(format!("the setting \"{name}\"")));
    };
    let value = value.to_ascii_lowercase();
    if !values.is_empty() && value != "default" && !values.contains(&value.as_str()) {
        return Err(SqlError::unsupported(format!("the value \"{value}\" of the setting \"{name}\""))
            .with_hint(format!("it is {} here, always", values[0])));
    }
    Ok(Statement::Set { name })
}

/// The elements of a search path, each quoted if it must be, as the setting's text has them.
fn path(values: &[Expr]) -> Result<String, SqlError> {
    let element = |expr: &Expr| match expr {
        Expr::Identifier(ident) => Ok(names::fold(ident)),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(text.clone()),
            other => Err(SqlError::unsupported(format!("{other} in search_path"))),
        },
        other => Err(SqlError::unsupported(format!("{other} in search_path"))),
    };
    let elements = values.iter().map(element).collect::<Result<Vec<_>, _>>()?;
    if matches!(values, [Expr::Identifier(Ident { quote_style: None, .. })] if elements == ["default"]) {
        return Ok(names::PUBLIC.to_string());
    }
    Ok(elements.iter().map(|element| names::spelled(element).to_string()).collect::<Vec<_>>().join(", "))
}

fn word(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(Ident { value, .. }) => value.clone(),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}
