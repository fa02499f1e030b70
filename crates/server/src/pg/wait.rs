//! Waiting for the next message: to the end of the connection, of the server, or of the client's time; and for a
//! moment without sleeping.
//!
//! A client on the same machine that sends one statement after the other has the next one there some microseconds
//! after the answer. To sleep until then and be woken takes longer than the statement. So a session that is alone looks
//! again and again for as long as a sleep would cost, as Seastar's reactor does (`--idle-poll-time-us`), and gives its
//! processor to whoever wants it between two looks. One whose client turns out to be slower sleeps at once.

use std::io;
use std::time::{Duration, Instant};

use crate::feed;
use crate::pg::Phase;
use crate::pg::cancel;
use crate::pg::error::Report;
use crate::pg::session::Client;

/// For how long it looks.
const MOMENT: Duration = Duration::from_micros(50);

/// A session is alone after it has waited so often while no other session did.
const ALONE: u32 = 1_000;

/// So many times in a row it may look in vain.
const PATIENCE: u8 = 3;

/// Whether looking has been worth it.
#[derive(Default)]
pub(crate) struct Linger {
    vain: u8,
}

impl Linger {
    /// Whether to look.
    fn is_worth_it(&self) -> bool {
        self.vain < PATIENCE
    }

    /// A look ended, with a message or without.
    fn looked(&mut self, came: bool) {
        self.vain = if came { 0 } else { self.vain.saturating_add(1) };
    }

    /// A message came after a sleep that began then.
    fn slept(&mut self, begun: Instant) {
        if begun.elapsed() < 2 * MOMENT {
            self.vain = 0;
        }
    }
}

/// What a wait for the client ended with.
pub(crate) enum Wake {
    /// There is more to read.
    Input,
    /// The client has gone.
    End,
    /// It has been waited for too long, or the server ends.
    Told(Report),
}

impl Client {
    /// Waits for more, after what the client waits for is written.
    pub(crate) async fn wait(&mut self) -> io::Result<Wake> {
        if std::mem::take(&mut self.wanted) {
            self.io.flush().await?;
        }
        let alone = self.backend.shared.speakers.are_of(self.backend.pid, ALONE) && !self.is_ending();
        let mut here = false;
        if alone && self.linger.is_worth_it() {
            // Whoever was woken by what this session did comes first. (To give way for nobody wakes a second worker.)
            if feed::has_woken() {
                tokio::task::yield_now().await;
            }
            here = self.io.look(MOMENT);
            self.linger.looked(here);
        }
        let asleep = (alone && !here).then(Instant::now);
        let limit = self.idle_limit();
        let idle = async {
            match &limit {
                Some((limit, _)) => tokio::time::sleep(*limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.backend.ended() => Ok(Wake::Told(cancel::terminated())),
            more = async { if here { Ok(true) } else { self.io.fill().await } } => {
                asleep.into_iter().for_each(|begun| self.linger.slept(begun));
                Ok(if more? { Wake::Input } else { Wake::End })
            }
            _ = self.phase.wait_for(|phase| *phase == Phase::Ending) => Ok(Wake::Told(cancel::terminated())),
            () = idle => Ok(match limit {
                Some((_, report)) => Wake::Told(report),
                None => Wake::End,
            }),
        }
    }

    /// How long the client may do nothing now, and what it is told then.
    fn idle_limit(&self) -> Option<(Duration, Report)> {
        if self.in_block() {
            let limit = self.settings.time("idle_in_transaction_session_timeout")?;
            let message = "terminating connection due to idle-in-transaction timeout";
            return Some((limit, Report::fatal("25P03", message)));
        }
        let limit = self.settings.time("idle_session_timeout")?;
        Some((limit, Report::fatal("57P05", "terminating connection due to idle-session timeout")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_vain_stops_until_the_client_is_quick_again() {
        let mut linger = Linger::default();
        for _ in 0..1_000 {
            linger.looked(true);
            linger.looked(false);
            linger.looked(false);
            assert!(linger.is_worth_it());
        }
        (0..1_000).for_each(|_| linger.looked(false));
        assert!(!linger.is_worth_it());
        linger.slept(Instant::now() - Duration::from_secs(1));
        assert!(!linger.is_worth_it());
        linger.slept(Instant::now() + Duration::from_secs(1));
        assert!(linger.is_worth_it());
    }
}
