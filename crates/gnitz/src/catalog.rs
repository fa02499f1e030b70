//! The catalog: what relations exist, and the one circuit that keeps all views.
//!
//! It is a value. A statement that changes it clones it, changes the clone, and the clone takes effect together
//! with the manifest that stores its text; until then nobody else sees it. The program stored beside the circuit
//! is the one that runs, after a restart too: how a circuit is lowered may change from version to version of
//! Gnitz, what the stored state of its operators means may not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use circuit::{Circuit, Program};
use sql::TableKind;
use zset::{CollectionId, Secret};

use crate::error::Result;
use crate::namespace::{self, Namespace};
use crate::relation::Relation;
use crate::role::{Object, Roles};
use crate::system;

/// All definitions. Cheap enough to clone for every statement that changes one.
#[derive(Clone)]
pub(crate) struct Catalog {
    /// The database's key for discriminators.
    pub(crate) secret: Secret,
    /// Every operator of every view, shared ones once.
    pub(crate) circuit: Circuit,
    /// What the machine runs at each commit.
    pub(crate) program: Program,
    /// Who may do what.
    pub(crate) roles: Roles,
    /// The next collection's or schema's number; numbers are never used again.
    pub(crate) next: u32,
    /// The schemas, by name.
    pub(crate) namespaces: BTreeMap<String, Namespace>,
    /// By full name.
    relations: BTreeMap<String, Arc<Relation>>,
    by_id: BTreeMap<CollectionId, Arc<Relation>>,
}

impl Catalog {
    /// The catalog of a new database: system tables only.
    pub(crate) fn empty(secret: Secret) -> Result<Catalog> {
        let circuit = Circuit::new();
        let program = circuit::lower(&circuit)?;
        let (relations, by_id) = (BTreeMap::new(), BTreeMap::new());
        let (roles, namespaces) = (Roles::new(), namespace::first());
        let mut catalog = Catalog { secret, circuit, program, roles, next: 1, namespaces, relations, by_id };
        system::relations(secret).for_each(|relation| catalog.insert(relation));
        Ok(catalog)
    }

    /// The relation of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(name)
    }

    /// The relation of this collection; `None` for operators' traces.
    pub(crate) fn by_id(&self, id: CollectionId) -> Option<&Arc<Relation>> {
        self.by_id.get(&id)
    }

    /// Every relation, by name.
    pub(crate) fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.values()
    }

    /// The relations that users made: tables and views, by name.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations().filter(|relation| relation.def.kind != TableKind::System)
    }

    /// A number for a new collection.
    pub(crate) fn allocate(&mut self) -> CollectionId {
        let id = CollectionId(self.next);
        self.next += 1;
        id
    }

    /// Adds a relation, whose name must be free.
    pub(crate) fn insert(&mut self, relation: Relation) {
        let relation = Arc::new(relation);
        self.by_id.insert(relation.id(), Arc::clone(&relation));
        let before = self.relations.insert(relation.name().to_string(), relation);
        assert!(before.is_none(), "a relation's name is checked before it is added");
    }

    /// Puts a relation in the place of another one with the same collection.
    pub(crate) fn replace(&mut self, old: &Relation, new: Relation) {
        debug_assert_eq!(old.id(), new.id());
        self.relations.remove(old.name());
        self.by_id.remove(&old.id());
        self.insert(new);
    }

    /// Takes a relation out, and a view's operators that no other view needs; returns the collections freed. Its
    /// dependents must be gone.
    pub(crate) fn remove(&mut self, relation: &Relation) -> Vec<CollectionId> {
        self.relations.remove(relation.name());
        self.by_id.remove(&relation.id());
        self.roles.forget(Object::Relation(relation.id()));
        match relation.def.kind {
            TableKind::View => self.circuit.remove(relation.id()),
            TableKind::Table | TableKind::System | TableKind::Sequence => vec![relation.id()],
            TableKind::PlainView => Vec::new(),
        }
    }

    /// The views that read this collection directly, by name.
    pub(crate) fn readers(&self, id: CollectionId) -> Vec<Arc<Relation>> {
        let reads =
            |relation: &&Arc<Relation>| relation.view.as_ref().is_some_and(|v| v.sources.contains(&id));
        self.relations().filter(reads).cloned().collect()
    }

    /// The views that read this collection, directly or not, each before those it reads.
    pub(crate) fn dependents(&self, id: CollectionId) -> Vec<Arc<Relation>> {
        let mut seen = BTreeSet::new();
        let mut order = Vec::new();
        self.visit_dependents(id, &mut seen, &mut order);
        order
    }

    fn visit_dependents(
        &self,
        id: CollectionId,
        seen: &mut BTreeSet<CollectionId>,
        order: &mut Vec<Arc<Relation>>,
    ) {
        for reader in self.readers(id) {
            if seen.insert(reader.id()) {
                self.visit_dependents(reader.id(), seen, order);
                order.push(reader);
            }
        }
    }

    /// The tables and materialized views whose rows a relation shows: itself, or those behind a plain view.
    pub(crate) fn behind(&self, relation: &Relation) -> BTreeSet<CollectionId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![relation.id()];
        while let Some(id) = open.pop() {
            let Some(relation) = self.by_id(id).filter(|_| seen.insert(id)) else { continue };
            found.extend(relation.has_rows().then_some(id));
            let plain = relation.view.as_ref().filter(|_| relation.is_plain_view());
            open.extend(plain.into_iter().flat_map(|view| &view.sources));
        }
        found
    }

    /// How many levels the plain views among these names put in their places, at most.
    pub(crate) fn levels_behind(&self, names: &[String]) -> usize {
        let plain =
            names.iter().filter_map(|name| self.get(name)).filter(|relation| relation.is_plain_view());
        plain.filter_map(|relation| relation.view.as_ref()).map(|view| view.depth).max().unwrap_or(0)
    }

    /// Makes the program of the circuit as it is now.
    pub(crate) fn lower(&mut self) -> Result<()> {
        self.program = circuit::lower(&self.circuit)?;
        Ok(())
    }

    /// Every collection that has stored rows: tables, views, operators' traces.
    pub(crate) fn collections(&self) -> BTreeSet<CollectionId> {
        let relations = self.stored().filter(|relation| relation.is_kept()).map(|relation| relation.id());
        relations.chain(self.circuit.collections().into_iter().map(|(id, _, _)| id)).collect()
    }
}
