//! `DELETE`: the rows found, with their weights turned.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, FromTable, TableFactor, TableWithJoins};
use zset::BatchBuilder;

use super::asked::{Asked, Question};
use super::{Affected, Env, Writable};
use crate::access::{self, Access};
use crate::catalog::{Snapshot, TableDef};
use crate::error::SqlError;
use crate::names;
use crate::params::Params;
use crate::planner::Planner;
use crate::scalar::{self, Given};

/// A prepared `DELETE`.
#[derive(Debug)]
pub(super) struct Delete {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Access(Access),
    Asked(Asked),
}

pub(super) fn prepare(
    planner: &Arc<Planner>,
    snapshot: &Arc<dyn Snapshot>,
    delete: &ast::Delete,
    params: &mut Params,
) -> Result<(Writable, String, Delete), SqlError> {
    refuse_clauses(delete)?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [from] = from.as_slice() else {
        return Err(SqlError::unsupported("DELETE from several tables"));
    };
    let (name, alias) = named_table(from, "DELETE")?;
    let target = Writable::find(snapshot, name)?;
    let alias = alias.unwrap_or_else(|| target.def.own_name().to_string());
    let source = if delete.using.is_some() || delete.selection.as_ref().is_some_and(scalar::has_subquery) {
        let question = Question {
            alias: &alias,
            values: &[],
            from: delete.using.as_deref().unwrap_or_default(),
            selection: delete.selection.as_ref(),
        };
        Source::Asked(Asked::new(&target, question, params)?)
    } else {
        let scope = target.scope(&alias);
        Source::Access(Access::new(planner, &target.def, &scope, delete.selection.as_ref(), params)?)
    };
    Ok((target, alias, Delete { source }))
}

/// The one plain table that a statement names, and its alias.
pub(super) fn named_table<'a>(
    table: &'a TableWithJoins,
    statement: &str,
) -> Result<(&'a ast::ObjectName, Option<String>), SqlError> {
    match &table.relation {
        TableFactor::Table { name, alias, args: None, with_hints, version: None, sample: None, .. }
            if with_hints.is_empty() && table.joins.is_empty() =>
        {
            let alias = match alias {
                Some(alias) if !alias.columns.is_empty() => {
                    return Err(SqlError::unsupported(format!("{statement} with renamed columns")));
                }
                Some(alias) => Some(names::fold(&alias.name)),
                None => None,
            };
            Ok((name, alias))
        }
        _ => Err(SqlError::unsupported(format!("{statement} of anything but one table"))),
    }
}

impl Delete {
    pub(super) fn is_of_one_row(&self, table: &TableDef) -> bool {
        matches!(&self.source, Source::Access(access) if access.is_of_one_row(table))
    }

    /// Removes the rows; they are read whole only if they are `shown`.
    pub(super) fn execute(
        &self,
        target: &Writable,
        env: &Env<'_>,
        given: &Given<'_>,
        shown: bool,
    ) -> Result<Affected, SqlError> {
        let mut builder = BatchBuilder::new();
        let (weights, columns) = match &self.source {
            Source::Access(access) => {
                let found = access.look(&target.layout, env.snapshot.as_ref(), target.def.id, given)?;
                let hits = access.hits(&target.layout, &found, given, env.cancel)?;
                for hit in &hits {
                    builder.push_from(hit.batch, hit.row, -hit.weight)?;
                }
                let columns = match shown {
                    true => access::columns(&target.layout, &hits, |_| true),
                    false => Vec::new(),
                };
                (hits.iter().map(|hit| hit.weight).collect::<Vec<_>>(), columns)
            }
            Source::Asked(asked) => {
                let answer = asked.ask(target, env)?;
                let removed = vec![-1; answer.rows];
                super::rows::push(target, &answer.old, &removed, &mut builder)?;
                (vec![1; answer.rows], answer.old)
            }
        };
        Ok(Affected { delta: builder.finish()?, columns, weights })
    }
}

fn refuse_clauses(delete: &ast::Delete) -> Result<(), SqlError> {
    let refusals = [
        (!delete.tables.is_empty(), "DELETE with a list of tables before FROM"),
        (delete.output.is_some(), "OUTPUT in DELETE"),
        (!delete.order_by.is_empty(), "ORDER BY in DELETE"),
        (delete.limit.is_some(), "LIMIT in DELETE"),
    ];
    match refusals.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(SqlError::unsupported(what)),
        None => Ok(()),
    }
}
