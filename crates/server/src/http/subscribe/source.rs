//! Where messages come from: a feed, the clock, and the end of the server.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::http::StatusCode;
use gnitz::{Database, Delta};
use tokio::time::{Instant, sleep_until};

use super::super::auth::Identity;
use super::super::problem::Problem;
use super::super::state::State;
use super::message::{Event, Form, Message, messages};
use crate::feed::{AsyncFeed, Start};
use crate::metrics::Metrics;

/// How often a client that wants to know is told how far its view is.
const PROGRESS: Duration = Duration::from_millis(500);

/// What a client asks for.
pub struct Wanted {
    /// Where to begin.
    pub start: Start,
    /// Whether the contents may come if what was missed is not known any more.
    pub contents: bool,
    /// Whether to tell of epochs that changed nothing.
    pub progress: bool,
    /// How rows are written.
    pub form: Form,
}

/// A change as it was read: how many rows, and the messages of them.
type Read = (u64, io::Result<Vec<Message>>);

/// The messages of one subscription, one after another.
pub struct Source {
    feed: AsyncFeed<Read>,
    database: Database,
    metrics: Metrics,
    /// When to look how far the view is, if the client wants to know.
    progress: Option<Instant>,
    /// The epoch that the client is at.
    epoch: Option<u64>,
    waiting: VecDeque<Message>,
    over: bool,
}

impl Source {
    /// Opens a feed as a client wants it.
    pub async fn open(
        state: &State,
        identity: &Identity,
        view: &str,
        wanted: Wanted,
    ) -> Result<Source, Problem> {
        let opening = state.clone();
        let (role, view) = (identity.role.clone(), view.to_string());
        let Wanted { start, contents, progress, form } = wanted;
        let opened = tokio::task::spawn_blocking(move || {
            let feeds = &opening.0.feeds;
            match feeds.open(&role, &view, start)? {
                None if contents => feeds.open(&role, &view, Start::Contents),
                opened => Ok(opened),
            }
        });
        let opened = opened.await.map_err(|_| Problem::internal("the subscription ended in a panic"))??;
        let opened = opened.ok_or_else(|| {
            Problem::new(StatusCode::GONE, "55000", "the changes after this epoch are not kept any more")
                .with_hint("leave out as_of, or allow a snapshot")
        })?;
        let mut event = if opened.contents { Event::Snapshot } else { Event::Delta };
        let turn = move |delta: Delta| {
            let event = std::mem::replace(&mut event, Event::Delta);
            (delta.rows.num_rows() as u64, messages(event, &delta, form))
        };
        Ok(Source {
            feed: AsyncFeed::new(opened.feed, turn),
            database: state.0.database.clone(),
            metrics: state.0.metrics.clone(),
            progress: progress.then(Instant::now),
            epoch: (!opened.contents).then_some(opened.epoch),
            waiting: VecDeque::new(),
            over: false,
        })
    }

    /// The epoch that a client is at which has all messages so far: where it may go on.
    pub fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// The next message, or `None` after the last one. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                self.epoch = message.epoch.or(self.epoch);
                return Some(message);
            }
            if self.over {
                return None;
            }
            // Whatever belongs to this epoch is in the feed once a reader can see it.
            let reached = self.progress.filter(|due| *due <= Instant::now()).and(self.database.epoch().ok());
            let more = match self.read().await {
                Ok(more) => more,
                Err(problem) => {
                    self.over = true;
                    self.waiting.push_back(Message::error(&problem, self.epoch));
                    continue;
                }
            };
            if more {
                continue;
            }
            if let Some(epoch) = reached {
                self.progress = Some(Instant::now() + PROGRESS);
                if self.epoch < Some(epoch) {
                    return self.emit(Message::progress(epoch));
                }
            }
            if self.feed.is_finished() {
                self.over = true;
                return Some(Message::end("there will be no more changes", self.epoch));
            }
            match self.progress {
                None => self.feed.ready().await,
                Some(due) => tokio::select! {
                    () = self.feed.ready() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    fn emit(&mut self, message: Message) -> Option<Message> {
        self.epoch = message.epoch.or(self.epoch);
        Some(message)
    }

    /// Reads one change, if there is one.
    async fn read(&mut self) -> Result<bool, Problem> {
        let Some((rows, made)) = self.feed.try_next().await? else { return Ok(false) };
        self.metrics.rows("http", "read", rows);
        self.waiting.extend(made.map_err(|error| Problem::internal(error.to_string()))?);
        Ok(true)
    }
}

/// What a client is told that did not read for too long.
pub fn too_slow(epoch: Option<u64>) -> Message {
    let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "57014", "the client did not read for too long")
        .with_hint("connect again with as_of, or without it for a new snapshot");
    Message::error(&problem, epoch)
}
