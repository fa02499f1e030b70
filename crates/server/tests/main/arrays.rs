//! Arrays as parameters, in both formats, declared and not.

use tokio_postgres::types::Type;

use crate::{ask, code, connect, start};

#[tokio::test(flavor = "multi_thread")]
async fn parameters_may_be_arrays() {
    let server = start().await;
    let client = connect(&server).await;
    ask(
        &client,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x VARCHAR(10), d DATE, f DOUBLE PRECISION, b BOOLEAN);
         INSERT INTO t VALUES (1, 'a', '2026-01-01', 0.5, true), (2, 'b', NULL, 1.5, false), (3, 'c \"d', '2026-01-03', 2, NULL)",
    )
    .await
    .unwrap();
    let ids =
        |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>();
    let any = client.prepare("SELECT id FROM t WHERE id = ANY($1)").await.unwrap();
    assert_eq!(any.params(), [Type::INT4_ARRAY]);
    assert_eq!(ids(client.query(&any, &[&vec![3, 1, 7]]).await.unwrap()), [1, 3]);
    assert_eq!(ids(client.query(&any, &[&Vec::<i32>::new()]).await.unwrap()), Vec::<i32>::new());
    assert_eq!(ids(client.query(&any, &[&vec![Some(2), None]]).await.unwrap()), [2]);
    assert_eq!(ids(client.query(&any, &[&None::<Vec<i32>>]).await.unwrap()), Vec::<i32>::new());
    let texts = client.prepare("SELECT id FROM t WHERE x <> ALL($1) AND id > $2 ORDER BY id").await.unwrap();
    assert_eq!(texts.params(), [Type::TEXT_ARRAY, Type::INT4]);
    assert_eq!(ids(client.query(&texts, &[&vec!["c \"d", "b"], &0]).await.unwrap()), [1]);
    for (declared, column) in [
        (Type::INT8_ARRAY, "id"),
        (Type::INT2_ARRAY, "id"),
        (Type::NUMERIC_ARRAY, "id"),
        (Type::FLOAT8_ARRAY, "f"),
    ] {
        let sql = format!("SELECT id FROM t WHERE {column} = ANY($1)");
        let statement = client.prepare_typed(&sql, std::slice::from_ref(&declared)).await.unwrap();
        assert_eq!(statement.params(), std::slice::from_ref(&declared));
        let rows = match declared {
            Type::INT8_ARRAY => client.query(&statement, &[&vec![1_i64, 5_000_000_000]]).await.unwrap(),
            Type::INT2_ARRAY => client.query(&statement, &[&vec![1_i16]]).await.unwrap(),
            Type::FLOAT8_ARRAY => client.query(&statement, &[&vec![0.5_f64]]).await.unwrap(),
            _ => continue,
        };
        assert_eq!(ids(rows), [1], "{sql}");
    }
    let varchar =
        client.prepare_typed("SELECT id FROM t WHERE x = ANY($1)", &[Type::VARCHAR_ARRAY]).await.unwrap();
    assert_eq!(ids(client.query(&varchar, &[&vec!["b"]]).await.unwrap()), [2]);
    let insert = client
        .prepare("INSERT INTO t (id, x, b) SELECT * FROM unnest($1::int[], $2::text[], $3::bool[])")
        .await
        .unwrap();
    assert_eq!(insert.params(), [Type::INT4_ARRAY, Type::TEXT_ARRAY, Type::BOOL_ARRAY]);
    let many: Vec<i32> = (10..1010).collect();
    let names: Vec<String> = many.iter().map(|n| format!("n{n}")).collect();
    assert_eq!(client.execute(&insert, &[&many, &names, &vec![true; 1000]]).await.unwrap(), 1000);
    let delete = client.prepare("DELETE FROM t WHERE id = ANY($1)").await.unwrap();
    assert_eq!(client.execute(&delete, &[&many]).await.unwrap(), 1000);
    assert_eq!(ask(&client, "SELECT count(*) FROM t").await.unwrap()[0], "3");
    // In SQL, as text.
    ask(&client, "PREPARE p(int[]) AS SELECT x FROM t WHERE id = ANY($1)").await.unwrap();
    assert_eq!(ask(&client, "EXECUTE p('{2}')").await.unwrap()[0], "b");
    assert_eq!(code(ask(&client, "EXECUTE p('2')").await), "22P02");
    server.stop().await;
}
