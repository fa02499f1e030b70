//! Sorting rows by key without moving them.
//!
//! What is sorted are integers: eight bytes of the key in the high half, the row number in the low half, so that
//! the comparison is one instruction, without branches and without touching the heap. The eight bytes are taken
//! after the prefix that all keys share: keys are order-preserving encodings, whose first bytes are often the
//! same in a whole batch. Rows that agree in the eight bytes are sorted again by the next ones.

use crate::order::word_at;
use crate::varint;

/// The outcome of [`sort`].
pub(crate) enum Sorted {
    /// The rows are in strictly ascending order of their keys.
    Already,
    /// The rows in order of their keys: row number in the low 32 bits, and a word of the key in the high 64,
    /// which differs between neighbours only if their keys differ.
    By(Vec<u128>),
}

/// Groups of at most this many rows are sorted by comparing keys.
const SMALL: usize = 20;

/// How often rows that agree so far are sorted by further words before keys are compared as a whole. It bounds
/// the recursion where keys are long and prefixes of each other.
const DEEPEST: usize = 64;

/// Sorts the rows whose key entries start at the low halves of `offsets`.
pub(crate) fn sort(heap: &[u8], offsets: &[u64]) -> Sorted {
    let sorter = Sorter { heap, offsets };
    let mut rows: Vec<u128> = (0..offsets.len() as u128).collect();
    let (skip, ascending) = sorter.load_words(&mut rows, 0);
    if ascending {
        return Sorted::Already;
    }
    sorter.sort_words(&mut rows, skip, DEEPEST);
    // A tie in the words is not an order yet: rows whose keys differ later may have come in order all the same.
    // They are found to be so here, at the price of a sort that had nothing to move.
    let in_place = rows.iter().enumerate().all(|(index, &entry)| entry as u32 as usize == index);
    if in_place && rows.windows(2).all(|pair| sorter.differ(pair[0], pair[1])) {
        Sorted::Already
    } else {
        Sorted::By(rows)
    }
}

struct Sorter<'a> {
    heap: &'a [u8],
    offsets: &'a [u64],
}

impl Sorter<'_> {
    #[inline]
    fn key(&self, entry: u128) -> &[u8] {
        let offset = self.offsets[entry as u32 as usize] as u32 as usize;
        varint::entry(self.heap, offset).map_or(&[], |(key, _)| key)
    }

    fn differ(&self, left: u128, right: u128) -> bool {
        left >> 64 != right >> 64 || self.key(left) != self.key(right)
    }

    /// Puts into each entry the word of its key after the prefix that all keys share, which is at least `skip`
    /// bytes long. Returns the prefix's length, and whether the words ascend strictly as they stand.
    fn load_words(&self, rows: &mut [u128], mut skip: usize) -> (usize, bool) {
        let Some(&first) = rows.first() else { return (skip, true) };
        loop {
            let first_word = word_at(self.key(first), skip);
            let mut differing = 0;
            let mut ascending = true;
            let mut longest = 0;
            let mut last = None;
            for entry in rows.iter_mut() {
                let key = self.key(*entry);
                let word = word_at(key, skip);
                differing |= word ^ first_word;
                longest = longest.max(key.len());
                ascending &= last < Some(word);
                last = Some(word);
                *entry = u128::from(word) << 64 | u128::from(*entry as u32);
            }
            let shared = (differing.leading_zeros() / 8) as usize;
            if ascending || shared == 0 || skip + 8 >= longest {
                return (skip, ascending);
            }
            skip += shared;
        }
    }

    /// Sorts entries whose words are of the bytes after `skip`.
    fn sort_words(&self, rows: &mut [u128], skip: usize, depth: usize) {
        rows.sort_unstable();
        let mut start = 0;
        while start < rows.len() {
            let word = rows[start] >> 64;
            let ties = rows[start..].iter().take_while(|&&entry| entry >> 64 == word).count();
            if ties > 1 {
                self.sort_ties(&mut rows[start..start + ties], skip + 8, depth);
            }
            start += ties;
        }
    }

    /// Sorts entries whose keys agree in the first `skip` bytes, as far as they have them.
    fn sort_ties(&self, rows: &mut [u128], skip: usize, depth: usize) {
        // Where a key ends within the shared bytes, words would not tell it from one that goes on with zeros.
        let all_longer = || rows.iter().all(|&entry| self.key(entry).len() > skip);
        if rows.len() > SMALL && depth > 0 && all_longer() {
            let (skip, _) = self.load_words(rows, skip);
            self.sort_words(rows, skip, depth - 1);
        } else {
            rows.sort_unstable_by(|&a, &b| self.key(a).cmp(self.key(b)).then((a as u32).cmp(&(b as u32))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::pack;
    use proptest::prelude::*;

    fn check(keys: &[Vec<u8>]) {
        let mut heap = Vec::new();
        let mut offsets = Vec::new();
        for key in keys {
            offsets.push(pack(heap.len(), 0));
            varint::write(&mut heap, key.len() as u32);
            heap.extend_from_slice(key);
        }
        let mut expected: Vec<usize> = (0..keys.len()).collect();
        expected.sort_by_key(|&row| (&keys[row], row));
        let strict = keys.windows(2).all(|pair| pair[0] < pair[1]);
        match sort(&heap, &offsets) {
            Sorted::Already => assert!(strict, "{keys:?}"),
            Sorted::By(order) => {
                assert!(!strict, "{keys:?}");
                let rows: Vec<usize> = order.iter().map(|&entry| entry as u32 as usize).collect();
                assert_eq!(rows, expected, "{keys:?}");
                for pair in order.windows(2).filter(|pair| pair[0] >> 64 != pair[1] >> 64) {
                    assert_ne!(keys[pair[0] as u32 as usize], keys[pair[1] as u32 as usize]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn is_a_stable_sort_by_key(
            prefix in prop::collection::vec(0u8..2, 0..20),
            tails in prop::collection::vec(prop::collection::vec(0u8..3, 0..20), 0..200),
        ) {
            let keys: Vec<Vec<u8>> = tails.iter().map(|tail| [&prefix[..], tail].concat()).collect();
            check(&keys);
            let mut sorted = keys;
            sorted.sort();
            check(&sorted);
            sorted.dedup();
            check(&sorted);
        }
    }

    #[test]
    fn long_nested_prefixes_do_not_exhaust_the_stack() {
        let keys: Vec<Vec<u8>> = (0..1500).map(|n: usize| vec![7; (n * 37) % 1500]).collect();
        check(&keys);
    }
}
