//! The settings of a session: what `SET` takes, what `SHOW` shows, and what clients are told of.
//!
//! A setting is accepted if the server acts on it or if it asks for what is the case here anyway, and refused by
//! name otherwise, so that nothing is promised and not kept. What `SET` changed in a transaction goes back with a
//! rollback, and what `SET LOCAL` changed goes back with either end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::pg::error::Report;

/// What a setting takes.
#[derive(Clone, Copy)]
enum Takes {
    /// Any text: it changes no answer.
    Anything,
    /// One of these, in any case; they mean the same.
    OneOf(&'static [&'static str]),
    /// A time: milliseconds, or with a unit. The server acts on it.
    Time,
    /// True or false. The server acts on it.
    Truth,
    /// What the transaction takes, which knows its value.
    Ignored,
    /// Nothing: it can be shown.
    Nothing,
}

struct Known {
    name: &'static str,
    /// As clients know it.
    shown: &'static str,
    value: &'static str,
    takes: Takes,
    /// Clients are told of changes.
    told: bool,
}

const fn known(name: &'static str, value: &'static str, takes: Takes) -> Known {
    Known { name, shown: name, value, takes, told: false }
}

const fn told(name: &'static str, shown: &'static str, value: &'static str, takes: Takes) -> Known {
    Known { name, shown, value, takes, told: true }
}

/// The version of PostgreSQL whose protocol and dialect this is.
pub(crate) const SERVER_VERSION: &str = "15.8";

const UTF8: Takes = Takes::OneOf(&["utf8", "utf-8", "unicode"]);
const ON: Takes = Takes::OneOf(&["on", "true", "yes", "1"]);
const OFF: Takes = Takes::OneOf(&["off", "false", "no", "0"]);
const LEVELS: Takes = Takes::OneOf(&["repeatable read", "read committed", "read uncommitted"]);

const KNOWN: &[Known] = &[
    told("application_name", "application_name", "", Takes::Anything),
    told("client_encoding", "client_encoding", "UTF8", UTF8),
    told("datestyle", "DateStyle", "ISO, MDY", Takes::OneOf(&["iso", "iso, mdy", "iso, dmy", "iso, ymd"])),
    told("default_transaction_read_only", "default_transaction_read_only", "off", Takes::Truth),
    told("in_hot_standby", "in_hot_standby", "off", Takes::Nothing),
    told("integer_datetimes", "integer_datetimes", "on", Takes::Nothing),
    told("intervalstyle", "IntervalStyle", "postgres", Takes::OneOf(&["postgres"])),
    told("is_superuser", "is_superuser", "on", Takes::Nothing),
    told("server_encoding", "server_encoding", "UTF8", Takes::Nothing),
    told("server_version", "server_version", SERVER_VERSION, Takes::Nothing),
    told("session_authorization", "session_authorization", "", Takes::Nothing),
    told("standard_conforming_strings", "standard_conforming_strings", "on", ON),
    told("timezone", "TimeZone", "UTC", Takes::OneOf(&["utc", "gmt", "etc/utc", "z", "0", "+00:00"])),
    known("backslash_quote", "safe_encoding", Takes::OneOf(&["safe_encoding"])),
    known("bytea_output", "hex", Takes::OneOf(&["hex"])),
    known("check_function_bodies", "on", Takes::Anything),
    known("client_min_messages", "notice", Takes::Anything),
    known("default_table_access_method", "heap", Takes::OneOf(&["heap"])),
    known("default_tablespace", "", Takes::OneOf(&[""])),
    known("default_transaction_deferrable", "off", OFF),
    known("default_transaction_isolation", "repeatable read", LEVELS),
    known("extra_float_digits", "1", Takes::Anything),
    known("idle_in_transaction_session_timeout", "0", Takes::Time),
    known("idle_session_timeout", "0", Takes::Time),
    known("jit", "off", Takes::Anything),
    known("lc_messages", "C", Takes::OneOf(&["c", "posix", "c.utf-8", "en_us.utf-8", ""])),
    known("lock_timeout", "0", Takes::OneOf(&["0", "0ms", "0s"])),
    known("max_identifier_length", "63", Takes::Nothing),
    known("quote_all_identifiers", "off", OFF),
    known("row_security", "off", OFF),
    known(
        "search_path",
        "public",
        Takes::OneOf(&["public", "$user, public", "pg_catalog", "pg_catalog, public", ""]),
    ),
    known("server_version_num", "150008", Takes::Nothing),
    known("statement_timeout", "0", Takes::Time),
    known("synchronize_seqscans", "off", Takes::Anything),
    known("transaction_deferrable", "off", OFF),
    known("transaction_isolation", "repeatable read", LEVELS),
    known("transaction_read_only", "off", Takes::Ignored),
    known("xmloption", "content", Takes::Anything),
];

fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The settings of a session that are not what they are everywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// What they go back to by `RESET`: the server's own, and what the client asked for when it connected.
    initial: BTreeMap<String, String>,
    current: BTreeMap<String, String>,
    /// As they were when the transaction began, once it has changed one.
    before: Option<BTreeMap<String, String>>,
    /// What the transaction changed for itself alone, with what was there before.
    local: BTreeMap<String, Option<String>>,
}

impl Settings {
    /// The settings of a new session.
    pub(crate) fn new(initial: BTreeMap<String, String>) -> Settings {
        Settings { current: initial.clone(), initial, ..Settings::default() }
    }

    /// A setting that the client asks for when it connects. What cannot be as it wishes stays as it is, and the client
    /// is told what that is.
    pub(crate) fn start_with(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        if let Ok(value) = accepted(&name, value) {
            self.initial.insert(name.clone(), value.clone());
            self.current.insert(name, value);
        }
    }

    /// Whose session it is.
    pub(crate) fn begin_as(&mut self, user: &str) {
        for settings in [&mut self.initial, &mut self.current] {
            settings.insert("session_authorization".to_string(), user.to_string());
        }
    }

    /// The value of a setting.
    pub(crate) fn get(&self, name: &str) -> Result<String, Report> {
        let name = name.to_ascii_lowercase();
        let value = self.current.get(&name).cloned();
        let value = value.or_else(|| find(&name).map(|known| known.value.to_string()));
        value.ok_or_else(|| unknown(&name))
    }

    /// Sets it; `None` is its default. `in_transaction` says whether a rollback must know what was there before.
    pub(crate) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        local: bool,
        in_transaction: bool,
    ) -> Result<(), Report> {
        let name = name.to_ascii_lowercase();
        let value = match value {
            Some(value) => Some(accepted(&name, value)?),
            None if find(&name).is_none() && !name.contains('.') => return Err(unknown(&name)),
            None => self.initial.get(&name).cloned(),
        };
        if local && !in_transaction {
            return Ok(());
        }
        if in_transaction {
            self.before.get_or_insert_with(|| self.current.clone());
        }
        match local {
            true => {
                let there = self.current.get(&name).cloned();
                self.local.entry(name.clone()).or_insert(there);
            }
            // What the session sets outlives what the transaction set for itself.
            false => {
                self.local.remove(&name);
            }
        }
        match value {
            Some(value) => self.current.insert(name, value),
            None => self.current.remove(&name),
        };
        Ok(())
    }

    /// All settings go back to what they were when the client connected.
    pub(crate) fn reset(&mut self, in_transaction: bool) {
        if in_transaction {
            self.before.get_or_insert_with(|| self.current.clone());
        }
        self.local.clear();
        self.current = self.initial.clone();
    }

    /// Whether the transaction has changed any.
    pub(crate) fn has_changed(&self) -> bool {
        self.before.is_some()
    }

    /// The transaction ends.
    pub(crate) fn end_transaction(&mut self, committed: bool) {
        let before = self.before.take();
        let local = std::mem::take(&mut self.local);
        match before {
            Some(before) if !committed => self.current = before,
            _ => {
                for (name, value) in local {
                    match value {
                        Some(value) => self.current.insert(name, value),
                        None => self.current.remove(&name),
                    };
                }
            }
        }
    }

    /// A time; nothing if it is zero.
    pub(crate) fn time(&self, name: &str) -> Option<Duration> {
        let text = self.current.get(name)?;
        milliseconds(text).filter(|&ms| ms > 0).map(Duration::from_millis)
    }

    /// What clients are told of: names as they know them, and values.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        KNOWN
            .iter()
            .filter(|known| known.told)
            .map(|known| (known.shown, self.current.get(known.name).map_or(known.value, String::as_str)))
    }

    /// All settings with their values, for `SHOW ALL`.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        KNOWN
            .iter()
            .map(|known| (known.shown, self.current.get(known.name).map_or(known.value, String::as_str)))
    }
}

