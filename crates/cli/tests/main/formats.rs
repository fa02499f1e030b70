//! What results look like: one header a result, NULL, quoting, the order of `-c` and `-f`.

use crate::{directory, shell, shell_in};

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, price DECIMAL(8,2), ok BOOLEAN);
INSERT INTO t VALUES (1, 'a \"b\", c', 2.50, true), (2, NULL, NULL, NULL), (3, '', 0.1, false), (4, '山田', 7, NULL);
";

fn answered(arguments: &[&str], statements: &str) -> String {
    shell(arguments, &format!("{TABLE}{statements}")).good()
}

#[test]
fn csv_has_a_header_and_rows_for_each_result_and_nothing_else() {
    let out = answered(&[], "SELECT * FROM t ORDER BY id; SELECT count(*) AS n FROM t;");
    let rows = "id,name,price,ok\n1,\"a \"\"b\"\", c\",2.50,true\n2,,,\n3,\"\",0.10,false\n4,山田,7.00,\n";
    assert_eq!(out, format!("{rows}n\n4\n"));
    assert_eq!(answered(&["--format", "csv"], "SELECT id FROM t WHERE id > 9;"), "id\n");
}

#[test]
fn json_is_an_array_of_objects() {
    let out = answered(&["--format", "json"], "SELECT id, name, ok FROM t WHERE id < 3 ORDER BY id;");
    let parsed: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!([
        {"id": 1, "name": "a \"b\", c", "ok": true},
        {"id": 2, "name": null, "ok": null},
    ]);
    assert_eq!(parsed, expected);
    assert_eq!(answered(&["--format", "json"], "SELECT id FROM t WHERE id > 9;"), "[]\n");
}

#[test]
fn a_table_is_aligned_and_tells_what_was_done() {
    let out = answered(&["--format", "table"], "SELECT id, name, price FROM t WHERE id > 1 ORDER BY id;");
    let lines: Vec<&str> = out.lines().collect();
    let expected = [
        "CREATE TABLE",
        "INSERT 0 4",
        " id | name | price",
        "----+------+-------",
        "  2 | NULL | NULL",
        "  3 |      |  0.10",
        "  4 | 山田 |  7.00",
        "(3 rows)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn modes_change_within_a_script() {
    let out =
        answered(&[], ".mode line\nSELECT id, name FROM t WHERE id = 4;\n.mode csv\nSELECT 1 AS one;\n");
    assert_eq!(out, "  id = 4\nname = 山田\none\n1\n");
}

#[test]
fn commands_run_in_order_before_the_file() {
    let dir = directory("order");
    std::fs::write(dir.join("more.sql"), "-- nothing\n\nSELECT 3 AS c;\nSELECT 4\n  AS d").unwrap();
    let arguments = ["-c", "SELECT 1 AS a; SELECT 2 AS b", "-c", ".mode json", "-f", "more.sql"];
    assert_eq!(shell_in(&dir, &arguments, "").good(), "a\n1\nb\n2\n[{\"c\":3}]\n[{\"d\":4}]\n");
}

#[test]
fn a_directory_keeps_what_was_committed() {
    let dir = directory("keeps");
    shell_in(&dir, &["db"], TABLE).good();
    let view = "CREATE MATERIALIZED VIEW v AS SELECT ok, count(*) AS n FROM t GROUP BY ok";
    shell_in(&dir, &["db", "-c", view], "").good();
    let read = "SELECT n FROM v WHERE ok IS NULL";
    assert_eq!(shell_in(&dir, &["db", "-c", read], "").good(), "n\n2\n");
    let tables = shell_in(&dir, &["db", "-c", ".tables", "-c", ".schema V"], "").good();
    assert_eq!(
        tables,
        "name,kind\nt,table\nv,view\nCREATE MATERIALIZED VIEW \"v\" AS SELECT ok, count(*) AS n FROM t GROUP BY ok;\n"
    );
}

#[test]
fn notices_go_to_standard_error() {
    let statements = "DROP TABLE IF EXISTS gone; CREATE TABLE IF NOT EXISTS t (id BIGINT);
        CREATE MATERIALIZED VIEW v AS SELECT id FROM t ORDER BY id; DROP TABLE t CASCADE;";
    let ran = shell(&[], &format!("{TABLE}{statements}"));
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    let expected = [
        "NOTICE: table \"gone\" does not exist, skipping",
        "NOTICE: relation \"t\" already exists, skipping",
        "NOTICE: a materialized view has no order: ORDER BY belongs into the queries that read it",
        "NOTICE: drop cascades to \"v\"",
    ];
    assert_eq!(ran.err.lines().collect::<Vec<_>>(), expected);
}
