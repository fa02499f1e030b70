//! The store when nothing fails: long histories, merging, locks, group commit, files that come and go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use storage::{Fs, MAX_RUNS, MemFs, Options, Random, RealFs, StorageError, Store, Sync};
use zset::{CollectionId, Deltas};

use super::model::{Engine, Workload, batch, options};

#[test]
fn long_histories_survive_restarts() {
    for (seed, sync) in [(1, Sync::Full), (2, Sync::Normal), (3, Sync::Off)] {
        let disk = MemFs::new();
        let options = Options { sync, ..options() };
        let mut workload = Workload::new(seed);
        let mut engine = Engine::open(Arc::new(disk.clone()), options.clone()).unwrap();
        for step in 0..600 {
            workload.step(&mut engine).unwrap();
            if step % 50 == 49 {
                // The edit in waiting refers to the old handle; a restart forgets it, as a crash would.
                workload.forget_checkpoint();
                drop(engine);
                engine = Engine::open(Arc::new(disk.clone()), options.clone()).unwrap();
            }
            if step % 10 == 9 {
                assert_eq!(engine.version().unwrap(), workload.now, "step {step}");
            }
        }
    }
}

#[test]
fn a_database_is_opened_once() {
    let disk: Arc<dyn Fs> = Arc::new(MemFs::new());
    let (store, _) = Store::open(disk.clone(), options()).unwrap();
    assert_eq!(Store::open(disk.clone(), options()).unwrap_err(), StorageError::Locked);
    drop(store);
    Store::open(disk, options()).unwrap();
}

#[test]
fn protocol_errors_are_refused() {
    let mut engine = Engine::open(Arc::new(MemFs::new()), options()).unwrap();
    engine.commit(&Deltas::new()).unwrap();
    assert!(matches!(engine.store.append(1, &Deltas::new()), Err(StorageError::Misuse(_))));
    assert!(matches!(engine.state.runs(CollectionId(5)), Err(StorageError::Misuse(_))));
    let job = engine.store.begin_checkpoint(&mut engine.state, "").unwrap();
    assert_eq!(engine.store.begin_checkpoint(&mut engine.state, "").unwrap_err(), StorageError::Busy);
    drop(job);
    engine.store.checkpoint(&mut engine.state, "").unwrap();
}

