//! Dates, times, timestamps and intervals read from text, in the spellings PostgreSQL takes.
//!
//! Understood are ISO 8601 and its usual relaxations, month names, `MM/DD/YYYY`, `YYYYMMDD`, AM/PM, BC, numeric
//! zone offsets and UTC. Words whose meaning changes with the clock (`now`, `today`) and infinities are refused.

use crate::calendar::{Civil, DAY, HOUR, MINUTE, SECOND, checked_date, timestamp};
use crate::datetime::date_of;
use crate::error::{ErrorKind, Failure};

/// A date; a time of day behind it is read and dropped.
pub(crate) fn parse_date(text: &str) -> Result<i64, Failure> {
    let parts = Parts::read(text, "date")?;
    parts.days("date", text).and_then(checked_date)
}

/// A time of day; a date before it is read and dropped.
pub(crate) fn parse_time(text: &str) -> Result<i64, Failure> {
    let parts = Parts::read(text, "time")?;
    parts.time.ok_or_else(|| invalid("time", text))
}

/// A timestamp without time zone; a zone is read and dropped.
pub(crate) fn parse_timestamp(text: &str) -> Result<i64, Failure> {
    let parts = Parts::read(text, "timestamp")?;
    timestamp(parts.days("timestamp", text)?, parts.time.unwrap_or(0))
}

/// A timestamp with time zone, UTC where none is written.
pub(crate) fn parse_timestamptz(text: &str) -> Result<i64, Failure> {
    const NAME: &str = "timestamp with time zone";
    let parts = Parts::read(text, NAME)?;
    timestamp(parts.days(NAME, text)?, parts.time.unwrap_or(0) - parts.zone.unwrap_or(0))
}

fn invalid(name: &str, text: &str) -> Failure {
    Failure::new(ErrorKind::InvalidDatetime, format!("invalid input syntax for type {name}: \"{text}\""))
}

fn field_overflow(text: &str) -> Failure {
    Failure::new(ErrorKind::DatetimeOverflow, format!("date/time field value out of range: \"{text}\""))
}

/// What was found in the text, before it is put together.
#[derive(Default)]
struct Parts {
    /// The date's fields as written: numbers, and at most one month by name.
    date: Vec<DateField>,
    time: Option<i64>,
    /// Microseconds east of UTC.
    zone: Option<i64>,
    before_christ: bool,
    epoch: bool,
}

#[derive(Clone, Copy)]
enum DateField {
    Number { value: i64, digits: usize },
    Month(i64),
}

impl Parts {
    fn read(text: &str, name: &str) -> Result<Parts, Failure> {
        let mut parts = Parts::default();
        let mut meridian = None;
        for word in words(text) {
            match word.to_ascii_lowercase().as_str() {
                "am" => meridian = Some(false),
                "pm" => meridian = Some(true),
                "bc" => parts.before_christ = true,
                "ad" => {}
                "epoch" => parts.epoch = true,
                "z" | "utc" | "gmt" | "zulu" => parts.zone = Some(0),
                _ => {
                    parts.word(word).ok_or_else(|| invalid(name, text))?.map_err(|()| field_overflow(text))?
                }
            }
        }
        if let Some(afternoon) = meridian {
            let time = parts.time.ok_or_else(|| invalid(name, text))?;
            let hour = time / HOUR;
            if !(1..=12).contains(&hour) {
                return Err(field_overflow(text));
            }
            parts.time = Some(time - hour * HOUR + (hour % 12 + if afternoon { 12 } else { 0 }) * HOUR);
        }
        Ok(parts)
    }

    /// Takes one word in. `None` where it makes no sense, an inner error where a field is out of range.
    fn word(&mut self, word: &str) -> Option<Result<(), ()>> {
        if word.contains(':') && !word.starts_with(['+', '-']) {
            return self.time_word(word);
        }
        if word.starts_with(['+', '-']) {
            self.time?;
            self.zone = Some(zone(word)?);
            return Some(Ok(()));
        }
        if is_weekday(word) {
            return Some(Ok(()));
        }
        for piece in word.trim_end_matches(',').split(['-', '/', '.', ',']) {
            let field = match month(piece) {
                Some(month) => DateField::Month(month),
                None => DateField::Number { value: number(piece)?, digits: piece.len() },
            };
            self.date.push(field);
        }
        (self.date.len() <= 3).then_some(Ok(()))
    }

