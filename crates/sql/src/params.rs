//! Parameters of a prepared statement: which there are, and of what type.
//!
//! A parameter takes the type of its place, as in PostgreSQL: the column it is compared with or assigned to,
//! the other operand of its operator, the type it is cast to. The first place that has a type decides. One
//! that no place tells the type of needs a cast where an expression is compiled.

use std::borrow::Cow;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
    Visit, visit_expressions,
};
use zset::{Datum, Type};

use crate::error::{SqlError, SqlState};
use crate::literal::Literal;
use crate::{assign, hints, input, sqltype};

/// As many parameters as PostgreSQL's protocol can count.
const MAX_PARAMETERS: usize = 65_535;

/// The types of parameters `$1`, `$2`, … as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    types: Vec<Option<Type>>,
    /// The types that the caller said its values are of.
    given: Vec<Option<Type>>,
    /// Those that stand somewhere else than beside a key column alone.
    assigned: Vec<bool>,
}

impl Params {
    /// None yet, of a statement whose caller said this of its values. An operand has the type that was given; what is
    /// assigned to a column has the column's, and text takes the type of its place.
    pub(crate) fn new(given: &[Option<Type>]) -> Params {
        let given = given.iter().map(|ty| ty.filter(|ty| *ty != Type::Text)).collect();
        Params { given, ..Params::default() }
    }

    /// The types in order; `None` takes a value of any type.
    pub fn types(&self) -> &[Option<Type>] {
        &self.types
    }

    /// The type of parameter `index` (from 0), which an expression cannot do without.
    pub(crate) fn required(&self, index: usize) -> Result<Type, SqlError> {
        self.types.get(index).copied().flatten().ok_or_else(|| {
            let number = index + 1;
            SqlError::new(
                SqlState::IndeterminateType,
                format!("could not determine data type of parameter ${number}"),
            )
            .with_hint(format!("write CAST(${number} AS type)"))
        })
    }

    /// Says that parameter `index` stands where `ty` is wanted.
    pub(crate) fn note(&mut self, index: usize, ty: Option<Type>) -> Option<Type> {
        self.reserve(index);
        self.assigned[index] = true;
        let slot = &mut self.types[index];
        *slot = slot.or(ty);
        *slot
    }

    /// Says that parameter `index` is looked for in a key column of type `ty`.
    pub(crate) fn note_key(&mut self, index: usize, ty: Type) {
        self.reserve(index);
        self.types[index].get_or_insert(ty);
    }

