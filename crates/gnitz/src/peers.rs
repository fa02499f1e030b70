//! What a session can ask the program it runs in about other sessions. The engine knows none of them: a server
//! registers with each of its sessions how they are asked, and the catalogs answer by it.

use pgcatalog::{Activity, Asked, PreparedStatement};

/// The sessions of a program, as one of them asks for them.
pub trait Peers: Send + Sync {
    /// All sessions, the one that asks among them.
    fn sessions(&self) -> Vec<Activity>;

    /// Asks the session of this process number to stop. False if there is none.
    fn stop(&self, pid: i32, asked: Asked) -> bool;

    /// The statements that the session that asks has prepared under names.
    fn prepared(&self) -> Vec<PreparedStatement>;
}

/// A setting that a query has changed by `set_config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// For the transaction alone.
    pub local: bool,
}
