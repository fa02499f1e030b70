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
    /// There was no space for what was to be written. It was taken back, and nothing else has changed: what failed can
    /// be tried again as soon as there is space.
    Full {
        /// What was tried: `create`, `append to`, …
        call: &'static str,
        /// The file.
        file: String,
        /// The system's words.
        message: String,
    },
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

/// Whether an error of this kind says that there is no space: on the disk, or in what its owner may take of it.
pub fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The result of a storage call.
pub type Result<T> = std::result::Result<T, StorageError>;

impl StorageError {
    /// The SQLSTATE a user sees.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            StorageError::Full { .. } => "53100",
            StorageError::Io { kind, .. } if is_full(*kind) => "53100",
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

    /// The same for a call that takes space. Whoever hands on [`StorageError::Full`] has taken back what was written.
    pub(crate) fn writing<'a>(
        call: &'static str,
        file: &'a str,
    ) -> impl FnOnce(io::Error) -> StorageError + 'a {
        move |error| match is_full(error.kind()) {
            true => StorageError::Full { call, file: file.to_string(), message: error.to_string() },
            false => StorageError::io(call, file)(error),
        }
    }

    /// Whether there was no space, and nothing worse.
    pub fn is_full(&self) -> bool {
        matches!(self, StorageError::Full { .. })
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
            StorageError::Full { call, file, message } | StorageError::Io { call, file, message, .. } => {
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
