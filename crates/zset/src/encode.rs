//! Rows into bytes, a column at a time.
//!
//! First the length of every row's K and V is computed, column by column; then the entries are laid out in the
//! builder's heaps; then each column is written into all rows by one loop that knows its type. Where lengths are
//! fixed, positions are a multiplication; else there is one cursor a row. The branch on type, nullability and
//! kind of position is taken once a column.

use crate::builder::{BatchBuilder, pack};
use crate::error::ZsetError;
use crate::keycode::*;
use crate::layout::{Discriminator, KeyColumn, Layout, ValueColumn, check_datum, encode_key};
use crate::types::Type;
use crate::varint;
use crate::vector::{Data, Strings, Vector};
use crate::{Datum, weights};
use std::borrow::Borrow;

impl Layout {
    /// Encodes `rows` rows, given as one vector for each column of the schema, each row with its weight, and
    /// pushes them onto `out`. On an error nothing is pushed.
    pub fn encode(
        &self,
        columns: &[&Vector],
        rows: usize,
        weights: &[i64],
        out: &mut BatchBuilder,
    ) -> Result<(), ZsetError> {
        self.check_shapes(columns, rows, weights)?;
        let before = Mark::of(out);
        let result = self.encode_checked(columns, rows, out);
        match result {
            Ok(()) => out.weights.extend_from_slice(weights),
            Err(_) => before.restore(out),
        }
        result
    }

    /// Encodes one row of one datum for each column of the schema. On an error nothing is pushed.
    pub fn encode_datums<D: Borrow<Datum>>(
        &self,
        row: &[D],
        weight: i64,
        out: &mut BatchBuilder,
    ) -> Result<(), ZsetError> {
        if row.len() != self.places.len() {
            return Err(ZsetError::Shape { column: row.len().min(self.places.len()) as u32 });
        }
        weights::add(weight, 0)?;
        let before = Mark::of(out);
        let result = self.encode_row(row, out);
        match result {
            Ok(()) => out.weights.push(weight),
            Err(_) => before.restore(out),
        }
        result
    }

    fn check_shapes(&self, columns: &[&Vector], rows: usize, weights: &[i64]) -> Result<(), ZsetError> {
        let schema = &self.schema().columns;
        if columns.len() != schema.len() || weights.len() != rows {
            return Err(ZsetError::Shape { column: columns.len().min(schema.len()) as u32 });
        }
        for (column, (of, vector)) in (0..).zip(schema.iter().zip(columns)) {
            let lengths = [Some(vector.len()), vector.valid.as_ref().map(Vec::len)];
            if vector.lane() != of.ty.lane() || lengths.into_iter().flatten().any(|length| length != rows) {
                return Err(ZsetError::Shape { column });
            }
            if !of.nullable && vector.has_nulls() {
                return Err(ZsetError::Null { column });
            }
        }
        weights.iter().try_for_each(|&weight| weights::add(weight, 0).map(drop))
    }

    fn encode_checked(
        &self,
        columns: &[&Vector],
        rows: usize,
        out: &mut BatchBuilder,
    ) -> Result<(), ZsetError> {
        let key_sizes = self.key_sizes(columns, rows);
        let value_sizes = self.value_sizes(columns, rows);
        out.check_room(rows, key_sizes.bound(rows), value_sizes.bound(rows))?;
        let mut keys = key_sizes.lay_out(rows, &mut out.keys);
        let values = value_sizes.lay_out(rows, &mut out.values);
        out.offsets.extend(
            keys.starts.iter(rows).zip(values.starts.iter(rows)).map(|(key, value)| pack(key, value)),
        );
        for key in &self.keys {
            write_key(key, columns[key.column as usize], rows, &mut keys.at, &mut out.keys)?;
        }
        match self.discriminator() {
            Discriminator::Empty => Ok(()),
            Discriminator::Inline(_) => self.write_values(columns, rows, &keys.at, &mut out.keys),
            Discriminator::Hash => {
                self.write_values(columns, rows, &values.at, &mut out.values)?;
                for ((at, from), row) in keys.at.iter(rows).zip(values.at.iter(rows)).zip(0..) {
                    let value = &out.values[from..from + value_sizes.of(row)];
                    out.keys[at..at + 16].copy_from_slice(&self.hash(value));
                }
                Ok(())
            }
        }
    }

