//! One of our expressions, run over Arrow columns.
//!
//! DataFusion's executor calls an [`Evaluator`] in place of its own expressions wherever these could fail or
//! answer differently. It converts the columns, runs the same program that a view's circuit runs, and
//! converts the result back.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use expr::{LARGEST_FOLDED, Program, Scratch};
use zset::{ColumnType, Lane, Type, Vector};

use crate::error::SqlError;
use crate::types::{canonical, from_arrow_or_refuse, to_array, to_arrow, to_vector};

/// A compiled expression with the types of its Arrow inputs.
#[derive(Debug)]
pub(crate) struct Evaluator {
    program: Program,
    inputs: Vec<Type>,
    output: Type,
}

impl Evaluator {
    /// Compiles `tree`, whose column `i` is of the Arrow type `inputs[i]`.
    pub(crate) fn compile(
        tree: &expr::Expr,
        inputs: &[DataType],
        functions: &dyn expr::Functions,
    ) -> Result<Evaluator, SqlError> {
        let inputs = inputs.iter().map(from_arrow_or_refuse).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<ColumnType> = inputs.iter().map(|&ty| ColumnType { ty, nullable: true }).collect();
        let program = Program::compile(std::slice::from_ref(tree), &columns, functions)?;
        Ok(Evaluator { program, inputs, output: tree.column_type().ty })
    }

    /// As [`call`](Evaluator::call), for where the optimizer folds constants: what would come to a large value stays
    /// a call, which the plan's execution makes when it needs the value. Plans are kept.
    pub(crate) fn fold(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue, SqlError> {
        let value = self.call(args)?;
        match &value {
            ColumnarValue::Scalar(scalar) if scalar.size() > LARGEST_FOLDED => {
                Err(SqlError::unsupported("so large a value in this place"))
            }
            _ => Ok(value),
        }
    }

    /// Evaluates a function call of DataFusion's; constants give a constant.
    pub(crate) fn call(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue, SqlError> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let used = self.program.used_columns();
        let mut vectors = Vec::with_capacity(self.inputs.len());
        for (index, (arg, &ty)) in args.args.iter().zip(&self.inputs).enumerate() {
            vectors.push(match used.contains(&(index as u32)) {
                true => to_vector(&arg.to_array(rows)?, ty)?,
                false => Vector::new(Lane::Bool),
            });
        }
        let array = self.run(&vectors.iter().collect::<Vec<_>>(), rows, args.return_field.data_type())?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }

    fn run(&self, inputs: &[&Vector], rows: usize, wanted: &DataType) -> Result<ArrayRef, SqlError> {
        let mut results = self.program.eval(inputs, rows, &mut Scratch::default())?;
        let result = results.pop().ok_or_else(|| SqlError::internal("a program without a result"))?;
        let array = to_array(result, self.output)?;
        if array.data_type() == wanted {
            return Ok(array);
        }
        if to_arrow(self.output) == *wanted {
            return canonical(&array, self.output);
        }
        Ok(arrow::compute::cast(&array, wanted)?)
    }
}
