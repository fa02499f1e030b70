//! Values as PostgreSQL's binary format has them: big-endian, times counted from the year 2000, and numbers with
//! a point in base 10,000.
//!
//! ```text
//! numeric:  groups u16 | weight i16 | sign u16 | scale u16 | groups × u16
//!           group i is worth 10,000^(weight - i); zero groups at either end are left out
//! interval: microseconds i64 | days i32 | months i32
//! ```

use sql::{SqlError, SqlState, input};
use zset::{Datum, Interval, Type};

use super::{Cell, decimal, too_many_digits};
use crate::error::Result;
use crate::outcome::Value;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's days and microseconds begin.
const EPOCH_DAYS: i64 = 10_957;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const EPOCH_MICROS: i64 = EPOCH_DAYS * MICROS_PER_DAY;

const NEGATIVE: u16 = 0x4000;

/// Appends a value's bytes; NULL has none.
pub fn write(cell: Cell<'_>, ty: Type, out: &mut Vec<u8>) {
    match (cell, ty) {
        (Cell::Null, _) => {}
        (Cell::Bool(value), _) => out.push(value.into()),
        (Cell::Int(value), Type::Int16) => out.extend_from_slice(&(value as i16).to_be_bytes()),
        (Cell::Int(value), Type::Int32) => out.extend_from_slice(&(value as i32).to_be_bytes()),
        (Cell::Int(value), Type::Date) => {
            out.extend_from_slice(&(value.wrapping_sub(EPOCH_DAYS) as i32).to_be_bytes());
        }
        (Cell::Int(value), Type::Timestamp | Type::TimestampTz) => {
            out.extend_from_slice(&value.wrapping_sub(EPOCH_MICROS).to_be_bytes());
        }
        (Cell::Int(value), Type::Decimal { scale, .. }) => write_numeric(value.into(), scale, out),
        (Cell::Int(value), _) => out.extend_from_slice(&value.to_be_bytes()),
        (Cell::Wide(value), Type::Decimal { scale, .. }) => write_numeric(value, scale, out),
        (Cell::Wide(value), _) => write_numeric(value, 0, out),
        (Cell::Float(value), Type::Float32) => out.extend_from_slice(&(value as f32).to_be_bytes()),
        (Cell::Float(value), _) => out.extend_from_slice(&value.to_be_bytes()),
        (Cell::Text(value), _) => out.extend_from_slice(value.as_bytes()),
        (Cell::Bytes(value), _) => out.extend_from_slice(value),
        (Cell::Interval(value), _) => {
            out.extend_from_slice(&value.micros.to_be_bytes());
            out.extend_from_slice(&value.days.to_be_bytes());
            out.extend_from_slice(&value.months.to_be_bytes());
        }
    }
}

/// The value of these bytes. A decimal keeps all the digits it has, whatever precision `ty` names.
pub fn read(bytes: &[u8], ty: Type) -> Result<Value> {
    let datum = match ty {
        Type::Bool => Datum::Bool(u8::from_be_bytes(exactly(bytes, ty)?) != 0),
        Type::Int16 => Datum::Int(i16::from_be_bytes(exactly(bytes, ty)?).into()),
        Type::Int32 => Datum::Int(i32::from_be_bytes(exactly(bytes, ty)?).into()),
        Type::Int64 => Datum::Int(i64::from_be_bytes(exactly(bytes, ty)?)),
        Type::Float32 => Datum::Float(f32::from_be_bytes(exactly(bytes, ty)?).into()),
        Type::Float64 => Datum::Float(f64::from_be_bytes(exactly(bytes, ty)?)),
        Type::Decimal { .. } => {
            let (datum, ty) = read_numeric(bytes)?;
            return Ok(Value { datum, ty });
        }
        Type::Text => {
            let text = std::str::from_utf8(bytes).map_err(|_| not_utf8())?;
            Datum::Text(text.to_string())
        }
        Type::Bytes => Datum::Bytes(bytes.to_vec()),
        Type::Date => {
            let days = i32::from_be_bytes(exactly(bytes, ty)?);
            if matches!(days, i32::MIN | i32::MAX) {
                return Err(infinite(ty).into());
            }
            Datum::Int(in_range(i64::from(days) + EPOCH_DAYS, ty)?)
        }
        Type::Time => {
            let micros = i64::from_be_bytes(exactly(bytes, ty)?);
            if !(0..=MICROS_PER_DAY).contains(&micros) {
                return Err(SqlError::new(SqlState::DatetimeOverflow, "time out of range").into());
            }
            Datum::Int(micros)
        }
        Type::Timestamp | Type::TimestampTz => {
            let micros = i64::from_be_bytes(exactly(bytes, ty)?);
            if matches!(micros, i64::MIN | i64::MAX) {
                return Err(infinite(ty).into());
            }
            let moved = micros.checked_add(EPOCH_MICROS).ok_or_else(|| out_of_range(ty))?;
            Datum::Int(in_range(moved, ty)?)
        }
        Type::Interval => {
            let bytes: [u8; 16] = exactly(bytes, ty)?;
            let (micros, rest) = bytes.split_at(8);
            let (days, months) = rest.split_at(4);
            Datum::Interval(Interval {
                micros: i64::from_be_bytes(exactly(micros, ty)?),
                days: i32::from_be_bytes(exactly(days, ty)?),
                months: i32::from_be_bytes(exactly(months, ty)?),
            })
        }
    };
    Ok(Value { datum, ty })
}

