//! `GET /subscribe/{view}` over a WebSocket.

use std::io::Cursor;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use serde_json::json;

use super::client::Server;
use super::websocket::{Frame, Socket};

async fn table() -> Server {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'Ada')");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_json() {
    let server = table().await;
    let mut socket = Socket::open(server.address, "/subscribe/t", &[]).await.expect("an upgrade");
    let first = socket.json().await;
    assert_eq!(first["event"], "snapshot");
    assert_eq!(first["changes"], json!([{ "weight": 1, "row": { "id": 1, "name": "Ada" } }]));
    socket.send(9, b"still there?").await;
    assert_eq!(socket.next().await, Some(Frame::Pong(b"still there?".to_vec())));
    server.run("DELETE FROM t");
    let second = socket.json().await;
    assert_eq!((&second["event"], &second["epoch"]), (&json!("delta"), &json!(3)));
    assert_eq!(second["changes"][0]["weight"], -1);
    server.run("DROP TABLE t");
    assert_eq!(socket.json().await["event"], "end");
    assert!(matches!(socket.next().await, Some(Frame::Close(1000, _))));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_arrow_if_that_is_wanted() {
    let server = table().await;
    let path = "/subscribe/t?format=arrow&progress=true";
    let mut socket = Socket::open(server.address, path, &[]).await.expect("an upgrade");
    let Some(Frame::Binary(bytes)) = socket.next().await else { panic!("no binary message") };
    let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
    let schema = reader.schema();
    assert_eq!(schema.metadata()["gnitz.event"], "snapshot");
    assert_eq!(schema.metadata()["gnitz.epoch"], "2");
    assert_eq!(schema.field(2).name(), "gnitz_weight");
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(batches[0].column(1).as_string::<i32>().value(0), "Ada");
    assert_eq!(batches[0].column(2).as_primitive::<Int64Type>().values(), &[1]);
    server.run("CREATE TABLE other (id BIGINT PRIMARY KEY); INSERT INTO other VALUES (1)");
    assert_eq!(socket.json().await, json!({ "event": "progress", "epoch": 4 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_come_before_the_upgrade() {
    let server = table().await;
    assert_eq!(Socket::open(server.address, "/subscribe/nothing", &[]).await.err(), Some(404));
    assert_eq!(Socket::open(server.address, "/subscribe/t?format=x", &[]).await.err(), Some(400));
    assert_eq!(
        Socket::open(server.address, "/subscribe/t", &[("host", "evil.example")]).await.err(),
        Some(401)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_socket_frees_its_place() {
    let server = Server::with(|config| config.http.max_subscriptions = 1).await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    let mut socket = Socket::open(server.address, "/subscribe/t", &[]).await.expect("an upgrade");
    socket.json().await;
    assert_eq!(Socket::open(server.address, "/subscribe/t", &[]).await.err(), Some(503));
    socket.send(8, &1000_u16.to_be_bytes()).await;
    assert!(matches!(socket.next().await, Some(Frame::Close(1000, _)) | None));
    let begun = Instant::now();
    while Socket::open(server.address, "/subscribe/t", &[]).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_does_not_read_is_let_go() {
    let server = Server::with(|config| config.http.drain_timeout = Duration::from_millis(300)).await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY, filler TEXT)");
    let socket = Socket::open(server.address, "/subscribe/t", &[]).await.expect("an upgrade");
    let filler = "x".repeat(100_000);
    let mut commits = 0;
    while !server.get("/metrics").await.text().contains("gnitz_subscriptions_disconnected_total 1") {
        commits += 1;
        server.run(&format!("INSERT INTO t VALUES ({commits}, '{filler}')"));
        assert!(commits < 2_000, "the reader is never let go");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(socket);
}
