//! Time zones by name, for `AT TIME ZONE`: PostgreSQL's abbreviations, the zones of the time zone database, and
//! offsets as POSIX writes them.
//!
//! Names are tried in that order, as PostgreSQL tries them. An offset in POSIX's notation counts hours *west*:
//! `'+02:00'` and `'UTC+2'` are two hours behind Greenwich. An offset as people mean it is an interval.

use arrow::array::timezone::Tz;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::temporal_conversions::{as_datetime, as_datetime_with_timezone};

use crate::error::{SqlError, SqlState};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The zone database's rules are tabled up to this moment (2099-12-31); later ones would be guessed.
const LAST_KNOWN: i64 = 4_102_358_400 * SECOND;

/// Abbreviations of one meaning, with their minutes east of Greenwich. Some are names of zones too: what is meant
/// is the abbreviation.
const ABBREVIATIONS: &[(&str, i64)] = &[
    ("ACDT", 630),
    ("ACST", 570),
    ("ADT", -180),
    ("AEDT", 660),
    ("AEST", 600),
    ("AKDT", -480),
    ("AKST", -540),
    ("AST", -240),
    ("AWST", 480),
    ("BST", 60),
    ("CDT", -300),
    ("CEST", 120),
    ("CET", 60),
    ("CST", -360),
    ("EDT", -240),
    ("EEST", 180),
    ("EET", 120),
    ("EST", -300),
    ("GMT", 0),
    ("HKT", 480),
    ("HST", -600),
    ("IDT", 180),
    ("IST", 120),
    ("JST", 540),
    ("MDT", -360),
    ("MEST", 120),
    ("MESZ", 120),
    ("MET", 60),
    ("MEZ", 60),
    ("MST", -420),
    ("NDT", -150),
    ("NST", -210),
    ("NZDT", 780),
    ("NZST", 720),
    ("PDT", -420),
    ("PST", -480),
    ("SAST", 120),
    ("UCT", 0),
    ("UT", 0),
    ("UTC", 0),
    ("WAT", 60),
    ("WET", 0),
    ("Z", 0),
    ("ZULU", 0),
];

/// A time zone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Zone {
    /// Always so many microseconds east of Greenwich.
    Fixed(i64),
    /// One whose offset changes.
    Named(Tz),
}

impl Zone {
    /// The zone of this name.
    pub(crate) fn parse(name: &str) -> Result<Zone, SqlError> {
        let upper = name.to_ascii_uppercase();
        if let Some((_, minutes)) = ABBREVIATIONS.iter().find(|(known, _)| *known == upper) {
            return Ok(Zone::Fixed(minutes * 60 * SECOND));
        }
        // Offsets that begin with a sign would be understood the other way round there.
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let spellings = [name.to_string(), titled(name), upper];
            if let Some(tz) = spellings.iter().find_map(|spelling| spelling.parse().ok()) {
                return Ok(Zone::Named(tz));
            }
        }
        posix(name).map(Zone::Fixed).ok_or_else(|| {
            SqlError::new(SqlState::InvalidParameter, format!("time zone \"{name}\" not recognized")).with_hint(
                "zones are UTC, names such as Europe/Berlin, usual abbreviations, or an interval: INTERVAL '2 hours'",
            )
        })
    }

    /// What the clocks there show at a moment.
    pub(crate) fn local(self, moment: i64) -> Result<i64, SqlError> {
        let offset = match self {
            Zone::Fixed(offset) => offset,
            Zone::Named(tz) => offset_at(tz, moment)?,
        };
        moment.checked_add(offset).ok_or_else(out_of_range)
    }

    /// The moment at which the clocks there show this. Of two such moments it is the second; where clocks skip it,
    /// it is as if they had not yet been changed.
    pub(crate) fn moment(self, local: i64) -> Result<i64, SqlError> {
        let tz = match self {
            Zone::Fixed(offset) => return local.checked_sub(offset).ok_or_else(out_of_range),
            Zone::Named(tz) => tz,
        };
        known(local)?;
        let clock = as_datetime::<TimestampMicrosecondType>(local).ok_or_else(out_of_range)?;
        match clock.and_local_timezone(tz).latest() {
            Some(moment) => Ok(moment.timestamp_micros()),
            None => Ok(local - offset_at(tz, local - DAY)?),
        }
    }
}

