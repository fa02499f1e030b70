//! `POST /ingest/{table}`: operations, formats, and batches that are sent twice.

use std::path::PathBuf;

use gnitz::Database;
use server::http::Access;

use super::client::{Answer, Server};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const CSV: (&str, &str) = ("content-type", "text/csv");
const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, n INTEGER DEFAULT 7)";

async fn table() -> Server {
    let server = Server::start().await;
    server.run(TABLE);
    server
}

async fn rows(server: &Server) -> String {
    let headers = [("content-type", "text/plain"), ("accept", "text/csv")];
    server.post("/sql", &headers, "SELECT * FROM t ORDER BY id").await.text().to_string()
}

#[track_caller]
fn written(answer: &Answer, rows: u64) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["rows"], rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_apply_in_order_as_one_commit() {
    let server = table().await;
    let body = r#"
        {"id": 1, "name": "Ada"}
        {"id": 2, "name": null, "n": 5}
        {"op": "upsert", "row": {"id": 1, "name": "Ada L"}}
        {"op": "delete", "row": {"id": 2}}
        {"op": "insert", "row": {"id": 2, "name": "Bo"}}
        {"op": "upsert", "row": {"id": 3, "name": "Cy"}}
        {"op": "upsert", "row": {"id": 3, "n": 9}}
    "#;
    let before = server.database.epoch().unwrap();
    let answer = server.post("/ingest/t", &[NDJSON], body).await;
    written(&answer, 7);
    assert_eq!(server.database.epoch().unwrap(), before + 1);
    assert_eq!(rows(&server).await, "id,name,n\n1,Ada L,7\n2,Bo,7\n3,Cy,9\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_get_one_from_its_sequence() {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT)");
    let body = r#"{"name": "Ada"} {"id": 40, "name": "Bo"} {"op": "upsert", "row": {"id": 40, "name": "Cy"}} {"name": "Di"}"#;
    written(&server.post("/ingest/t", &[NDJSON], &body.replace("} {", "}\n{")).await, 4);
    assert_eq!(rows(&server).await, "id,name\n1,Ada\n2,Di\n40,Cy\n");
    written(&server.post("/ingest/t?op=upsert", &[CSV], "id\n1\n41\n").await, 2);
    written(&server.post("/ingest/t", &[CSV], "name\nEd\nFay\n").await, 2);
    assert_eq!(rows(&server).await, "id,name\n1,Ada\n2,Di\n3,Ed\n4,Fay\n40,Cy\n41,\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_one_operation_for_all() {
    let server = table().await;
    written(&server.post("/ingest/t", &[CSV], "name,id\nAda,1\n\"\",2\n,3\n").await, 3);
    assert_eq!(rows(&server).await, "id,name,n\n1,Ada,7\n2,\"\",7\n3,,7\n");
    written(&server.post("/ingest/t?op=upsert", &[CSV], "id,n\n1,1\n4,4\n").await, 2);
    written(&server.post("/ingest/t?op=delete", &[CSV], "id,name\n2,whatever\n9,not there\n").await, 2);
    assert_eq!(rows(&server).await, "id,name,n\n1,Ada,1\n3,,7\n4,,4\n");
    written(&server.post("/ingest/t", &[CSV], "id\n").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_is_named_and_nothing_of_the_batch_stays() {
    let server = table().await;
    server.run("INSERT INTO t VALUES (100)");
    let many: String = (0..600).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    let cases = [
        ("insert", format!("{many}{{\"id\":\"x\"}}\n"), 422, "22P02", 601),
        ("upsert", format!("{many}{{\"id\":\"x\"}}\n"), 422, "22P02", 601),
        ("delete", "{\"id\":1}\n{\"name\":\"Ada\"}\n".to_string(), 422, "23502", 2),
        ("insert", many.clone(), 409, "23505", 101),
        ("insert", "{\"id\":1}\n{\"id\":2,\"nope\":1}\n".to_string(), 400, "42703", 2),
        ("insert", "{\"id\":1}\n{\"id\":2,\"id\":3}\n".to_string(), 400, "42701", 2),
        ("insert", "{\"id\":1}\n{\"id\":null}\n".to_string(), 409, "23502", 2),
        ("insert", "{\"id\":1}\n{\"id\":2\n".to_string(), 422, "22P04", 2),
    ];
    for (op, body, status, sqlstate, line) in cases {
        let problem =
            server.post(&format!("/ingest/t?op={op}"), &[NDJSON], body).await.problem(status, sqlstate);
        assert_eq!(problem["line"], line, "{op} {sqlstate}: {problem}");
        assert_eq!(server.value("SELECT count(*) FROM t"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_refused() {
    let server = table().await;
    server.run("CREATE TABLE bag (a BIGINT, b TEXT); CREATE MATERIALIZED VIEW v AS SELECT id FROM t");
    server.post("/ingest/nothing", &[NDJSON], "{\"a\":1}").await.problem(404, "42P01");
    server.post("/ingest/v", &[NDJSON], "{\"id\":1}").await.problem(400, "42809");
    server.post("/ingest/t", &[], "{}").await.problem(415, "22023");
    server.post("/ingest/t?op=merge", &[NDJSON], "").await.problem(400, "22023");
    server.post("/ingest/t?batsh=1", &[NDJSON], "").await.problem(400, "22023");
    server.post("/ingest/t?batch=", &[NDJSON], "").await.problem(400, "22023");
    server.post("/ingest/bag?op=upsert", &[NDJSON], "{\"a\":1}").await.problem(422, "42P10");
    written(&server.post("/ingest/bag", &[NDJSON], "{\"a\":1}\n{\"a\":1}\n{\"a\":2,\"b\":\"x\"}").await, 3);
    written(&server.post("/ingest/bag?op=delete", &[NDJSON], "{\"a\":1,\"b\":null}").await, 1);
    assert_eq!(server.value("SELECT count(*) FROM bag"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_sent_twice_is_written_once() {
    let server = table().await;
    let key = ("idempotency-key", "batch-1");
    let body = "{\"id\":1,\"name\":\"Ada\"}\n";
    let first = server.post("/ingest/t", &[NDJSON, key], body).await;
    written(&first, 1);
    assert_eq!(first.header("idempotency-replayed"), None);
    let epoch = server.database.epoch().unwrap();
    let second = server.post("/ingest/t", &[NDJSON, key], body).await;
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    let third = server.post("/ingest/t?batch=batch-1", &[NDJSON], body).await;
    assert_eq!(third.body, first.body);
    assert_eq!(server.database.epoch().unwrap(), epoch);
    server.post("/ingest/t", &[NDJSON, key], "{\"id\":2}").await.problem(422, "22023");
    server.post("/ingest/t?op=upsert", &[NDJSON, key], body).await.problem(422, "22023");
    assert_eq!(server.value("SELECT count(*) FROM t"), 1);
    // A batch that failed has not been written, so it may be mended and sent again.
    let key = ("idempotency-key", "batch-2");
    server.post("/ingest/t", &[NDJSON, key], "{\"id\":1}").await.problem(409, "23505");
    written(&server.post("/ingest/t", &[NDJSON, key], "{\"id\":3}").await, 1);
}

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_known_after_the_database_was_opened_again() {
    let directory = Directory(std::env::temp_dir().join(format!("gnitz-ingest-{}", std::process::id())));
    let key = ("idempotency-key", "batch-1");
    let body = "{\"id\":1}\n";
    let open = || async {
        Server::of(Database::open(&directory.0).unwrap(), Access::default(), |c| c.http.ingest_keep = 2).await
    };
    let mut server = open().await;
    server.run(TABLE);
    let first = server.post("/ingest/t", &[NDJSON, key], body).await;
    written(&first, 1);
    server.begin_stop();
    server.stopped().await;
    server.database.close().unwrap();
    // The directory is free once nothing holds the database, which the connections' tasks do for a moment.
    drop(server);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let server = open().await;
    let again = server.post("/ingest/t", &[NDJSON, key], body).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    // The oldest of three goes; the table never has more than are kept.
    for id in [2, 3] {
        let batch = format!("/ingest/t?batch=batch-{id}");
        written(&server.post(&batch, &[NDJSON], format!("{{\"id\":{id}}}")).await, 1);
    }
    assert_eq!(server.value("SELECT count(*) FROM gnitz_ingested"), 2);
    server.post("/ingest/t", &[NDJSON, key], body).await.problem(409, "23505");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_sent_many_times_at_once_is_written_once() {
    let server = table().await;
    let sends = (0..16).map(|_| server.post("/ingest/t?batch=same", &[NDJSON], "{\"id\":1}\n{\"id\":2}"));
    for answer in futures::future::join_all(sends).await {
        written(&answer, 2);
    }
    assert_eq!(server.value("SELECT count(*) FROM t"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_do_not_know_of_each_others_batches() {
    let tokens = vec![("ada".to_string(), "of-ada".to_string()), ("bob".to_string(), "of-bob".to_string())];
    let access = Access { tokens, ..Access::default() };
    let server = Server::of(Database::in_memory().unwrap(), access, |_| {}).await;
    server.run(TABLE);
    server.run("CREATE USER ada; CREATE USER bob; GRANT SELECT, INSERT ON t TO ada, bob");
    let path = "/ingest/t?batch=same";
    let of = |token: &'static str| ("authorization", token);
    written(&server.post(path, &[NDJSON, of("Bearer of-ada")], "{\"id\":1}").await, 1);
    written(&server.post(path, &[NDJSON, of("Bearer of-bob")], "{\"id\":2}").await, 1);
    written(&server.post(path, &[NDJSON, of("Bearer of-ada")], "{\"id\":1}").await, 1);
    assert_eq!(server.value("SELECT count(*) FROM t"), 2);
    assert_eq!(server.value("SELECT count(*) FROM gnitz_ingested"), 2);
    let bob = server.database.session_as("bob").unwrap();
    for forbidden in ["SELECT * FROM gnitz_ingested", "DELETE FROM gnitz_ingested"] {
        assert_eq!(bob.execute(forbidden).unwrap_err().sqlstate(), "42501");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_batches_on_the_same_rows_all_arrive() {
    let server = table().await;
    let bodies: Vec<String> =
        (0..12).map(|n| format!("{{\"id\":1,\"n\":{n}}}\n{{\"id\":{},\"n\":0}}\n", n + 10)).collect();
    let sends = bodies.iter().map(|body| server.post("/ingest/t?op=upsert", &[NDJSON], body));
    for answer in futures::future::join_all(sends).await {
        written(&answer, 2);
    }
    assert_eq!(server.value("SELECT count(*) FROM t"), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_batches_go_through_views() {
    let server = table().await;
    server.run("CREATE MATERIALIZED VIEW total AS SELECT count(*) AS c, sum(n) AS s FROM t");
    let line = |id: i64, n: i64| format!("{{\"id\":{id},\"name\":\"name {id}\",\"n\":{n}}}\n");
    let body: String = (0..20_000).map(|id| line(id, 1)).collect();
    written(&server.post("/ingest/t", &[NDJSON], body).await, 20_000);
    let body: String = (10_000..30_000).map(|id| line(id, 2)).collect();
    written(&server.post("/ingest/t?op=upsert", &[NDJSON], body).await, 20_000);
    assert_eq!(server.value("SELECT c FROM total"), 30_000);
    assert_eq!(server.value("SELECT s FROM total"), 50_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_a_schema_is_named_with_it() {
    let server = table().await;
    server.run("CREATE SCHEMA shop; CREATE TABLE shop.t (id BIGINT PRIMARY KEY, n INTEGER)");
    server.run("CREATE TABLE \"a.b\" (id BIGINT PRIMARY KEY)");
    let body = r#"{"id": 1, "n": 1}
        {"op": "upsert", "row": {"id": 1, "n": 2}}
        {"op": "upsert", "row": {"id": 3, "n": 3}}
        {"op": "delete", "row": {"id": 3}}"#;
    written(&server.post("/ingest/shop.t", &[NDJSON], body).await, 4);
    written(&server.post("/ingest/public.t", &[CSV], "id\n9\n").await, 1);
    written(&server.post("/ingest/public.a.b", &[CSV], "id\n7\n").await, 1);
    assert_eq!(server.value("SELECT sum(n) FROM shop.t"), 2);
    assert_eq!(rows(&server).await, "id,name,n\n9,,7\n");
    assert_eq!(server.value("SELECT id FROM \"a.b\""), 7);
    for path in ["/ingest/gone.t", "/ingest/a.b", "/subscribe/shop.nothing"] {
        let answer = match path.starts_with("/ingest") {
            true => server.post(path, &[CSV], "id\n1\n").await,
            false => server.get(path).await,
        };
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
}
