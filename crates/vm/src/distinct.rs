//! Distinct: every row that the input has, once.
//!
//! Neither linear nor bilinear: the output's weight of a row is 1 where the input's is positive, else 0. A
//! change of a row's weight from `w` to `w + d` changes the output only where it crosses zero, so each
//! changed row is looked up once in the trace of the input. The state is that trace.

use std::sync::Arc;

use zset::{CollectionId, Layout, TraceCursor, ZsetError};

use crate::context::Context;
use crate::error::Failure;
use crate::flow::{Flow, Piece, SLICE, Stored};

#[derive(Debug)]
pub(crate) struct Distinct {
    pub(crate) trace: CollectionId,
    pub(crate) layout: Arc<Layout>,
}

impl Distinct {
    pub(crate) fn step(&self, input: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        let Some(change) = input.as_batch() else { return Ok(Flow::default()) };
        let mut before = TraceCursor::new(context.traces.runs(self.trace));
        let mut rows = Vec::new();
        let mut weights = Vec::new();
        for row in 0..change.len() {
            if row % SLICE == 0 {
                context.check_cancelled()?;
            }
            let (old, change) = (before.weight_at(change.key(row))?, change.weight(row));
            let new =
                old.checked_add(change).ok_or(ZsetError::WeightOverflow { left: old, right: change })?;
            let crossing = i64::from(new > 0) - i64::from(old > 0);
            if crossing != 0 {
                rows.push(row as u32);
                weights.push(crossing);
            }
        }
        let mut output = Flow::default();
        output.push(Piece::Stored(Stored {
            batch: change.clone(),
            layout: Arc::clone(&self.layout),
            rows: Some(Arc::new(rows)),
            weights: Some(Arc::new(weights)),
        }));
        Ok(output)
    }
}
