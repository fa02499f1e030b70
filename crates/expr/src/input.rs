//! One value from text: what a cast from text gives in an expression, for literals, parameters and files.

use zset::{Datum, Lane, Type};

use crate::cast::{parse_bool, parse_float, parse_integer, width};
use crate::datetime_text::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
use crate::error::{EvalError, Failure};
use crate::interval_text::parse_interval;
use crate::{decimal, text_fn};

/// The value of type `ty` that a text stands for, by PostgreSQL's input rules.
pub fn from_text(text: &str, ty: Type) -> Result<Datum, EvalError> {
    read(text, ty).map_err(|failure| failure.at(0))
}

fn read(text: &str, ty: Type) -> Result<Datum, Failure> {
    if let Some(width) = width(ty) {
        return parse_integer(text, width).map(Datum::Int);
    }
    match ty {
        Type::Bool => parse_bool(text).map(Datum::Bool),
        Type::Float32 | Type::Float64 => parse_float(text, ty == Type::Float32).map(Datum::Float),
        Type::Decimal { precision, scale } => {
            let value = decimal::parse(text, precision, scale)?;
            // The narrow lane's decimals have at most 18 digits.
            Ok(if ty.lane() == Lane::I64 { Datum::Int(value as i64) } else { Datum::Wide(value) })
        }
        Type::Bytes => {
            let mut bytes = Vec::with_capacity(text.len());
            text_fn::unhex(text, &mut bytes)?;
            Ok(Datum::Bytes(bytes))
        }
        Type::Date => parse_date(text).map(Datum::Int),
        Type::Time => parse_time(text).map(Datum::Int),
        Type::Timestamp => parse_timestamp(text).map(Datum::Int),
        Type::TimestampTz => parse_timestamptz(text).map(Datum::Int),
        Type::Interval => parse_interval(text).map(Datum::Interval),
        Type::Text | Type::Int16 | Type::Int32 | Type::Int64 => Ok(Datum::Text(text.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_type() {
        let money = Type::Decimal { precision: 6, scale: 2 };
        let cases = [
            ("yes", Type::Bool, Datum::Bool(true)),
            (" -7 ", Type::Int16, Datum::Int(-7)),
            ("1e3", Type::Float64, Datum::Float(1000.0)),
            ("2.345", money, Datum::Int(235)),
            ("7", Type::Decimal { precision: 38, scale: 1 }, Datum::Wide(70)),
            (" x", Type::Text, Datum::Text(" x".into())),
            ("\\x0aFF", Type::Bytes, Datum::Bytes(vec![10, 255])),
            ("1970-01-02", Type::Date, Datum::Int(1)),
            ("00:00:01", Type::Time, Datum::Int(1_000_000)),
            ("1970-01-01T01:00:00", Type::Timestamp, Datum::Int(3_600_000_000)),
            ("1970-01-01 00:00-01", Type::TimestampTz, Datum::Int(3_600_000_000)),
        ];
        for (text, ty, value) in cases {
            assert_eq!(from_text(text, ty), Ok(value), "{text} as {ty}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let state = |text: &str, ty| from_text(text, ty).map_err(|error| error.sqlstate());
        assert_eq!(state("32768", Type::Int16), Err("22003"));
        assert_eq!(state("1.5", Type::Int32), Err("22P02"));
        assert_eq!(state("", Type::Bool), Err("22P02"));
        assert_eq!(state("1e400", Type::Float64), Err("22003"));
        assert_eq!(state("99.999", Type::Decimal { precision: 4, scale: 2 }), Err("22003"));
        assert_eq!(state("\\xabc", Type::Bytes), Err("22P02"));
        assert_eq!(state("soon", Type::Date), Err("22007"));
        assert_eq!(state("2023-02-29", Type::Date), Err("22008"));
    }
}
