//! Values on their way in and out, in the format that the client asked for.

use bytes::Bytes;
use gnitz::wire::{self, Cell};
use gnitz::{Type, Value};

use crate::pg::frame::Format;
use crate::pg::types::foreign;

/// Reads a parameter.
pub(crate) fn read(bytes: &Option<Bytes>, format: Format, ty: Type) -> gnitz::Result<Value> {
    let Some(bytes) = bytes else { return Ok(Value { ty, ..Value::NULL }) };
    match format {
        Format::Binary => wire::binary::read(bytes, ty),
        Format::Text => {
            let text = wire::binary::read(bytes, Type::Text)?;
            match (ty, &text.datum) {
                (Type::Text, _) => Ok(text),
                (ty, gnitz::Datum::Text(text)) => wire::text::read(text, ty),
                _ => Ok(text),
            }
        }
    }
}

/// Appends a value with its length. `foreign` is its PostgreSQL type, where that does not follow from ours.
pub(crate) fn write(cell: Cell<'_>, format: Format, (ty, foreign): (Type, Option<u32>), out: &mut Vec<u8>) {
    if matches!(cell, Cell::Null) {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return;
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    match format {
        Format::Text => wire::text::write(cell, ty, out),
        Format::Binary => match foreign {
            Some(oid) => foreign::write(cell, ty, oid, out),
            None => wire::binary::write(cell, ty, out),
        },
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}
