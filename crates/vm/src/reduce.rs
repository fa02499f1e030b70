//! Reduce: one row a group, made of the group's columns and its aggregates.
//!
//! COUNT, SUM and AVG are linear in the weights (`accumulate`); MIN and MAX are not (`extremes`). The state
//! is one row a group: how many rows it has, and one value a slot ([`circuit::ReduceState`]). A step groups
//! the change, looks the touched groups up, and puts out the difference of their rows before and after:
//! whether a group exists is decided by its own count, not by having been touched. The cost is that of the
//! change and one lookup a touched group.
//!
//! An aggregate without GROUP BY has one group, which always exists; the first step makes it.

use std::sync::Arc;

use circuit::{Aggregate, Instruction, ReduceState, Slot};
use expr::{ErrorKind, EvalError};
use zset::{Batch, BatchBuilder, CollectionId, ColumnType, Data, Layout, TraceCursor, Vector};

use crate::accumulate::{Accumulator, counting, results};
use crate::consolidate::row_text;
use crate::context::Context;
use crate::error::Failure;
use crate::extremes::Extreme;
use crate::flow::{Flow, SLICE, gather};
use crate::group::{GroupLayout, Groups};

#[derive(Debug)]
pub(crate) struct Reduce {
    groups: GroupLayout,
    input: Vec<ColumnType>,
    aggregates: Vec<Aggregate>,
    plan: ReduceState,
    extremes: Vec<Extreme>,
    state: CollectionId,
    layout: Arc<Layout>,
    /// Whether there always is exactly one row.
    pub(crate) global: bool,
}

/// Where each group's row lies in the state, if it has one.
type Found<'t> = Vec<Option<(&'t Batch, usize)>>;

/// The groups touched in a step, in the order of their keys: one row of each vector a group.
struct Touched<'t> {
    columns: Vec<Vector>,
    found: Found<'t>,
    old: Vec<Vector>,
    new: Vec<Vector>,
}

impl Reduce {
    /// `layout` is that of the state, and `arrangements` are the traces and layouts that MIN and MAX read.
    pub(crate) fn prepare(
        input: &Instruction,
        key: u32,
        aggregates: &[Aggregate],
        arrangements: Vec<(CollectionId, Arc<Layout>)>,
        (state, layout): (CollectionId, Arc<Layout>),
        global: bool,
    ) -> Reduce {
        let key = key as usize;
        let input = input.schema.columns.clone();
        let extremes =
            arrangements.into_iter().map(|(trace, layout)| Extreme::new(trace, layout, key)).collect();
        let plan = ReduceState::plan(&input, aggregates);
        let groups = GroupLayout::new(&input[..key]);
        Reduce { groups, input, aggregates: aggregates.to_vec(), plan, extremes, state, layout, global }
    }

    /// The change of the groups' rows; the change of the state goes to the context. `changes` are those of
    /// the arrangements.
    pub(crate) fn step(
        &self,
        input: &Flow,
        changes: &[Option<&Batch>],
        context: &mut Context<'_>,
    ) -> Result<Flow, Failure> {
        let mut groups = Groups::new(&self.groups);
        let accumulators = self.accumulate(input, &mut groups, context)?;
        if self.global && context.first {
            groups.add_only_group();
        }
        let order = groups.in_order();
        let key = |row: usize| groups.key(order[row] as usize);
        let columns: Vec<Vector> = groups.columns.iter().map(|column| gather(column, &order)).collect();
        let (found, old) = self.look_up(&key, order.len(), context)?;
        let mut new = Vec::with_capacity(old.len());
        for ((slot, accumulator), old) in self.plan.slots.iter().zip(accumulators).zip(&old) {
            new.push(match slot {
                Slot::Extreme { index, .. } => {
                    let nothing = Batch::empty();
                    let change = changes[*index as usize].unwrap_or(&nothing);
                    self.extremes[*index as usize].advance(slot, &key, old, change, context)?
                }
                _ => accumulator.advance(&order, old).map_err(|row| self.too_large(&columns, row))?,
            });
        }
        let touched = Touched { columns, found, old, new };
        let output = self.difference(&touched)?;
        let state = self.state_change(&touched)?;
        context.remember(self.state, state);
        Ok(output)
    }

