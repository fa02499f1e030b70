//! The exact sum of floating-point numbers: one that does not depend on the order of its terms and can give
//! terms back.
//!
//! A view adds and removes terms as rows come and go, a query adds them in whatever order it meets them, and
//! both must show the same number. So the sum is kept as one integer of units of 2^-1074, the smallest
//! distance between two doubles, wide enough for 2^64 of the largest; it is rounded once, when it is read.
//! NaN and the infinities are counted beside it. Adding costs a few limbs; the bytes of a sum are canonical:
//! equal sums have equal bytes, and a sum of nothing has none.

/// Bits below the binary point.
const FRACTION: u32 = 1074;
/// 64-bit limbs: 1074 bits of fraction, 1024 of integer, 64 of head room and the sign.
const LIMBS: usize = 34;

/// A sum of doubles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactSum {
    /// Two's complement, least significant limb first.
    limbs: [u64; LIMBS],
    nans: i64,
    infinities: i64,
    negative_infinities: i64,
}

impl Default for ExactSum {
    fn default() -> ExactSum {
        ExactSum::new()
    }
}

impl ExactSum {
    /// The sum of nothing.
    pub fn new() -> ExactSum {
        ExactSum { limbs: [0; LIMBS], nans: 0, infinities: 0, negative_infinities: 0 }
    }

    /// Adds a term.
    pub fn add(&mut self, value: f64) {
        self.add_times(value, 1);
    }

    /// Takes a term back.
    pub fn remove(&mut self, value: f64) {
        self.add_times(value, -1);
    }

