//! The border between Arrow's types and ours: data types, single values, columns and whole batches.
//!
//! Every type of ours has one Arrow type that stands for it ([`to_arrow`]); several of Arrow's map to
//! one of ours ([`from_arrow`]): all time units become microseconds, all layouts of text one text,
//! unsigned integers the signed ones that hold them, with a check where a value might not fit.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringViewBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    Schema as ArrowSchema, SchemaRef, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::FormatOptions;
use datafusion::common::ScalarValue;
use zset::{ColumnType, Data, Datum, Interval, Lane, Type, Vector};

use crate::catalog::ColumnDef;
use crate::error::{SqlError, SqlState};
use crate::origin::Origin;

const UTC: &str = "+00:00";

/// The Arrow type that stands for one of ours.
pub fn to_arrow(ty: Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Int16 => DataType::Int16,
        Type::Int32 => DataType::Int32,
        Type::Int64 => DataType::Int64,
        Type::Float32 => DataType::Float32,
        Type::Float64 => DataType::Float64,
        Type::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
        Type::Text => DataType::Utf8View,
        Type::Bytes => DataType::Binary,
        Type::Date => DataType::Date32,
        Type::Time => DataType::Time64(TimeUnit::Microsecond),
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        Type::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
    }
}

/// Our type for an Arrow type, if there is one.
pub fn from_arrow(ty: &DataType) -> Option<Type> {
    Some(match ty {
        DataType::Boolean => Type::Bool,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::Int16,
        DataType::Int32 | DataType::UInt16 => Type::Int32,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 | DataType::Duration(_) => Type::Int64,
        DataType::Float16 | DataType::Float32 => Type::Float32,
        DataType::Float64 => Type::Float64,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            Type::Decimal { precision: *p, scale: u8::try_from(*s).ok()? }
        }
        DataType::Decimal256(p, s) if *p <= 38 => {
            Type::Decimal { precision: *p, scale: u8::try_from(*s).ok()? }
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => Type::Text,
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            Type::Bytes
        }
        DataType::Date32 | DataType::Date64 => Type::Date,
        DataType::Time32(_) | DataType::Time64(_) => Type::Time,
        DataType::Timestamp(_, None) => Type::Timestamp,
        DataType::Timestamp(_, Some(_)) => Type::TimestampTz,
        DataType::Interval(_) => Type::Interval,
        DataType::Dictionary(_, value) => return from_arrow(value),
        _ => return None,
    })
}

/// Our type for an Arrow type, or the refusal that names it.
pub fn from_arrow_or_refuse(ty: &DataType) -> Result<Type, SqlError> {
    from_arrow(ty).ok_or_else(|| SqlError::unsupported(format!("a column of type {ty}")))
}

/// The Arrow schema of some columns.
pub fn arrow_schema(columns: &[ColumnDef]) -> SchemaRef {
    let fields = columns.iter().map(|c| Field::new(&c.name, to_arrow(c.ty.ty), c.ty.nullable));
    Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
}

/// The Arrow schema of some columns of an answer, each with what it is a column of.
pub(crate) fn answer_schema(columns: Vec<(ColumnDef, Option<Origin>)>) -> SchemaRef {
    let fields = columns.into_iter().map(|(column, origin)| {
        let field = Field::new(column.name, to_arrow(column.ty.ty), column.ty.nullable);
        match origin {
            Some(origin) => origin.put_on(field),
            None => field,
        }
    });
    Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
}

/// The columns of an Arrow schema.
pub fn column_defs(schema: &ArrowSchema) -> Result<Vec<ColumnDef>, SqlError> {
    let column = |field: &Arc<Field>| {
        let ty = from_arrow_or_refuse(field.data_type())?;
        let column = ColumnDef::new(field.name(), ColumnType { ty, nullable: field.is_nullable() });
        Ok(ColumnDef { max_len: Origin::of(field).and_then(|origin| origin.max_len), ..column })
    };
    schema.fields().iter().map(column).collect()
}

