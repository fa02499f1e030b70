//! Lets a join read a table or view itself instead of a copy arranged by the join's key.
//!
//! That is possible where the join's key columns are, as a set, the leading columns of the source's own key,
//! and nothing but a choice of columns lies between. The order in which a join compares its key columns is
//! free, so it is taken from the source. A primary key that begins with the join's columns saves a whole
//! trace this way.

use expr::Expr;

use crate::graph::{Circuit, NodeId, Op};
use crate::passes::rebuild;

pub(super) fn use_sources(circuit: &Circuit) -> Circuit {
    rebuild(circuit, |new, _, node| match node.op {
        Op::Join { left, right, key, residual, exprs } => {
            join(new, [left, right], key as usize, residual, exprs)
        }
        op => new.add(op, node.schema),
    })
}

/// One side of a join: what it reads, where its columns are in that, and its key in the join's order.
#[derive(Clone)]
struct Side {
    input: NodeId,
    places: Vec<u32>,
    key: Vec<u32>,
}

fn join(
    circuit: &mut Circuit,
    inputs: [NodeId; 2],
    key: usize,
    residual: Option<Expr>,
    exprs: Vec<Expr>,
) -> NodeId {
    let found = inputs.map(|input| source_below(circuit, input, key));
    let order = found.iter().flatten().next().map(|(_, order)| order.clone());
    let Some(order) = order else {
        return circuit.join_arranged(inputs[0], inputs[1], key as u32, residual, exprs);
    };
    let [left, right] = [0, 1].map(|side| match &found[side] {
        Some((source, own_order)) if *own_order == order => source.clone(),
        _ => reordered(circuit, inputs[side], &order),
    });
    let width = left.places.len() as u32;
    let new_width = circuit.columns(left.input).len() as u32;
    let place = |column: u32| match column.checked_sub(width) {
        None => left.places[column as usize],
        Some(column) => new_width + right.places[column as usize],
    };
    let exprs = exprs.iter().map(|expr| expr.map_columns(place)).collect();
    let residual = residual.map(|residual| residual.map_columns(place));
    let [left, right] = [left, right].map(|side| circuit.arrange(side.input, &side.key));
    circuit.join_arranged(left, right, key as u32, residual, exprs)
}

/// The source that this arrangement copies, and the order of the arrangement's key columns in the source's
/// key.
fn source_below(circuit: &Circuit, arrangement: NodeId, key: usize) -> Option<(Side, Vec<usize>)> {
    let node = circuit.node(arrangement);
    let Op::Arrange { input, .. } = node.op else { return None };
    let (source, places) = match &circuit.node(input).op {
        Op::Map { input, exprs } => (*input, exprs.iter().map(column_of).collect::<Option<Vec<u32>>>()?),
        _ => (input, (0..node.schema.columns.len() as u32).collect()),
    };
    let schema = &circuit.node(source).schema;
    if !matches!(circuit.node(source).op, Op::Source { .. }) || key == 0 || schema.key.len() < key {
        return None;
    }
    let wanted: Vec<u32> = node.schema.key[..key].iter().map(|&column| places[column as usize]).collect();
    let order: Vec<usize> = schema.key[..key]
        .iter()
        .map(|column| wanted.iter().position(|wanted| wanted == column))
        .collect::<Option<_>>()?;
    Some((Side { input: source, places, key: schema.key.clone() }, order))
}

/// The same side with its key columns in another order.
fn reordered(circuit: &Circuit, input: NodeId, order: &[usize]) -> Side {
    let node = circuit.node(input);
    let places = (0..node.schema.columns.len() as u32).collect();
    let in_order = order.iter().enumerate().all(|(at, &from)| at == from);
    match node.op {
        Op::Arrange { input, .. } if !in_order => {
            Side { input, places, key: order.iter().map(|&from| node.schema.key[from]).collect() }
        }
        Op::Arrange { input, .. } => Side { input, places, key: node.schema.key.clone() },
        _ if in_order => Side { input, places, key: node.schema.key.clone() },
        _ => Side { input, places, key: order.iter().map(|&from| node.schema.key[from]).collect() },
    }
}

fn column_of(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}
