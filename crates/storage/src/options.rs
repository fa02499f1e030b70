//! How a database is kept: what a commit waits for, and how much gathers before work is done in the background.

use zset::Secret;

/// What survives what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// An acknowledged commit survives a power loss.
    #[default]
    Full,
    /// An acknowledged commit survives a killed process; after a power loss the database is whole, as of an
    /// epoch at or after the last checkpoint.
    Normal,
    /// As `Normal` for a killed process; nothing is synced, so a power loss may cost the database. What is damaged is
    /// told.
    Off,
}

/// How a database is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// What survives what.
    pub sync: Sync,
    /// Bytes of log, or of changes in memory, at which a checkpoint is due.
    pub checkpoint_bytes: u64,
    /// Bytes at which a merge starts the next shard.
    pub shard_bytes: usize,
    /// Bytes of log that are kept after a checkpoint no longer needs them, for subscribers who resume.
    pub history_bytes: u64,
    /// The secret of a new database; drawn from the system's randomness when not given. Only for tests that must
    /// repeat.
    pub secret: Option<Secret>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sync: Sync::Full,
            checkpoint_bytes: 64 << 20,
            shard_bytes: 128 << 20,
            history_bytes: 128 << 20,
            secret: None,
        }
    }
}
