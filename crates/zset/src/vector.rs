//! A slice of a column: the values of one lane, one after the other, and which of them are NULL.
//!
//! Expression kernels read and write vectors; [`Layout`](crate::Layout) turns rows of them into batches and back.
//! A slot under a NULL holds the lane's zero, so that kernels may compute on it without looking. Encoding never
//! relies on that: it writes zeros there itself.

use crate::datum::Datum;
use crate::types::{Interval, Lane, Type};
use std::ops::Range;

/// A column slice.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The values.
    pub data: Data,
    /// Which of them are not NULL; `None` where all are not.
    pub valid: Option<Vec<bool>>,
}

/// The values of a column slice, by lane.
#[derive(Clone, Debug)]
pub enum Data {
    /// Booleans.
    Bool(Vec<bool>),
    /// Integers, short decimals, days, microseconds.
    I64(Vec<i64>),
    /// Long decimals.
    I128(Vec<i128>),
    /// Floats.
    F64(Vec<f64>),
    /// Byte strings.
    Bytes(Strings),
    /// Intervals.
    Interval(Vec<Interval>),
}

/// Byte strings, end to end in one heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    ends: Vec<usize>,
    heap: Vec<u8>,
}

impl Strings {
    /// No strings.
    pub fn new() -> Strings {
        Strings::default()
    }

    /// No strings, with room for `rows` of them of `bytes` bytes in all.
    pub fn with_capacity(rows: usize, bytes: usize) -> Strings {
        Strings { ends: Vec::with_capacity(rows), heap: Vec::with_capacity(bytes) }
    }

    /// Appends a string.
    pub fn push(&mut self, bytes: &[u8]) {
        self.heap.extend_from_slice(bytes);
        self.ends.push(self.heap.len());
    }

    /// Appends the string that `write` appends to the heap; what is in the heap already must stay.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.heap);
        let floor = self.ends.last().copied().unwrap_or(0);
        assert!(self.heap.len() >= floor, "a writer of strings only appends");
        self.ends.push(self.heap.len());
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.heap[start..self.ends[index]]
    }

    /// The string at `index` as text; bytes that are not UTF-8 read as empty, and no text column holds any.
    pub fn text(&self, index: usize) -> &str {
        std::str::from_utf8(self.get(index)).unwrap_or_default()
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Where each string ends in [`heap`](Strings::heap); it starts where the one before ends.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// All strings, end to end.
    pub fn heap(&self) -> &[u8] {
        &self.heap
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Removes all strings and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.heap.clear();
    }
}

impl<B: AsRef<[u8]>> FromIterator<B> for Strings {
    fn from_iter<I: IntoIterator<Item = B>>(items: I) -> Strings {
        let mut strings = Strings::new();
        items.into_iter().for_each(|item| strings.push(item.as_ref()));
        strings
    }
}

/// One call for each lane: `$body` sees the lane's `Vec` (or `Strings`) as `$values`.
macro_rules! each_lane {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            Data::Bool($values) => $body,
            Data::I64($values) => $body,
            Data::I128($values) => $body,
            Data::F64($values) => $body,
            Data::Bytes($values) => $body,
            Data::Interval($values) => $body,
        }
    };
}

impl Data {
    /// An empty column of a lane with room for `rows` values.
    pub fn with_capacity(lane: Lane, rows: usize) -> Data {
        match lane {
            Lane::Bool => Data::Bool(Vec::with_capacity(rows)),
            Lane::I64 => Data::I64(Vec::with_capacity(rows)),
            Lane::I128 => Data::I128(Vec::with_capacity(rows)),
            Lane::F64 => Data::F64(Vec::with_capacity(rows)),
            Lane::Bytes => Data::Bytes(Strings::with_capacity(rows, rows * 8)),
            Lane::Interval => Data::Interval(Vec::with_capacity(rows)),
        }
    }

