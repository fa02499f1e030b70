//! Dates and times in ISO 8601 order: `YYYY-MM-DD` (or `YYYYMMDD`), `HH:MM[:SS[.ffffff]]`, and an
//! offset from UTC after a timestamp with time zone. Years run from 1 to 9999; the zone of a session
//! is UTC, so a timestamp with time zone that names none is taken as UTC.

use zset::{Datum, Type};

use super::type_name;
use crate::error::{SqlError, SqlState};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Why a text is no date or time.
enum Bad {
    Syntax,
    Field,
    Zone,
}

/// A date; a time of day after it is dropped, as PostgreSQL does.
pub fn date(text: &str) -> Result<Datum, SqlError> {
    let read = |rest: &str| {
        let (days, rest) = read_date(rest)?;
        if !rest.is_empty() {
            let (_, rest) = read_time(after_date(rest)?)?;
            read_zone(rest)?;
        }
        Ok(days)
    };
    finish(text, Type::Date, read)
}

/// A time of day without zone.
pub fn time(text: &str) -> Result<Datum, SqlError> {
    finish(text, Type::Time, |rest| match read_time(rest)? {
        (micros, "") => Ok(micros),
        _ => Err(Bad::Syntax),
    })
}

/// A timestamp; the zone counts only if `zoned`, and is read and dropped otherwise.
pub fn timestamp(text: &str, zoned: bool) -> Result<Datum, SqlError> {
    let ty = if zoned { Type::TimestampTz } else { Type::Timestamp };
    finish(text, ty, |rest| {
        let (days, rest) = read_date(rest)?;
        let mut micros = days * MICROS_PER_DAY;
        if !rest.is_empty() {
            let (of_day, rest) = read_time(after_date(rest)?)?;
            let offset = read_zone(rest)?;
            micros += of_day - if zoned { offset } else { 0 };
        }
        Ok(micros)
    })
}

fn finish(text: &str, ty: Type, read: impl Fn(&str) -> Result<i64, Bad>) -> Result<Datum, SqlError> {
    let trimmed = text.trim();
    let error = match read(trimmed) {
        Ok(value) => return Ok(Datum::Int(value)),
        Err(bad) => bad,
    };
    let special = trimmed.to_ascii_lowercase();
    Err(match error {
        _ if special.ends_with("infinity") => {
            SqlError::unsupported(format!("the value '{special}' of type {}", type_name(ty)))
                .with_hint("use NULL, or a date of the year 9999")
        }
        _ if matches!(special.as_str(), "now" | "today" | "tomorrow" | "yesterday" | "epoch") => {
            SqlError::unsupported(format!("the value '{special}' of type {}", type_name(ty)))
                .with_hint("write current_timestamp, current_date or an explicit value")
        }
        Bad::Syntax => SqlError::new(
            SqlState::InvalidDatetime,
            format!("invalid input syntax for type {}: \"{text}\"", type_name(ty)),
        )
        .with_hint("write dates as YYYY-MM-DD and times as HH:MM:SS"),
        Bad::Field => SqlError::new(
            SqlState::DatetimeOverflow,
            format!("date/time field value out of range: \"{text}\""),
        ),
        Bad::Zone => SqlError::unsupported(format!("the time zone in \"{text}\""))
            .with_hint("write an offset from UTC, such as +02:00"),
    })
}

fn read_date(text: &str) -> Result<(i64, &str), Bad> {
    let (year, rest) = digits(text);
    let (year, month, day, rest) = if year.len() == 8 {
        (&year[..4], &year[4..6], &year[6..], rest)
    } else {
        let (month, rest) = digits(rest.strip_prefix('-').ok_or(Bad::Syntax)?);
        let (day, rest) = digits(rest.strip_prefix('-').ok_or(Bad::Syntax)?);
        (year, month, day, rest)
    };
    let year_fits = (4..=6).contains(&year.len());
    if !year_fits || !(1..=2).contains(&month.len()) || !(1..=2).contains(&day.len()) {
        return Err(Bad::Syntax);
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return Err(Bad::Field);
    }
    Ok((days_from_civil(year, month, day), rest))
}

/// What follows the `T` or blanks between a date and its time.
fn after_date(text: &str) -> Result<&str, Bad> {
    match text.strip_prefix(['T', 't']) {
        Some(rest) => Ok(rest),
        None if text.starts_with(char::is_whitespace) => Ok(text.trim_start()),
        None => Err(Bad::Syntax),
    }
}

fn read_time(text: &str) -> Result<(i64, &str), Bad> {
    let (hour, rest) = digits(text);
    let (minute, rest) = digits(rest.strip_prefix(':').ok_or(Bad::Syntax)?);
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest),
        None => ("0", rest),
    };
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if [hour, minute, second].iter().any(|part| !(1..=2).contains(&part.len())) {
        return Err(Bad::Syntax);
    }
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Bad::Field);
    }
    let (half, rest) = read_half_day(rest);
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return Err(Bad::Field),
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
    };
    let micros = ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + read_fraction(fraction)?;
    if micros >= MICROS_PER_DAY {
        return Err(Bad::Field);
    }
    Ok((micros, rest))
}

