//! Counters: where sequences stand, and how far their values are safe to give.
//!
//! A counter lives in memory and is shared by all sessions; who takes a value moves it on and never waits. What is
//! stored is one row a sequence: the last value that may have been given (PostgreSQL's `last_value`), a little ahead of
//! the counter. A counter that comes past its stored row is put on a list, and whoever commits next writes the rows of
//! all that are on it, some values ahead, in the same record of the log. So no commit is ever logged before the row that
//! covers the values in it, nobody waits for a disk but for its own commit, and after a crash counting goes on behind
//! every value that a commit can have used. What is skipped then was never committed.
//!
//! Invariant: a value in a committed row is covered by the stored row. It holds because values are taken before their
//! rows are committed, because a counter is on the list from the moment it passes its row (both under the counter's
//! lock), and because a commit empties the list under the writer's lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sql::{ColumnDef, Course};
use storage::Lsn;
use zset::{CollectionId, ColumnType, Type};

use crate::sync::lock;

/// How many values are covered ahead at first, and at most. Each time it is twice as many.
const FIRST_AHEAD: i64 = 32;
const MOST_AHEAD: i64 = 4096;

/// The columns of a sequence's row, as PostgreSQL names them.
pub(crate) fn columns() -> Vec<ColumnDef> {
    let columns = [("last_value", Type::Int64), ("log_cnt", Type::Int64), ("is_called", Type::Bool)];
    columns.map(|(name, ty)| ColumnDef::new(name, ColumnType { ty, nullable: false })).into()
}

/// A sequence: how its values follow each other, and where it stands.
#[derive(Clone)]
pub(crate) struct Sequence {
    /// Its definition.
    pub(crate) course: Course,
    /// The column that it was made with, and goes with.
    pub(crate) owner: Option<Owner>,
    /// Where it stands.
    pub(crate) counter: Arc<Counter>,
}

/// The column of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The table.
    pub(crate) table: CollectionId,
    /// The column.
    pub(crate) column: u32,
    /// An identity column, and not one of `SERIAL`.
    pub(crate) identity: bool,
}

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The value given last, or the one to be given next.
    pub(crate) last: i64,
    /// Whether it was given.
    pub(crate) called: bool,
}

impl Mark {
    /// Before the first value.
    pub(crate) fn start(course: &Course) -> Mark {
        Mark { last: course.start, called: false }
    }
}

/// The counter of a sequence.
pub(crate) struct Counter(Mutex<Count>);

struct Count {
    mark: Mark,
    /// What the stored row says.
    stored: Mark,
    /// It was set, so the row must be written whatever it says. Counts how often.
    sets: u64,
    /// How often it was set when the row was written.
    stored_sets: u64,
    /// How many values the next row covers ahead.
    ahead: i64,
    /// It is on the list.
    queued: bool,
    /// The record of the stored row, unless a manifest has it.
    lsn: Option<Lsn>,
}

/// Values that were taken together.
pub(crate) struct Taken {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Counter {
    /// A counter that stands where its stored row says.
    pub(crate) fn at(mark: Mark) -> Arc<Counter> {
        let count = Count {
            mark,
            stored: mark,
            sets: 0,
            stored_sets: 0,
            ahead: FIRST_AHEAD,
            queued: false,
            lsn: None,
        };
        Arc::new(Counter(Mutex::new(count)))
    }

    /// Where it stands.
    pub(crate) fn mark(&self) -> Mark {
        lock(&self.0).mark
    }

    /// Whether its row is still to be written; the record that has it otherwise, unless a manifest has.
    pub(crate) fn covered_by(&self) -> (bool, Option<Lsn>) {
        let count = lock(&self.0);
        (count.queued, count.lsn)
    }

    /// The stored row says this; so does the counter.
    pub(crate) fn restore(&self, mark: Mark) {
        let mut count = lock(&self.0);
        (count.mark, count.stored, count.stored_sets) = (mark, mark, count.sets);
    }

    /// Takes the next values; `None` if there are not so many. The counter goes on `list` if its row must be written.
    pub(crate) fn take(
        self: &Arc<Counter>,
        course: &Course,
        count: usize,
        list: Option<(&Unwritten, CollectionId)>,
    ) -> Option<Taken> {
        let mut own = lock(&self.0);
        let Mark { last, called } = own.mark;
        let step = i128::from(course.increment);
        let first = i128::from(last) + if called { step } else { 0 };
        let end = first + step * (count as i128 - 1);
        let range = i128::from(course.min)..=i128::from(course.max);
        if !range.contains(&first) || !range.contains(&end) {
            return None;
        }
        let (first, last) = (i64::try_from(first).ok()?, i64::try_from(end).ok()?);
        own.mark = Mark { last, called: true };
        self.enlist(&mut own, course, list);
        Some(Taken { first, last })
    }

    /// Has it stand somewhere else.
    pub(crate) fn set(
        self: &Arc<Counter>,
        course: &Course,
        mark: Mark,
        list: Option<(&Unwritten, CollectionId)>,
    ) {
        let mut own = lock(&self.0);
        own.mark = mark;
        own.sets += 1;
        self.enlist(&mut own, course, list);
    }

