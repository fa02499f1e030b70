//! The passes that make a view's fragment cheaper, in a list.
//!
//! A pass is a function from circuit to circuit that keeps every sink's contents. They run on a fragment
//! before the database absorbs it, in the order of [`PASSES`]. Passes rebuild the circuit through its
//! builder, so equal nodes stay one node, and drop what no sink needs.

mod fuse;
mod narrow_traces;
mod simplify;
mod use_sources;

use std::collections::HashMap;

use crate::graph::{Circuit, Node, NodeId};

/// A pass over a circuit.
pub type Pass = fn(&Circuit) -> Circuit;

/// The passes by name, in the order they run. Fusing comes first, so that the others see plain shapes, and
/// again where a pass has put projections in.
pub const PASSES: [(&str, Pass); 6] = [
    ("simplify", simplify::simplify),
    ("fuse", fuse::fuse),
    ("use sources as traces", use_sources::use_sources),
    ("narrow traces", narrow_traces::narrow_traces),
    ("fuse projections", fuse::fuse),
    ("simplify projections", simplify::simplify),
];

/// The circuit after all passes.
pub fn optimize(circuit: &Circuit) -> Circuit {
    PASSES.iter().fold(circuit.clone(), |circuit, (_, pass)| pass(&circuit))
}

/// Rebuilds a circuit node by node, inputs first, sinks' needs only. `build` puts a node, whose inputs are
/// already renamed, into the new circuit and says under which id.
fn rebuild(circuit: &Circuit, mut build: impl FnMut(&mut Circuit, NodeId, Node) -> NodeId) -> Circuit {
    let mut new = circuit.successor();
    let mut names: HashMap<NodeId, NodeId> = HashMap::new();
    for id in circuit.needed(circuit.sinks().map(|(id, _)| id)) {
        let node = circuit.node(id);
        let op = node.op.with_inputs(|input| names[&input]);
        let name = build(&mut new, id, Node { op, schema: node.schema.clone() });
        names.insert(id, name);
    }
    let sinks: Vec<NodeId> = new.sinks().map(|(id, _)| id).collect();
    new.part(sinks)
}
