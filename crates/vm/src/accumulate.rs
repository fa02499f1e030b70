//! Accumulators: what a change adds to the sums of each group, and what results from them.
//!
//! COUNT, SUM and AVG are linear in the weights, so the change of a group's sums is the sum over the changed
//! rows of value times weight, whatever their order and even if rows cancel. Integers and decimals are summed
//! in 192 bits, so that no order of terms overflows on the way to a sum that fits; floats exactly.

use std::borrow::Cow;

use circuit::{Aggregate, AggregateKind, Slot};
use expr::{EvalError, ExactSum, mean};
use zset::{Data, Strings, Type, Vector};

/// What one slot of the state gains, for each group.
pub(crate) enum Accumulator {
    Count(Vec<i128>),
    Sum(Vec<Wide>),
    Float(Vec<ExactSum>),
    /// Extremes don't add up; they are looked up.
    Extreme,
}

impl Accumulator {
    pub(crate) fn new(slot: &Slot) -> Accumulator {
        match slot {
            Slot::Count { .. } => Accumulator::Count(Vec::new()),
            Slot::Sum { .. } => Accumulator::Sum(Vec::new()),
            Slot::FloatSum { .. } => Accumulator::Float(Vec::new()),
            Slot::Extreme { .. } => Accumulator::Extreme,
        }
    }

    /// Makes room for this many groups.
    pub(crate) fn grow(&mut self, groups: usize) {
        match self {
            Accumulator::Count(counts) => counts.resize(groups, 0),
            Accumulator::Sum(sums) => sums.resize(groups, Wide::default()),
            Accumulator::Float(sums) => sums.resize(groups, ExactSum::new()),
            Accumulator::Extreme => {}
        }
    }

    /// Adds a slice of rows: the group and weight of each, and the summed column where there is one.
    pub(crate) fn add(&mut self, groups: &[u32], weights: &[i64], values: Option<&Vector>) {
        let rows = groups.iter().map(|&group| group as usize).zip(weights);
        match (self, values.map(|values| &values.data)) {
            (Accumulator::Count(counts), _) => {
                rows.for_each(|(group, &weight)| counts[group] += i128::from(weight))
            }
            (Accumulator::Sum(sums), Some(Data::I64(values))) => {
                for ((group, &weight), &value) in rows.zip(values) {
                    sums[group].add(i128::from(value) * i128::from(weight));
                }
            }
            (Accumulator::Sum(sums), Some(Data::I128(values))) => {
                rows.zip(values)
                    .for_each(|((group, &weight), &value)| sums[group].add_product(value, weight));
            }
            (Accumulator::Float(sums), Some(Data::F64(values))) => {
                rows.zip(values).for_each(|((group, &weight), &value)| sums[group].add_times(value, weight));
            }
            _ => {}
        }
    }

    /// The slot's new values: the old ones, in the order of `groups`, and what was added to them. `None`
    /// stands for a value that the state cannot hold.
    pub(crate) fn advance(self, groups: &[u32], old: &Vector) -> Result<Vector, usize> {
        let group = |row: usize| groups[row] as usize;
        let data = match (self, &old.data) {
            (Accumulator::Count(counts), Data::I64(old)) => {
                let new = |(row, &old): (usize, &i64)| {
                    i64::try_from(i128::from(old) + counts[group(row)]).map_err(|_| row)
                };
                Data::I64(old.iter().enumerate().map(new).collect::<Result<_, _>>()?)
            }
            (Accumulator::Sum(mut sums), Data::I128(old)) => {
                let new = |(row, &old): (usize, &i128)| {
                    let sum = &mut sums[group(row)];
                    sum.add(old);
                    sum.value().ok_or(row)
                };
                Data::I128(old.iter().enumerate().map(new).collect::<Result<_, _>>()?)
            }
            (Accumulator::Float(mut sums), Data::Bytes(old)) => {
                let mut new = Strings::with_capacity(old.len(), old.heap().len() + old.len() * 16);
                for row in 0..old.len() {
                    let sum = &mut sums[group(row)];
                    sum.merge(&read_sum(old.get(row)));
                    new.push(&sum.to_bytes());
                }
                Data::Bytes(new)
            }
            _ => return Ok(old.clone()),
        };
        Ok(Vector { data, valid: None })
    }
}

/// The weights with those of rows that don't count set to zero: rows whose filter is not true, and rows whose
/// argument is NULL.
pub(crate) fn counting<'w>(
    weights: &'w [i64],
    filter: Option<&Vector>,
    arg: Option<&Vector>,
) -> Cow<'w, [i64]> {
    let mut counting = Cow::Borrowed(weights);
    let mut drop_unless = |keep: &dyn Fn(usize) -> bool| {
        counting.to_mut().iter_mut().enumerate().for_each(|(row, weight)| *weight *= i64::from(keep(row)));
    };
    if let Some(filter) = filter
        && let Data::Bool(values) = &filter.data
    {
        drop_unless(&|row| values[row] && filter.is_valid(row));
    }
    if let Some(valid) = arg.and_then(|arg| arg.valid.as_ref()) {
        drop_unless(&|row| valid[row]);
    }
    counting
}

