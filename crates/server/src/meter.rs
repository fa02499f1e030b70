//! What becomes of each statement is counted and logged here, whichever protocol it came by.

use std::time::Duration;

use gnitz::Outcome;

use crate::logging::{self, Ended};
use crate::metrics::{Metrics, Statement};

/// Counts and logs what a session runs.
#[derive(Clone)]
pub struct Meter {
    /// Where it counts.
    pub metrics: Metrics,
    /// How the statements come: `http`, `pg`.
    pub protocol: &'static str,
    /// Whose they are.
    pub role: String,
    /// From when on a statement is slow.
    pub slow: Duration,
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The rows that it answered.
    pub read: u64,
    /// The rows that it wrote.
    pub written: u64,
    /// Whether it was, or ended with, a commit of changes.
    pub committed: bool,
}

impl Done {
    /// What an outcome tells of it.
    pub fn of(outcome: &Outcome, committed: bool) -> Done {
        match outcome {
            Outcome::Rows(rows) => Done { read: rows.num_rows() as u64, written: 0, committed },
            Outcome::Count { rows, .. } => Done { read: 0, written: *rows, committed },
            Outcome::Done { .. } => Done { committed, ..Done::default() },
        }
    }
}

impl Meter {
    /// A statement has ended: its text, what kind it is ([`logging::kind`]), how long it took, and what it did or with
    /// which SQLSTATE it failed.
    pub fn ended(&self, sql: &str, kind: &'static str, took: Duration, done: Result<Done, &str>) {
        let Done { read, written, committed } = done.unwrap_or_default();
        let (protocol, sqlstate) = (self.protocol, done.err().unwrap_or("00000"));
        self.metrics.statement(&Statement { protocol, kind, sqlstate, took, committed });
        self.metrics.rows(protocol, "read", read);
        self.metrics.rows(protocol, "written", written);
        let rows = read + written;
        logging::statement(&Ended { protocol, role: &self.role, sql, took, rows, sqlstate }, self.slow);
    }
}
