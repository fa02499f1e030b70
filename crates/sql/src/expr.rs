//! From DataFusion's expressions to ours.
//!
//! The input has been analysed: every operand has the type its operator wants, and arithmetic and
//! conversions are [`Checked`] functions. What has no counterpart goes to the [`Scope`]: a view refuses it by
//! name, an ad-hoc query computes it beside and passes it in as one more column.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, InList, Like, ScalarFunction};
use datafusion::logical_expr::{Expr as Source, ExprSchemable, Operator, Volatility};
use expr::{BinaryOp, Expr, UnaryOp};
use zset::{Datum, Type};

use crate::checked::{Checked, Operation};
use crate::constructs::refused;
use crate::error::{SqlError, SqlState};
use crate::optional;
use crate::types::{from_arrow, from_arrow_or_refuse, to_datum};

/// Where an expression stands: what its columns mean, and what becomes of the rest.
pub(crate) trait Scope {
    /// The columns that may be named.
    fn schema(&self) -> &DFSchema;

    /// A column that is named.
    fn column(&mut self, column: &Column) -> Result<Expr, SqlError>;

    /// An expression that has no counterpart; `refusal` says what it is.
    fn other(&mut self, expr: &Source, refusal: SqlError) -> Result<Expr, SqlError>;
}

/// The counterpart of `expr` in `scope`.
pub(crate) fn translate(expr: &Source, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    match expr {
        Source::Alias(alias) => translate(&alias.expr, scope),
        Source::Column(column) => scope.column(column),
        Source::Literal(value, _) => match from_arrow(&value.data_type()) {
            Some(_) => literal(value),
            None => scope.other(expr, from_arrow_or_refuse(&value.data_type()).err().unwrap_or_else(unknown)),
        },
        Source::BinaryExpr(binary) => binary_expr(expr, binary, scope),
        Source::Not(arg) => unary(UnaryOp::Not, arg, scope),
        Source::Negative(arg) => unary(UnaryOp::Neg, arg, scope),
        Source::IsNull(arg) => unary(UnaryOp::IsNull, arg, scope),
        Source::IsNotNull(arg) => unary(UnaryOp::IsNotNull, arg, scope),
        Source::IsTrue(arg) => unary(UnaryOp::IsTrue, arg, scope),
        Source::IsNotTrue(arg) => unary(UnaryOp::IsNotTrue, arg, scope),
        Source::IsFalse(arg) => unary(UnaryOp::IsFalse, arg, scope),
        Source::IsNotFalse(arg) => unary(UnaryOp::IsNotFalse, arg, scope),
        Source::IsUnknown(arg) => unary(UnaryOp::IsUnknown, arg, scope),
        Source::IsNotUnknown(arg) => unary(UnaryOp::IsNotUnknown, arg, scope),
        Source::Between(between) => between_expr(between, scope),
        Source::Like(like) => like_expr(like, scope),
        Source::InList(list) => in_list(list, scope),
        Source::Case(case) => case_expr(expr, case, scope),
        Source::Cast(cast) => conversion(expr, &cast.expr, cast.field.data_type(), false, scope),
        Source::TryCast(cast) => conversion(expr, &cast.expr, cast.field.data_type(), true, scope),
        Source::ScalarFunction(call) => function(expr, call, scope),
        other => scope.other(other, SqlError::unsupported(construct(other))),
    }
}

/// The type of an expression, if it is one of ours.
fn type_of(expr: &Source, scope: &dyn Scope) -> Result<Type, SqlError> {
    from_arrow_or_refuse(&expr.get_type(scope.schema())?)
}

/// A constant.
pub(crate) fn literal(value: &ScalarValue) -> Result<Expr, SqlError> {
    let ty = from_arrow_or_refuse(&value.data_type())?;
    Ok(Expr::Literal { value: to_datum(value, ty)?, ty })
}

fn unary(op: UnaryOp, arg: &Source, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    Ok(Expr::unary(op, translate(arg, scope)?))
}

fn binary_expr(expr: &Source, binary: &BinaryExpr, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    let op = match binary.op {
        Operator::And | Operator::Or => {
            let mut terms = Vec::new();
            flatten(expr, binary.op, scope, &mut terms)?;
            let all = binary.op == Operator::And;
            return Ok(if all { Expr::And(terms) } else { Expr::Or(terms) });
        }
        Operator::RegexMatch => return regex(binary, false, false, scope),
        Operator::RegexIMatch => return regex(binary, false, true, scope),
        Operator::RegexNotMatch => return regex(binary, true, false, scope),
        Operator::RegexNotIMatch => return regex(binary, true, true, scope),
        Operator::LikeMatch => return like_operator(binary, false, false, scope),
        Operator::ILikeMatch => return like_operator(binary, false, true, scope),
        Operator::NotLikeMatch => return like_operator(binary, true, false, scope),
        Operator::NotILikeMatch => return like_operator(binary, true, true, scope),
        op => match binary_op(op) {
            Some(op) => op,
            None => return scope.other(expr, SqlError::unsupported(format!("the operator {op}"))),
        },
    };
    let ty = match type_of(expr, scope) {
        Ok(ty) => ty,
        Err(error) => return scope.other(expr, error),
    };
    for side in [&binary.left, &binary.right] {
        if let Err(error) = type_of(side, scope) {
            return scope.other(expr, error);
        }
    }
    let left = translate(&binary.left, scope)?;
    let right = translate(&binary.right, scope)?;
    Ok(Expr::binary(op, left, right, ty))
}

