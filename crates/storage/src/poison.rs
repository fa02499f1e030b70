//! The memory of a failed write.
//!
//! After a failed write or sync nobody knows what the disk holds, and trying again can report success for bytes
//! that are gone. So the first failure is kept, and every later change is answered with it until the
//! database is reopened and has read what is really there. Reading goes on.
//!
//! A write that found no space is no such failure, if what it had written could be taken back: then it is known what the
//! disk holds ([`StorageError::Full`]).

use std::sync::OnceLock;

use crate::error::{Result, StorageError};

#[derive(Debug, Default)]
pub(crate) struct Poison(OnceLock<String>);

impl Poison {
    /// An error if something failed before.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.get() {
            None => Ok(()),
            Some(cause) => Err(StorageError::Poisoned { cause: cause.clone() }),
        }
    }

    /// Passes the result on, remembering the first failure, unless it was only want of space.
    pub(crate) fn watch<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && !error.is_full()
        {
            self.0.get_or_init(|| error.to_string());
        }
        result
    }
}
