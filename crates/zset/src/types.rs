//! SQL types as the storage sees them, and how each is represented.
//!
//! A [`Type`] is what SQL declares; a [`Lane`] is how a column of it lies in memory. Several types share a lane,
//! so that kernels are written per lane: all integers, days and microseconds are `i64` while they are computed
//! with, and narrow only where they are stored.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// `BOOLEAN`
    Bool,
    /// `SMALLINT`
    Int16,
    /// `INTEGER`
    Int32,
    /// `BIGINT`
    Int64,
    /// `REAL`
    Float32,
    /// `DOUBLE PRECISION`
    Float64,
    /// `DECIMAL(precision, scale)`: an integer counted in units of 10^-scale.
    Decimal {
        /// Decimal digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    /// `TEXT`: UTF-8.
    Text,
    /// `BYTEA`
    Bytes,
    /// `DATE`: days since 1970-01-01.
    Date,
    /// `TIME`: microseconds since midnight.
    Time,
    /// `TIMESTAMP`: microseconds since 1970-01-01 00:00:00, of no time zone.
    Timestamp,
    /// `TIMESTAMPTZ`: microseconds since 1970-01-01 00:00:00 UTC.
    TimestampTz,
    /// `INTERVAL`
    Interval,
}

/// The physical representation of a column in a [`Vector`](crate::Vector).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// `bool`
    Bool,
    /// `i64`: integers, decimals of at most 18 digits, days, microseconds.
    I64,
    /// `i128`: decimals of more than 18 digits.
    I128,
    /// `f64`: both float types.
    F64,
    /// Byte strings: text and bytes.
    Bytes,
    /// [`Interval`]
    Interval,
}

impl Type {
    /// A type of each kind, decimals of both widths: for tests that must miss none.
    pub const SAMPLES: [Type; 15] = [
        Type::Bool,
        Type::Int16,
        Type::Int32,
        Type::Int64,
        Type::Float32,
        Type::Float64,
        Type::Decimal { precision: 9, scale: 2 },
        Type::Decimal { precision: 38, scale: 4 },
        Type::Text,
        Type::Bytes,
        Type::Date,
        Type::Time,
        Type::Timestamp,
        Type::TimestampTz,
        Type::Interval,
    ];

    /// The representation of a column of this type.
    pub fn lane(self) -> Lane {
        match self {
            Type::Bool => Lane::Bool,
            Type::Int16 | Type::Int32 | Type::Int64 => Lane::I64,
            Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz => Lane::I64,
            Type::Decimal { precision, .. } if precision <= 18 => Lane::I64,
            Type::Decimal { .. } => Lane::I128,
            Type::Float32 | Type::Float64 => Lane::F64,
            Type::Text | Type::Bytes => Lane::Bytes,
            Type::Interval => Lane::Interval,
        }
    }

    /// Bytes of the fixed slot in which a value is stored, or `None` for the types of variable length.
    pub fn width(self) -> Option<usize> {
        match self {
            Type::Bool => Some(1),
            Type::Int16 => Some(2),
            Type::Int32 | Type::Date | Type::Float32 => Some(4),
            Type::Int64 | Type::Float64 | Type::Time | Type::Timestamp | Type::TimestampTz => Some(8),
            Type::Decimal { precision, .. } if precision <= 18 => Some(8),
            Type::Decimal { .. } | Type::Interval => Some(16),
            Type::Text | Type::Bytes => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Type::Bool => "BOOLEAN",
            Type::Int16 => "SMALLINT",
            Type::Int32 => "INTEGER",
            Type::Int64 => "BIGINT",
            Type::Float32 => "REAL",
            Type::Float64 => "DOUBLE",
            Type::Decimal { precision, scale } => return write!(f, "DECIMAL({precision},{scale})"),
            Type::Text => "TEXT",
            Type::Bytes => "BYTEA",
            Type::Date => "DATE",
            Type::Time => "TIME",
            Type::Timestamp => "TIMESTAMP",
            Type::TimestampTz => "TIMESTAMPTZ",
            Type::Interval => "INTERVAL",
        };
        f.write_str(name)
    }
}

/// A type's name that [`Type::from_str`] does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownType(pub String);

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown type {:?}", self.0)
    }
}

impl std::error::Error for UnknownType {}

impl FromStr for Type {
    type Err = UnknownType;

