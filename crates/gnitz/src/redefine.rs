//! Commits that change the catalog: one statement outside of a transaction, or a transaction that has such statements
//! among others.
//!
//! A transaction made its changes on a private version, where its later statements saw them. When it commits, the
//! same steps run again on the newest version, under the writer's lock: so that what others committed meanwhile is in
//! the views it creates, and conflicts show as they do for any commit. The result takes effect with the manifest that
//! holds it, rows and catalog together, or not at all; the log has no part in that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zset::{CollectionId, Deltas};

use crate::apply;
use crate::bounds;
use crate::catalog::Catalog;
use crate::counter::Mark;
use crate::definition::Definition;
use crate::engine::{Engine, Ticket, Writer};
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::relation::Relation;
use crate::sync::lock;
use crate::version::Version;

/// Bytes of changes that may be left to be written under the writer's lock when the catalog changes; what is more
/// is written before, beside commits.
const LEFT_FOR_CATALOG: usize = 4 << 20;

/// A part of a transaction.
#[derive(Clone)]
pub(crate) enum Step {
    /// Changes of tables.
    Rows(Rows),
    /// A change of the catalog.
    Catalog(Definition),
    /// Where the sequences stand that the transaction made, or had begin again.
    Sequences(Vec<(String, Mark)>),
}

/// Changes of tables, one consolidated change each.
#[derive(Clone)]
pub(crate) struct Rows {
    changes: Deltas,
    /// The names of those tables that the transaction made itself: they have other numbers when they are made again.
    made: BTreeMap<CollectionId, String>,
}

impl Rows {
    /// Changes on the `base` of a transaction that began on `origin`; nothing if there are none.
    pub(crate) fn of(changes: Deltas, origin: &Catalog, base: &Catalog) -> Option<Rows> {
        let own = changes.keys().filter(|&&id| origin.by_id(id).is_none());
        let made = own.filter_map(|&id| Some((id, base.by_id(id)?.name().to_string()))).collect();
        (!changes.is_empty()).then_some(Rows { changes, made })
    }
}

/// Whether a schema is the one it was.
fn same_schema(origin: &Catalog, head: &Catalog, schema: &str) -> bool {
    let number = |catalog: &Catalog| catalog.namespaces.get(schema).map(|namespace| namespace.number);
    number(origin) == number(head)
}

/// Whether a schema has the relations that it had: nobody drops what he has not seen.
fn same_within(origin: &Catalog, head: &Catalog, schema: &str) -> bool {
    let ids =
        |catalog: &Catalog| catalog.relations_in(schema).map(|relation| relation.id()).collect::<Vec<_>>();
    ids(origin) == ids(head)
}

/// Makes sure that what the steps name, and what they change rows of, is what it was when they were first made. In the
/// rest of the catalog others may have their way.
fn check_same(origin: &Catalog, head: &Catalog, steps: &[Step]) -> Result<()> {
    let same = |then: Option<&Arc<Relation>>, now: Option<&Arc<Relation>>| match (then, now) {
        (None, None) => true,
        (Some(then), Some(now)) => Arc::ptr_eq(&then.def, &now.def),
        _ => false,
    };
    let is_same = |step: &Step| match step {
        Step::Rows(rows) => {
            let mut found = rows.changes.keys().filter(|id| !rows.made.contains_key(id));
            found.all(|&id| same(origin.by_id(id), head.by_id(id)))
        }
        Step::Catalog(definition) => {
            definition.names().iter().all(|name| same(origin.get(name), head.get(name)))
                && definition.schemas().iter().all(|schema| {
                    let within = || !definition.drops_schemas() || same_within(origin, head, schema);
                    same_schema(origin, head, schema) && within()
                })
        }
        Step::Sequences(marks) => marks.iter().all(|(name, _)| same(origin.get(name), head.get(name))),
    };
    if steps.iter().all(is_same) { Ok(()) } else { Err(Error::CatalogChanged) }
}

impl Engine {
    /// Commits these steps, made on `origin`; without one, on the newest version there is.
    pub(crate) fn redefine(
        &self,
        origin: Option<&Version>,
        steps: &[Step],
        cancel: &AtomicBool,
    ) -> Result<Vec<Notice>> {
        let _one_at_a_time = lock(&self.maintenance);
        if self.published()?.state.memory_bytes() > LEFT_FOR_CATALOG {
            self.checkpoint_alone()?;
        }
        let mut writer = self.writer()?;
        let (ticket, notices) = self.redefine_as(&mut writer, origin, steps, cancel)?;
        drop(writer);
        ticket.map_or(Ok(()), |ticket| self.settle(ticket))?;
        Ok(notices)
    }