    fn key_sizes(&self, columns: &[&Vector], rows: usize) -> Sizes {
        let tail = self.discriminator().width();
        if let Some(width) = self.key_width {
            return Sizes::Fixed(width + tail);
        }
        let fixed: usize = self.keys.iter().map(|key| key.width.unwrap_or(usize::from(key.nullable))).sum();
        let mut sizes = vec![fixed + tail; rows];
        for key in self.keys.iter().filter(|key| key.width.is_none()) {
            let vector = columns[key.column as usize];
            let Data::Bytes(strings) = &vector.data else { continue };
            for (row, size) in sizes.iter_mut().enumerate() {
                *size += if vector.is_valid(row) { escaped_len(strings.get(row)) } else { 0 };
            }
        }
        Sizes::Each(sizes)
    }

    fn value_sizes(&self, columns: &[&Vector], rows: usize) -> Sizes {
        if self.discriminator() != Discriminator::Hash {
            return Sizes::Fixed(0);
        }
        if self.ends_at == self.head {
            return Sizes::Fixed(self.head);
        }
        let mut sizes = vec![self.head; rows];
        for value in self.values.iter().filter(|value| value.ty.width().is_none()) {
            let vector = columns[value.column as usize];
            let Data::Bytes(strings) = &vector.data else { continue };
            for (row, size) in sizes.iter_mut().enumerate() {
                *size += if vector.is_valid(row) { strings.get(row).len() } else { 0 };
            }
        }
        Sizes::Each(sizes)
    }

    /// Writes V of every row at its position in a heap, whose bytes there are zero.
    fn write_values(
        &self,
        columns: &[&Vector],
        rows: usize,
        at: &Positions,
        heap: &mut [u8],
    ) -> Result<(), ZsetError> {
        let mut tails = if self.ends_at == self.head { Vec::new() } else { vec![0u32; rows] };
        for value in &self.values {
            let vector = columns[value.column as usize];
            if let (Some(bit), Some(valid)) = (value.null_bit, &vector.valid) {
                for (at, valid) in at.iter(rows).zip(valid) {
                    heap[at + bit / 8] |= u8::from(!valid) << (bit % 8);
                }
            }
            match &vector.data {
                Data::Bytes(strings) => self.write_tail(value, vector, strings, at, &mut tails, heap),
                _ => write_slot(value, vector, rows, at, heap)?,
            }
        }
        Ok(())
    }

    fn write_tail(
        &self,
        value: &ValueColumn,
        vector: &Vector,
        strings: &Strings,
        at: &Positions,
        tails: &mut [u32],
        heap: &mut [u8],
    ) {
        for ((row, tail), at) in tails.iter_mut().enumerate().zip(at.iter(strings.len())) {
            if vector.is_valid(row) {
                let bytes = strings.get(row);
                let start = at + self.head + *tail as usize;
                heap[start..start + bytes.len()].copy_from_slice(bytes);
                *tail += bytes.len() as u32;
            }
            heap[at + value.at..at + value.at + 4].copy_from_slice(&tail.to_le_bytes());
        }
    }

    fn encode_row<D: Borrow<Datum>>(&self, row: &[D], out: &mut BatchBuilder) -> Result<(), ZsetError> {
        let of = |key: &KeyColumn| row[key.column as usize].borrow();
        let key_columns: usize = self.keys.iter().map(|key| key_size(key, of(key))).sum();
        let key_size = key_columns + self.discriminator().width();
        let value_size = match self.discriminator() {
            Discriminator::Hash => {
                self.head + self.values.iter().map(|value| tail_size(value, row)).sum::<usize>()
            }
            _ => 0,
        };
        out.check_room(1, key_size + varint::MAX, value_size + varint::MAX)?;
        out.offsets.push(pack(out.keys.len(), out.values.len()));
        varint::write(&mut out.keys, key_size as u32);
        varint::write(&mut out.values, value_size as u32);
        for key in &self.keys {
            encode_key(key, of(key), &mut out.keys)?;
        }
        match self.discriminator() {
            Discriminator::Empty => Ok(()),
            Discriminator::Inline(_) => self.encode_value(row, &mut out.keys),
            Discriminator::Hash => {
                let start = out.values.len();
                self.encode_value(row, &mut out.values)?;
                out.keys.extend_from_slice(&self.hash(&out.values[start..]));
                Ok(())
            }
        }
    }

