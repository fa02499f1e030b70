//! The table of functions over dates, times and intervals.

use zset::Type::{self, Date, Decimal, Int64, Text, Time, Timestamp, TimestampTz};

use super::{Entry, Form, Prepared, Signature, is_float, is_integer};
use crate::calendar::{Civil, DAY, checked_date};
use crate::datetime::{self, Field};
use crate::decimal;
use crate::error::{ErrorKind, Failure};
use crate::frame::{Kernel, Pooled, kernel};
use crate::operand::Texts;

pub(super) const TABLE: &[Entry] = &[
    ("date_part", Form::Kernel(date_part)),
    ("datepart", Form::Kernel(date_part)),
    ("extract", Form::Kernel(date_part)),
    ("date_trunc", Form::Kernel(date_trunc)),
    ("datetrunc", Form::Kernel(date_trunc)),
    ("make_date", Form::Kernel(make_date)),
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
