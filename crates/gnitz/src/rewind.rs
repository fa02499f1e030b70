//! What changed in a relation since an earlier epoch, from what changed in the tables.
//!
//! A circuit is a function of the sums of its inputs, so a step works in either direction: taking the tables' changes
//! back out of the present gives the change of the view from now to then, and its negation is the change from then to
//! now. Nothing of the past is kept for it but the log of the tables, and nothing of the present is touched: a step
//! only reads.

use std::sync::atomic::AtomicBool;

use expr::Functions;
use vm::Machine;
use zset::{Batch, CollectionId, Deltas};

use crate::error::Result;
use crate::relation::Relation;
use crate::version::Version;

/// The change of `relation` that goes with these changes of tables, which led up to `version`; `None` if there is none.
pub(crate) fn changes_of(
    relation: &Relation,
    version: &Version,
    mut changes: Deltas,
    functions: &dyn Functions,
) -> Result<Option<Batch>> {
    // From here on what is known is how to get back.
    changes = changes.into_iter().map(|(id, change)| (id, change.negate())).collect();
    undo(relation, version, &mut changes, functions)?;
    Ok(changes.remove(&relation.id()).map(|change| change.negate()))
}

/// Adds the change of a view, and of the views it reads, to what is undone; leaves out what does not change.
fn undo(
    relation: &Relation,
    version: &Version,
    undone: &mut Deltas,
    functions: &dyn Functions,
) -> Result<()> {
    let Some(view) = relation.view.as_ref().filter(|_| relation.has_rows()) else { return Ok(()) };
    let compiled = &version.compiled;
    let known = |id: &CollectionId| compiled.catalog.by_id(*id);
    for source in view.sources.iter().filter_map(known) {
        undo(source, version, undone, functions)?;
    }
    let slice = compiled.catalog.circuit.slice(relation.id());
    let program = circuit::lower(&slice)?;
    let machine = Machine::prepare(&program, functions, compiled.catalog.secret)?;
    version.state.verify(program.instructions.iter().flat_map(|i| i.action.traces()))?;
    let sources = slice.sources().filter_map(|(_, source)| Some((source, undone.get(&source)?.clone())));
    let inputs: Deltas = sources.filter(|(_, change)| !change.is_empty()).collect();
    let step = machine.step(&inputs, version, false, &AtomicBool::new(false));
    let change = step.map_err(|error| compiled.explain(error))?.remove(&relation.id());
    undone.extend(change.filter(|change| !change.is_empty()).map(|change| (relation.id(), change)));
    Ok(())
}
