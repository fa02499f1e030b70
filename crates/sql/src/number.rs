//! Numeric literals as written: sign, digits and the place of the point, kept exactly until the type that takes
//! them is known. Rounding is half away from zero, as PostgreSQL's numeric rounds.

use std::fmt;

use zset::{Datum, Type};

/// A number of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    /// Decimal digits without leading zeros.
    digits: Vec<u8>,
    /// How many of the digits stand before the point; below zero means zeros after the point.
    point: i64,
}

impl Number {
    /// Reads `[+-]digits[.digits][e[+-]digits]`.
    pub fn parse(text: &str) -> Option<Number> {
        let text = text.trim();
        let negative = text.starts_with('-');
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let all = whole.bytes().chain(fraction.bytes());
        if !all.clone().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let zeros = all.clone().take_while(|b| *b == b'0').count();
        let digits: Vec<u8> = all.skip(zeros).map(|b| b - b'0').collect();
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + i64::from(exponent);
        Some(Number { negative, digits, point })
    }

    /// The number with its sign turned.
    pub fn negate(mut self) -> Number {
        self.negative = !self.negative;
        self
    }

    /// The number in units of `10^-scale`, rounded, and whether rounding lost anything.
    pub fn unscaled(&self, scale: u8) -> Option<(i128, bool)> {
        let kept = self.point + i64::from(scale);
        let kept = match usize::try_from(kept) {
            Ok(kept) => kept,
            Err(_) => return Some((0, self.digits.iter().any(|d| *d != 0))),
        };
        let mut value: i128 = 0;
        let taken = kept.min(self.digits.len());
        for digit in &self.digits[..taken] {
            value = value.checked_mul(10)?.checked_add(i128::from(*digit))?;
        }
        if value != 0 {
            for _ in taken..kept {
                value = value.checked_mul(10)?;
            }
        }
        let lost = self.digits.get(kept..).unwrap_or_default();
        if lost.first().is_some_and(|d| *d >= 5) {
            value = value.checked_add(1)?;
        }
        let inexact = lost.iter().any(|d| *d != 0);
        Some((if self.negative { -value } else { value }, inexact))
    }

    /// The number as a value of `DECIMAL(precision, scale)`, if it is in range.
    pub fn to_decimal(&self, precision: u8, scale: u8) -> Option<Datum> {
        let (value, _) = self.unscaled(scale)?;
        decimal(value, precision)
    }

    /// The least type that holds the number as written: INTEGER, BIGINT, else a decimal.
    pub fn natural_type(&self) -> Option<Type> {
        let count = i64::try_from(self.digits.len()).ok()?;
        let scale = u8::try_from((count - self.point).max(0)).ok()?;
        let (value, _) = self.unscaled(scale)?;
        if scale > 0 || i64::try_from(value).is_err() {
            let precision = self.point.max(0) + i64::from(scale);
            let precision = u8::try_from(precision.max(1)).ok().filter(|p| *p <= 38)?;
            return Some(Type::Decimal { precision, scale });
        }
        Some(if i32::try_from(value).is_ok() { Type::Int32 } else { Type::Int64 })
    }
}

impl fmt::Display for Number {
    /// The digits as written, without an exponent unless the point is far away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let digit = |f: &mut fmt::Formatter<'_>, d: u8| write!(f, "{}", char::from(b'0' + d));
        let count = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        if self.point.abs() > 400 {
            f.write_str("0.")?;
            self.digits.iter().try_for_each(|d| digit(f, *d))?;
            return write!(f, "e{}", self.point);
        }
        if self.point <= 0 {
            f.write_str("0")?;
        }
        if self.point < 0 && count > 0 {
            f.write_str(".")?;
            (self.point..0).try_for_each(|_| digit(f, 0))?;
        }
        for (place, d) in (0..).zip(&self.digits) {
            if place == self.point.max(0) && self.point >= 0 {
                f.write_str(".")?;
            }
            digit(f, *d)?;
        }
        (count..self.point).try_for_each(|_| digit(f, 0))
    }
}

/// An unscaled value in the lane of its precision, if it has no more digits than that.
pub fn decimal(unscaled: i128, precision: u8) -> Option<Datum> {
    let bound = 10_u128.checked_pow(precision.into())?;
    if unscaled.unsigned_abs() >= bound {
        return None;
    }
    match precision {
        0..=18 => i64::try_from(unscaled).ok().map(Datum::Int),
        _ => Some(Datum::Wide(unscaled)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal_of(text: &str, precision: u8, scale: u8) -> Option<Datum> {
        Number::parse(text)?.to_decimal(precision, scale)
    }

    #[test]
    fn rounds_half_away_from_zero() {
        assert_eq!(decimal_of("2.345", 10, 2), Some(Datum::Int(235)));
        assert_eq!(decimal_of("-2.345", 10, 2), Some(Datum::Int(-235)));
        assert_eq!(decimal_of("0.004", 10, 2), Some(Datum::Int(0)));
        assert_eq!(decimal_of("0.0049", 10, 1), Some(Datum::Int(0)));
        assert_eq!(decimal_of(".05", 10, 1), Some(Datum::Int(1)));
    }

    #[test]
    fn keeps_the_range_of_the_precision() {
        assert_eq!(decimal_of("99.994", 4, 2), Some(Datum::Int(9_999)));
        assert_eq!(decimal_of("99.995", 4, 2), None);
        assert_eq!(decimal_of("1e37", 38, 0), Some(Datum::Wide(10_i128.pow(37))));
        assert_eq!(decimal_of("1e38", 38, 0), None);
        assert_eq!(decimal_of("1e2000000000", 38, 0), None);
        assert_eq!(decimal_of("0e2000000000", 38, 0), Some(Datum::Wide(0)));
        assert_eq!(decimal_of("1e-2000000000", 38, 0), Some(Datum::Wide(0)));
    }

    #[test]
    fn exponents_move_the_point() {
        assert_eq!(decimal_of("1.25e2", 5, 1), Some(Datum::Int(1_250)));
        assert_eq!(decimal_of("125e-2", 5, 2), Some(Datum::Int(125)));
        assert_eq!(Number::parse("1e"), None);
        assert_eq!(Number::parse("."), None);
        assert_eq!(Number::parse("1.2.3"), None);
    }

    #[test]
    fn prints_what_it_read() {
        for text in ["5", "-1.50", "0.05", "1000", "0"] {
            assert_eq!(Number::parse(text).map(|n| n.to_string()), Some(text.to_string()));
        }
        assert_eq!(Number::parse("1e3").map(|n| n.to_string()), Some("1000".into()));
        assert_eq!(Number::parse("1e500").map(|n| n.to_string()), Some("0.1e501".into()));
    }

    #[test]
    fn knows_its_own_type() {
        let natural = |text: &str| Number::parse(text).and_then(|n| n.natural_type());
        assert_eq!(natural("007"), Some(Type::Int32));
        assert_eq!(natural("3000000000"), Some(Type::Int64));
        assert_eq!(natural("1.50"), Some(Type::Decimal { precision: 3, scale: 2 }));
        assert_eq!(natural("0.05"), Some(Type::Decimal { precision: 2, scale: 2 }));
        assert_eq!(natural("1e39"), None);
    }
}