    /// Groups the change and adds it up, slot by slot.
    fn accumulate(
        &self,
        input: &Flow,
        groups: &mut Groups<'_>,
        context: &mut Context<'_>,
    ) -> Result<Vec<Accumulator>, Failure> {
        let mut accumulators: Vec<Accumulator> = self.plan.slots.iter().map(Accumulator::new).collect();
        let mut numbers = Vec::with_capacity(SLICE);
        for slice in input.slices() {
            context.check_cancelled()?;
            groups.number(&slice, &mut numbers)?;
            let weights = slice.weights();
            for (accumulator, slot) in accumulators.iter_mut().zip(&self.plan.slots) {
                let (arg, filter) = match slot {
                    Slot::Count { arg, filter } => (*arg, *filter),
                    Slot::Sum { arg, filter } | Slot::FloatSum { arg, filter } => (Some(*arg), *filter),
                    Slot::Extreme { .. } => continue,
                };
                accumulator.grow(groups.len());
                let arg = arg.map(|column| slice.column(column));
                let filter = filter.map(|column| slice.column(column));
                let weights = counting(&weights, filter.as_deref(), arg.as_deref());
                accumulator.add(&numbers, &weights, arg.as_deref());
            }
        }
        accumulators.iter_mut().for_each(|accumulator| accumulator.grow(groups.len().max(1)));
        Ok(accumulators)
    }

    /// The state of the touched groups before the step; a group without a row there has zeros.
    fn look_up<'t, 'k>(
        &self,
        key: &dyn Fn(usize) -> &'k [u8],
        groups: usize,
        context: &Context<'t>,
    ) -> Result<(Found<'t>, Vec<Vector>), Failure> {
        let mut old: Vec<Vector> = self
            .plan
            .slots
            .iter()
            .map(|slot| Vector::with_capacity(slot.column_type().ty.lane(), groups))
            .collect();
        let mut found = Vec::with_capacity(groups);
        let mut cursor = TraceCursor::new(context.traces.runs(self.state));
        let first_slot = self.groups.columns().len() as u32;
        for group in 0..groups {
            if group % SLICE == 0 {
                context.check_cancelled()?;
            }
            cursor.seek_prefix(key(group));
            let row = cursor.next_net()?.map(|(batch, row, _)| (batch, row));
            found.push(row);
            for (column, (vector, slot)) in (first_slot..).zip(old.iter_mut().zip(&self.plan.slots)) {
                match (row, slot) {
                    (Some((batch, row)), _) => self.layout.decode_range(batch, row..row + 1, column, vector),
                    (None, Slot::Extreme { .. }) => vector.push_null(),
                    (None, _) => {
                        vector.data.push_zero();
                        vector.note_valid();
                    }
                }
            }
        }
        Ok((found, old))
    }

    /// The groups' rows after the step less those before; groups whose row stays are left out.
    fn difference(&self, touched: &Touched<'_>) -> Result<Flow, Failure> {
        let groups = touched.found.len();
        let was: Vec<bool> =
            (0..groups).map(|row| self.exists(&touched.old[0], row, touched.found[row].is_some())).collect();
        let is: Vec<bool> = (0..groups).map(|row| self.exists(&touched.new[0], row, true)).collect();
        let before = self.results(touched, &touched.old, &was)?;
        let after = self.results(touched, &touched.new, &is)?;
        let stays = |row: usize| {
            was[row] && is[row] && before.iter().zip(&after).all(|(before, after)| same(before, after, row))
        };
        let pick = |there: &[bool]| -> Vec<u32> {
            (0..groups).filter(|&row| there[row] && !stays(row)).map(|row| row as u32).collect()
        };
        let mut output = Flow::default();
        for (rows, results, weight) in [(pick(&was), &before, -1), (pick(&is), &after, 1)] {
            for rows in rows.chunks(SLICE) {
                let columns =
                    touched.columns.iter().chain(results).map(|column| Arc::new(gather(column, rows)));
                output.push_columns(columns.collect(), vec![weight; rows.len()]);
            }
        }
        Ok(output)
    }

