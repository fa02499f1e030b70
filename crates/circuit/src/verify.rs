//! Checks that a circuit or a program is well formed: everything that the virtual machine relies on.
//!
//! An instruction is the operator it carries out, with registers for nodes ([`Action::as_op`]), so that the
//! types are checked by one set of rules for both.

use std::collections::BTreeSet;

use expr::Expr;
use zset::{CollectionId, ColumnType, Datum, Lane, Schema, Type};

use crate::aggregate::{Aggregate, AggregateKind};
use crate::error::CircuitError;
use crate::graph::{Circuit, NodeId, Op};
use crate::isa::{Action, Program, VERSION};

impl Circuit {
    /// Checks every node: inputs come before it and their types are the ones used, keys are columns, joined
    /// keys have equal types, what is read as a trace is one, and no two nodes write the same collection.
    pub fn verify(&self) -> Result<(), CircuitError> {
        let mut written = BTreeSet::new();
        for (id, node) in self.nodes() {
            let before = |input: NodeId| self.get(input).filter(|_| input < id).map(|node| &node.schema);
            let arranged =
                |input: NodeId| matches!(self.node(input).op, Op::Arrange { .. } | Op::Source { .. });
            let checked = check(&node.op, &node.schema, &before, &arranged)
                .and_then(|()| self.check_view_source(id, &node.op, &node.schema))
                .and_then(|()| check_written(&mut written, node.op.collection()));
            checked.map_err(|message| CircuitError::Malformed {
                place: format!("{id} {}", node.op.name()),
                message,
            })?;
        }
        Ok(())
    }

    /// A source of a view that is kept here takes the sink's change as it is.
    fn check_view_source(&self, id: NodeId, op: &Op, schema: &Schema) -> Result<(), String> {
        let Op::Source { collection } = op else { return Ok(()) };
        let Some(sink) = self.sink_of(*collection) else { return Ok(()) };
        require(sink < id, || format!("view {collection} is made by {sink}, after it is read"))?;
        require(self.node(sink).schema == *schema, || {
            format!("view {collection} has another schema at {sink}")
        })
    }
}

impl Program {
    /// Checks the version and every instruction: registers are made once, in order, before they are read,
    /// with the types used; traces belong to the registers they are named with; collections are written once.
    pub fn verify(&self) -> Result<(), CircuitError> {
        let malformed = |place: String, message: String| CircuitError::Malformed { place, message };
        if self.version != VERSION {
            let message = format!("version {} of the instruction set, not {VERSION}", self.version);
            return Err(malformed("program".to_string(), message));
        }
        let mut written = BTreeSet::new();
        for (index, instruction) in self.instructions.iter().enumerate() {
            let before = |id: NodeId| {
                self.instructions
                    .get(id.0 as usize)
                    .filter(|_| (id.0 as usize) < index)
                    .map(|made| &made.schema)
            };
            let arranged = |id: NodeId| self.collection_in(id.0).is_some();
            let op = instruction.action.as_op();
            let in_order =
                require(instruction.out.0 as usize == index, || format!("register r{index} is due"));
            let checked = in_order
                .and_then(|()| check(&op, &instruction.schema, &before, &arranged))
                .and_then(|()| self.check_traces(&instruction.action))
                .and_then(|()| check_written(&mut written, op.collection()));
            checked.map_err(|message| {
                malformed(format!("{} {}", instruction.out, instruction.action.name()), message)
            })?;
        }
        Ok(())
    }

    /// The collection whose change a register holds, sorted.
    fn collection_in(&self, register: u32) -> Option<CollectionId> {
        match self.instructions.get(register as usize)?.action {
            Action::LoadDelta { collection } => Some(collection),
            Action::Integrate { trace, .. } => Some(trace),
            Action::Store { view, .. } => Some(view),
            _ => None,
        }
    }

    fn check_traces(&self, action: &Action) -> Result<(), String> {
        let belongs = |(register, trace): (u32, CollectionId)| {
            require(self.collection_in(register) == Some(trace), || {
                format!("r{register} is not the change of {trace}")
            })
        };
        match action {
            Action::Join { left, left_trace, right, right_trace, .. } => {
                belongs((left.0, *left_trace)).and_then(|()| belongs((right.0, *right_trace)))
            }
            Action::Distinct { input, trace } => belongs((input.0, *trace)),
            Action::Reduce { extremes, .. } => {
                extremes.iter().try_for_each(|(reg, trace)| belongs((reg.0, *trace)))
            }
            _ => Ok(()),
        }
    }
}