    /// The values given for the parameters, each as its place takes it. One that is only looked for in a key is
    /// left as it is: there a value that the key cannot hold is no error, it equals nothing.
    pub fn bind<'g>(&self, given: &[(&'g Datum, Type)]) -> Result<Vec<Cow<'g, Datum>>, SqlError> {
        if given.len() != self.types.len() {
            return Err(SqlError::new(
                SqlState::UndefinedParameter,
                format!(
                    "the statement has {} parameters but {} values were given",
                    self.types.len(),
                    given.len()
                ),
            ));
        }
        let places = self.types.iter().zip(&self.assigned);
        let bound = places.zip(given).map(|((wanted, assigned), &(value, from))| {
            check_lane(value, from)?;
            match *wanted {
                Some(wanted) if *assigned && wanted != from => {
                    assign::parameter(value, from, wanted).map(Cow::Owned)
                }
                _ => Ok(Cow::Borrowed(value)),
            }
        });
        bound.collect()
    }

    fn reserve(&mut self, index: usize) {
        if self.types.len() <= index {
            self.types.resize(index + 1, None);
            self.assigned.resize(index + 1, false);
        }
    }

    /// Notes the parameters of an expression whose place wants type `wanted`. `column` tells the type of a column
    /// reference. Gives the type of the expression where it is plain to see.
    pub(crate) fn infer(
        &mut self,
        expr: &Expr,
        wanted: Option<Type>,
        column: &dyn Fn(&Expr) -> Option<Type>,
    ) -> Result<Option<Type>, SqlError> {
        let boolean = Some(Type::Bool);
        Ok(match expr {
            Expr::Value(value) => match placeholder(&value.value)? {
                Some(index) => self.note(index, wanted.or(self.given_to(index))),
                None => natural(expr),
            },
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => column(expr),
            Expr::Nested(inner) => self.infer(inner, wanted, column)?,
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.infer(expr, boolean, column)?.and(boolean),
            Expr::UnaryOp { expr, .. } => self.infer(expr, wanted, column)?,
            Expr::BinaryOp { left, op, right } => self.infer_operator(left, op, right, wanted, column)?,
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.siblings([left.as_ref(), right], None, column)?;
                boolean
            }
            Expr::Between { expr, low, high, .. } => {
                self.siblings([expr.as_ref(), low, high], None, column)?;
                boolean
            }
            Expr::InList { expr, list, .. } => {
                self.siblings(std::iter::once(expr.as_ref()).chain(list), None, column)?;
                boolean
            }
            Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
                self.siblings([expr.as_ref(), pattern], Some(Type::Text), column)?;
                boolean
            }
            Expr::Cast { expr, data_type, .. } => {
                let ty = sqltype::of(data_type).ok().map(|declared| declared.ty);
                self.infer(expr, ty, column)?;
                ty
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                for when in conditions {
                    match operand {
                        Some(operand) => self.siblings([operand.as_ref(), &when.condition], None, column)?,
                        None => self.infer(&when.condition, boolean, column)?,
                    };
                }
                let results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
                self.siblings(results, wanted, column)?
            }
            Expr::Function(function) => self.infer_call(function, wanted, column)?,
            other => {
                self.note_all(other)?;
                None
            }
        })
    }

    fn infer_operator(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        wanted: Option<Type>,
        column: &dyn Fn(&Expr) -> Option<Type>,
    ) -> Result<Option<Type>, SqlError> {
        use BinaryOperator::{And, Divide, Minus, Modulo, Multiply, Or, Plus, StringConcat};
        let boolean = Some(Type::Bool);
        match op {
            And | Or => {
                self.infer(left, boolean, column)?;
                self.infer(right, boolean, column)?;
                Ok(boolean)
            }
            StringConcat => {
                self.siblings([left, right], Some(Type::Text), column)?;
                Ok(Some(Type::Text))
            }
            Plus | Minus | Multiply | Divide | Modulo => self.siblings([left, right], wanted, column),
            _ => {
                self.siblings([left, right], None, column)?;
                Ok(boolean)
            }
        }
    }

    fn infer_call(
        &mut self,
        function: &Function,
        wanted: Option<Type>,
        column: &dyn Fn(&Expr) -> Option<Type>,
    ) -> Result<Option<Type>, SqlError> {
        let arguments: Vec<&Expr> = match &function.args {
            FunctionArguments::List(list) => list.args.iter().filter_map(argument).collect(),
            _ => Vec::new(),
        };
        if passes_through(function) {
            return self.siblings(arguments, wanted, column);
        }
        for argument in arguments {
            self.infer(argument, None, column)?;
        }
        Ok(None)
    }

    /// Operands of one type: the first that has one tells those that have none. Only these are looked at twice, so
    /// that the cost stays small whatever the nesting.
    fn siblings<'e>(
        &mut self,
        operands: impl IntoIterator<Item = &'e Expr>,
        wanted: Option<Type>,
        column: &dyn Fn(&Expr) -> Option<Type>,
    ) -> Result<Option<Type>, SqlError> {
        let mut ty = None;
        let mut open = Vec::new();
        for operand in operands {
            let own = self.infer(operand, None, column)?;
            if own.is_none() && takes_a_type(operand) {
                open.push(operand);
            }
            ty = ty.or(own);
        }
        let ty = ty.or(wanted);
        if ty.is_some() {
            for operand in open {
                self.infer(operand, ty, column)?;
            }
        }
        Ok(ty)
    }

    /// Notes the parameters anywhere below a node of the syntax tree, with the types that its text tells.
    pub(crate) fn note_all(&mut self, node: &impl Visit) -> Result<(), SqlError> {
        let mut failed = None;
        let _ = visit_expressions(node, |expr| {
            if let Expr::Value(value) = expr
                && let Err(error) = placeholder(&value.value)
            {
                failed = Some(error);
            }
            ControlFlow::<()>::Continue(())
        });
        for (index, ty) in hints::found(node) {
            self.note(index, self.given_to(index).or(ty));
        }
        failed.map_or(Ok(()), Err)
    }

    /// The type that the value of parameter `index` is said to be of.
    fn given_to(&self, index: usize) -> Option<Type> {
        self.given.get(index).copied().flatten()
    }
}

