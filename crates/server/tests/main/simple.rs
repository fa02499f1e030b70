//! The simple protocol: texts of statements, errors with their places, settings, cursors.

use tokio_postgres::error::ErrorPosition;

use crate::{ask, code, connect, start};

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, x VARCHAR(10))";

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_several_statements() {
    let server = start().await;
    let client = connect(&server).await;
    let rows = ask(
        &client,
        &format!("{TABLE}; INSERT INTO t VALUES (1, 'a'), (2, NULL); SELECT * FROM t ORDER BY id"),
    )
    .await;
    assert_eq!(rows.unwrap(), ["#0", "#2", "1|a", "2|NULL", "#2"]);
    assert_eq!(ask(&client, " ; -- nothing\n").await.unwrap(), ["#0"]);
    // A text that is no SQL at its end does nothing at its beginning.
    assert_eq!(code(ask(&client, "DELETE FROM t; SELEC").await), "42601");
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap(), ["2", "#1"]);
    // The same text again, from the cache, over what has changed since.
    ask(&client, "DROP TABLE t; CREATE TABLE t (id TEXT)").await.unwrap();
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap(), ["0", "#1"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_where_and_what_to_do() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, TABLE).await.unwrap();
    let error = ask(&client, "SELECT 'é';\n SELECT id,\n nosuch FROM t").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.severity(), error.code().code()), ("ERROR", "42703"));
    assert_eq!(error.position(), Some(&ErrorPosition::Original(26)));
    let error = ask(&client, "ALTER TABLE t ADD COLUMN y INT").await.unwrap_err();
    assert!(error.as_db_error().unwrap().hint().is_some());
    ask(&client, "INSERT INTO t VALUES (1, 'a')").await.unwrap();
    let error = ask(&client, "INSERT INTO t VALUES (1, 'a')").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.message(), "duplicate key value violates unique constraint \"t_pkey\"");
    assert_eq!(error.detail(), Some("Key (id)=(1) already exists."));
    assert_eq!(code(ask(&client, "CREATE INDEX i ON t (x)").await), "0A000");
    assert_eq!(ask(&client, "SELECT 1").await.unwrap(), ["1", "#1"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_names() {
    let server = start().await;
    let client = connect(&server).await;
    assert_eq!(ask(&client, "SHOW server_version").await.unwrap()[0], "15.8");
    assert_eq!(ask(&client, "SET statement_timeout = '2s'; SHOW statement_timeout").await.unwrap()[1], "2s");
    assert_eq!(ask(&client, "RESET ALL; SHOW statement_timeout").await.unwrap()[1], "0");
    assert_eq!(code(ask(&client, "SET nonsense = 1").await), "42704");
    assert_eq!(code(ask(&client, "SET timezone = 'Europe/Rome'").await), "0A000");
    ask(&client, "BEGIN; SET application_name = 'x'; ROLLBACK").await.unwrap();
    assert_eq!(ask(&client, "SHOW application_name").await.unwrap()[0], "");
    assert!(ask(&client, "SHOW ALL").await.unwrap().len() > 20);
    ask(&client, TABLE).await.unwrap();
    ask(&client, "PREPARE put (bigint, text) AS INSERT INTO t VALUES ($1, $2)").await.unwrap();
    assert_eq!(ask(&client, "EXECUTE put(2 + 3, 'five')").await.unwrap(), ["#1"]);
    ask(&client, "PREPARE get AS SELECT x FROM t WHERE id = $1").await.unwrap();
    assert_eq!(ask(&client, "EXECUTE get(5)").await.unwrap()[0], "five");
    assert_eq!(code(ask(&client, "EXECUTE get").await), "42601");
    assert_eq!(code(ask(&client, "PREPARE get AS SELECT 1").await), "42P05");
    ask(&client, "DEALLOCATE get").await.unwrap();
    assert_eq!(code(ask(&client, "EXECUTE get(5)").await), "26000");
    ask(&client, "DISCARD ALL").await.unwrap();
    assert_eq!(code(ask(&client, "EXECUTE put(6, 'x')").await), "26000");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_go_both_ways_and_end_with_their_transaction() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE n (i BIGINT PRIMARY KEY); INSERT INTO n SELECT * FROM generate_series(1, 5)")
        .await
        .unwrap();
    assert_eq!(code(ask(&client, "DECLARE c CURSOR FOR SELECT i FROM n").await), "25P01");
    ask(&client, "BEGIN; DECLARE c CURSOR FOR SELECT i FROM n ORDER BY i; DELETE FROM n").await.unwrap();
    assert_eq!(ask(&client, "FETCH 2 FROM c").await.unwrap(), ["1", "2", "#2"]);
    assert_eq!(ask(&client, "MOVE 1 FROM c").await.unwrap(), ["#1"]);
    assert_eq!(ask(&client, "FETCH ALL FROM c").await.unwrap(), ["4", "5", "#2"]);
    assert_eq!(ask(&client, "FETCH BACKWARD 2 FROM c").await.unwrap(), ["5", "4", "#2"]);
    assert_eq!(code(ask(&client, "FETCH d").await), "34000");
    ask(&client, "ROLLBACK").await.unwrap();
    assert_eq!(code(ask(&client, "FETCH c").await), "34000");
    ask(&client, "DECLARE h NO SCROLL CURSOR WITH HOLD FOR SELECT i FROM n ORDER BY i").await.unwrap();
    assert_eq!(ask(&client, "FETCH 2 h").await.unwrap(), ["1", "2", "#2"]);
    assert_eq!(code(ask(&client, "FETCH PRIOR FROM h").await), "55000");
    ask(&client, "CLOSE h").await.unwrap();
    assert_eq!(code(ask(&client, "FETCH h").await), "34000");
    server.stop().await;
}
