//! Which disk runs of a collection to merge, and which of their shards need to be rewritten for it.
//!
//! Both choices are pure functions of sizes and key ranges; the checkpoint carries them out. Every run is one more
//! place that a read looks at, so there are never more than [`MAX_RUNS`] after a checkpoint; and rows that cancel
//! each other in different runs take space until a merge brings them together, so the small runs together never
//! outgrow the largest. A row is rewritten about as often as the logarithm of the collection's growth.

/// Runs on disk that a collection may have.
pub const MAX_RUNS: usize = 8;

/// The runs to merge into one, as indices into `sizes` (bytes of each run); empty when all is well.
///
/// All of them, once the others together are as large as the largest. Otherwise, when there are too many, the
/// smallest two, and every further run that is no larger than what is merged before it.
pub fn choose(sizes: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&run| (sizes[run], run));
    let total: u64 = sizes.iter().sum();
    let largest = order.last().map_or(0, |&run| sizes[run]);
    if sizes.len() > 1 && total - largest >= largest {
        return order;
    }
    if sizes.len() <= MAX_RUNS {
        return Vec::new();
    }
    let mut merged = 0;
    let mut count = 0;
    for &run in &order {
        if count >= 2 && sizes[run] > merged {
            break;
        }
        merged += sizes[run];
        count += 1;
    }
    order.truncate(count);
    order
}

/// Something to merge: a shard, or a batch in memory.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Its least key.
    pub least: &'a [u8],
    /// Its greatest key.
    pub greatest: &'a [u8],
    /// Whether it is a shard large enough to stay as it is where nothing overlaps it.
    pub may_stay: bool,
}

/// One step of a merge.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The piece joins the result as it is.
    Keep(usize),
    /// These pieces are merged and written anew.
    Merge(Vec<usize>),
}

/// How to make one run of the pieces, in key order, rewriting only what overlaps or is small.
pub fn plan(pieces: &[Piece<'_>]) -> Vec<Step> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&piece| pieces[piece].least);
    let mut steps = Vec::new();
    let mut pending: Vec<usize> = Vec::new();
    let mut rest = order.as_slice();
    while let [first, ..] = rest {
        let mut greatest = pieces[*first].greatest;
        let mut length = 1;
        while let Some(&next) = rest.get(length).filter(|&&next| pieces[next].least <= greatest) {
            greatest = greatest.max(pieces[next].greatest);
            length += 1;
        }
        let (cluster, after) = rest.split_at(length);
        if length == 1 && pieces[*first].may_stay {
            steps.extend((!pending.is_empty()).then(|| Step::Merge(std::mem::take(&mut pending))));
            steps.push(Step::Keep(*first));
        } else {
            pending.extend_from_slice(cluster);
        }
        rest = after;
    }
    steps.extend((!pending.is_empty()).then_some(Step::Merge(pending)));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn runs_stay_few_and_rewriting_stays_cheap() {
        let mut random = Random::new(1);
        let (mut runs, mut flushed, mut written) = (Vec::<u64>::new(), 0u64, 0u64);
        for _ in 0..5_000 {
            let size = 1 + random.below(100);
            runs.push(size);
            flushed += size;
            let chosen = choose(&runs);
            if !chosen.is_empty() {
                let merged = chosen.iter().map(|&run| runs[run]).sum();
                written += merged;
                let mut index = 0;
                runs.retain(|_| {
                    index += 1;
                    !chosen.contains(&(index - 1))
                });
                runs.push(merged);
            }
            assert!(runs.len() <= MAX_RUNS);
        }
        assert!(written < 10 * flushed, "{written} bytes rewritten for {flushed}");
    }

    #[test]
    fn choices() {
        assert!(choose(&[]).is_empty());
        assert!(choose(&[5]).is_empty());
        assert!(choose(&[100, 5, 20]).is_empty());
        assert_eq!(choose(&[100, 50, 50]), [1, 2, 0]);
        assert_eq!(choose(&[10_000, 1, 1, 1, 1, 1, 1, 1, 5_000]), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn only_overlap_is_rewritten() {
        let piece = |least, greatest, may_stay| Piece { least, greatest, may_stay };
        let pieces = [
            piece(b"a", b"c", true),
            piece(b"x", b"z", true),
            piece(b"d", b"f", true),
            piece(b"e", b"g", true),
            piece(b"h", b"i", false),
        ];
        assert_eq!(plan(&pieces), [Step::Keep(0), Step::Merge(vec![2, 3, 4]), Step::Keep(1)]);
        assert!(plan(&[]).is_empty());
    }
}
