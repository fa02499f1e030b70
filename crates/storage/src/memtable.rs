//! A transaction's private write buffer: rows find each other here before anything is made durable.
//!
//! The active part is a flat skip list in an [`Arena`]. A node is
//!
//! ```text
//! 0        8       9     12                12 + 4h
//! | weight | height | pad | next u32 × h   | VarInt key length, key | VarInt value length, value |
//! ```
//!
//! A search follows offsets through one byte vector and allocates nothing; a hit adds to the weight in
//! place; a key above all others takes the path of the last one without a search. Equal keys are equal
//! rows, so the value of a hit is not looked at.
//!
//! A skip list that outgrows the cache is many times slower than sorting, so at [`ROTATE_ROWS`] rows the list is
//! *transmuted*: walked in order into a [`Batch`], rows of weight zero left out. Sealed batches merge
//! geometrically, so there are about as many as the logarithm of the rows. Rolling back is dropping the value.

use zset::{Batch, BatchBuilder, ZsetError, merge, varint};

use crate::arena::Arena;
use crate::error::Result;
use crate::random::Random;

/// Rows in the list at which it is sealed.
pub const ROTATE_ROWS: usize = 10_000;

/// Bytes in the list at which it is sealed, whatever its rows.
const ROTATE_BYTES: usize = 8 << 20;

/// A row larger than this becomes a batch of its own at once.
const LARGE_ROW: usize = 1 << 20;

/// The tallest node. With one node in four a level higher, 4^8 rows use 8 levels well.
const MAX_HEIGHT: usize = 8;

const NULL: u32 = 0;
const HEIGHT: usize = 8;
const NEXT: usize = 12;

/// The write buffer of one collection in one transaction.
#[derive(Clone, Debug)]
pub struct Memtable {
    list: SkipList,
    /// Older rows, largest batch first. A row may be in several; its weight is their sum.
    sealed: Vec<Batch>,
}

impl Memtable {
    /// An empty buffer; it holds no memory yet.
    pub fn new() -> Memtable {
        Memtable { list: SkipList::new(), sealed: Vec::new() }
    }

    /// Adds `weight` to the row. On an error the buffer is as it was.
    pub fn upsert(&mut self, key: &[u8], value: &[u8], weight: i64) -> Result<()> {
        if weight == 0 {
            return Ok(());
        }
        if key.len() + value.len() > LARGE_ROW {
            let mut builder = BatchBuilder::with_capacity(1, key.len(), value.len());
            builder.push(key, value, weight)?;
            return self.push_batch(builder.finish()?);
        }
        if self.list.rows >= ROTATE_ROWS || self.list.arena.used() >= ROTATE_BYTES {
            self.seal()?;
        }
        self.list.upsert(key, value, weight)
    }

    /// Adds a whole batch: the way of bulk loads, around the list.
    pub fn push_batch(&mut self, batch: Batch) -> Result<()> {
        if !batch.is_empty() {
            self.sealed.push(batch);
            fold(&mut self.sealed)?;
        }
        Ok(())
    }

    /// Whether nothing was added since the start (rows that cancelled out count as added).
    pub fn is_empty(&self) -> bool {
        self.list.rows == 0 && self.sealed.is_empty()
    }

    /// Rows held, before cancelling those in several batches.
    pub fn rows(&self) -> usize {
        self.list.rows + self.sealed.iter().map(Batch::len).sum::<usize>()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.list.arena.used() + self.sealed.iter().map(Batch::bytes).sum::<usize>()
    }

    /// The weight that this buffer adds to the row with exactly this key.
    pub fn weight(&self, key: &[u8]) -> Result<i64> {
        let mut rows = self.iter_from(key);
        Ok(match rows.next()? {
            Some((found, _, weight)) if found == key => weight,
            _ => 0,
        })
    }

    /// Rows with keys from `probe` on, in order of their keys, weights summed, none of them zero.
    pub fn iter_from(&self, probe: &[u8]) -> MemtableIter<'_> {
        let batches = self.sealed.iter().map(|batch| (batch, batch.seek(0, probe))).collect();
        MemtableIter { list: &self.list, node: self.list.find(probe), batches }
    }

    /// Everything as sorted batches, for a reader that looks over several runs. Seals the list.
    pub fn runs(&mut self) -> Result<&[Batch]> {
        self.seal()?;
        Ok(&self.sealed)
    }

    /// As [`Memtable::runs`], leaving the buffer as it is.
    pub fn snapshot(&self) -> Result<Vec<Batch>> {
        let mut runs = self.sealed.clone();
        runs.extend((self.list.rows > 0).then(|| self.list.transmute()).transpose()?);
        Ok(runs)
    }

    /// The rows whose keys start with `prefix`, as runs that may hold others too. The list stays as it is: only
    /// what it has there is copied.
    pub fn runs_with_prefix(&self, prefix: &[u8]) -> Result<Vec<Batch>> {
        let mut runs: Vec<Batch> = self.sealed.iter().filter(|batch| batch.spans(prefix)).cloned().collect();
        runs.extend(self.list.under(prefix)?);
        Ok(runs)
    }

    /// Everything as one consolidated batch: what the transaction commits.
    pub fn into_batch(mut self) -> Result<Batch> {
        self.seal()?;
        Ok(match self.sealed.as_slice() {
            [] => Batch::empty(),
            [only] => only.clone(),
            runs => merge(runs)?,
        })
    }

    fn seal(&mut self) -> Result<()> {
        if self.list.rows > 0 {
            let batch = self.list.transmute()?;
            self.list.clear();
            self.push_batch(batch)?;
        }
        Ok(())
    }
}

