//! Decimal arithmetic on unscaled `i128` values: the number is `value / 10^scale`, and `|value| < 10^precision`.
//!
//! Results are exact or rounded once, half away from zero as PostgreSQL's numeric does. Where an intermediate
//! result does not fit 128 bits the computation is repeated in 256, so that a result that fits is always found.

use crate::error::{ErrorKind, Failure};
use crate::tree::BinaryOp;
use crate::wide::Wide;

/// The largest precision.
pub(crate) const MAX_PRECISION: u8 = 38;

const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut i = 1;
    while i < 39 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Ten to the `n`; `n` above 38 counts as 38.
pub(crate) fn power(n: u32) -> i128 {
    POWERS[(n as usize).min(38)]
}

/// Whether `value` has at most `precision` digits.
pub(crate) fn fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < power(u32::from(precision)).unsigned_abs()
}

/// `value` if it has at most `precision` digits.
pub(crate) fn checked(value: i128, precision: u8) -> Result<i128, Failure> {
    if fits(value, precision) { Ok(value) } else { Err(overflow()) }
}

/// The failure of a number with too many digits.
pub(crate) fn overflow() -> Failure {
    Failure::new(ErrorKind::NumericOutOfRange, "numeric field overflow")
}

/// The quotient rounded half away from zero. `divisor` is positive.
pub(crate) fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    if rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2) {
        quotient + value.signum()
    } else {
        quotient
    }
}

/// The same number at another scale, if it fits 38 digits.
pub(crate) fn rescale(value: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        let scaled = value.checked_mul(power(u32::from(to - from)))?;
        fits(scaled, MAX_PRECISION).then_some(scaled)
    } else {
        Some(divide_rounded(value, power(u32::from(from - to))))
    }
}

/// What an arithmetic operator needs to know: the scales of its operands and the type of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) left_scale: u8,
    pub(crate) right_scale: u8,
    pub(crate) precision: u8,
    pub(crate) scale: u8,
}

/// `left op right`, for the five arithmetic operators.
pub(crate) fn arithmetic(op: BinaryOp, left: i128, right: i128, shape: Shape) -> Result<i128, Failure> {
    let result = match op {
        BinaryOp::Add => sum(left, right, shape),
        BinaryOp::Sub => sum(left, -right, shape),
        BinaryOp::Mul => product(left, right, shape),
        BinaryOp::Div if right == 0 => return Err(Failure::division_by_zero()),
        BinaryOp::Div => quotient(left, right, shape),
        _ if right == 0 => return Err(Failure::division_by_zero()),
        _ => remainder(left, right, shape),
    };
    result.filter(|value| fits(*value, shape.precision)).ok_or_else(overflow)
}

fn sum(left: i128, right: i128, shape: Shape) -> Option<i128> {
    let scale = shape.left_scale.max(shape.right_scale);
    let left = left.checked_mul(power(u32::from(scale - shape.left_scale)))?;
    let right = right.checked_mul(power(u32::from(scale - shape.right_scale)))?;
    rescale(left.checked_add(right)?, scale, shape.scale)
}

fn product(left: i128, right: i128, shape: Shape) -> Option<i128> {
    let scale = u32::from(shape.left_scale) + u32::from(shape.right_scale);
    let down = scale.checked_sub(u32::from(shape.scale));
    match (left.checked_mul(right), down) {
        (Some(exact), Some(0)) => Some(exact),
        (Some(exact), Some(down)) if down <= 38 => Some(divide_rounded(exact, power(down))),
        (Some(exact), None) => exact.checked_mul(power(u32::from(shape.scale) - scale)),
        (_, down) => {
            let exact = Wide::product(left.unsigned_abs(), right.unsigned_abs());
            let negative = (left < 0) != (right < 0);
            divided(exact, power(down?.min(38)).unsigned_abs(), negative)
        }
    }
}

