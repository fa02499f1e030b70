//! Following a query that no view keeps.
//!
//! The query becomes a circuit of its own, filled from one version as a view's would be; after that every commit that
//! touches what it reads is a step of it. The state belongs to the one who follows, and so does the work: a step runs
//! when the reader asks for the next change, on the versions before and after the commits it takes in. Nothing of it
//! is in the catalog, and no commit waits for it or can fail because of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use circuit::Circuit;
use sql::Planner;
use sql::sqlparser::ast::Query;
use sql::statement::CreateView;
use storage::State;
use vm::{Machine, Traces};
use zset::{Batch, CollectionId, Deltas};

use crate::catalog::Catalog;
use crate::error::Result;
use crate::relation::Relation;
use crate::version::{Compiled, Version};
use crate::view;

/// A query that is followed.
pub(crate) struct Live {
    /// What it answers.
    pub(crate) relation: Arc<Relation>,
    machine: Machine,
    /// The query's own collections: its answer and its operators' traces.
    own: State,
    mine: BTreeSet<CollectionId>,
    sources: BTreeSet<CollectionId>,
    /// The database as of the last change taken in.
    base: Arc<Version>,
}

impl Live {
    /// Plans the query and answers it as of a version.
    pub(crate) fn start(
        planner: &Arc<Planner>,
        base: &Arc<Version>,
        query: &Query,
        cancel: &AtomicBool,
    ) -> Result<Live> {
        // A circuit of its own: operators that it shared with a view would go with the view.
        let mut catalog = base.compiled.catalog.clone();
        catalog.circuit = Circuit::new();
        let create = CreateView {
            name: free_name(&catalog),
            position: None,
            materialized: true,
            or_replace: false,
            if_not_exists: false,
            columns: Vec::new(),
            query: query.clone(),
            no_data: false,
        };
        let new = view::define(planner, base, &mut catalog, (&create, base.state.epoch, ""))?;
        let compiled = Compiled::new(catalog, planner.functions())?;
        let mut own = view::fill(planner, base, &compiled, &new, cancel)?;
        for (id, _) in base.state.collections() {
            own.remove(id);
        }
        let circuit = &compiled.catalog.circuit;
        let mine = own.collections().map(|(id, _)| id).collect();
        let sources = circuit.sources().map(|(_, source)| source).collect();
        let machine =
            Machine::prepare(&circuit::lower(circuit)?, planner.functions(), compiled.catalog.secret)?;
        let relation = compiled.catalog.get(&create.name).map(Arc::clone);
        let relation = relation.ok_or_else(|| sql::SqlError::internal("a query was not defined"))?;
        Ok(Live { relation, machine, own, mine, sources, base: Arc::clone(base) })
    }

    /// The runs that hold its answer.
    pub(crate) fn runs(&self) -> Result<Vec<Batch>> {
        Ok(self.own.runs(self.relation.id())?.to_vec())
    }

    /// Takes in the changes that lead to a later version; how the answer changes, if it does.
    pub(crate) fn step(&mut self, version: Arc<Version>, changes: &Deltas) -> Result<Option<Batch>> {
        self.base.state.verify(self.sources.iter().copied())?;
        let mut read = changes.clone();
        read.retain(|id, _| self.sources.contains(id));
        let stepped = self.machine.step(&read, self, false, &AtomicBool::new(false));
        let mut outputs = stepped.map_err(|error| self.base.compiled.explain(error))?;
        outputs.retain(|id, _| self.mine.contains(id));
        self.own = self.own.with(&outputs, version.state.epoch)?;
        self.base = version;
        Ok(outputs.remove(&self.relation.id()).filter(|change| !change.is_empty()))
    }
}

impl Traces for Live {
    /// Its own are in memory, and the sources were verified before the step.
    fn runs(&self, id: CollectionId) -> &[Batch] {
        let state = if self.mine.contains(&id) { &self.own } else { &self.base.state };
        state.runs(id).unwrap_or_default()
    }
}

/// A name that no relation has: the definition is never seen.
fn free_name(catalog: &Catalog) -> String {
    let mut name = "the query".to_string();
    while catalog.get(&name).is_some() {
        name.push('\'');
    }
    name
}
