//! Random circuits over random tables, with random changes to all of them.

use std::collections::BTreeMap;

use circuit::{Aggregate, AggregateKind, Circuit, NodeId, optimize};
use expr::{BinaryOp, Expr, UnaryOp};
use zset::{CollectionId, ColumnType, Datum, Schema, Type};

use crate::oracle::{Row, Set};
use crate::random::Random;
use crate::world::World;

const TYPES: [Type; 9] = [
    Type::Int64,
    Type::Int64,
    Type::Int32,
    Type::Text,
    Type::Bool,
    Type::Float64,
    Type::Date,
    Type::Decimal { precision: 10, scale: 2 },
    Type::Decimal { precision: 30, scale: 2 },
];

/// A value of few possible ones, so that rows meet.
fn datum(random: &mut Random, column: ColumnType) -> Datum {
    if column.nullable && random.once_in(4) {
        return Datum::Null;
    }
    let small = random.below(5) as i64;
    match column.ty {
        Type::Bool => Datum::Bool(small > 2),
        Type::Text => Datum::Text(["", "a", "ab", "b\0c", "zzzzzzzzzzzzzzzzzz"][small as usize].to_string()),
        Type::Float64 => Datum::Float([0.0, 1.5, -2.25, 0.125, 1e6][small as usize]),
        Type::Decimal { precision: 30.., .. } => Datum::Wide(i128::from(small - 2) * 10i128.pow(20) + 7),
        Type::Decimal { .. } => Datum::Int((small - 2) * 125 + 1),
        _ => Datum::Int(small - 1),
    }
}

fn tables(random: &mut Random, circuit: &mut Circuit) -> Vec<(CollectionId, NodeId)> {
    (0..2 + random.below(2))
        .map(|index| {
            let columns: Vec<ColumnType> = (0..2 + random.below(4))
                .map(|_| ColumnType { ty: *random.pick(&TYPES), nullable: random.once_in(2) })
                .collect();
            let mut key: Vec<u32> = (0..columns.len() as u32).filter(|_| random.once_in(2)).collect();
            if random.once_in(2) {
                key.reverse();
            }
            let id = CollectionId(index as u32 + 1);
            (id, circuit.source(id, Schema::new(columns, key)))
        })
        .collect()
}

fn condition(random: &mut Random, columns: &[ColumnType]) -> Expr {
    let index = random.below(columns.len());
    let column = Expr::Column { index: index as u32, ty: columns[index] };
    match random.below(6) {
        0 => Expr::unary(*random.pick(&[UnaryOp::IsNull, UnaryOp::IsNotNull]), column),
        1 => Expr::And(vec![condition(random, columns), condition(random, columns)]),
        2 => Expr::Or(vec![condition(random, columns), condition(random, columns)]),
        _ => {
            let ops = [BinaryOp::Eq, BinaryOp::NotEq, BinaryOp::Lt, BinaryOp::GtEq];
            let value = datum(random, ColumnType { nullable: false, ..columns[index] });
            Expr::compare(*random.pick(&ops), column, Expr::literal(value, columns[index].ty))
        }
    }
}

/// Columns in any order, some computed.
fn outputs(random: &mut Random, columns: &[ColumnType]) -> Vec<Expr> {
    (0..1 + random.below(columns.len().min(5)))
        .map(|_| {
            let index = random.below(columns.len());
            let column = Expr::Column { index: index as u32, ty: columns[index] };
            match random.below(8) {
                0 if columns[index].ty == Type::Int64 => {
                    let one = Expr::literal(Datum::Int(1), Type::Int64);
                    Expr::binary(BinaryOp::Add, column, one, Type::Int64)
                }
                1 => Expr::unary(UnaryOp::IsNull, column),
                2 => Expr::literal(datum(random, columns[index]), columns[index].ty),
                _ => column,
            }
        })
        .collect()
}

fn join(random: &mut Random, circuit: &mut Circuit, left: NodeId, right: NodeId) -> NodeId {
    let (lefts, rights) = (circuit.columns(left).to_vec(), circuit.columns(right).to_vec());
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for (a, from) in lefts.iter().enumerate() {
        for (b, to) in rights.iter().enumerate() {
            let free = pairs.iter().all(|&(x, y)| x != a as u32 && y != b as u32);
            if from.ty == to.ty && free && pairs.len() < 2 && !random.once_in(3) {
                pairs.push((a as u32, b as u32));
            }
        }
    }
    if pairs.is_empty() && !random.once_in(4) {
        return left;
    }
    let both: Vec<ColumnType> = lefts.iter().chain(&rights).copied().collect();
    let residual = random.once_in(3).then(|| condition(random, &both));
    let exprs = outputs(random, &both);
    let (left_key, right_key): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
    circuit.join((left, &left_key), (right, &right_key), residual, exprs)
}

