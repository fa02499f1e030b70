//! Reading a collection's rows for DataFusion's executor.
//!
//! The sorted runs are merged by key; where one run is alone for a stretch, the stretch is taken whole. Weights
//! are summed over the runs, a row of weight w comes out w times, and only the columns that are asked for
//! are decoded.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use zset::{Batch, Datum, Layout, Vector};

use crate::catalog::{Snapshot, TableDef};
use crate::error::{SqlError, SqlState};
use crate::types::{record_batch, to_array};

/// Bytes a batch, as they are stored, beyond which it takes no further row.
const CHUNK_BYTES: usize = 16 << 20;
/// From how many neighbours on a stretch is decoded as one.
const LONG: usize = 32;

/// What a running query reads from: found in the task's context by every scan of the plan.
pub(crate) struct Running {
    /// The epoch.
    pub(crate) snapshot: Arc<dyn Snapshot>,
    /// Set from outside to stop the query.
    pub(crate) cancel: Arc<AtomicBool>,
}

impl Running {
    /// An error if the query was cancelled.
    pub(crate) fn check(&self) -> Result<(), SqlError> {
        canceled(&self.cancel)
    }
}

/// An error if the flag is set.
pub(crate) fn canceled(cancel: &AtomicBool) -> Result<(), SqlError> {
    match cancel.load(Ordering::Relaxed) {
        true => Err(SqlError::canceled()),
        false => Ok(()),
    }
}

/// A stretch of encoded keys: from the first, up to before the second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRange {
    from: Vec<u8>,
    until: Option<Vec<u8>>,
}

impl KeyRange {
    /// Keys whose leading columns equal `equal` and whose next column lies within the bounds, both included.
    pub(crate) fn new(
        layout: &Layout,
        equal: &[Datum],
        low: Option<Datum>,
        high: Option<Datum>,
    ) -> Result<KeyRange, SqlError> {
        let encode = |last: Option<Datum>| -> Result<Vec<u8>, SqlError> {
            // NULL compares to nothing: the filter above drops every row.
            let known = |value: &Datum| !value.is_null();
            let values: Vec<Datum> =
                equal.iter().cloned().take_while(known).chain(last.filter(known)).collect();
            let mut bytes = Vec::new();
            layout.encode_prefix(&values, &mut bytes)?;
            Ok(bytes)
        };
        Ok(KeyRange { from: encode(low)?, until: successor(encode(high)?) })
    }

    fn of(&self, run: &Batch) -> Range<usize> {
        let from = run.seek(0, &self.from);
        let until = self.until.as_ref().map_or(run.len(), |until| run.seek(from, until));
        from..until
    }
}

/// The least byte string above all that begin with `prefix`; none above an empty one.
fn successor(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if last < 0xff {
            prefix.push(last + 1);
            return Some(prefix);
        }
    }
    None
}

/// The scan of one collection.
pub(crate) struct ScanExec {
    def: Arc<TableDef>,
    layout: Arc<Layout>,
    columns: Vec<u32>,
    range: KeyRange,
    limit: Option<usize>,
    rows: usize,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl ScanExec {
    pub(crate) fn new(
        def: Arc<TableDef>,
        layout: Arc<Layout>,
        full: &SchemaRef,
        columns: Vec<u32>,
        range: KeyRange,
        limit: Option<usize>,
        rows: usize,
    ) -> Result<ScanExec> {
        let indices: Vec<usize> = columns.iter().map(|&column| column as usize).collect();
        let schema = Arc::new(full.project(&indices)?);
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(ScanExec { def, layout, columns, range, limit, rows, schema, properties })
    }
}

impl fmt::Debug for ScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScanExec({}, {:?})", self.def.name, self.columns)
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "ScanExec: {}({})", self.def.name, names.join(", "))?;
        if self.range != KeyRange::default() {
            f.write_str(", by key")?;
        }
        match self.limit {
            Some(limit) => write!(f, ", limit {limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("a scan has no inputs"),
        }
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("a scan has one partition, not {partition}");
        }
        let Some(running) = context.session_config().get_extension::<Running>() else {
            return internal_err!("a scan without a snapshot");
        };
        let batches = Batches {
            rows: NetRows::new(running.snapshot.runs(self.def.id), &self.range),
            running,
            layout: Arc::clone(&self.layout),
            def: Arc::clone(&self.def),
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
            left: self.limit.unwrap_or(usize::MAX),
            at_once: context.session_config().batch_size(),
        };
        let stream = futures::stream::iter(batches.map(|batch| Ok(batch?)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)))
    }

    fn partition_statistics(&self, _: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Inexact(self.limit.unwrap_or(usize::MAX).min(self.rows));
        Ok(Arc::new(statistics))
    }
}