/// `AM` is `Some(false)`, `PM` is `Some(true)`.
fn read_half_day(text: &str) -> (Option<bool>, &str) {
    let trimmed = text.trim_start();
    match trimmed.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("am") => (Some(false), &trimmed[2..]),
        Some("pm") => (Some(true), &trimmed[2..]),
        _ => (None, text),
    }
}

/// Microseconds of the digits after the point, rounded.
fn read_fraction(digits: &str) -> Result<i64, Bad> {
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + i64::from(digits.as_bytes().get(place).map_or(0, |b| b - b'0'));
    }
    let round = digits.as_bytes().get(6).is_some_and(|b| *b >= b'5');
    Ok(micros + i64::from(round))
}

/// Microseconds east of UTC: nothing, `Z`, `UTC`, `GMT`, or an offset.
fn read_zone(text: &str) -> Result<i64, Bad> {
    let text = text.trim();
    if matches!(text.to_ascii_lowercase().as_str(), "" | "z" | "utc" | "gmt" | "zulu") {
        return Ok(0);
    }
    let east = match text.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(b) if b.is_ascii_alphabetic() => return Err(Bad::Zone),
        _ => return Err(Bad::Syntax),
    };
    let parts: Vec<&str> = text[1..].split(':').collect();
    let parts = match parts.as_slice() {
        [both] if both.len() == 4 && both.is_ascii() => vec![&both[..2], &both[2..]],
        _ => parts,
    };
    if parts.len() > 3 || parts.iter().any(|p| !(1..=2).contains(&p.len())) {
        return Err(Bad::Syntax);
    }
    let mut seconds = 0;
    for (part, unit) in parts.iter().zip([3_600, 60, 1]) {
        let value = number(part)?;
        if value > 59 || (unit == 3_600 && value > 15) {
            return Err(Bad::Field);
        }
        seconds += value * unit;
    }
    Ok(east * seconds * MICROS_PER_SECOND)
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn number(text: &str) -> Result<i64, Bad> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_err(|_| Bad::Syntax)
    } else {
        Err(Bad::Syntax)
    }
}

fn month_days(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; the year is counted from March so that the leap
/// day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(result: Result<Datum, SqlError>) -> &'static str {
        result.map_or_else(|e| e.sqlstate(), |_| "ok")
    }

    #[test]
    fn dates() {
        assert_eq!(date("1970-01-01"), Ok(Datum::Int(0)));
        assert_eq!(date(" 2000-2-29 "), Ok(Datum::Int(11_016)));
        assert_eq!(date("19691231"), Ok(Datum::Int(-1)));
        assert_eq!(date("1970-01-02 23:59:00+01"), Ok(Datum::Int(1)));
        assert_eq!(date("0001-01-01"), Ok(Datum::Int(-719_162)));
        assert_eq!(state(date("1900-02-29")), "22008");
        assert_eq!(state(date("10000-01-01")), "22008");
        assert_eq!(state(date("12/31/1999")), "22007");
        assert_eq!(state(date("infinity")), "0A000");
        assert_eq!(state(date("")), "22007");
        assert_eq!(state(date("ééé")), "22007");
    }

    #[test]
    fn times() {
        assert_eq!(time("01:02:03.5"), Ok(Datum::Int(3_723_500_000)));
        assert_eq!(time("12:00 AM"), Ok(Datum::Int(0)));
        assert_eq!(time("11:30pm"), Ok(Datum::Int(84_600_000_000)));
        assert_eq!(time("00:00:00.0000005"), Ok(Datum::Int(1)));
        assert_eq!(state(time("24:00:00")), "22008");
        assert_eq!(state(time("23:59:59.9999999")), "22008");
        assert_eq!(state(time("7")), "22007");
    }

    #[test]
    fn zones_count_only_where_asked() {
        let text = "1970-01-01T00:00:00+01:30";
        assert_eq!(timestamp(text, false), Ok(Datum::Int(0)));
        assert_eq!(timestamp(text, true), Ok(Datum::Int(-5_400_000_000)));
        assert_eq!(timestamp("1970-01-02", true), Ok(Datum::Int(MICROS_PER_DAY)));
        assert_eq!(timestamp("1970-01-01 00:00:00.000001 UTC", true), Ok(Datum::Int(1)));
        assert_eq!(timestamp("1970-01-01 00:00 -0200", true), Ok(Datum::Int(7_200_000_000)));
        assert_eq!(state(timestamp("1970-01-01 00:00 Europe/Paris", true)), "0A000");
        assert_eq!(state(timestamp("1970-01-01 00:00 +99", true)), "22008");
    }
}
