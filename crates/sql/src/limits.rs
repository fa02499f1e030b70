//! How many rows a query gives and passes over: `LIMIT` and `OFFSET` as plain numbers.
//!
//! The planner takes nothing but a literal BIGINT there. PostgreSQL takes any expression without columns that can be
//! assigned to one: `1::int`, `2.5`, `'3'`, NULL, a parameter of any such type. So what stands there is computed when
//! the query is planned and, where parameters are in it, again when their values are known.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, Limit, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use zset::{Datum, Type};

use crate::assign;
use crate::error::{SqlError, SqlState};
use crate::input;
use crate::types::{from_arrow, to_datum};

/// A clause that says a number of rows.
#[derive(Clone, Copy)]
enum Clause {
    Limit,
    Offset,
}

/// The plan with every limit that holds no parameter as a number; others are made ones of the right type.
pub(crate) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let settled = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Limit(limit) = node else { return Ok(Transformed::no(node)) };
        let Limit { skip, fetch, input } = limit;
        let settled = |clause, expr: Option<Box<Expr>>| {
            expr.map(|expr| number(clause, *expr).map(Box::new)).transpose()
        };
        let skip = settled(Clause::Offset, skip)?;
        let fetch = settled(Clause::Limit, fetch)?;
        Ok(Transformed::yes(LogicalPlan::Limit(Limit { skip, fetch, input })))
    })?;
    Ok(settled.data)
}

/// Whether a limit of the plan waits for the value of a parameter.
pub(crate) fn waits(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            let exprs = [&limit.skip, &limit.fetch];
            found |= exprs.into_iter().flatten().any(|expr| !matches!(expr.as_ref(), Expr::Literal(..)));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn number(clause: Clause, expr: Expr) -> Result<Expr> {
    // The cast that the last round put around it: the value is assigned, not cast.
    let expr = match expr {
        Expr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Int64 => *expr,
        other => other,
    };
    let schema = DFSchema::empty();
    let simplifier = ExprSimplifier::new(SimplifyContext::default());
    let expr = simplifier.simplify(simplifier.coerce(expr, &schema)?)?;
    if let Expr::Literal(value, metadata) = &expr {
        let count = ScalarValue::Int64(count(clause, value)?);
        return Ok(Expr::Literal(count, metadata.clone()));
    }
    let ty = expr.get_type(&schema)?;
    let assignable = ty.is_numeric() || ty.is_null() || from_arrow(&ty) == Some(Type::Text);
    match assignable {
        true => expr.cast_to(&DataType::Int64, &schema),
        false => Err(mismatch(clause, from_arrow(&ty)).into()),
    }
}

/// The number of rows that a value is; NULL is no limit.
fn count(clause: Clause, value: &ScalarValue) -> Result<Option<i64>, SqlError> {
    if value.is_null() {
        return Ok(None);
    }
    let Some(ty) = from_arrow(&value.data_type()) else { return Err(mismatch(clause, None)) };
    let count = match to_datum(value, ty)? {
        Datum::Text(text) => input::from_text(&text, Type::Int64)?,
        other if assign::is_numeric(ty) => assign::datum(&other, ty, Type::Int64)?,
        _ => return Err(mismatch(clause, Some(ty))),
    };
    match (count, clause) {
        (Datum::Int(count @ 0..), _) => Ok(Some(count)),
        (_, Clause::Limit) => {
            Err(SqlError::new(SqlState::InvalidRowCountInLimit, "LIMIT must not be negative"))
        }
        (_, Clause::Offset) => {
            Err(SqlError::new(SqlState::InvalidRowCountInOffset, "OFFSET must not be negative"))
        }
    }
}

fn mismatch(clause: Clause, ty: Option<Type>) -> SqlError {
    let word = match clause {
        Clause::Limit => "LIMIT",
        Clause::Offset => "OFFSET",
    };
    let ty = ty.map_or_else(|| "unknown".to_string(), input::type_name);
    SqlError::new(
        SqlState::DatatypeMismatch,
        format!("argument of {word} must be type bigint, not type {ty}"),
    )
}
