//! Negate: every weight with the other sign.
//!
//! Linear, no state. Rows stay where they are and get new weights.

use std::sync::Arc;

use zset::ZsetError;

use crate::error::Failure;
use crate::flow::{Columns, Flow, Piece, Stored};

pub(crate) fn negate(input: &Flow) -> Result<Flow, Failure> {
    let mut output = Flow::default();
    for piece in &input.pieces {
        output.push(match piece {
            Piece::Columns(columns) => {
                Piece::Columns(Columns { weights: negated(&columns.weights)?, ..columns.clone() })
            }
            Piece::Stored(Stored { batch, rows: None, weights: None, layout }) => Piece::Stored(Stored {
                batch: batch.negate(),
                layout: Arc::clone(layout),
                rows: None,
                weights: None,
            }),
            Piece::Stored(stored) => {
                let weights = match (&stored.weights, &stored.rows) {
                    (Some(weights), _) => negated(weights)?,
                    (None, Some(rows)) => {
                        let all = stored.batch.weights();
                        negated(&rows.iter().map(|&row| all[row as usize]).collect::<Vec<_>>())?
                    }
                    (None, None) => negated(stored.batch.weights())?,
                };
                Piece::Stored(Stored { weights: Some(weights), ..stored.clone() })
            }
        });
    }
    Ok(output)
}

fn negated(weights: &[i64]) -> Result<Arc<Vec<i64>>, Failure> {
    let overflow = |weight| ZsetError::WeightOverflow { left: 0, right: weight };
    let negated: Result<Vec<i64>, ZsetError> =
        weights.iter().map(|&weight| weight.checked_neg().ok_or_else(|| overflow(weight))).collect();
    Ok(Arc::new(negated?))
}
