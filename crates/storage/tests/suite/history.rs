//! The log as history, against a list of all changes: what it answers is exactly what happened, or that it no longer
//! knows; through checkpoints, restarts and damage.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::{Fs, MemFs, Options, Random, Store};
use zset::{Batch, CollectionId, Deltas};

use super::model::{Engine, batch, derived, options};

const TABLES: [CollectionId; 2] = [CollectionId(1), CollectionId(3)];

/// Rows with weights, by collection.
type Changes = BTreeMap<CollectionId, BTreeMap<Vec<u8>, i64>>;

fn rows(deltas: &Deltas) -> Changes {
    let rows =
        |batch: &Batch| (0..batch.len()).map(|row| (batch.key(row).to_vec(), batch.weight(row))).collect();
    let all = deltas.iter().map(|(&id, batch)| (id, rows(batch)));
    all.filter(|(_, rows): &(_, BTreeMap<_, _>)| !rows.is_empty()).collect()
}

fn sum<'a>(epochs: impl Iterator<Item = &'a Changes>) -> Changes {
    let mut total = Changes::new();
    for (id, rows) in epochs.flatten() {
        for (key, weight) in rows {
            *total.entry(*id).or_default().entry(key.clone()).or_default() += weight;
        }
    }
    total.values_mut().for_each(|rows| rows.retain(|_, weight| *weight != 0));
    total.retain(|_, rows| !rows.is_empty());
    total
}

fn open(disk: &MemFs, limit: u64) -> Engine {
    let options = Options { history_bytes: limit, ..options() };
    let mut engine = Engine::open(Arc::new(disk.clone()), options).unwrap();
    for table in TABLES {
        for id in [table, derived(table)] {
            if engine.state.spine(id).is_none() {
                engine.state.insert(id, 1).unwrap();
            }
        }
    }
    engine
}

fn random_change(random: &mut Random) -> Deltas {
    let mut deltas = Deltas::new();
    for table in TABLES.into_iter().take(random.below(3) as usize) {
        let rows: BTreeMap<Vec<u8>, i64> = (0..random.below(8))
            .map(|_| (vec![random.below(20) as u8], random.below(5) as i64 - 2))
            .collect();
        deltas.insert(table, batch(&rows));
    }
    deltas
}

#[test]
fn history_is_exact_or_unknown() {
    for limit in [0, 2_000, 20_000, 1 << 30] {
        let disk = MemFs::new();
        let mut random = Random::new(limit + 1);
        let mut engine = open(&disk, limit);
        engine.store.checkpoint(&mut engine.state, "").unwrap();
        let mut epochs: Vec<Changes> = Vec::new();
        let mut known = 0;
        for step in 0..400 {
            let change = random_change(&mut random);
            epochs.push(rows(&change));
            engine.commit(&change).unwrap();
            if random.below(15) == 0 {
                engine.store.checkpoint(&mut engine.state, "").unwrap();
            }
            if random.below(40) == 0 {
                drop(engine);
                engine = open(&disk, limit);
            }
            let to = epochs.len();
            let after = random.below(to as u64 + 1) as usize;
            let asked = engine.store.changes_between(after as u64, to as u64).unwrap();
            if let Some(found) = asked {
                assert_eq!(rows(&found), sum(epochs[after..to].iter()), "limit {limit} step {step}");
                known += 1;
            }
            assert!(
                engine.store.changes_between(to as u64, to as u64).unwrap().is_some_and(|d| d.is_empty())
            );
        }
        // Without the zeros that wait for records at the end of the last segment.
        engine.store.checkpoint(&mut engine.state, "").unwrap();
        let log: usize = segments(&disk).iter().map(|name| disk.read(name).unwrap().len()).sum();
        assert!(
            limit > 1 << 20 || log < limit as usize + 40_000,
            "{log} bytes of log with a limit of {limit}"
        );
        assert!(known > if limit > 1 << 20 { 399 } else { 10 }, "{known} answers with a limit of {limit}");
    }
}

fn segments(disk: &MemFs) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.starts_with("wal-")).collect()
}

#[test]
fn damaged_history_is_unknown_and_harms_nothing_else() {
    let disk = MemFs::new();
    let mut engine = open(&disk, 1 << 30);
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    let row = |key: u8| Deltas::from([(TABLES[0], batch(&BTreeMap::from([(vec![key], 1)])))]);
    for key in 0..30 {
        engine.commit(&row(key)).unwrap();
        if key % 10 == 9 {
            engine.store.checkpoint(&mut engine.state, "").unwrap();
        }
    }
    drop(engine);
    let name = segments(&disk).remove(1);
    let bytes = disk.read(&name).unwrap();
    disk.remove(&name).unwrap();
    let mut broken = bytes.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    disk.create(&name).unwrap().append(&broken).unwrap();
    let (store, recovered) =
        Store::open(Arc::new(disk.clone()), Options { history_bytes: 1 << 30, ..options() }).unwrap();
    assert_eq!(recovered.state.epoch, 30);
    assert!(store.changes_between(5, 30).unwrap().is_none());
    assert_eq!(rows(&store.changes_between(20, 30).unwrap().unwrap())[&TABLES[0]].len(), 10);
}
