//! Random tables and the values in them.

use super::{Generator, Hazard};
use crate::reference::model::{ColumnSpec, TableSpec};
use crate::reference::{Row, Type, Value};

const TEXTS: [&str; 12] =
    ["", "a", "ab", "abc", "b", "B", "Ba", "x y", "é", "a%", "it's", "zebra and a longer text"];

/// Around a leap day, the epoch and a turn of the century.
const DAYS: [i32; 8] = [19_780, 19_781, 19_782, 19_783, 0, -1, 10_957, 19_800];

impl Generator {
    /// A table: with a primary key of one or two columns of any type but a float, or a bag.
    pub(super) fn table(&mut self, number: usize) -> TableSpec {
        let width = 2 + self.random.below(4);
        let mut columns: Vec<ColumnSpec> = (0..width)
            .map(|at| ColumnSpec {
                name: ["a", "b", "c", "d", "e"][at].to_owned(),
                ty: self.column_type(at),
                nullable: self.random.percent(75),
            })
            .collect();
        let mut key = Vec::new();
        if self.random.percent(55) {
            let candidates: Vec<usize> = (0..width).filter(|at| may_be_key(columns[*at].ty)).collect();
            let parts = 1 + usize::from(self.random.percent(35));
            for _ in 0..parts.min(candidates.len()) {
                let column = *self.random.pick(&candidates);
                if !key.contains(&column) {
                    key.push(column);
                }
            }
        }
        for column in &key {
            columns[*column].nullable = false;
        }
        TableSpec { name: format!("t{number}"), columns, key }
    }

    /// The first column is an integer, so that there is always something to join and to add up.
    fn column_type(&mut self, at: usize) -> Type {
        match self.random.below(if at == 0 { 40 } else { 100 }) {
            0..25 => Type::Integer,
            25..35 => Type::Bigint,
            35..40 => Type::Smallint,
            40..60 => Type::Text,
            60..70 => Type::Decimal(*self.random.pick(&[6, 12, 20]), 2),
            70..80 => Type::Double,
            80..90 => Type::Date,
            _ => Type::Bool,
        }
    }

    /// A value for a column.
    pub(super) fn value(&mut self, column: &ColumnSpec) -> Value {
        if column.nullable && self.random.percent(15) {
            return Value::Null;
        }
        self.constant(column.ty)
    }

    /// A value that is not NULL.
    pub(super) fn constant(&mut self, ty: Type) -> Value {
        match ty {
            Type::Bool => Value::Bool(self.random.percent(50)),
            Type::Smallint | Type::Integer | Type::Bigint => self.integer(ty),
            Type::Decimal(..) => Value::decimal((self.random.between(-6, 12) * 25).into(), 2),
            Type::Double if self.random.percent(2) => Value::double(f64::NAN),
            // Quarters: every sum and product of a few of them is exact.
            Type::Double => Value::double(self.random.between(-8, 16) as f64 / 4.0),
            Type::Text => Value::text(self.random.pick(&TEXTS)),
            Type::Date => Value::Date(*self.random.pick(&DAYS)),
        }
    }

    fn integer(&mut self, ty: Type) -> Value {
        if self.hazard == Hazard::Overflow && self.random.percent(5) {
            let (low, high) = ty.integer_range().expect("an integer type");
            return Value::Int(*self.random.pick(&[low, low + 1, high, high - 1]));
        }
        Value::Int(if self.random.percent(10) {
            self.random.between(-40, 100)
        } else {
            self.random.between(-2, 6)
        })
    }

    /// A row for a table.
    pub(super) fn row(&mut self, table: &TableSpec) -> Row {
        table.columns.iter().map(|column| self.value(column)).collect()
    }
}

fn may_be_key(ty: Type) -> bool {
    !matches!(ty, Type::Double | Type::Bool)
}
