//! Intervals read from text: PostgreSQL's `1 year 2 mons -3 days 04:05:06.7`, with `ago`, and ISO 8601's `P1Y2M3DT4H`.
//!
//! A fraction of a unit goes to the smaller parts: of a year to months, of a month to days (30 to the month) and
//! time, of a week or day to time. Everything is computed exactly, in millionths of a microsecond at the least.

use zset::Interval;

use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::error::{ErrorKind, Failure};

/// Reads an interval.
pub(crate) fn parse_interval(text: &str) -> Result<Interval, Failure> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let mut sum = Sum::default();
    let read = match trimmed.strip_prefix(['P', 'p']) {
        Some(iso) => read_iso(iso, &mut sum),
        None => read_words(trimmed, &mut sum),
    };
    read.ok_or_else(|| {
        let message = format!("invalid input syntax for type interval: \"{text}\"");
        Failure::new(ErrorKind::InvalidDatetime, message)
    })?;
    sum.interval().ok_or_else(|| {
        let message = format!("interval field value out of range: \"{text}\"");
        Failure::new(ErrorKind::DatetimeOverflow, message)
    })
}

/// The parts so far, wide enough that sums of any input cannot overflow before they are checked.
#[derive(Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

/// A number in millionths, as far as six digits after the point go.
#[derive(Clone, Copy)]
struct Number(i128);

const ONE: i128 = 1_000_000;

impl Number {
    fn whole(self) -> i128 {
        self.0 / ONE
    }

    fn fraction(self) -> i128 {
        self.0 % ONE
    }
}

impl Sum {
    /// Adds `number` units called `name`; `None` if there is no such unit.
    fn add(&mut self, number: Number, name: &str) -> Option<()> {
        match name {
            "us" | "usec" | "usecs" | "microsecond" | "microseconds" => self.time(number, 1),
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => self.time(number, 1000),
            "s" | "sec" | "secs" | "second" | "seconds" => self.time(number, SECOND),
            "m" | "min" | "mins" | "minute" | "minutes" => self.time(number, MINUTE),
            "h" | "hr" | "hrs" | "hour" | "hours" => self.time(number, HOUR),
            "d" | "day" | "days" => self.days(number, 1),
            "w" | "week" | "weeks" => self.days(number, 7),
            "mon" | "mons" | "month" | "months" => {
                self.months += number.whole();
                self.days(Number(number.fraction()), 30);
            }
            "y" | "yr" | "yrs" | "year" | "years" => self.years(number, 1),
            "dec" | "decs" | "decade" | "decades" => self.years(number, 10),
            "c" | "cent" | "century" | "centuries" => self.years(number, 100),
            "mil" | "mils" | "millennium" | "millennia" => self.years(number, 1000),
            _ => return None,
        }
        Some(())
    }

    fn time(&mut self, number: Number, unit: i64) {
        self.micros += rounded(number.0 * i128::from(unit));
    }

    fn days(&mut self, number: Number, unit: i128) {
        let days = Number(number.0 * unit);
        self.days += days.whole();
        self.micros += rounded(days.fraction() * i128::from(DAY));
    }

    fn years(&mut self, number: Number, unit: i128) {
        self.months += rounded(number.0 * 12 * unit);
    }

    fn negate(&mut self) {
        (self.months, self.days, self.micros) = (-self.months, -self.days, -self.micros);
    }

    fn interval(&self) -> Option<Interval> {
        Some(Interval {
            months: self.months.try_into().ok()?,
            days: self.days.try_into().ok()?,
            micros: self.micros.try_into().ok()?,
        })
    }
}

/// Millionths to units, half away from zero.
fn rounded(millionths: i128) -> i128 {
    (millionths + ONE / 2 * millionths.signum()) / ONE
}

fn read_words(text: &str, sum: &mut Sum) -> Option<()> {
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim_start();
    let mut found = false;
    while !rest.is_empty() {
        if rest.eq_ignore_ascii_case("ago") {
            sum.negate();
            break;
        }
        rest = item(rest, sum)?.trim_start();
        found = true;
    }
    found.then_some(())
}

