//! Load: where changes come in: from outside, or, once, from constant rows.

use std::sync::Arc;

use zset::{Batch, CollectionId, Datum, Deltas, Layout, Schema, Vector};

use crate::flow::{Flow, SLICE};

/// The change of a table or of another circuit's view.
#[derive(Debug)]
pub(crate) struct LoadDelta {
    pub(crate) collection: CollectionId,
    pub(crate) layout: Arc<Layout>,
}

impl LoadDelta {
    pub(crate) fn step(&self, inputs: &Deltas) -> Flow {
        let batch = inputs.get(&self.collection).cloned().unwrap_or_else(Batch::empty);
        Flow::of_batch(batch, &self.layout)
    }
}

/// Rows that come in the first step.
#[derive(Debug)]
pub(crate) struct LoadConstant {
    flow: Flow,
}

impl LoadConstant {
    pub(crate) fn prepare(rows: &[Vec<Datum>], schema: &Schema) -> LoadConstant {
        let mut flow = Flow::default();
        for rows in rows.chunks(SLICE) {
            let columns = schema.columns.iter().enumerate().map(|(index, column)| {
                Arc::new(Vector::from_datums(column.ty.lane(), rows.iter().map(|row| &row[index])))
            });
            flow.push_columns(columns.collect(), vec![1; rows.len()]);
        }
        LoadConstant { flow }
    }

    pub(crate) fn step(&self, first: bool) -> Flow {
        if first { self.flow.clone() } else { Flow::default() }
    }
}
