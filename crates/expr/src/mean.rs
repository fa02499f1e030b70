//! How a sum and a count become a SUM or an AVG: once, for views and for queries.

use zset::Type;

use crate::error::{ErrorKind, EvalError};
use crate::exact_sum::ExactSum;

/// The mean of integers.
pub fn mean_of_integers(sum: i128, count: i64) -> f64 {
    sum as f64 / count as f64
}

/// The mean of floats; `None` where their sum exceeds the largest double.
pub fn mean_of_floats(sum: &ExactSum, count: i64) -> Option<f64> {
    Some(sum.value()? / count as f64)
}

/// The mean of decimals of `scale`, unscaled, as an unscaled decimal of the type `result`: rounded half away
/// from zero. `None` where it does not fit.
pub fn mean_of_decimals(sum: i128, count: i64, scale: u8, result: Type) -> Option<i128> {
    let Type::Decimal { precision, scale: wanted } = result else { return None };
    let count = i128::from(count);
    let factor = 10i128.checked_pow(u32::from(wanted.checked_sub(scale)?))?;
    // The whole part first: the remainder is below the count, so scaling it up cannot overflow.
    let whole = (sum / count).checked_mul(factor)?;
    let rest = (sum % count).checked_mul(factor)?;
    let (part, left) = (rest / count, rest % count);
    let up = if left.unsigned_abs() * 2 >= count.unsigned_abs() { left.signum() } else { 0 };
    let mean = whole.checked_add(part + up)?;
    (mean.unsigned_abs() < 10u128.pow(u32::from(precision))).then_some(mean)
}

/// Whether an exact sum of integers or decimals is a value of the type `result`.
pub fn sum_fits(sum: i128, result: Type) -> bool {
    match result {
        Type::Int16 => i16::try_from(sum).is_ok(),
        Type::Int32 => i32::try_from(sum).is_ok(),
        Type::Int64 => i64::try_from(sum).is_ok(),
        Type::Decimal { precision, .. } => sum.unsigned_abs() < 10u128.pow(u32::from(precision.min(38))),
        _ => false,
    }
}

/// The error of a sum or mean that its type cannot hold.
pub fn sum_out_of_range(result: Type) -> EvalError {
    let name = match result {
        Type::Decimal { .. } => "numeric".to_string(),
        other => other.to_string().to_lowercase(),
    };
    EvalError::new(ErrorKind::NumericOutOfRange, 0, format!("{name} out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_decimals_round_half_away() {
        let ty = Type::Decimal { precision: 19, scale: 6 };
        // 1.00 / 3, -1.00 / 3, 2.00 / 3, 0.01 / 2 at four more digits
        assert_eq!(mean_of_decimals(100, 3, 2, ty), Some(333_333));
        assert_eq!(mean_of_decimals(-100, 3, 2, ty), Some(-333_333));
        assert_eq!(mean_of_decimals(200, 3, 2, ty), Some(666_667));
        assert_eq!(mean_of_decimals(-200, 3, 2, ty), Some(-666_667));
        assert_eq!(mean_of_decimals(1, 20_000, 2, ty), Some(1));
        assert_eq!(mean_of_decimals(i128::MAX / 2, 1, 2, ty), None);
    }

    #[test]
    fn sums_fit_their_type() {
        assert!(sum_fits(i64::MAX.into(), Type::Int64));
        assert!(!sum_fits(i128::from(i64::MAX) + 1, Type::Int64));
        assert!(!sum_fits(1000, Type::Decimal { precision: 3, scale: 1 }));
        assert_eq!(sum_out_of_range(Type::Int64).message, "bigint out of range");
    }
}
