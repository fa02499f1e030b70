//! Arithmetic on dates, times and intervals, and taking them apart: EXTRACT and date_trunc.
//!
//! A date is days, a time microseconds since midnight, a timestamp microseconds since 1970 (UTC where it has a
//! zone; sessions have no other zone). An interval is months, days and microseconds that never carry into one
//! another: adding one clamps the day to the month's last, then adds days, then microseconds.

use zset::{Interval, Type};

use crate::calendar::{
    Civil, DAY, HOUR, MINUTE, SECOND, checked_date, checked_timestamp, civil, days_from_civil, days_in_month,
    iso_week, overflow, timestamp, weekday,
};
use crate::error::Failure;

/// `micros + interval`, clamping the day to the month's last.
pub(crate) fn add_interval(micros: i64, interval: Interval) -> Result<i64, Failure> {
    let (days, time) = split(micros);
    let days = add_months(days, i64::from(interval.months)) + i64::from(interval.days);
    let start = timestamp(days, time)?;
    start.checked_add(interval.micros).ok_or_else(|| overflow("timestamp")).and_then(checked_timestamp)
}

/// `days + interval` in whole days: the day that the moment lies in. Dates reach further than timestamps.
pub(crate) fn shift_date(days: i64, interval: Interval) -> Result<i64, Failure> {
    let days = add_months(days, i64::from(interval.months)) + i64::from(interval.days);
    checked_date(days + interval.micros.div_euclid(DAY))
}

/// A timestamp's day and the microsecond within it.
pub(crate) fn split(micros: i64) -> (i64, i64) {
    (micros.div_euclid(DAY), micros.rem_euclid(DAY))
}

fn add_months(days: i64, months: i64) -> i64 {
    if months == 0 {
        return days;
    }
    let date = civil(days);
    let total = date.year * 12 + date.month - 1 + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    days_from_civil(year, month, date.day.min(days_in_month(year, month)))
}

/// The time of day after an interval, around midnight; months and days do not count.
pub(crate) fn add_to_time(time: i64, interval: Interval) -> i64 {
    (time + interval.micros % DAY).rem_euclid(DAY)
}

/// The interval between two timestamps, in days and microseconds of one sign.
pub(crate) fn difference(left: i64, right: i64) -> Result<Interval, Failure> {
    let micros = left.checked_sub(right).ok_or_else(|| overflow("interval"))?;
    Ok(Interval { months: 0, days: (micros / DAY) as i32, micros: micros % DAY })
}

/// The sum of two intervals, part by part.
pub(crate) fn add_intervals(left: Interval, right: Interval) -> Result<Interval, Failure> {
    let sum = || {
        Some(Interval {
            months: left.months.checked_add(right.months)?,
            days: left.days.checked_add(right.days)?,
            micros: left.micros.checked_add(right.micros)?,
        })
    };
    sum().ok_or_else(|| overflow("interval"))
}

/// The interval with every part's sign changed.
pub(crate) fn negate(interval: Interval) -> Result<Interval, Failure> {
    let negated = || {
        Some(Interval {
            months: interval.months.checked_neg()?,
            days: interval.days.checked_neg()?,
            micros: interval.micros.checked_neg()?,
        })
    };
    negated().ok_or_else(|| overflow("interval"))
}

/// The interval times a number: fractions of months become days and fractions of days time, as in PostgreSQL.
pub(crate) fn scale(interval: Interval, factor: f64) -> Result<Interval, Failure> {
    scaled(interval, |part| part * factor)
}

/// The interval divided by a number that is not zero.
pub(crate) fn divide(interval: Interval, divisor: f64) -> Result<Interval, Failure> {
    scaled(interval, |part| part / divisor)
}

fn scaled(interval: Interval, by: impl Fn(f64) -> f64) -> Result<Interval, Failure> {
    const DAYS_PER_MONTH: f64 = 30.0;
    const SECONDS_PER_DAY: f64 = 86_400.0;
    // What floats leave over is rounded to millionths, so that a third of three is one.
    let clean = |x: f64| (x * 1e6).round_ties_even() / 1e6;
    let out = || overflow("interval");
    let months = by(f64::from(interval.months));
    let days = by(f64::from(interval.days));
    let month_rest = clean((months - months.trunc()) * DAYS_PER_MONTH);
    let seconds = clean((days - days.trunc() + month_rest - month_rest.trunc()) * SECONDS_PER_DAY);
    let carried = (seconds / SECONDS_PER_DAY).trunc();
    let left = seconds - carried * SECONDS_PER_DAY;
    let micros = (by(interval.micros as f64) + left * 1e6).round_ties_even();
    Ok(Interval {
        months: in_i32(months.trunc()).ok_or_else(out)?,
        days: in_i32(days.trunc() + carried + month_rest.trunc()).ok_or_else(out)?,
        micros: in_i64(micros).ok_or_else(out)?,
    })
}

fn in_i32(value: f64) -> Option<i32> {
    (value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX)).then_some(value as i32)
}

fn in_i64(value: f64) -> Option<i64> {
    (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&value).then_some(value as i64)
}

