//! PostgreSQL's text format of COPY: a line a row, a tab between fields, `\\N` for NULL, and a backslash before
//! what would otherwise end a field or a line.

use std::io::{self, BufRead};

use sql::statement::Text;
use zset::Type;

use crate::csv::Record;
use crate::wire::{self, Cell};

/// Reads records.
pub(super) struct Reader<'a, R> {
    input: R,
    text: &'a Text,
    line: Vec<u8>,
    lines: u64,
}

impl<'a, R: BufRead> Reader<'a, R> {
    /// A reader at the first line of `input`.
    pub(super) fn new(input: R, text: &'a Text) -> Reader<'a, R> {
        Reader { input, text, line: Vec::new(), lines: 0 }
    }

    /// Reads the next record; false at the end, which the line `\\.` is too.
    pub(super) fn read(&mut self, record: &mut Record) -> io::Result<bool> {
        self.line.clear();
        let first = self.lines + 1;
        loop {
            if self.input.read_until(b'\n', &mut self.line)? == 0 {
                break;
            }
            self.lines += 1;
            // A line's end behind an odd number of backslashes belongs to the field.
            let body = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            let slashes = body.iter().rev().take_while(|&&byte| byte == b'\\').count();
            if slashes.is_multiple_of(2) || body.len() == self.line.len() {
                break;
            }
        }
        if self.line.is_empty() {
            return Ok(false);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"\\." {
            // What follows the end is read and forgotten.
            io::copy(&mut self.input, &mut io::sink())?;
            return Ok(false);
        }
        record.begin(first);
        fields(line, self.text, record);
        Ok(true)
    }
}

fn fields(line: &[u8], text: &Text, record: &mut Record) {
    let mut at = 0;
    loop {
        let end = field_end(&line[at..], text.delimiter).map_or(line.len(), |length| at + length);
        let raw = &line[at..end];
        match raw == text.null.as_bytes() {
            true => record.push_null(&text.null),
            false => record.push_value(|out| unescape(raw, out)),
        }
        if end == line.len() {
            return;
        }
        at = end + 1;
    }
}

/// Where the next delimiter without a backslash before it stands.
fn field_end(rest: &[u8], delimiter: u8) -> Option<usize> {
    let mut escaped = false;
    rest.iter().position(|&byte| {
        let ends = !escaped && byte == delimiter;
        escaped = !escaped && byte == b'\\';
        ends
    })
}

fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(length) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..length]);
        rest = &rest[length + 1..];
        let Some((&byte, behind)) = rest.split_first() else {
            out.push(b'\\');
            return;
        };
        rest = behind;
        match byte {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'0'..=b'7' => rest = number(byte - b'0', rest, 8, 2, out),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest = number(0, rest, 16, 2, out),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// A byte by its number: at most `count` more digits follow.
fn number<'a>(first: u8, mut rest: &'a [u8], radix: u32, count: usize, out: &mut Vec<u8>) -> &'a [u8] {
    let mut value = u32::from(first);
    for _ in 0..count {
        let Some(digit) = rest.first().and_then(|&byte| char::from(byte).to_digit(radix)) else { break };
        value = value * radix + digit;
        rest = &rest[1..];
    }
    out.push(value as u8);
    rest
}

/// Appends a record of texts; `None` is NULL.
pub(super) fn write_record<'a>(
    out: &mut Vec<u8>,
    text: &Text,
    fields: impl Iterator<Item = Option<&'a [u8]>>,
) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(text.delimiter);
        }
        match field {
            Some(bytes) => bytes.iter().for_each(|&byte| put(byte, text.delimiter, out)),
            None => out.extend_from_slice(text.null.as_bytes()),
        }
    }
    out.push(b'\n');
}

/// Appends a record of values.
pub(super) fn write_cells<'c>(out: &mut Vec<u8>, text: &Text, cells: impl Iterator<Item = (Cell<'c>, Type)>) {
    for (index, (cell, ty)) in cells.enumerate() {
        if index > 0 {
            out.push(text.delimiter);
        }
        match cell {
            Cell::Null => out.extend_from_slice(text.null.as_bytes()),
            Cell::Text(value) => value.bytes().for_each(|byte| put(byte, text.delimiter, out)),
            Cell::Bytes(_) => {
                // The one backslash of the hexadecimal form.
                out.push(b'\\');
                wire::text::write(cell, ty, out);
            }
            _ => {
                let start = out.len();
                wire::text::write(cell, ty, out);
                if out[start..].contains(&text.delimiter) {
                    let plain = out.split_off(start);
                    plain.into_iter().for_each(|byte| put(byte, text.delimiter, out));
                }
            }
        }
    }
    out.push(b'\n');
}

fn put(byte: u8, delimiter: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        8 => b'b',
        12 => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        11 => b'v',
        b'\\' => b'\\',
        _ if byte == delimiter => byte,
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// A value's text; `None` for NULL.
pub(super) fn of(cell: Cell<'_>, ty: Type) -> Option<String> {
    if matches!(cell, Cell::Null) {
        return None;
    }
    let mut out = Vec::new();
    wire::text::write(cell, ty, &mut out);
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(input: &[u8], text: &Text) -> Vec<(u64, Vec<Option<Vec<u8>>>)> {
        let mut reader = Reader::new(input, text);
        let mut record = Record::default();
        let mut rows = Vec::new();
        while reader.read(&mut record).expect("memory can be read") {
            let fields = (0..record.len()).map(|i| record.get(i, &text.null).map(<[u8]>::to_vec));
            rows.push((record.line(), fields.collect()));
        }
        rows
    }

    #[test]
    fn reads_escapes_and_nulls() {
        let rows = read_all(b"a\\tb\t\\N\t\\\\N\r\n\\x41\\102\\\n\t\t\n\\.\nrest", &Text::default());
        let some = |text: &[u8]| Some(text.to_vec());
        assert_eq!(rows[0], (1, vec![some(b"a\tb"), None, some(b"\\N")]));
        assert_eq!(rows[1], (2, vec![some(b"AB\n"), some(b""), some(b"")]));
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let other = Text { delimiter: b'|', null: "".into(), header: false };
        for text in [Text::default(), other] {
            let fields =
                [Some("plain"), None, Some("a|b\tc"), Some("\\N"), Some("x\r\n\u{b}y\\"), Some("\\.")];
            let mut out = Vec::new();
            write_record(&mut out, &text, fields.iter().map(|f| f.map(str::as_bytes)));
            let expected: Vec<_> = fields.iter().map(|f| f.map(|f| f.as_bytes().to_vec())).collect();
            assert_eq!(read_all(&out, &text), [(1, expected)]);
        }
    }
}
