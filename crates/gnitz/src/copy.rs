//! `COPY`: rows of a table from a file or a stream, and rows of a table or a query into one, in any of three formats.
//!
//! Reading goes the way of a bulk load: rows are encoded as they are read, a piece at a time, and become one change
//! of one transaction at the end, so a bad line 1,000,000 leaves nothing of the lines before it. Writing takes
//! the rows from the snapshot in pieces, too, and hands each row to the output in one call, so that an output that
//! must tell rows apart can.

mod binary;
mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use sql::statement::{CopyFormat, CopyFrom, CopyPlace, Text};
use zset::{Batch, Merger, Type, Vector};

use crate::csv::{self, CsvFault, Record, write_record};
use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::rows::Gather;
use crate::wire::{Cell, Cells, cell};

/// Bytes of the file read, or of rows written, at once.
const PIECE_BYTES: usize = 1 << 20;

/// How many records are read between looks at the cancel flag.
const CANCEL_EVERY: u64 = 1 << 12;

/// Appends a row as COPY writes it: a line of the text format, in its usual form.
pub fn text_line<'c>(out: &mut Vec<u8>, cells: impl Iterator<Item = (Cell<'c>, Type)>) {
    text::write_cells(out, &Text::default(), cells);
}

/// What a running COPY looks at and tells.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    /// Set to stop it.
    pub(crate) cancel: &'a AtomicBool,
    /// How many bytes it has read.
    pub(crate) copied: &'a AtomicU64,
}

/// What the other end is called in messages.
pub(crate) fn place_name(place: &CopyPlace) -> &str {
    match place {
        CopyPlace::File(path) => path,
        CopyPlace::Stream => "the stream",
    }
}

/// The file that rows are read from.
pub(crate) fn open(path: &str) -> Result<File> {
    File::open(path).map_err(|source| Error::File { path: path.to_string(), source })
}

/// The file that rows are written to.
pub(crate) fn create(path: &str) -> Result<BufWriter<File>> {
    let file = File::create(path).map_err(|source| Error::File { path: path.to_string(), source })?;
    Ok(BufWriter::with_capacity(PIECE_BYTES, file))
}

/// Reads rows of a table.
pub(crate) fn read(
    copy: &CopyFrom,
    input: impl Read,
    mut gathered: Gather,
    watch: Watch<'_>,
) -> Result<Gather> {
    watch.copied.store(0, Ordering::Relaxed);
    let input = BufReader::with_capacity(PIECE_BYTES, Counted { input, copied: watch.copied });
    let failed = |source| Error::File { path: place_name(&copy.place).to_string(), source };
    let fault = |line, source| Error::Copy {
        path: place_name(&copy.place).to_string(),
        line,
        source: Box::new(source),
    };
    let place = place_name(&copy.place);
    let end = Ends { place, failed: &failed, fault: &fault, cancel: watch.cancel };
    match &copy.format {
        CopyFormat::Csv(csv) => {
            let reader = csv::Reader::new(input, csv);
            end.records(Records::Csv(reader), &csv.null, csv.header, &mut gathered)?;
        }
        CopyFormat::Text(text) => {
            let reader = text::Reader::new(input, text);
            end.records(Records::Text(reader), &text.null, text.header, &mut gathered)?;
        }
        CopyFormat::Binary => end.tuples(binary::Reader::new(input), &copy.columns, &mut gathered)?,
    }
    Ok(gathered)
}

/// An input that counts what is read of it.
struct Counted<'a, R> {
    input: R,
    copied: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.read(buffer)?;
        self.copied.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// A reader of either format that has lines.
enum Records<'a, R> {
    Csv(csv::Reader<'a, R>),
    Text(text::Reader<'a, R>),
}

impl<R: BufRead> Records<'_, R> {
    /// Reads the next record; false at the end. The inner error is what is wrong with the record.
    fn read(&mut self, record: &mut Record) -> io::Result<std::result::Result<bool, CsvFault>> {
        match self {
            Records::Csv(reader) => reader.read(record),
            Records::Text(reader) => Ok(Ok(reader.read(record)?)),
        }
    }
}

/// The ways in which reading ends before the end.
struct Ends<'a> {
    place: &'a str,
    failed: &'a dyn Fn(io::Error) -> Error,
    fault: &'a dyn Fn(u64, Error) -> Error,
    cancel: &'a AtomicBool,
}

impl Ends<'_> {
    fn look(&self, count: u64) -> Result<()> {
        match count.is_multiple_of(CANCEL_EVERY) && self.cancel.load(Ordering::Relaxed) {
            true => Err(Error::Canceled),
            false => Ok(()),
        }
    }

    fn records<R: BufRead>(
        &self,
        mut reader: Records<'_, R>,
        null: &str,
        mut header: bool,
        gathered: &mut Gather,
    ) -> Result<()> {
        let mut record = Record::default();
        for count in 1.. {
            let more = reader.read(&mut record).map_err(self.failed)?;
            let more = more.map_err(|fault| Error::CopyField {
                path: self.place.to_string(),
                line: record.line(),
                field: record.len() + usize::from(fault == CsvFault::OpenQuote),
                message: fault.message(),
            })?;
            if !more {
                break;
            }
            self.look(count)?;
            if !std::mem::take(&mut header) {
                add(&record, null, gathered).map_err(|error| (self.fault)(record.line(), error))?;
            }
        }
        Ok(())
    }

    fn tuples<R: BufRead>(
        &self,
        mut reader: binary::Reader<R>,
        columns: &[String],
        gathered: &mut Gather,
    ) -> Result<()> {
        let relation = Arc::clone(gathered.relation());
        let places = places(&relation, columns)?;
        let types: Vec<Type> = places.iter().map(|&place| relation.def.columns[place].ty.ty).collect();
        let mut row = Vec::with_capacity(types.len());
        for count in 1.. {
            let more = reader.read(&types, &mut row).map_err(self.failed)?;
            if !more.map_err(|error| (self.fault)(count, error))? {
                break;
            }
            self.look(count)?;
            gathered.add_row(&row).map_err(|error| (self.fault)(count, error))?;
        }
        Ok(())
    }
}

