//! A query's result as cells of text.

use gnitz::{Datum, Error, QueryResult, Type};

use super::render::{Cell, Grid};

/// The result's names and values, in the forms that PostgreSQL's clients show.
pub fn grid(result: &QueryResult) -> Result<Grid, Error> {
    let types = result.types()?;
    let cells = |row: Vec<Datum>| row.iter().zip(&types).map(|(value, ty)| cell(value, *ty)).collect();
    let rows = result.rows()?.into_iter().map(cells).collect();
    Ok(Grid { columns: result.schema.fields().iter().map(|field| field.name().clone()).collect(), rows })
}

fn cell(value: &Datum, ty: Type) -> Cell {
    match value {
        Datum::Null => Cell::Null,
        Datum::Bool(truth) => Cell::Bool(*truth),
        // JSON has no word for these.
        Datum::Float(number) if !number.is_finite() => Cell::Text(value.display(ty).to_string()),
        _ if is_number(ty) => Cell::Number(value.display(ty).to_string()),
        _ => Cell::Text(value.display(ty).to_string()),
    }
}

fn is_number(ty: Type) -> bool {
    matches!(
        ty,
        Type::Int16 | Type::Int32 | Type::Int64 | Type::Float32 | Type::Float64 | Type::Decimal { .. }
    )
}
