//! GROUP BY and aggregates.
//!
//! The input is mapped to the group's columns, then the arguments and filters of the aggregates, each once.
//! `DISTINCT` inside an aggregate removes duplicates of (group, argument, filter) before a reduce of its own;
//! where other aggregates stand beside it, the reduces are joined on the group.

use circuit::{Aggregate, AggregateKind, NodeId};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate as Source, Expr};
use zset::{ColumnType, Type};

use super::Translator;
use super::join::Side;
use crate::constructs::{Construct, refused};
use crate::error::SqlError;
use crate::types::from_arrow_or_refuse;

/// One aggregate of the plan, its argument and filter as expressions over the input.
struct Call {
    kind: AggregateKind,
    arg: Option<expr::Expr>,
    filter: Option<expr::Expr>,
    distinct: bool,
    ty: ColumnType,
}

impl Call {
    /// Whether it can share a reduce with a call of this distinctness.
    fn shares(&self, other: &Call) -> bool {
        match (self.distinct, other.distinct) {
            (false, false) => true,
            (true, true) => self.arg == other.arg && self.filter == other.filter,
            _ => false,
        }
    }
}

impl Translator<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Source) -> Result<NodeId, SqlError> {
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return Err(refused(
                "GROUPING SETS, ROLLUP or CUBE",
                "write one GROUP BY for each set and combine them with UNION ALL",
            )
            .at(self.constructs.place(|c| *c == Construct::GroupingSets)));
        }
        let input = self.node(&aggregate.input)?;
        let schema = aggregate.input.schema();
        let group = self.exprs(input, schema, &aggregate.group_expr)?;
        let group_types: Vec<ColumnType> = group.iter().map(expr::Expr::column_type).collect();
        self.refuse_intervals(&group_types, "GROUP BY a value")?;
        if aggregate.aggr_expr.is_empty() {
            let groups = self.map(input, group);
            return self.distinct(groups);
        }
        let outputs = aggregate.schema.fields().iter().skip(group.len());
        let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
        for (expr, output) in aggregate.aggr_expr.iter().zip(outputs) {
            calls.push(self.call(input, schema, expr, output.data_type())?);
        }
        self.reduces(input, &group, &calls)
    }

    /// A reduce for each kind of distinctness, joined on the group.
    fn reduces(&mut self, input: NodeId, group: &[expr::Expr], calls: &[Call]) -> Result<NodeId, SqlError> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            match parts.iter_mut().find(|part| calls[part[0]].shares(call)) {
                Some(part) => part.push(index),
                None => parts.push(vec![index]),
            }
        }
        let key = group.len();
        let mut joined: Option<(NodeId, Vec<usize>)> = None;
        for part in parts {
            let reduce = self.reduce(input, group, &part.iter().map(|&i| &calls[i]).collect::<Vec<_>>())?;
            joined = Some(match joined {
                None => (reduce, part),
                Some((left, mut done)) => {
                    let node = self.join_groups(left, reduce, key)?;
                    done.extend(part);
                    (node, done)
                }
            });
        }
        let Some((node, order)) = joined else {
            return Err(SqlError::internal("an aggregate without aggregates"));
        };
        if order.iter().enumerate().all(|(place, &call)| place == call) {
            return Ok(node);
        }
        let place = |call: usize| order.iter().position(|&done| done == call).unwrap_or(call);
        let columns: Vec<u32> =
            (0..key).chain((0..calls.len()).map(|call| key + place(call))).map(|c| c as u32).collect();
        Ok(self.circuit.project(node, &columns))
    }

    /// Joins two reduces over the same groups: the group once, then the aggregates of both.
    fn join_groups(&mut self, left: NodeId, right: NodeId, key: usize) -> Result<NodeId, SqlError> {
        let columns = |node: NodeId, translator: &Self| -> Vec<expr::Expr> {
            let types = translator.circuit.columns(node);
            let column = |(index, &ty): (usize, &ColumnType)| expr::Expr::Column { index: index as u32, ty };
            types.iter().enumerate().map(column).collect()
        };
        let (left_columns, right_columns) = (columns(left, self), columns(right, self));
        let side = |node, columns: &[expr::Expr]| Side { node, keys: columns[..key].to_vec() };
        let null_safe = left_columns[..key].iter().any(|column| column.column_type().nullable);
        let (left, left_key) = self.keyed(side(left, &left_columns), null_safe)?;
        let (right, right_key) = self.keyed(side(right, &right_columns), null_safe)?;
        let shift = self.circuit.columns(left).len() as u32;
        let aggregates = right_columns[key..].iter().map(|column| column.map_columns(|index| shift + index));
        let exprs = left_columns.iter().cloned().chain(aggregates).collect();
        let joined = self.circuit.join((left, &left_key), (right, &right_key), None, exprs);
        self.grouped.insert(joined, key as u32);
        Ok(joined)
    }

    /// One reduce for calls that share their distinctness.
    fn reduce(&mut self, input: NodeId, group: &[expr::Expr], calls: &[&Call]) -> Result<NodeId, SqlError> {
        let mut exprs = group.to_vec();
        let mut place = |expr: &Option<expr::Expr>| {
            let expr = expr.as_ref()?;
            // A group's column keeps its place at the front; arguments and filters follow, each once.
            let known = exprs.iter().skip(group.len()).position(|known| known == expr);
            let index = match known {
                Some(index) => group.len() + index,
                None => {
                    exprs.push(expr.clone());
                    exprs.len() - 1
                }
            };
            Some(index as u32)
        };
        let aggregates: Vec<Aggregate> = calls
            .iter()
            .map(|call| Aggregate {
                kind: call.kind,
                arg: place(&call.arg),
                filter: place(&call.filter),
                ty: call.ty,
            })
            .collect();
        let mut rows = self.map(input, exprs);
        if calls.iter().any(|call| call.distinct) {
            rows = self.distinct(rows)?;
        }
        Ok(self.circuit.reduce(rows, group.len() as u32, aggregates, group.is_empty()))
    }

    fn call(
        &self,
        input: NodeId,
        schema: &DFSchema,
        expr: &Expr,
        output: &DataType,
    ) -> Result<Call, SqlError> {
        let call = match expr {
            Expr::Alias(alias) => return self.call(input, schema, &alias.expr, output),
            Expr::AggregateFunction(call) => call,
            other => return Err(SqlError::internal(format!("{other} is not an aggregate"))),
        };
        let AggregateFunction { func, params } = call;
        let name = func.name();
        let kind = match (name, params.args.as_slice()) {
            ("count", [] | [Expr::Literal(_, _)]) if !params.distinct && counts_rows(&params.args) => {
                AggregateKind::CountStar
            }
            ("count", [_]) => AggregateKind::Count,
            ("sum", [_]) => AggregateKind::Sum,
            ("avg", [_]) => AggregateKind::Avg,
            ("min", [_]) => AggregateKind::Min,
            ("max", [_]) => AggregateKind::Max,
            _ => return Err(self.refuse_aggregate(name, params.args.len())),
        };
        let arg = match kind {
            AggregateKind::CountStar => None,
            _ => Some(self.expr(input, schema, &params.args[0])?),
        };
        let interval = arg.as_ref().is_some_and(|arg| arg.column_type().ty == Type::Interval);
        if interval && kind.is_extreme() {
            return Err(refused(
                &format!("{name}() of an INTERVAL"),
                "aggregate its length in seconds: EXTRACT(EPOCH FROM …)",
            ));
        }
        let filter = params.filter.as_ref().map(|filter| self.expr(input, schema, filter)).transpose()?;
        let counts = matches!(kind, AggregateKind::CountStar | AggregateKind::Count);
        let distinct = params.distinct && !kind.is_extreme();
        let ty = ColumnType { ty: from_arrow_or_refuse(output)?, nullable: !counts };
        Ok(Call { kind, arg, filter, distinct, ty })
    }

    fn refuse_aggregate(&self, name: &str, args: usize) -> SqlError {
        let what = match name {
            "count" if args > 1 => "count() of several columns".to_string(),
            _ => format!("the aggregate {name}()"),
        };
        refused(&what, "COUNT, SUM, AVG, MIN and MAX of one value are kept incrementally")
            .at(self.constructs.place_of_call(name))
    }
}

/// Whether `count(…)` of a constant counts every row.
fn counts_rows(args: &[Expr]) -> bool {
    match args {
        [Expr::Literal(value, _)] => *value != ScalarValue::Null && !value.is_null(),
        _ => true,
    }
}
