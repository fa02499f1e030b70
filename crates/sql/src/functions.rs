//! The library of scalar functions: DataFusion's, found by name, and the bridge by which our expressions call
//! those that the bytecode lacks, on Arrow arrays and outside any executor.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, Volatility};
use expr::{Argument, ErrorKind, EvalError, ExprError, Functions, ScalarFunction};
use zset::{ColumnType, Type, Vector};

use crate::error::SqlError;
use crate::types::{to_array, to_arrow, to_scalar, to_vector};
use crate::{bounded, moment};

/// All scalar functions, by name and alias.
pub struct Library {
    by_name: HashMap<String, Arc<ScalarUDF>>,
}

static SHARED: LazyLock<Library> = LazyLock::new(Library::new);

impl Library {
    /// The library, which is the same for every planner of the process.
    pub fn shared() -> &'static Library {
        &SHARED
    }

    fn new() -> Library {
        let mut by_name = HashMap::new();
        for function in bounded::functions() {
            for alias in function.aliases() {
                by_name.insert(alias.clone(), Arc::clone(&function));
            }
            by_name.insert(function.name().to_string(), function);
        }
        for (name, function) in moment::functions() {
            by_name.insert(name.to_string(), Arc::clone(function));
        }
        Library { by_name }
    }

    /// The function of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<ScalarUDF>> {
        self.by_name.get(name)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} functions", self.by_name.len())
    }
}

impl Functions for Library {
    fn resolve(
        &self,
        name: &str,
        args: &[ColumnType],
        result: Type,
    ) -> Result<Arc<dyn ScalarFunction>, ExprError> {
        let refuse = |message: String| ExprError::Function { name: name.to_string(), message };
        let function = self.get(name).ok_or_else(|| refuse("does not exist".to_string()))?;
        if function.signature().volatility == Volatility::Volatile {
            return Err(refuse("gives another value at each call".to_string()));
        }
        let field = |ty: &ColumnType| Arc::new(Field::new("", to_arrow(ty.ty), ty.nullable)) as FieldRef;
        let given: Vec<FieldRef> = args.iter().map(field).collect();
        let fields = fields_with_udf(&given, function.as_ref()).map_err(|e| refuse(e.strip_backtrace()))?;
        Ok(Arc::new(Bridge {
            function: Arc::clone(function),
            fields,
            result,
            options: Arc::new(ConfigOptions::default()),
        }))
    }
}

/// One function of DataFusion's for fixed argument types.
struct Bridge {
    function: Arc<ScalarUDF>,
    /// The arguments' fields after coercion to what the function takes.
    fields: Vec<FieldRef>,
    result: Type,
    options: Arc<ConfigOptions>,
}

impl ScalarFunction for Bridge {
    fn call(&self, args: &[Argument<'_>], rows: usize) -> Result<Vector, EvalError> {
        if rows == 0 {
            return Ok(Vector::new(self.result.lane()));
        }
        self.invoke(args, rows).map_err(|error| eval_error(&error))
    }
}

impl Bridge {
    fn invoke(&self, args: &[Argument<'_>], rows: usize) -> Result<Vector, SqlError> {
        let mut values = Vec::with_capacity(args.len());
        for (arg, field) in args.iter().zip(&self.fields) {
            values.push(argument(arg, field.data_type())?);
        }
        let scalars: Vec<Option<&ScalarValue>> = values
            .iter()
            .map(|value| match value {
                ColumnarValue::Scalar(scalar) => Some(scalar),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let return_field = self.function.return_field_from_args(ReturnFieldArgs {
            arg_fields: &self.fields,
            scalar_arguments: &scalars,
        })?;
        let result = self.function.invoke_with_args(ScalarFunctionArgs {
            args: values,
            arg_fields: self.fields.clone(),
            number_rows: rows,
            return_field,
            config_options: Arc::clone(&self.options),
        })?;
        to_vector(&result.into_array(rows)?, self.result)
    }
}

fn argument(arg: &Argument<'_>, wanted: &DataType) -> Result<ColumnarValue, SqlError> {
    match arg {
        Argument::Constant(value, ty) => {
            let scalar = to_scalar(value, *ty)?;
            Ok(ColumnarValue::Scalar(match scalar.data_type() == *wanted {
                true => scalar,
                false => scalar.cast_to(wanted)?,
            }))
        }
        Argument::Column(vector, ty) => {
            let array: ArrayRef = to_array((*vector).clone(), *ty)?;
            Ok(ColumnarValue::Array(match array.data_type() == wanted {
                true => array,
                false => arrow::compute::cast(&array, wanted)?,
            }))
        }
    }
}

/// DataFusion's functions do not say which row failed; the slice's first stands for it.
fn eval_error(error: &SqlError) -> EvalError {
    let kind = match error.sqlstate() {
        "22012" => ErrorKind::DivisionByZero,
        "22003" => ErrorKind::NumericOutOfRange,
        "22P02" => ErrorKind::InvalidText,
        "22007" => ErrorKind::InvalidDatetime,
        other => ErrorKind::Other(other),
    };
    EvalError::new(kind, 0, error.message.clone())
}
