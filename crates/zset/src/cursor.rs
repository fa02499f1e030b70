//! Looking keys up in a trace: several batches whose sum is meant.
//!
//! A join asks for the rows under one key prefix after the other, in ascending order, so a cursor only moves
//! forward: it gallops from where it stands. The rows under a prefix are handed out as they lie, run by run, to
//! who can use them unsummed, or in order of K with their weights summed and rows of weight zero left out.

use crate::batch::Batch;
use crate::error::ZsetError;
use crate::order::compare;
use crate::weights;
use std::cmp::Ordering;
use std::ops::Range;

/// A forward-only cursor over the sum of several batches.
#[derive(Clone, Debug)]
pub struct TraceCursor<'a> {
    runs: &'a [Batch],
    /// Where in each run the search for the next prefix starts.
    floors: Vec<usize>,
    /// The prefix last asked for.
    prefix: Vec<u8>,
    /// The runs that hold rows under it.
    spans: Vec<Span>,
    /// Those of them whose next row has the key at hand.
    ties: Vec<usize>,
}

/// The rows of a run under the prefix, and the one that comes next.
#[derive(Clone, Copy, Debug)]
struct Span {
    run: usize,
    start: usize,
    end: usize,
    next: usize,
}

impl<'a> TraceCursor<'a> {
    /// A cursor before the first row. It stands on no prefix.
    pub fn new(runs: &'a [Batch]) -> TraceCursor<'a> {
        TraceCursor {
            runs,
            floors: vec![0; runs.len()],
            prefix: Vec::new(),
            spans: Vec::new(),
            ties: Vec::new(),
        }
    }

    /// Moves to the rows whose key starts with `prefix`. Prefixes come in ascending order, each extending none
    /// before it; a smaller one is found too, but by searching from the start.
    pub fn seek_prefix(&mut self, prefix: &[u8]) {
        if compare(prefix, &self.prefix) == Ordering::Less {
            self.floors.fill(0);
        }
        self.prefix.clear();
        self.prefix.extend_from_slice(prefix);
        self.spans.clear();
        for (run, (batch, floor)) in self.runs.iter().zip(&mut self.floors).enumerate() {
            let start = batch.seek(*floor, prefix);
            *floor = start;
            let end = batch.prefix_end(start, prefix);
            if start < end {
                self.spans.push(Span { run, start, end, next: start });
            }
        }
    }

    /// Moves to the rows whose key is at least `lower` and below `upper`, if there is an upper bound.
    pub fn seek_range(&mut self, lower: &[u8], upper: Option<&[u8]>) {
        if compare(lower, &self.prefix) == Ordering::Less {
            self.floors.fill(0);
        }
        self.prefix.clear();
        self.prefix.extend_from_slice(lower);
        self.spans.clear();
        for (run, (batch, floor)) in self.runs.iter().zip(&mut self.floors).enumerate() {
            let start = batch.seek(*floor, lower);
            *floor = start;
            let end = upper.map_or(batch.len(), |upper| batch.seek(start, upper));
            if start < end {
                self.spans.push(Span { run, start, end, next: start });
            }
        }
    }

    /// Whether no run holds a row here. (Rows may be here and still sum to zero.)
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The rows here as they lie, in each run that holds any: not summed, not in order across runs.
    pub fn runs_at(&self) -> impl Iterator<Item = (&'a Batch, Range<usize>)> + '_ {
        self.spans.iter().map(|span| (&self.runs[span.run], span.start..span.end))
    }

    /// The next of the rows here in order of K: the batch and row where it lies, and its weight summed over all
    /// runs. Rows whose weight is zero are skipped.
    pub fn next_net(&mut self) -> Result<Option<(&'a Batch, usize, i64)>, ZsetError> {
        if let [span] = self.spans.as_mut_slice() {
            let batch = &self.runs[span.run];
            let found = weights::next_nonzero(&batch.weights()[..span.end], span.next);
            span.next = found.map_or(span.end, |row| row + 1);
            return Ok(found.map(|row| (batch, row, batch.weight(row))));
        }
        while self.find_least() {
            let mut weight = 0;
            for &tie in &self.ties {
                let span = &mut self.spans[tie];
                weight = weights::add(weight, self.runs[span.run].weight(span.next))?;
                span.next += 1;
            }
            if weight != 0 {
                let span = self.spans[self.ties[0]];
                return Ok(Some((&self.runs[span.run], span.next - 1, weight)));
            }
        }
        Ok(None)
    }

    /// The last of the rows here in order of K, with its summed weight, wherever [`next_net`](Self::next_net)
    /// stands. The cost is that of the rows of weight zero behind it.
    pub fn last_net(&self) -> Result<Option<(&'a Batch, usize, i64)>, ZsetError> {
        let mut ends: Vec<usize> = self.spans.iter().map(|span| span.end).collect();
        loop {
            let mut last: Option<(&'a Batch, usize)> = None;
            for (span, &end) in self.spans.iter().zip(&ends).filter(|(span, end)| span.start < **end) {
                let batch = &self.runs[span.run];
                if last
                    .is_none_or(|(other, row)| compare(other.key(row), batch.key(end - 1)) == Ordering::Less)
                {
                    last = Some((batch, end - 1));
                }
            }
            let Some((batch, row)) = last else { return Ok(None) };
            let mut weight = 0;
            for (span, end) in self.spans.iter().zip(&mut ends).filter(|(span, end)| span.start < **end) {
                let run = &self.runs[span.run];
                if run.key(*end - 1) == batch.key(row) {
                    *end -= 1;
                    weight = weights::add(weight, run.weight(*end))?;
                }
            }
            if weight != 0 {
                return Ok(Some((batch, row, weight)));
            }
        }
    }

    /// Moves to an exact key and returns its summed weight. Keys come in ascending order, as prefixes do.
    pub fn weight_at(&mut self, key: &[u8]) -> Result<i64, ZsetError> {
        self.seek_prefix(key);
        let mut weight = 0;
        for (batch, rows) in self.runs_at() {
            if batch.key(rows.start) == key {
                weight = weights::add(weight, batch.weight(rows.start))?;
            }
        }
        Ok(weight)
    }

    /// Finds the spans whose next row has the least key of all. `false` if all have ended.
    fn find_least(&mut self) -> bool {
        self.ties.clear();
        let mut least: &[u8] = &[];
        for (index, span) in self.spans.iter().enumerate().filter(|(_, span)| span.next < span.end) {
            let key = self.runs[span.run].key(span.next);
            let order = if self.ties.is_empty() { Ordering::Less } else { compare(key, least) };
            if order == Ordering::Less {
                self.ties.clear();
                least = key;
            }
            if order != Ordering::Greater {
                self.ties.push(index);
            }
        }
        !self.ties.is_empty()
    }
}

/// The summed weight of an exact key in several batches.
pub fn weight_of(runs: &[Batch], key: &[u8]) -> Result<i64, ZsetError> {
    let mut weight = 0;
    for batch in runs {
        let row = batch.seek(0, key);
        if row < batch.len() && batch.key(row) == key {
            weight = weights::add(weight, batch.weight(row))?;
        }
    }
    Ok(weight)
}
