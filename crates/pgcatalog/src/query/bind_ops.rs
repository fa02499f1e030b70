//! Operators and casts: what two operands have in common, and which operation an operator is.

use std::sync::Arc;

use sql::sqlparser::ast::{self, BinaryOperator, UnaryOperator};
use sql::{SqlError, SqlState};

use super::bind::{Binder, Bound};
use super::bind_expr::{one_column, pattern_of};
use super::plan::{Arithmetic, Comparison, Expr};
use super::scope::{Ctes, Scope, Typed};
use crate::value::Value;
use crate::{oid, types};

impl Binder<'_> {
    pub(super) fn binary(
        &self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        let truth = |expr| Ok(Typed::new(expr, oid::BOOL));
        let symbol = operator_name(op);
        if let "AND" | "OR" = symbol.as_str() {
            let both = [left, right].map(|side| self.typed_as(side, oid::BOOL, scope, ctes).map(|t| t.expr));
            let both = both.into_iter().collect::<Bound<Vec<_>>>()?;
            return truth(if symbol == "AND" { Expr::And(both) } else { Expr::Or(both) });
        }
        if let Some(op) = comparison_of(&symbol) {
            if let (ast::Expr::Tuple(a), ast::Expr::Tuple(b)) = (left, right) {
                let (a, b) = self.rows(a, b, scope, ctes)?;
                return truth(Expr::Compare(op, Box::new(a), Box::new(b)));
            }
            let (left, right) = (self.expr(left, scope, ctes)?, self.expr(right, scope, ctes)?);
            return truth(self.comparison(op, left, right)?);
        }
        let (left, right) = (self.expr(left, scope, ctes)?, self.expr(right, scope, ctes)?);
        if let Some((negated, insensitive, regex)) = matching(&symbol) {
            return truth(self.matches(left, right, negated, insensitive, regex)?);
        }
        let boxed = |left: Typed, right: Typed| (Box::new(left.expr), Box::new(right.expr));
        match symbol.as_str() {
            "||" => self.concat(left, right),
            "@>" | "<@" | "&&" => {
                let (left, right) = self.unify(left, right)?;
                let (left, right) = boxed(left, right);
                truth(match symbol.as_str() {
                    "@>" => Expr::Contains(left, right),
                    "<@" => Expr::Contains(right, left),
                    _ => Expr::Overlaps(left, right),
                })
            }
            _ => match arithmetic_of(&symbol) {
                Some(op) => self.arithmetic(op, left, right),
                None => {
                    Err(SqlError::unsupported(format!("the operator {symbol} in a query of the catalogs")))
                }
            },
        }
    }

    pub(super) fn unary(
        &self,
        op: &UnaryOperator,
        expr: &ast::Expr,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        match op {
            UnaryOperator::Not => {
                let inner = self.typed_as(expr, oid::BOOL, scope, ctes)?;
                Ok(Typed::new(Expr::Not(Box::new(inner.expr)), oid::BOOL))
            }
            UnaryOperator::Plus => self.expr(expr, scope, ctes),
            UnaryOperator::Minus => {
                let inner = self.expr(expr, scope, ctes)?;
                let zero = Typed::new(Expr::Const(Value::Int(0)), inner.ty);
                match inner.expr {
                    Expr::Const(Value::Int(number)) => {
                        Ok(Typed::new(Expr::Const(Value::Int(-number)), inner.ty))
                    }
                    _ => self.arithmetic(Arithmetic::Subtract, zero, inner),
                }
            }
            other => Err(SqlError::unsupported(format!("the operator {other} in a query of the catalogs"))),
        }
    }

    fn arithmetic(&self, op: Arithmetic, left: Typed, right: Typed) -> Bound<Typed> {
        let (left, right) = (self.number(left)?, self.number(right)?);
        let whole = types::is_integer(left.ty) && types::is_integer(right.ty);
        let ty = match whole {
            true if left.ty == oid::INT8 || right.ty == oid::INT8 => oid::INT8,
            true => left.ty,
            false if types::is_time(left.ty) => left.ty,
            false if left.ty == oid::NUMERIC || right.ty == oid::NUMERIC => oid::NUMERIC,
            false => oid::FLOAT8,
        };
        Ok(Typed::new(Expr::Arithmetic(op, Box::new(left.expr), Box::new(right.expr)), ty))
    }

    fn number(&self, typed: Typed) -> Bound<Typed> {
        match typed.ty {
            oid::UNKNOWN => self.coerce(typed, oid::INT8),
            ty if types::is_number(ty) || types::is_time(ty) => Ok(typed),
            ty => {
                let name = types::sql_name(ty, None).unwrap_or_default();
                let message = format!("arithmetic on values of type {name}");
                Err(SqlError::new(SqlState::UndefinedFunction, message))
            }
        }
    }

    fn concat(&self, left: Typed, right: Typed) -> Bound<Typed> {
        let array = [left.ty, right.ty].into_iter().find(|ty| types::is_array(*ty));
        if let Some(ty) = array {
            let element = types::element_of(ty).unwrap_or(oid::TEXT);
            let side = |typed: Typed| {
                let to = if types::is_array(typed.ty) || typed.ty == oid::UNKNOWN { ty } else { element };
                self.coerce(typed, to).map(|typed| Box::new(typed.expr))
            };
            return Ok(Typed::new(Expr::Concat(side(left)?, side(right)?), ty));
        }
        let (left, right) = (self.as_text(left)?, self.as_text(right)?);
        Ok(Typed::new(Expr::Concat(Box::new(left.expr), Box::new(right.expr)), oid::TEXT))
    }

    fn as_text(&self, typed: Typed) -> Bound<Typed> {
        self.coerce(typed, oid::TEXT)
    }

    fn matches(
        &self,
        left: Typed,
        right: Typed,
        negated: bool,
        insensitive: bool,
        regex: bool,
    ) -> Bound<Expr> {
        let (left, right) = (self.as_text(left)?, self.as_text(right)?);
        let text = Box::new(left.expr);
        let matched = match regex {
            true => Expr::Matches { text, pattern: pattern_of(right.expr, insensitive)?, insensitive },
            false => Expr::Like { text, pattern: Box::new(right.expr), escape: Some('\\'), insensitive },
        };
        Ok(if negated { Expr::Not(Box::new(matched)) } else { matched })
    }

    pub(super) fn comparison(&self, op: Comparison, left: Typed, right: Typed) -> Bound<Expr> {
        let (left, right) = self.unify(left, right)?;
        Ok(Expr::Compare(op, Box::new(left.expr), Box::new(right.expr)))
    }

    /// Two values in one type: a literal takes the other's.
    pub(super) fn unify(&self, left: Typed, right: Typed) -> Bound<(Typed, Typed)> {
        let (a, b) = (left.ty, right.ty);
        match (a == oid::UNKNOWN, b == oid::UNKNOWN) {
            (true, true) => Ok((self.coerce(left, oid::TEXT)?, self.coerce(right, oid::TEXT)?)),
            (true, false) => Ok((self.coerce(left, b)?, right)),
            (false, true) => {
                let right = self.coerce(right, a)?;
                Ok((left, right))
            }
            (false, false) if alike(a, b) => Ok((left, right)),
            (false, false) => {
                let name = |ty| types::sql_name(ty, None).unwrap_or_else(|| "record".to_string());
                let message = format!("operator does not exist: {} = {}", name(a), name(b));
                Err(SqlError::new(SqlState::UndefinedFunction, message))
            }
        }
    }

    /// Several values in the type of the first whose type is known; text if none is.
    pub(super) fn same_type(&self, items: Vec<Typed>) -> Bound<(Vec<Expr>, u32)> {
        let mut known = items.iter().map(|item| item.ty).filter(|ty| *ty != oid::UNKNOWN);
        let first = known.next().unwrap_or(oid::TEXT);
        // Text of any kind with a name, integers of several widths: the wider.
        let ty = known.fold(first, |ty, other| match (ty, other) {
            (oid::NAME | oid::CHAR | oid::VARCHAR, oid::TEXT) => oid::TEXT,
            (oid::INT2, oid::INT4 | oid::INT8) | (oid::INT4, oid::INT8) => other,
            (ty, oid::FLOAT8 | oid::NUMERIC | oid::FLOAT4) if types::is_integer(ty) => other,
            _ => ty,
        });
        let items = items.into_iter().map(|item| match item.ty {
            oid::UNKNOWN => self.coerce(item, ty).map(|item| item.expr),
            _ => Ok(item.expr),
        });
        Ok((items.collect::<Bound<_>>()?, ty))
    }

    /// A value in a type. Literals and parameters take it; others are cast.
    pub(super) fn coerce(&self, typed: Typed, ty: u32) -> Bound<Typed> {
        if typed.ty == ty {
            return Ok(typed);
        }
        if let (Expr::Param(index), oid::UNKNOWN) = (&typed.expr, typed.ty) {
            let mut params = self.params.borrow_mut();
            params[*index].get_or_insert(ty);
        }
        let from = typed.ty;
        Ok(match (&typed.expr, from) {
            (Expr::Const(Value::Null), _) => Typed::new(typed.expr, ty),
            (Expr::Const(Value::Text(text)), oid::UNKNOWN) if !needs_catalog(ty) => {
                Typed::new(Expr::Const(crate::text::input(text, ty)?), ty)
            }
            _ => {
                let from = if from == oid::UNKNOWN { oid::TEXT } else { from };
                let fields = if ty == oid::RECORD { typed.fields } else { None };
                Typed { expr: Expr::Cast { expr: Box::new(typed.expr), from, to: ty }, ty, fields }
            }
        })
    }

    pub(super) fn cast(
        &self,
        expr: &ast::Expr,
        data_type: &ast::DataType,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Typed> {
        let ty = self.named_type(data_type)?;
        let typed = self.expr(expr, scope, ctes)?;
        let cast = self.coerce(typed, ty)?;
        // A length cuts.
        let text = data_type.to_string();
        let length = text.split_once('(').and_then(|(_, rest)| rest.split(')').next()?.parse::<i64>().ok());
        match (length, ty) {
            (Some(length), oid::VARCHAR | oid::BPCHAR) => {
                let length = Typed::new(Expr::Const(Value::Int(length)), oid::INT4);
                let cut = self.call("left", vec![cast, length])?;
                Ok(Typed::new(cut.expr, ty))
            }
            _ => Ok(cast),
        }
    }

    /// The type that a cast names.
    pub(super) fn named_type(&self, data_type: &ast::DataType) -> Bound<u32> {
        let text = data_type.to_string();
        let folded = match text.contains('"') {
            true => text.clone(),
            false => text.to_lowercase(),
        };
        let bare = folded.trim_start_matches("pg_catalog.").trim_start_matches("information_schema.");
        let plain = if bare == "\"char\"" { bare.to_string() } else { bare.replace('"', "") };
        types::by_name(&plain).ok_or_else(|| {
            SqlError::new(
                SqlState::UndefinedObject,
                format!("type \"{}\" does not exist", text.to_lowercase()),
            )
        })
    }

    /// `left op ANY (…)` or `ALL`, over an array or a query.
    pub(super) fn quantified(
        &self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        all: bool,
        scope: &Scope<'_>,
        ctes: &Ctes<'_>,
    ) -> Bound<Expr> {
        let symbol = operator_name(op);
        let like = matching(&symbol).filter(|(_, _, regex)| !regex);
        let like = like.map(|(negated, insensitive, _)| Comparison::Like { negated, insensitive });
        let op = comparison_of(&symbol).or(like);
        let op = op.ok_or_else(|| SqlError::unsupported(format!("the operator {symbol} with ANY or ALL")))?;
        let left = self.expr(left, scope, ctes)?;
        if let ast::Expr::Subquery(query) = right {
            let plan = self.query(query, Some(scope), ctes)?;
            let (ty, _) = one_column(&plan)?;
            if !types::is_array(ty) {
                let left = if left.ty == oid::UNKNOWN { self.coerce(left, ty)? } else { left };
                return Ok(Expr::Among { op, left: Box::new(left.expr), plan: Arc::new(plan), all });
            }
            let array = Box::new(Expr::Scalar(Arc::new(plan)));
            return Ok(Expr::Quantified { op, left: Box::new(left.expr), array, all });
        }
        let array = self.expr(right, scope, ctes)?;
        let (left, array) = match (left.ty, array.ty) {
            (ty, oid::UNKNOWN) => {
                let ty = if ty == oid::UNKNOWN { oid::TEXT } else { ty };
                let array = self.coerce(array, types::array_of(ty).unwrap_or(oid::TEXT_ARRAY))?;
                (self.coerce(left, ty)?, array)
            }
            (oid::UNKNOWN, ty) => (self.coerce(left, types::element_of(ty).unwrap_or(oid::TEXT))?, array),
            _ => (left, array),
        };
        let (left, array) = (Box::new(left.expr), Box::new(array.expr));
        Ok(Expr::Quantified { op, left, array, all })
    }
}

