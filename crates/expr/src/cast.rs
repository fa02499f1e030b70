//! Conversions between types: which there are, and the loop for each.
//!
//! Rounding is PostgreSQL's: a float becomes an integer half to even, a decimal half away from zero; a float
//! becomes a decimal by its 15 (REAL: 6) significant digits. What does not fit is an error, or NULL for TRY_CAST.

use std::io::Write as _;

use zset::{Data, Datum, Interval, Lane, Type, Vector};

use crate::calendar::{DAY, checked_date, timestamp};
use crate::datetime;
use crate::datetime_text::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
use crate::decimal;
use crate::error::{ErrorKind, EvalError, Failure};
use crate::frame::{Frame, Kernel, Pooled, kernel};
use crate::function::Argument;
use crate::interval_text::parse_interval;
use crate::kernels::arithmetic::Width;
use crate::number_fn::{narrow, overflow};
use crate::operand::{self, Element, Operand};
use crate::text_fn;

/// The width of an integer type.
pub(crate) fn width(ty: Type) -> Option<Width> {
    match ty {
        Type::Int16 => Some(Width::W16),
        Type::Int32 => Some(Width::W32),
        Type::Int64 => Some(Width::W64),
        _ => None,
    }
}

/// Whether every value of `from` already is the same value of `to`, slot for slot.
pub(crate) fn is_same(from: Type, to: Type) -> bool {
    match (from, to) {
        (Type::Int16, Type::Int32 | Type::Int64) | (Type::Int32, Type::Int64) => true,
        (Type::Float32, Type::Float64) => true,
        // Sessions have no time zone but UTC.
        (Type::Timestamp, Type::TimestampTz) | (Type::TimestampTz, Type::Timestamp) => true,
        (Type::Decimal { precision, scale }, Type::Decimal { precision: wider, scale: same }) => {
            scale == same && precision <= wider && from.lane() == to.lane()
        }
        _ => from == to,
    }
}

/// The kernel that converts `from` to `to`, if there is such a conversion.
pub(crate) fn prepare(from: Type, to: Type, try_cast: bool) -> Option<Kernel> {
    let shape = Conversion { try_cast };
    if let Some(to) = width(to) {
        return to_integer(from, to, shape);
    }
    match to {
        Type::Float32 | Type::Float64 => to_float(from, to == Type::Float32, shape),
        Type::Decimal { precision, scale } => to_decimal(from, precision, scale, shape),
        Type::Text => Some(to_text(from)),
        Type::Bool => match from {
            Type::Text => Some(shape.text(parse_bool)),
            _ => width(from).map(|_| shape.fixed(|value: i64| Ok(value != 0))),
        },
        Type::Bytes if from == Type::Text => Some(kernel(move |frame| {
            let texts = frame.texts(0);
            if try_cast {
                return try_bytes(frame);
            }
            frame.each_text(|row, out| text_fn::unhex(texts.text(row), out))
        })),
        Type::Interval => match from {
            Type::Text => Some(shape.text(parse_interval)),
            Type::Time => Some(shape.fixed(|micros: i64| Ok(Interval { months: 0, days: 0, micros }))),
            _ => None,
        },
        _ => to_moment(from, to, shape),
    }
}

/// How conversions answer a failure.
#[derive(Clone, Copy)]
struct Conversion {
    try_cast: bool,
}

impl Conversion {
    /// From a fixed-width lane.
    fn fixed<A: Element, R: Pooled>(
        self,
        f: impl Fn(A) -> Result<R, Failure> + Send + Sync + 'static,
    ) -> Kernel {
        kernel(move |frame| {
            let arg: Operand<'_, A> = operand::values(&frame.args[0]);
            if self.try_cast {
                frame.each_maybe(|row| f(arg.get(row)).ok())
            } else {
                frame.each(|row| f(arg.get(row)))
            }
        })
    }

    /// From text.
    fn text<R: Pooled>(self, f: impl Fn(&str) -> Result<R, Failure> + Send + Sync + 'static) -> Kernel {
        kernel(move |frame| {
            let texts = frame.texts(0);
            if self.try_cast {
                frame.each_maybe(|row| f(texts.text(row)).ok())
            } else {
                frame.each(|row| f(texts.text(row)))
            }
        })
    }

    /// From decimals of either lane.
    fn decimal<R: Pooled>(self, f: impl Fn(i128) -> Result<R, Failure> + Send + Sync + 'static) -> Kernel {
        kernel(move |frame| {
            let arg = frame.decimals(0);
            if self.try_cast {
                frame.each_maybe(|row| f(arg.get(row)).ok())
            } else {
                frame.each(|row| f(arg.get(row)))
            }
        })
    }
}

