//! What can go wrong in storage, and what the caller can do about it.
//!
//! The enum is cloneable, because one failure is told many times: every commit after a poisoning, every
//! reader of a corrupt shard.

use std::fmt;
use std::io;

use zset::ZsetError;

/// An error of the storage layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// The operating system refused. The database is poisoned if it was a write.
    Io {
        /// What was tried: `append`, `sync`, …
        call: &'static str,
        /// The file, or `.` for the directory.
        file: String,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// The system's words.
        message: String,
    },
    /// A file does not hold what was written. Restore it from a copy.
    Corrupt {
        /// The file.
        file: String,
        /// Which part of it: `header`, `footer`, `W`, `O`, `K`, `V`, `record`, `name`.
        region: &'static str,
        /// Where in the file the damage shows.
        offset: u64,
        /// What is wrong there.
        detail: String,
    },
    /// An earlier write failed, so what is on disk is unknown. Nothing more is committed; reopen the database.
    Poisoned {
        /// The failure that did it.
        cause: String,
    },
    /// Another process, or another handle of this one, has the database open.
    Locked,
    /// A checkpoint is running; wait for it, then ask again.
    Busy,
    /// The caller broke the protocol: an epoch that does not grow, a collection that does not exist.
    Misuse(String),
    /// The weights or sizes of rows went out of bounds.
    Rows(ZsetError),
}

/// The result of a storage call.
pub type Result<T> = std::result::Result<T, StorageError>;

impl StorageError {
    /// The SQLSTATE a user sees.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            StorageError::Io { kind: io::ErrorKind::StorageFull, .. } => "53100",
            StorageError::Io { .. } | StorageError::Poisoned { .. } => "58030",
            StorageError::Corrupt { .. } => "XX001",
            StorageError::Locked => "55006",
            StorageError::Busy => "55P03",
            StorageError::Misuse(_) => "XX000",
            StorageError::Rows(ZsetError::WeightOverflow { .. }) => "22003",
            StorageError::Rows(ZsetError::TooLarge { .. }) => "54000",
            StorageError::Rows(_) => "XX001",
        }
    }

    /// A closure for `map_err` that says which call on which file failed.
    pub(crate) fn io<'a>(call: &'static str, file: &'a str) -> impl FnOnce(io::Error) -> StorageError + 'a {
        move |error| StorageError::Io {
            call,
            file: file.to_string(),
            kind: error.kind(),
            message: error.to_string(),
        }
    }

    pub(crate) fn corrupt(
        file: &str,
        region: &'static str,
        offset: usize,
        detail: impl Into<String>,
    ) -> StorageError {
        StorageError::Corrupt { file: file.to_string(), region, offset: offset as u64, detail: detail.into() }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Io { call, file, message, .. } => {
                write!(f, "cannot {call} file \"{file}\": {message}")
            }
            StorageError::Corrupt { file, region, offset, detail } => {
                write!(f, "file \"{file}\" is damaged in its {region} at byte {offset}: {detail}")
            }
            StorageError::Poisoned { cause } => {
                write!(f, "the database accepts no more changes since a write failed ({cause}); reopen it")
            }
            StorageError::Locked => write!(f, "the database is open in another process"),
            StorageError::Busy => write!(f, "a checkpoint is already running"),
            StorageError::Misuse(what) => write!(f, "storage was called wrongly: {what}"),
            StorageError::Rows(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StorageError {}

impl From<ZsetError> for StorageError {
    fn from(error: ZsetError) -> StorageError {
        StorageError::Rows(error)
    }
}
