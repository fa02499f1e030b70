//! Join: the pairs of rows whose leading key columns are equal.
//!
//! Bilinear. With A and B the inputs before the step, the change is
//!
//! ```text
//! dA ⋈ (B + dB)  +  A ⋈ dB
//! ```
//!
//! and the weight of a pair is the product of its rows' weights. The state is the traces of both inputs,
//! which others keep. A change is sorted by the key, and so is every run of a trace: each is walked once,
//! forwards, galloping over what does not match, so the cost is that of the change and of the pairs it makes.
//! Runs are not added up first: rows that cancel make pairs that cancel. NULL equals nothing.
//!
//! Pairs are row numbers until a slice of them is full; then the columns that the residual condition reads
//! are decoded, and the others only for the pairs that remain.

use std::ops::Range;
use std::sync::Arc;

use circuit::Instruction;
use expr::{EvalError, Expr, ExprError, Functions};
use zset::{Batch, CollectionId, ColumnType, Layout, Vector, ZsetError};

use crate::consolidate::{consolidate, row_text};
use crate::context::Context;
use crate::error::Failure;
use crate::flow::{Flow, SLICE, Slice, gather};
use crate::project::{Predicate, Projection};

/// The byte that begins a NULL in a nullable key column, and the one that begins a value.
const NULL: u8 = 2;
const VALUE: u8 = 1;

#[derive(Debug)]
pub(crate) struct Join {
    left: Side,
    right: Side,
    /// Whether equal keys have equal bytes: the key columns are nullable on both sides or on none.
    same_bytes: bool,
    residual: Option<Predicate>,
    projection: Projection,
    /// The columns that are read, and those of both keys, counted over left and right columns: what a pair is
    /// reduced to when it has to be added up.
    needed: Vec<u32>,
    both: Vec<ColumnType>,
}

/// One input.
#[derive(Debug)]
struct Side {
    layout: Arc<Layout>,
    trace: CollectionId,
    /// Whether each of the joined key columns is nullable.
    nullable: Vec<bool>,
    any_nullable: bool,
}

impl Side {
    fn new(input: &Instruction, layout: Arc<Layout>, trace: CollectionId, key: usize) -> Side {
        let schema = &input.schema;
        let nullable: Vec<bool> =
            schema.key[..key].iter().map(|&c| schema.columns[c as usize].nullable).collect();
        Side { layout, trace, any_nullable: nullable.contains(&true), nullable }
    }

    fn width(&self) -> u32 {
        self.layout.schema().columns.len() as u32
    }

    fn prefix<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        &key[..self.layout.prefix_len(key, self.nullable.len())]
    }

    fn has_null(&self, key: &[u8]) -> bool {
        self.any_nullable
            && (0..self.nullable.len()).any(|column| {
                self.nullable[column] && key.get(self.layout.prefix_len(key, column)) == Some(&NULL)
            })
    }

    /// The joined key columns, none of them NULL, as the other side encodes them.
    fn transcode(&self, key: &[u8], other: &Side, out: &mut Vec<u8>) {
        out.clear();
        for (column, (&from, &to)) in self.nullable.iter().zip(&other.nullable).enumerate() {
            let start = self.layout.prefix_len(key, column) + usize::from(from);
            let end = self.layout.prefix_len(key, column + 1);
            if to {
                out.push(VALUE);
            }
            out.extend_from_slice(&key[start..end]);
        }
    }
}

