//! What the planner may know of the database: names, columns and sorted runs.
//!
//! The engine implements these traits over one published epoch, possibly overlaid with the changes
//! of an open transaction; the planner and the ad-hoc executor never see where data lives.

use std::sync::Arc;

use zset::{Batch, CollectionId, ColumnType, Schema, Secret};

use crate::names;

/// What a named relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableKind {
    /// A base table: changed by statements.
    Table,
    /// A materialized view: changed by its circuit.
    View,
    /// A plain view: a named query, which stands for it wherever it is read. It has no rows of its own.
    PlainView,
    /// A relation the engine computes on demand from its own state.
    System,
    /// A sequence: a relation of one row, which says how far it has come.
    Sequence,
}

/// A column of a relation, as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDef {
    /// Its name, already folded to lower case unless it was quoted.
    pub name: String,
    /// Its type and nullability.
    pub ty: ColumnType,
    /// The `n` of `VARCHAR(n)` or `CHAR(n)`, in characters.
    pub max_len: Option<u32>,
    /// The text of its `DEFAULT` expression.
    pub default: Option<String>,
    /// The sequence of an identity column, which has no default.
    pub identity: Option<Identity>,
}

/// `GENERATED … AS IDENTITY`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `ALWAYS`, and not `BY DEFAULT`: a statement must say so if it gives a value.
    pub always: bool,
    /// The sequence that gives the values.
    pub sequence: String,
}

impl ColumnDef {
    /// A column without length limit and default.
    pub fn new(name: impl Into<String>, ty: ColumnType) -> ColumnDef {
        ColumnDef { name: name.into(), ty, max_len: None, default: None, identity: None }
    }

    /// Whether only `DEFAULT` may be written into it.
    pub fn is_always_generated(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.always)
    }

    /// The sequence that gives the values which statements do not give.
    pub fn sequence(&self) -> Option<String> {
        match &self.identity {
            Some(identity) => Some(identity.sequence.clone()),
            None => crate::sequence::of_default(self.default.as_deref()?),
        }
    }
}

/// The definition of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDef {
    /// The collection that holds its rows.
    pub id: CollectionId,
    /// Its full name: see [`names::full`].
    pub name: String,
    /// Table, view, sequence or system relation.
    pub kind: TableKind,
    /// Its columns in declared order; the schema's columns are the same in the same order.
    pub columns: Vec<ColumnDef>,
    /// The primary key's columns in key order; empty for a bag and for views.
    pub primary_key: Vec<u32>,
    /// How its rows are encoded. A table's key columns are its primary key; a view's may be others.
    pub schema: Schema,
}

impl TableDef {
    /// The index of the column of this (folded) name.
    pub fn column(&self, name: &str) -> Option<u32> {
        let index = self.columns.iter().position(|c| c.name == name)?;
        u32::try_from(index).ok()
    }

    /// The name that stands before its columns where it has no alias.
    pub fn own_name(&self) -> &str {
        names::own(&self.name)
    }

    /// Whether this (full) name means it in a statement that calls it so.
    pub fn goes_by(&self, alias: &str, name: &str) -> bool {
        name == names::full(names::PUBLIC, alias) || name == self.name && alias == self.own_name()
    }
}

/// The relations that exist.
pub trait Catalog: Send + Sync {
    /// The relation of this (folded) name.
    fn table(&self, name: &str) -> Option<Arc<TableDef>>;

    /// Every relation, in no particular order.
    fn tables(&self) -> Vec<Arc<TableDef>>;

    /// The text of the query that a plain view of this name stands for.
    fn plain_view(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }
}

/// The rows of the relations.
pub trait Scan: Send + Sync {
    /// The sorted runs of a collection; a row's weight is the sum over them.
    fn runs(&self, id: CollectionId) -> Vec<Batch>;

    /// Those of the runs that may hold keys which start with `prefix`; they may hold others too.
    fn runs_with_prefix(&self, id: CollectionId, prefix: &[u8]) -> Vec<Batch> {
        self.runs(id).into_iter().filter(|run| run.spans(prefix)).collect()
    }

    /// How many rows the runs have, and about how many bytes, without looking at them.
    fn size(&self, id: CollectionId) -> (usize, usize) {
        let runs = self.runs(id);
        (runs.iter().map(Batch::len).sum(), runs.iter().map(Batch::bytes).sum())
    }

    /// The database's key for discriminators, which encoding a probe needs.
    fn secret(&self) -> Secret;
}

/// One epoch, whole: what a statement sees from its beginning to its end.
pub trait Snapshot: Catalog + Scan {}
