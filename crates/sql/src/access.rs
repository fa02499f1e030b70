//! Which rows of one table a `WHERE` means, found without the ad-hoc engine.
//!
//! Terms `key column = constant` for the first columns of the key become a prefix, which is sought; what is left
//! of the condition is compiled and run over the rows under the prefix. With the whole key given that is one
//! search; with none it is a scan. One column of the prefix may be of several constants, `key column IN (…)`: then
//! there is a prefix for each. The terms that became the prefix hold for exactly the rows found, so they are not
//! evaluated again.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use zset::{Batch, CollectionId, Datum, Layout, TraceCursor, Type, Vector};

use crate::catalog::{Scan, TableDef};
use crate::error::SqlError;
use crate::literal::Literal;
use crate::params::{Params, placeholder};
use crate::planner::Planner;
use crate::scalar::{self, Given, Scalars, Scope};
use crate::scan::canceled;
use crate::{assign, input};

/// How many rows are found, or looked at, between two looks at the cancel flag.
const CANCEL_EVERY: usize = 1 << 14;

/// The rows of a table that satisfy a condition.
#[derive(Debug)]
pub struct Access {
    prefix: Vec<Constant>,
    rest: Option<Scalars>,
}

/// A value known when the statement runs.
#[derive(Clone, Debug)]
enum Constant {
    /// Of the key column's type.
    Value(Datum),
    /// Equal to no value of the key column.
    Nothing,
    /// A parameter, and the key column's type.
    Parameter(usize, Type),
    /// Any of these.
    Any(Vec<Constant>),
}

impl Constant {
    fn note(&self, params: &mut Params) {
        match self {
            Constant::Parameter(index, ty) => params.note_key(*index, *ty),
            Constant::Any(constants) => constants.iter().for_each(|constant| constant.note(params)),
            Constant::Value(_) | Constant::Nothing => {}
        }
    }
}

/// A row of a run, with its net weight over all runs.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// The run.
    pub batch: &'a Batch,
    /// The row in it.
    pub row: usize,
    /// How often the table has the row.
    pub weight: i64,
}

/// Where the rows may be.
#[derive(Debug, Default)]
pub struct Found {
    places: Vec<Place>,
}

/// The runs that may hold rows, and what their keys start with there.
#[derive(Debug)]
struct Place {
    prefix: Vec<u8>,
    runs: Vec<Batch>,
}

impl Access {
    /// The access that `condition` asks for. The scope's one relation is the table.
    pub fn new(
        planner: &Arc<Planner>,
        table: &TableDef,
        scope: &Scope,
        condition: Option<&Expr>,
        params: &mut Params,
    ) -> Result<Access, SqlError> {
        let mut terms = Vec::new();
        if let Some(condition) = condition {
            flatten(condition, &mut terms);
        }
        let mut prefix = Vec::new();
        for &column in &table.schema.key {
            let ty = table.columns[column as usize].ty.ty;
            let single = prefix.iter().all(|constant| !matches!(constant, Constant::Any(_)));
            let one = |term: &&Expr| constant(term, column as usize, ty, scope);
            let several = |term: &&Expr| constants(term, column as usize, ty, scope).filter(|_| single);
            let find = |f: &dyn Fn(&&Expr) -> Option<Constant>| {
                terms.iter().enumerate().find_map(|(at, term)| f(term).map(|constant| (at, constant)))
            };
            let Some((at, constant)) = find(&one).or_else(|| find(&several)) else { break };
            terms.remove(at);
            constant.note(params);
            prefix.push(constant);
        }
        let rest = match conjunction(terms) {
            Some(rest) => Some(scalar::condition(planner, scope, &rest, params)?),
            None => None,
        };
        Ok(Access { prefix, rest })
    }

    /// Whether the whole key is given, so that there is at most one row to find in the table.
    pub(crate) fn is_of_one_row(&self, table: &TableDef) -> bool {
        let key = table.schema.key.len();
        let single = |constant: &&Constant| !matches!(constant, Constant::Any(_));
        key > 0 && self.prefix.iter().filter(single).count() == key
    }

