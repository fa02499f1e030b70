//! A snapshot: what a statement sees from its beginning to its end. It is a version, and inside a transaction
//! the transaction's own changes on top of it.
//!
//! A transaction's own changes are a few more runs for some collections. Nothing above tells them from committed
//! ones: runs are added up wherever they are read. They are made when somebody asks, so that a statement which looks
//! for one row leaves the write buffers as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use sql::{TableDef, TableKind};
use storage::Memtable;
use zset::{Batch, BatchBuilder, CollectionId, Secret};

use crate::bounds;
use crate::describe;
use crate::error::Result;
use crate::relation::Relation;
use crate::version::Version;

/// The write buffers of the tables that a transaction has changed.
pub(crate) type Changes = BTreeMap<CollectionId, Memtable>;

/// One epoch, whole, perhaps with a transaction's own changes.
#[derive(Clone)]
pub(crate) struct Snapshot {
    version: Arc<Version>,
    /// What the transaction has changed so far.
    changes: Arc<Changes>,
}

impl Snapshot {
    /// A version as it is.
    pub(crate) fn new(version: Arc<Version>) -> Snapshot {
        Snapshot { version, changes: Arc::default() }
    }

    /// A version and a transaction's own changes.
    pub(crate) fn with(version: Arc<Version>, changes: Arc<Changes>) -> Snapshot {
        Snapshot { version, changes }
    }

    /// The version below.
    pub(crate) fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// The relation of this name.
    pub(crate) fn relation(&self, name: &str) -> Option<&Arc<Relation>> {
        self.version.compiled.catalog.get(name)
    }

    /// The sorted runs of a stored collection.
    pub(crate) fn stored(&self, id: CollectionId) -> Result<Vec<Batch>> {
        let mut runs = self.version.runs(id)?.to_vec();
        if let Some(memtable) = self.changes.get(&id) {
            runs.extend(memtable.snapshot()?);
        }
        Ok(runs)
    }

    /// Those of them that may hold keys which start with `prefix`.
    fn stored_with_prefix(&self, id: CollectionId, prefix: &[u8]) -> Result<Vec<Batch>> {
        let mut runs = self.version.state.runs_with_prefix(id, prefix)?;
        if let Some(memtable) = self.changes.get(&id) {
            runs.extend(memtable.runs_with_prefix(prefix)?);
        }
        Ok(runs)
    }

    /// Makes sure that the rows of these relations can be read: after it a query that names no others cannot
    /// meet a damaged file.
    pub(crate) fn verify<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let catalog = &self.version.compiled.catalog;
        let relations = names.into_iter().filter_map(|name| self.relation(name));
        let (plain, others): (Vec<_>, Vec<_>) =
            relations.filter(|r| r.def.kind != TableKind::System).partition(|r| r.is_plain_view());
        let behind = plain.iter().flat_map(|relation| catalog.behind(relation));
        Ok(self.version.state.verify(others.iter().map(|relation| relation.id()).chain(behind))?)
    }

    fn system_rows(&self, relation: &Relation) -> Vec<Batch> {
        let mut builder = BatchBuilder::new();
        for row in describe::rows(relation.id(), &self.version) {
            let encoded = relation.layout.encode_datums(&row, 1, &mut builder);
            debug_assert!(encoded.is_ok(), "system rows fit their own schema");
        }
        builder.finish().into_iter().collect()
    }
}

/// Where a sequence stands at this moment, which is not a part of any snapshot.
fn sequence_row(relation: &Relation) -> Vec<Batch> {
    let mark = relation.sequence.as_ref().map(|sequence| sequence.counter.mark());
    mark.and_then(|mark| bounds::row(relation, mark).ok()).into_iter().collect()
}

impl sql::Catalog for Snapshot {
    fn table(&self, name: &str) -> Option<Arc<TableDef>> {
        self.relation(name).map(|relation| Arc::clone(&relation.def))
    }

    fn tables(&self) -> Vec<Arc<TableDef>> {
        self.version.compiled.catalog.relations().map(|relation| Arc::clone(&relation.def)).collect()
    }

    fn plain_view(&self, name: &str) -> Option<String> {
        let relation = self.relation(name).filter(|relation| relation.is_plain_view())?;
        relation.view.as_ref().map(|view| view.query.clone())
    }
}

impl sql::Scan for Snapshot {
    /// Of verified relations only: see [`Snapshot::verify`].
    fn runs(&self, id: CollectionId) -> Vec<Batch> {
        let relation = self.version.compiled.catalog.by_id(id);
        match relation.map(|relation| (relation, relation.def.kind)) {
            Some((relation, TableKind::System)) => self.system_rows(relation),
            Some((relation, TableKind::Sequence)) => sequence_row(relation),
            _ => self.stored(id).unwrap_or_default(),
        }
    }

    fn runs_with_prefix(&self, id: CollectionId, prefix: &[u8]) -> Vec<Batch> {
        let relation = self.version.compiled.catalog.by_id(id);
        let computed = relation.is_some_and(|relation| !relation.has_rows());
        match self.version.state.spine(id).filter(|_| !computed) {
            Some(_) => self.stored_with_prefix(id, prefix).unwrap_or_default(),
            None => self.runs(id),
        }
    }

    fn size(&self, id: CollectionId) -> (usize, usize) {
        let Some(spine) = self.version.state.spine(id) else {
            // What is computed is stored nowhere.
            return (self.runs(id).iter().map(Batch::len).sum(), 0);
        };
        let (rows, bytes) = self.changes.get(&id).map_or((0, 0), |own| (own.rows(), own.bytes()));
        let stored = spine.memory_bytes() + usize::try_from(spine.disk_bytes()).unwrap_or(usize::MAX / 2);
        (rows + spine.rows_estimate(), bytes + stored)
    }

    fn secret(&self) -> Secret {
        self.version.compiled.catalog.secret
    }
}

impl sql::Snapshot for Snapshot {}
