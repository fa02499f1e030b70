//! What can be wrong with a circuit or a program: its text, or its shape.
//!
//! Neither is a user's mistake. A planner that makes a malformed circuit, or a catalog that was damaged, is
//! told before anything runs.

use std::fmt;

/// Why a circuit or program is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CircuitError {
    /// The text is not a circuit or program; lines count from 1.
    Syntax {
        /// The line at fault.
        line: usize,
        /// What was expected.
        message: String,
    },
    /// The parts don't fit together.
    Malformed {
        /// The node or instruction at fault, as text.
        place: String,
        /// What does not fit.
        message: String,
    },
}

impl fmt::Display for CircuitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CircuitError::Syntax { line, message } => write!(f, "line {line}: {message}"),
            CircuitError::Malformed { place, message } => write!(f, "{place}: {message}"),
        }
    }
}

impl std::error::Error for CircuitError {}
