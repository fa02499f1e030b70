//! `POST /sql`: what it runs, and what it says when something goes wrong.

use serde_json::json;

use super::client::Server;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn results_come_in_order() {
    let server = Server::start().await;
    let answer = server
        .sql("CREATE TABLE t (id BIGINT PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 2), (3, 4); SELECT n, id FROM t ORDER BY id")
        .await;
    assert_eq!(answer.status, 200);
    let columns = json!([
        { "name": "n", "type": "INTEGER", "nullable": true },
        { "name": "id", "type": "BIGINT", "nullable": false }
    ]);
    let results = json!([
        { "tag": "CREATE TABLE" },
        { "tag": "INSERT", "rowCount": 2 },
        { "columns": columns, "rows": [[2, 1], [4, 3]], "rowCount": 2 }
    ]);
    assert_eq!(answer.json(), json!({ "results": results }));
    assert_eq!(server.sql("").await.json(), json!({ "results": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_exact() {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY, d DECIMAL(38,20), b BOOLEAN, x TEXT)");
    let insert = r#"{"sql": "INSERT INTO t VALUES ($1, $2, $3, $4)",
        "params": [9007199254740993, 123456789012345678.12345678901234567890, true, null]}"#;
    let answer = server.post("/sql", &[JSON], insert).await;
    assert_eq!(answer.json()["results"][0]["rowCount"], 1, "{}", answer.text());
    let answer =
        server.post("/sql", &[JSON], r#"{"sql":"SELECT * FROM t WHERE d > $1","params":[0.5]}"#).await;
    let row = json!(["9007199254740993", "123456789012345678.12345678901234567890", true, null]);
    assert_eq!(answer.json()["results"][0]["rows"], json!([row]));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    for body in
        ["", "[]", "{}", r#"{"sql":1}"#, r#"{"sql":"SELECT 1","parms":[]}"#, r#"{"sql":"","params":[[]]}"#]
    {
        server.post("/sql", &[JSON], body).await.problem(400, "22023");
    }
    server.post("/sql", &[("content-type", "image/png")], "SELECT 1").await.problem(415, "22023");
    server.post("/sql", &[("content-type", "text/plain")], b"SELECT '\xff'").await.problem(400, "22023");
    server.post("/sql", &[("accept", "image/png")], "SELECT 1").await.problem(406, "22023");
    let answer = server.post("/sql", &[JSON], r#"{"sql":"SELECT $1; SELECT 2","params":[1]}"#).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_and_where() {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let problem = server.sql("SELECT 1;\n  SELEC 2").await.problem(400, "42601");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(3)));
    assert_eq!(problem["completed"], 0);
    let problem = server.sql("SELECT 1; INSERT INTO t VALUES (1)").await.problem(409, "23505");
    assert_eq!(problem["completed"], 1);
    assert!(problem["detail"].as_str().unwrap().contains("(id)=(1)"));
    server.sql("SELECT * FROM nothing").await.problem(404, "42P01");
    server.sql("SELECT 1/0").await.problem(422, "22012");
    let problem = server.sql("ALTER TABLE t ADD COLUMN x BIGINT").await;
    assert!([400, 501].contains(&problem.status), "{}", problem.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_of_one_request() {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    let problem = server.sql("BEGIN; INSERT INTO t VALUES (1)").await.problem(409, "25001");
    assert_eq!(problem["hint"], "end it with COMMIT");
    assert_eq!(server.value("SELECT count(*) FROM t"), 0);
    assert_eq!(server.sql("BEGIN; INSERT INTO t VALUES (1); COMMIT").await.status, 200);
    assert_eq!(server.value("SELECT count(*) FROM t"), 1);
    server.sql("BEGIN; INSERT INTO t VALUES (2); SELECT 1/0; COMMIT").await;
    assert_eq!(server.value("SELECT count(*) FROM t"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods_are_problems() {
    let server = Server::start().await;
    server.get("/nothing").await.problem(404, "42704");
    server.get("/sql").await.problem(405, "22023");
    server.post("/health", &[], "").await.problem(405, "22023");
}
