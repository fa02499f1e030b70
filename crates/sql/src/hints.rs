//! What a query's text alone says of its parameters' types, before any name in it is known.
//!
//! The planner gives a parameter the type of what it is compared or computed with. PostgreSQL knows more places: a
//! cast, `LIMIT` and `OFFSET`, the number beside an interval, the whole numbers that some functions take. As there,
//! the first place decides; a parameter that stands first where nothing here speaks is left to the planner.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, ExactNumberInfo, Expr, Fetch, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, LimitClause, Query, TableFactor, Visit, Visitor,
};
use zset::Type;

use crate::params::placeholder;
use crate::sqltype;

/// The type of a `NUMERIC` that says no more.
const NUMERIC: Type = Type::Decimal { precision: 38, scale: 10 };

/// Functions and which of their arguments, counted from 1, are whole numbers.
const WHOLE: [(&str, &[usize]); 14] = [
    ("round", &[2]),
    ("trunc", &[2]),
    ("left", &[2]),
    ("right", &[2]),
    ("repeat", &[2]),
    ("lpad", &[2]),
    ("rpad", &[2]),
    ("substr", &[2, 3]),
    ("substring", &[2, 3]),
    ("split_part", &[3]),
    ("chr", &[1]),
    ("ntile", &[1]),
    ("lag", &[2]),
    ("lead", &[2]),
];

/// The types of the parameters: those that are `given`, and of the others those that the text tells.
pub(crate) fn of(query: &Query, given: &[Option<Type>]) -> Vec<Option<Type>> {
    let mut types = given.to_vec();
    for (index, ty) in found(query) {
        if types.len() <= index {
            types.resize(index + 1, None);
        }
        types[index] = types[index].or(ty);
    }
    types
}

/// The parameters below a node of the syntax tree, each with the type that the text tells.
pub(crate) fn found(node: &impl Visit) -> BTreeMap<usize, Option<Type>> {
    let mut hints = Hints::default();
    let _ = node.visit(&mut hints);
    for (index, ty) in hints.limits {
        hints.first.entry(index).or_insert(Some(ty)).get_or_insert(ty);
    }
    hints.first
}

#[derive(Default)]
struct Hints {
    /// What the first place of each parameter says.
    first: BTreeMap<usize, Option<Type>>,
    /// Parameters that say how many rows.
    limits: BTreeMap<usize, Type>,
}

impl Visitor for Hints {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let (limit, offset) = match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
            None => (None, None),
        };
        let fetch = query.fetch.as_ref().and_then(|Fetch { quantity, .. }| quantity.as_ref());
        for index in [limit, offset, fetch].into_iter().flatten().filter_map(parameter) {
            self.limits.insert(index, Type::Int64);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(args), .. } => self.call(&name.to_string(), &args.args),
            TableFactor::Function { name, args, .. } => self.call(&name.to_string(), args),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    // What stands around a parameter is visited before it.
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { expr, data_type, .. } => self.note(expr, cast_type(data_type)),
            Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => {
                if is_of(right, &[Type::Interval]) {
                    self.note(left, Some(Type::Float64));
                }
                if is_of(left, &[Type::Interval]) {
                    self.note(right, Some(Type::Float64));
                }
            }
            Expr::BinaryOp { left, op: BinaryOperator::Divide, right } if is_of(left, &[Type::Interval]) => {
                self.note(right, Some(Type::Float64));
            }
            Expr::Substring { substring_from, substring_for, .. } => {
                for place in [substring_from, substring_for].into_iter().flatten() {
                    self.note(place, Some(Type::Int32));
                }
            }
            Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) => {
                self.call(&name.to_string(), &list.args);
            }
            Expr::Value(_) => self.note(expr, None),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Hints {
    fn note(&mut self, expr: &Expr, ty: Option<Type>) {
        if let Some(index) = parameter(expr) {
            self.first.entry(index).or_insert(ty);
        }
    }

    fn call(&mut self, name: &str, args: &[FunctionArg]) {
        let name = name.to_lowercase();
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        let args: Vec<Option<&Expr>> = args.iter().map(argument).collect();
        if matches!(name, "generate_series" | "range") {
            return self.series(&args);
        }
        let whole = WHOLE.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, places)| *places);
        for place in whole {
            if let Some(Some(arg)) = args.get(place - 1) {
                self.note(arg, Some(Type::Int32));
            }
        }
    }

    /// A series of times has an interval between them, one of numbers a number.
    fn series(&mut self, args: &[Option<&Expr>]) {
        let times = [Type::Timestamp, Type::TimestampTz, Type::Date];
        let time = args.iter().take(2).flatten().find_map(|arg| type_of(arg).filter(|ty| times.contains(ty)));
        let wide = args.iter().flatten().any(|arg| is_of(arg, &[Type::Int64]));
        let number = if wide { Type::Int64 } else { Type::Int32 };
        let by_interval = args.get(2).is_some_and(|arg| arg.is_some_and(|arg| is_of(arg, &[Type::Interval])));
        for (place, arg) in args.iter().enumerate() {
            let ty = match (time, place) {
                (Some(_), 2) => Type::Interval,
                (Some(Type::Date), _) => Type::Timestamp,
                (Some(time), _) => time,
                (None, 0 | 1) if by_interval => Type::TimestampTz,
                (None, _) => number,
            };
            arg.iter().for_each(|arg| self.note(arg, Some(ty)));
        }
    }
}

