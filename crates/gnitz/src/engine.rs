//! The engine: the one writer, the versions it makes, and how they become visible.
//!
//! A commit runs under the writer's lock through *check → circuits → log → next version*, then leaves the lock
//! and waits until its log record is durable; commits that wait at the same time share one fsync. Only then is its
//! version published. So the writer always builds on the newest version (the *head*), which may not be durable
//! yet, and readers only ever see versions that are. Versions are published in the order they were made: whoever
//! finds its own record durable publishes every earlier version with it, since the log is durable in order.
//!
//! Everything before the log record is pure. A step that fails, a key that exists, a row someone else changed:
//! each leaves the head as it was.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use arc_swap::ArcSwap;
use sql::sqlparser::ast::Query;
use sql::{Planner, SqlError};
use storage::{Lsn, State, Store};
use zset::{Batch, CollectionId, Deltas};

use crate::apply;
use crate::bounds::Rows;
use crate::catalog::Catalog;
use crate::counter::Unwritten;
use crate::error::{Error, Result};
use crate::live::Live;
use crate::plain_view;
use crate::queue::{Queue, Unread};
use crate::relation::Relation;
use crate::rewind;
use crate::subscribe::{Start, Subscription};
use crate::sync::{Alarm, lock};
use crate::version::{Compiled, Version};

/// What all handles of one open database share.
pub(crate) struct Engine {
    /// The files.
    pub(crate) store: Store,
    /// SQL to plans.
    pub(crate) planner: Arc<Planner>,
    /// Tells the maintenance thread that there is work.
    pub(crate) alarm: Alarm,
    /// Held while a checkpoint runs or the catalog changes; always taken before the writer's lock.
    pub(crate) maintenance: Mutex<()>,
    /// Whether a thread waits for the alarm; without one, whoever commits does the work.
    pub(crate) background: bool,
    /// The bytes of changed rows that a transaction may have.
    pub(crate) transaction_memory: usize,
    /// The sequences whose stored rows the next commit writes.
    pub(crate) unwritten: Unwritten,
    head: Mutex<Head>,
    /// How many hold or wait for the writer's lock who may hold it for long.
    long_writers: AtomicUsize,
    published: ArcSwap<Version>,
    publisher: Mutex<Publisher>,
    closed: AtomicBool,
}

/// The newest version, and the last record of the log, which it needs to be durable.
struct Head {
    version: Arc<Version>,
    lsn: Option<Lsn>,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) planner: Arc<Planner>,
    pub(crate) background: bool,
    pub(crate) transaction_memory: usize,
    pub(crate) version: Version,
}

/// Versions on their way to readers, and who wants to be told of changes.
#[derive(Default)]
struct Publisher {
    pending: VecDeque<Pending>,
    subscribers: Vec<Follower>,
    /// The catalog that subscribers were last held against.
    catalog: Option<Arc<Compiled>>,
}

/// Who wants to be told of changes, and of which.
struct Follower {
    collections: BTreeSet<CollectionId>,
    /// Whether the version is wanted with them.
    versions: bool,
    queue: Weak<Queue>,
    /// Who reads, unless it is the program itself.
    reader: Option<Reader>,
}

/// A role that follows relations, as long as it may read them.
struct Reader {
    role: String,
    relations: Vec<CollectionId>,
}

struct Pending {
    version: Arc<Version>,
    deltas: Deltas,
}

/// The promise of a version: it is visible once [`Engine::settle`] has returned.
#[must_use = "a commit is acknowledged only once it is settled"]
pub(crate) struct Ticket {
    number: u64,
    lsn: Option<Lsn>,
}

