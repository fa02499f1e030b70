//! The border to scalar functions that the bytecode lacks: the planner's layer resolves a name to a function over
//! whole columns, and the interpreter calls it with the rows that need its value.

use std::sync::Arc;

use zset::{ColumnType, Datum, Type, Vector};

use crate::error::{EvalError, ExprError};

/// Where the compiler asks for a function it does not have itself.
pub trait Functions: Send + Sync {
    /// The function of this name for these argument types, giving `result`.
    fn resolve(
        &self,
        name: &str,
        args: &[ColumnType],
        result: Type,
    ) -> Result<Arc<dyn ScalarFunction>, ExprError>;
}

/// A function over column slices. It gives one value a row and remembers nothing.
pub trait ScalarFunction: Send + Sync {
    /// Evaluates `rows` rows; every column argument has exactly that many. An error's row counts within them.
    fn call(&self, args: &[Argument<'_>], rows: usize) -> Result<Vector, EvalError>;
}

/// One argument of a [`ScalarFunction`].
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// The same value for every row.
    Constant(&'a Datum, Type),
    /// A value for each row.
    Column(&'a Vector, Type),
}

impl Argument<'_> {
    /// The argument's type.
    pub fn ty(&self) -> Type {
        match self {
            Argument::Constant(_, ty) | Argument::Column(_, ty) => *ty,
        }
    }
}

/// A [`Functions`] that knows none, for callers without a planner.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn resolve(&self, name: &str, _: &[ColumnType], _: Type) -> Result<Arc<dyn ScalarFunction>, ExprError> {
        Err(ExprError::Function { name: name.to_string(), message: "does not exist".to_string() })
    }
}
