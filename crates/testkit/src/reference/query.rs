//! Queries of the reference evaluator: bags in, a bag out.
//!
//! A join multiplies weights, a union adds them, DISTINCT clamps them to one; a group is folded row
//! by row. Equality conditions of a join go through a hash map, so that a case with a few hundred
//! rows costs microseconds; everything else is the definition, spelled out.

use super::scalar::Scalar;
use super::value::{Decimal, Failure, RealSum, Type, Value, divide_half_away, fit_decimal, fit_integer};
use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{HashMap, HashSet};

/// One row.
pub type Row = Vec<Value>;

/// A bag: rows with how often they occur. Zero is never stored.
pub type Bag = BTreeMap<Row, i64>;

/// Adds to a row's weight and forgets the row when nothing is left.
pub fn add_weight(bag: &mut Bag, row: Row, weight: i64) {
    match bag.entry(row) {
        Entry::Vacant(entry) if weight != 0 => {
            entry.insert(weight);
        }
        Entry::Vacant(_) => {}
        Entry::Occupied(mut entry) => {
            *entry.get_mut() += weight;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// How a source meets those before it.
#[derive(Clone, PartialEq, Debug)]
pub enum Join {
    /// The first source, or one after a comma.
    Comma,
    /// `CROSS JOIN`
    Cross,
    /// `JOIN … ON`: pairs that must be equal (left over the row so far, right over the new source's
    /// own columns), and a condition over the row with the new source appended.
    Inner {
        /// The equalities.
        equal: Vec<(Scalar, Scalar)>,
        /// Anything else.
        extra: Option<Scalar>,
    },
}

/// A table or view in FROM.
#[derive(Clone, PartialEq, Debug)]
pub struct Source {
    /// Its number in the model.
    pub relation: usize,
    /// Its name in this query.
    pub alias: String,
    /// How it is joined.
    pub join: Join,
}

/// The aggregate functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AggregateFunction {
    /// `COUNT(*)`
    CountRows,
    /// `COUNT(a)`
    Count,
    /// `SUM(a)`
    Sum,
    /// `AVG(a)`
    Avg,
    /// `MIN(a)`
    Min,
    /// `MAX(a)`
    Max,
}

/// One aggregate of a grouped query.
#[derive(Clone, PartialEq, Debug)]
pub struct Aggregate {
    /// Which.
    pub function: AggregateFunction,
    /// Whether equal values count once.
    pub distinct: bool,
    /// Over what; ignored by `COUNT(*)`.
    pub arg: Scalar,
    /// Only rows where this holds (`FILTER (WHERE …)`).
    pub filter: Option<Scalar>,
    /// The type of the result.
    pub ty: Type,
}

/// What a SELECT does with the rows it found.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// One row out for each row in.
    Project(Vec<Scalar>),
    /// One row out for each group; outputs and HAVING are over the keys followed by the aggregates.
    Group {
        /// The grouping expressions; none makes one group of everything, even of nothing.
        keys: Vec<Scalar>,
        /// The aggregates.
        aggregates: Vec<Aggregate>,
        /// The columns.
        outputs: Vec<Scalar>,
        /// The condition on groups.
        having: Option<Scalar>,
    },
}

/// One SELECT.
#[derive(Clone, PartialEq, Debug)]
pub struct Select {
    /// FROM
    pub sources: Vec<Source>,
    /// WHERE
    pub filter: Option<Scalar>,
    /// The select list and GROUP BY.
    pub shape: Shape,
    /// SELECT DISTINCT
    pub distinct: bool,
}

/// A query: one SELECT, or several put together by UNION ALL or UNION.
#[derive(Clone, PartialEq, Debug)]
pub struct Query {
    /// The arms.
    pub arms: Vec<Select>,
    /// Whether rows that the arms have in common occur once.
    pub distinct: bool,
}

impl Query {
    /// Evaluates the query over the contents of the relations, which `relations` gives by number.
    pub fn eval<'a>(&self, relations: &dyn Fn(usize) -> &'a Bag) -> Result<Bag, Failure> {
        let mut result = Bag::new();
        for arm in &self.arms {
            for (row, weight) in arm.eval(relations)? {
                *result.entry(row).or_insert(0) += weight;
            }
        }
        if self.distinct {
            result.values_mut().for_each(|weight| *weight = 1);
        }
        Ok(result)
    }
}

