//! Batches: building, merging and searching against ordered maps.

use crate::generate::{assert_is, build, changes, keys, model};
use proptest::prelude::*;
use std::collections::BTreeMap;
use zset::{Batch, BatchBuilder, Merger, TraceCursor, ZsetError, merge, weight_of};

fn many_changes() -> impl Strategy<Value = Vec<Vec<(Vec<u8>, i64)>>> {
    let sizes = prop_oneof![4 => changes(0..40), 1 => changes(300..1500)];
    prop_oneof![8 => prop::collection::vec(sizes, 0..12), 1 => prop::collection::vec(changes(0..5), 65..140)]
}

/// The first row at or after `from` for which `found` holds, by looking at each.
fn scan(batch: &Batch, from: usize, found: impl Fn(&[u8]) -> bool) -> usize {
    (from..batch.len()).find(|&row| found(batch.key(row))).unwrap_or(batch.len().max(from))
}

proptest! {
    #[test]
    fn building_sorts_and_sums(changes in changes(0..600)) {
        let batch = build(&changes);
        assert_is(&batch, &model(&changes));
        let mut again = BatchBuilder::new();
        for row in (0..batch.len()).rev() {
            again.push_from(&batch, row, batch.weight(row)).expect("a row of a batch");
        }
        again.push_run(&batch, 0..batch.len()).expect("rows of a batch");
        let doubled = again.finish().expect("small weights");
        prop_assert_eq!(doubled.len(), batch.len());
        prop_assert!(doubled.iter().zip(batch.iter()).all(|(a, b)| (a.0, a.1, a.2) == (b.0, b.1, 2 * b.2)));
    }

    #[test]
    fn merging_is_addition(lists in many_changes(), limit in 1usize..20_000) {
        let runs: Vec<Batch> = lists.iter().map(|changes| build(changes)).collect();
        let expected = model(lists.iter().flatten());
        assert_is(&merge(&runs).expect("small weights"), &expected);
        let mut merger = Merger::new(&runs);
        let mut pieces = Vec::new();
        while let Some(piece) = merger.next(limit).expect("small weights") {
            prop_assert!(piece.bytes() < limit + 700 * 300, "{} bytes for a limit of {limit}", piece.bytes());
            pieces.push(piece);
        }
        let mut joined = BatchBuilder::new();
        for piece in &pieces {
            joined.push_run(piece, 0..piece.len()).expect("rows of a batch");
        }
        assert_is(&joined.finish_sorted(), &expected);
    }

    #[test]
    fn a_batch_and_its_negation_vanish(left in changes(0..300), right in changes(0..300)) {
        let (left, right) = (build(&left), build(&right));
        let sum = left.add(&right).expect("small weights");
        prop_assert_eq!(&sum, &right.add(&left).expect("small weights"));
        prop_assert_eq!(&sum.add(&right.negate()).expect("small weights"), &left);
        prop_assert!(left.add(&left.negate()).expect("small weights").is_empty());
    }

    #[test]
    fn seeking_is_scanning(
        mut changes in changes(0..1500),
        common in prop::sample::select(vec![&b""[..], b"\x01", b"\0\0\0\0\0\0\0\0\0"]), probes in prop::collection::vec((keys(), 0.0..1.0), 1..30), cut in 0.0..1.0) {
        changes.iter_mut().for_each(|(key, _)| *key = [common, key].concat());
        let whole = build(&changes);
        let start = (whole.len() as f64 * cut) as usize;
        let slice = whole.slice(start..whole.len() - (whole.len() - start) / 3);
        let bare = Batch::from_regions(whole.regions().map(arrow_buffer::Buffer::from)).expect("a batch");
        prop_assert_eq!(&bare, &whole);
        let prefixed = probes.iter().map(|(probe, from)| ([common, probe].concat(), *from));
        for (probe, from) in &probes.iter().cloned().chain(prefixed).collect::<Vec<_>>() {
            for batch in [&whole, &slice, &bare, &bare.clone().with_fences()] {
                let from = (batch.len() as f64 * from) as usize;
                prop_assert_eq!(batch.seek(from, probe), scan(batch, from, |key| key >= &probe[..]));
                let first = batch.seek(from, probe);
                prop_assert_eq!(batch.prefix_end(first, probe), scan(batch, first, |key| !key.starts_with(probe)));
            }
        }
        let compact = slice.compact();
        prop_assert_eq!(&compact, &slice);
        prop_assert_eq!(compact.bytes(), slice.bytes());
        prop_assert_eq!(compact.regions().iter().map(|region| region.len()).sum::<usize>(), slice.bytes());
    }

    #[test]
    fn cursors_find_what_a_scan_finds(lists in prop::collection::vec(changes(0..200), 0..6), mut probes in prop::collection::vec(keys(), 1..40), sorted in any::<bool>()) {
        let runs: Vec<Batch> = lists.iter().map(|changes| build(changes)).collect();
        let sum = model(lists.iter().flatten());
        if sorted {
            probes.sort();
        }
        let mut cursor = TraceCursor::new(&runs);
        for prefix in &probes {
            cursor.seek_prefix(prefix);
            let expected: Vec<(&[u8], i64)> = sum
                .iter()
                .filter(|(key, _)| key.starts_with(prefix))
                .map(|(key, &weight)| (&key[..], weight))
                .collect();
            let mut raw = BTreeMap::<&[u8], i64>::new();
            for (batch, rows) in cursor.runs_at() {
                rows.for_each(|row| *raw.entry(batch.key(row)).or_default() += batch.weight(row));
            }
            raw.retain(|_, weight| *weight != 0);
            prop_assert!(raw.into_iter().eq(expected.iter().copied()));
            prop_assert!(!cursor.is_empty() || expected.is_empty());
            let last = cursor.last_net().expect("small weights").map(|(batch, row, weight)| (batch.key(row), weight));
            prop_assert_eq!(last, expected.last().copied());
            let mut found = Vec::new();
            while let Some((batch, row, weight)) = cursor.next_net().expect("small weights") {
                found.push((batch.key(row), weight));
            }
            prop_assert_eq!(found, expected);
            let net = sum.get(prefix).copied().unwrap_or(0);
            prop_assert_eq!(weight_of(&runs, prefix), Ok(net));
            prop_assert_eq!(cursor.weight_at(prefix), Ok(net));
        }
        let (low, high) = (probes.iter().min().expect("one probe"), probes.iter().max().expect("one probe"));
        cursor.seek_range(low, Some(high));
        let mut found = Vec::new();
        while let Some((batch, row, weight)) = cursor.next_net().expect("small weights") {
            found.push((batch.key(row).to_vec(), weight));
        }
        let expected: Vec<(Vec<u8>, i64)> =
            sum.range(low.clone()..high.clone()).map(|(key, &weight)| (key.clone(), weight)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn corrupt_regions_never_panic(changes in changes(1..60), region in 1usize..4, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let batch = build(&changes);
        let mut regions = batch.regions().map(<[u8]>::to_vec);
        if !regions[region].is_empty() {
            let at = at.index(regions[region].len());
            regions[region][at] ^= byte;
        }
        // Vectors of words keep the alignment that the format asks for.
        let words = |bytes: &[u8]| {
            let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
            arrow_buffer::Buffer::from_vec(words.collect::<Vec<u64>>())
        };
        let [w, o, k, v] = &regions;
        let heaps = [arrow_buffer::Buffer::from_vec(k.clone()), arrow_buffer::Buffer::from_vec(v.clone())];
        let [k, v] = heaps;
        if let Ok(batch) = Batch::from_regions([words(w), words(o), k, v]) {
            let batch = batch.with_fences();
            batch.iter().for_each(drop);
            batch.seek(0, &[1]);
            batch.prefix_end(0, &[0]);
            batch.bytes();
            batch.compact();
            let _ = merge(&[batch.clone(), build(&changes)]);
            let _ = merge(&[batch.clone(), batch.negate(), build(&changes)]);
        }
    }
}

#[test]
fn weights_never_wrap() {
    let one = |weight| build(&[(b"k".to_vec(), weight)]);
    let overflow = |result: Result<Batch, ZsetError>| matches!(result, Err(ZsetError::WeightOverflow { .. }));
    assert!(overflow(one(i64::MAX).add(&one(1))));
    assert!(overflow(one(-i64::MAX).add(&one(-1))));
    assert!(overflow(merge(&[one(i64::MAX), one(i64::MAX), one(-i64::MAX)])));
    assert_eq!(one(i64::MAX).add(&one(-i64::MAX)).map(|batch| batch.len()), Ok(0));
    let mut builder = BatchBuilder::new();
    assert!(builder.push(b"k", b"", i64::MIN).is_err());
    builder.push(b"k", b"", i64::MAX).expect("a weight");
    builder.push(b"k", b"", 1).expect("a weight");
    assert!(overflow(builder.finish()));
    let runs = [one(i64::MAX), one(1)];
    let mut cursor = TraceCursor::new(&runs);
    cursor.seek_prefix(b"");
    assert!(cursor.next_net().is_err() && cursor.last_net().is_err() && weight_of(&runs, b"k").is_err());
}

#[test]
fn rows_of_weight_zero_are_dropped() {
    let mut builder = BatchBuilder::new();
    for (key, weight) in [(b"a", 1), (b"b", 0), (b"c", 2)] {
        builder.push(key, b"v", weight).expect("a small row");
    }
    assert_eq!(builder.finish().map(|batch| batch.len()), Ok(2));
    assert!(Batch::empty().is_empty() && Batch::default().compact().is_empty());
    assert_eq!(merge(&[]), Ok(Batch::empty()));
}

#[test]
fn regions_are_checked() {
    let batch = build(&[(b"a".to_vec(), 1), (b"b".to_vec(), 1)]);
    let regions = || batch.regions().map(arrow_buffer::Buffer::from);
    let refused = |regions| matches!(Batch::from_regions(regions), Err(ZsetError::Corrupt { .. }));
    assert!(!refused(regions()));
    let [w, o, k, v] = regions();
    assert!(refused([w.slice_with_length(0, 8), o.clone(), k.clone(), v.clone()]));
    assert!(refused([w.slice_with_length(0, 7), o.slice_with_length(0, 7), k.clone(), v.clone()]));
    assert!(refused([w.slice_with_length(4, 8), o.slice_with_length(4, 8), k.clone(), v.clone()]));
    assert!(refused([w.clone(), o.clone(), k.slice_with_length(0, 3), v.clone()]));
    assert!(refused([w.clone(), o.clone(), k.clone(), v.slice_with_length(0, 1)]));
    assert!(refused([w, o.slice_with_length(8, 8), k, v]));
    let slice = batch.slice(1..2);
    assert!(
        refused(slice.regions().map(arrow_buffer::Buffer::from)),
        "a slice is compacted before it is written"
    );
    assert!(!refused(slice.compact().regions().map(arrow_buffer::Buffer::from)));
}
