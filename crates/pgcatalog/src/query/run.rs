//! Running a plan: scans, joins, and what a SELECT does with the rows.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sql::{SqlError, SqlState};

use super::eval::Env;
use super::meter::Meter;
use super::plan::{
    Body, Distinct, Expr, From, Join, Key, Order, Plan, Select, SetCall, SetOperation, SetSource, Source,
};
use crate::context::Context;
use crate::value::{Row, Value, row_bytes};

/// A row of a FROM: a row of each relation.
pub(super) type Tuple = Box<[Row]>;

/// The rows of a query.
pub(super) type Rows = Arc<Vec<Row>>;

type Run<T> = Result<T, SqlError>;

/// One run of a query.
pub(super) struct Exec<'c, 'w> {
    pub(super) context: &'c Context<'w>,
    pub(super) meter: Meter<'c>,
    params: &'c [Value],
    /// The rows of queries that do not depend on where they stand.
    cache: RefCell<HashMap<usize, Rows>>,
    /// The last rounds' rows of recursive queries.
    working: RefCell<HashMap<usize, Rows>>,
}

/// A row on its way out: its values, and what it is sorted by.
struct Sorted {
    row: Row,
    keys: Vec<Value>,
}

impl<'c, 'w> Exec<'c, 'w> {
    pub(super) fn new(context: &'c Context<'w>, params: &'c [Value]) -> Exec<'c, 'w> {
        let meter = Meter::new(context.world.facts);
        Exec { context, meter, params, cache: RefCell::default(), working: RefCell::default() }
    }

    pub(super) fn param(&self, index: usize) -> Run<Value> {
        self.params.get(index).cloned().ok_or_else(|| {
            SqlError::new(
                SqlState::UndefinedParameter,
                format!("there is no value for the parameter ${}", index + 1),
            )
        })
    }

    /// The rows of a query that stands within `outer`.
    pub(super) fn rows(&self, plan: &Plan, outer: Option<&Env<'_>>) -> Run<Rows> {
        if let Some(rows) = self.cache.borrow().get(&plan.id) {
            return Ok(Arc::clone(rows));
        }
        let mark = self.meter.mark();
        let rows = Arc::new(self.fresh_rows(plan, outer)?);
        let taken = rows.iter().map(|row| bytes(row)).sum();
        if plan.correlated {
            self.meter.settle(mark, taken)?;
        } else {
            self.meter.settle(mark, 0)?;
            self.meter.keep(taken)?;
            self.cache.borrow_mut().insert(plan.id, Arc::clone(&rows));
        }
        Ok(rows)
    }

    fn fresh_rows(&self, plan: &Plan, outer: Option<&Env<'_>>) -> Run<Vec<Row>> {
        let mut rows = match &plan.body {
            Body::Select(select) => self.select(select, &plan.order, outer)?,
            body => {
                let rows = match body {
                    Body::Values(rows) => self.values(rows, outer)?,
                    Body::Set { op, all, left, right } => {
                        set_operation(*op, *all, &self.rows(left, outer)?, &self.rows(right, outer)?)
                    }
                    Body::Recursive { working, first, next, all } => {
                        self.recursive(*working, [first, next], *all, outer)?
                    }
                    Body::Select(_) => Vec::new(),
                };
                let keys = |row: &Row| {
                    let key = |order: &Order| match order.key {
                        Key::Output(at) => row.get(at).cloned().unwrap_or(Value::Null),
                        Key::Expr(_) => Value::Null,
                    };
                    plan.order.iter().map(key).collect()
                };
                rows.into_iter().map(|row| Sorted { keys: keys(&row), row }).collect()
            }
        };
        if !plan.order.is_empty() {
            rows.sort_by(|a, b| order_keys(&plan.order, &a.keys, &b.keys));
        }
        let count = |expr: &Option<Expr>| -> Run<Option<usize>> {
            let Some(expr) = expr else { return Ok(None) };
            let value = self.eval(expr, &Env::new(&[], None))?;
            Ok(value.as_int().map(|count| usize::try_from(count).unwrap_or(0)))
        };
        let (skip, take) = (count(&plan.offset)?.unwrap_or(0), count(&plan.limit)?.unwrap_or(usize::MAX));
        Ok(rows.into_iter().skip(skip).take(take).map(|sorted| sorted.row).collect())
    }

    fn values(&self, rows: &[Vec<Expr>], outer: Option<&Env<'_>>) -> Run<Vec<Row>> {
        let env = Env::new(&[], outer);
        rows.iter().map(|row| self.all(row, &env).map(Row::from)).collect()
    }

