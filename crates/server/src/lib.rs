//! The database as a server: the PostgreSQL protocol for existing clients, HTTP for everything else.
//!
//! It rests on the public API of `gnitz` alone: a connection is a session, a change feed is a subscription.

pub mod pg;

use std::io;
use std::net::SocketAddr;

use gnitz::Database;

/// Ports that are open and wait to be served.
pub struct Server {
    database: Database,
    pg: pg::Listener,
}

impl Server {
    /// Opens the ports.
    pub async fn bind(database: Database, options: pg::Options) -> io::Result<Server> {
        let pg = pg::Listener::bind(database.clone(), options).await?;
        Ok(Server { database, pg })
    }

    /// Where PostgreSQL's clients connect.
    pub fn pg_address(&self) -> io::Result<SocketAddr> {
        self.pg.address()
    }

    /// Serves until `stop` is done; then lets statements finish, checkpoints and closes the database.
    pub async fn run(self, stop: impl Future<Output = ()>) -> gnitz::Result<()> {
        self.pg.run(stop).await;
        let database = self.database;
        tokio::task::block_in_place(|| database.close())
    }
}

/// What runs a server of so many connections: each may hold a thread while its statement waits for the disk, and
/// another while it copies.
pub fn runtime(max_connections: usize) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(2 * max_connections + 16)
        .thread_name("gnitz server")
        .enable_all()
        .build()
}

/// Done when the system asks the process to end: by an interrupt or a request to terminate.
pub async fn signalled() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
