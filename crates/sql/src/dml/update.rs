//! `UPDATE`: the rows found leave with their weights turned, and come back with some columns changed.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, Expr, UpdateTableFromKind};
use zset::{BatchBuilder, Vector};

use super::asked::{Asked, Question};
use super::delete::named_table;
use super::{Affected, Env, Writable, is_default, rows, taken};
use crate::access::{self, Access};
use crate::catalog::{Snapshot, TableDef};
use crate::error::SqlError;
use crate::params::Params;
use crate::planner::Planner;
use crate::scalar::{self, Given, Scalars, Target};
use crate::statement::parse_expression;

/// A prepared `UPDATE`.
#[derive(Debug)]
pub(super) struct Update {
    /// The columns that change.
    columns: Vec<u32>,
    /// Those that get values of sequences, by their place among them.
    counted: Vec<(usize, String)>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The rows, and the new values of the columns.
    Access(Box<(Access, Scalars)>),
    Asked(Asked),
}

/// The rows that change: their weights, what they were, and the new values of the columns that change.
struct Found {
    weights: Vec<i64>,
    old: Vec<Vector>,
    values: Vec<Vector>,
}

pub(super) fn prepare(
    planner: &Arc<Planner>,
    snapshot: &Arc<dyn Snapshot>,
    update: &ast::Update,
    params: &mut Params,
) -> Result<(Writable, String, Update), SqlError> {
    refuse_clauses(update)?;
    let (name, alias) = named_table(&update.table, "UPDATE")?;
    let target = Writable::find(snapshot, name)?;
    let alias = alias.unwrap_or_else(|| target.def.own_name().to_string());
    let written = target.assignments(&update.assignments)?;
    let counted = counted(&target, &written);
    let assignments = resolve_defaults(&target, &written)?;
    let columns: Vec<u32> = assignments.iter().map(|(column, _)| *column).collect();
    let from = match &update.from {
        Some(UpdateTableFromKind::AfterSet(from)) => from.as_slice(),
        _ => &[],
    };
    let asks = !from.is_empty()
        || update.selection.as_ref().is_some_and(scalar::has_subquery)
        || assignments.iter().any(|(_, value)| scalar::has_subquery(value));
    let source = if asks {
        let question =
            Question { alias: &alias, values: &assignments, from, selection: update.selection.as_ref() };
        Source::Asked(Asked::new(&target, question, params)?)
    } else {
        let scope = target.scope(&alias);
        let access = Access::new(planner, &target.def, &scope, update.selection.as_ref(), params)?;
        let values = with_targets(&target, assignments);
        Source::Access(Box::new((access, scalar::compile(planner, &scope, &values, params)?)))
    };
    Ok((target, alias, Update { columns, counted, source }))
}

/// The assignments of `DEFAULT` to columns that sequences give values to: their places, and the sequences.
pub(super) fn counted(target: &Writable, assignments: &[(u32, &Expr)]) -> Vec<(usize, String)> {
    let of = |(at, &(column, value)): (usize, &(u32, &Expr))| {
        let def = is_default(value).then(|| &target.def.columns[column as usize])?;
        Some((at, def.sequence()?))
    };
    assignments.iter().enumerate().filter_map(of).collect()
}

/// Replaces the word `DEFAULT` by the column's default; where a sequence gives the values, by NULL. A column that is
/// always generated takes nothing else.
pub(super) fn resolve_defaults(
    target: &Writable,
    assignments: &[(u32, &Expr)],
) -> Result<Vec<(u32, Expr)>, SqlError> {
    let resolve = |&(column, value): &(u32, &Expr)| {
        let def = &target.def.columns[column as usize];
        match is_default(value) {
            false if def.is_always_generated() => Err(taken::only_default(def)),
            false => Ok((column, value.clone())),
            true => {
                let text = def.default.as_deref().filter(|_| def.sequence().is_none());
                Ok((column, parse_expression(text.unwrap_or("NULL"))?))
            }
        }
    };
    assignments.iter().map(resolve).collect()
}

/// Each value with the column that takes it. A literal is converted now, so that it is read by the input rules
/// of the column's type.
pub(super) fn with_targets(
    target: &Writable,
    assignments: Vec<(u32, Expr)>,
) -> Vec<(Expr, Option<Target<'_>>)> {
    let with_target = |(column, value): (u32, Expr)| {
        let def = &target.def.columns[column as usize];
        (value, Some(Target { name: &def.name, ty: def.ty.ty }))
    };
    assignments.into_iter().map(with_target).collect()
}

impl Update {
    pub(super) fn is_of_one_row(&self, table: &TableDef) -> bool {
        matches!(&self.source, Source::Access(found) if found.0.is_of_one_row(table))
    }

    pub(super) fn execute(
        &self,
        target: &Writable,
        env: &Env<'_>,
        given: &Given<'_>,
    ) -> Result<Affected, SqlError> {
        let mut builder = BatchBuilder::new();
        let Found { weights, old, values } = match &self.source {
            Source::Access(found) => {
                let (access, scalars) = found.as_ref();
                let looked = access.look(&target.layout, env.snapshot.as_ref(), target.def.id, given)?;
                let hits = access.hits(&target.layout, &looked, given, env.cancel)?;
                for hit in &hits {
                    builder.push_from(hit.batch, hit.row, -hit.weight)?;
                }
                // A column that is assigned and nowhere looked at is not read.
                let read = |index| scalars.uses(index) || !self.columns.contains(&index);
                let old = access::columns(&target.layout, &hits, read);
                let inputs: Vec<&Vector> = old.iter().collect();
                let values = scalars.eval(&inputs, hits.len(), given)?;
                Found { weights: hits.iter().map(|hit| hit.weight).collect(), old, values }
            }
            Source::Asked(asked) => {
                let answer = asked.ask(target, env)?;
                rows::push(target, &answer.old, &vec![-1; answer.rows], &mut builder)?;
                Found { weights: vec![1; answer.rows], old: answer.old, values: answer.values }
            }
        };
        let mut new = old;
        for (at, (column, mut values)) in self.columns.iter().zip(values).enumerate() {
            if let Some((_, sequence)) = self.counted.iter().find(|(place, _)| *place == at) {
                if weights.iter().any(|weight| *weight != 1) {
                    return Err(SqlError::unsupported("DEFAULT of a sequence for rows that are there twice"));
                }
                let ty = target.def.columns[*column as usize].ty.ty;
                values = taken::column(env.sequences, sequence, ty, weights.len())?;
            }
            rows::check_column(&target.def.columns[*column as usize], &target.def, &mut values)?;
            new[*column as usize] = values;
        }
        rows::push(target, &new, &weights, &mut builder)?;
        Ok(Affected { delta: rows::finish(target, env.snapshot.as_ref(), builder)?, columns: new, weights })
    }
}

fn refuse_clauses(update: &ast::Update) -> Result<(), SqlError> {
    let refusals = [
        (update.output.is_some(), "OUTPUT in UPDATE"),
        (update.or.is_some(), "UPDATE OR"),
        (!update.order_by.is_empty(), "ORDER BY in UPDATE"),
        (update.limit.is_some(), "LIMIT in UPDATE"),
        (matches!(update.from, Some(UpdateTableFromKind::BeforeSet(_))), "FROM before SET in UPDATE"),
    ];
    match refusals.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(SqlError::unsupported(what)),
        None => Ok(()),
    }
}