#[test]
fn a_checkpoint_keeps_the_log_of_epochs_that_its_state_lacks() {
    let disk = MemFs::new();
    let mut engine = Engine::open(Arc::new(disk.clone()), options()).unwrap();
    engine.commit(&Deltas::new()).unwrap();
    // Logged, but not in the state yet when the checkpoint begins.
    engine.store.append(2, &Deltas::new()).unwrap();
    engine.store.checkpoint(&mut engine.state, "text").unwrap();
    engine.store.append(3, &Deltas::new()).unwrap();
    drop(engine);
    let (_, recovered) = Store::open(Arc::new(disk), options()).unwrap();
    assert_eq!((recovered.state.epoch, recovered.catalog.as_str()), (1, "text"));
    assert_eq!(recovered.tail.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn runs_and_files_stay_few_and_old_files_go() {
    let disk = MemFs::new();
    let options = Options { shard_bytes: 20_000, ..options() };
    let mut engine = Engine::open(Arc::new(disk.clone()), options).unwrap();
    let (table, _) = (engine.state.allocate(), engine.state.allocate());
    engine.state.insert(table, 1).unwrap();
    engine.state.insert(CollectionId(table.0 + 1), 1).unwrap();
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    let mut random = Random::new(4);
    let mut reader = None;
    for round in 0..60 {
        for _ in 0..20 {
            let rows: BTreeMap<Vec<u8>, i64> = (0..5)
                .map(|_| (random.below(300).to_be_bytes()[6..].to_vec(), random.below(3) as i64 - 1))
                .collect();
            engine.commit(&Deltas::from([(table, batch(&rows))])).unwrap();
        }
        let before = engine.version().unwrap();
        engine.store.checkpoint(&mut engine.state, "").unwrap();
        assert_eq!(engine.version().unwrap(), before);
        if round == 30 {
            reader = Some((engine.state.clone(), super::model::contents(&engine.state).unwrap()));
        }
        let spine = engine.state.spine(table).unwrap();
        assert_eq!(spine.shape().0, 0);
        assert!(spine.disk_bytes() < 400_000, "{} bytes of shards", spine.disk_bytes());
    }
    let (old, contents) = reader.unwrap();
    assert_eq!(super::model::contents(&old).unwrap(), contents);
    let shards: usize = engine.state.collections().map(|(_, spine)| spine.shape().1).sum();
    assert!(shards < 2 * MAX_RUNS * 20);
    let files = || disk.list().unwrap().iter().filter(|name| name.starts_with("shard-")).count();
    assert!(files() > shards);
    drop(old);
    assert_eq!(files(), shards);
    assert_eq!(disk.list().unwrap().iter().filter(|name| name.starts_with("wal-")).count(), 1);
}

#[test]
fn runs_are_folded_beside_commits_and_checkpoints() {
    let mut engine = Engine::open(Arc::new(MemFs::new()), options()).unwrap();
    let table = engine.state.allocate();
    engine.state.insert(table, 1).unwrap();
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    let mut random = Random::new(3);
    let mut expected: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    let (mut pending, mut sealed, mut folds) = (Vec::new(), None, 0);
    for epoch in 1..=400 {
        let rows: BTreeMap<Vec<u8>, i64> = (0..200)
            .map(|_| ((40_000 + random.below(9_000)).to_be_bytes()[6..].to_vec(), random.below(3) as i64 - 1))
            .collect();
        rows.iter().for_each(|(key, weight)| *expected.entry(key.clone()).or_insert(0) += weight);
        engine.state = engine.state.with(&Deltas::from([(table, batch(&rows))]), epoch).unwrap();
        // A fold is computed, and takes its place some commits, or the beginning or end of a checkpoint, later.
        match random.below(12) {
            0 if engine.state.fold_due() => pending = engine.state.fold().unwrap(),
            1 => {
                engine.state.put_folds(&pending);
                folds += std::mem::take(&mut pending).len();
            }
            2 if epoch > 300 && sealed.is_none() => {
                sealed = Some(engine.store.begin_checkpoint(&mut engine.state, "").unwrap());
            }
            3 if sealed.is_some() => {
                let edit = sealed.take().unwrap().run().unwrap();
                let installed = engine.store.install(edit).unwrap();
                let replaced = engine.store.finish(installed, &mut engine.state);
                engine.store.discard(replaced);
            }
            _ => {}
        }
        assert!(engine.state.spine(table).unwrap().shape().0 < 40);
    }
    expected.retain(|_, weight| *weight != 0);
    assert!(folds > 3);
    assert_eq!(super::model::contents(&engine.state).unwrap()[&table], expected);
}

#[test]
fn point_reads_touch_only_the_shards_they_need() {
    let mut engine = Engine::open(Arc::new(MemFs::new()), options()).unwrap();
    let table = engine.state.allocate();
    engine.state.insert(table, 1).unwrap();
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    let rows: BTreeMap<Vec<u8>, i64> =
        (256..51_456u16).step_by(8).map(|key| (key.to_be_bytes().to_vec(), 1)).collect();
    engine.state = engine.state.with(&Deltas::from([(table, batch(&rows))]), 1).unwrap();
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    let spine = engine.state.spine(table).unwrap();
    assert!(spine.shape().1 > 5);
    for byte in 0..=255u8 {
        let runs = spine.runs_with_prefix(&[byte]).unwrap();
        assert!(runs.len() <= 2);
        let found =
            runs.iter().any(|run| run.seek(0, &[byte]) < run.prefix_end(run.seek(0, &[byte]), &[byte]));
        assert_eq!(found, (1..=200).contains(&byte));
    }
}

#[test]
fn commits_that_wait_together_share_a_sync() {
    let path = std::env::temp_dir().join(format!("gnitz-group-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let mut engine = Engine::open(Arc::new(RealFs::open(&path).unwrap()), Options::default()).unwrap();
    let table = engine.state.allocate();
    engine.state.insert(table, 1).unwrap();
    engine.state.insert(CollectionId(table.0 + 1), 1).unwrap();
    engine.store.checkpoint(&mut engine.state, "text").unwrap();
    let epoch = Mutex::new(engine.state.epoch);
    let store = &engine.store;
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let epoch = &epoch;
            scope.spawn(move || {
                for index in 0..50u8 {
                    let rows = BTreeMap::from([(vec![thread + 1, index], 1)]);
                    let lsn = {
                        let mut epoch = epoch.lock().unwrap();
                        *epoch += 1;
                        store.append(*epoch, &Deltas::from([(table, batch(&rows))])).unwrap()
                    };
                    store.wait_durable(lsn).unwrap();
                }
            });
        }
    });
    drop(engine);
    let engine = Engine::open(Arc::new(RealFs::open(&path).unwrap()), Options::default()).unwrap();
    assert_eq!(engine.version().unwrap().contents[&table].len(), 400);
    assert_eq!(engine.catalog, "text");
    drop(engine);
    std::fs::remove_dir_all(&path).unwrap();
}
