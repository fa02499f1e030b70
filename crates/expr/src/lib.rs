//! Typed scalar expressions: the tree the planner writes, its text form, the stack bytecode it compiles to and
//! the interpreter that runs that bytecode a column slice at a time.
//!
//! The semantics are PostgreSQL's, and they live here once: a view's circuit and an ad-hoc query evaluate the
//! same [`Program`], so they cannot differ. An error (overflow, division by zero, a bad cast) arises only for a
//! row whose value is needed: what stands behind `AND`, `OR`, `CASE` and `COALESCE` is evaluated for the rows
//! that reach it. The answer, and which error is reported, do not depend on how rows are cut into slices.

mod builtins;
mod calendar;
mod cast;
mod common;
mod compile;
mod datetime;
mod datetime_text;
mod decimal;
mod error;
mod exact_sum;
mod fold;
mod frame;
mod function;
mod input;
mod interpret;
mod interval_text;
mod kernels;
mod like;
pub mod mean;
mod number_fn;
mod operand;
mod program;
mod text;
mod text_fn;
mod to_char;
mod tree;
mod wide;

pub use error::{ErrorKind, EvalError, ExprError};
pub use exact_sum::ExactSum;
pub use fold::LARGEST_FOLDED;
pub use frame::LARGEST_SLICE;
pub use function::{Argument, Functions, NoFunctions, ScalarFunction};
pub use input::from_text;
pub use interpret::{COLUMN_FULL, LARGEST_COLUMN, Scratch};
pub use like::like;
pub use program::Program;
pub use text_fn::LARGEST_VALUE;
pub use tree::{BinaryOp, Expr, UnaryOp};

/// Whether functions of this name are evaluated here where their types allow it, and not by the fall-back. Who
/// evaluates some expressions elsewhere must send these here, or the two could differ.
pub fn is_builtin(name: &str) -> bool {
    builtins::find(name).is_some()
}
