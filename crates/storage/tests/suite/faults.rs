//! Calls that fail: every k-th one, in every way. The database must stop, and hold what it acknowledged.

use std::sync::Arc;

use storage::{Fault, FaultFs, MemFs, StorageError};
use zset::Deltas;

use super::model::{Engine, Step, Workload, check, options};

/// Runs a workload into the fault, which strikes so many calls; returns whether it struck, and poisoned the database.
fn run(seed: u64, (fault, times): (Fault, u64), k: u64) -> (bool, bool) {
    let disk = MemFs::new();
    let faulty = FaultFs::new(disk.clone(), fault, k).lasting(times);
    let mut poisoned = false;
    let mut workload = Workload::new(seed);
    let mut acknowledged = 0;
    let what = || format!("seed {seed} {fault:?} at call {k}");
    if let Ok(mut engine) = Engine::open(Arc::new(faulty.clone()), options()) {
        for _ in 0..30 {
            match workload.step(&mut engine) {
                Ok(Step::Quiet) => {}
                Ok(_) => acknowledged = workload.now.epoch,
                Err(error) if error.is_full() => {}
                Err(error) => {
                    assert!(matches!(error, StorageError::Io { .. }), "{}: {error}", what());
                    poisoned = true;
                    refuses(&mut engine, &what);
                    break;
                }
            }
        }
    }
    check(Arc::new(disk), &workload.history, acknowledged, &what);
    (faulty.struck(), poisoned)
}

/// After a failure nothing is committed any more, and the answer says why.
fn refuses(engine: &mut Engine, what: &dyn Fn() -> String) {
    assert!(engine.store.poisoned().is_some(), "{}", what());
    // The failed epoch may be in the log; a later one must not follow it.
    engine.state.epoch += 1;
    let refused = engine.commit(&Deltas::new());
    assert!(matches!(refused, Err(StorageError::Poisoned { .. })), "{}: {refused:?}", what());
    let refused = engine.store.begin_checkpoint(&mut engine.state, "");
    assert!(matches!(refused, Err(StorageError::Poisoned { .. })), "{}", what());
}

#[test]
fn a_failed_call_stops_the_database_and_loses_nothing() {
    for fault in [Fault::Io, Fault::ShortWrite, Fault::FailedSync, Fault::NoSpaceToSync] {
        for seed in 0..3 {
            let struck = (0..).take_while(|&k| run(seed, (fault, 1), k).0).count();
            assert!(struck > 10, "{fault:?} struck {struck} calls");
        }
    }
}

#[test]
fn what_cannot_be_taken_back_stops_the_database() {
    for seed in 0..3 {
        let runs = (0..).map(|k| run(seed, (Fault::NoSpaceNorWayBack, u64::MAX), k));
        let poisoned = runs.take_while(|(struck, _)| *struck).filter(|(_, poisoned)| *poisoned).count();
        assert!(poisoned > 10, "{poisoned} runs");
    }
}

#[test]
fn a_failed_open_changes_nothing() {
    let disk = MemFs::new();
    let mut workload = Workload::new(5);
    let mut engine = Engine::open(Arc::new(disk.clone()), options()).unwrap();
    for _ in 0..30 {
        workload.step(&mut engine).unwrap();
    }
    drop(engine);
    let image = disk.image();
    for k in 0.. {
        let disk = MemFs::from_image(&image);
        let faulty = FaultFs::new(disk.clone(), Fault::Io, k);
        let failed = Engine::open(Arc::new(faulty.clone()), options()).is_err();
        assert_eq!(failed, faulty.struck());
        check(Arc::new(disk), &workload.history, workload.now.epoch, &|| format!("open failing at call {k}"));
        if !failed {
            break;
        }
    }
}