    fn recursive(
        &self,
        working: usize,
        [first, next]: [&Plan; 2],
        all: bool,
        outer: Option<&Env<'_>>,
    ) -> Run<Vec<Row>> {
        let mut seen = HashSet::new();
        let mut unique = |rows: &[Row]| -> Vec<Row> {
            rows.iter().filter(|row| all || seen.insert(Row::clone(row))).cloned().collect()
        };
        let mut round = unique(&self.rows(first, outer)?);
        let mut result = round.clone();
        while !round.is_empty() {
            self.working.borrow_mut().insert(working, Arc::new(round));
            round = unique(&self.rows(next, outer)?);
            result.extend(round.iter().cloned());
        }
        Ok(result)
    }

    fn select(&self, select: &Select, order: &[Order], outer: Option<&Env<'_>>) -> Run<Vec<Sorted>> {
        let blank: Row = Arc::from([]);
        let empty: Tuple = vec![blank; select.widths.len()].into();
        let mut tuples = match &select.from {
            None => vec![empty],
            Some(from) => self.tuples(from, select, &empty, outer)?,
        };
        if !select.filter.is_empty() {
            let mut kept = Vec::new();
            for tuple in tuples {
                if self.holds(&select.filter, &Env::new(&tuple, outer))? {
                    kept.push(tuple);
                }
            }
            tuples = kept;
        }
        let groups = match &select.group {
            None => tuples.into_iter().map(|tuple| (tuple, Vec::new())).collect(),
            Some(keys) => self.grouped(select, keys, tuples, outer)?,
        };
        let windows = self.windows(&select.windows, &groups, outer)?;
        let mut rows = Vec::with_capacity(groups.len());
        for (at, (tuple, aggregates)) in groups.iter().enumerate() {
            let windows = windows.get(at).map(Vec::as_slice).unwrap_or_default();
            let env = Env { tuple, aggregates, windows, sets: &[], outer };
            self.outputs(select, order, &env, &mut rows)?;
        }
        self.distinct(select, order, rows)
    }

