//! A directory in memory where calls fail: the k-th, in a chosen way, or some from the k-th on.
//!
//! A disk that is full refuses several calls in a row, and then, when somebody has made space, none: [`FaultFs::lasting`]
//! says how many. What was to be written may be there all the same, or a part of it.
//!
//! A failed sync is the nasty one: afterwards the bytes it was to save may be gone while the file keeps its
//! length, so nothing may be believed of that file any more. [`FaultFs`] makes that happen every time.

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex};

use arrow_buffer::Buffer;

use crate::fs::{Fs, FsFile};
use crate::fs_mem::{MemFs, hold};
use crate::fs_record::RecordingFs;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Any call answers EIO and does nothing.
    Io,
    /// A create, an append or a reservation answers ENOSPC and does nothing.
    NoSpace,
    /// The same, after an append or a reservation has done half of its work.
    NoSpaceHalfway,
    /// The same, after an append or a reservation has done all of it.
    NoSpaceAfterwards,
    /// The same, halfway; and nothing can be taken back afterwards: a truncation or a removal answers EIO.
    NoSpaceNorWayBack,
    /// A sync of a file or of the directory answers ENOSPC; the file's unsynced bytes turn to zeros.
    NoSpaceToSync,
    /// An append writes the first half of its bytes and then fails.
    ShortWrite,
    /// A sync of a file or of the directory fails; the file's unsynced bytes turn to zeros.
    FailedSync,
}

/// A directory whose k-th call of the kinds that a [`Fault`] strikes fails. Clones share it.
#[derive(Debug, Clone)]
pub struct FaultFs {
    inner: Arc<dyn Fs>,
    /// What holds the bytes.
    ground: MemFs,
    plan: Arc<Mutex<Plan>>,
}

impl FaultFs {
    /// Calls on `inner` succeed, but for the one `k`-th call (counted from 0) that `fault` can strike.
    pub fn new(inner: MemFs, fault: Fault, k: u64) -> FaultFs {
        FaultFs::on(Arc::new(inner.clone()), inner, fault, k)
    }

    /// The same on a directory that records the calls: what a failing call does of its work is recorded.
    pub fn recorded(inner: RecordingFs, fault: Fault, k: u64) -> FaultFs {
        let ground = inner.ground().clone();
        FaultFs::on(Arc::new(inner), ground, fault, k)
    }

    fn on(inner: Arc<dyn Fs>, ground: MemFs, fault: Fault, k: u64) -> FaultFs {
        FaultFs { inner, ground, plan: Arc::new(Mutex::new(Plan { fault, before: k, times: 1, struck: 0 })) }
    }

    /// Has the fault strike so many calls of its kinds, one after the other.
    pub fn lasting(self, times: u64) -> FaultFs {
        hold(&self.plan).times = times;
        self
    }

    /// Has the fault strike again, from the `k`-th call of its kinds on: so many, or until [`FaultFs::end`].
    pub fn begin(&self, k: u64, times: u64) {
        let mut plan = hold(&self.plan);
        (plan.before, plan.times, plan.struck) = (k, times, 0);
    }

    /// Has no call fail any more.
    pub fn end(&self) {
        hold(&self.plan).times = 0;
    }

    /// Whether the fault has struck.
    pub fn struck(&self) -> bool {
        self.strikes() > 0
    }

    /// How many calls it has struck.
    pub fn strikes(&self) -> u64 {
        hold(&self.plan).struck
    }

    fn file(&self, name: &str, inner: Arc<dyn FsFile>) -> Arc<dyn FsFile> {
        let (name, ground, plan) = (name.to_string(), self.ground.clone(), self.plan.clone());
        Arc::new(FaultFile { inner, name, ground, plan })
    }

    fn check(&self, call: Call) -> io::Result<()> {
        strike(&self.plan, call).map_or(Ok(()), |fault| Err(fault.error(call)))
    }
}