fn to_integer(from: Type, to: Width, shape: Conversion) -> Option<Kernel> {
    let out = move || Failure::out_of_range(to.name());
    Some(match from {
        Type::Bool => shape.fixed(|value: bool| Ok(i64::from(value))),
        Type::Int16 | Type::Int32 | Type::Int64 => {
            shape.fixed(move |value: i64| to.checked(value).ok_or_else(out))
        }
        Type::Float32 | Type::Float64 => shape.fixed(move |value: f64| {
            let rounded = value.round_ties_even();
            // Two to the 63rd is a double, its predecessor as an integer is not.
            let inside = (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&rounded);
            inside.then_some(rounded as i64).and_then(|value| to.checked(value)).ok_or_else(out)
        }),
        Type::Decimal { scale, .. } => shape.decimal(move |value| {
            let whole = decimal::divide_rounded(value, decimal::power(u32::from(scale)));
            i64::try_from(whole).ok().and_then(|value| to.checked(value)).ok_or_else(out)
        }),
        Type::Text => shape.text(move |text| parse_integer(text, to)),
        _ => return None,
    })
}

/// Digits with a sign, blanks around them.
pub(crate) fn parse_integer(text: &str, width: Width) -> Result<i64, Failure> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::invalid_text(width.name(), text));
    }
    // All digits: only the range can be wrong.
    trimmed.parse().ok().and_then(|value| width.checked(value)).ok_or_else(|| {
        let message = format!("value \"{text}\" is out of range for type {}", width.name());
        Failure::new(ErrorKind::NumericOutOfRange, message)
    })
}

fn to_float(from: Type, single: bool, shape: Conversion) -> Option<Kernel> {
    let rounded = move |value: f64| {
        let result = narrow(value, single);
        let lost = (result == 0.0 && value != 0.0) || (result.is_infinite() && value.is_finite());
        if lost { Err(overflow()) } else { Ok(result) }
    };
    Some(match from {
        // An integer rounds once: to REAL directly, not by way of a double.
        Type::Int16 | Type::Int32 | Type::Int64 => {
            shape.fixed(move |value: i64| Ok(if single { f64::from(value as f32) } else { value as f64 }))
        }
        Type::Float32 | Type::Float64 => shape.fixed(rounded),
        Type::Decimal { scale, .. } => shape.decimal(move |value| rounded(decimal::to_float(value, scale))),
        Type::Text => shape.text(move |text| parse_float(text, single)),
        _ => return None,
    })
}

pub(crate) fn parse_float(text: &str, single: bool) -> Result<f64, Failure> {
    let name = if single { "real" } else { "double precision" };
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let parsed = if single { trimmed.parse::<f32>().map(f64::from) } else { trimmed.parse::<f64>() };
    let value = parsed.map_err(|_| Failure::invalid_text(name, text))?;
    let mantissa = trimmed.split(['e', 'E']).next().unwrap_or_default();
    let vanished = value == 0.0 && mantissa.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let exploded = value.is_infinite() && mantissa.bytes().any(|b| b.is_ascii_digit());
    if vanished || exploded {
        let message = format!("\"{text}\" is out of range for type {name}");
        return Err(Failure::new(ErrorKind::NumericOutOfRange, message));
    }
    Ok(value)
}

fn to_decimal(from: Type, precision: u8, scale: u8, shape: Conversion) -> Option<Kernel> {
    let narrow_result = Type::Decimal { precision, scale }.lane() == Lane::I64;
    let rescaled = move |value: i128, from: u8| {
        let value = decimal::rescale(value, from, scale).ok_or_else(decimal::overflow)?;
        decimal::checked(value, precision)
    };
    // A decimal of the narrow lane has at most 18 digits, so the casts below lose nothing.
    Some(match from {
        Type::Int16 | Type::Int32 | Type::Int64 if narrow_result => {
            let factor = decimal::power(u32::from(scale)) as i64;
            let limit = decimal::power(u32::from(precision)) as i64;
            shape.fixed(move |value: i64| {
                let scaled = value.checked_mul(factor).filter(|scaled| (1 - limit..limit).contains(scaled));
                scaled.ok_or_else(decimal::overflow)
            })
        }
        Type::Int16 | Type::Int32 | Type::Int64 => {
            shape.fixed(move |value: i64| rescaled(i128::from(value), 0))
        }
        Type::Decimal { scale: old, .. } if narrow_result => {
            shape.decimal(move |value| rescaled(value, old).map(|value| value as i64))
        }
        Type::Decimal { scale: old, .. } => shape.decimal(move |value| rescaled(value, old)),
        Type::Float32 | Type::Float64 => {
            let digits = if from == Type::Float32 { 6 } else { 15 };
            let convert = move |value: f64| decimal::from_float(value, digits, precision, scale);
            if narrow_result {
                shape.fixed(move |value: f64| convert(value).map(|value| value as i64))
            } else {
                shape.fixed(convert)
            }
        }
        Type::Text if narrow_result => {
            shape.text(move |text| decimal::parse(text, precision, scale).map(|value| value as i64))
        }
        Type::Text => shape.text(move |text| decimal::parse(text, precision, scale)),
        _ => return None,
    })
}