fn aggregate(random: &mut Random, columns: &[ColumnType]) -> Option<Aggregate> {
    let (kind, _) = *random.pick(&AggregateKind::ALL);
    let arg = random.below(columns.len()) as u32;
    let of = columns[arg as usize].ty;
    let nullable = |ty| ColumnType { ty, nullable: true };
    let ty = match (kind, of) {
        (AggregateKind::CountStar | AggregateKind::Count, _) => ColumnType::required(Type::Int64),
        (AggregateKind::Min | AggregateKind::Max, of) => nullable(of),
        (AggregateKind::Sum, Type::Int64 | Type::Int32) => nullable(Type::Int64),
        (AggregateKind::Avg, Type::Int64 | Type::Int32) => nullable(Type::Float64),
        (_, Type::Float64) => nullable(Type::Float64),
        (AggregateKind::Sum, Type::Decimal { scale, .. }) => nullable(Type::Decimal { precision: 38, scale }),
        (AggregateKind::Avg, Type::Decimal { scale, .. }) => {
            nullable(Type::Decimal { precision: 38, scale: scale + 4 })
        }
        _ => return None,
    };
    let filters: Vec<u32> =
        (0..columns.len() as u32).filter(|&c| columns[c as usize].ty == Type::Bool).collect();
    let filter = if filters.is_empty() || random.once_in(2) { None } else { Some(*random.pick(&filters)) };
    let arg = (kind != AggregateKind::CountStar).then_some(arg);
    Some(Aggregate { kind, arg, filter, ty })
}

fn circuit(random: &mut Random) -> (Circuit, Vec<(CollectionId, NodeId)>) {
    let mut circuit = Circuit::new();
    let tables = tables(random, &mut circuit);
    let mut nodes: Vec<NodeId> = tables.iter().map(|&(_, node)| node).collect();
    let mut joins = 0;
    for _ in 0..2 + random.below(7) {
        let input = nodes[nodes.len() - 1 - random.below(nodes.len().min(3))];
        let columns = circuit.columns(input).to_vec();
        let made = match random.below(10) {
            0 | 1 => {
                let predicate = condition(random, &columns);
                circuit.filter(input, predicate)
            }
            2 | 3 => {
                let exprs = outputs(random, &columns);
                circuit.map(input, exprs)
            }
            4 => {
                let types = |id: NodeId| circuit.columns(id).iter().map(|c| c.ty).collect::<Vec<_>>();
                let fitting: Vec<NodeId> =
                    nodes.iter().copied().filter(|&n| types(n) == types(input)).collect();
                let other = *random.pick(&fitting);
                let other = if random.once_in(3) { circuit.negate(other) } else { other };
                circuit.union(vec![input, other])
            }
            5 => circuit.distinct(input),
            6 | 7 if joins < 3 => {
                joins += 1;
                let other = *random.pick(&nodes);
                join(random, &mut circuit, input, other)
            }
            8 if random.once_in(2) => {
                let sink = circuit.sink(input, &[0]);
                let view = circuit.node(sink).op.collection().unwrap();
                let schema = circuit.node(sink).schema.clone();
                circuit.source(view, schema)
            }
            _ => {
                let aggregates: Vec<Aggregate> = (0..4).filter_map(|_| aggregate(random, &columns)).collect();
                let key = random.below(columns.len().min(3)) as u32;
                circuit.reduce(input, key, aggregates, key == 0 && random.once_in(2))
            }
        };
        if !circuit.columns(made).is_empty() {
            nodes.push(made);
        }
    }
    for _ in 0..1 + random.below(2) {
        let input = nodes[nodes.len() - 1 - random.below(nodes.len().min(2))];
        let key: Vec<u32> = (0..circuit.columns(input).len() as u32).filter(|_| random.once_in(2)).collect();
        circuit.sink(input, &key);
    }
    (circuit, tables)
}

/// Changes of all tables: new rows, again the same, some of the old taken back, none below zero.
fn changes(
    random: &mut Random,
    circuit: &Circuit,
    tables: &[(CollectionId, NodeId)],
    contents: &BTreeMap<CollectionId, Set>,
) -> Vec<(CollectionId, Vec<(Row, i64)>)> {
    tables
        .iter()
        .map(|&(table, node)| {
            let mut rows: Vec<(Row, i64)> = Vec::new();
            let old = contents.get(&table).cloned().unwrap_or_default();
            for (row, weight) in old {
                if random.once_in(3) {
                    rows.push((row, -(1 + random.below(weight as usize) as i64)));
                }
            }
            for _ in 0..[0, 1, 3, 8][random.below(4)] {
                let row: Row = circuit.columns(node).iter().map(|&column| datum(random, column)).collect();
                rows.push((row, 1 + random.below(3) as i64 / 2));
            }
            (table, rows)
        })
        .collect()
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let (original, tables) = circuit(&mut random);
    original.verify().unwrap_or_else(|error| panic!("seed {seed}: {error}\n{original}"));
    let optimized = optimize(&original);
    let mut world = World::new(if random.once_in(3) { original.clone() } else { optimized });
    for epoch in 0..8 {
        let changes = changes(&mut random, &original, &tables, &world.tables);
        let context = format!("seed {seed}, epoch {epoch}\n{original}\nas\n{}", world.circuit);
        world.step(&changes).unwrap_or_else(|error| panic!("{error}: {context}"));
        world.check(&original, &context);
    }
}

#[test]
fn random_circuits_equal_their_definition() {
    let first = std::env::var("VM_SEED").ok().and_then(|seed| seed.parse().ok());
    match first {
        Some(seed) => run(seed),
        None => (0..4000).for_each(run),
    }
}

#[test]
fn random_circuits_and_programs_survive_their_text() {
    for seed in 0..500 {
        let (original, _) = circuit(&mut Random::new(seed));
        for circuit in [optimize(&original), original] {
            let text = circuit.to_string();
            let read: Circuit = text.parse().unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            assert_eq!(read, circuit, "seed {seed}");
            assert_eq!(read.to_string(), text);
            let program = circuit::lower(&circuit).unwrap();
            let text = program.to_string();
            let read: circuit::Program =
                text.parse().unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            assert_eq!(read, program, "seed {seed}");
        }
    }
}