/// Microseconds east of Greenwich at a moment.
fn offset_at(tz: Tz, moment: i64) -> Result<i64, SqlError> {
    known(moment)?;
    let there = as_datetime_with_timezone::<TimestampMicrosecondType>(moment, tz).ok_or_else(out_of_range)?;
    Ok(there.naive_local().and_utc().timestamp_micros() - moment)
}

fn known(moment: i64) -> Result<(), SqlError> {
    if moment > LAST_KNOWN {
        return Err(SqlError::unsupported("a time in a named zone after the year 2099")
            .with_hint("use UTC or an interval as the zone"));
    }
    // What lies before all calendars of the library.
    if moment < -8_200_000_000_000 * SECOND { Err(out_of_range()) } else { Ok(()) }
}

fn out_of_range() -> SqlError {
    SqlError::new(SqlState::DatetimeOverflow, "timestamp out of range")
}

/// `america/new_york` as the database spells it.
fn titled(name: &str) -> String {
    let mut titled = String::with_capacity(name.len());
    for word in name.split_inclusive(['/', '_', '-']) {
        let bare = word.trim_end_matches(['/', '_', '-']).to_ascii_lowercase();
        let small = matches!(bare.as_str(), "of" | "es" | "au");
        for (at, c) in word.char_indices() {
            titled.push(if at == 0 && !small { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        }
    }
    titled
}

/// The offset that POSIX's notation without daylight saving means: a name, which may be missing, and the hours west.
fn posix(text: &str) -> Option<i64> {
    let rest = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => text.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    let (sign, rest) = match rest.as_bytes().first()? {
        b'+' => (-1, &rest[1..]),
        b'-' => (1, &rest[1..]),
        _ => (-1, rest),
    };
    let mut seconds = 0;
    let mut unit = 3600;
    let mut limit = 24;
    let mut fields = rest.split(':');
    for field in fields.by_ref().take(3) {
        let digits = (1..=2).contains(&field.len()) && field.bytes().all(|b| b.is_ascii_digit());
        let value = field.parse::<i64>().ok().filter(|value| digits && *value <= limit)?;
        seconds += value * unit;
        (unit, limit) = (unit / 60, 59);
    }
    fields.next().is_none().then_some(sign * seconds * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(name: &str, moment: i64) -> Option<i64> {
        Some((Zone::parse(name).ok()?.local(moment).ok()? - moment) / (60 * SECOND))
    }

    #[test]
    fn names_mean_what_they_mean_in_postgresql() {
        let (winter, summer) = (1_767_225_600 * SECOND, 1_782_864_000 * SECOND);
        for (name, in_winter, in_summer) in [
            ("UTC", 0, 0),
            ("utc", 0, 0),
            ("Europe/Berlin", 60, 120),
            ("america/new_york", -300, -240),
            ("AMERICA/PORT_OF_SPAIN", -240, -240),
            ("Etc/GMT+3", -180, -180),
            ("EST5EDT", -300, -240),
            // An abbreviation, though there is a zone of this name with summer time.
            ("CET", 60, 60),
            ("pdt", -420, -420),
            ("+02:00", -120, -120),
            ("-2:30", 150, 150),
            ("UTC+3", -180, -180),
            ("<+03>-3", 180, 180),
            ("05", -300, -300),
        ] {
            assert_eq!(
                (offset(name, winter), offset(name, summer)),
                (Some(in_winter), Some(in_summer)),
                "{name}"
            );
        }
        for name in ["", "nonsense", "+0530", "+2:61", "+1:2:3:4", "Europe/Nowhere", "+"] {
            assert_eq!(Zone::parse(name).map_err(|e| e.sqlstate()).err(), Some("22023"), "{name}");
        }
    }

    #[test]
    fn skipped_and_repeated_hours() {
        let berlin = Zone::parse("Europe/Berlin").expect("a zone");
        let day = |days: i64, hour: i64, minute: i64| (days * 86_400 + hour * 3600 + minute * 60) * SECOND;
        // 2026-03-29 02:30 does not exist, 2026-10-25 02:30 twice.
        assert_eq!(berlin.moment(day(20_541, 2, 30)).ok(), Some(day(20_541, 1, 30)));
        assert_eq!(berlin.moment(day(20_751, 2, 30)).ok(), Some(day(20_751, 1, 30)));
        assert_eq!(berlin.moment(5_000_000_000 * SECOND).map_err(|e| e.sqlstate()).err(), Some("0A000"));
    }
}
