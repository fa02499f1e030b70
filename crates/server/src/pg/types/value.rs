//! Values on their way in and out, in the format that the client asked for.

use bytes::Bytes;
use gnitz::wire::{self, Cell};
use gnitz::{SqlError, SqlState, Type, Value};

use crate::pg::frame::Format;
use crate::pg::types::foreign;
use crate::pg::types::oid::{self, Given};

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

/// Reads an array, which the engine takes as text: `{…}`.
pub(crate) fn read_array(bytes: &Option<Bytes>, format: Format, element: Type) -> gnitz::Result<Value> {
    match (bytes, format) {
        (Some(bytes), Format::Binary) => {
            let text = array_text(bytes, element)?;
            Ok(Value { datum: gnitz::Datum::Text(text), ty: Type::Text })
        }
        _ => read(bytes, format, Type::Text),
    }
}

/// The text of an array in the binary format.
///
/// ```text
/// dimensions i32 | has nulls i32 | type u32 | dimensions × (length i32 | first index i32) | elements
/// element: bytes i32, -1 for NULL | bytes
/// ```
fn array_text(bytes: &[u8], element: Type) -> gnitz::Result<String> {
    let mut rest = bytes;
    let dimensions = int(&mut rest)?;
    int(&mut rest)?;
    let said = int(&mut rest)? as u32;
    match oid::given(said) {
        Given::Known(ty) if ty == element => {}
        Given::Numeric if matches!(element, Type::Decimal { .. }) => {}
        _ => {
            let message =
                format!("binary data has array element type {said} instead of expected {}", oid::of(element));
            return Err(SqlError::new(SqlState::DatatypeMismatch, message).into());
        }
    }
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = int(&mut rest)?;
            int(&mut rest)?;
            count
        }
        _ => return Err(SqlError::unsupported("an array of several dimensions").into()),
    };
    let mut items = Vec::new();
    for _ in 0..count {
        let length = int(&mut rest)?;
        items.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) => {
                let (bytes, behind) = rest.split_at_checked(length).ok_or_else(ended)?;
                rest = behind;
                let value = wire::binary::read(bytes, element)?;
                let mut text = Vec::new();
                wire::text::write(Cell::from(&value.datum), value.ty, &mut text);
                Some(String::from_utf8(text).map_err(|_| SqlError::internal("a value's text is no text"))?)
            }
        });
    }
    if !rest.is_empty() {
        return Err(ended().into());
    }
    Ok(gnitz::array_text(items.iter().map(Option::as_deref)))
}

fn int(rest: &mut &[u8]) -> gnitz::Result<i32> {
    let (number, behind) = rest.split_first_chunk().ok_or_else(ended)?;
    *rest = behind;
    Ok(i32::from_be_bytes(*number))
}

fn ended() -> SqlError {
    SqlError::new(SqlState::BadBinary, "incorrect binary data format of an array")
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