fn argument(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn parameter(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Nested(inner) => parameter(inner),
        Expr::Value(value) => placeholder(&value.value).ok().flatten(),
        _ => None,
    }
}

fn is_of(expr: &Expr, types: &[Type]) -> bool {
    type_of(expr).is_some_and(|ty| types.contains(&ty))
}

/// The type that is written beside a value.
fn type_of(expr: &Expr) -> Option<Type> {
    match expr {
        Expr::Nested(inner) => type_of(inner),
        Expr::Interval(_) => Some(Type::Interval),
        Expr::TypedString(typed) => cast_type(&typed.data_type),
        Expr::Cast { data_type, .. } => cast_type(data_type),
        _ => None,
    }
}

fn cast_type(data_type: &DataType) -> Option<Type> {
    match data_type {
        DataType::Numeric(ExactNumberInfo::None)
        | DataType::Decimal(ExactNumberInfo::None)
        | DataType::Dec(ExactNumberInfo::None) => Some(NUMERIC),
        other => sqltype::of(other).ok().map(|declared| declared.ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse_one};

    fn hints(sql: &str) -> Vec<Option<Type>> {
        let Ok(Statement::Query(query)) = parse_one(sql) else { panic!("a query: {sql}") };
        of(&query, &[])
    }

    #[test]
    fn places_tell_types() {
        let (int, big, double) = (Some(Type::Int32), Some(Type::Int64), Some(Type::Float64));
        assert_eq!(hints("SELECT $1::int, CAST($2 AS interval)"), [int, Some(Type::Interval)]);
        assert_eq!(hints("SELECT ($1)::int8, $1::text"), [big]);
        assert_eq!(hints("SELECT $1::numeric"), [Some(NUMERIC)]);
        assert_eq!(hints("SELECT $1 WHERE $1::int = 1"), [None]);
        assert_eq!(hints("SELECT 1 LIMIT $2 OFFSET ($1)"), [big, big]);
        assert_eq!(hints("SELECT 1 FETCH FIRST $1 ROWS ONLY"), [big]);
        assert_eq!(hints("SELECT interval '1 day' * $1, $2 * '1 h'::interval"), [double, double]);
        assert_eq!(hints("SELECT round(n, $1), substring('x' from $2) FROM t"), [int, int]);
        assert_eq!(hints("SELECT * FROM generate_series(1, $1)"), [int]);
        assert_eq!(hints("SELECT * FROM generate_series(1::bigint, $1)"), [big]);
        let times = [Some(Type::Timestamp), Some(Type::Interval)];
        assert_eq!(hints("SELECT * FROM generate_series(timestamp '2026-01-01', $1, $2)"), times);
    }
}
