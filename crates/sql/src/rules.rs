//! Our analyzer rules: one before type coercion, one after.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use crate::checked::check;

/// Gives an integer literal in arithmetic the least type that fits its partner.
///
/// DataFusion reads every integer literal as a BIGINT, which makes `a + 1` a BIGINT whatever `a` is, and
/// `price * (1 - discount)` a decimal of many more digits than the values have.
#[derive(Debug)]
pub(crate) struct LeastLiterals;

impl AnalyzerRule for LeastLiterals {
    fn name(&self) -> &str {
        "least_literals"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        // The working table of a recursive query has its types fixed already.
        if plan.exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))? {
            return Ok(plan);
        }
        rewrite_expressions(plan, |expr, schema| expr.transform_up(|expr| least_literal(expr, schema)))
    }
}

fn least_literal(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Ok(Transformed::no(expr)) };
    let arithmetic =
        [Operator::Plus, Operator::Minus, Operator::Multiply, Operator::Divide, Operator::Modulo];
    let narrowed = match arithmetic.contains(&op) {
        false => (None, None),
        true => (narrow(&left, &right, schema), narrow(&right, &left, schema)),
    };
    Ok(match narrowed {
        (Some(left), None) => {
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right }))
        }
        (None, Some(right)) => {
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right: Box::new(right) }))
        }
        _ => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
    })
}

/// The literal in the least type that fits `partner`, if it is a literal and there is one.
fn narrow(literal: &Expr, partner: &Expr, schema: &DFSchema) -> Option<Expr> {
    let Expr::Literal(ScalarValue::Int64(Some(value)), metadata) = literal else { return None };
    let value = match partner.get_type(schema).ok()? {
        DataType::Int16 | DataType::Int32 => ScalarValue::Int32(Some(i32::try_from(*value).ok()?)),
        DataType::Decimal128(..) => {
            let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
            ScalarValue::Decimal128(Some(i128::from(*value)), digits as u8, 0)
        }
        _ => return None,
    };
    Some(Expr::Literal(value, metadata.clone()))
}

/// Makes arithmetic and conversions ours, once their operands have their final types: see
/// [`checked`](crate::checked).
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, check)
    }
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
