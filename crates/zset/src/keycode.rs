//! How a single value becomes bytes: order-preserving in K, plain in V.
//!
//! In K, byte order is the order of the values and every column ends where its own bytes say: integers are
//! big-endian with the sign flipped; floats are brought to one NaN and one zero and then flipped likewise; byte
//! strings escape `00` as `00 FF` and end with `00 00`; intervals lead with their span. In V, a value is its
//! little-endian bytes. Each pair of functions here is one type's writer and reader.

use crate::datum::{Datum, canonical};
use crate::types::{Interval, Type};

/// Marks a value of a nullable key column.
pub(crate) const VALUE: u8 = 0x01;
/// Marks a NULL in a nullable key column: it sorts after every value.
pub(crate) const NULL: u8 = 0x02;

/// Bytes that a value takes in K, without its marker, or `None` where the length varies.
pub(crate) fn key_width(ty: Type) -> Option<usize> {
    match ty {
        Type::Interval => Some(24),
        other => other.width(),
    }
}

/// Whether an integer of the `i64` lane fits the type's slot.
#[inline]
pub(crate) fn fits(ty: Type, value: i64) -> bool {
    match ty {
        Type::Int16 => i16::try_from(value).is_ok(),
        Type::Int32 | Type::Date => i32::try_from(value).is_ok(),
        _ => true,
    }
}

/// The pair of functions for integers of one width: big-endian with the sign flipped, and back.
macro_rules! signed {
    ($encode:ident, $decode:ident, $int:ty, $bytes:literal, $lane:ty) => {
        #[inline]
        pub(crate) fn $encode(value: $lane) -> [u8; $bytes] {
            (value as $int ^ <$int>::MIN).to_be_bytes()
        }

        #[inline]
        pub(crate) fn $decode(bytes: &[u8; $bytes]) -> $lane {
            <$lane>::from(<$int>::from_be_bytes(*bytes) ^ <$int>::MIN)
        }
    };
}

signed!(key_i16, unkey_i16, i16, 2, i64);
signed!(key_i32, unkey_i32, i32, 4, i64);
signed!(key_i64, unkey_i64, i64, 8, i64);
signed!(key_i128, unkey_i128, i128, 16, i128);

#[inline]
pub(crate) fn key_f64(value: f64) -> [u8; 8] {
    let bits = canonical(value).to_bits();
    let flip = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
    (bits ^ flip).to_be_bytes()
}

#[inline]
pub(crate) fn unkey_f64(bytes: &[u8; 8]) -> f64 {
    let bits = u64::from_be_bytes(*bytes);
    let flip = if bits >> 63 == 1 { 1 << 63 } else { u64::MAX };
    f64::from_bits(bits ^ flip)
}

#[inline]
pub(crate) fn key_f32(value: f64) -> [u8; 4] {
    let bits = narrow(value).to_bits();
    let flip = if bits >> 31 == 1 { u32::MAX } else { 1 << 31 };
    (bits ^ flip).to_be_bytes()
}

#[inline]
pub(crate) fn unkey_f32(bytes: &[u8; 4]) -> f64 {
    let bits = u32::from_be_bytes(*bytes);
    let flip = if bits >> 31 == 1 { 1 << 31 } else { u32::MAX };
    f64::from(f32::from_bits(bits ^ flip))
}

pub(crate) fn key_interval(value: Interval) -> [u8; 24] {
    let mut out = [0; 24];
    out[..16].copy_from_slice(&key_i128(value.span()));
    out[16..20].copy_from_slice(&key_i32(i64::from(value.months)));
    out[20..].copy_from_slice(&key_i32(i64::from(value.days)));
    out
}

pub(crate) fn unkey_interval(bytes: &[u8; 24]) -> Interval {
    let [span, parts @ ..] = bytes.as_chunks::<4>().0 else { return Interval::default() };
    let [b, c, d, months, days] = parts else { return Interval::default() };
    let mut wide = [0; 16];
    for (to, from) in wide.chunks_exact_mut(4).zip([span, b, c, d]) {
        to.copy_from_slice(from);
    }
    Interval::from_span(unkey_i128(&wide), unkey_i32(months) as i32, unkey_i32(days) as i32)
}

/// The narrow float that a `REAL` slot holds: canonical after rounding, since a tiny negative rounds to -0.
#[inline]
fn narrow(value: f64) -> f32 {
    let value = canonical(value) as f32;
    if value == 0.0 { 0.0 } else { value }
}

#[inline]
pub(crate) fn slot_f64(value: f64) -> [u8; 8] {
    canonical(value).to_bits().to_le_bytes()
}

#[inline]
pub(crate) fn slot_f32(value: f64) -> [u8; 4] {
    narrow(value).to_bits().to_le_bytes()
}

#[inline]
pub(crate) fn unslot_f32(bytes: &[u8; 4]) -> f64 {
    f64::from(f32::from_le_bytes(*bytes))
}

pub(crate) fn slot_interval(value: Interval) -> [u8; 16] {
    let mut out = [0; 16];
    out[..4].copy_from_slice(&value.months.to_le_bytes());
    out[4..8].copy_from_slice(&value.days.to_le_bytes());
    out[8..].copy_from_slice(&value.micros.to_le_bytes());
    out
}

pub(crate) fn unslot_interval(bytes: &[u8; 16]) -> Interval {
    let [a, b, c, d, e, f, g, h, micros @ ..] = *bytes;
    Interval {
        months: i32::from_le_bytes([a, b, c, d]),
        days: i32::from_le_bytes([e, f, g, h]),
        micros: i64::from_le_bytes(micros),
    }
}

