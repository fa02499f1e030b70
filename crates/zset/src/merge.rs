//! Adding up Z-sets that lie sorted in several batches.
//!
//! A merge compares K, sums W and never reads V: rows that occur in one run only are copied in stretches, four
//! copies each, and a row whose weights sum to zero leaves nothing behind. Two runs are merged by one loop of
//! their own, up to eight by a loser tree whose state fits in two cache lines, more by larger ones. Where one run
//! is far behind the others it is not walked but searched (galloping), so that merging a small change into a
//! large batch costs little more than copying it.

use crate::batch::Batch;
use crate::builder::BatchBuilder;
use crate::error::ZsetError;
use crate::order::{common_prefix, compare, word_at};
use crate::tournament::Tournament;
use crate::weights;
use std::cmp::Ordering;
use std::ops::Range;

/// The most runs that are merged at once; of more, the smallest are merged first.
const WIDEST: usize = 64;

/// Rows in a row from one run after which the rest of its stretch is searched for.
const PATIENCE: usize = 4;

/// Stretches of at most this many rows are not cut where a piece reaches its limit.
const STRETCH: usize = 256;

/// The sum of batches.
pub fn merge(runs: &[Batch]) -> Result<Batch, ZsetError> {
    let mut merger = Merger::new(runs);
    match merger.readers.as_slice() {
        [] => Ok(Batch::empty()),
        [only] => Ok(only.batch.clone()),
        _ => Ok(merger.next(usize::MAX)?.unwrap_or_default()),
    }
}

/// A merge whose result comes in pieces, in order and without overlap. It holds on to its inputs.
pub struct Merger {
    readers: Vec<Reader>,
    skip: usize,
}

impl Merger {
    /// A merge of these batches.
    pub fn new(runs: &[Batch]) -> Merger {
        let runs = || runs.iter().filter(|run| !run.is_empty());
        let skip = shared_prefix(runs());
        Merger { readers: runs().map(|run| Reader::new(run.clone(), skip)).collect(), skip }
    }

    /// The next piece of the sum, or `None` after the last. A piece ends once it has reached `limit` bytes; it may
    /// pass the limit by some hundred rows. Where everything left sums to zero, the piece is empty.
    pub fn next(&mut self, limit: usize) -> Result<Option<Batch>, ZsetError> {
        self.retire();
        if self.readers.is_empty() {
            return Ok(None);
        }
        self.narrow()?;
        let mut out = Output::new(limit, &self.readers);
        while !out.is_full() {
            match self.readers.as_mut_slice() {
                [] => break,
                [only] => only.gallop(only.at, None, &mut out)?,
                [left, right] => merge_two(left, right, &mut out)?,
                readers if readers.len() <= 4 => merge_many::<4>(readers, &mut out)?,
                readers if readers.len() <= 8 => merge_many::<8>(readers, &mut out)?,
                readers if readers.len() <= 16 => merge_many::<16>(readers, &mut out)?,
                readers => merge_many::<WIDEST>(readers, &mut out)?,
            }
            self.retire();
        }
        Ok(Some(out.builder.finish_sorted()))
    }

    /// Forgets runs that have ended.
    fn retire(&mut self) {
        self.readers.retain(|reader| reader.key().is_some());
    }

    /// Merges the smallest runs, until there are few enough to merge at once.
    fn narrow(&mut self) -> Result<(), ZsetError> {
        while self.readers.len() > WIDEST {
            self.readers.sort_by_key(|reader| std::cmp::Reverse(reader.rest().len()));
            let excess = (self.readers.len() - WIDEST + 1).clamp(2, WIDEST);
            let smallest = self.readers.split_off(self.readers.len() - excess);
            let smallest: Vec<Batch> =
                smallest.iter().map(|reader| reader.batch.slice(reader.rest())).collect();
            let merged = merge(&smallest)?;
            if !merged.is_empty() {
                self.readers.push(Reader::new(merged, self.skip));
            }
        }
        Ok(())
    }
}

