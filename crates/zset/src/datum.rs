//! A single value, for literals, parameters, messages and tests. Columns of values are [`Vector`](crate::Vector)s.
//!
//! A datum has the shape of its lane and does not know its type; a type is needed to print it. The order is the
//! order of keys: numbers by value, one NaN above all numbers, one zero, NULL last.

use crate::types::{Interval, Lane};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// One value of any lane, or NULL.
#[derive(Clone, Debug)]
pub enum Datum {
    /// NULL, of any type.
    Null,
    /// A boolean.
    Bool(bool),
    /// All types of the `i64` lane.
    Int(i64),
    /// Decimals of more than 18 digits, unscaled.
    Wide(i128),
    /// Both float types.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An interval.
    Interval(Interval),
}

impl Datum {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// The lane of the value; NULL has none.
    pub fn lane(&self) -> Option<Lane> {
        match self {
            Datum::Null => None,
            Datum::Bool(_) => Some(Lane::Bool),
            Datum::Int(_) => Some(Lane::I64),
            Datum::Wide(_) => Some(Lane::I128),
            Datum::Float(_) => Some(Lane::F64),
            Datum::Text(_) | Datum::Bytes(_) => Some(Lane::Bytes),
            Datum::Interval(_) => Some(Lane::Interval),
        }
    }

    /// The bytes of a text or byte string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Datum::Text(text) => Some(text.as_bytes()),
            Datum::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of the `i64` lane.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Datum::Int(value) => Some(*value),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Datum::Bool(_) => 0,
            Datum::Int(_) => 1,
            Datum::Wide(_) => 2,
            Datum::Float(_) => 3,
            Datum::Text(_) => 4,
            Datum::Bytes(_) => 5,
            Datum::Interval(_) => 6,
            Datum::Null => 7,
        }
    }
}

/// The one bit pattern of a float's value: one NaN, no negative zero.
pub fn canonical(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

/// The total order of floats in keys: by value, NaN above all.
pub fn compare_floats(left: f64, right: f64) -> Ordering {
    canonical(left).total_cmp(&canonical(right))
}

impl Ord for Datum {
    fn cmp(&self, other: &Datum) -> Ordering {
        match (self, other) {
            (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
            (Datum::Int(a), Datum::Int(b)) => a.cmp(b),
            (Datum::Wide(a), Datum::Wide(b)) => a.cmp(b),
            (Datum::Float(a), Datum::Float(b)) => compare_floats(*a, *b),
            (Datum::Text(a), Datum::Text(b)) => a.cmp(b),
            (Datum::Bytes(a), Datum::Bytes(b)) => a.cmp(b),
            (Datum::Interval(a), Datum::Interval(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Datum) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Datum) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Datum {}

impl Hash for Datum {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Datum::Null => {}
            Datum::Bool(value) => value.hash(state),
            Datum::Int(value) => value.hash(state),
            Datum::Wide(value) => value.hash(state),
            Datum::Float(value) => canonical(*value).to_bits().hash(state),
            Datum::Text(value) => value.hash(state),
            Datum::Bytes(value) => value.hash(state),
            Datum::Interval(value) => value.hash(state),
        }
    }
}

impl From<bool> for Datum {
    fn from(value: bool) -> Datum {
        Datum::Bool(value)
    }
}

impl From<i64> for Datum {
    fn from(value: i64) -> Datum {
        Datum::Int(value)
    }
}

impl From<f64> for Datum {
    fn from(value: f64) -> Datum {
        Datum::Float(value)
    }
}

impl From<&str> for Datum {
    fn from(value: &str) -> Datum {
        Datum::Text(value.to_owned())
    }
}

impl From<String> for Datum {
    fn from(value: String) -> Datum {
        Datum::Text(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_total_and_nulls_are_last() {
        let mut row = [Datum::Null, Datum::Float(f64::NAN), Datum::Float(f64::INFINITY), Datum::Float(-1.0)];
        row.sort();
        assert_eq!(row[0], Datum::Float(-1.0));
        assert_eq!(row[2], Datum::Float(-f64::NAN));
        assert_eq!(row[3], Datum::Null);
        assert_eq!(Datum::Float(-0.0), Datum::Float(0.0));
    }
}
