//! The settings that a session has: their names, types and values, as PostgreSQL has them (`data/settings.tsv`), and
//! how the text of a value is read and shown. Whether a setting may be changed is not said here: a server knows what
//! it keeps.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The version of PostgreSQL whose dialect, catalogs and protocol these are.
pub const POSTGRES_VERSION: &str = "15.8";

/// The same as a number.
pub const POSTGRES_VERSION_NUM: &str = "150008";

/// Values that are others here than in PostgreSQL.
const OWN: [(&str, &str); 10] = [
    ("TimeZone", "UTC"),
    ("client_encoding", "UTF8"),
    ("default_transaction_isolation", "repeatable read"),
    ("jit", "off"),
    ("lc_messages", "C"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", POSTGRES_VERSION),
    ("server_version_num", POSTGRES_VERSION_NUM),
    ("transaction_isolation", "repeatable read"),
];

/// Settings that `SHOW` knows and `pg_settings` does not list.
const UNLISTED: [(&str, &str); 2] = [("is_superuser", "on"), ("session_authorization", "gnitz")];

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// `on` or `off`.
    Bool,
    /// A whole number, perhaps with a unit.
    Integer,
    /// A number, perhaps with a unit.
    Real,
    /// Any text.
    Text,
    /// One of a few words.
    Choice,
}

/// A setting.
#[derive(Clone, Debug)]
pub struct SettingInfo {
    /// Its name, in PostgreSQL's spelling.
    pub name: &'static str,
    /// Its value unless it is set, in the unit.
    pub value: &'static str,
    /// What its values are.
    pub kind: SettingKind,
    /// Who can change it, by PostgreSQL's word.
    pub context: &'static str,
    /// What a number without a unit counts.
    pub unit: Option<&'static str>,
    /// The smallest number, as text.
    pub min: Option<&'static str>,
    /// The largest number, as text.
    pub max: Option<&'static str>,
    /// The words, if it is a choice.
    pub choices: Vec<&'static str>,
    /// What it is about.
    pub category: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Whether `pg_settings` lists it.
    pub listed: bool,
}

struct Registry {
    all: Vec<SettingInfo>,
    by_name: HashMap<String, usize>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut all: Vec<SettingInfo> = include_str!("../data/settings.tsv").lines().filter_map(line).collect();
    all.extend(UNLISTED.iter().map(|(name, value)| SettingInfo {
        name,
        value,
        kind: SettingKind::Text,
        context: "internal",
        unit: None,
        min: None,
        max: None,
        choices: Vec::new(),
        category: "",
        description: "",
        listed: false,
    }));
    let by_name = all.iter().enumerate().map(|(at, info)| (info.name.to_ascii_lowercase(), at)).collect();
    Registry { all, by_name }
});

fn line(line: &'static str) -> Option<SettingInfo> {
    let fields: Vec<&str> = line.split('\t').collect();
    let &[name, value, kind, context, unit, min, max, choices, category, description] = fields.as_slice()
    else {
        return None;
    };
    let some = |field: &'static str| (field != "\\N").then_some(field);
    let own = OWN.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    Some(SettingInfo {
        name,
        value: own.or(some(value)).unwrap_or_default(),
        kind: match kind {
            "bool" => SettingKind::Bool,
            "integer" => SettingKind::Integer,
            "real" => SettingKind::Real,
            "enum" => SettingKind::Choice,
            _ => SettingKind::Text,
        },
        context,
        unit: some(unit),
        // A value that is another's has another's bounds.
        min: some(min).filter(|_| own.is_none()),
        max: some(max).filter(|_| own.is_none()),
        choices: some(choices).map(|choices| choices.split(',').collect()).unwrap_or_default(),
        category,
        description,
        listed: true,
    })
}

/// Every setting.
pub fn all_settings() -> &'static [SettingInfo] {
    &REGISTRY.all
}

/// The setting of a name, whatever its case.
pub fn setting_info(name: &str) -> Option<&'static SettingInfo> {
    REGISTRY.by_name.get(&name.to_ascii_lowercase()).map(|at| &REGISTRY.all[*at])
}

/// Why a text is no value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It cannot be read as one.
    Invalid {
        /// What could be, if that can be listed.
        hint: Option<String>,
    },
    /// It is a number outside the range.
    OutOfRange {
        /// What PostgreSQL says of it.
        message: String,
    },
}

