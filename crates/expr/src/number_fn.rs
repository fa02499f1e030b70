//! Functions over numbers, on single values, with PostgreSQL's domain errors.
//!
//! Floats that overflow are an error, not infinity; an infinity or NaN that was there before passes through.

use crate::decimal;
use crate::error::{ErrorKind, Failure};
use crate::tree::BinaryOp;

/// `left op right` for the five arithmetic operators over doubles; `single` rounds to REAL.
pub(crate) fn float(op: BinaryOp, left: f64, right: f64, single: bool) -> Result<f64, Failure> {
    let exact = match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        _ if right == 0.0 && !left.is_nan() => return Err(Failure::division_by_zero()),
        BinaryOp::Div => left / right,
        _ => left % right,
    };
    let result = narrow(exact, single);
    if result.is_infinite() && left.is_finite() && right.is_finite() {
        return Err(overflow());
    }
    let vanished = match op {
        BinaryOp::Mul => left != 0.0 && right != 0.0,
        BinaryOp::Div => left != 0.0 && right.is_finite(),
        _ => false,
    };
    if result == 0.0 && vanished { Err(underflow()) } else { Ok(result) }
}

/// A double rounded to REAL where `single`.
pub(crate) fn narrow(value: f64, single: bool) -> f64 {
    if single { f64::from(value as f32) } else { value }
}

/// As [`narrow`], refusing what is finite only as a double.
pub(crate) fn narrowed(value: f64, single: bool) -> Result<f64, Failure> {
    finite(value, narrow(value, single))
}

/// The failure of a float that became infinite.
pub(crate) fn overflow() -> Failure {
    Failure::new(ErrorKind::NumericOutOfRange, "value out of range: overflow")
}

fn underflow() -> Failure {
    Failure::new(ErrorKind::NumericOutOfRange, "value out of range: underflow")
}

/// A float function of one argument that is finite for finite arguments.
pub(crate) fn finite(argument: f64, result: f64) -> Result<f64, Failure> {
    if result.is_infinite() && argument.is_finite() { Err(overflow()) } else { Ok(result) }
}

/// Square root.
pub(crate) fn sqrt(value: f64) -> Result<f64, Failure> {
    if value < 0.0 {
        return Err(power_domain("cannot take square root of a negative number"));
    }
    Ok(value.sqrt())
}

fn power_domain(message: &str) -> Failure {
    Failure::new(ErrorKind::Other("2201F"), message)
}

/// `base` to the `exponent`.
pub(crate) fn power(base: f64, exponent: f64) -> Result<f64, Failure> {
    if base == 0.0 && exponent < 0.0 {
        return Err(power_domain("zero raised to a negative power is undefined"));
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(power_domain("a negative number raised to a non-integer power yields a complex result"));
    }
    let result = base.powf(exponent);
    if result.is_infinite() && base.is_finite() && exponent.is_finite() {
        return Err(overflow());
    }
    if result == 0.0 && base != 0.0 && base.is_finite() && exponent.is_finite() {
        return Err(underflow());
    }
    Ok(result)
}

/// The logarithm that `function` computes, for arguments above zero.
pub(crate) fn logarithm(value: f64, function: impl Fn(f64) -> f64) -> Result<f64, Failure> {
    if value == 0.0 {
        return Err(Failure::new(ErrorKind::Other("2201E"), "cannot take logarithm of zero"));
    }
    if value < 0.0 {
        return Err(Failure::new(ErrorKind::Other("2201E"), "cannot take logarithm of a negative number"));
    }
    Ok(function(value))
}

/// The exponential.
pub(crate) fn exp(value: f64) -> Result<f64, Failure> {
    let result = finite(value, value.exp())?;
    if result == 0.0 && value.is_finite() { Err(underflow()) } else { Ok(result) }
}

/// A float rounded to `places` decimal places, by its decimal digits.
pub(crate) fn round_places(value: f64, places: i64) -> f64 {
    if !value.is_finite() || places > 300 {
        return value;
    }
    if places < -308 {
        return 0.0;
    }
    let unit = 10f64.powi(places.unsigned_abs() as i32);
    let rounded = if places < 0 { (value / unit).round() * unit } else { (value * unit).round() / unit };
    if rounded.is_finite() { rounded } else { value }
}

