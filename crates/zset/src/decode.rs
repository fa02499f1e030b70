//! Bytes into columns.
//!
//! A column is decoded by one loop that knows its type and where it lies: at a fixed offset of K or V, or behind
//! strings, which are walked over. Bytes that no writer made decode to the lane's zero.

use crate::batch::Batch;
use crate::datum::Datum;
use crate::keycode::*;
use crate::layout::{KeyColumn, Layout, Place, ValueColumn};
use crate::types::Type;
use crate::vector::{Data, Vector};
use std::ops::Range;

impl Layout {
    /// Appends one column of some rows of a batch to `out`, in the order of `rows`.
    ///
    /// # Panics
    /// If a row or the column does not exist, or `out` is of another lane.
    pub fn decode(&self, batch: &Batch, rows: &[u32], column: u32, out: &mut Vector) {
        self.decode_rows(batch, rows.iter().map(|&row| row as usize), column, out);
    }

    /// Appends one column of a range of rows of a batch to `out`.
    ///
    /// # Panics
    /// As [`decode`](Layout::decode).
    pub fn decode_range(&self, batch: &Batch, rows: Range<usize>, column: u32, out: &mut Vector) {
        self.decode_rows(batch, rows, column, out);
    }

    /// All columns of one row.
    pub fn decode_row(&self, batch: &Batch, row: usize) -> Vec<Datum> {
        let columns = 0..self.places.len() as u32;
        columns.map(|column| self.decode_datum(batch, row, column)).collect()
    }

    /// One column of one row.
    pub fn decode_datum(&self, batch: &Batch, row: usize, column: u32) -> Datum {
        let ty = self.schema().columns[column as usize].ty;
        let mut vector = Vector::new(ty.lane());
        self.decode_range(batch, row..row + 1, column, &mut vector);
        vector.get_as(0, ty)
    }

    /// The first `columns` key columns of an encoded key, for messages and for groups.
    pub fn decode_key(&self, key: &[u8], columns: usize) -> Vec<Datum> {
        let decode = |(index, column): (usize, &KeyColumn)| {
            let at = column.at.unwrap_or_else(|| self.walk(key, index));
            let mut vector = Vector::new(column.ty.lane());
            let slots = std::iter::once(key_slot(key, at, column.nullable));
            fill_key(column.ty, slots, &mut vector);
            vector.get_as(0, column.ty)
        };
        self.keys.iter().enumerate().take(columns).map(decode).collect()
    }

    fn decode_rows(
        &self,
        batch: &Batch,
        rows: impl Iterator<Item = usize> + Clone,
        column: u32,
        out: &mut Vector,
    ) {
        match self.places[column as usize] {
            Place::Key(index) => {
                let key = self.keys[index];
                match (key.at, key.nullable) {
                    (Some(at), false) => {
                        fill_key(key.ty, rows.map(|row| key_slot(batch.key(row), at, false)), out);
                    }
                    (Some(at), true) => {
                        fill_key(key.ty, rows.map(|row| key_slot(batch.key(row), at, true)), out);
                    }
                    (None, nullable) => {
                        let slot = |row| {
                            let bytes = batch.key(row);
                            key_slot(bytes, self.walk(bytes, index), nullable)
                        };
                        fill_key(key.ty, rows.map(slot), out);
                    }
                }
            }
            Place::Value(index) => self.decode_value(&self.values[index], batch, rows, out),
        }
    }

    fn decode_value(
        &self,
        value: &ValueColumn,
        batch: &Batch,
        rows: impl Iterator<Item = usize> + Clone,
        out: &mut Vector,
    ) {
        let at = value.at;
        if let Data::Bytes(strings) = &mut out.data {
            let bytes = rows.clone().map(|row| self.string(value, self.value_of(batch, row)));
            bytes.for_each(|bytes| strings.push(bytes));
        } else {
            let slots = rows.clone().map(|row| self.value_of(batch, row).get(at..));
            fill_slots(value.ty, slots, out);
        }
        match value.null_bit {
            None => note_all_valid(out),
            Some(bit) => {
                let byte = |row| self.value_of(batch, row).get(bit / 8).copied().unwrap_or(0);
                note_valid(out, rows.map(|row| byte(row) >> (bit % 8) & 1 == 0));
            }
        }
    }

