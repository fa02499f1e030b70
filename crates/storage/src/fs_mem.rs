//! A directory in memory, as an [`Fs`]: for databases that are not kept, and the ground the test
//! file systems stand on.
//!
//! A file is one growing buffer. Mapping it freezes the buffer and hands it out, so a mapped file costs no
//! second copy; images of a whole directory ([`Image`]) share the same frozen buffers, which makes
//! thousands of them a second affordable.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_buffer::{Buffer, MutableBuffer};

use crate::fs::{Fs, FsFile};

/// What a directory holds at one instant.
pub type Image = BTreeMap<String, Buffer>;

/// A directory in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemFs {
    files: Arc<Mutex<BTreeMap<String, MemFile>>>,
    lock: Arc<Mutex<bool>>,
}

impl MemFs {
    /// An empty directory.
    pub fn new() -> MemFs {
        MemFs::default()
    }

    /// A directory that holds what the image holds, all of it synced.
    pub fn from_image(image: &Image) -> MemFs {
        let file = |bytes: &Buffer| MemFile {
            content: Arc::new(Mutex::new(Content {
                bytes: Bytes::Frozen(bytes.clone()),
                end: bytes.len(),
                synced: bytes.len(),
            })),
        };
        let files = image.iter().map(|(name, bytes)| (name.clone(), file(bytes))).collect();
        MemFs { files: Arc::new(Mutex::new(files)), lock: Arc::default() }
    }

    /// What the directory holds now.
    pub fn image(&self) -> Image {
        hold(&self.files).iter().map(|(name, file)| (name.clone(), hold(&file.content).frozen())).collect()
    }

    fn file(&self, name: &str) -> io::Result<MemFile> {
        hold(&self.files).get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What a failed `fsync` may do: every byte of the file since the last good one turns to zero.
    pub(crate) fn lose_unsynced(&self, name: &str) {
        if let Ok(file) = self.file(name) {
            file.lose_unsynced();
        }
    }

    pub(crate) fn create_file(&self, name: &str) -> io::Result<MemFile> {
        let mut files = hold(&self.files);
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = MemFile::default();
        files.insert(name.to_string(), file.clone());
        Ok(file)
    }

    pub(crate) fn open_file(&self, name: &str) -> io::Result<MemFile> {
        let file = self.file(name)?;
        let mut content = hold(&file.content);
        content.end = content.as_slice().len();
        drop(content);
        Ok(file)
    }
}

impl Fs for MemFs {
    fn create(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        Ok(Arc::new(self.create_file(name)?))
    }

    fn open_append(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        Ok(Arc::new(self.open_file(name)?))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(hold(&self.file(name)?.content).as_slice().to_vec())
    }

    fn map(&self, name: &str) -> io::Result<Buffer> {
        Ok(hold(&self.file(name)?.content).frozen())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = hold(&self.files);
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_string(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        hold(&self.files).remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(hold(&self.files).keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut held = hold(&self.lock);
        if *held {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        *held = true;
        Ok(Box::new(Unlock(self.lock.clone())))
    }
}

/// Gives the directory back when it drops.
struct Unlock(Arc<Mutex<bool>>);

impl Drop for Unlock {
    fn drop(&mut self) {
        *hold(&self.0) = false;
    }
}

/// A handle to one file in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemFile {
    content: Arc<Mutex<Content>>,
}

impl MemFile {
    fn lose_unsynced(&self) {
        let mut content = hold(&self.content);
        let (synced, len) = (content.synced, content.as_slice().len());
        let growing = content.growing();
        growing.truncate(synced.min(len));
        growing.resize(len, 0);
    }
}

impl FsFile for MemFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut content = hold(&self.content);
        let end = content.end;
        content.end += bytes.len();
        let growing = content.growing();
        let (over, more) = bytes.split_at(bytes.len().min(growing.len() - end));
        growing.as_slice_mut()[end..end + over.len()].copy_from_slice(over);
        growing.extend_from_slice(more);
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut content = hold(&self.content);
        let end = content.end;
        let growing = content.growing();
        growing.resize(growing.len().max(end + bytes), 0);
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut content = hold(&self.content);
        content.growing().truncate(len);
        content.end = len.min(content.as_slice().len());
        content.synced = content.synced.min(len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut content = hold(&self.content);
        content.synced = content.end;
        Ok(())
    }
}

/// A file's bytes, where the next append goes, and how much a sync has covered.
#[derive(Debug, Default)]
struct Content {
    bytes: Bytes,
    end: usize,
    synced: usize,
}

#[derive(Debug)]
enum Bytes {
    Growing(MutableBuffer),
    Frozen(Buffer),
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Frozen(Buffer::default())
    }
}

impl Content {
    fn as_slice(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Growing(bytes) => bytes.as_slice(),
            Bytes::Frozen(bytes) => bytes.as_slice(),
        }
    }

    fn growing(&mut self) -> &mut MutableBuffer {
        if let Bytes::Frozen(bytes) = &self.bytes {
            let mut copy = MutableBuffer::new(bytes.len());
            copy.extend_from_slice(bytes.as_slice());
            self.bytes = Bytes::Growing(copy);
        }
        match &mut self.bytes {
            Bytes::Growing(bytes) => bytes,
            Bytes::Frozen(_) => unreachable!("the line above made it growing"),
        }
    }

    fn frozen(&mut self) -> Buffer {
        let bytes = match std::mem::take(&mut self.bytes) {
            Bytes::Growing(bytes) => bytes.into(),
            Bytes::Frozen(bytes) => bytes,
        };
        self.bytes = Bytes::Frozen(bytes.clone());
        bytes
    }
}

/// Locks, and takes the value as it is when another thread panicked holding it: nothing here is left half done.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
