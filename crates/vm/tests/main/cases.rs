//! Cases that random circuits seldom or never make: errors, limits, and corners of the semantics.

use std::sync::atomic::AtomicBool;

use circuit::{Aggregate, AggregateKind, Circuit, NodeId, lower, optimize};
use expr::{BinaryOp, ErrorKind, Expr, NoFunctions};
use vm::{Machine, VmError};
use zset::{CollectionId, ColumnType, Datum, Deltas, Schema, Type};

use crate::oracle::{Row, sum};
use crate::world::{Runs, SECRET, World};

const A: CollectionId = CollectionId(1);
const B: CollectionId = CollectionId(2);
const INT: ColumnType = ColumnType { ty: Type::Int64, nullable: false };
const MAYBE: ColumnType = ColumnType { ty: Type::Int64, nullable: true };

fn ints(values: &[i64]) -> Row {
    values.iter().map(|&value| Datum::Int(value)).collect()
}

fn column(circuit: &Circuit, node: NodeId, index: u32) -> Expr {
    Expr::Column { index, ty: circuit.columns(node)[index as usize] }
}

fn plus(rows: &[&[i64]]) -> Vec<(Row, i64)> {
    rows.iter().map(|row| (ints(row), 1)).collect()
}

fn minus(rows: &[&[i64]]) -> Vec<(Row, i64)> {
    rows.iter().map(|row| (ints(row), -1)).collect()
}

/// Two tables of (id, value), joined on id, with `a.value / b.value`.
fn quotients() -> (Circuit, CollectionId) {
    let mut circuit = Circuit::new();
    let a = circuit.source(A, Schema::new(vec![INT, INT], vec![0]));
    let b = circuit.source(B, Schema::new(vec![INT, INT], vec![0]));
    let column = |index| Expr::column(index, Type::Int64, false);
    let quotient = Expr::binary(BinaryOp::Div, column(1), column(3), Type::Int64);
    let joined = circuit.join((a, &[0]), (b, &[0]), None, vec![column(0), quotient]);
    let sink = circuit.sink(joined, &[0]);
    let view = circuit.node(sink).op.collection().unwrap();
    (circuit, view)
}

#[test]
fn a_row_without_a_value_refuses_the_step_and_is_named() {
    let (circuit, view) = quotients();
    let mut world = World::new(circuit);
    world.step(&[(A, plus(&[&[7, 10]])), (B, plus(&[&[8, 0]]))]).unwrap();
    let error = world.step(&[(B, plus(&[&[7, 0]]))]).unwrap_err();
    let VmError::Eval { views, key, source, .. } = &error else { panic!("{error:?}") };
    assert_eq!((views.as_slice(), key.as_str()), (&[view][..], "(7, 7)"));
    assert_eq!((source.kind, error.sqlstate()), (ErrorKind::DivisionByZero, "22012"));
    // Nothing has changed, and life goes on.
    world.step(&[(B, plus(&[&[7, 5]]))]).unwrap();
    assert_eq!(world.view(view), sum([(ints(&[7, 2]), 1)]));
}

#[test]
fn a_row_that_is_gone_refuses_nothing() {
    let (circuit, view) = quotients();
    let mut world = World::new(circuit);
    // The run of the insertion and that of the deletion both stay in the trace, so the pairs cancel only when
    // they are added up.
    world.step(&[(B, plus(&[&[1, 3], &[2, 3], &[3, 3], &[4, 3], &[7, 0]]))]).unwrap();
    world.step(&[(B, minus(&[&[7, 0]]))]).unwrap();
    world.step(&[(A, plus(&[&[7, 10], &[1, 9]]))]).unwrap();
    assert_eq!(world.view(view), sum([(ints(&[1, 3]), 1)]));
    // Both sides in one step: the old divisor goes as the new row comes.
    world.step(&[(A, minus(&[&[7, 10]])), (B, plus(&[&[7, 0]]))]).unwrap();
    world.step(&[(A, plus(&[&[7, 12]])), (B, [minus(&[&[7, 0]]), plus(&[&[7, 4]])].concat())]).unwrap();
    assert_eq!(world.view(view), sum([(ints(&[1, 3]), 1), (ints(&[7, 3]), 1)]));
}

#[test]
fn null_keys_meet_nothing_whatever_the_declarations() {
    for (left, right) in [(INT, INT), (MAYBE, INT), (INT, MAYBE), (MAYBE, MAYBE)] {
        let mut circuit = Circuit::new();
        let a = circuit.source(A, Schema::new(vec![left, INT], vec![1]));
        let b = circuit.source(B, Schema::new(vec![right, INT], vec![1]));
        let exprs =
            (0..4).map(|i| Expr::Column { index: i, ty: [left, INT, right, INT][i as usize] }).collect();
        let joined = circuit.join((a, &[0, 1]), (b, &[0, 1]), None, exprs);
        circuit.sink(joined, &[]);
        let mut world = World::new(circuit.clone());
        for epoch in 0..4 {
            let mut rows = plus(&[&[1, 2], &[epoch, 2], &[3, epoch]]);
            let null = (vec![Datum::Null, Datum::Int(2)], 1);
            let mut other = rows.clone();
            rows.extend(left.nullable.then(|| null.clone()));
            other.extend(right.nullable.then_some(null));
            world.step(&[(A, rows), (B, other)]).unwrap();
            world.check(&circuit, &format!("{left} {right} {epoch}"));
        }
    }
}

