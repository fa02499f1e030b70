//! Whether a session has the server to itself. One that does gains by doing things where it is, and by not sleeping
//! between them: to wake a thread takes longer than what it wakes for. Among several the same would only hold up the
//! others.

use std::sync::atomic::{AtomicU64, Ordering};

/// Whose turn it was last, and how often in a row: the session in the upper half, the turns before in the lower.
#[derive(Default)]
pub(crate) struct Turns {
    last: AtomicU64,
}

impl Turns {
    /// It is this session's turn; whether so many before it were its, too.
    pub(crate) fn are_of(&self, session: i32, so_many: u32) -> bool {
        let session = u64::from(session.cast_unsigned()) << 32;
        let last = self.last.load(Ordering::Relaxed);
        let before = if last >> 32 == session >> 32 { last & u64::from(u32::MAX) } else { 0 };
        let alone = before >= u64::from(so_many);
        // What does not change is not written: processors share it.
        if !alone {
            self.last.store(session | (before + 1), Ordering::Relaxed);
        }
        alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_between_takes_the_turn() {
        let after = |so_many| {
            let turns = Turns::default();
            [1, 1, 1, -2, 1, 1].map(|session| turns.are_of(session, so_many))
        };
        assert_eq!(after(1), [false, true, true, false, false, true]);
        assert_eq!(after(2), [false, false, true, false, false, false]);
    }
}