    /// The bytes of a string column in V.
    fn string<'a>(&self, column: &ValueColumn, value: &'a [u8]) -> &'a [u8] {
        let end_at = |at: usize| {
            let end = value.get(at..).and_then(|rest| rest.first_chunk::<4>());
            self.head + end.map_or(0, |end| u32::from_le_bytes(*end) as usize)
        };
        let start = if column.at == self.ends_at { self.head } else { end_at(column.at - 4) };
        value.get(start..end_at(column.at)).unwrap_or_default()
    }
}

/// The bytes of a key from a column on, or `None` if the column is NULL.
#[inline(always)]
fn key_slot(key: &[u8], at: usize, nullable: bool) -> Option<&[u8]> {
    if !nullable {
        return key.get(at..);
    }
    match key.get(at..)? {
        [VALUE, rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Appends a key column, given the bytes of each row from it on.
fn fill_key<'a>(ty: Type, slots: impl Iterator<Item = Option<&'a [u8]>> + Clone, out: &mut Vector) {
    let slots_again = slots.clone();
    match &mut out.data {
        Data::Bool(to) => fill(to, slots, |[byte]| *byte != 0),
        Data::I64(to) => match ty {
            Type::Int16 => fill(to, slots, unkey_i16),
            Type::Int32 | Type::Date => fill(to, slots, unkey_i32),
            _ => fill(to, slots, unkey_i64),
        },
        Data::I128(to) => fill(to, slots, unkey_i128),
        Data::F64(to) if ty == Type::Float32 => fill(to, slots, unkey_f32),
        Data::F64(to) => fill(to, slots, unkey_f64),
        Data::Interval(to) => fill(to, slots, unkey_interval),
        Data::Bytes(to) => {
            for slot in slots {
                to.push_with(|heap| unescape(slot.unwrap_or_default(), heap));
            }
        }
    }
    note_valid(out, slots_again.map(|slot| slot.is_some()));
}

/// Appends a value column of fixed width, given the bytes of each row from its slot on. NULLs are zero.
fn fill_slots<'a>(ty: Type, slots: impl Iterator<Item = Option<&'a [u8]>>, out: &mut Vector) {
    match &mut out.data {
        Data::Bool(to) => fill(to, slots, |[byte]| *byte != 0),
        Data::I64(to) => match ty {
            Type::Int16 => fill(to, slots, |bytes| i64::from(i16::from_le_bytes(*bytes))),
            Type::Int32 | Type::Date => fill(to, slots, |bytes| i64::from(i32::from_le_bytes(*bytes))),
            _ => fill(to, slots, |bytes| i64::from_le_bytes(*bytes)),
        },
        Data::I128(to) => fill(to, slots, |bytes| i128::from_le_bytes(*bytes)),
        Data::F64(to) if ty == Type::Float32 => fill(to, slots, unslot_f32),
        Data::F64(to) => fill(to, slots, |bytes| f64::from_le_bytes(*bytes)),
        Data::Interval(to) => fill(to, slots, unslot_interval),
        Data::Bytes(_) => panic!("a column of type {ty} decoded into byte strings"),
    }
}

#[inline(always)]
fn fill<'a, T: Default, const N: usize>(
    to: &mut Vec<T>,
    slots: impl Iterator<Item = Option<&'a [u8]>>,
    decode: impl Fn(&[u8; N]) -> T,
) {
    to.extend(slots.map(|slot| slot.and_then(<[u8]>::first_chunk::<N>).map(&decode).unwrap_or_default()));
}

/// Records which of the values just appended to `out` are not NULL.
fn note_valid(out: &mut Vector, valid: impl Iterator<Item = bool> + Clone) {
    if out.valid.is_none() && valid.clone().all(|valid| valid) {
        return;
    }
    let appended = valid.clone().count();
    let before = out.data.len() - appended;
    out.valid.get_or_insert_with(|| vec![true; before]).extend(valid);
}

/// Records that all values just appended to `out` are not NULL.
fn note_all_valid(out: &mut Vector) {
    let rows = out.data.len();
    if let Some(valid) = &mut out.valid {
        valid.resize(rows, true);
    }
}
