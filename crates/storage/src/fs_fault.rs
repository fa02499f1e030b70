//! A directory in memory where one call fails: the k-th, in a chosen way.
//!
//! A failed sync is the nasty one: afterwards the bytes it was to save may be gone while the file keeps its
//! length, so nothing may be believed of that file any more. [`FaultFs`] makes that happen every time.

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex};

use arrow_buffer::Buffer;

use crate::fs::{Fs, FsFile};
use crate::fs_mem::{MemFile, MemFs, hold};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Any call answers EIO and does nothing.
    Io,
    /// A create, an append or a reservation answers ENOSPC and does nothing.
    NoSpace,
    /// An append writes the first half of its bytes and then fails.
    ShortWrite,
    /// A sync of a file or of the directory fails; the file's unsynced bytes turn to zeros.
    FailedSync,
}

/// A directory whose k-th call of the kinds that a [`Fault`] strikes fails, once. Clones share it.
#[derive(Debug, Clone)]
pub struct FaultFs {
    inner: MemFs,
    plan: Arc<Mutex<Plan>>,
}

impl FaultFs {
    /// Calls on `inner` succeed, but for the one `k`-th call (counted from 0) that `fault` can strike.
    pub fn new(inner: MemFs, fault: Fault, k: u64) -> FaultFs {
        FaultFs { inner, plan: Arc::new(Mutex::new(Plan { fault, left: Some(k) })) }
    }

    /// Whether the fault has struck.
    pub fn struck(&self) -> bool {
        hold(&self.plan).left.is_none()
    }

    fn check(&self, call: Call) -> io::Result<()> {
        strike(&self.plan, call).map_or(Ok(()), |fault| Err(fault.error()))
    }
}

#[derive(Debug)]
struct Plan {
    fault: Fault,
    left: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Create,
    Append,
    Reserve,
    Sync,
    Other,
}

impl Fault {
    fn strikes(self, call: Call) -> bool {
        match self {
            Fault::Io => true,
            Fault::NoSpace => matches!(call, Call::Create | Call::Append | Call::Reserve),
            Fault::ShortWrite => call == Call::Append,
            Fault::FailedSync => call == Call::Sync,
        }
    }

    fn error(self) -> io::Error {
        match self {
            Fault::Io => io::Error::other("injected: input/output error"),
            Fault::NoSpace => io::Error::new(io::ErrorKind::StorageFull, "injected: no space left on device"),
            Fault::ShortWrite => io::Error::new(io::ErrorKind::WriteZero, "injected: short write"),
            Fault::FailedSync => io::Error::other("injected: sync failed"),
        }
    }
}

/// Counts the call; the fault when it is this call's turn to fail.
fn strike(plan: &Mutex<Plan>, call: Call) -> Option<Fault> {
    let mut plan = hold(plan);
    if !plan.fault.strikes(call) {
        return None;
    }
    match plan.left {
        Some(0) => {
            plan.left = None;
            Some(plan.fault)
        }
        Some(left) => {
            plan.left = Some(left - 1);
            None
        }
        None => None,
    }
}

impl Fs for FaultFs {
    fn create(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        self.check(Call::Create)?;
        Ok(Arc::new(FaultFile { inner: self.inner.create_file(name)?, plan: self.plan.clone() }))
    }

    fn open_append(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        self.check(Call::Other)?;
        Ok(Arc::new(FaultFile { inner: self.inner.open_file(name)?, plan: self.plan.clone() }))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.check(Call::Other)?;
        self.inner.read(name)
    }

    fn map(&self, name: &str) -> io::Result<Buffer> {
        self.check(Call::Other)?;
        self.inner.map(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check(Call::Other)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check(Call::Other)?;
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.check(Call::Other)?;
        self.inner.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.check(Call::Sync)?;
        self.inner.sync_dir()
    }

    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.check(Call::Other)?;
        self.inner.lock()
    }
}

#[derive(Debug)]
struct FaultFile {
    inner: MemFile,
    plan: Arc<Mutex<Plan>>,
}

impl FsFile for FaultFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        match strike(&self.plan, Call::Append) {
            Some(fault) => {
                if fault == Fault::ShortWrite {
                    self.inner.append(&bytes[..bytes.len() / 2])?;
                }
                Err(fault.error())
            }
            None => self.inner.append(bytes),
        }
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        match strike(&self.plan, Call::Reserve) {
            Some(fault) => Err(fault.error()),
            None => self.inner.reserve(bytes),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        match strike(&self.plan, Call::Other) {
            Some(fault) => Err(fault.error()),
            None => self.inner.truncate(len),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match strike(&self.plan, Call::Sync) {
            Some(fault) => {
                if fault == Fault::FailedSync {
                    self.inner.lose_unsynced();
                }
                Err(fault.error())
            }
            None => self.inner.sync(),
        }
    }
}
