//! The manifest: which files make up the database at a checkpoint. It is text, so that it can be looked at.
//!
//! ```text
//! gnitz manifest 1
//! epoch 12
//! wal 3
//! next-shard 17
//! next-collection 9
//! secret 000102030405060708090a0b0c0d0e0f
//! catalog 1234
//! (1234 bytes that belong to the layers above, then a line end)
//! collection 7 00000000deadbeef
//! run 3 4 5
//! run 9
//! checksum 89abcdef
//! ```
//!
//! A new manifest is written under another name, synced, renamed over the old one, and the directory is synced. So
//! there is one at every instant, whole; a file it does not name does not belong to the database.

use std::fmt::Write;

use zset::{CollectionId, Secret};

use crate::codec::crc32c;
use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::options::Sync;

/// The manifest's name.
pub(crate) const NAME: &str = "manifest";

/// Its name while it is being written.
pub(crate) const NEW_NAME: &str = "manifest.new";

const TITLE: &str = "gnitz manifest 1";

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Every epoch up to this one is in the shards.
    pub(crate) epoch: u64,
    /// The first log segment that may hold later ones.
    pub(crate) wal: u64,
    pub(crate) next_shard: u64,
    pub(crate) next_collection: u32,
    pub(crate) secret: Secret,
    pub(crate) catalog: String,
    pub(crate) collections: Vec<Entry>,
}

/// One collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: CollectionId,
    pub(crate) fingerprint: u64,
    /// The numbers of each run's shards, in key order.
    pub(crate) runs: Vec<Vec<u64>>,
}

impl Manifest {
    /// Reads the manifest.
    pub(crate) fn read(fs: &dyn Fs) -> Result<Manifest> {
        let bytes = fs.read(NAME).map_err(StorageError::io("read", NAME))?;
        Manifest::parse(&bytes)
    }

    /// Writes this manifest beside the one that counts. If there is no space for it, it is not there.
    pub(crate) fn write(&self, fs: &dyn Fs, sync: Sync) -> Result<()> {
        let file = fs.create(NEW_NAME).map_err(StorageError::writing("create", NEW_NAME))?;
        let written = file.append(self.print().as_bytes());
        if let Err(error) = written.map_err(StorageError::writing("append to", NEW_NAME)) {
            if error.is_full() {
                fs.remove(NEW_NAME).map_err(StorageError::io("remove", NEW_NAME))?;
            }
            return Err(error);
        }
        if sync != Sync::Off {
            file.sync().map_err(StorageError::io("sync", NEW_NAME))?;
            // The shards' names must be durable before a manifest that needs them can be.
            fs.sync_dir().map_err(StorageError::io("sync", "."))?;
        }
        Ok(())
    }

    /// Puts the manifest that was written in the place of the old one; afterwards it is the database. After a failure
    /// either may be.
    pub(crate) fn put(fs: &dyn Fs, sync: Sync) -> Result<()> {
        fs.rename(NEW_NAME, NAME).map_err(StorageError::io("rename", NEW_NAME))?;
        if sync != Sync::Off {
            fs.sync_dir().map_err(StorageError::io("sync", "."))?;
        }
        Ok(())
    }

    pub(crate) fn print(&self) -> String {
        let mut text = format!("{TITLE}\nepoch {}\nwal {}\n", self.epoch, self.wal);
        // Writing to a string cannot fail.
        let _ =
            write!(text, "next-shard {}\nnext-collection {}\nsecret ", self.next_shard, self.next_collection);
        self.secret.0.iter().for_each(|byte| {
            let _ = write!(text, "{byte:02x}");
        });
        let _ = write!(text, "\ncatalog {}\n{}\n", self.catalog.len(), self.catalog);
        for entry in &self.collections {
            let _ = writeln!(text, "collection {} {:016x}", entry.id.0, entry.fingerprint);
            for run in &entry.runs {
                text.push_str("run");
                run.iter().for_each(|shard| {
                    let _ = write!(text, " {shard}");
                });
                text.push('\n');
            }
        }
        let checksum = crc32c([text.as_bytes()]);
        let _ = writeln!(text, "checksum {checksum:08x}");
        text
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Manifest> {
        const LAST: usize = "checksum 00000000\n".len();
        let corrupt = |offset, detail: &str| StorageError::corrupt(NAME, "text", offset, detail);
        let text = std::str::from_utf8(bytes).map_err(|error| corrupt(error.valid_up_to(), "not UTF-8"))?;
        let body = text.get(..text.len().saturating_sub(LAST)).unwrap_or_default();
        if text[body.len()..] != format!("checksum {:08x}\n", crc32c([body.as_bytes()])) {
            return Err(corrupt(body.len(), "its checksum is wrong"));
        }
        let mut lines = Lines { text: body, at: 0 };
        lines.manifest().ok_or_else(|| corrupt(lines.at, "not a manifest of this version"))
    }
}

struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    fn manifest(&mut self) -> Option<Manifest> {
        if self.line()? != TITLE {
            return None;
        }
        let epoch = self.field("epoch ")?.parse().ok()?;
        let wal = self.field("wal ")?.parse().ok()?;
        let next_shard = self.field("next-shard ")?.parse().ok()?;
        let next_collection = self.field("next-collection ")?.parse().ok()?;
        let secret = Secret(u128::from_str_radix(self.field("secret ")?, 16).ok()?.to_be_bytes());
        let length: usize = self.field("catalog ")?.parse().ok()?;
        let catalog = self.text.get(self.at..self.at.checked_add(length)?)?.to_string();
        self.at += length;
        if !self.line()?.is_empty() {
            return None;
        }
        let mut collections: Vec<Entry> = Vec::new();
        while self.at < self.text.len() {
            let line = self.line()?;
            if let Some(numbers) = line.strip_prefix("run ") {
                let run = numbers.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
                collections.last_mut()?.runs.push(run);
            } else {
                let (id, fingerprint) = line.strip_prefix("collection ")?.split_once(' ')?;
                let id = CollectionId(id.parse().ok()?);
                let fingerprint = u64::from_str_radix(fingerprint, 16).ok()?;
                collections.push(Entry { id, fingerprint, runs: Vec::new() });
            }
        }
        let sorted = collections.windows(2).all(|pair| pair[0].id < pair[1].id);
        sorted.then_some(Manifest { epoch, wal, next_shard, next_collection, secret, catalog, collections })
    }

    fn line(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let line = &rest[..rest.find('\n')?];
        self.at += line.len() + 1;
        Some(line)
    }

    fn field(&mut self, name: &str) -> Option<&'a str> {
        self.line()?.strip_prefix(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_back_and_notices_damage() {
        let entry = |id, runs| Entry { id: CollectionId(id), fingerprint: u64::MAX - 1, runs };
        let manifest = Manifest {
            epoch: 12,
            wal: 3,
            next_shard: 17,
            next_collection: 9,
            secret: Secret([7; 16]),
            catalog: "table t\nchecksum 00000000\nü\n".to_string(),
            collections: vec![entry(1, vec![]), entry(7, vec![vec![3, 4, 5], vec![9]])],
        };
        let text = manifest.print();
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 4;
            assert!(Manifest::parse(&bytes).is_err(), "byte {index}");
            assert!(Manifest::parse(&text.as_bytes()[..index]).is_err());
        }
    }
}
