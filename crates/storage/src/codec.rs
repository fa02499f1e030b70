//! Little-endian integers in and out of byte vectors, and the checksum of every file: CRC-32C.

use crc_fast::{CrcAlgorithm, Digest};

/// The CRC-32C of the parts, one after the other.
pub(crate) fn crc32c<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize() as u32
}

/// Bytes from `at` to the next multiple of `alignment`.
pub(crate) fn padding(at: usize, alignment: usize) -> &'static [u8] {
    const ZEROS: [u8; 64] = [0; 64];
    &ZEROS[..at.next_multiple_of(alignment) - at]
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Reads forward; `None` when the bytes end too soon.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    /// Skips to the next multiple of `alignment` from where this reader began.
    pub(crate) fn align(&mut self, alignment: usize) -> Option<()> {
        self.take(self.at.next_multiple_of(alignment) - self.at).map(|_| ())
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// A `u64` that must be usable as a length.
    pub(crate) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok()
    }
}
