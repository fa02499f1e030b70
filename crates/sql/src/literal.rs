//! Literals of the syntax tree as values of a given type, without planning: what `INSERT … VALUES` and
//! `WHERE key = …` mostly consist of.
//!
//! A literal is a number, string, boolean or NULL, a typed string (`DATE '2020-01-01'`), or one of these
//! negated, in parentheses or under a cast to a type of ours. Everything else is an expression and goes to
//! the planner. A bare string has no type of its own and is read by the rules of the type that takes it.

use datafusion::sql::sqlparser::ast::{CastKind, Expr, UnaryOperator, Value};
use zset::{Datum, Type};

use crate::assign;
use crate::error::{SqlError, SqlState};
use crate::input;
use crate::number::{self, Number};
use crate::sqltype;

/// A constant as written, before the type that takes it is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// NULL without a type.
    Null,
    /// A quoted string, which takes the type of its place.
    Text(String),
    /// A number.
    Number(Number),
    /// A value whose type is written beside it.
    Typed(Datum, Type),
}

impl Literal {
    /// The literal that an expression is, if it is one. An error is a literal that its own type refuses.
    pub fn of(expr: &Expr) -> Result<Option<Literal>, SqlError> {
        match expr {
            Expr::Value(value) => Ok(of_value(&value.value)),
            Expr::Nested(inner) => Literal::of(inner),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Ok(match Literal::of(expr)? {
                Some(Literal::Number(number)) => Some(Literal::Number(number.negate())),
                _ => None,
            }),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => Ok(match Literal::of(expr)? {
                Some(Literal::Number(number)) => Some(Literal::Number(number)),
                _ => None,
            }),
            Expr::TypedString(typed) => {
                let Some(Literal::Text(text)) = of_value(&typed.value.value) else { return Ok(None) };
                cast(Literal::Text(text), &typed.data_type)
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                format: None,
                ..
            } => match Literal::of(expr)? {
                Some(literal) => cast(literal, data_type),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The value as a column of type `ty` takes it: what assignment converts, it converts.
    pub fn assign(&self, ty: Type) -> Result<Datum, SqlError> {
        match self {
            Literal::Null => Ok(Datum::Null),
            Literal::Text(text) => input::from_text(text, ty),
            Literal::Number(number) => assign_number(number, ty),
            Literal::Typed(value, from) => assign::datum(value, *from, ty),
        }
    }

    /// The one value of type `ty` that equals the literal: `None` if there is none, so that nothing of that
    /// type compares equal to it. An error where the types do not compare at all.
    pub fn exactly(&self, ty: Type) -> Result<Option<Datum>, SqlError> {
        match self {
            Literal::Null => Ok(None),
            Literal::Text(text) => input::from_text(text, ty).map(Some),
            Literal::Number(number) => number_exactly(number, ty),
            Literal::Typed(value, from) => assign::exactly(value, *from, ty),
        }
    }

    /// The type the literal has by itself; text and NULL have none.
    pub fn natural_type(&self) -> Option<Type> {
        match self {
            Literal::Null | Literal::Text(_) => None,
            Literal::Number(number) => number.natural_type(),
            Literal::Typed(_, ty) => Some(*ty),
        }
    }
}

fn of_value(value: &Value) -> Option<Literal> {
    match value {
        Value::Null => Some(Literal::Null),
        Value::Boolean(value) => Some(Literal::Typed(Datum::Bool(*value), Type::Bool)),
        Value::Number(text, false) => Number::parse(text).map(Literal::Number),
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Some(Literal::Text(text.clone())),
        Value::DollarQuotedString(quoted) => Some(Literal::Text(quoted.value.clone())),
        _ => None,
    }
}

/// A cast that is done here keeps the literal a literal; lengths of text types are left to the planner.
fn cast(
    literal: Literal,
    data_type: &datafusion::sql::sqlparser::ast::DataType,
) -> Result<Option<Literal>, SqlError> {
    let Ok(target) = sqltype::of(data_type) else { return Ok(None) };
    if target.max_len.is_some() || target.ty == Type::Interval {
        return Ok(None);
    }
    let ty = target.ty;
    let value = match &literal {
        Literal::Null => Datum::Null,
        Literal::Text(text) => input::from_text(text, ty)?,
        Literal::Number(_) if assign::is_numeric(ty) => literal.assign(ty)?,
        Literal::Typed(_, from) if *from == ty => literal.assign(ty)?,
        _ => return Ok(None),
    };
    Ok(Some(Literal::Typed(value, ty)))
}

fn assign_number(number: &Number, ty: Type) -> Result<Datum, SqlError> {
    match ty {
        Type::Int16 | Type::Int32 | Type::Int64 => {
            let (low, high) = input::integer_range(ty);
            let value = number.unscaled(0).and_then(|(value, _)| i64::try_from(value).ok());
            value
                .filter(|value| (low..=high).contains(value))
                .map(Datum::Int)
                .ok_or_else(|| input::overflow(ty))
        }
        Type::Decimal { precision, scale } => {
            number.to_decimal(precision, scale).ok_or_else(|| input::overflow(ty))
        }
        Type::Float32 | Type::Float64 => input::from_text(&number.to_string(), ty),
        Type::Text => Ok(Datum::Text(number.to_string())),
        _ => {
            let from = number.natural_type().map_or_else(|| "numeric".to_string(), input::type_name);
            Err(assign::mismatch(&from, ty))
        }
    }
}

fn number_exactly(number: &Number, ty: Type) -> Result<Option<Datum>, SqlError> {
    let unscaled = |scale| match number.unscaled(scale) {
        Some((value, false)) => Some(value),
        _ => None,
    };
    match ty {
        Type::Int16 | Type::Int32 | Type::Int64 => {
            let (low, high) = input::integer_range(ty);
            let value = unscaled(0).and_then(|value| i64::try_from(value).ok());
            Ok(value.filter(|value| (low..=high).contains(value)).map(Datum::Int))
        }
        Type::Decimal { precision, scale } => {
            Ok(unscaled(scale).and_then(|value| number::decimal(value, precision)))
        }
        _ => Err(SqlError::new(
            SqlState::UndefinedFunction,
            format!("operator does not exist: {} = numeric", input::type_name(ty)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::grammar::Grammar;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn literal(sql: &str) -> Option<Literal> {
        let expr = Parser::new(&Grammar).try_with_sql(sql).and_then(|mut p| p.parse_expr());
        Literal::of(&expr.expect("an expression")).expect("a valid literal")
    }

    fn assigned(sql: &str, ty: Type) -> Result<Datum, &'static str> {
        literal(sql).expect("a literal").assign(ty).map_err(|e| e.sqlstate())
    }

    #[test]
    fn numbers_fit_their_columns() {
        assert_eq!(assigned("-(5)", Type::Int16), Ok(Datum::Int(-5)));
        assert_eq!(assigned("2.5", Type::Int32), Ok(Datum::Int(3)));
        assert_eq!(assigned("40000", Type::Int16), Err("22003"));
        assert_eq!(assigned("1e3", Type::Float64), Ok(Datum::Float(1000.0)));
        assert_eq!(assigned("5", Type::Text), Ok(Datum::Text("5".into())));
        assert_eq!(assigned("5", Type::Bool), Err("42804"));
        assert_eq!(assigned("5", Type::Date), Err("42804"));
    }

    #[test]
    fn strings_take_the_type_of_their_place() {
        assert_eq!(assigned("'1970-01-03'", Type::Date), Ok(Datum::Int(2)));
        assert_eq!(assigned("E'a\\n'", Type::Text), Ok(Datum::Text("a\n".into())));
        assert_eq!(assigned("DATE '1970-01-02'", Type::Timestamp), Ok(Datum::Int(86_400_000_000)));
        assert_eq!(assigned("'7'::bigint", Type::Int16), Ok(Datum::Int(7)));
        assert_eq!(assigned("'7'::text", Type::Int16), Err("42804"));
        assert_eq!(literal("1 + 1"), None);
        assert_eq!(literal("upper('x')"), None);
    }

    #[test]
    fn equality_needs_the_exact_value() {
        let exactly = |sql: &str, ty| literal(sql).expect("a literal").exactly(ty).map_err(|e| e.sqlstate());
        assert_eq!(exactly("5.0", Type::Int32), Ok(Some(Datum::Int(5))));
        assert_eq!(exactly("5.5", Type::Int32), Ok(None));
        assert_eq!(exactly("99999999999", Type::Int32), Ok(None));
        assert_eq!(exactly("NULL", Type::Int32), Ok(None));
        assert_eq!(exactly("5", Type::Text), Err("42883"));
    }
}
