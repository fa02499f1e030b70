//! `SUBSCRIBE` over the wire: rows as they are committed, how it ends, and how it goes on.

use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::{ask, code, connect, start};

/// Rows of a result that does not end, as text.
struct Rows {
    rows: tokio::sync::mpsc::UnboundedReceiver<Result<String, String>>,
}

impl Rows {
    fn of(client: Client, text: &str) -> Rows {
        let (sender, rows) = tokio::sync::mpsc::unbounded_channel();
        let text = text.to_string();
        tokio::spawn(async move {
            let stream = match client.simple_query_raw(&text).await {
                Ok(stream) => stream,
                Err(error) => return drop(sender.send(Err(code::<()>(Err(error))))),
            };
            let mut stream = std::pin::pin!(stream);
            while let Some(message) = stream.next().await {
                let sent = match message {
                    Ok(SimpleQueryMessage::Row(row)) => {
                        let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
                        sender.send(Ok(cells.collect::<Vec<_>>().join("|")))
                    }
                    Ok(SimpleQueryMessage::CommandComplete(rows)) => sender.send(Ok(format!("#{rows}"))),
                    Ok(_) => Ok(()),
                    // A stream that has failed fails for ever, without a pause.
                    Err(error) => return drop(sender.send(Err(code::<()>(Err(error))))),
                };
                if sent.is_err() {
                    return;
                }
            }
        });
        Rows { rows }
    }

    async fn next(&mut self) -> Result<String, String> {
        let next = tokio::time::timeout(Duration::from_secs(30), self.rows.recv()).await;
        next.expect("a row within half a minute").unwrap_or(Err("the end".to_string()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_as_they_are_committed_and_go_on_after_an_epoch() {
    let server = start().await;
    let writer = connect(&server).await;
    ask(&writer, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)").await.unwrap();
    ask(&writer, "CREATE MATERIALIZED VIEW v AS SELECT SUM(n) AS total FROM t; INSERT INTO t VALUES (1, 10)")
        .await
        .unwrap();
    let epoch = server.database.epoch().unwrap();
    let follower = connect(&server).await;
    let token = follower.cancel_token();
    let mut rows = Rows::of(follower, "SUBSCRIBE v");
    assert_eq!(rows.next().await, Ok(format!("{epoch}|1|10")));
    ask(&writer, "INSERT INTO t VALUES (2, 5)").await.unwrap();
    let mut both = [rows.next().await.unwrap(), rows.next().await.unwrap()];
    both.sort();
    assert_eq!(both, [format!("{}|-1|10", epoch + 1), format!("{}|1|15", epoch + 1)]);
    token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    assert_eq!(rows.next().await, Err("57014".to_string()));

    ask(&writer, "INSERT INTO t VALUES (3, 1)").await.unwrap();
    ask(&writer, "INSERT INTO t VALUES (4, 1)").await.unwrap();
    let again = format!("SUBSCRIBE v WITH (PROGRESS) AS OF EPOCH {}", epoch + 1);
    let mut rows = Rows::of(connect(&server).await, &again);
    let mut both = [rows.next().await.unwrap(), rows.next().await.unwrap()];
    both.sort();
    assert_eq!(both, [format!("{}|-1|f|15", epoch + 3), format!("{}|1|f|17", epoch + 3)]);
    ask(&writer, "CREATE TABLE other (id INTEGER)").await.unwrap();
    assert_eq!(rows.next().await, Ok(format!("{}|NULL|t|NULL", epoch + 4)));
    ask(&writer, "DROP MATERIALIZED VIEW v").await.unwrap();
    while rows.next().await != Ok("#2".to_string()) {}
    let mut gone = Rows::of(connect(&server).await, "SUBSCRIBE v");
    assert_eq!(gone.next().await, Err("42P01".to_string()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_followed_and_copied_out() {
    let server = start().await;
    let writer = connect(&server).await;
    ask(&writer, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a')")
        .await
        .unwrap();
    let mut rows = Rows::of(connect(&server).await, "SUBSCRIBE (SELECT name, COUNT(*) FROM t GROUP BY name)");
    assert!(rows.next().await.unwrap().ends_with("|1|a|1"));
    ask(&writer, "INSERT INTO t VALUES (2, 'b')").await.unwrap();
    assert!(rows.next().await.unwrap().ends_with("|1|b|1"));
    let copying = connect(&server).await;
    let mut lines = std::pin::pin!(copying.copy_out("COPY (SUBSCRIBE t) TO STDOUT").await.unwrap());
    let epoch = server.database.epoch().unwrap();
    let mut text = String::new();
    while text.lines().count() < 2 {
        text += std::str::from_utf8(&lines.next().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(text, format!("{epoch}\t1\t1\ta\n{epoch}\t1\t2\tb\n"));
    server.stop().await;
    assert_eq!(rows.next().await, Err("57P01".to_string()));
}