impl Select {
    fn eval<'a>(&self, relations: &dyn Fn(usize) -> &'a Bag) -> Result<Bag, Failure> {
        let mut rows = self.joined(relations)?;
        if let Some(filter) = &self.filter {
            let mut kept = Vec::with_capacity(rows.len());
            for (row, weight) in rows {
                if filter.holds(&row)? {
                    kept.push((row, weight));
                }
            }
            rows = kept;
        }
        let mut result = match &self.shape {
            Shape::Project(outputs) => project(outputs, &rows)?,
            Shape::Group { keys, aggregates, outputs, having } => {
                group(keys, aggregates, outputs, having.as_ref(), &rows)?
            }
        };
        if self.distinct {
            result.values_mut().for_each(|weight| *weight = 1);
        }
        Ok(result)
    }

    fn joined<'a>(&self, relations: &dyn Fn(usize) -> &'a Bag) -> Result<Vec<(Row, i64)>, Failure> {
        let mut rows = vec![(Row::new(), 1)];
        for source in &self.sources {
            let bag = relations(source.relation);
            rows = match &source.join {
                Join::Comma | Join::Cross => cross(&rows, bag),
                Join::Inner { equal, extra } => inner(&rows, bag, equal, extra.as_ref())?,
            };
        }
        Ok(rows)
    }
}

fn cross(rows: &[(Row, i64)], bag: &Bag) -> Vec<(Row, i64)> {
    let pairs = rows.iter().flat_map(|left| bag.iter().map(move |right| (left, right)));
    pairs.map(|((left, w), (right, v))| ([left.as_slice(), right].concat(), w * v)).collect()
}

fn inner(
    rows: &[(Row, i64)],
    bag: &Bag,
    equal: &[(Scalar, Scalar)],
    extra: Option<&Scalar>,
) -> Result<Vec<(Row, i64)>, Failure> {
    let key_of = |row: &Row, side: fn(&(Scalar, Scalar)) -> &Scalar| -> Result<Option<Row>, Failure> {
        let key = equal.iter().map(|pair| side(pair).eval(row)).collect::<Result<Row, _>>()?;
        // NULL equals nothing, so such a row meets nobody.
        Ok((!key.iter().any(Value::is_null)).then_some(key))
    };
    let mut index: HashMap<Row, Vec<(&Row, i64)>> = HashMap::new();
    for (row, weight) in bag {
        if let Some(key) = key_of(row, |pair| &pair.1)? {
            index.entry(key).or_default().push((row, *weight));
        }
    }
    let mut result = Vec::new();
    for (left, w) in rows {
        let Some(key) = key_of(left, |pair| &pair.0)? else { continue };
        for (right, v) in index.get(&key).into_iter().flatten() {
            let row = [left.as_slice(), right].concat();
            if extra.map_or(Ok(true), |condition| condition.holds(&row))? {
                result.push((row, w * v));
            }
        }
    }
    Ok(result)
}

fn project(outputs: &[Scalar], rows: &[(Row, i64)]) -> Result<Bag, Failure> {
    let mut result = Bag::new();
    for (row, weight) in rows {
        let output = outputs.iter().map(|output| output.eval(row)).collect::<Result<Row, _>>()?;
        *result.entry(output).or_insert(0) += weight;
    }
    Ok(result)
}

fn group(
    keys: &[Scalar],
    aggregates: &[Aggregate],
    outputs: &[Scalar],
    having: Option<&Scalar>,
    rows: &[(Row, i64)],
) -> Result<Bag, Failure> {
    let mut groups: HashMap<Row, Vec<Fold>> = HashMap::new();
    let fresh = || vec![Fold::default(); aggregates.len()];
    if keys.is_empty() {
        groups.insert(Row::new(), fresh());
    }
    for (row, weight) in rows {
        let key = keys.iter().map(|key| key.eval(row)).collect::<Result<Row, _>>()?;
        let folds = groups.entry(key).or_insert_with(fresh);
        for (aggregate, fold) in aggregates.iter().zip(folds) {
            fold.take(aggregate, row, *weight)?;
        }
    }
    let mut result = Bag::new();
    for (mut row, folds) in groups {
        for (aggregate, fold) in aggregates.iter().zip(&folds) {
            row.push(fold.finish(aggregate)?);
        }
        if having.map_or(Ok(true), |condition| condition.holds(&row))? {
            let output = outputs.iter().map(|output| output.eval(&row)).collect::<Result<Row, _>>()?;
            *result.entry(output).or_insert(0) += 1;
        }
    }
    Ok(result)
}

/// What one aggregate knows of the rows it has seen.
#[derive(Clone, Default)]
struct Fold {
    count: i64,
    exact: Option<Decimal>,
    double: RealSum,
    least: Option<Value>,
    greatest: Option<Value>,
    seen: HashSet<Value>,
}

impl Fold {
    fn take(&mut self, aggregate: &Aggregate, row: &[Value], weight: i64) -> Result<(), Failure> {
        if let Some(filter) = &aggregate.filter
            && !filter.holds(row)?
        {
            return Ok(());
        }
        if aggregate.function == AggregateFunction::CountRows {
            self.count += weight;
            return Ok(());
        }
        let value = aggregate.arg.eval(row)?;
        if value.is_null() {
            return Ok(());
        }
        if aggregate.distinct && !self.seen.insert(value.clone()) {
            return Ok(());
        }
        let weight = if aggregate.distinct { 1 } else { weight };
        self.count += weight;
        if matches!(aggregate.function, AggregateFunction::Sum | AggregateFunction::Avg) {
            self.add(&value, weight)?;
        }
        if self.least.as_ref().is_none_or(|least| value < *least) {
            self.least = Some(value.clone());
        }
        if self.greatest.as_ref().is_none_or(|greatest| value > *greatest) {
            self.greatest = Some(value);
        }
        Ok(())
    }

