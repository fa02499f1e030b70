//! The settings of a session: what `SET` takes, what `SHOW` shows, and what clients are told of.
//!
//! A setting is accepted if the server acts on it, if it asks for what is the case here anyway, or if no answer depends
//! on it (`known` says which, and why); any other is refused by name, so that nothing is promised and not kept. What `SET` changed in a transaction goes back with a
//! rollback, and what `SET LOCAL` changed goes back with either end.

use std::collections::BTreeMap;
use std::time::Duration;

use gnitz::SessionFacts;
use gnitz::settings::Unfit;

use crate::pg::error::Report;

mod known;

use known::{Known, Takes, find};

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
        let value = value.or_else(|| find(&name).map(|known| known.value.clone()));
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
        let ms = find(name)?.info.amount(text)?;
        (ms > 0.0).then(|| Duration::from_millis(ms as u64))
    }

    /// Whether the client wants to hear remarks of this severity.
    pub(crate) fn wants(&self, severity: &str) -> bool {
        match self.current.get("client_min_messages").map(String::as_str) {
            Some("error") => !matches!(severity, "NOTICE" | "WARNING"),
            Some("warning") => severity != "NOTICE",
            _ => true,
        }
    }

    /// What clients are told of: names as they know them, and values.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&'static str, &str)> {
        known::all().iter().filter(|known| known.told).map(|known| self.shown(known))
    }

    /// All settings with their values and what they are, for `SHOW ALL`.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        known::all().iter().map(|known| {
            let (name, value) = self.shown(known);
            (name, value, known.info.description)
        })
    }

    fn shown(&self, known: &'static Known) -> (&'static str, &str) {
        (known.info.name, self.current.get(&known.name).map_or(known.value.as_str(), String::as_str))
    }

    /// Has the catalogs say what the settings are. Who the session is they know better.
    pub(crate) fn share(&self, facts: &mut SessionFacts) {
        facts.settings.clear();
        facts.search_path = SessionFacts::default().search_path;
        for (name, value) in self.current.iter().filter(|(name, _)| *name != "session_authorization") {
            facts.set(&shown(name), value);
        }
    }
}

/// The name of a setting as clients know it.
pub(crate) fn shown(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    find(&lower).map_or(lower, |known| known.info.name.to_string())
}

/// The value that a setting has once it is set to this text.
fn accepted(name: &str, text: &str) -> Result<String, Report> {
    let Some(known) = find(name) else {
        // Names with a point are whoever's uses them.
        return if name.contains('.') { Ok(text.to_string()) } else { Err(unknown(name)) };
    };
    let shown = known.info.name;
    let refused = |code| Report::error(code, format!("invalid value for parameter \"{shown}\": \"{text}\""));
    match known.takes {
        Takes::Free => known.info.read(text).map_err(|unfit| match unfit {
            Unfit::Invalid { hint: None } => refused("22023"),
            Unfit::Invalid { hint: Some(hint) } => refused("22023").with_hint(hint),
            Unfit::OutOfRange { message } => Report::error("22023", message),
        }),
        Takes::Ignored => Ok(known.value.clone()),
        Takes::OneOf(values) if values.contains(&text.to_ascii_lowercase().replace('"', "").as_str()) => {
            Ok(known.value.clone())
        }
        Takes::OneOf(_) => Err(refused("0A000").with_hint(format!(
            "it is {} here, always",
            if known.value.is_empty() { "empty" } else { &known.value }
        ))),
        Takes::Nothing => Err(Report::error("55P02", format!("parameter \"{shown}\" cannot be changed"))),
    }
}

/// Whether a text says yes.
pub(crate) fn is_on(text: &str) -> bool {
    gnitz::settings::truth(text) == Some(true)
}

fn unknown(name: &str) -> Report {
    Report::error("42704", format!("unrecognized configuration parameter \"{name}\""))
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
        assert_eq!(code("work_mem", "1"), Err("22023"));
        assert_eq!(code("log_statement", "all"), Err("42704"));
    }

    #[test]
    fn remarks_are_for_those_who_want_them() {
        let mut settings = Settings::new(BTreeMap::new());
        let mut wanted = |value: &str| {
            settings.set("client_min_messages", Some(value), false, false).expect(value);
            ["NOTICE", "WARNING", "ERROR"].map(|severity| settings.wants(severity))
        };
        assert_eq!(wanted("debug1"), [true, true, true]);
        assert_eq!(wanted("Warning"), [false, true, true]);
        assert_eq!(wanted("error"), [false, false, true]);
    }
}
