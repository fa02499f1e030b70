//! `generate_series` over what PostgreSQL takes: numbers and times, and parameters whose values come later.
//!
//! DataFusion's function wants literals, of 64-bit integers or of times in nanoseconds. Here its arguments are
//! computed first, times are given to it in its unit, and its rows brought back into ours. While the values of
//! parameters are not known, NULLs of their types stand for them, which tells the columns; see [`Values`].

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, cast};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use zset::Type;

use crate::error::{SqlError, SqlState};
use crate::types::to_arrow;

/// The values of parameters, for what must know them to be planned.
#[derive(Default)]
pub(crate) struct Values<'v> {
    known: Option<&'v [ScalarValue]>,
    asked: Cell<bool>,
}

impl<'v> Values<'v> {
    /// These values.
    pub(crate) fn known(values: &'v [ScalarValue]) -> Values<'v> {
        Values { known: Some(values), asked: Cell::new(false) }
    }

    /// Whether something wanted to know one, so that the plan holds for these values only.
    pub(crate) fn were_asked(&self) -> bool {
        self.asked.get()
    }

    /// The expression with values for its parameters.
    pub(crate) fn put_into(&self, expr: Expr) -> Result<Expr> {
        let filled = expr.transform_up(|expr| {
            let Expr::Placeholder(Placeholder { id, field }) = &expr else {
                return Ok(Transformed::no(expr));
            };
            self.asked.set(true);
            let number = id.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
            let at = number.and_then(|number| number.checked_sub(1));
            let value = match (self.known.zip(at).and_then(|(known, at)| known.get(at)), field) {
                (Some(value), Some(field)) => value.cast_to(field.data_type())?,
                (Some(value), None) => value.clone(),
                (None, Some(field)) => ScalarValue::try_from(field.data_type())?,
                (None, None) => ScalarValue::Null,
            };
            Ok(Transformed::yes(Expr::Literal(value, None)))
        })?;
        Ok(filled.data)
    }
}

/// The arguments of a series in the types that DataFusion's function takes, and the type of the series where that is
/// not what the function makes of them.
pub(crate) fn arguments(args: Vec<Expr>) -> Result<(Vec<Expr>, Option<DataType>)> {
    let times = args.iter().find_map(|arg| match arg {
        Expr::Literal(ScalarValue::TimestampMicrosecond(_, zone), _) => Some(zone.clone()),
        // Dates become instants, as in PostgreSQL.
        Expr::Literal(ScalarValue::Date32(_), _) => zone_of_instants(),
        _ => None,
    });
    let stepped = matches!(args.get(2), Some(Expr::Literal(ScalarValue::IntervalMonthDayNano(_), _)));
    let Some(zone) = times.or_else(|| if stepped { zone_of_instants() } else { None }) else {
        return Ok((args.into_iter().map(whole).collect(), None));
    };
    let ours = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
    let theirs = DataType::Timestamp(TimeUnit::Nanosecond, zone);
    let convert = |(place, arg): (usize, Expr)| match arg {
        Expr::Literal(value, metadata) if place < 2 => {
            let value = value.cast_to(&ours)?.cast_to(&theirs).map_err(|_| too_far())?;
            Ok(Expr::Literal(value, metadata))
        }
        Expr::Literal(ScalarValue::IntervalMonthDayNano(None), metadata) => {
            Ok(Expr::Literal(ScalarValue::Null, metadata))
        }
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(step)), metadata) => {
            let parts = [i64::from(step.months), i64::from(step.days), step.nanoseconds];
            if parts.iter().all(|part| *part == 0) {
                return Err(SqlError::new(SqlState::InvalidParameter, "step size cannot equal zero").into());
            }
            if parts.iter().any(|part| *part < 0) && parts.iter().any(|part| *part > 0) {
                return Err(SqlError::unsupported("a series whose step goes both ways").into());
            }
            Ok(Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(step)), metadata))
        }
        other => Ok(other),
    };
    let args = args.into_iter().enumerate().map(convert).collect::<Result<Vec<_>>>()?;
    Ok((args, Some(ours)))
}

fn zone_of_instants() -> Option<Option<Arc<str>>> {
    match to_arrow(Type::TimestampTz) {
        DataType::Timestamp(_, zone) => Some(zone),
        _ => None,
    }
}

/// An integer in the type that DataFusion's function takes.
fn whole(arg: Expr) -> Expr {
    match arg {
        Expr::Literal(value, metadata) if value.data_type().is_integer() || value.is_null() => {
            let value = match value.cast_to(&DataType::Int64) {
                Ok(ScalarValue::Int64(None)) => ScalarValue::Null,
                Ok(wide) => wide,
                Err(_) => value,
            };
            Expr::Literal(value, metadata)
        }
        other => other,
    }
}

fn too_far() -> SqlError {
    SqlError::new(SqlState::DatetimeOverflow, "timestamp out of range")
        .with_hint("generate_series of times runs from the year 1678 to 2261")
}

/// A series of times, in our unit.
pub(crate) struct Times {
    inner: Arc<dyn TableProvider>,
    schema: SchemaRef,
}

impl Times {
    /// DataFusion's series with its column as `ty`.
    pub(crate) fn new(inner: Arc<dyn TableProvider>, ty: DataType) -> Times {
        let schema = inner.schema();
        let fields = schema.fields().iter().map(|field| Field::new(field.name(), ty.clone(), false));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Times { inner, schema }
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl TableProvider for Times {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.inner.scan(state, projection, filters, limit).await?;
        let theirs = rows.schema();
        let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
        for (index, field) in theirs.fields().iter().enumerate() {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
            let ours = self.schema.field_with_name(field.name())?.data_type().clone();
            columns.push((cast(column, &theirs, ours)?, field.name().clone()));
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, rows)?))
    }
}
