//! The table of functions over dates, times and intervals.

use zset::Datum;
use zset::Type::{self, Date, Decimal, Float64, Int64, Text, Time, Timestamp, TimestampTz};

use super::{Entry, Form, Prepared, Signature, is_float, is_integer, is_number};
use crate::calendar::{Civil, DAY, checked_date, checked_timestamp, overflow};
use crate::datetime::{self, Field};
use crate::decimal;
use crate::error::{ErrorKind, Failure};
use crate::frame::{Kernel, Pooled, kernel};
use crate::operand::Texts;
use crate::to_char::Picture;

pub(super) const TABLE: &[Entry] = &[
    ("date_part", Form::Kernel(date_part)),
    ("datepart", Form::Kernel(date_part)),
    ("extract", Form::Kernel(date_part)),
    ("date_trunc", Form::Kernel(date_trunc)),
    ("datetrunc", Form::Kernel(date_trunc)),
    ("make_date", Form::Kernel(make_date)),
    ("to_char", Form::Kernel(to_char)),
    ("to_timestamp", Form::Kernel(to_timestamp)),
];

/// The field named by the first argument: known beforehand, or read for each row.
#[derive(Clone, Copy)]
struct FieldArgument(Option<Field>);

impl FieldArgument {
    /// `None` where a constant names no field, so that the call is refused when it is compiled.
    fn prepare(signature: &Signature<'_>) -> Option<FieldArgument> {
        if signature.args.first() != Some(&Text) {
            return None;
        }
        match signature.constants.first().copied().flatten() {
            Some(zset::Datum::Text(name)) => Field::parse(name).map(|field| FieldArgument(Some(field))),
            _ => Some(FieldArgument(None)),
        }
    }

    fn at(self, names: &Texts<'_>, row: usize) -> Result<Field, Failure> {
        let unknown = || unknown_unit(names.text(row));
        self.0.or_else(|| Field::parse(names.text(row))).ok_or_else(unknown)
    }
}

fn unknown_unit(name: &str) -> Failure {
    Failure::new(ErrorKind::InvalidParameter, format!("unit \"{name}\" not recognized"))
}

fn date_part(signature: &Signature<'_>) -> Option<Prepared> {
    let &[_, from] = signature.args else { return None };
    if !matches!(from, Date | Timestamp | TimestampTz | Time | Type::Interval) {
        return None;
    }
    let field = FieldArgument::prepare(signature)?;
    let kernel = match signature.result {
        result if is_integer(result) => parts(field, from, |value| Ok(whole(value))),
        result if is_float(result) => parts(field, from, |value| Ok(value as f64 / MILLION as f64)),
        result @ Decimal { precision, scale } => {
            let convert = move |value: i128| {
                let value = decimal::rescale(value, 6, scale).ok_or_else(decimal::overflow)?;
                decimal::checked(value, precision)
            };
            if result.lane() == zset::Lane::I64 {
                parts(field, from, move |value| convert(value).map(|value| value as i64))
            } else {
                parts(field, from, convert)
            }
        }
        _ => return None,
    };
    Prepared::strict(signature.args, kernel)
}

/// Fields are computed in millionths, so that seconds keep their microseconds.
const MILLION: i128 = 1_000_000;

fn whole(millionths: i128) -> i64 {
    // Division of 64 bits is several times faster, and all fields but an interval's epoch fit.
    i64::try_from(millionths).map_or_else(|_| (millionths / MILLION) as i64, |value| value / MILLION as i64)
}

fn parts<R: Pooled>(
    field: FieldArgument,
    from: Type,
    convert: impl Fn(i128) -> Result<R, Failure> + Send + Sync + 'static,
) -> Kernel {
    kernel(move |frame| {
        let names = frame.texts(0);
        match from {
            Type::Interval => {
                let values = frame.intervals(1);
                frame.each(|row| convert(datetime::extract_interval(field.at(&names, row)?, values.get(row))))
            }
            Time => {
                let values = frame.ints(1);
                frame.each(|row| convert(datetime::extract_time(field.at(&names, row)?, values.get(row))))
            }
            _ => {
                let values = frame.ints(1);
                frame.each(|row| {
                    let (days, time) = match from {
                        Date => (values.get(row), 0),
                        _ => datetime::split(values.get(row)),
                    };
                    convert(datetime::extract_timestamp(field.at(&names, row)?, days, time))
                })
            }
        }
    })
}