/// Bytes that a byte string takes in K.
#[inline]
pub(crate) fn escaped_len(bytes: &[u8]) -> usize {
    bytes.len() + bytes.iter().map(|&byte| usize::from(byte == 0)).sum::<usize>() + 2
}

/// Writes a byte string in K's form at the start of `out`, which is zeroed, and returns the bytes taken.
#[inline]
pub(crate) fn escape(bytes: &[u8], out: &mut [u8]) -> usize {
    let size = escaped_len(bytes);
    if size == bytes.len() + 2 {
        out[..bytes.len()].copy_from_slice(bytes);
        return size;
    }
    let mut at = 0;
    for &byte in bytes {
        out[at] = byte;
        at += 1;
        if byte == 0 {
            out[at] = 0xff;
            at += 1;
        }
    }
    size
}

/// Where the byte string in K's form that starts at `at` ends; the end of the key if it never does.
#[inline]
pub(crate) fn escaped_end(key: &[u8], at: usize) -> usize {
    let mut at = at;
    while let Some(zero) = key.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0)) {
        at += zero + 2;
        if key.get(at - 1) != Some(&0xff) {
            return at.min(key.len());
        }
    }
    key.len()
}

/// Appends the byte string whose form in K is `bytes`, terminator included.
#[inline]
pub(crate) fn unescape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|&byte| byte == 0) {
        out.extend_from_slice(&rest[..zero]);
        if rest.get(zero + 1) != Some(&0xff) {
            return;
        }
        out.push(0);
        rest = &rest[zero + 2..];
    }
    out.extend_from_slice(rest);
}

/// Appends a value in K's form, without marker. `false` if the datum is not of the type.
pub(crate) fn push_key(ty: Type, value: &Datum, out: &mut Vec<u8>) -> bool {
    match (ty, value) {
        (Type::Bool, Datum::Bool(value)) => out.push(u8::from(*value)),
        (Type::Int16, Datum::Int(value)) => out.extend(key_i16(*value)),
        (Type::Int32 | Type::Date, Datum::Int(value)) => out.extend(key_i32(*value)),
        (Type::Float32, Datum::Float(value)) => out.extend(key_f32(*value)),
        (Type::Float64, Datum::Float(value)) => out.extend(key_f64(*value)),
        (Type::Interval, Datum::Interval(value)) => out.extend(key_interval(*value)),
        (Type::Text | Type::Bytes, value) => {
            let Some(bytes) = value.as_bytes() else { return false };
            let start = out.len();
            out.resize(start + escaped_len(bytes), 0);
            escape(bytes, &mut out[start..]);
        }
        (ty, value) => match (key_width(ty), integer(value)) {
            (Some(8), Some(value)) => out.extend(key_i64(value as i64)),
            (Some(16), Some(value)) => out.extend(key_i128(value)),
            _ => return false,
        },
    }
    true
}

/// Appends a value of fixed width in V's form. `false` if the datum is not of the type.
pub(crate) fn push_slot(ty: Type, value: &Datum, out: &mut Vec<u8>) -> bool {
    match (ty, value) {
        (Type::Bool, Datum::Bool(value)) => out.push(u8::from(*value)),
        (Type::Float32, Datum::Float(value)) => out.extend(slot_f32(*value)),
        (Type::Float64, Datum::Float(value)) => out.extend(slot_f64(*value)),
        (Type::Interval, Datum::Interval(value)) => out.extend(slot_interval(*value)),
        (Type::Bool | Type::Float32 | Type::Float64 | Type::Interval, _) => return false,
        (ty, value) => match (ty.width(), integer(value)) {
            (Some(width), Some(value)) => out.extend(&value.to_le_bytes()[..width]),
            _ => return false,
        },
    }
    true
}

/// The integer in a datum of either integer lane.
fn integer(value: &Datum) -> Option<i128> {
    match value {
        Datum::Int(value) => Some(i128::from(*value)),
        Datum::Wide(value) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_escape_and_keep_their_order() {
        let strings: [&[u8]; 8] = [b"", b"\0", b"\0\0", b"\0\x01", b"a", b"a\0", b"a\0b", b"ab"];
        let coded: Vec<Vec<u8>> = strings
            .iter()
            .map(|bytes| {
                let mut out = vec![0; escaped_len(bytes)];
                assert_eq!(escape(bytes, &mut out), out.len());
                out
            })
            .collect();
        assert!(coded.windows(2).all(|pair| pair[0] < pair[1]));
        for (bytes, coded) in strings.iter().zip(&coded) {
            let mut key = coded.clone();
            key.extend(b"\0\xff\0\0");
            assert_eq!(escaped_end(&key, 0), coded.len());
            let mut out = Vec::new();
            unescape(coded, &mut out);
            assert_eq!(out, *bytes);
        }
        assert_eq!(escaped_end(b"abc", 0), 3);
        assert_eq!(escaped_end(b"ab\0", 0), 3);
        assert_eq!(escaped_end(b"", 5), 0);
    }

    #[test]
    fn floats_are_canonical() {
        assert_eq!(key_f64(-0.0), key_f64(0.0));
        assert_eq!(key_f64(-f64::NAN), key_f64(f64::NAN));
        assert!(key_f64(f64::INFINITY) < key_f64(f64::NAN));
        assert!(key_f32(-1e-300) == key_f32(0.0) && slot_f32(-1e-300) == [0; 4]);
        assert!(unkey_f64(&key_f64(-1.5)) == -1.5 && unkey_f32(&key_f32(-1.5)) == -1.5);
    }
}
