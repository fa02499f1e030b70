//! Arrays, where their elements are what is asked for: ANY, ALL and unnest, over literals and parameters.

use gnitz::{Datum, Session, Type, Value};

use crate::{count, memory, rows, run, state, texts};

fn text(text: &str) -> Value {
    Value { datum: Datum::Text(text.to_string()), ty: Type::Text }
}

/// The rows of a query with parameters.
fn ask(session: &Session, sql: &str, params: &[Value]) -> Vec<String> {
    let statement = session.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    texts(&statement.query(params).unwrap_or_else(|error| panic!("{sql}: {} {error}", error.sqlstate())))
}

fn table(session: &Session) {
    run(
        session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT, n NUMERIC(10, 2));
         INSERT INTO t VALUES (1, 'a', 1.5), (2, 'b', 2), (3, NULL, 3.25), (4, 'd e', -1)",
    );
}

#[test]
fn literals_are_lists() {
    let (_database, session) = memory();
    table(&session);
    for (condition, expected) in [
        ("id = ANY('{1, 3,9}')", "1,3"),
        ("id = ANY('{1,3}'::int[])", "1,3"),
        ("id = ANY(ARRAY[2, 4])", "2,4"),
        ("id = SOME('{}')", ""),
        ("id <> ALL('{1,2}')", "3,4"),
        ("id <> ALL('{1,NULL}')", ""),
        ("x = ANY('{\"d e\", a}')", "1,4"),
        ("x = ANY('{NULL,b}'::text[])", "2"),
        ("id > ANY('{2,3}'::int[])", "3,4"),
        ("id >= ALL('{2,3}'::int[])", "3,4"),
        ("n = ANY('{1.5,3.250,1.501}'::numeric[])", "1,3"),
        ("id = ANY('{1.5,2}'::float8[])", "2"),
        ("id = ANY(NULL::int[])", ""),
        ("NOT id = ANY('{1,2}'::bigint[])", "3,4"),
    ] {
        let sql = format!("SELECT id FROM t WHERE {condition} ORDER BY id");
        assert_eq!(rows(&session, &sql).join(","), expected, "{condition}");
    }
    assert_eq!(rows(&session, "SELECT id = ANY('{1,NULL}') FROM t ORDER BY id"), ["true", "-", "-", "-"]);
    assert_eq!(state(&session, "SELECT id FROM t WHERE id = ANY('{1')"), "22P02");
    assert_eq!(state(&session, "SELECT id FROM t WHERE id = ANY('{{1}}')"), "0A000");
    assert_eq!(state(&session, "SELECT x::text[] FROM t"), "0A000");
    assert_eq!(rows(&session, "SELECT array_length('{7,8,9}'::int8[], 1) FROM t WHERE id = 1"), ["3"]);
    assert_eq!(count(&session, "UPDATE t SET x = 'z' WHERE id = ANY('{1,2,7}')"), 2);
    assert_eq!(count(&session, "DELETE FROM t WHERE id = ANY('{2,3}'::int[])"), 2);
    assert_eq!(rows(&session, "SELECT id, x FROM t ORDER BY id"), ["1|z", "4|d e"]);
}

