//! Where a session looks for relations that are named without a schema.
//!
//! As in PostgreSQL the catalogs' tables come first, then the schemas of the setting `search_path` that there are and that
//! the role may look into, in their order.

use sql::statement::{Path, Privileges};
use sql::{SqlError, SqlState, TableKind, names};

use crate::catalog::Catalog;

/// The schemas that a session looks into.
pub(crate) struct SearchPath<'a> {
    catalog: &'a Catalog,
    schemas: Vec<&'a str>,
}

impl<'a> SearchPath<'a> {
    /// Those of a session's setting.
    pub(crate) fn new(catalog: &'a Catalog, session: &'a pgcatalog::Session, role: &str) -> SearchPath<'a> {
        let open = |schema: &&str| {
            let any = names::full(schema, "");
            *schema == INFORMATION || catalog.permit_in_schema(role, &any, Privileges::USAGE).is_ok()
        };
        let elements = session.search_path.iter().map(|element| session.schema_of(element));
        SearchPath { catalog, schemas: elements.filter(open).collect() }
    }

    /// Whether it is what it is without a setting.
    pub(crate) fn is_plain(&self) -> bool {
        self.schemas == [names::PUBLIC]
    }

    /// Whether a relation of `pg_catalog` goes by this name.
    fn is_of_system(&self, own: &str) -> bool {
        let own_table = || self.catalog.get(own).is_some_and(|found| found.def.kind == TableKind::System);
        pgcatalog::has_table("pg_catalog", own) || own_table()
    }

    /// What relations can be made in.
    fn schema(&self) -> Option<&'a str> {
        self.schemas.iter().copied().find(|schema| *schema != INFORMATION)
    }
}

const INFORMATION: &str = "information_schema";

impl Path for SearchPath<'_> {
    fn find(&self, own: &str) -> String {
        if self.is_of_system(own) {
            return names::full(names::PUBLIC, own);
        }
        let has = |schema: &&str| match *schema {
            INFORMATION => pgcatalog::has_table(INFORMATION, own),
            schema => self.catalog.get(&names::full(schema, own)).is_some(),
        };
        let found = self.schemas.iter().copied().find(has);
        names::full(found.unwrap_or_default(), own)
    }

    fn place(&self, own: &str) -> Result<String, SqlError> {
        let none = || SqlError::new(SqlState::UndefinedSchema, "no schema has been selected to create in");
        let schema = self.schema().ok_or_else(none);
        let schema = schema.map_err(|error| error.with_hint("write schema.name, or set search_path"))?;
        Ok(names::full(schema, own))
    }
}
