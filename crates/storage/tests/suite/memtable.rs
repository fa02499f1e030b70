//! The memtable against a sorted map.

use std::collections::BTreeMap;

use storage::{Memtable, ROTATE_ROWS, Random, StorageError};
use zset::{Batch, ZsetError};

use super::model::{batch, value_of};

type Oracle = BTreeMap<Vec<u8>, i64>;

fn key(random: &mut Random, kind: u64, index: u64) -> Vec<u8> {
    match kind {
        0 => index.to_be_bytes().to_vec(),
        1 => random.below(50).to_be_bytes().to_vec(),
        2 => (0..random.below(5)).map(|_| random.below(4) as u8).collect(),
        _ => random.bits().to_be_bytes().to_vec(),
    }
}

fn rows(batches: &[Batch]) -> Oracle {
    let mut sum = Oracle::new();
    for (key, value, weight) in batches.iter().flat_map(Batch::iter) {
        assert_eq!(value, value_of(key));
        *sum.entry(key.to_vec()).or_insert(0) += weight;
    }
    sum.retain(|_, weight| *weight != 0);
    sum
}

#[test]
fn equals_a_sorted_map() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let kind = random.below(4);
        let operations = if seed % 10 == 0 { 4 * ROTATE_ROWS as u64 } else { random.below(600) };
        let (mut table, mut oracle) = (Memtable::new(), Oracle::new());
        for index in 0..operations {
            let key = key(&mut random, kind, index);
            let weight = random.below(5) as i64 - 2;
            table.upsert(&key, &value_of(&key), weight).unwrap();
            *oracle.entry(key.clone()).or_insert(0) += weight;
            match random.below(400) {
                0 => {
                    table.runs().unwrap();
                }
                1 => {
                    let bulk: Oracle = (0..20).map(|step| (vec![7, step], 1)).collect();
                    table.push_batch(batch(&bulk)).unwrap();
                    bulk.keys().for_each(|key| *oracle.entry(key.clone()).or_insert(0) += 1);
                }
                2 => assert_eq!(table.weight(&key).unwrap(), oracle[&key]),
                3 => {
                    let prefix = &key[..key.len().min(2)];
                    let mut found = rows(&table.runs_with_prefix(prefix).unwrap());
                    found.retain(|key, _| key.starts_with(prefix));
                    let mut expected = oracle.clone();
                    expected.retain(|key, weight| key.starts_with(prefix) && *weight != 0);
                    assert_eq!(found, expected, "seed {seed}");
                }
                _ => {}
            }
        }
        oracle.retain(|_, weight| *weight != 0);
        let probe = key(&mut random, kind, operations / 2);
        let mut found = Vec::new();
        let mut iterator = table.iter_from(&probe);
        while let Some((key, value, weight)) = iterator.next().unwrap() {
            assert_eq!(value, value_of(key));
            found.push((key.to_vec(), weight));
        }
        let expected: Vec<_> = oracle.range(probe..).map(|(key, weight)| (key.clone(), *weight)).collect();
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(rows(&table.snapshot().unwrap()), oracle);
        assert!(table.runs().unwrap().len() < 20);
        assert_eq!(rows(table.runs().unwrap()), oracle);
        assert_eq!(table.into_batch().unwrap(), batch(&oracle), "seed {seed}");
    }
}

#[test]
fn overflow_is_an_error_and_changes_nothing() {
    let mut table = Memtable::new();
    assert!(table.is_empty());
    table.upsert(b"k", b"", i64::MAX - 1).unwrap();
    table.upsert(b"k", b"", 1).unwrap();
    let error = table.upsert(b"k", b"", 1).unwrap_err();
    assert_eq!(error, StorageError::Rows(ZsetError::WeightOverflow { left: i64::MAX, right: 1 }));
    assert_eq!(table.weight(b"k").unwrap(), i64::MAX);
    assert!(table.bytes() < 1_000, "a small transaction takes little memory");
}

#[test]
fn large_rows_are_kept() {
    let mut table = Memtable::new();
    let large = vec![1; 3 << 20];
    table.upsert(b"a", &large, 1).unwrap();
    table.upsert(b"b", b"small", 1).unwrap();
    table.upsert(b"a", &large, 1).unwrap();
    let batch = table.into_batch().unwrap();
    assert_eq!(
        batch.iter().map(|(_, value, weight)| (value.len(), weight)).collect::<Vec<_>>(),
        [(3 << 20, 2), (5, 1)]
    );
}