/// What EXTRACT and date_trunc can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Dow,
    IsoDow,
    Doy,
    IsoYear,
    Epoch,
    Julian,
    Timezone,
}

impl Field {
    /// The field of this name; PostgreSQL's abbreviations and plurals are understood.
    pub(crate) fn parse(name: &str) -> Option<Field> {
        let lower = name.trim().to_ascii_lowercase();
        Some(match lower.as_str() {
            "microseconds" | "microsecond" | "us" | "usec" | "usecs" => Field::Microseconds,
            "milliseconds" | "millisecond" | "ms" | "msec" | "msecs" => Field::Milliseconds,
            "second" | "seconds" | "sec" | "secs" | "s" => Field::Second,
            "minute" | "minutes" | "min" | "mins" | "m" => Field::Minute,
            "hour" | "hours" | "hr" | "hrs" | "h" => Field::Hour,
            "day" | "days" | "d" => Field::Day,
            "week" | "weeks" | "w" => Field::Week,
            "month" | "months" | "mon" | "mons" => Field::Month,
            "quarter" | "quarters" | "qtr" => Field::Quarter,
            "year" | "years" | "yr" | "yrs" | "y" => Field::Year,
            "decade" | "decades" => Field::Decade,
            "century" | "centuries" => Field::Century,
            "millennium" | "millennia" | "millenniums" => Field::Millennium,
            "dow" => Field::Dow,
            "isodow" => Field::IsoDow,
            "doy" => Field::Doy,
            "isoyear" => Field::IsoYear,
            "epoch" => Field::Epoch,
            "julian" => Field::Julian,
            "timezone" | "timezone_hour" | "timezone_minute" => Field::Timezone,
            _ => return None,
        })
    }
}

/// A field of the moment `time` microseconds into a day, in millionths.
pub(crate) fn extract_timestamp(field: Field, days: i64, time: i64) -> i128 {
    let unit = i128::from(SECOND);
    match field {
        Field::Microseconds | Field::Milliseconds | Field::Second | Field::Minute | Field::Hour => {
            extract_time(field, time)
        }
        Field::Epoch => i128::from(days) * i128::from(DAY) + i128::from(time),
        Field::Julian => i128::from(days + 2_440_588) * unit + i128::from(time) * unit / i128::from(DAY),
        Field::Timezone => 0,
        _ => i128::from(date_field(field, days)) * unit,
    }
}

/// A field of a time of day, in millionths; fields of a date are zero.
pub(crate) fn extract_time(field: Field, time: i64) -> i128 {
    let unit = i128::from(SECOND);
    let within = i128::from(time % MINUTE);
    match field {
        Field::Microseconds => within * unit,
        Field::Milliseconds => within * 1000,
        Field::Second => within,
        Field::Minute => i128::from(time % HOUR / MINUTE) * unit,
        Field::Hour => i128::from(time / HOUR) * unit,
        Field::Epoch => i128::from(time),
        _ => 0,
    }
}

fn date_field(field: Field, days: i64) -> i64 {
    let date = civil(days);
    match field {
        Field::Day => date.day,
        Field::Month => date.month,
        Field::Quarter => (date.month - 1) / 3 + 1,
        // PostgreSQL has no year 0: 1 BC is -1.
        Field::Year => shown_year(date.year),
        Field::Decade => date.year.div_euclid(10),
        Field::Century => counted(date.year, 100),
        Field::Millennium => counted(date.year, 1000),
        Field::Dow => weekday(days),
        Field::IsoDow => (weekday(days) + 6) % 7 + 1,
        Field::Doy => days - days_from_civil(date.year, 1, 1) + 1,
        Field::Week => iso_week(days).1,
        Field::IsoYear => shown_year(iso_week(days).0),
        _ => 0,
    }
}

fn shown_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// Centuries and millennia begin with year 1 and have no zeroth.
fn counted(year: i64, length: i64) -> i64 {
    if year > 0 { (year + length - 1) / length } else { -((length - 1 - (year - 1)) / length) }
}

/// A field of an interval, in millionths.
pub(crate) fn extract_interval(field: Field, interval: Interval) -> i128 {
    let unit = i128::from(SECOND);
    let months = i128::from(interval.months);
    let micros = i128::from(interval.micros);
    let within = micros % i128::from(MINUTE);
    match field {
        Field::Microseconds => within * unit,
        Field::Milliseconds => within * 1000,
        Field::Second => within,
        Field::Minute => micros % i128::from(HOUR) / i128::from(MINUTE) * unit,
        Field::Hour => micros / i128::from(HOUR) * unit,
        Field::Day => i128::from(interval.days) * unit,
        Field::Week => i128::from(interval.days / 7) * unit,
        Field::Month => months % 12 * unit,
        Field::Quarter => (months % 12 / 3 + 1) * unit,
        Field::Year => months / 12 * unit,
        Field::Decade => months / 120 * unit,
        Field::Century => months / 1200 * unit,
        Field::Millennium => months / 12_000 * unit,
        Field::Epoch => {
            // A year counts 365.25 days here and a month 30.
            let days = months / 12 * 1461 * 6 + (months % 12 * 30 + i128::from(interval.days)) * 24;
            days * i128::from(HOUR) + micros
        }
        _ => 0,
    }
}

