//! The batch: an immutable Z-set, sorted by K, each K once, in four regions.
//!
//! | region | holds | stride |
//! |---|---|---|
//! | W | weights | 8 |
//! | O | key offset in the low and value offset in the high 32 bits | 8 |
//! | K | VarInt length + key bytes, in row order, without gaps | variable |
//! | V | VarInt length + value bytes, likewise | variable |
//!
//! The regions are reference-counted buffers of any origin: vectors that a builder filled, or parts of a mapped
//! file. Cloning and slicing copy no rows. Offsets are relative to the heaps, and every read through them is
//! checked: bytes that no writer made read as empty keys and values, never as a panic. (Who reads a file
//! verifies its checksum before; see `docs/file-format.md`.)

use crate::error::ZsetError;
use crate::fences::Fences;
use crate::order::{compare, successor};
use crate::types::CollectionId;
use crate::varint;
use arrow_buffer::{Buffer, ScalarBuffer};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

/// One change of several collections.
pub type Deltas = BTreeMap<CollectionId, Batch>;

/// The most bytes a heap may have, and the most rows a batch: offsets are 32 bits, and one bit is kept free.
pub const HEAP_LIMIT: usize = (1 << 31) - 1;

/// Steps of a search that look at keys; from the first longer one on, fences are asked.
const NEAR: usize = 4;

/// An immutable, sorted, consolidated Z-set.
#[derive(Clone)]
pub struct Batch {
    weights: ScalarBuffer<i64>,
    offsets: ScalarBuffer<u64>,
    keys: Buffer,
    values: Buffer,
    fences: Option<Fences>,
}

impl Batch {
    /// The empty Z-set. All share one.
    pub fn empty() -> Batch {
        static EMPTY: LazyLock<Batch> =
            LazyLock::new(|| Batch::from_vecs(Vec::new(), Vec::new(), Vec::new(), Vec::new()));
        EMPTY.clone()
    }

    /// A batch over the regions W, O, K, V, which may be mapped from a file. Only what costs nothing is checked:
    /// sizes, alignment, and that the first and the last row lie within the heaps. Fences are not made.
    pub fn from_regions([weights, offsets, keys, values]: [Buffer; 4]) -> Result<Batch, ZsetError> {
        let corrupt = |what| Err(ZsetError::Corrupt { what });
        if weights.len() % 8 != 0 || weights.len() != offsets.len() {
            return corrupt("regions W and O do not have one entry for each row");
        }
        if weights.as_ptr().align_offset(8) != 0 || offsets.as_ptr().align_offset(8) != 0 {
            return corrupt("region W or O is not aligned to 8 bytes");
        }
        if keys.len() > HEAP_LIMIT || values.len() > HEAP_LIMIT || weights.len() / 8 > HEAP_LIMIT {
            return corrupt("a region passes 2 GiB");
        }
        let rows = weights.len() / 8;
        let batch = Batch {
            weights: ScalarBuffer::new(weights, 0, rows),
            offsets: ScalarBuffer::new(offsets, 0, rows),
            keys,
            values,
            fences: None,
        };
        let starts = (rows == 0 || batch.offsets[0] == 0) && batch.extent(0..rows).is_some();
        if starts { Ok(batch) } else { corrupt("an offset in O points outside its heap") }
    }

    /// A batch of what a builder or a merge has made.
    pub(crate) fn from_vecs(weights: Vec<i64>, offsets: Vec<u64>, keys: Vec<u8>, values: Vec<u8>) -> Batch {
        assert_eq!(weights.len(), offsets.len(), "one weight and one pair of offsets for each row");
        let batch = Batch {
            weights: ScalarBuffer::from(trimmed(weights)),
            offsets: ScalarBuffer::from(trimmed(offsets)),
            keys: Buffer::from_vec(trimmed(keys)),
            values: Buffer::from_vec(trimmed(values)),
            fences: None,
        };
        batch.with_fences()
    }

