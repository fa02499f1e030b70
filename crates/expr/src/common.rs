//! The type in which two values are compared, and whether a constant can move to the other's type instead.
//!
//! Moving the constant matters: comparing a short decimal column with a long decimal constant would widen every
//! row; where the constant is exactly a value of the column's type, nothing has to be converted at run time.

use zset::{Datum, Lane, Type};

use crate::decimal;

/// The type that holds every value of both, if they can be compared. `None` for decimals too: their common type
/// may need more than 38 digits.
pub(crate) fn common_type(left: Type, right: Type) -> Option<Type> {
    use Type::{Date, Float32, Float64, Timestamp, TimestampTz};
    match (left, right) {
        _ if left == right => Some(left),
        (Date | Timestamp, TimestampTz) | (TimestampTz, Date | Timestamp) => Some(TimestampTz),
        (Date, Timestamp) | (Timestamp, Date) => Some(Timestamp),
        (Float32 | Float64, other) | (other, Float32 | Float64) => {
            (digits(other).is_some() || other.lane() == Lane::F64).then_some(Float64)
        }
        _ => exact(left, right),
    }
}

fn exact(left: Type, right: Type) -> Option<Type> {
    let ((left_digits, left_scale), (right_digits, right_scale)) = (digits(left)?, digits(right)?);
    if let (Some(a), Some(b)) = (integer_rank(left), integer_rank(right)) {
        return Some(if a >= b { left } else { right });
    }
    let scale = left_scale.max(right_scale);
    let whole = (left_digits - left_scale).max(right_digits - right_scale);
    let precision = whole + scale;
    (precision <= decimal::MAX_PRECISION).then_some(Type::Decimal { precision, scale })
}

fn integer_rank(ty: Type) -> Option<u8> {
    match ty {
        Type::Int16 => Some(0),
        Type::Int32 => Some(1),
        Type::Int64 => Some(2),
        _ => None,
    }
}

/// Precision and scale of a type whose values are exact numbers.
pub(crate) fn digits(ty: Type) -> Option<(u8, u8)> {
    match ty {
        Type::Int16 => Some((5, 0)),
        Type::Int32 => Some((10, 0)),
        Type::Int64 => Some((19, 0)),
        Type::Decimal { precision, scale } => Some((precision, scale)),
        _ => None,
    }
}

/// An exact number as the same value of another exact type; `None` if it is not among that type's values.
pub(crate) fn refit(value: &Datum, from: Type, to: Type) -> Option<Datum> {
    let (_, from_scale) = digits(from)?;
    let (precision, scale) = digits(to)?;
    let unscaled = match value {
        Datum::Int(value) => i128::from(*value),
        Datum::Wide(value) => *value,
        _ => return None,
    };
    let moved = decimal::rescale(unscaled, from_scale, scale)?;
    let is_same = decimal::compare(unscaled, from_scale, moved, scale).is_eq();
    if !is_same || !decimal::fits(moved, precision) {
        return None;
    }
    match to.lane() {
        Lane::I128 => Some(Datum::Wide(moved)),
        _ => i64::try_from(moved).ok().map(Datum::Int).filter(|_| in_range(moved, to)),
    }
}

fn in_range(value: i128, ty: Type) -> bool {
    match ty {
        Type::Int16 => i16::try_from(value).is_ok(),
        Type::Int32 => i32::try_from(value).is_ok(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn decimal(precision: u8, scale: u8) -> Type {
        Type::Decimal { precision, scale }
    }

    #[test]
    fn numbers_meet_where_both_fit() {
        for (left, right, expected) in [
            (Type::Int16, Type::Int64, Some(Type::Int64)),
            (Type::Int32, decimal(5, 2), Some(decimal(12, 2))),
            (decimal(10, 4), decimal(12, 2), Some(decimal(14, 4))),
            (decimal(38, 0), decimal(38, 38), None),
            (Type::Float32, Type::Int64, Some(Type::Float64)),
            (Type::Date, Type::TimestampTz, Some(Type::TimestampTz)),
            (Type::Text, Type::Int32, None),
            (Type::Text, Type::Float64, None),
            (Type::Bool, Type::Bool, Some(Type::Bool)),
        ] {
            assert_eq!(common_type(left, right), expected, "{left} {right}");
            assert_eq!(common_type(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn constants_move_only_unchanged() {
        let literal = Datum::Wide(500);
        assert_eq!(refit(&literal, decimal(20, 2), Type::Int16), Some(Datum::Int(5)));
        assert_eq!(refit(&Datum::Wide(501), decimal(20, 2), Type::Int16), None);
        assert_eq!(refit(&Datum::Int(40_000), Type::Int32, Type::Int16), None);
        assert_eq!(refit(&Datum::Int(7), Type::Int32, decimal(20, 3)), Some(Datum::Wide(7000)));
    }
}
