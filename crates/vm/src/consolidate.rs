//! Trying first, adding up only when it fails.
//!
//! Operators evaluate changes that are not added up: a row that came and went may stand there twice, with
//! weights that cancel. That is right for values, and cheap. But a row that is not there at all must not
//! refuse a commit because an expression has no value for it. So a failed evaluation is repeated over the
//! same change added up; what fails then is a row that the change really brings.

use std::sync::Arc;

use zset::{BatchBuilder, ColumnType, Datum, Layout, Schema, Secret, Type, Vector};

use crate::context::Context;
use crate::error::Failure;
use crate::flow::{Flow, Piece, Slice};

/// Runs `attempt` over the flow, and again over the consolidated flow if a row has no value.
pub(crate) fn with_second_chance(
    input: &Flow,
    columns: &[ColumnType],
    context: &mut Context<'_>,
    attempt: &mut dyn FnMut(&Flow, &mut Context<'_>) -> Result<Flow, Failure>,
) -> Result<Flow, Failure> {
    match attempt(input, context) {
        Err(Failure::Eval { .. }) if input.as_batch().is_none() => {
            let added_up = consolidate(input, columns)?;
            attempt(&added_up, context)
        }
        result => result,
    }
}

/// The same change, added up.
pub(crate) fn consolidate(flow: &Flow, columns: &[ColumnType]) -> Result<Flow, Failure> {
    let schema = Schema::new(columns.to_vec(), (0..columns.len() as u32).collect());
    // All columns are in the key: nothing is hashed, so no secret is needed.
    let layout = Arc::new(Layout::new(&schema, Secret([0; 16])));
    let mut builder = BatchBuilder::new();
    for slice in flow.slices() {
        let vectors: Vec<Arc<Vector>> =
            (0..columns.len() as u32).map(|column| slice.column(column)).collect();
        let refs: Vec<&Vector> = vectors.iter().map(Arc::as_ref).collect();
        layout.encode(&refs, slice.len(), &slice.weights(), &mut builder)?;
    }
    Ok(Flow::of_batch(builder.finish()?, &layout))
}

/// A row as text, for messages: the key columns where it is in a batch that has some, else all its columns.
pub(crate) fn describe(slice: &Slice<'_>, row: usize, columns: &[ColumnType]) -> String {
    let key = match slice.piece {
        Piece::Stored(stored) if !stored.layout.schema().key.is_empty() => stored.layout.schema().key.clone(),
        _ => (0..columns.len() as u32).collect(),
    };
    let values = key.iter().map(|&column| {
        let ty = columns[column as usize].ty;
        (slice.column(column).get_as(row, ty), ty)
    });
    row_text(values)
}

/// Values as a row in a message.
pub(crate) fn row_text(values: impl Iterator<Item = (Datum, Type)>) -> String {
    let texts = values.map(|(value, ty)| match value {
        Datum::Null => "NULL".to_string(),
        value => value.display(ty).to_string(),
    });
    format!("({})", texts.collect::<Vec<_>>().join(", "))
}