    /// The same batch with fences, which make searches touch fewer cache lines. Batches made in memory have them
    /// already. Making them reads every 16th key, so for a mapped file the right moment is when all of it is
    /// read anyway, to verify its checksum.
    pub fn with_fences(mut self) -> Batch {
        if self.fences.is_none() {
            self.fences = Fences::of(self.len(), |row| self.key(row));
        }
        self
    }

    /// What is wrong with the batch, if anything: its keys must ascend, each once, and no weight be zero. It reads
    /// every key: for assertions.
    pub fn unsound(&self) -> Option<String> {
        let zero = self.weights.iter().position(|&weight| weight == 0);
        let descent =
            (1..self.len()).find(|&row| compare(self.key(row - 1), self.key(row)) != Ordering::Less);
        let heaps =
            self.extent(0..self.len()).is_none().then(|| "an entry lies outside its heap".to_string());
        zero.map(|row| format!("row {row} has weight zero"))
            .or_else(|| descent.map(|row| format!("row {row} does not come after row {}", row - 1)))
            .or(heaps)
    }

    /// How many rows there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// All weights, in row order.
    #[inline]
    pub fn weights(&self) -> &[i64] {
        &self.weights
    }

    /// The weight of a row.
    ///
    /// # Panics
    /// If there is no such row, as [`key`](Batch::key) and [`value`](Batch::value) do.
    #[inline]
    pub fn weight(&self, row: usize) -> i64 {
        self.weights[row]
    }

    /// The key of a row: key columns and discriminator.
    #[inline]
    pub fn key(&self, row: usize) -> &[u8] {
        let offset = self.offsets[row] as u32 as usize;
        varint::entry(&self.keys, offset).map_or(&[], |(key, _)| key)
    }

    /// The entry of a row in V. It is empty where the value is the tail of the key; [`Layout::value_of`] knows.
    ///
    /// [`Layout::value_of`]: crate::Layout::value_of
    #[inline]
    pub fn value(&self, row: usize) -> &[u8] {
        let offset = (self.offsets[row] >> 32) as usize;
        varint::entry(&self.values, offset).map_or(&[], |(value, _)| value)
    }

    /// The key of the first row.
    pub fn first_key(&self) -> Option<&[u8]> {
        (!self.is_empty()).then(|| self.key(0))
    }