/// A float cut off behind `places` decimal places.
pub(crate) fn truncate_places(value: f64, places: i64) -> f64 {
    if !value.is_finite() || places > 300 {
        return value;
    }
    if places < -308 {
        return 0.0;
    }
    let unit = 10f64.powi(places.unsigned_abs() as i32);
    let cut = if places < 0 { (value / unit).trunc() * unit } else { (value * unit).trunc() / unit };
    if cut.is_finite() { cut } else { value }
}

/// `base` to the `exponent` over integers of the type called `name`, within what `fits` takes.
pub(crate) fn integer_power(
    base: i64,
    exponent: i64,
    name: &str,
    fits: impl Fn(i64) -> Option<i64>,
) -> Result<i64, Failure> {
    if exponent < 0 {
        return match base {
            0 => Err(power_domain("zero raised to a negative power is undefined")),
            1 => Ok(1),
            -1 => Ok(if exponent % 2 == 0 { 1 } else { -1 }),
            // The fraction is cut off, as in a division of integers.
            _ => Ok(0),
        };
    }
    let power = match u32::try_from(exponent) {
        Ok(exponent) => base.checked_pow(exponent),
        Err(_) if (-1..=1).contains(&base) => base.checked_pow((exponent % 2) as u32 + 2),
        Err(_) => None,
    };
    power.and_then(fits).ok_or_else(|| Failure::out_of_range(name))
}

/// How a decimal loses its fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    HalfAway,
    Down,
    Up,
    TowardZero,
}

/// A decimal with everything below `places` decimal places rounded off, still at its own scale.
pub(crate) fn round_decimal(value: i128, scale: u8, places: i64, rounding: Rounding) -> Option<i128> {
    let dropped = i64::from(scale).saturating_sub(places);
    if dropped <= 0 {
        return Some(value);
    }
    if dropped > 38 {
        return match rounding {
            Rounding::HalfAway | Rounding::TowardZero => Some(0),
            // One unit of the place rounded to is beyond any decimal.
            Rounding::Down if value >= 0 => Some(0),
            Rounding::Up if value <= 0 => Some(0),
            Rounding::Down | Rounding::Up => None,
        };
    }
    let unit = decimal::power(dropped as u32);
    let units = match rounding {
        Rounding::HalfAway => decimal::divide_rounded(value, unit),
        Rounding::TowardZero => value / unit,
        Rounding::Down => value.div_euclid(unit),
        Rounding::Up => -(-value).div_euclid(unit),
    };
    units.checked_mul(unit)
}

/// The greatest common divisor.
pub(crate) fn gcd(left: i64, right: i64) -> u64 {
    let (mut a, mut b) = (left.unsigned_abs(), right.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_refuse_what_postgresql_refuses() {
        assert!(float(BinaryOp::Add, f64::MAX, f64::MAX, false).is_err());
        assert!(float(BinaryOp::Mul, 1e-200, 1e-200, false).is_err());
        assert!(float(BinaryOp::Mul, 1e30, 1e30, true).is_err());
        assert!(float(BinaryOp::Div, 1.0, -0.0, false).is_err());
        assert!(float(BinaryOp::Div, f64::NAN, 0.0, false).is_ok_and(f64::is_nan));
        assert_eq!(float(BinaryOp::Add, f64::INFINITY, 1.0, false), Ok(f64::INFINITY));
        assert_eq!(float(BinaryOp::Add, 0.1, 0.2, true), Ok(f64::from(0.1f32 as f64 as f32 + 0.2f32)));
        assert!(power(0.0, -1.0).is_err() && power(-8.0, 1.0 / 3.0).is_err());
        assert_eq!(power(-2.0, 3.0), Ok(-8.0));
    }

    #[test]
    fn decimals_round_in_place() {
        use Rounding::*;
        for (value, places, rounding, expected) in [
            (12345, 2, HalfAway, Some(12350)),
            (-12345, 2, HalfAway, Some(-12350)),
            (12345, -1, HalfAway, Some(10_000)),
            (12345, 9, HalfAway, Some(12345)),
            (-12345, 0, Down, Some(-13_000)),
            (-12345, 0, Up, Some(-12_000)),
            (-12945, 0, TowardZero, Some(-12_000)),
            (12345, -99, HalfAway, Some(0)),
            (12345, -99, Up, None),
        ] {
            assert_eq!(round_decimal(value, 3, places, rounding), expected, "{value} {places} {rounding:?}");
        }
    }
}