    fn redefine_as(
        &self,
        writer: &mut Writer<'_>,
        origin: Option<&Version>,
        steps: &[Step],
        cancel: &AtomicBool,
    ) -> Result<(Option<Ticket>, Vec<Notice>)> {
        let head = Arc::clone(writer.head());
        let origin = origin.unwrap_or(&head);
        if !Arc::ptr_eq(&origin.compiled, &head.compiled) {
            check_same(&origin.compiled.catalog, &head.compiled.catalog, steps)?;
        }
        let epoch = head.state.epoch + 1;
        let (rows, deltas, mut notices) = (Deltas::new(), Deltas::new(), Vec::new());
        let mut again = Again { origin, head: &head, version: Arc::clone(&head), rows, deltas };
        for step in steps {
            match step {
                Step::Rows(rows) => again.rows(rows, cancel)?,
                Step::Sequences(marks) => again.sequences(marks)?,
                Step::Catalog(definition) => {
                    let changed =
                        definition.apply(&self.planner, &again.version, (epoch, cancel), &mut notices)?;
                    again.version = changed.map_or(again.version, |(compiled, state)| {
                        Arc::new(Version { number: head.number, state, compiled: Arc::new(compiled) })
                    });
                }
            }
        }
        let Again { version, mut rows, deltas, .. } = again;
        if Arc::ptr_eq(&version, &head) {
            return Ok((None, notices));
        }
        let sequences = self.unwritten.rows(&version)?;
        let state = version.state.with(sequences.deltas(), epoch)?;
        let (mut state, compiled) = (state, Arc::clone(&version.compiled));
        self.store.checkpoint(&mut state, &compiled.text)?;
        sequences.written(None);
        // The manifest has the rows. The log gets them too, for those who resume: it must have every epoch. If there is
        // no space for them, the next commit writes them first; if the log fails, it will say so. This one is done.
        rows.retain(|&id, _| compiled.catalog.by_id(id).is_some());
        let _ = self.store.append_installed(epoch, &rows);
        Ok((Some(writer.advance(state, compiled, deltas)), notices))
    }
}

/// A transaction's steps on their way to the newest version.
struct Again<'a> {
    origin: &'a Version,
    head: &'a Version,
    version: Arc<Version>,
    /// What changed in tables.
    rows: Deltas,
    /// What changed in all.
    deltas: Deltas,
}

impl Again<'_> {
    fn rows(&mut self, Rows { changes, made }: &Rows, cancel: &AtomicBool) -> Result<()> {
        let mut rows = Deltas::new();
        for (&id, delta) in changes {
            let (catalog, own) = (&self.version.compiled.catalog, made.get(&id));
            let relation = own.map_or_else(|| catalog.by_id(id), |name| catalog.get(name));
            let relation = relation.ok_or_else(|| Error::UndefinedTable {
                name: own.cloned().unwrap_or_else(|| id.to_string()),
            })?;
            let id = relation.id();
            rows.insert(id, delta.clone());
            if self.origin.number != self.head.number && own.is_none() {
                let (then, now) = (self.origin.runs(id)?, self.head.runs(id)?);
                apply::check_untouched(relation, then, now, delta)?;
            }
            apply::check(relation, self.version.runs(id)?, delta)?;
        }
        let mut deltas = self.version.step(&rows, cancel)?;
        deltas.extend(rows.iter().map(|(&id, delta)| (id, delta.clone())));
        let state = self.version.state.with(&deltas, self.head.state.epoch + 1)?;
        let compiled = Arc::clone(&self.version.compiled);
        add(&mut self.rows, rows)?;
        self.version = Arc::new(Version { number: self.head.number, state, compiled });
        add(&mut self.deltas, deltas)
    }

    /// Nobody has seen these sequences, so nothing can be in the way. The log need not have their rows: nobody follows
    /// them.
    fn sequences(&mut self, marks: &[(String, Mark)]) -> Result<()> {
        let compiled = Arc::clone(&self.version.compiled);
        let mut rows = Deltas::new();
        for (name, mark) in marks {
            let Some(relation) = compiled.catalog.get(name) else { continue };
            let Some(sequence) = &relation.sequence else { continue };
            rows.insert(relation.id(), bounds::change(relation, self.version.runs(relation.id())?, *mark)?);
            sequence.counter.restore(*mark);
        }
        let state = self.version.state.with(&rows, self.head.state.epoch + 1)?;
        self.version = Arc::new(Version { number: self.head.number, state, compiled });
        Ok(())
    }
}

/// Adds changes to changes.
fn add(sum: &mut Deltas, deltas: Deltas) -> Result<()> {
    for (id, delta) in deltas {
        let total = match sum.remove(&id) {
            Some(before) => before.add(&delta)?,
            None => delta,
        };
        sum.insert(id, total);
    }
    Ok(())
}
