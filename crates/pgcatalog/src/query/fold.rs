//! Queries over users' tables that ask for something the catalogs know: `SELECT current_user, count(*) FROM t`,
//! `pg_size_pretty(pg_relation_size('t'))`. What depends on no row is computed here and put in as a literal.

use std::ops::ControlFlow;

use sql::SqlError;
use sql::sqlparser::ast::{self, Expr, Query, SelectItem, SetExpr, VisitMut, VisitorMut};
use sql::statement::{Statement, parse_one};
use zset::Datum;

use super::{Prepared, special};
use crate::context::parse_name;
use crate::facts::Facts;
use crate::functions::has_effect;
use crate::types;

/// The query with its constant parts about the catalogs computed.
pub fn fold(facts: &dyn Facts, query: &Query) -> Result<Query, SqlError> {
    let mut query = query.clone();
    match VisitMut::visit(&mut query, &mut Fold { facts }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(query),
    }
}

struct Fold<'f> {
    facts: &'f dyn Facts,
}

impl VisitorMut for Fold<'_> {
    type Break = SqlError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if !is_special(expr) || !is_constant(expr) {
            return ControlFlow::Continue(());
        }
        if let Some(name) = effect(expr) {
            let error = SqlError::unsupported(format!("{name} beside a table"));
            return ControlFlow::Break(error.with_hint("write it in a query of its own"));
        }
        match compute(self.facts, expr) {
            Ok(literal) => {
                *expr = literal;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// Whether something in it is the catalogs' business.
fn is_special(expr: &Expr) -> bool {
    let found = ast::visit_expressions(expr, |part| match special(part) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// The function in it that does something: a query is planned more often than it runs.
fn effect(expr: &Expr) -> Option<String> {
    let found = ast::visit_expressions(expr, |part| match part {
        Expr::Function(function) => match parse_name(&function.name.to_string()).pop() {
            Some(name) if has_effect(&name) => ControlFlow::Break(name),
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    });
    found.break_value()
}

/// Whether it names no column, parameter or query.
fn is_constant(expr: &Expr) -> bool {
    let found = ast::visit_expressions(expr, |part| {
        let varies = match part {
            Expr::Identifier(_) => !special(part),
            Expr::CompoundIdentifier(_)
            | Expr::Subquery(_)
            | Expr::Exists { .. }
            | Expr::InSubquery { .. } => true,
            Expr::Value(value) => matches!(value.value, ast::Value::Placeholder(_)),
            Expr::Function(function) => {
                function.over.is_some() || matches!(function.args, ast::FunctionArguments::Subquery(_))
            }
            _ => false,
        };
        if varies { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.is_continue()
}

fn compute(facts: &dyn Facts, expr: &Expr) -> Result<Expr, SqlError> {
    let Statement::Query(mut query) = parse_one("SELECT NULL")? else {
        return Err(SqlError::internal("SELECT is a query"));
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![SelectItem::UnnamedExpr(expr.clone())];
    }
    let prepared = Prepared::new(facts, &query, &[])?;
    let answer = prepared.run(facts, &[])?;
    let value = answer.rows.first().and_then(|row| row.first()).cloned().unwrap_or(Datum::Null);
    let ty = answer.columns.first().map_or(crate::oid::TEXT, |column| column.ty);
    let literal = match &value {
        Datum::Null => ast::Value::Null,
        Datum::Bool(value) => ast::Value::Boolean(*value),
        Datum::Int(value) if !types::is_time(ty) => ast::Value::Number(value.to_string(), false),
        value => ast::Value::SingleQuotedString(value.display(types::storage_type(ty)).to_string()),
    };
    Ok(Expr::value(literal))
}
