//! Random queries of the grammar that a view may have.

use super::expression::{Place, Scope, decimal_scale};
use super::{Generator, Hazard};
use crate::reference::model::{ColumnSpec, Model};
use crate::reference::{
    Aggregate, AggregateFunction, CompareOp, Join, Query, Scalar, Select, Shape, Source, Test, Type,
};

/// Rows above which a relation is not joined to others: cases must stay small.
const LARGE: usize = 40;

/// Rows up to which a relation may be in a join without equalities.
const SMALL: usize = 15;

const ALIASES: [&str; 4] = ["x", "y", "z", "w"];

impl Generator {
    /// A query over the model's tables and views, and the columns it gives.
    pub(super) fn query(&mut self, model: &Model) -> (Query, Vec<ColumnSpec>) {
        if self.random.percent(18) {
            return self.union(model);
        }
        let (mut sources, scope) = self.sources(model);
        let filter = self.filter(&mut sources, &scope, model);
        let (shape, types) = if self.random.percent(50) {
            self.grouped(&scope)
        } else {
            let types = self.output_types(&scope);
            (self.projected(&scope, &types), types)
        };
        let distinct = self.random.percent(if matches!(shape, Shape::Project(_)) { 30 } else { 5 });
        let select = Select { sources, filter, shape, distinct };
        (Query { arms: vec![select], distinct: false }, output_columns(&types))
    }

    fn union(&mut self, model: &Model) -> (Query, Vec<ColumnSpec>) {
        let mut arms = Vec::new();
        let mut types = Vec::new();
        for number in 0..2 + usize::from(self.random.percent(25)) {
            let (mut sources, scope) = self.sources(model);
            let filter = self.filter(&mut sources, &scope, model);
            if number == 0 {
                types = self.output_types(&scope);
            }
            let shape = self.projected(&scope, &types);
            arms.push(Select { sources, filter, shape, distinct: self.random.percent(15) });
        }
        (Query { arms, distinct: self.random.percent(25) }, output_columns(&types))
    }

    /// FROM: one relation most often, up to four, with the same one allowed twice.
    fn sources(&mut self, model: &Model) -> (Vec<Source>, Vec<ColumnSpec>) {
        let count = *self.random.pick(&[1, 1, 1, 1, 2, 2, 2, 2, 3, 4]);
        let mut sources = Vec::new();
        let mut scope: Vec<ColumnSpec> = Vec::new();
        let mut may_cross = true;
        for alias in &ALIASES[..count] {
            let relation = self.relation(model);
            let rows = model.contents[relation].len();
            may_cross &= rows <= SMALL;
            let columns = model.relations[relation].columns();
            let join = if sources.is_empty() {
                Some(Join::Comma)
            } else if rows <= LARGE {
                self.join(&scope, columns, &mut may_cross)
            } else {
                None
            };
            let Some(join) = join else { break };
            scope.extend(columns.iter().cloned());
            sources.push(Source { relation, alias: (*alias).to_owned(), join });
        }
        (sources, scope)
    }

    /// The youngest relations are drawn more often, so that views over views occur.
    fn relation(&mut self, model: &Model) -> usize {
        let count = model.relations.len();
        if self.random.percent(30) { count - 1 } else { self.random.below(count) }
    }

    /// How a relation joins those before it; `None` where it would have to cross and must not.
    fn join(&mut self, left: &Scope, right: &Scope, may_cross: &mut bool) -> Option<Join> {
        let mut equal = Vec::new();
        for _ in 0..1 + usize::from(self.random.percent(20)) {
            equal.extend(self.equality(left, right));
        }
        let both = [left, right].concat();
        if *may_cross && (equal.is_empty() || self.random.percent(10)) {
            *may_cross = false;
            return Some(match self.random.below(4) {
                0 => Join::Cross,
                1 => Join::Comma,
                _ => {
                    let extra = Some(self.condition(&both, 1, Place::Guarded));
                    Join::Inner { equal: Vec::new(), extra }
                }
            });
        }
        if equal.is_empty() {
            return None;
        }
        let extra = self.random.percent(25).then(|| self.condition(&both, 0, Place::Guarded));
        Some(Join::Inner { equal, extra })
    }

