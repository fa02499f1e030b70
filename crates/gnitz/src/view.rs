//! `CREATE MATERIALIZED VIEW`: plan, absorb, fill.
//!
//! The query's circuit is taken into the circuit of the database, which may have most of it already. What is new
//! is filled by running the view's own part of the circuit over the contents of its sources, in pieces of bounded
//! size, as if each piece were a commit: first all of one source, then all of the next. A source's trace "as of
//! before the step" is then a prefix of its runs, so nothing of it is copied. Operators that the view shares with
//! others start empty here too, on the side, and are thrown away after: they have their state already.
//!
//! Nothing of this is visible before the manifest holds the new catalog. A failure, or a cancel, leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sql::statement::CreateView;
use sql::{ColumnDef, Planner, TableDef, TableKind};
use storage::State;
use vm::{Machine, Traces};
use zset::{Batch, CollectionId, Deltas, Merger};

use crate::catalog::Catalog;
use crate::definition::{self, Redefined};
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::plain_view;
use crate::relation::{Relation, View, fingerprint};
use crate::rights;
use crate::snapshot::Snapshot;
use crate::version::{Compiled, Version};

/// How much of a source is fed at once.
const PIECE_BYTES: usize = 8 << 20;

/// Creates a view, whole or not at all.
pub(crate) fn create(
    planner: &Arc<Planner>,
    base: &Arc<Version>,
    create: &CreateView,
    (epoch, by, cancel): (u64, &str, &AtomicBool),
    notices: &mut Vec<Notice>,
) -> Redefined {
    if definition::exists(&base.compiled.catalog, &create.name, create.if_not_exists, notices)? {
        return Ok(None);
    }
    let mut catalog = base.compiled.catalog.clone();
    let new = define(planner, base, &mut catalog, (create, epoch, by))?;
    let compiled = Compiled::new(catalog, planner.functions())?;
    let state = fill(planner, base, &compiled, &new, cancel)?;
    notices.extend(new.notice.map(Notice::new));
    if create.no_data {
        let message =
            format!("materialized view \"{}\" is filled all the same: it is never stale", create.name);
        notices.push(Notice::new(message));
    }
    Ok(Some((compiled, state)))
}

/// What a new view added to the circuit.
pub(crate) struct New {
    view: CollectionId,
    /// The collections to fill, with the fingerprints of their schemas.
    collections: BTreeMap<CollectionId, u64>,
    /// What the planner has to say.
    notice: Option<String>,
}

/// Plans the query and adds the view to the catalog.
pub(crate) fn define(
    planner: &Arc<Planner>,
    head: &Arc<Version>,
    catalog: &mut Catalog,
    (create, epoch, by): (&CreateView, u64, &str),
) -> Result<New> {
    let snapshot: Arc<dyn sql::Snapshot> = Arc::new(Snapshot::new(Arc::clone(head)));
    let plan = planner.plan_view(&snapshot, &create.query)?;
    let columns = definition::renamed(plan.columns, &create.columns)?;
    let mut sources = sources(catalog, &plan.circuit)?;
    sources.extend(plain_view::named(catalog, &create.query));
    let mut circuit = catalog.circuit.clone();
    let absorbed = circuit.absorb(&plan.circuit, &mut || catalog.allocate());
    let (node, id) = *absorbed.views.first().ok_or_else(|| internal("the plan of a view has no sink"))?;
    let schema = circuit.node(node).schema.clone();
    catalog.circuit = circuit;
    catalog.lower()?;
    let def = view_def(id, create, columns, schema);
    let view = View { query: create.query.to_string(), logical: plan.logical, sources, depth: 0, parts: 0 };
    catalog.insert(Relation::new(def, Some(view), catalog.secret).made(epoch, by));
    let collections = absorbed.new_collections.iter().map(|(id, _, schema)| (*id, fingerprint(schema)));
    Ok(New { view: id, collections: collections.collect(), notice: plan.notice })
}

fn view_def(
    id: CollectionId,
    create: &CreateView,
    columns: Vec<ColumnDef>,
    schema: zset::Schema,
) -> TableDef {
    TableDef {
        id,
        name: create.name.clone(),
        kind: TableKind::View,
        columns,
        primary_key: Vec::new(),
        schema,
    }
}