/// The name of a setting as clients know it.
pub(crate) fn shown(name: &str) -> String {
    find(name).map_or_else(|| name.to_ascii_lowercase(), |known| known.shown.to_string())
}

/// The value that a setting has once it is set to this text.
fn accepted(name: &str, text: &str) -> Result<String, Report> {
    let Some(known) = find(name) else {
        // Names with a point are whoever's uses them.
        return if name.contains('.') { Ok(text.to_string()) } else { Err(unknown(name)) };
    };
    let refused =
        || Report::error("22023", format!("invalid value for parameter \"{}\": \"{text}\"", known.shown));
    match known.takes {
        Takes::Anything => Ok(text.to_string()),
        Takes::Ignored => Ok(known.value.to_string()),
        Takes::Truth => Ok(if is_on(text) { "on" } else { "off" }.to_string()),
        Takes::Time => milliseconds(text).map(shown_time).ok_or_else(refused),
        Takes::OneOf(values) if values.contains(&text.to_ascii_lowercase().replace('"', "").as_str()) => {
            Ok(known.value.to_string())
        }
        Takes::OneOf(_) => Err(Report::error("0A000", refused().message.clone()).with_hint(format!(
            "it is {} here, always",
            if known.value.is_empty() { "empty" } else { known.value }
        ))),
        Takes::Nothing => {
            Err(Report::error("55P02", format!("parameter \"{}\" cannot be changed", known.shown)))
        }
    }
}

/// Whether a text says yes.
pub(crate) fn is_on(text: &str) -> bool {
    ["on", "true", "yes", "1", "t", "y"].contains(&text.to_ascii_lowercase().as_str())
}

fn unknown(name: &str) -> Report {
    Report::error("42704", format!("unrecognized configuration parameter \"{name}\""))
}

fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(unit).filter(|&ms| ms <= i32::MAX as u64)
}

/// A time in the largest unit that says it exactly.
fn shown_time(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    match units.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None => "0".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_takes_settings_back() {
        let mut settings = Settings::new(BTreeMap::new());
        settings.set("application_name", Some("a"), false, false).expect("known");
        settings.set("application_name", Some("b"), false, true).expect("known");
        settings.end_transaction(false);
        assert_eq!(settings.get("application_name").as_deref(), Ok("a"));
        settings.set("application_name", Some("b"), true, true).expect("known");
        settings.set("statement_timeout", Some("1500"), false, true).expect("known");
        settings.end_transaction(true);
        assert_eq!(settings.get("application_name").as_deref(), Ok("a"));
        assert_eq!(settings.get("statement_timeout").as_deref(), Ok("1500ms"));
        assert_eq!(settings.time("statement_timeout"), Some(Duration::from_millis(1500)));
        settings.set("statement_timeout", None, false, false).expect("known");
        assert_eq!(settings.time("statement_timeout"), None);
    }

    #[test]
    fn what_is_not_so_is_refused() {
        let mut settings = Settings::new(BTreeMap::new());
        let mut code =
            |name, value| settings.set(name, Some(value), false, false).map_err(|report| report.code);
        assert_eq!(code("timezone", "UTC"), Ok(()));
        assert_eq!(code("TimeZone", "Europe/Rome"), Err("0A000"));
        assert_eq!(code("server_version", "9"), Err("55P02"));
        assert_eq!(code("statement_timeout", "soon"), Err("22023"));
        assert_eq!(code("nonsense", "1"), Err("42704"));
        assert_eq!(code("my.own", "1"), Ok(()));
    }
}