fn quotient(left: i128, right: i128, shape: Shape) -> Option<i128> {
    let negative = (left < 0) != (right < 0);
    let (dividend, divisor) = (left.unsigned_abs(), right.unsigned_abs());
    let up = i32::from(shape.scale) + i32::from(shape.right_scale) - i32::from(shape.left_scale);
    if up < 0 {
        let divisor = divisor.checked_mul(power(up.unsigned_abs()).unsigned_abs())?;
        return divided(Wide::product(dividend, 1), divisor, negative);
    }
    let up = up.unsigned_abs();
    let first = Wide::product(dividend, power(up.min(38)).unsigned_abs());
    divided(first.checked_mul(power(up.saturating_sub(38)).unsigned_abs())?, divisor, negative)
}

/// The sign of the dividend, as in PostgreSQL.
fn remainder(left: i128, right: i128, shape: Shape) -> Option<i128> {
    let scale = shape.left_scale.max(shape.right_scale);
    let up_left = power(u32::from(scale - shape.left_scale)).unsigned_abs();
    let up_right = power(u32::from(scale - shape.right_scale)).unsigned_abs();
    let rest = match right.unsigned_abs().checked_mul(up_right) {
        Some(divisor) => {
            // Only the remainder counts: reduce the dividend before it is scaled.
            let reduced = left.unsigned_abs() % divisor;
            Wide::product(reduced, up_left).checked_mul(1)?;
            wide_remainder(reduced, up_left, divisor)?
        }
        // A divisor beyond 128 bits is larger than any dividend that was not scaled up.
        None => left.unsigned_abs(),
    };
    let rest = i128::try_from(rest).ok()?;
    rescale(if left < 0 { -rest } else { rest }, scale, shape.scale)
}

fn wide_remainder(value: u128, factor: u128, divisor: u128) -> Option<u128> {
    // value < divisor, so value * factor / divisor < factor and the quotient fits.
    Wide::product(value, factor).div_rem(divisor).map(|(_, rest)| rest)
}

fn divided(dividend: Wide, divisor: u128, negative: bool) -> Option<i128> {
    let (quotient, rest) = dividend.div_rem(divisor)?;
    let rounded = quotient.checked_add(u128::from(rest >= divisor.div_ceil(2)))?;
    let value = i128::try_from(rounded).ok()?;
    Some(if negative { -value } else { value })
}

/// The order of two decimals of any scales, exact even where bringing them to one scale would overflow.
pub(crate) fn compare(left: i128, left_scale: u8, right: i128, right_scale: u8) -> std::cmp::Ordering {
    let signs = left.signum().cmp(&right.signum());
    if signs.is_ne() {
        return signs;
    }
    let scale = left_scale.max(right_scale);
    let up = |value: i128, from: u8| {
        Wide::product(value.unsigned_abs(), power(u32::from(scale - from)).unsigned_abs())
    };
    let sizes = up(left, left_scale).cmp(&up(right, right_scale));
    if left < 0 { sizes.reverse() } else { sizes }
}

/// Reads PostgreSQL's numeric syntax, rounding to `scale`.
pub(crate) fn parse(text: &str, precision: u8, scale: u8) -> Result<i128, Failure> {
    let invalid = || Failure::invalid_text("numeric", text);
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let (negative, unsigned) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    if ["nan", "inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Err(overflow());
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent).ok_or_else(invalid)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|b| b.is_ascii_digit()) {
        return Err(invalid());
    }
    let kept = whole.len() as i64 + exponent + i64::from(scale);
    let value = rounded_digits(digits(), kept).ok_or_else(overflow)?;
    checked(if negative { -value } else { value }, precision)
}

/// A decimal exponent, clamped to where every number is zero or too large anyway.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.bytes().fold(0i64, |sum, b| (sum * 10 + i64::from(b - b'0')).min(1 << 40));
    Some(if text.starts_with('-') { -size } else { size })
}

/// The number made of the first `kept` digits (zeros appended where there are fewer), rounded by the next digit.
fn rounded_digits(mut digits: impl Iterator<Item = u8>, kept: i64) -> Option<i128> {
    let mut value = 0i128;
    if kept < 0 {
        return Some(0);
    }
    let mut position = 0;
    while position < kept {
        match digits.next() {
            Some(digit) => value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?,
            None if value == 0 => return Some(0),
            None => value = value.checked_mul(10)?,
        }
        position += 1;
    }
    let up = digits.next().is_some_and(|digit| digit >= b'5');
    value.checked_add(i128::from(up))
}

