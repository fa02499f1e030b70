//! Rows: encoding keeps order and identity, and comes back.

use crate::generate::{datums, rows, schemas};
use proptest::prelude::*;
use std::cmp::Ordering;
use zset::{
    Batch, BatchBuilder, ColumnType, Datum, Discriminator, Layout, Schema, Secret, Type, Vector, ZsetError,
};

const SECRET: Secret = Secret(*b"sixteen bytes ok");

fn schema_and_rows() -> impl Strategy<Value = (Schema, Vec<Vec<Datum>>)> {
    schemas().prop_flat_map(|schema| {
        let rows = rows(&schema, 1..30);
        (Just(schema), rows)
    })
}

fn vectors(schema: &Schema, rows: &[Vec<Datum>]) -> Vec<Vector> {
    let column = |(index, column): (usize, &ColumnType)| {
        Vector::from_datums(column.ty.lane(), rows.iter().map(|row| &row[index]))
    };
    schema.columns.iter().enumerate().map(column).collect()
}

/// Each row as a batch of its own, so that row numbers are kept.
fn singly(layout: &Layout, rows: &[Vec<Datum>]) -> Vec<Batch> {
    let encode = |row: &Vec<Datum>| {
        let mut builder = BatchBuilder::new();
        layout.encode_datums(row, 1, &mut builder).expect("a row of the schema");
        builder.finish_sorted()
    };
    rows.iter().map(encode).collect()
}

/// All rows in one unsorted batch, encoded a column at a time.
fn together(layout: &Layout, rows: &[Vec<Datum>]) -> Batch {
    let columns = vectors(layout.schema(), rows);
    let columns: Vec<&Vector> = columns.iter().collect();
    let mut builder = BatchBuilder::new();
    layout.encode(&columns, rows.len(), &vec![1; rows.len()], &mut builder).expect("rows of the schema");
    builder.finish_sorted()
}

fn key_of(schema: &Schema, row: &[Datum]) -> Vec<Datum> {
    schema.key.iter().map(|&column| row[column as usize].clone()).collect()
}

