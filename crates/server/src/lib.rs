//! The database as a server: the PostgreSQL protocol for existing clients, HTTP for everything else.
//!
//! It rests on the public API of `gnitz` alone: a connection is a session, a change feed is a subscription.

mod alone;
pub mod config;
pub mod feed;
pub mod http;
pub mod logging;
pub mod meter;
pub mod metrics;
pub mod pg;
pub mod settle;

use std::io;
use std::net::SocketAddr;

use gnitz::Database;
use metrics::Metrics;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Ports that are open and wait to be served.
pub struct Server {
    database: Database,
    metrics: Metrics,
    pg: Option<pg::Listener>,
    http: Option<(TcpListener, http::State)>,
}

impl Server {
    /// A server without ports.
    pub fn new(database: Database) -> Server {
        let metrics = Metrics::new(&database);
        Server { database, metrics, pg: None, http: None }
    }

    /// What the server counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens a port for PostgreSQL's clients.
    pub async fn with_pg(mut self, options: pg::Options) -> io::Result<Server> {
        let listener = pg::Listener::bind(self.database.clone(), options, self.metrics.clone()).await?;
        logging::listening("postgresql", listener.address()?);
        self.pg = Some(listener);
        Ok(self)
    }

    /// Opens a port for HTTP.
    pub async fn with_http(mut self, address: &str, state: http::State) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        logging::listening("http", listener.local_addr()?);
        self.http = Some((listener, state));
        Ok(self)
    }

    /// Where PostgreSQL's clients connect.
    pub fn pg_address(&self) -> Option<SocketAddr> {
        self.pg.as_ref().and_then(|listener| listener.address().ok())
    }

    /// Where HTTP listens.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Serves until `stop` is done; then lets statements finish, checkpoints and closes the database.
    pub async fn run(self, stop: impl Future<Output = ()>) -> gnitz::Result<()> {
        let Server { database, pg, http, .. } = self;
        let (ending, ended) = watch::channel(false);
        let told = |mut ended: watch::Receiver<bool>| async move {
            // The sender lives until both have ended.
            let _ = ended.wait_for(|ended| *ended).await;
        };
        let serve_pg = async {
            if let Some(listener) = pg {
                listener.run(told(ended.clone())).await;
            }
        };
        let serve_http = async {
            let Some((listener, state)) = http else { return };
            if let Err(error) = http::serve(listener, state, told(ended.clone())).await {
                tracing::error!(target: "gnitz::http", "HTTP has ended: {error}");
            }
        };
        let stop = async {
            stop.await;
            ending.send_replace(true);
        };
        tokio::join!(stop, serve_pg, serve_http);
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
