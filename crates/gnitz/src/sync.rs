//! Locks and signals.
//!
//! Locks outlive a panic of their holder: what they guard is always replaced as a whole value, so a holder that
//! died has left the old value, which is whole.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Waits for the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a waiting thread is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// There is work.
    Work,
    /// It should end.
    Stop,
}

/// Wakes one thread. Calls for work that come while it works are one call; a call to stop stays.
#[derive(Default)]
pub(crate) struct Alarm {
    call: Mutex<Option<Call>>,
    ready: Condvar,
}

impl Alarm {
    /// Calls the thread.
    pub(crate) fn ring(&self, call: Call) {
        let mut pending = lock(&self.call);
        if *pending != Some(Call::Stop) {
            *pending = Some(call);
        }
        drop(pending);
        self.ready.notify_one();
    }

    /// Waits for a call.
    pub(crate) fn wait(&self) -> Call {
        let mut pending = lock(&self.call);
        loop {
            match *pending {
                Some(Call::Stop) => return Call::Stop,
                Some(Call::Work) => {
                    *pending = None;
                    return Call::Work;
                }
                None => pending = self.ready.wait(pending).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}
