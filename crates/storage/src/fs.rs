//! The one door to the disk: every byte the engine stores or reads goes through [`Fs`].
//!
//! A database is one directory of flat files, so the trait is a directory and its names, no paths. The calls
//! are the few whose crash behaviour is known: append, reserve, truncate, sync, and the directory's create, rename,
//! remove, sync. Nothing but reserved zeros is ever written over. What each call promises after a power loss:
//!
//! - bytes appended are there once [`FsFile::sync`] has returned; before that any 512-byte sector of them may
//!   be missing (read as zeros) or the file may be shorter;
//! - a name created, renamed or removed is so once [`Fs::sync_dir`] has returned; before that any of the
//!   changes may have happened;
//! - a rename is atomic: the name shows the old file or the new one.
//!
//! Four implementations: [`RealFs`](crate::RealFs), [`MemFs`](crate::MemFs),
//! [`RecordingFs`](crate::RecordingFs), which rebuilds what a crash could leave, and
//! [`FaultFs`](crate::FaultFs), whose k-th call fails.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use arrow_buffer::Buffer;

/// One directory. Names are plain file names inside it.
pub trait Fs: Send + Sync + Debug {
    /// Makes an empty file. Fails with `AlreadyExists` when the name is taken: no file is ever overwritten.
    fn create(&self, name: &str) -> io::Result<Arc<dyn FsFile>>;

    /// Opens an existing file for appending.
    fn open_append(&self, name: &str) -> io::Result<Arc<dyn FsFile>>;

    /// The whole file, as owned bytes.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// The whole file, mapped: pages are read when they are touched. Only for files that no longer change.
    fn map(&self, name: &str) -> io::Result<Buffer>;

    /// Gives the file `from` the name `to`, replacing a file that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes the name; handles and mappings stay usable.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// All names, sorted.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes every create, rename and remove so far survive a power loss.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the directory for this process until the guard drops; `WouldBlock` when another holds it.
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// An open file. Methods take `&self` so that one thread can sync while another appends.
pub trait FsFile: Send + Sync + Debug {
    /// Writes all of `bytes` at the end. After an error any part of them may have been written.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Makes room for `bytes` more: the file grows by zeros, which appends write over before it grows again. A sync of
    /// what is appended in the room has no length to save, which takes a journalling file system about half the time
    /// (PostgreSQL writes its log into files of zeros for the same reason). The zeros are part of the file for whoever
    /// reads it, and for who opens it again. Room that is left from before counts.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Cuts the file, with the room at its end, to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes everything appended so far survive a power loss.
    fn sync(&self) -> io::Result<()>;
}
