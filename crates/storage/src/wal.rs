//! The write-ahead log: committed epochs, in order, in files `wal-<n>`.
//!
//! A segment is begun by a checkpoint; when a manifest covers all its epochs it becomes history ([`history`]) and goes
//! some time later. Its header is durable
//! before it takes its first record, so a damaged header in front of records is damage and not a crash. Records
//! are numbered without gaps over all segments ([`record`] has the bytes).
//!
//! *Group commit*: appending happens under a lock and is a copy to the operating system. Who then waits
//! becomes the leader if nobody is syncing, and syncs everything appended so far; the others wait for
//! the leader and mostly find themselves durable. No timer: the sync itself is the window.
//!
//! *Room*: where commits wait for the sync, small records are written into zeros that were appended beforehand, so that a
//! sync has no new length to save ([`FsFile::reserve`]). A segment that is followed by another has none left.
//!
//! *Want of space*: what was written of a record, or of a segment, is taken back, and that is made durable before anybody
//! is told. So the next record takes its number, and no restart finds what was refused. Only if that fails is the
//! database poisoned.
//!
//! *Replay* ends at the first record that is not whole, and cuts it off; but if anything behind it shows that it had
//! been durable, the log is damaged and the error says where.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use zset::{Deltas, Secret};

use crate::error::{Result, StorageError, is_full};
use crate::fs::{Fs, FsFile};
use crate::fs_mem::hold;
use crate::history::{self, History};
use crate::options::Sync;
use crate::poison::Poison;
use crate::record::{self, SEGMENT_HEADER, SegmentHeader, segment_name, segment_number};

/// The number of a record: 1, 2, 3, … over the life of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

/// How much room is made at once. Records longer than a quarter of it make their own.
const ROOM: u64 = 256 << 10;

#[derive(Debug)]
pub(crate) struct Wal {
    fs: Arc<dyn Fs>,
    sync: Sync,
    secret: Secret,
    poison: Arc<Poison>,
    log: Mutex<Log>,
    durable: AtomicU64,
    turn: Mutex<Turn>,
    synced: Condvar,
}

/// Whose turn it is to sync.
#[derive(Debug, Default)]
struct Turn {
    taken: bool,
    /// How many wait for the one who has it.
    waiting: usize,
}

#[derive(Debug)]
struct Log {
    file: Arc<dyn FsFile>,
    name: String,
    salt: [u8; 24],
    /// Of the current segment, its header included.
    bytes: u64,
    /// Of the zeros behind them.
    room: u64,
    /// Of the segments before.
    older_bytes: u64,
    next: u64,
    last_epoch: u64,
    segments: Vec<Segment>,
    history: History,
    /// Records of epochs that a manifest has, for which there was no space.
    owed: Vec<(u64, Deltas)>,
    /// Why the last record could not be written, if it was for want of space.
    refused: Option<StorageError>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    /// The last epoch in it or, when it is empty, before it.
    last_epoch: u64,
    bytes: u64,
}

/// Makes the file of a segment, durable before anything is written to it. If there is no space for it, it is not there.
pub(crate) fn create_segment(fs: &dyn Fs, sync: Sync, header: SegmentHeader) -> Result<Arc<dyn FsFile>> {
    let name = segment_name(header.number);
    let file = fs.create(&name).map_err(StorageError::writing("create", &name))?;
    if let Err(error) = file.append(&header.encode()).map_err(StorageError::writing("append to", &name)) {
        if error.is_full() {
            // Its name must not come back with a power loss: the segment before it goes on meanwhile.
            fs.remove(&name).map_err(StorageError::io("remove", &name))?;
            if sync != Sync::Off {
                fs.sync_dir().map_err(StorageError::io("sync", "."))?;
            }
        }
        return Err(error);
    }
    if sync != Sync::Off {
        file.sync().map_err(StorageError::io("sync", &name))?;
        fs.sync_dir().map_err(StorageError::io("sync", "."))?;
    }
    Ok(file)
}

