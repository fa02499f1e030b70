//! Circuits as a planner makes them: what the passes leave of them, what sharing and removal do, and that text
//! and program say the same. What they compute is tested where they run, in `vm`.

use std::collections::BTreeSet;

use circuit::{Aggregate, AggregateKind, Circuit, CircuitError, Cost, NodeId, Op, lower, optimize};
use expr::{BinaryOp, Expr};
use zset::{CollectionId, ColumnType, Datum, Schema, Type};

const ITEMS: CollectionId = CollectionId(1);
const ORDERS: CollectionId = CollectionId(2);

fn ints(columns: usize, key: &[u32]) -> Schema {
    Schema::new(vec![ColumnType::required(Type::Int64); columns], key.to_vec())
}

fn int(index: u32) -> Expr {
    Expr::column(index, Type::Int64, false)
}

fn more_than(index: u32, value: i64) -> Expr {
    Expr::compare(BinaryOp::Gt, int(index), Expr::literal(Datum::Int(value), Type::Int64))
}

fn plus(left: Expr, right: Expr) -> Expr {
    Expr::binary(BinaryOp::Add, left, right, Type::Int64)
}

/// The names of the operators, in order.
fn shape(circuit: &Circuit) -> Vec<&'static str> {
    circuit.nodes().map(|(_, node)| node.op.name()).collect()
}

fn the_join(circuit: &Circuit) -> (NodeId, NodeId, Option<Expr>) {
    let found = circuit.nodes().find_map(|(_, node)| match &node.op {
        Op::Join { left, right, residual, .. } => Some((*left, *right, residual.clone())),
        _ => None,
    });
    found.expect("a join")
}

#[test]
fn adjacent_operators_become_one() {
    let mut circuit = Circuit::new();
    let items = circuit.source(ITEMS, ints(3, &[0]));
    let some = circuit.filter(items, more_than(1, 5));
    let fewer = circuit.filter(some, more_than(2, 7));
    let swapped = circuit.map(fewer, vec![int(2), plus(int(0), int(1))]);
    let again = circuit.map(swapped, vec![plus(int(1), int(0))]);
    let same = circuit.map(again, vec![int(0)]);
    circuit.sink(same, &[0]);
    let optimized = optimize(&circuit);
    assert_eq!(shape(&optimized), ["source", "filter", "map", "sink"], "{optimized}");
    let text = optimized.to_string();
    assert!(text.contains("give (+:BIGINT (+:BIGINT $0:BIGINT $1:BIGINT) $2:BIGINT)"), "{text}");
}

#[test]
fn nothing_is_computed_twice_for_the_sake_of_fusing() {
    let mut circuit = Circuit::new();
    let items = circuit.source(ITEMS, ints(3, &[0]));
    let sums = circuit.map(items, vec![plus(int(0), int(1))]);
    let twice = circuit.map(sums, vec![plus(int(0), int(0))]);
    circuit.sink(twice, &[0]);
    assert_eq!(shape(&optimize(&circuit)), ["source", "map", "map", "sink"]);
    // A filter on a computed column stays above, one on a plain column goes below.
    let mut circuit = Circuit::new();
    let items = circuit.source(ITEMS, ints(3, &[0]));
    let sums = circuit.map(items, vec![plus(int(0), int(1)), int(2)]);
    let by_sum = circuit.filter(sums, more_than(0, 5));
    let by_column = circuit.filter(sums, more_than(1, 5));
    circuit.sink(by_sum, &[0]);
    circuit.sink(by_column, &[0]);
    assert_eq!(shape(&optimize(&circuit)), ["source", "map", "filter", "filter", "sink", "sink"]);
}

#[test]
fn what_follows_a_join_becomes_part_of_it() {
    let mut circuit = Circuit::new();
    let items = circuit.source(ITEMS, ints(3, &[0, 1]));
    let orders = circuit.source(ORDERS, ints(2, &[1]));
    let joined = circuit.join((items, &[2]), (orders, &[0]), None, (0..5).map(int).collect());
    let some = circuit.filter(joined, more_than(4, 5));
    let sums = circuit.map(some, vec![plus(int(0), int(4))]);
    circuit.sink(sums, &[0]);
    let optimized = optimize(&circuit);
    assert!(!shape(&optimized).contains(&"filter"), "{optimized}");
    let (left, right, residual) = the_join(&optimized);
    assert!(residual.is_some());
    // Of the items only the key and one column are remembered, of the orders all there is.
    assert_eq!(optimized.columns(left).len(), 2);
    assert_eq!(optimized.columns(right).len(), 2);
    optimized.verify().expect("well-formed");
}