impl Default for Memtable {
    fn default() -> Memtable {
        Memtable::new()
    }
}

/// Merges the youngest batches while the elder of two is less than twice as long.
fn fold(sealed: &mut Vec<Batch>) -> Result<()> {
    while let [.., elder, younger] = sealed.as_slice()
        && elder.len() < 2 * younger.len()
    {
        let merged = merge(&sealed[sealed.len() - 2..])?;
        sealed.truncate(sealed.len() - 2);
        if !merged.is_empty() {
            sealed.push(merged);
        }
    }
    Ok(())
}

/// Key, value, weight.
pub type Row<'a> = (&'a [u8], &'a [u8], i64);

/// Reads a memtable in order.
#[derive(Debug)]
pub struct MemtableIter<'a> {
    list: &'a SkipList,
    node: u32,
    batches: Vec<(&'a Batch, usize)>,
}

impl<'a> MemtableIter<'a> {
    /// The next row.
    #[allow(clippy::should_implement_trait, reason = "it can fail, and an Iterator of Results reads worse")]
    pub fn next(&mut self) -> Result<Option<Row<'a>>> {
        while let Some((key, value)) = self.least() {
            let mut sum = 0i64;
            if self.node != NULL && self.list.key(self.node) == key {
                sum = self.list.weight(self.node);
                self.node = self.list.next(self.node, 0);
            }
            for (batch, at) in &mut self.batches {
                if *at < batch.len() && batch.key(*at) == key {
                    sum = add(sum, batch.weight(*at))?;
                    *at += 1;
                }
            }
            if sum != 0 {
                return Ok(Some((key, value, sum)));
            }
        }
        Ok(None)
    }

    /// The least key among the heads, with its value.
    fn least(&self) -> Option<(&'a [u8], &'a [u8])> {
        let mut least = (self.node != NULL).then(|| self.list.row(self.node));
        for (batch, at) in &self.batches {
            if *at < batch.len() && least.is_none_or(|(key, _)| batch.key(*at) < key) {
                least = Some((batch.key(*at), batch.value(*at)));
            }
        }
        least
    }
}

fn add(left: i64, right: i64) -> Result<i64> {
    Ok(left.checked_add(right).ok_or(ZsetError::WeightOverflow { left, right })?)
}

/// The active list.
#[derive(Clone, Debug)]
struct SkipList {
    arena: Arena,
    head: u32,
    rows: usize,
    key_bytes: usize,
    value_bytes: usize,
    /// The last node of each level: where a key above all others goes.
    tails: [u32; MAX_HEIGHT],
    random: Random,
}

impl SkipList {
    fn new() -> SkipList {
        SkipList {
            arena: Arena::new(),
            head: NULL,
            rows: 0,
            key_bytes: 0,
            value_bytes: 0,
            tails: [NULL; MAX_HEIGHT],
            random: Random::new(0),
        }
    }

    fn clear(&mut self) {
        self.arena.clear();
        (self.head, self.rows, self.key_bytes, self.value_bytes) = (NULL, 0, 0, 0);
    }

    fn upsert(&mut self, key: &[u8], value: &[u8], weight: i64) -> Result<()> {
        if self.head == NULL {
            self.head = self.allocate(NEXT + 4 * MAX_HEIGHT)?;
            self.tails = [self.head; MAX_HEIGHT];
        }
        let path = if self.is_above_all(key) { self.tails } else { self.path(key) };
        let found = self.next(path[0], 0);
        if found != NULL && self.key(found) == key {
            let sum = add(self.weight(found), weight)?;
            self.arena.at_mut(found)[..8].copy_from_slice(&sum.to_le_bytes());
            return Ok(());
        }
        self.insert(&path, key, value, weight)
    }

