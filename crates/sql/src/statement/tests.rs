//! Statements that are read, and statements that are refused, each by its name and place.

use super::*;

fn names(text: &str) -> Vec<&'static str> {
    parse(text).expect("statements").iter().map(|p| p.statement.name()).collect()
}

fn refused(text: &str) -> (String, String, Option<(u32, u32)>) {
    let error = parse(text).expect_err("an error");
    (error.sqlstate().to_string(), error.message, error.position.map(|p| (p.line, p.column)))
}

#[test]
fn reads_every_statement() {
    let text =
        "SELECT 1; insert into t values (1); UPDATE t SET a = 1; DELETE FROM t; CREATE TABLE t (a int);
        CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 1; DROP TABLE IF EXISTS t, u CASCADE;
        DROP MATERIALIZED VIEW v; BEGIN; START TRANSACTION ISOLATION LEVEL READ COMMITTED; COMMIT; END;
        ROLLBACK; ABORT; EXPLAIN SELECT 1; EXPLAIN v; EXPLAIN MATERIALIZED VIEW v; CHECK MATERIALIZED VIEW v;
        COPY t FROM 'x' (FORMAT csv, HEADER); COPY (SELECT 1) TO 'y' WITH CSV HEADER; SHOW TABLES;
        SET client_encoding TO 'UTF8'; SET TIME ZONE 'UTC'; VALUES (1), (2);";
    assert_eq!(names(text).len(), 24);
    assert_eq!(names(" ; -- nothing\n ;"), [] as [&str; 0]);
}

#[test]
fn knows_where_each_begins() {
    let parsed = parse("SELECT 1;\n  SELECT 2").expect("statements");
    assert_eq!(parsed[1].range, 12..20);
    assert_eq!(parsed[1].start, Position { line: 2, column: 3 });
}

#[test]
fn folds_names() {
    let statement = parse_one("DROP TABLE Foo, \"Foo\", public.Bar").expect("a statement");
    let Statement::Drop(drop) = statement else { panic!("a DROP") };
    assert_eq!(drop.names.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["foo", "Foo", "bar"]);
    let Statement::Check { view } = parse_one("check materialized view \"V\"").expect("a statement") else {
        panic!("a CHECK")
    };
    assert_eq!(view, "V");
}

