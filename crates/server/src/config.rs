//! Configuration: what can be set, from where, and what it is set to.
//!
//! There is one table, [`SETTINGS`]. A setting has a key of the file, a flag, a variable of the environment, a
//! default and a sentence; the command line's help, the refusals, `--print-config` and
//! `docs/configuration.md` are all made of it. A value may come from each of the three places: the environment
//! overrules the file, a flag overrules both. What is not a setting is refused with its place, since a
//! misspelt limit that is silently ignored is no limit.

pub mod units;

mod file;
mod nearest;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gnitz::Sync;
use units::Text;

pub use nearest::nearest;

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "GNITZ_CONFIG";

/// Variables of this beginning are settings, or mistakes.
const PREFIX: &str = "GNITZ_";

/// Variables of this beginning belong to the development of Gnitz and are left alone.
const DEVELOPMENT: &[&str] = &["GNITZ_SEED", "GNITZ_CASES", "GNITZ_IMAGES", "GNITZ_BLESS", "GNITZ_TEST_DATA"];

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The database's directory; empty for one that lives in memory.
    pub data: PathBuf,
    /// What an acknowledged commit survives.
    pub sync: Sync,
    /// Bytes of log, or of changes in memory, at which a checkpoint is due.
    pub checkpoint_bytes: u64,
    /// Bytes of log that are kept for subscribers who resume.
    pub history_bytes: u64,
    /// Bytes that a query may take.
    pub query_memory: u64,
    /// Bytes of changed rows that a transaction may have.
    pub transaction_memory: u64,
    /// How long a shutdown waits for what is running.
    pub shutdown_timeout: Duration,
    /// The PostgreSQL side.
    pub pg: PgConfig,
    /// The HTTP side.
    pub http: HttpConfig,
    /// The log.
    pub log: LogConfig,
}

/// The settings of the PostgreSQL side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PgConfig {
    /// Where it listens; empty for nowhere.
    pub listen: String,
    /// Connections at once.
    pub max_connections: usize,
    /// How many bytes a message may have.
    pub max_message: u64,
    /// How long a statement may run; zero for as long as it takes.
    pub statement_timeout: Duration,
    /// How long a session may do nothing outside of a transaction; zero for as long as it likes.
    pub idle_timeout: Duration,
    /// How long it may do nothing in one; zero for as long as it likes.
    pub idle_in_transaction_timeout: Duration,
    /// Whether connections may be encrypted.
    pub tls: bool,
    /// The certificate, in PEM; empty for one that signs itself.
    pub tls_certificate: PathBuf,
    /// Its key.
    pub tls_key: PathBuf,
}

/// The settings of the HTTP side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpConfig {
    /// Where it listens; empty for nowhere.
    pub listen: String,
    /// The largest body of a request.
    pub max_body: u64,
    /// How long a request may take until its answer begins.
    pub request_timeout: Duration,
    /// Statements and batches that run at once.
    pub max_requests: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Subscriptions at once.
    pub max_subscriptions: usize,
    /// How long a client may leave its socket full.
    pub drain_timeout: Duration,
    /// How long a connection may be silent.
    pub idle_timeout: Duration,
    /// How often a silent stream of changes says that it is alive.
    pub heartbeat: Duration,
    /// The origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// The file of bearer tokens.
    pub tokens_file: PathBuf,
    /// How many batch ids are remembered.
    pub ingest_keep: usize,
}

/// The settings of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogConfig {
    /// What is logged, as `tracing` filters it.
    pub level: String,
    /// How it is written.
    pub format: LogFormat,
    /// Statements that take as long are logged; zero for none.
    pub slow_statement: Duration,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// One thing that can be set.
pub struct Setting {
    /// Its name in the file, with a dot where the file has a table.
    pub key: &'static str,
    /// Its flag, without the dashes before it.
    pub flag: &'static str,
    /// Its value unless it is set.
    pub default: &'static str,
    /// What it means: one sentence without a full stop.
    pub meaning: &'static str,
    /// Sets it from text.
    set: fn(&mut Config, &str) -> Result<(), String>,
    /// Its value as text, which `set` reads.
    show: fn(&Config) -> String,
}

