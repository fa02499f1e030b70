//! A directory in memory that remembers every call, and rebuilds what a power loss could have left.
//!
//! [`RecordingFs`] runs a workload; its [`Recording`] is the list of calls that changed something. Between any
//! two of them lies a *boundary* where the power may fail. [`Replay`] walks the boundaries in order and, at
//! each, makes [`Image`]s by a [`Survival`] policy from the promises in [`fs`](crate::fs): what was synced
//! is there, what was not may be there in part. A file's identity is its inode, not its name, so a rename that
//! survives without its file's bytes is one of the images.
//!
//! Cost: a synced file is one shared buffer, so an image copies only the files with unsynced bytes.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use arrow_buffer::{Buffer, MutableBuffer};

use crate::fs::{Fs, FsFile};
use crate::fs_mem::{Image, MemFile, MemFs, hold};
use crate::random::Random;

/// The unit a disk writes whole.
const SECTOR: usize = 512;

/// A directory in memory that records what is done to it. Clones share it.
#[derive(Debug, Clone)]
pub struct RecordingFs {
    inner: MemFs,
    start: Image,
    log: Arc<Mutex<Log>>,
}

impl RecordingFs {
    /// An empty directory.
    pub fn new() -> RecordingFs {
        RecordingFs::from_image(&Image::new())
    }

    /// A directory that starts as the image, all of it synced: how a crash inside recovery is recorded.
    pub fn from_image(image: &Image) -> RecordingFs {
        let names: BTreeMap<_, _> =
            image.keys().enumerate().map(|(inode, name)| (name.clone(), inode)).collect();
        let log = Log { inodes: names.len(), names, ops: Vec::new() };
        RecordingFs { inner: MemFs::from_image(image), start: image.clone(), log: Arc::new(Mutex::new(log)) }
    }

    /// How many changing calls were made so far. Note it when something is acknowledged: every image of this
    /// boundary or a later one must hold what was acknowledged.
    pub fn position(&self) -> usize {
        hold(&self.log).ops.len()
    }

    /// What holds the bytes.
    pub(crate) fn ground(&self) -> &MemFs {
        &self.inner
    }

    /// The calls so far.
    pub fn recording(&self) -> Recording {
        Recording { start: self.start.clone(), ops: hold(&self.log).ops.clone() }
    }
}

impl Default for RecordingFs {
    fn default() -> RecordingFs {
        RecordingFs::new()
    }
}

impl Fs for RecordingFs {
    fn create(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        let mut log = hold(&self.log);
        let file = self.inner.create_file(name)?;
        let inode = log.inodes;
        log.inodes += 1;
        log.names.insert(name.to_string(), inode);
        log.ops.push(Op::Create { name: name.to_string(), inode });
        Ok(Arc::new(RecordingFile { inner: file, inode, log: self.log.clone() }))
    }

    fn open_append(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        let log = hold(&self.log);
        let inode = *log.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let inner = self.inner.open_file(name)?;
        Ok(Arc::new(RecordingFile { inner, inode, log: self.log.clone() }))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.inner.read(name)
    }

    fn map(&self, name: &str) -> io::Result<Buffer> {
        self.inner.map(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut log = hold(&self.log);
        self.inner.rename(from, to)?;
        log.ops.push(Op::Rename { from: from.to_string(), to: to.to_string() });
        if let Some(inode) = log.names.remove(from) {
            log.names.insert(to.to_string(), inode);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut log = hold(&self.log);
        self.inner.remove(name)?;
        log.ops.push(Op::Remove { name: name.to_string() });
        log.names.remove(name);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        hold(&self.log).ops.push(Op::SyncDir);
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.inner.lock()
    }
}

#[derive(Debug)]
struct RecordingFile {
    inner: MemFile,
    inode: usize,
    log: Arc<Mutex<Log>>,
}

impl FsFile for RecordingFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut log = hold(&self.log);
        self.inner.append(bytes)?;
        log.ops.push(Op::Append { inode: self.inode, bytes: bytes.into() });
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let mut log = hold(&self.log);
        self.inner.reserve(bytes)?;
        log.ops.push(Op::Reserve { inode: self.inode, room: bytes as usize });
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut log = hold(&self.log);
        self.inner.truncate(len)?;
        log.ops.push(Op::Truncate { inode: self.inode, len: len as usize });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        hold(&self.log).ops.push(Op::Sync { inode: self.inode });
        Ok(())
    }
}

#[derive(Debug)]
struct Log {
    names: BTreeMap<String, usize>,
    inodes: usize,
    ops: Vec<Op>,
}

#[derive(Debug, Clone)]
enum Op {
    Create { name: String, inode: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    SyncDir,
    Append { inode: usize, bytes: Arc<[u8]> },
    Reserve { inode: usize, room: usize },
    Truncate { inode: usize, len: usize },
    Sync { inode: usize },
}

/// What survives of the bytes and names that were not synced when the power failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Everything: the disk was quick.
    All,
    /// Nothing.
    None,
    /// For names a random prefix of the changes, or random ones of them; for each file a random prefix of its calls,
    /// with random sectors of the appended bytes missing and the last of them cut short.
    Random,
}

