//! `COPY`: a table from a CSV file, and a CSV file from a table or a query.
//!
//! Reading goes the way of a bulk load: rows are encoded as they are read, a piece at a time, and become one change
//! of one transaction at the end, so a bad line 1,000,000 leaves nothing of the lines before it. Writing takes
//! the rows from the snapshot in pieces, too.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use sql::statement::{CopyFrom, CopyTo, Csv};
use sql::types;
use zset::{Batch, Merger, Type, Vector};

use crate::csv::{CsvFault, Reader, Record, write_record};
use crate::error::{Error, Result};
use crate::relation::Relation;
use crate::rows::Gather;

/// Bytes of the file read, or of rows written, at once.
const PIECE_BYTES: usize = 1 << 20;

/// How many records are read between looks at the cancel flag.
const CANCEL_EVERY: u64 = 1 << 12;

/// Reads a file into rows of a table, telling in `copied` how many bytes it has read.
pub(crate) fn read(
    copy: &CopyFrom,
    mut gathered: Gather,
    cancel: &AtomicBool,
    copied: &AtomicU64,
) -> Result<Gather> {
    let failed = |source| Error::File { path: copy.file.clone(), source };
    copied.store(0, Ordering::Relaxed);
    let file = Counted { file: File::open(&copy.file).map_err(failed)?, copied };
    let file = BufReader::with_capacity(PIECE_BYTES, file);
    let mut reader = Reader::new(file, &copy.csv);
    let mut record = Record::default();
    let mut header = copy.csv.header;
    let mut records = 0_u64;
    loop {
        let at_line = |line: u64, source: Error| Error::Copy {
            path: copy.file.clone(),
            line,
            source: Box::new(source),
        };
        let more = reader.read(&mut record).map_err(failed)?;
        let more = more.map_err(|fault| Error::CopyField {
            path: copy.file.clone(),
            line: record.line(),
            field: record.len() + usize::from(fault == CsvFault::OpenQuote),
            message: fault.message(),
        })?;
        if !more {
            return Ok(gathered);
        }
        records += 1;
        if records.is_multiple_of(CANCEL_EVERY) && cancel.load(Ordering::Relaxed) {
            return Err(Error::Canceled);
        }
        if !std::mem::take(&mut header) {
            add(&record, &copy.csv, &mut gathered).map_err(|error| at_line(record.line(), error))?;
        }
    }
}

/// A file that counts what is read of it.
struct Counted<'a> {
    file: File,
    copied: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.copied.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

fn add(record: &Record, csv: &Csv, gathered: &mut Gather) -> Result<()> {
    let text = |bytes| std::str::from_utf8(bytes);
    let fields = (0..record.len()).map(|field| record.get(field, &csv.null).map(text).transpose());
    let fields = fields.collect::<std::result::Result<Vec<Option<&str>>, _>>();
    let fields = fields.map_err(|_| Error::CopyFormat { message: "the line is not UTF-8".to_string() })?;
    gathered.add_text(fields.into_iter())
}

/// The table's columns of these names, or all of them.
fn places(relation: &Relation, names: &[String]) -> Result<Vec<usize>> {
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

/// A CSV file being written.
pub(crate) struct Writer<'a> {
    path: &'a str,
    csv: &'a Csv,
    output: BufWriter<File>,
    rows: u64,
}

impl<'a> Writer<'a> {
    /// Begins the file, with the header if there is to be one.
    pub(crate) fn create<'n>(copy: &'a CopyTo, names: impl Iterator<Item = &'n str>) -> Result<Writer<'a>> {
        let failed = |source| Error::File { path: copy.file.clone(), source };
        let output = BufWriter::with_capacity(PIECE_BYTES, File::create(&copy.file).map_err(failed)?);
        let mut writer = Writer { path: &copy.file, csv: &copy.csv, output, rows: 0 };
        if copy.csv.header {
            write_record(&mut writer.output, &copy.csv, names.map(Some)).map_err(failed)?;
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
            self.vectors(&vectors, &types, piece.weights())?;
        }
        Ok(())
    }

    /// Writes a query's rows.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = types::column_defs(&batch.schema())?;
        let types: Vec<Type> = columns.iter().map(|column| column.ty.ty).collect();
        let vectors = batch.columns().iter().zip(&types).map(|(array, &ty)| types::to_vector(array, ty));
        let vectors = vectors.collect::<std::result::Result<Vec<Vector>, _>>()?;
        self.vectors(&vectors, &types, &vec![1; batch.num_rows()])
    }

    /// Ends the file and says how many rows are in it.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.output.flush().map_err(|source| Error::File { path: self.path.to_string(), source })?;
        Ok(self.rows)
    }

    fn vectors(&mut self, vectors: &[Vector], types: &[Type], weights: &[i64]) -> Result<()> {
        let mut texts: Vec<Option<String>> = Vec::with_capacity(vectors.len());
        for (row, &weight) in weights.iter().enumerate() {
            texts.clear();
            let values = vectors.iter().zip(types);
            texts.extend(
                values.map(|(v, &ty)| v.is_valid(row).then(|| v.get_as(row, ty).display(ty).to_string())),
            );
            for _ in 0..weight.max(0) {
                write_record(&mut self.output, self.csv, texts.iter().map(Option::as_deref))
                    .map_err(|source| Error::File { path: self.path.to_string(), source })?;
                self.rows += 1;
            }
        }
        Ok(())
    }
}

/// The names of the columns that a `COPY … TO` of a relation writes.
pub(crate) fn column_names<'a>(relation: &'a Arc<Relation>, columns: &'a [String]) -> Vec<&'a str> {
    match columns {
        [] => relation.def.columns.iter().map(|column| column.name.as_str()).collect(),
        some => some.iter().map(String::as_str).collect(),
    }
}
