//! Power losses: at every boundary of random workloads, by every policy, and again inside recovery.

use std::sync::Arc;

use storage::{Image, MemFs, Options, Recording, RecordingFs, Survival, Sync};
use zset::Deltas;

use super::model::{Engine, Step, Version, Workload, check, options};

/// A recorded workload: the calls, the history, and from which boundary on which epoch must survive.
struct Run {
    recording: Recording,
    history: Vec<Version>,
    acknowledged: Vec<(usize, u64)>,
}

fn record(seed: u64, steps: usize) -> Run {
    record_with(seed, steps, Sync::Full)
}

/// With `Sync::Normal` the process is also killed and started again now and then: what the new one shows must
/// survive a power loss from then on.
fn record_with(seed: u64, steps: usize, sync: Sync) -> Run {
    let disk = RecordingFs::new();
    let options = Options { sync, ..options() };
    let mut engine = Engine::open(Arc::new(disk.clone()), options.clone()).unwrap();
    let mut workload = Workload::new(seed);
    let mut acknowledged = vec![(disk.position(), 0)];
    for step in 0..steps {
        let mut survives = match workload.step(&mut engine).unwrap() {
            Step::Quiet => false,
            Step::Committed => sync == Sync::Full,
            Step::Checkpointed => true,
        };
        if sync == Sync::Normal && step % 6 == 5 {
            workload.forget_checkpoint();
            drop(engine);
            engine = Engine::open(Arc::new(disk.clone()), options.clone()).unwrap();
            survives = true;
        }
        if survives {
            acknowledged.push((disk.position(), workload.now.epoch));
        }
    }
    assert_eq!(engine.version().unwrap(), workload.now);
    Run { recording: disk.recording(), history: workload.history, acknowledged }
}

impl Run {
    fn acknowledged(&self, boundary: usize) -> u64 {
        let known = self.acknowledged.partition_point(|&(position, _)| position <= boundary);
        if known == 0 { 0 } else { self.acknowledged[known - 1].1 }
    }

    /// Calls `visit` with every image: two fixed ones a boundary, and `random` more.
    fn images(&self, random: u64, mut visit: impl FnMut(usize, Survival, u64, Image)) {
        let mut replay = self.recording.replay();
        loop {
            let boundary = replay.boundary();
            visit(boundary, Survival::All, 0, replay.image(Survival::All, 0));
            visit(boundary, Survival::None, 0, replay.image(Survival::None, 0));
            for seed in 0..random {
                visit(boundary, Survival::Random, seed, replay.image(Survival::Random, seed));
            }
            if !replay.advance() {
                return;
            }
        }
    }
}

#[test]
fn every_image_holds_a_prefix_with_all_that_was_acknowledged() {
    let mut images = 0;
    for seed in 0..12 {
        let run = record(seed, 40);
        run.images(3, |boundary, survival, sub, image| {
            let what = || format!("seed {seed} boundary {boundary} {survival:?} {sub}");
            check(Arc::new(MemFs::from_image(&image)), &run.history, run.acknowledged(boundary), &what);
            images += 1;
        });
    }
    assert!(images > 10_000, "{images}");
}

#[test]
fn without_commit_syncs_a_prefix_survives_from_the_last_checkpoint_on() {
    for seed in 300..304 {
        let run = record_with(seed, 40, Sync::Normal);
        run.images(3, |boundary, survival, sub, image| {
            let what = || format!("seed {seed} boundary {boundary} {survival:?} {sub}");
            check(Arc::new(MemFs::from_image(&image)), &run.history, run.acknowledged(boundary), &what);
        });
    }
}

#[test]
fn crashes_inside_recovery_lose_nothing_that_was_shown() {
    for seed in 100..103 {
        let run = record(seed, 25);
        run.images(1, |boundary, survival, sub, image| {
            let acknowledged = run.acknowledged(boundary);
            let disk = RecordingFs::from_image(&image);
            let what = || format!("seed {seed} boundary {boundary} {survival:?} {sub}");
            let engine = check(Arc::new(disk.clone()), &run.history, acknowledged, &what);
            let shown = engine.state.epoch;
            drop(engine);
            let recording = disk.recording();
            let mut replay = recording.replay();
            loop {
                let last = replay.boundary() + 1 == recording.boundaries();
                for again in [Survival::All, Survival::None, Survival::Random] {
                    let image = replay.image(again, boundary as u64);
                    let least = if last { shown } else { acknowledged };
                    let what = || format!("{}, then {} {again:?}", what(), replay.boundary());
                    check(Arc::new(MemFs::from_image(&image)), &run.history, least, &what);
                }
                if !replay.advance() {
                    return;
                }
            }
        });
    }
}

#[test]
fn a_recovered_database_goes_on() {
    for seed in 200..204 {
        let run = record(seed, 25);
        run.images(1, |boundary, survival, sub, image| {
            let what = || format!("seed {seed} boundary {boundary} {survival:?} {sub}");
            let fs = Arc::new(MemFs::from_image(&image));
            let mut engine = check(fs.clone(), &run.history, run.acknowledged(boundary), &what);
            engine.commit(&Deltas::new()).unwrap();
            let catalog = engine.catalog.clone();
            if boundary % 2 == 0 {
                engine.store.checkpoint(&mut engine.state, &catalog).unwrap();
                engine.commit(&Deltas::new()).unwrap();
            }
            let before = engine.version().unwrap();
            drop(engine);
            let again = Engine::open(fs, options()).unwrap();
            assert_eq!(again.version().unwrap(), before, "{}", what());
        });
    }
}
