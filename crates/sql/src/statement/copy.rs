//! `COPY` between a table and a file on the database's own disk, or the client at the other end of a session.
//!
//! An option that has an effect on what is read or written is honoured or refused, none is skipped.

use datafusion::sql::sqlparser::ast::{
    self, CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopyTarget, Ident, Query,
};

use super::Statement;
use crate::error::SqlError;
use crate::names;

/// `COPY table [(columns)] FROM 'file' | STDIN`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFrom {
    /// The table.
    pub table: String,
    /// The columns that are given, in order; empty for all.
    pub columns: Vec<String>,
    /// Where the rows come from.
    pub place: CopyPlace,
    /// How they are written.
    pub format: CopyFormat,
}

/// `COPY table [(columns)] TO 'file' | STDOUT`, `COPY (query) TO 'file' | STDOUT`
#[derive(Clone, Debug)]
pub struct CopyTo {
    /// What is written.
    pub source: CopySource,
    /// Where it goes.
    pub place: CopyPlace,
    /// How it is to be written.
    pub format: CopyFormat,
}

/// The other end of a `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyPlace {
    /// A file, by its path as written.
    File(String),
    /// `STDIN` or `STDOUT`: a stream that the caller of the statement has.
    Stream,
}

/// How rows are written in a file or stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// Comma-separated values.
    Csv(Csv),
    /// PostgreSQL's text format: a line a row, backslashes before what is special.
    Text(Text),
    /// PostgreSQL's binary format.
    Binary,
}

/// The dialect of the text format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The first line names the columns.
    pub header: bool,
    /// Between fields.
    pub delimiter: u8,
    /// A field of this text is NULL.
    pub null: String,
}

impl Default for Text {
    fn default() -> Text {
        Text { header: false, delimiter: b'\t', null: "\\N".to_string() }
    }
}

/// What `COPY … TO` writes.
#[derive(Clone, Debug)]
pub enum CopySource {
    /// A relation's rows.
    Table {
        /// The relation.
        name: String,
        /// Which columns; empty for all.
        columns: Vec<String>,
    },
    /// A query's answer.
    Query(Box<Query>),
}

/// The CSV dialect of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv {
    /// The first line names the columns.
    pub header: bool,
    /// Between fields.
    pub delimiter: u8,
    /// Around fields that need it.
    pub quote: u8,
    /// Before a quote inside a quoted field.
    pub escape: u8,
    /// An unquoted field of this text is NULL.
    pub null: String,
}

impl Default for Csv {
    fn default() -> Csv {
        Csv { header: false, delimiter: b',', quote: b'"', escape: b'"', null: String::new() }
    }
}

pub(super) fn copy(
    source: ast::CopySource,
    to: bool,
    target: CopyTarget,
    options: Vec<CopyOption>,
    legacy: Vec<CopyLegacyOption>,
) -> Result<Statement, SqlError> {
    let place = match target {
        CopyTarget::File { filename } => CopyPlace::File(filename),
        CopyTarget::Stdin | CopyTarget::Stdout => CopyPlace::Stream,
        CopyTarget::Program { .. } => return Err(SqlError::unsupported("COPY with PROGRAM")),
    };
    let format = Options::default().read(options, legacy)?;
    let fold = |columns: Vec<Ident>| columns.iter().map(names::fold).collect();
    Ok(match source {
        ast::CopySource::Table { table_name, columns } if to => {
            let source = CopySource::Table { name: names::said(&table_name)?, columns: fold(columns) };
            Statement::CopyTo(Box::new(CopyTo { source, place, format }))
        }
        ast::CopySource::Table { table_name, columns } => Statement::CopyFrom(CopyFrom {
            table: names::said(&table_name)?,
            columns: fold(columns),
            place,
            format,
        }),
        ast::CopySource::Query(query) => {
            Statement::CopyTo(Box::new(CopyTo { source: CopySource::Query(query), place, format }))
        }
    })
}

/// The options as they are written; what is not given follows the format, and the escape the quote.
#[derive(Default)]
struct Options {
    kind: Kind,
    header: bool,
    delimiter: Option<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    null: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Csv,
    Binary,
}

impl Options {
    fn read(
        mut self,
        options: Vec<CopyOption>,
        legacy: Vec<CopyLegacyOption>,
    ) -> Result<CopyFormat, SqlError> {
        options.into_iter().try_for_each(|option| self.option(option))?;
        legacy.into_iter().try_for_each(|option| self.legacy(option))?;
        if self.kind != Kind::Csv && (self.quote.is_some() || self.escape.is_some()) {
            return Err(SqlError::unsupported("COPY with QUOTE or ESCAPE outside of the CSV format"));
        }
        match self.kind {
            Kind::Csv => self.csv().map(CopyFormat::Csv),
            Kind::Text => self.text().map(CopyFormat::Text),
            Kind::Binary if self.header || self.delimiter.is_some() || self.null.is_some() => {
                Err(SqlError::unsupported("COPY in the binary format with HEADER, DELIMITER or NULL"))
            }
            Kind::Binary => Ok(CopyFormat::Binary),
        }
    }

