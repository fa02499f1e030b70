//! What a statement that succeeded has to say besides its answer: that something was skipped, or has no effect.
//!
//! A notice has the fields that PostgreSQL's protocol sends for one, so that a server passes it on as it is.

use std::fmt;

/// A remark of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// Its class: five characters, PostgreSQL's.
    pub sqlstate: &'static str,
    /// One sentence without a full stop.
    pub message: String,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Probably not what was meant.
    Warning,
}

impl Notice {
    /// A notice of no particular class.
    pub(crate) fn new(message: String) -> Notice {
        Notice { severity: Severity::Notice, sqlstate: "00000", message }
    }

    /// Something that is probably not what was meant.
    pub(crate) fn warning(message: String) -> Notice {
        Notice { severity: Severity::Warning, sqlstate: "01000", message }
    }

    /// An object of this kind is not there, as the statement allows.
    pub(crate) fn missing(kind: &str, name: &str) -> Notice {
        Notice::new(format!("{kind} \"{}\" does not exist, skipping", sql::names::shown(name)))
    }

    /// A relation is there already, as the statement allows.
    pub(crate) fn exists(name: &str) -> Notice {
        let message = format!("relation \"{name}\" already exists, skipping");
        Notice { sqlstate: sql::SqlState::DuplicateTable.code(), ..Notice::new(message) }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
        })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)
    }
}