    fn equality(&mut self, left: &Scope, right: &Scope) -> Option<(Scalar, Scalar)> {
        let at = self.random.below(right.len());
        let ty = right[at].ty;
        if ty == Type::Bool && self.random.percent(80) {
            return None;
        }
        let like = |other: Type| other == ty || (ty.is_integer() && other.is_integer());
        let column = self.column(left, like)?;
        let plain = Scalar::Column(column);
        if ty.is_integer() && self.hazard == Hazard::None && self.random.percent(8) {
            let ty = left[column].ty;
            let moved = plain.arithmetic(crate::reference::ArithmeticOp::Add, Scalar::int(1, ty), ty);
            return Some((moved, Scalar::Column(at)));
        }
        Some((plain, Scalar::Column(at)))
    }

    /// WHERE; now and then the joins' equalities move there and commas stay in FROM.
    fn filter(&mut self, sources: &mut [Source], scope: &Scope, model: &Model) -> Option<Scalar> {
        let mut parts = Vec::new();
        if self.random.percent(45) {
            let depth = self.random.below(3);
            parts.push(self.condition(scope, depth, Place::Guarded));
        }
        if sources.len() == 1 && self.hazard == Hazard::Division && self.random.percent(40) {
            parts.extend(self.guarded_quotient(scope));
        }
        if let [first, second] = sources
            && let Join::Inner { equal, extra: None } = &second.join
            && self.random.percent(20)
        {
            let width = model.relations[first.relation].columns().len();
            for (left, right) in equal {
                if let Scalar::Column(at) = right {
                    parts.push(left.clone().compare(CompareOp::Equal, Scalar::Column(width + at)));
                }
            }
            second.join = Join::Comma;
        }
        match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Scalar::And(parts)),
        }
    }

    /// `divisor <> 0 AND a / divisor > n`: the first part keeps the second from failing.
    fn guarded_quotient(&mut self, scope: &Scope) -> Vec<Scalar> {
        let Some(divisor) = self.column(scope, Type::is_integer) else { return Vec::new() };
        let Some(dividend) = self.column(scope, Type::is_integer) else { return Vec::new() };
        let ty = scope[divisor].ty.wider(scope[dividend].ty);
        let op = crate::reference::ArithmeticOp::Divide;
        let quotient = Scalar::Column(dividend).arithmetic(op, Scalar::Column(divisor), ty);
        vec![
            Scalar::Column(divisor).compare(CompareOp::NotEqual, Scalar::int(0, scope[divisor].ty)),
            quotient.compare(CompareOp::GreaterOrEqual, Scalar::int(1, ty)),
        ]
    }

    fn output_types(&mut self, scope: &Scope) -> Vec<Type> {
        let count = 1 + self.random.below(4);
        let column = |generator: &mut Generator| generator.random.pick(scope).ty;
        (0..count).map(|_| self.risky_type(scope).unwrap_or_else(|| column(self))).collect()
    }

    /// In a case with a hazard, a type whose expressions can meet it.
    fn risky_type(&mut self, scope: &Scope) -> Option<Type> {
        if self.hazard == Hazard::None || self.random.percent(40) {
            return None;
        }
        self.column(scope, Type::is_integer).map(|at| scope[at].ty)
    }

    fn projected(&mut self, scope: &Scope, types: &[Type]) -> Shape {
        let depth = if self.hazard == Hazard::None { self.random.below(3) } else { 2 };
        Shape::Project(types.iter().map(|ty| self.scalar(scope, *ty, depth, Place::Open)).collect())
    }

    fn grouped(&mut self, scope: &Scope) -> (Shape, Vec<Type>) {
        let count = *self.random.pick(&[0, 1, 1, 1, 2, 3]);
        let mut terms: Vec<(Scalar, Type)> = (0..count).map(|_| self.key(scope)).collect();
        let keys: Vec<Scalar> = terms.iter().map(|(key, _)| key.clone()).collect();
        let functions = usize::from(keys.is_empty()) + self.random.below(3);
        let aggregates: Vec<Aggregate> = (0..functions).map(|_| self.aggregate(scope)).collect();
        terms.extend(aggregates.iter().map(|aggregate| (Scalar::Column(0), aggregate.ty)));
        let mut outputs: Vec<usize> = (0..terms.len()).collect();
        // Any key may be left out, but an aggregate that is not asked for is not computed.
        if count > 0 && outputs.len() > 1 && self.random.percent(20) {
            outputs.remove(self.random.below(count));
        }
        let types = outputs.iter().map(|at| terms[*at].1).collect();
        let having = self.random.percent(25).then(|| self.having(keys.len(), &aggregates)).flatten();
        let outputs = outputs.into_iter().map(Scalar::Column).collect();
        (Shape::Group { keys, aggregates, outputs, having }, types)
    }

    /// A grouping expression always uses a column: a bare number would be a position.
    fn key(&mut self, scope: &Scope) -> (Scalar, Type) {
        let at = self.random.below(scope.len());
        let (column, ty) = (Scalar::Column(at), scope[at].ty);
        if self.hazard == Hazard::None && ty.is_integer() && self.random.percent(20) {
            let key = column.arithmetic(crate::reference::ArithmeticOp::Remainder, Scalar::int(3, ty), ty);
            return (key, ty);
        }
        if self.random.percent(10) {
            let condition = self.condition(scope, 0, Place::Guarded);
            return (Scalar::Case(vec![(condition, column)], None), ty);
        }
        (column, ty)
    }

    fn aggregate(&mut self, scope: &Scope) -> Aggregate {
        let summable = |ty: Type| ty.is_integer() || matches!(ty, Type::Decimal(..) | Type::Double);
        let filter = self.random.percent(10).then(|| self.condition(scope, 0, Place::Guarded));
        let function = *self.random.pick(&[
            AggregateFunction::CountRows,
            AggregateFunction::Count,
            AggregateFunction::Sum,
            AggregateFunction::Sum,
            AggregateFunction::Avg,
            AggregateFunction::Min,
            AggregateFunction::Max,
        ]);
        let column = match function {
            AggregateFunction::Sum | AggregateFunction::Avg => self.column(scope, summable),
            AggregateFunction::Min | AggregateFunction::Max => self.column(scope, |ty| ty != Type::Bool),
            _ => self.column(scope, |_| true),
        };
        let Some(column) = column else {
            let arg = Scalar::Column(0);
            let function = AggregateFunction::CountRows;
            return Aggregate { function, distinct: false, arg, filter, ty: Type::Bigint };
        };
        let ty = scope[column].ty;
        // A simplification may replace COUNT of something that is never NULL by COUNT(*), so the
        // argument of COUNT must not be able to fail.
        let place = if function == AggregateFunction::Count { Place::Guarded } else { Place::Open };
        let often = if self.hazard == Hazard::None { 30 } else { 70 };
        let computed = self.random.percent(often) && function != AggregateFunction::Count;
        let arg = if computed { self.scalar(scope, ty, 1, place) } else { Scalar::Column(column) };
        let distinct = function != AggregateFunction::CountRows && self.random.percent(8);
        Aggregate { function, distinct, arg, filter, ty: aggregate_type(function, ty) }
    }

    /// A condition on an aggregate; keys are left alone, since it could move below the grouping.
    fn having(&mut self, keys: usize, aggregates: &[Aggregate]) -> Option<Scalar> {
        if aggregates.is_empty() {
            return None;
        }
        let at = self.random.below(aggregates.len());
        let subject = Scalar::Column(keys + at);
        let ty = aggregates[at].ty;
        if self.random.percent(20) || !ty.is_integer() {
            return Some(Scalar::Is(Box::new(subject), Test::Null, self.random.percent(70)));
        }
        let bound = Scalar::int(self.random.between(0, 4), ty);
        let op = *self.random.pick(&[CompareOp::Greater, CompareOp::LessOrEqual, CompareOp::NotEqual]);
        Some(subject.compare(op, bound))
    }
}

fn aggregate_type(function: AggregateFunction, ty: Type) -> Type {
    match (function, ty) {
        (AggregateFunction::CountRows | AggregateFunction::Count, _) => Type::Bigint,
        (AggregateFunction::Sum, ty) if ty.is_integer() => Type::Bigint,
        (AggregateFunction::Sum, Type::Decimal(..)) => Type::Decimal(38, decimal_scale(ty)),
        (AggregateFunction::Avg, Type::Decimal(..)) => Type::Decimal(38, decimal_scale(ty) + 4),
        (AggregateFunction::Avg, _) => Type::Double,
        (_, ty) => ty,
    }
}

fn output_columns(types: &[Type]) -> Vec<ColumnSpec> {
    let column = |(at, ty): (usize, &Type)| ColumnSpec { name: format!("c{at}"), ty: *ty, nullable: true };
    types.iter().enumerate().map(column).collect()
}
