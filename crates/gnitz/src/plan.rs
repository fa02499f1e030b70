//! The plans of statements, and what a plan says of its statement: its parameters and the columns of its answer.

use std::sync::Arc;

use arrow::datatypes::Schema;
use sql::{PointQuery, Prepared as PreparedQuery, PreparedDml};
use zset::Type;

use crate::error::Result;
use crate::outcome::{Column, Description};
use crate::version::Compiled;

/// A plan and the catalog it holds for.
pub(crate) struct Plan {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) kind: PlanKind,
}

/// What a plan does.
pub(crate) enum PlanKind {
    /// A read by key.
    Point(Box<PointQuery>),
    /// A query over the PostgreSQL catalogs.
    Catalog(Box<pgcatalog::Prepared>),
    /// Any other query.
    Query(Box<PreparedQuery>),
    /// A writing statement.
    Change(Box<PreparedDml>),
}

impl Plan {
    /// What the statement takes and answers.
    pub(crate) fn description(&self, given: &[Option<Type>]) -> Result<Description> {
        let params: Vec<Option<Type>>;
        let (inferred, columns): (&[Option<Type>], _) = match &self.kind {
            PlanKind::Point(point) => (point.parameters(), Some(columns(point.schema())?)),
            PlanKind::Query(query) => (query.params(), Some(columns(query.schema())?)),
            PlanKind::Catalog(catalog) => {
                let ty = |oid: &u32| Some(pgcatalog::storage_type(*oid));
                params = catalog.params().iter().map(ty).collect();
                (&params, Some(catalog.columns().iter().map(catalog_column).collect()))
            }
            PlanKind::Change(dml) => {
                let returning = dml.returning().map(|schema| columns(&schema));
                (dml.parameters(), returning.transpose()?)
            }
        };
        let count = inferred.len().max(given.len());
        let at = |types: &[Option<Type>], index: usize| types.get(index).copied().flatten();
        let ty = |index| at(given, index).or_else(|| at(inferred, index)).unwrap_or(Type::Text);
        Ok(Description { parameters: (0..count).map(ty).collect(), columns })
    }
}

fn catalog_column(column: &pgcatalog::OutputColumn) -> Column {
    let ty = pgcatalog::storage_type(column.ty);
    Column { pg_type: Some(column.ty), ..Column::new(&column.name, ty) }
}

/// The columns of a schema.
pub(crate) fn columns(schema: &Schema) -> Result<Vec<Column>> {
    schema.fields().iter().map(|field| Column::of_field(field)).collect()
}
