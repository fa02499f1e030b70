//! Affected rows found by the ad-hoc engine, for conditions and values that a scalar expression cannot say:
//! subqueries, `UPDATE … FROM`, `DELETE … USING`.
//!
//! The question is a query for every column of the table and the new values beside them. A join may find a row
//! of the table several times; the first time counts, which needs a primary key to tell rows apart.

use std::borrow::Cow;
use std::collections::HashSet;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    Expr, Query, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
};
use zset::{Datum, Vector};

use super::{Env, Writable, rows};
use crate::adhoc::Rows;
use crate::error::SqlError;
use crate::literal::Literal;
use crate::names;
use crate::params::Params;
use crate::scalar::Target;
use crate::statement::{self, Statement};
use crate::types::{from_arrow_or_refuse, to_vector};

/// A question made ready: its text does not change, its answer does.
#[derive(Debug)]
pub(super) struct Asked {
    query: Box<Query>,
    params: Params,
    values: Vec<Value>,
    /// Whether a row may come several times.
    joined: bool,
}

/// What is asked.
pub(super) struct Question<'a> {
    /// The table's name in the statement.
    pub alias: &'a str,
    /// The columns that get new values.
    pub values: &'a [(u32, Expr)],
    /// The other tables.
    pub from: &'a [TableWithJoins],
    /// The condition.
    pub selection: Option<&'a Expr>,
}

/// Where a new value comes from.
#[derive(Debug)]
enum Value {
    Constant(u32, Datum),
    Column(u32, usize),
}

/// The rows, one vector a column.
pub(super) struct Answer {
    pub rows: usize,
    /// Every column of the table.
    pub old: Vec<Vector>,
    /// The new values, in the order asked for.
    pub values: Vec<Vector>,
}

impl Asked {
    pub(super) fn new(
        target: &Writable,
        question: Question<'_>,
        params: &mut Params,
    ) -> Result<Asked, SqlError> {
        let joined = !question.from.is_empty();
        if joined && target.def.primary_key.is_empty() {
            return Err(SqlError::unsupported(
                "another table in a statement that changes a table without primary key",
            )
            .with_hint("write the condition as a subquery"));
        }
        let scope = target.scope(question.alias);
        let column_type = |expr: &Expr| scope.column_type(expr);
        let mut select: Vec<Expr> =
            target.def.columns.iter().map(|c| qualified(target, question.alias, &c.name)).collect();
        let mut values = Vec::with_capacity(question.values.len());
        for (column, value) in question.values {
            let def = &target.def.columns[*column as usize];
            params.infer(value, Some(def.ty.ty), &column_type)?;
            params.note_all(value)?;
            if let Some(literal) = Literal::of(value)? {
                values.push(Value::Constant(*column, literal.assign(def.ty.ty)?));
            } else {
                values.push(Value::Column(*column, select.len()));
                select.push(value.clone());
            }
        }
        if let Some(selection) = question.selection {
            params.infer(selection, None, &column_type)?;
            params.note_all(selection)?;
        }
        let query = query(target, &question, select)?;
        Ok(Asked { query, params: params.clone(), values, joined })
    }

    pub(super) fn ask(&self, target: &Writable, env: &Env<'_>) -> Result<Answer, SqlError> {
        let params = typed(&self.params, env)?;
        let answer = env.planner.query(env.snapshot, &self.query, &params, env.now, env.cancel)?;
        let width = target.def.columns.len();
        let total = answer.schema.fields().len();
        let rows = answer.batches.iter().map(|b| b.num_rows()).sum();
        let mut columns = Vec::with_capacity(total);
        for index in 0..total {
            let assigned = self.values.iter().find_map(|value| match value {
                Value::Column(column, at) if *at == index => Some(*column as usize),
                _ => None,
            });
            let def = &target.def.columns[assigned.unwrap_or(index)];
            columns.push(gather(&answer, index, Target { name: &def.name, ty: def.ty.ty }, target, rows)?);
        }
        let mut values: Vec<Vector> = Vec::with_capacity(self.values.len());
        for value in &self.values {
            values.push(match value {
                Value::Constant(column, datum) => {
                    let ty = target.def.columns[*column as usize].ty.ty;
                    Vector::constant(ty.lane(), datum, rows)
                }
                Value::Column(_, at) => columns[*at].clone(),
            });
        }
        columns.truncate(width);
        let answer = Answer { rows, old: columns, values };
        if self.joined { first_of_each(target, answer) } else { Ok(answer) }
    }
}

