//! Assignment: the conversions PostgreSQL makes of its own accord when a value goes into a column, and
//! the checks a stored value must pass.
//!
//! Numbers go into any numeric type that can hold them, dates and timestamps into each other, and
//! everything goes into text; nothing else converts without a cast. How a value converts is the expression
//! engine's business: an assignment is a cast that nobody wrote.

use expr::{Expr, NoFunctions, Program, Scratch};
use zset::{ColumnType, Datum, Type, Vector};

use crate::catalog::ColumnDef;
use crate::error::{SqlError, SqlState};
use crate::input;

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
    if let (Datum::Int(number), true, true) = (value, is_integer(from), is_integer(to)) {
        let (low, high) = input::integer_range(to);
        let fits = (low..=high).contains(number);
        return if fits { Ok(Datum::Int(*number)) } else { Err(input::overflow(to)) };
    }
    let values = Vector::constant(from.lane(), value, 1);
    Ok(vector(&values, from, to)?.get_as(0, to))
}

/// A column of type `from` as one of type `to`, if assignment allows it: the expression engine's cast.
pub fn vector(values: &Vector, from: Type, to: Type) -> Result<Vector, SqlError> {
    let ty = ColumnType::nullable(from);
    let arg = Box::new(Expr::Column { index: 0, ty });
    let cast = Expr::Cast { arg, ty: to, try_cast: false };
    let program = Program::compile(&[cast], &[ty], &NoFunctions)?;
    let mut out = program.eval(&[values], values.len(), &mut Scratch::default())?;
    out.pop().ok_or_else(|| SqlError::internal("a cast gave no column"))
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

fn is_integer(ty: Type) -> bool {
    matches!(ty, Type::Int16 | Type::Int32 | Type::Int64)
}

fn is_exact(ty: Type) -> bool {
    is_integer(ty) || matches!(ty, Type::Decimal { .. })
}

fn is_time(ty: Type) -> bool {
    matches!(ty, Type::Date | Type::Timestamp | Type::TimestampTz)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONEY: Type = Type::Decimal { precision: 6, scale: 2 };
    const MICROS_PER_DAY: i64 = 86_400_000_000;
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
