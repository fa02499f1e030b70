//! What can go wrong: [`ExprError`] when an expression is compiled or parsed, [`EvalError`] when a row is evaluated.
//!
//! The first is the planner's mistake or an unsupported construct; the second is the data's, carries the row and
//! the SQLSTATE that PostgreSQL would answer, and refuses the commit that brought the row.

use std::fmt;

/// Why an expression could not be compiled or read back from text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprError {
    /// A column index beyond the input's columns, or one used with another type than it has.
    Column {
        /// The index used.
        index: u32,
        /// What was expected there.
        message: String,
    },
    /// An operator or cast that does not exist for these types.
    Type {
        /// The operator or cast, as text.
        operator: String,
        /// The operand types, as text.
        operands: String,
    },
    /// A function that neither the built-in table nor the fall-back knows for these arguments.
    Function {
        /// The name asked for.
        name: String,
        /// The argument types, or why it was refused.
        message: String,
    },
    /// Nesting, or the number of constants or branches, beyond the fixed limit.
    TooLarge {
        /// The limit that was passed.
        limit: usize,
    },
    /// Text that is not an expression; `offset` is the byte where reading stopped.
    Syntax {
        /// Byte offset into the text.
        offset: usize,
        /// What was expected.
        message: String,
    },
}

impl ExprError {
    /// The SQLSTATE to show a user.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            ExprError::Column { .. } => "42703",
            ExprError::Type { .. } => "42883",
            ExprError::Function { .. } => "42883",
            ExprError::TooLarge { .. } => "54001",
            ExprError::Syntax { .. } => "42601",
        }
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExprError::Column { index, message } => write!(f, "column {index}: {message}"),
            ExprError::Type { operator, operands } => {
                write!(f, "operator {operator} does not exist for {operands}")
            }
            ExprError::Function { name, message } => write!(f, "function {name}: {message}"),
            ExprError::TooLarge { limit } => {
                write!(f, "the expression is too complex (limit {limit})")
            }
            ExprError::Syntax { offset, message } => write!(f, "at byte {offset}: {message}"),
        }
    }
}

impl std::error::Error for ExprError {}

/// The class of a row's failure; each has one SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 22012
    DivisionByZero,
    /// 22003: a number does not fit the type of the result.
    NumericOutOfRange,
    /// 22P02: text that is not a value of the type it is cast to.
    InvalidText,
    /// 22007: text that is not a date, time or interval.
    InvalidDatetime,
    /// 22008: a well-formed date, time or interval beyond the range of its type.
    DatetimeOverflow,
    /// 22001
    StringTooLong,
    /// 22023: an argument outside a function's domain.
    InvalidParameter,
    /// 53200: the strings of a slice come to more than fits; with the rows before alone they do not.
    SliceFull,
    /// Any other SQLSTATE, for the functions of the fall-back.
    Other(&'static str),
}

impl ErrorKind {
    /// The SQLSTATE to show a user.
    pub fn sqlstate(self) -> &'static str {
        match self {
            ErrorKind::DivisionByZero => "22012",
            ErrorKind::NumericOutOfRange => "22003",
            ErrorKind::InvalidText => "22P02",
            ErrorKind::InvalidDatetime => "22007",
            ErrorKind::DatetimeOverflow => "22008",
            ErrorKind::StringTooLong => "22001",
            ErrorKind::InvalidParameter => "22023",
            ErrorKind::SliceFull => "53200",
            ErrorKind::Other(state) => state,
        }
    }
}

/// The first row of a slice, in row order, whose evaluation failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    /// The class, which fixes the SQLSTATE.
    pub kind: ErrorKind,
    /// The row's position in the slice given to the program.
    pub row: usize,
    /// A sentence in PostgreSQL's manner.
    pub message: String,
}

impl EvalError {
    /// An error of `row`.
    pub fn new(kind: ErrorKind, row: usize, message: impl Into<String>) -> EvalError {
        EvalError { kind, row, message: message.into() }
    }

    /// The SQLSTATE to show a user.
    pub fn sqlstate(&self) -> &'static str {
        self.kind.sqlstate()
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvalError {}

/// A failure that does not know its row yet: what the functions over single values return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into() }
    }

    pub(crate) fn division_by_zero() -> Failure {
        Failure::new(ErrorKind::DivisionByZero, "division by zero")
    }

    /// A number beyond the type called `name`.
    pub(crate) fn out_of_range(name: &str) -> Failure {
        Failure::new(ErrorKind::NumericOutOfRange, format!("{name} out of range"))
    }

    /// Text that is not a value of the type called `name`.
    pub(crate) fn invalid_text(name: &str, text: &str) -> Failure {
        Failure::new(ErrorKind::InvalidText, format!("invalid input syntax for type {name}: \"{text}\""))
    }

    pub(crate) fn at(self, row: usize) -> EvalError {
        EvalError { kind: self.kind, row, message: self.message }
    }
}
