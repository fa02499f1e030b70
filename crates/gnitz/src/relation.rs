//! A relation as the engine holds it: its definition, the compiled layout of its rows, and for a view the query
//! it answers.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use sql::{Course, TableDef, TableKind, types};
use zset::{Batch, CollectionId, Datum, Layout, Schema, Secret, Vector};

use crate::counter::{self, Counter, Mark, Owner, Sequence};
use crate::error::Result;
use crate::pace::Pace;
use crate::role::FIRST;

/// A table, a view or a system table.
#[derive(Clone)]
pub(crate) struct Relation {
    /// Names, types, keys.
    pub(crate) def: Arc<TableDef>,
    /// How its rows are encoded.
    pub(crate) layout: Layout,
    /// The epoch that first had it.
    pub(crate) created: u64,
    /// The role that may do everything with it.
    pub(crate) owner: String,
    /// What a view, materialized or plain, answers; `None` for others.
    pub(crate) view: Option<View>,
    /// How a sequence counts, and where it stands.
    pub(crate) sequence: Option<Sequence>,
    /// Whether changes of a few of its rows are quick, the views that follow included.
    pub(crate) pace: Arc<Pace>,
}

/// The query of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Its text, as the parser prints it.
    pub(crate) query: String,
    /// The logical plan it was compiled from, for EXPLAIN; empty for a plain view.
    pub(crate) logical: String,
    /// The tables and views it reads. Those that a materialized view reads through plain views are among them.
    pub(crate) sources: Vec<CollectionId>,
    /// How many levels a plain view's query nests, with the plain views in it.
    pub(crate) depth: usize,
    /// How many queries a plain view stands for: its own and those of the plain views in it.
    pub(crate) parts: usize,
}

impl Relation {
    /// Compiles the layout of a definition.
    pub(crate) fn new(def: TableDef, view: Option<View>, secret: Secret) -> Relation {
        let layout = Layout::new(&def.schema, secret);
        let pace = Arc::default();
        Relation {
            def: Arc::new(def),
            layout,
            created: 0,
            owner: FIRST.to_string(),
            view,
            sequence: None,
            pace,
        }
    }

    /// A sequence that has given no value yet.
    pub(crate) fn of_sequence(
        id: CollectionId,
        name: String,
        (course, owner): (Course, Option<Owner>),
        secret: Secret,
    ) -> Relation {
        let columns = counter::columns();
        let schema = Schema::new(columns.iter().map(|column| column.ty).collect(), Vec::new());
        let kind = TableKind::Sequence;
        let def = TableDef { id, name, kind, columns, primary_key: Vec::new(), schema };
        let counter = Counter::at(Mark::start(&course));
        let sequence = Some(Sequence { course, owner, counter });
        Relation { sequence, ..Relation::new(def, None, secret) }
    }

    /// The same relation, made in this epoch by this role.
    pub(crate) fn made(self, epoch: u64, owner: impl Into<String>) -> Relation {
        Relation { created: epoch, owner: owner.into(), ..self }
    }

    /// Its collection.
    pub(crate) fn id(&self) -> CollectionId {
        self.def.id
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.def.name
    }

    /// Whether it is a named query without rows.
    pub(crate) fn is_plain_view(&self) -> bool {
        self.def.kind == TableKind::PlainView
    }

    /// Whether its rows are kept: it is a table or a materialized view.
    pub(crate) fn has_rows(&self) -> bool {
        matches!(self.def.kind, TableKind::Table | TableKind::View)
    }

    /// Whether something of it is stored: its rows, or where a sequence stands.
    pub(crate) fn is_kept(&self) -> bool {
        self.has_rows() || self.sequence.is_some()
    }

    /// Whether a primary key makes its rows unique.
    pub(crate) fn is_keyed(&self) -> bool {
        self.def.kind == TableKind::Table && !self.def.primary_key.is_empty()
    }

    /// The rows of a batch, each once, whatever its weight.
    pub(crate) fn record_batch(&self, batch: &Batch) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.def.columns.len());
        for (index, column) in self.def.columns.iter().enumerate() {
            let mut vector = Vector::with_capacity(column.ty.ty.lane(), batch.len());
            self.layout.decode_range(batch, 0..batch.len(), index as u32, &mut vector);
            arrays.push(types::to_array(vector, column.ty.ty)?);
        }
        Ok(types::record_batch(&types::arrow_schema(&self.def.columns), arrays, batch.len())?)
    }

    /// A row's primary key, or the whole row where there is none, as `(columns)=(values)`.
    pub(crate) fn key_text(&self, row: &[Datum]) -> String {
        let def = &self.def;
        let all: Vec<u32> = (0..def.columns.len() as u32).collect();
        let key = if def.primary_key.is_empty() { &all } else { &def.primary_key };
        let columns = key.iter().map(|&c| (&def.columns[c as usize], &row[c as usize]));
        let (names, values): (Vec<&str>, Vec<String>) = columns
            .map(|(column, value)| (column.name.as_str(), value.display(column.ty.ty).to_string()))
            .unzip();
        format!("({})=({})", names.join(", "), values.join(", "))
    }
}

/// A hash of a schema (FNV-1a over its text): shards carry it, so that a file is never read as another's rows.
pub(crate) fn fingerprint(schema: &Schema) -> u64 {
    let columns = schema.columns.iter().map(|column| column.to_string());
    let text = columns.chain(schema.key.iter().map(u32::to_string)).collect::<Vec<_>>().join(";");
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