    /// Appends V of one row.
    fn encode_value<D: Borrow<Datum>>(&self, row: &[D], out: &mut Vec<u8>) -> Result<(), ZsetError> {
        let start = out.len();
        let of = |value: &ValueColumn| row[value.column as usize].borrow();
        let bitmap = self.values.iter().filter(|value| value.null_bit.is_some()).count().div_ceil(8);
        out.resize(start + bitmap, 0);
        for value in &self.values {
            check_datum(value.column, value.ty, value.null_bit.is_some(), of(value))?;
            if let (Some(bit), true) = (value.null_bit, of(value).is_null()) {
                out[start + bit / 8] |= 1 << (bit % 8);
            }
            if let Some(width) = value.ty.width()
                && !push_slot(value.ty, of(value), out)
            {
                out.resize(out.len() + width, 0);
            }
        }
        let strings = || self.values.iter().filter(|value| value.ty.width().is_none());
        let mut tail = 0;
        for value in strings() {
            tail += tail_size(value, row) as u32;
            out.extend_from_slice(&tail.to_le_bytes());
        }
        for value in strings() {
            out.extend_from_slice(of(value).as_bytes().unwrap_or_default());
        }
        Ok(())
    }
}

fn key_size(key: &KeyColumn, value: &Datum) -> usize {
    let marker = usize::from(key.nullable);
    key.width.unwrap_or_else(|| marker + value.as_bytes().map_or(0, escaped_len))
}

fn tail_size<D: Borrow<Datum>>(value: &ValueColumn, row: &[D]) -> usize {
    let of = || row[value.column as usize].borrow();
    let bytes = if value.ty.width().is_none() { of().as_bytes() } else { None };
    bytes.map_or(0, <[u8]>::len)
}

/// The sizes of a builder before an operation that may fail.
struct Mark {
    offsets: usize,
    keys: usize,
    values: usize,
}

impl Mark {
    fn of(out: &BatchBuilder) -> Mark {
        Mark { offsets: out.offsets.len(), keys: out.keys.len(), values: out.values.len() }
    }

    fn restore(&self, out: &mut BatchBuilder) {
        out.offsets.truncate(self.offsets);
        out.keys.truncate(self.keys);
        out.values.truncate(self.values);
    }
}

/// The size of every row's entry in a heap, without its length prefix.
enum Sizes {
    Fixed(usize),
    Each(Vec<usize>),
}

/// Where the entries of rows start in a heap, and where the next column is written into each.
struct Entries {
    starts: Positions,
    at: Positions,
}

/// One position a row.
enum Positions {
    Strided { base: usize, stride: usize },
    Each(Vec<usize>),
}

impl Sizes {
    fn of(&self, row: usize) -> usize {
        match self {
            Sizes::Fixed(size) => *size,
            Sizes::Each(sizes) => sizes[row],
        }
    }

    /// Bytes that all entries take at most.
    fn bound(&self, rows: usize) -> usize {
        let sizes = match self {
            Sizes::Fixed(size) => size.saturating_mul(rows),
            Sizes::Each(sizes) => sizes.iter().sum(),
        };
        sizes.saturating_add(rows.saturating_mul(varint::MAX))
    }

    /// Appends an entry of zeros for every row.
    fn lay_out(&self, rows: usize, heap: &mut Vec<u8>) -> Entries {
        let base = heap.len();
        match self {
            Sizes::Fixed(size) => {
                let prefix = varint::size(*size as u32);
                let stride = prefix + size;
                heap.resize(base + rows * stride, 0);
                for entry in heap[base..].chunks_exact_mut(stride) {
                    varint::write_at(entry, *size as u32);
                }
                Entries {
                    starts: Positions::Strided { base, stride },
                    at: Positions::Strided { base: base + prefix, stride },
                }
            }
            Sizes::Each(sizes) => {
                let total: usize = sizes.iter().map(|&size| size + varint::size(size as u32)).sum();
                heap.resize(base + total, 0);
                let mut next = base;
                let mut starts = Vec::with_capacity(rows);
                let mut at = Vec::with_capacity(rows);
                for &size in sizes {
                    let prefix = varint::write_at(&mut heap[next..], size as u32);
                    starts.push(next);
                    at.push(next + prefix);
                    next += prefix + size;
                }
                Entries { starts: Positions::Each(starts), at: Positions::Each(at) }
            }
        }
    }
}

impl Positions {
    fn iter(&self, rows: usize) -> impl Iterator<Item = usize> + '_ {
        (0..rows).map(|row| match self {
            Positions::Strided { base, stride } => base + row * stride,
            Positions::Each(each) => each[row],
        })
    }

    /// Calls `write` with every row and its position.
    #[inline(always)]
    fn each(&self, rows: usize, mut write: impl FnMut(usize, usize)) {
        match self {
            Positions::Strided { base, stride } => {
                let mut at = *base;
                for row in 0..rows {
                    write(row, at);
                    at += stride;
                }
            }
            Positions::Each(each) => each.iter().enumerate().for_each(|(row, &at)| write(row, at)),
        }
    }

    /// Moves every row's position on by `width`.
    fn advance(&mut self, width: usize) {
        match self {
            Positions::Strided { base, .. } => *base += width,
            Positions::Each(each) => each.iter_mut().for_each(|at| *at += width),
        }
    }
}