    /// Whether a group has a row in the output, by its count of rows.
    fn exists(&self, counts: &Vector, row: usize, known: bool) -> bool {
        match &counts.data {
            Data::I64(counts) => (self.global && known) || counts[row] > 0,
            _ => false,
        }
    }

    fn results(
        &self,
        touched: &Touched<'_>,
        slots: &[Vector],
        live: &[bool],
    ) -> Result<Vec<Vector>, Failure> {
        let aggregates = self.aggregates.iter().zip(&self.plan.uses);
        aggregates
            .map(|(aggregate, &(value, count))| {
                let arg = aggregate.arg.map(|column| self.input[column as usize].ty);
                results(aggregate, arg, &slots[value], &slots[count], live)
                    .map_err(|source| self.fail(&touched.columns, source))
            })
            .collect()
    }

    /// The groups' states after the step less those before. A group whose sums are all zero has no state.
    fn state_change(&self, touched: &Touched<'_>) -> Result<Batch, Failure> {
        let mut builder = BatchBuilder::new();
        let mut changed: Vec<u32> = Vec::new();
        for (row, found) in touched.found.iter().enumerate() {
            let slots = || touched.old.iter().zip(&touched.new);
            if found.is_some() && slots().all(|(old, new)| same(old, new, row)) {
                continue;
            }
            if let Some((batch, at)) = found {
                builder.push_from(batch, *at, -1)?;
            }
            if self.global || touched.new.iter().any(|slot| !is_zero(slot, row)) {
                changed.push(row as u32);
            }
        }
        let columns: Vec<Vector> =
            touched.columns.iter().chain(&touched.new).map(|column| gather(column, &changed)).collect();
        let refs: Vec<&Vector> = columns.iter().collect();
        self.layout.encode(&refs, changed.len(), &vec![1; changed.len()], &mut builder)?;
        Ok(builder.finish()?)
    }

    fn too_large(&self, columns: &[Vector], row: usize) -> Failure {
        let source = EvalError::new(ErrorKind::NumericOutOfRange, row, "a sum or count is out of range");
        self.fail(columns, source)
    }

    /// The failure of the group at the error's row.
    fn fail(&self, columns: &[Vector], source: EvalError) -> Failure {
        let types = self.groups.columns().iter();
        let values = columns.iter().zip(types).map(|(column, of)| (column.get_as(source.row, of.ty), of.ty));
        Failure::Eval { key: row_text(values), source }
    }
}

/// Whether two columns have the same value in a row.
fn same(left: &Vector, right: &Vector, row: usize) -> bool {
    let valid = left.is_valid(row);
    if valid != right.is_valid(row) {
        return false;
    }
    !valid
        || match (&left.data, &right.data) {
            (Data::Bool(left), Data::Bool(right)) => left[row] == right[row],
            (Data::I64(left), Data::I64(right)) => left[row] == right[row],
            (Data::I128(left), Data::I128(right)) => left[row] == right[row],
            (Data::F64(left), Data::F64(right)) => left[row].to_bits() == right[row].to_bits(),
            (Data::Bytes(left), Data::Bytes(right)) => left.get(row) == right.get(row),
            (Data::Interval(left), Data::Interval(right)) => left[row] == right[row],
            _ => false,
        }
}

/// Whether a slot says nothing of its group.
fn is_zero(slot: &Vector, row: usize) -> bool {
    match &slot.data {
        _ if !slot.is_valid(row) => true,
        // Every value of an extreme says something; counts and sums that are zero don't.
        _ if slot.valid.is_some() => false,
        Data::I64(values) => values[row] == 0,
        Data::I128(values) => values[row] == 0,
        Data::Bytes(values) => values.get(row).is_empty(),
        _ => false,
    }
}
