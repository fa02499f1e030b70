//! Making batches: rows go in unsorted, a consolidated batch comes out.
//!
//! Rows are appended to heaps that have the final form already, length prefixes included. If they came in order,
//! finishing costs one scan; otherwise row numbers are sorted by key (see `sort`), equal keys are summed, and the
//! survivors' entries are gathered into new heaps. A zero sum leaves nothing behind; a sum that is not a weight
//! is an error.

use crate::batch::{Batch, HEAP_LIMIT};
use crate::error::ZsetError;
use crate::sort::{Sorted, sort};
use crate::varint;
use crate::weights;
use std::ops::Range;

/// A batch under construction.
#[derive(Clone, Debug, Default)]
pub struct BatchBuilder {
    pub(crate) weights: Vec<i64>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) keys: Vec<u8>,
    pub(crate) values: Vec<u8>,
}

impl BatchBuilder {
    /// An empty builder.
    pub fn new() -> BatchBuilder {
        BatchBuilder::default()
    }

    /// An empty builder with room for this many rows and bytes of keys and values.
    pub fn with_capacity(rows: usize, key_bytes: usize, value_bytes: usize) -> BatchBuilder {
        BatchBuilder {
            weights: Vec::with_capacity(rows),
            offsets: Vec::with_capacity(rows),
            keys: Vec::with_capacity(key_bytes),
            values: Vec::with_capacity(value_bytes),
        }
    }

    /// How many rows have been pushed.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether none has been.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Bytes that the rows pushed take.
    pub fn bytes(&self) -> usize {
        self.len() * 16 + self.keys.len() + self.values.len()
    }

    /// The key of a row that was pushed, counted in the order of pushing.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn key(&self, row: usize) -> &[u8] {
        varint::entry(&self.keys, self.offsets[row] as u32 as usize).map_or(&[], |(key, _)| key)
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.weights.clear();
        self.offsets.clear();
        self.keys.clear();
        self.values.clear();
    }

    /// Adds a row, in any order. Adding the same row again adds to its weight when the batch is finished.
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8], weight: i64) -> Result<(), ZsetError> {
        self.check_room(1, key.len() + varint::MAX, value.len() + varint::MAX)?;
        check_weight(weight)?;
        self.offsets.push(pack(self.keys.len(), self.values.len()));
        self.weights.push(weight);
        varint::write(&mut self.keys, key.len() as u32);
        self.keys.extend_from_slice(key);
        varint::write(&mut self.values, value.len() as u32);
        self.values.extend_from_slice(value);
        Ok(())
    }

    /// Adds a row of another batch with another weight.
    #[inline]
    pub fn push_from(&mut self, batch: &Batch, row: usize, weight: i64) -> Result<(), ZsetError> {
        check_weight(weight)?;
        let offsets = batch.offsets()[row];
        let (key, value) = (offsets as u32 as usize, (offsets >> 32) as usize);
        let out_of_heap = ZsetError::Corrupt { what: "an offset in O points outside its heap" };
        let ends = (varint::entry(batch.key_heap(), key), varint::entry(batch.value_heap(), value));
        let (Some((_, key_end)), Some((_, value_end))) = ends else { return Err(out_of_heap) };
        self.check_room(1, key_end - key, value_end - value)?;
        self.offsets.push(pack(self.keys.len(), self.values.len()));
        self.weights.push(weight);
        self.keys.extend_from_slice(&batch.key_heap()[key..key_end]);
        self.values.extend_from_slice(&batch.value_heap()[value..value_end]);
        Ok(())
    }

    /// Adds a range of the rows of another batch as they are: four copies, whatever their number.
    pub fn push_run(&mut self, batch: &Batch, rows: Range<usize>) -> Result<(), ZsetError> {
        let (keys, values) =
            batch.extent(rows.clone()).ok_or(ZsetError::Corrupt { what: "entries are not in row order" })?;
        self.check_room(rows.len(), keys.len(), values.len())?;
        // The two halves of an offset pair are moved at once: neither can carry, as both results are in bounds.
        let from = pack(keys.start, values.start);
        let to = pack(self.keys.len(), self.values.len());
        let run = &batch.offsets()[rows.clone()];
        self.offsets.extend(run.iter().map(|offsets| offsets.wrapping_sub(from).wrapping_add(to)));
        self.weights.extend_from_slice(&batch.weights()[rows]);
        self.keys.extend_from_slice(&batch.key_heap()[keys]);
        self.values.extend_from_slice(&batch.value_heap()[values]);
        Ok(())
    }

    /// Sorts the rows, adds up the weights of equal keys and drops zeros.
    pub fn finish(self) -> Result<Batch, ZsetError> {
        match sort(&self.keys, &self.offsets) {
            Sorted::Already if !weights::any_zero(&self.weights) => Ok(self.finish_sorted()),
            Sorted::Already => self.gather((0..self.len() as u32).map(|row| (0, row))),
            Sorted::By(order) => self.gather(order.iter().map(|entry| ((entry >> 64) as u64, *entry as u32))),
        }
    }

    /// The batch of rows that were pushed in ascending order of distinct keys, none with weight zero.
    pub fn finish_sorted(self) -> Batch {
        debug_assert_eq!(self.weights.len(), self.offsets.len(), "a row has a weight and a pair of offsets");
        Batch::from_vecs(self.weights, self.offsets, self.keys, self.values)
    }

    /// Fails unless this many more rows and bytes can be taken.
    #[inline]
    pub(crate) fn check_room(&self, rows: usize, keys: usize, values: usize) -> Result<(), ZsetError> {
        let sizes = [
            ("rows", self.len() + rows),
            ("keys", self.keys.len() + keys),
            ("values", self.values.len() + values),
        ];
        match sizes.into_iter().find(|(_, size)| *size > HEAP_LIMIT) {
            None => Ok(()),
            Some((what, size)) => Err(ZsetError::TooLarge { what, size, limit: HEAP_LIMIT }),
        }
    }

    /// Consolidates the rows, which come in order of their keys, each with a word that differs from its
    /// neighbour's only if their keys differ.
    fn gather(&self, order: impl Iterator<Item = (u64, u32)>) -> Result<Batch, ZsetError> {
        let mut out = Gather::new(self);
        let mut order = order.peekable();
        while let Some((word, row)) = order.next() {
            let mut weight = self.weights[row as usize];
            while let Some((_, same)) = order.next_if(|next| next.0 == word && self.same_key(row, next.1)) {
                weight = weights::add(weight, self.weights[same as usize])?;
            }
            if weight != 0 {
                out.push(self.offsets[row as usize], weight);
            }
        }
        debug_assert!(out.keys.used <= self.keys.len() && out.values.used <= self.values.len());
        Ok(out.finish())
    }

    #[inline]
    fn same_key(&self, left: u32, right: u32) -> bool {
        let key = |row: u32| varint::entry(&self.keys, self.offsets[row as usize] as u32 as usize);
        let (left, right) = (key(left), key(right));
        left.map(|(key, _)| key) == right.map(|(key, _)| key)
    }
}