/// From a float of `digits` significant decimal digits (15 for double, 6 for real), as PostgreSQL converts.
pub(crate) fn from_float(value: f64, digits: usize, precision: u8, scale: u8) -> Result<i128, Failure> {
    if !value.is_finite() {
        return Err(overflow());
    }
    parse(&format!("{value:.*e}", digits - 1), precision, scale)
}

/// The nearest double.
pub(crate) fn to_float(value: i128, scale: u8) -> f64 {
    const EXACT: u128 = 1 << 53;
    if value.unsigned_abs() <= EXACT && scale <= 22 {
        // Both are exact doubles, so the division rounds once.
        return value as f64 / power(u32::from(scale)) as f64;
    }
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Shape = Shape { left_scale: 10, right_scale: 10, precision: 38, scale: 14 };

    #[test]
    fn rounds_half_away_from_zero() {
        for (value, divisor, expected) in
            [(5, 10, 1), (-5, 10, -1), (4, 10, 0), (15, 10, 2), (1, 3, 0), (2, 3, 1), (-2, 3, -1)]
        {
            assert_eq!(divide_rounded(value, divisor), expected, "{value}/{divisor}");
        }
    }

    #[test]
    fn products_and_quotients_pass_through_256_bits() {
        let a = 12_345_678_901_234_567_890_123_456_789i128;
        assert_eq!(arithmetic(BinaryOp::Div, a, a, WIDE), Ok(10i128.pow(14)));
        let shape = Shape { left_scale: 30, right_scale: 30, precision: 38, scale: 30 };
        let one = 10i128.pow(30);
        assert_eq!(arithmetic(BinaryOp::Mul, 3 * one, one / 2, shape), Ok(one * 3 / 2));
        assert_eq!(arithmetic(BinaryOp::Rem, 7 * one, 2 * one, shape), Ok(one));
        assert!(arithmetic(BinaryOp::Mul, one * 10_000_000, one * 1_000_000, shape).is_err());
    }

    #[test]
    fn remainder_takes_the_sign_of_the_dividend() {
        let shape = Shape { left_scale: 0, right_scale: 1, precision: 10, scale: 1 };
        assert_eq!(arithmetic(BinaryOp::Rem, -7, 20, shape), Ok(-10));
        assert_eq!(arithmetic(BinaryOp::Rem, 7, -20, shape), Ok(10));
        assert!(arithmetic(BinaryOp::Rem, 7, 0, shape).is_err());
    }

    #[test]
    fn text_is_read_exactly() {
        for (text, expected) in [
            ("1", Some(100)),
            (" -1.005 ", Some(-101)),
            ("1e2", Some(10_000)),
            ("125e-3", Some(13)),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("0e999999999999", Some(0)),
            ("1e-999999999999", Some(0)),
            ("1e999999999999", None),
            ("NaN", None),
            ("", None),
            (".", None),
            ("1 2", None),
            ("1e", None),
            ("--1", None),
        ] {
            assert_eq!(parse(text, 10, 2).ok(), expected, "{text}");
        }
    }

    #[test]
    fn order_needs_no_common_scale() {
        let max = 10i128.pow(38) - 1;
        assert!(compare(max, 0, max, 38).is_gt());
        assert!(compare(-max, 0, max, 38).is_lt());
        assert!(compare(10, 1, 1, 0).is_eq());
        assert!(compare(-11, 1, -1, 0).is_lt());
    }

    #[test]
    fn floats_convert_by_their_decimal_digits() {
        assert_eq!(from_float(0.1 + 0.2, 15, 10, 5), Ok(30_000));
        assert!(from_float(f64::NAN, 15, 10, 5).is_err());
        assert_eq!(to_float(30, 2), 0.3);
        assert_eq!(to_float(123_456_789_012_345_678_901, 20), 1.234_567_890_123_456_8);
    }
}
