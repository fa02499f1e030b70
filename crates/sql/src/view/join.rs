//! Joins: equal keys, a condition on the pairs, and the joins that are none of ours.

use circuit::NodeId;
use datafusion::common::NullEquality;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan};
use expr::UnaryOp;
use zset::{Datum, Lane, Type};

use super::{Translator, ViewScope};
use crate::constructs::{Construct, refused};
use crate::error::SqlError;
use crate::expr::translate as translate_expr;

/// One side of a join: a node, and the keys as expressions over it.
pub(super) struct Side {
    pub(super) node: NodeId,
    pub(super) keys: Vec<expr::Expr>,
}

impl Translator<'_> {
    /// A join whose output is its columns, or `output` over them.
    pub(super) fn join(&mut self, join: &Join, output: Option<&[Expr]>) -> Result<NodeId, SqlError> {
        self.refuse_join(join)?;
        let mut left = Side { node: self.node(&join.left)?, keys: Vec::new() };
        let mut right = Side { node: self.node(&join.right)?, keys: Vec::new() };
        for (left_key, right_key) in &join.on {
            left.keys.push(self.expr(left.node, join.left.schema(), left_key)?);
            right.keys.push(self.expr(right.node, join.right.schema(), right_key)?);
        }
        let null_safe = join.null_equality == NullEquality::NullEqualsNull;
        let (left, left_columns) = self.keyed(left, null_safe)?;
        let (right, right_columns) = self.keyed(right, null_safe)?;
        self.check_keys((left, &left_columns), (right, &right_columns))?;

        let shift = self.circuit.columns(left).len() as u32;
        let place = |field: usize, left_fields: usize| match field < left_fields {
            true => (left, field as u32, field as u32),
            false => (right, (field - left_fields) as u32, shift + (field - left_fields) as u32),
        };
        let left_fields = join.left.schema().fields().len();
        let columns: Vec<expr::Expr> = (0..join.schema.fields().len())
            .map(|field| place(field, left_fields))
            .map(|(side, column, index)| expr::Expr::Column {
                index,
                ty: self.circuit.columns(side)[column as usize],
            })
            .collect();
        let mut scope =
            ViewScope { schema: &join.schema, columns: columns.clone(), constructs: self.constructs };
        let residual = join.filter.as_ref().map(|filter| translate_expr(filter, &mut scope)).transpose()?;
        let mut exprs = match output {
            Some(output) => {
                output.iter().map(|expr| translate_expr(expr, &mut scope)).collect::<Result<Vec<_>, _>>()?
            }
            None => columns,
        };
        if exprs.is_empty() {
            exprs.push(expr::Expr::literal(Datum::Bool(true), Type::Bool));
        }
        let residual = residual.filter(|residual| !is_true(residual));
        Ok(self.circuit.join((left, &left_columns), (right, &right_columns), residual, exprs))
    }

    /// A side with its keys as columns, after the columns it has, and without the rows whose key is NULL.
    /// Where NULL is to equal NULL, each key becomes two columns that are never NULL: whether it is, and its
    /// value or the type's zero.
    pub(super) fn keyed(&mut self, side: Side, null_safe: bool) -> Result<(NodeId, Vec<u32>), SqlError> {
        let Side { mut node, keys } = side;
        let keys = match null_safe {
            true => keys.into_iter().flat_map(null_safe_key).collect(),
            false => keys,
        };
        let mut exprs: Vec<expr::Expr> = self
            .circuit
            .columns(node)
            .iter()
            .enumerate()
            .map(|(index, &ty)| expr::Expr::Column { index: index as u32, ty })
            .collect();
        let width = exprs.len();
        let mut columns: Vec<u32> = Vec::with_capacity(keys.len());
        for key in keys {
            let place = match exprs.iter().position(|known| *known == key) {
                // A column can be one key only once: the second condition on it compares a copy.
                Some(place) if !columns.contains(&(place as u32)) => place,
                _ => {
                    exprs.push(key);
                    exprs.len() - 1
                }
            };
            columns.push(place as u32);
        }
        if exprs.len() > width {
            node = self.circuit.map(node, exprs);
        }
        if !null_safe {
            let types = self.circuit.columns(node).to_vec();
            let nullable = columns.iter().filter(|&&column| types[column as usize].nullable);
            let tests: Vec<expr::Expr> = nullable
                .map(|&index| expr::Expr::Column { index, ty: types[index as usize] })
                .map(|column| expr::Expr::unary(UnaryOp::IsNotNull, column))
                .collect();
            node = match tests.len() {
                0 => node,
                1 => self.circuit.filter(node, tests.into_iter().next().unwrap_or_else(always)),
                _ => self.circuit.filter(node, expr::Expr::And(tests)),
            };
        }
        Ok((node, columns))
    }

    fn check_keys(&self, left: (NodeId, &[u32]), right: (NodeId, &[u32])) -> Result<(), SqlError> {
        let types = |(node, columns): (NodeId, &[u32])| -> Vec<Type> {
            let all = self.circuit.columns(node);
            columns.iter().map(|&column| all[column as usize].ty).collect()
        };
        let (left, right) = (types(left), types(right));
        if let Some((a, b)) = left.iter().zip(&right).find(|(a, b)| a != b) {
            return Err(refused(&format!("a join of {a} with {b}"), "CAST one side to the other's type"));
        }
        match left.contains(&Type::Interval) {
            true => Err(refused(
                "a join on a column of type INTERVAL",
                "join on its length in seconds: EXTRACT(EPOCH FROM …)",
            )),
            false => Ok(()),
        }
    }

    fn refuse_join(&self, join: &Join) -> Result<(), SqlError> {
        let outer = |name: &'static str| {
            let place = self.constructs.place(|c| *c == Construct::OuterJoin(name));
            if place.is_some() || self.constructs.place(|c| matches!(c, Construct::OuterJoin(_))).is_some() {
                return refused(
                    name,
                    "use an inner JOIN, or keep the unmatched rows in a query that reads the view",
                )
                .at(place.or_else(|| self.constructs.place(|c| matches!(c, Construct::OuterJoin(_)))));
            }
            refused(
                "a scalar subquery that is not a single aggregate without correlation",
                "write it as a join with a subquery that has its own GROUP BY",
            )
            .at(self.constructs.place(|c| *c == Construct::ScalarSubquery))
        };
        Err(match join.join_type {
            JoinType::Inner => return Ok(()),
            // A scalar subquery over the whole input: it has exactly one row, so nothing is unmatched.
            JoinType::Left if join.on.is_empty() && join.filter.as_ref().is_none_or(is_true_literal) => {
                match has_one_row(&join.right) {
                    true => return Ok(()),
                    false => outer("LEFT JOIN"),
                }
            }
            JoinType::Left => outer("LEFT JOIN"),
            JoinType::Right => outer("RIGHT JOIN"),
            JoinType::Full => outer("FULL JOIN"),
            JoinType::LeftAnti | JoinType::RightAnti => self.refused_subquery(
                "NOT IN (SELECT …) or NOT EXISTS (SELECT …)",
                "keep both sides as views and subtract them in a query",
            ),
            _ => self.refused_subquery(
                "IN (SELECT …) or EXISTS (SELECT …)",
                "join with a subquery that is SELECT DISTINCT of the same columns",
            ),
        })
    }

    fn refused_subquery(&self, what: &str, hint: &str) -> SqlError {
        let is = |c: &Construct| {
            matches!(
                c,
                Construct::InSubquery | Construct::Exists | Construct::SemiJoin | Construct::Quantified
            )
        };
        refused(what, hint).at(self.constructs.place(is))
    }
}

