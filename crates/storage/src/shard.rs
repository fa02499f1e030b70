//! A shard: one batch in a file, mapped and read in place.
//!
//! ```text
//! header, 64 bytes                       0 u64 magic "GNITZ_01"      8 u64 rows
//!                                       16 u64 offset of W          24 u64 offset of O
//!                                       32 u64 offset of K          40 u64 offset of V
//!                                       48 u64 offset of the footer 56 u32 its length
//!                                       60 u32 CRC-32C of bytes 0..60
//! W, O, K, V                            each from a multiple of 64, zeros between them
//! footer, from a multiple of 64          0 u32 version               4 u32 collection
//!                                        8 u64 schema fingerprint   16 u64 × 4 lengths of W, O, K, V
//!                                       48 u32 length, bytes: least key; likewise greatest key
//!                                          u32 × blocks: CRC-32C of each 64 KiB of W, then O, K, V
//!                                          u32 CRC-32C of the footer so far
//! ```
//!
//! Opening reads the header and the footer, so it costs the same for a kilobyte and a gigabyte. The regions are
//! verified when the shard is first read, once, and every later reader gets that answer: a flipped bit is an
//! error before it is a wrong sum.
//!
//! A shard that no manifest names any more is [marked](Shard::retire), and its file goes when the last reader lets
//! go of it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arrow_buffer::Buffer;
use zset::{Batch, CollectionId};

use crate::codec::{Reader, crc32c, padding, put_u32, put_u64};
use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::options::Sync;

/// The first eight bytes of a shard file, as a little-endian number.
pub const MAGIC: u64 = 0x3130_5F5A_5449_4E47;

const VERSION: u32 = 1;
const HEADER: usize = 64;
const ALIGN: usize = 64;
/// Bytes that one checksum covers.
const BLOCK: usize = 64 << 10;
/// A file up to this size is written with one call.
const ONE_WRITE: usize = 1 << 20;
const REGIONS: [&str; 4] = ["W", "O", "K", "V"];

/// Whose rows a shard holds, and in which form: it must be the same when the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The collection.
    pub collection: CollectionId,
    /// A hash of the collection's schema, as the caller computes it.
    pub fingerprint: u64,
}

/// An open shard file.
#[derive(Debug)]
pub struct Shard {
    fs: Arc<dyn Fs>,
    number: u64,
    map: Buffer,
    contents: Contents,
    verified: OnceLock<Result<Batch>>,
    retired: AtomicBool,
}

/// What header and footer say.
#[derive(Debug)]
struct Contents {
    owner: Owner,
    rows: usize,
    regions: [Range<usize>; 4],
    least: Vec<u8>,
    greatest: Vec<u8>,
    checksums: [Vec<u32>; 4],
}

pub(crate) fn shard_name(number: u64) -> String {
    format!("shard-{number}")
}

pub(crate) fn shard_number(name: &str) -> Option<u64> {
    name.strip_prefix("shard-")?.parse().ok().filter(|&number| shard_name(number) == name)
}

impl Shard {
    /// Writes a batch, which must not be empty, as shard `number`, and opens it. The name itself becomes durable
    /// with the next sync of the directory. After a failure a part of the file may be there.
    pub(crate) fn write(
        fs: &Arc<dyn Fs>,
        sync: Sync,
        number: u64,
        owner: Owner,
        batch: &Batch,
    ) -> Result<Arc<Shard>> {
        let name = shard_name(number);
        let batch = batch.compact();
        let regions = batch.regions();
        let (header, footer) = encode(&batch, &regions, owner);
        let file = fs.create(&name).map_err(StorageError::writing("create", &name))?;
        let mut parts: Vec<&[u8]> = vec![&header];
        for region in regions {
            parts.extend([region, padding(region.len(), ALIGN)]);
        }
        parts.push(&footer);
        if parts.iter().map(|part| part.len()).sum::<usize>() <= ONE_WRITE {
            file.append(&parts.concat()).map_err(StorageError::writing("append to", &name))?;
        } else {
            for part in parts {
                file.append(part).map_err(StorageError::writing("append to", &name))?;
            }
        }
        if sync != Sync::Off {
            file.sync().map_err(StorageError::io("sync", &name))?;
        }
        Shard::open(fs, number, owner)
    }

    /// Maps the file and reads its header and footer.
    pub(crate) fn open(fs: &Arc<dyn Fs>, number: u64, owner: Owner) -> Result<Arc<Shard>> {
        let name = shard_name(number);
        let map = fs.map(&name).map_err(StorageError::io("map", &name))?;
        let contents = decode(&name, &map)?;
        if contents.owner != owner {
            let detail = format!("holds {:?}, the manifest says {owner:?}", contents.owner);
            return Err(StorageError::corrupt(&name, "footer", contents.regions[3].end, detail));
        }
        let (verified, retired) = (OnceLock::new(), AtomicBool::new(false));
        Ok(Arc::new(Shard { fs: fs.clone(), number, map, contents, verified, retired }))
    }