#[test]
fn parameters_are_arrays() {
    let (_database, session) = memory();
    table(&session);
    let any = session.prepare("SELECT id, x FROM t WHERE id = ANY($1) ORDER BY id").unwrap();
    assert_eq!(any.array_parameters(), [0]);
    assert_eq!(any.describe(&[]).unwrap().parameters, [Type::Int32]);
    for (array, expected) in
        [("{1,2}", "1|a 2|b"), ("{}", ""), ("{3,NULL,3}", "3|-"), ("{4,5000000000}", ""), ("{4}", "4|d e")]
    {
        let found = any.query(&[text(array)]).map(|result| texts(&result).join(" "));
        match array {
            "{4,5000000000}" => assert_eq!(found.unwrap_err().sqlstate(), "22003"),
            _ => assert_eq!(found.unwrap(), expected, "{array}"),
        }
    }
    assert_eq!(any.query(&[Value::NULL]).map(|result| texts(&result)).unwrap(), Vec::<String>::new());
    assert_eq!(any.query(&[text("1")]).unwrap_err().sqlstate(), "22P02");
    // What is said of the elements holds, whatever they are compared with.
    any.describe(&[Some(Type::Int64)]).unwrap();
    assert_eq!(texts(&any.query(&[text("{4,5000000000}")]).unwrap()), ["4|d e"]);
    let one = |n| Value { datum: Datum::Int(n), ty: Type::Int32 };
    assert_eq!(
        ask(
            &session,
            "SELECT id FROM t WHERE id > $1 AND x <> ALL($2) AND id < $3",
            &[one(0), text("{a}"), one(4)]
        ),
        ["2"]
    );
    assert_eq!(
        ask(
            &session,
            "SELECT id FROM t WHERE ($1::int[] IS NULL OR id = ANY($1)) AND x = ANY($2::text[])",
            &[text("{1,2}"), text("{b,\"d e\"}")]
        ),
        ["2"]
    );
    assert_eq!(
        ask(&session, "SELECT id FROM t WHERE n = ANY($1) ORDER BY id", &[text("{1.5,1.501,-1}")]),
        ["1", "4"]
    );
    let update = session.prepare("UPDATE t SET x = $2 WHERE id = ANY($1)").unwrap();
    assert_eq!(update.describe(&[]).unwrap().parameters, [Type::Int32, Type::Text]);
    assert_eq!(update.execute(&[text("{1,2,9}"), text("new")]).unwrap().to_string(), "UPDATE 2");
    let delete = session.prepare("DELETE FROM t WHERE id = ANY($1) RETURNING x").unwrap();
    assert_eq!(texts(&delete.query(&[text("{2,3}")]).unwrap()), ["new", "-"]);
    assert_eq!(rows(&session, "SELECT id, x FROM t ORDER BY id"), ["1|new", "4|d e"]);
}

#[test]
fn arrays_are_rows() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (id BIGINT PRIMARY KEY, x VARCHAR(10))");
    assert_eq!(
        count(
            &session,
            "INSERT INTO t (id, x) SELECT * FROM UNNEST(('{2,3,4}'::int8[])::bigint[], ('{a2,\"a 3\"}')::varchar[])"
        ),
        3
    );
    assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), ["2|a2", "3|a 3", "4|-"]);
    let insert = session.prepare("INSERT INTO t SELECT * FROM unnest($1::int[], $2::text[])").unwrap();
    assert_eq!(insert.array_parameters(), [0, 1]);
    assert_eq!(insert.describe(&[]).unwrap().parameters, [Type::Int32, Type::Text]);
    assert_eq!(insert.execute(&[text("{10,11}"), text("{x,NULL}")]).unwrap().to_string(), "INSERT 0 2");
    assert_eq!(insert.execute(&[text("{}"), text("{}")]).unwrap().to_string(), "INSERT 0 0");
    assert_eq!(rows(&session, "SELECT * FROM t WHERE id > 9 ORDER BY id"), ["10|x", "11|-"]);
    assert_eq!(rows(&session, "SELECT * FROM unnest('{1,2}'::int8[], '{a,b}'::text[])"), ["1|a", "2|b"]);
    assert_eq!(
        rows(&session, "SELECT y, z FROM unnest('{1,2}'::int8[], '{a}'::text[]) AS u(y, z) ORDER BY y DESC"),
        ["2|-", "1|a"]
    );
    assert_eq!(
        ask(
            &session,
            "SELECT t.id, u.n FROM unnest($1::bigint[]) WITH ORDINALITY AS u(id, n) JOIN t ON t.id = u.id ORDER BY n",
            &[text("{3,99,2}")]
        ),
        ["3|1", "2|3"]
    );
    assert_eq!(
        ask(&session, "SELECT count(*) FROM t, unnest($1::text[]) AS u(x) WHERE t.x = u.x", &[text("{}")]),
        ["0"]
    );
    assert_eq!(state(&session, "INSERT INTO t SELECT * FROM unnest('{a}'::int[], '{b}'::text[])"), "22P02");
}
