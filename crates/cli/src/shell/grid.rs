//! Values as cells of text: as the wire protocol writes them, whether or not they came over a wire.

use arrow::record_batch::RecordBatch;
use gnitz::wire::{self, Cells};
use gnitz::{Error, QueryResult, Type};

use super::render::{Cell, Grid};

/// What a column's values are, as far as showing them goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// TRUE and FALSE.
    Bool,
    /// Numbers, which stand at the right and are numbers in JSON.
    Number,
    /// Anything else.
    Text,
}

impl Kind {
    /// By the OID of the PostgreSQL type.
    pub fn of_oid(oid: u32) -> Kind {
        match oid {
            16 => Kind::Bool,
            // int8, int2, int4, oid, float4, float8, numeric
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// By our type.
    pub fn of_type(ty: Type) -> Kind {
        match ty {
            Type::Bool => Kind::Bool,
            Type::Int16 | Type::Int32 | Type::Int64 => Kind::Number,
            Type::Float32 | Type::Float64 | Type::Decimal { .. } => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// The cell of a value that the protocol writes like this.
    pub fn cell(self, text: String) -> Cell {
        match self {
            Kind::Bool => Cell::Bool(text == "t"),
            // JSON has no word for NaN and the infinities.
            Kind::Number if text.ends_with(|last: char| last.is_ascii_digit()) => Cell::Number(text),
            Kind::Number | Kind::Text => Cell::Text(text),
        }
    }
}

/// The result's names and values.
pub fn grid(result: &QueryResult) -> Result<Grid, Error> {
    let types = result.types()?;
    let kinds = result.pg_types().into_iter().zip(types);
    let kinds: Vec<Kind> =
        kinds.map(|(oid, ty)| oid.map_or_else(|| Kind::of_type(ty), Kind::of_oid)).collect();
    let mut rows = Vec::with_capacity(result.num_rows());
    for batch in &result.batches {
        append(&mut rows, batch, &kinds)?;
    }
    Ok(Grid { columns: result.schema.fields().iter().map(|field| field.name().clone()).collect(), rows })
}

fn append(rows: &mut Vec<Vec<Cell>>, batch: &RecordBatch, kinds: &[Kind]) -> Result<(), Error> {
    let cells = Cells::new(batch)?;
    let value = |(at, kind): (usize, &Kind), row| cell(cells.get(at, row), cells.ty(at), *kind);
    rows.extend((0..cells.rows()).map(|row| kinds.iter().enumerate().map(|one| value(one, row)).collect()));
    Ok(())
}

/// A value of a column.
pub fn cell(value: wire::Cell<'_>, ty: Type, kind: Kind) -> Cell {
    if matches!(value, wire::Cell::Null) {
        return Cell::Null;
    }
    let mut text = Vec::new();
    wire::text::write(value, ty, &mut text);
    kind.cell(String::from_utf8_lossy(&text).into_owned())
}