    fn time_word(&mut self, word: &str) -> Option<Result<(), ()>> {
        if self.time.is_some() {
            return None;
        }
        let end = word.find(['+', '-', 'z', 'Z', 'a', 'A', 'p', 'P']).unwrap_or(word.len());
        let (clock, suffix) = word.split_at(end);
        let mut pieces = clock.split(':');
        let hour = number(pieces.next()?)?;
        let minute = number(pieces.next()?)?;
        let micros = match pieces.next() {
            Some(seconds) => second(seconds)?,
            None => 0,
        };
        if pieces.next().is_some() {
            return None;
        }
        let time = hour * HOUR + minute * MINUTE + micros;
        if hour > 24 || minute > 59 || micros > MINUTE || time > DAY {
            return Some(Err(()));
        }
        self.time = Some(time);
        match suffix.to_ascii_lowercase().as_str() {
            "" => {}
            "z" => self.zone = Some(0),
            "am" | "pm" => return self.meridian(suffix.eq_ignore_ascii_case("pm"), hour),
            _ => self.zone = Some(zone(suffix)?),
        }
        Some(Ok(()))
    }

    fn meridian(&mut self, afternoon: bool, hour: i64) -> Option<Result<(), ()>> {
        if !(1..=12).contains(&hour) {
            return Some(Err(()));
        }
        let shift = hour % 12 - hour + if afternoon { 12 } else { 0 };
        self.time = self.time.map(|time| time + shift * HOUR);
        Some(Ok(()))
    }

    /// Days since 1970-01-01.
    fn days(&self, name: &str, text: &str) -> Result<i64, Failure> {
        if self.epoch && self.date.is_empty() {
            return Ok(0);
        }
        let (mut civil, short_year) = self.civil().ok_or_else(|| invalid(name, text))?;
        if short_year && !self.before_christ {
            civil.year += if civil.year < 70 { 2000 } else { 1900 };
        }
        if civil.year == 0 {
            return Err(field_overflow(text));
        }
        if self.before_christ {
            civil.year = 1 - civil.year;
        }
        date_of(civil).ok_or_else(|| field_overflow(text))
    }

    /// Year, month and day by their place and length, and whether the year has two digits only.
    fn civil(&self) -> Option<(Civil, bool)> {
        use DateField::{Month, Number};
        let (year, digits, month, day) = match *self.date.as_slice() {
            [Number { value, digits: 8 }] => (value / 10_000, 4, value / 100 % 100, value % 100),
            [Number { value, digits: 6 }] => (value / 10_000, 2, value / 100 % 100, value % 100),
            [Number { value: y, digits }, Number { value: m, .. }, Number { value: d, .. }] if digits > 2 => {
                (y, digits, m, d)
            }
            [Number { value: m, .. }, Number { value: d, .. }, Number { value: y, digits }] => {
                (y, digits, m, d)
            }
            [Month(m), Number { value: d, .. }, Number { value: y, digits }] => (y, digits, m, d),
            [Number { value: y, digits }, Month(m), Number { value: d, .. }] if digits > 2 => {
                (y, digits, m, d)
            }
            [Number { value: d, .. }, Month(m), Number { value: y, digits }] => (y, digits, m, d),
            _ => return None,
        };
        Some((Civil { year, month, day }, digits <= 2))
    }
}

/// The words of a date or time: split at blanks, and at the T between a date and a time.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace().flat_map(|word| {
        let cut = word.char_indices().find(|&(at, c)| {
            let digit = |i: usize| word.as_bytes().get(i).is_some_and(u8::is_ascii_digit);
            (c == 'T' || c == 't') && at > 0 && digit(at - 1) && digit(at + 1)
        });
        let (first, second) = match cut {
            Some((at, _)) => (&word[..at], &word[at + 1..]),
            None => (word, ""),
        };
        [first, second].into_iter().filter(|part| !part.is_empty())
    })
}

/// A number of at most nine digits.
fn number(text: &str) -> Option<i64> {
    let sound = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.bytes().fold(0, |sum, b| sum * 10 + i64::from(b - b'0')))
}

/// Seconds with a fraction, in microseconds, rounded.
fn second(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(number(whole)? * SECOND + micros_of(fraction)?)
}

