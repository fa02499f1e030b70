//! The first error ends a script with status 1 and is told on standard error with its place.

use crate::{directory, shell, shell_in};

#[test]
fn an_error_names_source_line_and_column_and_points_there() {
    let (err, out) = shell(&[], "SELECT 1 AS a;\n\n  SELECT 2 AS b,\n    nope;\nSELECT 3 AS c;\n").failed();
    assert_eq!(out, "a\n1\n");
    assert!(err.starts_with("stdin:4:5: error 42703: "), "{err}");
    assert!(err.contains("\n4 |     nope\n        ^"), "{err}");
}

#[test]
fn the_column_counts_from_the_start_of_the_line() {
    let (err, out) = shell(&["-c", "SELECT 1 AS a; SELECT * FRM t", "-c", "SELECT 2"], "").failed();
    assert_eq!(out, "a\n1\n");
    assert!(err.starts_with("-c:1:29: error 42601: "), "{err}");
}

#[test]
fn a_file_is_named() {
    let dir = directory("named");
    std::fs::write(
        dir.join("bad.sql"),
        "CREATE TABLE t (id BIGINT PRIMARY KEY);\nINSERT INTO t VALUES (1), (1);\n",
    )
    .unwrap();
    let (err, _) = shell_in(&dir, &["-f", "bad.sql"], "").failed();
    assert!(err.starts_with("bad.sql:2:1: error 23505: "), "{err}");
    let (err, _) = shell_in(&dir, &["-f", "absent.sql"], "").failed();
    assert!(err.starts_with("absent.sql: "), "{err}");
}

#[test]
fn what_comes_before_the_error_is_kept_and_an_open_transaction_is_not() {
    let dir = directory("kept");
    let script = "CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1);
        BEGIN; INSERT INTO t VALUES (2); SELECT 1 / 0; COMMIT;";
    let (err, _) = shell_in(&dir, &["db"], script).failed();
    assert!(err.contains("error 22012: "), "{err}");
    assert_eq!(shell_in(&dir, &["db", "-c", "SELECT id FROM t"], "").good(), "id\n1\n");
}

#[test]
fn a_wrong_command_is_an_error_with_its_place() {
    let (err, _) = shell(&[], "SELECT 1;\n.nope\nSELECT 2;\n").failed();
    assert_eq!(err, "stdin:2:1: no command .nope; .help lists them\n");
    let (err, _) = shell(&["-c", ".mode nope"], "").failed();
    assert_eq!(err, "-c:1:1: usage: .mode table|csv|json|line\n");
}

#[test]
fn a_hint_follows() {
    let (err, _) =
        shell(&[], "BEGIN;\nMERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE;\n").failed();
    assert!(err.starts_with("stdin:2:1: error 0A000: "), "{err}");
    assert!(err.contains("\nhint: "), "{err}");
}