#[derive(Debug)]
struct Plan {
    fault: Fault,
    /// How many calls of its kinds succeed before.
    before: u64,
    /// How many fail in all.
    times: u64,
    /// How many have failed.
    struck: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Create,
    Append,
    Reserve,
    Sync,
    /// What takes something back: it truncates or removes.
    Back,
    Other,
}

impl Fault {
    fn strikes(self, call: Call) -> bool {
        match self {
            Fault::Io => true,
            Fault::NoSpace | Fault::NoSpaceHalfway | Fault::NoSpaceAfterwards => {
                matches!(call, Call::Create | Call::Append | Call::Reserve)
            }
            Fault::NoSpaceNorWayBack => {
                matches!(call, Call::Create | Call::Append | Call::Reserve | Call::Back)
            }
            Fault::ShortWrite => call == Call::Append,
            Fault::FailedSync | Fault::NoSpaceToSync => call == Call::Sync,
        }
    }

    /// How much of a write is done before it fails.
    fn done(self, length: usize) -> usize {
        match self {
            Fault::ShortWrite | Fault::NoSpaceHalfway | Fault::NoSpaceNorWayBack => length / 2,
            Fault::NoSpaceAfterwards => length,
            _ => 0,
        }
    }

    fn error(self, call: Call) -> io::Error {
        match self {
            Fault::NoSpaceNorWayBack if call == Call::Back => Fault::Io.error(call),
            Fault::Io => io::Error::other("injected: input/output error"),
            Fault::NoSpace
            | Fault::NoSpaceHalfway
            | Fault::NoSpaceAfterwards
            | Fault::NoSpaceNorWayBack
            | Fault::NoSpaceToSync => {
                io::Error::new(io::ErrorKind::StorageFull, "injected: no space left on device")
            }
            Fault::ShortWrite => io::Error::new(io::ErrorKind::WriteZero, "injected: short write"),
            Fault::FailedSync => io::Error::other("injected: sync failed"),
        }
    }
}

/// Counts the call; the fault when it is this call's turn to fail.
fn strike(plan: &Mutex<Plan>, call: Call) -> Option<Fault> {
    let mut plan = hold(plan);
    let too_early = plan.fault == Fault::NoSpaceNorWayBack && call == Call::Back && plan.struck == 0;
    if !plan.fault.strikes(call) || too_early {
        return None;
    }
    if plan.before > 0 {
        plan.before -= 1;
        return None;
    }
    (plan.struck < plan.times).then(|| {
        plan.struck += 1;
        plan.fault
    })
}

impl Fs for FaultFs {
    fn create(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        self.check(Call::Create)?;
        Ok(self.file(name, self.inner.create(name)?))
    }

    fn open_append(&self, name: &str) -> io::Result<Arc<dyn FsFile>> {
        self.check(Call::Other)?;
        Ok(self.file(name, self.inner.open_append(name)?))
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
        self.check(Call::Back)?;
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
    inner: Arc<dyn FsFile>,
    name: String,
    ground: MemFs,
    plan: Arc<Mutex<Plan>>,
}

impl FsFile for FaultFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        match strike(&self.plan, Call::Append) {
            Some(fault) => {
                self.inner.append(&bytes[..fault.done(bytes.len())])?;
                Err(fault.error(Call::Append))
            }
            None => self.inner.append(bytes),
        }
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        match strike(&self.plan, Call::Reserve) {
            Some(fault) => {
                self.inner.reserve(fault.done(bytes as usize) as u64)?;
                Err(fault.error(Call::Reserve))
            }
            None => self.inner.reserve(bytes),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        match strike(&self.plan, Call::Back) {
            Some(fault) => Err(fault.error(Call::Back)),
            None => self.inner.truncate(len),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match strike(&self.plan, Call::Sync) {
            Some(fault) => {
                if matches!(fault, Fault::FailedSync | Fault::NoSpaceToSync) {
                    self.ground.lose_unsynced(&self.name);
                }
                Err(fault.error(Call::Sync))
            }
            None => self.inner.sync(),
        }
    }
}
