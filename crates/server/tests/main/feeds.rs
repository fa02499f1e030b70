//! `SUBSCRIBE` over the wire: rows as they are committed, how it ends, and how it goes on.

use std::time::{Duration, Instant};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_lost_ends_what_it_began() {
    let server = start().await;
    let owner = connect(&server).await;
    ask(
        &owner,
        "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE ROLE readers; CREATE USER eve IN ROLE readers",
    )
    .await
    .unwrap();
    ask(&owner, "GRANT SELECT ON t TO readers; INSERT INTO t VALUES (1)").await.unwrap();
    let reader = async || {
        let (client, connection) = server.config().user("eve").connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let mut rows = Rows::of(reader().await, "SUBSCRIBE t");
    let mut counts = Rows::of(reader().await, "SUBSCRIBE (SELECT count(*) FROM t)");
    let copying = reader().await;
    let mut lines = std::pin::pin!(copying.copy_out("COPY (SUBSCRIBE t) TO STDOUT").await.unwrap());
    assert!(rows.next().await.unwrap().ends_with("|1|1"));
    assert!(counts.next().await.unwrap().ends_with("|1|1"));
    assert!(lines.next().await.unwrap().unwrap().ends_with(b"\t1\t1\n"));
    ask(&owner, "REVOKE readers FROM eve").await.unwrap();
    assert_eq!(rows.next().await, Err("42501".to_string()));
    assert_eq!(counts.next().await, Err("42501".to_string()));
    assert_eq!(code(lines.next().await.unwrap()), "42501");
    assert_eq!(code(ask(&copying, "SUBSCRIBE t").await), "42501");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_gives_changes_when_they_are_fetched() {
    let server = start().await;
    let (writer, reader) = (connect(&server).await, connect(&server).await);
    ask(&writer, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)")
        .await
        .unwrap();
    let epoch = server.database.epoch().unwrap();
    let row = |later: u64, id: u64| format!("{}|1|{id}", epoch + later);
    assert_eq!(code(ask(&reader, "DECLARE c CURSOR FOR SUBSCRIBE t").await), "25P01");
    ask(&reader, "BEGIN; DECLARE c CURSOR FOR SUBSCRIBE t").await.unwrap();

    // A change is given in as many pieces as it is fetched in, and what is there at once.
    assert_eq!(ask(&reader, "FETCH 2 c").await.unwrap(), [row(0, 1), row(0, 2), "#2".to_string()]);
    assert_eq!(ask(&reader, "FETCH FORWARD ALL FROM c").await.unwrap(), [row(0, 3), "#1".to_string()]);
    assert_eq!(ask(&reader, "FETCH ALL c WITH (TIMEOUT = '0s')").await.unwrap(), ["#0"]);
    let begun = Instant::now();
    assert_eq!(ask(&reader, "FETCH 5 FROM c WITH (timeout '0.2 seconds')").await.unwrap(), ["#0"]);
    assert!(begun.elapsed() >= Duration::from_millis(200));

    // Without a time it waits for a change. Commits, tables that are made and checkpoints do not wait for it.
    let (fetched, written) = tokio::join!(ask(&reader, "FETCH c"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ask(&writer, "INSERT INTO t VALUES (4), (5)").await
    });
    assert_eq!(
        (fetched.unwrap(), written.unwrap()),
        (vec![row(1, 4), "#1".to_string()], vec!["#2".to_string()])
    );
    for n in 6..200 {
        ask(&writer, &format!("INSERT INTO t VALUES ({n}); DELETE FROM t WHERE id = {n}")).await.unwrap();
    }
    ask(&writer, "CREATE TABLE other (id INTEGER)").await.unwrap();
    server.database.checkpoint().unwrap();
    assert_eq!(ask(&reader, "FETCH ALL c").await.unwrap(), [row(1, 5), "#1".to_string()]);

    // Through the extended protocol, with values of their types; then it is closed.
    ask(&writer, "INSERT INTO t VALUES (300)").await.unwrap();
    let rows = reader.query("FETCH FORWARD 10 FROM c", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.get(1), row.get(2))).collect::<Vec<(i64, i32)>>(), [(1, 300)]);
    ask(&reader, "CLOSE c").await.unwrap();
    assert_eq!(code(ask(&reader, "FETCH c").await), "34000");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_changes_goes_forward_and_ends_with_its_transaction() {
    let server = start().await;
    let (writer, reader) = (connect(&server).await, connect(&server).await);
    ask(&writer, "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE other (id INTEGER)").await.unwrap();
    ask(&reader, "BEGIN; DECLARE c CURSOR FOR SUBSCRIBE t; SAVEPOINT s").await.unwrap();
    for (text, state) in [
        ("MOVE 1 c", "0A000"),
        ("FETCH BACKWARD 1 c", "55000"),
        ("FETCH FIRST c", "55000"),
        ("FETCH 1 c WITH (timeout = '-1s')", "22023"),
        ("FETCH 1 c WITH (timeout = 'soon')", "22007"),
        ("FETCH 1 c WITH (speed = 1)", "42601"),
        ("DECLARE c CURSOR FOR SUBSCRIBE t", "42P03"),
        ("DECLARE d CURSOR WITH HOLD FOR SUBSCRIBE t", "0A000"),
        ("DECLARE d CURSOR FOR COPY (SUBSCRIBE t) TO STDOUT", "42601"),
        ("DECLARE d CURSOR FOR SUBSCRIBE nothing", "42P01"),
    ] {
        assert_eq!(code(ask(&reader, text).await), state, "{text}");
        ask(&reader, "ROLLBACK TO s").await.unwrap();
    }
    ask(&reader, "DECLARE d CURSOR FOR SELECT 1").await.unwrap();
    assert_eq!(code(ask(&reader, "FETCH 1 d WITH (timeout = '1s')").await), "0A000");
    ask(&reader, "ROLLBACK TO s; SET LOCAL statement_timeout = 200").await.unwrap();
    assert_eq!(code(ask(&reader, "FETCH 1 c").await), "57014");
    ask(&reader, "ROLLBACK TO s").await.unwrap();

    ask(&reader, "ROLLBACK").await.unwrap();

    // The end of the transaction ends it, and the end of what it follows; then nothing is waited for.
    ask(&reader, "BEGIN; DECLARE c CURSOR FOR SUBSCRIBE t WITH (SNAPSHOT false, PROGRESS)").await.unwrap();
    ask(&writer, "INSERT INTO other VALUES (1)").await.unwrap();
    let progress = format!("{}|NULL|t|NULL", server.database.epoch().unwrap());
    assert_eq!(ask(&reader, "FETCH ALL c").await.unwrap(), [progress, "#1".to_string()]);
    ask(&writer, "DROP TABLE t").await.unwrap();
    while ask(&reader, "FETCH ALL c").await.unwrap() != ["#0"] {}
    ask(&reader, "COMMIT; BEGIN").await.unwrap();
    assert_eq!(code(ask(&reader, "FETCH c").await), "34000");
    server.stop().await;
}
