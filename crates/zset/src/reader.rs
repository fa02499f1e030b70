//! A sorted run that is being merged: a batch and a position in it.
//!
//! Beside the position it keeps one word of the next key, by which nearly all comparisons between runs are
//! decided without looking at the keys.

use crate::batch::Batch;
use crate::order::{compare, word_at};
use std::cmp::Ordering;
use std::ops::Range;

/// A run and how far it has been merged.
pub(crate) struct Reader {
    pub(crate) batch: Batch,
    /// The next row.
    pub(crate) at: usize,
    skip: usize,
    /// The word of the next key after the prefix that all runs share; the largest at the end.
    word: u64,
}

impl Reader {
    /// A reader before the first row; `skip` is the length of the prefix that all runs share.
    pub(crate) fn new(batch: Batch, skip: usize) -> Reader {
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

    /// The rows that are left.
    pub(crate) fn rest(&self) -> Range<usize> {
        self.at..self.batch.len()
    }

    /// Moves to a row.
    #[inline]
    pub(crate) fn go(&mut self, row: usize) {
        self.at = row;
        self.word = match self.key() {
            Some(key) => word_at(key, self.skip),
            None => u64::MAX,
        };
    }

    /// The order of two readers' next keys; neither is at its end.
    #[inline]
    pub(crate) fn compare(&self, other: &Reader) -> Ordering {
        match self.word.cmp(&other.word) {
            Ordering::Equal => compare(self.batch.key(self.at), other.batch.key(other.at)),
            order => order,
        }
    }

    /// Whether the next key is that of a row of another run.
    #[inline]
    pub(crate) fn is_at(&self, other: &Reader, row: usize) -> bool {
        let key = other.batch.key(row);
        word_at(key, self.skip) == self.word && self.key() == Some(key)
    }
}
