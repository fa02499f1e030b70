//! Map: each row replaced by the values of expressions.
//!
//! Linear: the change of the output is the map of the change of the input, weights untouched; no state.
//! Different rows may become equal; they are added up when somebody needs that.

use circuit::Instruction;
use expr::{Expr, ExprError, Functions};
use zset::ColumnType;

use crate::consolidate::{describe, with_second_chance};
use crate::context::Context;
use crate::error::Failure;
use crate::flow::{Columns, Flow, Piece};
use crate::project::Projection;

#[derive(Debug)]
pub(crate) struct Map {
    projection: Projection,
    input: Vec<ColumnType>,
}

impl Map {
    pub(crate) fn prepare(
        exprs: &[Expr],
        input: &Instruction,
        functions: &dyn Functions,
    ) -> Result<Map, ExprError> {
        let input = input.schema.columns.clone();
        Ok(Map { projection: Projection::compile(exprs, &input, functions)?, input })
    }

    pub(crate) fn step(&self, input: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        with_second_chance(input, &self.input, context, &mut |input, context| self.eval(input, context))
    }

    fn eval(&self, input: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        let mut output = Flow::default();
        let picked = self.projection.as_columns();
        for slice in input.slices() {
            context.check_cancelled()?;
            if let (Some(picked), Piece::Columns(from)) = (&picked, slice.piece) {
                let columns = picked.iter().map(|&column| from.columns[column as usize].clone()).collect();
                output.push(Piece::Columns(Columns { columns, weights: from.weights.clone() }));
                continue;
            }
            let load = &mut |column| slice.column(column);
            let columns = self
                .projection
                .eval(slice.len(), load, &mut context.scratch)
                .map_err(|source| Failure::Eval { key: describe(&slice, source.row, &self.input), source })?;
            output.push_columns(columns, slice.weights().into_owned());
        }
        Ok(output)
    }
}
