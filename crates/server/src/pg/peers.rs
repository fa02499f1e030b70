//! How a session asks for the others: what the catalogs (`pg_stat_activity`, `pg_cancel_backend`,
//! `pg_prepared_statements`) say of connections, the engine asks the server.

use std::sync::Arc;

use gnitz::{Activity, Asked, Peers, PreparedStatement};

use crate::pg::cancel::{Backend, lock};
use crate::pg::listen::Shared;

/// A connection that asks.
pub(crate) struct Asking {
    /// What it shares with the others.
    pub(crate) shared: Arc<Shared>,
    /// Its own place among them.
    pub(crate) own: Arc<Backend>,
}

impl Peers for Asking {
    fn sessions(&self) -> Vec<Activity> {
        self.shared.backends.activities()
    }

    fn stop(&self, pid: i32, asked: Asked) -> bool {
        self.shared.backends.ask(pid, asked)
    }

    fn prepared(&self) -> Vec<PreparedStatement> {
        lock(&self.own.listed).values().cloned().collect()
    }
}