fn date_trunc(signature: &Signature<'_>) -> Option<Prepared> {
    let &[_, from] = signature.args else { return None };
    let field = FieldArgument::prepare(signature)?;
    let truncate = move |names: &Texts<'_>, row: usize, micros: i64| {
        let start = datetime::truncate_timestamp(field.at(names, row)?, micros);
        start.ok_or_else(|| unknown_unit(names.text(row)))
    };
    let kernel = match (from, signature.result) {
        (Type::Interval, Type::Interval) => kernel(move |frame| {
            let (names, intervals) = (frame.texts(0), frame.intervals(1));
            frame.each(|row| {
                let start = datetime::truncate_interval(field.at(&names, row)?, intervals.get(row));
                start.ok_or_else(|| unknown_unit(names.text(row)))
            })
        }),
        (Date | Timestamp | TimestampTz, Timestamp | TimestampTz) => kernel(move |frame| {
            let (names, values) = (frame.texts(0), frame.ints(1));
            frame.each(|row| truncate(&names, row, datetime::to_timestamp(from, values.get(row))?))
        }),
        (Date, Date) => kernel(move |frame| {
            let (names, values) = (frame.texts(0), frame.ints(1));
            frame.each(|row| {
                let micros = datetime::to_timestamp(from, values.get(row))?;
                checked_date(truncate(&names, row, micros)?.div_euclid(DAY))
            })
        }),
        _ => return None,
    };
    Prepared::strict(signature.args, kernel)
}

fn make_date(signature: &Signature<'_>) -> Option<Prepared> {
    if signature.args.len() != 3
        || !signature.args.iter().all(|ty| is_integer(*ty))
        || signature.result != Date
    {
        return None;
    }
    let kernel = kernel(|frame| {
        let (years, months, days) = (frame.ints(0), frame.ints(1), frame.ints(2));
        frame.each(|row| {
            let (year, month, day) = (years.get(row), months.get(row), days.get(row));
            let wrong = || {
                let message = format!("date field value out of range: {year}-{month:02}-{day:02}");
                Failure::new(ErrorKind::DatetimeOverflow, message)
            };
            // Years before Christ are negative, and there is no year 0.
            let shown = if year < 0 { year.saturating_add(1) } else { year };
            let date = if year == 0 { None } else { datetime::date_of(Civil { year: shown, month, day }) };
            date.ok_or_else(wrong).and_then(checked_date)
        })
    });
    Prepared::strict([Int64, Int64, Int64], kernel)
}

/// `to_char(moment, picture)`. A date is the beginning of its day in the session's zone, and an empty picture has
/// no value, both as in PostgreSQL.
fn to_char(signature: &Signature<'_>) -> Option<Prepared> {
    let &[from, Text] = signature.args else { return None };
    let from = match from {
        Date | Timestamp | TimestampTz => from,
        // An untyped NULL.
        Text if signature.constants.first().copied().flatten() == Some(&Datum::Null) => TimestampTz,
        _ => return None,
    };
    if signature.result != Text {
        return None;
    }
    let known = match signature.constants.get(1).copied().flatten() {
        Some(Datum::Text(picture)) => Some(Picture::read(picture)),
        _ => None,
    };
    let zoned = from != Timestamp;
    let kernel = kernel(move |frame| {
        let (values, pictures) = (frame.ints(0), frame.texts(1));
        let mut result = frame.each_text(|row, out| {
            let micros = datetime::to_timestamp(from, values.get(row))?;
            match &known {
                Some(picture) => picture.write(micros, zoned, out),
                None => Picture::read(pictures.text(row)).write(micros, zoned, out),
            }
            Ok(())
        })?;
        let count = frame.rows.count;
        if (0..count).any(|row| pictures.text(row).is_empty()) {
            let mut valid = result.valid.take().unwrap_or_else(|| frame.pool.filled(true, count));
            valid.iter_mut().enumerate().for_each(|(row, valid)| *valid &= !pictures.text(row).is_empty());
            result.valid = Some(valid);
        }
        Ok(result)
    });
    Prepared::strict([from, Text], kernel)
}

/// `to_timestamp(seconds since 1970)`.
fn to_timestamp(signature: &Signature<'_>) -> Option<Prepared> {
    let &[from] = signature.args else { return None };
    let null = from == Text && signature.constants.first().copied().flatten() == Some(&Datum::Null);
    if !(null || is_number(from)) || signature.result != TimestampTz {
        return None;
    }
    let kernel = kernel(|frame| {
        let seconds = frame.floats(0);
        frame.each(|row| moment_of(seconds.get(row)))
    });
    Prepared::strict([Float64], kernel)
}

/// Seconds from 1970 to 2000, which is where PostgreSQL counts from: there it rounds to microseconds.
const TO_2000: f64 = 946_684_800.0;

fn moment_of(seconds: f64) -> Result<i64, Failure> {
    if seconds.is_nan() {
        return Err(Failure::new(ErrorKind::DatetimeOverflow, "timestamp cannot be NaN"));
    }
    let micros = ((seconds - TO_2000) * 1e6).round_ties_even();
    if micros.is_finite() && micros.abs() < 9.2e18 {
        let micros = (micros as i64).checked_add(TO_2000 as i64 * 1_000_000);
        return micros.ok_or_else(|| overflow("timestamp")).and_then(checked_timestamp);
    }
    Err(Failure::new(ErrorKind::DatetimeOverflow, format!("timestamp out of range: \"{seconds}\"")))
}