/// The value of these bytes as a column of type `ty` stores it: a decimal is rounded to its scale.
pub(crate) fn read_stored(bytes: &[u8], ty: Type) -> Result<Datum> {
    let value = read(bytes, ty)?;
    if !matches!(ty, Type::Decimal { .. }) || value.ty == ty {
        return Ok(value.datum);
    }
    Ok(input::from_text(&value.datum.display(value.ty).to_string(), ty)?)
}

fn exactly<const N: usize>(bytes: &[u8], ty: Type) -> Result<[u8; N]> {
    let wrong = |_| {
        SqlError::new(SqlState::BadBinary, format!("{} bytes are no {}", bytes.len(), input::type_name(ty)))
    };
    Ok(bytes.try_into().map_err(wrong)?)
}

fn not_utf8() -> SqlError {
    SqlError::new(SqlState::BadEncoding, "invalid byte sequence for encoding \"UTF8\"")
}

fn infinite(ty: Type) -> SqlError {
    SqlError::unsupported(format!("an infinite {}", input::type_name(ty)))
}

fn out_of_range(ty: Type) -> SqlError {
    SqlError::new(SqlState::DatetimeOverflow, format!("{} out of range", input::type_name(ty)))
}

/// The days or microseconds, if a literal could give them: 4714-11-24 BC to the types' last years.
fn in_range(value: i64, ty: Type) -> Result<i64> {
    const FIRST: i64 = -2_440_588;
    let range = match ty {
        Type::Date => FIRST..=2145042905,
        _ => FIRST * MICROS_PER_DAY..=106751982 * MICROS_PER_DAY - 1,
    };
    if range.contains(&value) { Ok(value) } else { Err(out_of_range(ty).into()) }
}

/// Writes `unscaled / 10^scale`.
fn write_numeric(unscaled: i128, scale: u8, out: &mut Vec<u8>) {
    let magnitude = unscaled.unsigned_abs();
    let unit = 10_u128.pow(u32::from(scale.min(38)));
    let (mut whole, mut fraction) = (magnitude / unit, magnitude % unit);
    // From the end: 10 groups hold 38 digits before the point, 10 after it.
    let mut groups = [0_u16; 20];
    let mut start = groups.len();
    let mut put = |group: u128| {
        start -= 1;
        groups[start] = group as u16;
    };
    let odd = u32::from(scale % 4);
    if odd > 0 {
        put(fraction % 10_u128.pow(odd) * 10_u128.pow(4 - odd));
        fraction /= 10_u128.pow(odd);
    }
    for _ in 0..scale / 4 {
        put(fraction % 10_000);
        fraction /= 10_000;
    }
    let mut weight = -1_i16;
    while whole > 0 {
        put(whole % 10_000);
        whole /= 10_000;
        weight += 1;
    }
    let mut used = &groups[start..];
    while let [0, rest @ ..] = used {
        used = rest;
        weight -= 1;
    }
    while let [rest @ .., 0] = used {
        used = rest;
    }
    let weight = if used.is_empty() { 0 } else { weight };
    out.extend_from_slice(&(used.len() as u16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&(if unscaled < 0 { NEGATIVE } else { 0 }).to_be_bytes());
    out.extend_from_slice(&u16::from(scale).to_be_bytes());
    used.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
}

fn read_numeric(bytes: &[u8]) -> Result<(Datum, Type)> {
    let malformed = || SqlError::new(SqlState::BadBinary, "malformed numeric");
    let (head, groups) = bytes.split_at_checked(8).ok_or_else(malformed)?;
    let field = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign, scale) = (field(0), field(2) as i16, field(4), field(6));
    if !matches!(sign, 0 | NEGATIVE) {
        return Err(SqlError::unsupported("NaN or infinity as a numeric").into());
    }
    if groups.len() != usize::from(count) * 2 {
        return Err(malformed().into());
    }
    let scale = u8::try_from(scale).ok().filter(|scale| *scale <= 38).ok_or_else(too_many_digits)?;
    let mut unscaled = 0_i128;
    for (index, group) in groups.chunks_exact(2).enumerate() {
        let digits = i128::from(u16::from_be_bytes([group[0], group[1]]));
        if digits >= 10_000 {
            return Err(malformed().into());
        }
        // The power of ten of the group's last digit, in units of the scale.
        let power = (i32::from(weight) - index as i32) * 4 + i32::from(scale);
        let part = match u32::try_from(power) {
            Ok(_) if digits == 0 => Some(0),
            Ok(power) => 10_i128.checked_pow(power).and_then(|unit| digits.checked_mul(unit)),
            // Digits behind the scale are cut off, as PostgreSQL does.
            Err(_) if power > -4 => Some(digits / 10_i128.pow(power.unsigned_abs())),
            Err(_) => Some(0),
        };
        unscaled = part.and_then(|part| unscaled.checked_add(part)).ok_or_else(too_many_digits)?;
    }
    decimal(if sign == NEGATIVE { -unscaled } else { unscaled }, scale)
}
