//! A database in miniature: collections as runs, changed by what a step returns, and checked after every
//! epoch.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use circuit::{Circuit, lower};
use vm::{Machine, Traces, VmError};
use zset::{Batch, BatchBuilder, CollectionId, Deltas, Layout, Schema, Secret, merge};

use crate::oracle::{Row, Set, evaluate, sum};

pub(crate) const SECRET: Secret = Secret([42; 16]);

/// The runs of every collection.
#[derive(Clone, Default)]
pub(crate) struct Runs(BTreeMap<CollectionId, Vec<Batch>>);

impl Traces for Runs {
    fn runs(&self, id: CollectionId) -> &[Batch] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
}

impl Runs {
    /// Adds a change; runs of like size are merged, so that there always are a few.
    pub(crate) fn apply(&mut self, deltas: Deltas) {
        for (id, batch) in deltas {
            let runs = self.0.entry(id).or_default();
            runs.push(batch);
            while let [.., first, second] = runs.as_slice()
                && first.len() < 2 * second.len()
            {
                let merged = merge(&[first.clone(), second.clone()]).unwrap();
                runs.truncate(runs.len() - 2);
                if !merged.is_empty() {
                    runs.push(merged);
                }
            }
        }
    }

    /// A collection added up.
    pub(crate) fn total(&self, id: CollectionId) -> Batch {
        merge(self.runs(id)).unwrap()
    }
}

/// A circuit at work.
pub(crate) struct World {
    pub(crate) circuit: Circuit,
    machine: Machine,
    pub(crate) runs: Runs,
    /// The sources' contents, for the definition.
    pub(crate) tables: BTreeMap<CollectionId, Set>,
    schemas: BTreeMap<CollectionId, Schema>,
    first: bool,
}

impl World {
    pub(crate) fn new(circuit: Circuit) -> World {
        let program = lower(&circuit).unwrap();
        let machine = Machine::prepare(&program, &expr::NoFunctions, SECRET).unwrap();
        let schemas = circuit.sources().map(|(id, table)| (table, circuit.node(id).schema.clone())).collect();
        World { circuit, machine, runs: Runs::default(), tables: BTreeMap::new(), schemas, first: true }
    }

    /// One epoch: the changes of some tables.
    pub(crate) fn step(&mut self, changes: &[(CollectionId, Vec<(Row, i64)>)]) -> Result<(), VmError> {
        let inputs = self.encode(changes);
        let outputs = self.machine.step(&inputs, &self.runs, self.first, &AtomicBool::new(false))?;
        self.first = false;
        assert!(outputs.values().all(|batch| !batch.is_empty()));
        self.runs.apply(inputs);
        self.runs.apply(outputs);
        for (table, rows) in changes {
            let old = self.tables.remove(table).unwrap_or_default();
            self.tables.insert(*table, sum(old.into_iter().chain(rows.iter().cloned())));
        }
        Ok(())
    }

    fn encode(&self, changes: &[(CollectionId, Vec<(Row, i64)>)]) -> Deltas {
        let mut deltas = Deltas::new();
        for (table, rows) in changes {
            // A table that no view needs after optimising has no schema here.
            let Some(schema) = self.schemas.get(table) else { continue };
            let layout = Layout::new(schema, SECRET);
            let mut builder = BatchBuilder::new();
            rows.iter().for_each(|(row, weight)| layout.encode_datums(row, *weight, &mut builder).unwrap());
            deltas.insert(*table, builder.finish().unwrap());
        }
        deltas
    }

    /// The contents of a view, as kept.
    pub(crate) fn view(&self, view: CollectionId) -> Set {
        let sink = self.circuit.sink_of(view).unwrap();
        let layout = Layout::new(&self.circuit.node(sink).schema, SECRET);
        let total = self.runs.total(view);
        (0..total.len()).map(|row| (layout.decode_row(&total, row), total.weight(row))).collect()
    }

    /// Every view is what its definition says, and everything that is kept is what one step from nothing over
    /// the tables as they are would make, byte for byte.
    pub(crate) fn check(&self, original: &Circuit, context: &str) {
        for (sink, view) in original.sinks() {
            assert_eq!(self.view(view), evaluate(original, sink, &self.tables), "{view}: {context}");
        }
        let mut afresh = Runs::default();
        let everything: Vec<_> = self
            .tables
            .iter()
            .map(|(&id, set)| (id, set.iter().map(|(r, &w)| (r.clone(), w)).collect()))
            .collect();
        let inputs = self.encode(&everything);
        afresh.apply(self.machine.step(&inputs, &afresh, true, &AtomicBool::new(false)).unwrap());
        for (collection, node, _) in self.circuit.collections() {
            let (kept, fresh) = (self.runs.total(collection), afresh.total(collection));
            assert_eq!(kept, fresh, "{collection} of {node}: {context}");
        }
    }
}
