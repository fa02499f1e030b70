//! What a shell shows of the catalog: names to complete, and the statements that would make what is there again.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sql::{TableDef, TableKind, names};

use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::session::Session;

impl Session {
    /// The names of all relations and their columns, each once, in order.
    pub fn names(&self) -> Result<Vec<String>> {
        let version = self.core().engine().published()?;
        let relations = version.compiled.catalog.relations();
        let mut names: Vec<String> = relations
            .flat_map(|relation| {
                let columns = relation.def.columns.iter().map(|column| column.name.clone());
                std::iter::once(relation.name().to_string()).chain(columns)
            })
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
            return Ok(vec![definition(relation.ok_or_else(undefined)?)]);
        }
        let mut stored: Vec<&Arc<Relation>> = catalog.stored().collect();
        stored.sort_by_key(|relation| relation.id());
        Ok(stored.into_iter().map(|relation| definition(relation)).collect())
    }

    /// How many bytes of its file the running `COPY … FROM` has read: for a progress bar.
    pub fn copy_progress(&self) -> Arc<AtomicU64> {
        Arc::clone(self.core().copied_bytes())
    }
}

/// The statement that would make a relation.
pub(crate) fn definition(relation: &Relation) -> String {
    match &relation.view {
        Some(view) if relation.is_plain_view() => {
            let columns: Vec<String> =
                relation.def.columns.iter().map(|column| names::quoted(&column.name).to_string()).collect();
            let name = names::quoted(relation.name());
            format!("CREATE VIEW {name} ({}) AS {}", columns.join(", "), view.query)
        }
        Some(view) => {
            format!("CREATE MATERIALIZED VIEW {} AS {}", names::quoted(relation.name()), view.query)
        }
        None => table(&relation.def),
    }
}

fn table(def: &TableDef) -> String {
    let mut lines = Vec::new();
    for column in &def.columns {
        let mut line = format!("  {} ", names::quoted(&column.name));
        let _ = match column.max_len {
            Some(limit) => write!(line, "VARCHAR({limit})"),
            None => write!(line, "{}", column.ty.ty),
        };
        if !column.ty.nullable {
            line.push_str(" NOT NULL");
        }
        if let Some(default) = &column.default {
            let _ = write!(line, " DEFAULT {default}");
        }
        lines.push(line);
    }
    if !def.primary_key.is_empty() {
        let key: Vec<String> = def
            .primary_key
            .iter()
            .map(|&c| names::quoted(&def.columns[c as usize].name).to_string())
            .collect();
        lines.push(format!("  PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {} (\n{}\n)", names::quoted(&def.name), lines.join(",\n"))
}
