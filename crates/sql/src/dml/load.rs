//! Loading many rows into a table without a statement: from text fields (`COPY`), values or Arrow batches.
//!
//! Rows are collected by column and become one delta, with the same defaults and checks as `INSERT`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use zset::{BatchBuilder, Data, Datum, Type, Vector};

use super::insert::Defaults;
use super::{Changes, Writable, rows};
use crate::assign::{self, Fit};
use crate::catalog::{Snapshot, TableDef};
use crate::error::{SqlError, SqlState};
use crate::input;
use crate::names;
use crate::params::check_lane;
use crate::planner::Planner;
use crate::scalar::Given;
use crate::sequence::{NoSequences, Sequences};
use crate::types::{from_arrow_or_refuse, to_vector};

/// Rows on their way into one table. After an error it must be dropped.
#[derive(Debug)]
pub struct Loader {
    target: Writable,
    defaults: Defaults,
    /// The columns that are given, in the order they come.
    given: Vec<u32>,
    vectors: Vec<Vector>,
    rows: usize,
}

impl Loader {
    /// A loader that is given these columns of the table, all of them if none are named.
    pub fn new(
        planner: &Arc<Planner>,
        snapshot: &Arc<dyn Snapshot>,
        table: &str,
        columns: &[String],
    ) -> Result<Loader, SqlError> {
        let def = snapshot.table(table).ok_or_else(|| names::unknown(table))?;
        let target = Writable::of(snapshot.as_ref(), def)?;
        let mut given: Vec<u32> = Vec::with_capacity(target.def.columns.len());
        for name in columns {
            let column = target.def.column(name).ok_or_else(|| {
                SqlError::new(
                    SqlState::UndefinedColumn,
                    format!("column \"{name}\" of relation \"{table}\" does not exist"),
                )
            })?;
            if given.contains(&column) {
                return Err(SqlError::new(
                    SqlState::DuplicateColumn,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            given.push(column);
        }
        if columns.is_empty() {
            given = (0..target.def.columns.len() as u32).collect();
        }
        let defaults = Defaults::new(planner, &target)?;
        let mut loader = Loader { target, defaults, given, vectors: Vec::new(), rows: 0 };
        loader.vectors = loader.empty();
        Ok(loader)
    }

    /// The table.
    pub fn table(&self) -> &Arc<TableDef> {
        &self.target.def
    }

    /// How many rows wait to be finished.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row of text fields, each read by the input rules of its column's type; `None` is NULL.
    pub fn push_text<'f>(
        &mut self,
        fields: impl ExactSizeIterator<Item = Option<&'f str>>,
    ) -> Result<(), SqlError> {
        self.expect_fields(fields.len())?;
        for ((field, vector), &column) in fields.zip(&mut self.vectors).zip(&self.given) {
            let def = &self.target.def.columns[column as usize];
            match (field, def.ty.ty) {
                (None, _) if !def.ty.nullable => {
                    return Err(assign::null_violation(def, self.target.def.own_name()));
                }
                (None, _) => vector.push_null(),
                (Some(text), Type::Text) => {
                    let limit = def.max_len.filter(|&max| matches!(assign::fitting(text, max), Fit::TooLong));
                    if let Some(max) = limit {
                        return Err(assign::too_long(def, max));
                    }
                    push_bytes(vector, text.as_bytes());
                }
                (Some(text), ty) => vector.push_datum(&input::from_text(text, ty).map_err(|error| {
                    SqlError { message: format!("column \"{}\": {}", def.name, error.message), ..error }
                })?),
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds a row of values that are of their columns' types already.
    pub fn push(&mut self, values: &[Datum]) -> Result<(), SqlError> {
        self.expect_fields(values.len())?;
        for ((value, vector), &column) in values.iter().zip(&mut self.vectors).zip(&self.given) {
            let def = &self.target.def.columns[column as usize];
            check_lane(value, def.ty.ty)?;
            vector.push_datum(value);
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds the rows of an Arrow batch; its columns are taken by position and converted as assignment converts.
    pub fn push_batch(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        self.expect_fields(batch.num_columns())?;
        for ((array, vector), &column) in batch.columns().iter().zip(&mut self.vectors).zip(&self.given) {
            let def = &self.target.def.columns[column as usize];
            let from = from_arrow_or_refuse(array.data_type())?;
            let values = rows::convert(to_vector(array, from)?, from, def)?;
            if vector.is_empty() {
                *vector = values;
            } else {
                vector.extend_range(&values, 0..values.len());
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// The changes that the rows collected so far make to the snapshot; the loader is empty then. `now` is what
    /// a default of `now()` gives. No column may want values of a sequence.
    pub fn finish(&mut self, snapshot: &dyn Snapshot, now: i64) -> Result<Changes, SqlError> {
        let mut builder = BatchBuilder::new();
        let affected = self.encode(now, &NoSequences, &mut builder)?;
        let delta = rows::finish(&self.target, snapshot, builder)?;
        let table = Arc::clone(&self.target.def);
        Ok(Changes { table, delta, affected, returning: None })
    }

    /// Encodes the rows collected so far onto `out` and says how many they were; the loader is empty then. Whether
    /// their keys are free is for the caller to check.
    pub fn encode(
        &mut self,
        now: i64,
        sequences: &dyn Sequences,
        out: &mut BatchBuilder,
    ) -> Result<u64, SqlError> {
        let count = std::mem::take(&mut self.rows);
        let given = Given { raw: &[], params: &[], now };
        let wanted = |column| !self.given.contains(&column);
        let mut columns = self.defaults.columns(&self.target, count, &given, wanted)?;
        self.defaults.take(sequences, count, &mut columns, &self.target, wanted)?;
        let fresh = self.empty();
        for (column, vector) in self.given.iter().zip(std::mem::replace(&mut self.vectors, fresh)) {
            columns[*column as usize] = vector;
        }
        rows::check(&self.target, &mut columns)?;
        rows::push(&self.target, &columns, &vec![1; count], out)?;
        Ok(count as u64)
    }

    fn empty(&self) -> Vec<Vector> {
        let lane = |&column: &u32| self.target.def.columns[column as usize].ty.ty.lane();
        self.given.iter().map(|column| Vector::new(lane(column))).collect()
    }

    fn expect_fields(&self, count: usize) -> Result<(), SqlError> {
        if count == self.given.len() {
            return Ok(());
        }
        Err(SqlError::new(
            SqlState::BadCopyFormat,
            format!(
                "a row has {count} fields but relation \"{}\" takes {}",
                self.target.def.name,
                self.given.len()
            ),
        ))
    }
}

fn push_bytes(vector: &mut Vector, bytes: &[u8]) {
    if let Data::Bytes(strings) = &mut vector.data {
        strings.push(bytes);
        vector.note_valid();
    }
}