/// The bound parameters with their types, for a query.
pub(super) fn typed(params: &Params, env: &Env<'_>) -> Result<Vec<(Datum, zset::Type)>, SqlError> {
    // A statement may have more parameters than the part of it that is a query.
    let given = &env.params[..params.types().len().min(env.params.len())];
    let bound = params.bind(given)?;
    let types = params.types().iter().zip(given).map(|(known, (_, ty))| known.unwrap_or(*ty));
    Ok(bound.into_iter().map(Cow::into_owned).zip(types).collect())
}

/// One column of an answer, as the target column takes it.
pub(super) fn gather(
    answer: &Rows,
    index: usize,
    column: Target<'_>,
    target: &Writable,
    rows: usize,
) -> Result<Vector, SqlError> {
    let data_type = answer.schema.field(index).data_type();
    let mut out = Vector::with_capacity(column.ty.lane(), rows);
    if *data_type == DataType::Null {
        return Ok(Vector::constant(column.ty.lane(), &Datum::Null, rows));
    }
    let from = from_arrow_or_refuse(data_type)?;
    let def = target.def.columns.iter().find(|c| c.name == column.name);
    for batch in &answer.batches {
        let values = to_vector(batch.column(index), from)?;
        let values = match def {
            Some(def) => rows::convert(values, from, def)?,
            None => values,
        };
        out.extend_range(&values, 0..values.len());
    }
    Ok(out)
}

fn query(target: &Writable, question: &Question<'_>, select: Vec<Expr>) -> Result<Box<Query>, SqlError> {
    let Statement::Query(mut query) = statement::parse_one("SELECT 0 FROM t")? else {
        return Err(SqlError::internal("a select list is no query"));
    };
    let SetExpr::Select(body) = query.body.as_mut() else {
        return Err(SqlError::internal("a select list is no query"));
    };
    let item = |(at, expr)| SelectItem::ExprWithAlias { expr, alias: names::quoted(&format!("${at}")) };
    body.projection = select.into_iter().enumerate().map(item).collect();
    if let Some(TableFactor::Table { name, alias, .. }) = body.from.first_mut().map(|t| &mut t.relation) {
        *name = names::written(&target.def.name);
        *alias = (question.alias != target.def.own_name()).then(|| TableAlias {
            explicit: true,
            name: names::quoted(question.alias),
            columns: Vec::new(),
            at: None,
        });
    }
    body.from.extend(question.from.iter().cloned());
    body.selection = question.selection.cloned();
    Ok(query)
}

/// A column of the target; its schema is said if it has no alias, as another's relation of its name may be read.
fn qualified(target: &Writable, alias: &str, column: &str) -> Expr {
    let (schema, own) = names::split(&target.def.name);
    let schema = (schema != names::PUBLIC && own == alias).then(|| names::quoted(schema));
    let parts = schema.into_iter().chain([names::quoted(alias), names::quoted(column)]);
    Expr::CompoundIdentifier(parts.collect())
}

/// The first of the rows of each key.
fn first_of_each(target: &Writable, answer: Answer) -> Result<Answer, SqlError> {
    let key: Vec<&Vector> =
        target.def.primary_key.iter().map(|&column| &answer.old[column as usize]).collect();
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for row in 0..answer.rows {
        let mut bytes = Vec::new();
        target.layout.encode_prefix_vectors(&key, row, &mut bytes)?;
        if seen.insert(bytes) {
            kept.push(u32::try_from(row).map_err(|_| SqlError::internal("too many rows in one statement"))?);
        }
    }
    let keep = |columns: &[Vector]| -> Vec<Vector> {
        let kept = |column: &Vector| {
            let mut out = Vector::with_capacity(column.lane(), kept.len());
            out.extend_gather(column, &kept);
            out
        };
        columns.iter().map(kept).collect()
    };
    Ok(Answer { rows: kept.len(), old: keep(&answer.old), values: keep(&answer.values) })
}
