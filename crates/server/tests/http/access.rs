//! Who is let in, from where, and what browsers may do.

use std::sync::Arc;

use gnitz::Database;
use server::http::{Access, PasswordCheck};

use super::client::{Server, request};
use super::websocket::Socket;

const SQL: (&str, &str) = ("content-type", "text/plain");

async fn status(server: &Server, headers: &[(&str, &str)]) -> u16 {
    let all: Vec<_> = [SQL].into_iter().chain(headers.iter().copied()).collect();
    server.post("/sql", &all, "SELECT 1").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_loopback_needs_no_credentials() {
    let server = Server::start().await;
    assert_eq!(status(&server, &[]).await, 200);
    assert_eq!(status(&server, &[("host", "localhost")]).await, 200);
    let answer = server.post("/sql", &[SQL, ("host", "evil.example")], "SELECT 1").await;
    answer.problem(401, "28000");
    assert!(answer.header("www-authenticate").unwrap().contains("Basic"));
    let open = request(server.address, "GET", "/health", &[("host", "evil.example")], b"").await;
    assert_eq!(open.status, 200);
    let closed = request(server.address, "GET", "/metrics", &[("host", "evil.example")], b"").await;
    closed.problem(401, "28000");
    assert_eq!(closed.header("retry-after"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_passwords_are_checked() {
    let check: PasswordCheck = Arc::new(|role, password| (role, password) == ("Aladdin", "open sesame"));
    let tokens = vec![("bo".to_string(), "0123456789abcdef".to_string())];
    let access = Access { tokens, passwords: Some(check), ..Access::default() };
    let server = Server::of(Database::in_memory().unwrap(), access, |_| {}).await;
    server.run("CREATE USER \"Aladdin\"; CREATE USER bo");
    let with = |value| [("host", "db.example"), ("authorization", value)];
    assert_eq!(status(&server, &with("Bearer 0123456789abcdef")).await, 200);
    assert_eq!(status(&server, &with("bearer 0123456789abcdeX")).await, 401);
    assert_eq!(status(&server, &with("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")).await, 200);
    assert_eq!(status(&server, &with("Basic QWxhZGRpbjpvcGVu")).await, 401);
    server.run("ALTER ROLE bo NOLOGIN");
    assert_eq!(status(&server, &with("Bearer 0123456789abcdef")).await, 401);
    assert_eq!(status(&server, &with("Basic ***")).await, 400);
    assert_eq!(status(&server, &with("Digest x")).await, 400);
    let metrics = server.get("/metrics").await;
    assert!(metrics.text().contains("gnitz_failed_logins_total{protocol=\"http\"} 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_from_elsewhere_are_not_served() {
    let server = Server::start().await;
    server.run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    let foreign = ("origin", "https://evil.example");
    let answer = server.post("/sql", &[SQL, foreign], "INSERT INTO t VALUES (1)").await;
    answer.problem(403, "42501");
    assert_eq!(server.value("SELECT count(*) FROM t"), 0);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(status(&server, &[("origin", "null")]).await, 403);
    let own = format!("http://{}", server.address);
    assert_eq!(status(&server, &[("origin", &own)]).await, 200);
    assert_eq!(Socket::open(server.address, "/subscribe/t", &[foreign]).await.err(), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_origins_are_told_that_they_may() {
    let server = Server::with(|config| config.http.cors_origins = vec!["https://shop.example".into()]).await;
    let origin = ("origin", "https://shop.example");
    let answer = server.post("/sql", &[SQL, origin], "SELECT 1").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    let asked = [origin, ("access-control-request-method", "POST")];
    let preflight = request(server.address, "OPTIONS", "/sql", &asked, b"").await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("idempotency-key"));
    let other = [("origin", "https://other.example"), ("access-control-request-method", "POST")];
    assert_eq!(request(server.address, "OPTIONS", "/sql", &other, b"").await.status, 403);
}