    /// The rows that one tuple gives: one, or as many as the longest of its set functions.
    fn outputs(&self, select: &Select, order: &[Order], env: &Env<'_>, rows: &mut Vec<Sorted>) -> Run<()> {
        let emit = |env: &Env<'_>, rows: &mut Vec<Sorted>| -> Run<()> {
            let row: Row = Arc::from(self.all(&select.outputs, env)?);
            let mut keys = Vec::with_capacity(order.len());
            for order in order {
                keys.push(match &order.key {
                    Key::Output(at) => row[*at].clone(),
                    Key::Expr(expr) => self.eval(expr, env)?,
                });
            }
            // What DISTINCT ON tells rows apart by comes after what they are sorted by.
            if let Distinct::On(exprs) = &select.distinct {
                keys.extend(self.all(exprs, env)?);
            }
            self.meter.take(size_of::<Sorted>() + keys.len() * size_of::<Value>() + row_bytes(0))?;
            rows.push(Sorted { row, keys });
            Ok(())
        };
        if select.sets.is_empty() {
            return emit(env, rows);
        }
        let (mark, before) = (self.meter.mark(), rows.len());
        let mut sets = Vec::new();
        for call in &select.sets {
            let given = self.set_rows(call, env)?;
            let value = |row: Vec<Value>| match call.record {
                true => Value::Record(Arc::from(row)),
                false => row.into_iter().next().unwrap_or(Value::Null),
            };
            sets.push(given.into_iter().map(value).collect::<Vec<_>>());
        }
        let longest = sets.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..longest {
            let values: Vec<Value> =
                sets.iter().map(|set| set.get(at).cloned().unwrap_or(Value::Null)).collect();
            emit(&Env { sets: &values, ..*env }, rows)?;
        }
        // What the functions gave is gone, but for what the rows have of it.
        let sorted = |row: &Sorted| size_of::<Sorted>() + bytes(&row.row) + bytes(&row.keys);
        self.meter.settle(mark, rows[before..].iter().map(sorted).sum())
    }

    fn distinct(&self, select: &Select, order: &[Order], mut rows: Vec<Sorted>) -> Run<Vec<Sorted>> {
        match &select.distinct {
            Distinct::No => {}
            Distinct::All => {
                let mut seen = HashSet::new();
                rows.retain(|sorted| seen.insert(Row::clone(&sorted.row)));
            }
            Distinct::On(_) => {
                // The first of each group in the order asked for.
                rows.sort_by(|a, b| order_keys(order, &a.keys, &b.keys));
                let mut seen = HashSet::new();
                rows.retain(|sorted| seen.insert(sorted.keys[order.len()..].to_vec()));
            }
        }
        Ok(rows)
    }

    /// The rows of a part of FROM, each in a copy of `base`.
    fn tuples(&self, from: &From, select: &Select, base: &Tuple, outer: Option<&Env<'_>>) -> Run<Vec<Tuple>> {
        let (slot, source, filter) = match from {
            From::Scan { slot, source, filter } => (*slot, source, filter),
            From::Join(join) => return self.join(join, select, base, outer),
        };
        let rows = self.source(source, base, outer)?;
        let mut tuples = Vec::new();
        let mut tuple = base.clone();
        for row in rows.iter() {
            tuple[slot] = Row::clone(row);
            if self.kept(filter, &tuple, outer)? {
                tuples.push(tuple.clone());
            }
        }
        Ok(tuples)
    }

    /// Whether a tuple passes a filter; it is counted if it does.
    fn kept(&self, filter: &[Expr], tuple: &Tuple, outer: Option<&Env<'_>>) -> Run<bool> {
        let holds = self.holds(filter, &Env::new(tuple, outer))?;
        self.meter.take(if holds { tuple_bytes(tuple) } else { 0 })?;
        Ok(holds)
    }

    fn source(&self, source: &Source, base: &Tuple, outer: Option<&Env<'_>>) -> Run<Rows> {
        let env = Env::new(base, outer);
        match source {
            Source::Table(table) => Ok(self.context.rows(table)),
            Source::User(name, types) => self.user_rows(name, types),
            Source::Query(plan) => self.rows(plan, Some(&env)),
            Source::Working(id) => Ok(self.working.borrow().get(id).cloned().unwrap_or_default()),
            Source::Function(call, ordinality) => {
                let mut rows = Vec::new();
                for (number, mut row) in (1..).zip(self.set_rows(call, &env)?) {
                    if *ordinality {
                        row.push(Value::Int(number));
                    }
                    rows.push(Arc::from(row));
                }
                Ok(Arc::new(rows))
            }
        }
    }

    fn user_rows(&self, name: &str, types: &[u32]) -> Run<Rows> {
        let world = &self.context.world;
        let rows = world.relation(name).and_then(|relation| world.facts.rows(relation));
        let rows = rows.ok_or_else(|| {
            SqlError::unsupported(format!("reading \"{name}\" and the catalogs in one query"))
                .with_hint("ask for them in two queries")
        })?;
        let value = |(text, ty): (Option<Arc<str>>, &u32)| match text {
            Some(text) => crate::text::input(&text, *ty),
            None => Ok(Value::Null),
        };
        let row = |row: Vec<Option<Arc<str>>>| -> Run<Row> {
            row.into_iter().zip(types).map(value).collect::<Run<Vec<_>>>().map(Row::from)
        };
        let rows = rows.into_iter().map(row).collect::<Run<Vec<Row>>>()?;
        self.meter.take(rows.iter().map(|row| bytes(row)).sum())?;
        Ok(Arc::new(rows))
    }

    fn set_rows(&self, call: &SetCall, env: &Env<'_>) -> Run<Vec<Vec<Value>>> {
        let mark = self.meter.mark();
        let args = self.all(&call.args, env)?;
        let rows = match &call.function {
            SetSource::Rows(function) => (function.eval)(self.context, &args)?,
            SetSource::Value(eval) => vec![vec![eval(self.context, &args)?]],
        };
        self.meter.settle(mark, rows.iter().map(|row| bytes(row)).sum())?;
        Ok(rows)
    }

    fn join(&self, join: &Join, select: &Select, base: &Tuple, outer: Option<&Env<'_>>) -> Run<Vec<Tuple>> {
        let lefts = self.tuples(&join.left, select, base, outer)?;
        let mut right = match join.lateral {
            true => None,
            false => Some(RightSide::new(self, join, self.tuples(&join.right, select, base, outer)?, outer)?),
        };
        let blank = |width: &usize| Row::from(vec![Value::Null; *width]);
        let blanks: Vec<Row> = match join.keep_left || join.keep_right {
            true => select.widths.iter().map(blank).collect(),
            false => Vec::new(),
        };
        let mut out = Vec::new();
        for left in lefts {
            let mark = self.meter.mark();
            let mut own;
            let right = match &mut right {
                Some(right) => right,
                None => {
                    own = RightSide::new(self, join, self.tuples(&join.right, select, &left, outer)?, outer)?;
                    &mut own
                }
            };
            let before = out.len();
            for at in right.partners(self, join, &left, outer)? {
                let mut pair = left.clone();
                for slot in join.slots.clone() {
                    pair[slot] = Row::clone(&right.tuples[at][slot]);
                }
                if self.kept(&join.on, &pair, outer)? {
                    right.matched[at] = true;
                    out.push(pair);
                }
            }
            if join.keep_left && out.len() == before {
                out.push(alone(left, join.slots.clone(), &blanks));
            }
            // A right side of its own is gone, the pairs stay, and the rows that they have of it.
            let own = |pair: &Tuple| match join.lateral {
                true => pair[join.slots.clone()].iter().map(|row| bytes(row)).sum(),
                false => 0,
            };
            self.meter.settle(mark, out[before..].iter().map(|pair| tuple_bytes(pair) + own(pair)).sum())?;
        }
        if let (true, Some(right)) = (join.keep_right, right) {
            let others = (0..select.widths.len()).filter(|slot| !join.slots.contains(slot));
            let others: Vec<usize> = others.collect();
            let unmatched = right.tuples.into_iter().zip(right.matched).filter(|(_, matched)| !matched);
            out.extend(unmatched.map(|(tuple, _)| alone(tuple, others.iter().copied(), &blanks)));
        }
        Ok(out)
    }
}

