//! Values as JSON and as fields of CSV.
//!
//! A number is a JSON number if a reader that holds it in a double has the same number, else a string. Moments are
//! written as ISO 8601 has them, which both browsers and Gnitz read; everything else as PostgreSQL's clients show it.

use std::io::{self, Write};

use gnitz::{Datum, Type};

/// The largest integer up to which a double has every integer.
const EXACT: u64 = 1 << 53;

/// Decimals of so many digits survive a double.
const DOUBLE_DIGITS: usize = 15;

/// Writes a value as JSON.
pub fn json(out: &mut impl Write, value: &Datum, ty: Type) -> io::Result<()> {
    match (value, ty) {
        (Datum::Null, _) => out.write_all(b"null"),
        (Datum::Bool(truth), _) => write!(out, "{truth}"),
        (Datum::Int(number), Type::Int16 | Type::Int32 | Type::Int64) if number.unsigned_abs() <= EXACT => {
            write!(out, "{number}")
        }
        (Datum::Int(_) | Datum::Wide(_), Type::Decimal { .. }) => {
            let text = value.display(ty).to_string();
            let digits = text.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
            if digits <= DOUBLE_DIGITS { out.write_all(text.as_bytes()) } else { write!(out, "\"{text}\"") }
        }
        (Datum::Float(number), _) if number.is_finite() => write!(out, "{}", value.display(ty)),
        (_, Type::Timestamp) => write!(out, "\"{}\"", value.display(ty).to_string().replacen(' ', "T", 1)),
        (_, Type::TimestampTz) => {
            let text = value.display(ty).to_string().replacen(' ', "T", 1);
            write!(out, "\"{}\"", text.replacen("+00", "+00:00", 1))
        }
        (Datum::Text(text), _) => string(out, text),
        _ => string(out, &value.display(ty).to_string()),
    }
}

/// Writes a JSON string.
pub fn string(out: &mut impl Write, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

/// The values of a row as CSV takes them: NULL is an empty field, empty text a quoted one.
pub fn csv_fields(row: &[Datum], types: &[Type]) -> Vec<Option<String>> {
    let text = |(value, ty): (&Datum, &Type)| (!value.is_null()).then(|| value.display(*ty).to_string());
    row.iter().zip(types).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(value: Datum, ty: Type, wanted: &str) {
        let mut out = Vec::new();
        json(&mut out, &value, ty).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, wanted);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn numbers_that_a_double_cannot_hold_are_strings() {
        let decimal = Type::Decimal { precision: 38, scale: 2 };
        becomes(Datum::Int(9_007_199_254_740_992), Type::Int64, "9007199254740992");
        becomes(Datum::Int(9_007_199_254_740_993), Type::Int64, "\"9007199254740993\"");
        becomes(Datum::Int(i64::MIN), Type::Int64, "\"-9223372036854775808\"");
        becomes(Datum::Wide(2_000), decimal, "20.00");
        becomes(Datum::Wide(-5), decimal, "-0.05");
        becomes(Datum::Wide(123_456_789_012_345), decimal, "1234567890123.45");
        becomes(Datum::Wide(1_234_567_890_123_456), decimal, "\"12345678901234.56\"");
        becomes(Datum::Float(0.1), Type::Float64, "0.1");
        becomes(Datum::Float(1e300), Type::Float64, "1e+300");
        becomes(Datum::Float(f64::NAN), Type::Float64, "\"NaN\"");
    }

    #[test]
    fn other_values_are_strings() {
        becomes(Datum::Null, Type::Text, "null");
        becomes(Datum::Bool(true), Type::Bool, "true");
        becomes(Datum::from("say \"x\"\n\u{1}"), Type::Text, "\"say \\\"x\\\"\\n\\u0001\"");
        becomes(Datum::Int(0), Type::Date, "\"1970-01-01\"");
        becomes(Datum::Int(1_500_000), Type::Timestamp, "\"1970-01-01T00:00:01.5\"");
        becomes(Datum::Int(0), Type::TimestampTz, "\"1970-01-01T00:00:00+00:00\"");
        becomes(Datum::Bytes(vec![1, 255]), Type::Bytes, "\"\\\\x01ff\"");
    }
}
