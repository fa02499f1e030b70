//! A snapshot: what a statement sees from its beginning to its end. It is a version, and inside a transaction
//! the transaction's own changes on top of it.
//!
//! The overlay is a few more runs for some collections. Nothing above tells them from committed ones: runs are
//! added up wherever they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use sql::{TableDef, TableKind};
use zset::{Batch, BatchBuilder, CollectionId, Secret};

use crate::describe;
use crate::error::Result;
use crate::relation::Relation;
use crate::version::Version;

/// One epoch, whole, perhaps with a transaction's own changes.
#[derive(Clone)]
pub(crate) struct Snapshot {
    version: Arc<Version>,
    /// All runs of the collections that were changed.
    overlay: BTreeMap<CollectionId, Vec<Batch>>,
}

impl Snapshot {
    /// A version as it is.
    pub(crate) fn new(version: Arc<Version>) -> Snapshot {
        Snapshot { version, overlay: BTreeMap::new() }
    }

    /// A version in which some collections have other runs: their own and a transaction's.
    pub(crate) fn with(version: Arc<Version>, overlay: BTreeMap<CollectionId, Vec<Batch>>) -> Snapshot {
        Snapshot { version, overlay }
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
    pub(crate) fn stored(&self, id: CollectionId) -> Result<&[Batch]> {
        self.overlay.get(&id).map_or_else(|| self.version.runs(id), |runs| Ok(runs))
    }

    /// Makes sure that the rows of these relations can be read: after it a query that names no others cannot
    /// meet a damaged file.
    pub(crate) fn verify<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let relations = names.into_iter().filter_map(|name| self.relation(name));
        let stored = relations.filter(|relation| relation.def.kind != TableKind::System);
        Ok(self.version.state.verify(stored.map(|relation| relation.id()))?)
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

impl sql::Catalog for Snapshot {
    fn table(&self, name: &str) -> Option<Arc<TableDef>> {
        self.relation(name).map(|relation| Arc::clone(&relation.def))
    }

    fn tables(&self) -> Vec<Arc<TableDef>> {
        self.version.compiled.catalog.relations().map(|relation| Arc::clone(&relation.def)).collect()
    }
}

impl sql::Scan for Snapshot {
    /// Of verified relations only: see [`Snapshot::verify`].
    fn runs(&self, id: CollectionId) -> Vec<Batch> {
        let relation = self.version.compiled.catalog.by_id(id);
        match relation.filter(|relation| relation.def.kind == TableKind::System) {
            Some(relation) => self.system_rows(relation),
            None => self.stored(id).unwrap_or_default().to_vec(),
        }
    }

    fn secret(&self) -> Secret {
        self.version.compiled.catalog.secret
    }
}

impl sql::Snapshot for Snapshot {}
