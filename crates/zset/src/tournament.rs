//! A loser tree: which of up to `N` sorted runs comes next.
//!
//! Each inner node remembers the loser of the match below it, so that after the winner moves on, one path of
//! log2(N) matches finds the next. A match compares one word of each key; the keys themselves are looked at only
//! where the words tie. The whole state is a few cache lines, and the loops have constant bounds.

use crate::order::compare;
use crate::reader::Reader;
use std::cmp::Ordering;

pub(crate) struct Tournament<const N: usize> {
    /// The word of each run's next key; the largest word where the run has ended or is missing.
    words: [u64; N],
    /// The loser of each inner node; node 0 holds the winner of all.
    nodes: [u8; N],
}

impl<const N: usize> Tournament<N> {
    /// Seats at most `N` runs, a power of two.
    pub(crate) fn new(readers: &[Reader]) -> Tournament<N> {
        assert!(N.is_power_of_two() && N <= 256 && readers.len() <= N, "a seat for each run");
        let mut words = [u64::MAX; N];
        for (word, reader) in words.iter_mut().zip(readers) {
            *word = reader.word();
        }
        let mut tournament = Tournament { words, nodes: [0; N] };
        let winner = tournament.play(1, readers);
        tournament.nodes[0] = winner;
        tournament
    }

    /// The run whose next key is the least; of equal keys, that of the first run. If it has ended, so have all.
    #[inline]
    pub(crate) fn winner(&self) -> usize {
        usize::from(self.nodes[0])
    }

    /// Plays the winner's matches again after it has moved on.
    #[inline]
    pub(crate) fn replay(&mut self, readers: &[Reader]) {
        let mut winner = self.nodes[0];
        self.words[usize::from(winner)] = readers[usize::from(winner)].word();
        let mut node = (usize::from(winner) + N) / 2;
        while node >= 1 {
            if self.beats(self.nodes[node], winner, readers) {
                std::mem::swap(&mut self.nodes[node], &mut winner);
            }
            node /= 2;
        }
        self.nodes[0] = winner;
    }

    /// The run that would win without the winner.
    pub(crate) fn runner_up(&self, readers: &[Reader]) -> usize {
        let mut node = (self.winner() + N) / 2;
        let mut best = self.nodes[node];
        while node > 1 {
            node /= 2;
            if self.beats(self.nodes[node], best, readers) {
                best = self.nodes[node];
            }
        }
        usize::from(best)
    }

    /// Plays all matches below a node, notes its loser and returns its winner.
    fn play(&mut self, node: usize, readers: &[Reader]) -> u8 {
        if node >= N {
            return (node - N) as u8;
        }
        let left = self.play(node * 2, readers);
        let right = self.play(node * 2 + 1, readers);
        let (winner, loser) = if self.beats(left, right, readers) { (left, right) } else { (right, left) };
        self.nodes[node] = loser;
        winner
    }

    #[inline(always)]
    fn beats(&self, left: u8, right: u8, readers: &[Reader]) -> bool {
        let (a, b) = (self.words[usize::from(left)], self.words[usize::from(right)]);
        if a == b { tie(left, right, readers) } else { a < b }
    }
}

#[inline(never)]
fn tie(left: u8, right: u8, readers: &[Reader]) -> bool {
    let key = |run: u8| readers.get(usize::from(run)).and_then(Reader::key);
    match (key(left), key(right)) {
        (Some(a), Some(b)) => compare(a, b).then(left.cmp(&right)) == Ordering::Less,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => left < right,
    }
}
