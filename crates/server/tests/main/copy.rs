//! COPY from and to the client, in all three formats.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio_postgres::Client;

use crate::{ask, code, connect, start};

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, d DECIMAL(12, 2), x TEXT, b BYTEA, at TIMESTAMP)";

const ROWS: &str =
    "INSERT INTO t VALUES (1, 12.50, E'a\tb\n\"c\" \\\\N', '\\x00ff', '2020-01-02 03:04:05.6'),
    (2, NULL, NULL, NULL, NULL), (3, -0.01, '', '', '1969-12-31')";

async fn out(client: &Client, statement: &str) -> Result<Vec<u8>, tokio_postgres::Error> {
    let stream = client.copy_out(statement).await?;
    let pieces: Vec<Bytes> = stream.try_collect().await?;
    Ok(pieces.concat())
}

async fn into(client: &Client, statement: &str, pieces: &[&[u8]]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(statement).await?;
    futures::pin_mut!(sink);
    for piece in pieces {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_out_goes_in() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, &format!("{TABLE}; {ROWS}")).await.unwrap();
    let before = ask(&client, "SELECT * FROM t ORDER BY id").await.unwrap();
    for format in [
        "",
        "(FORMAT csv, HEADER)",
        "(FORMAT binary)",
        "(FORMAT csv, DELIMITER ';', NULL 'null', QUOTE '''')",
    ] {
        let bytes = out(&client, &format!("COPY t TO STDOUT {format}")).await.unwrap();
        ask(&client, "DELETE FROM t").await.unwrap();
        // In pieces of any size.
        let pieces: Vec<&[u8]> = bytes.chunks(7).collect();
        assert_eq!(
            into(&client, &format!("COPY t FROM STDIN {format}"), &pieces).await.unwrap(),
            3,
            "{format}"
        );
        assert_eq!(ask(&client, "SELECT * FROM t ORDER BY id").await.unwrap(), before, "{format}");
    }
    let text = out(&client, "COPY (SELECT id, d FROM t ORDER BY id) TO STDOUT").await.unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "1\t12.50\n2\t\\N\n3\t-0.01\n");
    let csv = out(&client, "COPY t (x, id) TO STDOUT (FORMAT csv, HEADER)").await.unwrap();
    assert!(String::from_utf8(csv).unwrap().starts_with("x,id\n"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_go_both_ways() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE n (i BIGINT PRIMARY KEY, x TEXT)").await.unwrap();
    let lines: String = (0..100_000).map(|i| format!("{i}\trow {i}\n")).collect();
    let pieces: Vec<&[u8]> = lines.as_bytes().chunks(10_000).collect();
    assert_eq!(into(&client, "COPY n FROM STDIN", &pieces).await.unwrap(), 100_000);
    let stream = client.copy_out("COPY n TO STDOUT").await.unwrap();
    futures::pin_mut!(stream);
    let (mut rows, mut bytes) = (0, 0);
    while let Some(piece) = stream.next().await {
        rows += 1;
        bytes += piece.unwrap().len();
    }
    assert_eq!((rows, bytes), (100_000, lines.len()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_leaves_nothing() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLE).await.unwrap();
    let bad = into(&client, "COPY t (id) FROM STDIN", &[b"1\n2\nthree\n4\n"]).await;
    let error = bad.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.where_()), ("22P02", Some("COPY, line 3")));
    assert_eq!(code(into(&client, "COPY t (id) FROM STDIN", &[b"1\n1\n"]).await), "23505");
    assert_eq!(
        code(into(&client, "COPY t FROM STDIN (FORMAT binary)", &[b"no signature at all"]).await),
        "22P04"
    );
    assert_eq!(code(into(&client, "COPY t (id) FROM STDIN", &[b"\xff\n"]).await), "22P04");
    // The driver loses count after a copy that does not begin, so it gets a connection of its own.
    let lost = connect(&server).await;
    assert_eq!(code(into(&lost, "COPY nosuch FROM STDIN", &[]).await), "42P01");
    assert_eq!(code(out(&client, "COPY (SELECT 1 / 0) TO STDOUT").await), "22012");
    // A client that gives up: the sink is dropped before its end.
    let sink = client.copy_in::<_, Bytes>("COPY t (id) FROM STDIN").await.unwrap();
    {
        futures::pin_mut!(sink);
        sink.send(Bytes::from_static(b"1\n2\n")).await.unwrap();
    }
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "0");
    // Within a transaction it is part of it.
    ask(&client, "BEGIN").await.unwrap();
    assert_eq!(into(&client, "COPY t (id) FROM STDIN", &[b"1\n"]).await.unwrap(), 1);
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "1");
    into(&client, "COPY t (id) FROM STDIN", &[b"x\n"]).await.unwrap_err();
    assert_eq!(code(ask(&client, "SELECT 1").await), "25P02");
    ask(&client, "ROLLBACK").await.unwrap();
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_nothing_comes_for_does_not_hold_up_the_end() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLE).await.unwrap();
    let sink = client.copy_in::<_, Bytes>("COPY t (id) FROM STDIN").await.unwrap();
    futures::pin_mut!(sink);
    sink.send(Bytes::from_static(b"1\n2\n")).await.unwrap();
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // The driver tells what the server said, or only that the connection is gone.
    let told = code(sink.finish().await);
    assert!(told == "57P01" || told.contains("Closed"), "{told}");
}
