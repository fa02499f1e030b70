//! Which column of a table or view a column of a plan is: it is followed down to the scan, through whatever leaves values
//! as they are.

use datafusion::common::{JoinConstraint, JoinType};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use crate::origin::Origin;
use crate::table::Relation;

/// The origins of a plan's columns. The plan is as the query was written.
pub(crate) fn origins(plan: &LogicalPlan) -> Vec<Option<Origin>> {
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
