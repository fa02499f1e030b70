//! A compiled schema: where in K and V each column lies, and how rows are told apart.
//!
//! K is the key columns in key order, then the discriminator. V is, with no byte of slack:
//!
//! ```text
//! ┌ null bitmap ┬ fixed slots, little-endian ┬ u32 end of each string ┬ strings, end to end ┐
//! │ one bit for each nullable column │ in schema order, packed │ relative to the tail's start │
//! ```
//!
//! *Equal K means equal row*: the discriminator is empty where V is, V itself where that is short and fixed, and
//! else a keyed hash of V. `encode` and `decode` hold the column-major kernels.

use crate::batch::Batch;
use crate::datum::Datum;
use crate::error::ZsetError;
use crate::keycode::{NULL, VALUE, escaped_end, fits, key_width, push_key};
use crate::schema::{Schema, Secret};
use crate::types::{Lane, Type};
use crate::vector::Vector;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::borrow::Borrow;
use std::hash::Hasher;

/// V up to this size is its own discriminator.
const INLINE_LIMIT: usize = 16;

/// Bytes of a hash discriminator.
const HASH_BYTES: usize = 16;

/// What follows the key columns in K, fixed for a collection by its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discriminator {
    /// Nothing: the key columns are the whole row.
    Empty,
    /// V itself, of this many bytes; its entry in region V is empty.
    Inline(usize),
    /// A 128-bit keyed hash of V.
    Hash,
}

impl Discriminator {
    /// Its length in bytes.
    pub fn width(self) -> usize {
        match self {
            Discriminator::Empty => 0,
            Discriminator::Inline(width) => width,
            Discriminator::Hash => HASH_BYTES,
        }
    }
}

/// A column of the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyColumn {
    pub(crate) column: u32,
    pub(crate) ty: Type,
    pub(crate) nullable: bool,
    /// Its offset in K, where every column before it is of fixed width.
    pub(crate) at: Option<usize>,
    /// Its bytes in K, marker included, where that is fixed.
    pub(crate) width: Option<usize>,
}

/// A column of the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueColumn {
    pub(crate) column: u32,
    pub(crate) ty: Type,
    /// Its bit in the null bitmap, if it is nullable.
    pub(crate) null_bit: Option<usize>,
    /// Where its slot or its end offset lies in V.
    pub(crate) at: usize,
}

/// Where a column of the schema is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Key(usize),
    Value(usize),
}

/// A schema made ready to encode, decode and search.
#[derive(Clone, Debug)]
pub struct Layout {
    schema: Schema,
    secret: Secret,
    discriminator: Discriminator,
    pub(crate) keys: Vec<KeyColumn>,
    pub(crate) values: Vec<ValueColumn>,
    pub(crate) places: Vec<Place>,
    /// Bytes of the key columns, where fixed.
    pub(crate) key_width: Option<usize>,
    /// Where in V the end offsets start.
    pub(crate) ends_at: usize,
    /// Bytes of V before the strings.
    pub(crate) head: usize,
}

impl Layout {
    /// Compiles a schema.
    ///
    /// # Panics
    /// If the key names a column that does not exist or names one twice: see [`Schema::is_valid`].
    pub fn new(schema: &Schema, secret: Secret) -> Layout {
        assert!(schema.is_valid(), "invalid key of schema {schema}");
        let (keys, key_width) = key_columns(schema);
        let (values, ends_at, head) = value_columns(schema);
        let fixed = values.iter().all(|value| value.ty.width().is_some());
        let discriminator = match head {
            _ if values.is_empty() => Discriminator::Empty,
            head if fixed && head <= INLINE_LIMIT => Discriminator::Inline(head),
            _ => Discriminator::Hash,
        };
        let mut places = vec![Place::Key(0); schema.columns.len()];
        for (index, key) in keys.iter().enumerate() {
            places[key.column as usize] = Place::Key(index);
        }
        for (index, value) in values.iter().enumerate() {
            places[value.column as usize] = Place::Value(index);
        }
        Layout {
            schema: schema.clone(),
            secret,
            discriminator,
            keys,
            values,
            places,
            key_width,
            ends_at,
            head,
        }
    }

    /// The schema this was made of.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How rows of one key are told apart.
    pub fn discriminator(&self) -> Discriminator {
        self.discriminator
    }