#[test]
fn a_source_is_its_own_trace_only_without_a_filter_between() {
    for filtered in [false, true] {
        let mut circuit = Circuit::new();
        let items = circuit.source(ITEMS, ints(3, &[1, 0]));
        let input = if filtered { circuit.filter(items, more_than(2, 5)) } else { items };
        let orders = circuit.source(ORDERS, ints(2, &[0]));
        let joined = circuit.join((input, &[1]), (orders, &[0]), None, (0..5).map(int).collect());
        circuit.sink(joined, &[0]);
        let optimized = optimize(&circuit);
        let (left, right, _) = the_join(&optimized);
        assert_eq!(matches!(optimized.node(left).op, Op::Source { .. }), !filtered, "{optimized}");
        assert!(matches!(optimized.node(right).op, Op::Source { .. }), "{optimized}");
    }
}

#[test]
fn slices_and_dependants() {
    let mut database = Circuit::new();
    let mut next = 10;
    let mut allocate = || {
        next += 1;
        CollectionId(next)
    };
    let mut fragment = Circuit::new();
    let items = fragment.source(ITEMS, ints(2, &[0]));
    let count = Aggregate {
        kind: AggregateKind::CountStar,
        arg: None,
        filter: None,
        ty: ColumnType::required(Type::Int64),
    };
    let counted = fragment.reduce(items, 1, vec![count], false);
    fragment.sink(counted, &[0]);
    let first = database.absorb(&fragment, &mut allocate).views[0];
    let mut fragment = Circuit::new();
    let over = fragment.source(first.1, database.node(first.0).schema.clone());
    let orders = fragment.source(ORDERS, ints(1, &[0]));
    let crossed = fragment.join((over, &[]), (orders, &[]), None, (0..3).map(int).collect());
    fragment.sink(crossed, &[]);
    let second = database.absorb(&fragment, &mut allocate).views[0];
    database.verify().expect("well-formed");

    let slice = database.slice(second.1);
    assert_eq!(slice.sources().map(|(_, id)| id).collect::<BTreeSet<_>>(), BTreeSet::from([first.1, ORDERS]));
    assert_eq!((database.cost_of([first.0]), database.cost_of([second.0])), (Cost::Change, Cost::Whole));
    let views = database.views_of();
    assert_eq!(views[0].1, BTreeSet::from([first.1, second.1]), "the items reach both views");
    // In the whole program the second view reads the first one's change; in the slice it is loaded.
    let whole = lower(&database).expect("lowers").to_string();
    assert_eq!(whole.matches("load_delta").count(), 2, "{whole}");
    assert!(lower(&slice).expect("lowers").to_string().contains(&format!("load_delta {}", first.1)));
}

#[test]
fn text_holds_whatever_a_literal_holds() {
    let strings = [
        "",
        "plain",
        "with \"quotes\" and (parens",
        "lines\nand\r\n  give\ttabs",
        "\\ : key [0]",
        "ünï\u{0}",
    ];
    let mut circuit = Circuit::new();
    let columns = vec![
        ColumnType::nullable(Type::Text),
        ColumnType::nullable(Type::Decimal { precision: 38, scale: 9 }),
    ];
    let rows = strings.iter().map(|&text| vec![Datum::from(text), Datum::Wide(-(10i128.pow(37)))]);
    let constant = circuit.constant(rows.chain([vec![Datum::Null, Datum::Null]]).collect(), columns);
    let mut inputs = vec![constant];
    for text in strings {
        let literal = Expr::literal(text.into(), Type::Text);
        inputs.push(
            circuit.filter(constant, Expr::compare(BinaryOp::Eq, Expr::column(0, Type::Text, true), literal)),
        );
    }
    let all = circuit.union(inputs);
    circuit.sink(all, &[1]);
    let text = circuit.to_string();
    assert_eq!(text.parse::<Circuit>().expect("own text"), circuit, "{text}");
    let program = lower(&circuit).expect("lowers");
    assert_eq!(program.to_string().parse(), Ok(program));
}

#[test]
fn malformed_circuits_are_refused_with_their_place() {
    let mut circuit = Circuit::new();
    let items = circuit.source(ITEMS, ints(2, &[0]));
    let wrong = circuit.filter(items, more_than(7, 1));
    circuit.sink(wrong, &[0]);
    match circuit.verify() {
        Err(CircuitError::Malformed { place, .. }) => assert_eq!(place, "n1 filter"),
        other => panic!("{other:?}"),
    }
    let text = "circuit\nn0 source c1 : (BIGINT NOT NULL) key [0]\nn1 negate n5 : (BIGINT NOT NULL) key []\n";
    assert!(matches!(text.parse::<Circuit>(), Err(CircuitError::Malformed { .. })));
    for damaged in
        ["", "circuits", "circuit\nn0", "circuit\nn0 source c1 : BIGINT", "circuit\nn0 sorce c1 : () key []"]
    {
        assert!(damaged.parse::<Circuit>().is_err(), "{damaged:?}");
    }
}
