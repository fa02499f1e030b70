//! Comma-separated text as PostgreSQL's COPY reads and writes it: RFC 4180 with a choice of separators, and the
//! difference between the text of NULL (empty, as a rule) with and without quotes.
//!
//! The common CSV readers drop the quotes before anyone can ask about them; that difference is why this one
//! exists. It reads one record at a time from any [`BufRead`] and counts lines, so that an error names the line
//! a record begins at, however many lines its quoted fields span.

use std::io::{self, BufRead, Write};

pub use sql::statement::Csv;

/// What is malformed in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvFault {
    /// A quoted field does not end.
    OpenQuote,
    /// Something other than a separator or the line's end follows a closing quote.
    AfterQuote,
}

impl CsvFault {
    /// The sentence for a user.
    pub fn message(self) -> &'static str {
        match self {
            CsvFault::OpenQuote => "a quoted field is not closed",
            CsvFault::AfterQuote => "a closing quote must be followed by a separator or the end of the line",
        }
    }
}

/// One record: the fields' bytes in one buffer, their ends, and which of them were quoted.
#[derive(Default)]
pub struct Record {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    line: u64,
}

struct Field {
    end: usize,
    quoted: bool,
}

impl Record {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field; a record that was read has at least one.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The line the record begins at, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// A field's bytes, or `None` where it is NULL: the text of NULL, not quoted.
    pub fn get(&self, index: usize, null: &str) -> Option<&[u8]> {
        let field = self.fields.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.fields[before].end);
        let bytes = &self.bytes[start..field.end];
        (field.quoted || bytes != null.as_bytes()).then_some(bytes)
    }

    /// Empties it for a record that begins at this line.
    pub(crate) fn begin(&mut self, line: u64) {
        self.clear();
        self.line = line;
    }

    /// Adds a field that is NULL, whose text is this.
    pub(crate) fn push_null(&mut self, null: &str) {
        self.bytes.extend_from_slice(null.as_bytes());
        self.end_field(false);
    }

    /// Adds a field that is not NULL, whatever is appended.
    pub(crate) fn push_value(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.bytes);
        self.end_field(true);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
    }

    fn end_field(&mut self, quoted: bool) {
        self.fields.push(Field { end: self.bytes.len(), quoted });
    }
}

/// Reads records.
pub struct Reader<'a, R> {
    input: R,
    csv: &'a Csv,
    line: Vec<u8>,
    ending: &'static [u8],
    lines: u64,
}

impl<'a, R: BufRead> Reader<'a, R> {
    /// A reader at the first line of `input`.
    pub fn new(input: R, csv: &'a Csv) -> Reader<'a, R> {
        Reader { input, csv, line: Vec::new(), ending: b"", lines: 0 }
    }

    /// Reads the next record into `record`; false at the end. The outer error is the file's, the inner the
    /// record's.
    pub fn read(&mut self, record: &mut Record) -> io::Result<Result<bool, CsvFault>> {
        record.clear();
        if !self.next_line()? {
            return Ok(Ok(false));
        }
        record.line = self.lines;
        let mut at = 0;
        loop {
            let quoted = self.line.get(at) == Some(&self.csv.quote);
            if quoted {
                match self.quoted_field(at + 1, record)? {
                    Ok(next) => at = next,
                    Err(fault) => return Ok(Err(fault)),
                }
            } else {
                let rest = &self.line[at..];
                let length = rest.iter().position(|&b| b == self.csv.delimiter).unwrap_or(rest.len());
                record.bytes.extend_from_slice(&rest[..length]);
                at += length;
            }
            record.end_field(quoted);
            match self.line.get(at) {
                None => return Ok(Ok(true)),
                Some(&b) if b == self.csv.delimiter => at += 1,
                Some(_) => return Ok(Err(CsvFault::AfterQuote)),
            }
        }
    }

    /// Copies a quoted field from behind its opening quote, over as many lines as it has, and returns the
    /// place behind its closing quote in the line it ends in.
    fn quoted_field(&mut self, mut at: usize, record: &mut Record) -> io::Result<Result<usize, CsvFault>> {
        let (quote, escape) = (self.csv.quote, self.csv.escape);
        loop {
            let rest = &self.line[at..];
            let Some(length) = rest.iter().position(|&b| b == quote || b == escape) else {
                record.bytes.extend_from_slice(rest);
                record.bytes.extend_from_slice(self.ending);
                if !self.next_line()? {
                    return Ok(Err(CsvFault::OpenQuote));
                }
                at = 0;
                continue;
            };
            record.bytes.extend_from_slice(&rest[..length]);
            at += length + 1;
            let escaped = rest.get(length + 1).filter(|&&b| b == quote || b == escape);
            match escaped {
                Some(&b) if rest[length] == escape => {
                    record.bytes.push(b);
                    at += 1;
                }
                _ if rest[length] == quote => return Ok(Ok(at)),
                _ => record.bytes.push(escape),
            }
        }
    }

    /// Reads a line without its end (`\n` or `\r\n`).
    fn next_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        if self.input.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.lines += 1;
        let endings = [b"\r\n".as_slice(), b"\n"];
        self.ending = endings.into_iter().find(|ending| self.line.ends_with(ending)).unwrap_or_default();
        self.line.truncate(self.line.len() - self.ending.len());
        Ok(true)
    }
}

