//! What a collection's rows look like, as plain data.

use crate::types::ColumnType;
use std::fmt;

/// The columns of a collection, and which of them, in which order, form its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Schema {
    /// The columns, in the order in which rows are given.
    pub columns: Vec<ColumnType>,
    /// Indices of the key columns, in key order. Empty: rows are found by their identity alone.
    pub key: Vec<u32>,
}

impl Schema {
    /// A schema of these columns and key.
    pub fn new(columns: Vec<ColumnType>, key: Vec<u32>) -> Schema {
        Schema { columns, key }
    }

    /// The columns that are not in the key, in the order of the schema: what V holds.
    pub fn value_columns(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.columns.len() as u32).filter(|column| !self.key.contains(column))
    }

    /// Whether every key column exists and occurs once. A schema read from a file is checked with this before a
    /// [`Layout`](crate::Layout) is made of it.
    pub fn is_valid(&self) -> bool {
        let known = |&column: &u32| (column as usize) < self.columns.len();
        let mut seen = self.key.clone();
        seen.sort_unstable();
        self.key.iter().all(known) && seen.windows(2).all(|pair| pair[0] != pair[1])
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, column) in self.columns.iter().enumerate() {
            write!(f, "{}{column}", if index == 0 { "" } else { ", " })?;
        }
        write!(f, ") key {:?}", self.key)
    }
}

/// A database's secret: the key of the pseudo-random function that discriminates rows of one key. Who does not
/// know it cannot construct two rows that collide. It is never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Type;

    #[test]
    fn validity_and_value_columns() {
        let columns = vec![ColumnType::required(Type::Int64), ColumnType::nullable(Type::Text)];
        let schema = Schema::new(columns.clone(), vec![1]);
        assert!(schema.is_valid());
        assert_eq!(schema.value_columns().collect::<Vec<_>>(), [0]);
        assert_eq!(schema.to_string(), "(BIGINT NOT NULL, TEXT) key [1]");
        assert!(!Schema::new(columns.clone(), vec![2]).is_valid());
        assert!(!Schema::new(columns, vec![1, 1]).is_valid());
        assert_eq!(format!("{:?}", Secret([7; 16])), "Secret(…)");
    }
}
