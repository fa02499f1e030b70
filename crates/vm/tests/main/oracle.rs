//! The definition of each operator, over maps from rows to weights. Nothing here is incremental or fast.

use std::collections::BTreeMap;

use circuit::{Aggregate, AggregateKind, Circuit, NodeId, Op};
use expr::{BinaryOp, Expr, UnaryOp};
use zset::{CollectionId, ColumnType, Datum, Type};

pub(crate) type Row = Vec<Datum>;
pub(crate) type Set = BTreeMap<Row, i64>;

/// The contents of a node, given the contents of every source.
pub(crate) fn evaluate(circuit: &Circuit, id: NodeId, tables: &BTreeMap<CollectionId, Set>) -> Set {
    let of = |input: NodeId| evaluate(circuit, input, tables);
    let node = circuit.node(id);
    match &node.op {
        Op::Source { collection } => match circuit.sink_of(*collection) {
            Some(sink) => of(sink),
            None => tables.get(collection).cloned().unwrap_or_default(),
        },
        Op::Constant { rows } => sum(rows.iter().map(|row| (row.clone(), 1))),
        Op::Filter { input, predicate } => {
            sum(of(*input).into_iter().filter(|(row, _)| value(predicate, row) == Datum::Bool(true)))
        }
        Op::Map { input, exprs } => sum(of(*input).iter().map(|(row, &weight)| (values(exprs, row), weight))),
        Op::Union { inputs } => sum(inputs.iter().flat_map(|&input| of(input))),
        Op::Negate { input } => sum(of(*input).into_iter().map(|(row, weight)| (row, -weight))),
        Op::Arrange { input, .. } | Op::Sink { input, .. } => of(*input),
        Op::Join { left, right, key, residual, exprs } => {
            let keys = [*left, *right].map(|side| circuit.node(side).schema.key[..*key as usize].to_vec());
            let rights = of(*right);
            let mut pairs = Vec::new();
            for (l, weight) in of(*left) {
                for (r, other) in &rights {
                    let equal = keys[0].iter().zip(&keys[1]).all(|(&a, &b)| {
                        let (a, b) = (&l[a as usize], &r[b as usize]);
                        !a.is_null() && a == b
                    });
                    let both: Row = l.iter().chain(r).cloned().collect();
                    if equal
                        && residual
                            .as_ref()
                            .is_none_or(|residual| value(residual, &both) == Datum::Bool(true))
                    {
                        pairs.push((values(exprs, &both), weight * other));
                    }
                }
            }
            sum(pairs)
        }
        Op::Distinct { input } => {
            of(*input).into_iter().filter(|&(_, w)| w > 0).map(|(row, _)| (row, 1)).collect()
        }
        Op::Reduce { input, key, aggregates, global, .. } => {
            let rows = of(*input);
            reduce(&rows, *key as usize, aggregates, *global, circuit.columns(*input))
        }
    }
}

pub(crate) fn sum(rows: impl IntoIterator<Item = (Row, i64)>) -> Set {
    let mut set = Set::new();
    for (row, weight) in rows {
        *set.entry(row).or_default() += weight;
    }
    set.retain(|_, weight| *weight != 0);
    set
}

fn reduce(rows: &Set, key: usize, aggregates: &[Aggregate], global: bool, columns: &[ColumnType]) -> Set {
    let mut groups: BTreeMap<Row, Vec<(&Row, i64)>> = BTreeMap::new();
    for (row, &weight) in rows {
        groups.entry(row[..key].to_vec()).or_default().push((row, weight));
    }
    if global {
        groups.entry(Vec::new()).or_default();
    }
    let exists = |rows: &[(&Row, i64)]| global || rows.iter().map(|(_, weight)| weight).sum::<i64>() > 0;
    groups
        .into_iter()
        .filter(|(_, rows)| exists(rows))
        .map(|(mut group, rows)| {
            group.extend(aggregates.iter().map(|aggregate| aggregated(aggregate, &rows, columns)));
            (group, 1)
        })
        .collect()
}

