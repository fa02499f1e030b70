//! Aggregates, and the state that keeps them fresh.
//!
//! COUNT, SUM and AVG are linear: the state of a group is a few sums, and a change adds to them. MIN and MAX
//! are not: they read the first or last live value of an arrangement by (group, value), and the state
//! remembers only the value that is current. The state of a group is one row of an ordinary Z-set, keyed by
//! the group. Several aggregates share what they have in common: `sum(x)` and `avg(x)` keep one sum.

use std::fmt;

use zset::{ColumnType, Schema, Type};

/// What an aggregate computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateKind {
    /// Number of rows.
    CountStar,
    /// Number of rows whose argument is not NULL.
    Count,
    /// Sum of the arguments that are not NULL; NULL if there is none.
    Sum,
    /// Mean of the arguments that are not NULL; NULL if there is none.
    Avg,
    /// Least argument that is not NULL; NULL if there is none.
    Min,
    /// Greatest argument that is not NULL; NULL if there is none.
    Max,
}

impl AggregateKind {
    /// Every kind, with the word for it in the text form.
    pub const ALL: [(AggregateKind, &'static str); 6] = [
        (AggregateKind::CountStar, "count_star"),
        (AggregateKind::Count, "count"),
        (AggregateKind::Sum, "sum"),
        (AggregateKind::Avg, "avg"),
        (AggregateKind::Min, "min"),
        (AggregateKind::Max, "max"),
    ];

    /// Whether it reads an arrangement by (group, value).
    pub fn is_extreme(self) -> bool {
        matches!(self, AggregateKind::Min | AggregateKind::Max)
    }
}

impl fmt::Display for AggregateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(kind, _)| kind == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

/// One aggregate of a [`Reduce`](crate::Op::Reduce).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// What it computes.
    pub kind: AggregateKind,
    /// The input column it is computed from; none for `COUNT(*)`.
    pub arg: Option<u32>,
    /// A boolean input column: only rows where it is true count (SQL's `FILTER (WHERE …)`).
    pub filter: Option<u32>,
    /// The type of the result.
    pub ty: ColumnType,
}

/// One remembered quantity of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Number of rows that pass the filter and whose argument, where there is one, is not NULL.
    Count {
        /// The input column that must not be NULL.
        arg: Option<u32>,
        /// The boolean input column that must be true.
        filter: Option<u32>,
    },
    /// Exact sum of an integer or decimal column, unscaled.
    Sum {
        /// The summed input column.
        arg: u32,
        /// The boolean input column that must be true.
        filter: Option<u32>,
    },
    /// Exact sum of a floating-point column, as the bytes of a superaccumulator.
    FloatSum {
        /// The summed input column.
        arg: u32,
        /// The boolean input column that must be true.
        filter: Option<u32>,
    },
    /// The current MIN or MAX.
    Extreme {
        /// Position among the aggregates that are MIN or MAX: the index into the reduce's arrangements.
        index: u32,
        /// Whether the greatest value is kept, not the least.
        greatest: bool,
        /// The type of the value.
        ty: Type,
    },
}

/// Which slots the state of a group has, and which of them each aggregate is computed from.
///
/// The state's columns are the group's columns, then one column a slot. Slot 0 always counts the group's
/// rows: a group exists while that is positive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReduceState {
    /// The slots, without duplicates.
    pub slots: Vec<Slot>,
    /// For each aggregate, the slot of its value and the slot that says how many values went in (0 values:
    /// the result is NULL). For counts and extremes the two are equal.
    pub uses: Vec<(usize, usize)>,
}

impl ReduceState {
    /// Plans the state of `aggregates` over an input with these columns.
    pub fn plan(input: &[ColumnType], aggregates: &[Aggregate]) -> ReduceState {
        let mut state =
            ReduceState { slots: vec![Slot::Count { arg: None, filter: None }], uses: Vec::new() };
        let mut extremes = 0;
        for aggregate in aggregates {
            let counted =
                aggregate.arg.filter(|&arg| input.get(arg as usize).is_none_or(|column| column.nullable));
            let count = Slot::Count { arg: counted, filter: aggregate.filter };
            let arg = aggregate.arg.unwrap_or_default();
            let used = match aggregate.kind {
                AggregateKind::CountStar | AggregateKind::Count => {
                    let slot = state.slot(count);
                    (slot, slot)
                }
                AggregateKind::Sum | AggregateKind::Avg => {
                    let ty = input.get(arg as usize).map(|column| column.ty);
                    let sum = match ty {
                        Some(Type::Float32 | Type::Float64) => {
                            Slot::FloatSum { arg, filter: aggregate.filter }
                        }
                        _ => Slot::Sum { arg, filter: aggregate.filter },
                    };
                    (state.slot(sum), state.slot(count))
                }
                AggregateKind::Min | AggregateKind::Max => {
                    let greatest = aggregate.kind == AggregateKind::Max;
                    let slot = state.slot(Slot::Extreme { index: extremes, greatest, ty: aggregate.ty.ty });
                    extremes += 1;
                    (slot, slot)
                }
            };
            state.uses.push(used);
        }
        state
    }

    /// The schema of the state's collection: keyed by the group.
    pub fn schema(&self, group: &[ColumnType]) -> Schema {
        let columns = group.iter().copied().chain(self.slots.iter().map(Slot::column_type)).collect();
        Schema { columns, key: (0..group.len() as u32).collect() }
    }

    fn slot(&mut self, slot: Slot) -> usize {
        match self.slots.iter().position(|known| *known == slot) {
            Some(index) => index,
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        }
    }
}

impl Slot {
    /// The type of the slot's column in the state.
    pub fn column_type(&self) -> ColumnType {
        match self {
            Slot::Count { .. } => ColumnType { ty: Type::Int64, nullable: false },
            Slot::Sum { .. } => ColumnType { ty: Type::Decimal { precision: 38, scale: 0 }, nullable: false },
            Slot::FloatSum { .. } => ColumnType { ty: Type::Bytes, nullable: false },
            Slot::Extreme { ty, .. } => ColumnType { ty: *ty, nullable: true },
        }
    }
}
