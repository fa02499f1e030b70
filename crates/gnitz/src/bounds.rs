//! The stored rows of sequences: bounds that cover every value which may be in a committed row (`counter.rs`), written
//! with the commit that follows.

use std::sync::Arc;

use sql::Course;
use storage::Lsn;
use zset::{Batch, BatchBuilder, CollectionId, Datum, Deltas};

use crate::catalog::Catalog;
use crate::counter::{Counter, Mark, Sequence, Unwritten};
use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::version::Version;

impl Unwritten {
    /// The rows to be written with the commit that follows on `head`, by the writer. They are to be written again
    /// unless [`Rows::written`] is told.
    pub(crate) fn rows(&self, head: &Version) -> Result<Rows<'_>> {
        let mut rows = Rows { list: self, deltas: Deltas::new(), counters: Vec::new() };
        if !self.any() {
            return Ok(rows);
        }
        let mut listed = self.take().into_iter();
        while let Some((id, counter)) = listed.next() {
            if let Err(error) = rows.add(head, id, Arc::clone(&counter), false) {
                listed.chain([(id, counter)]).for_each(|(id, counter)| self.push(id, counter));
                return Err(error);
            }
        }
        Ok(rows)
    }

    /// The rows of all sequences whose stored rows are not where they stand, without values ahead.
    pub(crate) fn exact_rows(&self, head: &Version) -> Result<Rows<'_>> {
        let mut rows = Rows { list: self, deltas: Deltas::new(), counters: Vec::new() };
        for relation in head.compiled.catalog.stored() {
            let Some(sequence) = &relation.sequence else { continue };
            // One that is on the list stays there, which does no harm.
            if sequence.counter.differs() {
                rows.add(head, relation.id(), Arc::clone(&sequence.counter), true)?;
            }
        }
        Ok(rows)
    }
}

/// Rows of sequences on their way into a commit.
pub(crate) struct Rows<'a> {
    list: &'a Unwritten,
    deltas: Deltas,
    counters: Vec<Written>,
}

struct Written {
    id: CollectionId,
    counter: Arc<Counter>,
    course: Course,
    row: Mark,
    sets: u64,
}

impl Rows<'_> {
    fn add(&mut self, head: &Version, id: CollectionId, counter: Arc<Counter>, exact: bool) -> Result<()> {
        let relation = head.compiled.catalog.by_id(id);
        let sequence = relation.and_then(|relation| relation.sequence.as_ref());
        let current = sequence.filter(|sequence| Arc::ptr_eq(&sequence.counter, &counter));
        let (Some(relation), Some(sequence)) = (relation, current) else {
            // It was dropped, or began again with another counter.
            counter.forget();
            return Ok(());
        };
        let (row, sets) = counter.row(&sequence.course, exact);
        self.deltas.insert(id, change(relation, head.runs(id)?, row)?);
        self.counters.push(Written { id, counter, course: sequence.course, row, sets });
        Ok(())
    }

    /// What changes.
    pub(crate) fn deltas(&self) -> &Deltas {
        &self.deltas
    }

    /// The commit is certain; the log has it in this record.
    pub(crate) fn written(mut self, lsn: Option<Lsn>) {
        for Written { id, counter, course, row, sets } in self.counters.drain(..) {
            if counter.written(&course, (row, sets), lsn) {
                self.list.push(id, Arc::clone(&counter));
            }
        }
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        for Written { id, counter, .. } in self.counters.drain(..) {
            self.list.push(id, counter);
        }
    }
}

/// What the stored row says; nothing before the first.
pub(crate) fn stored(relation: &Relation, runs: &[Batch]) -> Result<Option<Mark>> {
    let rows = zset::merge(runs)?;
    if rows.is_empty() {
        return Ok(None);
    }
    match relation.layout.decode_row(&rows, 0).as_slice() {
        [Datum::Int(last), _, Datum::Bool(called)] => Ok(Some(Mark { last: *last, called: *called })),
        _ => Err(Error::Catalog { message: format!("sequence {} has an unreadable row", relation.name()) }),
    }
}

/// The change that puts a row in the place of the stored one.
pub(crate) fn change(relation: &Relation, runs: &[Batch], row: Mark) -> Result<Batch> {
    let mut change = BatchBuilder::new();
    let before = zset::merge(runs)?;
    for at in 0..before.len() {
        change.push_from(&before, at, -before.weight(at))?;
    }
    push(relation, row, &mut change)?;
    Ok(change.finish()?)
}

/// The row of a sequence that stands here.
pub(crate) fn row(relation: &Relation, mark: Mark) -> Result<Batch> {
    let mut rows = BatchBuilder::new();
    push(relation, mark, &mut rows)?;
    Ok(rows.finish()?)
}

fn push(relation: &Relation, Mark { last, called }: Mark, out: &mut BatchBuilder) -> Result<()> {
    let row = [Datum::Int(last), Datum::Int(0), Datum::Bool(called)];
    Ok(relation.layout.encode_datums(&row, 1, out)?)
}

/// Whether nobody but the transaction that began on this catalog sees the sequence's counter.
pub(crate) fn is_private(origin: &Catalog, id: CollectionId, sequence: &Sequence) -> bool {
    let before = origin.by_id(id).and_then(|relation| relation.sequence.as_ref());
    before.is_none_or(|before| !Arc::ptr_eq(&before.counter, &sequence.counter))
}

/// Where the sequences stand that a transaction made or had begin again.
pub(crate) fn private(origin: &Catalog, base: &Catalog) -> Vec<(String, Mark)> {
    let mark = |relation: &Arc<Relation>| {
        let sequence = relation.sequence.as_ref()?;
        let private = is_private(origin, relation.id(), sequence);
        private.then(|| (relation.name().to_string(), sequence.counter.mark()))
    };
    base.stored().filter_map(mark).collect()
}
