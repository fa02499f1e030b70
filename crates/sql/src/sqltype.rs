//! The types that columns and casts may name, read from the syntax tree.
//!
//! `NUMERIC` without precision is refused: PostgreSQL stores any number in such a column, and a fixed
//! precision chosen in silence would round. `NUMERIC(p)` has scale 0, as in PostgreSQL.

use datafusion::sql::sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};
use zset::Type;

use crate::error::SqlError;

/// A declared type: the type of the values, and how long text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The type.
    pub ty: Type,
    /// The `n` of `VARCHAR(n)` or `CHAR(n)`, in characters.
    pub max_len: Option<u32>,
}

/// The type a declaration names.
pub fn of(data_type: &DataType) -> Result<Declared, SqlError> {
    let ty = match data_type {
        DataType::Bool | DataType::Boolean => Type::Bool,
        DataType::SmallInt(None) | DataType::Int2(None) => Type::Int16,
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => Type::Int32,
        DataType::BigInt(None) | DataType::Int8(None) => Type::Int64,
        DataType::Real | DataType::Float4 => Type::Float32,
        DataType::DoublePrecision | DataType::Float8 | DataType::Double(ExactNumberInfo::None) => {
            Type::Float64
        }
        DataType::Float(info) => float(info, data_type)?,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => decimal(info)?,
        DataType::Text => Type::Text,
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            return text(length, None);
        }
        DataType::Char(length) | DataType::Character(length) => return text(length, Some(1)),
        DataType::Bytea => Type::Bytes,
        DataType::Date => Type::Date,
        DataType::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            micros(*precision, data_type)?;
            Type::Time
        }
        DataType::Timestamp(precision, zone) => {
            micros(*precision, data_type)?;
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => Type::Timestamp,
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Type::TimestampTz,
            }
        }
        DataType::Interval { fields: None, precision: None } => Type::Interval,
        _ if serial(data_type).is_some() => {
            return Err(unknown(data_type).with_hint("it stands in the columns of CREATE TABLE alone"));
        }
        _ => return Err(unknown(data_type)),
    };
    Ok(Declared { ty, max_len: None })
}

/// The type of the values of a `SERIAL` column, under any of its names.
pub fn serial(data_type: &DataType) -> Option<Type> {
    let DataType::Custom(name, modifiers) = data_type else { return None };
    let name = name.to_string().to_lowercase();
    match name.strip_prefix("pg_catalog.").unwrap_or(&name) {
        _ if !modifiers.is_empty() => None,
        "smallserial" | "serial2" => Some(Type::Int16),
        "serial" | "serial4" => Some(Type::Int32),
        "bigserial" | "serial8" => Some(Type::Int64),
        _ => None,
    }
}

fn unknown(data_type: &DataType) -> SqlError {
    SqlError::unsupported(format!("the type {data_type}"))
}

/// `FLOAT(p)` counts binary digits.
fn float(info: &ExactNumberInfo, data_type: &DataType) -> Result<Type, SqlError> {
    match info {
        ExactNumberInfo::None => Ok(Type::Float64),
        ExactNumberInfo::Precision(1..=24) => Ok(Type::Float32),
        ExactNumberInfo::Precision(25..=53) => Ok(Type::Float64),
        _ => Err(unknown(data_type)),
    }
}

fn decimal(info: &ExactNumberInfo) -> Result<Type, SqlError> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => {
            return Err(SqlError::unsupported("NUMERIC without precision and scale")
                .with_hint("write NUMERIC(p, s), for example NUMERIC(38, 10)"));
        }
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => Ok(Type::Decimal { precision, scale }),
        _ => Err(SqlError::unsupported(format!("the type NUMERIC({precision}, {scale})"))
            .with_hint("the precision runs from 1 to 38, the scale from 0 to the precision")),
    }
}

fn text(length: &Option<CharacterLength>, default: Option<u32>) -> Result<Declared, SqlError> {
    let max_len = match length {
        None => default,
        Some(CharacterLength::IntegerLength { length, .. }) => match u32::try_from(*length) {
            Ok(length @ 1..=10_485_760) => Some(length),
            _ => {
                return Err(SqlError::unsupported(format!("a text type of {length} characters"))
                    .with_hint("the length runs from 1 to 10485760"));
            }
        },
        Some(CharacterLength::Max) => None,
    };
    Ok(Declared { ty: Type::Text, max_len })
}

/// Times are kept in microseconds; a lesser precision would have to round and is refused.
fn micros(precision: Option<u64>, data_type: &DataType) -> Result<(), SqlError> {
    match precision {
        None | Some(6) => Ok(()),
        Some(_) => Err(unknown(data_type).with_hint("leave the precision out: it is microseconds")),
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::Grammar;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn declared(sql: &str) -> Result<(Type, Option<u32>), &'static str> {
        let parsed = Parser::new(&Grammar).try_with_sql(sql).and_then(|mut p| p.parse_data_type());
        of(&parsed.expect("a type")).map(|d| (d.ty, d.max_len)).map_err(|e| e.sqlstate())
    }

    #[test]
    fn every_type_of_the_manual() {
        let cases = [
            ("boolean", Type::Bool),
            ("smallint", Type::Int16),
            ("int", Type::Int32),
            ("int8", Type::Int64),
            ("real", Type::Float32),
            ("double precision", Type::Float64),
            ("float(30)", Type::Float64),
            ("numeric(10)", Type::Decimal { precision: 10, scale: 0 }),
            ("decimal(38, 38)", Type::Decimal { precision: 38, scale: 38 }),
            ("bytea", Type::Bytes),
            ("time without time zone", Type::Time),
            ("timestamp(6)", Type::Timestamp),
            ("timestamptz", Type::TimestampTz),
            ("timestamp with time zone", Type::TimestampTz),
        ];
        for (sql, ty) in cases {
            assert_eq!(declared(sql), Ok((ty, None)), "{sql}");
        }
        assert_eq!(declared("varchar(7)"), Ok((Type::Text, Some(7))));
        assert_eq!(declared("varchar"), Ok((Type::Text, None)));
        assert_eq!(declared("char"), Ok((Type::Text, Some(1))));
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for sql in
            ["numeric", "numeric(39)", "numeric(5,6)", "timestamp(3)", "serial", "json", "int[]", "uuid"]
        {
            assert_eq!(declared(sql), Err("0A000"), "{sql}");
        }
    }
}
