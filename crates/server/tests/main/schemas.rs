//! Relations outside `public`, over the protocol: copied, followed, and told of in errors.

use futures::TryStreamExt;

use crate::{ask, code, connect, connect_as, start};

const SHOP: &str = "CREATE SCHEMA shop;
    CREATE TABLE item (id BIGINT PRIMARY KEY); CREATE TABLE shop.item (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
    INSERT INTO shop.item VALUES (1, 'a'), (2, 'b'); CREATE USER ann; GRANT SELECT ON shop.item TO ann";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_schema_is_copied_followed_and_told_of() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, SHOP).await.unwrap();
    let copied = client.copy_out("COPY shop.item TO STDOUT").await.unwrap();
    let lines: Vec<bytes::Bytes> = copied.try_collect().await.unwrap();
    assert_eq!(lines.concat(), b"1\ta\n2\tb\n");
    let followed = "BEGIN; DECLARE c CURSOR FOR SUBSCRIBE shop.item WITH (SNAPSHOT)";
    ask(&client, followed).await.unwrap();
    assert_eq!(ask(&client, "FETCH 2 FROM c").await.unwrap().len(), 3);
    ask(&client, "ROLLBACK").await.unwrap();
    let twice = client.execute("INSERT INTO shop.item VALUES (1, 'x')", &[]).await.unwrap_err();
    assert!(twice.as_db_error().unwrap().message().contains("constraint \"item_pkey\""), "{twice:?}");
    let find = client.prepare("SELECT name FROM shop.item WHERE id = $1").await.unwrap();
    assert_eq!(client.query_one(&find, &[&2_i64]).await.unwrap().get::<_, &str>(0), "b");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_follows_or_copies_from_a_schema_without_its_right() {
    let server = start().await;
    let client = connect(&server).await;
    ask(&client, SHOP).await.unwrap();
    let ann = connect_as(&server, "ann").await;
    let refused = [
        "COPY shop.item TO STDOUT",
        "COPY (SELECT * FROM shop.item) TO STDOUT",
        "COPY shop.item FROM STDIN",
        "SUBSCRIBE shop.item",
        "SUBSCRIBE (SELECT * FROM shop.item)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM shop.item",
    ];
    for sql in refused {
        assert_eq!(code(ask(&ann, sql).await), "42501", "{sql}");
    }
    ask(&client, "GRANT USAGE ON SCHEMA shop TO ann").await.unwrap();
    assert_eq!(ask(&ann, "SELECT count(*) FROM shop.item").await.unwrap()[0], "2");
    server.stop().await;
}
