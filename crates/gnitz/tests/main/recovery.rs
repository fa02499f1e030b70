//! What is there after a restart: everything that was acknowledged, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use gnitz::{Database, Sync};
use storage::{Fault, FaultFs, MemFs};

use crate::{check, rows, run, state};

/// A directory that goes away with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("gnitz-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Directory(path)
    }

    fn open(&self) -> Database {
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

#[test]
fn a_failed_sync_stops_commits_and_says_so() {
    let memory = MemFs::new();
    let database = Database::builder().inline_maintenance().open_fs(Arc::new(memory.clone())).unwrap();
    run(&database.session(), SCHEMA);
    run(&database.session(), "INSERT INTO t VALUES (1, 'a', 1)");
    drop(database);
    for call in 1..40 {
        let fs = Arc::new(FaultFs::new(memory.clone(), Fault::FailedSync, call));
        let Ok(database) = Database::builder().inline_maintenance().open_fs(fs) else { continue };
        let session = database.session();
        let before = rows(&session, "SELECT count(*) FROM t");
        if session.execute("INSERT INTO t VALUES (1000, 'b', 1)").is_ok() {
            run(&session, "DELETE FROM t WHERE id = 1000");
            continue;
        }
        assert_eq!(state(&session, "INSERT INTO t VALUES (1001, 'b', 1)"), "58030");
        assert_eq!(rows(&session, "SELECT count(*) FROM t"), before);
        break;
    }
    let database = Database::builder().open_fs(Arc::new(memory)).unwrap();
    check(&database.session());
}