fn aggregate(kind: AggregateKind, arg: Option<u32>, ty: Type) -> Aggregate {
    let nullable = !matches!(kind, AggregateKind::Count | AggregateKind::CountStar);
    Aggregate { kind, arg, filter: None, ty: ColumnType { ty, nullable } }
}

#[test]
fn an_aggregate_without_groups_has_one_row_from_the_first_step_on() {
    let mut circuit = Circuit::new();
    let a = circuit.source(A, Schema::new(vec![INT, MAYBE], vec![0]));
    let aggregates = vec![
        aggregate(AggregateKind::CountStar, None, Type::Int64),
        aggregate(AggregateKind::Sum, Some(1), Type::Int64),
        aggregate(AggregateKind::Max, Some(1), Type::Int64),
    ];
    let reduced = circuit.reduce(a, 0, aggregates, true);
    let sink = circuit.sink(reduced, &[]);
    let view = circuit.node(sink).op.collection().unwrap();
    let mut world = World::new(circuit.clone());
    let empty = vec![Datum::Int(0), Datum::Null, Datum::Null];
    world.step(&[]).unwrap();
    assert_eq!(world.view(view), sum([(empty.clone(), 1)]));
    world.step(&[(A, vec![(vec![Datum::Int(1), Datum::Null], 2)])]).unwrap();
    assert_eq!(world.view(view), sum([(vec![Datum::Int(2), Datum::Null, Datum::Null], 1)]));
    world.step(&[(A, vec![(vec![Datum::Int(1), Datum::Null], -2), (ints(&[5, 6]), 3)])]).unwrap();
    assert_eq!(world.view(view), sum([(ints(&[3, 18, 6]), 1)]));
    world.step(&[(A, vec![(ints(&[5, 6]), -3)])]).unwrap();
    assert_eq!(world.view(view), sum([(empty, 1)]));
    world.check(&circuit, "global");
}

#[test]
fn a_sum_beyond_its_type_refuses_the_step_whatever_the_order() {
    let mut circuit = Circuit::new();
    let a = circuit.source(A, Schema::new(vec![INT, INT], vec![0]));
    let reduced = circuit.reduce(a, 1, vec![aggregate(AggregateKind::Sum, Some(1), Type::Int64)], false);
    let sink = circuit.sink(reduced, &[0]);
    let view = circuit.node(sink).op.collection().unwrap();
    let mut world = World::new(circuit);
    world.step(&[(A, plus(&[&[1, i64::MAX], &[1, i64::MAX], &[1, -i64::MAX]]))]).unwrap();
    assert_eq!(world.view(view), sum([(ints(&[1, i64::MAX]), 1)]));
    let error = world.step(&[(A, plus(&[&[2, 5], &[1, 1]]))]).unwrap_err();
    assert_eq!(error.sqlstate(), "22003");
    assert!(
        matches!(&error, VmError::Eval { key, views, .. } if key == "(1)" && views == &[view]),
        "{error:?}"
    );
    world.step(&[(A, [plus(&[&[1, 1]]), minus(&[&[1, i64::MAX]])].concat())]).unwrap();
    assert_eq!(world.view(view), sum([(ints(&[1, 1]), 1)]));
}

#[test]
fn products_of_weights_beyond_a_weight_are_refused() {
    let mut circuit = Circuit::new();
    let a = circuit.source(A, Schema::new(vec![INT], vec![0]));
    let exprs = vec![column(&circuit, a, 0)];
    let joined = circuit.join((a, &[0]), (a, &[0]), None, exprs);
    circuit.sink(joined, &[0]);
    let mut world = World::new(circuit);
    let error = world.step(&[(A, vec![(ints(&[1]), 1 << 40)])]).unwrap_err();
    assert_eq!(error.sqlstate(), "22003", "{error:?}");
}

