//! Keeps a database's collections: in memory while they are young, on disk for good.
//!
//! A collection is a Z-set; its state is a [`Spine`] of sorted runs. A commit appends one record to the write-ahead
//! log and pushes one batch to each spine it changes; a checkpoint writes what has gathered to immutable shard
//! files and names them in the manifest. [`Store`] opens and keeps the files, [`State`] is what readers see,
//! [`Memtable`] is a transaction's own buffer. All I/O goes through [`Fs`].
//!
//! This crate knows nothing of columns, SQL or circuits: keys and values are bytes.

mod arena;
mod checkpoint;
mod codec;
mod compact;
mod error;
mod fold;
mod fs;
mod fs_fault;
mod fs_mem;
mod fs_real;
mod fs_record;
mod history;
mod manifest;
mod memtable;
mod mmap;
mod options;
mod poison;
mod postpone;
mod random;
mod record;
mod shard;
mod spine;
mod state;
mod store;
mod wal;

pub use arena::Arena;
pub use checkpoint::{Edit, Job};
pub use compact::{MAX_RUNS, Piece, Step, choose, plan};
pub use error::{Result, StorageError, is_full};
pub use fs::{Fs, FsFile};
pub use fs_fault::{Fault, FaultFs};
pub use fs_mem::{Image, MemFs};
pub use fs_real::RealFs;
pub use fs_record::{Recording, RecordingFs, Replay, Survival};
pub use memtable::{Memtable, MemtableIter, ROTATE_ROWS, Row};
pub use options::{Options, Sync};
pub use random::Random;
pub use shard::Shard;
pub use spine::{Run, Spine};
pub use state::{Fold, State};
pub use store::{Installed, Recovered, Replaced, Store};
pub use wal::Lsn;
