//! Groups and windows: what is computed over several rows.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use sql::SqlError;

use super::eval::Env;
use super::plan::{Aggregate, AggregateKind, Expr, Key, Order, Select, Window, WindowKind};
use super::run::{Exec, Tuple, order_keys, tuple_bytes};
use crate::functions::json_array;
use crate::value::{Row, Value, bounded};

type Run<T> = Result<T, SqlError>;

/// A row with the aggregates of its group.
pub(super) type Grouped = (Tuple, Vec<Value>);

impl Exec<'_, '_> {
    /// One row for each group: the group's first, with its aggregates.
    pub(super) fn grouped(
        &self,
        select: &Select,
        keys: &[Expr],
        tuples: Vec<Tuple>,
        outer: Option<&Env<'_>>,
    ) -> Run<Vec<Grouped>> {
        let mut groups: Vec<Vec<Tuple>> = Vec::new();
        let mut by_key: HashMap<Vec<Value>, usize> = HashMap::new();
        for tuple in tuples {
            let mark = self.meter.mark();
            let key = self.all(keys, &Env::new(&tuple, outer))?;
            let at = match by_key.get(&key) {
                Some(at) => {
                    self.meter.settle(mark, size_of::<Tuple>())?;
                    *at
                }
                None => {
                    self.meter.take(size_of::<(Vec<Value>, Vec<Tuple>)>())?;
                    by_key.insert(key, groups.len());
                    groups.push(Vec::new());
                    groups.len() - 1
                }
            };
            groups[at].push(tuple);
        }
        if keys.is_empty() && groups.is_empty() {
            groups.push(Vec::new());
        }
        let mut rows = Vec::new();
        for mut group in groups {
            let values = select.aggregates.iter().map(|aggregate| self.aggregate(aggregate, &group, outer));
            let values = values.collect::<Run<Vec<_>>>()?;
            let blank = || vec![Row::from(Vec::new()); select.widths.len()].into();
            let first = if group.is_empty() { blank() } else { group.swap_remove(0) };
            if let Some(having) = &select.having {
                let env = Env { aggregates: &values, ..Env::new(&first, outer) };
                if !self.eval(having, &env)?.is_true() {
                    continue;
                }
            }
            rows.push((first, values));
        }
        Ok(rows)
    }

    fn aggregate(&self, aggregate: &Aggregate, group: &[Tuple], outer: Option<&Env<'_>>) -> Run<Value> {
        let mark = self.meter.mark();
        let mut inputs: Vec<(Vec<Value>, Vec<Value>)> = Vec::new();
        for tuple in group {
            self.meter.step()?;
            let env = Env::new(tuple, outer);
            if let Some(filter) = &aggregate.filter
                && !self.eval(filter, &env)?.is_true()
            {
                continue;
            }
            self.meter.take(2 * size_of::<Vec<Value>>())?;
            inputs.push((self.all(&aggregate.args, &env)?, self.keys(&aggregate.order, &env)?));
        }
        inputs.sort_by(|a, b| order_keys(&aggregate.order, &a.1, &b.1));
        if aggregate.distinct {
            let mut seen = HashSet::new();
            inputs.retain(|(args, _)| seen.insert(args.clone()));
            if aggregate.order.is_empty() {
                inputs.sort_by(|a, b| a.0.cmp(&b.0));
            }
        }
        let value = fold(aggregate.kind, inputs.into_iter().map(|(args, _)| args).collect())?;
        self.settled(mark, value)
    }

    fn keys(&self, order: &[Order], env: &Env<'_>) -> Run<Vec<Value>> {
        let keys = order.iter().map(|order| match &order.key {
            Key::Expr(expr) => self.eval(expr, env),
            Key::Output(_) => Ok(Value::Null),
        });
        self.meter.take(size_of_val(order))?;
        keys.collect()
    }

