//! Exact sums of floats against a plain big integer, with exponents from one end to the other.

use expr::ExactSum;

use crate::random::Random;

/// An integer in units of 2^-1074: signed digits of 32 bits, least first, carried only when it is read.
#[derive(Clone)]
struct Big(Vec<i128>);

impl Big {
    fn add(&mut self, value: f64, weight: i64) {
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, shift) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let sign = if value < 0.0 { -1 } else { 1 };
        // One bit after the other: slow, and hard to get wrong.
        for bit in (0..53).filter(|bit| mantissa >> bit & 1 == 1) {
            let at = bit + shift;
            self.0[at / 32] += (sign * i128::from(weight)) << (at % 32);
        }
    }

    /// The bits of the magnitude, least first, and the sign.
    fn bits(&self) -> (Vec<bool>, bool) {
        let mut digits = self.0.clone();
        let carry = |digits: &mut Vec<i128>| {
            for index in 0..digits.len() - 1 {
                let over = digits[index].div_euclid(1 << 32);
                digits[index] -= over << 32;
                digits[index + 1] += over;
            }
        };
        carry(&mut digits);
        let negative = digits.last().is_some_and(|&top| top < 0);
        if negative {
            digits.iter_mut().for_each(|digit| *digit = -*digit);
            carry(&mut digits);
        }
        (digits.iter().flat_map(|digit| (0..32).map(move |bit| digit >> bit & 1 == 1)).collect(), negative)
    }

    fn value(&self) -> Option<f64> {
        let (bits, negative) = self.bits();
        let Some(top) = bits.iter().rposition(|&bit| bit) else { return Some(0.0) };
        let low = top.saturating_sub(52);
        let mut mantissa: u64 =
            (low..=top).rev().fold(0, |mantissa, bit| mantissa << 1 | u64::from(bits[bit]));
        if low > 0 && bits[low - 1] && (mantissa & 1 == 1 || bits[..low - 1].contains(&true)) {
            mantissa += 1;
        }
        // Two steps, so that neither power of two is beyond a double; multiplying is exact here.
        let (half, rest) = (low / 2, low - low / 2);
        let scaled = mantissa as f64 * f64::from_bits(1) * 2f64.powi(half as i32) * 2f64.powi(rest as i32);
        scaled.is_finite().then_some(if negative { -scaled } else { scaled })
    }
}

#[test]
fn sums_equal_those_of_big_integers() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut terms: Vec<(f64, i64)> = Vec::new();
        let narrow = random.once_in(2);
        for _ in 0..random.below(60) {
            let exponent = if narrow { 1000 + random.below(60) as u64 } else { random.below(2047) as u64 };
            let bits = random.next() & !(0x7ff << 52) | exponent << 52;
            let weight = [1, -1, 3, i64::MAX, random.next() as i64 >> 20][random.below(5)];
            terms.push((f64::from_bits(bits), weight));
        }
        let (mut exact, mut big) = (ExactSum::new(), Big(vec![0; 72]));
        for &(value, weight) in &terms {
            exact.add_times(value, weight);
            big.add(value, weight);
        }
        assert_eq!(exact.value().map(f64::to_bits), big.value().map(f64::to_bits), "seed {seed}: {terms:?}");
        let mut read = ExactSum::from_bytes(&exact.to_bytes()).unwrap();
        assert_eq!(read, exact, "seed {seed}");
        terms.iter().rev().for_each(|&(value, weight)| read.add_times(value, -weight));
        assert_eq!(read.to_bytes(), Vec::<u8>::new(), "seed {seed}");
    }
}