impl Engine {
    /// An engine whose head and published version are the recovered one.
    pub(crate) fn new(parts: Parts) -> Engine {
        let version = Arc::new(parts.version);
        Engine {
            store: parts.store,
            planner: parts.planner,
            alarm: Alarm::default(),
            maintenance: Mutex::new(()),
            background: parts.background,
            transaction_memory: parts.transaction_memory,
            unwritten: Unwritten::default(),
            head: Mutex::new(Head { version: Arc::clone(&version), lsn: None }),
            long_writers: AtomicUsize::new(0),
            published: ArcSwap::new(version),
            publisher: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The newest version that is durable: what readers read.
    pub(crate) fn published(&self) -> Result<Arc<Version>> {
        self.check_open()?;
        Ok(self.published.load_full())
    }

    /// Becomes the writer, once the one before is done, for as long as it takes.
    pub(crate) fn writer(&self) -> Result<Writer<'_>> {
        self.become_writer(Some(Counted::new(&self.long_writers)))
    }

    /// Becomes the writer for some microseconds.
    pub(crate) fn writer_briefly(&self) -> Result<Writer<'_>> {
        self.become_writer(None)
    }

    /// Whether the writer's lock is held, and waited for, only by those who hold it briefly.
    pub(crate) fn is_soon_free(&self) -> bool {
        self.long_writers.load(Ordering::Acquire) == 0
    }

    fn become_writer<'a>(&'a self, long: Option<Counted<'a>>) -> Result<Writer<'a>> {
        let head = lock(&self.head);
        self.check_open()?;
        Ok(Writer { engine: self, head, _long: long })
    }

    /// Waits until the version is durable, and publishes it with all before it.
    pub(crate) fn settle(&self, ticket: Ticket) -> Result<()> {
        if let Some(lsn) = ticket.lsn {
            self.store.wait_durable(lsn)?;
        }
        self.publish(ticket.number);
        Ok(())
    }

    /// Begins a subscription. Between the version it begins at and the first change it is told no commit is lost.
    pub(crate) fn subscribe(&self, name: &str, start: Start, role: Option<&str>) -> Result<Subscription> {
        if self.published()?.compiled.catalog.get(name).is_some_and(|relation| relation.is_plain_view()) {
            let query = plain_view::contents(name)?;
            return self.subscribe_query(&query, &[name.to_string()], start, role, &AtomicBool::new(false));
        }
        let (version, relation, queue) = self.follow_relation(name, role)?;
        let epoch = version.state.epoch;
        let first = match start {
            Start::Contents => Some(version.runs(relation.id())?.to_vec()),
            Start::Now => None,
            Start::After(after) if after == epoch => None,
            Start::After(after) => Some(self.changes_since(after, &version, &relation)?),
        };
        Ok(Subscription::new(relation, epoch, first, queue))
    }

    /// Begins a subscription of a query that names these relations.
    pub(crate) fn subscribe_query(
        &self,
        query: &Query,
        relations: &[String],
        start: Start,
        role: Option<&str>,
        cancel: &AtomicBool,
    ) -> Result<Subscription> {
        if matches!(start, Start::After(_)) {
            let refusal = SqlError::unsupported("AS OF EPOCH of a query");
            return Err(refusal.with_hint("make a materialized view of it, which can be resumed").into());
        }
        // The queue first, so that nothing is missed that is committed while the query is answered.
        let (version, queue) = {
            let mut publisher = lock(&self.publisher);
            let version = self.published()?;
            let catalog = &version.compiled.catalog;
            let known = || relations.iter().filter_map(|name| catalog.get(name));
            let behind = known().flat_map(|relation| catalog.behind(relation));
            let reader = reader(catalog, role, known().map(|relation| relation.id()).collect())?;
            let queue = publisher.follow(behind.collect(), true, &version, reader);
            (version, queue)
        };
        let live = Live::start(&self.planner, &version, query, cancel)?;
        let first = (start == Start::Contents).then(|| live.runs()).transpose()?;
        Ok(Subscription::of_query(live, version.state.epoch, first, queue))
    }

    /// A queue that is told every change of the relation after this version.
    fn follow_relation(
        &self,
        name: &str,
        role: Option<&str>,
    ) -> Result<(Arc<Version>, Arc<Relation>, Arc<Queue>)> {
        let mut publisher = lock(&self.publisher);
        let version = self.published()?;
        let relation = version.compiled.catalog.get(name);
        let relation = relation.ok_or_else(|| Error::UndefinedTable { name: name.to_string() })?;
        if !relation.has_rows() {
            return Err(Error::WrongKind {
                name: name.to_string(),
                expected: "a table or a materialized view",
            });
        }
        let relation = Arc::clone(relation);
        let reader = reader(&version.compiled.catalog, role, vec![relation.id()])?;
        let queue = publisher.follow(BTreeSet::from([relation.id()]), false, &version, reader);
        Ok((version, relation, queue))
    }

