//! Assignment: the conversions PostgreSQL makes of its own accord when a value goes into a column, and
//! the checks a stored value must pass.
//!
//! Numbers go into any numeric type that can hold them, dates and timestamps into each other, and
//! everything goes into text; nothing else converts without a cast. The same table decides for a single
//! value (here) and for a whole column (as casts that the expression engine runs).

use zset::{Datum, Type};

use crate::catalog::ColumnDef;
use crate::error::{SqlError, SqlState};
use crate::input;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Whether a value of type `from` may be assigned to a column of type `to`.
pub fn allowed(from: Type, to: Type) -> bool {
    from == to
        || to == Type::Text
        || (is_numeric(from) && is_numeric(to))
        || matches!(
            (from, to),
            (Type::Date, Type::Timestamp | Type::TimestampTz)
                | (Type::Timestamp, Type::Date | Type::Time | Type::TimestampTz)
                | (Type::TimestampTz, Type::Date | Type::Time | Type::Timestamp)
        )
}

/// Whether the type is one of numbers.
pub fn is_numeric(ty: Type) -> bool {
    is_exact(ty) || matches!(ty, Type::Float32 | Type::Float64)
}

/// A value that its column's type does not take.
pub fn mismatch(from: &str, to: Type) -> SqlError {
    SqlError::new(
        SqlState::DatatypeMismatch,
        format!("the column is of type {} but the expression is of type {from}", input::type_name(to)),
    )
    .with_hint("rewrite or cast the expression")
}

/// One value of type `from` as a value of type `to`.
pub fn datum(value: &Datum, from: Type, to: Type) -> Result<Datum, SqlError> {
    if from == to || value.is_null() {
        return Ok(value.clone());
    }
    if !allowed(from, to) {
        return Err(mismatch(&input::type_name(from), to));
    }
    match to {
        Type::Text => Ok(Datum::Text(value.display(from).to_string())),
        Type::Float32 | Type::Float64 => to_float(value, from, to),
        _ if is_numeric(to) => to_exact(value, from, to),
        _ => to_time(value, from, to),
    }
}

/// A parameter's value as a value of type `to`: text is read by the input rules of the type, everything
/// else is assigned.
pub fn parameter(value: &Datum, from: Type, to: Type) -> Result<Datum, SqlError> {
    match value {
        Datum::Text(text) if to != Type::Text => input::from_text(text, to),
        _ => datum(value, from, to),
    }
}

/// The one value of type `to` that equals a value of type `from`, if there is one. An error where the
/// two types do not compare.
pub fn exactly(value: &Datum, from: Type, to: Type) -> Result<Option<Datum>, SqlError> {
    if value.is_null() {
        return Ok(None);
    }
    if from == to {
        return Ok(Some(value.clone()));
    }
    let comparable = is_numeric(from) && is_exact(to) || is_time(from) && is_time(to);
    if !comparable {
        return Err(SqlError::new(
            SqlState::UndefinedFunction,
            format!("operator does not exist: {} = {}", input::type_name(to), input::type_name(from)),
        ));
    }
    let Ok(there) = datum(value, from, to) else { return Ok(None) };
    let back = datum(&there, to, from);
    Ok(if back.as_ref() == Ok(value) { Some(there) } else { None })
}

/// How a text fits a length.
pub enum Fit {
    /// As it is.
    Whole,
    /// Only without the blanks from this byte on.
    Cut(usize),
    /// Not at all.
    TooLong,
}

/// How a text fits into `max` characters.
pub fn fitting(text: &str, max: u32) -> Fit {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    if text.len() <= max {
        return Fit::Whole;
    }
    match text.char_indices().nth(max) {
        None => Fit::Whole,
        Some((end, _)) if text[end..].bytes().all(|b| b == b' ') => Fit::Cut(end),
        Some(_) => Fit::TooLong,
    }
}

/// NULL in a column that is NOT NULL.
pub fn null_violation(column: &ColumnDef, table: &str) -> SqlError {
    SqlError::new(
        SqlState::NotNullViolation,
        format!(
            "null value in column \"{}\" of relation \"{table}\" violates not-null constraint",
            column.name
        ),
    )
}

/// Text longer than its column.
pub fn too_long(column: &ColumnDef, max: u32) -> SqlError {
    SqlError::new(
        SqlState::StringTooLong,
        format!("value too long for type character varying({max}) of column \"{}\"", column.name),
    )
}

fn is_exact(ty: Type) -> bool {
    matches!(ty, Type::Int16 | Type::Int32 | Type::Int64 | Type::Decimal { .. })
}

fn is_time(ty: Type) -> bool {
    matches!(ty, Type::Date | Type::Timestamp | Type::TimestampTz)
}

/// The unscaled value and the scale of an exact number.
fn parts(value: &Datum, ty: Type) -> Option<(i128, u8)> {
    let scale = match ty {
        Type::Decimal { scale, .. } => scale,
        _ => 0,
    };
    match value {
        Datum::Int(value) => Some((i128::from(*value), scale)),
        Datum::Wide(value) => Some((*value, scale)),
        _ => None,
    }
}

fn to_float(value: &Datum, from: Type, to: Type) -> Result<Datum, SqlError> {
    let exact = match value {
        Datum::Float(value) => *value,
        // Through text, so that the one rounding is the correct one.
        _ => return input::from_text(&value.display(from).to_string(), to),
    };
    if to == Type::Float64 {
        return Ok(Datum::Float(exact));
    }
    let narrow = exact as f32;
    if narrow.is_infinite() && exact.is_finite() || narrow == 0.0 && exact != 0.0 {
        return Err(input::overflow(to));
    }
    Ok(Datum::Float(f64::from(narrow)))
}