/// The digits after a decimal point as microseconds, rounded half up.
fn micros_of(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().map(|b| i64::from(b - b'0')).chain(std::iter::repeat(0));
    let millionths = digits.take(7).fold(0, |sum, digit| sum * 10 + digit);
    Some((millionths + 5) / 10)
}

/// An offset from UTC such as `+02`, `-0330` or `+05:45:10`, in microseconds.
fn zone(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.strip_prefix(['+', '-'])?;
    let (hour, minute, second) = match digits.split(':').collect::<Vec<_>>()[..] {
        [all] if all.len() == 4 => (number(&all[..2])?, number(&all[2..])?, 0),
        [hour] => (number(hour)?, 0, 0),
        [hour, minute] => (number(hour)?, number(minute)?, 0),
        [hour, minute, second] => (number(hour)?, number(minute)?, number(second)?),
        _ => return None,
    };
    (hour <= 15 && minute < 60 && second < 60)
        .then_some(sign * (hour * HOUR + minute * MINUTE + second * SECOND))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn month(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let named =
        |name: &&str| lower == **name || lower == name[..3] || (lower == "sept" && name.starts_with("sept"));
    MONTHS.iter().position(named).map(|at| at as i64 + 1)
}

fn is_weekday(text: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let lower = text.trim_end_matches(',').to_ascii_lowercase();
    DAYS.iter().any(|name| lower == *name || lower == name[..3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::days_from_civil;

    #[test]
    fn dates_in_many_spellings() {
        let expected = days_from_civil(1999, 1, 8);
        for text in [
            "1999-01-08",
            " 1999-1-8 ",
            "19990108",
            "990108",
            "1/8/1999",
            "01/08/99",
            "January 8, 1999",
            "8 Jan 1999",
            "1999-Jan-08",
            "Fri Jan 8 1999",
            "1999/01/08",
            "08-Jan-1999",
            "1999-01-08 10:00",
            "1999-01-08T10:00:00Z",
        ] {
            assert_eq!(parse_date(text), Ok(expected), "{text}");
        }
        assert_eq!(parse_date("0044-03-15 BC"), Ok(days_from_civil(-43, 3, 15)));
        for (text, kind) in [
            ("", ErrorKind::InvalidDatetime),
            ("tomorrow", ErrorKind::InvalidDatetime),
            ("infinity", ErrorKind::InvalidDatetime),
            ("1999-01", ErrorKind::InvalidDatetime),
            ("1999-13-01", ErrorKind::DatetimeOverflow),
            ("2023-02-29", ErrorKind::DatetimeOverflow),
            ("1999-01-00", ErrorKind::DatetimeOverflow),
            ("0000-01-01", ErrorKind::DatetimeOverflow),
            ("9999999-01-01", ErrorKind::DatetimeOverflow),
            ("1999-01-08-09", ErrorKind::InvalidDatetime),
        ] {
            assert_eq!(parse_date(text).map_err(|e| e.kind), Err(kind), "{text}");
        }
    }

    #[test]
    fn times_and_zones() {
        for (text, expected) in [
            ("04:05:06.789", Some(4 * HOUR + 5 * MINUTE + 6 * SECOND + 789_000)),
            ("04:05", Some(4 * HOUR + 5 * MINUTE)),
            ("04:05 PM", Some(16 * HOUR + 5 * MINUTE)),
            ("12:00 AM", Some(0)),
            ("12:00:00am", Some(0)),
            ("24:00:00", Some(DAY)),
            ("24:00:01", None),
            ("25:00", None),
            ("13:00 PM", None),
            ("10:60", None),
            ("1:2:3:4", None),
            ("00:00:00.0000005", Some(1)),
        ] {
            assert_eq!(parse_time(text).ok(), expected, "{text}");
        }
        let noon = 12 * HOUR;
        for (text, expected) in [
            ("1970-01-01 12:00+00", noon),
            ("1970-01-01 12:00:00 UTC", noon),
            ("1970-01-01T14:00:00+02", noon),
            ("1970-01-01 08:30:00 -0330", noon),
            ("1970-01-01 17:45+05:45", noon),
            ("epoch", 0),
        ] {
            assert_eq!(parse_timestamptz(text), Ok(expected), "{text}");
        }
        assert_eq!(parse_timestamp("1970-01-01 12:00:00+05"), Ok(noon));
        assert!(parse_timestamp("294300-01-01").is_err());
    }
}
