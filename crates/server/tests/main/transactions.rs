//! Transactions: what is one, what fails one, and what a client is told of where it stands.

use crate::{ask, code, connect, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_one_transaction() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    let before = server.database.epoch().unwrap();
    ask(&client, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(server.database.epoch().unwrap(), before + 1);
    assert_eq!(code(ask(&client, "INSERT INTO t VALUES (3); INSERT INTO t VALUES (1)").await), "23505");
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "2");
    // A BEGIN makes what came before it part of the transaction that stays open.
    ask(&client, "INSERT INTO t VALUES (3); BEGIN; INSERT INTO t VALUES (4)").await.unwrap();
    ask(&client, "ROLLBACK").await.unwrap();
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "2");
    // A COMMIT keeps what came before it, whatever comes after.
    assert_eq!(
        code(ask(&client, "INSERT INTO t VALUES (5); COMMIT; INSERT INTO t VALUES (1)").await),
        "23505"
    );
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "3");
    // Definitions stand among the others.
    ask(&client, "CREATE TABLE u (id BIGINT); INSERT INTO u VALUES (1); DROP TABLE t").await.unwrap();
    assert_eq!(ask(&client, "SELECT * FROM u").await.unwrap()[0], "1");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_transaction_takes_nothing_more() {
    let server = start().await;
    let mut client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    for wrong in ["SELEC", "SELECT 1 / 0", "FETCH nothing", "SHOW nothing", "SELECT nothing"] {
        ask(&client, "BEGIN").await.unwrap();
        ask(&client, "INSERT INTO t VALUES (1)").await.unwrap();
        ask(&client, wrong).await.unwrap_err();
        assert_eq!(code(ask(&client, "SELECT 1").await), "25P02", "{wrong}");
        assert_eq!(code(client.query("SELECT 1", &[]).await), "25P02", "{wrong}");
        ask(&client, "COMMIT").await.unwrap();
        assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "0", "{wrong}");
    }
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES ($1)", &[&7_i64]).await.unwrap();
    assert_eq!(transaction.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 1);
    transaction.rollback().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES ($1)", &[&8_i64]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(ask(&client, "SELECT * FROM t").await.unwrap()[0], "8");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_only_read_do_not_write() {
    let server = start().await;
    let mut client = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    let transaction = client.build_transaction().read_only(true).start().await.unwrap();
    assert_eq!(code(transaction.execute("INSERT INTO t VALUES (1)", &[]).await), "25006");
    transaction.rollback().await.unwrap();
    ask(&client, "BEGIN").await.unwrap();
    ask(&client, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await.unwrap();
    assert_eq!(ask(&client, "SHOW transaction_read_only").await.unwrap()[0], "on");
    assert_eq!(code(ask(&client, "CREATE TABLE u (id BIGINT)").await), "25006");
    ask(&client, "ROLLBACK").await.unwrap();
    ask(&client, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY").await.unwrap();
    assert_eq!(ask(&client, "SHOW default_transaction_read_only").await.unwrap()[0], "on");
    assert_eq!(code(ask(&client, "INSERT INTO t VALUES (1)").await), "25006");
    ask(&client, "BEGIN READ WRITE").await.unwrap();
    ask(&client, "INSERT INTO t VALUES (1)").await.unwrap();
    ask(&client, "COMMIT").await.unwrap();
    ask(&client, "SET default_transaction_read_only TO off").await.unwrap();
    ask(&client, "INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "2");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_to_end_is_a_warning() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, "COMMIT").await.unwrap();
    ask(&client, "ROLLBACK").await.unwrap();
    ask(&client, "BEGIN; BEGIN; COMMIT").await.unwrap();
    let other = connect(&server).await;
    ask(&client, "CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)").await.unwrap();
    ask(&client, "BEGIN").await.unwrap();
    ask(&client, "DELETE FROM t").await.unwrap();
    ask(&other, "DELETE FROM t").await.unwrap();
    assert_eq!(code(ask(&client, "COMMIT").await), "40001");
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "0");
    server.stop().await;
}