impl Batch {
    /// The same rows with heaps that hold nothing else. A batch that is not a slice is returned as it is.
    pub fn compact(&self) -> Batch {
        let extent = self.extent(0..self.len()).unwrap_or_default();
        if extent == (0..self.key_heap().len(), 0..self.value_heap().len()) {
            return self.clone();
        }
        let mut out = BatchBuilder::with_capacity(self.len(), extent.0.len(), extent.1.len());
        match out.push_run(self, 0..self.len()) {
            Ok(()) => out.finish_sorted(),
            Err(_) => self.clone(),
        }
    }
}

/// An offset pair as O holds it.
#[inline]
pub(crate) fn pack(key: usize, value: usize) -> u64 {
    key as u64 | (value as u64) << 32
}

#[inline]
fn check_weight(weight: i64) -> Result<(), ZsetError> {
    // See `weights`: the one value that cannot be negated is not a weight.
    weights::add(weight, 0).map(drop)
}

/// Copies entries of a builder's heaps, in another order, into heaps of their own.
struct Gather<'a> {
    weights: Vec<i64>,
    offsets: Vec<u64>,
    keys: Heap<'a>,
    values: Heap<'a>,
}

impl<'a> Gather<'a> {
    fn new(from: &'a BatchBuilder) -> Gather<'a> {
        Gather {
            weights: Vec::with_capacity(from.len()),
            offsets: Vec::with_capacity(from.len()),
            keys: Heap { from: &from.keys, to: vec![0; from.keys.len()], used: 0 },
            values: Heap { from: &from.values, to: vec![0; from.values.len()], used: 0 },
        }
    }

    #[inline]
    fn push(&mut self, offsets: u64, weight: i64) {
        self.weights.push(weight);
        self.offsets.push(pack(self.keys.used, self.values.used));
        self.keys.copy(offsets as u32 as usize);
        self.values.copy((offsets >> 32) as usize);
    }

    fn finish(mut self) -> Batch {
        self.keys.to.truncate(self.keys.used);
        self.values.to.truncate(self.values.used);
        let batch = Batch::from_vecs(self.weights, self.offsets, self.keys.to, self.values.to);
        debug_assert_eq!(batch.unsound(), None);
        batch
    }
}

/// One heap being gathered from another.
struct Heap<'a> {
    from: &'a [u8],
    to: Vec<u8>,
    used: usize,
}

impl Heap<'_> {
    /// Copies the entry at `at`. Short entries are copied as blocks of a fixed size, which needs no call; what is
    /// copied too much is overwritten by the next entry or cut off at the end.
    #[inline]
    fn copy(&mut self, at: usize) {
        const BLOCK: usize = 32;
        let end = varint::entry(self.from, at).map_or(at, |(_, end)| end);
        let size = end - at;
        match (self.from.get(at..at + BLOCK), self.to.get_mut(self.used..self.used + BLOCK)) {
            (Some(from), Some(to)) if size <= BLOCK => to.copy_from_slice(from),
            _ => self.to[self.used..self.used + size].copy_from_slice(&self.from[at..end]),
        }
        self.used += size;
    }
}
