//! What a client is told when something fails, or is worth a remark.

use std::ops::{Deref, DerefMut};

use gnitz::{Error, Position, names};

use crate::pg::frame::Malformed;

/// An error or notice. Boxed, since it is the rare end of almost every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Box<Fields>);

impl Deref for Report {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl DerefMut for Report {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
}

/// PostgreSQL's fields of an error or notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE`.
    pub severity: &'static str,
    /// Its class.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where in the text, in characters from 1.
    pub position: Option<usize>,
    /// Where in what was being read.
    pub context: Option<String>,
    /// The table and the constraint it concerns.
    pub constraint: Option<(String, String)>,
}

impl Report {
    fn new(severity: &'static str, code: &'static str, message: impl Into<String>) -> Report {
        let message = message.into();
        Report(Box::new(Fields {
            severity,
            code,
            message,
            detail: None,
            hint: None,
            position: None,
            context: None,
            constraint: None,
        }))
    }

    /// The statement fails.
    pub(crate) fn error(code: &'static str, message: impl Into<String>) -> Report {
        Report::new("ERROR", code, message)
    }

    /// The connection ends.
    pub(crate) fn fatal(code: &'static str, message: impl Into<String>) -> Report {
        Report::new("FATAL", code, message)
    }

    /// Nothing fails, but something is not as expected.
    pub(crate) fn warning(code: &'static str, message: impl Into<String>) -> Report {
        Report::new("WARNING", code, message)
    }

    /// What the engine remarks.
    pub(crate) fn of_notice(notice: gnitz::Notice) -> Report {
        let severity = match notice.severity {
            gnitz::Severity::Notice => "NOTICE",
            gnitz::Severity::Warning => "WARNING",
        };
        Report::new(severity, notice.sqlstate, notice.message)
    }

    /// A construct that does not exist.
    pub(crate) fn unsupported(construct: impl std::fmt::Display) -> Report {
        Report::error("0A000", format!("{construct} is not supported"))
    }

    /// Text that is not SQL.
    pub(crate) fn syntax(message: impl Into<String>) -> Report {
        Report::error("42601", message)
    }

    /// The same with what to do instead.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Report {
        self.hint = Some(hint.into());
        self
    }

    /// The same at a place of the text.
    pub(crate) fn at(mut self, position: Option<usize>) -> Report {
        self.position = self.position.or(position);
        self
    }

    /// Whether nothing can follow it.
    pub(crate) fn is_fatal(&self) -> bool {
        self.severity == "FATAL"
    }

    /// What a client should know of the engine's error; `sql` is the text that its place counts in.
    pub fn of(error: &Error, sql: &str) -> Report {
        let mut report = Report::error(error.sqlstate(), error.message());
        report.hint = error.hint();
        report.position = error.position().map(|position| offset(sql, position));
        match error {
            Error::FailedTransaction => report.message = ABORTED.to_string(),
            Error::Duplicate { table, .. } => {
                report.constraint = Some((table.clone(), names::key(table)));
            }
            Error::Copy { line, source, .. } => {
                report = Report::of(source, "");
                report.context = Some(format!("COPY, line {line}"));
            }
            _ => {}
        }
        // The key stands behind the sentence, and in a field of its own for those who look for it.
        if report.code == "23505"
            && let Some((message, key)) = report.message.clone().split_once(": Key ")
        {
            report.detail = Some(format!("Key {key}."));
            report.message = message.to_string();
        }
        report
    }

    /// What is wrong with a message.
    pub(crate) fn of_message(malformed: &Malformed) -> Report {
        match malformed.within {
            Some(_) if malformed.code == "54000" => Report::error(malformed.code, malformed.message.as_str())
                .with_hint("send less at once, with COPY, or start the server with a larger pg.max_message"),
            Some(_) => Report::error(malformed.code, malformed.message.as_str()),
            None => Report::fatal(malformed.code, malformed.message.as_str()),
        }
    }

    /// A statement in a transaction that has failed.
    pub(crate) fn aborted() -> Report {
        Report::error("25P02", ABORTED).with_hint("end it with ROLLBACK")
    }
}

const ABORTED: &str = "current transaction is aborted, commands ignored until end of transaction block";

/// A line and column as a count of characters from 1.
fn offset(sql: &str, position: Position) -> usize {
    let lines = sql.split_inclusive('\n').take(position.line.saturating_sub(1) as usize);
    let before: usize = lines.map(|line| line.chars().count()).sum();
    before + position.column.max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!(offset("SELECT 1", Position { line: 1, column: 8 }), 8);
        assert_eq!(offset("-- é\nSELECT x", Position { line: 2, column: 8 }), 13);
    }
}
