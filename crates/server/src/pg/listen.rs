//! The port: who may connect, how many, and how all of it ends.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gnitz::Database;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::alone::Turns;
use crate::metrics::Metrics;
use crate::pg::cancel::{Backends, Cause, TICK};
use crate::pg::scram;
use crate::pg::startup;
use crate::pg::{Options, Phase};
use crate::settle::Settler;

/// How long a shutdown waits for connections whose statements it has stopped.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// How many connections that have not begun there may be beside as many as there may be sessions.
const UNKNOWN: usize = 64;

/// What all connections share.
pub(crate) struct Shared {
    /// The database.
    pub(crate) database: Database,
    /// How the server is set up.
    pub(crate) options: Options,
    /// What encrypts.
    pub(crate) tls: Option<TlsAcceptor>,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// Waits for commits.
    pub(crate) settler: Settler,
    /// Whose message was the last.
    pub(crate) speakers: Turns,
    /// The connections.
    pub(crate) backends: Backends,
    /// Makes up the secrets of users who do not exist.
    pub(crate) key: [u8; 32],
    /// Whether the server runs or ends.
    pub(crate) phase: watch::Receiver<Phase>,
}

/// A port that takes connections.
pub struct Listener {
    listener: TcpListener,
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
}

impl Listener {
    /// Opens the port.
    pub async fn bind(database: Database, options: Options, metrics: Metrics) -> io::Result<Listener> {
        let tls = options.tls.acceptor()?;
        let listener = TcpListener::bind(&options.address).await?;
        let (phase, receiver) = watch::channel(Phase::Running);
        let key = scram::random()?;
        if !database.has_passwords().unwrap_or_default() {
            tracing::warn!("no role has a password: only connections from this machine are accepted");
        }
        let backends = Backends::default();
        let (settler, speakers) = (Settler::start()?, Turns::default());
        let shared =
            Shared { database, options, tls, metrics, settler, speakers, backends, key, phase: receiver };
        Ok(Listener { listener, shared: Arc::new(shared), phase })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is done, then ends: statements that run are given the grace period to finish, those who
    /// wait for nothing are told at once.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Listener { listener, shared, phase } = self;
        let mut connections = JoinSet::new();
        let mut strangers = Strangers::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        let most = 2 * shared.options.max_connections + UNKNOWN;
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => match accepted {
                    // Those who have not said who they are must not be without number either.
                    Ok(_) if connections.len() >= most && !strangers.send_one_away() => {}
                    Ok((stream, peer)) => {
                        let known = Arc::default();
                        let task = connection(Arc::clone(&shared), stream, peer, Arc::clone(&known));
                        strangers.add(connections.spawn(task), known);
                    }
                    Err(error) => {
                        tracing::warn!("a connection could not be accepted: {error}");
                        tokio::time::sleep(TICK).await;
                    }
                },
                _ = tick.tick() => shared.backends.look(),
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        while strangers.send_one_away() {}
        let _ = phase.send(Phase::Ending);
        let grace = shared.options.shutdown_grace;
        if !finished(&mut connections, &shared, grace).await {
            shared.backends.stop_all(Cause::Shutdown);
            finished(&mut connections, &shared, LAST_GRACE).await;
        }
        connections.abort_all();
    }
}

/// The connections that have not begun, the oldest first.
#[derive(Default)]
struct Strangers {
    all: VecDeque<(AbortHandle, Arc<AtomicBool>)>,
}

impl Strangers {
    /// Adds one; `known` tells when it has begun.
    fn add(&mut self, task: AbortHandle, known: Arc<AtomicBool>) {
        self.all.push_back((task, known));
        // Those that are gone or known are in the way only when room runs out; looking then costs little a connection.
        if self.all.len() == self.all.capacity() {
            self.all.retain(|(task, known)| !task.is_finished() && !known.load(Ordering::Relaxed));
        }
    }

    /// Ends the one that has been silent for longest, for another to have its place; whether there was one.
    fn send_one_away(&mut self) -> bool {
        while let Some((task, known)) = self.all.pop_front() {
            if !task.is_finished() && !known.load(Ordering::Relaxed) {
                task.abort();
                return true;
            }
        }
        false
    }
}

/// Waits for the connections to end, at most so long.
async fn finished(connections: &mut JoinSet<()>, shared: &Shared, limit: Duration) -> bool {
    let all = async {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                next = connections.join_next() => if next.is_none() { break },
                _ = tick.tick() => shared.backends.look(),
            }
        }
    };
    tokio::time::timeout(limit, all).await.is_ok()
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, known: Arc<AtomicBool>) {
    if let Err(error) = startup::serve(shared, stream, peer, &known).await {
        tracing::debug!("the connection from {peer} broke: {error}");
    }
}
