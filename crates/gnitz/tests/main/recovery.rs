//! What is there after a restart: everything that was acknowledged, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use gnitz::{Database, Sync};
use storage::{Fault, FaultFs, MemFs};

use crate::{check, rows, run, state};

/// A directory that goes away with the test.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("gnitz-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Directory(path)
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub fn open(&self) -> Database {
        Database::open(&self.0).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, g TEXT DEFAULT 'none', n INTEGER);
    CREATE MATERIALIZED VIEW v AS SELECT g, COUNT(*) AS c, SUM(n) AS s, MIN(n) AS lo FROM t GROUP BY g;
    CREATE MATERIALIZED VIEW w AS SELECT a.id, b.c FROM t a JOIN v b ON a.g = b.g";

#[test]
fn write_restart_write_kill_restart() {
    let directory = Directory::new("restart");
    {
        let database = directory.open();
        let session = database.session();
        run(&session, SCHEMA);
        for id in 0..50 {
            run(&session, &format!("INSERT INTO t VALUES ({id}, 'g{}', {id})", id % 4));
        }
        database.close().unwrap();
    }
    let epoch = {
        let database = directory.open();
        let session = database.session();
        check(&session);
        assert_eq!(rows(&session, "SELECT count(*) FROM w"), ["50"]);
        run(
            &session,
            "DELETE FROM t WHERE id < 10; UPDATE t SET g = NULL WHERE id = 11; INSERT INTO t (id) VALUES (99)",
        );
        database.epoch().unwrap()
        // Dropped without being closed: the log has the rest.
    };
    let database = directory.open();
    let session = database.session();
    assert_eq!(database.epoch().unwrap(), epoch);
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["41"]);
    assert_eq!(rows(&session, "SELECT g FROM t WHERE id IN (11, 99) ORDER BY id"), ["-", "none"]);
    check(&session);
    run(&session, "INSERT INTO t VALUES (0, 'again', 1); DROP MATERIALIZED VIEW w");
    check(&session);
    assert!(database.epoch().unwrap() > epoch);
}

#[test]
fn one_process_holds_a_directory() {
    let directory = Directory::new("lock");
    let first = directory.open();
    assert_eq!(Database::open(&directory.0).err().map(|e| e.sqlstate()), Some("55006"));
    drop(first);
    directory.open();
}

#[test]
fn checkpoints_under_load_lose_nothing() {
    let fs = MemFs::new();
    for background in [false, true] {
        let builder = Database::builder().sync(Sync::Full).checkpoint_bytes(4_000).shard_bytes(20_000);
        let builder = if background { builder } else { builder.inline_maintenance() };
        let database = builder.clone().open_fs(Arc::new(fs.clone())).unwrap();
        let session = database.session();
        run(&session, "DROP TABLE IF EXISTS t CASCADE");
        run(&session, SCHEMA);
        for id in 0..300 {
            run(&session, &format!("INSERT INTO t VALUES ({id}, 'g{}', {})", id % 5, id * 3));
            if id % 7 == 0 {
                run(&session, &format!("DELETE FROM t WHERE id = {}", id / 2));
            }
        }
        let expected = rows(&session, "SELECT * FROM t ORDER BY id");
        check(&session);
        drop((session, database));
        let database = builder.open_fs(Arc::new(fs.clone())).unwrap();
        let session = database.session();
        assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), expected);
        check(&session);
    }
}

/// The workload of the fault test: statements, each of which must be there after a restart if it succeeded.
pub const STATEMENTS: &[&str] = &[
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
    "INSERT INTO t VALUES (1, 10), (2, 20)",
    "CREATE MATERIALIZED VIEW v AS SELECT n % 3 AS k, COUNT(*) AS c, MAX(n) AS hi FROM t GROUP BY n % 3",
    "INSERT INTO t VALUES (3, 30)",
    "UPDATE t SET n = n + 1",
    "CREATE MATERIALIZED VIEW w AS SELECT a.id, b.c FROM t a JOIN v b ON a.n % 3 = b.k",
    "INSERT INTO t SELECT id + 10, n * 2 FROM t",
    "DROP MATERIALIZED VIEW w",
    "DELETE FROM t WHERE id = 2",
];

/// What a client sees of the database: relations and rows.
pub fn contents(database: &Database) -> Vec<String> {
    let session = database.session();
    check(&session);
    let mut seen = rows(&session, "SELECT name FROM gnitz_tables WHERE kind <> 'system' ORDER BY name");
    if seen.contains(&"t".to_string()) {
        seen.extend(rows(&session, "SELECT * FROM t ORDER BY id"));
    }
    seen
}

pub fn open(fs: Arc<dyn storage::Fs>) -> gnitz::Result<Database> {
    Database::builder().checkpoint_bytes(300).inline_maintenance().open_fs(fs)
}

#[test]
fn whatever_call_fails_nothing_acknowledged_is_lost() {
    // The contents after each prefix of the statements.
    let database = open(Arc::new(MemFs::new())).unwrap();
    let mut prefixes = vec![contents(&database)];
    for statement in STATEMENTS {
        run(&database.session(), statement);
        prefixes.push(contents(&database));
    }
    for fault in [Fault::Io, Fault::ShortWrite, Fault::FailedSync, Fault::NoSpaceToSync] {
        for call in (1..).step_by(3) {
            let memory = MemFs::new();
            let faulty = FaultFs::new(memory.clone(), fault, call);
            let mut acknowledged = 0;
            if let Ok(database) = open(Arc::new(faulty.clone())) {
                let session = database.session();
                acknowledged = STATEMENTS.iter().take_while(|sql| session.execute(sql).is_ok()).count();
                assert_eq!(database.check_writable().is_ok(), acknowledged == STATEMENTS.len());
                if acknowledged < STATEMENTS.len() {
                    assert_eq!(
                        state(&session, "CREATE TABLE other (a INTEGER)"),
                        "58030",
                        "{fault:?} {call}"
                    );
                    contents(&database);
                }
            }
            let database = open(Arc::new(memory)).unwrap_or_else(|error| panic!("{fault:?} {call}: {error}"));
            let found = contents(&database);
            let kept = prefixes.iter().rposition(|prefix| *prefix == found);
            assert!(
                kept >= Some(acknowledged) && kept <= Some(acknowledged + 1),
                "{fault:?} {call}: {found:?}"
            );
            if !faulty.struck() {
                break;
            }
        }
    }
}
