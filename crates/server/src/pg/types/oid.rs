//! The numbers by which clients know types, and back.

use gnitz::{Column, Type};

/// A type in a row's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeInfo {
    /// Its number.
    pub(crate) oid: u32,
    /// The bytes of a value; -1 for those of variable length.
    pub(crate) size: i16,
    /// Its modifier: the length or the precision; -1 for none.
    pub(crate) modifier: i32,
}

/// The number of `numeric`.
pub(crate) const NUMERIC: u32 = 1700;

/// The number of `varchar`.
const VARCHAR: u32 = 1043;

/// What precedes a length in a modifier: the header of a stored value in PostgreSQL.
const HEADER: i32 = 4;

/// The number of a type.
pub(crate) fn of(ty: Type) -> u32 {
    match ty {
        Type::Bool => 16,
        Type::Bytes => 17,
        Type::Int64 => 20,
        Type::Int16 => 21,
        Type::Int32 => 23,
        Type::Text => 25,
        Type::Float32 => 700,
        Type::Float64 => 701,
        Type::Date => 1082,
        Type::Time => 1083,
        Type::Timestamp => 1114,
        Type::TimestampTz => 1184,
        Type::Interval => 1186,
        Type::Decimal { .. } => NUMERIC,
    }
}

/// What a row's description says of a column.
pub(crate) fn of_column(column: &Column) -> TypeInfo {
    if let Some(oid) = column.pg_type {
        let size = if oid == 26 { 4 } else { column.ty.width().map_or(-1, |width| width as i16) };
        return TypeInfo { oid, size, modifier: -1 };
    }
    let plain = |size| TypeInfo { oid: of(column.ty), size, modifier: -1 };
    match (column.ty, column.max_len) {
        (Type::Text, Some(length)) => {
            let modifier = i32::try_from(length).unwrap_or(i32::MAX - HEADER) + HEADER;
            TypeInfo { oid: VARCHAR, size: -1, modifier }
        }
        (Type::Decimal { precision, scale }, _) => {
            let modifier = (i32::from(precision) << 16 | i32::from(scale)) + HEADER;
            TypeInfo { modifier, ..plain(-1) }
        }
        (ty, _) => plain(ty.width().map_or(-1, |width| width as i16)),
    }
}

/// What a client that names this type for a parameter means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Nothing: the statement tells.
    Unknown,
    /// This type.
    Known(Type),
    /// A number with a point, of any precision.
    Numeric,
    /// An array of this type; numbers with a point have all the digits there are.
    Array(Type),
    /// A type that does not exist here.
    Foreign,
}

/// Arrays by their numbers, each with its elements'; of two of one type the first is ours.
const ARRAYS: [(u32, u32); 19] = [
    (1000, 16),
    (1001, 17),
    (1009, 25),
    (1015, VARCHAR),
    (1014, 1042),
    (1002, 18),
    (1003, 19),
    (1005, 21),
    (1007, 23),
    (1016, 20),
    (1028, 26),
    (1021, 700),
    (1022, 701),
    (1231, NUMERIC),
    (1182, 1082),
    (1183, 1083),
    (1115, 1114),
    (1185, 1184),
    (1187, 1186),
];

/// The number of the arrays of a type.
pub(crate) fn of_array(ty: Type) -> u32 {
    let element = of(ty);
    ARRAYS.iter().find(|(_, of)| *of == element).map_or(0, |(array, _)| *array)
}

/// The type of numbers with all the digits there are.
pub(crate) const ANY_NUMERIC: Type = Type::Decimal { precision: 38, scale: 0 };

/// The type of a number.
pub(crate) fn given(oid: u32) -> Given {
    if let Some((_, element)) = ARRAYS.iter().find(|(array, _)| *array == oid) {
        return match given(*element) {
            Given::Known(ty) => Given::Array(ty),
            Given::Numeric => Given::Array(ANY_NUMERIC),
            other => other,
        };
    }
    Given::Known(match oid {
        0 | 705 => return Given::Unknown,
        NUMERIC => return Given::Numeric,
        16 => Type::Bool,
        17 => Type::Bytes,
        20 => Type::Int64,
        21 => Type::Int16,
        23 => Type::Int32,
        // Names, oids and padded text are what they are made of.
        18 | 19 | 25 | 1042 | VARCHAR => Type::Text,
        26 => Type::Int64,
        700 => Type::Float32,
        701 => Type::Float64,
        1082 => Type::Date,
        1083 => Type::Time,
        1114 => Type::Timestamp,
        1184 => Type::TimestampTz,
        1186 => Type::Interval,
        _ => return Given::Foreign,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_types() {
        for ty in [Type::Bool, Type::Int16, Type::Text, Type::Bytes, Type::TimestampTz, Type::Interval] {
            assert_eq!(given(of(ty)), Given::Known(ty));
        }
        let decimal = Column::new("d", Type::Decimal { precision: 12, scale: 2 });
        assert_eq!(of_column(&decimal), TypeInfo { oid: NUMERIC, size: -1, modifier: (12 << 16 | 2) + 4 });
        let short = Column { max_len: Some(10), ..Column::new("t", Type::Text) };
        assert_eq!(of_column(&short), TypeInfo { oid: VARCHAR, size: -1, modifier: 14 });
        assert_eq!(gnitz::type_named("VARCHAR(3)").map(given), Some(Given::Known(Type::Text)));
        assert_eq!(gnitz::type_named("int[]").map(given), Some(Given::Array(Type::Int32)));
        assert_eq!(gnitz::type_named("nonsense"), None);
        assert_eq!(
            (of_array(Type::Text), of_array(ANY_NUMERIC), given(1014)),
            (1009, 1231, Given::Array(Type::Text))
        );
    }
}