/// The record batches of a scan, decoded as they are asked for.
struct Batches {
    rows: NetRows,
    running: Arc<Running>,
    layout: Arc<Layout>,
    def: Arc<TableDef>,
    columns: Vec<u32>,
    schema: SchemaRef,
    left: usize,
    /// Rows a batch.
    at_once: usize,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, SqlError>;

    fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        self.next_batch().transpose()
    }
}

impl Batches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        self.running.check()?;
        let mut chunk = Chunk::default();
        self.rows.fill(&mut chunk, self.at_once.min(self.left))?;
        if chunk.count == 0 {
            return Ok(None);
        }
        self.left -= chunk.count;
        let mut arrays = Vec::with_capacity(self.columns.len());
        for &column in &self.columns {
            let ty = self.def.columns[column as usize].ty.ty;
            let mut vector = Vector::with_capacity(ty.lane(), chunk.count);
            for part in &chunk.parts {
                let run = &self.rows.runs[part.run];
                match &part.rows {
                    Rows::Stretch(rows) => self.layout.decode_range(run, rows.clone(), column, &mut vector),
                    Rows::Picked(rows) => self.layout.decode(run, rows, column, &mut vector),
                }
            }
            arrays.push(to_array(vector, ty)?);
        }
        record_batch(&self.schema, arrays, chunk.count).map(Some)
    }
}

/// Rows to decode together.
#[derive(Default)]
struct Chunk {
    parts: Vec<Part>,
    count: usize,
    /// The bytes of its rows.
    bytes: usize,
}

/// Some rows of one run.
struct Part {
    run: usize,
    rows: Rows,
}

enum Rows {
    /// Neighbours, each once.
    Stretch(Range<usize>),
    /// Any rows, perhaps several times.
    Picked(Vec<u32>),
}

impl Chunk {
    fn push(&mut self, run: usize, row: usize, times: usize, bytes: usize) {
        self.count += times;
        self.bytes += times * bytes;
        let copies = std::iter::repeat_n(row as u32, times);
        if let Some(Part { run: last, rows: Rows::Picked(rows) }) = self.parts.last_mut()
            && *last == run
        {
            rows.extend(copies);
            return;
        }
        self.parts.push(Part { run, rows: Rows::Picked(copies.collect()) });
    }

    fn push_stretch(&mut self, run: usize, rows: Range<usize>, bytes: usize) {
        self.count += rows.len();
        self.bytes += bytes;
        self.parts.push(Part { run, rows: Rows::Stretch(rows) });
    }
}

/// The rows of several runs with their weights summed.
struct NetRows {
    runs: Vec<Batch>,
    /// Where each run stands, and where it ends.
    heads: Vec<(usize, usize)>,
    /// A row that did not fit into the last chunk as often as its weight says.
    pending: Option<(usize, usize, usize)>,
}

impl NetRows {
    fn new(runs: Vec<Batch>, range: &KeyRange) -> NetRows {
        let heads = runs.iter().map(|run| range.of(run)).map(|rows| (rows.start, rows.end)).collect();
        NetRows { runs, heads, pending: None }
    }

