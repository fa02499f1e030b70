//! Values as text, as PostgreSQL's `psql` prints them.
//!
//! Calendar arithmetic is the proleptic Gregorian calendar counted from 1970-01-01, for the whole range of the
//! types. Nothing here fails: values beyond what PostgreSQL knows are printed by the same rules.

use crate::datum::Datum;
use crate::types::{Interval, Type};
use std::fmt;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A datum that prints itself as a value of a type. NULL prints as nothing, as in `psql`.
#[derive(Clone, Copy, Debug)]
pub struct DisplayDatum<'a> {
    datum: &'a Datum,
    ty: Type,
}

impl Datum {
    /// The value as text, given its type.
    pub fn display(&self, ty: Type) -> DisplayDatum<'_> {
        DisplayDatum { datum: self, ty }
    }
}

impl fmt::Display for DisplayDatum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.datum, self.ty) {
            (Datum::Null, _) => Ok(()),
            (Datum::Bool(value), _) => f.write_str(if *value { "t" } else { "f" }),
            (Datum::Int(value), Type::Decimal { scale, .. }) => write_decimal(f, i128::from(*value), scale),
            (Datum::Wide(value), Type::Decimal { scale, .. }) => write_decimal(f, *value, scale),
            (Datum::Int(value), Type::Date) => write_date(f, *value),
            (Datum::Int(value), Type::Time) => write_time(f, *value),
            (Datum::Int(value), Type::Timestamp) => write_timestamp(f, *value, ""),
            (Datum::Int(value), Type::TimestampTz) => write_timestamp(f, *value, "+00"),
            (Datum::Int(value), _) => write!(f, "{value}"),
            (Datum::Wide(value), _) => write!(f, "{value}"),
            (Datum::Float(value), Type::Float32) => {
                write_float(f, &format!("{:e}", *value as f32), *value, 6)
            }
            (Datum::Float(value), _) => write_float(f, &format!("{value:e}"), *value, 15),
            (Datum::Text(value), _) => f.write_str(value),
            (Datum::Bytes(value), Type::Text) => f.write_str(&String::from_utf8_lossy(value)),
            (Datum::Bytes(value), _) => {
                f.write_str("\\x")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            (Datum::Interval(value), _) => write!(f, "{value}"),
        }
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, value: i128, scale: u8) -> fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return write!(f, "{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    write!(f, "{sign}{whole}.{fraction}")
}

/// Writes a float from its shortest scientific form: plainly for exponents from -4 to below `widest`.
fn write_float(f: &mut fmt::Formatter<'_>, scientific: &str, value: f64, widest: i32) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("NaN");
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..widest).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(f, "{mantissa}e{sign}{:02}", exponent.abs());
    }
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    if point <= 0 {
        let zeros = "0".repeat(point.unsigned_abs() as usize);
        return write!(f, "{sign}0.{zeros}{digits}");
    }
    let point = point as usize;
    if digits.len() <= point {
        return write!(f, "{sign}{digits:0<point$}");
    }
    let (whole, fraction) = digits.split_at(point);
    write!(f, "{sign}{whole}.{fraction}")
}

/// Year, month and day of a count of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    // Days are counted from 0000-03-01, so that the leap day ends a year of 400-year cycles.
    let days = i128::from(days) + 719_468;
    let cycle = days.div_euclid(146_097);
    let day_of_cycle = days.rem_euclid(146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_cycle + cycle * 400 + i128::from(month <= 2);
    (year as i64, month as u32, day as u32)
}

/// Days since 1970-01-01 of a date; months and days beyond their range carry over.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    cycle * 146_097 + year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year - 719_468
}

