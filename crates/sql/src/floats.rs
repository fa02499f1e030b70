//! A decimal beside a float becomes a float, as in PostgreSQL: in a choice (`COALESCE`, `CASE`, `GREATEST`), in a
//! comparison, in a list of rows, in a union, and where joins equate columns.
//!
//! DataFusion would take a decimal for both, which NaN and large floats do not fit. Arithmetic needs no help.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{InList, InSubquery};
use datafusion::logical_expr::{
    Between, Cast, Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Subquery, Union, Values,
};

/// The scale that a decimal has at least if the planner made it from a float.
const SCALE_OF_FLOATS: i8 = 15;

/// Values that have one type in the end.
pub(crate) fn among(values: Vec<Expr>, schema: &DFSchema) -> Transformed<Vec<Expr>> {
    let types: Vec<DataType> =
        values.iter().map(|value| value.get_type(schema).unwrap_or(DataType::Null)).collect();
    if !needs_floats(&types) {
        return Transformed::no(values);
    }
    let floats = values.into_iter().zip(&types).map(|(value, ty)| match ty.is_decimal() {
        true => as_float(value, schema),
        false => value,
    });
    Transformed::yes(floats.collect())
}

/// Two values that are compared.
pub(crate) fn beside(pair: [Expr; 2], schema: &DFSchema) -> Transformed<[Expr; 2]> {
    let [left, right] = pair;
    let types = [&left, &right].map(|value| value.get_type(schema).unwrap_or(DataType::Null));
    match needs_floats(&types) {
        true if types[0].is_decimal() => Transformed::yes([as_float(left, schema), right]),
        true => Transformed::yes([left, as_float(right, schema)]),
        false => Transformed::no([left, right]),
    }
}

/// `BETWEEN` and `IN`.
pub(crate) fn in_comparison(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Between(Between { expr, negated, low, high }) => among(vec![*expr, *low, *high], schema)
            .update_data(|values| {
                let mut values = values.into_iter().map(Box::new);
                let mut next = || values.next().unwrap_or_default();
                Expr::Between(Between { expr: next(), negated, low: next(), high: next() })
            }),
        Expr::InList(InList { expr, mut list, negated }) => {
            list.push(*expr);
            among(list, schema).update_data(|mut list| {
                let expr = Box::new(list.pop().unwrap_or_default());
                Expr::InList(InList { expr, list, negated })
            })
        }
        Expr::InSubquery(asked) => in_subquery(asked, schema)?,
        other => Transformed::no(other),
    })
}

fn in_subquery(asked: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let inner = Arc::clone(asked.subquery.subquery.schema());
    let ty = asked.expr.get_type(schema).unwrap_or(DataType::Null);
    if inner.fields().len() != 1 || !needs_floats(&[ty.clone(), inner.field(0).data_type().clone()]) {
        return Ok(Transformed::no(Expr::InSubquery(asked)));
    }
    let InSubquery { expr, subquery, negated } = asked;
    if ty.is_decimal() {
        let expr = Box::new(as_float(*expr, schema));
        return Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery, negated })));
    }
    let plan = Arc::new(with_floats(subquery.subquery.as_ref().clone(), &[0])?);
    let subquery = Subquery { subquery: plan, ..subquery };
    Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery, negated })))
}

/// The lists of rows in a plan. What is above them finds their new types when it is looked at in turn.
pub(crate) fn in_lists(plan: LogicalPlan) -> Result<LogicalPlan> {
    let settled = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Values(values) => settle_values(values),
        node => Ok(Transformed::no(node)),
    })?;
    Ok(settled.data)
}

/// The unions and joins of a plan.
pub(crate) fn in_relations(plan: LogicalPlan) -> Result<LogicalPlan> {
    let settled = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Union(union) => settle_union(union),
        LogicalPlan::Join(join) => Ok(settle_join(join)),
        node => Ok(Transformed::no(node)),
    })?;
    Ok(settled.data)
}

