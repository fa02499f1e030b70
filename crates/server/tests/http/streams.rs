//! `GET /subscribe/{view}` as server-sent events.

use std::time::{Duration, Instant};

use gnitz::Database;
use serde_json::json;
use server::http::Access;

use super::client::{Event, Events, Server};
use super::websocket::Socket;

async fn view() -> Server {
    let server = Server::start().await;
    server.run(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, city TEXT);
         CREATE TABLE other (id BIGINT PRIMARY KEY);
         CREATE MATERIALIZED VIEW v AS SELECT city, count(*) AS n FROM t GROUP BY city;
         INSERT INTO t VALUES (1, 'Oslo'), (2, 'Oslo')",
    );
    server
}

fn change(weight: i64, city: &str, n: i64) -> serde_json::Value {
    json!({ "weight": weight, "row": { "city": city, "n": n } })
}

async fn next(events: &mut Events) -> Event {
    events.next().await.expect("an event")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contents_and_then_every_change() {
    let server = view().await;
    let mut events = Events::open(server.address, "/subscribe/v", &[]).await;
    let first = next(&mut events).await;
    let data = json!({ "event": "snapshot", "epoch": 4, "part": 0, "last": true, "changes": [change(1, "Oslo", 2)] });
    assert_eq!(first, Event { name: "snapshot".into(), id: Some(4), data });
    server.run("INSERT INTO t VALUES (3, 'Turin')");
    server.run("INSERT INTO other VALUES (1)");
    server.run("DELETE FROM t WHERE id = 1");
    let second = next(&mut events).await;
    assert_eq!((second.name.as_str(), second.id), ("delta", Some(5)));
    assert_eq!(second.data["changes"], json!([change(1, "Turin", 1)]));
    let third = next(&mut events).await;
    assert_eq!(third.id, Some(7));
    assert_eq!(third.data["changes"].as_array().unwrap().len(), 2);
    server.run("DROP MATERIALIZED VIEW v");
    let last = next(&mut events).await;
    assert_eq!((last.name.as_str(), &last.data["resume"]), ("end", &json!(7)));
    assert_eq!(events.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_contents_only_changes() {
    let server = view().await;
    let mut events = Events::open(server.address, "/subscribe/v?snapshot=false", &[]).await;
    server.run("INSERT INTO t VALUES (3, 'Turin')");
    let first = next(&mut events).await;
    assert_eq!((first.name.as_str(), first.id), ("delta", Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_of_epochs_that_changed_nothing() {
    let server = view().await;
    let mut events = Events::open(server.address, "/subscribe/v?progress=true", &[]).await;
    let first = next(&mut events).await;
    assert_eq!(first.name, "snapshot");
    let epoch = first.id.unwrap() + 1;
    server.run("INSERT INTO other VALUES (1)");
    let event = next(&mut events).await;
    let data = json!({"event":"progress","epoch":epoch});
    assert_eq!(event, Event { name: "progress".into(), id: Some(epoch), data });
    server.run("INSERT INTO t VALUES (3, 'Turin')");
    assert_eq!(next(&mut events).await.name, "delta");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_goes_on_or_begins_anew() {
    let server = view().await;
    let mut events = Events::open(server.address, "/subscribe/v", &[]).await;
    let epoch = next(&mut events).await.id.unwrap();
    server.run("INSERT INTO t VALUES (3, 'Turin')");
    server.run("DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 'Lima')");
    // What was missed comes as one change, without what came and went.
    let last = epoch.to_string();
    let mut events = Events::open(server.address, "/subscribe/v", &[("last-event-id", &last)]).await;
    let event = next(&mut events).await;
    assert_eq!((event.name.as_str(), event.id), ("delta", Some(epoch + 3)));
    assert!(!event.data.to_string().contains("Turin"), "{}", event.data);
    // At epoch 0 there was no such view: the contents replace what the reader has.
    let mut events = Events::open(server.address, "/subscribe/v?as_of=0", &[]).await;
    assert_eq!(next(&mut events).await.name, "snapshot");
    server.get("/subscribe/v?as_of=0&snapshot=false").await.problem(410, "55000");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_refused() {
    let server = view().await;
    server.get("/subscribe/nothing").await.problem(404, "42P01");
    server.get("/subscribe/gnitz_tables").await.problem(400, "42809");
    for query in ["snapshot=perhaps", "from=1", "format=xml", "format=arrow", "as_of=x"] {
        server.get(&format!("/subscribe/v?{query}")).await.problem(400, "22023");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_contents_come_in_parts() {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    let session = server.database.session();
    let mut appender = session.appender("t").unwrap();
    (0..2_500_i64).for_each(|id| appender.append_row(&[id.into()]).unwrap());
    appender.flush().unwrap();
    let mut events = Events::open(server.address, "/subscribe/t", &[]).await;
    let mut rows = 0;
    for part in 0..3 {
        let event = next(&mut events).await;
        assert_eq!((&event.data["part"], &event.data["last"]), (&json!(part), &json!(part == 2)));
        assert_eq!(event.id, (part == 2).then_some(2));
        rows += event.data["changes"].as_array().unwrap().len();
    }
    assert_eq!(rows, 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_says_that_it_is_alive() {
    let server = Server::with(|config| config.http.heartbeat = Duration::from_millis(50)).await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    let mut events = Events::open(server.address, "/subscribe/t?snapshot=false", &[]).await;
    assert_eq!(events.connection.chunk().await.unwrap(), b": alive\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_readers_cost_commits_little() {
    let server = view().await;
    let open = (0..300).map(|_| Events::open(server.address, "/subscribe/v?snapshot=false", &[]));
    let mut all = futures::future::join_all(open).await;
    let metrics = server.get("/metrics").await;
    assert!(metrics.text().contains("gnitz_subscriptions{transport=\"sse\"} 300"), "{}", metrics.text());
    let begun = Instant::now();
    for id in 0..20 {
        server.run(&format!("INSERT INTO t VALUES ({}, 'Rome')", 100 + id));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "20 commits took {took:?}");
    let counted = all.iter_mut().map(|events| async move {
        let mut rome = 0;
        while rome < 20 {
            for change in next(events).await.data["changes"].as_array().unwrap() {
                rome += change["weight"].as_i64().unwrap() * change["row"]["n"].as_i64().unwrap();
            }
        }
        rome
    });
    for rome in futures::future::join_all(counted).await {
        assert_eq!(rome, 20);
    }
    // 300 readers and the threads of the tests: a thread for each reader would be far more.
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    assert!(threads < 1_000, "{threads} threads");
}

/// A reader that does not read: commits go on, its stream ends, and when it reads again it sees where to go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_is_let_go() {
    let server = Server::with(|config| config.http.drain_timeout = Duration::from_millis(300)).await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY, filler TEXT)");
    let mut events = Events::open(server.address, "/subscribe/t", &[]).await;
    let filler = "x".repeat(100_000);
    let insert = |id: u64| {
        let begun = Instant::now();
        server.run(&format!("INSERT INTO t VALUES ({id}, '{filler}')"));
        begun.elapsed()
    };
    let gone =
        async || server.get("/metrics").await.text().contains("gnitz_subscriptions_disconnected_total 1");
    let mut commits = 0;
    while !gone().await {
        commits += 1;
        let took = insert(commits);
        assert!(took < Duration::from_secs(5), "a commit waited {took:?} for a reader");
        assert!(commits < 2_000, "the reader is never let go");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut last_epoch = 0;
    loop {
        let event = next(&mut events).await;
        if event.name == "error" {
            assert_eq!(event.data["resume"], last_epoch, "{}", event.data);
            break;
        }
        last_epoch = event.id.unwrap_or(last_epoch);
    }
    assert_eq!(events.next().await, None);
    assert!(last_epoch > 0 && last_epoch < commits);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_lost_ends_the_streams() {
    let access = Access { tokens: vec![("ada".to_string(), "of-ada".to_string())], ..Access::default() };
    let server = Server::of(Database::in_memory().unwrap(), access, |_| {}).await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY); CREATE USER ada; GRANT SELECT ON t TO ada");
    let headers = [("authorization", "Bearer of-ada")];
    let mut events = Events::open(server.address, "/subscribe/t", &headers).await;
    let mut socket = Socket::open(server.address, "/subscribe/t", &headers).await.expect("an upgrade");
    assert_eq!(
        (next(&mut events).await.name.as_str(), &socket.json().await["event"]),
        ("snapshot", &json!("snapshot"))
    );
    server.run("REVOKE SELECT ON t FROM ada");
    for told in [next(&mut events).await.data, socket.json().await] {
        assert_eq!(
            (&told["event"], &told["problem"]["sqlstate"]),
            (&json!("error"), &json!("42501")),
            "{told}"
        );
        assert!(told.to_string().contains("table t"), "{told}");
    }
    assert_eq!(events.next().await, None);
}