    /// The lane.
    pub fn lane(&self) -> Lane {
        match self {
            Data::Bool(_) => Lane::Bool,
            Data::I64(_) => Lane::I64,
            Data::I128(_) => Lane::I128,
            Data::F64(_) => Lane::F64,
            Data::Bytes(_) => Lane::Bytes,
            Data::Interval(_) => Lane::Interval,
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        each_lane!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the lane's zero.
    pub fn push_zero(&mut self) {
        match self {
            Data::Bool(values) => values.push(false),
            Data::I64(values) => values.push(0),
            Data::I128(values) => values.push(0),
            Data::F64(values) => values.push(0.0),
            Data::Bytes(values) => values.push(&[]),
            Data::Interval(values) => values.push(Interval::default()),
        }
    }
}

impl Vector {
    /// An empty column of a lane.
    pub fn new(lane: Lane) -> Vector {
        Vector::with_capacity(lane, 0)
    }

    /// An empty column of a lane with room for `rows` values.
    pub fn with_capacity(lane: Lane, rows: usize) -> Vector {
        Vector { data: Data::with_capacity(lane, rows), valid: None }
    }

    /// A column of the same value `rows` times.
    ///
    /// # Panics
    /// If the value is of another lane.
    pub fn constant(lane: Lane, value: &Datum, rows: usize) -> Vector {
        let mut vector = Vector::with_capacity(lane, rows);
        (0..rows).for_each(|_| vector.push_datum(value));
        vector
    }

    /// A column of these values.
    ///
    /// # Panics
    /// If a value is of another lane.
    pub fn from_datums<'a>(lane: Lane, values: impl IntoIterator<Item = &'a Datum>) -> Vector {
        let mut vector = Vector::new(lane);
        values.into_iter().for_each(|value| vector.push_datum(value));
        vector
    }

    /// Removes all values and keeps the memory.
    pub fn clear(&mut self) {
        each_lane!(&mut self.data, values => values.clear());
        self.valid = None;
    }

    /// The lane.
    pub fn lane(&self) -> Lane {
        self.data.lane()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the value at `row` is not NULL.
    #[inline]
    pub fn is_valid(&self, row: usize) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid[row])
    }

    /// Whether any value is NULL.
    pub fn has_nulls(&self) -> bool {
        self.valid.as_ref().is_some_and(|valid| valid.contains(&false))
    }

    /// Appends a value. An `Int` is taken by the `i128` lane too.
    ///
    /// # Panics
    /// If the value is of another lane: a type confusion, which only a defect can cause.
    pub fn push_datum(&mut self, value: &Datum) {
        match (&mut self.data, value) {
            (_, Datum::Null) => return self.push_null(),
            (Data::Bool(values), Datum::Bool(value)) => values.push(*value),
            (Data::I64(values), Datum::Int(value)) => values.push(*value),
            (Data::I128(values), Datum::Wide(value)) => values.push(*value),
            (Data::I128(values), Datum::Int(value)) => values.push(i128::from(*value)),
            (Data::F64(values), Datum::Float(value)) => values.push(*value),
            (Data::Bytes(values), Datum::Text(value)) => values.push(value.as_bytes()),
            (Data::Bytes(values), Datum::Bytes(value)) => values.push(value),
            (Data::Interval(values), Datum::Interval(value)) => values.push(*value),
            (data, value) => panic!("{value:?} pushed onto a column of lane {:?}", data.lane()),
        }
        self.note_valid();
    }

    /// Appends NULL.
    pub fn push_null(&mut self) {
        let rows = self.len();
        self.valid.get_or_insert_with(|| vec![true; rows]).push(false);
        self.data.push_zero();
    }

    /// Records that the value just pushed onto `data` is not NULL; needed after every push that goes around
    /// [`push_datum`](Vector::push_datum).
    #[inline]
    pub fn note_valid(&mut self) {
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }

    /// The value at `row`. Byte strings that are UTF-8 come back as text: a lane does not know which it holds;
    /// [`get_as`](Vector::get_as) does.
    pub fn get(&self, row: usize) -> Datum {
        if !self.is_valid(row) {
            return Datum::Null;
        }
        match &self.data {
            Data::Bool(values) => Datum::Bool(values[row]),
            Data::I64(values) => Datum::Int(values[row]),
            Data::I128(values) => Datum::Wide(values[row]),
            Data::F64(values) => Datum::Float(values[row]),
            Data::Interval(values) => Datum::Interval(values[row]),
            Data::Bytes(values) => match String::from_utf8(values.get(row).to_vec()) {
                Ok(text) => Datum::Text(text),
                Err(error) => Datum::Bytes(error.into_bytes()),
            },
        }
    }