/// What a join is made of.
pub(crate) struct Parts<'a> {
    pub(crate) left: (&'a Instruction, Arc<Layout>, CollectionId),
    pub(crate) right: (&'a Instruction, Arc<Layout>, CollectionId),
    pub(crate) key: u32,
    pub(crate) residual: Option<&'a Expr>,
    pub(crate) exprs: &'a [Expr],
}

impl Join {
    pub(crate) fn prepare(parts: Parts<'_>, functions: &dyn Functions) -> Result<Join, ExprError> {
        let key = parts.key as usize;
        let [left, right] =
            [parts.left, parts.right].map(|(input, layout, trace)| Side::new(input, layout, trace, key));
        let both: Vec<ColumnType> = [&left, &right]
            .into_iter()
            .flat_map(|side| side.layout.schema().columns.iter().copied())
            .collect();
        let residual = parts.residual.map(|expr| Predicate::compile(expr, &both, functions)).transpose()?;
        let projection = Projection::compile(parts.exprs, &both, functions)?;
        let mut needed = projection.used();
        needed.extend(residual.iter().flat_map(|residual| residual.used()));
        needed.extend(&left.layout.schema().key);
        needed.extend(right.layout.schema().key.iter().map(|column| left.width() + column));
        needed.sort_unstable();
        needed.dedup();
        let same_bytes = left.nullable == right.nullable;
        Ok(Join { left, right, same_bytes, residual, projection, needed, both })
    }

    pub(crate) fn step(&self, left: &Flow, right: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        let nothing = Batch::empty();
        let left = left.as_batch().unwrap_or(&nothing);
        let right = right.as_batch().unwrap_or(&nothing);
        match self.pairs(left, right, false, context) {
            Err(Failure::Eval { .. }) => {
                let pairs = self.pairs(left, right, true, context)?;
                self.eval_added_up(&pairs, context)
            }
            result => result,
        }
    }

    /// All pairs of the step: evaluated, or, to `collect` them, reduced to the columns that are needed.
    fn pairs(
        &self,
        left: &Batch,
        right: &Batch,
        collect: bool,
        context: &mut Context<'_>,
    ) -> Result<Flow, Failure> {
        let traces = context.traces;
        let mut pairs = Pairs::new(self, collect);
        if !left.is_empty() {
            for run in traces.runs(self.right.trace).iter().chain(std::iter::once(right)) {
                pairs.begin(left, run);
                self.probe(left, run, true, &mut pairs, context)?;
            }
        }
        if !right.is_empty() {
            for run in traces.runs(self.left.trace) {
                pairs.begin(run, right);
                self.probe(right, run, false, &mut pairs, context)?;
            }
        }
        pairs.flush(context)?;
        Ok(pairs.output)
    }

    /// Finds the stretches of equal key in a change and a run of the other side, and adds each pair of them.
    fn probe(
        &self,
        change: &Batch,
        run: &Batch,
        change_is_left: bool,
        pairs: &mut Pairs<'_, '_>,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        let (from, to) = if change_is_left { (&self.left, &self.right) } else { (&self.right, &self.left) };
        let mut transcoded = Vec::new();
        let (mut at, mut found) = (0, 0);
        let mut turns = 0;
        while at < change.len() && found < run.len() {
            turns += 1;
            if turns % SLICE == 0 {
                context.check_cancelled()?;
            }
            let key = change.key(at);
            let prefix = from.prefix(key);
            if from.has_null(key) {
                at = change.prefix_end(at, prefix);
                continue;
            }
            let probe = if self.same_bytes {
                prefix
            } else {
                from.transcode(key, to, &mut transcoded);
                &transcoded
            };
            found = run.seek(found, probe);
            if found == run.len() {
                break;
            }
            let met = run.key(found);
            if met.starts_with(probe) {
                let changed = at..change.prefix_end(at, prefix);
                let matching = found..run.prefix_end(found, probe);
                (at, found) = (changed.end, matching.end);
                if change_is_left {
                    pairs.put(changed, matching, context)?;
                } else {
                    pairs.put(matching, changed, context)?;
                }
            } else if self.same_bytes {
                // Nothing in the run lies between the probe and what was met: go to that in the change.
                at = change.seek(at + 1, to.prefix(met));
            } else {
                at = change.prefix_end(at, prefix);
            }
        }
        Ok(())
    }

    /// Evaluates pairs that were collected, added up.
    fn eval_added_up(&self, pairs: &Flow, context: &mut Context<'_>) -> Result<Flow, Failure> {
        let columns: Vec<ColumnType> = self.needed.iter().map(|&column| self.both[column as usize]).collect();
        let place = |column: u32| self.needed.binary_search(&column).unwrap_or_default() as u32;
        let mut output = Flow::default();
        for slice in consolidate(pairs, &columns)?.slices() {
            let fail = |source: EvalError| Failure::Eval { key: self.describe(&slice, source.row), source };
            let load = &mut |column| slice.column(place(column));
            let selected = match &self.residual {
                Some(residual) => residual.select(slice.len(), load, &mut context.scratch).map_err(fail)?,
                None => (0..slice.len() as u32).collect(),
            };
            let load = &mut |column| Arc::new(gather(&slice.column(place(column)), &selected));
            let columns =
                self.projection.eval(selected.len(), load, &mut context.scratch).map_err(|mut error| {
                    error.row = selected[error.row] as usize;
                    fail(error)
                })?;
            let weights = slice.weights();
            output.push_columns(columns, selected.iter().map(|&row| weights[row as usize]).collect());
        }
        Ok(output)
    }

    /// The keys of both rows of a collected pair.
    fn describe(&self, slice: &Slice<'_>, row: usize) -> String {
        let left = self.left.layout.schema().key.iter().copied();
        let right = self.right.layout.schema().key.iter().map(|column| self.left.width() + column);
        let keys: Vec<u32> = left.chain(right).collect();
        row_text(keys.iter().map(|&column| {
            let place = self.needed.binary_search(&column).unwrap_or_default() as u32;
            let ty = self.both[column as usize].ty;
            (slice.column(place).get_as(row, ty), ty)
        }))
    }
}

/// Pairs on their way to a slice.
struct Pairs<'a, 'j> {
    join: &'j Join,
    collect: bool,
    left_rows: Vec<u32>,
    right_rows: Vec<u32>,
    weights: Vec<i64>,
    /// The batches that rows are of, in order: each goes on to its end.
    segments: Vec<Segment<'a>>,
    output: Flow,
}

#[derive(Clone, Copy)]
struct Segment<'a> {
    left: &'a Batch,
    right: &'a Batch,
    end: usize,
}

