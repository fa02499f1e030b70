//! Makes one operator of two where that removes work: map after map, filter after filter, filter after map,
//! and maps and filters after a join.
//!
//! Expressions of the lower operator are put in the place of the columns that named them. A computed column
//! must not come to be computed twice for that, so it is done only where each is used at most once, or is a
//! plain column or constant; and not where others read the lower operator too, since they need it anyway.

use std::collections::HashMap;

use expr::Expr;

use crate::graph::{Circuit, Node, NodeId, Op};
use crate::passes::rebuild;

pub(super) fn fuse(circuit: &Circuit) -> Circuit {
    let mut readers: HashMap<NodeId, usize> = HashMap::new();
    for (_, node) in circuit.nodes() {
        node.op.inputs().into_iter().for_each(|input| *readers.entry(input).or_default() += 1);
    }
    // How many read the node that each node of the new circuit stands for.
    let mut shared: HashMap<NodeId, usize> = HashMap::new();
    rebuild(circuit, |new, id, node| {
        let name = fuse_node(new, node, &|input| shared.get(&input).is_some_and(|&count| count > 1));
        *shared.entry(name).or_default() += readers.get(&id).copied().unwrap_or_default();
        name
    })
}

fn fuse_node(circuit: &mut Circuit, node: Node, shared: &dyn Fn(NodeId) -> bool) -> NodeId {
    match node.op {
        Op::Map { input, exprs } => fuse_map(circuit, input, exprs, shared),
        Op::Filter { input, predicate } => fuse_filter(circuit, input, predicate, shared),
        op => circuit.add(op, node.schema),
    }
}

fn fuse_map(
    circuit: &mut Circuit,
    input: NodeId,
    exprs: Vec<Expr>,
    shared: &dyn Fn(NodeId) -> bool,
) -> NodeId {
    match circuit.node(input).op.clone() {
        Op::Map { input: below, exprs: lower } if may_replace(&exprs, &lower, shared(input)) => {
            let exprs = exprs.iter().map(|expr| expr.substitute(&lower)).collect();
            fuse_map(circuit, below, exprs, shared)
        }
        Op::Join { left, right, key, residual, exprs: lower }
            if !shared(input) && may_replace(&exprs, &lower, false) =>
        {
            let exprs = exprs.iter().map(|expr| expr.substitute(&lower)).collect();
            circuit.join_arranged(left, right, key, residual, exprs)
        }
        _ => circuit.map(input, exprs),
    }
}

fn fuse_filter(
    circuit: &mut Circuit,
    input: NodeId,
    predicate: Expr,
    shared: &dyn Fn(NodeId) -> bool,
) -> NodeId {
    match circuit.node(input).op.clone() {
        Op::Filter { input: below, predicate: lower } if !shared(input) => {
            fuse_filter(circuit, below, and(lower, predicate), shared)
        }
        Op::Map { input: below, exprs: lower } if !shared(input) && reads_simple(&predicate, &lower) => {
            let filtered = fuse_filter(circuit, below, predicate.substitute(&lower), shared);
            circuit.map(filtered, lower)
        }
        Op::Join { left, right, key, residual, exprs: lower }
            if !shared(input) && reads_simple(&predicate, &lower) =>
        {
            let predicate = predicate.substitute(&lower);
            let residual = match residual {
                Some(residual) => and(residual, predicate),
                None => predicate,
            };
            circuit.join_arranged(left, right, key, Some(residual), lower)
        }
        _ => circuit.filter(input, predicate),
    }
}

/// Whether putting `lower` in the place of the columns of `exprs` computes nothing twice.
fn may_replace(exprs: &[Expr], lower: &[Expr], lower_is_shared: bool) -> bool {
    let mut uses = vec![0usize; lower.len()];
    for expr in exprs {
        expr.visit(&mut |part| {
            if let Expr::Column { index, .. } = part {
                uses[*index as usize] += 1;
            }
        });
    }
    let limit = usize::from(!lower_is_shared);
    lower.iter().zip(uses).all(|(expr, uses)| is_simple(expr) || uses <= limit)
}

/// Whether everything that the predicate reads is a plain column or constant below.
fn reads_simple(predicate: &Expr, lower: &[Expr]) -> bool {
    predicate.columns().into_iter().all(|column| lower.get(column as usize).is_some_and(is_simple))
}

fn is_simple(expr: &Expr) -> bool {
    matches!(expr, Expr::Column { .. } | Expr::Literal { .. })
}

/// The conjunction; the first is evaluated first, and guards the second.
fn and(first: Expr, second: Expr) -> Expr {
    let mut terms = match first {
        Expr::And(terms) => terms,
        other => vec![other],
    };
    match second {
        Expr::And(more) => terms.extend(more),
        other => terms.push(other),
    }
    Expr::And(terms)
}