/// The start of the period that a timestamp lies in; `None` for a field that is not a period.
pub(crate) fn truncate_timestamp(field: Field, micros: i64) -> Option<i64> {
    let (days, time) = split(micros);
    let date = civil(days);
    let start = |year: i64, month: i64| days_from_civil(year, month, 1) * DAY;
    Some(match field {
        Field::Microseconds => micros,
        Field::Milliseconds => micros - time % 1000,
        Field::Second => micros - time % SECOND,
        Field::Minute => micros - time % MINUTE,
        Field::Hour => micros - time % HOUR,
        Field::Day => days * DAY,
        Field::Week => (days - (weekday(days) + 6) % 7) * DAY,
        Field::Month => start(date.year, date.month),
        Field::Quarter => start(date.year, (date.month - 1) / 3 * 3 + 1),
        Field::Year => start(date.year, 1),
        Field::Decade => start(date.year.div_euclid(10) * 10, 1),
        Field::Century => start((date.year - 1).div_euclid(100) * 100 + 1, 1),
        Field::Millennium => start((date.year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => return None,
    })
}

/// An interval with all parts below the field set to zero; `None` for a field that is not a period.
pub(crate) fn truncate_interval(field: Field, interval: Interval) -> Option<Interval> {
    let months = |unit: i32| Interval { months: interval.months / unit * unit, days: 0, micros: 0 };
    let micros = |unit: i64| Interval { micros: interval.micros / unit * unit, ..interval };
    Some(match field {
        Field::Microseconds => interval,
        Field::Milliseconds => micros(1000),
        Field::Second => micros(SECOND),
        Field::Minute => micros(MINUTE),
        Field::Hour => micros(HOUR),
        Field::Day => Interval { micros: 0, ..interval },
        Field::Month => months(1),
        Field::Quarter => months(3),
        Field::Year => months(12),
        Field::Decade => months(120),
        Field::Century => months(1200),
        Field::Millennium => months(12_000),
        _ => return None,
    })
}

/// The timestamp of a value of the `i64` lane of one of the types with a date.
pub(crate) fn to_timestamp(ty: Type, value: i64) -> Result<i64, Failure> {
    if ty == Type::Date { timestamp(value, 0) } else { Ok(value) }
}

/// A date from its parts, if there is such a day.
pub(crate) fn date_of(date: Civil) -> Option<i64> {
    let valid = (1..=12).contains(&date.month)
        && date.day >= 1
        && date.day <= days_in_month(date.year, date.month)
        && date.year.abs() < 10_000_000;
    valid.then(|| days_from_civil(date.year, date.month, date.day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i64, month: i64, day: i64) -> i64 {
        days_from_civil(year, month, day) * DAY
    }

    #[test]
    fn months_clamp_to_the_last_day() {
        let month = |months| Interval { months, ..Interval::default() };
        for (from, months, expected) in [
            (at(2024, 1, 31), 1, at(2024, 2, 29)),
            (at(2023, 1, 31), 1, at(2023, 2, 28)),
            (at(2024, 3, 31), -1, at(2024, 2, 29)),
            (at(2024, 2, 29), 12, at(2025, 2, 28)),
            (at(2024, 1, 15), -13, at(2022, 12, 15)),
        ] {
            assert_eq!(add_interval(from, month(months)), Ok(expected));
        }
        let mixed = Interval { months: 1, days: -1, micros: -1 };
        assert_eq!(add_interval(at(2024, 1, 31), mixed), Ok(at(2024, 2, 28) - 1));
        assert!(add_interval(0, month(i32::MAX)).is_err());
        assert!(add_interval(i64::MAX / 2, Interval { micros: i64::MAX, ..Interval::default() }).is_err());
    }

    #[test]
    fn fractions_of_an_interval_cascade() {
        let month = Interval { months: 1, ..Interval::default() };
        assert_eq!(scale(month, 0.5), Ok(Interval { days: 15, ..Interval::default() }));
        assert_eq!(scale(month, 1.5), Ok(Interval { months: 1, days: 15, micros: 0 }));
        let day = Interval { days: 1, ..Interval::default() };
        assert_eq!(divide(day, 2.0), Ok(Interval { micros: DAY / 2, ..Interval::default() }));
        assert_eq!(scale(Interval { days: 10, ..Interval::default() }, 0.1), Ok(day));
        assert!(scale(month, 1e300).is_err());
        assert!(scale(month, f64::NAN).is_err());
    }

    #[test]
    fn years_before_the_first_are_counted_as_postgresql_does() {
        for (year, century, millennium) in
            [(2000, 20, 2), (2001, 21, 3), (1, 1, 1), (0, -1, -1), (-99, -1, -1), (-100, -2, -1)]
        {
            assert_eq!(counted(year, 100), century, "{year}");
            assert_eq!(counted(year, 1000), millennium, "{year}");
        }
    }
}
