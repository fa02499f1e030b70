//! What a running query works with: the world, the rows of the tables it reads, and names for OIDs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use sql::{SqlError, SqlState};

use crate::oid::{self, Part};
use crate::tables::{self, Table};
use crate::text::Output;
use crate::value::{Array, Row, Value};
use crate::world::{World, key_name, oid_of, quoted, whole};
use crate::{text, types};

/// One query's view of everything. The rows of a table are computed when it is first read.
pub(crate) struct Context<'a> {
    pub(crate) world: World<'a>,
    rows: RefCell<HashMap<u32, Arc<Vec<Row>>>>,
}

/// A name in two parts; the schema is absent where it is not needed to find the thing.
pub(crate) struct Named {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Whether the name alone finds it.
    pub(crate) visible: bool,
}

impl Named {
    /// As `regclass` prints it.
    fn short(&self) -> String {
        match self.visible {
            true => quoted(&self.name),
            false => self.full(),
        }
    }

    /// With the schema, whether or not it is needed.
    pub(crate) fn full(&self) -> String {
        whole(&self.schema, &self.name)
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(world: World<'a>) -> Context<'a> {
        Context { world, rows: RefCell::default() }
    }

    /// The rows of a catalog table.
    pub(crate) fn rows(&self, table: &'static Table) -> Arc<Vec<Row>> {
        if let Some(rows) = self.rows.borrow().get(&table.oid) {
            return Arc::clone(rows);
        }
        let rows = Arc::new(tables::rows(table, &self.world));
        self.rows.borrow_mut().insert(table.oid, Arc::clone(&rows));
        rows
    }

    /// The relation or index with this OID.
    pub(crate) fn relation(&self, oid: u32) -> Option<Named> {
        if let Some(table) = tables::by_oid(oid) {
            let visible = table.schema == "pg_catalog";
            return Some(Named { schema: table.schema.to_string(), name: table.name.to_string(), visible });
        }
        let (relation, part) = self.world.owner(oid)?;
        let name = match part {
            Part::Relation => relation.name.clone(),
            Part::Index if !relation.primary_key.is_empty() => key_name(relation),
            _ => return None,
        };
        let schema = relation.schema.clone();
        let visible = tables::find(None, &name).is_none() && self.world.sees(&schema, &name);
        Some(Named { visible, schema, name })
    }

    /// The OID of a relation or index.
    pub(crate) fn relation_oid(&self, schema: Option<&str>, name: &str) -> Option<u32> {
        let table = tables::find(schema, name).map(|table| table.oid);
        let user = || {
            let found = self.world.find(schema, name).map(oid_of);
            found.or_else(|| {
                let base = self.world.find(schema, name.strip_suffix("_pkey")?)?;
                (!base.primary_key.is_empty()).then(|| oid::part(oid_of(base), Part::Index))
            })
        };
        table.or_else(user)
    }

    /// The name of a type, with its modifier, as `format_type` gives it.
    pub(crate) fn type_name(&self, oid: u32, modifier: Option<i64>) -> String {
        if oid == 0 {
            return "-".to_string();
        }
        if let Some(name) = types::sql_name(oid, modifier) {
            return name;
        }
        match self.world.owner(oid) {
            Some((relation, part @ (Part::RowType | Part::RowArray))) => {
                let brackets = if part == Part::RowArray { "[]" } else { "" };
                format!("{}{brackets}", self.world.short(&relation.schema, &relation.name))
            }
            _ => "???".to_string(),
        }
    }

    /// The type of a name, built in or a relation's row type.
    pub(crate) fn type_oid(&self, name: &str) -> Option<u32> {
        let parts = parse_name(name);
        let (bare, array) = match name.trim().strip_suffix("[]") {
            Some(_) => (parts.last()?.trim_end_matches("[]").to_string(), true),
            None => (parts.last()?.clone(), false),
        };
        let spelled = name.trim().strip_prefix("pg_catalog.").unwrap_or(name.trim());
        let built_in = match spelled {
            "\"char\"" => Some(oid::CHAR),
            quoted if quoted.starts_with('"') => types::by_name(&bare),
            _ => types::by_name(spelled).or_else(|| types::by_name(&spelled.to_lowercase())),
        };
        built_in.or_else(|| {
            let part = if array { Part::RowArray } else { Part::RowType };
            let schema = parts.iter().rev().nth(1).map(String::as_str);
            self.world.find(schema, &bare).map(|relation| oid::part(oid_of(relation), part))
        })
    }

    /// The text of a value, as its type prints it; `None` for NULL.
    pub(crate) fn output(&self, value: &Value, ty: u32) -> Output {
        match value {
            Value::Int(number) if types::is_reg(ty) => Ok(Some(self.reg_name(*number, ty))),
            Value::Array(array) => text::array_text(array, ty, &|value, ty| self.output(value, ty)).map(Some),
            _ => text::output(value, ty),
        }
    }

    fn reg_name(&self, number: i64, ty: u32) -> String {
        let known = u32::try_from(number).ok().and_then(|oid| match ty {
            _ if oid == 0 => Some("-".to_string()),
            oid::REGCLASS => self.relation(oid).map(|named| named.short()),
            oid::REGTYPE => Some(self.type_name(oid, None)).filter(|name| name != "???"),
            oid::REGNAMESPACE => self.world.schema_name(oid).map(quoted),
            oid::REGROLE => self.world.role_by_oid(oid).map(|role| quoted(&role.name)),
            oid::REGPROC | oid::REGPROCEDURE => self.named_row("pg_proc", oid).map(|(name, _)| name),
            oid::REGCOLLATION => self.named_row("pg_collation", oid).map(|(name, _)| quoted(&name)),
            oid::REGOPER | oid::REGOPERATOR => self.named_row("pg_operator", oid).map(|(name, _)| name),
            _ => None,
        });
        known.unwrap_or_else(|| number.to_string())
    }

    /// Name and row of the thing with this OID in a table whose first two columns are OID and name.
    pub(crate) fn named_row(&self, table: &str, oid: u32) -> Option<(String, Row)> {
        let rows = self.rows(tables::find(None, table)?);
        let row = rows.iter().find(|row| row[0].as_oid() == Some(oid))?;
        Some((row[1].as_str()?.to_string(), Arc::clone(row)))
    }

    /// The value that a text is in a type, names of things looked up.
    pub(crate) fn input(&self, text: &str, ty: u32) -> Result<Value, SqlError> {
        if types::is_reg(ty) {
            return self.reg_value(text, ty);
        }
        if types::is_array(ty) && types::element_of(ty).is_some_and(types::is_reg) {
            let texts = text::input(text, oid::TEXT_ARRAY)?;
            return self.cast(&texts, oid::TEXT_ARRAY, ty);
        }
        text::input(text, ty)
    }

    fn reg_value(&self, text: &str, ty: u32) -> Result<Value, SqlError> {
        if let Ok(number) = text.trim().parse::<u32>() {
            return Ok(Value::oid(number));
        }
        if text == "-" {
            return Ok(Value::Int(0));
        }
        if ty == oid::REGPROC && self.functions_named(text) > 1 {
            let message = format!("more than one function named \"{text}\"");
            return Err(SqlError::new(SqlState::AmbiguousFunction, message));
        }
        let found = self.lookup(text, ty);
        found.map(Value::oid).ok_or_else(|| match ty {
            oid::REGCLASS => {
                SqlError::new(SqlState::UndefinedTable, format!("relation \"{text}\" does not exist"))
            }
            oid::REGPROC | oid::REGPROCEDURE => {
                SqlError::new(SqlState::UndefinedFunction, format!("function \"{text}\" does not exist"))
            }
            oid::REGTYPE => {
                SqlError::new(SqlState::UndefinedObject, format!("type \"{text}\" does not exist"))
            }
            oid::REGNAMESPACE => {
                SqlError::new(SqlState::UndefinedSchema, format!("schema \"{text}\" does not exist"))
            }
            oid::REGROLE => {
                SqlError::new(SqlState::UndefinedObject, format!("role \"{text}\" does not exist"))
            }
            _ => SqlError::new(SqlState::UndefinedObject, format!("\"{text}\" does not exist")),
        })
    }

    /// The OID of the thing that a text names, for a type of the `reg…` family.
    pub(crate) fn lookup(&self, text: &str, ty: u32) -> Option<u32> {
        let parts = parse_name(text);
        let (name, schema) = (parts.last()?, parts.iter().rev().nth(1).map(String::as_str));
        match ty {
            oid::REGCLASS => self.relation_oid(schema, name),
            oid::REGTYPE => self.type_oid(text),
            oid::REGNAMESPACE => self.world.schema_named(name),
            oid::REGROLE => self.world.role(name).map(|role| role.oid),
            oid::REGPROC | oid::REGPROCEDURE => {
                self.oid_of_name("pg_proc", name.split('(').next().unwrap_or(name))
            }
            oid::REGCOLLATION => self.oid_of_name("pg_collation", name),
            _ => None,
        }
    }

    fn functions_named(&self, text: &str) -> usize {
        let parts = parse_name(text);
        let Some((name, table)) = parts.last().zip(tables::find(None, "pg_proc")) else { return 0 };
        self.rows(table).iter().filter(|row| row[1].as_str() == Some(name)).count()
    }

    fn oid_of_name(&self, table: &str, name: &str) -> Option<u32> {
        let rows = self.rows(tables::find(None, table)?);
        rows.iter().find(|row| row[1].as_str() == Some(name)).and_then(|row| row[0].as_oid())
    }

    /// A value of one type as another has it.
    pub(crate) fn cast(&self, value: &Value, from: u32, to: u32) -> Result<Value, SqlError> {
        let textual =
            |ty| matches!(ty, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::CSTRING);
        let out_of_range = || {
            SqlError::new(SqlState::NumericOutOfRange, format!("{} out of range", self.type_name(to, None)))
        };
        Ok(match value {
            Value::Null => Value::Null,
            _ if textual(to) => {
                let text = match value {
                    // A boolean says its name in full when it is cast.
                    Value::Bool(value) => value.to_string(),
                    _ => self.output(value, from)?.unwrap_or_default(),
                };
                text::input(&text, to)?
            }
            Value::Text(text) => self.input(text, to)?,
            Value::Array(array) if types::is_array(to) => {
                let of = |ty| types::element_of(ty).unwrap_or(oid::TEXT);
                let (from, to) = (of(from), of(to));
                let items = array.items.iter().map(|item| self.cast(item, from, to));
                let items = items.collect::<Result<Vec<_>, _>>()?;
                Value::Array(Arc::new(Array { lower: array.lower, items }))
            }
            Value::Int(number) => match to {
                oid::BOOL => Value::Bool(*number != 0),
                oid::FLOAT4 | oid::FLOAT8 => Value::Float(*number as f64),
                oid::INT2 if i16::try_from(*number).is_err() => return Err(out_of_range()),
                oid::INT4 if i32::try_from(*number).is_err() => return Err(out_of_range()),
                _ if types::is_time(from) && types::is_time(to) => time(*number, from, to),
                _ => Value::Int(*number),
            },
            Value::Float(number) if types::is_integer(to) => Value::Int(number.round_ties_even() as i64),
            Value::Bool(value) if types::is_integer(to) => Value::Int(i64::from(*value)),
            other => other.clone(),
        })
    }
}

/// Dates are days, moments are microseconds.
fn time(number: i64, from: u32, to: u32) -> Value {
    const DAY: i64 = 86_400_000_000;
    Value::Int(match (from, to) {
        (oid::DATE, oid::TIMESTAMP | oid::TIMESTAMPTZ) => number.saturating_mul(DAY),
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, oid::DATE) => number.div_euclid(DAY),
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, oid::TIME) => number.rem_euclid(DAY),
        _ => number,
    })
}

/// The parts of a name as SQL writes it: split at dots, folded unless quoted.
pub(crate) fn parse_name(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.trim().chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let Some(part) = parts.last_mut() else { break };
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => part.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ if quoted => part.push(c),
            c => part.push(c.to_ascii_lowercase()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_dots_outside_of_quotes() {
        assert_eq!(parse_name("Public.\"A.b\"\"\""), ["public", "A.b\""]);
    }
}
