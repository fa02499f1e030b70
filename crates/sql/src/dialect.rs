//! PostgreSQL's longer ways of saying things, put in the words that the planner knows.
//!
//! Clients qualify what they write, so that no search path can change its meaning: `pg_catalog.lower(x)`,
//! `x OPERATOR(pg_catalog.~) 'a'`, `x::pg_catalog.int4`, `x COLLATE pg_catalog."default"`. And `AT TIME ZONE` is a
//! function in other words.

use std::mem;
use std::ops::ControlFlow;

use crate::grammar::Grammar;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, TimezoneInfo, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;

use crate::names::fold;

/// Puts a query in the planner's words.
pub(crate) fn translate(query: &mut Query) {
    let _ = VisitMut::visit(query, &mut Translate);
}

struct Translate;

impl VisitorMut for Translate {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { op, .. } => operator(op),
            Expr::Function(function) => unqualified(&mut function.name),
            Expr::Cast { data_type, .. } => plain_type(data_type),
            Expr::Collate { .. } => collation(expr),
            Expr::AtTimeZone { .. } => at_time_zone(expr),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `OPERATOR(pg_catalog.~)` to `~`
fn operator(op: &mut BinaryOperator) {
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else { return };
    let plain = match parts.last().map(String::as_str) {
        Some("=") => BinaryOperator::Eq,
        Some("<>" | "!=") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("+") => BinaryOperator::Plus,
        Some("-") => BinaryOperator::Minus,
        Some("*") => BinaryOperator::Multiply,
        Some("/") => BinaryOperator::Divide,
        Some("||") => BinaryOperator::StringConcat,
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        _ => return,
    };
    *op = plain;
}

fn unqualified(name: &mut ObjectName) {
    let first = name.0.first().and_then(|part| part.as_ident()).map(fold);
    if name.0.len() == 2 && first.as_deref() == Some("pg_catalog") {
        name.0.remove(0);
    }
}

/// `pg_catalog.int4` to `INT4`, and the catalogs' own text types to `TEXT`.
pub(crate) fn plain_type(data_type: &mut DataType) {
    let text = data_type.to_string().to_lowercase();
    let bare = text.strip_prefix("pg_catalog.").unwrap_or(&text);
    let plain = match bare {
        "name" => Some(DataType::Text),
        _ if bare.len() == text.len() => None,
        _ => Parser::new(&Grammar).try_with_sql(bare).and_then(|mut p| p.parse_data_type()).ok(),
    };
    if let Some(plain) = plain {
        *data_type = plain;
    }
}

/// Text is compared by its bytes, which is what these collations say too.
fn collation(expr: &mut Expr) {
    let Expr::Collate { expr: inner, collation } = expr else { return };
    let name = collation.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase());
    if matches!(name.as_deref(), Some("default" | "c" | "posix" | "ucs_basic")) {
        *expr = mem::replace(inner, Expr::value(Value::Null));
    }
}

/// `x AT TIME ZONE z` to `timezone(z, x)`, which is what it is in PostgreSQL; a quoted moment is a TIMESTAMPTZ.
fn at_time_zone(expr: &mut Expr) {
    let Expr::AtTimeZone { timestamp, time_zone } = expr else { return };
    let take = |part: &mut Expr| mem::replace(part, Expr::value(Value::Null));
    let (mut moment, zone) = (take(timestamp), take(time_zone));
    if matches!(&moment, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_))) {
        let (kind, expr) = (CastKind::Cast, Box::new(moment));
        let data_type = DataType::Timestamp(None, TimezoneInfo::Tz);
        moment = Expr::Cast { kind, expr, data_type, array: false, format: None };
    }
    *expr = call("timezone", [zone, moment]);
}

/// A call of a function.
fn call(name: &str, args: impl IntoIterator<Item = Expr>) -> Expr {
    let unnamed = |arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
