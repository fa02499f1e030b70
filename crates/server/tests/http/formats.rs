//! The formats of results, small and large, and what becomes of a failure in the middle.

use std::io::Cursor;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use arrow::ipc::reader::StreamReader;

use super::client::{Answer, Server};

async fn formatted(server: &Server, accept: &str, sql: &str) -> Answer {
    let answer = server.post("/sql", &[("content-type", "application/sql"), ("accept", accept)], sql).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

async fn table() -> Server {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, d DATE)");
    server.run("INSERT INTO t VALUES (1, 'a,\"b', '2026-01-05'), (2, '', NULL), (3, NULL, NULL)");
    server
}

/// Makes a table of so many rows of 100 bytes.
fn large(server: &Server, rows: i64) {
    server.run("CREATE TABLE large (id BIGINT PRIMARY KEY, filler TEXT NOT NULL)");
    let session = server.database.session();
    let mut appender = session.appender("large").unwrap();
    for id in 0..rows {
        appender.append_row(&[id.into(), "x".repeat(100).into()]).unwrap();
    }
    appender.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_tells_null_from_empty() {
    let server = table().await;
    let answer = formatted(&server, "text/csv", "SELECT * FROM t ORDER BY id; SELECT 1 AS one").await;
    assert_eq!(answer.header("content-type"), Some("text/csv"));
    let wanted = "id,name,d\n1,\"a,\"\"b\",2026-01-05\n2,\"\",\n3,,\n\none\n1\n";
    assert_eq!(answer.text(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn ndjson_has_an_object_a_row() {
    let server = table().await;
    let answer = formatted(
        &server,
        "application/x-ndjson",
        "INSERT INTO t VALUES (4); SELECT name, id FROM t WHERE id < 3 ORDER BY id",
    )
    .await;
    assert_eq!(answer.text(), "{\"name\":\"a,\\\"b\",\"id\":1}\n{\"name\":\"\",\"id\":2}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_streams_are_read_by_arrow() {
    let server = table().await;
    let accept = "application/vnd.apache.arrow.stream";
    let answer = formatted(&server, accept, "SELECT id, name FROM t ORDER BY id").await;
    let reader = StreamReader::try_new(Cursor::new(&answer.body), None).unwrap();
    assert_eq!(reader.schema().field(1).data_type(), &DataType::Utf8);
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    assert_eq!(batches[0].column(1).as_string::<i32>().value(0), "a,\"b");
    let empty = formatted(&server, accept, "SELECT id FROM t WHERE id > 9").await;
    assert_eq!(StreamReader::try_new(Cursor::new(&empty.body), None).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_come_whole_in_every_format() {
    let server = Server::start().await;
    large(&server, 20_000);
    let sql = "SELECT * FROM large ORDER BY id";
    let answer = formatted(&server, "application/json", sql).await;
    assert!(answer.whole && answer.header("transfer-encoding") == Some("chunked"));
    let json = answer.json();
    assert_eq!(json["results"][0]["rows"].as_array().unwrap().len(), 20_000);
    assert_eq!(json["results"][0]["rows"][19_999][0], 19_999);
    assert_eq!(formatted(&server, "text/csv", sql).await.text().lines().count(), 20_001);
    assert_eq!(formatted(&server, "application/x-ndjson", sql).await.text().lines().count(), 20_000);
    let arrow = formatted(&server, "application/vnd.apache.arrow.stream", sql).await;
    let rows = StreamReader::try_new(Cursor::new(&arrow.body), None).unwrap();
    assert_eq!(rows.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_the_first_rows_is_seen() {
    let server = Server::start().await;
    large(&server, 5_000);
    let sql = "SELECT * FROM large; SELECT * FROM nothing";
    let answer = formatted(&server, "application/json", sql).await;
    let json = answer.json();
    assert_eq!(json["results"][0]["rowCount"], 5_000);
    assert_eq!((&json["error"]["sqlstate"], &json["error"]["completed"]), (&"42P01".into(), &1.into()));
    let answer = formatted(&server, "application/x-ndjson", sql).await;
    let last: serde_json::Value = serde_json::from_str(answer.text().lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["sqlstate"], "42P01");
    let answer = formatted(&server, "text/csv", sql).await;
    assert!(!answer.whole, "a broken CSV ends like a whole one");
}