fn binary_op(op: Operator) -> Option<BinaryOp> {
    Some(match op {
        Operator::Eq => BinaryOp::Eq,
        Operator::NotEq => BinaryOp::NotEq,
        Operator::Lt => BinaryOp::Lt,
        Operator::LtEq => BinaryOp::LtEq,
        Operator::Gt => BinaryOp::Gt,
        Operator::GtEq => BinaryOp::GtEq,
        Operator::Plus => BinaryOp::Add,
        Operator::Minus => BinaryOp::Sub,
        Operator::Multiply => BinaryOp::Mul,
        Operator::Divide => BinaryOp::Div,
        Operator::Modulo => BinaryOp::Rem,
        Operator::IsDistinctFrom => BinaryOp::IsDistinctFrom,
        Operator::IsNotDistinctFrom => BinaryOp::IsNotDistinctFrom,
        Operator::BitwiseAnd => BinaryOp::BitAnd,
        Operator::BitwiseOr => BinaryOp::BitOr,
        Operator::BitwiseXor => BinaryOp::BitXor,
        Operator::BitwiseShiftLeft => BinaryOp::Shl,
        Operator::BitwiseShiftRight => BinaryOp::Shr,
        Operator::StringConcat => BinaryOp::Concat,
        _ => return None,
    })
}

/// The terms of a chain of one connective, left to right.
fn flatten(
    expr: &Source,
    connective: Operator,
    scope: &mut dyn Scope,
    terms: &mut Vec<Expr>,
) -> Result<(), SqlError> {
    match expr {
        Source::BinaryExpr(binary) if binary.op == connective => {
            flatten(&binary.left, connective, scope, terms)?;
            flatten(&binary.right, connective, scope, terms)
        }
        other => {
            terms.push(translate(other, scope)?);
            Ok(())
        }
    }
}

fn regex(binary: &BinaryExpr, negated: bool, fold: bool, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    let mut args = vec![translate(&binary.left, scope)?, translate(&binary.right, scope)?];
    if fold {
        args.push(Expr::literal(Datum::Text("i".to_string()), Type::Text));
    }
    let nullable = args.iter().any(|arg| arg.column_type().nullable);
    let matched = Expr::call("regexp_like", args, Type::Bool, nullable);
    Ok(if negated { Expr::unary(UnaryOp::Not, matched) } else { matched })
}

fn like_operator(
    binary: &BinaryExpr,
    negated: bool,
    ignore_case: bool,
    scope: &mut dyn Scope,
) -> Result<Expr, SqlError> {
    let arg = Box::new(translate(&binary.left, scope)?);
    let pattern = Box::new(translate(&binary.right, scope)?);
    Ok(Expr::Like { arg, pattern, escape: None, negated, ignore_case })
}

fn like_expr(like: &Like, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    Ok(Expr::Like {
        arg: Box::new(translate(&like.expr, scope)?),
        pattern: Box::new(translate(&like.pattern, scope)?),
        escape: like.escape_char,
        negated: like.negated,
        ignore_case: like.case_insensitive,
    })
}

fn between_expr(between: &Between, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    let arg = translate(&between.expr, scope)?;
    let low = translate(&between.low, scope)?;
    let high = translate(&between.high, scope)?;
    Ok(match between.negated {
        false => Expr::And(vec![
            Expr::compare(BinaryOp::GtEq, arg.clone(), low),
            Expr::compare(BinaryOp::LtEq, arg, high),
        ]),
        true => Expr::Or(vec![
            Expr::compare(BinaryOp::Lt, arg.clone(), low),
            Expr::compare(BinaryOp::Gt, arg, high),
        ]),
    })
}

fn in_list(list: &InList, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    let arg = Box::new(translate(&list.expr, scope)?);
    let items = list.list.iter().map(|item| translate(item, scope)).collect::<Result<Vec<_>, _>>()?;
    Ok(Expr::InList { arg, list: items, negated: list.negated })
}

