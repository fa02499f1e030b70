//! What can go wrong in a step. Nothing has changed when one of these is returned: the commit is refused.

use std::fmt;

use circuit::CircuitError;
use expr::{EvalError, ExprError};
use zset::{CollectionId, ZsetError};

/// Why a program cannot be prepared, or a step was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VmError {
    /// The program is malformed.
    Program(CircuitError),
    /// An expression cannot be compiled.
    Expression {
        /// The instruction it belongs to.
        instruction: usize,
        /// What is wrong with it.
        source: ExprError,
    },
    /// An expression or an aggregate has no value for a row: a division by zero, a number out of range.
    Eval {
        /// The instruction that failed.
        instruction: usize,
        /// The views that depend on it.
        views: Vec<CollectionId>,
        /// The row: its key columns, or all of them where it has no key, as in `(7, abc)`.
        key: String,
        /// What is wrong with it.
        source: EvalError,
    },
    /// Weights or sizes beyond what a Z-set can hold.
    Zset {
        /// The instruction that failed.
        instruction: usize,
        /// The views that depend on it.
        views: Vec<CollectionId>,
        /// Which limit.
        source: ZsetError,
    },
    /// The cancel flag was set.
    Cancelled,
}

impl VmError {
    /// The SQLSTATE to show a user.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            VmError::Program(_) => "XX000",
            VmError::Expression { source, .. } => source.sqlstate(),
            VmError::Eval { source, .. } => source.sqlstate(),
            VmError::Zset {
                source: ZsetError::WeightOverflow { .. } | ZsetError::OutOfRange { .. }, ..
            } => "22003",
            VmError::Zset { source: ZsetError::TooLarge { .. }, .. } => "54000",
            VmError::Zset { .. } => "XX001",
            VmError::Cancelled => "57014",
        }
    }
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VmError::Program(error) => write!(f, "malformed program: {error}"),
            VmError::Expression { instruction, source } => write!(f, "instruction {instruction}: {source}"),
            VmError::Eval { key, source, .. } => write!(f, "{source}, for the row with key {key}"),
            VmError::Zset { source, .. } => write!(f, "{source}"),
            VmError::Cancelled => f.write_str("canceling statement due to user request"),
        }
    }
}

impl std::error::Error for VmError {}

/// What an operator reports; the machine adds where it happened.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A row has no value.
    Eval {
        key: String,
        source: EvalError,
    },
    Zset(ZsetError),
    Cancelled,
}

impl From<ZsetError> for Failure {
    fn from(error: ZsetError) -> Failure {
        Failure::Zset(error)
    }
}
