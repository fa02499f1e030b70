//! The analyzer rule before type coercion: it settles what DataFusion's coercion would decide otherwise.
//!
//! DataFusion reads every integer literal as a BIGINT and, so that decimals stay exact, every literal with a
//! point as a decimal. Left alone, `a + 1` and `COALESCE(a, 0)` would be BIGINT whatever `a` is,
//! `price * (1 - discount)` a decimal of many more digits than its values have, and `COALESCE(f, 0.5)` over a
//! double a decimal. So a literal takes the least type that fits its partners, and a decimal beside a float
//! becomes one, as in PostgreSQL. What does not compare is refused ([`comparable`]). And dates and intervals take part
//! in arithmetic with numbers, which must be known as soon as names are.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Case, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use expr::BinaryOp;

use crate::checked::{Checked, Operation, arithmetic, own_arithmetic};
use crate::comparable::{self, compares};
use crate::floats;
use crate::limits;
use crate::rules::rewrite_expressions;

/// Functions whose arguments have one type, which is the result's.
const CHOOSERS: [&str; 6] = ["coalesce", "nvl", "ifnull", "nullif", "greatest", "least"];

/// The rule.
#[derive(Debug)]
pub(crate) struct SettleTypes;

impl AnalyzerRule for SettleTypes {
    fn name(&self) -> &str {
        "settle_types"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = limits::settle(plan)?;
        // The working table of a recursive query has its types fixed already.
        if plan.exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))? {
            return Ok(plan);
        }
        let plan = floats::in_lists(plan)?;
        let settled =
            rewrite_expressions(plan, |expr, schema| expr.transform_up(|expr| settle(expr, schema)))?;
        floats::in_relations(settled)
    }
}

fn settle(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    comparable::check(&expr, schema)?;
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => settle_binary(*left, op, *right, schema),
        Expr::Case(case) => settle_case(case, schema),
        Expr::Between(_) | Expr::InList(_) | Expr::InSubquery(_) => floats::in_comparison(expr, schema)?,
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "mod" && args.len() == 2 => {
            let mut args = args.into_iter();
            match (args.next(), args.next()) {
                (Some(left), Some(right)) => {
                    let settled = settle_binary(left, Operator::Modulo, right, schema);
                    Transformed::yes(settled.data)
                }
                _ => return Err(DataFusionError::Internal("mod() without operands".to_string())),
            }
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if CHOOSERS.contains(&func.name()) => {
            let args = settle_choice(args, schema);
            args.update_data(|args| Expr::ScalarFunction(ScalarFunction { func, args }))
        }
        Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
            let wide = ScalarValue::Decimal128(Some(i128::from(value)), 20, 0);
            let value = i64::try_from(value).map_or(wide, |value| ScalarValue::Int64(Some(value)));
            Transformed::yes(Expr::Literal(value, metadata))
        }
        Expr::Literal(ScalarValue::Decimal128(Some(value), _, scale), metadata) if scale < 0 => {
            Transformed::yes(Expr::Literal(whole_decimal(value, scale), metadata))
        }
        other => Transformed::no(other),
    })
}

/// A decimal like 1e10, which has no digits after the point and not all of those before it.
fn whole_decimal(value: i128, scale: i8) -> ScalarValue {
    let zeros = u32::from(scale.unsigned_abs());
    let whole = 10i128.checked_pow(zeros).and_then(|factor| value.checked_mul(factor));
    match whole.map(|whole| (whole, whole.unsigned_abs().checked_ilog10().unwrap_or(0) + 1)) {
        Some((whole, digits)) if digits <= 38 => ScalarValue::Decimal128(Some(whole), digits as u8, 0),
        _ => ScalarValue::Float64(Some(value as f64 * 10f64.powi(zeros as i32))),
    }
}

fn settle_binary(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let plain =
        |left, right| Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) });
    if compares(op) {
        return floats::beside([left, right], schema).update_data(|[left, right]| plain(left, right));
    }
    let bits = matches!(op, Operator::BitwiseAnd | Operator::BitwiseOr | Operator::BitwiseXor);
    if !bits && arithmetic(op).is_none() {
        return Transformed::no(plain(left, right));
    }
    let (left_type, right_type) = (left.get_type(schema).ok(), right.get_type(schema).ok());
    let shift = matches!(op, Operator::BitwiseShiftLeft | Operator::BitwiseShiftRight);
    match (narrow(&left, right_type.as_ref()), narrow(&right, left_type.as_ref())) {
        (Some(left), None) if !shift => Transformed::yes(plain(left, right)),
        (None, Some(right)) => Transformed::yes(plain(left, right)),
        _ => Transformed::no(plain(left, right)),
    }
}

