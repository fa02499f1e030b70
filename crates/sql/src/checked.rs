//! Arithmetic and conversions with our semantics, inside DataFusion's plans.
//!
//! DataFusion's own operators wrap on overflow, truncate where PostgreSQL rounds, and its optimizer folds
//! constants with them. So right after type coercion every `+ - * / %`, unary minus, `||` (whose result may be too large)
//! and every conversion that could fail or round becomes a call of a [`Checked`] function. The optimizer treats it as any other
//! immutable function and folds it with our evaluator; the translation to our expressions turns it back
//! into the operator. This is the one place where the rule is made for views and ad-hoc queries alike.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use expr::BinaryOp;
use zset::Type;

use crate::error::SqlError;
use crate::evaluate::Evaluator;
use crate::functions::Library;
use crate::types::{from_arrow, from_arrow_or_refuse};

/// Which operation a [`Checked`] function is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// An arithmetic operator.
    Binary(BinaryOp),
    /// Unary minus.
    Negate,
    /// A conversion.
    Cast {
        /// To which type.
        to: DataType,
        /// Give NULL where it fails.
        try_cast: bool,
    },
}

/// An operation with our semantics, as a function of DataFusion's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Checked {
    pub(crate) operation: Operation,
    name: String,
    signature: Signature,
}

impl Checked {
    /// A call of the operation.
    pub(crate) fn call(operation: Operation, args: Vec<Expr>) -> Expr {
        let name = operation.to_string();
        let signature = Signature::any(args.len(), Volatility::Immutable);
        let function = ScalarUDF::from(Checked { operation, name, signature });
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args))
    }

    /// The operation of a function, if it is one of ours.
    pub(crate) fn of(function: &ScalarUDF) -> Option<&Checked> {
        function.inner().downcast_ref::<Checked>()
    }
}

/// The expression with every operator that could fail replaced by its checked function. Conversions that
/// cannot fail, and that DataFusion does as we do, stay: its rules turn a filter on a widened column into one on
/// the column.
pub(crate) fn check(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        let replaced = match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match arithmetic(op) {
                Some(op) => Checked::call(Operation::Binary(op), vec![*left, *right]),
                None if op == Operator::StringConcat && is_text(&left, schema) && is_text(&right, schema) => {
                    Checked::call(Operation::Binary(BinaryOp::Concat), vec![*left, *right])
                }
                None => return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            },
            Expr::Negative(arg) => Checked::call(Operation::Negate, vec![*arg]),
            // Arrow would make a list of one element of it.
            Expr::Cast(cast) if is_list(cast.field.data_type()) && is_text(&cast.expr, schema) => {
                return Err(SqlError::unsupported("a cast of text to an array").into());
            }
            Expr::Cast(cast) if must_check(&cast.expr, cast.field.data_type(), schema) => {
                let to = cast.field.data_type().clone();
                Checked::call(Operation::Cast { to, try_cast: false }, vec![*cast.expr])
            }
            Expr::TryCast(cast) if must_check(&cast.expr, cast.field.data_type(), schema) => {
                let to = cast.field.data_type().clone();
                Checked::call(Operation::Cast { to, try_cast: true }, vec![*cast.expr])
            }
            other => return Ok(Transformed::no(other)),
        };
        Ok(Transformed::yes(replaced))
    })
}

fn is_list(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::ListView(_)
    )
}

fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    use DataType::{LargeUtf8, Utf8, Utf8View};
    expr.get_type(schema).is_ok_and(|ty| matches!(ty, Utf8 | Utf8View | LargeUtf8))
}

/// Whether a conversion must be ours: both its types are, and DataFusion might answer otherwise.
fn must_check(arg: &Expr, to: &DataType, schema: &DFSchema) -> bool {
    match arg.get_type(schema) {
        Ok(from) => from_arrow(&from).is_some() && from_arrow(to).is_some() && !is_exact(&from, to),
        Err(_) => false,
    }
}

/// Whether every value of `from` has one image in `to`, and both evaluators agree on it.
fn is_exact(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int16, Int32, Int64, LargeUtf8, Null, Utf8, Utf8View};
    let whole_digits = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
    match (from, to) {
        (Null, _) => true,
        (from, to) if from == to => true,
        (Int16, Int32 | Int64 | Float32 | Float64) | (Int32, Int64 | Float64) => true,
        (Int64, Float64) | (Float32, Float64) => true,
        (Int16, Decimal128(p, s)) => whole_digits(*p, *s) >= 5,
        (Int32, Decimal128(p, s)) => whole_digits(*p, *s) >= 10,
        (Int64, Decimal128(p, s)) => whole_digits(*p, *s) >= 19,
        (Decimal128(p, s), Decimal128(q, r)) => r >= s && whole_digits(*q, *r) >= whole_digits(*p, *s),
        (Utf8 | Utf8View | LargeUtf8, Utf8 | Utf8View | LargeUtf8) => true,
        (DataType::Timestamp(a, from), DataType::Timestamp(b, to)) => {
            a == b && from.is_some() == to.is_some()
        }
        _ => false,
    }
}

