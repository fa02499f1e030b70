//! Filter: the rows for which a condition is true.
//!
//! Linear: the change of the output is the condition applied to the change of the input; no state. Rows of a
//! batch stay where they are, and only their numbers are passed on.

use std::sync::Arc;

use circuit::Instruction;
use expr::{EvalError, Expr, ExprError, Functions};
use zset::ColumnType;

use crate::consolidate::{describe, with_second_chance};
use crate::context::Context;
use crate::error::Failure;
use crate::flow::{Columns, Flow, Piece, Slice, Stored, gather};
use crate::project::Predicate;

#[derive(Debug)]
pub(crate) struct Filter {
    predicate: Predicate,
    columns: Vec<ColumnType>,
}

impl Filter {
    pub(crate) fn prepare(
        predicate: &Expr,
        instruction: &Instruction,
        functions: &dyn Functions,
    ) -> Result<Filter, ExprError> {
        let columns = instruction.schema.columns.clone();
        Ok(Filter { predicate: Predicate::compile(predicate, &columns, functions)?, columns })
    }

    pub(crate) fn step(&self, input: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        with_second_chance(input, &self.columns, context, &mut |input, context| self.select(input, context))
    }

    fn select(&self, input: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        let mut output = Flow::default();
        // Numbers in their piece of the rows kept so far, while the piece is a batch.
        let mut kept: Vec<u32> = Vec::new();
        for piece in &input.pieces {
            for slice in piece.slices() {
                context.check_cancelled()?;
                let selected = self.select_slice(&slice, context)?;
                match piece {
                    Piece::Stored(_) => {
                        kept.extend(selected.iter().map(|&row| slice.row_in_piece(row as usize) as u32))
                    }
                    Piece::Columns(columns) => output.push(pick_columns(columns, &selected)),
                }
            }
            if let Piece::Stored(stored) = piece {
                output.push(pick_stored(stored, std::mem::take(&mut kept)));
            }
        }
        Ok(output)
    }

    fn select_slice(&self, slice: &Slice<'_>, context: &mut Context<'_>) -> Result<Vec<u32>, Failure> {
        let load = &mut |column| slice.column(column);
        self.predicate.select(slice.len(), load, &mut context.scratch).map_err(|source: EvalError| {
            Failure::Eval { key: describe(slice, source.row, &self.columns), source }
        })
    }
}

fn pick_stored(stored: &Stored, kept: Vec<u32>) -> Piece {
    let all = stored.rows.as_ref().map_or(stored.batch.len(), |rows| rows.len());
    if kept.len() == all {
        return Piece::Stored(stored.clone());
    }
    let weights = stored
        .weights
        .as_ref()
        .map(|weights| Arc::new(kept.iter().map(|&row| weights[row as usize]).collect::<Vec<i64>>()));
    let rows = match &stored.rows {
        Some(rows) => kept.iter().map(|&row| rows[row as usize]).collect(),
        None => kept,
    };
    Piece::Stored(Stored { rows: Some(Arc::new(rows)), weights, ..stored.clone() })
}

pub(crate) fn pick_columns(columns: &Columns, kept: &[u32]) -> Piece {
    if kept.len() == columns.weights.len() {
        return Piece::Columns(columns.clone());
    }
    Piece::Columns(Columns {
        columns: columns.columns.iter().map(|column| Arc::new(gather(column, kept))).collect(),
        weights: Arc::new(kept.iter().map(|&row| columns.weights[row as usize]).collect()),
    })
}