/// Checks one operator: `before` gives the schema of an input if it comes earlier, `arranged` whether an
/// input is sorted and has a trace.
fn check<'a>(
    op: &Op,
    schema: &Schema,
    before: &dyn Fn(NodeId) -> Option<&'a Schema>,
    arranged: &dyn Fn(NodeId) -> bool,
) -> Result<(), String> {
    let inputs = op.inputs();
    let inputs: Vec<&Schema> = inputs
        .iter()
        .map(|&id| before(id).ok_or_else(|| format!("input {} does not come before it", id.0)))
        .collect::<Result<_, _>>()?;
    check_key(schema)?;
    let columns = &schema.columns;
    match op {
        Op::Source { .. } => Ok(()),
        Op::Constant { rows } => rows.iter().try_for_each(|row| check_row(row, columns)),
        Op::Filter { predicate, .. } => {
            check_same(columns, &inputs[0].columns)?;
            check_condition(predicate, &inputs[0].columns)
        }
        Op::Map { exprs, .. } => check_exprs(exprs, &inputs[0].columns, columns),
        Op::Union { .. } => inputs.iter().try_for_each(|input| check_fits(&input.columns, columns)),
        Op::Negate { .. } | Op::Arrange { .. } | Op::Sink { .. } => check_same(columns, &inputs[0].columns),
        Op::Distinct { input } => {
            require(arranged(*input), || "its input has no trace".into())?;
            check_same(columns, &inputs[0].columns)
        }
        Op::Join { left, right, key, residual, exprs } => {
            require(arranged(*left) && arranged(*right), || "an input has no trace".into())?;
            check_join_key(inputs[0], inputs[1], *key as usize)?;
            let both: Vec<ColumnType> = inputs[0].columns.iter().chain(&inputs[1].columns).copied().collect();
            residual.iter().try_for_each(|residual| check_condition(residual, &both))?;
            check_exprs(exprs, &both, columns)
        }
        Op::Reduce { key, aggregates, extremes, global, .. } => {
            require(extremes.iter().all(|&id| arranged(id)), || "an arrangement has no trace".into())?;
            require(!global || *key == 0, || "a global aggregate has no group".into())?;
            check_reduce(&inputs, *key as usize, aggregates, columns)
        }
    }
}

fn check_key(schema: &Schema) -> Result<(), String> {
    let distinct: BTreeSet<u32> = schema.key.iter().copied().collect();
    require(distinct.len() == schema.key.len(), || "a column is twice in the key".into())?;
    let width = schema.columns.len();
    require(schema.key.iter().all(|&column| (column as usize) < width), || {
        "a key column does not exist".into()
    })
}

fn check_written(written: &mut BTreeSet<CollectionId>, id: Option<CollectionId>) -> Result<(), String> {
    id.map_or(Ok(()), |id| require(written.insert(id), || format!("{id} is written twice")))
}

fn check_same(columns: &[ColumnType], input: &[ColumnType]) -> Result<(), String> {
    require(columns == input, || "its columns are not its input's".into())
}

/// Values in the lanes of their columns.
fn check_row(row: &[Datum], columns: &[ColumnType]) -> Result<(), String> {
    let fits = |(value, column): (&Datum, &ColumnType)| match value.lane() {
        None => column.nullable,
        Some(Lane::I64) if column.ty.lane() == Lane::I128 => true,
        Some(lane) => lane == column.ty.lane(),
    };
    let fitting = row.len() == columns.len() && row.iter().zip(columns).all(fits);
    require(fitting, || "a row's values are not of its columns' types".into())
}

/// The same types, and nothing nullable where it must not be.
fn check_fits(from: &[ColumnType], to: &[ColumnType]) -> Result<(), String> {
    let fits = from.len() == to.len()
        && from.iter().zip(to).all(|(from, to)| from.ty == to.ty && (to.nullable || !from.nullable));
    require(fits, || "columns of other types".into())
}

fn check_condition(expr: &Expr, input: &[ColumnType]) -> Result<(), String> {
    require(expr.column_type().ty == Type::Bool, || "the condition is not a boolean".into())?;
    check_columns(expr, input)
}

