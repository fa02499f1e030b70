//! What a running query takes: bytes of memory, and the session's patience.
//!
//! All rows of a query are in memory until it ends, so whatever it makes is counted when it is made: values, rows,
//! the tuples of joins. Evaluation nests, so the count is a stack: who has used up what it asked for sets the count
//! back to where it was before, and counts what it hands on. Rows that are kept for the rest of the query are
//! counted for themselves. The catalogs' own rows are not counted: they follow the schema, not the query.

use std::cell::Cell;

use sql::SqlError;

use crate::facts::Facts;

/// How many expressions are computed between two looks at whether the query was cancelled.
const LOOK_EVERY: u32 = 1 << 10;

/// Counts what one run of a query takes.
pub(super) struct Meter<'f> {
    facts: &'f dyn Facts,
    most: usize,
    /// What is held for the time being.
    held: Cell<usize>,
    /// What is held until the query ends.
    kept: Cell<usize>,
    steps: Cell<u32>,
}

/// A point to which the count can be set back.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl<'f> Meter<'f> {
    pub(super) fn new(facts: &'f dyn Facts) -> Meter<'f> {
        Meter {
            facts,
            most: facts.query_memory(),
            held: Cell::new(0),
            kept: Cell::new(0),
            steps: Cell::new(0),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.held.get())
    }

    /// Counts what was made.
    pub(super) fn take(&self, bytes: usize) -> Result<(), SqlError> {
        self.held.set(self.held.get().saturating_add(bytes));
        self.within()
    }

    /// Of what was made since the mark, this much is left.
    pub(super) fn settle(&self, mark: Mark, bytes: usize) -> Result<(), SqlError> {
        self.held.set(mark.0);
        self.take(bytes)
    }

    /// Counts what stays until the query ends.
    pub(super) fn keep(&self, bytes: usize) -> Result<(), SqlError> {
        self.kept.set(self.kept.get().saturating_add(bytes));
        self.within()
    }

    /// One step of work. It fails if the query was cancelled meanwhile.
    pub(super) fn step(&self) -> Result<(), SqlError> {
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        match steps.is_multiple_of(LOOK_EVERY) && self.facts.is_canceled() {
            true => Err(SqlError::canceled()),
            false => Ok(()),
        }
    }

    fn within(&self) -> Result<(), SqlError> {
        match self.held.get().saturating_add(self.kept.get()) <= self.most {
            true => Ok(()),
            false => Err(SqlError::out_of_memory(format_args!("it needs more than {} bytes", self.most))),
        }
    }
}