#[test]
fn changes_of_many_slices_equal_their_definition() {
    let mut circuit = Circuit::new();
    let a = circuit.source(A, Schema::new(vec![INT, INT, MAYBE], vec![0]));
    let b = circuit.source(B, Schema::new(vec![INT, INT], vec![0]));
    let below = |index, value| {
        let literal = Expr::literal(Datum::Int(value), Type::Int64);
        Expr::compare(BinaryOp::Lt, Expr::column(index, Type::Int64, false), literal)
    };
    let some = circuit.filter(a, below(1, 40));
    let exprs = [0, 1, 4].map(|index| Expr::column(index, Type::Int64, false)).to_vec();
    let joined = circuit.join((some, &[1]), (b, &[0]), Some(below(4, 70)), exprs);
    circuit.sink(joined, &[0]);
    let negated = circuit.negate(some);
    let rest = circuit.union(vec![a, negated]);
    let by_value = circuit.map(rest, vec![column(&circuit, rest, 1), column(&circuit, rest, 2)]);
    let aggregates = vec![
        aggregate(AggregateKind::Sum, Some(1), Type::Int64),
        aggregate(AggregateKind::Min, Some(1), Type::Int64),
    ];
    let reduced = circuit.reduce(by_value, 1, aggregates, false);
    circuit.sink(reduced, &[0]);
    let distinct = circuit.distinct(by_value);
    circuit.sink(distinct, &[1]);
    let optimized = optimize(&circuit);
    let mut world = World::new(optimized);
    let row = |at: i64| {
        let last = if at % 7 == 0 { Datum::Null } else { Datum::Int(at * 31 % 1500) };
        (vec![Datum::Int(at), Datum::Int(at * 17 % 60), last], 1)
    };
    let pairs: Vec<(Row, i64)> = (0..120).map(|at| (ints(&[at % 60, at]), 1)).collect();
    world.step(&[(A, (0..4000).map(row).collect()), (B, pairs)]).unwrap();
    world.check(&circuit, "filled");
    let gone = (0..4000).filter(|at| at % 3 != 0).map(|at| (row(at).0, -1));
    world.step(&[(A, gone.chain((4000..7000).map(row)).collect())]).unwrap();
    world.check(&circuit, "changed");
}

#[test]
fn a_cancelled_step_says_so() {
    let mut circuit = Circuit::new();
    let a = circuit.constant(vec![ints(&[1])], vec![INT]);
    circuit.sink(a, &[0]);
    let machine = Machine::prepare(&lower(&circuit).unwrap(), &NoFunctions, SECRET).unwrap();
    let step =
        |first, cancel| machine.step(&Deltas::new(), &Runs::default(), first, &AtomicBool::new(cancel));
    assert_eq!(step(true, true), Err(VmError::Cancelled));
    assert_eq!(step(true, false).unwrap().len(), 1);
    assert!(step(false, true).unwrap().is_empty(), "nothing to do, nothing to cancel");
}

#[test]
fn a_join_by_primary_key_reads_the_tables_themselves() {
    let (original, _) = quotients();
    let mut circuit = Circuit::new();
    let a = circuit.source(A, Schema::new(vec![INT, INT, INT], vec![1, 0]));
    let b = circuit.source(B, Schema::new(vec![INT, INT, INT], vec![2, 1, 0]));
    // The planner names the keys in its own order, over projections.
    let left = circuit.project(a, &[0, 1]);
    let right = circuit.project(b, &[1, 2, 0]);
    let exprs = vec![column(&circuit, left, 0), Expr::column(4, Type::Int64, false)];
    let joined = circuit.join((left, &[0, 1]), (right, &[0, 1]), None, exprs);
    circuit.sink(joined, &[0]);
    let optimized = optimize(&circuit);
    let stored = optimized.collections().len();
    assert_eq!(stored, 1, "only the view:\n{optimized}");
    assert_eq!(optimize(&original).collections().len(), 1);
    let mut world = World::new(optimized);
    for epoch in 0..5 {
        let rows = plus(&[&[epoch, 1, epoch], &[2, epoch, 1], &[1, 1, 1]]);
        world.step(&[(A, rows.clone()), (B, rows)]).unwrap();
        world.check(&circuit, "by primary key");
    }
}

#[test]
fn damaged_programs_are_refused() {
    let (circuit, _) = quotients();
    let program = lower(&circuit).unwrap();
    let text = program.to_string();
    let torn = text.strip_suffix("halt\n").unwrap();
    assert!(torn.parse::<circuit::Program>().is_err());
    assert!(text.replace("program 1", "program 2").parse::<circuit::Program>().is_err());
    assert!(text.replace("join r0 c1 r1 c2", "join r0 c2 r1 c1").parse::<circuit::Program>().is_err());
    assert!(text.replace("join r0 c1 r1 c2", "join r0 c1 r9 c2").parse::<circuit::Program>().is_err());
    assert!(text.replacen("BIGINT", "TEXT", 1).parse::<circuit::Program>().is_err());
    // Without its store the program is whole, only useless.
    let lines: Vec<&str> = text.lines().collect();
    for without in (0..lines.len()).filter(|&line| !lines[line].contains(" store ")) {
        let cut = [&lines[..without], &lines[without + 1..]].concat().join("\n");
        assert!(cut.parse::<circuit::Program>().is_err(), "without line {without}");
    }
}
