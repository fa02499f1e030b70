//! The PostgreSQL protocol, version 3: what psql, the drivers and the tools of twenty years speak.
//!
//! A connection is a task, and a `gnitz::Session`. It reads frames (`frame`, `io`), runs what they ask for
//! (`simple`, `extended`, with `portal` and `cursor` for answers read in pieces, `copy` for streams, `command` and
//! `settings` for what is the session's own), and gathers the answers (`reply`), which are written once the client
//! waits for them. A look-up of one row runs where the message was read; whatever may take longer tells the runtime
//! that it blocks its thread.
//!
//! The loop is our own. That of `pgwire` writes each answer of a prepared statement by itself, six times a
//! `SELECT`, cannot be told of time limits or a shutdown, and its decoders panic on short messages.

mod cancel;
mod command;
mod copy;
mod cursor;
mod error;
mod extended;
mod feed;
mod fetch;
mod frame;
mod io;
mod listen;
mod peers;
mod portal;
mod reply;
mod scram;
mod session;
mod settings;
mod simple;
mod startup;
mod statement;
mod tls;
mod types;
mod wait;

use std::time::Duration;

pub use error::{Fields, Report};
pub use listen::Listener;
pub use tls::Tls;

/// How the port is set up.
#[derive(Clone)]
pub struct Options {
    /// Where it listens: an address and a port.
    pub address: String,
    /// Encryption.
    pub tls: Tls,
    /// How many connections there may be.
    pub max_connections: usize,
    /// How many bytes a message may have: a statement, or the values of its parameters.
    pub max_message: usize,
    /// How long a statement may run.
    pub statement_timeout: Option<Duration>,
    /// How long a session may do nothing outside of a transaction.
    pub idle_timeout: Option<Duration>,
    /// How long it may do nothing in one.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// How long a client may take to say who it is.
    pub startup_timeout: Duration,
    /// How long a shutdown waits for running statements before it stops them.
    pub shutdown_grace: Duration,
    /// From when on a statement is logged as a slow one; zero for never.
    pub slow_statement: Duration,
    /// How long the answer to a failed login takes: guessing is to take time.
    pub failed_login: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            address: "127.0.0.1:5433".to_string(),
            tls: Tls::Off,
            max_connections: 100,
            max_message: 64 << 20,
            statement_timeout: None,
            idle_timeout: None,
            idle_in_transaction_timeout: None,
            startup_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(30),
            slow_statement: Duration::ZERO,
            failed_login: Duration::from_millis(500),
        }
    }
}

/// Whether the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It does.
    Running,
    /// It ends: no statement begins any more.
    Ending,
}
