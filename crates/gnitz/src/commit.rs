//! A commit between its making and its acknowledgement.
//!
//! Whoever commits makes the next version in microseconds and then waits for the disk. A program with few threads and
//! many sessions has the waiting done elsewhere, for many commits at once.

use std::sync::Arc;

use crate::engine::Ticket;
use crate::error::Result;
use crate::handle::Handle;

/// A commit that has been made and not been acknowledged: it cannot fail but with the disk, and until it is settled
/// nobody has seen it. One that drops is settled where it drops.
#[must_use = "a commit is acknowledged only once it is settled"]
pub struct Commit {
    handle: Arc<Handle>,
    ticket: Option<Ticket>,
}

impl Commit {
    pub(crate) fn new(handle: &Arc<Handle>, ticket: Ticket) -> Commit {
        Commit { handle: Arc::clone(handle), ticket: Some(ticket) }
    }

    /// Waits until it is durable and can be seen, as every commit that was made before it. Commits that wait at the
    /// same time share one sync of the disk; it may be waited for in any order.
    pub fn settle(mut self) -> Result<()> {
        self.settle_now()
    }

    fn settle_now(&mut self) -> Result<()> {
        if let Some(ticket) = self.ticket.take() {
            self.handle.engine.settle(ticket)?;
            self.handle.engine.maintain();
        }
        Ok(())
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        // Nobody is left who could be told of a failure; the store says it to the next.
        let _ = self.settle_now();
    }
}
