//! The end: streams say goodbye, what runs is waited for, and nothing holds the process.

use std::time::{Duration, Instant};

use super::client::{Events, Server};
use super::websocket::{Frame, Socket};

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_a_place_to_go_on() {
    let mut server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let mut events = Events::open(server.address, "/subscribe/t", &[]).await;
    let mut socket = Socket::open(server.address, "/subscribe/t", &[]).await.expect("an upgrade");
    assert_eq!(events.next().await.unwrap().name, "snapshot");
    assert_eq!(socket.json().await["event"], "snapshot");
    let begun = Instant::now();
    server.begin_stop();
    let last = events.next().await.unwrap();
    assert_eq!((last.name.as_str(), &last.data["resume"]), ("end", &2.into()));
    assert_eq!(events.next().await, None);
    assert_eq!(socket.json().await["resume"], 2);
    assert!(matches!(socket.next().await, Some(Frame::Close(1001, _))));
    server.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_answered() {
    let mut server = Server::start().await;
    let values: Vec<String> = (0..300).map(|id| format!("({id})")).collect();
    server.run(&format!("CREATE TABLE n (id BIGINT PRIMARY KEY); INSERT INTO n VALUES {}", values.join(",")));
    let address = server.address;
    let sql = "SELECT count(*) FROM n a, n b, n c WHERE a.id + b.id + c.id = -1";
    let headers = [("content-type", "text/plain")];
    let running = tokio::spawn(async move {
        super::client::request(address, "POST", "/sql", &headers, sql.as_bytes()).await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.begin_stop();
    server.stopped().await;
    assert_eq!(running.await.unwrap().status, 200);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_not_waited_for() {
    let mut server = Server::with(|config| config.shutdown_timeout = Duration::from_millis(300)).await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    let mut connection = super::client::Connection::open(server.address).await;
    connection.send("POST", "/sql", &[("content-length", "10")]).await;
    let begun = Instant::now();
    server.begin_stop();
    server.stopped().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
}