/// How many leading bytes all keys of all runs share.
fn shared_prefix<'a>(mut runs: impl Iterator<Item = &'a Batch>) -> usize {
    let ends = |run: &'a Batch| run.first_key().zip(run.last_key());
    let Some((first, last)) = runs.next().and_then(ends) else { return 0 };
    let prefix = &first[..common_prefix(first, last)];
    let shared = |prefix: &[u8], key| common_prefix(prefix, key);
    runs.filter_map(ends).fold(prefix.len(), |length, (a, b)| {
        let length = shared(&prefix[..length], a);
        shared(&prefix[..length], b)
    })
}

/// A run and how far it has been merged.
pub(crate) struct Reader {
    batch: Batch,
    at: usize,
    skip: usize,
    /// The word of the next key after the prefix that all runs share; the largest at the end.
    word: u64,
}

impl Reader {
    fn new(batch: Batch, skip: usize) -> Reader {
        let mut reader = Reader { batch, at: 0, skip, word: 0 };
        reader.go(0);
        reader
    }

    /// The word of the next key.
    #[inline]
    pub(crate) fn word(&self) -> u64 {
        self.word
    }

    /// The next key, or `None` at the end.
    #[inline]
    pub(crate) fn key(&self) -> Option<&[u8]> {
        (self.at < self.batch.len()).then(|| self.batch.key(self.at))
    }

    fn rest(&self) -> Range<usize> {
        self.at..self.batch.len()
    }

    /// Moves to a row.
    #[inline]
    fn go(&mut self, row: usize) {
        self.at = row;
        self.word = match self.key() {
            Some(key) => word_at(key, self.skip),
            None => u64::MAX,
        };
    }

    /// The order of two readers' next keys; neither is at its end.
    #[inline]
    fn compare(&self, other: &Reader) -> Ordering {
        match self.word.cmp(&other.word) {
            Ordering::Equal => compare(self.batch.key(self.at), other.batch.key(other.at)),
            order => order,
        }
    }

    /// Copies all rows below `other`'s next key; the first is known to be.
    #[inline]
    fn copy_below(&mut self, other: &Reader, out: &mut Output) -> Result<(), ZsetError> {
        let start = self.at;
        for _ in 0..PATIENCE {
            self.go(self.at + 1);
            if self.key().is_none() || self.compare(other) != Ordering::Less {
                return out.builder.push_run(&self.batch, start..self.at);
            }
        }
        self.gallop(start, Some(other), out)
    }

    /// Copies the rows from `start`, of which those before the next are known to be below `other`'s next key, up
    /// to that key, or as many as the output has room for.
    fn gallop(&mut self, start: usize, other: Option<&Reader>, out: &mut Output) -> Result<(), ZsetError> {
        let key = other.and_then(Reader::key);
        let end = key.map_or(self.batch.len(), |key| self.batch.seek(self.at, key));
        let end = out.fit(&self.batch, start..end);
        out.builder.push_run(&self.batch, start..end)?;
        self.go(end);
        Ok(())
    }
}

/// Merges until one of two runs ends or the output is full.
fn merge_two(left: &mut Reader, right: &mut Reader, out: &mut Output) -> Result<(), ZsetError> {
    while !out.is_full() && left.key().is_some() && right.key().is_some() {
        match left.compare(right) {
            Ordering::Less => left.copy_below(right, out)?,
            Ordering::Greater => right.copy_below(left, out)?,
            Ordering::Equal => {
                let weight = weights::add(left.batch.weight(left.at), right.batch.weight(right.at))?;
                out.put(&left.batch, left.at, weight)?;
                left.go(left.at + 1);
                right.go(right.at + 1);
            }
        }
    }
    Ok(())
}

