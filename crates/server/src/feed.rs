//! Change feeds: a relation's contents at one epoch and every later change, for readers that must not block.
//!
//! The traits stand between the engine's subscriptions and the protocols that send them on, so that where a
//! feed begins (now, with the contents, or after an epoch that a client has seen) is one question with one answer.
//! [`AsyncFeed`] is how an asynchronous task reads a feed: it sleeps until the engine wakes it, so thousands of them
//! need no thread of their own.

use std::cell::Cell;
use std::sync::Arc;

pub use gnitz::Start;
use gnitz::{Database, Delta, Error, Result};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A feed that has begun.
pub struct Opened {
    /// The feed.
    pub feed: Box<dyn Feed>,
    /// Whether its first delta is the contents of the relation, and not a change.
    pub contents: bool,
    /// The epoch that the reader is at before the first delta.
    pub epoch: u64,
}

/// Opens feeds for a role.
pub trait Feeds: Send + Sync {
    /// Opens a feed of a table or view. [`Start::After`] an epoch whose later changes are not kept is answered with
    /// `None`: the reader has to begin with the contents.
    fn open(&self, role: &str, relation: &str, start: Start) -> Result<Option<Opened>>;
}

/// The changes of one relation.
pub trait Feed: Send {
    /// The next change if there is one already.
    fn try_next(&mut self) -> Result<Option<Delta>>;

    /// Whether to ask for the next change takes some microseconds now.
    fn is_brief(&self) -> bool;

    /// Has `wake` called when there is more to read and when there will be no more.
    fn set_waker(&mut self, wake: Box<dyn Fn() + Send + Sync>);

    /// Whether every change has been read and no other will come.
    fn is_finished(&self) -> bool;
}

impl Feed for gnitz::Subscription {
    fn try_next(&mut self) -> Result<Option<Delta>> {
        gnitz::Subscription::try_next(self)
    }

    fn is_brief(&self) -> bool {
        gnitz::Subscription::is_brief(self)
    }

    fn set_waker(&mut self, wake: Box<dyn Fn() + Send + Sync>) {
        gnitz::Subscription::set_waker(self, wake);
    }

    fn is_finished(&self) -> bool {
        gnitz::Subscription::is_finished(self)
    }
}

/// The feeds of an embedded database.
pub struct EngineFeeds(pub Database);

impl Feeds for EngineFeeds {
    fn open(&self, role: &str, relation: &str, start: Start) -> Result<Option<Opened>> {
        let subscription = match self.0.session_as(role)?.subscribe(relation, start) {
            Err(Error::NoHistory { .. }) => return Ok(None),
            begun => begun?,
        };
        let epoch = match start {
            Start::Contents => 0,
            Start::Now => subscription.epoch(),
            Start::After(epoch) => epoch,
        };
        let contents = start == Start::Contents;
        Ok(Some(Opened { feed: Box::new(subscription), contents, epoch }))
    }
}

/// A feed that an asynchronous task reads, each change turned into a `T` where it is read: on the thread of the task if
/// that is done in no time.
pub struct AsyncFeed<T> {
    state: State<T>,
    ready: Arc<Notify>,
}

