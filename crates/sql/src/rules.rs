//! The analyzer rule after type coercion, and what both of our rules walk a plan with.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, when};
use datafusion::optimizer::AnalyzerRule;

use crate::checked::check;

/// Makes arithmetic and conversions ours, once their operands have their final types: see
/// [`checked`](crate::checked).
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, |expr, schema| {
            check(expr, schema)?.transform_data(|expr| expr.transform_up(guard_filtered))
        })
    }
}

/// Keeps an aggregate's arguments from being evaluated for rows that its FILTER leaves out: they could fail
/// there, and evaluation comes before the filter.
fn guard_filtered(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::AggregateFunction(mut aggregate) = expr else { return Ok(Transformed::no(expr)) };
    let Some(filter) = &aggregate.params.filter else {
        return Ok(Transformed::no(Expr::AggregateFunction(aggregate)));
    };
    let mut guarded = false;
    for arg in &mut aggregate.params.args {
        if !matches!(arg, Expr::Column(_) | Expr::Literal(..)) {
            *arg = when(filter.as_ref().clone(), std::mem::take(arg)).end()?;
            guarded = true;
        }
    }
    let expr = Expr::AggregateFunction(aggregate);
    Ok(if guarded { Transformed::yes(expr) } else { Transformed::no(expr) })
}

/// Rewrites every expression of a plan, subqueries included, and keeps the names of columns. `f` gets the
/// columns that the expression may name.
pub(crate) fn rewrite_expressions(
    plan: LogicalPlan,
    f: impl Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        // LIMIT and OFFSET want plain literals.
        if matches!(node, LogicalPlan::Limit(_)) {
            return Ok(Transformed::no(node));
        }
        let schema = visible(&node)?;
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(f(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

/// The columns that a node's expressions may name.
pub(crate) fn visible(node: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&node.inputs());
    if let LogicalPlan::TableScan(scan) = node {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    Ok(schema)
}
