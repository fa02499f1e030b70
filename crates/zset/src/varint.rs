//! Lengths in LEB128: seven bits a byte, low bits first, the high bit says that more follow.
//!
//! Every entry of a heap starts with one. Nearly all are one byte long, so the one-byte case is inlined and the
//! rest is out of line. Reading never looks beyond the slice and never panics.

/// The most bytes that a `u32` takes.
pub const MAX: usize = 5;

/// How many bytes `value` takes.
#[inline]
pub fn size(value: u32) -> usize {
    if value < 0x80 { 1 } else { (38 - value.leading_zeros() as usize) / 7 }
}

/// Appends `value`.
#[inline]
pub fn write(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes `value` at the start of `out` and returns how many bytes it took.
#[inline]
pub fn write_at(out: &mut [u8], mut value: u32) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

/// Reads a value at `at`: the value, and where the bytes after it start. `None` if there is none.
#[inline]
pub fn read(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 { Some((u32::from(first), at + 1)) } else { read_long(bytes, at) }
}

/// The entry at `at` of a heap and where it ends, or `None` if the heap ends before it.
#[inline]
pub fn entry(heap: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (length, start) = read(heap, at)?;
    let end = start + length as usize;
    Some((heap.get(start..end)?, end))
}

#[cold]
fn read_long(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let mut value = 0u64;
    for index in 0..MAX {
        let byte = *bytes.get(at + index)?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((u32::try_from(value).ok()?, at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_at_every_width() {
        let widths = (0..32).flat_map(|bit| [(1u32 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in widths.chain([u32::MAX]) {
            let mut out = vec![9];
            write(&mut out, value);
            assert_eq!(out.len() - 1, size(value), "{value}");
            assert_eq!(read(&out, 1), Some((value, out.len())));
            assert_eq!(read(&out[..out.len() - 1], 1), None);
            let mut slot = [0; MAX];
            let written = write_at(&mut slot, value);
            assert_eq!(slot[..written], out[1..]);
        }
        assert_eq!(read(&[0xff; 8], 0), None);
        assert_eq!(entry(&[3, 1, 2], 0), None);
        assert_eq!(entry(&[2, 1, 2], 0), Some((&[1u8, 2][..], 3)));
    }
}