/// A column as an Arrow array of the type that stands for `ty`.
pub fn to_array(vector: Vector, ty: Type) -> Result<ArrayRef, SqlError> {
    let nulls = vector.valid.map(NullBuffer::from);
    let array: ArrayRef = match (vector.data, ty) {
        (Data::Bool(values), Type::Bool) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
        (Data::I64(values), _) => return integers_to_array(values, nulls, ty),
        (Data::I128(values), Type::Decimal { precision, scale }) => {
            Arc::new(decimals(values, nulls, precision, scale)?)
        }
        (Data::F64(values), Type::Float32) => {
            let narrow: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            Arc::new(Float32Array::new(narrow.into(), nulls))
        }
        (Data::F64(values), Type::Float64) => Arc::new(Float64Array::new(values.into(), nulls)),
        (Data::Bytes(values), Type::Text) => {
            let mut builder = StringViewBuilder::with_capacity(values.len());
            for row in 0..values.len() {
                if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                    builder.append_null();
                    continue;
                }
                let text = std::str::from_utf8(values.get(row))
                    .map_err(|_| SqlError::new(SqlState::DataCorrupted, "stored text is not UTF-8"))?;
                builder.append_value(text);
            }
            Arc::new(builder.finish())
        }
        (Data::Bytes(values), Type::Bytes) => {
            let mut builder = BinaryBuilder::with_capacity(values.len(), 0);
            for row in 0..values.len() {
                match nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                    true => builder.append_null(),
                    false => builder.append_value(values.get(row)),
                }
            }
            Arc::new(builder.finish())
        }
        (Data::Interval(values), Type::Interval) => {
            let values = values.into_iter().map(to_arrow_interval).collect::<Result<Vec<_>, _>>()?;
            Arc::new(IntervalMonthDayNanoArray::new(values.into(), nulls))
        }
        (data, ty) => {
            return Err(SqlError::internal(format!("a column of type {ty} holds {:?}", lane_of(&data))));
        }
    };
    Ok(array)
}

fn integers_to_array(values: Vec<i64>, nulls: Option<NullBuffer>, ty: Type) -> Result<ArrayRef, SqlError> {
    Ok(match ty {
        Type::Int16 => {
            let narrow: Vec<i16> = values.into_iter().map(|v| v as i16).collect();
            Arc::new(Int16Array::new(narrow.into(), nulls))
        }
        Type::Int32 => {
            let narrow: Vec<i32> = values.into_iter().map(|v| v as i32).collect();
            Arc::new(Int32Array::new(narrow.into(), nulls))
        }
        Type::Date => {
            let narrow: Vec<i32> = values.into_iter().map(|v| v as i32).collect();
            Arc::new(Date32Array::new(narrow.into(), nulls))
        }
        Type::Int64 => Arc::new(Int64Array::new(values.into(), nulls)),
        Type::Decimal { precision, scale } => {
            let wide = values.into_iter().map(i128::from).collect();
            Arc::new(decimals(wide, nulls, precision, scale)?)
        }
        Type::Time => Arc::new(Time64MicrosecondArray::new(values.into(), nulls)),
        Type::Timestamp => Arc::new(TimestampMicrosecondArray::new(values.into(), nulls)),
        Type::TimestampTz => {
            Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone(UTC))
        }
        other => return Err(SqlError::internal(format!("a column of type {other} holds integers"))),
    })
}

fn decimals(
    values: Vec<i128>,
    nulls: Option<NullBuffer>,
    precision: u8,
    scale: u8,
) -> Result<Decimal128Array, SqlError> {
    Ok(Decimal128Array::new(values.into(), nulls).with_precision_and_scale(precision, scale as i8)?)
}

fn lane_of(data: &Data) -> Lane {
    match data {
        Data::Bool(_) => Lane::Bool,
        Data::I64(_) => Lane::I64,
        Data::I128(_) => Lane::I128,
        Data::F64(_) => Lane::F64,
        Data::Bytes(_) => Lane::Bytes,
        Data::Interval(_) => Lane::Interval,
    }
}

/// An Arrow array as a column of `ty`, converted first where the array is of another type.
pub fn to_vector(array: &ArrayRef, ty: Type) -> Result<Vector, SqlError> {
    let array = canonical(array, ty)?;
    let data = match ty {
        Type::Bool => {
            let bools = array.as_boolean();
            Data::Bool((0..bools.len()).map(|i| bools.is_valid(i) && bools.value(i)).collect())
        }
        Type::Int16 => Data::I64(widen::<Int16Type, _>(&array, i64::from)),
        Type::Int32 => Data::I64(widen::<Int32Type, _>(&array, i64::from)),
        Type::Date => Data::I64(widen::<Date32Type, _>(&array, i64::from)),
        Type::Int64 => Data::I64(widen::<Int64Type, _>(&array, |v| v)),
        Type::Time => Data::I64(widen::<Time64MicrosecondType, _>(&array, |v| v)),
        Type::Timestamp | Type::TimestampTz => Data::I64(widen::<TimestampMicrosecondType, _>(&array, |v| v)),
        Type::Decimal { .. } if ty.lane() == Lane::I64 => {
            Data::I64(widen::<Decimal128Type, _>(&array, |v| v as i64))
        }
        Type::Decimal { .. } => Data::I128(widen::<Decimal128Type, _>(&array, |v| v)),
        Type::Float32 => Data::F64(widen::<Float32Type, _>(&array, |v| plain_float(f64::from(v)))),
        Type::Float64 => Data::F64(widen::<Float64Type, _>(&array, plain_float)),
        Type::Text => {
            let texts = array.as_string_view();
            let mut out = Vector::new(Lane::Bytes);
            for row in 0..texts.len() {
                push_bytes(&mut out, texts.is_valid(row).then(|| texts.value(row).as_bytes()));
            }
            return Ok(out);
        }
        Type::Bytes => {
            let bytes = array.as_binary::<i32>();
            let mut out = Vector::new(Lane::Bytes);
            for row in 0..bytes.len() {
                push_bytes(&mut out, bytes.is_valid(row).then(|| bytes.value(row)));
            }
            return Ok(out);
        }
        Type::Interval => Data::Interval(widen::<IntervalMonthDayNanoType, _>(&array, |v| Interval {
            months: v.months,
            days: v.days,
            micros: v.nanoseconds / 1000,
        })),
    };
    Ok(Vector { data, valid: validity(&array) })
}

