//! Arranges only the columns that somebody reads.
//!
//! What a join remembers of its inputs is the largest part of a view's state. An arrangement that only joins
//! read keeps its key and the columns that their expressions use.

use std::collections::{BTreeSet, HashMap};

use expr::Expr;

use crate::graph::{Circuit, NodeId, Op};
use crate::passes::rebuild;

pub(super) fn narrow_traces(circuit: &Circuit) -> Circuit {
    let needed = needed_columns(circuit);
    // For an arrangement that was narrowed, by its old id: where each old column is now.
    let mut places: HashMap<NodeId, HashMap<u32, u32>> = HashMap::new();
    rebuild(circuit, |new, id, node| match (node.op, &circuit.node(id).op) {
        (Op::Arrange { input, .. }, _)
            if needed.get(&id).is_some_and(|used| used.len() < node.schema.columns.len()) =>
        {
            let used: Vec<u32> = needed[&id].iter().copied().collect();
            let place: HashMap<u32, u32> = used.iter().zip(0..).map(|(&old, new)| (old, new)).collect();
            let key: Vec<u32> = node.schema.key.iter().map(|column| place[column]).collect();
            places.insert(id, place);
            let projected = new.project(input, &used);
            new.arrange(projected, &key)
        }
        (
            Op::Join { left, right, key, residual, exprs },
            Op::Join { left: old_left, right: old_right, .. },
        ) => {
            let old_width = circuit.columns(*old_left).len() as u32;
            let new_width = new.columns(left).len() as u32;
            let place = |column: u32| match column.checked_sub(old_width) {
                None => places.get(old_left).map_or(column, |place| place[&column]),
                Some(column) => new_width + places.get(old_right).map_or(column, |place| place[&column]),
            };
            let exprs = exprs.iter().map(|expr| expr.map_columns(place)).collect();
            let residual = residual.map(|residual| residual.map_columns(place));
            new.join_arranged(left, right, key, residual, exprs)
        }
        (op, _) => new.add(op, node.schema),
    })
}

/// The columns that each arrangement has to keep, where only joins read it.
fn needed_columns(circuit: &Circuit) -> HashMap<NodeId, BTreeSet<u32>> {
    let mut needed: HashMap<NodeId, BTreeSet<u32>> = HashMap::new();
    let mut everything: BTreeSet<NodeId> = BTreeSet::new();
    for (_, node) in circuit.nodes() {
        let Op::Join { left, right, residual, exprs, .. } = &node.op else {
            everything.extend(node.op.inputs());
            continue;
        };
        let width = circuit.columns(*left).len() as u32;
        for column in exprs.iter().chain(residual).flat_map(Expr::columns) {
            match column.checked_sub(width) {
                None => needed.entry(*left).or_default().insert(column),
                Some(column) => needed.entry(*right).or_default().insert(column),
            };
        }
        for side in [left, right] {
            needed.entry(*side).or_default().extend(&circuit.node(*side).schema.key);
        }
    }
    needed.retain(|id, _| !everything.contains(id));
    needed
}
