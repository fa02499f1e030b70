//! What all requests share: the database, who may use it, and how much of it at once.

use std::sync::Arc;
use std::time::Duration;

use gnitz::Database;
use tokio::sync::{Semaphore, watch};

use super::auth::{Access, Authenticator};
use super::ingest::Batches;
use crate::config::Config;
use crate::feed::{EngineFeeds, Feeds};
use crate::metrics::Metrics;

/// What all requests share. Clones share it, too.
#[derive(Clone)]
pub struct State(pub(super) Arc<Shared>);

/// The inside of [`State`].
pub(super) struct Shared {
    pub database: Database,
    pub config: Config,
    pub metrics: Metrics,
    pub authenticator: Arc<dyn Authenticator>,
    pub feeds: Arc<dyn Feeds>,
    /// The ids of the batches that were ingested.
    pub batches: Batches,
    /// Statements and batches that may run.
    pub requests: Arc<Semaphore>,
    /// Streams of changes that may be open.
    pub streams: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl State {
    /// The state of a server that lets in whoever [`Access`] lets in.
    pub fn new(database: Database, config: Config, metrics: Metrics) -> State {
        let feeds = Arc::new(EngineFeeds(database.clone()));
        State::with(database, config, metrics, Arc::new(Access::default()), feeds)
    }

    /// As [`State::new`], with others to say who comes in and where changes come from.
    pub fn with(
        database: Database,
        config: Config,
        metrics: Metrics,
        authenticator: Arc<dyn Authenticator>,
        feeds: Arc<dyn Feeds>,
    ) -> State {
        State(Arc::new(Shared {
            database,
            metrics,
            authenticator,
            feeds,
            batches: Batches::new(config.http.ingest_keep),
            requests: Arc::new(Semaphore::new(config.http.max_requests)),
            streams: Arc::new(Semaphore::new(config.http.max_subscriptions)),
            closing: watch::channel(false).0,
            config,
        }))
    }

    /// Ends streams of changes and says that the server is not ready for more.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Whether [`State::close`] was called.
    pub(super) fn is_closing(&self) -> bool {
        *self.0.closing.borrow()
    }

    /// Waits for [`State::close`].
    pub(super) async fn closed(&self) {
        let mut closing = self.0.closing.subscribe();
        // The sender lives as long as this state.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Waits until no stream of changes is left, at most so long.
    pub(super) async fn streams_ended(&self, longest: Duration) {
        let all = u32::try_from(self.0.config.http.max_subscriptions).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(longest, self.0.streams.acquire_many(all)).await;
    }
}