fn add(record: &Record, null: &str, gathered: &mut Gather) -> Result<()> {
    let text = |bytes| std::str::from_utf8(bytes);
    let fields = (0..record.len()).map(|field| record.get(field, null).map(text).transpose());
    let fields = fields.collect::<std::result::Result<Vec<Option<&str>>, _>>();
    let fields = fields.map_err(|_| Error::CopyFormat { message: "the line is not UTF-8".to_string() })?;
    gathered.add_text(fields.into_iter())
}

/// The table's columns of these names, or all of them.
pub(crate) fn places(relation: &Relation, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..relation.def.columns.len()).collect());
    }
    let place = |name: &String| {
        relation.def.column(name).map(|place| place as usize).ok_or_else(|| {
            let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name());
            Error::Sql(sql::SqlError::new(sql::SqlState::UndefinedColumn, message))
        })
    };
    names.iter().map(place).collect()
}

/// Rows on their way out.
pub(crate) struct Writer<'a, W> {
    path: &'a str,
    format: &'a CopyFormat,
    output: W,
    row: Vec<u8>,
    rows: u64,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Begins with the header if there is to be one.
    pub(crate) fn begin<'n>(
        place: &'a CopyPlace,
        format: &'a CopyFormat,
        output: W,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Writer<'a, W>> {
        let mut writer = Writer { path: place_name(place), format, output, row: Vec::new(), rows: 0 };
        match format {
            CopyFormat::Csv(csv) if csv.header => {
                let _ = write_record(&mut writer.row, csv, names.map(Some));
                writer.put()?;
            }
            CopyFormat::Text(text) if text.header => {
                text::write_record(&mut writer.row, text, names.map(|name| Some(name.as_bytes())));
                writer.put()?;
            }
            CopyFormat::Csv(_) | CopyFormat::Text(_) => {}
            // Goes out with the first row.
            CopyFormat::Binary => binary::write_header(&mut writer.row),
        }
        Ok(writer)
    }

    /// Writes some columns of a stored relation's rows, each as often as its weight says.
    pub(crate) fn relation(
        &mut self,
        relation: &Relation,
        columns: &[String],
        runs: &[Batch],
        cancel: &AtomicBool,
    ) -> Result<()> {
        let places = places(relation, columns)?;
        let types: Vec<Type> = places.iter().map(|&place| relation.def.columns[place].ty.ty).collect();
        let mut merger = Merger::new(runs);
        while let Some(piece) = merger.next(PIECE_BYTES)? {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Canceled);
            }
            let decode = |(&place, ty): (&usize, &Type)| {
                let mut vector = Vector::with_capacity(ty.lane(), piece.len());
                relation.layout.decode_range(&piece, 0..piece.len(), place as u32, &mut vector);
                vector
            };
            let vectors: Vec<Vector> = places.iter().zip(&types).map(decode).collect();
            let mut row = Vec::with_capacity(types.len());
            for (index, &weight) in piece.weights().iter().enumerate() {
                row.clear();
                row.extend(vectors.iter().zip(&types).map(|(vector, &ty)| cell(vector, ty, index)));
                for _ in 0..weight.max(0) {
                    self.write(row.iter().map(Cell::from).zip(types.iter().copied()))?;
                }
            }
        }
        Ok(())
    }

    /// Writes a query's rows.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let cells = Cells::new(batch)?;
        for row in 0..cells.rows() {
            self.write((0..cells.columns()).map(|column| (cells.get(column, row), cells.ty(column))))?;
        }
        Ok(())
    }

    /// Ends the output and says how many rows are in it.
    pub(crate) fn finish(mut self) -> Result<u64> {
        if *self.format == CopyFormat::Binary {
            binary::write_trailer(&mut self.row);
            self.put()?;
        }
        self.output.flush().map_err(|source| Error::File { path: self.path.to_string(), source })?;
        Ok(self.rows)
    }

    fn write<'c>(&mut self, cells: impl ExactSizeIterator<Item = (Cell<'c>, Type)>) -> Result<()> {
        match self.format {
            CopyFormat::Csv(csv) => {
                let texts: Vec<Option<String>> = cells.map(|(cell, ty)| text::of(cell, ty)).collect();
                let _ = write_record(&mut self.row, csv, texts.iter().map(Option::as_deref));
            }
            CopyFormat::Text(text) => text::write_cells(&mut self.row, text, cells),
            CopyFormat::Binary => binary::write_tuple(&mut self.row, cells),
        }
        self.rows += 1;
        self.put()
    }

    /// Hands over what was gathered, in one call.
    fn put(&mut self) -> Result<()> {
        let put = self.output.write_all(&self.row);
        self.row.clear();
        put.map_err(|source| Error::File { path: self.path.to_string(), source })
    }
}

/// The names of the columns that a `COPY … TO` of a relation writes.
pub(crate) fn column_names<'a>(relation: &'a Arc<Relation>, columns: &'a [String]) -> Vec<&'a str> {
    match columns {
        [] => relation.def.columns.iter().map(|column| column.name.as_str()).collect(),
        some => some.iter().map(String::as_str).collect(),
    }
}
