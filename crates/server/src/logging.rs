//! The log: where it goes and how it is written, and the one way in which a statement gets into it.
//!
//! Logs are read by more people than the data is, so nothing of the data is in them: a statement is logged in its
//! normal form ([`normal`]), an error by its SQLSTATE.

mod normal;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogConfig, LogFormat};

pub use normal::{kind, normal};

/// Sends the log of this process to standard error, as configured. Does nothing if something receives it already.
pub fn init(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| ConfigError {
        place: "log.level".to_string(),
        message: format!("`{}` is no filter: {error}", config.level),
    })?;
    let plain = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _ = match config.format {
        LogFormat::Text => plain.try_init(),
        LogFormat::Json => plain.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// A statement that has ended.
pub struct Ended<'a> {
    /// How it came: `http`, `pg`.
    pub protocol: &'static str,
    /// Whose it was.
    pub role: &'a str,
    /// Its text, which is logged in its normal form.
    pub sql: &'a str,
    /// How long it took.
    pub took: Duration,
    /// How many rows it answered or wrote.
    pub rows: u64,
    /// `00000`, or what went wrong.
    pub sqlstate: &'a str,
}

/// Logs a statement: as an error if the disk, the memory or the engine failed, at the level of warnings if it took at
/// least `slow` (which is not zero), for debugging if not.
pub fn statement(ended: &Ended<'_>, slow: Duration) {
    let millis = ended.took.as_micros() as f64 / 1e3;
    let Ended { protocol, role, rows, sqlstate, .. } = *ended;
    if is_failure(sqlstate) {
        let sql = normal(ended.sql);
        tracing::error!(target: "gnitz::failure", protocol, role, millis, sqlstate, sql, "a statement failed");
    } else if !slow.is_zero() && ended.took >= slow {
        let sql = normal(ended.sql);
        tracing::warn!(target: "gnitz::slow", protocol, role, millis, rows, sqlstate, sql, "slow statement");
    } else if tracing::enabled!(target: "gnitz::statement", tracing::Level::DEBUG) {
        let sql = normal(ended.sql);
        tracing::debug!(target: "gnitz::statement", protocol, role, millis, rows, sqlstate, sql, "statement");
    }
}

/// Whether a SQLSTATE tells of what whoever runs the server must know.
fn is_failure(sqlstate: &str) -> bool {
    ["58", "XX"].iter().any(|class| sqlstate.starts_with(class)) || matches!(sqlstate, "53100" | "53200")
}

/// Logs that a protocol is served from now on.
pub fn listening(protocol: &'static str, address: SocketAddr) {
    tracing::info!(target: "gnitz", protocol, %address, "listening");
}

/// Logs an attempt to log in that was refused.
pub fn failed_login(protocol: &'static str, role: &str, peer: &str, reason: &str) {
    tracing::warn!(target: "gnitz::login", protocol, role, peer, reason, "login refused");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_makes_no_sense_is_refused() {
        let config =
            LogConfig { level: "gnitz=loud".into(), format: LogFormat::Text, slow_statement: Duration::ZERO };
        let error = init(&config).unwrap_err();
        assert_eq!(error.place, "log.level");
    }
}