/// Writes the date; the text that must come before an era's ` BC` is left to the caller.
fn write_era(f: &mut fmt::Formatter<'_>, days: i64) -> Result<&'static str, fmt::Error> {
    let (year, month, day) = civil_from_days(days);
    let (year, era) = if year <= 0 { (1 - year, " BC") } else { (year, "") };
    write!(f, "{year:04}-{month:02}-{day:02}")?;
    Ok(era)
}

fn write_date(f: &mut fmt::Formatter<'_>, days: i64) -> fmt::Result {
    let era = write_era(f, days)?;
    f.write_str(era)
}

fn write_time(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    write_fraction(f, micros.rem_euclid(MICROS_PER_SECOND))
}

fn write_fraction(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    if micros == 0 {
        return Ok(());
    }
    let digits = format!("{micros:06}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

fn write_timestamp(f: &mut fmt::Formatter<'_>, micros: i64, zone: &str) -> fmt::Result {
    let era = write_era(f, micros.div_euclid(MICROS_PER_DAY))?;
    f.write_str(" ")?;
    write_time(f, micros.rem_euclid(MICROS_PER_DAY))?;
    write!(f, "{zone}{era}")
}

impl fmt::Display for Interval {
    /// PostgreSQL's own style: `1 year 2 mons -3 days +04:05:06.7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")];
        let (mut empty, mut negative) = (true, false);
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
            let space = if empty { "" } else { " " };
            let plus = if negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{space}{plus}{count} {unit}{plural}")?;
            (empty, negative) = (false, count < 0);
        }
        if self.micros == 0 && !empty {
            return Ok(());
        }
        let space = if empty { "" } else { " " };
        let sign = match (self.micros < 0, negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let micros = self.micros.unsigned_abs();
        let seconds = micros / MICROS_PER_SECOND as u64;
        write!(f, "{space}{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        write_fraction(f, (micros % MICROS_PER_SECOND as u64) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(datum: Datum, ty: Type, text: &str) {
        assert_eq!(datum.display(ty).to_string(), text);
    }

    #[test]
    fn numbers() {
        let decimal = Type::Decimal { precision: 10, scale: 2 };
        shows(Datum::Int(-5), decimal, "-0.05");
        shows(Datum::Wide(i128::MIN), Type::Decimal { precision: 38, scale: 0 }, &i128::MIN.to_string());
        shows(Datum::Int(12345), decimal, "123.45");
        let floats = [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100.5, "100.5"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.25e-4, "0.000125"),
            (1e-5, "1e-05"),
            (1.2345678901234568e17, "1.2345678901234568e+17"),
            (1e300, "1e+300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in floats {
            shows(Datum::Float(value), Type::Float64, text);
        }
        shows(Datum::Float(f64::from(0.1f32)), Type::Float32, "0.1");
        shows(Datum::Float(1e6), Type::Float32, "1e+06");
        shows(Datum::Float(99999.0), Type::Float32, "99999");
    }

    #[test]
    fn dates_and_times() {
        shows(Datum::Int(0), Type::Date, "1970-01-01");
        shows(Datum::Int(-719_163), Type::Date, "0001-12-31 BC");
        shows(Datum::Int(11_016), Type::Date, "2000-02-29");
        shows(Datum::Int(3_723_000_100), Type::Time, "01:02:03.0001");
        shows(Datum::Int(-1), Type::Timestamp, "1969-12-31 23:59:59.999999");
        shows(Datum::Int(0), Type::TimestampTz, "1970-01-01 00:00:00+00");
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        shows(Datum::Int(i64::MIN), Type::Timestamp, "290309-12-21 19:59:05.224192 BC");
    }

    #[test]
    fn intervals() {
        let show = |months, days, micros| Interval { months, days, micros }.to_string();
        assert_eq!(show(0, 0, 0), "00:00:00");
        assert_eq!(show(14, 3, 4 * 3_600_000_000), "1 year 2 mons 3 days 04:00:00");
        assert_eq!(show(-14, 3, -1), "-1 years -2 mons +3 days -00:00:00.000001");
        assert_eq!(show(0, -1, 500_000), "-1 days +00:00:00.5");
    }

    #[test]
    fn others() {
        shows(Datum::Bool(true), Type::Bool, "t");
        shows(Datum::Bytes(vec![0, 255]), Type::Bytes, "\\x00ff");
        shows(Datum::Null, Type::Text, "");
    }
}