fn push_bytes(out: &mut Vector, value: Option<&[u8]>) {
    let row = out.len();
    if let Data::Bytes(strings) = &mut out.data {
        strings.push(value.unwrap_or_default());
    }
    match (&mut out.valid, value) {
        (Some(valid), _) => valid.push(value.is_some()),
        (None, Some(_)) => {}
        (None, None) => {
            let mut valid = vec![true; row];
            valid.push(false);
            out.valid = Some(valid);
        }
    }
}

/// One NaN and one zero, as stored values have.
fn plain_float(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

fn validity(array: &ArrayRef) -> Option<Vec<bool>> {
    let nulls = array.nulls().filter(|n| n.null_count() > 0)?;
    Some(nulls.iter().collect())
}

/// The values with zeros under NULL, which is what a column of ours holds there.
fn widen<T: ArrowPrimitiveType, U: Default>(array: &ArrayRef, convert: impl Fn(T::Native) -> U) -> Vec<U> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    match array.nulls().filter(|n| n.null_count() > 0) {
        None => array.values().iter().map(|&v| convert(v)).collect(),
        Some(nulls) => {
            let value = |(v, valid): (&T::Native, bool)| if valid { convert(*v) } else { U::default() };
            array.values().iter().zip(nulls.iter()).map(value).collect()
        }
    }
}

/// The array in the type that stands for `ty`; a value that does not fit is an error.
pub fn canonical(array: &ArrayRef, ty: Type) -> Result<ArrayRef, SqlError> {
    let wanted = to_arrow(ty);
    if array.data_type() == &wanted {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    let same_clock = |unit: &TimeUnit| DataType::Timestamp(*unit, Some(UTC.into()));
    let array = match (array.data_type(), ty) {
        // A zone only says how an instant is shown.
        (DataType::Timestamp(unit, Some(_)), Type::TimestampTz) => {
            cast_with_options(array, &same_clock(unit), &options)?
        }
        _ => Arc::clone(array),
    };
    Ok(cast_with_options(&array, &wanted, &options)?)
}

/// A result's columns in the types that stand for ours; types we lack stay as they are.
pub fn canonical_batch(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SqlError> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let columns = batch.columns().iter().zip(schema.fields()).map(|(array, field)| {
        match from_arrow(field.data_type()) {
            Some(ty) if array.data_type() != field.data_type() => canonical(array, ty),
            _ => Ok(Arc::clone(array)),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    record_batch(schema, columns, batch.num_rows())
}

/// The schema of [`canonical_batch`]'s result.
pub fn canonical_schema(schema: &ArrowSchema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let ty = from_arrow(field.data_type()).map_or_else(|| field.data_type().clone(), to_arrow);
        Field::new(field.name(), ty, field.is_nullable())
    });
    Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
}

/// A batch that may have no columns.
pub fn record_batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, SqlError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// A single value as Arrow has it.
pub fn to_scalar(value: &Datum, ty: Type) -> Result<ScalarValue, SqlError> {
    if *value == Datum::Null {
        return Ok(ScalarValue::try_from(&to_arrow(ty))?);
    }
    let mut vector = Vector::new(ty.lane());
    vector.push_datum(value);
    let array = to_array(vector, ty)?;
    Ok(ScalarValue::try_from_array(&array, 0)?)
}

/// A single value as we have it.
pub fn to_datum(value: &ScalarValue, ty: Type) -> Result<Datum, SqlError> {
    if value.is_null() {
        return Ok(Datum::Null);
    }
    let array = value.to_array()?;
    Ok(to_vector(&array, ty)?.get_as(0, ty))
}

fn to_arrow_interval(value: Interval) -> Result<IntervalMonthDayNano, SqlError> {
    let nanos = value
        .micros
        .checked_mul(1000)
        .ok_or_else(|| SqlError::new(SqlState::DatetimeOverflow, "interval out of range"))?;
    Ok(IntervalMonthDayNano::new(value.months, value.days, nanos))
}