    /// Reads what `Display` writes, in any case; the usual synonyms are understood too.
    fn from_str(text: &str) -> Result<Type, UnknownType> {
        let upper = text.trim().to_ascii_uppercase();
        let ty = match upper.as_str() {
            "BOOLEAN" | "BOOL" => Type::Bool,
            "SMALLINT" | "INT2" => Type::Int16,
            "INTEGER" | "INT" | "INT4" => Type::Int32,
            "BIGINT" | "INT8" => Type::Int64,
            "REAL" | "FLOAT4" => Type::Float32,
            "DOUBLE" | "DOUBLE PRECISION" | "FLOAT8" => Type::Float64,
            "TEXT" | "VARCHAR" => Type::Text,
            "BYTEA" => Type::Bytes,
            "DATE" => Type::Date,
            "TIME" => Type::Time,
            "TIMESTAMP" => Type::Timestamp,
            "TIMESTAMPTZ" => Type::TimestampTz,
            "INTERVAL" => Type::Interval,
            other => return decimal(other).ok_or_else(|| UnknownType(text.to_owned())),
        };
        Ok(ty)
    }
}

fn decimal(upper: &str) -> Option<Type> {
    let digits = upper.strip_prefix("DECIMAL").or_else(|| upper.strip_prefix("NUMERIC"))?;
    let (precision, scale) = digits.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    ((1..=38).contains(&precision) && scale <= precision).then_some(Type::Decimal { precision, scale })
}

/// A column's type and whether it may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnType {
    /// The type.
    pub ty: Type,
    /// Whether NULL is among the values.
    pub nullable: bool,
}

impl ColumnType {
    /// A column that may be NULL.
    pub fn nullable(ty: Type) -> ColumnType {
        ColumnType { ty, nullable: true }
    }

    /// A column that may not.
    pub fn required(ty: Type) -> ColumnType {
        ColumnType { ty, nullable: false }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.ty, if self.nullable { "" } else { " NOT NULL" })
    }
}

/// A span of time in PostgreSQL's three parts, none of which carries into another.
///
/// The order is by length, counting a month as 30 days and a day as 24 hours; spans of equal length that are
/// written differently follow their parts, so that the order is total and equality means identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

const MICROS_PER_DAY: i128 = 86_400_000_000;

impl Interval {
    /// The length in microseconds by which intervals are ordered.
    pub fn span(self) -> i128 {
        self.whole_days() * MICROS_PER_DAY + i128::from(self.micros)
    }

    /// The interval of these months and days whose span is `span`, as far as the microseconds can hold it.
    pub(crate) fn from_span(span: i128, months: i32, days: i32) -> Interval {
        let rest = Interval { months, days, micros: 0 }.span();
        Interval { months, days, micros: span.wrapping_sub(rest) as i64 }
    }

    fn whole_days(self) -> i128 {
        i128::from(self.months) * 30 + i128::from(self.days)
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Interval) -> Ordering {
        let parts = |i: &Interval| (i.span(), i.months, i.days);
        parts(self).cmp(&parts(other))
    }
}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Interval) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The identity of a collection: a table, a view, or an operator's trace. Anything that has a spine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionId(pub u32);

impl fmt::Display for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl FromStr for CollectionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<CollectionId, std::num::ParseIntError> {
        text.strip_prefix('c').unwrap_or(text).parse().map(CollectionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for ty in Type::SAMPLES {
            assert_eq!(ty.to_string().parse(), Ok(ty));
            assert_eq!(ty.to_string().to_lowercase().parse(), Ok(ty));
        }
        for bad in ["", "DECIMAL", "DECIMAL(39,0)", "DECIMAL(5,6)", "DECIMAL(5,-1)", "TEXTS"] {
            assert!(bad.parse::<Type>().is_err(), "{bad}");
        }
        assert_eq!("c7".parse(), Ok(CollectionId(7)));
    }

    #[test]
    fn intervals_order_by_length() {
        let month = Interval { months: 1, ..Interval::default() };
        let days = Interval { days: 30, ..Interval::default() };
        let longer = Interval { micros: 30 * 86_400_000_000 + 1, ..Interval::default() };
        assert!(days < month && month < longer);
        for i in [month, days, longer, Interval { months: -5, days: 7, micros: i64::MIN }] {
            assert_eq!(Interval::from_span(i.span(), i.months, i.days), i);
        }
    }
}
