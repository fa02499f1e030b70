//! The operating system's file system, as an [`Fs`]: one directory, appended files, `fsync` on both.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_buffer::Buffer;

use crate::fs::{Fs, FsFile};
use crate::mmap;

/// The name of the file whose lock keeps a second process out.
const LOCK: &str = "LOCK";

/// A directory on disk.
#[derive(Debug)]
pub struct RealFs {
    directory: PathBuf,
}

impl RealFs {
    /// Opens the directory, making it (and its parents) where it does not exist.
    pub fn open(directory: impl AsRef<Path>) -> io::Result<RealFs> {
        let directory = directory.as_ref().to_path_buf();
        if !directory.is_dir() {
            fs::create_dir_all(&directory)?;
            // The new directory's own name must survive a power loss too.
            let parent = directory.parent().filter(|path| !path.as_os_str().is_empty());
            sync_directory(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(RealFs { directory })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Fs for RealFs {
    fn create(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.path(name))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn open_append(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        let mut file = OpenOptions::new().write(true).open(self.path(name))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    fn map(&self, name: &str) -> io::Result<Buffer> {
        mmap::map(&File::open(self.path(name))?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let path = self.path(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Opening a directory as a file to sync it is how Unix spells it; elsewhere the file system does it unasked.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// A file whose position is where the next append goes.
#[derive(Debug)]
struct RealFile {
    file: File,
}

impl FsFile for RealFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.file).write_all(bytes)
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let mut file = &self.file;
        let end = file.stream_position()?;
        let len = file.seek(SeekFrom::End(0))?;
        let room = end.saturating_add(bytes).saturating_sub(len);
        // Zeros that are written, not a hole: blocks that are found when they are needed are as slow as growing.
        let done = io::copy(&mut io::Read::take(io::repeat(0), room), &mut file);
        file.seek(SeekFrom::Start(end))?;
        done.map(|_| ())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        (&self.file).seek(SeekFrom::Start(len)).map(|_| ())
    }

    fn sync(&self) -> io::Result<()> {
        // Data and length, without the times: what `fdatasync` keeps is what a reader needs.
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_behaves() {
        let path = std::env::temp_dir().join(format!("gnitz-fs-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let directory = RealFs::open(&path).unwrap();
        let guard = directory.lock().unwrap();
        assert_eq!(directory.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(guard);
        directory.lock().unwrap();
        let file = directory.create("a").unwrap();
        file.append(b"hello").unwrap();
        file.append(b" world").unwrap();
        file.sync().unwrap();
        file.reserve(10).unwrap();
        file.append(b"!").unwrap();
        assert_eq!(directory.read("a").unwrap(), b"hello world!\0\0\0\0\0\0\0\0\0");
        file.truncate(11).unwrap();
        assert_eq!(directory.create("a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        file.truncate(5).unwrap();
        directory.open_append("a").unwrap().append(b"!").unwrap();
        directory.rename("a", "b").unwrap();
        directory.sync_dir().unwrap();
        let mapped = directory.map("b").unwrap();
        assert_eq!(mapped.as_slice(), b"hello!");
        assert_eq!(directory.list().unwrap(), ["b"]);
        directory.remove("b").unwrap();
        assert_eq!(mapped.as_slice(), b"hello!");
        assert!(directory.read("b").is_err());
        fs::remove_dir_all(&path).unwrap();
    }
}