/// Writes one key column into all rows and moves their positions past it.
fn write_key(
    key: &KeyColumn,
    vector: &Vector,
    rows: usize,
    at: &mut Positions,
    heap: &mut [u8],
) -> Result<(), ZsetError> {
    if key.nullable {
        at.each(rows, |row, at| heap[at] = if vector.is_valid(row) { VALUE } else { NULL });
        at.advance(1);
    }
    let mut slots = Slots { heap, at, rows, offset: 0, valid: vector.valid.as_deref() };
    match &vector.data {
        Data::Bool(values) => slots.put(|row| [u8::from(values[row])]),
        Data::I64(values) => match key.ty {
            Type::Int16 => slots.put_checked(key.column, values, key.ty, key_i16)?,
            Type::Int32 | Type::Date => slots.put_checked(key.column, values, key.ty, key_i32)?,
            _ => slots.put(|row| key_i64(values[row])),
        },
        Data::I128(values) => slots.put(|row| key_i128(values[row])),
        Data::F64(values) if key.ty == Type::Float32 => slots.put(|row| key_f32(values[row])),
        Data::F64(values) => slots.put(|row| key_f64(values[row])),
        Data::Interval(values) => slots.put(|row| key_interval(values[row])),
        Data::Bytes(strings) => write_string_keys(strings, vector, at, heap),
    }
    at.advance(key_width(key.ty).unwrap_or(0));
    Ok(())
}

fn write_string_keys(strings: &Strings, vector: &Vector, at: &mut Positions, heap: &mut [u8]) {
    // A key with a string in it has one position a row: its length is not fixed.
    let Positions::Each(each) = at else { return };
    for (row, at) in each.iter_mut().enumerate().filter(|(row, _)| vector.is_valid(*row)) {
        *at += escape(strings.get(row), &mut heap[*at..]);
    }
}

/// Writes one fixed-width value column into all rows.
fn write_slot(
    value: &ValueColumn,
    vector: &Vector,
    rows: usize,
    at: &Positions,
    heap: &mut [u8],
) -> Result<(), ZsetError> {
    let mut slots = Slots { heap, at, rows, offset: value.at, valid: vector.valid.as_deref() };
    match &vector.data {
        Data::Bool(values) => slots.put(|row| [u8::from(values[row])]),
        Data::I64(values) => match value.ty {
            Type::Int16 => slots.put_checked(value.column, values, value.ty, |v| (v as i16).to_le_bytes())?,
            Type::Int32 | Type::Date => {
                slots.put_checked(value.column, values, value.ty, |v| (v as i32).to_le_bytes())?;
            }
            _ => slots.put(|row| values[row].to_le_bytes()),
        },
        Data::I128(values) => slots.put(|row| values[row].to_le_bytes()),
        Data::F64(values) if value.ty == Type::Float32 => slots.put(|row| slot_f32(values[row])),
        Data::F64(values) => slots.put(|row| slot_f64(values[row])),
        Data::Interval(values) => slots.put(|row| slot_interval(values[row])),
        Data::Bytes(_) => {}
    }
    Ok(())
}

/// The places of one column of fixed width in all rows. Those of NULLs are left as they are: zero.
struct Slots<'a> {
    heap: &'a mut [u8],
    at: &'a Positions,
    rows: usize,
    offset: usize,
    valid: Option<&'a [bool]>,
}

impl Slots<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: impl Fn(usize) -> [u8; N]) {
        let Slots { heap, at, rows, offset, valid } = self;
        match valid {
            None => {
                at.each(*rows, |row, at| heap[at + *offset..at + *offset + N].copy_from_slice(&bytes(row)))
            }
            Some(valid) => at.each(*rows, |row, at| {
                if valid[row] {
                    heap[at + *offset..at + *offset + N].copy_from_slice(&bytes(row));
                }
            }),
        }
    }

    /// Writes integers narrower than their lane; fails if one does not fit.
    fn put_checked<const N: usize>(
        &mut self,
        column: u32,
        values: &[i64],
        ty: Type,
        bytes: impl Fn(i64) -> [u8; N],
    ) -> Result<(), ZsetError> {
        let fitting = match self.valid {
            None => values.iter().fold(true, |all, &value| all & fits(ty, value)),
            Some(valid) => values.iter().zip(valid).all(|(&value, &valid)| !valid || fits(ty, value)),
        };
        if !fitting {
            return Err(ZsetError::OutOfRange { column });
        }
        self.put(|row| bytes(values[row]));
        Ok(())
    }
}
