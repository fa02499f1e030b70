//! `RETURNING`: expressions over the rows a statement has changed, as they are after it (`INSERT`, `UPDATE`) or
//! were before it (`DELETE`).

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{
    Expr, SelectItem, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};
use zset::{ColumnType, Vector};

use super::Writable;
use crate::catalog::ColumnDef;
use crate::error::{SqlError, SqlState};
use crate::names;
use crate::origin::Origin;
use crate::output::name_of;
use crate::params::Params;
use crate::planner::Planner;
use crate::scalar::{self, Given, Scalars};
use crate::types::{answer_schema, record_batch, to_array};

/// A `RETURNING` list made ready.
#[derive(Debug)]
pub(super) struct Returning {
    scalars: Scalars,
    schema: SchemaRef,
}

impl Returning {
    /// Prepares the list; columns may be named with `alias` before them.
    pub(super) fn new(
        planner: &Arc<Planner>,
        target: &Writable,
        alias: &str,
        items: &[SelectItem],
        params: &mut Params,
    ) -> Result<Returning, SqlError> {
        let mut named: Vec<(String, Expr)> = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => named.push((name_of(expr), expr.clone())),
                SelectItem::ExprWithAlias { expr, alias } => named.push((names::fold(alias), expr.clone())),
                SelectItem::Wildcard(options) => {
                    refuse_options(options)?;
                    named.extend(all(target));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    refuse_options(options)?;
                    let relation = names::relation(name)?;
                    if !target.def.goes_by(alias, &relation) {
                        return Err(SqlError::new(
                            SqlState::UndefinedTable,
                            format!("missing FROM-clause entry for table \"{relation}\""),
                        )
                        .at(names::position(name)));
                    }
                    named.extend(all(target));
                }
                other => return Err(SqlError::unsupported(format!("{other} in RETURNING"))),
            }
        }
        let exprs: Vec<_> = named.iter().map(|(_, expr)| (expr.clone(), None)).collect();
        let scope = target.scope(alias);
        let scalars = scalar::compile(planner, &scope, &exprs, params)?;
        let column = |((name, expr), ty): ((String, Expr), &ColumnType)| {
            let origin = scope.column(&expr).and_then(|column| Origin::new(&target.def, column));
            (ColumnDef::new(name, *ty), origin)
        };
        let columns = named.into_iter().zip(scalars.types()).map(column).collect();
        Ok(Returning { schema: answer_schema(columns), scalars })
    }

    /// The columns of the result.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The result for some rows of the table; a row of weight n is returned n times.
    pub(super) fn eval(
        &self,
        columns: &[Vector],
        weights: &[i64],
        given: &Given<'_>,
    ) -> Result<RecordBatch, SqlError> {
        let inputs: Vec<&Vector> = columns.iter().collect();
        let mut results = self.scalars.eval(&inputs, weights.len(), given)?;
        let mut rows = weights.len();
        if weights.iter().any(|weight| *weight != 1) {
            let copies = |(row, weight): (u32, &i64)| {
                std::iter::repeat_n(row, usize::try_from(*weight).unwrap_or_default())
            };
            let repeated: Vec<u32> = (0..).zip(weights).flat_map(copies).collect();
            rows = repeated.len();
            for result in &mut results {
                let mut out = Vector::with_capacity(result.lane(), rows);
                out.extend_gather(result, &repeated);
                *result = out;
            }
        }
        let types = self.scalars.types().iter();
        let arrays = results.into_iter().zip(types).map(|(values, ty)| to_array(values, ty.ty));
        record_batch(&self.schema, arrays.collect::<Result<_, _>>()?, rows)
    }
}

fn all(target: &Writable) -> impl Iterator<Item = (String, Expr)> + '_ {
    target.def.columns.iter().map(|c| (c.name.clone(), Expr::Identifier(names::quoted(&c.name))))
}

fn refuse_options(options: &WildcardAdditionalOptions) -> Result<(), SqlError> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none();
    if plain { Ok(()) } else { Err(SqlError::unsupported(format!("*{options} in RETURNING"))) }
}