fn aggregated(aggregate: &Aggregate, rows: &[(&Row, i64)], columns: &[ColumnType]) -> Datum {
    let counts = |row: &Row| {
        aggregate.filter.is_none_or(|filter| row[filter as usize] == Datum::Bool(true))
            && aggregate.arg.is_none_or(|arg| !row[arg as usize].is_null())
    };
    let rows: Vec<(&Row, i64)> = rows.iter().copied().filter(|(row, _)| counts(row)).collect();
    let count: i64 = rows.iter().map(|(_, weight)| weight).sum();
    let Some(arg) = aggregate.arg else { return Datum::Int(count) };
    let arg_type = columns[arg as usize].ty;
    let args = sum(rows.iter().map(|(row, weight)| (vec![row[arg as usize].clone()], *weight)));
    let live = || args.iter().filter(|&(_, &weight)| weight > 0).map(|(row, _)| row[0].clone());
    let exact: i128 = args.iter().map(|(row, &weight)| integer(&row[0]) * i128::from(weight)).sum();
    // Test data are multiples of 1/8, whose sums are exact.
    let float: f64 = args.iter().map(|(row, &weight)| float(&row[0]) * weight as f64).sum();
    match aggregate.kind {
        AggregateKind::Count => Datum::Int(count),
        AggregateKind::Min => live().min().unwrap_or(Datum::Null),
        AggregateKind::Max => live().max().unwrap_or(Datum::Null),
        _ if count <= 0 => Datum::Null,
        AggregateKind::Sum if is_float(arg_type) => Datum::Float(float),
        AggregateKind::Avg if is_float(arg_type) => Datum::Float(float / count as f64),
        AggregateKind::Sum => number(exact, aggregate.ty.ty),
        _ => match (arg_type, aggregate.ty.ty) {
            (Type::Decimal { scale: from, .. }, Type::Decimal { scale: to, .. }) => {
                let scaled = exact * 10i128.pow(u32::from(to - from));
                let count = i128::from(count);
                // Half away from zero: add half a count in the direction of the sum.
                number((2 * scaled + scaled.signum() * count) / (2 * count), aggregate.ty.ty)
            }
            _ => Datum::Float(exact as f64 / count as f64),
        },
    }
}

fn is_float(ty: Type) -> bool {
    matches!(ty, Type::Float32 | Type::Float64)
}

fn integer(value: &Datum) -> i128 {
    match value {
        Datum::Int(value) => i128::from(*value),
        Datum::Wide(value) => *value,
        _ => 0,
    }
}

fn float(value: &Datum) -> f64 {
    if let Datum::Float(value) = value { *value } else { 0.0 }
}

fn number(value: i128, ty: Type) -> Datum {
    if ty.lane() == zset::Lane::I128 { Datum::Wide(value) } else { Datum::Int(i64::try_from(value).unwrap()) }
}

fn values(exprs: &[Expr], row: &Row) -> Row {
    exprs.iter().map(|expr| value(expr, row)).collect()
}

/// The few expressions that the generator makes.
fn value(expr: &Expr, row: &Row) -> Datum {
    match expr {
        Expr::Column { index, .. } => row[*index as usize].clone(),
        Expr::Literal { value, .. } => value.clone(),
        Expr::Unary { op: UnaryOp::IsNull, arg } => Datum::Bool(value(arg, row).is_null()),
        Expr::Unary { op: UnaryOp::IsNotNull, arg } => Datum::Bool(!value(arg, row).is_null()),
        Expr::And(terms) => logic(terms, row, false),
        Expr::Or(terms) => logic(terms, row, true),
        Expr::Binary { op, left, right, .. } => {
            let (left, right) = (value(left, row), value(right, row));
            if left.is_null() || right.is_null() {
                return Datum::Null;
            }
            let order = left.cmp(&right);
            match op {
                BinaryOp::Add => Datum::Int(integer(&left) as i64 + integer(&right) as i64),
                BinaryOp::Div => Datum::Int((integer(&left) / integer(&right)) as i64),
                BinaryOp::Eq => Datum::Bool(order.is_eq()),
                BinaryOp::NotEq => Datum::Bool(order.is_ne()),
                BinaryOp::Lt => Datum::Bool(order.is_lt()),
                BinaryOp::GtEq => Datum::Bool(order.is_ge()),
                other => panic!("{other:?} is not generated"),
            }
        }
        other => panic!("{other:?} is not generated"),
    }
}

fn logic(terms: &[Expr], row: &Row, decisive: bool) -> Datum {
    let values: Vec<Datum> = terms.iter().map(|term| value(term, row)).collect();
    match values {
        values if values.contains(&Datum::Bool(decisive)) => Datum::Bool(decisive),
        values if values.contains(&Datum::Null) => Datum::Null,
        _ => Datum::Bool(!decisive),
    }
}