/// The planner has given every column one type already, by casts around the values of others.
fn settle_values(list: Values) -> Result<Transformed<LogicalPlan>> {
    let empty = DFSchema::empty();
    let made = |column: usize| list.schema.field(column).data_type();
    let floats: Vec<usize> = (0..list.schema.fields().len())
        .filter(|&column| matches!(made(column), DataType::Decimal128(_, scale) if *scale >= SCALE_OF_FLOATS))
        .filter(|&column| {
            let written = |row: &Vec<Expr>| written(&row[column], made(column)).get_type(&empty);
            list.values.iter().any(|row| written(row).is_ok_and(|ty| ty.is_floating()))
        })
        .collect();
    if floats.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Values(list)));
    }
    let types: Vec<DataType> = (0..list.schema.fields().len()).map(|column| made(column).clone()).collect();
    let mut rows = list.values;
    for row in &mut rows {
        for &column in &floats {
            let value = written(&row[column], &types[column]).clone();
            row[column] = match value.get_type(&empty) {
                Ok(ty) if !ty.is_floating() => as_float(value, &empty),
                _ => value,
            };
        }
    }
    Ok(Transformed::yes(LogicalPlanBuilder::values(rows)?.build()?))
}

/// The value without the cast to its column's type.
fn written<'e>(value: &'e Expr, made: &DataType) -> &'e Expr {
    match value {
        Expr::Cast(Cast { expr, field }) if field.data_type() == made => expr,
        other => other,
    }
}

fn settle_join(mut join: Join) -> Transformed<LogicalPlan> {
    let mut changed = false;
    for (left, right) in &mut join.on {
        let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
        let types = [left.get_type(left_schema), right.get_type(right_schema)];
        let types = types.map(|ty| ty.unwrap_or(DataType::Null));
        if needs_floats(&types) {
            changed = true;
            match types[0].is_decimal() {
                true => *left = as_float(std::mem::take(left), left_schema),
                false => *right = as_float(std::mem::take(right), right_schema),
            }
        }
    }
    let join = LogicalPlan::Join(join);
    if changed { Transformed::yes(join) } else { Transformed::no(join) }
}

/// Gives the columns of a union that are floats in one input and decimals in another one type.
fn settle_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let column_types = |column: usize| -> Vec<DataType> {
        let ty = |input: &Arc<LogicalPlan>| input.schema().field(column).data_type().clone();
        union.inputs.iter().map(ty).collect()
    };
    let width = union.schema.fields().len();
    let floats: Vec<usize> = (0..width).filter(|&column| needs_floats(&column_types(column))).collect();
    if floats.is_empty() || union.inputs.iter().any(|input| input.schema().fields().len() != width) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union.inputs.into_iter().map(|input| {
        let input = Arc::unwrap_or_clone(input);
        let decimal = |column: &usize| input.schema().field(*column).data_type().is_decimal();
        let columns: Vec<usize> = floats.iter().copied().filter(decimal).collect();
        Ok(Arc::new(with_floats(input, &columns)?))
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)))
}

/// A plan with these of its columns as floats.
fn with_floats(plan: LogicalPlan, floats: &[usize]) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let columns = schema.iter().enumerate().map(|(index, (qualifier, field))| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        match floats.contains(&index) {
            true => as_float(column, &schema).alias_qualified(qualifier.cloned(), field.name()),
            false => column,
        }
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

fn needs_floats(types: &[DataType]) -> bool {
    types.iter().any(DataType::is_floating) && types.iter().any(DataType::is_decimal)
}

fn as_float(value: Expr, schema: &DFSchema) -> Expr {
    match &value {
        Expr::Literal(ScalarValue::Decimal128(Some(unscaled), _, scale), metadata) => {
            // Through text, so that the double is the one next to the decimal.
            let text = format!("{unscaled}e{}", -i32::from(*scale));
            match text.parse::<f64>() {
                Ok(float) => Expr::Literal(ScalarValue::Float64(Some(float)), metadata.clone()),
                Err(_) => value,
            }
        }
        _ => value.clone().cast_to(&DataType::Float64, schema).unwrap_or(value),
    }
}