/// The relations a fragment reads, each once. System tables change without commits, so no view can follow them.
fn sources(catalog: &Catalog, fragment: &circuit::Circuit) -> Result<Vec<CollectionId>> {
    let sources: BTreeSet<CollectionId> = fragment.sources().map(|(_, collection)| collection).collect();
    for &source in &sources {
        let relation =
            catalog.by_id(source).ok_or_else(|| internal("the plan of a view reads what is not there"))?;
        if !relation.has_rows() {
            let kind = rights::kind(relation);
            let refusal = sql::SqlError::unsupported(format!("the {kind} \"{}\" in a view", relation.name()));
            return Err(refusal.with_hint("select from it directly").into());
        }
    }
    Ok(sources.into_iter().collect())
}

fn internal(message: &str) -> Error {
    Error::Sql(sql::SqlError::internal(message))
}

/// The head's state with the new collections filled.
pub(crate) fn fill(
    planner: &Planner,
    head: &Version,
    compiled: &Compiled,
    new: &New,
    cancel: &AtomicBool,
) -> Result<State> {
    let slice = compiled.catalog.circuit.slice(new.view);
    let program = circuit::lower(&slice)?;
    let machine = Machine::prepare(&program, planner.functions(), compiled.catalog.secret)?;
    let mut filling = Filling::new(head, &slice, new)?;
    let feed = |filling: &mut Filling, piece: Deltas, first: bool| -> Result<()> {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Canceled);
        }
        let outputs =
            machine.step(&piece, filling, first, cancel).map_err(|error| compiled.explain(error))?;
        filling.add(outputs)
    };
    // Constants and aggregates over nothing come in the first step, whether or not a source has rows.
    feed(&mut filling, Deltas::new(), true)?;
    let sources: BTreeSet<CollectionId> = slice.sources().map(|(_, collection)| collection).collect();
    for source in sources {
        let runs = head.runs(source)?;
        let mut merger = Merger::new(runs);
        while let Some(piece) = merger.next(PIECE_BYTES)? {
            let Some(last) = piece.last_key().map(<[u8]>::to_vec) else { continue };
            feed(&mut filling, Deltas::from([(source, piece)]), false)?;
            filling.fed.insert(source, runs.iter().map(|run| up_to(run, &last)).collect());
        }
    }
    Ok(filling.kept)
}

/// The part of a run that is not above `last`.
fn up_to(run: &Batch, last: &[u8]) -> Batch {
    let at = run.seek(0, last);
    let end = if at < run.len() && run.key(at) == last { at + 1 } else { at };
    run.slice(0..end)
}

/// The traces during a fill.
struct Filling {
    /// The head's state and, growing, the new collections.
    kept: State,
    /// Collections that exist, filled again on the side.
    scratch: State,
    new: BTreeSet<CollectionId>,
    /// What has been fed of each source.
    fed: BTreeMap<CollectionId, Vec<Batch>>,
}

impl Filling {
    fn new(head: &Version, slice: &circuit::Circuit, new: &New) -> Result<Filling> {
        let mut kept = head.state.clone();
        for (&id, &fingerprint) in &new.collections {
            kept.insert(id, fingerprint)?;
        }
        let mut scratch = head.state.clone();
        for (id, _) in head.state.collections() {
            scratch.remove(id);
        }
        for (id, _, schema) in slice.collections() {
            if !new.collections.contains_key(&id) {
                scratch.insert(id, fingerprint(&schema))?;
            }
        }
        let new = new.collections.keys().copied().collect();
        Ok(Filling { kept, scratch, new, fed: BTreeMap::new() })
    }

    fn add(&mut self, outputs: Deltas) -> Result<()> {
        let (kept, scratch): (Deltas, Deltas) =
            outputs.into_iter().partition(|(id, _)| self.new.contains(id));
        self.kept = self.kept.with(&kept, self.kept.epoch)?;
        self.scratch = self.scratch.with(&scratch, self.scratch.epoch)?;
        Ok(())
    }
}

impl Traces for Filling {
    /// Everything filled is in memory, and the sources were verified before they were fed.
    fn runs(&self, id: CollectionId) -> &[Batch] {
        let state = if self.new.contains(&id) { &self.kept } else { &self.scratch };
        self.fed.get(&id).map_or_else(|| state.runs(id).unwrap_or_default(), Vec::as_slice)
    }
}
