//! Which runs in memory to merge, and who merges them.
//!
//! Runs are merged so that they grow geometrically: with the youngest go all elder ones that are each less than
//! twice as long as what has come together. There are then about as many runs as the logarithm of the rows, and each
//! row is copied about that often. But a commit must not wait for other commits' rows. So a push merges no more than
//! in proportion to what it brings, and the larger merges are made beside commits, by whoever looks after the
//! database. A push merges more only where runs have gathered faster than they were merged.

use std::ops::Range;

use zset::Batch;

/// The most that is merged in memory. What is larger is merged by checkpoints.
const MOST: usize = 8 << 20;

/// What every push may merge: some hundred microseconds.
const SMALL: usize = 256 << 10;

/// A larger push may merge so many times what it brings.
const PROPORTION: usize = 4;

/// So many runs are worth a merge beside commits.
const WORTH: usize = 4;

/// At so many runs below [`MOST`] pushes merge up to [`CROWDED_BYTES`].
const CROWD: usize = 32;
const CROWDED_BYTES: usize = 2 << 20;

/// How many of the youngest runs are merged with a batch that is pushed.
pub(crate) fn at_push(runs: &[Batch], batch: &Batch) -> usize {
    let crowd = runs.iter().rev().take_while(|run| run.bytes() < MOST / 2).count();
    let least = if crowd < CROWD { SMALL } else { CROWDED_BYTES };
    geometric(runs, batch, (PROPORTION * batch.bytes()).clamp(least, MOST))
}

/// The runs to merge beside commits, if it is worth it. The youngest, which pushes still merge, are left to them.
pub(crate) fn beside(runs: &[Batch]) -> Option<Range<usize>> {
    let mut young = 0;
    let is_young = |run: &&Batch| {
        young += run.bytes();
        young <= SMALL
    };
    let settled = runs.len() - runs.iter().rev().take_while(is_young).count();
    let (youngest, elder) = runs[..settled].split_last()?;
    let count = 1 + geometric(elder, youngest, MOST);
    (count >= WORTH).then(|| settled - count..settled)
}

/// How many of the youngest runs go with a batch, if no more than `limit` bytes are to be merged.
fn geometric(runs: &[Batch], batch: &Batch, limit: usize) -> usize {
    let (mut rows, mut bytes) = (batch.len(), batch.bytes());
    let joins = |run: &&Batch| {
        let joins = run.len() < 2 * rows && run.bytes() + bytes <= limit;
        rows += run.len();
        bytes += run.bytes();
        joins
    };
    runs.iter().rev().take_while(joins).count()
}

#[cfg(test)]
mod tests {
    use zset::BatchBuilder;

    use super::*;

    /// About a quarter of [`SMALL`].
    const QUARTER: usize = 1 << 11;

    fn run(rows: usize) -> Batch {
        let mut builder = BatchBuilder::new();
        (0..rows as u64).for_each(|row| builder.push(&row.to_be_bytes(), &[0; 6], 1).unwrap());
        builder.finish().unwrap()
    }

    #[test]
    fn a_push_merges_in_proportion_to_what_it_brings() {
        assert_eq!(run(QUARTER).bytes(), SMALL / 4);
        assert_eq!(at_push(&[], &run(1)), 0);
        assert_eq!(at_push(&[run(4), run(2), run(1)], &run(1)), 3);
        assert_eq!(at_push(&[run(9), run(4), run(2)], &run(1)), 0);
        let four = [run(QUARTER), run(QUARTER), run(QUARTER), run(QUARTER)];
        assert_eq!(at_push(&four, &run(QUARTER)), 3);
        assert_eq!(at_push(&four, &run(2 * QUARTER)), 4);
    }

    #[test]
    fn what_pushes_leave_is_merged_beside() {
        let runs = |sizes: &[usize]| sizes.iter().map(|&size| run(size)).collect::<Vec<_>>();
        assert_eq!(beside(&[]), None);
        assert_eq!(beside(&runs(&[1, 1, 1, 1, 1])), None);
        let large = 5 * QUARTER;
        assert_eq!(beside(&runs(&[large, large, large, large / 2])), None);
        assert_eq!(beside(&runs(&[large, large, large, large, QUARTER / 2, 5])), Some(0..4));
        assert_eq!(beside(&runs(&[9 * large, large, large, large, large, 5])), Some(1..5));
    }

    #[test]
    fn a_crowd_is_merged_by_pushes_too() {
        let crowd: Vec<Batch> = (0..CROWD).map(|_| run(3 * QUARTER)).collect();
        assert_eq!(at_push(&crowd[1..], &run(2 * QUARTER)), 2);
        assert!(at_push(&crowd, &run(2 * QUARTER)) > 8);
    }
}
