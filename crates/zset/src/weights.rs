//! Scans of W: plain loops over weights that the compiler turns into vector code.
//!
//! Weights lie in -(2^63-1) ..= 2^63-1. The one value beyond, `i64::MIN`, is treated as an overflow wherever a
//! weight is made, so that negation is always possible.

use crate::error::ZsetError;

/// Weights looked at in one step.
const BLOCK: usize = 8;

/// The sum of two weights, or an error where it would not be a weight.
#[inline]
pub fn add(left: i64, right: i64) -> Result<i64, ZsetError> {
    match left.checked_add(right) {
        Some(sum) if sum != i64::MIN => Ok(sum),
        _ => Err(ZsetError::WeightOverflow { left, right }),
    }
}

/// The sum of all weights. It cannot overflow.
pub fn sum(weights: &[i64]) -> i128 {
    // Halves are summed apart, because sums of 64-bit halves vectorise and 128-bit sums do not. A batch has fewer
    // than 2^31 rows, and larger slices are cut, so that neither sum can overflow.
    weights.chunks(1 << 30).map(sum_chunk).sum()
}

fn sum_chunk(weights: &[i64]) -> i128 {
    let (mut high, mut low) = (0i64, 0i64);
    for &weight in weights {
        high += weight >> 32;
        low += weight & 0xffff_ffff;
    }
    (i128::from(high) << 32) + i128::from(low)
}

/// Whether any weight is negative.
pub fn any_negative(weights: &[i64]) -> bool {
    // Early exit is by block of 1,024, so that the inner loop has no branch.
    weights.chunks(1024).any(|chunk| chunk.iter().fold(0, |bits, weight| bits | weight) < 0)
}

/// Whether any weight is zero.
pub fn any_zero(weights: &[i64]) -> bool {
    weights.chunks(1024).any(|chunk| chunk.iter().fold(false, |zero, &weight| zero | (weight == 0)))
}

/// The first index at or after `from` whose weight is not zero; whole blocks of zeros are skipped in one step.
pub fn next_nonzero(weights: &[i64], from: usize) -> Option<usize> {
    let rest = weights.get(from..)?;
    let skipped =
        rest.chunks(BLOCK).take_while(|block| block.iter().fold(0, |bits, weight| bits | weight) == 0);
    let start = skipped.count() * BLOCK;
    let found = rest.get(start..)?.iter().position(|&weight| weight != 0)?;
    Some(from + start + found)
}

/// How many weights are not zero.
pub fn count_nonzero(weights: &[i64]) -> usize {
    weights.iter().map(|&weight| usize::from(weight != 0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_agree_with_their_definitions() {
        let mut weights = vec![0i64; 100];
        assert_eq!(next_nonzero(&weights, 0), None);
        assert!(!any_negative(&weights) && any_zero(&weights));
        weights[77] = i64::MAX;
        weights[78] = i64::MAX;
        weights[99] = -1;
        for from in 0..=100 {
            let slow = (from..100).find(|&index| weights[index] != 0);
            assert_eq!(next_nonzero(&weights, from), slow, "{from}");
        }
        assert_eq!(next_nonzero(&weights, 101), None);
        assert!(any_negative(&weights));
        assert_eq!(count_nonzero(&weights), 3);
        assert_eq!(sum(&weights), 2 * i128::from(i64::MAX) - 1);
        assert_eq!(sum(&[i64::MIN + 1; 3]), 3 * i128::from(i64::MIN + 1));
    }

    #[test]
    fn addition_stays_within_weights() {
        assert_eq!(add(i64::MAX, -1), Ok(i64::MAX - 1));
        assert!(add(i64::MAX, 1).is_err());
        assert!(add(-i64::MAX, -1).is_err());
        assert!(add(-i64::MAX, -2).is_err());
    }
}