/// A value must be of the representation of the type it is said to be of.
pub(crate) fn check_lane(value: &Datum, ty: Type) -> Result<(), SqlError> {
    let fits = match value {
        Datum::Null => true,
        Datum::Text(_) => ty == Type::Text,
        Datum::Bytes(_) => ty == Type::Bytes,
        other => other.lane() == Some(ty.lane()),
    };
    if fits {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::DatatypeMismatch,
        format!("a value that was given is not of type {}", input::type_name(ty)),
    ))
}

/// The index, from 0, of the parameter that a value is.
pub(crate) fn placeholder(value: &Value) -> Result<Option<usize>, SqlError> {
    let Value::Placeholder(text) = value else { return Ok(None) };
    let number = text.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
    match number {
        Some(number @ 1..=MAX_PARAMETERS) => Ok(Some(number - 1)),
        _ => Err(SqlError::new(SqlState::UndefinedParameter, format!("there is no parameter {text}"))
            .with_hint("parameters are $1, $2 and so on")),
    }
}

/// Whether the type that a place wants says something about the parameters of the expression there.
fn takes_a_type(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::BinaryOp { .. } | Expr::Case { .. } => true,
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => takes_a_type(inner),
        Expr::Function(function) => passes_through(function),
        _ => false,
    }
}

/// Whether a function gives one of its arguments.
fn passes_through(function: &Function) -> bool {
    let name = function.name.to_string().to_ascii_lowercase();
    matches!(name.as_str(), "coalesce" | "nullif" | "greatest" | "least")
}

fn natural(expr: &Expr) -> Option<Type> {
    Literal::of(expr).ok().flatten().and_then(|literal| literal.natural_type())
}

fn argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse_expression;

    fn inferred(sql: &str, wanted: Option<Type>) -> Vec<Option<Type>> {
        let mut params = Params::default();
        let expr = parse_expression(sql).expect("an expression");
        // Every column is a BIGINT.
        params.infer(&expr, wanted, &|_| Some(Type::Int64)).expect("parameters");
        params.types().to_vec()
    }

    #[test]
    fn places_tell_types() {
        let big = Some(Type::Int64);
        let text = Some(Type::Text);
        assert_eq!(inferred("$1", Some(Type::Date)), [Some(Type::Date)]);
        assert_eq!(inferred("a + $1 > $2", None), [big, big]);
        assert_eq!(inferred("$2 = a AND $1", None), [Some(Type::Bool), big]);
        assert_eq!(inferred("$1::text || $2", None), [text, text]);
        assert_eq!(inferred("a BETWEEN $1 AND $2 OR a IN ($3, 4)", None), [big, big, big]);
        assert_eq!(inferred("CASE WHEN $1 THEN $2 ELSE a END", None), [Some(Type::Bool), big]);
        assert_eq!(inferred("coalesce($1, a)", None), [big]);
        assert_eq!(inferred("length($1)", None), [None]);
        let mut given = Params::new(&[Some(Type::Interval), Some(Type::Int16), Some(Type::Text)]);
        let expr = parse_expression("a - $1 + $2 + $3").expect("an expression");
        given.infer(&expr, None, &|_| Some(Type::TimestampTz)).expect("parameters");
        assert_eq!(given.types(), [Some(Type::Interval), Some(Type::Int16), Some(Type::TimestampTz)]);
        assert_eq!(inferred("EXISTS (SELECT $1::int LIMIT $2)", None), [Some(Type::Int32), big]);
        assert_eq!(inferred("$3", None), [None, None, None]);
    }

    #[test]
    fn long_chains_are_quick() {
        let sum: Vec<String> = (1..=300).map(|n| format!("${n}")).collect();
        assert_eq!(inferred(&sum.join(" + "), Some(Type::Int32)), vec![Some(Type::Int32); 300]);
        let nested = format!("{}a{}", "length(".repeat(12), ") + 1".repeat(12));
        assert_eq!(inferred(&nested, None), []);
    }

    #[test]
    fn refuses_other_parameters() {
        let mut params = Params::default();
        for sql in ["$0", "$70000", "$x"] {
            let expr = parse_expression(sql).expect("an expression");
            let state = params.infer(&expr, None, &|_| None).map_err(|e| e.sqlstate());
            assert_eq!(state, Err("42P02"), "{sql}");
        }
    }
}