impl Setting {
    /// Its variable in the environment.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.flag.replace('-', "_").to_uppercase())
    }

    /// What a configuration has for it.
    pub fn value(&self, config: &Config) -> String {
        (self.show)(config)
    }
}

macro_rules! settings {
    ($($key:literal, $flag:literal = $default:literal, $($field:ident).+, $meaning:literal;)*) => {
        /// Every setting, in the order of the documentation.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            key: $key,
            flag: $flag,
            default: $default,
            meaning: $meaning,
            set: |config, text| { config.$($field).+ = Text::read(text)?; Ok(()) },
            show: |config| Text::show(&config.$($field).+),
        },)*];
    };
}

settings! {
    "data", "data" = "", data, "the database's directory, made if it is not there; empty: a database that lives in memory";
    "sync", "sync" = "full", sync, "what an acknowledged commit survives: `full` a power loss, `normal` a killed process, `off` as little as the system likes";
    "checkpoint_bytes", "checkpoint-bytes" = "64MiB", checkpoint_bytes, "bytes of log, or of changes in memory, at which a checkpoint is due";
    "query_memory", "query-memory" = "1GiB", query_memory, "bytes that one query may take for what its operators keep and for its answer";
    "transaction_memory", "transaction-memory" = "4GiB", transaction_memory, "bytes of changed rows that one transaction may have, or one statement outside of any";
    "history_bytes", "history-bytes" = "128MiB", history_bytes, "bytes of log that are kept for subscribers who resume, beyond what a restart needs";
    "shutdown_timeout", "shutdown-timeout" = "10s", shutdown_timeout, "how long a shutdown waits for requests and streams to end";
    "pg.listen", "pg" = "127.0.0.1:5433", pg.listen, "where PostgreSQL's clients connect, as `address:port`; empty: nowhere";
    "pg.max_connections", "pg-max-connections" = "100", pg.max_connections, "connections at once; more are refused with 53300";
    "pg.max_message", "pg-max-message" = "64MiB", pg.max_message, "the longest message of a client: a statement, or the values of its parameters; a longer one is refused with 54000";
    "pg.statement_timeout", "pg-statement-timeout" = "0s", pg.statement_timeout, "how long a statement may run, unless its session sets another time; `0s`: as long as it takes";
    "pg.idle_timeout", "pg-idle-timeout" = "0s", pg.idle_timeout, "how long a session may do nothing outside of a transaction; `0s`: as long as it likes";
    "pg.idle_in_transaction_timeout", "pg-idle-in-transaction-timeout" = "0s", pg.idle_in_transaction_timeout, "how long a session may do nothing in a transaction; `0s`: as long as it likes";
    "pg.tls", "pg-tls" = "false", pg.tls, "whether connections may be encrypted: `true` or `false`";
    "pg.tls_certificate", "pg-tls-certificate" = "", pg.tls_certificate, "the certificate, in PEM; empty: one that signs itself, made at the first start as `server.crt` in the database's directory";
    "pg.tls_key", "pg-tls-key" = "", pg.tls_key, "the certificate's key, in PEM";
    "http.listen", "http" = "127.0.0.1:8080", http.listen, "where HTTP listens, as `address:port`; empty: nowhere";
    "http.max_body", "http-max-body" = "64MiB", http.max_body, "the largest body of a request; a larger one is refused with 413";
    "http.request_timeout", "http-request-timeout" = "1m", http.request_timeout, "how long a request may take until its answer begins; then its statement is cancelled";
    "http.max_requests", "http-max-requests" = "64", http.max_requests, "statements and batches that run at once; more wait, as long as a request may take";
    "http.max_connections", "http-max-connections" = "4096", http.max_connections, "connections at once; more wait to be accepted";
    "http.max_subscriptions", "http-max-subscriptions" = "2048", http.max_subscriptions, "streams of changes at once; more are refused with 503";
    "http.drain_timeout", "http-drain-timeout" = "10s", http.drain_timeout, "how long a client may leave its socket full before it is disconnected";
    "http.idle_timeout", "http-idle-timeout" = "5m", http.idle_timeout, "how long a connection may be silent in both directions";
    "http.heartbeat", "http-heartbeat" = "15s", http.heartbeat, "how often a stream without changes says that it is alive";
    "http.cors_origins", "http-cors-origins" = "", http.cors_origins, "origins that browsers may call from, as `https://host`, separated by commas; `*` is any";
    "http.tokens_file", "http-tokens-file" = "", http.tokens_file, "a file with a role and its bearer token on each line; empty: no tokens";
    "http.ingest_keep", "http-ingest-keep" = "100000", http.ingest_keep, "how many ids of ingested batches are remembered; a retry that comes later is taken for a new batch";
    "log.level", "log-level" = "info", log.level, "what is logged: `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,gnitz::statement=debug`";
    "log.format", "log-format" = "text", log.format, "how the log is written: `text` or `json`";
    "log.slow_statement", "log-slow-statement" = "1s", log.slow_statement, "statements that take this long are logged without their literals; `0s`: none are";
}

