//! What ends before it is done: cancelled statements, time limits, too many connections, the server itself.

use std::time::{Duration, Instant};

use server::pg::Options;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_postgres::{Client, NoTls};

use crate::{ask, code, connect, options, start, start_with};

/// A statement that would run for minutes.
const LONG: &str = "SELECT sum(a * b) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_cancelled() {
    let server = start().await;
    let client = connect(&server).await;
    let token = client.cancel_token();
    let canceller = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel_query(NoTls).await
    });
    let error = ask(&client, LONG).await.unwrap_err();
    canceller.await.unwrap().unwrap();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("57014", "canceling statement due to user request"));
    assert_eq!(ask(&client, "SELECT 1").await.unwrap()[0], "1");
    // One that comes when nothing runs does nothing. (That of a token may come after the next statement has begun.)
    let pid = ask(&client, "SELECT pg_backend_pid()").await.unwrap()[0].clone();
    let other = connect(&server).await;
    assert_eq!(ask(&other, &format!("SELECT pg_cancel_backend({pid})")).await.unwrap()[0], "t");
    assert_eq!(ask(&client, "SELECT 1").await.unwrap()[0], "1");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_have_a_time_limit() {
    let limit = Some(Duration::from_millis(100));
    let server = start_with(Options { statement_timeout: limit, ..options() }).await;
    let client = connect(&server).await;
    let begun = Instant::now();
    let error = ask(&client, LONG).await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "canceling statement due to statement timeout");
    assert!(begun.elapsed() < Duration::from_secs(5));
    ask(&client, "BEGIN").await.unwrap();
    assert_eq!(code(client.query(LONG, &[]).await), "57014");
    assert_eq!(code(ask(&client, "SELECT 1").await), "25P02");
    // A copy whose client does nothing is stopped, too.
    ask(&client, "ROLLBACK; CREATE TABLE t (id BIGINT)").await.unwrap();
    let sink = client.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.unwrap();
    futures::pin_mut!(sink);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(code(sink.finish().await), "57014");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_sessions_end() {
    let (idle, in_transaction) = (Some(Duration::from_millis(400)), Some(Duration::from_millis(100)));
    let server =
        start_with(Options { idle_timeout: idle, idle_in_transaction_timeout: in_transaction, ..options() })
            .await;
    assert_eq!(ended(&server, "SELECT 1").await, "57P05");
    assert_eq!(ended(&server, "BEGIN").await, "25P03");
    server.stop().await;
}