fn always() -> expr::Expr {
    expr::Expr::literal(Datum::Bool(true), Type::Bool)
}

fn is_true(expr: &expr::Expr) -> bool {
    *expr == always()
}

fn is_true_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(datafusion::common::ScalarValue::Boolean(Some(true)), _))
}

/// Whether a plan has exactly one row whatever its tables hold.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Join(join) => {
            join.on.is_empty()
                && join.filter.as_ref().is_none_or(is_true_literal)
                && matches!(join.join_type, JoinType::Inner | JoinType::Left)
                && has_one_row(&join.left)
                && has_one_row(&join.right)
        }
        _ => false,
    }
}

/// Two keys that are equal exactly when the one key is not distinct.
fn null_safe_key(key: expr::Expr) -> Vec<expr::Expr> {
    let ty = key.column_type().ty;
    let zero = match ty.lane() {
        Lane::Bool => Datum::Bool(false),
        Lane::I64 => Datum::Int(0),
        Lane::I128 => Datum::Wide(0),
        Lane::F64 => Datum::Float(0.0),
        Lane::Bytes if ty == Type::Text => Datum::Text(String::new()),
        Lane::Bytes => Datum::Bytes(Vec::new()),
        Lane::Interval => Datum::Interval(zset::Interval::default()),
    };
    let present = expr::Expr::unary(UnaryOp::IsNotNull, key.clone());
    let value = expr::Expr::Case {
        branches: vec![(present, key.clone())],
        otherwise: Some(Box::new(expr::Expr::literal(zero, ty))),
        ty,
    };
    vec![expr::Expr::unary(UnaryOp::IsNull, key), value]
}
