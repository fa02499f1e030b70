//! What can go wrong with Z-sets: one enum for the whole crate.
//!
//! None of these is a defect of the caller's program alone: weights and sizes come from users' data, and bytes
//! come from disks. What only a defect could cause is asserted instead.

use std::fmt;

/// Why an operation on rows or batches was refused. Nothing was changed when one of these is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZsetError {
    /// The sum of two weights of one row does not fit a weight.
    WeightOverflow {
        /// One summand.
        left: i64,
        /// The other.
        right: i64,
    },
    /// A heap would pass the limit that its 32-bit offsets allow; split the work into several batches.
    TooLarge {
        /// What was too large: `"keys"`, `"values"` or `"rows"`.
        what: &'static str,
        /// The size that was asked for.
        size: usize,
        /// The largest size allowed.
        limit: usize,
    },
    /// Bytes that no writer of this crate makes.
    Corrupt {
        /// What is wrong with them.
        what: &'static str,
    },
    /// A NULL in a column that is declared NOT NULL.
    Null {
        /// The column's index in the schema.
        column: u32,
    },
    /// A value that its column's type cannot hold (an integer beyond its width).
    OutOfRange {
        /// The column's index in the schema.
        column: u32,
    },
    /// A column or datum of another physical representation or length than the schema says.
    Shape {
        /// The column's index in the schema.
        column: u32,
    },
}

impl fmt::Display for ZsetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZsetError::WeightOverflow { left, right } => {
                write!(f, "the weights {left} and {right} of one row do not fit in 64 bits together")
            }
            ZsetError::TooLarge { what, size, limit } => {
                write!(f, "a batch cannot hold {size} bytes or rows of {what}; the limit is {limit}")
            }
            ZsetError::Corrupt { what } => write!(f, "corrupt batch: {what}"),
            ZsetError::Null { column } => write!(f, "NULL in column {column}, which is NOT NULL"),
            ZsetError::OutOfRange { column } => write!(f, "value out of range for column {column}"),
            ZsetError::Shape { column } => {
                write!(f, "column {column} has another representation or length than its schema says")
            }
        }
    }
}

impl std::error::Error for ZsetError {}
