//! The values of catalog queries. They know their shape, not their type: an `oid` and a `regclass` are both
//! numbers, a `name` and a `text` both text; what a number means is known where the query was bound.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use expr::LARGEST_VALUE;
use sql::{SqlError, SqlState};

/// An error if a value would have more bytes than any may.
pub(crate) fn bounded(bytes: usize) -> Result<(), SqlError> {
    if bytes <= LARGEST_VALUE {
        return Ok(());
    }
    Err(SqlError::new(SqlState::LimitExceeded, "requested length too large"))
}

/// An error if a text in so many parts would take more than a value may.
pub(crate) fn parts_bounded(parts: usize) -> Result<(), SqlError> {
    bounded(parts.saturating_mul(size_of::<Value>() + 2 * size_of::<usize>()))
}

/// One row of a table or a query.
pub(crate) type Row = Arc<[Value]>;

/// One value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// NULL.
    Null,
    /// `boolean`
    Bool(bool),
    /// Every integer type, every kind of OID, and times as microseconds.
    Int(i64),
    /// `real`, `double precision`, `numeric`
    Float(f64),
    /// Everything that is written as text.
    Text(Arc<str>),
    /// An array of one dimension.
    Array(Arc<Array>),
    /// A row value.
    Record(Row),
}

/// Bytes of a row of so many columns, its values' own aside.
pub(crate) fn row_bytes(columns: usize) -> usize {
    size_of::<Row>() + 2 * size_of::<usize>() + columns * size_of::<Value>()
}

/// The elements of an array. Vectors (`int2vector`, `oidvector`) count from 0, arrays from 1.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    /// The first subscript.
    pub(crate) lower: i64,
    /// The elements.
    pub(crate) items: Vec<Value>,
}

impl Value {
    /// Text.
    pub(crate) fn text(text: impl AsRef<str>) -> Value {
        Value::Text(Arc::from(text.as_ref()))
    }

    /// An array that counts from 1.
    pub(crate) fn array(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(Array { lower: 1, items }))
    }

    /// An `int2vector` or `oidvector`.
    pub(crate) fn vector(items: impl IntoIterator<Item = i64>) -> Value {
        let items = items.into_iter().map(Value::Int).collect();
        Value::Array(Arc::new(Array { lower: 0, items }))
    }

    /// An OID.
    pub(crate) fn oid(oid: u32) -> Value {
        Value::Int(i64::from(oid))
    }

    /// The value, or NULL.
    pub(crate) fn or_null(value: Option<Value>) -> Value {
        value.unwrap_or(Value::Null)
    }

    /// Bytes that it takes beside itself. Parts that several values share count for each, and none is looked at once
    /// there are more than any value may have: rows within rows can be exponentially many.
    pub(crate) fn heap(&self) -> usize {
        let mut bytes = 0;
        self.add_heap(&mut bytes);
        bytes
    }

    fn add_heap(&self, bytes: &mut usize) {
        let items = match self {
            Value::Text(text) => {
                *bytes += text.len();
                return;
            }
            Value::Array(array) => array.items.as_slice(),
            Value::Record(row) => row,
            _ => return,
        };
        for item in items {
            if *bytes > LARGEST_VALUE {
                return;
            }
            *bytes += size_of::<Value>();
            item.add_heap(bytes);
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether it is TRUE: neither FALSE nor NULL.
    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Value::Bool(true))
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            Value::Float(value) => Some(*value as i64),
            _ => None,
        }
    }

    /// The number as an OID, if it can be one.
    pub(crate) fn as_oid(&self) -> Option<u32> {
        self.as_int().and_then(|value| u32::try_from(value).ok())
    }

    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array; none of anything else.
    pub(crate) fn items(&self) -> &[Value] {
        match self {
            Value::Array(array) => &array.items,
            _ => &[],
        }
    }

    /// SQL's comparison: `None` where a NULL leaves it open.
    pub(crate) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Null, _) | (_, Value::Null) => None,
            (Value::Record(a), Value::Record(b)) => {
                for (a, b) in a.iter().zip(b.iter()) {
                    match a.compare(b)? {
                        Ordering::Equal => {}
                        unequal => return Some(unequal),
                    }
                }
                Some(a.len().cmp(&b.len()))
            }
            _ => Some(self.cmp(other)),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Bool(_) => 0,
            Value::Int(_) | Value::Float(_) => 1,
            Value::Text(_) => 2,
            Value::Array(_) => 3,
            Value::Record(_) => 4,
            Value::Null => 5,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::text(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::text(value)
    }
}

/// The order of sorting: by value, NULL last.
impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
            (Value::Int(a), Value::Float(b)) => (*a as f64).total_cmp(b),
            (Value::Float(a), Value::Int(b)) => a.total_cmp(&(*b as f64)),
            (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Array(a), Value::Array(b)) => a.items.cmp(&b.items),
            (Value::Record(a), Value::Record(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Value::Null => {}
            Value::Bool(value) => value.hash(state),
            // An integer and a float that are equal must meet.
            Value::Int(value) => (*value as f64).to_bits().hash(state),
            Value::Float(value) => (value + 0.0).to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::Array(array) => array.items.hash(state),
            Value::Record(row) => row.hash(state),
        }
    }
}