/// The calls that changed a directory, from a start whose every byte was synced.
#[derive(Debug, Clone)]
pub struct Recording {
    start: Image,
    ops: Vec<Op>,
}

impl Recording {
    /// Boundaries are `0..boundaries()`: before the first call, after each call.
    pub fn boundaries(&self) -> usize {
        self.ops.len() + 1
    }

    /// A walk over the boundaries, standing at the first.
    pub fn replay(&self) -> Replay<'_> {
        let inodes = self.start.values().map(|bytes| Inode {
            durable: bytes.clone(),
            end: bytes.len(),
            pending: Vec::new(),
        });
        Replay {
            ops: &self.ops,
            boundary: 0,
            inodes: inodes.collect(),
            names: self.start.keys().enumerate().map(|(inode, name)| (name.clone(), inode)).collect(),
            pending: Vec::new(),
        }
    }

    /// One image at one boundary. Walks there from the start; use [`Recording::replay`] for many.
    pub fn image(&self, boundary: usize, survival: Survival, seed: u64) -> Image {
        let mut replay = self.replay();
        while replay.boundary() < boundary && replay.advance() {}
        replay.image(survival, seed)
    }
}

/// Stands at a boundary of a recording and makes images of it.
#[derive(Debug)]
pub struct Replay<'a> {
    ops: &'a [Op],
    boundary: usize,
    inodes: Vec<Inode<'a>>,
    /// The durable names.
    names: BTreeMap<String, usize>,
    /// Changes of names since the last sync of the directory.
    pending: Vec<&'a Op>,
}

#[derive(Debug)]
struct Inode<'a> {
    durable: Buffer,
    /// Where, after what is durable, the next append goes; behind it are reserved zeros.
    end: usize,
    pending: Vec<&'a Op>,
}

impl<'a> Replay<'a> {
    /// How many calls lie behind.
    pub fn boundary(&self) -> usize {
        self.boundary
    }

    /// Goes on to the next boundary; false at the end.
    pub fn advance(&mut self) -> bool {
        let Some(op) = self.ops.get(self.boundary) else { return false };
        self.boundary += 1;
        match op {
            Op::Create { inode, .. } => {
                debug_assert_eq!(*inode, self.inodes.len());
                self.inodes.push(Inode { durable: Buffer::default(), end: 0, pending: Vec::new() });
                self.pending.push(op);
            }
            Op::Rename { .. } | Op::Remove { .. } => self.pending.push(op),
            Op::SyncDir => {
                for op in std::mem::take(&mut self.pending) {
                    apply_name(&mut self.names, op);
                }
            }
            Op::Append { inode, .. } | Op::Reserve { inode, .. } | Op::Truncate { inode, .. } => {
                self.inodes[*inode].pending.push(op);
            }
            Op::Sync { inode } => {
                let inode = &mut self.inodes[*inode];
                (inode.durable, inode.end) = inode.written(Survival::All, &mut Random::new(0));
                inode.pending.clear();
            }
        }
        true
    }

    fn surviving_names(&self, survival: Survival, random: &mut Random) -> Vec<&'a Op> {
        match survival {
            Survival::All => self.pending.clone(),
            Survival::None => Vec::new(),
            Survival::Random if random.below(2) == 0 => {
                let reached = random.below(self.pending.len() as u64 + 1) as usize;
                self.pending[..reached].to_vec()
            }
            Survival::Random => self.pending.iter().copied().filter(|_| random.below(2) == 0).collect(),
        }
    }

    /// What a power loss here could leave. `All` and `None` do not depend on the seed.
    pub fn image(&self, survival: Survival, seed: u64) -> Image {
        let mut random = Random::new(seed ^ (self.boundary as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let mut names = self.names.clone();
        for op in self.surviving_names(survival, &mut random) {
            apply_name(&mut names, op);
        }
        names
            .into_iter()
            .map(|(name, inode)| (name, self.inodes[inode].image(survival, &mut random)))
            .collect()
    }
}

fn apply_name(names: &mut BTreeMap<String, usize>, op: &Op) {
    match op {
        Op::Create { name, inode } => {
            names.insert(name.clone(), *inode);
        }
        Op::Rename { from, to } => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        Op::Remove { name } => {
            names.remove(name);
        }
        Op::SyncDir | Op::Append { .. } | Op::Reserve { .. } | Op::Truncate { .. } | Op::Sync { .. } => {}
    }
}

impl Inode<'_> {
    fn image(&self, survival: Survival, random: &mut Random) -> Buffer {
        self.written(survival, random).0
    }

    /// The bytes, and where the next append goes.
    fn written(&self, survival: Survival, random: &mut Random) -> (Buffer, usize) {
        if self.pending.is_empty() || survival == Survival::None {
            return (self.durable.clone(), self.end);
        }
        let mut bytes = MutableBuffer::new(self.durable.len());
        bytes.extend_from_slice(self.durable.as_slice());
        let mut file = Written { bytes, end: self.end };
        let torn = survival == Survival::Random;
        let reached =
            if torn { random.below(self.pending.len() as u64 + 1) as usize } else { self.pending.len() };
        for (index, op) in self.pending[..reached].iter().enumerate() {
            let last = index + 1 == reached;
            match op {
                Op::Append { bytes, .. } if torn => file.append_torn(bytes, last, random),
                Op::Append { bytes, .. } => file.write(bytes, bytes.len()),
                Op::Reserve { room, .. } if torn && last => {
                    file.reserve(random.below(*room as u64 + 1) as usize);
                }
                Op::Reserve { room, .. } => file.reserve(*room),
                Op::Truncate { len, .. } => {
                    file.bytes.truncate(*len);
                    file.end = *len;
                }
                _ => {}
            }
        }
        (file.bytes.into(), file.end)
    }
}