    /// The row to be written for it, and how often it was set until now.
    pub(crate) fn row(&self, course: &Course, exact: bool) -> (Mark, u64) {
        let mut count = lock(&self.0);
        (count.row(course, exact), count.sets)
    }

    /// The row is written, in this record. Whether the counter has passed it already; it is on the list then.
    pub(crate) fn written(&self, course: &Course, (row, sets): (Mark, u64), lsn: Option<Lsn>) -> bool {
        let mut count = lock(&self.0);
        (count.stored, count.stored_sets, count.lsn) = (row, sets, lsn);
        count.queued = count.is_past(course);
        count.queued
    }

    /// It is on no list any more.
    pub(crate) fn forget(&self) {
        lock(&self.0).queued = false;
    }

    /// Whether its row is not where it stands: it counts as being on the list then.
    pub(crate) fn differs(&self) -> bool {
        let mut count = lock(&self.0);
        let differs = count.mark != count.stored;
        count.queued |= differs;
        differs
    }

    /// The list is locked within the counter's lock, so that nobody finds the counter past its row and not on it.
    fn enlist(
        self: &Arc<Counter>,
        own: &mut Count,
        course: &Course,
        list: Option<(&Unwritten, CollectionId)>,
    ) {
        if let Some((list, id)) = list
            && !own.queued
            && own.is_past(course)
        {
            own.queued = true;
            list.push(id, Arc::clone(self));
        }
    }
}

impl Count {
    /// Whether the stored row does not cover where the counter stands.
    fn is_past(&self, course: &Course) -> bool {
        let beyond = match course.increment > 0 {
            true => self.mark.last > self.stored.last,
            false => self.mark.last < self.stored.last,
        };
        self.sets != self.stored_sets || self.mark.called && (beyond || !self.stored.called)
    }

    /// The row that covers where it stands, and some values ahead of it.
    fn row(&mut self, course: &Course, exact: bool) -> Mark {
        if exact || !self.mark.called {
            return self.mark;
        }
        let ahead = i128::from(self.ahead) * i128::from(course.increment);
        let last = (i128::from(self.mark.last) + ahead).clamp(course.min.into(), course.max.into());
        self.ahead = (self.ahead * 2).min(MOST_AHEAD);
        Mark { last: i64::try_from(last).unwrap_or(self.mark.last), called: true }
    }
}

/// The counters that are past their stored rows.
#[derive(Default)]
pub(crate) struct Unwritten {
    any: AtomicBool,
    list: Mutex<Vec<(CollectionId, Arc<Counter>)>>,
}

impl Unwritten {
    /// Whether there is one.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Puts a counter on the list.
    pub(crate) fn push(&self, id: CollectionId, counter: Arc<Counter>) {
        lock(&self.list).push((id, counter));
        self.any.store(true, Ordering::Release);
    }

    /// Takes the list, which is empty after it.
    pub(crate) fn take(&self) -> Vec<(CollectionId, Arc<Counter>)> {
        let mut list = lock(&self.list);
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: CollectionId = CollectionId(1);

    #[test]
    fn a_counter_is_on_the_list_from_the_moment_it_passes_its_row() {
        let (list, course) = (Unwritten::default(), Course::of(Type::Int64));
        let counter = Counter::at(Mark { last: 10, called: true });
        lock(&counter.0).mark = Mark { last: 5, called: true };
        let take = |count| counter.take(&course, count, Some((&list, ID))).unwrap();
        assert_eq!((take(5).last, list.any()), (10, false));
        assert_eq!((take(1).first, list.any()), (11, true));
        take(1);
        assert_eq!(lock(&list.list).len(), 1);
    }

    #[test]
    fn values_end_where_the_sequence_ends() {
        let course = Course { max: 3, ..Course::of(Type::Int64) };
        let counter = Counter::at(Mark::start(&course));
        assert!(counter.take(&course, 4, None).is_none());
        let taken = counter.take(&course, 3, None).unwrap();
        assert_eq!((taken.first, taken.last), (1, 3));
        assert!(counter.take(&course, 1, None).is_none());
        let down = Course { start: -1, increment: -2, min: -4, max: -1, ..course };
        let counter = Counter::at(Mark::start(&down));
        let taken = counter.take(&down, 2, None).unwrap();
        assert_eq!((taken.first, taken.last), (-1, -3));
        assert!(counter.take(&down, 1, None).is_none());
    }

    #[test]
    fn rows_run_ahead_and_stay_in_bounds() {
        let course = Course { max: 50, ..Course::of(Type::Int64) };
        let counter = Counter::at(Mark { last: 1, called: true });
        let mut count = lock(&counter.0);
        assert_eq!(count.row(&course, false).last, 33);
        assert_eq!(count.row(&course, false).last, 50);
        assert_eq!(count.row(&course, true).last, 1);
    }
}