    /// What changed in a relation after this epoch and up to the version.
    fn changes_since(&self, after: u64, version: &Version, relation: &Relation) -> Result<Vec<Batch>> {
        let unknown = |reason| Error::NoHistory { name: relation.name().to_string(), epoch: after, reason };
        if after > version.state.epoch {
            return Err(unknown("the database has not come to that epoch"));
        }
        if after < relation.created {
            return Err(unknown("it was created later"));
        }
        let changes = self.store.changes_between(after, version.state.epoch)?;
        let changes = changes.ok_or_else(|| unknown("the log does not go back so far"))?;
        Ok(rewind::changes_of(relation, version, changes, self.planner.functions())?.into_iter().collect())
    }

    /// Refuses everything from now on, and ends subscriptions.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for follower in lock(&self.publisher).subscribers.drain(..) {
            follower.queue.upgrade().iter().for_each(|queue| queue.end());
        }
    }

    /// Whether [`Engine::close`] was called.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    fn publish(&self, number: u64) {
        // What old versions alone held is freed when nobody waits for the lock any more.
        let mut old = Vec::new();
        let mut publisher = lock(&self.publisher);
        while publisher.pending.front().is_some_and(|pending| pending.version.number <= number) {
            let Some(Pending { version, deltas }) = publisher.pending.pop_front() else { break };
            debug_assert!(self.published.load().number < version.number, "versions are published in order");
            // Told first: whatever belongs to an epoch that can be seen has been told.
            publisher.tell(&version, &deltas);
            old.push((self.published.swap(version), deltas));
        }
        drop(publisher);
    }
}

impl Publisher {
    /// Pushes a version's changes to those who want them, and forgets those who are gone.
    fn tell(&mut self, version: &Arc<Version>, deltas: &Deltas) {
        let epoch = version.state.epoch;
        let known = self.catalog.replace(Arc::clone(&version.compiled));
        let is_same_catalog = known.is_some_and(|known| Arc::ptr_eq(&known, &version.compiled));
        self.subscribers.retain(|follower| {
            let Some(queue) = follower.queue.upgrade() else { return false };
            if !is_same_catalog && !follower.may_go_on(&version.compiled.catalog, &queue) {
                return false;
            }
            let of = |&id: &CollectionId| Some((id, deltas.get(&id)?.clone()));
            let changes: Deltas =
                follower.collections.iter().filter_map(of).filter(|(_, change)| !change.is_empty()).collect();
            match changes.is_empty() {
                true => queue.pass(epoch),
                false => {
                    let version = follower.versions.then(|| Arc::clone(version));
                    queue.push(Unread { epoch, changes, version });
                }
            }
            true
        });
    }

    /// A queue for the changes of these collections after an epoch.
    fn follow(
        &mut self,
        collections: BTreeSet<CollectionId>,
        versions: bool,
        version: &Version,
        reader: Option<Reader>,
    ) -> Arc<Queue> {
        let queue = Arc::new(Queue::new(version.state.epoch));
        self.subscribers.push(Follower { collections, versions, queue: Arc::downgrade(&queue), reader });
        queue
    }
}

impl Follower {
    /// Ends the queue of one whose relations are not all there any more, or who may not read them any more.
    fn may_go_on(&self, catalog: &Catalog, queue: &Queue) -> bool {
        if !self.collections.iter().all(|id| catalog.by_id(*id).is_some()) {
            queue.end();
            return false;
        }
        let permitted = self
            .reader
            .as_ref()
            .map_or(Ok(()), |reader| catalog.permit_reading(&reader.role, &reader.relations));
        permitted.map_err(|refusal| queue.refuse(refusal)).is_ok()
    }
}

