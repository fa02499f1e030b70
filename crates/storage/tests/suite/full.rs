//! A disk that is full for a while: what does not fit is refused and leaves nothing behind, everything else goes on, and
//! with the space the database goes on as if nothing had been.

use std::sync::Arc;

use storage::{Fault, FaultFs, Fs, MemFs, Options, RecordingFs, StorageError, Survival, Sync};
use zset::{CollectionId, Deltas};

use super::model::{Engine, Step, Version, Workload, batch, check, options};

/// What a write does before it says that there is no space.
const FAULTS: [Fault; 3] = [Fault::NoSpace, Fault::NoSpaceHalfway, Fault::NoSpaceAfterwards];

fn with(sync: Sync) -> Options {
    Options { sync, ..options() }
}

/// Opens the database, once there is space for a new one.
fn open(faulty: &FaultFs, sync: Sync, refused: &mut usize) -> Engine {
    loop {
        match Engine::open(Arc::new(faulty.clone()), with(sync)) {
            Ok(engine) => return engine,
            Err(error) => {
                assert!(error.is_full() && error.sqlstate() == "53100", "{error}");
                assert!(faulty.list().unwrap().is_empty(), "a new database that does not fit leaves nothing");
                *refused += 1;
            }
        }
    }
}

/// Runs a workload over a disk that is full for some calls; returns how many steps were refused.
fn run(seed: u64, sync: Sync, (fault, times): (Fault, u64), k: u64) -> Option<usize> {
    let what = || format!("seed {seed} {sync:?} {fault:?} at call {k} and {times} in all");
    let disk = MemFs::new();
    let faulty = FaultFs::new(disk.clone(), fault, k).lasting(times);
    let mut refused = 0;
    let mut engine = open(&faulty, sync, &mut refused);
    let mut workload = Workload::new(seed);
    for _ in 0..30 {
        if let Err(error) = workload.step(&mut engine) {
            assert!(error.is_full(), "{}: {error}", what());
            assert_eq!(engine.store.poisoned(), None, "{}", what());
            refused += 1;
            // Readers see what was there, and so does who opens the database as it is on the disk now.
            let now = std::slice::from_ref(&workload.now);
            assert_eq!(engine.version().unwrap(), now[0], "{}", what());
            check(Arc::new(MemFs::from_image(&disk.image())), now, now[0].epoch, &what);
        }
    }
    faulty.end();
    goes_on(&mut engine, &mut workload, &disk, &what);
    faulty.struck().then_some(refused)
}