thread_local! {
    /// Whether what ran on this thread has woken readers of feeds.
    static WAKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether readers of feeds have been woken by this thread since it was asked last. They may wait for the thread: the
/// runtime leaves the last task that another has woken to the worker of that one.
pub fn has_woken() -> bool {
    WAKING.take()
}

enum State<T> {
    Idle(Reader<T>),
    /// A read has begun; whoever waited for it may have gone away meanwhile.
    Reading(JoinHandle<(Reader<T>, Result<Option<T>>)>),
    /// A read ended in a panic.
    Lost,
}

struct Reader<T> {
    feed: Box<dyn Feed>,
    turn: Box<dyn FnMut(Delta) -> T + Send>,
}

impl<T> Reader<T> {
    fn next(&mut self) -> Result<Option<T>> {
        Ok(self.feed.try_next()?.map(&mut self.turn))
    }
}

impl<T: Send + 'static> AsyncFeed<T> {
    /// Takes over a feed.
    pub fn new(mut feed: Box<dyn Feed>, turn: impl FnMut(Delta) -> T + Send + 'static) -> AsyncFeed<T> {
        let ready = Arc::new(Notify::new());
        let waker = Arc::clone(&ready);
        feed.set_waker(Box::new(move || {
            WAKING.set(true);
            waker.notify_one();
        }));
        AsyncFeed { state: State::Idle(Reader { feed, turn: Box::new(turn) }), ready }
    }

    /// The next change; `None` if there was none yet when this was called. Nothing is lost if this is dropped before it
    /// is done.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        loop {
            if let State::Idle(reader) = &mut self.state
                && reader.feed.is_brief()
            {
                return reader.next();
            }
            let fresh = self.begin();
            let State::Reading(reading) = &mut self.state else { return Err(Error::Closed) };
            let ended = reading.await;
            self.state = State::Lost;
            let (reader, next) = ended.map_err(|_| Error::Closed)?;
            self.state = State::Idle(reader);
            // What an older read did not find may have come since.
            if fresh || !matches!(next, Ok(None)) {
                return next;
            }
        }
    }

    /// Waits until there may be something to read.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<T> {
        let ready = Arc::clone(&self.ready);
        async move { ready.notified().await }
    }

    /// Whether every change has been read and no other will come.
    pub fn is_finished(&self) -> bool {
        match &self.state {
            State::Idle(reader) => reader.feed.is_finished(),
            State::Reading(_) => false,
            State::Lost => true,
        }
    }

    /// Begins to read, unless that has begun already.
    fn begin(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Idle(mut reader) => {
                self.state = State::Reading(tokio::task::spawn_blocking(move || {
                    let next = reader.next();
                    (reader, next)
                }));
                true
            }
            other => {
                self.state = other;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        let database = Database::in_memory().unwrap();
        database.session().execute("CREATE TABLE t (id BIGINT PRIMARY KEY)").unwrap();
        database.session().execute("CREATE USER ada; CREATE USER eve; GRANT SELECT ON t TO ada").unwrap();
        database.session().execute("INSERT INTO t VALUES (1)").unwrap();
        database
    }

    #[test]
    fn a_feed_goes_on_only_where_nothing_is_missing() {
        let database = database();
        let feeds = EngineFeeds(database.clone());
        let now = database.epoch().unwrap();
        let mut opened = feeds.open("ada", "t", Start::After(now - 1)).unwrap().expect("what came since");
        assert!(!opened.contents);
        assert_eq!(opened.epoch, now - 1);
        assert_eq!(opened.feed.try_next().unwrap().map(|delta| delta.weights), Some(vec![1]));
        assert!(feeds.open("ada", "t", Start::After(0)).unwrap().is_none());
        assert_eq!(feeds.open("eve", "t", Start::Now).err().map(|e| e.sqlstate()), Some("42501"));
        let mut contents = feeds.open("ada", "t", Start::Contents).unwrap().expect("contents");
        assert!(contents.contents);
        assert_eq!(contents.feed.try_next().unwrap().expect("contents").rows.num_rows(), 1);
        assert_eq!(feeds.open("ada", "nothing", Start::Now).err().map(|e| e.sqlstate()), Some("42P01"));
    }

    #[tokio::test]
    async fn a_sleeping_reader_is_woken_by_a_commit_and_by_the_end() {
        let database = database();
        let opened = EngineFeeds(database.clone()).open("ada", "t", Start::Now).unwrap().expect("a feed");
        let mut feed = AsyncFeed::new(opened.feed, |delta| delta.epoch);
        assert!(feed.try_next().await.unwrap().is_none());
        let writer = database.clone();
        let commit =
            tokio::task::spawn_blocking(move || writer.session().execute("INSERT INTO t VALUES (2)"));
        feed.ready().await;
        let told = feed.try_next().await.unwrap();
        // Changes are told before the epoch can be seen.
        commit.await.unwrap().unwrap();
        assert_eq!(told, Some(database.epoch().unwrap()));
        tokio::task::spawn_blocking(move || database.close()).await.unwrap().unwrap();
        feed.ready().await;
        assert!(feed.is_finished());
    }
}