/// A unit: its name, and how many of the smallest unit of its kind (bytes, milliseconds) it is.
type Unit = (&'static str, f64);

const MEMORY: [Unit; 5] =
    [("TB", 1_099_511_627_776.0), ("GB", 1_073_741_824.0), ("MB", 1_048_576.0), ("kB", 1024.0), ("B", 1.0)];

const TIME: [Unit; 6] =
    [("d", 86_400_000.0), ("h", 3_600_000.0), ("min", 60_000.0), ("s", 1_000.0), ("ms", 1.0), ("us", 0.001)];

impl SettingInfo {
    /// Its value unless it is set, as `SHOW` shows it.
    pub fn default_shown(&self) -> String {
        self.read(self.value).unwrap_or_else(|_| self.value.to_string())
    }

    /// A text as `SHOW` shows it once it is the value.
    pub fn read(&self, text: &str) -> Result<String, Unfit> {
        match self.kind {
            SettingKind::Text => Ok(text.to_string()),
            SettingKind::Bool => match truth(text) {
                Some(value) => Ok(if value { "on" } else { "off" }.to_string()),
                None => Err(Unfit::Invalid { hint: None }),
            },
            SettingKind::Choice => self.choice(text),
            SettingKind::Integer | SettingKind::Real => self.number(text).map(|number| self.shown(number)),
        }
    }

    /// A value that is shown, as `pg_settings` lists it: numbers count the unit.
    pub fn listed_value(&self, shown: &str) -> String {
        match self.kind {
            SettingKind::Integer | SettingKind::Real => {
                self.number(shown).map_or_else(|_| shown.to_string(), plain)
            }
            _ => shown.to_string(),
        }
    }

    /// How many of the smallest unit (bytes, milliseconds) a number is that this shows.
    pub fn amount(&self, shown: &str) -> Option<f64> {
        let (_, base) = self.units();
        self.number(shown).ok().map(|number| number * base)
    }

    fn choice(&self, text: &str) -> Result<String, Unfit> {
        let named = |word: &str| self.choices.iter().find(|choice| choice.eq_ignore_ascii_case(word));
        let word = truth(text).map_or("", |value| if value { "on" } else { "off" });
        match named(text).or_else(|| named(word)) {
            Some(choice) => Ok((*choice).to_string()),
            None => {
                let hint = Some(format!("Available values: {}.", self.choices.join(", ")));
                Err(Unfit::Invalid { hint })
            }
        }
    }

    /// The units that a number may have, and how many of the smallest the base unit is.
    fn units(&self) -> (&'static [Unit], f64) {
        match self.unit {
            Some("8kB") => (&MEMORY, 8192.0),
            Some("kB") => (&MEMORY, 1024.0),
            Some("MB") => (&MEMORY, 1_048_576.0),
            Some("B") => (&MEMORY, 1.0),
            Some("s") => (&TIME, 1_000.0),
            Some("min") => (&TIME, 60_000.0),
            Some("ms") => (&TIME, 1.0),
            _ => (&[], 1.0),
        }
    }

    /// The number that a text is, counted in the base unit.
    fn number(&self, text: &str) -> Result<f64, Unfit> {
        let text = text.trim();
        let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
        // An exponent belongs to the number; no unit begins with one.
        let exponent = |at: usize| {
            let rest = text[at..].strip_prefix(['e', 'E']);
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')))
        };
        let mut end = text.find(|c| !digits(c)).unwrap_or(text.len());
        if end < text.len() && exponent(end) {
            end = text[end + 1..].find(|c| !digits(c)).map_or(text.len(), |more| end + 1 + more);
        }
        let (number, unit) = (&text[..end], text[end..].trim());
        let (units, base) = self.units();
        let factor = match unit {
            "" => Some(base),
            unit => units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor),
        };
        let read = number.parse::<f64>().ok().filter(|number| number.is_finite()).zip(factor);
        let (number, factor) = read.ok_or_else(|| {
            let list = |units: &[Unit]| {
                let names: Vec<String> = units.iter().rev().map(|(name, _)| format!("\"{name}\"")).collect();
                format!("Valid units for this parameter are {}.", names.join(", "))
            };
            Unfit::Invalid { hint: (!units.is_empty()).then(|| list(units)) }
        })?;
        let mut number = number * factor / base;
        if self.kind == SettingKind::Integer {
            number = number.round_ties_even();
        }
        let bound = |bound: Option<&str>| bound.and_then(|bound| bound.parse::<f64>().ok());
        let (min, max) = (bound(self.min), bound(self.max));
        if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
            let unit = self.unit.map_or(String::new(), |unit| format!(" {unit}"));
            let message = format!(
                "{}{unit} is outside the valid range for parameter \"{}\" ({} .. {})",
                plain(number),
                self.name,
                self.min.unwrap_or_default(),
                self.max.unwrap_or_default()
            );
            return Err(Unfit::OutOfRange { message });
        }
        Ok(number)
    }

    /// A number in the largest unit of which it is a whole count.
    fn shown(&self, number: f64) -> String {
        let (units, base) = self.units();
        let amount = number * base;
        let whole = units.iter().find(|(_, factor)| amount > 0.0 && (amount / factor).fract() == 0.0);
        match whole {
            Some((name, factor)) => format!("{}{name}", plain(amount / factor)),
            None => plain(number),
        }
    }
}

