//! What the operators of a step share: what was there before it, what comes out of it, and whether it is cancelled.

use std::sync::atomic::{AtomicBool, Ordering};

use expr::Scratch;
use zset::{Batch, CollectionId, Deltas};

use crate::error::Failure;

/// The collections as they were before the step.
pub trait Traces {
    /// The batches whose sum the collection is; none for one that is empty or unknown.
    fn runs(&self, id: CollectionId) -> &[Batch];
}

/// What operators share in a step.
pub(crate) struct Context<'a> {
    pub(crate) traces: &'a dyn Traces,
    pub(crate) first: bool,
    pub(crate) scratch: Scratch,
    cancel: &'a AtomicBool,
    pub(crate) deltas: Deltas,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        traces: &'a dyn Traces,
        first: bool,
        scratch: Scratch,
        cancel: &'a AtomicBool,
    ) -> Context<'a> {
        Context { traces, first, scratch, cancel, deltas: Deltas::new() }
    }

    pub(crate) fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancel.load(Ordering::Relaxed) { Err(Failure::Cancelled) } else { Ok(()) }
    }

    /// Notes the change of a view or trace.
    pub(crate) fn remember(&mut self, collection: CollectionId, change: Batch) {
        if !change.is_empty() {
            self.deltas.insert(collection, change);
        }
    }
}