impl Wal {
    /// Reads the log from segment `first` on and opens it for appending. `epoch` is what the manifest covers;
    /// the epochs after it are returned.
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        sync: Sync,
        secret: Secret,
        poison: Arc<Poison>,
        (first, epoch): (u64, u64),
        history: History,
    ) -> Result<(Wal, Vec<(u64, Deltas)>)> {
        let mut replay = Replay {
            fs: fs.as_ref(),
            secret,
            next: None,
            covered: epoch,
            last_epoch: epoch,
            segments: Vec::new(),
            tail: Vec::new(),
        };
        let cut = replay.run(first)?;
        let Replay { next, last_epoch, mut segments, tail, .. } = replay;
        let (Some(next), Some(&last)) = (next, segments.last()) else {
            return Err(StorageError::corrupt(
                &segment_name(first),
                "name",
                0,
                "the manifest names this file, it is missing",
            ));
        };
        let name = segment_name(last.number);
        let file = fs.open_append(&name).map_err(StorageError::io("open", &name))?;
        if let Some(length) = cut {
            file.truncate(length).map_err(StorageError::io("truncate", &name))?;
        }
        if sync != Sync::Off {
            // What is shown to readers from now on must not vanish with the power.
            file.sync().map_err(StorageError::io("sync", &name))?;
            fs.sync_dir().map_err(StorageError::io("sync", "."))?;
        }
        segments.pop();
        let older_bytes = segments.iter().map(|segment| segment.bytes).sum();
        segments.push(last);
        let salt = record::salt(secret, last.number);
        let bytes = last.bytes;
        let log = Log {
            file,
            name,
            salt,
            bytes,
            room: 0,
            older_bytes,
            next,
            last_epoch,
            segments,
            history,
            owed: Vec::new(),
            refused: None,
        };
        let durable = AtomicU64::new(if sync == Sync::Off { 0 } else { next - 1 });
        let (log, turn) = (Mutex::new(log), Mutex::default());
        Ok((Wal { fs, sync, secret, poison, log, durable, turn, synced: Condvar::new() }, tail))
    }

    /// Writes an epoch's record to the operating system. If there is no space for it, the log is as it was, and the
    /// epoch may be another one's.
    pub(crate) fn append(&self, epoch: u64, deltas: &Deltas) -> Result<Lsn> {
        let mut log = hold(&self.log);
        self.poison.check()?;
        while let Some((owed, deltas)) = log.owed.first().cloned() {
            self.write(&mut log, owed, &deltas)?;
            log.owed.remove(0);
        }
        self.write(&mut log, epoch, deltas)
    }

    /// Writes the record of an epoch that a manifest has already. If there is no space for it, it goes before the next.
    pub(crate) fn append_installed(&self, epoch: u64, deltas: &Deltas) -> Result<()> {
        match self.append(epoch, deltas) {
            Err(error) if error.is_full() => {
                hold(&self.log).owed.push((epoch, deltas.clone()));
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    fn write(&self, log: &mut Log, epoch: u64, deltas: &Deltas) -> Result<Lsn> {
        if epoch <= log.last_epoch {
            return Err(StorageError::Misuse(format!("epoch {epoch} after epoch {}", log.last_epoch)));
        }
        let bytes = record::encode(log.next, self.durable.load(Ordering::Acquire), &log.salt, epoch, deltas);
        self.make_room(log, bytes.len() as u64)?;
        if let Err(error) = log.file.append(&bytes).map_err(StorageError::writing("append to", &log.name)) {
            if error.is_full() {
                self.poison.watch(self.take_back(log))?;
                log.refused = Some(error.clone());
            }
            return self.poison.watch(Err(error));
        }
        log.refused = None;
        let lsn = Lsn(log.next);
        debug_assert!(self.durable.load(Ordering::Acquire) < lsn.0, "what is not written yet is not durable");
        log.next += 1;
        log.last_epoch = epoch;
        log.bytes += bytes.len() as u64;
        log.room = log.room.saturating_sub(bytes.len() as u64);
        let current = log.bytes;
        if let Some(segment) = log.segments.last_mut() {
            (segment.last_epoch, segment.bytes) = (epoch, current);
        }
        Ok(lsn)
    }

    /// Cuts off what was written of a record.
    fn take_back(&self, log: &mut Log) -> Result<()> {
        log.room = 0;
        log.file.truncate(log.bytes).map_err(StorageError::io("truncate", &log.name))?;
        if self.sync != Sync::Off {
            // The records before it are not called durable for that: whoever waits for them sees to it.
            log.file.sync().map_err(StorageError::io("sync", &log.name))?;
        }
        Ok(())
    }

    /// Makes room for a record of this length and some more, if that is worth it.
    fn make_room(&self, log: &mut Log, length: u64) -> Result<()> {
        if self.sync != Sync::Full || log.room >= length || length > ROOM / 4 {
            return Ok(());
        }
        log.room = match log.file.reserve(ROOM) {
            Ok(()) => ROOM,
            // The append may still fit, and tells if it does not.
            Err(error) if is_full(error.kind()) => 0,
            failed => {
                self.poison.watch(failed.map_err(StorageError::io("append to", &log.name)))?;
                0
            }
        };
        Ok(())
    }

    /// Returns when the record is as durable as the database's setting promises.
    pub(crate) fn wait_durable(&self, lsn: Lsn) -> Result<()> {
        if self.sync != Sync::Full {
            return self.poison.check();
        }
        let mut turn = hold(&self.turn);
        loop {
            if self.durable.load(Ordering::Acquire) >= lsn.0 {
                return Ok(());
            }
            self.poison.check()?;
            if turn.taken {
                turn.waiting += 1;
                turn = self.synced.wait(turn).unwrap_or_else(PoisonError::into_inner);
                turn.waiting -= 1;
                continue;
            }
            turn.taken = true;
            drop(turn);
            let result = self.sync_now();
            turn = hold(&self.turn);
            turn.taken = false;
            // To wake nobody is a call of the operating system, too.
            if turn.waiting > 0 {
                self.synced.notify_all();
            }
            result?;
        }
    }

    /// The leader's part: one sync for all records appended so far.
    fn sync_now(&self) -> Result<()> {
        let (file, name, last) = {
            let log = hold(&self.log);
            (log.file.clone(), log.name.clone(), log.next - 1)
        };
        self.poison.watch(file.sync().map_err(StorageError::io("sync", &name)))?;
        debug_assert!(last < hold(&self.log).next, "what is durable was written");
        self.durable.fetch_max(last, Ordering::AcqRel);
        Ok(())
    }

    /// Begins a new segment, unless the current one is still empty. What was appended before is then durable. If there
    /// is no space for it, the current one goes on.
    pub(crate) fn rotate(&self) -> Result<()> {
        let mut log = hold(&self.log);
        self.poison.check()?;
        if log.bytes == SEGMENT_HEADER as u64 {
            return Ok(());
        }
        let rotated = self.rotate_locked(&mut log);
        self.poison.watch(rotated)
    }

    fn rotate_locked(&self, log: &mut Log) -> Result<()> {
        if self.sync == Sync::Full {
            log.file.truncate(log.bytes).map_err(StorageError::io("truncate", &log.name))?;
            log.room = 0;
        }
        if self.sync != Sync::Off {
            log.file.sync().map_err(StorageError::io("sync", &log.name))?;
            self.durable.fetch_max(log.next - 1, Ordering::AcqRel);
        }
        let number = log.segments.last().map_or(0, |segment| segment.number) + 1;
        let header = SegmentHeader { number, first: log.next, durable: self.durable.load(Ordering::Acquire) };
        log.file = create_segment(self.fs.as_ref(), self.sync, header)?;
        log.name = segment_name(number);
        log.salt = record::salt(self.secret, number);
        log.older_bytes += log.bytes;
        (log.bytes, log.room) = (SEGMENT_HEADER as u64, 0);
        log.segments.push(Segment { number, last_epoch: log.last_epoch, bytes: log.bytes });
        Ok(())
    }

    /// The first segment that holds an epoch after `epoch`, or the current one.
    pub(crate) fn first_after(&self, epoch: u64) -> u64 {
        let log = hold(&self.log);
        let needed = log.segments.iter().find(|segment| segment.last_epoch > epoch).or(log.segments.last());
        needed.map_or(0, |segment| segment.number)
    }

    /// Makes history of the segments before `first`, which a durable manifest no longer needs, and removes what is
    /// too much of it. A file that cannot be removed is left to the next start.
    pub(crate) fn retire_before(&self, first: u64) {
        let mut log = hold(&self.log);
        let old = log.segments.partition_point(|segment| segment.number < first);
        let old: Vec<Segment> = log.segments.drain(..old).collect();
        log.older_bytes -= old.iter().map(|segment| segment.bytes).sum::<u64>();
        let mut gone = Vec::new();
        for segment in old {
            gone.extend(log.history.keep(segment.number, segment.bytes));
        }
        drop(log);
        for number in gone {
            let _ = self.fs.remove(&segment_name(number));
        }
    }

    /// The changes of the epochs after `after` and up to `to`, added up; `None` if the log no longer has them.
    pub(crate) fn changes_between(&self, after: u64, to: u64) -> Result<Option<Deltas>> {
        let segments: Vec<u64> = {
            let log = hold(&self.log);
            log.history.numbers().chain(log.segments.iter().map(|segment| segment.number)).collect()
        };
        history::changes(self.fs.as_ref(), self.secret, &segments, (after, to))
    }

    /// Why the last record could not be written, if it was for want of space.
    pub(crate) fn refused(&self) -> Option<StorageError> {
        hold(&self.log).refused.clone()
    }

    /// Bytes in all segments.
    pub(crate) fn bytes(&self) -> u64 {
        let log = hold(&self.log);
        log.older_bytes + log.bytes
    }
}

/// The state of reading the log at start.
struct Replay<'a> {
    fs: &'a dyn Fs,
    secret: Secret,
    /// The number of the next record, once the first segment has told it.
    next: Option<u64>,
    /// The epoch that the manifest holds already.
    covered: u64,
    last_epoch: u64,
    segments: Vec<Segment>,
    tail: Vec<(u64, Deltas)>,
}

/// Where a segment stopped being readable.
struct Tear {
    at: usize,
    bytes: Vec<u8>,
}

impl Replay<'_> {
    /// Reads all segments from `first` on. Returns the length to cut the last one to, if it is torn; segments
    /// behind a tear are removed.
    fn run(&mut self, first: u64) -> Result<Option<u64>> {
        let numbers = self.numbers(first)?;
        let mut tear: Option<(u64, Tear)> = None;
        for (index, &number) in numbers.iter().enumerate() {
            let name = segment_name(number);
            let bytes = self.fs.read(&name).map_err(StorageError::io("read", &name))?;
            let last = index + 1 == numbers.len();
            let Some(header) = SegmentHeader::decode(&bytes).filter(|header| header.number == number) else {
                self.abandon(&name, &bytes, last && index > 0)?;
                continue;
            };
            match &tear {
                Some((torn, found)) => {
                    self.check_lost(*torn, found, header.durable)?;
                    self.fs.remove(&name).map_err(StorageError::io("remove", &name))?;
                }
                None => tear = self.segment(header, bytes)?.map(|found| (number, found)),
            }
        }
        if let Some((torn, found)) = &tear {
            self.check_lost(*torn, found, 0)?;
        }
        Ok(tear.map(|(_, found)| found.at as u64))
    }

    /// The numbers of the segments, which must have no gap.
    fn numbers(&self, first: u64) -> Result<Vec<u64>> {
        let names = self.fs.list().map_err(StorageError::io("list", "."))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
        numbers.retain(|&number| number >= first);
        numbers.sort_unstable();
        for (index, &number) in numbers.iter().enumerate() {
            if number != first + index as u64 {
                let name = segment_name(first + index as u64);
                return Err(StorageError::corrupt(
                    &name,
                    "name",
                    0,
                    "a later segment of the log exists, this one is missing",
                ));
            }
        }
        Ok(numbers)
    }

    /// A segment whose header is bad: what a crash leaves while the last one is being made, or damage.
    fn abandon(&self, name: &str, bytes: &[u8], may_be_new: bool) -> Result<()> {
        if !may_be_new || bytes.len() > SEGMENT_HEADER {
            return Err(StorageError::corrupt(
                name,
                "header",
                0,
                "not a log segment of this version, or damaged",
            ));
        }
        self.fs.remove(name).map_err(StorageError::io("remove", name))
    }

    /// Takes in one segment; where it is torn, if it is.
    fn segment(&mut self, header: SegmentHeader, bytes: Vec<u8>) -> Result<Option<Tear>> {
        let name = segment_name(header.number);
        let mut next = self.next.unwrap_or(header.first);
        if header.first != next {
            let detail = format!("begins with record {}, record {next} was expected", header.first);
            return Err(StorageError::corrupt(&name, "header", 24, detail));
        }
        let salt = record::salt(self.secret, header.number);
        let mut at = SEGMENT_HEADER;
        while let Some(record) = record::decode(&bytes, at, &salt).filter(|record| record.number == next) {
            let malformed =
                || StorageError::corrupt(&name, "record", at, "intact, but not a list of changes");
            let (epoch, deltas) = record::decode_body(record.body).ok_or_else(malformed)?;
            if epoch > self.last_epoch {
                self.last_epoch = epoch;
                self.tail.push((epoch, deltas));
            } else if epoch > self.covered {
                return Err(StorageError::corrupt(
                    &name,
                    "record",
                    at,
                    "its epoch does not follow the one before",
                ));
            }
            next += 1;
            at = record.end;
        }
        self.next = Some(next);
        self.segments.push(Segment { number: header.number, last_epoch: self.last_epoch, bytes: at as u64 });
        Ok((at < bytes.len()).then_some(Tear { at, bytes }))
    }

    /// An error if anything shows that the record at the tear had been durable.
    fn check_lost(&self, segment: u64, tear: &Tear, durable: u64) -> Result<()> {
        let next = self.next.unwrap_or(1);
        let salt = record::salt(self.secret, segment);
        if durable >= next || record::durable_behind(&tear.bytes, tear.at, next, &salt) {
            let detail =
                format!("record {next} is damaged, and it had been synced before later records were written");
            return Err(StorageError::corrupt(&segment_name(segment), "record", tear.at, detail));
        }
        Ok(())
    }
}