/// A number without an empty fraction.
fn plain(number: f64) -> String {
    format!("{number}")
}

/// Whether a text says yes or no, by any beginning of a word that says it.
pub fn truth(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// The names of a search path, folded unless quoted.
pub fn path_elements(path: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut chars = path.chars().peekable();
    loop {
        match chars.next() {
            Some('"') if quoted && chars.next_if_eq(&'"').is_some() => name.push('"'),
            Some('"') => (quoted, was_quoted) = (!quoted, true),
            Some(c) if quoted => name.push(c),
            Some(c) if c.is_whitespace() => {}
            Some(c) if c != ',' => name.push(c.to_ascii_lowercase()),
            end => {
                let done = std::mem::take(&mut name);
                if was_quoted || !done.is_empty() {
                    names.push(done);
                }
                was_quoted = false;
                if end.is_none() {
                    return names;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, text: &str) -> String {
        match setting_info(name).expect(name).read(text) {
            Ok(shown) => shown,
            Err(Unfit::Invalid { .. }) => "invalid".to_string(),
            Err(Unfit::OutOfRange { message }) => message,
        }
    }

    #[test]
    fn values_are_shown_as_postgresql_shows_them() {
        for (name, text, expected) in [
            ("work_mem", "65536", "64MB"),
            ("work_mem", "64 MB", "64MB"),
            ("work_mem", "1.5GB", "1536MB"),
            ("work_mem", "100", "100kB"),
            ("work_mem", "64XB", "invalid"),
            (
                "work_mem",
                "1",
                "1 kB is outside the valid range for parameter \"work_mem\" (64 .. 2147483647)",
            ),
            ("effective_cache_size", "524288", "4GB"),
            ("lock_timeout", "1s", "1s"),
            ("lock_timeout", "1500", "1500ms"),
            ("lock_timeout", "0", "0"),
            ("lock_timeout", "soon", "invalid"),
            ("enable_seqscan", "FALSE", "off"),
            ("enable_seqscan", "perhaps", "invalid"),
            ("random_page_cost", "1.10", "1.1"),
            ("jit_above_cost", "-1", "-1"),
            ("cursor_tuple_fraction", "1e-1", "0.1"),
            ("synchronous_commit", "Remote_Write", "remote_write"),
            ("synchronous_commit", "no", "off"),
            ("client_min_messages", "loud", "invalid"),
            ("DATESTYLE", "ISO", "ISO"),
        ] {
            assert_eq!(shown(name, text), expected, "{name} = {text}");
        }
        let work_mem = setting_info("work_mem").expect("known");
        assert_eq!(
            (work_mem.default_shown().as_str(), work_mem.listed_value("64MB").as_str()),
            ("4MB", "65536")
        );
        assert_eq!(setting_info("statement_timeout").and_then(|info| info.amount("2min")), Some(120_000.0));
    }

    #[test]
    fn every_default_is_a_value() {
        assert!(all_settings().len() > 100);
        for info in all_settings() {
            assert!(info.read(info.value).is_ok(), "{info:?}");
        }
    }

    #[test]
    fn search_paths_are_lists_of_names() {
        assert_eq!(path_elements("\"$user\", Public,\"A \"\"b\""), ["$user", "public", "A \"b"]);
        assert_eq!(path_elements("\"\""), [""]);
        assert!(path_elements("").is_empty());
    }
}