/// Writes one record; `None` is NULL.
pub fn write_record<'a>(
    output: &mut impl Write,
    csv: &Csv,
    fields: impl Iterator<Item = Option<&'a str>>,
) -> io::Result<()> {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            output.write_all(&[csv.delimiter])?;
        }
        let Some(text) = field else {
            output.write_all(csv.null.as_bytes())?;
            continue;
        };
        let special = |b: u8| b == csv.delimiter || b == csv.quote || b == b'\n' || b == b'\r';
        if text != csv.null && !text.bytes().any(special) {
            output.write_all(text.as_bytes())?;
            continue;
        }
        output.write_all(&[csv.quote])?;
        for &byte in text.as_bytes() {
            if byte == csv.quote || byte == csv.escape {
                output.write_all(&[csv.escape])?;
            }
            output.write_all(&[byte])?;
        }
        output.write_all(&[csv.quote])?;
    }
    output.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str, csv: &Csv) -> Vec<(u64, Vec<Option<String>>)> {
        let mut reader = Reader::new(text.as_bytes(), csv);
        let mut record = Record::default();
        let mut rows = Vec::new();
        while let Ok(Ok(true)) = reader.read(&mut record) {
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            let fields = (0..record.len()).map(|i| record.get(i, &csv.null).map(text));
            rows.push((record.line(), fields.collect()));
        }
        rows
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_string())
    }

    #[test]
    fn empty_is_null_and_quoted_empty_is_not() {
        let rows = read_all("a,,\"\"\r\n,b\n", &Csv::default());
        assert_eq!(rows, [(1, vec![some("a"), None, some("")]), (2, vec![None, some("b")])]);
    }

    #[test]
    fn quoted_fields_span_lines() {
        let rows = read_all("\"x\r\ny \"\"z\"\"\",1\nlast,2", &Csv::default());
        assert_eq!(rows, [(1, vec![some("x\r\ny \"z\""), some("1")]), (3, vec![some("last"), some("2")])]);
    }

    #[test]
    fn faults_are_told_apart() {
        let csv = Csv::default();
        let fault = |text: &str| Reader::new(text.as_bytes(), &csv).read(&mut Record::default()).ok();
        assert_eq!(fault("\"open"), Some(Err(CsvFault::OpenQuote)));
        assert_eq!(fault("\"a\"b,c"), Some(Err(CsvFault::AfterQuote)));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let other = Csv { delimiter: b';', quote: b'\'', escape: b'\\', null: "NULL".into(), header: false };
        for csv in [Csv::default(), other] {
            let fields =
                [Some("plain"), None, Some(""), Some("a,b;c"), Some("say \"x\"\n'a\\gain'"), Some("NULL")];
            let mut text = Vec::new();
            write_record(&mut text, &csv, fields.into_iter()).unwrap();
            let rows = read_all(&String::from_utf8(text).unwrap(), &csv);
            assert_eq!(rows, [(1, fields.map(|f| f.map(str::to_string)).to_vec())]);
        }
    }
}