    fn csv(self) -> Result<Csv, SqlError> {
        let usual = Csv::default();
        let quote = self.quote.unwrap_or(usual.quote);
        let csv = Csv {
            header: self.header,
            delimiter: self.delimiter.unwrap_or(usual.delimiter),
            quote,
            escape: self.escape.unwrap_or(quote),
            null: self.null.unwrap_or(usual.null),
        };
        if csv.delimiter == csv.quote || csv.null.as_bytes().contains(&csv.delimiter) {
            return Err(SqlError::unsupported("a COPY delimiter that is the quote or part of the NULL text"));
        }
        Ok(csv)
    }

    fn text(self) -> Result<Text, SqlError> {
        let usual = Text::default();
        let text = Text {
            header: self.header,
            delimiter: self.delimiter.unwrap_or(usual.delimiter),
            null: self.null.unwrap_or(usual.null),
        };
        let letter = text.delimiter.is_ascii_alphanumeric() || matches!(text.delimiter, b'\\' | b'.');
        if letter || text.null.as_bytes().contains(&text.delimiter) {
            let what =
                "a COPY delimiter that is a letter, a digit, a backslash, a point or part of the NULL text";
            return Err(SqlError::unsupported(what));
        }
        if text.null.contains(['\r', '\n']) {
            return Err(SqlError::unsupported("a COPY NULL text with a line's end in it"));
        }
        Ok(text)
    }

    fn option(&mut self, option: CopyOption) -> Result<(), SqlError> {
        match option {
            CopyOption::Format(format) => match names::fold(&format).as_str() {
                "csv" => self.kind = Kind::Csv,
                "text" => self.kind = Kind::Text,
                "binary" => self.kind = Kind::Binary,
                other => {
                    return Err(SqlError::unsupported(format!("COPY in the format {other}"))
                        .with_hint("write csv, text or binary"));
                }
            },
            CopyOption::Header(header) => self.header = header,
            CopyOption::Delimiter(c) => self.delimiter = Some(byte(c, "DELIMITER")?),
            CopyOption::Quote(c) => self.quote = Some(byte(c, "QUOTE")?),
            CopyOption::Escape(c) => self.escape = Some(byte(c, "ESCAPE")?),
            CopyOption::Null(text) => self.null = Some(text),
            CopyOption::Freeze(false) => {}
            CopyOption::Encoding(name) if is_utf8(&name) => {}
            other => return Err(SqlError::unsupported(format!("the COPY option {other}"))),
        }
        Ok(())
    }

    fn legacy(&mut self, option: CopyLegacyOption) -> Result<(), SqlError> {
        match option {
            CopyLegacyOption::Csv(options) => {
                self.kind = Kind::Csv;
                options.into_iter().try_for_each(|option| self.legacy_csv(option))
            }
            CopyLegacyOption::Binary => {
                self.kind = Kind::Binary;
                Ok(())
            }
            CopyLegacyOption::Header => self.option(CopyOption::Header(true)),
            CopyLegacyOption::Delimiter(c) => self.option(CopyOption::Delimiter(c)),
            CopyLegacyOption::Null(text) => self.option(CopyOption::Null(text)),
            other => Err(SqlError::unsupported(format!("the COPY option {other}"))),
        }
    }

    fn legacy_csv(&mut self, option: CopyLegacyCsvOption) -> Result<(), SqlError> {
        match option {
            CopyLegacyCsvOption::Header => self.option(CopyOption::Header(true)),
            CopyLegacyCsvOption::Quote(c) => self.option(CopyOption::Quote(c)),
            CopyLegacyCsvOption::Escape(c) => self.option(CopyOption::Escape(c)),
            other => Err(SqlError::unsupported(format!("the COPY option {other}"))),
        }
    }
}

fn byte(c: char, option: &str) -> Result<u8, SqlError> {
    u8::try_from(c).ok().filter(|b| b.is_ascii() && !matches!(b, b'\r' | b'\n')).ok_or_else(|| {
        SqlError::unsupported(format!("COPY with {option} {c:?}")).with_hint("use an ASCII character")
    })
}

fn is_utf8(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "utf8" | "utf-8")
}
