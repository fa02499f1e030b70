//! Expressions: names resolved, literals given the type of their place, operators and casts chosen.

use std::sync::Arc;

use sql::sqlparser::ast::{self, Value as Literal};
use sql::{SqlError, SqlState, names};

use super::bind::{Binder, Bound};
use super::plan::{Arithmetic, Comparison, Expr, Pattern};
use super::scope::{Ctes, Scope, Typed};
use crate::regex::Regex;
use crate::value::Value;
use crate::{oid, types};

impl Binder<'_> {
    /// An expression, in whatever type it has.
    pub(super) fn expr(&self, expr: &ast::Expr, scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<Typed> {
        use ast::Expr as E;
        match expr {
            E::Nested(inner) | E::Collate { expr: inner, .. } => self.expr(inner, scope, ctes),
            E::Value(value) => self.literal(&value.value),
            E::TypedString(typed) => {
                let text = typed.value.value.clone().into_string().unwrap_or_default();
                self.coerce(unknown(&text), self.named_type(&typed.data_type)?)
            }
            E::Identifier(ident) => self.identifier(ident, scope),
            E::CompoundIdentifier(parts) => compound(parts, scope),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope, ctes),
            E::BinaryOp { left, op, right } => self.binary(left, op, right, scope, ctes),
            E::UnaryOp { op, expr } => self.unary(op, expr, scope, ctes),
            E::Cast { expr, data_type, .. } => self.cast(expr, data_type, scope, ctes),
            E::Function(function) => self.function_call(function, scope, ctes),
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope, ctes)
            }
            E::Tuple(items) => self.row(items, scope, ctes),
            E::Array(array) => self.array(&array.elem, scope, ctes),
            E::Subquery(query) => {
                let plan = self.query(query, Some(scope), ctes)?;
                let (ty, fields) = one_column(&plan)?;
                Ok(Typed { expr: Expr::Scalar(Arc::new(plan)), ty, fields })
            }
            _ => self.condition(expr, scope, ctes),
        }
    }

    /// An expression in the type that its place asks for.
    pub(super) fn typed_as(
        &self,
        expr: &ast::Expr,
        ty: u32,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        let typed = self.expr(expr, scope, ctes)?;
        self.coerce(typed, ty)
    }

    /// Expressions that are true, false or unknown, and those with a syntax of their own.
    fn condition(&self, expr: &ast::Expr, scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<Typed> {
        use ast::Expr as E;
        let bool_of =
            |expr: &ast::Expr| self.typed_as(expr, oid::BOOL, scope, ctes).map(|t| Box::new(t.expr));
        let any_of = |expr: &ast::Expr| self.expr(expr, scope, ctes).map(|t| Box::new(t.expr));
        let not = |expr: Expr, negated: bool| if negated { Expr::Not(Box::new(expr)) } else { expr };
        let bound = match expr {
            E::IsNull(inner) => Expr::IsNull(any_of(inner)?),
            E::IsNotNull(inner) => not(Expr::IsNull(any_of(inner)?), true),
            E::IsTrue(inner) => Expr::Is(bool_of(inner)?, true),
            E::IsNotTrue(inner) => not(Expr::Is(bool_of(inner)?, true), true),
            E::IsFalse(inner) => Expr::Is(bool_of(inner)?, false),
            E::IsNotFalse(inner) => not(Expr::Is(bool_of(inner)?, false), true),
            E::IsUnknown(inner) => Expr::IsNull(bool_of(inner)?),
            E::IsNotUnknown(inner) => not(Expr::IsNull(bool_of(inner)?), true),
            E::IsDistinctFrom(left, right) | E::IsNotDistinctFrom(left, right) => {
                let (left, right) =
                    self.unify(self.expr(left, scope, ctes)?, self.expr(right, scope, ctes)?)?;
                let distinct = Expr::Distinct(Box::new(left.expr), Box::new(right.expr));
                not(distinct, matches!(expr, E::IsNotDistinctFrom(..)))
            }
            E::Between { expr, negated, low, high } => {
                let bound = |op, other: &ast::Expr| {
                    self.comparison(op, self.expr(expr, scope, ctes)?, self.expr(other, scope, ctes)?)
                };
                let both = vec![bound(Comparison::GtEq, low)?, bound(Comparison::LtEq, high)?];
                not(Expr::And(both), *negated)
            }
            E::InList { expr, list, negated } => not(self.in_list(expr, list, scope, ctes)?, *negated),
            E::InSubquery { expr, subquery, negated } => {
                let left = self.expr(expr, scope, ctes)?;
                not(self.among(Comparison::Eq, left, subquery, false, scope, ctes)?, *negated)
            }
            E::Exists { subquery, negated } => {
                not(Expr::Exists(Arc::new(self.query(subquery, Some(scope), ctes)?)), *negated)
            }
            E::AnyOp { left, compare_op, right, .. } => {
                self.quantified(left, compare_op, right, false, scope, ctes)?
            }
            E::AllOp { left, compare_op, right } => {
                self.quantified(left, compare_op, right, true, scope, ctes)?
            }
            E::Like { any: true, escape_char: Some(_), .. }
            | E::ILike { any: true, escape_char: Some(_), .. } => {
                return Err(SqlError::unsupported("ESCAPE with ANY"));
            }
            E::Like { negated, any: true, expr, pattern, .. } => {
                self.like_any(expr, if *negated { "!~~" } else { "~~" }, pattern, scope, ctes)?
            }
            E::ILike { negated, any: true, expr, pattern, .. } => {
                self.like_any(expr, if *negated { "!~~*" } else { "~~*" }, pattern, scope, ctes)?
            }
            E::Like { negated, expr, pattern, escape_char, .. } => {
                let escape = escape_char.as_ref().map(|value| value.value.clone());
                not(self.like([expr, pattern], escape, false, scope, ctes)?, *negated)
            }
            E::ILike { negated, expr, pattern, escape_char, .. } => {
                let escape = escape_char.as_ref().map(|value| value.value.clone());
                not(self.like([expr, pattern], escape, true, scope, ctes)?, *negated)
            }
            _ => return self.special(expr, scope, ctes),
        };
        Ok(Typed::new(bound, oid::BOOL))
    }

    /// Functions with words between their arguments.
    fn special(&self, expr: &ast::Expr, scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<Typed> {
        use ast::Expr as E;
        let one = |expr: &ast::Expr| self.expr(expr, scope, ctes);
        match expr {
            E::Substring { expr, substring_from, substring_for, .. } => {
                let text = one(expr)?;
                let from = substring_from.as_deref().map(one).transpose()?;
                if let (Some(from), None) = (&from, substring_for) {
                    let textual = from.ty == oid::UNKNOWN || info_category(from.ty) == b'S';
                    if textual {
                        let (text, pattern) = (self.coerce(text, oid::TEXT)?, from.expr.clone());
                        let extracted = Expr::Extracted {
                            text: Box::new(text.expr),
                            pattern: pattern_of(pattern, false)?,
                        };
                        return Ok(Typed::new(extracted, oid::TEXT));
                    }
                }
                let first = || Typed::new(Expr::Const(Value::Int(1)), oid::INT4);
                let mut args = vec![text, from.unwrap_or_else(first)];
                args.extend(substring_for.as_deref().map(one).transpose()?);
                self.call("substring", args)
            }
            E::Position { expr, r#in } => self.call("position", vec![one(r#in)?, one(expr)?]),
            E::Trim { trim_where, trim_what, expr, .. } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut args = vec![one(expr)?];
                args.extend(trim_what.as_deref().map(one).transpose()?);
                self.call(name, args)
            }
            E::Ceil { expr, .. } => self.call("ceil", vec![one(expr)?]),
            E::Floor { expr, .. } => self.call("floor", vec![one(expr)?]),
            E::AtTimeZone { timestamp, time_zone } if is_utc(time_zone) => {
                let moment = one(timestamp)?;
                let zoned = moment.ty == oid::TIMESTAMP;
                let ty = if zoned { oid::TIMESTAMPTZ } else { oid::TIMESTAMP };
                Ok(Typed { ty, ..moment })
            }
            E::Extract { field, expr, .. } if field.to_string().eq_ignore_ascii_case("epoch") => {
                let moment = self.coerce(one(expr)?, oid::TIMESTAMPTZ)?;
                let million = Expr::Const(Value::Float(1_000_000.0));
                let seconds = Expr::Arithmetic(Arithmetic::Divide, Box::new(moment.expr), Box::new(million));
                Ok(Typed::new(seconds, oid::NUMERIC))
            }
            other => Err(SqlError::unsupported(format!("{other} in a query of the catalogs"))),
        }
    }

    fn literal(&self, value: &Literal) -> Bound<Typed> {
        Ok(match value {
            Literal::Null => Typed::new(Expr::Const(Value::Null), oid::UNKNOWN),
            Literal::Boolean(value) => Typed::new(Expr::Const(Value::Bool(*value)), oid::BOOL),
            Literal::Number(text, _) => match text.parse::<i64>() {
                Ok(number) => {
                    let ty = if i32::try_from(number).is_ok() { oid::INT4 } else { oid::INT8 };
                    Typed::new(Expr::Const(Value::Int(number)), ty)
                }
                Err(_) => Typed::new(Expr::Const(crate::text::input(text, oid::NUMERIC)?), oid::NUMERIC),
            },
            Literal::Placeholder(name) => self.parameter(name)?,
            other => match other.clone().into_string() {
                Some(text) => unknown(&text),
                None => return Err(SqlError::unsupported(format!("the literal {other}"))),
            },
        })
    }

    fn parameter(&self, name: &str) -> Bound<Typed> {
        let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
        let index = number.and_then(|number| number.checked_sub(1)).filter(|index| *index < 65_535);
        let index = index.ok_or_else(|| {
            SqlError::new(
                SqlState::UndefinedParameter,
                format!("parameters are written $1, $2, …, not {name}"),
            )
        })?;
        let mut params = self.params.borrow_mut();
        if params.len() <= index {
            params.resize(index + 1, None);
        }
        let param = Expr::Param(index);
        Ok(match params[index] {
            Some(ty) => Typed::new(Expr::Cast { expr: Box::new(param), from: oid::TEXT, to: ty }, ty),
            None => Typed::new(param, oid::UNKNOWN),
        })
    }

    fn identifier(&self, ident: &ast::Ident, scope: &Scope<'_>) -> Bound<Typed> {
        let name = names::fold(ident);
        if let Some(column) = scope.column(None, &name)? {
            return Ok(column);
        }
        if let Some(found) = scope.whole(&name)?.or_else(|| scope.system_column(None, &name)) {
            return Ok(found);
        }
        if ident.quote_style.is_none() && crate::functions::find(&name, 0).is_some() {
            return self.call(&name, Vec::new());
        }
        let message = format!("column \"{name}\" does not exist");
        Err(SqlError::new(SqlState::UndefinedColumn, message).at(names::place(ident)))
    }

    fn access(
        &self,
        root: &ast::Expr,
        chain: &[ast::AccessExpr],
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        // `t.c[1]` comes as the relation's name with a chain of a column and a subscript.
        let (mut typed, rest) = match (root, chain) {
            (
                ast::Expr::Identifier(first),
                [ast::AccessExpr::Dot(ast::Expr::Identifier(second)), rest @ ..],
            ) => (compound(&[first.clone(), second.clone()], scope)?, rest),
            _ => (self.expr(root, scope, ctes)?, chain),
        };
        for access in rest {
            typed = match access {
                ast::AccessExpr::Dot(ast::Expr::Identifier(field)) => self.field(typed, field)?,
                ast::AccessExpr::Dot(other) => return Err(SqlError::unsupported(other)),
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                    let ty = subscripted(typed.ty)?;
                    let index = self.typed_as(index, oid::INT4, scope, ctes)?;
                    Typed::new(Expr::Subscript(Box::new(typed.expr), Box::new(index.expr)), ty)
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, .. }) => {
                    let bound = |bound: &Option<ast::Expr>| {
                        let bound = bound.as_ref().map(|bound| self.typed_as(bound, oid::INT4, scope, ctes));
                        bound.transpose().map(|typed| typed.map(|typed| Box::new(typed.expr)))
                    };
                    let slice = Expr::Slice(Box::new(typed.expr), bound(lower_bound)?, bound(upper_bound)?);
                    Typed::new(slice, typed.ty)
                }
            };
        }
        Ok(typed)
    }

    fn field(&self, typed: Typed, field: &ast::Ident) -> Bound<Typed> {
        let name = names::fold(field);
        let fields = typed.fields.as_deref().map(Vec::as_slice).unwrap_or_default();
        let at = fields.iter().position(|field| field.name == name).ok_or_else(|| {
            let message = format!("column \"{name}\" not found in the row value");
            SqlError::new(SqlState::UndefinedColumn, message).at(names::place(field))
        })?;
        let (ty, inner) = (fields[at].ty, fields[at].fields.clone());
        Ok(Typed { expr: Expr::Field(Box::new(typed.expr), at), ty, fields: inner })
    }

    fn case(
        &self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        let (mut tests, mut results) = (Vec::new(), Vec::new());
        for when in conditions {
            tests.push(match operand {
                None => self.typed_as(&when.condition, oid::BOOL, scope, ctes)?.expr,
                Some(operand) => {
                    let (left, right) =
                        (self.expr(operand, scope, ctes)?, self.expr(&when.condition, scope, ctes)?);
                    self.comparison(Comparison::Eq, left, right)?
                }
            });
            results.push(self.expr(&when.result, scope, ctes)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.expr(otherwise, scope, ctes)?,
            None => Typed::new(Expr::Const(Value::Null), oid::UNKNOWN),
        });
        let (mut results, ty) = self.same_type(results)?;
        let otherwise = Box::new(results.pop().unwrap_or(Expr::Const(Value::Null)));
        let branches = tests.into_iter().zip(results).collect();
        Ok(Typed::new(Expr::Case { branches, otherwise }, ty))
    }

    fn row(&self, items: &[ast::Expr], scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<Typed> {
        let items = items.iter().map(|item| self.known(self.expr(item, scope, ctes)?));
        let items = items.map(|item| item.map(|item| item.expr)).collect::<Bound<Vec<_>>>()?;
        Ok(Typed::new(Expr::Row(items), oid::RECORD))
    }

    fn array(&self, items: &[ast::Expr], scope: &Scope<'_>, ctes: &Ctes<'_>) -> Bound<Typed> {
        let items = items.iter().map(|item| self.expr(item, scope, ctes)).collect::<Bound<Vec<_>>>()?;
        let (items, ty) = self.same_type(items)?;
        Ok(Typed::new(Expr::Array(items), types::array_of(ty).unwrap_or(oid::TEXT_ARRAY)))
    }

    fn in_list(
        &self,
        expr: &ast::Expr,
        list: &[ast::Expr],
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Expr> {
        let mut left = self.expr(expr, scope, ctes)?;
        let mut items = Vec::new();
        for item in list {
            let (known, item) = match (expr, item) {
                (ast::Expr::Tuple(a), ast::Expr::Tuple(b)) => {
                    let (a, b) = self.rows(a, b, scope, ctes)?;
                    (Typed::new(a, oid::RECORD), b)
                }
                _ => {
                    let (known, item) = self.unify(left, self.expr(item, scope, ctes)?)?;
                    (known, item.expr)
                }
            };
            left = known;
            items.push(item);
        }
        Ok(Expr::In(Box::new(left.expr), items))
    }

    /// Two row values, each pair of their parts in one type.
    pub(super) fn rows(
        &self,
        left: &[ast::Expr],
        right: &[ast::Expr],
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<(Expr, Expr)> {
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (left, right) in left.iter().zip(right) {
            let (left, right) = self.unify(self.expr(left, scope, ctes)?, self.expr(right, scope, ctes)?)?;
            lefts.push(left.expr);
            rights.push(right.expr);
        }
        Ok((Expr::Row(lefts), Expr::Row(rights)))
    }

    /// `left op ANY (query)`
    pub(super) fn among(
        &self,
        op: Comparison,
        left: Typed,
        query: &ast::Query,
        all: bool,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Expr> {
        let plan = self.query(query, Some(scope), ctes)?;
        let left = match plan.columns.as_slice() {
            [column] if left.ty == oid::UNKNOWN => self.coerce(left, column.ty)?,
            _ => left,
        };
        Ok(Expr::Among { op, left: Box::new(left.expr), plan: Arc::new(plan), all })
    }

    /// `LIKE ANY (…)`, in which the parser leaves the parentheses around an array.
    fn like_any(
        &self,
        text: &ast::Expr,
        operator: &str,
        patterns: &ast::Expr,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Expr> {
        let operator = ast::BinaryOperator::Custom(operator.to_string());
        let patterns = match patterns {
            ast::Expr::Nested(inner) => inner,
            other => other,
        };
        self.quantified(text, &operator, patterns, false, scope, ctes)
    }

    fn like(
        &self,
        [text, pattern]: [&ast::Expr; 2],
        escape: Option<Literal>,
        insensitive: bool,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Expr> {
        let text = self.typed_as(text, oid::TEXT, scope, ctes)?.expr;
        let pattern = self.typed_as(pattern, oid::TEXT, scope, ctes)?.expr;
        let escape = match escape.and_then(Literal::into_string) {
            None => Some('\\'),
            Some(text) => text.chars().next(),
        };
        Ok(Expr::Like { text: Box::new(text), pattern: Box::new(pattern), escape, insensitive })
    }
}

/// The type of what a subscript takes out of a value: the elements of an array, the bytes of a name.
fn subscripted(ty: u32) -> Bound<u32> {
    match types::element_of(ty) {
        Some(element) => Ok(element),
        None if ty == oid::NAME => Ok(oid::CHAR),
        None if !matches!(ty, oid::UNKNOWN | oid::RECORD | oid::ANY) => {
            let name = types::sql_name(ty, None).unwrap_or_default();
            let message = format!("cannot subscript type {name} because it does not support subscripting");
            Err(SqlError::new(SqlState::DatatypeMismatch, message))
        }
        None => Ok(oid::TEXT),
    }
}

/// A literal whose type its place will tell.
pub(super) fn unknown(text: &str) -> Typed {
    Typed::new(Expr::Const(Value::text(text)), oid::UNKNOWN)
}

fn info_category(ty: u32) -> u8 {
    types::info(ty).map_or(0, |info| info.category)
}

/// A column by its relation's name, perhaps with schemas before it that say nothing new.
fn compound(parts: &[ast::Ident], scope: &Scope<'_>) -> Bound<Typed> {
    let folded: Vec<String> = parts.iter().map(names::fold).collect();
    let [.., relation, column] = folded.as_slice() else {
        return Err(SqlError::internal("a compound name of one part"));
    };
    if let Some(typed) = scope.column(Some(relation), column)? {
        return Ok(typed);
    }
    if let Some(typed) = scope.system_column(Some(relation), column) {
        return Ok(typed);
    }
    let missing = scope.whole(relation)?.is_none();
    let place = parts.first().and_then(names::place);
    Err(match missing {
        true => {
            let message = format!("missing FROM-clause entry for table \"{relation}\"");
            SqlError::new(SqlState::UndefinedTable, message)
        }
        false => {
            let message = format!("column {relation}.{column} does not exist");
            SqlError::new(SqlState::UndefinedColumn, message)
        }
    }
    .at(place))
}

/// A pattern, read now if it is a constant.
pub(super) fn pattern_of(pattern: Expr, insensitive: bool) -> Bound<Pattern> {
    Ok(match &pattern {
        Expr::Const(Value::Text(text)) => Pattern::Fixed(Arc::new(Regex::new(text, insensitive)?)),
        _ => Pattern::Varying(Box::new(pattern)),
    })
}

/// The type and fields of a query that must have one column.
pub(super) fn one_column(plan: &super::plan::Plan) -> Bound<(u32, Option<Arc<Vec<super::plan::Output>>>)> {
    match plan.columns.as_slice() {
        [column] => Ok((column.ty, column.fields.clone())),
        _ => Err(SqlError::new(SqlState::SyntaxError, "subquery must return only one column")),
    }
}

/// A type's name as the catalog has it, for naming columns.
pub(super) fn type_name(data_type: &ast::DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    let bare = text.rsplit('.').next().unwrap_or(&text);
    types::by_name(bare).and_then(types::info).map_or_else(|| bare.to_string(), |info| info.name.to_string())
}

/// Whether a time zone is written out and is the one that sessions have.
fn is_utc(zone: &ast::Expr) -> bool {
    let ast::Expr::Value(value) = zone else { return false };
    matches!(&value.value, ast::Value::SingleQuotedString(name)
        if matches!(name.to_ascii_uppercase().as_str(), "UTC" | "GMT" | "UCT" | "Z" | "ZULU"))
}