/// One number with its unit, or one clock time; what is left behind it.
fn item<'a>(text: &'a str, sum: &mut Sum) -> Option<&'a str> {
    let (negative, unsigned) = signed(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at(end);
    if digits.contains(':') {
        sum.micros += clock(digits)? * if negative { -1 } else { 1 };
        return Some(rest);
    }
    let number = read_number(digits, negative)?;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let lower = unit.to_ascii_lowercase();
    if lower == "ago" || lower.is_empty() {
        sum.add(number, "second")?;
        if lower == "ago" {
            sum.negate();
        }
        // A bare number is seconds, and nothing else can follow it.
        return rest.is_empty().then_some(rest);
    }
    sum.add(number, &lower)?;
    Some(rest)
}

fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text[1..].trim_start()),
        Some(b'+') => (false, text[1..].trim_start()),
        _ => (false, text),
    }
}

fn read_number(digits: &str, negative: bool) -> Option<Number> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let sound = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || whole.len() > 15 || !sound(whole) || !sound(fraction) {
        return None;
    }
    let digits = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(6));
    let millionths = digits.fold(0i128, |sum, b| sum * 10 + i128::from(b - b'0'));
    Some(Number(if negative { -millionths } else { millionths }))
}

/// `h:m` or `h:m:s.fraction`, in microseconds.
fn clock(text: &str) -> Option<i128> {
    let pieces: Vec<&str> = text.split(':').collect();
    let (hour, minute, second) = match pieces[..] {
        [hour, minute] => (hour, minute, "0"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let (hour, minute, second) =
        (read_number(hour, false)?, read_number(minute, false)?, read_number(second, false)?);
    let sound = hour.fraction() == 0 && minute.fraction() == 0 && minute.whole() < 60 && second.whole() < 60;
    let whole = hour.whole() * i128::from(HOUR) + minute.whole() * i128::from(MINUTE);
    sound.then(|| whole + rounded(second.0 * i128::from(SECOND)))
}

fn read_iso(text: &str, sum: &mut Sum) -> Option<()> {
    let mut rest = text;
    let mut in_time = false;
    let mut found = false;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix(['T', 't']).filter(|_| !in_time) {
            in_time = true;
            rest = time;
            continue;
        }
        let (negative, unsigned) = signed(rest);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = read_number(&unsigned[..end], negative)?;
        let unit = match (unsigned.as_bytes()[end].to_ascii_uppercase(), in_time) {
            (b'Y', false) => "year",
            (b'M', false) => "month",
            (b'W', false) => "week",
            (b'D', false) => "day",
            (b'H', true) => "hour",
            (b'M', true) => "minute",
            (b'S', true) => "second",
            _ => return None,
        };
        sum.add(number, unit)?;
        rest = &unsigned[end + 1..];
        found = true;
    }
    found.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_in_many_spellings() {
        for (text, months, days, micros) in [
            ("1 day", 0, 1, 0),
            ("90 days", 0, 90, 0),
            ("1 year 2 mons -3 days 04:05:06.7", 14, -3, 4 * HOUR + 5 * MINUTE + 6_700_000),
            ("-1 year", -12, 0, 0),
            ("1.5 years", 18, 0, 0),
            ("1.5 months", 1, 15, 0),
            ("1.5 days", 0, 1, DAY / 2),
            ("1.5 weeks", 0, 10, DAY / 2),
            ("2 hours ago", 0, 0, -2 * HOUR),
            ("@ 1 minute", 0, 0, MINUTE),
            ("-00:00:01", 0, 0, -SECOND),
            ("1day 2h", 0, 1, 2 * HOUR),
            ("30", 0, 0, 30 * SECOND),
            ("1 millennium", 12_000, 0, 0),
            ("P1Y2M3DT4H5M6.5S", 14, 3, 4 * HOUR + 5 * MINUTE + 6_500_000),
            ("P-1D", 0, -1, 0),
            ("PT0.1S", 0, 0, SECOND / 10),
        ] {
            assert_eq!(parse_interval(text), Ok(Interval { months, days, micros }), "{text}");
        }
        for text in
            ["", "day", "1 dy", "1:2:3:4", "P", "PT1D", "1 day x", "ago", "é", "P1é", "1 2 days", "1:60"]
        {
            assert_eq!(parse_interval(text).map_err(|e| e.kind), Err(ErrorKind::InvalidDatetime), "{text}");
        }
        let beyond = parse_interval("999999999999 years").map_err(|e| e.kind);
        assert_eq!(beyond, Err(ErrorKind::DatetimeOverflow));
    }
}
