//! What the database says, in the reference's values.
//!
//! Results and deltas arrive as Arrow batches; here they become bags, with every integer width one
//! kind of integer and every decimal exact, so that only what SQL can tell apart differs.

use crate::reference::query::{Bag, add_weight};
use crate::reference::{Row, Value};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fmt::Write;

/// The rows of a result, in order.
pub fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let rows_of = |batch: &RecordBatch| -> Vec<Row> {
        (0..batch.num_rows())
            .map(|row| batch.columns().iter().map(|column| value(column, row)).collect())
            .collect()
    };
    batches.iter().flat_map(rows_of).collect()
}

/// A result as a bag.
pub fn bag(batches: &[RecordBatch]) -> Bag {
    let mut bag = Bag::new();
    rows(batches).into_iter().for_each(|row| add_weight(&mut bag, row, 1));
    bag
}

/// Adds a delta to a bag.
pub fn add_delta(bag: &mut Bag, rows_of: &RecordBatch, weights: &[i64]) {
    for (row, weight) in rows(std::slice::from_ref(rows_of)).into_iter().zip(weights) {
        add_weight(bag, row, *weight);
    }
}

/// One value of a column.
pub fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let int = |value: i64| Value::Int(value);
    match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int8 => int(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => int(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => int(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => int(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => int(column.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => int(column.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => int(column.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => int(column.as_primitive::<UInt64Type>().value(row) as i64),
        DataType::Float32 => Value::double(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Value::double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            Value::decimal(column.as_primitive::<Decimal128Type>().value(row), scale.unsigned_abs())
        }
        DataType::Utf8 => Value::text(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Value::text(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Value::text(column.as_string_view().value(row)),
        DataType::Date32 => Value::Date(column.as_primitive::<Date32Type>().value(row)),
        _ => printed(column, row),
    }
}

fn printed(column: &ArrayRef, row: usize) -> Value {
    let formatter = ArrayFormatter::try_new(column, &FormatOptions::default());
    let text = formatter.map(|formatter| formatter.value(row).to_string());
    Value::Other(text.unwrap_or_else(|error| error.to_string()).into())
}

/// Says how two bags differ, or `None`.
pub fn difference(expected: &Bag, found: &Bag) -> Option<String> {
    let mut text = String::new();
    let mut lines = 0;
    for row in expected.keys().chain(found.keys().filter(|row| !expected.contains_key(*row))) {
        let weight = |bag: &Bag| bag.get(row).copied().unwrap_or(0);
        if weight(expected) != weight(found) {
            lines += 1;
            if lines <= 20 {
                let values: Vec<String> = row.iter().map(Value::to_string).collect();
                let (expected, found) = (weight(expected), weight(found));
                let _ = writeln!(text, "  ({}) expected {expected} times, found {found}", values.join(", "));
            }
        }
    }
    if lines > 20 {
        let _ = writeln!(text, "  … and {} more rows", lines - 20);
    }
    (lines > 0).then_some(text)
}
