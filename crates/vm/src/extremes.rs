//! MIN and MAX: the first or last live value of a group.
//!
//! Neither linear nor bilinear: when the current minimum goes, the next one has to be known. So the arguments
//! are arranged by (group, value), and the state remembers only the current value of each group. Most changes
//! don't touch it. Where one brings a better value or takes the current one, the group's first (or last)
//! value is looked up in the arrangement with the step's change laid over it: one seek. NULLs sort last and
//! are behind a marker, so that a prefix leaves them out.

use std::sync::Arc;

use circuit::Slot;
use zset::{Batch, CollectionId, ColumnType, Layout, Schema, Secret, TraceCursor, Type, Vector, ZsetError};

use crate::context::Context;
use crate::error::Failure;

/// The byte that begins a value in a nullable key column.
const VALUE: u8 = 1;

/// One arrangement by (group, value).
#[derive(Debug)]
pub(crate) struct Extreme {
    trace: CollectionId,
    layout: Arc<Layout>,
    /// Encodes a value as the arrangement's key does, without the marker.
    value: Layout,
    column: u32,
    ty: Type,
    nullable: bool,
}

impl Extreme {
    pub(crate) fn new(trace: CollectionId, layout: Arc<Layout>, group_columns: usize) -> Extreme {
        let ColumnType { ty, nullable } = layout.schema().columns[group_columns];
        let value = Layout::new(&Schema::new(vec![ColumnType::required(ty)], vec![0]), Secret([0; 16]));
        Extreme { trace, layout, value, column: group_columns as u32, ty, nullable }
    }

    /// The groups' new extremes. `keys` gives the encoded group columns of each row of `old`, in ascending
    /// order.
    pub(crate) fn advance<'k>(
        &self,
        slot: &Slot,
        keys: &dyn Fn(usize) -> &'k [u8],
        old: &Vector,
        change: &Batch,
        context: &Context<'_>,
    ) -> Result<Vector, Failure> {
        let greatest = matches!(slot, Slot::Extreme { greatest: true, .. });
        let lookups = self.lookups(greatest, keys, old, change)?;
        if lookups.is_empty() {
            return Ok(old.clone());
        }
        let mut overlaid = context.traces.runs(self.trace).to_vec();
        overlaid.push(change.clone());
        let mut cursor = TraceCursor::new(&overlaid);
        let mut new = Vector::with_capacity(old.lane(), old.len());
        let mut done = 0;
        for (row, prefix) in lookups {
            new.extend_range(old, done..row);
            done = row + 1;
            cursor.seek_prefix(&prefix);
            match live(&mut cursor, greatest)? {
                Some((batch, row)) => self.layout.decode_range(batch, row..row + 1, self.column, &mut new),
                None => new.push_null(),
            }
        }
        new.extend_range(old, done..old.len());
        Ok(new)
    }

    /// The groups whose extreme may have changed, each with the prefix of its values.
    fn lookups<'k>(
        &self,
        greatest: bool,
        keys: &dyn Fn(usize) -> &'k [u8],
        old: &Vector,
        change: &Batch,
    ) -> Result<Vec<(usize, Vec<u8>)>, Failure> {
        let mut lookups = Vec::new();
        let mut prefix = Vec::new();
        let mut at = 0;
        for row in 0..old.len() {
            prefix.clear();
            prefix.extend_from_slice(keys(row));
            if self.nullable {
                prefix.push(VALUE);
            }
            at = change.seek(at, &prefix);
            let end = change.prefix_end(at, &prefix);
            if at < end && self.may_change(old, row, greatest, &prefix, change, at..end)? {
                lookups.push((row, prefix.clone()));
            }
        }
        Ok(lookups)
    }

    /// Whether the change can replace the current value: it brings a better one, or takes rows of this one,
    /// or there is none yet.
    fn may_change(
        &self,
        old: &Vector,
        row: usize,
        greatest: bool,
        prefix: &[u8],
        change: &Batch,
        rows: std::ops::Range<usize>,
    ) -> Result<bool, Failure> {
        if !old.is_valid(row) {
            return Ok(true);
        }
        let mut current = prefix.to_vec();
        self.value.encode_prefix(&[old.get_as(row, self.ty)], &mut current)?;
        let at = change.seek(rows.start, &current).min(rows.end);
        let meets = at < rows.end && change.key(at) == current;
        if meets && change.weight(at) < 0 {
            return Ok(true);
        }
        let better = if greatest { at + usize::from(meets)..rows.end } else { rows.start..at };
        Ok(change.weights()[better].iter().any(|&weight| weight > 0))
    }
}

/// The first or last row under the cursor's prefix whose weight is positive.
fn live<'a>(cursor: &mut TraceCursor<'a>, greatest: bool) -> Result<Option<(&'a Batch, usize)>, ZsetError> {
    if greatest {
        match cursor.last_net()? {
            None => return Ok(None),
            Some((batch, row, weight)) if weight > 0 => return Ok(Some((batch, row))),
            // A weight below zero: no table has any, but a difference may. All rows are looked at then.
            Some(_) => {}
        }
    }
    let mut found = None;
    while let Some((batch, row, weight)) = cursor.next_net()? {
        if weight > 0 {
            found = Some((batch, row));
            if !greatest {
                break;
            }
        }
    }
    Ok(found)
}
