//! `ON CONFLICT`: what becomes of a new row whose key the table has already.
//!
//! New rows are met in the order they are written, and each sees the table as it was before the statement plus
//! the rows inserted before it. So of several new rows of one key the first is inserted and, for `DO NOTHING`,
//! the others are dropped; `DO UPDATE` refuses to touch one row twice (21000), as PostgreSQL does.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ConflictTarget, OnConflict, OnConflictAction};
use zset::{Batch, BatchBuilder, TraceCursor, Vector};

use super::update::{counted, resolve_defaults, with_targets};
use super::{Affected, Writable, rows};
use crate::access::{self, Hit};
use crate::catalog::Snapshot;
use crate::error::{SqlError, SqlState};
use crate::names;
use crate::params::Params;
use crate::planner::Planner;
use crate::scalar::{self, Given, Relation, Scalars, Scope};

/// A prepared `ON CONFLICT`.
#[derive(Debug)]
pub(super) struct Conflict {
    /// `None`: `DO NOTHING`.
    update: Option<Update>,
}

/// `DO UPDATE SET … WHERE …`, over the columns of the table's row and then those of the new row.
#[derive(Debug)]
struct Update {
    columns: Vec<u32>,
    values: Scalars,
    condition: Option<Scalars>,
}

/// The new rows, told apart.
struct Sorted<'a> {
    /// Rows whose key is new.
    fresh: Vec<u32>,
    /// Rows whose key the table has, and the row that has it.
    met: Vec<(u32, Hit<'a>)>,
}

impl Conflict {
    pub(super) fn new(
        planner: &Arc<Planner>,
        target: &Writable,
        alias: &str,
        on: &OnConflict,
        params: &mut Params,
    ) -> Result<Conflict, SqlError> {
        check_target(target, on)?;
        let OnConflictAction::DoUpdate(update) = &on.action else { return Ok(Conflict { update: None }) };
        let scope = Scope::new(vec![Relation::of(&target.def, alias), Relation::of(&target.def, "excluded")]);
        let written = target.assignments(&update.assignments)?;
        if !counted(target, &written).is_empty() {
            return Err(SqlError::unsupported("DEFAULT of a sequence in ON CONFLICT DO UPDATE"));
        }
        let assignments = resolve_defaults(target, &written)?;
        let columns = assignments.iter().map(|(column, _)| *column).collect();
        let values = scalar::compile(planner, &scope, &with_targets(target, assignments), params)?;
        let condition = match &update.selection {
            Some(condition) => Some(scalar::condition(planner, &scope, condition, params)?),
            None => None,
        };
        Ok(Conflict { update: Some(Update { columns, values, condition }) })
    }

    /// What the new rows come to.
    pub(super) fn resolve(
        &self,
        target: &Writable,
        snapshot: &dyn Snapshot,
        columns: Vec<Vector>,
        count: usize,
        given: &Given<'_>,
    ) -> Result<Affected, SqlError> {
        let runs = snapshot.runs(target.def.id);
        let Sorted { fresh, met } = self.sort(target, &runs, &columns, count)?;
        let mut builder = BatchBuilder::new();
        let inserted = gather(&columns, &fresh);
        rows::push(target, &inserted, &vec![1; fresh.len()], &mut builder)?;
        let changed = match &self.update {
            Some(update) if !met.is_empty() => {
                let (touched, updated) = update.run(target, met, &columns, given, &mut builder)?;
                in_order(inserted, &fresh, updated, &touched)
            }
            _ => inserted,
        };
        let delta = rows::finish(target, snapshot, builder)?;
        let rows = changed.first().map_or(0, Vector::len);
        Ok(Affected { delta, columns: changed, weights: vec![1; rows] })
    }

    fn sort<'a>(
        &self,
        target: &Writable,
        runs: &'a [Batch],
        columns: &[Vector],
        count: usize,
    ) -> Result<Sorted<'a>, SqlError> {
        let mut sorted = Sorted { fresh: Vec::new(), met: Vec::new() };
        let all =
            0..u32::try_from(count).map_err(|_| SqlError::internal("too many rows in one statement"))?;
        if target.def.primary_key.is_empty() {
            sorted.fresh = all.collect();
            return Ok(sorted);
        }
        let key: Vec<&Vector> =
            target.def.primary_key.iter().map(|&column| &columns[column as usize]).collect();
        let mut keyed = Vec::with_capacity(count);
        for row in all {
            let mut bytes = Vec::new();
            target.layout.encode_prefix_vectors(&key, row as usize, &mut bytes)?;
            keyed.push((bytes, row));
        }
        keyed.sort();
        let mut cursor = TraceCursor::new(runs);
        let mut last: Option<&[u8]> = None;
        for (bytes, row) in &keyed {
            if last == Some(bytes.as_slice()) {
                if self.update.is_some() {
                    return Err(touched_twice());
                }
                continue;
            }
            last = Some(bytes);
            cursor.seek_prefix(bytes);
            match cursor.next_net()? {
                Some((batch, at, weight)) => sorted.met.push((*row, Hit { batch, row: at, weight })),
                None => sorted.fresh.push(*row),
            }
        }
        sorted.fresh.sort_unstable();
        sorted.met.sort_by_key(|(row, _)| *row);
        Ok(sorted)
    }
}

