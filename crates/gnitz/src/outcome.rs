//! What a statement answers, and the values it can be given.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use pgcatalog::RelationKind;
use sql::types;
use zset::{Datum, Type};

use crate::error::Result;
use crate::system;

/// The metadata key under which a column's field says its PostgreSQL type, as the type's OID, where that is not the
/// one that follows from its Arrow type: `oid`, `name`, `"char"`, arrays (whose values are text, `{…}`).
pub const PG_TYPE: &str = "pg_type";

/// The answer of one statement.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Rows.
    Rows(QueryResult),
    /// How many rows were written.
    Count {
        /// What was done: `INSERT`, `UPDATE`, `DELETE`, `COPY`.
        tag: &'static str,
        /// To how many rows.
        rows: u64,
    },
    /// Nothing to count.
    Done {
        /// What was done, such as `CREATE TABLE`.
        tag: &'static str,
    },
}

/// The rows of a query, as Arrow has them.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows, in order, in pieces of any size.
    pub batches: Vec<RecordBatch>,
}

impl QueryResult {
    /// The number of rows.
    pub fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The columns' types, in order.
    pub fn types(&self) -> Result<Vec<Type>> {
        let known = self.schema.fields().iter().map(|field| types::from_arrow_or_refuse(field.data_type()));
        Ok(known.collect::<std::result::Result<_, _>>()?)
    }

    /// The OIDs of the columns' PostgreSQL types, where the catalogs say them ([`PG_TYPE`]).
    pub fn pg_types(&self) -> Vec<Option<u32>> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.metadata().get(PG_TYPE).and_then(|oid| oid.parse().ok())).collect()
    }

    /// The columns as clients are told of them.
    pub fn columns(&self) -> Result<Vec<Column>> {
        let column =
            |(field, pg_type): (&Arc<Field>, Option<u32>)| Ok(Column { pg_type, ..Column::of_field(field)? });
        self.schema.fields().iter().zip(self.pg_types()).map(column).collect()
    }

    /// The rows as single values, in the representation of their types: for few rows; many are better read from
    /// the columns of [`QueryResult::batches`].
    pub fn rows(&self) -> Result<Vec<Vec<Datum>>> {
        let known = self.types()?;
        let mut rows = Vec::with_capacity(self.num_rows());
        for batch in &self.batches {
            let columns = batch.columns().iter().zip(&known).map(|(array, ty)| types::to_vector(array, *ty));
            let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
            rows.extend(
                (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.get(row)).collect()),
            );
        }
        Ok(rows)
    }
}

impl fmt::Display for Outcome {
    /// Rows as a table, anything else as PostgreSQL's command tag: `INSERT 0 3`, `UPDATE 1`, `CREATE TABLE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Rows(result) => result.fmt(f),
            Outcome::Count { tag: "INSERT", rows } => write!(f, "INSERT 0 {rows}"),
            Outcome::Count { tag, rows } => write!(f, "{tag} {rows}"),
            Outcome::Done { tag } => f.write_str(tag),
        }
    }
}

impl fmt::Display for QueryResult {
    /// A table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let empty;
        let batches = if self.batches.is_empty() {
            empty = [RecordBatch::new_empty(SchemaRef::clone(&self.schema))];
            &empty
        } else {
            self.batches.as_slice()
        };
        let table = pretty_format_batches(batches).map_err(|_| fmt::Error)?;
        table.fmt(f)
    }
}

/// What a statement takes and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The types of its parameters, `$1` first. One that nothing tells the type of takes text.
    pub parameters: Vec<Type>,
    /// The columns of its answer; `None` if it answers no rows.
    pub columns: Option<Vec<Column>>,
}

impl Description {
    /// Of a statement without parameters that answers rows.
    pub(crate) fn of_columns(columns: Vec<Column>) -> Description {
        Description { parameters: Vec::new(), columns: Some(columns) }
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The `n` of `VARCHAR(n)` or `CHAR(n)`, where that is known.
    pub max_len: Option<u32>,
    /// The OID of its PostgreSQL type, where that does not follow from its type: see [`PG_TYPE`].
    pub pg_type: Option<u32>,
    /// The column of a table or view that it is, unchanged.
    pub origin: Option<Origin>,
}

/// A column of a table or view, as the catalogs know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The OID of the table or view in `pg_class`.
    pub relation: u32,
    /// Its `attnum`, counted from 1.
    pub number: i16,
}

impl Column {
    /// A column of a type that its own PostgreSQL type follows from.
    pub fn new(name: impl Into<String>, ty: Type) -> Column {
        Column { name: name.into(), ty, max_len: None, pg_type: None, origin: None }
    }

    /// The column that a field of an answer is.
    pub(crate) fn of_field(field: &Field) -> Result<Column> {
        let column = Column::new(field.name(), types::from_arrow_or_refuse(field.data_type())?);
        let Some(origin) = sql::Origin::of(field) else { return Ok(column) };
        let kind = match system::is_system(origin.relation) {
            true => RelationKind::System,
            false => RelationKind::Table,
        };
        let relation = pgcatalog::relation_oid(kind, origin.relation.0);
        let number = i16::try_from(origin.column + 1).ok();
        let origin_of = |number| Origin { relation, number };
        Ok(Column { max_len: origin.max_len, origin: number.map(origin_of), ..column })
    }
}

impl From<sql::ColumnDef> for Column {
    fn from(def: sql::ColumnDef) -> Column {
        Column { max_len: def.max_len, ..Column::new(def.name, def.ty.ty) }
    }
}

/// How the rows of a `COPY` are laid out in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyLayout {
    /// In the binary format; otherwise in one of those that are text.
    pub binary: bool,
    /// The number of columns.
    pub columns: usize,
}

/// What a statement does, as far as whoever runs it must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// Reads rows.
    Query,
    /// `INSERT`, `UPDATE`, `DELETE`
    Change,
    /// Changes the catalog.
    Definition,
    /// `BEGIN`
    Begin,
    /// `COMMIT`
    Commit,
    /// `ROLLBACK`
    Rollback,
    /// `ROLLBACK TO SAVEPOINT`, which may follow an error in a transaction.
    RollbackTo,
    /// `COPY … FROM STDIN`
    CopyIn,
    /// `COPY … TO STDOUT`
    CopyOut,
    /// `SUBSCRIBE`
    Subscribe,
    /// Anything else.
    Other,
}

/// The value of a parameter, with its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The value.
    pub datum: Datum,
    /// Its type. Text takes the type of its place, as a quoted literal does.
    pub ty: Type,
}

impl Value {
    /// NULL, of any type.
    pub const NULL: Value = Value { datum: Datum::Null, ty: Type::Text };
}

macro_rules! values {
    ($($from:ty, $ty:ident, $value:ident => $datum:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Value {
                Value { datum: $datum, ty: Type::$ty }
            }
        })*
    };
}

values! {
    bool, Bool, value => Datum::Bool(value);
    i16, Int16, value => Datum::Int(value.into());
    i32, Int32, value => Datum::Int(value.into());
    i64, Int64, value => Datum::Int(value);
    f32, Float32, value => Datum::Float(value.into());
    f64, Float64, value => Datum::Float(value);
    &str, Text, value => Datum::Text(value.to_string());
    String, Text, value => Datum::Text(value);
    &[u8], Bytes, value => Datum::Bytes(value.to_vec());
    Vec<u8>, Bytes, value => Datum::Bytes(value);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::NULL, Into::into)
    }
}