    /// The file's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Rows in it.
    pub fn rows(&self) -> usize {
        self.contents.rows
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The key of its first row.
    pub fn least(&self) -> &[u8] {
        &self.contents.least
    }

    /// The key of its last row.
    pub fn greatest(&self) -> &[u8] {
        &self.contents.greatest
    }

    /// The rows. The first call reads the whole file to verify it.
    pub fn batch(&self) -> Result<&Batch> {
        self.verified.get_or_init(|| self.verify()).as_ref().map_err(StorageError::clone)
    }

    /// Lets the file be removed once nobody reads it: no manifest names it.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    fn verify(&self) -> Result<Batch> {
        let name = shard_name(self.number);
        for ((region, range), checksums) in
            REGIONS.iter().zip(&self.contents.regions).zip(&self.contents.checksums)
        {
            for (index, (block, checksum)) in self.map[range.clone()].chunks(BLOCK).zip(checksums).enumerate()
            {
                if crc32c([block]) != *checksum {
                    let offset = range.start + index * BLOCK;
                    return Err(StorageError::corrupt(
                        &name,
                        region,
                        offset,
                        "the checksum of this block is wrong",
                    ));
                }
            }
            let gap = range.end..range.end.next_multiple_of(ALIGN);
            if self.map[gap].iter().any(|&byte| byte != 0) {
                return Err(StorageError::corrupt(&name, region, range.end, "what follows it is not zero"));
            }
        }
        let regions =
            self.contents.regions.clone().map(|range| self.map.slice_with_length(range.start, range.len()));
        let malformed = |error: zset::ZsetError| StorageError::corrupt(&name, "O", HEADER, error.to_string());
        Ok(Batch::from_regions(regions).map_err(malformed)?.with_fences())
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        if *self.retired.get_mut() {
            // A file that cannot be removed now is removed at the next start, as no manifest names it.
            let _ = self.fs.remove(&shard_name(self.number));
        }
    }
}

fn encode(batch: &Batch, regions: &[&[u8]; 4], owner: Owner) -> (Vec<u8>, Vec<u8>) {
    let mut header = Vec::with_capacity(HEADER);
    put_u64(&mut header, MAGIC);
    put_u64(&mut header, batch.len() as u64);
    let mut at = HEADER;
    for region in regions {
        put_u64(&mut header, at as u64);
        at = (at + region.len()).next_multiple_of(ALIGN);
    }
    let mut footer = Vec::new();
    put_u32(&mut footer, VERSION);
    put_u32(&mut footer, owner.collection.0);
    put_u64(&mut footer, owner.fingerprint);
    regions.iter().for_each(|region| put_u64(&mut footer, region.len() as u64));
    for key in [batch.first_key(), batch.last_key()] {
        let key = key.unwrap_or_default();
        put_u32(&mut footer, key.len() as u32);
        footer.extend_from_slice(key);
    }
    for block in regions.iter().flat_map(|region| region.chunks(BLOCK)) {
        put_u32(&mut footer, crc32c([block]));
    }
    let checksum = crc32c([footer.as_slice()]);
    put_u32(&mut footer, checksum);

    put_u64(&mut header, at as u64);
    put_u32(&mut header, footer.len() as u32);
    let checksum = crc32c([header.as_slice()]);
    put_u32(&mut header, checksum);
    (header, footer)
}

fn decode(name: &str, file: &[u8]) -> Result<Contents> {
    let bad_header = |detail: &str| StorageError::corrupt(name, "header", 0, detail);
    let header = file.get(..HEADER).ok_or_else(|| bad_header("the file is shorter than a header"))?;
    let mut reader = Reader::new(header);
    if reader.u64() != Some(MAGIC) {
        return Err(bad_header("not a shard file"));
    }
    if header[HEADER - 4..] != crc32c([&header[..HEADER - 4]]).to_le_bytes() {
        return Err(bad_header("its checksum is wrong"));
    }
    let mut size = || reader.size().ok_or_else(|| bad_header("an offset passes the address space"));
    let rows = size()?;
    let starts = [size()?, size()?, size()?, size()?];
    let footer_at = size()?;
    let footer_length = reader.u32().unwrap_or(0) as usize;

    let bad_footer = |detail: &str| StorageError::corrupt(name, "footer", footer_at, detail);
    let footer = footer_at.checked_add(footer_length).and_then(|end| file.get(footer_at..end));
    let footer = footer.ok_or_else(|| bad_footer("the file ends before it"))?;
    let body = &footer[..footer_length.saturating_sub(4)];
    if footer[body.len()..] != crc32c([body]).to_le_bytes() {
        return Err(bad_footer("its checksum is wrong"));
    }
    decode_footer(body, rows, starts, footer_at)
        .ok_or_else(|| bad_footer("of another version, or it contradicts the header"))
}

fn decode_footer(footer: &[u8], rows: usize, starts: [usize; 4], end: usize) -> Option<Contents> {
    let mut reader = Reader::new(footer);
    if reader.u32()? != VERSION {
        return None;
    }
    let owner = Owner { collection: CollectionId(reader.u32()?), fingerprint: reader.u64()? };
    let mut regions = [0..0, 0..0, 0..0, 0..0];
    let mut at = HEADER;
    for (region, start) in regions.iter_mut().zip(starts) {
        *region = start..start.checked_add(reader.size()?)?;
        if region.start != at || region.end > end {
            return None;
        }
        at = region.end.next_multiple_of(ALIGN);
    }
    let mut key = || {
        let length = reader.u32()? as usize;
        reader.take(length).map(<[u8]>::to_vec)
    };
    let (least, greatest) = (key()?, key()?);
    let mut checksums = [const { Vec::new() }; 4];
    for (checksums, region) in checksums.iter_mut().zip(&regions) {
        *checksums = (0..region.len().div_ceil(BLOCK)).map(|_| reader.u32()).collect::<Option<_>>()?;
    }
    let fits = rows > 0 && at == end && regions[0].len() == rows.checked_mul(8)?;
    fits.then_some(Contents { owner, rows, regions, least, greatest, checksums })
}
