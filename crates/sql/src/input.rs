//! Text to value: PostgreSQL's input rules of every type.
//!
//! A quoted literal, a text parameter and a field of a CSV file all become values here and nowhere
//! else, so that `'12'` means the same in each. Blanks around a value do not count, except in text
//! and bytes. What a type cannot hold is refused with the SQLSTATE PostgreSQL gives it; the special
//! dates (`infinity`, `now`, `today`) are refused by name.

use datafusion::arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use zset::{Datum, Interval, Type};

use crate::error::{SqlError, SqlState};

mod decimal;
mod time;

pub use decimal::{Number, decimal};

/// The value of type `ty` that a text stands for.
pub fn from_text(text: &str, ty: Type) -> Result<Datum, SqlError> {
    match ty {
        Type::Bool => boolean(text),
        Type::Int16 | Type::Int32 | Type::Int64 => integer(text, ty),
        Type::Float32 | Type::Float64 => float(text, ty),
        Type::Decimal { precision, scale } => Number::parse(text)
            .ok_or_else(|| invalid(text, ty))?
            .to_decimal(precision, scale)
            .ok_or_else(|| overflow(ty)),
        Type::Text => Ok(Datum::Text(text.to_string())),
        Type::Bytes => bytes(text),
        Type::Date => time::date(text),
        Type::Time => time::time(text),
        Type::Timestamp => time::timestamp(text, false),
        Type::TimestampTz => time::timestamp(text, true),
        Type::Interval => interval(text),
    }
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

fn invalid(text: &str, ty: Type) -> SqlError {
    SqlError::new(
        SqlState::InvalidText,
        format!("invalid input syntax for type {}: \"{text}\"", type_name(ty)),
    )
}

fn boolean(text: &str) -> Result<Datum, SqlError> {
    let word = text.trim().to_ascii_lowercase();
    match word.as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(Datum::Bool(true)),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(Datum::Bool(false)),
        _ => Err(invalid(text, Type::Bool)),
    }
}

fn integer(text: &str, ty: Type) -> Result<Datum, SqlError> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(text, ty));
    }
    let (low, high) = integer_range(ty);
    match trimmed.parse::<i64>() {
        Ok(value) if (low..=high).contains(&value) => Ok(Datum::Int(value)),
        _ => Err(SqlError::new(
            SqlState::NumericOutOfRange,
            format!("value \"{trimmed}\" is out of range for type {}", type_name(ty)),
        )),
    }
}

fn float(text: &str, ty: Type) -> Result<Datum, SqlError> {
    let trimmed = text.trim();
    let value: f64 = match ty {
        Type::Float32 => trimmed.parse::<f32>().map(f64::from),
        _ => trimmed.parse(),
    }
    .map_err(|_| invalid(text, ty))?;
    let is_number = trimmed.bytes().any(|b| b.is_ascii_digit());
    let mantissa = trimmed.split(['e', 'E']).next().unwrap_or_default();
    let lost = value == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if is_number && (value.is_infinite() || lost) {
        return Err(SqlError::new(
            SqlState::NumericOutOfRange,
            format!("\"{trimmed}\" is out of range for type {}", type_name(ty)),
        ));
    }
    Ok(Datum::Float(value))
}

/// `\x` and hexadecimal digits, or text with `\\` and `\ooo` escapes.
fn bytes(text: &str) -> Result<Datum, SqlError> {
    let bytes = match text.strip_prefix("\\x") {
        Some(digits) => hexadecimal(digits),
        None => escaped(text.as_bytes()),
    };
    bytes.map(Datum::Bytes).ok_or_else(|| invalid(text, Type::Bytes))
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> = digits
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let nibbles = nibbles?;
    if nibbles.len() % 2 != 0 {
        return None;
    }
    Some(nibbles.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect())
}

fn escaped(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'\\' {
            out.push(first);
            rest = tail;
        } else if let Some(tail) = tail.strip_prefix(b"\\") {
            out.push(b'\\');
            rest = tail;
        } else {
            let octal = std::str::from_utf8(tail.get(..3)?).ok()?;
            out.push(u8::from_str_radix(octal, 8).ok()?);
            rest = &tail[3..];
        }
    }
    Some(out)
}

fn interval(text: &str) -> Result<Datum, SqlError> {
    let malformed = || {
        SqlError::new(
            SqlState::InvalidDatetime,
            format!("invalid input syntax for type interval: \"{text}\""),
        )
    };
    let parsed = parse_interval_month_day_nano(text.trim()).map_err(|_| malformed())?;
    Ok(Datum::Interval(Interval {
        months: parsed.months,
        days: parsed.days,
        micros: parsed.nanoseconds / 1_000,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str, ty: Type) -> &'static str {
        from_text(text, ty).map_or_else(|e| e.sqlstate(), |_| "ok")
    }

    #[test]
    fn integers_and_their_ranges() {
        assert_eq!(from_text(" -7 ", Type::Int16), Ok(Datum::Int(-7)));
        assert_eq!(state("32768", Type::Int16), "22003");
        assert_eq!(state("99999999999999999999", Type::Int64), "22003");
        assert_eq!(state("1.5", Type::Int32), "22P02");
        assert_eq!(state("", Type::Int32), "22P02");
        assert_eq!(state("+", Type::Int32), "22P02");
    }

    #[test]
    fn floats_keep_their_specials() {
        assert_eq!(from_text("-Infinity", Type::Float64), Ok(Datum::Float(f64::NEG_INFINITY)));
        assert_eq!(from_text("0e9", Type::Float64), Ok(Datum::Float(0.0)));
        assert_eq!(state("1e400", Type::Float64), "22003");
        assert_eq!(state("1e-400", Type::Float64), "22003");
        assert_eq!(state("1e39", Type::Float32), "22003");
        assert_eq!(state("one", Type::Float64), "22P02");
    }

    #[test]
    fn bytes_in_both_notations() {
        assert_eq!(from_text("\\x0aFF", Type::Bytes), Ok(Datum::Bytes(vec![10, 255])));
        assert_eq!(from_text("a\\\\b\\001", Type::Bytes), Ok(Datum::Bytes(b"a\\b\x01".to_vec())));
        assert_eq!(state("\\xabc", Type::Bytes), "22P02");
        assert_eq!(state("\\9", Type::Bytes), "22P02");
    }

    #[test]
    fn booleans_by_any_prefix() {
        assert_eq!(from_text(" YES", Type::Bool), Ok(Datum::Bool(true)));
        assert_eq!(from_text("of", Type::Bool), Ok(Datum::Bool(false)));
        assert_eq!(state("o", Type::Bool), "22P02");
    }
}
