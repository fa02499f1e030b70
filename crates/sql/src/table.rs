//! A table or view as DataFusion sees it: its columns, its key, and which filters a scan can use.
//!
//! A [`Relation`] knows nothing of a snapshot: the rows are found when a plan runs. So a plan can be kept and
//! run again on a later epoch.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Constraint, Constraints, Result};
use datafusion::datasource::{TableType, source_as_provider};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableSource};
use datafusion::physical_plan::ExecutionPlan;
use zset::{Datum, Layout};

use crate::catalog::{Snapshot, TableDef};
use crate::scan::{KeyRange, ScanExec};
use crate::types::{arrow_schema, to_datum};

/// A table or view in a plan.
pub(crate) struct Relation {
    pub(crate) def: Arc<TableDef>,
    layout: Arc<Layout>,
    schema: SchemaRef,
    constraints: Constraints,
    rows: usize,
}

impl Relation {
    /// `snapshot` says how rows are encoded and roughly how many there are.
    pub(crate) fn new(def: Arc<TableDef>, snapshot: &dyn Snapshot) -> Relation {
        let layout = Arc::new(Layout::new(&def.schema, snapshot.secret()));
        let schema = arrow_schema(&def.columns);
        let key: Vec<usize> = def.primary_key.iter().map(|&column| column as usize).collect();
        let constraints = match key.is_empty() {
            true => Constraints::default(),
            false => Constraints::new_unverified(vec![Constraint::PrimaryKey(key)]),
        };
        let (rows, _) = snapshot.size(def.id);
        Relation { def, layout, schema, constraints, rows }
    }

    /// The relation behind a plan's scan, if it is one of ours.
    pub(crate) fn of(source: &Arc<dyn TableSource>) -> Option<Arc<TableDef>> {
        let provider = source_as_provider(source).ok()?;
        let provider: &dyn std::any::Any = provider.as_ref();
        provider.downcast_ref::<Relation>().map(|relation| Arc::clone(&relation.def))
    }

    /// `column op constant`, where the column is part of the key.
    fn key_term<'a>(&self, filter: &'a Expr) -> Option<(u32, Operator, &'a Expr)> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
        let (column, op, constant) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), constant) => (column, *op, constant),
            (constant, Expr::Column(column)) => (column, op.swap()?, constant),
            _ => return None,
        };
        let comparison =
            matches!(op, Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
        let index = self.def.column(&column.name)?;
        let fixed = matches!(constant, Expr::Literal(..) | Expr::Placeholder(_));
        (comparison && fixed && self.def.schema.key.contains(&index)).then_some((index, op, constant))
    }

    /// The part of the key that the filters leave: equal leading columns, then bounds of the next.
    fn key_range(&self, filters: &[Expr]) -> Result<KeyRange> {
        let mut terms = Vec::new();
        for (column, op, constant) in filters.iter().filter_map(|filter| self.key_term(filter)) {
            let Expr::Literal(value, _) = constant else { continue };
            let ty = self.def.columns[column as usize].ty.ty;
            terms.push((column, op, to_datum(value, ty)?));
        }
        let find = |column: u32, ops: &[Operator]| {
            terms
                .iter()
                .find(|(c, op, _)| *c == column && ops.contains(op))
                .map(|(_, _, value)| value.clone())
        };
        let mut equal: Vec<Datum> = Vec::new();
        let (mut low, mut high) = (None, None);
        for &column in &self.def.schema.key {
            match find(column, &[Operator::Eq]) {
                Some(value) => equal.push(value),
                None => {
                    low = find(column, &[Operator::Gt, Operator::GtEq]);
                    high = find(column, &[Operator::Lt, Operator::LtEq]);
                    break;
                }
            }
        }
        Ok(KeyRange::new(&self.layout, &equal, low, high)?)
    }
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relation({})", self.def.name)
    }
}

#[async_trait]
impl TableProvider for Relation {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Bounds may let rows through that the filter does not, so it stays above the scan.
        let support = |filter: &&Expr| match self.key_term(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let range = self.key_range(filters)?;
        let columns = match projection {
            Some(columns) => columns.iter().map(|&column| column as u32).collect(),
            None => (0..self.def.columns.len() as u32).collect(),
        };
        Ok(Arc::new(ScanExec::new(
            Arc::clone(&self.def),
            Arc::clone(&self.layout),
            &self.schema,
            columns,
            range,
            limit,
            self.rows,
        )?))
    }
}