    fn insert(&mut self, path: &[u32; MAX_HEIGHT], key: &[u8], value: &[u8], weight: i64) -> Result<()> {
        let height = 1 + (self.random.bits().trailing_zeros() as usize / 2).min(MAX_HEIGHT - 1);
        let start = NEXT + 4 * height;
        let (key_length, value_length) = (key.len() as u32, value.len() as u32);
        let entries = varint::size(key_length) + key.len() + varint::size(value_length) + value.len();
        let node = self.allocate(start + entries)?;
        let bytes = self.arena.at_mut(node);
        bytes[..8].copy_from_slice(&weight.to_le_bytes());
        bytes[HEIGHT] = height as u8;
        let mut at = start;
        for (length, entry) in [(key_length, key), (value_length, value)] {
            at += varint::write_at(&mut bytes[at..], length);
            bytes[at..at + entry.len()].copy_from_slice(entry);
            at += entry.len();
        }
        for (level, &before) in path.iter().enumerate().take(height) {
            let after = self.next(before, level);
            self.set_next(node, level, after);
            self.set_next(before, level, node);
            if after == NULL {
                self.tails[level] = node;
            }
        }
        self.rows += 1;
        self.key_bytes += varint::size(key_length) + key.len();
        self.value_bytes += varint::size(value_length) + value.len();
        Ok(())
    }

    fn allocate(&mut self, size: usize) -> Result<u32> {
        let error = ZsetError::TooLarge { what: "rows", size, limit: u32::MAX as usize };
        Ok(self.arena.allocate(size).ok_or(error)?)
    }

    /// On each level the last node whose key is below `key`.
    fn path(&self, key: &[u8]) -> [u32; MAX_HEIGHT] {
        let mut path = [self.head; MAX_HEIGHT];
        let mut node = self.head;
        // A node found too large on one level is often the next one on the level below: not compared again.
        let mut too_large = NULL;
        for level in (0..MAX_HEIGHT).rev() {
            loop {
                let next = self.next(node, level);
                if next == too_large || next == NULL {
                    break;
                }
                if self.key(next) >= key {
                    too_large = next;
                    break;
                }
                node = next;
            }
            path[level] = node;
        }
        path
    }

    /// The first node whose key is not below `key`.
    fn find(&self, key: &[u8]) -> u32 {
        if self.head == NULL || self.is_above_all(key) { NULL } else { self.next(self.path(key)[0], 0) }
    }

    /// Whether every key is below `key`. The list has a head.
    fn is_above_all(&self, key: &[u8]) -> bool {
        let last = self.tails[0];
        last == self.head || self.key(last) < key
    }

    /// The rows whose keys start with `prefix`, if there are any.
    fn under(&self, prefix: &[u8]) -> Result<Option<Batch>> {
        let mut node = self.find(prefix);
        let mut builder = BatchBuilder::new();
        while node != NULL && self.key(node).starts_with(prefix) {
            let weight = self.weight(node);
            if weight != 0 {
                let (key, value) = self.row(node);
                builder.push(key, value, weight)?;
            }
            node = self.next(node, 0);
        }
        Ok((!builder.is_empty()).then(|| builder.finish_sorted()))
    }

    /// The list as a batch, without the rows whose weight is zero.
    fn transmute(&self) -> Result<Batch> {
        let mut builder = BatchBuilder::with_capacity(self.rows, self.key_bytes, self.value_bytes);
        let mut node = if self.head == NULL { NULL } else { self.next(self.head, 0) };
        while node != NULL {
            let weight = self.weight(node);
            if weight != 0 {
                let (key, value) = self.row(node);
                builder.push(key, value, weight)?;
            }
            node = self.next(node, 0);
        }
        Ok(builder.finish_sorted())
    }

    #[inline]
    fn weight(&self, node: u32) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.arena.at(node)[..8]);
        i64::from_le_bytes(bytes)
    }

    #[inline]
    fn next(&self, node: u32, level: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.arena.at(node)[NEXT + 4 * level..][..4]);
        u32::from_le_bytes(bytes)
    }

    fn set_next(&mut self, node: u32, level: usize, next: u32) {
        self.arena.at_mut(node)[NEXT + 4 * level..][..4].copy_from_slice(&next.to_le_bytes());
    }

    #[inline]
    fn key(&self, node: u32) -> &[u8] {
        let bytes = self.arena.at(node);
        entry(bytes, NEXT + 4 * usize::from(bytes[HEIGHT])).0
    }

    fn row(&self, node: u32) -> (&[u8], &[u8]) {
        let bytes = self.arena.at(node);
        let (key, end) = entry(bytes, NEXT + 4 * usize::from(bytes[HEIGHT]));
        (key, entry(bytes, end).0)
    }
}

/// An entry this list wrote itself, and where it ends.
#[inline]
fn entry(bytes: &[u8], at: usize) -> (&[u8], usize) {
    debug_assert!(varint::entry(bytes, at).is_some());
    varint::entry(bytes, at).unwrap_or((&[], at))
}
