//! Unsigned 256-bit numbers, only as wide as decimal multiplication and division need them.
//!
//! A decimal of 38 digits fills an `i128`; a product or a scaled dividend passes through twice that before it is
//! divided back. This is the slow path, taken when the 128-bit one overflows, so it is written to be obvious.

/// `high * 2^128 + low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    /// The product of two 128-bit numbers, which always fits.
    pub(crate) fn product(a: u128, b: u128) -> Wide {
        const HALF: u128 = u64::MAX as u128;
        let (a1, a0) = (a >> 64, a & HALF);
        let (b1, b0) = (b >> 64, b & HALF);
        let low = a0 * b0;
        let cross = a1 * b0 + (low >> 64);
        let other = a0 * b1 + (cross & HALF);
        Wide { high: a1 * b1 + (cross >> 64) + (other >> 64), low: (other << 64) | (low & HALF) }
    }

    /// This times `factor`, if it still fits.
    pub(crate) fn checked_mul(self, factor: u128) -> Option<Wide> {
        let low = Wide::product(self.low, factor);
        let high = self.high.checked_mul(factor)?;
        Some(Wide { high: low.high.checked_add(high)?, low: low.low })
    }

    /// Quotient and remainder, if the quotient fits in 128 bits and the divisor is not zero.
    pub(crate) fn div_rem(self, divisor: u128) -> Option<(u128, u128)> {
        if self.high >= divisor {
            return None;
        }
        if self.high == 0 {
            return Some((self.low / divisor, self.low % divisor));
        }
        let mut remainder = self.high;
        let mut quotient = 0;
        for bit in (0..128).rev() {
            let carry = remainder >> 127 == 1;
            remainder = (remainder << 1) | ((self.low >> bit) & 1);
            if carry || remainder >= divisor {
                remainder = remainder.wrapping_sub(divisor);
                quotient |= 1 << bit;
            }
        }
        Some((quotient, remainder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_divide_back() {
        let samples = [1, 2, 3, 10, u64::MAX as u128, 1 << 64, 10u128.pow(38), u128::MAX / 3, u128::MAX];
        for a in samples {
            for b in samples {
                let product = Wide::product(a, b);
                assert_eq!(product.div_rem(b), Some((a, 0)), "{a} * {b}");
                if a < b && a > 1 {
                    assert_eq!(
                        Wide { high: product.high, low: product.low | 1 }.div_rem(b).map(|q| q.0),
                        Some(a)
                    );
                }
            }
        }
    }

    #[test]
    fn overflow_is_told() {
        let large = Wide::product(u128::MAX, u128::MAX);
        assert_eq!(large.checked_mul(2), None);
        assert_eq!(large.div_rem(2), None);
        assert_eq!(Wide::product(5, 5).div_rem(0), None);
        assert_eq!(Wide::product(1 << 127, 4).checked_mul(3), Some(Wide { high: 6, low: 0 }));
    }
}
