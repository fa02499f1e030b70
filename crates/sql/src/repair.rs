//! Mends what the parser reads wrongly, and writes out what the planner would drop.
//!
//! A cast to `VARCHAR(n)` or `CHAR(n)` cuts its value; the planner knows no lengths, so the cut is written as a call.
//!
//! `a IS DISTINCT FROM b AND c` means `(a IS DISTINCT FROM b) AND c`, but the parser takes all that follows FROM,
//! connectives included, for the right operand. Parentheses stay in the tree, so the two can be told apart.

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, UnaryOperator, Value, visit_expressions_mut,
};

use crate::sqltype;

/// Gives IS [NOT] DISTINCT FROM its own right operand and no more.
pub(crate) fn repair(query: &mut Query) {
    // Operands come before what they are operands of: what a comparison gives up, its parent passes on.
    let _ = visit_expressions_mut(query, |expr| {
        regroup(expr);
        cut(expr);
        ControlFlow::<()>::Continue(())
    });
}

/// `CAST(x AS VARCHAR(n))` to `left(CAST(x AS TEXT), n)`
fn cut(expr: &mut Expr) {
    let Expr::Cast { data_type, .. } = expr else { return };
    let Some(length) = sqltype::of(data_type).ok().and_then(|declared| declared.max_len) else { return };
    *data_type = DataType::Text;
    let text = mem::replace(expr, nothing());
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    let length = Expr::value(Value::Number(length.to_string(), false));
    *expr = Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("left")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument(text), argument(length)],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
}

/// Moves an operator below the connectives that it has taken for its last operand.
fn regroup(expr: &mut Expr) {
    let last = match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => right,
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => expr,
        Expr::BinaryOp { op: BinaryOperator::And, right, .. } if !is_connective(right, false) => return,
        Expr::BinaryOp { op: BinaryOperator::And, right, .. } => right,
        _ => return,
    };
    if !is_connective(last, true) {
        return;
    }
    let mut rest = mem::replace(last.as_mut(), nothing());
    // The leftmost term under the connectives is the operand; the operator takes its place.
    let mut first = &mut rest;
    while is_connective(first, true) {
        let Expr::BinaryOp { left, .. } = first else { return };
        first = left;
    }
    mem::swap(last.as_mut(), first);
    *first = mem::replace(expr, nothing());
    *expr = rest;
}

/// Whether an expression is OR, or AND where that counts too, without parentheses around it.
fn is_connective(expr: &Expr, and: bool) -> bool {
    match expr {
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => true,
        Expr::BinaryOp { op: BinaryOperator::And, .. } => and,
        _ => false,
    }
}

fn nothing() -> Expr {
    Expr::value(Value::Null)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn repaired(condition: &str) -> String {
        let text = format!("SELECT 1 WHERE {condition}");
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, &text).expect("SQL");
        let Some(Statement::Query(mut query)) = statements.pop() else { panic!("a query") };
        repair(&mut query);
        let select = query.body.as_select().expect("a select");
        match select.selection.as_ref().expect("a condition") {
            Expr::BinaryOp { left, op, right } => format!("({left}) {op} ({right})"),
            other => format!("{other}"),
        }
    }

    #[test]
    fn a_cast_to_a_length_cuts() {
        assert_eq!(repaired("a::varchar(3)"), "left(a::TEXT, 3)");
        assert_eq!(repaired("CAST(a AS CHAR)"), "left(CAST(a AS TEXT), 1)");
        assert_eq!(repaired("a::varchar"), "a::VARCHAR");
    }

    #[test]
    fn connectives_are_not_operands() {
        assert_eq!(repaired("a IS DISTINCT FROM b AND c"), "(a IS DISTINCT FROM b) AND (c)");
        assert_eq!(
            repaired("a IS NOT DISTINCT FROM b OR c AND d"),
            "(a IS NOT DISTINCT FROM b) OR (c AND d)"
        );
        assert_eq!(
            repaired("a IS DISTINCT FROM b AND c IS DISTINCT FROM d AND e"),
            "(a IS DISTINCT FROM b) AND (c IS DISTINCT FROM d AND e)"
        );
        assert_eq!(repaired("a IS DISTINCT FROM (b AND c)"), "a IS DISTINCT FROM (b AND c)");
        assert_eq!(repaired("x AND a IS DISTINCT FROM b"), "(x) AND (a IS DISTINCT FROM b)");
        assert_eq!(repaired("x AND a IS DISTINCT FROM b OR c"), "(x AND a IS DISTINCT FROM b) OR (c)");
        assert_eq!(repaired("x OR a IS DISTINCT FROM b AND c"), "(x) OR (a IS DISTINCT FROM b AND c)");
        assert_eq!(repaired("NOT a IS DISTINCT FROM b AND c"), "(NOT a IS DISTINCT FROM b) AND (c)");
        assert_eq!(repaired("x AND (y OR z)"), "(x) AND ((y OR z))");
    }
}
