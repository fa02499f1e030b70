//! Health, metrics and the description.

use super::client::{Server, request};

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_database() {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)");
    let answer = server.get("/health").await;
    assert_eq!(answer.status, 200);
    let health = answer.json();
    assert_eq!((&health["ready"], &health["epoch"]), (&true.into(), &2.into()));
    server.database.close().unwrap();
    let answer = server.get("/health").await;
    assert_eq!((answer.status, &answer.json()["ready"]), (503, &false.into()));
    assert_eq!(server.get("/health?probe=live").await.status, 200);
    assert_eq!(server.get("/health?probe=ready").await.status, 503);
    server.get("/health?probe=x").await.problem(400, "22023");
    server.sql("SELECT 1").await.problem(503, "58030");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_is_not_ready() {
    let server = Server::start().await;
    server.state.close();
    assert_eq!(server.get("/health").await.status, 503);
    server.get("/subscribe/t").await.problem(503, "57P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let server = Server::start().await;
    server.sql("CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    server.sql("INSERT INTO t VALUES (1), (2)").await;
    server.sql("INSERT INTO t VALUES (1)").await;
    server.sql("SELECT * FROM t").await;
    let text = server.get("/metrics").await;
    assert!(text.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "gnitz_statements_total{protocol=\"http\",kind=\"insert\",sqlstate_class=\"00\"} 1",
        "gnitz_statements_total{protocol=\"http\",kind=\"insert\",sqlstate_class=\"23\"} 1",
        "gnitz_statements_total{protocol=\"http\",kind=\"select\",sqlstate_class=\"00\"} 1",
        "gnitz_commits_total 1",
        "gnitz_rows_total{protocol=\"http\",direction=\"written\"} 2",
        "gnitz_rows_total{protocol=\"http\",direction=\"read\"} 2",
        "gnitz_http_requests_total{route=\"/sql\",method=\"POST\",status=\"200\"} 3",
        "gnitz_http_requests_total{route=\"/sql\",method=\"POST\",status=\"409\"} 1",
        "gnitz_epoch 2",
        "gnitz_writable 1",
        "gnitz_disk_full 0",
        "gnitz_connections{protocol=\"http\"} 1",
    ] {
        assert!(text.text().contains(line), "{line} is not in\n{}", text.text());
    }
    assert!(text.text().contains("gnitz_process_resident_memory_bytes"));
    let sent = text
        .text()
        .lines()
        .find(|line| line.starts_with("gnitz_bytes_total") && line.contains("out"))
        .unwrap();
    assert!(sent.rsplit(' ').next().unwrap().parse::<u64>().unwrap() > 500, "{sent}");
}

/// Each route of the description answers with something other than "no such route".
#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_of_routes_that_answer() {
    let server = Server::start().await;
    let answer = server.get("/openapi.json").await;
    let description = answer.json();
    assert_eq!(description["openapi"], "3.1.0");
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path.replace("{table}", "t").replace("{view}", "t");
            let answer = request(server.address, &method.to_uppercase(), &path, &[], b"").await;
            assert!(answer.status != 405, "{method} {path}");
            assert!(!answer.text().contains("no such route"), "{method} {path}");
        }
    }
}
