//! Typed scalar expressions: the tree the planner writes, its text form, the stack bytecode it compiles to and
//! the interpreter that runs that bytecode a column slice at a time.
//!
//! The semantics are PostgreSQL's, and they live here once: a view's circuit and an ad-hoc query evaluate the
//! same [`Program`], so they cannot differ. An error (overflow, division by zero, a bad cast) arises only for a
//! row whose value is needed: what stands behind `AND`, `OR`, `CASE` and `COALESCE` is evaluated for the rows
//! that reach it. The answer, and which error is reported, do not depend on how rows are cut into slices.

mod error;
mod exact_sum;
mod function;
pub mod mean;
mod tree;

pub use error::{ErrorKind, EvalError, ExprError};
pub use exact_sum::ExactSum;
pub use function::{Argument, Functions, NoFunctions, ScalarFunction};
pub use tree::{BinaryOp, Expr, UnaryOp};
