//! Readers and writers at once: each reader sees one epoch whole, writers share the log, nobody loses a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gnitz::{Database, Datum, Fs, Sync, Type, Value};
use storage::{MemFs, RecordingFs, Survival};

use crate::{check, memory, rows, run, state};

#[test]
fn a_reader_sees_one_epoch_whole() {
    let (database, session) = memory();
    run(
        &session,
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER); CREATE TABLE b (id INTEGER PRIMARY KEY, n INTEGER);
         CREATE MATERIALIZED VIEW balance AS SELECT SUM(n) AS s FROM (SELECT n FROM a UNION ALL SELECT n FROM b) x;
         INSERT INTO a VALUES (1, 500); INSERT INTO b VALUES (1, 500)",
    );
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (session, stop) = (database.session(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let sum = "SELECT (SELECT sum(n) FROM a) + (SELECT sum(n) FROM b), (SELECT s FROM balance)";
                let mut reads = 0;
                while !stop.load(Ordering::Relaxed) || reads == 0 {
                    assert_eq!(rows(&session, sum), ["1000|1000"]);
                    reads += 1;
                }
            })
        })
        .collect();
    for step in 0..150 {
        let by = step % 13 - 6;
        run(&session, &format!("BEGIN; UPDATE a SET n = n + {by}; UPDATE b SET n = n - {by}; COMMIT"));
    }
    stop.store(true, Ordering::Relaxed);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    check(&session);
}

#[test]
fn statements_of_many_sessions_never_conflict() {
    let (database, session) = memory();
    run(
        &session,
        "CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO counter VALUES (1, 0);
                   CREATE MATERIALIZED VIEW v AS SELECT SUM(n) AS s FROM counter",
    );
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let session = database.session();
            std::thread::spawn(move || {
                for _ in 0..100 {
                    run(&session, "UPDATE counter SET n = n + 1 WHERE id = 1");
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(rows(&session, "SELECT n, s FROM counter, v"), ["400|400"]);
}

#[test]
fn a_running_statement_can_be_stopped() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let mut appender = session.appender("t").unwrap();
    for id in 0..3_000 {
        appender.append_row(&[gnitz::Datum::Int(id)]).unwrap();
    }
    appender.flush().unwrap();
    let stopped = |sql: &str| {
        let handle = session.cancel_handle();
        let canceller = std::thread::spawn(move || {
            // Pressed more than once: a press before the statement begins is forgotten.
            for _ in 0..200 {
                std::thread::sleep(Duration::from_millis(5));
                handle.cancel();
            }
        });
        assert_eq!(state(&session, sql), "57014", "{sql}");
        canceller.join().unwrap();
    };
    stopped("SELECT count(*) FROM t a, t b, t c WHERE a.id + b.id = c.id + 1");
    stopped("CREATE MATERIALIZED VIEW v AS SELECT a.id + b.id * c.id AS x FROM t a, t b, t c");
    assert_eq!(rows(&session, "SELECT count(*) FROM gnitz_views"), ["0"]);
}

#[test]
fn commits_that_others_settle_are_durable_and_seen_then() {
    let disk = RecordingFs::new();
    let open = |fs: Arc<dyn Fs>| {
        let builder = Database::builder().sync(Sync::Full).checkpoint_bytes(3_000).inline_maintenance();
        builder.open_fs(fs).unwrap()
    };
    let database = open(Arc::new(disk.clone()));
    let session = database.session();
    run(&session, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)");
    run(&session, "CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS c, SUM(n) AS s FROM t");
    let (commits, unsettled) = std::sync::mpsc::channel();
    let settler = std::thread::spawn(move || {
        // Out of order: the last one to come carries those before it.
        while let Ok(first) = unsettled.recv() {
            let mut waiting: Vec<gnitz::Commit> = unsettled.try_iter().chain([first]).collect();
            waiting.drain(..).for_each(|commit| commit.settle().unwrap());
        }
    });
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (session, commits) = (database.session(), commits.clone());
            std::thread::spawn(move || {
                let upsert = "INSERT INTO t VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1";
                let upsert = session.prepare(upsert).unwrap();
                let commit = session.prepare("COMMIT").unwrap();
                for step in 0..100 {
                    let grouped = step % 5 == 0;
                    // A transaction begins on what has been settled, so it takes rows of its own.
                    let id = writer * 1_000 + if grouped { 500 + step } else { step % 40 };
                    let id = [Value { datum: Datum::Int(id), ty: Type::Int32 }];
                    if grouped {
                        run(&session, "BEGIN");
                    }
                    let (_, pending) = upsert.execute_briefly(&id).unwrap();
                    assert_eq!(pending.is_none(), grouped);
                    let pending = if grouped { commit.execute_briefly(&[]).unwrap().1 } else { pending };
                    commits.send(pending.expect("a commit")).unwrap();
                }
            })
        })
        .collect();
    drop(commits);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    settler.join().unwrap();
    let expected = rows(&session, "SELECT * FROM t ORDER BY id");
    assert_eq!(expected.len(), 3 * (32 + 20));
    assert_eq!(rows(&session, "SELECT c, s FROM total"), ["156|300"]);
    // The power fails, and nothing is left that was not synced.
    let recording = disk.recording();
    let image = recording.image(recording.boundaries() - 1, Survival::None, 0);
    let database = open(Arc::new(MemFs::from_image(&image)));
    let session = database.session();
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), expected);
    check(&session);
}

#[test]
fn checkpoints_and_new_views_run_beside_commits() {
    let fs = MemFs::new();
    let open = || {
        Database::builder().checkpoint_bytes(3_000).shard_bytes(9_000).open_fs(Arc::new(fs.clone())).unwrap()
    };
    let database = open();
    let session = database.session();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, w INTEGER, n INTEGER);
         CREATE MATERIALIZED VIEW per_writer AS SELECT w, COUNT(*) AS c, SUM(n) AS s, MAX(n) AS hi FROM t GROUP BY w",
    );
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let session = database.session();
            std::thread::spawn(move || {
                for step in 0..150 {
                    let id = writer * 1_000 + step;
                    run(&session, &format!("INSERT INTO t VALUES ({id}, {writer}, {step})"));
                    run(&session, &format!("BEGIN; UPDATE t SET n = n + 1 WHERE id = {id}; DELETE FROM t WHERE id = {}; COMMIT", id - 20));
                }
            })
        })
        .collect();
    for round in 0..12 {
        run(
            &session,
            &format!(
                "CREATE MATERIALIZED VIEW v{round} AS SELECT a.id FROM t a JOIN t b ON a.n = b.n AND a.w < b.w"
            ),
        );
        check(&session);
        run(&session, &format!("DROP MATERIALIZED VIEW v{round}"));
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let expected = rows(&session, "SELECT * FROM t ORDER BY id");
    assert_eq!(expected.len(), 60);
    check(&session);
    drop((session, database));
    let session = open().session();
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), expected);
    check(&session);
}
