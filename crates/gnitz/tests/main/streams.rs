//! What statements take and answer, and COPY from and to streams.

use gnitz::{Error, Session, StatementKind, Type};

use crate::{memory, rows, run};

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, d DECIMAL(12, 2), x TEXT)";

fn copy_in(session: &Session, statement: &str, input: &[u8]) -> gnitz::Result<u64> {
    session.prepare(statement)?.copy_in(input)
}

fn copy_out(session: &Session, statement: &str) -> gnitz::Result<Vec<u8>> {
    let mut out = Vec::new();
    session.prepare(statement)?.copy_out(&mut out)?;
    Ok(out)
}

#[test]
fn statements_say_what_they_take_and_answer() {
    let (_database, session) = memory();
    run(&session, TABLE);
    let describe = |sql: &str, given: &[Option<Type>]| {
        let description = session.prepare(sql).unwrap().describe(given).unwrap();
        let columns =
            description.columns.map(|columns| columns.into_iter().map(|c| (c.name, c.ty)).collect());
        (description.parameters, columns.unwrap_or_else(Vec::new))
    };
    let decimal = Type::Decimal { precision: 12, scale: 2 };
    let point = describe("SELECT x, d FROM t WHERE id = $1", &[]);
    assert_eq!(point, (vec![Type::Int64], vec![("x".to_string(), Type::Text), ("d".to_string(), decimal)]));
    let scan = describe("SELECT count(*) AS c FROM t WHERE d < $1", &[]);
    assert_eq!(scan, (vec![decimal], vec![("c".to_string(), Type::Int64)]));
    assert_eq!(describe("INSERT INTO t (id, x) VALUES ($1, $2)", &[]).0, [Type::Int64, Type::Text]);
    assert_eq!(describe("DELETE FROM t RETURNING id", &[]).1, [("id".to_string(), Type::Int64)]);
    assert_eq!(describe("SELECT $1", &[Some(Type::Date)]).0, [Type::Date]);
    assert_eq!(describe("SELECT $1", &[]).0, [Type::Text]);
    assert_eq!(describe("EXPLAIN SELECT 1", &[]).1, [("plan".to_string(), Type::Text)]);
    assert_eq!(describe("BEGIN", &[]), (vec![], vec![]));
}

#[test]
fn short_statements_are_planned_look_ups() {
    let (_database, session) = memory();
    run(&session, TABLE);
    let get = session.prepare("SELECT x FROM t WHERE id = $1").unwrap();
    assert_eq!((get.kind(), get.is_short()), (StatementKind::Query, false));
    get.describe(&[]).unwrap();
    assert!(get.is_short());
    for long in ["SELECT x FROM t WHERE id > 1", "SELECT x FROM t", "DELETE FROM t WHERE id = 1"] {
        let statement = session.prepare(long).unwrap();
        statement.describe(&[]).unwrap();
        assert!(!statement.is_short(), "{long}");
    }
    assert!(session.prepare("BEGIN").unwrap().is_short());
}

#[test]
fn what_is_soon_planned_is_brief() {
    let (_database, session) = memory();
    run(&session, TABLE);
    let planned = |text: &str| {
        let statement = session.prepare(text).unwrap();
        statement.plan_briefly();
        statement
    };
    assert!(planned("SELECT x FROM t WHERE id = 1").is_short());
    for long in [
        "SELECT x FROM t WHERE id > 1",
        "SELECT current_user, x FROM t WHERE id = 1",
        "SELECT nothing FROM t WHERE id = 1",
        // Nobody knows how long its views take.
        "DELETE FROM t WHERE id = 1",
    ] {
        assert!(!planned(long).is_brief(), "{long}");
    }
    // In a transaction they do not follow yet.
    run(&session, "BEGIN");
    assert!(planned("DELETE FROM t WHERE id = 1").is_brief());
    for long in [
        "DELETE FROM t WHERE id > 1",
        "INSERT INTO t SELECT * FROM t",
        "DELETE FROM t WHERE id = (SELECT 1)",
        "DELETE FROM nothing",
    ] {
        assert!(!planned(long).is_brief(), "{long}");
    }
    assert_eq!(planned("DELETE FROM nothing").execute(&[]).unwrap_err().sqlstate(), "42P01");
    assert!(session.prepare("ROLLBACK").unwrap().is_short());
}

#[test]
fn copies_go_through_streams() {
    let (_database, session) = memory();
    run(&session, TABLE);
    assert_eq!(copy_in(&session, "COPY t FROM STDIN", b"1\t1.005\ta\\nb\n2\t\\N\t\\N\n").unwrap(), 2);
    assert_eq!(copy_out(&session, "COPY t TO STDOUT").unwrap(), b"1\t1.01\ta\\nb\n2\t\\N\t\\N\n");
    let binary = copy_out(&session, "COPY t TO STDOUT (FORMAT binary)").unwrap();
    let csv =
        copy_out(&session, "COPY (SELECT x, id FROM t ORDER BY id) TO STDOUT (FORMAT csv, HEADER)").unwrap();
    assert_eq!(csv, b"x,id\n\"a\nb\",1\n,2\n");
    run(&session, "DELETE FROM t");
    assert_eq!(copy_in(&session, "COPY t FROM STDIN (FORMAT binary)", &binary).unwrap(), 2);
    assert_eq!(rows(&session, "SELECT id, d FROM t ORDER BY id"), ["1|1.01", "2|-"]);
    run(&session, "DELETE FROM t");
    assert_eq!(
        copy_in(&session, "COPY t FROM STDIN (FORMAT binary)", &binary[..binary.len() - 2]).unwrap(),
        2
    );
    let more = [binary.as_slice(), b"x"].concat();
    let failed = copy_in(&session, "COPY t FROM STDIN (FORMAT binary)", &more);
    assert_eq!(failed.map_err(|error| error.sqlstate()), Err("22P04"));
    let failed = copy_in(&session, "COPY t FROM STDIN (FORMAT binary)", &binary[..binary.len() - 5]);
    assert_eq!(failed.unwrap_err().sqlstate(), "22P04");
    let failed = copy_in(&session, "COPY t FROM STDIN", b"3\t1\tx\n4\tone\tx\n").unwrap_err();
    assert!(matches!(failed, Error::Copy { line: 2, .. }) && failed.sqlstate() == "22P02");
    assert_eq!(rows(&session, "SELECT count(*) FROM t"), ["2"]);
    assert_eq!(session.execute("COPY t FROM STDIN").unwrap_err().sqlstate(), "22023");
}

#[test]
fn copies_go_through_files_in_every_format() {
    let (_database, session) = memory();
    run(&session, TABLE);
    run(&session, "INSERT INTO t VALUES (1, 2.50, 'x'), (2, NULL, NULL)");
    let path = std::env::temp_dir().join(format!("gnitz-copy-{}", std::process::id()));
    for format in ["text", "csv", "binary"] {
        session.execute(&format!("COPY t TO '{}' (FORMAT {format})", path.display())).unwrap();
        run(&session, "DELETE FROM t");
        session.execute(&format!("COPY t FROM '{}' (FORMAT {format})", path.display())).unwrap();
        assert_eq!(rows(&session, "SELECT * FROM t ORDER BY id"), ["1|2.50|x", "2|-|-"], "{format}");
    }
    std::fs::remove_file(path).unwrap();
}