impl Default for Config {
    /// Every setting at its default.
    fn default() -> Config {
        let mut config = Config {
            data: PathBuf::new(),
            sync: Sync::Full,
            checkpoint_bytes: 0,
            history_bytes: 0,
            query_memory: 0,
            transaction_memory: 0,
            shutdown_timeout: Duration::ZERO,
            pg: PgConfig::default(),
            http: HttpConfig::default(),
            log: LogConfig::default(),
        };
        for setting in SETTINGS {
            let read = (setting.set)(&mut config, setting.default);
            debug_assert!(read.is_ok(), "the default of {} can be read", setting.key);
        }
        config
    }
}

impl Config {
    /// The configuration of a file, the environment and flags; what comes later overrules what comes before.
    ///
    /// Flags are given by the keys of their settings. Without `file` it is the one that the environment names,
    /// if it names one.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let environment: Vec<_> =
            environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let named = environment.iter().find(|(name, _)| name == FILE_VARIABLE);
        let mut config = Config::default();
        if let Some(path) = file.or(named.map(|(_, path)| Path::new(path.as_str()))) {
            config.read_file(path)?;
        }
        for (name, value) in environment {
            if name != FILE_VARIABLE && !DEVELOPMENT.contains(&name.as_str()) {
                let found = SETTINGS.iter().find(|setting| setting.variable() == name);
                config.apply(&name, found, &value, || SETTINGS.iter().map(Setting::variable).collect())?;
            }
        }
        for (key, value) in flags {
            let found = SETTINGS.iter().find(|setting| setting.key == key);
            let place = found.map_or_else(|| key.clone(), |setting| format!("--{}", setting.flag));
            config.apply(&place, found, &value, keys)?;
        }
        Ok(config)
    }

    /// The configuration as a file that would make it.
    pub fn print(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for setting in SETTINGS {
            let (of, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
            if of != table {
                text.push_str(&format!("\n[{of}]\n"));
                table = of;
            }
            text.push_str(&format!("{name} = {:?}\n", setting.value(self)));
        }
        text
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError { place: shown.clone(), message: error.to_string() })?;
        let entries = file::entries(&text).map_err(|fault| ConfigError {
            place: format!("{shown}:{}", fault.place),
            message: fault.message,
        })?;
        for entry in entries {
            let found = SETTINGS.iter().find(|setting| setting.key == entry.key);
            let place = format!("{shown}:{}: {}", entry.place, entry.key);
            self.apply(&place, found, &entry.value, keys)?;
        }
        Ok(())
    }

    fn apply(
        &mut self,
        place: &str,
        setting: Option<&Setting>,
        value: &str,
        known: impl FnOnce() -> Vec<String>,
    ) -> Result<(), ConfigError> {
        let refuse = |message| Err(ConfigError { place: place.to_string(), message });
        let Some(setting) = setting else {
            let name = place.rsplit(' ').next().unwrap_or(place);
            let known = known();
            let near = nearest(name, &known);
            return refuse(format!("there is no such setting; the nearest is {near}"));
        };
        (setting.set)(self, value).or_else(refuse)
    }
}

fn keys() -> Vec<String> {
    SETTINGS.iter().map(|setting| setting.key.to_string()).collect()
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file with line and column, the variable or the flag.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