fn to_exact(value: &Datum, from: Type, to: Type) -> Result<Datum, SqlError> {
    let (precision, scale) = match to {
        Type::Decimal { precision, scale } => (precision, scale),
        _ => (38, 0),
    };
    let unscaled = match value {
        Datum::Float(value) if scale == 0 && !matches!(to, Type::Decimal { .. }) => float_to_integer(*value),
        // A float becomes the decimal that its shortest text says.
        Datum::Float(value) => {
            input::Number::parse(&float_text(*value, from)).and_then(|n| n.unscaled(scale)).map(|(v, _)| v)
        }
        _ => parts(value, from).and_then(|(unscaled, have)| rescale(unscaled, have, scale)),
    };
    let fitting = unscaled.and_then(|unscaled| match to {
        Type::Decimal { .. } => input::decimal(unscaled, precision),
        _ => {
            let (low, high) = input::integer_range(to);
            i64::try_from(unscaled).ok().filter(|v| (low..=high).contains(v)).map(Datum::Int)
        }
    });
    fitting.ok_or_else(|| input::overflow(to))
}

/// PostgreSQL rounds a float to an integer by the tie-to-even rule of the hardware.
fn float_to_integer(value: f64) -> Option<i128> {
    let rounded = value.round_ties_even();
    (rounded.is_finite() && rounded.abs() < 1e20).then_some(rounded as i128)
}

fn float_text(value: f64, ty: Type) -> String {
    if ty == Type::Float32 { (value as f32).to_string() } else { value.to_string() }
}

fn rescale(unscaled: i128, have: u8, want: u8) -> Option<i128> {
    if want >= have {
        return unscaled.checked_mul(10_i128.checked_pow((want - have).into())?);
    }
    let unit = 10_i128.checked_pow((have - want).into())?;
    let (quotient, rest) = (unscaled / unit, unscaled % unit);
    let up = rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2);
    Some(if up { quotient + unscaled.signum() } else { quotient })
}

fn to_time(value: &Datum, from: Type, to: Type) -> Result<Datum, SqlError> {
    let Datum::Int(value) = *value else { return Err(mismatch(&input::type_name(from), to)) };
    let converted = match (from, to) {
        (Type::Date, _) => value.checked_mul(MICROS_PER_DAY),
        (_, Type::Date) => Some(value.div_euclid(MICROS_PER_DAY)),
        (_, Type::Time) => Some(value.rem_euclid(MICROS_PER_DAY)),
        _ => Some(value),
    };
    converted.map(Datum::Int).ok_or_else(|| {
        SqlError::new(SqlState::DatetimeOverflow, format!("{} out of range", input::type_name(to)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONEY: Type = Type::Decimal { precision: 6, scale: 2 };
    const FINE: Type = Type::Decimal { precision: 20, scale: 4 };

    #[test]
    fn numbers_round_and_overflow() {
        assert_eq!(datum(&Datum::Wide(123_450), FINE, MONEY), Ok(Datum::Int(1_235)));
        assert_eq!(datum(&Datum::Wide(-123_450), FINE, MONEY), Ok(Datum::Int(-1_235)));
        assert_eq!(datum(&Datum::Int(5), Type::Int32, FINE), Ok(Datum::Wide(50_000)));
        assert_eq!(datum(&Datum::Float(2.5), Type::Float64, Type::Int32), Ok(Datum::Int(2)));
        assert_eq!(datum(&Datum::Float(0.1), Type::Float64, MONEY), Ok(Datum::Int(10)));
        assert_eq!(datum(&Datum::Int(150), MONEY, Type::Int64), Ok(Datum::Int(2)));
        let state = |r: Result<Datum, SqlError>| r.map_err(|e| e.sqlstate());
        assert_eq!(state(datum(&Datum::Int(10_000), Type::Int32, MONEY)), Err("22003"));
        assert_eq!(state(datum(&Datum::Float(f64::NAN), Type::Float64, Type::Int64)), Err("22003"));
        assert_eq!(state(datum(&Datum::Int(40_000), Type::Int32, Type::Int16)), Err("22003"));
        assert_eq!(state(datum(&Datum::Bool(true), Type::Bool, Type::Int16)), Err("42804"));
        assert_eq!(state(datum(&Datum::Text("1".into()), Type::Text, Type::Int16)), Err("42804"));
    }

    #[test]
    fn equal_values_only() {
        assert_eq!(exactly(&Datum::Int(500), MONEY, Type::Int32), Ok(Some(Datum::Int(5))));
        assert_eq!(exactly(&Datum::Int(550), MONEY, Type::Int32), Ok(None));
        assert_eq!(
            exactly(&Datum::Int(1), Type::Date, Type::Timestamp),
            Ok(Some(Datum::Int(MICROS_PER_DAY)))
        );
        assert_eq!(exactly(&Datum::Int(1), Type::Timestamp, Type::Date), Ok(None));
        assert_eq!(exactly(&Datum::Float(1.0), Type::Float64, Type::Int32), Ok(Some(Datum::Int(1))));
        assert_eq!(exactly(&Datum::Float(1.5), Type::Float64, Type::Int32), Ok(None));
        assert_eq!(exactly(&Datum::Float(f64::NAN), Type::Float64, Type::Int32), Ok(None));
        assert!(exactly(&Datum::Bool(true), Type::Bool, Type::Int32).is_err());
    }

    #[test]
    fn text_fits_by_characters() {
        assert!(matches!(fitting("äö", 2), Fit::Whole));
        assert!(matches!(fitting("a    ", 2), Fit::Cut(2)));
        assert!(matches!(fitting("abc", 2), Fit::TooLong));
    }
}
