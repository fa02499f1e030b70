//! `COPY` between a table and a CSV file on the database's own disk.
//!
//! Only the CSV format exists; the text format, programs and streams are refused. An option that has an effect
//! on what is read or written is honoured or refused, none is skipped.

use datafusion::sql::sqlparser::ast::{
    self, CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopyTarget, Ident, Query,
};

use super::Statement;
use crate::error::SqlError;
use crate::names;

/// `COPY table [(columns)] FROM 'file'`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFrom {
    /// The table.
    pub table: String,
    /// The columns the file gives, in order; empty for all.
    pub columns: Vec<String>,
    /// The file's path as written.
    pub file: String,
    /// How the file is written.
    pub csv: Csv,
}

/// `COPY table [(columns)] TO 'file'`, `COPY (query) TO 'file'`
#[derive(Clone, Debug)]
pub struct CopyTo {
    /// What is written.
    pub source: CopySource,
    /// The file's path as written.
    pub file: String,
    /// How the file is to be written.
    pub csv: Csv,
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
    let file = match target {
        CopyTarget::File { filename } => filename,
        CopyTarget::Stdin => return Err(SqlError::unsupported("COPY FROM STDIN").with_hint("name a file")),
        CopyTarget::Stdout => return Err(SqlError::unsupported("COPY TO STDOUT").with_hint("name a file")),
        CopyTarget::Program { .. } => return Err(SqlError::unsupported("COPY with PROGRAM")),
    };
    let csv = Reader::default().read(options, legacy)?;
    let fold = |columns: Vec<Ident>| columns.iter().map(names::fold).collect();
    Ok(match source {
        ast::CopySource::Table { table_name, columns } if to => {
            let source = CopySource::Table { name: names::relation(&table_name)?, columns: fold(columns) };
            Statement::CopyTo(Box::new(CopyTo { source, file, csv }))
        }
        ast::CopySource::Table { table_name, columns } => Statement::CopyFrom(CopyFrom {
            table: names::relation(&table_name)?,
            columns: fold(columns),
            file,
            csv,
        }),
        ast::CopySource::Query(query) => {
            Statement::CopyTo(Box::new(CopyTo { source: CopySource::Query(query), file, csv }))
        }
    })
}

/// Options in the order they are written; the escape follows the quote unless it is given.
#[derive(Default)]
struct Reader {
    csv: Csv,
    is_csv: bool,
    escape: Option<u8>,
}

impl Reader {
    fn read(mut self, options: Vec<CopyOption>, legacy: Vec<CopyLegacyOption>) -> Result<Csv, SqlError> {
        options.into_iter().try_for_each(|option| self.option(option))?;
        legacy.into_iter().try_for_each(|option| self.legacy(option))?;
        if !self.is_csv {
            return Err(SqlError::unsupported("COPY in the text format").with_hint("write (FORMAT csv)"));
        }
        let csv = Csv { escape: self.escape.unwrap_or(self.csv.quote), ..self.csv };
        if csv.delimiter == csv.quote || csv.null.as_bytes().contains(&csv.delimiter) {
            return Err(SqlError::unsupported("a COPY delimiter that is the quote or part of the NULL text"));
        }
        Ok(csv)
    }

    fn option(&mut self, option: CopyOption) -> Result<(), SqlError> {
        match option {
            CopyOption::Format(format) if names::fold(&format) == "csv" => self.is_csv = true,
            CopyOption::Format(format) => {
                return Err(SqlError::unsupported(format!("COPY in the format {format}"))
                    .with_hint("write (FORMAT csv)"));
            }
            CopyOption::Header(header) => self.csv.header = header,
            CopyOption::Delimiter(c) => self.csv.delimiter = byte(c, "DELIMITER")?,
            CopyOption::Quote(c) => self.csv.quote = byte(c, "QUOTE")?,
            CopyOption::Escape(c) => self.escape = Some(byte(c, "ESCAPE")?),
            CopyOption::Null(text) => self.csv.null = text,
            CopyOption::Freeze(false) => {}
            CopyOption::Encoding(name) if is_utf8(&name) => {}
            other => return Err(SqlError::unsupported(format!("the COPY option {other}"))),
        }
        Ok(())
    }

    fn legacy(&mut self, option: CopyLegacyOption) -> Result<(), SqlError> {
        match option {
            CopyLegacyOption::Csv(options) => {
                self.is_csv = true;
                options.into_iter().try_for_each(|option| self.legacy_csv(option))
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
