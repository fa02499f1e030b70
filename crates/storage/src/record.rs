//! The bytes of the write-ahead log: segment headers and records, written and read back.
//!
//! ```text
//! segment header, 64 bytes            record header, 40 bytes, on a multiple of 8
//!  0 u64 magic "GNITZWAL"              0 u32 magic
//!  8 u32 version                       4 u32 CRC-32C of salt and bytes 8..40
//! 16 u64 number of the segment         8 u64 length of the body
//! 24 u64 number of its first record   16 u64 number of the record
//! 32 u64 last record known durable    24 u64 last record known durable
//! 60 u32 CRC-32C of bytes 0..60       32 u32 CRC-32C of salt and body
//! ```
//!
//! The body: epoch `u64`, count of collections `u64`; for each collection its id as `u64`
//! and the lengths of W, O, K, V as `u64`; then all regions in that order, each padded to 8 bytes.
//!
//! *Known durable* is what lets a reader tell a torn tail from damage. Records behind a bad one are normal
//! after a power loss (several were on their way), unless one of them says that the bad one had been
//! synced before: then something acknowledged is lost, and that is an error.
//!
//! The salt comes from the database's secret, so a user's value that looks like a record is not taken for one.

use arrow_buffer::Buffer;
use zset::{Batch, CollectionId, Deltas, Secret};

use crate::codec::{Reader, crc32c, padding, put_u32, put_u64};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 64;

const SEGMENT_MAGIC: u64 = u64::from_le_bytes(*b"GNITZWAL");
const VERSION: u32 = 1;
const RECORD_HEADER: usize = 40;
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"GzRc");
const ALIGN: usize = 8;

/// The file of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("wal-{number}")
}

/// The number of the segment that a file of this name is, if it is one.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    name.strip_prefix("wal-")?.parse().ok().filter(|&number| segment_name(number) == name)
}

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) first: u64,
    pub(crate) durable: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER);
        put_u64(&mut out, SEGMENT_MAGIC);
        put_u64(&mut out, u64::from(VERSION));
        put_u64(&mut out, self.number);
        put_u64(&mut out, self.first);
        put_u64(&mut out, self.durable);
        out.resize(SEGMENT_HEADER - 4, 0);
        let checksum = crc32c([out.as_slice()]);
        put_u32(&mut out, checksum);
        out
    }

    /// `None` when the bytes are not a header of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<SegmentHeader> {
        let header = bytes.get(..SEGMENT_HEADER)?;
        let mut reader = Reader::new(header);
        let magic = reader.u64()?;
        let version = reader.u64()?;
        let decoded = SegmentHeader { number: reader.u64()?, first: reader.u64()?, durable: reader.u64()? };
        let checksum = Reader::new(&header[SEGMENT_HEADER - 4..]).u32()?;
        let good = magic == SEGMENT_MAGIC
            && version == u64::from(VERSION)
            && checksum == crc32c([&header[..SEGMENT_HEADER - 4]]);
        good.then_some(decoded)
    }
}

/// A record found in a segment.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) number: u64,
    pub(crate) durable: u64,
    pub(crate) body: &'a [u8],
    /// Where the next record starts.
    pub(crate) end: usize,
}

/// What goes into the checksums of a segment's records before their bytes.
pub(crate) fn salt(secret: Secret, segment: u64) -> [u8; 24] {
    let mut salt = [0; 24];
    salt[..16].copy_from_slice(&secret.0);
    salt[16..].copy_from_slice(&segment.to_le_bytes());
    salt
}

/// The record of one epoch, header and all.
pub(crate) fn encode(number: u64, durable: u64, salt: &[u8], epoch: u64, deltas: &Deltas) -> Vec<u8> {
    // A slice's regions are those of the whole batch; only its own rows belong in the log.
    let batches: Vec<Batch> = deltas.values().map(Batch::compact).collect();
    let mut head = Vec::with_capacity(16 + 40 * deltas.len());
    put_u64(&mut head, epoch);
    put_u64(&mut head, deltas.len() as u64);
    let mut length = 16;
    for (id, batch) in deltas.keys().zip(&batches) {
        put_u64(&mut head, u64::from(id.0));
        length += 40;
        for region in batch.regions() {
            put_u64(&mut head, region.len() as u64);
            length += region.len().next_multiple_of(ALIGN);
        }
    }
    let regions = || batches.iter().flat_map(Batch::regions);
    let padded = || regions().flat_map(|region| [region, padding(region.len(), ALIGN)]);
    let checksum = crc32c([salt, head.as_slice()].into_iter().chain(padded()));

    let mut out = Vec::with_capacity(RECORD_HEADER + length);
    put_u32(&mut out, RECORD_MAGIC);
    put_u32(&mut out, 0);
    put_u64(&mut out, length as u64);
    put_u64(&mut out, number);
    put_u64(&mut out, durable);
    put_u64(&mut out, u64::from(checksum));
    let header = crc32c([salt, &out[ALIGN..]]);
    out[4..ALIGN].copy_from_slice(&header.to_le_bytes());
    out.extend_from_slice(&head);
    padded().for_each(|part| out.extend_from_slice(part));
    out
}

/// The record that starts at `at`; `None` when there is no whole and undamaged one.
pub(crate) fn decode<'a>(segment: &'a [u8], at: usize, salt: &[u8]) -> Option<Record<'a>> {
    let header = segment.get(at..at.checked_add(RECORD_HEADER)?)?;
    let mut reader = Reader::new(header);
    if reader.u32()? != RECORD_MAGIC || reader.u32()? != crc32c([salt, &header[ALIGN..]]) {
        return None;
    }
    let (length, number, durable) = (reader.size()?, reader.u64()?, reader.u64()?);
    let checksum = reader.u64()?;
    let start = at + RECORD_HEADER;
    let end = start.checked_add(length)?;
    let body = segment.get(start..end)?;
    let good = checksum == u64::from(crc32c([salt, body]));
    good.then_some(Record { number, durable, body, end: end.next_multiple_of(ALIGN) })
}

/// Whether behind `at` some record says that record `number` was durable when it was written.
pub(crate) fn durable_behind(segment: &[u8], at: usize, number: u64, salt: &[u8]) -> bool {
    let mut at = at.next_multiple_of(ALIGN);
    while at + RECORD_HEADER <= segment.len() {
        match decode(segment, at, salt) {
            Some(record) if record.durable >= number => return true,
            Some(record) => at = record.end,
            None => at += ALIGN,
        }
    }
    false
}

/// The epoch of a record's body.
pub(crate) fn epoch(body: &[u8]) -> Option<u64> {
    Reader::new(body).u64()
}

/// The epoch and the deltas of a record's body; `None` when they make no sense.
pub(crate) fn decode_body(body: &[u8]) -> Option<(u64, Deltas)> {
    let mut head = Reader::new(body);
    let (epoch, count) = (head.u64()?, head.size()?);
    let mut regions = Reader::new(body);
    regions.take(count.checked_mul(40)?.checked_add(16)?)?;
    let mut deltas = Deltas::new();
    for _ in 0..count {
        let id = CollectionId(u32::try_from(head.u64()?).ok()?);
        let mut region = || {
            let bytes = regions.take(head.size()?)?;
            regions.align(ALIGN)?;
            Some(Buffer::from(bytes))
        };
        let batch = Batch::from_regions([region()?, region()?, region()?, region()?]).ok()?;
        deltas.insert(id, batch);
    }
    Some((epoch, deltas))
}