/// Who reads these relations, if it may: asked of the very catalog that the changes followed come after.
fn reader(catalog: &Catalog, role: Option<&str>, relations: Vec<CollectionId>) -> Result<Option<Reader>> {
    let Some(role) = role else { return Ok(None) };
    catalog.permit_reading(role, &relations)?;
    Ok(Some(Reader { role: role.to_string(), relations }))
}

/// The right to make the next version. There is one at a time.
pub(crate) struct Writer<'a> {
    engine: &'a Engine,
    head: MutexGuard<'a, Head>,
    _long: Option<Counted<'a>>,
}

/// One more, as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl Counted<'_> {
    fn new(count: &AtomicUsize) -> Counted<'_> {
        count.fetch_add(1, Ordering::AcqRel);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Writer<'_> {
    /// The newest version, durable or not.
    pub(crate) fn head(&self) -> &Arc<Version> {
        &self.head.version
    }

    /// Commits the changes of some tables, made on `base`, as one epoch; `None` if there are none.
    pub(crate) fn commit(
        &mut self,
        base: &Version,
        changes: Deltas,
        cancel: &AtomicBool,
    ) -> Result<Option<Ticket>> {
        let mut changes: Deltas = changes.into_iter().filter(|(_, delta)| !delta.is_empty()).collect();
        let head = Arc::clone(self.head());
        let sequences = self.engine.unwritten.rows(&head)?;
        if changes.is_empty() && sequences.deltas().is_empty() {
            return Ok(None);
        }
        // A checkpoint makes a new version of the same rows.
        if base.state.epoch != head.state.epoch || !Arc::ptr_eq(&base.compiled, &head.compiled) {
            changes.iter().try_for_each(|(&id, delta)| check(base, &head, id, delta))?;
        }
        changes.extend(sequences.deltas().clone());
        let mut deltas = head.step(&changes, cancel)?;
        debug_assert!(
            changes.keys().all(|id| !deltas.contains_key(id)),
            "a step gives no table's change again"
        );
        deltas.extend(changes.iter().map(|(&id, delta)| (id, delta.clone())));
        let epoch = head.state.epoch + 1;
        let state = head.state.with(&deltas, epoch)?;
        self.head.lsn = Some(self.engine.store.append(epoch, &changes)?);
        sequences.written(self.head.lsn);
        Ok(Some(self.advance(state, Arc::clone(&head.compiled), deltas)))
    }

    /// Commits rows of sequences alone.
    pub(crate) fn commit_sequences(&mut self, rows: Rows<'_>) -> Result<Ticket> {
        let head = Arc::clone(self.head());
        let epoch = head.state.epoch + 1;
        let deltas = rows.deltas().clone();
        let state = head.state.with(&deltas, epoch)?;
        self.head.lsn = Some(self.engine.store.append(epoch, &deltas)?);
        rows.written(self.head.lsn);
        Ok(self.advance(state, Arc::clone(&head.compiled), deltas))
    }

    /// Makes the next version: of a commit, a checkpoint or a change of the catalog.
    pub(crate) fn advance(&mut self, state: State, compiled: Arc<Compiled>, deltas: Deltas) -> Ticket {
        let number = self.head.version.number + 1;
        debug_assert!(state.epoch >= self.head.version.state.epoch, "an epoch is never taken back");
        let version = Arc::new(Version { number, state, compiled });
        lock(&self.engine.publisher).pending.push_back(Pending { version: Arc::clone(&version), deltas });
        self.head.version = version;
        Ticket { number, lsn: self.head.lsn }
    }
}

/// What others committed since `base` must leave room for this change.
fn check(base: &Version, head: &Version, id: CollectionId, delta: &Batch) -> Result<()> {
    let Some(relation) = head.compiled.catalog.by_id(id) else {
        let gone = base.compiled.catalog.by_id(id).map_or_else(|| id.to_string(), |r| r.name().to_string());
        return Err(Error::UndefinedTable { name: gone });
    };
    apply::check_untouched(relation, base.runs(id)?, head.runs(id)?, delta)?;
    apply::check(relation, head.runs(id)?, delta)
}