impl<'a, 'j> Pairs<'a, 'j> {
    fn new(join: &'j Join, collect: bool) -> Pairs<'a, 'j> {
        Pairs {
            join,
            collect,
            left_rows: Vec::new(),
            right_rows: Vec::new(),
            weights: Vec::new(),
            segments: Vec::new(),
            output: Flow::default(),
        }
    }

    /// The pairs that follow are of these batches.
    fn begin(&mut self, left: &'a Batch, right: &'a Batch) {
        let end = self.weights.len();
        self.segments.push(Segment { left, right, end });
    }

    /// Adds each pair of two stretches.
    #[inline]
    fn put(
        &mut self,
        left: Range<usize>,
        right: Range<usize>,
        context: &mut Context<'_>,
    ) -> Result<(), Failure> {
        let Some(&Segment { left: from_left, right: from_right, .. }) = self.segments.last() else {
            return Ok(());
        };
        for l in left {
            let weight = from_left.weight(l);
            for r in right.clone() {
                let other = from_right.weight(r);
                let overflow = ZsetError::WeightOverflow { left: weight, right: other };
                self.weights.push(weight.checked_mul(other).ok_or(overflow)?);
                self.left_rows.push(l as u32);
                self.right_rows.push(r as u32);
                if self.weights.len() == SLICE {
                    self.flush(context)?;
                    self.begin(from_left, from_right);
                }
            }
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.end = self.weights.len();
        }
        Ok(())
    }

    /// Turns the pairs at hand into columns.
    fn flush(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        context.check_cancelled()?;
        if let Some(segment) = self.segments.last_mut() {
            segment.end = self.weights.len();
        }
        if !self.weights.is_empty() {
            if self.collect { self.flush_collected() } else { self.flush_evaluated(context)? }
        }
        self.left_rows.clear();
        self.right_rows.clear();
        self.weights.clear();
        self.segments.clear();
        Ok(())
    }

    fn flush_collected(&mut self) {
        let columns = self.join.needed.iter().map(|&column| self.load(column)).collect();
        self.output.push_columns(columns, std::mem::take(&mut self.weights));
    }

    fn flush_evaluated(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        // Where an error is, is found out when the pairs are added up.
        let fail = |source| Failure::Eval { key: String::new(), source };
        let mut loaded: Vec<Option<Arc<Vector>>> = vec![None; self.join.both.len()];
        if let Some(residual) = &self.join.residual {
            let load = &mut |column: u32| {
                Arc::clone(loaded[column as usize].get_or_insert_with(|| self.load(column)))
            };
            let selected = residual.select(self.weights.len(), load, &mut context.scratch).map_err(fail)?;
            if selected.len() < self.weights.len() {
                self.retain(&selected);
                loaded.iter_mut().flatten().for_each(|column| *column = Arc::new(gather(column, &selected)));
            }
        }
        if self.weights.is_empty() {
            return Ok(());
        }
        let load =
            &mut |column: u32| Arc::clone(loaded[column as usize].get_or_insert_with(|| self.load(column)));
        let columns =
            self.join.projection.eval(self.weights.len(), load, &mut context.scratch).map_err(fail)?;
        self.output.push_columns(columns, std::mem::take(&mut self.weights));
        Ok(())
    }

    /// Keeps some of the pairs.
    fn retain(&mut self, selected: &[u32]) {
        for segment in &mut self.segments {
            segment.end = selected.partition_point(|&row| (row as usize) < segment.end);
        }
        for rows in [&mut self.left_rows, &mut self.right_rows] {
            *rows = selected.iter().map(|&row| rows[row as usize]).collect();
        }
        self.weights = selected.iter().map(|&row| self.weights[row as usize]).collect();
    }

    /// One column of the pairs at hand, counted over left and right columns.
    fn load(&self, column: u32) -> Arc<Vector> {
        let lane = self.join.both[column as usize].ty.lane();
        let mut vector = Vector::with_capacity(lane, self.weights.len());
        let width = self.join.left.width();
        let mut from = 0;
        for segment in self.segments.iter().filter(|segment| segment.end > 0) {
            match column.checked_sub(width) {
                None => {
                    let rows = &self.left_rows[from..segment.end];
                    self.join.left.layout.decode(segment.left, rows, column, &mut vector);
                }
                Some(column) => {
                    let rows = &self.right_rows[from..segment.end];
                    self.join.right.layout.decode(segment.right, rows, column, &mut vector);
                }
            }
            from = segment.end;
        }
        Arc::new(vector)
    }
}