    /// The value at `row` of a column of type `ty`.
    pub fn get_as(&self, row: usize, ty: Type) -> Datum {
        match (&self.data, ty) {
            (Data::Bytes(values), Type::Bytes) if self.is_valid(row) => {
                Datum::Bytes(values.get(row).to_vec())
            }
            _ => self.get(row),
        }
    }

    /// Appends the rows of another column of the same lane, by index, in the order given.
    ///
    /// # Panics
    /// If the lanes differ or an index is out of range.
    pub fn extend_gather(&mut self, from: &Vector, rows: &[u32]) {
        self.extend_rows(from, rows.iter().map(|&row| row as usize));
    }

    /// Appends a range of the rows of another column of the same lane.
    ///
    /// # Panics
    /// If the lanes differ or the range is out of bounds.
    pub fn extend_range(&mut self, from: &Vector, rows: Range<usize>) {
        self.extend_rows(from, rows);
    }

    fn extend_rows(&mut self, from: &Vector, rows: impl Iterator<Item = usize> + Clone) {
        let before = self.len();
        match (&mut self.data, &from.data) {
            (Data::Bool(to), Data::Bool(from)) => to.extend(rows.clone().map(|row| from[row])),
            (Data::I64(to), Data::I64(from)) => to.extend(rows.clone().map(|row| from[row])),
            (Data::I128(to), Data::I128(from)) => to.extend(rows.clone().map(|row| from[row])),
            (Data::F64(to), Data::F64(from)) => to.extend(rows.clone().map(|row| from[row])),
            (Data::Bytes(to), Data::Bytes(from)) => rows.clone().for_each(|row| to.push(from.get(row))),
            (Data::Interval(to), Data::Interval(from)) => to.extend(rows.clone().map(|row| from[row])),
            (to, from) => panic!("rows of lane {:?} appended to lane {:?}", from.lane(), to.lane()),
        }
        let after = self.len();
        match (&mut self.valid, &from.valid) {
            (None, None) => {}
            (Some(valid), None) => valid.resize(after, true),
            (valid, Some(from)) => {
                let valid = valid.get_or_insert_with(|| vec![true; before]);
                valid.extend(rows.map(|row| from[row]));
            }
        }
    }
}

impl From<Vec<i64>> for Vector {
    fn from(values: Vec<i64>) -> Vector {
        Vector { data: Data::I64(values), valid: None }
    }
}

impl From<Vec<f64>> for Vector {
    fn from(values: Vec<f64>) -> Vector {
        Vector { data: Data::F64(values), valid: None }
    }
}

impl From<Vec<bool>> for Vector {
    fn from(values: Vec<bool>) -> Vector {
        Vector { data: Data::Bool(values), valid: None }
    }
}

impl From<Strings> for Vector {
    fn from(values: Strings) -> Vector {
        Vector { data: Data::Bytes(values), valid: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_appear_when_the_first_is_pushed() {
        let mut vector = Vector::new(Lane::I64);
        vector.push_datum(&Datum::Int(1));
        assert!(vector.valid.is_none());
        vector.push_null();
        vector.push_datum(&Datum::Int(3));
        assert_eq!(vector.valid, Some(vec![true, false, true]));
        let mut copy = Vector::from(vec![9]);
        copy.extend_gather(&vector, &[2, 1]);
        copy.extend_range(&Vector::from(vec![4, 5]), 0..2);
        let read: Vec<Datum> = (0..copy.len()).map(|row| copy.get(row)).collect();
        assert_eq!(read, [9.into(), 3.into(), Datum::Null, 4.into(), 5.into()]);
        assert!(copy.has_nulls());
        copy.clear();
        assert!(copy.is_empty() && !copy.has_nulls());
    }

    #[test]
    fn strings_keep_their_borders() {
        let mut strings: Strings = ["a", "", "bc"].into_iter().collect();
        strings.push_with(|heap| heap.extend_from_slice(b"xyz"));
        assert_eq!(strings.iter().collect::<Vec<_>>(), [&b"a"[..], b"", b"bc", b"xyz"]);
        assert_eq!(strings.text(3), "xyz");
        let vector = Vector::from([&b"\xff"[..]].into_iter().collect::<Strings>());
        assert_eq!(vector.get(0), Datum::Bytes(vec![0xff]));
        assert_eq!(Vector::from(strings).get_as(0, Type::Bytes), Datum::Bytes(b"a".to_vec()));
    }
}
