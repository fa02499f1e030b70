//! What a register holds: the change of one node in this step, as pieces whose sum it is.
//!
//! A piece is either rows of a batch, by number, or columns. Rows stay in their batch for as long as an
//! operator only picks some of them or changes weights; columns appear where something was computed. Nothing
//! here is sorted or added up: linear operators don't need it, and those that do get it from `store`. Pieces
//! are shared, not copied, when a register is read twice.
//!
//! Operators work through a flow a slice of at most [`SLICE`] rows at a time, so that what a slice computes
//! stays in the cache.

use std::borrow::Cow;
use std::sync::Arc;

use zset::{Batch, Layout, Vector};

/// Rows that are evaluated together.
pub(crate) const SLICE: usize = 1024;

/// A change: the sum of its pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) pieces: Vec<Piece>,
}

/// A part of a change.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Stored(Stored),
    Columns(Columns),
}

/// Rows of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) batch: Batch,
    pub(crate) layout: Arc<Layout>,
    /// Which rows; all if absent.
    pub(crate) rows: Option<Arc<Vec<u32>>>,
    /// Their weights, where they are not those of the batch.
    pub(crate) weights: Option<Arc<Vec<i64>>>,
}

/// At most [`SLICE`] rows as columns.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) columns: Vec<Arc<Vector>>,
    pub(crate) weights: Arc<Vec<i64>>,
}

/// Some consecutive rows of a piece, at most [`SLICE`].
#[derive(Clone, Copy)]
pub(crate) struct Slice<'a> {
    pub(crate) piece: &'a Piece,
    from: usize,
    to: usize,
}

impl Flow {
    /// All rows of a batch.
    pub(crate) fn of_batch(batch: Batch, layout: &Arc<Layout>) -> Flow {
        let mut flow = Flow::default();
        flow.push(Piece::Stored(Stored { batch, layout: Arc::clone(layout), rows: None, weights: None }));
        flow
    }

    /// Adds a piece, unless it has no rows.
    pub(crate) fn push(&mut self, piece: Piece) {
        if piece.len() > 0 {
            self.pieces.push(piece);
        }
    }

    /// Adds computed rows.
    pub(crate) fn push_columns(&mut self, columns: Vec<Arc<Vector>>, weights: Vec<i64>) {
        self.push(Piece::Columns(Columns { columns, weights: Arc::new(weights) }));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The batch that this flow is, where it is one, sorted and consolidated: what loads and stores make.
    pub(crate) fn as_batch(&self) -> Option<&Batch> {
        match self.pieces.as_slice() {
            [Piece::Stored(Stored { batch, rows: None, weights: None, .. })] => Some(batch),
            _ => None,
        }
    }

    pub(crate) fn slices(&self) -> impl Iterator<Item = Slice<'_>> {
        self.pieces.iter().flat_map(Piece::slices)
    }
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        match self {
            Piece::Stored(stored) => stored.rows.as_ref().map_or(stored.batch.len(), |rows| rows.len()),
            Piece::Columns(columns) => columns.weights.len(),
        }
    }

    pub(crate) fn slices(&self) -> impl Iterator<Item = Slice<'_>> {
        let rows = self.len();
        (0..rows).step_by(SLICE).map(move |from| Slice { piece: self, from, to: rows.min(from + SLICE) })
    }
}

impl<'a> Slice<'a> {
    pub(crate) fn len(&self) -> usize {
        self.to - self.from
    }

    /// One column of the rows: shared where it was computed, decoded where it is in a batch.
    pub(crate) fn column(&self, column: u32) -> Arc<Vector> {
        match self.piece {
            Piece::Columns(columns) => Arc::clone(&columns.columns[column as usize]),
            Piece::Stored(stored) => {
                let lane = stored.layout.schema().columns[column as usize].ty.lane();
                let mut vector = Vector::with_capacity(lane, self.len());
                match &stored.rows {
                    Some(rows) => {
                        stored.layout.decode(&stored.batch, &rows[self.from..self.to], column, &mut vector);
                    }
                    None => {
                        stored.layout.decode_range(&stored.batch, self.from..self.to, column, &mut vector)
                    }
                }
                Arc::new(vector)
            }
        }
    }

    /// The rows' weights.
    pub(crate) fn weights(&self) -> Cow<'a, [i64]> {
        match self.piece {
            Piece::Columns(columns) => Cow::Borrowed(columns.weights.as_slice()),
            Piece::Stored(Stored { weights: Some(weights), .. }) => {
                Cow::Borrowed(&weights[self.from..self.to])
            }
            Piece::Stored(Stored { batch, rows: None, .. }) => {
                Cow::Borrowed(&batch.weights()[self.from..self.to])
            }
            Piece::Stored(Stored { batch, rows: Some(rows), .. }) => {
                let all = batch.weights();
                Cow::Owned(rows[self.from..self.to].iter().map(|&row| all[row as usize]).collect())
            }
        }
    }

    /// For a slice of a batch: the number that a row of the slice has there.
    pub(crate) fn row_in_batch(&self, row: usize) -> usize {
        match self.piece {
            Piece::Stored(Stored { rows: Some(rows), .. }) => rows[self.from + row] as usize,
            _ => self.from + row,
        }
    }

    /// For a slice of a batch: the number that a row of the slice has in the piece.
    pub(crate) fn row_in_piece(&self, row: usize) -> usize {
        self.from + row
    }
}

/// The rows of a column in another order, or some of them.
pub(crate) fn gather(vector: &Vector, rows: &[u32]) -> Vector {
    let mut gathered = Vector::with_capacity(vector.lane(), rows.len());
    gathered.extend_gather(vector, rows);
    gathered
}