/// `true` and its spellings, each also shortened as far as it stays unambiguous.
pub(crate) fn parse_bool(text: &str) -> Result<bool, Failure> {
    let word = text.trim_matches(|c: char| c.is_ascii_whitespace()).to_ascii_lowercase();
    match word.as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(false),
        _ => Err(Failure::invalid_text("boolean", text)),
    }
}

fn to_moment(from: Type, to: Type, shape: Conversion) -> Option<Kernel> {
    use Type::{Date, Interval as Span, Text, Time, Timestamp, TimestampTz};
    Some(match (from, to) {
        (Text, Date) => shape.text(parse_date),
        (Text, Time) => shape.text(parse_time),
        (Text, Timestamp) => shape.text(parse_timestamp),
        (Text, TimestampTz) => shape.text(parse_timestamptz),
        (Date, Timestamp | TimestampTz) => shape.fixed(|days: i64| timestamp(days, 0)),
        (Timestamp | TimestampTz, Date) => shape.fixed(|micros: i64| checked_date(micros.div_euclid(DAY))),
        (Timestamp | TimestampTz, Time) => shape.fixed(|micros: i64| Ok(datetime::split(micros).1)),
        (Span, Time) => shape.fixed(|interval: Interval| Ok(datetime::add_to_time(0, interval))),
        _ => return None,
    })
}

/// Any type to text, as PostgreSQL prints it. Nothing fails here, so TRY_CAST is no different.
fn to_text(from: Type) -> Kernel {
    kernel(move |frame| {
        let argument = frame.args[0];
        frame.each_text(|row, out| {
            write_text(&argument, from, row, out);
            Ok(())
        })
    })
}

/// Appends one value of `argument` as text.
pub(crate) fn write_text(argument: &Argument<'_>, ty: Type, row: usize, out: &mut Vec<u8>) {
    let owned;
    let value = match argument {
        Argument::Constant(value, _) => *value,
        Argument::Column(..) if matches!(ty, Type::Text | Type::Bytes) => {
            let bytes = operand::texts(argument).bytes(row);
            match ty {
                Type::Text => out.extend_from_slice(bytes),
                _ => text_fn::hex(bytes, out),
            }
            return;
        }
        Argument::Column(column, _) => {
            owned = column.get(row);
            &owned
        }
    };
    let written = match value {
        Datum::Bool(value) => write!(out, "{value}"),
        value => write!(out, "{}", value.display(ty)),
    };
    debug_assert!(written.is_ok(), "a Vec takes every write");
}

/// Text to bytes, NULL where it is not the text of any.
fn try_bytes(frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let texts = frame.texts(0);
    let mut scratch = vec![];
    let sound = frame.each(|row| {
        scratch.clear();
        Ok(text_fn::unhex(texts.text(row), &mut scratch).is_ok())
    })?;
    let result = frame.each_text(|row, out| {
        let start = out.len();
        if text_fn::unhex(texts.text(row), out).is_err() {
            out.truncate(start);
        }
        Ok(())
    })?;
    let known = result.valid;
    let valid = match (&sound.data, known) {
        (Data::Bool(sound), Some(mut known)) => {
            known.iter_mut().zip(sound).for_each(|(known, sound)| *known &= sound);
            Some(known)
        }
        (Data::Bool(sound), None) => Some(sound.clone()),
        (_, known) => known,
    };
    Ok(Vector { data: result.data, valid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_booleans_from_text() {
        assert_eq!(parse_integer(" -7 ", Width::W16), Ok(-7));
        for (text, kind) in [
            ("", ErrorKind::InvalidText),
            ("1.5", ErrorKind::InvalidText),
            ("+-1", ErrorKind::InvalidText),
            ("32768", ErrorKind::NumericOutOfRange),
            ("99999999999999999999", ErrorKind::NumericOutOfRange),
        ] {
            assert_eq!(parse_integer(text, Width::W16).map_err(|e| e.kind), Err(kind), "{text}");
        }
        assert_eq!(parse_bool(" YES "), Ok(true));
        assert!(parse_bool("o").is_err() && parse_bool("").is_err());
    }

    #[test]
    fn floats_from_text() {
        assert_eq!(parse_float(" 1.5e3 ", false), Ok(1500.0));
        assert_eq!(parse_float("-Infinity", false), Ok(f64::NEG_INFINITY));
        assert_eq!(parse_float("0.1", true), Ok(f64::from(0.1f32)));
        for text in ["1e400", "1e-400"] {
            assert_eq!(parse_float(text, false).map_err(|e| e.kind), Err(ErrorKind::NumericOutOfRange));
        }
        assert!(parse_float("abc", false).is_err() && parse_float("", false).is_err());
    }
}
