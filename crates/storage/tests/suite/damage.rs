//! Bytes that rot: a flipped bit anywhere is an error or changes nothing, it is never another answer.

use std::sync::Arc;

use arrow_buffer::Buffer;
use storage::{Image, MemFs, Options, Random, StorageError};

use super::model::{Engine, Step, Version, Workload, batch, options};

/// Damage to history is told only when it is read, so there is none here.
fn unhistoric() -> Options {
    Options { history_bytes: 0, ..options() }
}

/// A database at rest and its history.
fn at_rest(seed: u64) -> (Image, Vec<Version>) {
    let disk = MemFs::new();
    let mut engine = Engine::open(Arc::new(disk.clone()), unhistoric()).unwrap();
    let mut workload = Workload::new(seed);
    for _ in 0..40 {
        workload.step(&mut engine).unwrap();
    }
    while workload.step(&mut engine).unwrap() != Step::Committed {}
    drop(engine);
    // Opening once more removes what a checkpoint under way has left.
    Engine::open(Arc::new(disk.clone()), unhistoric()).unwrap();
    (disk.image(), workload.history)
}

fn reopen(image: &Image) -> Result<Version, StorageError> {
    Engine::open(Arc::new(MemFs::from_image(image)), unhistoric())?.version()
}

#[test]
fn a_flipped_byte_is_told() {
    let (mut told, mut silent) = (0, 0);
    for seed in 0..4 {
        let (image, history) = at_rest(seed);
        let newest = history.last().unwrap();
        assert_eq!(reopen(&image).unwrap(), *newest);
        let mut random = Random::new(seed);
        for (name, bytes) in &image {
            for _ in 0..200 {
                let mut damaged = bytes.to_vec();
                let at = random.below(damaged.len() as u64) as usize;
                damaged[at] ^= 1 << random.below(8);
                let mut image = image.clone();
                image.insert(name.clone(), Buffer::from_vec(damaged));
                match reopen(&image) {
                    Err(StorageError::Corrupt { file, .. }) => {
                        assert_eq!(file, *name);
                        told += 1;
                    }
                    Err(error) => panic!("seed {seed} {name} byte {at}: {error}"),
                    // The last record of the log cannot be told from one that a crash tore.
                    Ok(version) => {
                        assert!(name.starts_with("wal-"), "seed {seed} {name} byte {at}");
                        assert!(version.epoch + 1 >= newest.epoch, "seed {seed} {name} byte {at}");
                        assert!(history.contains(&version), "seed {seed} {name} byte {at}");
                        silent += 1;
                    }
                }
            }
        }
    }
    assert!(told > 10 * silent, "{told} told, {silent} silent");
}

#[test]
fn a_missing_file_is_told() {
    let (image, history) = at_rest(7);
    for name in image.keys() {
        let mut image = image.clone();
        image.remove(name);
        match reopen(&image) {
            Err(_) => {}
            Ok(version) => {
                // A superseded file that was about to be removed anyway.
                assert_eq!(Some(&version), history.last(), "{name}");
            }
        }
    }
}

/// Opening must cost the same for a kilobyte and a gigabyte; so it cannot see this, and reading must.
#[test]
fn opening_reads_no_rows_and_reading_verifies_them() {
    let disk = MemFs::new();
    let mut engine = Engine::open(Arc::new(disk.clone()), unhistoric()).unwrap();
    let table = engine.state.allocate();
    engine.state.insert(table, 1).unwrap();
    let rows = (0..100).map(|byte| (vec![byte], 1)).collect();
    engine.state = engine.state.with(&[(table, batch(&rows))].into(), 1).unwrap();
    engine.store.checkpoint(&mut engine.state, "").unwrap();
    let mut image = disk.image();
    let mut bytes = image["shard-1"].to_vec();
    bytes[64] ^= 1;
    image.insert("shard-1".to_string(), Buffer::from_vec(bytes));
    let engine = Engine::open(Arc::new(MemFs::from_image(&image)), unhistoric()).unwrap();
    let expected = |error| matches!(error, StorageError::Corrupt { region: "W", offset: 64, .. });
    assert!(expected(engine.state.runs(table).unwrap_err()));
    assert!(expected(engine.state.verify([table]).unwrap_err()));
    assert!(expected(engine.state.spine(table).unwrap().runs_with_prefix(&[5]).unwrap_err()));
}
