//! Which types compare.
//!
//! DataFusion makes any two types comparable that it can cast: `name = 1` would read every name as a number, and fail at
//! the first that is none; in a view, with the commit that brings it. So, as in PostgreSQL, only types of one family
//! compare (numbers, texts, dates and moments, …), and what else is meant must be written as a cast. A bare string has no
//! type of its own and takes that of the other side.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, InSubquery};
use datafusion::logical_expr::{Case, Expr, ExprSchemable, Operator};

use crate::error::{SqlError, SqlState};
use crate::{input, types};

/// Types that compare with one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Number,
    Text,
    Bytes,
    Bool,
    Moment,
    Time,
    Interval,
}

/// An error if the operands of a comparison are of types that do not compare.
pub(crate) fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let pair = |left: &Expr, op: Operator, right: &Expr| {
        let types = (typed(left, schema), typed(right, schema));
        if let (Some(left), Some(right)) = types { compare(&left, op, &right) } else { Ok(()) }
    };
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => pair(left, *op, right),
        Expr::InList(InList { expr, list, .. }) => {
            list.iter().try_for_each(|item| pair(expr, Operator::Eq, item))
        }
        Expr::Between(Between { expr, low, high, .. }) => {
            pair(expr, Operator::GtEq, low)?;
            pair(expr, Operator::LtEq, high)
        }
        Expr::Case(Case { expr: Some(operand), when_then_expr, .. }) => {
            when_then_expr.iter().try_for_each(|(when, _)| pair(operand, Operator::Eq, when))
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            match (typed(expr, schema), subquery.subquery.schema().fields().first()) {
                (Some(left), Some(field)) => compare(&left, Operator::Eq, field.data_type()),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Whether an operator compares.
pub(crate) fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn compare(left: &DataType, op: Operator, right: &DataType) -> Result<()> {
    match (family(left), family(right)) {
        (Some(one), Some(other)) if one != other => Err(refused(left, &op.to_string(), right).into()),
        _ => Ok(()),
    }
}

fn refused(left: &DataType, op: &str, right: &DataType) -> SqlError {
    let name = |ty: &DataType| types::from_arrow(ty).map_or_else(|| ty.to_string(), input::type_name);
    let op = match op {
        "!=" => "<>",
        "IS DISTINCT FROM" | "IS NOT DISTINCT FROM" => "=",
        op => op,
    };
    let message = format!("operator does not exist: {} {op} {}", name(left), name(right));
    SqlError::new(SqlState::UndefinedFunction, message)
        .with_hint("no operator compares these types: cast one of them to the other's")
}

/// The same refusal where DataFusion was the first to see two types that do not compare.
pub(crate) fn reworded(error: SqlError) -> SqlError {
    const PHRASE: &str = "common argument type for comparison operation ";
    let pair = error.message.split_once(PHRASE).map(|(_, pair)| pair);
    let parts = pair.and_then(|pair| {
        let operators = ["IS DISTINCT FROM", "IS NOT DISTINCT FROM", "!=", "<=", ">=", "=", "<", ">"];
        operators.into_iter().find_map(|op| Some((pair.split_once(&format!(" {op} "))?, op)))
    });
    match parts.map(|((left, right), op)| (left.parse(), op, right.parse())) {
        Some((Ok(left), op, Ok(right))) => refused(&left, op, &right).at(error.position),
        _ => error,
    }
}

/// The type of an expression, unless it takes whatever its place wants.
fn typed(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    match expr {
        Expr::Alias(alias) => typed(&alias.expr, schema),
        Expr::Placeholder(_) => None,
        Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Utf8View(_) | ScalarValue::LargeUtf8(_), _) => None,
        // DataFusion reads every whole number as a BIGINT.
        Expr::Literal(ScalarValue::Int64(Some(value)), _) if i32::try_from(*value).is_ok() => {
            Some(DataType::Int32)
        }
        other => other.get_type(schema).ok(),
    }
}

fn family(ty: &DataType) -> Option<Family> {
    match ty {
        ty if ty.is_numeric() => Some(Family::Number),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Family::Text),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(Family::Bytes),
        DataType::Boolean => Some(Family::Bool),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(Family::Moment),
        DataType::Time32(_) | DataType::Time64(_) => Some(Family::Time),
        DataType::Interval(_) | DataType::Duration(_) => Some(Family::Interval),
        _ => None,
    }
}