fn settle_case(case: Case, schema: &DFSchema) -> Transformed<Expr> {
    let Case { mut expr, when_then_expr, else_expr } = case;
    let (mut whens, thens): (Vec<_>, Vec<_>) =
        when_then_expr.into_iter().map(|(when, then)| (when, *then)).unzip();
    let mut compared = false;
    if let Some(operand) = expr.take() {
        // The operand is compared with each of them.
        let all = whens.into_iter().map(|when| *when).chain([*operand]).collect();
        let mut all: Transformed<Vec<Expr>> = floats::among(all, schema);
        compared = all.transformed;
        expr = all.data.pop().map(Box::new);
        whens = all.data.into_iter().map(Box::new).collect();
    }
    let branches = thens.len();
    let values = thens.into_iter().chain(else_expr.map(|last| *last)).collect();
    let mut settled = settle_choice(values, schema).update_data(|mut values| {
        let last = values.split_off(branches).pop().map(Box::new);
        let pairs = whens.into_iter().zip(values.into_iter().map(Box::new)).collect();
        Expr::Case(Case { expr, when_then_expr: pairs, else_expr: last })
    });
    settled.transformed |= compared;
    settled
}

/// Values of which one is chosen: they will have one type.
fn settle_choice(values: Vec<Expr>, schema: &DFSchema) -> Transformed<Vec<Expr>> {
    let floats = floats::among(values, schema);
    if floats.transformed {
        return floats;
    }
    let values = floats.data;
    let types: Vec<DataType> =
        values.iter().map(|value| value.get_type(schema).unwrap_or(DataType::Null)).collect();
    let partners: Vec<&DataType> =
        values.iter().zip(&types).filter(|(value, _)| !is_literal(value)).map(|(_, ty)| ty).collect();
    let small = |ty: &&DataType| matches!(ty, DataType::Int16 | DataType::Int32);
    let partner = match partners.iter().find(|ty| ty.is_decimal()) {
        Some(decimal) => Some((*decimal).clone()),
        None if !partners.is_empty() && partners.iter().all(small) => Some(DataType::Int32),
        None => None,
    };
    let narrowed: Vec<Option<Expr>> = values.iter().map(|value| narrow(value, partner.as_ref())).collect();
    let integer = |value: &Expr| matches!(value, Expr::Literal(ScalarValue::Int64(Some(_)), _));
    let all_fit = values.iter().zip(&narrowed).all(|(value, narrow)| !integer(value) || narrow.is_some());
    if !all_fit || narrowed.iter().all(Option::is_none) {
        return Transformed::no(values);
    }
    Transformed::yes(
        values.into_iter().zip(narrowed).map(|(value, narrow)| narrow.unwrap_or(value)).collect(),
    )
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

/// The integer literal in the least type that fits `partner`, if it is one and there is one.
fn narrow(literal: &Expr, partner: Option<&DataType>) -> Option<Expr> {
    let Expr::Literal(ScalarValue::Int64(Some(value)), metadata) = literal else { return None };
    let value = match partner? {
        DataType::Int16 | DataType::Int32 => ScalarValue::Int32(Some(i32::try_from(*value).ok()?)),
        DataType::Decimal128(..) => {
            let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
            ScalarValue::Decimal128(Some(i128::from(*value)), digits as u8, 0)
        }
        _ => return None,
    };
    Some(Expr::Literal(value, metadata.clone()))
}

/// Plans the arithmetic on times that DataFusion would refuse or type otherwise.
#[derive(Debug)]
pub(crate) struct TimeArithmetic;

impl ExprPlanner for TimeArithmetic {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match expr.op {
            BinaryOperator::Plus => BinaryOp::Add,
            BinaryOperator::Minus => BinaryOp::Sub,
            BinaryOperator::Multiply => BinaryOp::Mul,
            BinaryOperator::Divide => BinaryOp::Div,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let own = match (expr.left.get_type(schema), expr.right.get_type(schema)) {
            (Ok(left), Ok(right)) => own_arithmetic(op, &left, &right).is_some(),
            _ => false,
        };
        Ok(match own {
            true => {
                let call = Checked::call(Operation::Binary(op), vec![expr.left, expr.right]);
                PlannerResult::Planned(call)
            }
            false => PlannerResult::Original(expr),
        })
    }
}

/// `mod(a, b)`, known by name until it becomes `a % b` here.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Modulo {
    signature: Signature,
}

impl Modulo {
    /// The function.
    pub(crate) fn new() -> Modulo {
        Modulo { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Modulo {
    fn name(&self) -> &str {
        "mod"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [left, right] => BinaryTypeCoercer::new(left, &Operator::Modulo, right).get_result_type(),
            _ => Err(DataFusionError::Plan("mod() takes two arguments".to_string())),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal("mod() was not replaced by its operator".to_string()))
    }
}
