//! The part of a circuit that one view needs, and taking a view out again.

use std::collections::BTreeSet;

use zset::CollectionId;

use crate::graph::{Circuit, NodeId, Op};

impl Circuit {
    /// Everything the view depends on, under the same ids, down to its sources; a view that it is defined
    /// over is a source here. Empty if there is no such view.
    pub fn slice(&self, view: CollectionId) -> Circuit {
        self.part(self.sink_of(view))
    }

    /// The part of the circuit that these nodes need, themselves included.
    pub(crate) fn part(&self, roots: impl IntoIterator<Item = NodeId>) -> Circuit {
        let mut part = self.successor();
        for id in self.needed(roots) {
            part.restore(id, self.node(id).clone());
        }
        part
    }

    /// The nodes that `roots` need, themselves included, inputs first.
    pub(crate) fn needed(&self, roots: impl IntoIterator<Item = NodeId>) -> BTreeSet<NodeId> {
        let mut needed = BTreeSet::new();
        let mut open: Vec<NodeId> = roots.into_iter().collect();
        while let Some(id) = open.pop() {
            if needed.insert(id) {
                open.extend(self.node(id).op.inputs());
            }
        }
        needed
    }

    /// Takes a view out, and every node that no other view needs. Gives the collections that are no longer
    /// written, the view's own first. Views that read this one keep their source of it: the caller refuses
    /// that beforehand.
    pub fn remove(&mut self, view: CollectionId) -> Vec<CollectionId> {
        let Some(sink) = self.sink_of(view) else { return Vec::new() };
        self.take(sink);
        let sinks: Vec<NodeId> = self.sinks().map(|(id, _)| id).collect();
        let needed = self.needed(sinks);
        let unneeded: Vec<NodeId> =
            self.nodes().map(|(id, _)| id).filter(|id| !needed.contains(id)).collect();
        let freed = unneeded.into_iter().rev().filter_map(|id| self.take(id)?.op.collection());
        std::iter::once(view).chain(freed).collect()
    }

    /// The views whose contents depend on each node: itself a sink, or read on the way to one, through other
    /// views too. In the order of [`Circuit::nodes`].
    pub fn views_of(&self) -> Vec<(NodeId, BTreeSet<CollectionId>)> {
        let mut found: std::collections::BTreeMap<NodeId, BTreeSet<CollectionId>> =
            self.nodes().map(|(id, _)| (id, BTreeSet::new())).collect();
        for (id, node) in self.nodes().rev() {
            let mut views = found[&id].clone();
            if let Op::Sink { view, .. } = node.op {
                views.insert(view);
            }
            let readers_of_view = match node.op {
                Op::Source { collection } => self.sink_of(collection),
                _ => None,
            };
            for input in node.op.inputs().into_iter().chain(readers_of_view) {
                found.entry(input).or_default().extend(&views);
            }
            found.insert(id, views);
        }
        found.into_iter().collect()
    }
}
