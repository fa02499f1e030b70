//! Drops operators that do nothing: the identity map, the filter that is always true, the union of one input,
//! the double negation.

use expr::Expr;
use zset::Datum;

use crate::graph::{Circuit, Node, NodeId, Op};
use crate::passes::rebuild;

pub(super) fn simplify(circuit: &Circuit) -> Circuit {
    rebuild(circuit, |new, _, node| match stands_for(new, &node) {
        Some(input) => input,
        None => new.add(node.op, node.schema),
    })
}

/// The node that puts out the same rows, if it is that simple.
fn stands_for(circuit: &Circuit, node: &Node) -> Option<NodeId> {
    match &node.op {
        Op::Map { input, exprs } => {
            let columns = circuit.columns(*input);
            let same = columns == node.schema.columns.as_slice()
                && exprs.iter().enumerate().all(|(place, expr)| is_column(expr, place));
            same.then_some(*input)
        }
        Op::Filter { input, predicate: Expr::Literal { value: Datum::Bool(true), .. } } => Some(*input),
        Op::Union { inputs } if inputs.len() == 1 && circuit.columns(inputs[0]) == node.schema.columns => {
            Some(inputs[0])
        }
        Op::Negate { input } => match circuit.node(*input).op {
            Op::Negate { input } => Some(input),
            _ => None,
        },
        _ => None,
    }
}

fn is_column(expr: &Expr, place: usize) -> bool {
    matches!(expr, Expr::Column { index, .. } if *index as usize == place)
}
