//! Results as they go over the wire: one encoder for each format, all writing while the rows are turned into text.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use gnitz::csv::{Csv, write_record};
use gnitz::{Datum, Outcome, QueryResult, Type};

use super::accept::Format;
use super::problem::Problem;
use super::value;

/// Rows that are turned into values at once.
const SLICE: usize = 1_024;

/// Writes the results of a request in one format.
pub struct Encoder {
    format: Format,
    /// Results written so far.
    results: usize,
}

impl Encoder {
    /// An encoder that has written nothing.
    pub fn new(format: Format) -> Encoder {
        Encoder { format, results: 0 }
    }

    /// Writes a statement's outcome. Formats of rows alone have no place for a statement that answers none.
    pub fn outcome(&mut self, out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
        let first = self.results == 0;
        match (self.format, outcome) {
            (Format::Json, _) => {
                out.write_all(if first { b"{\"results\":[" } else { b"," })?;
                json_result(out, outcome)?;
            }
            (_, Outcome::Count { .. } | Outcome::Done { .. }) => return Ok(()),
            (Format::Ndjson, Outcome::Rows(rows)) => ndjson(out, rows)?,
            (Format::Csv, Outcome::Rows(rows)) => {
                if !first {
                    out.write_all(b"\n")?;
                }
                csv(out, rows)?;
            }
            (Format::Arrow, Outcome::Rows(rows)) => arrow_stream(out, rows)?,
        }
        self.results += 1;
        Ok(())
    }

    /// Ends the answer.
    pub fn end(&self, out: &mut impl Write) -> io::Result<()> {
        match self.format {
            Format::Json if self.results == 0 => out.write_all(b"{\"results\":[]}"),
            Format::Json => out.write_all(b"]}"),
            _ => Ok(()),
        }
    }

    /// Ends an answer that has begun and cannot go on, if the format has a word for it; false if it has none.
    pub fn fail(&self, out: &mut impl Write, problem: &Problem) -> io::Result<bool> {
        match self.format {
            Format::Json if self.results == 0 => {
                write!(out, "{{\"results\":[],\"error\":{}}}", problem.json())?
            }
            Format::Json => write!(out, "],\"error\":{}}}", problem.json())?,
            Format::Ndjson => writeln!(out, "{{\"error\":{}}}", problem.json())?,
            Format::Csv | Format::Arrow => return Ok(false),
        }
        Ok(true)
    }
}

fn json_result(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    match outcome {
        Outcome::Done { tag } => write!(out, "{{\"tag\":\"{tag}\"}}"),
        Outcome::Count { tag, rows } => write!(out, "{{\"tag\":\"{tag}\",\"rowCount\":{rows}}}"),
        Outcome::Rows(rows) => {
            let types = types(rows)?;
            out.write_all(b"{\"columns\":")?;
            columns(out, &rows.schema, &types)?;
            out.write_all(b",\"rows\":[")?;
            let mut first = true;
            each_row(rows, |row| {
                out.write_all(if std::mem::take(&mut first) { b"[" } else { b",[" })?;
                for (at, (value, ty)) in row.iter().zip(&types).enumerate() {
                    if at > 0 {
                        out.write_all(b",")?;
                    }
                    value::json(out, value, *ty)?;
                }
                out.write_all(b"]")
            })?;
            write!(out, "],\"rowCount\":{}}}", rows.num_rows())
        }
    }
}

/// The columns of a relation as JSON: names, types as SQL writes them, and whether NULL is possible.
pub fn columns(out: &mut impl Write, schema: &Schema, types: &[Type]) -> io::Result<()> {
    out.write_all(b"[")?;
    for (at, (field, ty)) in schema.fields().iter().zip(types).enumerate() {
        out.write_all(if at > 0 { b",{\"name\":" } else { b"{\"name\":" })?;
        value::string(out, field.name())?;
        write!(out, ",\"type\":\"{ty}\",\"nullable\":{}}}", field.is_nullable())?;
    }
    out.write_all(b"]")
}

fn ndjson(out: &mut impl Write, rows: &QueryResult) -> io::Result<()> {
    let object = Members::new(&rows.schema, types(rows)?)?;
    each_row(rows, |row| {
        object.write(out, row)?;
        out.write_all(b"\n")
    })
}

/// Writes rows as JSON objects.
pub struct Members {
    types: Vec<Type>,
    /// What stands before each value: a comma, the member's name, a colon.
    names: Vec<Vec<u8>>,
}

impl Members {
    /// Objects with a member for each column.
    pub fn new(schema: &Schema, types: Vec<Type>) -> io::Result<Members> {
        let name = |(at, field): (usize, &Arc<Field>)| {
            let mut name = if at > 0 { b",".to_vec() } else { Vec::new() };
            value::string(&mut name, field.name())?;
            name.push(b':');
            Ok(name)
        };
        let names = schema.fields().iter().enumerate().map(name).collect::<io::Result<_>>()?;
        Ok(Members { types, names })
    }

    /// Writes a row.
    pub fn write(&self, out: &mut impl Write, row: &[Datum]) -> io::Result<()> {
        out.write_all(b"{")?;
        for ((name, value), ty) in self.names.iter().zip(row).zip(&self.types) {
            out.write_all(name)?;
            value::json(out, value, *ty)?;
        }
        out.write_all(b"}")
    }
}

fn csv(out: &mut impl Write, rows: &QueryResult) -> io::Result<()> {
    let form = Csv::default();
    let types = types(rows)?;
    let names = rows.schema.fields().iter().map(|field| Some(field.name().as_str()));
    write_record(out, &form, names)?;
    each_row(rows, |row| {
        let fields = value::csv_fields(row, &types);
        write_record(out, &form, fields.iter().map(Option::as_deref))
    })
}

fn arrow_stream(out: &mut impl Write, rows: &QueryResult) -> io::Result<()> {
    let schema = plain_schema(&rows.schema);
    let mut writer = StreamWriter::try_new(out, &schema).map_err(io::Error::other)?;
    for batch in &rows.batches {
        writer.write(&plain(batch, &schema)?).map_err(io::Error::other)?;
    }
    writer.finish().map_err(io::Error::other)
}

/// The schema with text as `Utf8`: not every Arrow library knows the views that Gnitz computes with.
pub fn plain_schema(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8View => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// A batch in its [`plain_schema`].
pub fn plain(batch: &RecordBatch, schema: &SchemaRef) -> io::Result<RecordBatch> {
    let column = |(array, field): (&ArrayRef, &Arc<Field>)| match array.data_type() == field.data_type() {
        true => Ok(Arc::clone(array)),
        false => cast(array, field.data_type()),
    };
    let columns = batch.columns().iter().zip(schema.fields()).map(column).collect::<Result<Vec<_>, _>>();
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    columns
        .and_then(|columns| RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options))
        .map_err(io::Error::other)
}

/// The columns' types.
pub fn types(rows: &QueryResult) -> io::Result<Vec<Type>> {
    rows.types().map_err(io::Error::other)
}

/// Calls `each` for every row; a few of them exist as values at a time.
pub fn each_row(rows: &QueryResult, mut each: impl FnMut(&[Datum]) -> io::Result<()>) -> io::Result<()> {
    for batch in &rows.batches {
        for start in (0..batch.num_rows()).step_by(SLICE) {
            let slice = batch.slice(start, SLICE.min(batch.num_rows() - start));
            let part = QueryResult { schema: Arc::clone(&rows.schema), batches: vec![slice] };
            for row in part.rows().map_err(io::Error::other)? {
                each(&row)?;
            }
        }
    }
    Ok(())
}
