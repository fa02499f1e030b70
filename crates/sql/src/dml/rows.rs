//! Rows on their way into a table: the checks every row passes, and the check of the primary key.
//!
//! The key is checked on the consolidated delta, for all statements alike: the rows of one key that the delta
//! adds and removes, and those the table has, must sum to one at most. So `UPDATE t SET id = id + 1` succeeds,
//! as the standard has it, whatever the order of the rows. A key whose rows sum to nothing needs no search.

use std::borrow::Cow;
use std::cell::OnceCell;

use zset::{Batch, BatchBuilder, Datum, TraceCursor, Vector};

use super::Writable;
use crate::assign::{self, Fit};
use crate::catalog::{ColumnDef, Snapshot, TableDef};
use crate::error::{SqlError, SqlState};
use crate::{input, names};

/// Checks NOT NULL and lengths of a column's new values; blanks beyond the length are cut.
pub(super) fn check_column(
    column: &ColumnDef,
    table: &TableDef,
    values: &mut Vector,
) -> Result<(), SqlError> {
    if !column.ty.nullable && values.has_nulls() {
        return Err(assign::null_violation(column, table.own_name()));
    }
    let Some(max) = column.max_len else { return Ok(()) };
    let mut cut = Vec::new();
    for row in 0..values.len() {
        let text = match &values.data {
            zset::Data::Bytes(strings) => strings.text(row),
            _ => return Ok(()),
        };
        match assign::fitting(text, max) {
            Fit::Whole => {}
            Fit::Cut(end) => cut.push((row, text[..end].to_string())),
            Fit::TooLong => return Err(assign::too_long(column, max)),
        }
    }
    if cut.is_empty() {
        return Ok(());
    }
    let mut cuts = cut.into_iter().peekable();
    let mut out = Vector::with_capacity(values.lane(), values.len());
    for row in 0..values.len() {
        let value = match cuts.next_if(|(at, _)| *at == row) {
            Some((_, text)) => Datum::Text(text),
            None => values.get_as(row, column.ty.ty),
        };
        out.push_datum(&value);
    }
    *values = out;
    Ok(())
}

/// As [`check_column`], for one value.
pub(super) fn check_value<'v>(
    column: &ColumnDef,
    table: &TableDef,
    value: &'v Datum,
) -> Result<Cow<'v, Datum>, SqlError> {
    match (value, column.max_len) {
        (Datum::Null, _) if !column.ty.nullable => Err(assign::null_violation(column, table.own_name())),
        (Datum::Text(text), Some(max)) => match assign::fitting(text, max) {
            Fit::Whole => Ok(Cow::Borrowed(value)),
            Fit::Cut(end) => Ok(Cow::Owned(Datum::Text(text[..end].to_string()))),
            Fit::TooLong => Err(assign::too_long(column, max)),
        },
        _ => Ok(Cow::Borrowed(value)),
    }
}

/// Checks the new values of every column.
pub(super) fn check(target: &Writable, columns: &mut [Vector]) -> Result<(), SqlError> {
    let defs = target.def.columns.iter();
    defs.zip(columns).try_for_each(|(column, values)| check_column(column, &target.def, values))
}

/// Pushes rows, each with the weight it is given.
pub(super) fn push(
    target: &Writable,
    columns: &[Vector],
    weights: &[i64],
    out: &mut BatchBuilder,
) -> Result<(), SqlError> {
    let columns: Vec<&Vector> = columns.iter().collect();
    Ok(target.layout.encode(&columns, weights.len(), weights, out)?)
}

/// The delta of the rows pushed, if it leaves every primary key at most once.
pub(super) fn finish(
    target: &Writable,
    snapshot: &dyn Snapshot,
    builder: BatchBuilder,
) -> Result<Batch, SqlError> {
    let delta = builder.finish()?;
    if !target.def.primary_key.is_empty() {
        check_unique(target, snapshot, &delta)?;
    }
    Ok(delta)
}

fn check_unique(target: &Writable, snapshot: &dyn Snapshot, delta: &Batch) -> Result<(), SqlError> {
    let layout = &target.layout;
    let runs = OnceCell::new();
    let mut cursor = None;
    let mut from = 0;
    while from < delta.len() {
        let key = layout.key_part(delta.key(from));
        let mut net = delta.weight(from);
        let mut to = from + 1;
        while to < delta.len() && layout.key_part(delta.key(to)) == key {
            net += delta.weight(to);
            to += 1;
        }
        if net > 0 {
            let runs: &Vec<Batch> = runs.get_or_init(|| runs_near(target, snapshot, delta));
            let cursor = cursor.get_or_insert_with(|| TraceCursor::new(runs));
            cursor.seek_prefix(key);
            let there = cursor.next_net()?.map_or(0, |(_, _, weight)| weight);
            if net + there > 1 {
                return Err(duplicate(target, delta.key(from)));
            }
        }
        from = to;
    }
    Ok(())
}

/// The runs in which the primary keys of a delta may be: for one key, which is what most statements change, only
/// those it falls into.
fn runs_near(target: &Writable, snapshot: &dyn Snapshot, delta: &Batch) -> Vec<Batch> {
    let key = |key: Option<_>| key.map(|key| target.layout.key_part(key));
    match (key(delta.first_key()), key(delta.last_key())) {
        (Some(first), Some(last)) if first == last => snapshot.runs_with_prefix(target.def.id, first),
        _ => snapshot.runs(target.def.id),
    }
}

fn duplicate(target: &Writable, key: &[u8]) -> SqlError {
    let def = &target.def;
    let values = target.layout.decode_key(key, def.primary_key.len());
    let columns: Vec<&ColumnDef> =
        def.primary_key.iter().map(|&index| &def.columns[index as usize]).collect();
    let listed: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let shown: Vec<String> =
        columns.iter().zip(&values).map(|(c, v)| v.display(c.ty.ty).to_string()).collect();
    SqlError::new(
        SqlState::UniqueViolation,
        format!(
            "duplicate key value violates unique constraint \"{}\": Key ({})=({}) already exists",
            names::key(&def.name),
            listed.join(", "),
            shown.join(", ")
        ),
    )
}

/// A column of another type than its target, converted as an assignment converts.
pub(super) fn convert(values: Vector, from: zset::Type, column: &ColumnDef) -> Result<Vector, SqlError> {
    let to = column.ty.ty;
    if from == to {
        return Ok(values);
    }
    if !assign::allowed(from, to) {
        return Err(SqlError::new(
            SqlState::DatatypeMismatch,
            format!(
                "column \"{}\" is of type {} but expression is of type {}",
                column.name,
                input::type_name(to),
                input::type_name(from)
            ),
        )
        .with_hint("rewrite or cast the expression"));
    }
    assign::vector(&values, from, to)
}