    fn add(&mut self, value: &Value, weight: i64) -> Result<(), Failure> {
        if let Value::Double(value) = value {
            self.double.add(value.get(), weight);
            return Ok(());
        }
        let term = value.to_decimal().times(Decimal::new(weight.into(), 0));
        let sum = term.and_then(|term| self.exact.unwrap_or(Decimal::new(0, 0)).plus(term));
        self.exact = Some(sum.ok_or_else(|| Failure::out_of_range("a sum is out of range"))?);
        Ok(())
    }

    fn finish(&self, aggregate: &Aggregate) -> Result<Value, Failure> {
        match aggregate.function {
            AggregateFunction::CountRows | AggregateFunction::Count => Ok(Value::Int(self.count)),
            _ if self.count == 0 => Ok(Value::Null),
            AggregateFunction::Min => Ok(self.least.clone().unwrap_or(Value::Null)),
            AggregateFunction::Max => Ok(self.greatest.clone().unwrap_or(Value::Null)),
            AggregateFunction::Sum => match (self.exact, aggregate.ty) {
                (None, _) => Ok(Value::double(self.double.value())),
                (Some(sum), Type::Decimal(precision, scale)) => fit_decimal(sum, precision, scale),
                (Some(sum), ty) => fit_integer(sum.digits_at(0).unwrap_or(i128::MAX), ty),
            },
            AggregateFunction::Avg => match (self.exact, aggregate.ty) {
                (None, _) => Ok(Value::double(self.double.value() / self.count as f64)),
                (Some(sum), Type::Decimal(precision, scale)) => {
                    let digits = sum.digits_at(scale);
                    let digits = digits.ok_or_else(|| Failure::out_of_range("an average is out of range"))?;
                    let mean = Decimal::new(divide_half_away(digits, self.count.into()), scale);
                    fit_decimal(mean, precision, scale)
                }
                (Some(sum), _) => Ok(Value::double(sum.to_f64() / self.count as f64)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scalar::CompareOp;
    use super::*;

    fn bag(rows: &[(&[Value], i64)]) -> Bag {
        rows.iter().map(|(row, weight)| (row.to_vec(), *weight)).collect()
    }

    fn source(relation: usize, join: Join) -> Source {
        Source { relation, alias: format!("r{relation}"), join }
    }

    #[test]
    fn a_join_multiplies_weights_and_null_meets_nobody() {
        let left = bag(&[(&[Value::Int(1)], 2), (&[Value::Null], 5)]);
        let right = bag(&[(&[Value::Int(1), Value::Int(9)], 3), (&[Value::Null, Value::Int(9)], 1)]);
        let join = Join::Inner { equal: vec![(Scalar::Column(0), Scalar::Column(0))], extra: None };
        let select = Select {
            sources: vec![source(0, Join::Comma), source(1, join)],
            filter: None,
            shape: Shape::Project(vec![Scalar::Column(2)]),
            distinct: false,
        };
        let query = Query { arms: vec![select], distinct: false };
        let result = query.eval(&|relation| if relation == 0 { &left } else { &right });
        assert_eq!(result, Ok(bag(&[(&[Value::Int(9)], 6)])));
    }

    #[test]
    fn nothing_still_makes_one_group_when_there_is_no_key() {
        let empty = Bag::new();
        let aggregate = |function| Aggregate {
            function,
            arg: Scalar::Column(0),
            distinct: false,
            filter: None,
            ty: Type::Bigint,
        };
        let select = |keys| Select {
            sources: vec![source(0, Join::Comma)],
            filter: Some(Scalar::Column(0).compare(CompareOp::Equal, Scalar::int(1, Type::Integer))),
            shape: Shape::Group {
                keys,
                aggregates: vec![aggregate(AggregateFunction::CountRows), aggregate(AggregateFunction::Sum)],
                outputs: vec![Scalar::Column(0), Scalar::Column(1)],
                having: None,
            },
            distinct: false,
        };
        let whole = Query { arms: vec![select(vec![])], distinct: false }.eval(&|_| &empty);
        assert_eq!(whole, Ok(bag(&[(&[Value::Int(0), Value::Null], 1)])));
        let keyed = Query { arms: vec![select(vec![Scalar::Column(0)])], distinct: false }.eval(&|_| &empty);
        assert_eq!(keyed, Ok(Bag::new()));
    }
}
