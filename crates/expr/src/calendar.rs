//! The proleptic Gregorian calendar: days since 1970-01-01 to year, month and day and back, and the ISO week.
//!
//! Years are astronomical: 0 is 1 BC. All functions are total; the limits of the types are checked by whoever
//! makes a date, with [`checked_date`] and [`checked_timestamp`].

use crate::error::{ErrorKind, Failure};

/// Microseconds in a second, a minute, an hour and a day.
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// PostgreSQL's first day, 4714-11-24 BC, and its last, 5874897-12-31.
const FIRST_DAY: i64 = -2_440_588;
const LAST_DAY: i64 = days_from_civil(5_874_897, 12, 31);
/// The last microsecond of the last year that microseconds since 1970 can name.
const LAST_MICRO: i64 = days_from_civil(294_247, 1, 1) * DAY - 1;

/// A date's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

/// Days since 1970-01-01. The month is 1 to 12; the day may run over.
pub(crate) const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date that many days after 1970-01-01.
pub(crate) fn civil(days: i64) -> Civil {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * march_month + 2) / 5 + 1,
    }
}

/// Days in a month.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of the week, Sunday 0.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// The ISO year and week: weeks begin on Monday, and week 1 is the one with the year's first Thursday.
pub(crate) fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - (weekday(days) + 6) % 7 + 3;
    let year = civil(thursday).year;
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// A day within the range of DATE.
pub(crate) fn checked_date(days: i64) -> Result<i64, Failure> {
    if (FIRST_DAY..=LAST_DAY).contains(&days) { Ok(days) } else { Err(overflow("date")) }
}

/// A microsecond within the range of TIMESTAMP.
pub(crate) fn checked_timestamp(micros: i64) -> Result<i64, Failure> {
    if (FIRST_DAY * DAY..=LAST_MICRO).contains(&micros) { Ok(micros) } else { Err(overflow("timestamp")) }
}

/// The timestamp of a microsecond in a day.
pub(crate) fn timestamp(days: i64, micros: i64) -> Result<i64, Failure> {
    let sum = days.checked_mul(DAY).and_then(|start| start.checked_add(micros));
    sum.ok_or_else(|| overflow("timestamp")).and_then(checked_timestamp)
}

/// The failure of a value beyond the type called `name`.
pub(crate) fn overflow(name: &str) -> Failure {
    Failure::new(ErrorKind::DatetimeOverflow, format!("{name} out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_converts_back() {
        for days in (-1_000_000..1_000_000).step_by(13).chain([FIRST_DAY, LAST_DAY, 0, 11_016, 19_782]) {
            let date = civil(days);
            assert_eq!(days_from_civil(date.year, date.month, date.day), days);
            assert!(date.day <= days_in_month(date.year, date.month), "{date:?}");
        }
        assert_eq!(civil(19_782), Civil { year: 2024, month: 2, day: 29 });
        assert_eq!(civil(FIRST_DAY), Civil { year: -4713, month: 11, day: 24 });
    }

    #[test]
    fn weeks_follow_iso_8601() {
        for (year, month, day, expected) in [
            (2005, 1, 1, (2004, 53)),
            (2005, 1, 3, (2005, 1)),
            (2008, 12, 29, (2009, 1)),
            (2012, 1, 1, (2011, 52)),
            (1970, 1, 1, (1970, 1)),
        ] {
            assert_eq!(iso_week(days_from_civil(year, month, day)), expected);
        }
        assert_eq!(weekday(0), 4);
        assert_eq!(weekday(-5), 6);
    }
}