/// What a connection is told when it ends after it has run a text.
async fn ended(server: &crate::Running, text: &str) -> String {
    let (client, connection) = server.config().connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    ask(&client, text).await.unwrap();
    code(connection.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted() {
    let server = start_with(Options { max_connections: 2, ..options() }).await;
    let first = connect(&server).await;
    let second = connect(&server).await;
    assert_eq!(code(server.config().connect(NoTls).await.map(drop)), "53300");
    drop(second);
    let mut third = None;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if let Ok((client, connection)) = server.config().connect(NoTls).await {
            tokio::spawn(connection);
            third = Some(client);
            break;
        }
    }
    assert_eq!(ask(&third.expect("a place was given back"), "SELECT 1").await.unwrap()[0], "1");
    assert_eq!(ask(&first, "SELECT 1").await.unwrap()[0], "1");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_statements_finish() {
    let server = start().await;
    let (idle, idle_connection) = server.config().connect(NoTls).await.unwrap();
    let idle_connection = tokio::spawn(idle_connection);
    let busy = connect(&server).await;
    let statement = "SELECT count(*) FROM generate_series(1, 3000000) a WHERE sqrt(a) > 5";
    let running = tokio::spawn(async move { ask(&busy, statement).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let database = server.database.clone();
    server.stop().await;
    assert_eq!(running.await.unwrap().unwrap()[0], "2999975");
    assert_eq!(code(idle_connection.await.unwrap()), "57P01");
    assert!(database.session().query("SELECT 1").is_err());
    drop::<Client>(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_ever() {
    let server = start_with(Options { shutdown_grace: Duration::from_millis(100), ..options() }).await;
    let busy = connect(&server).await;
    let running = tokio::spawn(async move { ask(&busy, LONG).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(code(running.await.unwrap()), "57P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_have_limits_of_their_own() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE USER ada CONNECTION LIMIT 2").await.unwrap();
    let as_ada = || {
        let mut config = server.config();
        config.user("ada");
        config
    };
    let mut open = Vec::new();
    for _ in 0..2 {
        let (ada, connection) = as_ada().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        open.push(ada);
    }
    let refused = as_ada().connect(NoTls).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "53300");
    assert_eq!(refused.as_db_error().unwrap().message(), "too many connections for role \"ada\"");
    connect(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_counted() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
    for id in 0..3_i64 {
        client.execute(&insert, &[&id]).await.unwrap();
    }
    assert_eq!(code(client.execute(&insert, &[&1_i64]).await), "23505");
    assert_eq!(client.query("SELECT * FROM t", &[]).await.unwrap().len(), 3);
    let text = server.metrics.text();
    for line in [
        "gnitz_statements_total{protocol=\"pg\",kind=\"insert\",sqlstate_class=\"00\"} 3",
        "gnitz_statements_total{protocol=\"pg\",kind=\"insert\",sqlstate_class=\"23\"} 1",
        "gnitz_rows_total{protocol=\"pg\",direction=\"read\"} 3",
        "gnitz_rows_total{protocol=\"pg\",direction=\"written\"} 3",
        "gnitz_connections{protocol=\"pg\"} 1",
        "gnitz_commits_total 3",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_too_long_are_passed_over() {
    let server = start_with(Options { max_message: 10_000, ..options() }).await;
    let client = connect(&server).await;
    let literal = |length: usize| format!("SELECT length('{}')", "x".repeat(length));
    assert_eq!(ask(&client, &literal(9_000)).await.unwrap()[0], "9000");
    let error = ask(&client, &literal(1_000_000)).await.unwrap_err();
    let told = error.as_db_error().unwrap();
    assert_eq!((told.code().code(), told.severity()), ("54000", "ERROR"));
    assert_eq!(told.message(), "a message of 1000022 bytes is longer than the 10000 that one may have");
    assert!(told.hint().is_some_and(|hint| hint.contains("pg.max_message")));
    assert_eq!(ask(&client, "SELECT 1").await.unwrap()[0], "1");
    // The same of values; the transaction around them fails.
    let length = client.prepare("SELECT length($1::TEXT)").await.unwrap();
    ask(&client, "BEGIN").await.unwrap();
    assert_eq!(code(client.query(&length, &[&"x".repeat(20_000)]).await), "54000");
    assert_eq!(code(ask(&client, "SELECT 1").await), "25P02");
    ask(&client, "ROLLBACK; CREATE TABLE t (id BIGINT, x TEXT)").await.unwrap();
    // And of what is copied.
    let mut sink = Box::pin(client.copy_in("COPY t FROM STDIN").await.unwrap());
    let rows = bytes::Bytes::from(format!("1\t{}\n", "x".repeat(50_000)));
    futures::SinkExt::send(&mut sink, rows).await.unwrap();
    assert_eq!(code(sink.as_mut().finish().await), "54000");
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_say_nothing_give_way() {
    let server = start_with(Options { max_connections: 2, ..options() }).await;
    let known = connect(&server).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let late = connect(&server).await;
    assert_eq!(ask(&late, "SELECT 2").await.unwrap()[0], "2");
    assert_eq!(ask(&known, "SELECT 1").await.unwrap()[0], "1");
    // The oldest had to go.
    assert_eq!(silent[0].read(&mut [0; 8]).await.unwrap_or_default(), 0);
    server.stop().await;
}
