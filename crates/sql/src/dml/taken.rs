//! Values of sequences on their way into rows: taken at once for a whole statement, handed out row by row.

use datafusion::sql::sqlparser::ast::{Query, SetExpr, TableFactor, TableWithJoins};
use zset::{Datum, Type, Vector};

use crate::assign;
use crate::catalog::ColumnDef;
use crate::error::{SqlError, SqlState};
use crate::sequence::{Run, Sequences, Taken};
use crate::statement::parse_expression;

/// What the rows of a statement take, each thing once.
#[derive(Debug, Default)]
pub(super) struct Counted(Vec<Taken>);

/// The values of one execution.
pub(super) struct Values {
    sources: Vec<Source>,
    /// The value handed out last.
    last: Option<i64>,
}

enum Source {
    /// `nextval`: the values, and the one handed out last.
    Next { run: Run, handed: Option<i64> },
    /// `currval`: what it was before, and where its sequence's `nextval` is, if the statement has it too.
    Current { before: Result<i64, SqlError>, next: Option<usize> },
    /// `lastval`: what it was before.
    Last(Result<i64, SqlError>),
}

impl Counted {
    /// The number by which a cell refers to what it takes.
    pub(super) fn number(&mut self, taken: Taken) -> usize {
        self.0.iter().position(|known| *known == taken).unwrap_or_else(|| {
            self.0.push(taken);
            self.0.len() - 1
        })
    }

    /// Takes the values for these cells.
    pub(super) fn take(
        &self,
        sequences: &dyn Sequences,
        cells: impl Iterator<Item = usize>,
    ) -> Result<Values, SqlError> {
        let mut counts = vec![0; self.0.len()];
        cells.for_each(|at| counts[at] += 1);
        // What the session took before the statement is asked first.
        let before = |taken: &Taken| match taken {
            Taken::Next(_) => None,
            Taken::Current(sequence) => {
                let next = Taken::Next(sequence.clone());
                let next = self.0.iter().position(|known| *known == next);
                Some(Source::Current { before: sequences.current(sequence), next })
            }
            Taken::Last => Some(Source::Last(sequences.last())),
        };
        let before: Vec<Option<Source>> = self.0.iter().map(before).collect();
        let mut sources = Vec::with_capacity(self.0.len());
        for ((taken, before), count) in self.0.iter().zip(before).zip(counts) {
            sources.push(match (taken, before) {
                (_, Some(source)) => source,
                (Taken::Next(sequence), _) => {
                    Source::Next { run: sequences.next(sequence, count)?, handed: None }
                }
                (Taken::Current(_) | Taken::Last, None) => {
                    return Err(SqlError::internal("a session's value was not asked for"));
                }
            });
        }
        Ok(Values { sources, last: None })
    }
}

impl Values {
    /// The next value of this number, for a column of this type.
    pub(super) fn next(&mut self, number: usize, ty: Type) -> Result<Datum, SqlError> {
        let handed = |at: usize| match &self.sources[at] {
            Source::Next { handed, .. } => *handed,
            _ => None,
        };
        let value = match &self.sources[number] {
            Source::Next { .. } => None,
            Source::Current { before, next } => Some(next.and_then(handed).map_or(before.clone(), Ok)?),
            Source::Last(before) => Some(self.last.map_or(before.clone(), Ok)?),
        };
        let value = match (value, &mut self.sources[number]) {
            (None, Source::Next { run, handed }) => {
                let value = run.take();
                (*handed, self.last) = (Some(value), Some(value));
                value
            }
            (value, _) => value.unwrap_or_default(),
        };
        assign::datum(&Datum::Int(value), Type::Int64, ty)
    }
}

/// A query whose lists of rows in `FROM` (`SELECT … FROM (VALUES (nextval('s'), …), …) AS v`) have values in the places
/// of their calls: each is made once, as the list is read once. `None` if there are no such calls.
pub(super) fn write_out(query: &Query, sequences: &dyn Sequences) -> Result<Option<Query>, SqlError> {
    let mut written = None;
    for (list, row, cell, taken) in listed(query)? {
        let value = match taken {
            Taken::Next(sequence) => sequences.next(&sequence, 1)?.take(),
            Taken::Current(sequence) => sequences.current(&sequence)?,
            Taken::Last => sequences.last()?,
        };
        let query = written.get_or_insert_with(|| query.clone());
        let SetExpr::Select(select) = query.body.as_mut() else { continue };
        let Some(TableWithJoins { relation: TableFactor::Derived { subquery, .. }, .. }) =
            select.from.get_mut(list)
        else {
            continue;
        };
        let SetExpr::Values(values) = subquery.body.as_mut() else { continue };
        values.rows[row].content[cell] = parse_expression(&value.to_string())?;
    }
    Ok(written)
}

/// The calls in lists of rows, each with the number of its list, its row and its cell.
fn listed(query: &Query) -> Result<Vec<(usize, usize, usize, Taken)>, SqlError> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (list, table) in select.from.iter().enumerate() {
        let TableFactor::Derived { lateral: false, subquery, .. } = &table.relation else { continue };
        let SetExpr::Values(values) = subquery.body.as_ref() else { continue };
        if subquery.limit_clause.is_some() || subquery.fetch.is_some() {
            continue;
        }
        for (row, cells) in values.rows.iter().enumerate() {
            for (cell, expr) in cells.content.iter().enumerate() {
                found.extend(Taken::of(expr)?.map(|taken| (list, row, cell, taken)));
            }
        }
    }
    Ok(found)
}

/// The next values of a sequence, as a column of this type.
pub(super) fn column(
    sequences: &dyn Sequences,
    sequence: &str,
    ty: Type,
    count: usize,
) -> Result<Vector, SqlError> {
    let mut run = sequences.next(sequence, count)?;
    let mut out = Vector::with_capacity(ty.lane(), count);
    for _ in 0..count {
        out.push_datum(&assign::datum(&Datum::Int(run.take()), Type::Int64, ty)?);
    }
    Ok(out)
}

/// A value was given where only the sequence may give one.
pub(super) fn always_generated(column: &ColumnDef) -> SqlError {
    let message = format!(
        "cannot insert a non-DEFAULT value into column \"{}\", an identity column defined as GENERATED ALWAYS",
        column.name
    );
    SqlError::new(SqlState::GeneratedAlways, message).with_hint("Use OVERRIDING SYSTEM VALUE to override.")
}

/// As [`always_generated`], for a row that is there.
pub(super) fn only_default(column: &ColumnDef) -> SqlError {
    let message = format!(
        "column \"{}\" can only be updated to DEFAULT: it is an identity column defined as GENERATED ALWAYS",
        column.name
    );
    SqlError::new(SqlState::GeneratedAlways, message)
}
