//! What a shell shows of the catalog: names to complete, and the statements that would make what is there again.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sql::{TableKind, names};

use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::session::Session;
use crate::written::definition;

impl Session {
    /// The names of all schemas, relations and columns, each once, in order.
    pub fn names(&self) -> Result<Vec<String>> {
        let version = self.core().engine().published()?;
        let relations = version.compiled.catalog.relations();
        let schemas = version.compiled.catalog.namespaces.keys().cloned();
        let mut names: Vec<String> = relations
            .flat_map(|relation| {
                let columns = relation.def.columns.iter().map(|column| column.name.clone());
                std::iter::once(relation.def.own_name().to_string()).chain(columns)
            })
            .chain(schemas)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The statements that make a table or view, or all of them in the order in which they were made.
    pub fn definitions(&self, name: Option<&str>) -> Result<Vec<String>> {
        let version = self.core().engine().published()?;
        let catalog = &version.compiled.catalog;
        if let Some(name) = name {
            let undefined = || Error::UndefinedTable { name: name.to_string() };
            let relation = catalog.get(name).filter(|relation| relation.def.kind != TableKind::System);
            return Ok(vec![definition(catalog, relation.ok_or_else(undefined)?)]);
        }
        // Those of columns come with their tables.
        let is_own = |relation: &&Arc<Relation>| {
            relation.sequence.as_ref().is_some_and(|sequence| sequence.owner.is_some())
        };
        let mut stored: Vec<&Arc<Relation>> = catalog.stored().filter(|relation| !is_own(relation)).collect();
        stored.sort_by_key(|relation| relation.id());
        let schemas = catalog.namespaces.keys().filter(|schema| *schema != names::PUBLIC);
        let schemas = schemas.map(|schema| format!("CREATE SCHEMA {}", names::quoted(schema)));
        Ok(schemas.chain(stored.into_iter().map(|relation| definition(catalog, relation))).collect())
    }

    /// How many bytes of its file the running `COPY … FROM` has read: for a progress bar.
    pub fn copy_progress(&self) -> Arc<AtomicU64> {
        Arc::clone(self.core().copied_bytes())
    }
}