/// A file as calls made it.
struct Written {
    bytes: MutableBuffer,
    end: usize,
}

impl Written {
    /// Appends these bytes; what comes up to `len` bytes stays what it was, or zero.
    fn write(&mut self, bytes: &[u8], len: usize) {
        self.reserve(len);
        self.bytes.as_slice_mut()[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += len;
    }

    fn reserve(&mut self, room: usize) {
        self.bytes.resize(self.bytes.len().max(self.end + room), 0);
    }

    /// Appends with random sectors missing; the last append may also end early.
    fn append_torn(&mut self, appended: &[u8], last: bool, random: &mut Random) {
        let cut = last && random.below(2) == 0;
        let keep = if cut { random.below(appended.len() as u64 + 1) as usize } else { appended.len() };
        let mut rest = &appended[..keep];
        while !rest.is_empty() {
            let room = SECTOR - self.end % SECTOR;
            let (sector, after) = rest.split_at(room.min(rest.len()));
            let missing = random.below(4) == 0;
            self.write(if missing { &[] } else { sector }, sector.len());
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_go_where_there_is_room() {
        let disk = RecordingFs::new();
        let file = disk.create("a").unwrap();
        disk.sync_dir().unwrap();
        file.reserve(1000).unwrap();
        file.append(&[1; 600]).unwrap();
        file.sync().unwrap();
        let synced = disk.position();
        file.append(&[2; 600]).unwrap();
        let recording = disk.recording();
        let whole = [vec![1; 600], vec![2; 600]].concat();
        assert_eq!(
            recording.image(synced, Survival::All, 0)["a"].as_slice(),
            [vec![1; 600], vec![0; 400]].concat()
        );
        assert_eq!(recording.image(synced + 1, Survival::All, 0)["a"].as_slice(), whole);
        assert_eq!(disk.inner.image()["a"].as_slice(), whole);
        let mut torn = 0;
        for seed in 0..100 {
            let bytes = &recording.image(synced + 1, Survival::Random, seed)["a"];
            assert!(bytes.len() >= 1000 && bytes[..600] == whole[..600]);
            torn += usize::from(bytes.as_slice() != whole);
        }
        assert!(torn > 50, "{torn}");
        file.truncate(700).unwrap();
        file.append(&[3; 10]).unwrap();
        let end = disk.recording().image(disk.position(), Survival::All, 0);
        assert_eq!(end["a"].as_slice(), [vec![1; 600], vec![2; 100], vec![3; 10]].concat());
    }

    #[test]
    fn images_keep_what_was_synced() {
        let disk = RecordingFs::new();
        let file = disk.create("a").unwrap();
        file.append(&[1; 700]).unwrap();
        file.sync().unwrap();
        disk.sync_dir().unwrap();
        let synced = disk.position();
        file.append(&[2; 1500]).unwrap();
        disk.rename("a", "b").unwrap();
        disk.create("c").unwrap();
        let recording = disk.recording();
        assert_eq!(recording.image(synced, Survival::None, 0)["a"].as_slice(), [1; 700]);
        assert!(recording.image(1, Survival::None, 0).is_empty());
        let end = recording.boundaries() - 1;
        assert_eq!(recording.image(end, Survival::All, 0), disk.inner.image());
        let (mut renamed, mut torn) = (0, 0);
        for seed in 0..100 {
            let image = recording.image(end, Survival::Random, seed);
            let bytes = image.get("a").or(image.get("b")).unwrap();
            assert_eq!(bytes.as_slice()[..700], [1; 700]);
            renamed += usize::from(image.contains_key("b"));
            torn += usize::from(bytes.as_slice()[700..].contains(&0));
        }
        assert!(renamed > 10 && renamed < 90 && torn > 10);
    }
}