    /// Adds a term `times` times; a negative number takes it back as often.
    pub fn add_times(&mut self, value: f64, times: i64) {
        if value.is_nan() {
            self.nans = self.nans.wrapping_add(times);
        } else if value == f64::INFINITY {
            self.infinities = self.infinities.wrapping_add(times);
        } else if value == f64::NEG_INFINITY {
            self.negative_infinities = self.negative_infinities.wrapping_add(times);
        } else if value != 0.0 {
            let bits = value.to_bits();
            let exponent = ((bits >> 52) & 0x7ff) as u32;
            let fraction = bits & ((1 << 52) - 1);
            let (mantissa, shift) =
                if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
            let product = u128::from(mantissa) * u128::from(times.unsigned_abs());
            self.add_shifted(product, shift, (value < 0.0) != (times < 0));
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        let mut carry = false;
        for (limb, &term) in self.limbs.iter_mut().zip(&other.limbs) {
            let (sum, first) = limb.overflowing_add(term);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = first || second;
        }
        self.nans = self.nans.wrapping_add(other.nans);
        self.infinities = self.infinities.wrapping_add(other.infinities);
        self.negative_infinities = self.negative_infinities.wrapping_add(other.negative_infinities);
    }

    /// The sum with the opposite sign: what [`merge`](ExactSum::merge) needs to subtract it.
    pub fn negated(&self) -> ExactSum {
        ExactSum {
            limbs: negate(&self.limbs),
            nans: self.nans.wrapping_neg(),
            infinities: self.infinities.wrapping_neg(),
            negative_infinities: self.negative_infinities.wrapping_neg(),
        }
    }

    /// The double next to the sum, ties to even. `None` where finite terms exceed the largest double.
    pub fn value(&self) -> Option<f64> {
        if self.nans != 0 || (self.infinities != 0 && self.negative_infinities != 0) {
            return Some(f64::NAN);
        }
        if self.infinities != 0 {
            return Some(f64::INFINITY);
        }
        if self.negative_infinities != 0 {
            return Some(f64::NEG_INFINITY);
        }
        let negative = self.is_negative();
        let magnitude = if negative { negate(&self.limbs) } else { self.limbs };
        let rounded = round(&magnitude)?;
        Some(if negative { -rounded } else { rounded })
    }

    /// The bytes that [`from_bytes`](ExactSum::from_bytes) reads back; none for the sum of nothing.
    pub fn to_bytes(&self) -> Vec<u8> {
        let fill = if self.is_negative() { u64::MAX } else { 0 };
        let first = self.limbs.iter().position(|&limb| limb != 0).unwrap_or(LIMBS);
        let mut end = self.limbs.iter().rposition(|&limb| limb != fill).map_or(first, |last| last + 1);
        // The last limb written must carry the sign.
        if first < LIMBS && (end <= first || (self.limbs[end - 1] >> 63 == 1) != (fill != 0)) {
            end = (end + 1).max(first + 1).min(LIMBS);
        }
        let counts = [self.nans, self.infinities, self.negative_infinities];
        let special = counts.iter().any(|&count| count != 0);
        if first == LIMBS && !special {
            return Vec::new();
        }
        let mut out = Vec::with_capacity(2 + (LIMBS.min(end) - first.min(end)) * 8 + 24);
        out.push(u8::from(special));
        if special {
            counts.iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        }
        out.push(first as u8);
        self.limbs[first.min(end)..end].iter().for_each(|limb| out.extend_from_slice(&limb.to_le_bytes()));
        out
    }

    /// The sum that these bytes are; `None` if they are not one's.
    pub fn from_bytes(bytes: &[u8]) -> Option<ExactSum> {
        let mut sum = ExactSum::new();
        let Some((&special, mut rest)) = bytes.split_first() else { return Some(sum) };
        let word = |rest: &mut &[u8]| -> Option<[u8; 8]> {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            *rest = tail;
            Some(*head)
        };
        match special {
            0 => {}
            1 => {
                sum.nans = i64::from_le_bytes(word(&mut rest)?);
                sum.infinities = i64::from_le_bytes(word(&mut rest)?);
                sum.negative_infinities = i64::from_le_bytes(word(&mut rest)?);
            }
            _ => return None,
        }
        let (&first, mut rest) = rest.split_first()?;
        let mut index = usize::from(first);
        if rest.len() % 8 != 0 || index + rest.len() / 8 > LIMBS {
            return None;
        }
        let mut last = 0;
        while !rest.is_empty() {
            last = u64::from_le_bytes(word(&mut rest)?);
            sum.limbs[index] = last;
            index += 1;
        }
        if last >> 63 == 1 {
            sum.limbs[index..].fill(u64::MAX);
        }
        Some(sum)
    }

    fn is_negative(&self) -> bool {
        self.limbs[LIMBS - 1] >> 63 == 1
    }

    /// Adds `±product · 2^shift` units.
    fn add_shifted(&mut self, product: u128, shift: u32, negative: bool) {
        let start = (shift / 64) as usize;
        let offset = shift % 64;
        let low = product << offset;
        let high = if offset == 0 { 0 } else { (product >> (128 - offset)) as u64 };
        let parts = [low as u64, (low >> 64) as u64, high];
        let mut carry = false;
        for (index, limb) in self.limbs[start..].iter_mut().enumerate() {
            let part = parts.get(index).copied().unwrap_or(0);
            if index >= parts.len() && !carry {
                break;
            }
            let (sum, first, second);
            if negative {
                let (partial, borrow) = limb.overflowing_sub(part);
                let (result, more) = partial.overflowing_sub(u64::from(carry));
                (sum, first, second) = (result, borrow, more);
            } else {
                let (partial, over) = limb.overflowing_add(part);
                let (result, more) = partial.overflowing_add(u64::from(carry));
                (sum, first, second) = (result, over, more);
            }
            *limb = sum;
            carry = first || second;
        }
    }
}

fn negate(limbs: &[u64; LIMBS]) -> [u64; LIMBS] {
    let mut carry = true;
    limbs.map(|limb| {
        let (sum, over) = (!limb).overflowing_add(u64::from(carry));
        carry = over;
        sum
    })
}

/// The double next to a magnitude, ties to even.
fn round(magnitude: &[u64; LIMBS]) -> Option<f64> {
    let Some(top_limb) = magnitude.iter().rposition(|&limb| limb != 0) else { return Some(0.0) };
    let top = top_limb as u32 * 64 + 63 - magnitude[top_limb].leading_zeros();
    if top <= 52 {
        // Up to 53 bits of units are a double as they stand: its bits are the number itself.
        return Some(f64::from_bits(magnitude[0]));
    }
    let lowest = top - 52;
    let bit = |index: u32| magnitude[(index / 64) as usize] >> (index % 64) & 1 == 1;
    let mut mantissa = bits_from(magnitude, lowest);
    let half = bit(lowest - 1);
    let below = lowest - 1;
    let sticky = magnitude[..(below / 64) as usize].iter().any(|&limb| limb != 0)
        || magnitude[(below / 64) as usize] & ((1 << (below % 64)) - 1) != 0;
    if half && (sticky || mantissa & 1 == 1) {
        mantissa += 1;
    }
    // A carry out of the mantissa moves into the exponent by itself.
    let exponent = u64::from(top - 52);
    let bits = (exponent << 52) + mantissa;
    let value = f64::from_bits(bits);
    (top < FRACTION + 1024 && value.is_finite()).then_some(value)
}

/// 53 bits from bit `lowest` up.
fn bits_from(magnitude: &[u64; LIMBS], lowest: u32) -> u64 {
    let (limb, offset) = ((lowest / 64) as usize, lowest % 64);
    let low = magnitude[limb] >> offset;
    let high = match offset {
        0 => 0,
        _ => magnitude.get(limb + 1).copied().unwrap_or(0) << (64 - offset),
    };
    (low | high) & ((1 << 53) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> ExactSum {
        let mut sum = ExactSum::new();
        terms.iter().for_each(|&term| sum.add(term));
        sum
    }

    #[test]
    fn one_term_is_itself() {
        let terms =
            [1.0, -1.0, 0.1, 1e308, -1e308, f64::MAX, f64::MIN_POSITIVE, 5e-324, -5e-324, 123456.789, 1e-310];
        for term in terms {
            assert_eq!(sum(&[term]).value(), Some(term));
            let back = ExactSum::from_bytes(&sum(&[term]).to_bytes()).expect("own bytes");
            assert_eq!(back, sum(&[term]));
        }
    }

    #[test]
    fn order_does_not_matter_and_terms_come_back() {
        let mut state = 7u64;
        let mut terms = Vec::new();
        for _ in 0..2000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f64::from_bits(state);
            if value.is_finite() && value.abs() < 1e300 {
                terms.push(value);
            }
        }
        let forward = sum(&terms);
        let backward = sum(&terms.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(forward, backward);
        let mut emptied = forward.clone();
        terms.iter().for_each(|&term| emptied.remove(term));
        assert_eq!(emptied, ExactSum::new());
        assert!(emptied.to_bytes().is_empty());
        assert_eq!(ExactSum::from_bytes(&forward.to_bytes()), Some(forward.clone()));
        let mut difference = forward.clone();
        difference.merge(&forward.negated());
        assert_eq!(difference, ExactSum::new());
    }

    #[test]
    fn rounds_once() {
        assert_eq!(sum(&[0.1; 10]).value(), Some(1.0));
        assert_eq!(sum(&[1e16, 1.0, -1e16]).value(), Some(1.0));
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0]).value(), Some(1.0));
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 5e-324]).value(), Some(1.0 + f64::EPSILON));
        assert_eq!(sum(&[1.0 + f64::EPSILON, f64::EPSILON / 2.0]).value(), Some(1.0 + 2.0 * f64::EPSILON));
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), None);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).value(), Some(f64::MAX));
    }

    #[test]
    fn specials_are_counted() {
        assert!(sum(&[1.0, f64::NAN]).value().is_some_and(f64::is_nan));
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_some_and(f64::is_nan));
        let mut one = sum(&[f64::INFINITY, 2.5]);
        assert_eq!(one.value(), Some(f64::INFINITY));
        assert_eq!(ExactSum::from_bytes(&one.to_bytes()), Some(one.clone()));
        one.remove(f64::INFINITY);
        assert_eq!(one.value(), Some(2.5));
    }

    #[test]
    fn times_is_repeated_adding() {
        let mut times = ExactSum::new();
        times.add_times(0.1, 1_000_003);
        times.add_times(0.1, -3);
        let mut repeated = ExactSum::new();
        (0..1_000_000).for_each(|_| repeated.add(0.1));
        assert_eq!(times, repeated);
        assert_eq!(ExactSum::from_bytes(&[9]), None);
        assert_eq!(ExactSum::from_bytes(&[0, 33, 1, 2]), None);
    }
}