/// With space, everything works again, and no file is there that the database does not know.
fn goes_on(engine: &mut Engine, workload: &mut Workload, disk: &MemFs, what: &dyn Fn() -> String) {
    while workload.step(engine).unwrap() != Step::Committed {}
    assert_eq!(engine.version().unwrap(), workload.now, "{}", what());
    workload.end_checkpoint(engine).unwrap();
    let catalog = engine.catalog.clone();
    engine.store.checkpoint(&mut engine.state, &catalog).unwrap();
    assert_eq!(engine.store.full(), None, "{}", what());
    assert_eq!(engine.version().unwrap(), workload.now, "{}", what());
    let image = disk.image();
    check(Arc::new(MemFs::from_image(&image)), &workload.history, workload.now.epoch, what);
    let shards: usize = engine.state.collections().map(|(_, spine)| spine.shape().1).sum();
    let others = image.keys().filter(|name| !name.starts_with("wal-")).count();
    assert_eq!(others, shards + 1, "{}: shards and the manifest, not {:?}", what(), image.keys());
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_the_database_goes_on() {
    let mut total = 0;
    for (seed, sync) in [(0, Sync::Full), (1, Sync::Full), (2, Sync::Normal), (3, Sync::Off)] {
        for fault in FAULTS {
            for times in [1, 2, 7, 19] {
                let refused: Vec<usize> = (0..).map_while(|k| run(seed, sync, (fault, times), k)).collect();
                assert!(refused.len() > 20, "{fault:?} struck {} runs", refused.len());
                total += refused.iter().sum::<usize>();
            }
        }
    }
    assert!(total > 5_000, "{total}");
}

/// The power fails while the disk is full, or soon after. What was refused may be there only as long as nobody was told.
#[test]
fn a_power_loss_on_a_full_disk_shows_what_was_acknowledged() {
    let mut images = 0;
    for (seed, fault) in (20..).zip([FAULTS, FAULTS].concat()) {
        for k in 2.. {
            let disk = RecordingFs::new();
            let faulty = FaultFs::recorded(disk.clone(), fault, k).lasting(1 + k % 5);
            let mut refused = 0;
            let mut engine = open(&faulty, Sync::Full, &mut refused);
            let mut workload = Workload::new(seed);
            let (mut acknowledged, mut withdrawn) = (vec![(disk.position(), 0)], Vec::new());
            let mut first = None;
            for _ in 0..25 {
                let before = disk.position();
                match workload.step(&mut engine) {
                    Ok(Step::Quiet) => {}
                    Ok(_) => acknowledged.push((disk.position(), workload.now.epoch)),
                    Err(error) => {
                        assert!(error.is_full(), "{error}");
                        let until = disk.position();
                        withdrawn.extend(workload.withdrawn.drain(..).map(|version| (until, version)));
                    }
                }
                if faulty.struck() {
                    first = first.or(Some(before));
                }
            }
            let Some(first) = first else { break };
            let recording = disk.recording();
            let mut replay = recording.replay();
            while replay.boundary() < first && replay.advance() {}
            loop {
                let boundary = replay.boundary();
                let known = acknowledged.partition_point(|&(position, _)| position <= boundary);
                let least = acknowledged[..known].last().map_or(0, |&(_, epoch)| epoch);
                let mut history: Vec<Version> = workload.history.clone();
                let not_told = withdrawn.iter().filter(|&&(until, _)| boundary < until);
                history.extend(not_told.map(|(_, version)| version.clone()));
                for survival in [Survival::All, Survival::None, Survival::Random] {
                    let image = replay.image(survival, k);
                    let what =
                        || format!("seed {seed} {fault:?} at call {k}: boundary {boundary} {survival:?}");
                    check(Arc::new(MemFs::from_image(&image)), &history, least, &what);
                    images += 1;
                }
                if boundary > first + 40 || !replay.advance() {
                    break;
                }
            }
        }
    }
    assert!(images > 10_000, "{images}");
}

/// A database with one table, and a row for a commit.
fn one_table(faulty: &FaultFs, options: Options) -> (Engine, CollectionId) {
    let mut engine = Engine::open(Arc::new(faulty.clone()), options).unwrap();
    let (table, view) = (engine.state.allocate(), engine.state.allocate());
    engine.state.insert(table, 1).unwrap();
    engine.state.insert(view, 1).unwrap();
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    (engine, table)
}

fn row(table: CollectionId, key: u8) -> Deltas {
    Deltas::from([(table, batch(&[(vec![key + 1, 0], 1)].into()))])
}

#[test]
fn a_checkpoint_that_found_no_space_is_not_tried_at_every_commit() {
    let faulty = FaultFs::new(MemFs::new(), Fault::NoSpace, u64::MAX);
    let (mut engine, table) = one_table(&faulty, Options { checkpoint_bytes: 4_000, ..options() });
    let mut key = 0;
    let mut commit = |engine: &mut Engine| {
        engine.commit(&row(table, key % 100)).unwrap();
        key += 1;
    };
    while !engine.store.checkpoint_due(&engine.state) {
        commit(&mut engine);
    }
    for _ in 0..3 {
        faulty.begin(0, u64::MAX);
        let failed = engine.store.checkpoint(&mut engine.state, "").unwrap_err();
        assert!(matches!(failed, StorageError::Full { .. }), "{failed}");
        engine.state.reopen();
        faulty.end();
        let bytes = engine.store.wal_bytes();
        assert!(!engine.store.checkpoint_due(&engine.state));
        assert_eq!(engine.store.full(), Some(failed));
        while !engine.store.checkpoint_due(&engine.state) {
            commit(&mut engine);
        }
        let grown = engine.store.wal_bytes() - bytes;
        assert!((500..1_000).contains(&grown), "{grown}");
    }
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    assert_eq!(engine.store.full(), None);
    assert!(engine.store.wal_bytes() < 100);
}

#[test]
fn shards_are_not_merged_where_there_is_no_space_to_merge_them() {
    let disk = MemFs::new();
    let faulty = FaultFs::new(disk.clone(), Fault::NoSpaceHalfway, u64::MAX);
    let (mut engine, table) = one_table(&faulty, options());
    let mut merged = 0;
    for key in 0..40 {
        engine.commit(&row(table, key)).unwrap();
        let before = engine.version().unwrap();
        let shards = engine.state.spine(table).unwrap().shape().1;
        let job = engine.store.begin_checkpoint(&mut engine.state, "").unwrap();
        // The first shard that the job writes does not fit, all others do.
        faulty.begin(0, 1);
        let edit = job.run().unwrap();
        let installed = engine.store.install(edit).unwrap();
        let replaced = engine.store.finish(installed, &mut engine.state);
        engine.store.discard(replaced);
        assert_eq!(engine.version().unwrap(), before);
        merged += usize::from(engine.state.spine(table).unwrap().shape().1 <= shards);
    }
    assert_eq!(merged, 0);
    engine.commit(&row(table, 50)).unwrap();
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    let shards: usize = engine.state.collections().map(|(_, spine)| spine.shape().1).sum();
    assert!(shards < 40, "{shards}");
    assert_eq!(disk.image().keys().filter(|name| name.starts_with("shard-")).count(), shards);
}

/// The log of a change of the catalog is for those who resume, so it may come later, but not be left out.
#[test]
fn the_record_of_an_installed_epoch_goes_before_the_next() {
    let disk = MemFs::new();
    let faulty = FaultFs::new(disk.clone(), Fault::NoSpaceHalfway, u64::MAX);
    let (mut engine, table) = one_table(&faulty, Options { history_bytes: 1 << 20, ..options() });
    engine.commit(&row(table, 1)).unwrap();
    for key in [2, 3] {
        let epoch = engine.state.epoch + 1;
        let mut state = engine.state.with(&row(table, key), epoch).unwrap();
        engine.store.checkpoint(&mut state, "").unwrap();
        engine.state = state;
        faulty.begin(0, u64::MAX);
        engine.store.append_installed(epoch, &row(table, key)).unwrap();
        faulty.end();
        assert_eq!(engine.store.changes_between(1, epoch).unwrap(), None);
    }
    faulty.begin(0, u64::MAX);
    assert!(engine.commit(&row(table, 4)).unwrap_err().is_full());
    faulty.end();
    engine.commit(&row(table, 5)).unwrap();
    let changes = engine.store.changes_between(1, 4).unwrap().unwrap();
    let keys: Vec<u8> = changes[&table].iter().map(|(key, _, _)| key[0]).collect();
    assert_eq!((engine.state.epoch, keys), (4, vec![3, 4, 6]));
    drop(engine);
    let engine = Engine::open(Arc::new(disk), options()).unwrap();
    let keys: Vec<u8> = engine.version().unwrap().contents[&table].keys().map(|key| key[0]).collect();
    assert_eq!((engine.state.epoch, keys), (4, vec![2, 3, 4, 6]));
}
