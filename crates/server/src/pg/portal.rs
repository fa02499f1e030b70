//! Portals: statements with their values, and answers that are read in pieces.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::record_batch::RecordBatch;
use gnitz::wire::Cells;
use gnitz::{Column, Outcome, QueryResult, Type, Value};

use crate::meter;
use crate::pg::error::Report;
use crate::pg::fetch::Following;
use crate::pg::frame::Formats;
use crate::pg::reply::text_column;
use crate::pg::statement::Prepared;

/// The rows that a statement answered.
#[derive(Clone)]
pub(crate) struct Answer {
    cells: Arc<Vec<Cells>>,
    /// The number of the first row of each piece.
    starts: Arc<Vec<usize>>,
    /// How many rows there are.
    pub(crate) rows: usize,
    /// The columns.
    pub(crate) columns: Arc<Vec<Column>>,
}

impl Answer {
    /// The rows of the engine. `described` are the columns that the client was told of, if it was.
    pub(crate) fn new(result: &QueryResult, described: Option<&[Column]>) -> Result<Answer, Report> {
        let failed = |error: gnitz::Error| Report::of(&error, "");
        let columns = result.columns().map_err(failed)?;
        let columns = match described {
            None => columns,
            Some(told)
                if told.len() == columns.len()
                    && told.iter().zip(&columns).all(|(a, b)| same(a.ty, b.ty)) =>
            {
                told.to_vec()
            }
            Some(_) => return Err(Report::error("0A000", "cached plan must not change result type")),
        };
        let cells = result.batches.iter().map(Cells::new).collect::<gnitz::Result<Vec<_>>>();
        Ok(Answer::of(cells.map_err(failed)?, columns))
    }

    /// Rows of text.
    pub(crate) fn texts(names: &[&str], rows: &[Vec<&str>]) -> Result<Answer, Report> {
        let internal = |error: &dyn std::fmt::Display| Report::error("XX000", error.to_string());
        let column = |at: usize| {
            let texts = rows.iter().map(|row| row.get(at).copied().unwrap_or_default());
            Arc::new(StringViewArray::from_iter_values(texts)) as ArrayRef
        };
        let columns = names.iter().enumerate().map(|(at, name)| (*name, column(at)));
        let batch = RecordBatch::try_from_iter(columns).map_err(|error| internal(&error))?;
        let cells = Cells::new(&batch).map_err(|error| internal(&error))?;
        Ok(Answer::of(vec![cells], names.iter().map(|name| text_column(name)).collect()))
    }

    fn of(cells: Vec<Cells>, columns: Vec<Column>) -> Answer {
        let mut rows = 0;
        let mut starts = Vec::with_capacity(cells.len());
        for piece in &cells {
            starts.push(rows);
            rows += piece.rows();
        }
        Answer { cells: Arc::new(cells), starts: Arc::new(starts), rows, columns: Arc::new(columns) }
    }

    /// A row: the piece it is in, and its number there.
    pub(crate) fn locate(&self, row: usize) -> (&Cells, usize) {
        let piece = self.starts.partition_point(|&start| start <= row) - 1;
        (&self.cells[piece], row - self.starts[piece])
    }
}

/// Whether clients know both types as one. A number's digits may depend on the values of parameters.
fn same(told: Type, given: Type) -> bool {
    told == given || matches!((told, given), (Type::Decimal { .. }, Type::Decimal { .. }))
}

/// What became of a statement.
pub(crate) enum Done {
    /// There was none.
    Empty,
    /// It is done; the tag says what.
    Tag(String),
    /// It is done, and answered no rows.
    Outcome(Outcome),
    /// So many rows were copied to the client.
    Copied(u64),
    /// It answered rows.
    Rows(Answer, &'static str),
    /// It fetched the rows of these numbers, in this order.
    Fetched {
        /// Of this answer.
        answer: Answer,
        /// Which rows.
        rows: Vec<usize>,
        /// In these formats, whatever the client says.
        binary: bool,
    },
}

impl Done {
    /// What is counted of it; `idle` is whether no transaction is open behind it.
    pub(crate) fn counted(&self, idle: bool) -> meter::Done {
        match self {
            Done::Rows(answer, "INSERT" | "UPDATE" | "DELETE") => {
                let written = answer.rows as u64;
                meter::Done { read: 0, written, committed: idle && written > 0 }
            }
            Done::Rows(answer, _) => meter::Done { read: answer.rows as u64, ..meter::Done::default() },
            Done::Fetched { rows, .. } => meter::Done { read: rows.len() as u64, ..meter::Done::default() },
            Done::Outcome(outcome @ Outcome::Count { rows, .. }) => {
                meter::Done::of(outcome, idle && *rows > 0)
            }
            Done::Outcome(outcome) => meter::Done::of(outcome, outcome.to_string() == "COMMIT"),
            Done::Copied(rows) => meter::Done { read: *rows, ..meter::Done::default() },
            Done::Empty | Done::Tag(_) => meter::Done::default(),
        }
    }
}

/// A statement with its values.
pub(crate) struct Portal {
    /// The statement.
    pub(crate) prepared: Arc<Prepared>,
    /// Its values.
    pub(crate) values: Vec<Value>,
    /// The formats of its answer.
    pub(crate) formats: Formats,
    /// How far it is.
    pub(crate) state: State,
    /// What kind of cursor it is.
    pub(crate) cursor: Cursor,
}

/// How far a portal is.
pub(crate) enum State {
    /// It has not run.
    Ready,
    /// It has rows.
    Rows {
        /// The rows.
        answer: Answer,
        /// Where it stands: before the first row is 0, on the first row 1, behind the last one more than there are.
        at: usize,
        /// What its statement is called.
        tag: &'static str,
    },
    /// It follows what changes.
    Following(Box<Following>),
    /// It is done and had no rows.
    Done,
}

/// A cursor's ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// It outlives its transaction.
    pub(crate) hold: bool,
    /// It only goes forward.
    pub(crate) forward: bool,
    /// Its rows are given in binary.
    pub(crate) binary: bool,
}
