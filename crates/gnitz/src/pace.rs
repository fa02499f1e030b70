//! Whether changes of a table are quick, from how long they took before.
//!
//! How much work a change of one row is cannot be told from a statement: the views may follow in microseconds or in minutes.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// What takes no longer holds no thread for long.
const QUICK: Duration = Duration::from_micros(250);

/// So many times in a row it may take longer: any thread may have to wait for a processor once.
const SLOW: u8 = 2;

/// How often in a row a change was slow; at first it counts as if some had been.
#[derive(Debug)]
pub(crate) struct Pace {
    slow: AtomicU8,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { slow: AtomicU8::new(SLOW) }
    }
}

impl Pace {
    /// One took so long.
    pub(crate) fn note(&self, took: Duration) {
        let slow = if took <= QUICK { 0 } else { self.slow.load(Ordering::Relaxed).saturating_add(1) };
        self.slow.store(slow, Ordering::Relaxed);
    }

    /// Whether the next will be quick, as far as can be told.
    pub(crate) fn is_quick(&self) -> bool {
        self.slow.load(Ordering::Relaxed) < SLOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pause_is_no_habit() {
        let pace = Pace::default();
        let after = |micros| {
            pace.note(Duration::from_micros(micros));
            pace.is_quick()
        };
        assert!(!pace.is_quick());
        assert!(
            after(20)
                && after(4_000)
                && after(20)
                && after(4_000)
                && !after(300)
                && !after(300)
                && after(250)
        );
        (0..1_000).for_each(|_| pace.note(Duration::MAX));
        assert!(!pace.is_quick());
    }
}
