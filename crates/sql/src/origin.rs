//! Where the columns of an answer come from: the column of a table or view that one is, unchanged.
//!
//! PostgreSQL's clients are told it with each answer. By it they let a grid of rows be edited, and learn what the
//! column is declared as, which its values alone do not say: the length of a `VARCHAR(n)`.

use arrow::datatypes::Field;
use datafusion::common::{JoinConstraint, JoinType};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use zset::CollectionId;

use crate::catalog::TableDef;
use crate::table::Relation;

/// The metadata key under which a field of an answer keeps its origin.
const KEY: &str = "origin";

/// A column of a table or view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The table or view.
    pub relation: CollectionId,
    /// Which of its columns, from 0.
    pub column: u32,
    /// The `n` of `VARCHAR(n)` or `CHAR(n)`.
    pub max_len: Option<u32>,
}

impl Origin {
    /// A column of this relation.
    pub(crate) fn new(def: &TableDef, column: usize) -> Option<Origin> {
        let max_len = def.columns.get(column)?.max_len;
        Some(Origin { relation: def.id, column: u32::try_from(column).ok()?, max_len })
    }

    /// The origin that a field of an answer says it has.
    pub fn of(field: &Field) -> Option<Origin> {
        let mut parts = field.metadata().get(KEY)?.split('.').map(str::parse);
        let mut next = || parts.next().and_then(Result::<u32, _>::ok);
        let (relation, column) = (CollectionId(next()?), next()?);
        Some(Origin { relation, column, max_len: next() })
    }

    /// The field with this origin.
    pub(crate) fn put_on(self, field: Field) -> Field {
        let mut text = format!("{}.{}", self.relation.0, self.column);
        if let Some(max_len) = self.max_len {
            text.push_str(&format!(".{max_len}"));
        }
        field.with_metadata([(KEY.to_string(), text)].into())
    }
}

/// The origins of a plan's columns. The plan is as the query was written.
pub(crate) fn of(plan: &LogicalPlan) -> Vec<Option<Origin>> {
    (0..plan.schema().fields().len()).map(|column| trace(plan, column)).collect()
}

fn trace(plan: &LogicalPlan, column: usize) -> Option<Origin> {
    match plan {
        LogicalPlan::Projection(projection) => named(projection.expr.get(column)?, &projection.input),
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            named(distinct.select_expr.get(column)?, &distinct.input)
        }
        LogicalPlan::Aggregate(aggregate) => {
            // Of the groups, which come first; what is aggregated is a column no more.
            let groups: Vec<&Expr> = match aggregate.group_expr.as_slice() {
                [Expr::GroupingSet(sets)] => sets.distinct_expr(),
                groups => groups.iter().collect(),
            };
            named(groups.get(column)?, &aggregate.input)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => trace(input, column),
        LogicalPlan::Filter(filter) => trace(&filter.input, column),
        LogicalPlan::Sort(sort) => trace(&sort.input, column),
        LogicalPlan::Limit(limit) => trace(&limit.input, column),
        LogicalPlan::SubqueryAlias(alias) => trace(&alias.input, column),
        LogicalPlan::Window(window) => trace(&window.input, column),
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                // A column that both sides have is one of both then.
                JoinType::Full if join.join_constraint == JoinConstraint::Using => None,
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full if column >= left => {
                    trace(&join.right, column - left)
                }
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => trace(&join.right, column),
                _ => trace(&join.left, column),
            }
        }
        LogicalPlan::TableScan(scan) => {
            let column = match &scan.projection {
                Some(columns) => *columns.get(column)?,
                None => column,
            };
            Origin::new(Relation::of(&scan.source)?.as_ref(), column)
        }
        _ => None,
    }
}

/// The origin of an expression over a plan, if it is a column and nothing more.
fn named(expr: &Expr, input: &LogicalPlan) -> Option<Origin> {
    match expr {
        Expr::Column(column) => trace(input, input.schema().maybe_index_of_column(column)?),
        Expr::Alias(alias) => named(&alias.expr, input),
        _ => None,
    }
}
