//! Fences: a sparse copy of a batch's keys that a search reads instead of the keys themselves.
//!
//! Every [`SPACING`]th row contributes eight bytes of its key, taken after the prefix that all keys of the batch
//! share, as one integer. They lie in one array: a binary search over a million rows touches four or five of
//! its cache lines, and then the few lines of one stretch of O and K, where it would touch two for every step.
//! Fences are derived: they are not part of a batch's regions and may be missing.

use crate::order::{common_prefix, compare, word_at};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Rows between two fences.
pub(crate) const SPACING: usize = 16;

/// Batches of fewer rows have no fences.
pub(crate) const LEAST_ROWS: usize = 256;

/// The fences of a batch, or of a slice of one.
#[derive(Clone, Debug)]
pub(crate) struct Fences {
    shared: Arc<Words>,
    /// The row of the fenced batch at which this slice of it starts.
    base: usize,
}

#[derive(Debug)]
struct Words {
    /// What all keys start with.
    common: Vec<u8>,
    /// Word `n` is of row `n * SPACING`.
    words: Vec<u64>,
}

impl Fences {
    /// The fences of a batch of so many rows, whose keys `key` returns, if it is large enough to have any.
    pub(crate) fn of<'a>(rows: usize, key: impl Fn(usize) -> &'a [u8]) -> Option<Fences> {
        if rows < LEAST_ROWS {
            return None;
        }
        let (first, last) = (key(0), key(rows - 1));
        let common = first[..common_prefix(first, last)].to_vec();
        let words = (0..rows).step_by(SPACING).map(|row| word_at(key(row), common.len())).collect();
        Some(Fences { shared: Arc::new(Words { common, words }), base: 0 })
    }

    /// The fences of the slice that starts at `row`.
    pub(crate) fn skip(&self, row: usize) -> Fences {
        Fences { shared: Arc::clone(&self.shared), base: self.base + row }
    }

    /// Finishes a search: given that the key of row `low` is below the probe and that of row `high` is not (or
    /// `high` is the end), returns the first row whose key is not.
    pub(crate) fn search<'a>(
        &self,
        low: usize,
        high: usize,
        probe: &[u8],
        key: impl Fn(usize) -> &'a [u8],
    ) -> usize {
        let (mut low, mut high) = self.narrow(low, high, probe);
        let below = |row: usize| compare(key(row), probe) == Ordering::Less;
        while high - low > SPACING {
            let middle = low + (high - low) / 2;
            if below(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        // The rest is counted, not searched: no branch depends on a key, so their cache misses overlap.
        let skip = self.shared.common.len();
        let word = word_at(probe, skip);
        let rest = low + 1..high;
        let mut row = low + 1 + rest.map(|row| usize::from(word_at(key(row), skip) < word)).sum::<usize>();
        while row < high && below(row) {
            row += 1;
        }
        row
    }

    /// Narrows a search. Given that the key of row `low` is below the probe and that of row `high` is not (or
    /// `high` is the end), returns a narrower pair of which the same is true.
    fn narrow(&self, low: usize, high: usize, probe: &[u8]) -> (usize, usize) {
        let Words { common, words } = &*self.shared;
        if !probe.starts_with(common) {
            // Every key is above the probe or every key is below it; the row at `low` says which.
            return (low.max(high - 1), high);
        }
        let word = word_at(probe, common.len());
        let first = (self.base + low) / SPACING + 1;
        let end = (self.base + high).div_ceil(SPACING).min(words.len());
        if first >= end {
            return (low, high);
        }
        let below = first + gallop(&words[first..end], |fence| fence < word);
        let not_above = below + gallop(&words[below..end], |fence| fence == word);
        let narrow_low = if below > first { (below - 1) * SPACING - self.base } else { low };
        let narrow_high = if not_above < end { not_above * SPACING - self.base } else { high };
        (narrow_low, narrow_high)
    }
}

/// How many leading words satisfy `holds`, which is true of a prefix of them; cost is logarithmic in the answer.
fn gallop(words: &[u64], holds: impl Fn(u64) -> bool) -> usize {
    let mut range: Range<usize> = 0..words.len().min(1);
    while range.end < words.len() && holds(words[range.end - 1]) {
        range = range.end..(range.end * 2).min(words.len());
    }
    range.start + words[range].partition_point(|&word| holds(word))
}
