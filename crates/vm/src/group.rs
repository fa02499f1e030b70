//! Groups: which rows of a change have equal group columns.
//!
//! The group columns of a slice are encoded as keys, a column at a time; equal groups have equal keys, and
//! their order is that of the state's trace. A hash table finds the number of a key that was met before. Its
//! hash is keyed at random, so that nobody can construct groups that collide.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use zset::{BatchBuilder, ColumnType, Layout, Schema, Secret, Vector, ZsetError};

use crate::flow::{SLICE, Slice};

/// The groups met so far, numbered in the order of meeting.
pub(crate) struct Groups<'a> {
    layout: &'a GroupLayout,
    /// The keys, end to end.
    heap: Vec<u8>,
    ends: Vec<usize>,
    /// The group columns of each group.
    pub(crate) columns: Vec<Vector>,
    /// Open addressing: group number + 1, or 0. The size is a power of two, at least twice the number of
    /// groups.
    table: Vec<u32>,
    hashes: Vec<u64>,
    hasher: RandomState,
    scratch: BatchBuilder,
}

/// How group columns are encoded.
#[derive(Debug)]
pub(crate) struct GroupLayout {
    layout: Layout,
    ones: Vec<i64>,
}

impl GroupLayout {
    pub(crate) fn new(columns: &[ColumnType]) -> GroupLayout {
        let schema = Schema::new(columns.to_vec(), (0..columns.len() as u32).collect());
        // All columns are in the key: nothing is hashed, so no secret is needed.
        GroupLayout { layout: Layout::new(&schema, Secret([0; 16])), ones: vec![1; SLICE] }
    }

    pub(crate) fn columns(&self) -> &[ColumnType] {
        &self.layout.schema().columns
    }
}

impl<'a> Groups<'a> {
    pub(crate) fn new(layout: &'a GroupLayout) -> Groups<'a> {
        let columns = layout.columns().iter().map(|column| Vector::new(column.ty.lane())).collect();
        Groups {
            layout,
            heap: Vec::new(),
            ends: Vec::new(),
            columns,
            table: vec![0; 16],
            hashes: Vec::new(),
            hasher: RandomState::new(),
            scratch: BatchBuilder::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The key of a group: the prefix of its row in the state.
    pub(crate) fn key(&self, group: usize) -> &[u8] {
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.heap[start..self.ends[group]]
    }

    /// Makes the one group of an aggregate without group columns.
    pub(crate) fn add_only_group(&mut self) {
        if self.ends.is_empty() {
            self.ends.push(0);
        }
    }

    /// The group of each row of a slice, in `numbers`.
    pub(crate) fn number(&mut self, slice: &Slice<'_>, numbers: &mut Vec<u32>) -> Result<(), ZsetError> {
        numbers.clear();
        if self.columns.is_empty() {
            self.add_only_group();
            numbers.resize(slice.len(), 0);
            return Ok(());
        }
        let columns: Vec<Arc<Vector>> =
            (0..self.columns.len() as u32).map(|column| slice.column(column)).collect();
        let refs: Vec<&Vector> = columns.iter().map(Arc::as_ref).collect();
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        self.layout.layout.encode(&refs, slice.len(), &self.layout.ones[..slice.len()], &mut scratch)?;
        let mut new_rows: Vec<u32> = Vec::new();
        for row in 0..slice.len() {
            let key = scratch.key(row);
            let number = match row.checked_sub(1) {
                Some(last) if scratch.key(last) == key => numbers[last],
                _ => self.find_or_add(key, row, &mut new_rows),
            };
            numbers.push(number);
        }
        self.scratch = scratch;
        for (kept, column) in self.columns.iter_mut().zip(&columns) {
            kept.extend_gather(column, &new_rows);
        }
        Ok(())
    }

    /// Group numbers in the order of their keys.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.key(a as usize).cmp(self.key(b as usize)));
        order
    }

    fn find_or_add(&mut self, key: &[u8], row: usize, new_rows: &mut Vec<u32>) -> u32 {
        let hash = self.hasher.hash_one(key);
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        while self.table[slot] != 0 {
            let group = self.table[slot] - 1;
            if self.hashes[group as usize] == hash && self.key(group as usize) == key {
                return group;
            }
            slot = (slot + 1) & mask;
        }
        let group = self.ends.len() as u32;
        self.table[slot] = group + 1;
        self.hashes.push(hash);
        self.heap.extend_from_slice(key);
        self.ends.push(self.heap.len());
        new_rows.push(row as u32);
        if self.ends.len() * 2 > self.table.len() {
            self.grow();
        }
        group
    }

    fn grow(&mut self) {
        let size = self.table.len() * 4;
        self.table.clear();
        self.table.resize(size, 0);
        for (group, &hash) in self.hashes.iter().enumerate() {
            let mut slot = hash as usize & (size - 1);
            while self.table[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.table[slot] = group as u32 + 1;
        }
    }
}
