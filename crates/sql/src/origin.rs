//! Where the columns of an answer come from: the column of a table or view that one is, unchanged.
//!
//! PostgreSQL's clients are told it with each answer. By it they let a grid of rows be edited, and learn what the
//! column is declared as, which its values alone do not say: the length of a `VARCHAR(n)`.

use arrow::datatypes::Field;
use zset::CollectionId;

use crate::catalog::TableDef;

/// The metadata key under which a field of an answer keeps its origin.
const KEY: &str = "origin";

/// A column of a table or view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The table or view.
    pub relation: CollectionId,
    /// Which of its columns, from 0.
    pub column: u32,
    /// The `n` of `VARCHAR(n)` or `CHAR(n)`.
    pub max_len: Option<u32>,
}

impl Origin {
    /// A column of this relation.
    pub(crate) fn new(def: &TableDef, column: usize) -> Option<Origin> {
        let max_len = def.columns.get(column)?.max_len;
        Some(Origin { relation: def.id, column: u32::try_from(column).ok()?, max_len })
    }

    /// The origin that a field of an answer says it has.
    pub fn of(field: &Field) -> Option<Origin> {
        let mut parts = field.metadata().get(KEY)?.split('.').map(str::parse);
        let mut next = || parts.next().and_then(Result::<u32, _>::ok);
        let (relation, column) = (CollectionId(next()?), next()?);
        Some(Origin { relation, column, max_len: next() })
    }

    /// The field with this origin.
    pub(crate) fn put_on(self, field: Field) -> Field {
        let mut text = format!("{}.{}", self.relation.0, self.column);
        if let Some(max_len) = self.max_len {
            text.push_str(&format!(".{max_len}"));
        }
        field.with_metadata([(KEY.to_string(), text)].into())
    }
}
