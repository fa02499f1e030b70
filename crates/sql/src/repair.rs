//! Mends what the parser reads wrongly, and writes out what the planner would drop or does not know.
//!
//! A cast to `VARCHAR(n)` or `CHAR(n)` cuts its value; the planner knows no lengths, so the cut is written as a call.
//! An interval without a unit beside it is read by our own rules, `FETCH FIRST` is a LIMIT, `~a` is `a # -1`, a
//! series names its column, and a select list may hold the same expression twice.
//!
//! `a IS DISTINCT FROM b AND c` means `(a IS DISTINCT FROM b) AND c`, but the parser takes all that follows FROM,
//! connectives included, for the right operand. Parentheses stay in the tree, so the two can be told apart.

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, LimitClause, ObjectName, ObjectNamePart, Query, Select, SelectItem, TableAlias,
    TableAliasColumnDef, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use crate::names::fold;
use crate::sqltype;

/// Mends a query before it is planned.
pub(crate) fn repair(query: &mut Query) {
    let _ = VisitMut::visit(query, &mut Repair);
}

/// Gives every output column that has no name one of its own, and every column that comes twice: the planner
/// names columns for their text and wants all names different.
pub(crate) fn name_outputs(query: &mut Query) {
    let _ = VisitMut::visit(query, &mut NameOutputs);
}

/// Digits of a decimal, and the most of them after its point.
const DECIMAL_DIGITS: i64 = 38;

struct Repair;

impl VisitorMut for Repair {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        fetch(query);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        series(factor);
        ControlFlow::Continue(())
    }

    // Operands come before what they are operands of: what a comparison gives up, its parent passes on.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        regroup(expr);
        cut(expr);
        interval(expr);
        complement(expr);
        float(expr);
        ControlFlow::Continue(())
    }
}

struct NameOutputs;

impl VisitorMut for NameOutputs {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut seen: Vec<Expr> = Vec::new();
        for (place, item) in (1..).zip(&mut select.projection) {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if !plain || seen.contains(expr) {
                let alias = Ident::with_quote('"', format!("?column?{place}"));
                *item = SelectItem::ExprWithAlias { expr: mem::replace(expr, nothing()), alias };
            } else {
                seen.push(expr.clone());
            }
        }
        ControlFlow::Continue(())
    }
}

/// `generate_series(…)` to `generate_series(…) generate_series(generate_series)`, and `generate_series(…) g` to
/// `generate_series(…) g(g)`: the column of a function that gives one is named as the function is
fn series(factor: &mut TableFactor) {
    let TableFactor::Table { name, alias, args: Some(_), .. } = factor else { return };
    let schema = |part: &ObjectNamePart| part.as_ident().is_some_and(|part| fold(part) == "pg_catalog");
    if name.0.len() == 2 && name.0.first().is_some_and(schema) {
        name.0.remove(0);
    }
    let [function] = name.0.as_slice() else { return };
    let Some(function) = function.as_ident().filter(|function| fold(function) == "generate_series") else {
        return;
    };
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: function.clone(),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

/// `FETCH FIRST n ROWS ONLY` to `LIMIT n`
fn fetch(query: &mut Query) {
    let Some(fetch) = query.fetch.take_if(|fetch| !fetch.with_ties && !fetch.percent) else { return };
    let rows = fetch.quantity.unwrap_or_else(|| Expr::value(Value::Number("1".to_string(), false)));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
        Some(_) => {}
        clause @ None => {
            *clause =
                Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() });
        }
    }
}

/// `INTERVAL 'text'` to `CAST('text' AS INTERVAL)`
fn interval(expr: &mut Expr) {
    let Expr::Interval(interval) = expr else { return };
    let text = matches!(
        interval.value.as_ref(),
        Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_))
    );
    if text && interval.leading_field.is_none() && interval.last_field.is_none() {
        *expr = Expr::Cast {
            kind: CastKind::Cast,
            expr: mem::replace(&mut interval.value, Box::new(nothing())),
            data_type: DataType::Interval { fields: None, precision: None },
            array: false,
            format: None,
        };
    }
}

/// A number with an exponent that no decimal holds to `CAST('number' AS DOUBLE PRECISION)`
fn float(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let Value::Number(text, _) = &value.value else { return };
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return };
    let after = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len() as i64);
    let before = mantissa.split_once('.').map_or(mantissa, |(digits, _)| digits).len() as i64;
    let fits = |exponent: i64| before + exponent <= DECIMAL_DIGITS && after - exponent <= DECIMAL_DIGITS;
    if exponent.parse::<i64>().is_ok_and(fits) {
        return;
    }
    *expr = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::SingleQuotedString(text.clone()))),
        data_type: DataType::DoublePrecision,
        array: false,
        format: None,
    };
}

/// `~a` to `a # -1`
fn complement(expr: &mut Expr) {
    let Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: operand } = expr else { return };
    let left = mem::replace(operand, Box::new(nothing()));
    let one = Expr::value(Value::Number("1".to_string(), false));
    let right = Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(one) });
    *expr = Expr::BinaryOp { left, op: BinaryOperator::PGBitwiseXor, right };
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
    use crate::grammar::Grammar;
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn repaired(condition: &str) -> String {
        let text = format!("SELECT 1 WHERE {condition}");
        let mut statements = Parser::parse_sql(&Grammar, &text).expect("SQL");
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