/// Whether reading a literal of the type needs to look names up.
fn needs_catalog(ty: u32) -> bool {
    types::is_reg(ty) || types::element_of(ty).is_some_and(types::is_reg)
}

/// Whether values of two types can be compared as they are.
fn alike(a: u32, b: u32) -> bool {
    let class = |ty: u32| {
        if types::is_number(ty) {
            1
        } else if types::is_array(ty) {
            2
        } else if ty == oid::BOOL {
            3
        } else if types::is_time(ty) {
            4
        } else if ty == oid::RECORD {
            5
        } else {
            6
        }
    };
    class(a) == class(b)
}

/// An operator's symbol, whatever way it is written.
fn operator_name(op: &BinaryOperator) -> String {
    match op {
        BinaryOperator::PGCustomBinaryOperator(parts) => parts.last().cloned().unwrap_or_default(),
        other => other.to_string(),
    }
}

fn comparison_of(symbol: &str) -> Option<Comparison> {
    Some(match symbol {
        "=" => Comparison::Eq,
        "<>" | "!=" => Comparison::NotEq,
        "<" => Comparison::Lt,
        "<=" => Comparison::LtEq,
        ">" => Comparison::Gt,
        ">=" => Comparison::GtEq,
        _ => return None,
    })
}

/// Negated, insensitive to case, a regular expression.
fn matching(symbol: &str) -> Option<(bool, bool, bool)> {
    Some(match symbol {
        "~" => (false, false, true),
        "~*" => (false, true, true),
        "!~" => (true, false, true),
        "!~*" => (true, true, true),
        "~~" => (false, false, false),
        "~~*" => (false, true, false),
        "!~~" => (true, false, false),
        "!~~*" => (true, true, false),
        _ => return None,
    })
}

fn arithmetic_of(symbol: &str) -> Option<Arithmetic> {
    Some(match symbol {
        "+" => Arithmetic::Add,
        "-" => Arithmetic::Subtract,
        "*" => Arithmetic::Multiply,
        "/" => Arithmetic::Divide,
        "%" => Arithmetic::Modulo,
        "&" => Arithmetic::BitAnd,
        "|" => Arithmetic::BitOr,
        "<<" => Arithmetic::ShiftLeft,
        ">>" => Arithmetic::ShiftRight,
        _ => return None,
    })
}