    /// Where to look for the rows.
    pub fn look(
        &self,
        layout: &Layout,
        scan: &dyn Scan,
        id: CollectionId,
        given: &Given<'_>,
    ) -> Result<Found, SqlError> {
        let place = |prefix: Vec<u8>| {
            let runs = if prefix.is_empty() { scan.runs(id) } else { scan.runs_with_prefix(id, &prefix) };
            Place { prefix, runs }
        };
        Ok(Found { places: self.prefixes(layout, given)?.into_iter().map(place).collect() })
    }

    /// The encoded prefixes of the keys, in their order and each once; none where no row can have one.
    fn prefixes(&self, layout: &Layout, given: &Given<'_>) -> Result<Vec<Vec<u8>>, SqlError> {
        let choices =
            self.prefix.iter().map(|constant| constant.values(given)).collect::<Result<Vec<_>, _>>()?;
        let count = choices.iter().map(Vec::len).product();
        let mut prefixes = Vec::with_capacity(count);
        for nth in 0..count {
            let values: Vec<Cow<'_, Datum>> = choices
                .iter()
                .map(|choice| Cow::Borrowed(choice[if choice.len() == 1 { 0 } else { nth }].as_ref()))
                .collect();
            let mut prefix = Vec::with_capacity(64);
            // No row can have a value that the key cannot hold.
            if layout.encode_prefix(&values, &mut prefix).is_ok() {
                prefixes.push(prefix);
            }
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        Ok(prefixes)
    }

    /// The rows, in the order of their keys. Looks at the cancel flag as it goes.
    pub fn hits<'a>(
        &self,
        layout: &Layout,
        found: &'a Found,
        given: &Given<'_>,
        cancel: &AtomicBool,
    ) -> Result<Vec<Hit<'a>>, SqlError> {
        let mut hits = Vec::new();
        for Place { prefix, runs } in &found.places {
            let mut cursor = TraceCursor::new(runs);
            cursor.seek_prefix(prefix);
            while let Some((batch, row, weight)) = cursor.next_net()? {
                if hits.len().is_multiple_of(CANCEL_EVERY) {
                    canceled(cancel)?;
                }
                hits.push(Hit { batch, row, weight });
            }
        }
        match &self.rest {
            Some(rest) if !hits.is_empty() => select(rest, layout, &hits, given, cancel),
            _ => Ok(hits),
        }
    }
}

/// Whether a condition gives at least the first key column, so that rows are sought and not scanned.
pub fn gives_key(table: &TableDef, scope: &Scope, condition: &Expr) -> bool {
    let Some(&first) = table.schema.key.first() else { return false };
    let ty = table.columns[first as usize].ty.ty;
    let mut terms = Vec::new();
    flatten(condition, &mut terms);
    let gives = |term: &&Expr| {
        constant(term, first as usize, ty, scope)
            .or_else(|| constants(term, first as usize, ty, scope))
            .is_some()
    };
    terms.iter().any(gives)
}