fn check_exprs(exprs: &[Expr], input: &[ColumnType], output: &[ColumnType]) -> Result<(), String> {
    let types: Vec<ColumnType> = exprs.iter().map(Expr::column_type).collect();
    require(types == output, || "the expressions have other types than the columns".into())?;
    exprs.iter().try_for_each(|expr| check_columns(expr, input))
}

fn check_columns(expr: &Expr, input: &[ColumnType]) -> Result<(), String> {
    let mut wrong = None;
    expr.visit(&mut |part| {
        if let Expr::Column { index, ty } = part {
            let known = input.get(*index as usize);
            if !known.is_some_and(|known| known.ty == ty.ty && (ty.nullable || !known.nullable)) {
                wrong = Some(*index);
            }
        }
    });
    wrong.map_or(Ok(()), |index| Err(format!("column {index} does not exist, or has another type")))
}

fn check_join_key(left: &Schema, right: &Schema, key: usize) -> Result<(), String> {
    require(key <= left.key.len() && key <= right.key.len(), || "a side has fewer key columns".into())?;
    let types = |schema: &Schema| -> Vec<Type> {
        schema.key[..key].iter().map(|&column| schema.columns[column as usize].ty).collect()
    };
    require(types(left) == types(right), || "the keys have different types".into())
}

fn check_reduce(
    inputs: &[&Schema],
    key: usize,
    aggregates: &[Aggregate],
    output: &[ColumnType],
) -> Result<(), String> {
    let columns = &inputs[0].columns;
    require(key <= columns.len(), || "more group columns than columns".into())?;
    let types: Vec<ColumnType> =
        columns[..key].iter().copied().chain(aggregates.iter().map(|aggregate| aggregate.ty)).collect();
    require(types == output, || "its columns are not group and aggregates".into())?;
    aggregates.iter().try_for_each(|aggregate| check_aggregate(aggregate, columns))?;
    let extremes: Vec<&Aggregate> = aggregates.iter().filter(|a| a.kind.is_extreme()).collect();
    require(extremes.len() == inputs.len() - 1, || "an arrangement for each MIN and MAX is needed".into())?;
    for (aggregate, arranged) in extremes.iter().zip(&inputs[1..]) {
        let mut expected: Vec<Type> = columns[..key].iter().map(|column| column.ty).collect();
        expected.push(aggregate.ty.ty);
        let in_order = arranged.key.iter().copied().eq(0..expected.len() as u32);
        let types: Vec<Type> = arranged.columns.iter().map(|column| column.ty).collect();
        require(in_order && types == expected, || "an arrangement is not by group and value".into())?;
    }
    Ok(())
}

fn check_aggregate(aggregate: &Aggregate, input: &[ColumnType]) -> Result<(), String> {
    let column =
        |index: u32| input.get(index as usize).copied().ok_or("an aggregate's column does not exist");
    if let Some(filter) = aggregate.filter {
        require(column(filter)?.ty == Type::Bool, || "an aggregate's filter is not a boolean".into())?;
    }
    let Some(arg) = aggregate.arg else {
        return require(aggregate.kind == AggregateKind::CountStar, || {
            "an aggregate lacks its argument".into()
        });
    };
    let (arg, result) = (column(arg)?.ty, aggregate.ty.ty);
    let fits = match aggregate.kind {
        AggregateKind::CountStar => false,
        AggregateKind::Count => true,
        AggregateKind::Min | AggregateKind::Max => arg == result,
        AggregateKind::Sum => match (arg, result) {
            (Type::Decimal { scale: from, .. }, Type::Decimal { scale: to, .. }) => from == to,
            _ => (is_integer(arg) && is_integer(result)) || (is_float(arg) && is_float(result)),
        },
        AggregateKind::Avg => match (arg, result) {
            (Type::Decimal { scale: from, .. }, Type::Decimal { scale: to, .. }) => from <= to,
            _ => (is_integer(arg) || is_float(arg)) && is_float(result),
        },
    };
    let counts = matches!(aggregate.kind, AggregateKind::Count | AggregateKind::CountStar);
    require(fits && (!counts || is_integer(result)), || {
        format!("{} of {arg} can't be {result}", aggregate.kind)
    })
}

fn is_integer(ty: Type) -> bool {
    matches!(ty, Type::Int16 | Type::Int32 | Type::Int64)
}

fn is_float(ty: Type) -> bool {
    matches!(ty, Type::Float32 | Type::Float64)
}

fn require(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}