    /// Appends rows until the chunk holds `limit`, or as many bytes as one may, or there are no more.
    fn fill(&mut self, chunk: &mut Chunk, limit: usize) -> Result<(), SqlError> {
        while chunk.count < limit && chunk.bytes < CHUNK_BYTES {
            if let Some((run, row, times)) = self.pending.take() {
                self.push(chunk, limit, run, row, times);
                continue;
            }
            let Some(first) = self.least() else { break };
            let alone_until = self.alone_until(first);
            let (head, _) = self.heads[first];
            if alone_until > head {
                let stretch = alone_until.min(head + limit - chunk.count);
                let weights = &self.runs[first].weights()[head..stretch];
                if stretch - head >= LONG && weights.iter().all(|&weight| weight == 1) {
                    let (end, bytes) = self.until_full(first, head..stretch, CHUNK_BYTES - chunk.bytes);
                    chunk.push_stretch(first, head..end, bytes);
                    self.heads[first].0 = end;
                    continue;
                }
                for row in head..stretch {
                    let weight = self.runs[first].weight(row);
                    self.take(chunk, limit, first, row, weight)?;
                    self.heads[first].0 = row + 1;
                    if chunk.count >= limit || chunk.bytes >= CHUNK_BYTES {
                        break;
                    }
                }
            } else {
                self.take_equal(chunk, limit, first)?;
            }
        }
        Ok(())
    }

    /// Up to which row of some a chunk with so much room takes them, one at least, and their bytes.
    fn until_full(&self, run: usize, rows: Range<usize>, room: usize) -> (usize, usize) {
        let all = self.runs[run].heap_bytes(rows.clone());
        if all < room {
            return (rows.end, all);
        }
        let mut bytes = 0;
        for row in rows.clone() {
            bytes += self.bytes_of(run, row);
            if bytes >= room {
                return (row + 1, bytes);
            }
        }
        (rows.end, bytes)
    }

    fn bytes_of(&self, run: usize, row: usize) -> usize {
        self.runs[run].key(row).len() + self.runs[run].value(row).len()
    }

    /// The run with the least key at its head.
    fn least(&self) -> Option<usize> {
        let open = (0..self.runs.len()).filter(|&run| self.heads[run].0 < self.heads[run].1);
        open.min_by(|&a, &b| self.head_key(a).cmp(self.head_key(b)))
    }

    fn head_key(&self, run: usize) -> &[u8] {
        self.runs[run].key(self.heads[run].0)
    }

    /// Up to which row of `first` no other run has a key.
    fn alone_until(&self, first: usize) -> usize {
        let (head, end) = self.heads[first];
        let others =
            (0..self.runs.len()).filter(|&run| run != first && self.heads[run].0 < self.heads[run].1);
        match others.map(|run| self.head_key(run)).min() {
            Some(key) => self.runs[first].seek(head, key).min(end),
            None => end,
        }
    }

    /// Sums the weights of a key that several runs have.
    fn take_equal(&mut self, chunk: &mut Chunk, limit: usize, first: usize) -> Result<(), SqlError> {
        let row = self.heads[first].0;
        let key = self.runs[first].key(row).to_vec();
        let mut weight = 0i64;
        for run in 0..self.runs.len() {
            let (head, end) = self.heads[run];
            if head < end && self.runs[run].key(head) == key {
                weight = weight.checked_add(self.runs[run].weight(head)).ok_or_else(|| {
                    SqlError::new(SqlState::NumericOutOfRange, "a row's weight is out of range")
                })?;
                self.heads[run].0 += 1;
            }
        }
        self.take(chunk, limit, first, row, weight)
    }

    fn take(
        &mut self,
        chunk: &mut Chunk,
        limit: usize,
        run: usize,
        row: usize,
        weight: i64,
    ) -> Result<(), SqlError> {
        let times = usize::try_from(weight)
            .map_err(|_| SqlError::new(SqlState::DataCorrupted, "a stored row has a negative weight"))?;
        self.push(chunk, limit, run, row, times);
        Ok(())
    }

    fn push(&mut self, chunk: &mut Chunk, limit: usize, run: usize, row: usize, times: usize) {
        let bytes = self.bytes_of(run, row);
        let room = CHUNK_BYTES.saturating_sub(chunk.bytes) / bytes.max(1) + 1;
        let now = times.min(limit - chunk.count).min(room);
        if now > 0 {
            chunk.push(run, row, now, bytes);
        }
        if times > now {
            self.pending = Some((run, row, times - now));
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}