impl Update {
    /// Pushes the changes of the rows that were met; gives the new rows that caused one, and the rows they made.
    fn run(
        &self,
        target: &Writable,
        met: Vec<(u32, Hit<'_>)>,
        columns: &[Vector],
        given: &Given<'_>,
        out: &mut BatchBuilder,
    ) -> Result<(Vec<u32>, Vec<Vector>), SqlError> {
        let (mut touched, mut hits): (Vec<u32>, Vec<Hit<'_>>) = met.into_iter().unzip();
        let mut old = access::columns(&target.layout, &hits, |_| true);
        let mut excluded = gather(columns, &touched);
        if let Some(condition) = &self.condition {
            let inputs: Vec<&Vector> = old.iter().chain(&excluded).collect();
            let kept = condition.select(&inputs, hits.len(), given)?;
            hits = kept.iter().map(|&at| hits[at as usize]).collect();
            touched = kept.iter().map(|&at| touched[at as usize]).collect();
            old = gather(&old, &kept);
            excluded = gather(&excluded, &kept);
        }
        let inputs: Vec<&Vector> = old.iter().chain(&excluded).collect();
        let values = self.values.eval(&inputs, hits.len(), given)?;
        let mut new = old;
        for (column, mut values) in self.columns.iter().zip(values) {
            rows::check_column(&target.def.columns[*column as usize], &target.def, &mut values)?;
            new[*column as usize] = values;
        }
        for hit in &hits {
            out.push_from(hit.batch, hit.row, -hit.weight)?;
        }
        rows::push(target, &new, &vec![1; hits.len()], out)?;
        Ok((touched, new))
    }
}

/// The conflict must be about the primary key, which is the only thing that can be in the way.
fn check_target(target: &Writable, on: &OnConflict) -> Result<(), SqlError> {
    let def = &target.def;
    let matches = match &on.conflict_target {
        None if matches!(on.action, OnConflictAction::DoNothing) => true,
        None => {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
            )
            .with_hint("write ON CONFLICT (key columns) DO UPDATE"));
        }
        Some(ConflictTarget::Columns(columns)) => {
            let mut named = Vec::with_capacity(columns.len());
            for column in columns {
                let name = names::fold(column);
                named.push(def.column(&name).ok_or_else(|| {
                    SqlError::new(SqlState::UndefinedColumn, format!("column \"{name}\" does not exist"))
                        .at(names::place(column))
                })?);
            }
            let mut key = def.primary_key.clone();
            key.sort_unstable();
            named.sort_unstable();
            named.dedup();
            !key.is_empty() && key == named
        }
        Some(ConflictTarget::OnConstraint(name)) => {
            !def.primary_key.is_empty() && names::own(&names::relation(name)?) == names::key(&def.name)
        }
    };
    if matches {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::InvalidColumnReference,
        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
    )
    .with_hint("name the columns of the primary key"))
}

fn touched_twice() -> SqlError {
    SqlError::new(
        SqlState::CardinalityViolation,
        "ON CONFLICT DO UPDATE command cannot affect row a second time",
    )
    .with_hint("make sure that no two rows of the command have the same key")
}

fn gather(columns: &[Vector], rows: &[u32]) -> Vec<Vector> {
    let gather = |column: &Vector| {
        let mut out = Vector::with_capacity(column.lane(), rows.len());
        out.extend_gather(column, rows);
        out
    };
    columns.iter().map(gather).collect()
}

/// Inserted and updated rows, as the new rows that caused them were written.
fn in_order(mut inserted: Vec<Vector>, fresh: &[u32], updated: Vec<Vector>, touched: &[u32]) -> Vec<Vector> {
    let mut order: Vec<(u32, u32)> = fresh.iter().chain(touched).copied().zip(0..).collect();
    order.sort_unstable();
    let order: Vec<u32> = order.into_iter().map(|(_, at)| at).collect();
    for (all, more) in inserted.iter_mut().zip(&updated) {
        all.extend_range(more, 0..more.len());
    }
    gather(&inserted, &order)
}
