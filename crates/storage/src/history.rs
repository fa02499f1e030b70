//! The log behind the last checkpoint: segments that no restart needs, kept for those who were away and want what
//! they missed.
//!
//! A checkpoint hands over the segments it made superfluous; the oldest go when together they are larger than
//! [`Options::history_bytes`](crate::Options). What is kept is a run of segments without gaps that ends where the log
//! proper begins, and it is never trusted: a record that cannot be read, or an epoch that is missing, means that the
//! changes are not known, and the caller says so.

use std::collections::VecDeque;

use zset::{Deltas, Secret};

use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::record::{self, SEGMENT_HEADER, SegmentHeader, segment_name};

/// A segment that is kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    number: u64,
    bytes: u64,
}

/// The segments kept, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    kept: VecDeque<Kept>,
    bytes: u64,
    limit: u64,
}

impl History {
    /// What is there before segment `first` when a database is opened. The rest is to be removed.
    pub(crate) fn find(fs: &dyn Fs, numbers: &[u64], first: u64, limit: u64) -> Result<History> {
        let mut history = History { limit, ..History::default() };
        for number in (0..first).rev().take_while(|number| numbers.contains(number)) {
            let name = segment_name(number);
            let bytes = fs.map(&name).map_err(StorageError::io("map", &name))?.len() as u64;
            if history.bytes + bytes > limit {
                break;
            }
            history.kept.push_front(Kept { number, bytes });
            history.bytes += bytes;
        }
        Ok(history)
    }

    /// The first segment kept, if any is.
    pub(crate) fn first(&self) -> Option<u64> {
        self.kept.front().map(|kept| kept.number)
    }

    /// Takes over a segment; returns those that are now too much.
    pub(crate) fn keep(&mut self, number: u64, bytes: u64) -> Vec<u64> {
        debug_assert!(self.kept.back().is_none_or(|last| last.number + 1 == number));
        self.kept.push_back(Kept { number, bytes });
        self.bytes += bytes;
        let mut gone = Vec::new();
        while self.bytes > self.limit
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.bytes;
            gone.push(oldest.number);
        }
        gone
    }

    /// The numbers of all segments kept.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.kept.iter().map(|kept| kept.number)
    }
}

/// The changes of the epochs after `after` and up to `to`, added up, from these segments; `None` if they don't have
/// every one of those epochs.
pub(crate) fn changes(
    fs: &dyn Fs,
    secret: Secret,
    segments: &[u64],
    (after, to): (u64, u64),
) -> Result<Option<Deltas>> {
    let mut files = Vec::new();
    for &number in segments.iter().rev() {
        // A segment that is gone was removed after the list was made: what it had is no longer kept.
        let Ok(bytes) = fs.read(&segment_name(number)) else { break };
        let begins = first_epoch(&bytes, &record::salt(secret, number));
        files.push((number, bytes));
        if begins.is_some_and(|epoch| epoch <= after + 1) {
            break;
        }
    }
    let mut sum = Sum { next: after + 1, to, deltas: Deltas::new() };
    for (number, bytes) in files.into_iter().rev() {
        sum.segment(&bytes, &record::salt(secret, number))?;
    }
    Ok((sum.next > to).then_some(sum.deltas))
}

fn first_epoch(segment: &[u8], salt: &[u8]) -> Option<u64> {
    SegmentHeader::decode(segment)?;
    record::decode(segment, SEGMENT_HEADER, salt).and_then(|record| record::epoch(record.body))
}

/// Changes being added up, epoch by epoch.
struct Sum {
    /// The epoch that must come next.
    next: u64,
    to: u64,
    deltas: Deltas,
}

impl Sum {
    /// Adds what a segment has of the epochs wanted; stops where it cannot be read, or leaves one out.
    fn segment(&mut self, bytes: &[u8], salt: &[u8]) -> Result<()> {
        let mut at = SEGMENT_HEADER;
        while let Some(record) = record::decode(bytes, at, salt) {
            at = record.end;
            let Some(epoch) = record::epoch(record.body) else { return Ok(()) };
            if epoch < self.next {
                continue;
            }
            if epoch > self.next || epoch > self.to {
                return Ok(());
            }
            let Some((_, deltas)) = record::decode_body(record.body) else { return Ok(()) };
            for (id, delta) in deltas {
                let total = match self.deltas.remove(&id) {
                    Some(before) => before.add(&delta).map_err(StorageError::from)?,
                    None => delta,
                };
                self.deltas.insert(id, total);
            }
            self.next += 1;
        }
        Ok(())
    }
}