/// The result of the arithmetic on times that is PostgreSQL's and not DataFusion's.
pub(crate) fn own_arithmetic(op: BinaryOp, left: &DataType, right: &DataType) -> Option<DataType> {
    use BinaryOp::{Add, Div, Mul, Sub};
    use DataType::{Date32, Interval, Time64, Timestamp};
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    match (op, left, right) {
        (Add | Sub, Date32, days) | (Add, days, Date32) if days.is_integer() => Some(Date32),
        (Sub, Timestamp(..), Timestamp(..)) | (Sub, Time64(_), Time64(_)) => Some(interval),
        (Mul, Interval(_), factor) | (Mul, factor, Interval(_)) | (Div, Interval(_), factor)
            if factor.is_numeric() =>
        {
            Some(interval)
        }
        (Add, Date32, Time64(_)) | (Add, Time64(_), Date32) => {
            Some(Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, None))
        }
        _ => None,
    }
}

/// Our operator for one of DataFusion's, if it is arithmetic.
pub(crate) fn arithmetic(op: Operator) -> Option<BinaryOp> {
    Some(match op {
        Operator::Plus => BinaryOp::Add,
        Operator::Minus => BinaryOp::Sub,
        Operator::Multiply => BinaryOp::Mul,
        Operator::Divide => BinaryOp::Div,
        Operator::Modulo => BinaryOp::Rem,
        Operator::BitwiseShiftLeft => BinaryOp::Shl,
        Operator::BitwiseShiftRight => BinaryOp::Shr,
        _ => return None,
    })
}

fn operator(op: BinaryOp) -> Operator {
    match op {
        BinaryOp::Sub => Operator::Minus,
        BinaryOp::Mul => Operator::Multiply,
        BinaryOp::Div => Operator::Divide,
        BinaryOp::Rem => Operator::Modulo,
        BinaryOp::Shl => Operator::BitwiseShiftLeft,
        BinaryOp::Shr => Operator::BitwiseShiftRight,
        BinaryOp::Concat => Operator::StringConcat,
        _ => Operator::Plus,
    }
}

impl Operation {
    /// The type of the result for operands of these types.
    fn result_type(&self, args: &[DataType]) -> Result<DataType> {
        match (self, args) {
            (Operation::Cast { to, .. }, _) => Ok(to.clone()),
            (Operation::Negate, [arg]) => Ok(arg.clone()),
            (Operation::Binary(op), [left, right]) => match own_arithmetic(*op, left, right) {
                Some(ty) => Ok(ty),
                None => BinaryTypeCoercer::new(left, &operator(*op), right).get_result_type(),
            },
            _ => Err(DataFusionError::Internal(format!("{self} does not take {} operands", args.len()))),
        }
    }

    /// The operation over operands that are expressions of ours.
    pub(crate) fn apply(&self, mut args: Vec<expr::Expr>, ty: Type) -> Option<expr::Expr> {
        let last = args.pop()?;
        match (self, args.pop()) {
            (Operation::Binary(op), Some(first)) => Some(expr::Expr::binary(*op, first, last, ty)),
            (Operation::Negate, None) => Some(expr::Expr::unary(expr::UnaryOp::Neg, last)),
            (Operation::Cast { .. }, None) if last.column_type().ty == ty => Some(last),
            (Operation::Cast { try_cast, .. }, None) => {
                Some(expr::Expr::Cast { arg: Box::new(last), ty, try_cast: *try_cast })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Binary(op) => write!(f, "{}", operator(*op)),
            Operation::Negate => f.write_str("-"),
            Operation::Cast { to, try_cast } => {
                let prefix = if *try_cast { "try_cast" } else { "cast" };
                match from_arrow(to) {
                    Some(ty) => write!(f, "{prefix}_{ty}"),
                    None => write!(f, "{prefix}_{to}"),
                }
            }
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.operation.result_type(args)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let fallible = matches!(self.operation, Operation::Cast { try_cast: true, .. });
        let nullable = fallible || args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(&self.name, self.operation.result_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let column = |(index, field): (usize, &FieldRef)| {
            let ty = from_arrow_or_refuse(field.data_type())?;
            Ok(expr::Expr::column(index as u32, ty, true))
        };
        let columns = args.arg_fields.iter().enumerate().map(column).collect::<Result<Vec<_>, SqlError>>()?;
        let result = from_arrow_or_refuse(args.return_field.data_type())?;
        let tree = self.operation.apply(columns, result).ok_or_else(|| {
            DataFusionError::Internal(format!("{} called with {} operands", self.name, args.args.len()))
        })?;
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let evaluator = Evaluator::compile(&tree, &types, Library::shared())?;
        Ok(evaluator.fold(&args)?)
    }
}
