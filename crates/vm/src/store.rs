//! Store and integrate: a change sorted by a key and added up, as the batch that is remembered.
//!
//! Linear: the integral of a sum is the sum of integrals, so the change of what is remembered is the change
//! that came, encoded. This is the one place where rows become bytes. A batch that has the right form already
//! is taken as it is, and rows picked from one are copied as bytes.

use std::sync::Arc;

use zset::{Batch, BatchBuilder, CollectionId, Layout, Vector};

use crate::context::Context;
use crate::error::Failure;
use crate::flow::{Flow, Piece, Stored};

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) collection: CollectionId,
    pub(crate) layout: Arc<Layout>,
}

impl Store {
    pub(crate) fn step(&self, input: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        let batch = encode(input, &self.layout, context)?;
        context.remember(self.collection, batch.clone());
        Ok(Flow::of_batch(batch, &self.layout))
    }
}

/// The flow in the form of `layout`.
fn encode(input: &Flow, layout: &Arc<Layout>, context: &Context<'_>) -> Result<Batch, Failure> {
    let same = |stored: &Stored| Arc::ptr_eq(&stored.layout, layout);
    if let [Piece::Stored(stored)] = input.pieces.as_slice()
        && same(stored)
        && stored.weights.is_none()
    {
        return match &stored.rows {
            None => Ok(stored.batch.clone()),
            Some(rows) => copy_rows(&stored.batch, rows),
        };
    }
    let mut builder = BatchBuilder::new();
    let columns: Vec<u32> = (0..layout.schema().columns.len() as u32).collect();
    for slice in input.slices() {
        context.check_cancelled()?;
        match slice.piece {
            Piece::Stored(stored) if same(stored) => {
                for (row, &weight) in slice.weights().iter().enumerate() {
                    builder.push_from(&stored.batch, slice.row_in_batch(row), weight)?;
                }
            }
            _ => {
                let vectors: Vec<Arc<Vector>> = columns.iter().map(|&column| slice.column(column)).collect();
                let refs: Vec<&Vector> = vectors.iter().map(Arc::as_ref).collect();
                layout.encode(&refs, slice.len(), &slice.weights(), &mut builder)?;
            }
        }
    }
    Ok(builder.finish()?)
}

/// Rows of a batch, given in ascending order, as a batch of their own; stretches are copied at once.
fn copy_rows(batch: &Batch, rows: &[u32]) -> Result<Batch, Failure> {
    let mut builder = BatchBuilder::new();
    let mut start = 0;
    while start < rows.len() {
        let first = rows[start] as usize;
        let stretch = rows[start..]
            .iter()
            .zip(first..)
            .take_while(|&(&row, expected)| row as usize == expected)
            .count();
        builder.push_run(batch, first..first + stretch)?;
        start += stretch;
    }
    Ok(builder.finish_sorted())
}
