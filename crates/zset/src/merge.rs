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
use crate::order::common_prefix;
use crate::reader::Reader;
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

impl Batch {
    /// The sum of two Z-sets.
    pub fn add(&self, other: &Batch) -> Result<Batch, ZsetError> {
        if other.is_empty() {
            Ok(self.clone())
        } else if self.is_empty() {
            Ok(other.clone())
        } else {
            merge(&[self.clone(), other.clone()])
        }
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
    /// pass the limit by some hundred rows. Where everything left sums to zero, the piece is empty. A limit well
    /// below [`HEAP_LIMIT`](crate::batch::HEAP_LIMIT) keeps every piece within what a batch can hold.
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
                [only] => out.gallop(only, only.at, None)?,
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

/// Merges until one of two runs ends or the output is full.
fn merge_two(left: &mut Reader, right: &mut Reader, out: &mut Output) -> Result<(), ZsetError> {
    while !out.is_full() && left.key().is_some() && right.key().is_some() {
        match left.compare(right) {
            Ordering::Less => out.copy_below(left, right)?,
            Ordering::Greater => out.copy_below(right, left)?,
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
        if next != run && readers[next].is_at(&readers[run], passed) {
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

/// Puts out a row of `run` with its weight in all runs, which moves those runs on.
fn sum_ties<const N: usize>(
    readers: &mut [Reader],
    tree: &mut Tournament<N>,
    run: usize,
    row: usize,
    out: &mut Output,
) -> Result<(), ZsetError> {
    let mut weight = readers[run].batch.weight(row);
    while readers[tree.winner()].is_at(&readers[run], row) {
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
        Ok([run, other]) => out.gallop(run, start, Some(other)),
        Err(_) => out.gallop(&mut readers[run], start, None),
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

    /// Copies all rows of a run below `other`'s next key; the first is known to be.
    #[inline]
    fn copy_below(&mut self, run: &mut Reader, other: &Reader) -> Result<(), ZsetError> {
        let start = run.at;
        for _ in 0..PATIENCE {
            run.go(run.at + 1);
            if run.key().is_none() || run.compare(other) != Ordering::Less {
                return self.builder.push_run(&run.batch, start..run.at);
            }
        }
        self.gallop(run, start, Some(other))
    }

    /// Copies the rows of a run from `start`, of which those before its next are known to be below `other`'s next
    /// key, up to that key, or as many as there is room for.
    fn gallop(&mut self, run: &mut Reader, start: usize, other: Option<&Reader>) -> Result<(), ZsetError> {
        let key = other.and_then(Reader::key);
        let end = key.map_or(run.batch.len(), |key| run.batch.seek(run.at, key));
        let end = self.fit(&run.batch, start..end);
        self.builder.push_run(&run.batch, start..end)?;
        run.go(end);
        Ok(())
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
