//! Rows of a catalog table, written by column names: what a builder does not name has the column's blank.

use std::sync::Arc;

use super::Table;
use crate::value::{Row, Value};
use crate::{oid, types};

/// The rows of one table.
pub(crate) struct Rows {
    table: &'static Table,
    blank: Vec<Value>,
    rows: Vec<Row>,
}

impl Rows {
    pub(crate) fn new(table: &'static Table) -> Rows {
        let blank = table.columns.iter().map(|column| match column.required {
            true => zero(column.ty),
            false => Value::Null,
        });
        Rows { table, blank: blank.collect(), rows: Vec::new() }
    }

    /// A row of these columns, best named in the table's order.
    pub(crate) fn push<const N: usize>(&mut self, fields: [(&str, Value); N]) {
        let mut row = self.blank.clone();
        let columns = &self.table.columns;
        let mut at = 0;
        for (name, value) in fields {
            let found = (at..columns.len()).chain(0..at).find(|at| columns[*at].name == name);
            debug_assert!(found.is_some(), "{} has no column {name}", self.table.name);
            if let Some(found) = found {
                row[found] = value;
                at = found + 1;
            }
        }
        self.rows.push(Arc::from(row));
    }

    /// Rows that are there already.
    pub(crate) fn extend(&mut self, rows: &[Row]) {
        self.rows.extend_from_slice(rows);
    }

    pub(crate) fn finish(self) -> Vec<Row> {
        self.rows
    }
}

fn zero(ty: u32) -> Value {
    match ty {
        oid::BOOL => Value::Bool(false),
        oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC => Value::Float(0.0),
        _ if types::is_vector(ty) => Value::vector([]),
        _ if types::is_array(ty) => Value::array(Vec::new()),
        _ if types::is_integer(ty) => Value::Int(0),
        _ => Value::text(""),
    }
}
