//! PostgreSQL's two representations of values, text and binary: what COPY reads and writes, and what the server
//! says to its clients.
//!
//! Writing takes a [`Cell`], a value that borrows its bytes, and appends to a buffer, so that a result of many rows
//! is written without an allocation a value. Reading gives a [`Value`](crate::Value) with the type it has; where
//! that is a number with a point, the type is as wide as the number, so nothing is rounded before its place is
//! known.

pub mod binary;
pub mod text;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use sql::{SqlError, SqlState, types};
use zset::{Datum, Interval, Lane, Type, Vector};

use crate::error::Result;

/// A value that borrows its bytes. As with [`Datum`], what it means depends on its type.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// Integers, small decimals, days and microseconds.
    Int(i64),
    /// Decimals of more than 18 digits.
    Wide(i128),
    /// Both float types.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An interval.
    Interval(Interval),
}

impl<'a> From<&'a Datum> for Cell<'a> {
    fn from(datum: &'a Datum) -> Cell<'a> {
        match datum {
            Datum::Null => Cell::Null,
            Datum::Bool(value) => Cell::Bool(*value),
            Datum::Int(value) => Cell::Int(*value),
            Datum::Wide(value) => Cell::Wide(*value),
            Datum::Float(value) => Cell::Float(*value),
            Datum::Text(value) => Cell::Text(value),
            Datum::Bytes(value) => Cell::Bytes(value),
            Datum::Interval(value) => Cell::Interval(*value),
        }
    }
}

/// The rows of an Arrow batch as cells.
#[derive(Clone, Debug)]
pub struct Cells {
    columns: Vec<(ArrayRef, Type)>,
    rows: usize,
}

impl Cells {
    /// The cells of a batch. A column of an Arrow type that is not the usual one of its type is converted first.
    pub fn new(batch: &RecordBatch) -> Result<Cells> {
        let column = |array: &ArrayRef| {
            let ty = types::from_arrow_or_refuse(array.data_type())?;
            Ok((types::canonical(array, ty)?, ty))
        };
        let columns = batch.columns().iter().map(column).collect::<std::result::Result<_, SqlError>>()?;
        Ok(Cells { columns, rows: batch.num_rows() })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The type of a column.
    pub fn ty(&self, column: usize) -> Type {
        self.columns[column].1
    }

    /// One value.
    pub fn get(&self, column: usize, row: usize) -> Cell<'_> {
        let (array, ty) = &self.columns[column];
        if array.is_null(row) {
            return Cell::Null;
        }
        match ty {
            Type::Bool => Cell::Bool(array.as_boolean().value(row)),
            Type::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
            Type::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
            Type::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
            Type::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row).into()),
            Type::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
            Type::Decimal { .. } => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                match ty.lane() {
                    Lane::I64 => Cell::Int(value as i64),
                    _ => Cell::Wide(value),
                }
            }
            Type::Text => Cell::Text(array.as_string_view().value(row)),
            Type::Bytes => Cell::Bytes(array.as_binary::<i32>().value(row)),
            Type::Date => Cell::Int(array.as_primitive::<Date32Type>().value(row).into()),
            Type::Time => Cell::Int(array.as_primitive::<Time64MicrosecondType>().value(row)),
            Type::Timestamp | Type::TimestampTz => {
                Cell::Int(array.as_primitive::<TimestampMicrosecondType>().value(row))
            }
            Type::Interval => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let micros = value.nanoseconds / 1000;
                Cell::Interval(Interval { months: value.months, days: value.days, micros })
            }
        }
    }
}

/// A value of a column in memory.
pub(crate) fn cell(vector: &Vector, ty: Type, row: usize) -> Datum {
    if vector.is_valid(row) { vector.get_as(row, ty) } else { Datum::Null }
}

/// A decimal as wide as its digits need, with the type that says so.
fn decimal(unscaled: i128, scale: u8) -> Result<(Datum, Type)> {
    let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log as u8 + 1);
    let precision = digits.max(scale).max(1);
    if precision > MAX_DIGITS {
        return Err(too_many_digits().into());
    }
    let ty = Type::Decimal { precision, scale };
    let datum = match ty.lane() {
        Lane::I64 => Datum::Int(unscaled as i64),
        _ => Datum::Wide(unscaled),
    };
    Ok((datum, ty))
}

/// Digits of the widest decimal.
const MAX_DIGITS: u8 = 38;

fn too_many_digits() -> SqlError {
    SqlError::new(SqlState::NumericOutOfRange, format!("a number has more than {MAX_DIGITS} digits"))
}

#[cfg(test)]
mod tests;
