//! The memory of a checkpoint that found no space.
//!
//! A checkpoint is due again as soon as it has failed, and to try it at every commit would cost each of them a
//! checkpoint. So after one that found no space none is due until the log has grown by a part of what makes one due, or
//! some time has passed, in which somebody may have made space. As long as the log cannot grow there is no need of one:
//! nothing new is committed. Who asks for a checkpoint gets one all the same.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::{Result, StorageError};
use crate::fs_mem::hold;

/// The part of [`Options::checkpoint_bytes`](crate::Options) by which the log has to grow.
const PART: u64 = 8;

/// The time that has to pass otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Postponed(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The bytes of log at which to try again.
    until: u64,
    /// When the last one began.
    begun: Option<Instant>,
    /// Why the last checkpoint could not be made, if it was for want of space.
    cause: Option<StorageError>,
}

impl Postponed {
    /// A checkpoint begins with so many bytes of log.
    pub(crate) fn begin(&self, log_bytes: u64, checkpoint_bytes: u64) {
        let mut waiting = hold(&self.0);
        waiting.until = log_bytes.saturating_add(checkpoint_bytes / PART);
        waiting.begun = Some(Instant::now());
    }

    /// Passes the result of a part of it on, noting if there was no space.
    pub(crate) fn watch<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && error.is_full()
        {
            hold(&self.0).cause = Some(error.clone());
        }
        result
    }

    /// The checkpoint is made.
    pub(crate) fn done(&self) {
        hold(&self.0).cause = None;
    }

    /// Whether another one is to wait, with so many bytes of log.
    pub(crate) fn waits(&self, log_bytes: u64) -> bool {
        let waiting = hold(&self.0);
        let recent = waiting.begun.is_some_and(|begun| begun.elapsed() < PATIENCE);
        waiting.cause.is_some() && log_bytes < waiting.until && recent
    }

    /// Why the last one could not be made, if it was for want of space.
    pub(crate) fn cause(&self) -> Option<StorageError> {
        hold(&self.0).cause.clone()
    }
}
