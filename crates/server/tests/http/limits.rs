//! Limits: of bodies, of time, of how much runs at once.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::client::{Connection, Events, Server};

/// A query that takes far longer than any test waits.
const ENDLESS: &str = "SELECT count(*) FROM n a, n b, n c, n d WHERE a.id + b.id + c.id + d.id = -1";

async fn numbers(change: impl FnOnce(&mut server::config::Config)) -> Server {
    let server = Server::with(change).await;
    let values: Vec<String> = (0..400).map(|id| format!("({id})")).collect();
    server.run(&format!("CREATE TABLE n (id BIGINT PRIMARY KEY); INSERT INTO n VALUES {}", values.join(",")));
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_are_refused() {
    let server = Server::with(|config| config.http.max_body = 1_000).await;
    let body = format!("SELECT '{}'", "x".repeat(1_000));
    let problem = server.sql(&body).await.problem(413, "54000");
    assert!(problem["hint"].as_str().unwrap().contains("http.max_body"));
    assert_eq!(server.sql(&body[..10]).await.status, 400);
    // Without a length to announce, the limit is met while reading.
    let mut connection = Connection::open(server.address).await;
    connection
        .send("POST", "/ingest/t", &[("transfer-encoding", "chunked"), ("content-type", "text/csv")])
        .await;
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let _ = connection.stream.write_all(format!("{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    connection.answer().await.problem(413, "54000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = Server::with(|config| config.http.request_timeout = Duration::from_millis(200)).await;
    let mut connection = Connection::open(server.address).await;
    connection.send("POST", "/sql", &[("content-length", "100")]).await;
    connection.answer().await.problem(408, "57014");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_cancelled() {
    let server = numbers(|config| config.http.request_timeout = Duration::from_millis(300)).await;
    let begun = Instant::now();
    server.sql(ENDLESS).await.problem(504, "57014");
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(server.sql("SELECT 1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_cancels_its_statement() {
    let server = numbers(|config| config.http.max_requests = 1).await;
    let mut connection = Connection::open(server.address).await;
    let length = ENDLESS.len().to_string();
    connection.send("POST", "/sql", &[("content-length", &length), ("content-type", "text/plain")]).await;
    connection.stream.write_all(ENDLESS.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(connection);
    // The one place is free again: this would wait for a minute otherwise.
    assert_eq!(server.sql("SELECT 1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_run_than_may() {
    let server = numbers(|config| {
        config.http.max_requests = 1;
        config.http.request_timeout = Duration::from_millis(700);
    })
    .await;
    let slow = server.sql(ENDLESS);
    let waits = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        let answer = server.sql("SELECT 1").await;
        (answer, begun.elapsed())
    };
    let (slow, (waited, took)) = tokio::join!(slow, waits);
    slow.problem(504, "57014");
    // Whether it was let in at the last moment or not at all, it waited for the slow one.
    assert!([200, 503].contains(&waited.status), "{}", waited.text());
    assert!(took > Duration::from_millis(300), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_streams_are_open_than_may_be() {
    let server = numbers(|config| config.http.max_subscriptions = 2).await;
    let mut first = Events::open(server.address, "/subscribe/n", &[]).await;
    let second = Events::open(server.address, "/subscribe/n", &[]).await;
    assert!(first.next().await.is_some());
    let refused = server.get("/subscribe/n").await;
    refused.problem(503, "53300");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(second);
    let begun = Instant::now();
    loop {
        let mut connection = Connection::open(server.address).await;
        connection.send("GET", "/subscribe/n", &[]).await;
        if connection.head().await.0 == 200 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "the place of a closed stream stays taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed() {
    let server = Server::with(|config| {
        config.http.idle_timeout = Duration::from_millis(100);
        config.http.request_timeout = Duration::from_millis(100);
    })
    .await;
    let mut connection = Connection::open(server.address).await;
    let begun = Instant::now();
    assert!(!connection.more().await, "a byte came");
    assert!(begun.elapsed() > Duration::from_millis(90));
}
