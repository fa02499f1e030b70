//! Commands that are read, and those that are left to the engine or refused.

use super::*;

fn parse(text: &str) -> Command {
    Command::parse(text).expect("a command of the session").expect(text)
}

fn set(name: &str, value: Option<&str>) -> Command {
    Command::Set { name: name.into(), value: value.map(Into::into), local: false }
}

#[test]
fn settings() {
    assert_eq!(parse("SET client_encoding TO 'UTF8'"), set("client_encoding", Some("UTF8")));
    assert_eq!(parse("set session DateStyle = ISO, MDY"), set("datestyle", Some("ISO, MDY")));
    assert_eq!(parse("SET TIME ZONE 'UTC'"), set("timezone", Some("UTC")));
    assert_eq!(parse("SET extra_float_digits = -1"), set("extra_float_digits", Some("-1")));
    assert_eq!(parse("SET my.thing TO DEFAULT"), set("my.thing", None));
    assert_eq!(parse("SET NAMES 'utf8'"), set("client_encoding", Some("utf8")));
    assert_eq!(
        parse("SET search_path TO Public, \"A b\", 'x'"),
        set("search_path", Some("public, \"A b\", x"))
    );
    assert_eq!(parse("SET search_path = ''"), set("search_path", Some("\"\"")));
    let local = Command::Set { name: "a".into(), value: Some("1".into()), local: true };
    assert_eq!(parse("SET LOCAL a = 1"), local);
    let modes = |session, read_only| Command::SetTransaction { session, read_only };
    assert_eq!(
        parse("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"),
        modes(false, Some(false))
    );
    assert_eq!(parse("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), modes(false, Some(true)));
    assert_eq!(parse("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"), modes(true, Some(false)));
    assert_eq!(parse("SHOW /* what */ TimeZone"), Command::Show(Some("timezone".into())));
    assert_eq!(
        parse("SHOW TRANSACTION ISOLATION LEVEL"),
        Command::Show(Some("transaction_isolation".into()))
    );
    assert_eq!(parse("RESET ALL"), Command::Reset(None));
    assert_eq!(parse("DISCARD ALL"), Command::Discard(Discard::All));
    assert_eq!(parse("DISCARD SEQUENCES"), Command::Discard(Discard::Sequences));
}

#[test]
fn statements_by_name() {
    let text = "PREPARE p (int, numeric(10, 2)) AS SELECT $1";
    assert_eq!(
        parse(text),
        Command::Prepare { name: "p".into(), types: vec![23, 1700], start: text.len() - 9 }
    );
    let text = "PREPARE p(pg_catalog.oid, \"pg_catalog\".name, varchar(3), \"char\", timestamp with time zone) AS SELECT 1";
    let Command::Prepare { types, .. } = parse(text) else { panic!("a PREPARE") };
    assert_eq!(types, [26, 19, 1043, 18, 1184]);
    let values = Some("1, f(')', (2))".to_string());
    assert_eq!(parse("EXECUTE p(1, f(')', (2)))"), Command::Execute { name: "p".into(), values });
    assert_eq!(parse("EXECUTE \"P\""), Command::Execute { name: "P".into(), values: None });
    assert_eq!(parse("DEALLOCATE PREPARE p"), Command::Deallocate(Some("p".into())));
    assert_eq!(parse("DEALLOCATE ALL"), Command::Deallocate(None));
}

#[test]
fn cursors() {
    let text = "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1";
    let declare = Command::Declare {
        name: "c".into(),
        hold: true,
        forward: true,
        binary: false,
        start: text.len() - 8,
    };
    assert_eq!(parse(text), declare);
    let fetch = |to| Command::Fetch { name: "c".into(), to, only_move: false, timeout: None };
    for (text, to) in [
        ("FETCH c", Direction::Forward(1)),
        ("FETCH 5 FROM c", Direction::Forward(5)),
        ("FETCH -5 IN c", Direction::Forward(-5)),
        ("FETCH ALL c", Direction::All),
        ("FETCH FORWARD 3 FROM c", Direction::Forward(3)),
        ("FETCH BACKWARD ALL FROM c", Direction::BackwardAll),
        ("FETCH PRIOR FROM c", Direction::Forward(-1)),
        ("FETCH LAST FROM c", Direction::Absolute(-1)),
        ("FETCH ABSOLUTE 7 FROM c", Direction::Absolute(7)),
        ("FETCH RELATIVE -2 FROM c", Direction::Relative(-2)),
    ] {
        assert_eq!(parse(text), fetch(to), "{text}");
    }
    assert_eq!(parse("CLOSE ALL"), Command::Close(None));
}

#[test]
fn others() {
    for text in ["SELECT 1", "SHOW TABLES", "SAVEPOINT s", "", "(SELECT 1)", "\"set\" x"] {
        assert!(Command::parse(text).is_none(), "{text}");
    }
    for text in [
        "SET",
        "SET a",
        "SET a TO",
        "FETCH",
        "SHOW a b",
        "PREPARE p",
        "EXECUTE p(1",
        "DECLARE c FOR SELECT 1",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET ROLE x",
        "PREPARE p (nonsense) AS SELECT 1",
    ] {
        assert!(matches!(Command::parse(text), Some(Err(_))), "{text}");
    }
    let Some(Err(report)) = Command::parse("SET é x") else { panic!("an error") };
    assert_eq!((report.message.as_str(), report.position), ("syntax error at or near \"x\"", Some(7)));
}