/// One aggregate's results from the slots of its value and of its count, for the rows that are `live`; NULL
/// for the others. `arg` is the type of the aggregated column.
pub(crate) fn results(
    aggregate: &Aggregate,
    arg: Option<Type>,
    value: &Vector,
    count: &Vector,
    live: &[bool],
) -> Result<Vector, EvalError> {
    let ty = aggregate.ty.ty;
    let rows = live.len();
    let mut out = Vector::with_capacity(ty.lane(), rows);
    let counts = match &count.data {
        Data::I64(counts) if !aggregate.kind.is_extreme() => counts,
        _ => {
            out.extend_range(value, 0..rows);
            return Ok(out);
        }
    };
    for row in 0..rows {
        let has_terms = live[row] && counts[row] > 0;
        let result = match aggregate.kind {
            AggregateKind::Count | AggregateKind::CountStar => Some(Number::Exact(i128::from(counts[row]))),
            AggregateKind::Sum if has_terms => Some(sum_of(value, row, ty)?),
            AggregateKind::Avg if has_terms => Some(mean_of(value, counts[row], row, arg, ty)?),
            _ => None,
        };
        push(&mut out, result);
    }
    Ok(out)
}

#[derive(Clone, Copy)]
enum Number {
    Exact(i128),
    Float(f64),
}

fn push(out: &mut Vector, number: Option<Number>) {
    match (number, &mut out.data) {
        (Some(Number::Exact(value)), Data::I64(to)) => to.push(value as i64),
        (Some(Number::Exact(value)), Data::I128(to)) => to.push(value),
        (Some(Number::Float(value)), Data::F64(to)) => to.push(value),
        _ => return out.push_null(),
    }
    out.note_valid();
}

fn sum_of(value: &Vector, row: usize, ty: Type) -> Result<Number, EvalError> {
    match &value.data {
        Data::I128(sums) if mean::sum_fits(sums[row], ty) => Ok(Number::Exact(sums[row])),
        Data::Bytes(sums) => float(read_sum(sums.get(row)).value(), ty, row),
        _ => Err(out_of_range(ty, row)),
    }
}

fn mean_of(value: &Vector, count: i64, row: usize, arg: Option<Type>, ty: Type) -> Result<Number, EvalError> {
    match (&value.data, arg) {
        (Data::I128(sums), Some(Type::Decimal { scale, .. })) => {
            let mean = mean::mean_of_decimals(sums[row], count, scale, ty);
            mean.map(Number::Exact).ok_or_else(|| out_of_range(ty, row))
        }
        (Data::I128(sums), _) => Ok(Number::Float(mean::mean_of_integers(sums[row], count))),
        (Data::Bytes(sums), _) => float(mean::mean_of_floats(&read_sum(sums.get(row)), count), ty, row),
        _ => Err(out_of_range(ty, row)),
    }
}

/// A result in the precision of its type; infinite only where a term is.
fn float(value: Option<f64>, ty: Type, row: usize) -> Result<Number, EvalError> {
    let value = value.ok_or_else(|| out_of_range(ty, row))?;
    let stored = if ty == Type::Float32 { f64::from(value as f32) } else { value };
    if stored.is_infinite() && value.is_finite() {
        Err(out_of_range(ty, row))
    } else {
        Ok(Number::Float(stored))
    }
}

fn out_of_range(ty: Type, row: usize) -> EvalError {
    EvalError { row, ..mean::sum_out_of_range(ty) }
}

/// A sum of the state. Bytes that are not one's read as empty; the state's own checksums tell of them.
fn read_sum(bytes: &[u8]) -> ExactSum {
    ExactSum::from_bytes(bytes).unwrap_or_default()
}

/// A sum of integers in 192 bits, two's complement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wide {
    low: u128,
    high: i64,
}

impl Wide {
    #[inline]
    pub(crate) fn add(&mut self, term: i128) {
        let (low, carry) = self.low.overflowing_add(term as u128);
        self.low = low;
        self.high = self.high.wrapping_add((term >> 127) as i64).wrapping_add(i64::from(carry));
    }

    #[inline]
    pub(crate) fn add_product(&mut self, value: i128, weight: i64) {
        if weight == 1 {
            return self.add(value);
        }
        // The halves of the value are multiplied apart; neither product passes 128 bits.
        let (high, low) = ((value >> 64) as i64, value as u64);
        self.add(i128::from(low) * i128::from(weight));
        let product = i128::from(high) * i128::from(weight);
        let (sum, carry) = self.low.overflowing_add((product as u128) << 64);
        self.low = sum;
        self.high = self.high.wrapping_add((product >> 64) as i64).wrapping_add(i64::from(carry));
    }

    /// The sum, if 128 bits hold it.
    pub(crate) fn value(&self) -> Option<i128> {
        let value = self.low as i128;
        (self.high == (value >> 127) as i64).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_sums_pass_128_bits_and_come_back() {
        let mut sum = Wide::default();
        for _ in 0..5 {
            sum.add(i128::MAX);
        }
        sum.add_product(i128::MIN, i64::MAX);
        assert_eq!(sum.value(), None);
        sum.add_product(i128::MIN, -i64::MAX);
        for _ in 0..4 {
            sum.add(-i128::MAX);
        }
        assert_eq!(sum.value(), Some(i128::MAX));
        sum.add_product(-7, 3);
        sum.add_product(i128::MAX, -1);
        assert_eq!(sum.value(), Some(-21));
        sum.add_product(10i128.pow(30), -12);
        assert_eq!(sum.value(), Some(-21 - 12 * 10i128.pow(30)));
    }
}
