//! A version: the whole database at one epoch, as an immutable value.
//!
//! A commit makes the next version from the last; readers keep the one they began with as long as they need it.
//! Its catalog comes compiled: the machine that runs the stored program is made once for each change of the
//! catalog and shared by all versions until the next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use expr::Functions;
use storage::{Spine, State};
use vm::{Machine, Traces, VmError};
use zset::{Batch, CollectionId, Deltas};

use crate::catalog::Catalog;
use crate::catalog_text;
use crate::error::{Error, Result};

/// The catalog with what is made of it.
pub(crate) struct Compiled {
    /// The definitions.
    pub(crate) catalog: Catalog,
    /// The catalog as the manifest stores it.
    pub(crate) text: String,
    /// The program, ready to run.
    pub(crate) machine: Machine,
    /// The collections it reads.
    pub(crate) traces: BTreeSet<CollectionId>,
}

impl Compiled {
    /// Prepares the catalog's program.
    pub(crate) fn new(catalog: Catalog, functions: &dyn Functions) -> Result<Compiled> {
        let machine = Machine::prepare(&catalog.program, functions, catalog.secret)?;
        let text = catalog_text::print(&catalog);
        let traces = catalog.program.instructions.iter().flat_map(|i| i.action.traces()).collect();
        Ok(Compiled { catalog, text, machine, traces })
    }

    /// What a failed step means to a user: which views, which row.
    pub(crate) fn explain(&self, error: VmError) -> Error {
        match error {
            VmError::Eval { views, key, source, .. } => {
                let name =
                    |id| self.catalog.by_id(id).map_or_else(|| id.to_string(), |r| r.name().to_string());
                Error::View { views: views.into_iter().map(name).collect(), key, source }
            }
            VmError::Cancelled => Error::Canceled,
            other => Error::Vm(other),
        }
    }
}

/// The database at one epoch.
pub(crate) struct Version {
    /// Counts versions: a later one has a larger number. Epochs don't serve, since a checkpoint or a new view
    /// makes a new version of the same epoch.
    pub(crate) number: u64,
    /// The rows.
    pub(crate) state: State,
    /// What they mean.
    pub(crate) compiled: Arc<Compiled>,
}

impl Version {
    /// The sorted runs of a collection.
    pub(crate) fn runs(&self, id: CollectionId) -> Result<&[Batch]> {
        Ok(self.state.runs(id)?)
    }

    /// The change of every view and trace for these changes of tables; nothing happens yet.
    pub(crate) fn step(&self, changes: &Deltas, cancel: &AtomicBool) -> Result<Deltas> {
        let compiled = &self.compiled;
        self.state.verify(compiled.traces.iter().copied())?;
        compiled.machine.step(changes, self, false, cancel).map_err(|error| compiled.explain(error))
    }

    /// Rows and bytes that a collection takes.
    pub(crate) fn size_of(&self, id: CollectionId) -> (i64, i64) {
        let size = |spine: &Spine| {
            let bytes = (spine.memory_bytes() as u64).saturating_add(spine.disk_bytes());
            (spine.rows_estimate() as i64, bytes as i64)
        };
        self.state.spine(id).map_or((0, 0), size)
    }
}

impl Traces for Version {
    /// Never fails to find them: [`Version::step`] has verified every trace the program reads.
    fn runs(&self, id: CollectionId) -> &[Batch] {
        Version::runs(self, id).unwrap_or_default()
    }
}