proptest! {
    #[test]
    fn byte_order_is_typed_order_and_equal_keys_are_equal_rows((schema, rows) in schema_and_rows()) {
        let layout = Layout::new(&schema, SECRET);
        let encoded = singly(&layout, &rows);
        for (a, row_a) in encoded.iter().zip(&rows) {
            for (b, row_b) in encoded.iter().zip(&rows) {
                let keys = key_of(&schema, row_a).cmp(&key_of(&schema, row_b));
                let parts = layout.key_part(a.key(0)).cmp(layout.key_part(b.key(0)));
                prop_assert_eq!(keys, parts);
                prop_assert_eq!(row_a == row_b, a.key(0) == b.key(0));
                if keys != Ordering::Equal {
                    prop_assert_eq!(keys, a.key(0).cmp(b.key(0)));
                }
                if row_a == row_b {
                    prop_assert_eq!(a.value(0), b.value(0));
                }
            }
        }
    }

    #[test]
    fn vectors_and_datums_encode_alike_and_decode((schema, rows) in schema_and_rows()) {
        let layout = Layout::new(&schema, SECRET);
        let batch = together(&layout, &rows);
        for ((row, single), datums) in (0..).zip(singly(&layout, &rows)).zip(&rows) {
            prop_assert_eq!(batch.key(row), single.key(0));
            prop_assert_eq!(batch.value(row), single.value(0));
            prop_assert_eq!(&layout.decode_row(&batch, row), datums);
            prop_assert_eq!(layout.decode_key(batch.key(row), schema.key.len()), key_of(&schema, datums));
        }
        let backwards: Vec<u32> = (0..rows.len() as u32).rev().collect();
        for (column, of) in (0..).zip(&schema.columns) {
            let mut out = Vector::new(of.ty.lane());
            layout.decode_range(&batch, 0..rows.len(), column, &mut out);
            layout.decode(&batch, &backwards, column, &mut out);
            let expected = rows.iter().chain(rows.iter().rev()).map(|row| &row[column as usize]);
            for (at, datum) in expected.enumerate() {
                prop_assert_eq!(&out.get_as(at, of.ty), datum);
                prop_assert_eq!(out.is_valid(at), !datum.is_null());
            }
        }
    }

    #[test]
    fn prefixes_find_their_rows((schema, rows) in schema_and_rows(), columns in 0usize..6) {
        let layout = Layout::new(&schema, SECRET);
        let columns = columns.min(schema.key.len());
        let encoded = singly(&layout, &rows);
        let vectors = vectors(&schema, &rows);
        let keys: Vec<&Vector> = schema.key[..columns].iter().map(|&key| &vectors[key as usize]).collect();
        for (row, datums) in rows.iter().enumerate() {
            let mut prefix = vec![42];
            layout.encode_prefix(&key_of(&schema, datums)[..columns], &mut prefix).expect("values of a row");
            let mut same = Vec::new();
            layout.encode_prefix_vectors(&keys, row, &mut same).expect("values of a row");
            prop_assert_eq!(&prefix[1..], &same[..]);
            prop_assert_eq!(layout.prefix_len(encoded[row].key(0), columns), same.len());
            for (other, batch) in rows.iter().zip(&encoded) {
                let equal = key_of(&schema, other)[..columns] == key_of(&schema, datums)[..columns];
                prop_assert_eq!(batch.key(0).starts_with(&same), equal);
            }
        }
    }

    #[test]
    fn what_lies_under_a_null_does_not_matter(value in datums(ColumnType::required(Type::Int64)), key in any::<bool>()) {
        let schema = Schema::new(vec![ColumnType::nullable(Type::Int64)], if key { vec![0] } else { vec![] });
        let layout = Layout::new(&schema, SECRET);
        let mut vector = Vector::from_datums(Type::Int64.lane(), [&value]);
        vector.valid = Some(vec![false]);
        let mut builder = BatchBuilder::new();
        layout.encode(&[&vector], 1, &[1], &mut builder).expect("a row of the schema");
        layout.encode_datums(&[Datum::Null], 1, &mut builder).expect("a row of the schema");
        let batch = builder.finish().expect("small weights");
        prop_assert_eq!((batch.len(), batch.weight(0)), (1, 2));
    }

    #[test]
    fn bytes_that_no_writer_made_decode_without_panic(
        schema in schemas(),
        key in prop::collection::vec(any::<u8>(), 0..30),
        value in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let layout = Layout::new(&schema, SECRET);
        let mut builder = BatchBuilder::new();
        builder.push(&key, &value, 1).expect("a small row");
        let batch = builder.finish_sorted();
        layout.decode_row(&batch, 0);
        layout.prefix_len(&key, 1);
        layout.decode_key(&key, schema.key.len());
    }
}

#[test]
fn discriminators_follow_from_the_schema() {
    let required = ColumnType::required;
    let of = |columns: Vec<ColumnType>, key| Layout::new(&Schema::new(columns, key), SECRET).discriminator();
    assert_eq!(of(vec![required(Type::Int64)], vec![0]), Discriminator::Empty);
    assert_eq!(of(vec![required(Type::Int64); 3], vec![0]), Discriminator::Inline(16));
    assert_eq!(of(vec![required(Type::Int64); 4], vec![0]), Discriminator::Hash);
    let nullable = vec![required(Type::Int64), ColumnType::nullable(Type::Int64), required(Type::Int64)];
    assert_eq!(of(nullable, vec![0]), Discriminator::Hash);
    assert_eq!(of(vec![required(Type::Int64), required(Type::Text)], vec![0]), Discriminator::Hash);
    assert_eq!(of(vec![], vec![]), Discriminator::Empty);
}

