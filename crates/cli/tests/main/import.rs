//! `.import`: whole or not at all, by the names in the header, and errors with file, line and column.

use std::path::Path;

use crate::{Ran, directory, shell_in};

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT DEFAULT 'none', price DECIMAL(8,2));";

fn import(dir: &Path, csv: &str) -> Ran {
    std::fs::write(dir.join("in.csv"), csv).unwrap();
    let script = format!("{TABLE}\n.import in.csv t\nSELECT * FROM t ORDER BY id;\n");
    shell_in(dir, &[], &script)
}

fn refused(dir: &Path, csv: &str) -> String {
    let (err, out) = import(dir, csv).failed();
    assert_eq!(out, "");
    err
}

#[test]
fn the_header_names_the_columns() {
    let dir = directory("header");
    let out = import(&dir, "id,name,price\n1,a,2.5\n2,,\n3,\"\",1\n").good();
    assert_eq!(out, "3 rows imported into t\nid,name,price\n1,a,2.50\n2,,\n3,\"\",1.00\n");
    let out = import(&dir, "\u{feff}PRICE,\"id\"\r\n2.5,7\r\n").good();
    assert_eq!(out, "1 row imported into t\nid,name,price\n7,none,2.50\n");
}

#[test]
fn a_bad_value_is_told_with_file_line_and_column() {
    let dir = directory("bad-value");
    let err = refused(&dir, "id,name,price\n1,\"two\nlines\",2.5\n2,b,cheap\n");
    let expected = "stdin:2:1: error 22P02: in.csv, line 4: column \"price\": ";
    assert!(err.starts_with(expected) && err.contains("\"cheap\""), "{err}");
}

#[test]
fn what_is_no_csv_is_told_with_its_line() {
    let dir = directory("no-csv");
    assert!(refused(&dir, "id,name,price\n1,\"a\"b,2\n").contains("error 22P04: in.csv, line 2, field 2: "));
    assert!(refused(&dir, "id,name,price\n1,\"a,2\n").contains("error 22P04: in.csv, line 2, field 2: "));
    assert!(refused(&dir, "id,name,price\n1,a,2\n2,b\n").contains(" in.csv, line 3: "));
    assert!(refused(&dir, "id,name,price\n1,a,2,3\n").contains(" in.csv, line 2: "));
}

#[test]
fn a_header_that_does_not_fit_is_refused() {
    let dir = directory("misfit");
    let err = refused(&dir, "id,cost\n1,2\n");
    let expected = "in.csv, line 1: the header names \"cost\", but the columns of t are id, name, price\n";
    assert_eq!(err, format!("stdin:2:1: {expected}"));
    assert!(refused(&dir, "").contains("in.csv, line 1: a header line"));
}

#[test]
fn nothing_is_half_done() {
    let dir = directory("whole");
    let mut csv = "id,price\n".to_string();
    csv.extend((0..20_000).map(|id| format!("{id},1\n")));
    std::fs::write(dir.join("in.csv"), csv + "7,2\n").unwrap();
    let create = format!("{TABLE} INSERT INTO t VALUES (-1, 'x', 0);");
    shell_in(&dir, &["db", "-c", &create], "").good();
    let (err, _) = shell_in(&dir, &["db", "-c", ".import in.csv t"], "").failed();
    assert!(err.starts_with("-c:1:1: error 23505: "), "{err}");
    assert_eq!(shell_in(&dir, &["db", "-c", "SELECT count(*) AS n FROM t"], "").good(), "n\n1\n");
}

#[test]
fn names_with_blanks_are_quoted() {
    let dir = directory("blanks");
    std::fs::write(dir.join("my file.csv"), "Odd Name\n5\n").unwrap();
    let script = "CREATE TABLE \"My Table\" (\"Odd Name\" BIGINT);\n.import 'my file.csv' \"My Table\"\n\
        SELECT * FROM \"My Table\";\n.import nofile.csv t\n";
    let (err, out) = shell_in(&dir, &[], script).failed();
    assert_eq!(out, "1 row imported into \"My Table\"\nOdd Name\n5\n");
    assert!(err.starts_with("stdin:4:1: nofile.csv: "), "{err}");
    let (err, _) = shell_in(&dir, &[], ".import 'my file.csv' nope\n").failed();
    assert!(err.starts_with("stdin:1:1: error 42P01: "), "{err}");
}
