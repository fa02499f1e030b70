//! Mapping a file into memory: the only place in this crate that holds `unsafe`.
//!
//! A mapping is unsound when the file changes under it. It does not here: only shards are mapped; a shard is
//! written once, synced, and from then on never written, truncated or renamed over by this program; the
//! directory's lock keeps every other instance of it out; and removing a mapped file only removes its name. Shard
//! numbers are not used twice while a mapping lives. What stays is a foreign program that truncates a shard of a
//! running database, which no user-space check can fend off.

use std::fs::File;
use std::io;

use arrow_buffer::Buffer;
use bytes::Bytes;

/// The file's bytes, page-aligned, loaded as they are touched, unmapped when the last clone drops.
pub(crate) fn map(file: &File) -> io::Result<Buffer> {
    if file.metadata()?.len() == 0 {
        return Ok(Buffer::default());
    }
    // SAFETY: the file is not changed while it is mapped; the module's head says why.
    #[allow(unsafe_code)]
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Buffer::from(Bytes::from_owner(map)))
}
