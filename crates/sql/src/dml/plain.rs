//! `INSERT` of a few rows of constants and parameters: what a prepared statement is executed with most often.
//!
//! Columns pay off over many rows; for one they are a dozen vectors that hold one value each. Here every row is
//! encoded as it is, its values borrowed from the statement and its parameters.

use std::borrow::Cow;

use zset::{BatchBuilder, Datum};

use super::taken::Values;
use super::{Affected, Env, Writable, rows};
use crate::error::SqlError;
use crate::scalar::Given;

/// Rows above this many are inserted by column.
pub(super) const FEW: usize = 16;

/// The rows, each with one cell for each of the table's columns.
#[derive(Debug)]
pub(super) struct Plain {
    pub cells: Vec<Vec<Cell>>,
}

/// One value.
#[derive(Debug)]
pub(super) enum Cell {
    Value(Datum),
    Parameter(usize),
    /// What a sequence gives, by its number.
    Taken(usize),
}

impl Plain {
    /// The numbers of the values that sequences give, in the order of the cells.
    pub(super) fn taken(&self) -> impl Iterator<Item = usize> + '_ {
        let taken = |cell: &Cell| if let Cell::Taken(at) = cell { Some(*at) } else { None };
        self.cells.iter().flatten().filter_map(taken)
    }

    pub(super) fn insert(
        &self,
        target: &Writable,
        env: &Env<'_>,
        given: &Given<'_>,
        mut taken: Values,
    ) -> Result<Affected, SqlError> {
        let def = &target.def;
        let mut builder = BatchBuilder::new();
        let mut row: Vec<Cow<'_, Datum>> = Vec::with_capacity(def.columns.len());
        for cells in &self.cells {
            row.clear();
            for (cell, column) in cells.iter().zip(&def.columns) {
                row.push(match cell {
                    Cell::Value(value) => rows::check_value(column, def, value)?,
                    Cell::Parameter(at) => rows::check_value(column, def, given.param(*at))?,
                    Cell::Taken(at) => Cow::Owned(taken.next(*at, column.ty.ty)?),
                });
            }
            target.layout.encode_datums(&row, 1, &mut builder)?;
        }
        let delta = rows::finish(target, env.snapshot.as_ref(), builder)?;
        // Nobody asks for the rows: these statements have no RETURNING.
        Ok(Affected { delta, columns: Vec::new(), weights: vec![1; self.cells.len()] })
    }
}
