//! The extended protocol: statements prepared and described, portals read in pieces, pipelines.

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::types::Type;

use crate::{ask, code, connect, start};

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_described() {
    let server = start().await;
    let client = connect(&server).await;
    ask(
        &client,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT, d DECIMAL(12, 2), x VARCHAR(10), y BYTEA, at TIMESTAMPTZ)",
    )
    .await
    .unwrap();
    let point = client.prepare("SELECT * FROM t WHERE id = $1").await.unwrap();
    assert_eq!(point.params(), [Type::INT8]);
    let types: Vec<&Type> = point.columns().iter().map(|column| column.type_()).collect();
    assert_eq!(types[..3], [&Type::INT8, &Type::INT4, &Type::NUMERIC]);
    assert_eq!(types[4..], [&Type::BYTEA, &Type::TIMESTAMPTZ]);
    assert_eq!(point.columns()[2].name(), "d");
    assert!(point.columns()[0].table_oid().is_some());
    let scan =
        client.prepare("SELECT count(*) AS c, x FROM t WHERE n < $2 AND at > $1 GROUP BY x").await.unwrap();
    assert_eq!(scan.params(), [Type::TIMESTAMPTZ, Type::INT4]);
    assert_eq!(scan.columns()[0].name(), "c");
    let insert = client.prepare("INSERT INTO t (id, x) VALUES ($1, $2)").await.unwrap();
    assert_eq!((insert.params(), insert.columns().len()), ([Type::INT8, Type::TEXT].as_slice(), 0));
    let returning = client.prepare("DELETE FROM t WHERE id = $1 RETURNING x").await.unwrap();
    assert_eq!(returning.columns()[0].name(), "x");
    let typed = client.prepare_typed("SELECT $1 + 1", &[Type::INT8]).await.unwrap();
    assert_eq!(client.query_one(&typed, &[&41_i64]).await.unwrap().get::<_, i64>(0), 42);
    let named = client.prepare_typed("SELECT x FROM t WHERE x = $1", &[Type::VARCHAR]).await.unwrap();
    assert_eq!(named.params(), [Type::VARCHAR]);
    let cast = client.prepare("SELECT $1::text").await.unwrap();
    assert_eq!(cast.params(), [Type::TEXT]);
    assert_eq!(client.prepare("SHOW server_version").await.unwrap().columns().len(), 1);
    assert_eq!(code(client.prepare("SELECT * FROM nosuch").await), "42P01");
    assert_eq!(code(client.prepare("SELEC").await), "42601");
    assert_eq!(code(client.prepare("SELECT 1; SELECT 2").await), "42601");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_follow_the_catalog() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'one')")
        .await
        .unwrap();
    let get = client.prepare("SELECT x FROM t WHERE id = $1").await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.query_one(&get, &[&1_i64]).await.unwrap().get::<_, &str>(0), "one");
    }
    assert!(client.query_opt(&get, &[&2_i64]).await.unwrap().is_none());
    ask(
        &client,
        "DROP TABLE t; CREATE TABLE t (id BIGINT PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'two')",
    )
    .await
    .unwrap();
    assert_eq!(client.query_one(&get, &[&1_i64]).await.unwrap().get::<_, &str>(0), "two");
    ask(
        &client,
        "DROP TABLE t; CREATE TABLE t (id BIGINT PRIMARY KEY, x BIGINT); INSERT INTO t VALUES (1, 3)",
    )
    .await
    .unwrap();
    assert_eq!(code(client.query_one(&get, &[&1_i64]).await), "0A000");
    let put = client
        .prepare("INSERT INTO t VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET x = excluded.x")
        .await
        .unwrap();
    for n in 0..100_i64 {
        assert_eq!(client.execute(&put, &[&(n % 10), &n]).await.unwrap(), 1);
    }
    assert_eq!(ask(&client, "SELECT count(*), sum(x) FROM t").await.unwrap()[0], "10|945");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_are_read_in_pieces() {
    let server = start().await;
    let mut client = connect(&server).await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT * FROM generate_series(1, 10)", &[]).await.unwrap();
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 4).await.unwrap();
        seen.extend(rows.iter().map(|row| row.get::<_, i64>(0)));
        sizes.push(rows.len());
        if rows.len() < 4 {
            break;
        }
    }
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(seen, (1..=10).collect::<Vec<i64>>());
    let exact = transaction.bind("SELECT * FROM generate_series(1, 4)", &[]).await.unwrap();
    assert_eq!(transaction.query_portal(&exact, 4).await.unwrap().len(), 4);
    assert_eq!(transaction.query_portal(&exact, 4).await.unwrap().len(), 0);
    transaction.commit().await.unwrap();
    // Outside of a transaction a portal ends with its group, and its name is free again.
    for _ in 0..3 {
        assert_eq!(client.query("SELECT 1", &[]).await.unwrap().len(), 1);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_are_answered_in_order() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    let put = client.prepare("INSERT INTO t VALUES ($1)").await.unwrap();
    let ids: Vec<i64> = (0..500).map(|n| n % 400).collect();
    let done = join_all(ids.iter().map(|id| client.execute_raw(&put, vec![id]))).await;
    let failed = done.iter().filter(|done| done.is_err()).count();
    assert_eq!((failed, done[399].is_ok(), done[400].is_err()), (100, true, true));
    let large =
        client.query("SELECT n, repeat('x', 100) FROM generate_series(1, 50000) n", &[]).await.unwrap();
    assert_eq!((large.len(), large[49_999].get::<_, i64>(0)), (50_000, 50_000));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_does_not_wait_for_sync() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"\0\0\0\x15\0\x03\0\0user\0gnitz\0\0\0").await.unwrap();
    read_until(&mut stream, b'Z').await;
    // Parse of what does not exist, Describe and Flush: the client waits for an answer before it says Sync.
    stream.write_all(b"P\0\0\0\x16\0SELECT nothing\0\0\0D\0\0\0\x06S\0H\0\0\0\x04").await.unwrap();
    assert_eq!(read_until(&mut stream, b'E').await, [b'E']);
    stream.write_all(b"S\0\0\0\x04").await.unwrap();
    assert_eq!(read_until(&mut stream, b'Z').await, [b'Z']);
    server.stop().await;
}

/// Reads messages up to one of this kind; their kinds.
async fn read_until(stream: &mut TcpStream, last: u8) -> Vec<u8> {
    let mut kinds = Vec::new();
    while kinds.last() != Some(&last) {
        kinds.push(stream.read_u8().await.unwrap());
        let length = stream.read_u32().await.unwrap() as usize;
        stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
    }
    kinds
}