    /// For each row the values of the windows.
    pub(super) fn windows(
        &self,
        windows: &[Window],
        rows: &[Grouped],
        outer: Option<&Env<'_>>,
    ) -> Run<Vec<Vec<Value>>> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = vec![Vec::with_capacity(windows.len()); rows.len()];
        for window in windows {
            for (at, value) in self.window(window, rows, outer)? {
                values[at].push(value);
            }
        }
        Ok(values)
    }

    fn window(&self, window: &Window, rows: &[Grouped], outer: Option<&Env<'_>>) -> Run<Vec<(usize, Value)>> {
        let mut partitions: HashMap<Vec<Value>, Vec<(Vec<Value>, usize)>> = HashMap::new();
        for (at, (tuple, aggregates)) in rows.iter().enumerate() {
            let env = Env { aggregates, ..Env::new(tuple, outer) };
            let keys = self.keys(&window.order, &env)?;
            partitions.entry(self.all(&window.partition, &env)?).or_default().push((keys, at));
        }
        let mut values = Vec::with_capacity(rows.len());
        for mut members in partitions.into_values() {
            members.sort_by(|a, b| order_keys(&window.order, &a.0, &b.0));
            let (mut rank, mut dense) = (0, 0);
            for (number, (keys, at)) in members.iter().enumerate() {
                let peer = |other: &Vec<Value>| order_keys(&window.order, keys, other) == Ordering::Equal;
                if number == 0 || !peer(&members[number - 1].0) {
                    (rank, dense) = (number as i64 + 1, dense + 1);
                }
                let value = match &window.kind {
                    WindowKind::RowNumber => Value::Int(number as i64 + 1),
                    WindowKind::Rank => Value::Int(rank),
                    WindowKind::DenseRank => Value::Int(dense),
                    WindowKind::Aggregate(aggregate) => {
                        let later =
                            |other: &Vec<Value>| order_keys(&window.order, other, keys) == Ordering::Greater;
                        let frame = members.iter().filter(|(other, _)| !later(other));
                        let mark = self.meter.mark();
                        let frame: Vec<Tuple> = frame.map(|(_, at)| rows[*at].0.clone()).collect();
                        self.meter.take(frame.iter().map(tuple_bytes).sum())?;
                        let value = self.aggregate(aggregate, &frame, outer)?;
                        self.settled(mark, value)?
                    }
                };
                values.push((*at, value));
            }
        }
        Ok(values)
    }
}

fn fold(kind: AggregateKind, inputs: Vec<Vec<Value>>) -> Run<Value> {
    let first = |args: &Vec<Value>| args.first().cloned().unwrap_or(Value::Null);
    let known = || inputs.iter().map(first).filter(|value| !value.is_null());
    Ok(match kind {
        AggregateKind::CountAll => Value::Int(inputs.len() as i64),
        AggregateKind::Count => Value::Int(known().count() as i64),
        AggregateKind::Min => Value::or_null(known().min()),
        AggregateKind::Max => Value::or_null(known().max()),
        AggregateKind::Sum => Value::or_null(known().reduce(|sum, value| match (&sum, &value) {
            (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_add(*b)),
            _ => Value::Float(sum.as_float().unwrap_or(0.0) + value.as_float().unwrap_or(0.0)),
        })),
        AggregateKind::Average => {
            let numbers: Vec<f64> = known().filter_map(|value| value.as_float()).collect();
            match numbers.is_empty() {
                true => Value::Null,
                false => Value::Float(numbers.iter().sum::<f64>() / numbers.len() as f64),
            }
        }
        AggregateKind::Array if inputs.is_empty() => Value::Null,
        AggregateKind::Array => Value::array(inputs.iter().map(first).collect()),
        AggregateKind::Text => {
            let mut text: Option<String> = None;
            for args in &inputs {
                let Some(part) = args.first().and_then(Value::as_str) else { continue };
                match &mut text {
                    None => text = Some(part.to_string()),
                    Some(text) => {
                        let separator = args.get(1).and_then(Value::as_str).unwrap_or_default();
                        bounded(text.len() + separator.len() + part.len())?;
                        text.push_str(separator);
                        text.push_str(part);
                    }
                }
            }
            Value::or_null(text.map(Value::from))
        }
        AggregateKind::Every => Value::or_null(known().min()),
        AggregateKind::Any => Value::or_null(known().max()),
        AggregateKind::Json if inputs.is_empty() => Value::Null,
        AggregateKind::Json => {
            json_array(inputs.iter().map(|args| args.first().unwrap_or(&Value::Null)))?.into()
        }
    })
}
