//! PostgreSQL's binary format of COPY.
//!
//! ```text
//! header:  PGCOPY \n 0xff \r \n 0x00 | flags u32 | extension length u32 | extension
//! row:     fields i16 | for each: length i32 (-1 for NULL) | bytes
//! trailer: -1 i16
//! ```

use std::io::{self, Read};

use zset::{Datum, Type};

use crate::error::{Error, Result};
use crate::wire::{Cell, binary};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// A field longer than this is no field.
const MAX_FIELD: i32 = 1 << 30;

/// Reads rows.
pub(super) struct Reader<R> {
    input: R,
    begun: bool,
    field: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// A reader at the header of `input`.
    pub(super) fn new(input: R) -> Reader<R> {
        Reader { input, begun: false, field: Vec::new() }
    }

    /// Reads the next row, of columns of these types; false at the end. The outer error is the input's, the inner
    /// the row's.
    pub(super) fn read(&mut self, types: &[Type], row: &mut Vec<Datum>) -> io::Result<Result<bool>> {
        row.clear();
        match self.row(types, row) {
            Ok(more) => Ok(Ok(more)),
            Err(Failure::Row(error)) => Ok(Err(error)),
            Err(Failure::Input(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(Err(malformed("the data ends within a row")))
            }
            Err(Failure::Input(error)) => Err(error),
        }
    }

    fn row(&mut self, types: &[Type], row: &mut Vec<Datum>) -> std::result::Result<bool, Failure> {
        if !std::mem::replace(&mut self.begun, true) {
            self.header()?;
        }
        // Some clients leave the trailer out and just end.
        let Some(count) = self.count()? else { return Ok(false) };
        if count == -1 {
            return match io::copy(&mut self.input, &mut io::sink())? {
                0 => Ok(false),
                _ => Err(Failure::Row(malformed("data follows the end of the rows"))),
            };
        }
        if usize::try_from(count).ok() != Some(types.len()) {
            let message = format!("a row has {count} fields but {} are expected", types.len());
            return Err(Failure::Row(malformed(&message)));
        }
        for &ty in types {
            row.push(self.value(ty)?);
        }
        Ok(true)
    }

    fn header(&mut self) -> std::result::Result<(), Failure> {
        if &self.take::<11>()? != SIGNATURE {
            return Err(Failure::Row(malformed("the data does not begin with the signature of COPY")));
        }
        let flags = u32::from_be_bytes(self.take()?);
        if flags >> 16 != 0 {
            return Err(Failure::Row(malformed("the header has flags that are not known")));
        }
        let extension = u32::from_be_bytes(self.take()?);
        io::copy(&mut self.input.by_ref().take(extension.into()), &mut io::sink())?;
        Ok(())
    }

    fn value(&mut self, ty: Type) -> std::result::Result<Datum, Failure> {
        let length = i32::from_be_bytes(self.take()?);
        if length == -1 {
            return Ok(Datum::Null);
        }
        if !(0..MAX_FIELD).contains(&length) {
            return Err(Failure::Row(malformed(&format!("a field cannot have {length} bytes"))));
        }
        self.field.clear();
        let read = self.input.by_ref().take(length as u64).read_to_end(&mut self.field)?;
        if read < length as usize {
            return Err(Failure::Input(io::ErrorKind::UnexpectedEof.into()));
        }
        binary::read_stored(&self.field, ty).map_err(Failure::Row)
    }

    /// The number of fields of the next row; nothing where the data ends.
    fn count(&mut self) -> io::Result<Option<i16>> {
        let mut first = [0];
        loop {
            match self.input.read(&mut first) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let ([first], [second]) = (first, self.take()?);
        Ok(Some(i16::from_be_bytes([first, second])))
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

enum Failure {
    Input(io::Error),
    Row(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Input(error)
    }
}

fn malformed(message: &str) -> Error {
    Error::CopyFormat { message: message.to_string() }
}

/// Appends the header.
pub(super) fn write_header(out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[0; 8]);
}

/// Appends a row.
pub(super) fn write_tuple<'c>(out: &mut Vec<u8>, cells: impl ExactSizeIterator<Item = (Cell<'c>, Type)>) {
    out.extend_from_slice(&(cells.len() as i16).to_be_bytes());
    for (cell, ty) in cells {
        if matches!(cell, Cell::Null) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            continue;
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        binary::write(cell, ty, out);
        let length = (out.len() - start - 4) as i32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends the trailer.
pub(super) fn write_trailer(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let decimal = Type::Decimal { precision: 12, scale: 2 };
        let types = [Type::Int32, Type::Text, decimal];
        let rows = [
            vec![Datum::Int(-5), Datum::Text("x".into()), Datum::Int(1_234_500)],
            vec![Datum::Null, Datum::Null, Datum::Null],
        ];
        let mut out = Vec::new();
        write_header(&mut out);
        for row in &rows {
            write_tuple(&mut out, row.iter().map(Cell::from).zip(types));
        }
        write_trailer(&mut out);
        let mut reader = Reader::new(out.as_slice());
        let mut row = Vec::new();
        for expected in &rows {
            assert!(reader.read(&types, &mut row).expect("input").expect("a row"));
            assert_eq!(&row, expected);
        }
        assert!(!reader.read(&types, &mut row).expect("input").expect("an end"));
        for cut in 0..out.len() {
            let mut reader = Reader::new(&out[..cut]);
            while let Ok(true) = reader.read(&types, &mut row).expect("no error of the input") {}
        }
    }
}
