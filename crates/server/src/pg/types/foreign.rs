//! Values of PostgreSQL's types that the database itself does not have: what the catalogs answer. The engine hands
//! them out as numbers and text, and says the type; in binary they are what that type is.

use gnitz::Type;
use gnitz::wire::{Cell, binary, text};

/// OIDs and their kin: four bytes.
const FOUR_BYTES: [u32; 13] = [24, 26, 28, 29, 2202, 2203, 2204, 2205, 2206, 4089, 4096, 3734, 3769];

/// The types whose values are numbers of these bytes.
fn number_type(oid: u32) -> Option<Type> {
    match oid {
        16 => Some(Type::Bool),
        20 => Some(Type::Int64),
        21 => Some(Type::Int16),
        23 => Some(Type::Int32),
        700 => Some(Type::Float32),
        701 => Some(Type::Float64),
        _ => None,
    }
}

/// Appends the binary form of a value that is handed out as `ty` and is of the type `oid`.
pub(crate) fn write(cell: Cell<'_>, ty: Type, oid: u32, out: &mut Vec<u8>) {
    match cell {
        Cell::Int(value) if FOUR_BYTES.contains(&oid) => {
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
        Cell::Text(value) if FOUR_BYTES.contains(&oid) && value.parse::<u32>().is_ok() => {
            out.extend_from_slice(&value.parse::<u32>().unwrap_or_default().to_be_bytes());
        }
        Cell::Text(value) => match gnitz::element_type(oid).filter(|element| *element != 0) {
            Some(element) => array(value, element, out),
            None => out.extend_from_slice(value.as_bytes()),
        },
        other => binary::write(other, ty, out),
    }
}

/// An array of one dimension: how many, the flag of NULLs, the type of the elements, the length and first subscript,
/// then each element with its length.
fn array(value: &str, element: u32, out: &mut Vec<u8>) {
    let items = match value.starts_with('{') {
        true => gnitz::array_elements(value).unwrap_or_default(),
        // A vector is written without braces, and counts from zero.
        false => value.split_whitespace().map(|item| Some(item.to_string())).collect(),
    };
    let first: i32 = if value.starts_with('{') { 1 } else { 0 };
    let dimensions: i32 = if items.is_empty() { 0 } else { 1 };
    out.extend_from_slice(&dimensions.to_be_bytes());
    out.extend_from_slice(&i32::from(items.iter().any(Option::is_none)).to_be_bytes());
    out.extend_from_slice(&element.to_be_bytes());
    if items.is_empty() {
        return;
    }
    out.extend_from_slice(&(items.len() as i32).to_be_bytes());
    out.extend_from_slice(&first.to_be_bytes());
    for item in &items {
        let Some(item) = item else {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            continue;
        };
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        match number_type(element).map(|ty| (ty, text::read(item, ty))) {
            Some((ty, Ok(number))) => binary::write(Cell::from(&number.datum), ty, out),
            _ => write(Cell::Text(item), Type::Text, element, out),
        }
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: Cell<'_>, ty: Type, oid: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write(value, ty, oid, &mut out);
        out
    }

    #[test]
    fn oids_are_four_bytes() {
        assert_eq!(bytes(Cell::Int(16_384), Type::Int64, 26), [0, 0, 64, 0]);
        assert_eq!(bytes(Cell::Int(16_384), Type::Int64, 20), [0, 0, 0, 0, 0, 0, 64, 0]);
        assert_eq!(bytes(Cell::Text("postgres"), Type::Text, 19), b"postgres");
    }

    #[test]
    fn arrays_say_their_elements() {
        let empty = bytes(Cell::Text("{}"), Type::Text, 1028);
        assert_eq!(empty, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 26]);
        let oids = bytes(Cell::Text("{1,NULL}"), Type::Text, 1028);
        let head = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 26, 0, 0, 0, 2, 0, 0, 0, 1];
        assert_eq!(oids, [&head[..], &[0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255]].concat());
        let texts = bytes(Cell::Text("{\"a b\"}"), Type::Text, 1009);
        assert!(texts.ends_with(&[0, 0, 0, 3, b'a', b' ', b'b']));
        let vector = bytes(Cell::Text("1 3"), Type::Text, 22);
        assert_eq!(&vector[12..20], [0, 0, 0, 2, 0, 0, 0, 0]);
        assert!(vector.ends_with(&[0, 0, 0, 2, 0, 1, 0, 0, 0, 2, 0, 3]));
    }
}