/// The right side of a join, found by its keys.
struct RightSide {
    tuples: Vec<Tuple>,
    matched: Vec<bool>,
    by_key: Option<HashMap<Vec<Value>, Vec<usize>>>,
}

impl RightSide {
    fn new(exec: &Exec<'_, '_>, join: &Join, tuples: Vec<Tuple>, outer: Option<&Env<'_>>) -> Run<RightSide> {
        let matched = vec![false; tuples.len()];
        if join.keys.is_empty() {
            return Ok(RightSide { tuples, matched, by_key: None });
        }
        let mut by_key: HashMap<Vec<Value>, Vec<usize>> = HashMap::new();
        for (at, tuple) in tuples.iter().enumerate() {
            let env = Env::new(tuple, outer);
            let key = join.keys.iter().map(|(_, right)| exec.eval(right, &env)).collect::<Run<Vec<_>>>()?;
            exec.meter.take(size_of_val(key.as_slice()) + 2 * size_of::<Vec<Value>>())?;
            if !key.iter().any(Value::is_null) {
                by_key.entry(key).or_default().push(at);
            }
        }
        Ok(RightSide { tuples, matched, by_key: Some(by_key) })
    }

    fn partners(
        &self,
        exec: &Exec<'_, '_>,
        join: &Join,
        left: &Tuple,
        outer: Option<&Env<'_>>,
    ) -> Run<Vec<usize>> {
        let Some(by_key) = &self.by_key else { return Ok((0..self.tuples.len()).collect()) };
        let env = Env::new(left, outer);
        let key = join.keys.iter().map(|(left, _)| exec.eval(left, &env)).collect::<Run<Vec<_>>>()?;
        Ok(by_key.get(&key).cloned().unwrap_or_default())
    }
}

/// A row without a partner: the other side is all NULL, as its blank rows are.
fn alone(mut tuple: Tuple, slots: impl Iterator<Item = usize>, blanks: &[Row]) -> Tuple {
    for slot in slots {
        tuple[slot] = Row::clone(&blanks[slot]);
    }
    tuple
}

/// Bytes of a row and its values.
fn bytes(row: &[Value]) -> usize {
    row_bytes(row.len()) + row.iter().map(Value::heap).sum::<usize>()
}

/// Bytes of a tuple, its rows' own aside.
pub(super) fn tuple_bytes(tuple: &Tuple) -> usize {
    size_of::<Tuple>() + size_of_val(tuple.as_ref())
}

fn set_operation(op: SetOperation, all: bool, left: &[Row], right: &[Row]) -> Vec<Row> {
    match op {
        SetOperation::Union => {
            let both = left.iter().chain(right);
            let mut seen = HashSet::new();
            both.filter(|row| all || seen.insert(Row::clone(row))).cloned().collect()
        }
        SetOperation::Intersect | SetOperation::Except => {
            let mut counts: HashMap<&Row, usize> = HashMap::new();
            right.iter().for_each(|row| *counts.entry(row).or_default() += 1);
            let mut seen = HashSet::new();
            let wanted = op == SetOperation::Intersect;
            let keep = |row: &&Row| match (all, counts.get_mut(*row)) {
                (true, Some(count)) if *count > 0 => {
                    *count -= 1;
                    wanted
                }
                (true, _) => !wanted,
                (false, found) => found.is_some() == wanted && seen.insert(Row::clone(row)),
            };
            left.iter().filter(keep).cloned().collect()
        }
    }
}

/// The order of two rows by their keys.
pub(super) fn order_keys(order: &[Order], left: &[Value], right: &[Value]) -> Ordering {
    for (at, order) in order.iter().enumerate() {
        let (a, b) = (&left[at], &right[at]);
        let nulls = if order.nulls_first { Ordering::Less } else { Ordering::Greater };
        let by_value = match (a.is_null(), b.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => nulls,
            (false, true) => nulls.reverse(),
            (false, false) if order.descending => b.cmp(a),
            (false, false) => a.cmp(b),
        };
        if by_value != Ordering::Equal {
            return by_value;
        }
    }
    Ordering::Equal
}