fn case_expr(expr: &Source, case: &Case, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    let ty = match type_of(expr, scope) {
        Ok(ty) => ty,
        Err(error) => return scope.other(expr, error),
    };
    let subject = case.expr.as_ref().map(|subject| translate(subject, scope)).transpose()?;
    let mut branches = Vec::with_capacity(case.when_then_expr.len());
    for (when, then) in &case.when_then_expr {
        let when = translate(when, scope)?;
        let condition = match &subject {
            Some(subject) => Expr::compare(BinaryOp::Eq, subject.clone(), when),
            None => when,
        };
        branches.push((condition, fit(translate(then, scope)?, ty)));
    }
    let otherwise = match &case.else_expr {
        Some(last) => Some(Box::new(fit(translate(last, scope)?, ty))),
        None => None,
    };
    Ok(Expr::Case { branches, otherwise, ty })
}

/// The value in a type: an untyped NULL takes any.
fn fit(value: Expr, ty: Type) -> Expr {
    match value {
        Expr::Literal { value: Datum::Null, .. } => Expr::Literal { value: Datum::Null, ty },
        value if value.column_type().ty == ty => value,
        value => Expr::cast(value, ty),
    }
}

fn conversion(
    expr: &Source,
    arg: &Source,
    to: &DataType,
    try_cast: bool,
    scope: &mut dyn Scope,
) -> Result<Expr, SqlError> {
    let (ty, from) = match (from_arrow_or_refuse(to), type_of(arg, scope)) {
        (Ok(ty), Ok(from)) => (ty, from),
        (Err(error), _) | (_, Err(error)) => return scope.other(expr, error),
    };
    let arg = translate(arg, scope)?;
    if from == ty {
        return Ok(arg);
    }
    if let Expr::Literal { value: Datum::Null, .. } = arg {
        return Ok(Expr::Literal { value: Datum::Null, ty });
    }
    Ok(Expr::Cast { arg: Box::new(arg), ty, try_cast })
}

fn function(expr: &Source, call: &ScalarFunction, scope: &mut dyn Scope) -> Result<Expr, SqlError> {
    if call.func.signature().volatility != Volatility::Immutable {
        return scope.other(expr, changing(call.name()));
    }
    let ty = match type_of(expr, scope) {
        Ok(ty) => ty,
        Err(error) => return scope.other(expr, error),
    };
    if let Some(error) = call.args.iter().find_map(|arg| type_of(arg, scope).err()) {
        return scope.other(expr, error);
    }
    if let (optional::NAME, [arg]) = (call.name(), call.args.as_slice()) {
        let always = Expr::Literal { value: Datum::Bool(true), ty: Type::Bool };
        return Ok(Expr::Case { branches: vec![(always, translate(arg, scope)?)], otherwise: None, ty });
    }
    let nullable = expr.nullable(scope.schema())?;
    let args = call.args.iter().map(|arg| translate(arg, scope)).collect::<Result<Vec<_>, _>>()?;
    match Checked::of(&call.func) {
        Some(checked) => checked_call(&checked.operation, args, ty),
        None => Ok(Expr::call(call.name(), args, ty, nullable)),
    }
}

fn checked_call(operation: &Operation, args: Vec<Expr>, ty: Type) -> Result<Expr, SqlError> {
    if let (Operation::Cast { .. }, [Expr::Literal { value: Datum::Null, .. }]) = (operation, args.as_slice())
    {
        return Ok(Expr::Literal { value: Datum::Null, ty });
    }
    operation
        .apply(args, ty)
        .ok_or_else(|| SqlError::internal(format!("{operation} with a wrong number of operands")))
}

/// The refusal of a function whose value depends on more than its arguments.
pub(crate) fn changing(name: &str) -> SqlError {
    refused(
        &format!("the function {name}()"),
        "its value changes while the rows stay: store the value in a column and use that",
    )
}

fn unknown() -> SqlError {
    SqlError::new(SqlState::Internal, "a literal of unknown type")
}

/// What a user would call an expression that has no counterpart.
fn construct(expr: &Source) -> String {
    match expr {
        Source::SimilarTo(_) => "SIMILAR TO".to_string(),
        Source::ScalarSubquery(_) => "a scalar subquery here".to_string(),
        Source::Exists(_) => "EXISTS (…) here".to_string(),
        Source::InSubquery(_) => "IN (SELECT …) here".to_string(),
        Source::SetComparison(_) => "ANY or ALL over a subquery".to_string(),
        Source::WindowFunction(_) => "a window function".to_string(),
        Source::AggregateFunction(call) => format!("the aggregate {}() here", call.func.name()),
        Source::GroupingSet(_) => "GROUPING SETS, ROLLUP or CUBE".to_string(),
        Source::OuterReferenceColumn(_, column) => {
            format!("a reference to the outer query's column {} here", column.name)
        }
        Source::Placeholder(placeholder) => format!("the parameter {}", placeholder.id),
        Source::Unnest(_) => "UNNEST".to_string(),
        Source::Lambda(_) | Source::LambdaVariable(_) | Source::HigherOrderFunction(_) => {
            "a lambda".to_string()
        }
        other => format!("the expression {other}"),
    }
}
