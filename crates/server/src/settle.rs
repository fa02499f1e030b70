//! Waiting for commits to be durable, for tasks that must not hold their threads.
//!
//! One thread settles what has gathered while it settled the last: a sync of the disk serves all that came during the
//! one before it, and no thread of the runtime sleeps. A session that commits alone would only lose by it (two threads
//! must wake, which can take longer than the sync), so it settles where it is, as long as the disk is quick.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use gnitz::{Commit, Error, Result};
use tokio::sync::oneshot;

use crate::alone::Turns;

/// A commit, and who waits for it.
type Waiting = (Commit, oneshot::Sender<Result<()>>);

/// A disk that took no longer for the last commit is quick.
const QUICK: Duration = Duration::from_micros(500);

/// Settles commits on a thread of its own, which ends with it.
pub struct Settler {
    queue: mpsc::Sender<Waiting>,
    /// Whose commit was the last.
    turns: Turns,
    disk: Arc<Disk>,
}

/// Whether the disk is quick.
#[derive(Default)]
struct Disk {
    quick: AtomicBool,
}

impl Disk {
    /// Settles a commit, and notes how long that took.
    fn settle(&self, commit: Commit) -> Result<()> {
        let begun = Instant::now();
        let settled = commit.settle();
        self.quick.store(begun.elapsed() < QUICK, Ordering::Relaxed);
        settled
    }
}

impl Settler {
    /// Starts the thread.
    pub fn start() -> io::Result<Settler> {
        let (queue, waiting) = mpsc::channel();
        let disk = Arc::new(Disk::default());
        let of_thread = Arc::clone(&disk);
        let thread = std::thread::Builder::new().name("gnitz commits".to_string());
        thread.spawn(move || settle_all(&waiting, &of_thread))?;
        Ok(Settler { queue, turns: Turns::default(), disk })
    }

    /// Waits until the commit of a session is durable and can be seen. It becomes so, too, if this is dropped.
    pub async fn settle(&self, session: i32, commit: Commit) -> Result<()> {
        if self.turns.are_of(session, 1) && self.disk.quick.load(Ordering::Relaxed) {
            return self.disk.settle(commit);
        }
        let (done, settled) = oneshot::channel();
        self.queue.send((commit, done)).map_err(|_| Error::Closed)?;
        settled.await.map_err(|_| Error::Closed)?
    }
}

fn settle_all(waiting: &mpsc::Receiver<Waiting>, disk: &Disk) {
    while let Ok(first) = waiting.recv() {
        // The first of them to be settled settles the others, mostly.
        for (commit, done) in std::iter::once(first).chain(waiting.try_iter()) {
            // Nobody may wait any more.
            let _ = done.send(disk.settle(commit));
        }
    }
}

#[cfg(test)]
mod tests {
    use gnitz::{Database, Datum, Type, Value};

    use super::*;

    #[tokio::test]
    async fn commits_are_seen_once_they_are_settled_or_given_up() {
        let database = Database::in_memory().unwrap();
        let session = database.session();
        session.execute("CREATE TABLE t (id BIGINT PRIMARY KEY)").unwrap();
        let insert = session.prepare("INSERT INTO t VALUES ($1)").unwrap();
        let value = |id| [Value { datum: Datum::Int(id), ty: Type::Int64 }];
        let count = || database.session().query("SELECT id FROM t").unwrap().num_rows();
        let settler = Settler::start().unwrap();
        let (_, commit) = insert.execute_briefly(&value(1)).unwrap();
        assert_eq!(count(), 0);
        settler.settle(1, commit.expect("a commit")).await.unwrap();
        assert_eq!(count(), 1);
        let (_, first) = insert.execute_briefly(&value(2)).unwrap();
        let (_, second) = insert.execute_briefly(&value(3)).unwrap();
        assert!(insert.execute_briefly(&value(3)).is_err());
        settler.settle(1, second.expect("a commit")).await.unwrap();
        assert_eq!(count(), 3);
        settler.settle(2, first.expect("a commit")).await.unwrap();
        drop(insert.execute_briefly(&value(4)).unwrap());
        assert_eq!(count(), 4);
    }
}