    /// The key of the last row.
    pub fn last_key(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|last| self.key(last))
    }

    /// Key, value and weight of every row, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8], i64)> + '_ {
        (0..self.len()).map(|row| (self.key(row), self.value(row), self.weight(row)))
    }

    /// The four regions W, O, K, V. The heaps of a [`slice`](Batch::slice) are those of the whole batch; what is
    /// written to a file or a socket is [`compact`](Batch::compact)ed first.
    pub fn regions(&self) -> [&[u8]; 4] {
        [self.weights.inner(), self.offsets.inner(), &self.keys, &self.values]
    }

    /// Bytes of this batch's rows in all four regions; for a slice, of the slice alone.
    pub fn bytes(&self) -> usize {
        self.len() * 16 + self.heap_bytes(0..self.len())
    }

    /// Bytes of some rows' keys and values; the cost does not depend on how many rows they are.
    pub fn heap_bytes(&self, rows: Range<usize>) -> usize {
        let (keys, values) = self.extent(rows).unwrap_or_default();
        keys.len() + values.len()
    }

    /// The first row at or after `from` whose key is not below `probe`, or the length if there is none. The cost
    /// is logarithmic in the distance.
    pub fn seek(&self, from: usize, probe: &[u8]) -> usize {
        let rows = self.len();
        let below = |row: usize| compare(self.key(row), probe) == Ordering::Less;
        if from >= rows || !below(from) {
            return from;
        }
        let (mut low, mut high, mut step) = (from, rows, 1);
        while low + step < rows {
            if !below(low + step) {
                high = low + step;
                break;
            }
            low += step;
            step *= 2;
            if let (NEAR.., Some(fences)) = (step, &self.fences) {
                return fences.search(low, rows, probe, |row| self.key(row));
            }
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if below(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    /// The first row at or after `from` whose key does not start with `prefix`, given that the rows from `from`
    /// that do come first. The cost is logarithmic in their number.
    pub fn prefix_end(&self, from: usize, prefix: &[u8]) -> usize {
        let near = (from + 4).min(self.len());
        let outside = |row: &usize| !self.key(*row).starts_with(prefix);
        match (from..near).find(outside) {
            Some(row) => row,
            None if near == self.len() => near,
            None => successor(prefix).map_or(self.len(), |next| self.seek(near, &next)),
        }
    }

    /// Whether keys that start with `prefix` would lie between the first and the last.
    pub fn spans(&self, prefix: &[u8]) -> bool {
        self.last_key().is_some_and(|last| prefix <= last)
            && self.first_key().is_some_and(|first| first <= prefix || first.starts_with(prefix))
    }

    /// Whether the other batch is this one: the same rows in the same memory.
    pub fn is(&self, other: &Batch) -> bool {
        self.len() == other.len()
            && self.offsets.as_ptr() == other.offsets.as_ptr()
            && self.weights.as_ptr() == other.weights.as_ptr()
    }

    /// The rows of `range` as a batch of their own, without copying.
    ///
    /// # Panics
    /// If the range is out of bounds.
    pub fn slice(&self, range: Range<usize>) -> Batch {
        assert!(
            range.start <= range.end && range.end <= self.len(),
            "slice {range:?} of {} rows",
            self.len()
        );
        Batch {
            weights: self.weights.slice(range.start, range.len()),
            offsets: self.offsets.slice(range.start, range.len()),
            keys: self.keys.clone(),
            values: self.values.clone(),
            fences: self.fences.as_ref().map(|fences| fences.skip(range.start)),
        }
    }

    /// The Z-set with all weights negated. Keys and values are shared.
    pub fn negate(&self) -> Batch {
        // No weight is `i64::MIN`; should a corrupt file hold one, it saturates.
        let weights: Vec<i64> = self.weights.iter().map(|&weight| 0i64.saturating_sub(weight)).collect();
        Batch { weights: ScalarBuffer::from(weights), ..self.clone() }
    }

    /// Where the entries of these rows lie in K and in V, or `None` if they do not lie within them.
    pub(crate) fn extent(&self, rows: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
        if rows.is_empty() {
            return Some((0..0, 0..0));
        }
        let (first, last) = (*self.offsets.get(rows.start)?, *self.offsets.get(rows.end - 1)?);
        let (_, keys_end) = varint::entry(&self.keys, last as u32 as usize)?;
        let (_, values_end) = varint::entry(&self.values, (last >> 32) as usize)?;
        let (keys_start, values_start) = (first as u32 as usize, (first >> 32) as usize);
        let ordered = keys_start < keys_end && values_start < values_end;
        ordered.then_some((keys_start..keys_end, values_start..values_end))
    }

    /// Region O.
    pub(crate) fn offsets(&self) -> &[u64] {
        &self.offsets
    }

    /// Region K.
    pub(crate) fn key_heap(&self) -> &[u8] {
        &self.keys
    }

    /// Region V.
    pub(crate) fn value_heap(&self) -> &[u8] {
        &self.values
    }
}

/// A batch may live long: it gives back room that was reserved for rows that did not come.
fn trimmed<T>(mut items: Vec<T>) -> Vec<T> {
    if items.capacity() - items.len() > items.len() / 4 {
        items.shrink_to_fit();
    }
    items
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::empty()
    }
}

impl PartialEq for Batch {
    /// Whether the rows and weights are the same, wherever they lie.
    fn eq(&self, other: &Batch) -> bool {
        self.len() == other.len() && self.weights() == other.weights() && self.iter().eq(other.iter())
    }
}

impl Eq for Batch {}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        writeln!(f, "Batch of {} rows", self.len())?;
        for (key, value, weight) in self.iter().take(SHOWN) {
            writeln!(f, "  {weight:+} {} | {}", key.escape_ascii(), value.escape_ascii())?;
        }
        if self.len() > SHOWN { writeln!(f, "  …") } else { Ok(()) }
    }
}