    /// Encodes the first key columns for a search: every key of a row with these values starts with the bytes
    /// appended to `out`, and no other does. Fewer values than key columns give a shorter prefix.
    ///
    /// Fails where no row can have the values: NULL in a NOT NULL column, or a number beyond its type. Nothing is
    /// appended then.
    pub fn encode_prefix<D: Borrow<Datum>>(
        &self,
        key_values: &[D],
        out: &mut Vec<u8>,
    ) -> Result<(), ZsetError> {
        let start = out.len();
        for (key, value) in self.keys.iter().zip(key_values) {
            if let Err(error) = encode_key(key, value.borrow(), out) {
                out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The same from one row of vectors, one for each of the first key columns.
    pub fn encode_prefix_vectors(
        &self,
        columns: &[&Vector],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), ZsetError> {
        let start = out.len();
        for (key, vector) in self.keys.iter().zip(columns) {
            if let Err(error) = encode_key(key, &vector.get_as(row, key.ty), out) {
                out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The byte length of the first `columns` key columns inside an encoded key.
    pub fn prefix_len(&self, key: &[u8], columns: usize) -> usize {
        match self.keys.get(columns) {
            Some(next) => next.at.unwrap_or_else(|| self.walk(key, columns)),
            None => self.key_part(key).len(),
        }
    }

    /// The key columns of K, without the discriminator.
    pub fn key_part<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        &key[..key.len().saturating_sub(self.discriminator.width())]
    }

    /// V of a row: its entry in region V, or the tail of its key.
    #[inline]
    pub fn value_of<'a>(&self, batch: &'a Batch, row: usize) -> &'a [u8] {
        match self.discriminator {
            Discriminator::Empty => &[],
            Discriminator::Inline(width) => {
                let key = batch.key(row);
                &key[key.len().saturating_sub(width)..]
            }
            Discriminator::Hash => batch.value(row),
        }
    }

    /// The offset in a key of key column `index`, found by walking over the ones before it.
    pub(crate) fn walk(&self, key: &[u8], index: usize) -> usize {
        let (mut at, mut from) = (0, 0);
        if let Some(fixed) = self.keys[..index].iter().rposition(|key| key.at.is_some()) {
            (at, from) = (self.keys[fixed].at.unwrap_or(0), fixed);
        }
        self.keys[from..index].iter().fold(at, |at, column| column.end(key, at))
    }

    /// The hash discriminator of a row.
    #[inline]
    pub(crate) fn hash(&self, value: &[u8]) -> [u8; HASH_BYTES] {
        let mut hasher = SipHasher13::new_with_key(&self.secret.0);
        hasher.write(value);
        hasher.finish128().as_bytes()
    }
}

impl KeyColumn {
    /// Where this column ends in a key in which it starts at `at`.
    #[inline]
    fn end(&self, key: &[u8], at: usize) -> usize {
        match self.width {
            Some(width) => at + width,
            None if !self.nullable => escaped_end(key, at),
            None if key.get(at) == Some(&VALUE) => escaped_end(key, at + 1),
            None => at + 1,
        }
    }
}

fn key_columns(schema: &Schema) -> (Vec<KeyColumn>, Option<usize>) {
    let mut at = Some(0);
    let keys = schema.key.iter().map(|&column| {
        let of = schema.columns[column as usize];
        let width = key_width(of.ty).map(|width| width + usize::from(of.nullable));
        let key = KeyColumn { column, ty: of.ty, nullable: of.nullable, at, width };
        at = at.zip(width).map(|(at, width)| at + width);
        key
    });
    (keys.collect(), at)
}

/// The columns of V, where its end offsets start, and where its strings do.
fn value_columns(schema: &Schema) -> (Vec<ValueColumn>, usize, usize) {
    let of = |column: u32| schema.columns[column as usize];
    let nullable = schema.value_columns().filter(|&column| of(column).nullable).count();
    let slots = schema.value_columns().filter_map(|column| of(column).ty.width()).sum::<usize>();
    let (mut next_bit, mut next_slot) = (0, nullable.div_ceil(8));
    let ends_at = next_slot + slots;
    let mut head = ends_at;
    let mut values = Vec::new();
    for column in schema.value_columns() {
        let null_bit = of(column).nullable.then(|| {
            next_bit += 1;
            next_bit - 1
        });
        let (next, width) = match of(column).ty.width() {
            Some(width) => (&mut next_slot, width),
            None => (&mut head, size_of::<u32>()),
        };
        values.push(ValueColumn { column, ty: of(column).ty, null_bit, at: *next });
        *next += width;
    }
    (values, ends_at, head)
}

/// Appends one key column.
pub(crate) fn encode_key(key: &KeyColumn, value: &Datum, out: &mut Vec<u8>) -> Result<(), ZsetError> {
    check_datum(key.column, key.ty, key.nullable, value)?;
    if value.is_null() {
        out.push(NULL);
        out.resize(out.len() + key.width.map_or(0, |width| width - 1), 0);
        return Ok(());
    }
    if key.nullable {
        out.push(VALUE);
    }
    let known = push_key(key.ty, value, out);
    assert!(known, "a datum of the type's lane is written");
    Ok(())
}

/// Fails if a column of this type cannot hold the datum.
pub(crate) fn check_datum(column: u32, ty: Type, nullable: bool, value: &Datum) -> Result<(), ZsetError> {
    let lane = value.lane();
    let widened = ty.lane() == Lane::I128 && lane == Some(Lane::I64);
    match value {
        Datum::Null if nullable => Ok(()),
        Datum::Null => Err(ZsetError::Null { column }),
        _ if lane != Some(ty.lane()) && !widened => Err(ZsetError::Shape { column }),
        Datum::Int(value) if !fits(ty, *value) => Err(ZsetError::OutOfRange { column }),
        _ => Ok(()),
    }
}
