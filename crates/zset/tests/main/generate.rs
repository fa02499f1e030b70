//! Random schemas, values and batches.

use proptest::prelude::*;
use std::collections::BTreeMap;
use zset::{Batch, BatchBuilder, ColumnType, Datum, Interval, Schema, Type};

/// A Z-set as a map: the model of a batch. Values follow from keys, as they do in real batches.
pub(crate) type Model = BTreeMap<Vec<u8>, i64>;

pub(crate) fn types() -> impl Strategy<Value = Type> {
    prop::sample::select(Type::SAMPLES.to_vec())
}

/// A schema of up to six columns with any of them, in any order, as its key.
pub(crate) fn schemas() -> impl Strategy<Value = Schema> {
    let columns = prop::collection::vec((types(), any::<bool>()), 0..6);
    columns.prop_flat_map(|columns| {
        let all: Vec<u32> = (0..columns.len() as u32).collect();
        let count = 0..=columns.len();
        let columns: Vec<ColumnType> =
            columns.into_iter().map(|(ty, nullable)| ColumnType { ty, nullable }).collect();
        (Just(columns), Just(all).prop_shuffle(), count).prop_map(|(columns, mut key, count)| {
            key.truncate(count);
            Schema::new(columns, key)
        })
    })
}

fn integers(ty: Type) -> BoxedStrategy<i64> {
    let (low, high) = match ty {
        Type::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Type::Int32 | Type::Date => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    prop_oneof![-2i64..3, Just(low), Just(high), low..=high].boxed()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(vec![0u8, 1, b'a', b'b', 0xfe, 0xff]);
    prop_oneof![8 => prop::collection::vec(byte, 0..5), 1 => prop::collection::vec(any::<u8>(), 100..200)]
}

fn text() -> impl Strategy<Value = String> {
    let letter = prop::sample::select(vec!['\0', '\u{1}', 'a', 'b', 'é', '\u{10ffff}']);
    prop::collection::vec(letter, 0..12).prop_map(|letters| letters.into_iter().collect())
}

fn floats() -> impl Strategy<Value = f64> {
    let special = [0.0, -0.0, 1.5, -1.5, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324];
    prop_oneof![prop::sample::select(special.to_vec()), any::<f64>()]
}

fn intervals() -> impl Strategy<Value = Interval> {
    let day = 86_400_000_000i64;
    let micros = prop_oneof![Just(0), Just(day), Just(30 * day), Just(-day), any::<i64>()];
    let months = prop_oneof![-1i32..2, any::<i32>()];
    let days = prop_oneof![-31i32..32, any::<i32>()];
    (months, days, micros).prop_map(|(months, days, micros)| Interval { months, days, micros })
}

/// A value of a column, NULL now and then if the column may hold it.
pub(crate) fn datums(column: ColumnType) -> BoxedStrategy<Datum> {
    let value = match column.ty {
        Type::Bool => any::<bool>().prop_map(Datum::Bool).boxed(),
        // A narrow float is compared as what it is stored as.
        Type::Float32 => floats().prop_map(|value| Datum::Float(f64::from(value as f32))).boxed(),
        Type::Float64 => floats().prop_map(Datum::Float).boxed(),
        Type::Decimal { precision: 19.., .. } => {
            prop_oneof![-2i128..3, any::<i128>()].prop_map(Datum::Wide).boxed()
        }
        Type::Text => text().prop_map(Datum::Text).boxed(),
        Type::Bytes => bytes().prop_map(Datum::Bytes).boxed(),
        Type::Interval => intervals().prop_map(Datum::Interval).boxed(),
        ty => integers(ty).prop_map(Datum::Int).boxed(),
    };
    if column.nullable { prop_oneof![1 => Just(Datum::Null), 3 => value].boxed() } else { value }
}

/// Rows of a schema.
pub(crate) fn rows(schema: &Schema, count: std::ops::Range<usize>) -> BoxedStrategy<Vec<Vec<Datum>>> {
    let row: Vec<BoxedStrategy<Datum>> = schema.columns.iter().map(|&column| datums(column)).collect();
    prop::collection::vec(row, count).boxed()
}

/// Keys with long shared prefixes that are often equal, and prefixes of each other.
pub(crate) fn keys() -> impl Strategy<Value = Vec<u8>> {
    let short = prop::collection::vec(0u8..3, 0..4);
    let number = (0u64..2000).prop_map(|number| number.to_be_bytes().to_vec());
    let long = (0u8..3, 0usize..300).prop_map(|(byte, length)| vec![byte; length]);
    prop_oneof![2 => short, 8 => number, 1 => long]
}

pub(crate) fn changes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(Vec<u8>, i64)>> {
    prop::collection::vec((keys(), -2i64..3), count)
}

/// The value that goes with a key; some are empty, some long enough for a length prefix of two bytes.
pub(crate) fn value_of(key: &[u8]) -> Vec<u8> {
    let seed = key.iter().fold(7usize, |seed, &byte| (seed * 31 + usize::from(byte)) % 1009);
    vec![seed as u8; if seed.is_multiple_of(50) { 130 } else { seed % 20 }]
}

pub(crate) fn build(changes: &[(Vec<u8>, i64)]) -> Batch {
    let mut builder = BatchBuilder::new();
    for (key, weight) in changes {
        builder.push(key, &value_of(key), *weight).expect("small rows fit");
    }
    builder.finish().expect("small weights")
}

pub(crate) fn model<'a>(changes: impl IntoIterator<Item = &'a (Vec<u8>, i64)>) -> Model {
    let mut model = Model::new();
    for (key, weight) in changes {
        *model.entry(key.clone()).or_default() += weight;
    }
    model.retain(|_, weight| *weight != 0);
    model
}

/// Fails unless the batch holds exactly the rows of the model, in order.
#[track_caller]
pub(crate) fn assert_is(batch: &Batch, model: &Model) {
    let rows: Vec<(Vec<u8>, Vec<u8>, i64)> =
        batch.iter().map(|(key, value, weight)| (key.to_vec(), value.to_vec(), weight)).collect();
    let expected: Vec<(Vec<u8>, Vec<u8>, i64)> =
        model.iter().map(|(key, &weight)| (key.clone(), value_of(key), weight)).collect();
    assert_eq!(rows, expected);
}