#[test]
fn reads_copy_options() {
    let text =
        "COPY t (a, B) FROM '/x.csv' WITH (FORMAT csv, HEADER true, DELIMITER ';', NULL '-', QUOTE '''')";
    let Statement::CopyFrom(copy) = parse_one(text).expect("a statement") else { panic!("a COPY") };
    assert_eq!(copy.columns, ["a", "b"]);
    let csv = Csv { header: true, delimiter: b';', quote: b'\'', escape: b'\'', null: "-".into() };
    assert_eq!(copy.format, CopyFormat::Csv(csv));
    assert_eq!(copy.place, CopyPlace::File("/x.csv".into()));
    for (text, format) in [
        ("COPY t FROM STDIN", CopyFormat::Text(Text::default())),
        (
            "COPY t FROM 'x' (FORMAT text, NULL '-')",
            CopyFormat::Text(Text { null: "-".into(), ..Text::default() }),
        ),
        ("COPY t FROM STDIN BINARY", CopyFormat::Binary),
        ("COPY t FROM STDIN WITH (FORMAT binary)", CopyFormat::Binary),
        ("COPY t FROM STDIN CSV", CopyFormat::Csv(Csv::default())),
    ] {
        let Statement::CopyFrom(copy) = parse_one(text).expect(text) else { panic!("a COPY") };
        assert_eq!(copy.format, format, "{text}");
    }
    for bad in [
        "COPY t FROM 'x' (FORMAT json)",
        "COPY t FROM STDIN (QUOTE '#')",
        "COPY t FROM STDIN (FORMAT binary, HEADER)",
        "COPY t FROM STDIN (DELIMITER 'a')",
        "COPY t TO PROGRAM 'x'",
    ] {
        assert_eq!(refused(bad).0, "0A000", "{bad}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    assert_eq!(refused("SELECT 1;\nSELEC 2").2, Some((2, 1)));
    assert_eq!(refused("INSERT INTO t VALUES (1").2, Some((1, 24)));
    assert_eq!(refused("EXPLAIN SELEC 1").2, Some((1, 9)));
    assert_eq!(refused("SELECT 1 1").0, "42601");
    assert_eq!(refused("CHECK VIEW v").2, Some((1, 7)));
    assert_eq!(refused("SELECT 'x").0, "42601");
}

#[test]
fn refuses_by_name() {
    let cases = [
        ("ALTER TABLE t ADD COLUMN a int", "ALTER TABLE"),
        ("CREATE TEMP VIEW v AS SELECT 1", "TEMPORARY"),
        ("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT 1", "CREATE OR REPLACE MATERIALIZED VIEW"),
        ("CREATE INDEX i ON t (a)", "CREATE INDEX"),
        ("DROP FUNCTION v", "DROP FUNCTION"),
        ("TRUNCATE IF EXISTS t", "TRUNCATE"),
        ("ALTER SCHEMA s RENAME TO r", "ALTER SCHEMA … RENAME TO"),
        ("ALTER TABLE s.t RENAME TO r.t", "to another schema"),
        ("CREATE SCHEMA \"a.b\"", "a dot in the name"),
        ("CREATE EXTENSION IF NOT EXISTS x", "CREATE EXTENSION"),
        ("REFRESH MATERIALIZED VIEW v WITH NO DATA", "WITH NO DATA"),
        ("CREATE TABLE t AS SELECT 1 AS a WITH NO DATA", "WITH NO DATA"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "ISOLATION LEVEL SERIALIZABLE"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN with options"),
        ("EXPLAIN (ANALYZE) SELECT 1", "EXPLAIN with options"),
        ("SET work_mem = '1GB'", "\"work_mem\""),
        ("SET timezone = 'Europe/Berlin'", "europe/berlin"),
        ("SELECT a FROM t FOR UPDATE", "FOR UPDATE"),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "WITH before INSERT"),
        ("DROP TABLE pg_catalog.pg_class", "changing or defining"),
    ];
    for (text, named) in cases {
        let (state, message, position) = refused(text);
        assert_eq!(state, "0A000", "{text}");
        assert!(message.contains(named), "{text}: {message}");
        assert!(position.is_some(), "{text}");
    }
}

#[test]
fn only_and_qualified_operators_are_respelt() {
    let same = |text: &str, plain: &str| {
        let shown = |text: &str| match parse_one(text).expect(text) {
            Statement::Query(query) => query.to_string(),
            Statement::Update(update) => update.to_string(),
            Statement::Delete(delete) => delete.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(shown(text), shown(plain), "{text}");
    };
    same("SELECT a FROM ONLY public.t", "SELECT a FROM public.t");
    same("SELECT a FROM only (\"public\".t) AS x, ONLY u", "SELECT a FROM \"public\".t AS x, u");
    same("SELECT a FROM t JOIN /* no heirs */ ONLY u ON b", "SELECT a FROM t JOIN u ON b");
    same("UPDATE ONLY t SET a = 1", "UPDATE t SET a = 1");
    same("DELETE FROM ONLY t", "DELETE FROM t");
    same("SELECT \"only\" FROM \"only\"", "SELECT \"only\" FROM \"only\"");
    same("SELECT a FROM t FETCH FIRST 3 ROWS ONLY", "SELECT a FROM t FETCH FIRST 3 ROWS ONLY");
    same(
        "SELECT a FROM t WHERE a OPERATOR(pg_catalog.=) ANY (array['r', 's']) AND b OPERATOR( pg_catalog.<>) ALL ('{}')",
        "SELECT a FROM t WHERE a = ANY (array['r', 's']) AND b <> ALL ('{}')",
    );
}

#[test]
fn a_lock_is_for_readers() {
    let locked = |text: &str| match parse_one(text) {
        Ok(Statement::Lock(tables)) => tables.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" "),
        Ok(other) => other.name().to_string(),
        Err(error) => error.sqlstate().to_string(),
    };
    assert_eq!(locked("LOCK TABLE public.a, ONLY b * IN ACCESS SHARE MODE"), "a b");
    assert_eq!(locked("lock \"A\" in access share mode nowait"), "A");
    assert_eq!(locked("LOCK TABLE a"), "0A000");
    assert_eq!(locked("LOCK TABLE a IN SHARE ROW EXCLUSIVE MODE"), "0A000");
}

#[test]
fn upkeep_is_read_from_its_tokens() {
    let read = |text: &str| match parse_one(text) {
        Ok(Statement::Upkeep(upkeep)) => upkeep,
        other => panic!("{text}: {other:?}"),
    };
    for (text, task, relations) in [
        ("REFRESH MATERIALIZED VIEW v", Task::Refresh, "v"),
        ("refresh materialized view concurrently public.\"V\" with data;", Task::Refresh, "V"),
        ("ANALYZE", Task::Analyze, ""),
        ("ANALYSE VERBOSE t", Task::Analyze, "t"),
        ("ANALYZE (VERBOSE, SKIP_LOCKED false) t (a, \"B\"), u", Task::Analyze, "t.a.B,u"),
        ("VACUUM", Task::Vacuum, ""),
        ("VACUUM FULL FREEZE VERBOSE ANALYZE t", Task::Vacuum, "t"),
        ("VACUUM (ANALYZE, PARALLEL 4, INDEX_CLEANUP auto) t, u", Task::Vacuum, "t,u"),
    ] {
        let upkeep = read(text);
        let names = upkeep.relations.iter().map(|(name, columns)| {
            std::iter::once(name).chain(columns).cloned().collect::<Vec<_>>().join(".")
        });
        assert_eq!((upkeep.task, names.collect::<Vec<_>>().join(",")), (task, relations.into()), "{text}");
    }
    for text in [
        "VACUUM (nonsense) t",
        "ANALYZE t u",
        "REFRESH VIEW v",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v WITH NO DATA",
        "CREATE TABLE t (a int) WITH DATA",
        "SELECT 1 WITH DATA",
    ] {
        assert_eq!(refused(text).0, "42601", "{text}");
    }
    let Ok(Statement::CreateView(view)) =
        parse_one("CREATE MATERIALIZED VIEW v AS SELECT 1 AS a WITH NO DATA;")
    else {
        panic!("a view")
    };
    assert!(view.no_data);
    assert_eq!(view.query.to_string(), "SELECT 1 AS a");
}

#[test]
fn one_statement_where_one_is_asked_for() {
    assert!(parse_one("SELECT 1; SELECT 2").is_err());
    assert!(parse_one("").is_err());
    assert!(parse_expression("a + 1").is_ok());
    assert!(parse_expression("a + 1 b").is_err());
}

#[test]
fn nesting_has_a_limit() {
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(refused(&deep).0, "54001");
}

#[test]
fn subscribe_is_read_from_its_tokens() {
    let read = |text: &str| match parse_one(text) {
        Ok(Statement::Subscribe(subscribe)) => {
            let what = match &subscribe.followed {
                Followed::Relation(name) => name.clone(),
                Followed::Query(query) => query.to_string(),
            };
            format!("{what} {} {} {:?}", subscribe.snapshot, subscribe.progress, subscribe.as_of)
        }
        Ok(other) => other.name().to_string(),
        Err(error) => format!("{} {}", error.sqlstate(), error.message),
    };
    assert_eq!(read("SUBSCRIBE v"), "v true false None");
    assert_eq!(read("subscribe to public.\"V\" with (progress)"), "V true true None");
    assert_eq!(read("SUBSCRIBE TO v WITH (SNAPSHOT = FALSE, PROGRESS TRUE)"), "v false true None");
    assert_eq!(read("SUBSCRIBE v AS OF EPOCH 17;"), "v false false Some(17)");
    assert_eq!(read("SUBSCRIBE (SELECT a FROM t) WITH (PROGRESS)"), "(SELECT a FROM t) true true None");
    assert_eq!(read("COPY (SUBSCRIBE v WITH (PROGRESS)) TO STDOUT"), "v true true None");
    assert!(read("COPY (SUBSCRIBE v) TO 'file'").starts_with("42601"));
    assert!(read("SUBSCRIBE v WITH (SNAPSHOT) AS OF EPOCH 1").starts_with("42601 a subscription begins"));
    assert!(read("SUBSCRIBE v WITH (speed)").starts_with("42601 SUBSCRIBE has no option"));
    assert!(read("SUBSCRIBE v AS OF EPOCH x").starts_with("42601 an epoch"));
    assert!(read("SUBSCRIBE").starts_with("42601"));
}

#[test]
fn users_are_roles_that_log_in() {
    let role = |text: &str| match parse_one(text) {
        Ok(Statement::Role(change)) => change,
        other => panic!("{text}: {other:?}"),
    };
    let RoleChange::Create { names, options, member_of, .. } =
        role("CREATE USER \"Ann\" IN ROLE a PASSWORD 'it''s'")
    else {
        panic!("not a new role");
    };
    assert_eq!((names, member_of), (vec!["Ann".to_string()], vec!["a".to_string()]));
    assert_eq!((options.login, options.password.clone()), (Some(true), Some(Some("it's".to_string()))));
    assert!(!format!("{options:?}").contains("it's"));
    assert!(
        matches!(role("DROP USER IF EXISTS a, b"), RoleChange::Drop { if_exists: true, names } if names.len() == 2)
    );
    assert!(matches!(role("GRANT a, b TO c"), RoleChange::Membership { grant: true, .. }));
    assert!(matches!(role("REVOKE a FROM c"), RoleChange::Membership { grant: false, .. }));
    let RoleChange::Rights(rights) = role("GRANT ALL PRIVILEGES ON t, public.u TO PUBLIC") else {
        panic!("not rights");
    };
    assert_eq!(rights.privileges.letters(), "arwdD");
    assert_eq!(
        (rights.on, rights.grantees),
        (GrantTarget::Relations(vec!["t".into(), "u".into()]), vec![None])
    );
}

#[test]
fn a_statement_says_what_rights_it_takes() {
    let needs = |text: &str| {
        let needs = parse_one(text).unwrap().needs();
        let text = needs.iter().map(|need| format!("{}:{}", need.relation, need.privileges.letters()));
        text.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(needs("SELECT * FROM t WHERE a IN (SELECT b FROM u)"), "t:r u:r");
    assert_eq!(needs("INSERT INTO t SELECT * FROM u"), "t:a u:r");
    assert_eq!(needs("INSERT INTO t SELECT * FROM t"), "t:ar");
    assert_eq!(needs("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2"), "t:arw");
    assert_eq!(needs("UPDATE t SET a = 1"), "t:w");
    assert_eq!(needs("UPDATE t SET a = (SELECT MAX(b) FROM u) WHERE a = 2"), "t:rw u:r");
    assert_eq!(needs("DELETE FROM t RETURNING a"), "t:rd");
    assert_eq!(needs("CREATE MATERIALIZED VIEW v AS SELECT * FROM t"), "t:r");
    assert_eq!(needs("EXPLAIN DELETE FROM t"), "t:d");
}
