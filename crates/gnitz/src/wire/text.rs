//! Values as text: what `psql` shows, what a literal in quotes is read as.

use std::io::Write;

use sql::{SqlError, SqlState, input};
use zset::{Datum, Type};

use super::{Cell, decimal, too_many_digits};
use crate::error::Result;
use crate::outcome::Value;

/// Appends a value's text; NULL has none.
pub fn write(cell: Cell<'_>, ty: Type, out: &mut Vec<u8>) {
    match (cell, ty) {
        (Cell::Null, _) => {}
        (Cell::Bool(value), _) => out.push(if value { b't' } else { b'f' }),
        (Cell::Int(value), Type::Int16 | Type::Int32 | Type::Int64) => integer(value, out),
        (Cell::Int(value), _) => display(&Datum::Int(value), ty, out),
        (Cell::Wide(value), _) => display(&Datum::Wide(value), ty, out),
        (Cell::Float(value), _) => display(&Datum::Float(value), ty, out),
        (Cell::Text(value), _) => out.extend_from_slice(value.as_bytes()),
        (Cell::Bytes(value), _) => {
            out.extend_from_slice(b"\\x");
            let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            out.extend(value.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]));
        }
        (Cell::Interval(value), _) => display(&Datum::Interval(value), ty, out),
    }
}

/// The value that a text stands for, by the input rules of its type. A decimal keeps all the digits it has,
/// whatever precision `ty` names.
pub fn read(text: &str, ty: Type) -> Result<Value> {
    match ty {
        Type::Decimal { .. } => {
            let (datum, ty) = number(text)?;
            Ok(Value { datum, ty })
        }
        _ => Ok(Value { datum: input::from_text(text, ty)?, ty }),
    }
}

fn display(datum: &Datum, ty: Type, out: &mut Vec<u8>) {
    // A vector takes every write.
    let _ = write!(out, "{}", datum.display(ty));
}

fn integer(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

/// A number with point and exponent, exactly.
fn number(text: &str) -> Result<(Datum, Type)> {
    let trimmed = text.trim();
    let malformed =
        || SqlError::new(SqlState::InvalidText, format!("invalid input syntax for type numeric: \"{text}\""));
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| malformed())?),
        None => (trimmed, 0),
    };
    let (negative, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().next().is_none() || !digits().all(|digit| digit.is_ascii_digit()) {
        return Err(malformed().into());
    }
    let mut unscaled = 0_i128;
    for digit in digits() {
        let next = unscaled.checked_mul(10).and_then(|n| n.checked_add(i128::from(digit - b'0')));
        unscaled = next.ok_or_else(too_many_digits)?;
    }
    let fraction = i32::try_from(fraction.len()).map_err(|_| too_many_digits())?;
    let scale = fraction.checked_sub(exponent).ok_or_else(too_many_digits)?;
    if scale < 0 {
        let factor = 10_i128.checked_pow(scale.unsigned_abs()).filter(|_| unscaled != 0);
        unscaled = match factor {
            Some(factor) => unscaled.checked_mul(factor).ok_or_else(too_many_digits)?,
            None if unscaled == 0 => 0,
            None => return Err(too_many_digits().into()),
        };
    }
    let scale = u8::try_from(scale.max(0)).map_err(|_| too_many_digits())?;
    decimal(if negative { -unscaled } else { unscaled }, scale)
}
