//! Makes an ad-hoc query evaluate what could fail the way a view does.
//!
//! DataFusion evaluates an expression operator by operator over whole batches, which divides by zero for rows
//! that `b <> 0 AND a / b > 1` has ruled out already. So in the optimised plan the largest expressions with a
//! checked operation inside become one call each of a [`Fused`] function, which runs our program: plain
//! columns, keys, simple comparisons and everything that cannot fail stay DataFusion's.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use crate::checked::Checked;
use crate::error::SqlError;
use crate::evaluate::Evaluator;
use crate::expr::{Scope, translate};
use crate::functions::Library;
use crate::moment;
use crate::rules::rewrite_expressions;
use crate::types::from_arrow_or_refuse;

/// The plan with every expression that could fail fused.
pub(crate) fn fuse(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewrite_expressions(plan, fuse_expr)
}

fn fuse_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !expr.exists(|part| Ok(is_ours(part)))? {
        return Ok(Transformed::no(expr));
    }
    expr.transform_down(|part| {
        // These belong to their plan node; what they contain is fused.
        if matches!(part, Expr::Alias(_) | Expr::AggregateFunction(_) | Expr::WindowFunction(_)) {
            return Ok(Transformed::no(part));
        }
        if !part.exists(|inner| Ok(is_ours(inner)))? {
            return Ok(Transformed::new(part, false, datafusion::common::tree_node::TreeNodeRecursion::Jump));
        }
        match fused(&part, schema) {
            Some(call) => {
                Ok(Transformed::new(call, true, datafusion::common::tree_node::TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(part)),
        }
    })
}

/// Whether a node of an expression must be evaluated by us.
fn is_ours(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            Checked::of(&call.func).is_some() || expr::is_builtin(call.name()) || moment::is_ours(&call.func)
        }
        _ => false,
    }
}

/// The call that stands for `expr`; none where it cannot be translated, and its parts are tried instead.
fn fused(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    let (_, field) = expr.to_field(schema).ok()?;
    let (output, nullable) = (field.data_type().clone(), field.is_nullable());
    let mut scope = Arguments { schema, args: Vec::new(), types: Vec::new(), whole: expr };
    let tree = translate(expr, &mut scope).ok()?;
    let evaluator = Evaluator::compile(&tree, &scope.types, Library::shared()).ok()?;
    let function = Fused {
        text: tree.to_string(),
        types: scope.types,
        evaluator: Arc::new(evaluator),
        output,
        nullable,
        signature: Signature::any(scope.args.len(), Volatility::Immutable),
    };
    let signature = match scope.args.is_empty() {
        true => Signature::nullary(Volatility::Immutable),
        false => function.signature.clone(),
    };
    let function = ScalarUDF::from(Fused { signature, ..function });
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), scope.args)))
}

/// What a fused expression reads: columns, and whatever has no counterpart of ours.
struct Arguments<'a> {
    schema: &'a DFSchema,
    args: Vec<Expr>,
    types: Vec<DataType>,
    whole: &'a Expr,
}

impl Arguments<'_> {
    fn argument(&mut self, arg: Expr, refusal: Option<SqlError>) -> Result<expr::Expr, SqlError> {
        let (_, field) = arg.to_field(self.schema)?;
        let (ty, nullable) = (field.data_type().clone(), field.is_nullable());
        let ours = from_arrow_or_refuse(&ty).map_err(|error| refusal.unwrap_or(error))?;
        let index = match self.args.iter().position(|known| *known == arg) {
            Some(index) => index,
            None => {
                self.args.push(arg);
                self.types.push(ty);
                self.args.len() - 1
            }
        };
        Ok(expr::Expr::column(index as u32, ours, nullable))
    }
}

impl Scope for Arguments<'_> {
    fn schema(&self) -> &DFSchema {
        self.schema
    }

    fn column(&mut self, column: &Column) -> Result<expr::Expr, SqlError> {
        self.argument(Expr::Column(column.clone()), None)
    }

    fn other(&mut self, expr: &Expr, refusal: SqlError) -> Result<expr::Expr, SqlError> {
        // Passing an expression to itself would fuse nothing; one with a checked part is taken apart instead.
        if expr == self.whole || expr.exists(|part| Ok(is_ours(part)))? {
            return Err(refusal);
        }
        self.argument(expr.clone(), Some(refusal))
    }
}

/// One of our programs as a function of DataFusion's.
struct Fused {
    text: String,
    types: Vec<DataType>,
    evaluator: Arc<Evaluator>,
    output: DataType,
    nullable: bool,
    signature: Signature,
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Fused {
    fn eq(&self, other: &Fused) -> bool {
        self.text == other.text && self.types == other.types && self.output == other.output
    }
}

impl Eq for Fused {}

impl Hash for Fused {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl ScalarUDFImpl for Fused {
    fn name(&self) -> &str {
        &self.text
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), self.output.clone(), self.nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(self.evaluator.call(&args)?)
    }
}
