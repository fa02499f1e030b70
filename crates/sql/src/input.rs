//! What a type is called in messages, what its range is, and text that becomes a value of it.
//!
//! The input rules themselves are the expression engine's, so that `'12'` means the same as a literal, as a
//! parameter, in a CSV file and under a cast.

use zset::{Datum, Type};

use crate::error::{SqlError, SqlState};

/// The value of type `ty` that a text stands for.
pub fn from_text(text: &str, ty: Type) -> Result<Datum, SqlError> {
    Ok(expr::from_text(text, ty)?)
}

/// The name of a type as error messages write it.
pub fn type_name(ty: Type) -> String {
    match ty {
        Type::Float64 => "double precision".to_string(),
        Type::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        Type::Time => "time without time zone".to_string(),
        Type::Timestamp => "timestamp without time zone".to_string(),
        Type::TimestampTz => "timestamp with time zone".to_string(),
        _ => ty.to_string().to_lowercase(),
    }
}

/// A number that its type cannot hold.
pub fn overflow(ty: Type) -> SqlError {
    match ty {
        Type::Decimal { precision, scale } => SqlError::new(
            SqlState::NumericOutOfRange,
            format!(
                "numeric field overflow: a value with precision {precision}, scale {scale} must round to less \
                 than 10^{} in size",
                precision.saturating_sub(scale)
            ),
        ),
        _ => SqlError::new(SqlState::NumericOutOfRange, format!("{} out of range", type_name(ty))),
    }
}

/// The least and greatest value of an integer type.
pub fn integer_range(ty: Type) -> (i64, i64) {
    match ty {
        Type::Int16 => (i16::MIN.into(), i16::MAX.into()),
        Type::Int32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}