/// Merges until all of at most `N` runs have ended or the output is full.
fn merge_many<const N: usize>(readers: &mut [Reader], out: &mut Output) -> Result<(), ZsetError> {
    let mut tree = Tournament::<N>::new(readers);
    while !out.is_full() && readers[tree.winner()].key().is_some() {
        let run = tree.winner();
        let start = readers[run].at;
        let mut passed = start;
        // As long as the run's own next key is the least of all, no other run holds the key before it.
        let next = loop {
            readers[run].go(passed + 1);
            tree.replay(readers);
            let next = tree.winner();
            if next != run || passed - start >= PATIENCE || readers[run].key().is_none() {
                break next;
            }
            passed += 1;
        };
        if next != run && ties(readers, next, run, passed) {
            out.builder.push_run(&readers[run].batch, start..passed)?;
            sum_ties(readers, &mut tree, run, passed, out)?;
        } else if next != run {
            out.builder.push_run(&readers[run].batch, start..passed + 1)?;
        } else {
            let runner_up = tree.runner_up(readers);
            gallop_to(readers, run, start, runner_up, out)?;
            tree.replay(readers);
        }
    }
    Ok(())
}

/// Whether the next key of `next` is that of a row of `run`.
#[inline]
fn ties(readers: &[Reader], next: usize, run: usize, row: usize) -> bool {
    let key = readers[run].batch.key(row);
    word_at(key, readers[run].skip) == readers[next].word && readers[next].key() == Some(key)
}

/// Puts out a row of `run` with its weight in all runs, which moves those runs on.
fn sum_ties<const N: usize>(
    readers: &mut [Reader],
    tree: &mut Tournament<N>,
    run: usize,
    row: usize,
    out: &mut Output,
) -> Result<(), ZsetError> {
    let mut weight = readers[run].batch.weight(row);
    while ties(readers, tree.winner(), run, row) {
        let tied = &mut readers[tree.winner()];
        weight = weights::add(weight, tied.batch.weight(tied.at))?;
        tied.go(tied.at + 1);
        tree.replay(readers);
    }
    out.put(&readers[run].batch, row, weight)
}

/// Copies the rows of `run` from `start` up to the next key of another run.
fn gallop_to(
    readers: &mut [Reader],
    run: usize,
    start: usize,
    other: usize,
    out: &mut Output,
) -> Result<(), ZsetError> {
    // A seat of the tournament that no run took counts as a run that has ended.
    match readers.get_disjoint_mut([run, other]) {
        Ok([run, other]) => run.gallop(start, Some(other), out),
        Err(_) => readers[run].gallop(start, None, out),
    }
}

/// The piece being written.
struct Output {
    builder: BatchBuilder,
    limit: usize,
}

impl Output {
    fn new(limit: usize, readers: &[Reader]) -> Output {
        let (mut rows, mut keys, mut values) = (0, 0, 0);
        for reader in readers {
            let extent = reader.batch.extent(reader.rest()).unwrap_or_default();
            rows += reader.rest().len();
            keys += extent.0.len();
            values += extent.1.len();
        }
        // The heaps are reserved at full size if the piece is the whole, and in proportion otherwise.
        let bytes = rows * 16 + keys + values;
        let share = |size: usize| {
            if bytes <= limit { size } else { (size as f64 / bytes as f64 * limit as f64) as usize }
        };
        let builder = BatchBuilder::with_capacity(share(rows), share(keys), share(values));
        Output { builder, limit: limit.max(1) }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.builder.bytes() >= self.limit
    }

    /// Writes a row with a weight, unless that is zero.
    #[inline]
    fn put(&mut self, batch: &Batch, row: usize, weight: i64) -> Result<(), ZsetError> {
        if weight == 0 { Ok(()) } else { self.builder.push_from(batch, row, weight) }
    }

    /// Where to cut a long stretch so that the piece does not pass its limit by much.
    fn fit(&self, batch: &Batch, rows: Range<usize>) -> usize {
        let room = self.limit.saturating_sub(self.builder.bytes());
        let fits = |end: usize| {
            let (keys, values) = batch.extent(rows.start..end).unwrap_or_default();
            (end - rows.start) * 16 + keys.len() + values.len() <= room
        };
        if rows.len() <= STRETCH || fits(rows.end) {
            return rows.end;
        }
        let (mut low, mut high) = (rows.start + STRETCH, rows.end);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }
}