/// The examples of `docs/file-format.md`, and one of every form of V: bytes that must never change.
#[test]
fn the_format_is_what_the_document_says() {
    let nullable = ColumnType::nullable;
    let columns = vec![
        ColumnType::required(Type::Text),
        nullable(Type::Int16),
        nullable(Type::Bool),
        nullable(Type::Int32),
        nullable(Type::Text),
        ColumnType::required(Type::Bytes),
        nullable(Type::Float32),
    ];
    let layout = Layout::new(&Schema::new(columns, vec![0, 1, 2]), SECRET);
    let row = [
        Datum::Text("a\0b".into()),
        Datum::Int(5),
        Datum::Null,
        Datum::Int(-2),
        Datum::Null,
        Datum::Bytes(vec![7, 8]),
        Datum::Float(-0.0),
    ];
    let batch = &singly(&layout, &[row.to_vec()])[0];
    let key = b"a\0\xffb\0\0\x01\x80\x05\x02\0";
    assert_eq!(layout.key_part(batch.key(0)), key);
    assert_eq!(batch.value(0), b"\x02\xfe\xff\xff\xff\0\0\0\0\0\0\0\0\x02\0\0\0\x07\x08");
    let hash = batch.key(0)[key.len()..].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hash, "859503ba84304cb9f87141a46bbf6580", "SipHash-1-3, 128 bits, of V");
    assert_eq!(batch.regions()[2][0], 27);
    assert_eq!((batch.regions()[0], batch.regions()[1]), (&[1, 0, 0, 0, 0, 0, 0, 0][..], &[0; 8][..]));
}

#[test]
fn the_hash_depends_on_the_secret() {
    let schema = Schema::new(vec![ColumnType::required(Type::Text)], vec![]);
    let key = |secret| {
        let row = [Datum::Text("row".into())];
        singly(&Layout::new(&schema, Secret(secret)), &[row.to_vec()])[0].key(0).to_vec()
    };
    assert_ne!(key([0; 16]), key([1; 16]));
    assert_eq!(key([1; 16]).len(), 16);
}

#[test]
fn refused_rows_leave_nothing_behind() {
    let schema = Schema::new(
        vec![
            ColumnType::required(Type::Int16),
            ColumnType::required(Type::Text),
            ColumnType::required(Type::Date),
        ],
        vec![1, 0],
    );
    let layout = Layout::new(&schema, SECRET);
    let text = Datum::Text("x".into());
    let cases = [
        (vec![Datum::Int(1), text.clone(), Datum::Null], ZsetError::Null { column: 2 }),
        (vec![Datum::Null, text.clone(), Datum::Int(0)], ZsetError::Null { column: 0 }),
        (vec![Datum::Int(40_000), text.clone(), Datum::Int(0)], ZsetError::OutOfRange { column: 0 }),
        (vec![Datum::Int(0), text, Datum::Int(1 << 40)], ZsetError::OutOfRange { column: 2 }),
    ];
    for (row, error) in cases {
        let mut builder = BatchBuilder::new();
        let columns = vectors(&schema, &[row.clone(), row.clone()]);
        let columns: Vec<&Vector> = columns.iter().collect();
        assert_eq!(layout.encode_datums(&row, 1, &mut builder), Err(error.clone()));
        assert_eq!(layout.encode(&columns, 2, &[1, 1], &mut builder), Err(error));
        assert_eq!((builder.len(), builder.bytes()), (0, 0));
        assert!(builder.finish().expect("nothing").is_empty());
    }
    let mut builder = BatchBuilder::new();
    let wrong = [Datum::Bool(true), Datum::Int(1), Datum::Int(1)];
    assert_eq!(layout.encode_datums(&wrong, 1, &mut builder), Err(ZsetError::Shape { column: 1 }));
    assert!(layout.encode_datums(&wrong[..2], 1, &mut builder).is_err());
    assert!(layout.encode(&[], 1, &[1], &mut builder).is_err());
    let mut prefix = vec![7];
    assert!(layout.encode_prefix(&[Datum::Text("a".into()), Datum::Null], &mut prefix).is_err());
    assert_eq!(prefix, [7]);
}