/// One column of some rows.
pub fn column(layout: &Layout, hits: &[Hit<'_>], column: u32) -> Vector {
    let ty = layout.schema().columns[column as usize].ty;
    let mut out = Vector::with_capacity(ty.lane(), hits.len());
    let mut rows = Vec::new();
    let mut from = 0;
    while let Some(first) = hits.get(from) {
        // Neighbours of one run are decoded together.
        rows.clear();
        rows.extend(
            hits[from..].iter().take_while(|h| std::ptr::eq(h.batch, first.batch)).map(|h| h.row as u32),
        );
        from += rows.len();
        layout.decode(first.batch, &rows, column, &mut out);
    }
    out
}

/// The columns of some rows that `wanted` asks for; the others stay empty.
pub fn columns(layout: &Layout, hits: &[Hit<'_>], wanted: impl Fn(u32) -> bool) -> Vec<Vector> {
    let all = layout.schema().columns.iter();
    (0..)
        .zip(all)
        .map(
            |(index, ty)| if wanted(index) { column(layout, hits, index) } else { Vector::new(ty.ty.lane()) },
        )
        .collect()
}

/// The hits that satisfy the condition. In pieces, so that a scan holds the columns of a few rows only.
fn select<'a>(
    rest: &Scalars,
    layout: &Layout,
    hits: &[Hit<'a>],
    given: &Given<'_>,
    cancel: &AtomicBool,
) -> Result<Vec<Hit<'a>>, SqlError> {
    let mut selected = Vec::new();
    for piece in hits.chunks(CANCEL_EVERY) {
        canceled(cancel)?;
        let columns = columns(layout, piece, |index| rest.uses(index));
        let inputs: Vec<&Vector> = columns.iter().collect();
        let rows = rest.select(&inputs, piece.len(), given)?;
        selected.extend(rows.into_iter().map(|row| piece[row as usize]));
    }
    Ok(selected)
}

/// The terms of a chain of ANDs.
fn flatten<'e>(condition: &'e Expr, terms: &mut Vec<&'e Expr>) {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            flatten(left, terms);
            flatten(right, terms);
        }
        Expr::Nested(inner) => flatten(inner, terms),
        other => terms.push(other),
    }
}

fn conjunction(terms: Vec<&Expr>) -> Option<Expr> {
    let nested = |term: &Expr| Box::new(Expr::Nested(Box::new(term.clone())));
    let mut terms = terms.into_iter();
    let first = *nested(terms.next()?);
    Some(terms.fold(first, |left, term| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: nested(term),
    }))
}

/// The constant that a term equates key column `column` with, if it is such a term. A literal that does not
/// compare with the column is left to the planner, which refuses it properly.
fn constant(term: &Expr, column: usize, ty: Type, scope: &Scope) -> Option<Constant> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = term else { return None };
    let value = if scope.column(left) == Some(column) {
        right
    } else if scope.column(right) == Some(column) {
        left
    } else {
        return None;
    };
    constant_value(value, ty)
}

/// The constants that a term looks for key column `column` among, if it is such a term.
fn constants(term: &Expr, column: usize, ty: Type, scope: &Scope) -> Option<Constant> {
    let Expr::InList { expr, list, negated: false } = term else { return None };
    if scope.column(expr) != Some(column) {
        return None;
    }
    list.iter().map(|item| constant_value(item, ty)).collect::<Option<Vec<_>>>().map(Constant::Any)
}

fn constant_value(value: &Expr, ty: Type) -> Option<Constant> {
    if let Expr::Value(value) = value
        && let Ok(Some(index)) = placeholder(&value.value)
    {
        return Some(Constant::Parameter(index, ty));
    }
    let literal = Literal::of(value).ok()??;
    match literal.exactly(ty).ok()? {
        Some(value) => Some(Constant::Value(value)),
        None => Some(Constant::Nothing),
    }
}

impl Constant {
    /// The values of the key column that it stands for.
    fn values<'v>(&'v self, given: &Given<'v>) -> Result<Vec<Cow<'v, Datum>>, SqlError> {
        Ok(match self {
            Constant::Value(value) => vec![Cow::Borrowed(value)],
            Constant::Nothing => Vec::new(),
            Constant::Parameter(index, ty) => match given.raw.get(*index) {
                Some(&(value, from)) => key_value(value, from, *ty)?.into_iter().collect(),
                None => Vec::new(),
            },
            Constant::Any(constants) => {
                let mut values = Vec::with_capacity(constants.len());
                for constant in constants {
                    values.extend(constant.values(given)?);
                }
                values
            }
        })
    }
}

/// The value of a key column of type `ty` that equals a parameter's.
fn key_value(value: &Datum, from: Type, ty: Type) -> Result<Option<Cow<'_, Datum>>, SqlError> {
    match value {
        Datum::Null => Ok(None),
        _ if from == ty => Ok(Some(Cow::Borrowed(value))),
        Datum::Text(text) if ty != Type::Text => input::from_text(text, ty).map(|key| Some(Cow::Owned(key))),
        _ => Ok(assign::exactly(value, from, ty)?.map(Cow::Owned)),
    }
}
