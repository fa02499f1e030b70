//! The shell on a server: it writes what it writes on a directory, byte for byte, and outlives its connection.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::pipe::Talk;
use crate::{Ran, command, directory, ran, shell_in};

/// A server that runs, on a directory.
struct Served {
    child: Child,
    /// `127.0.0.1:port`
    address: String,
}

impl Served {
    fn start(dir: &Path, address: &str) -> Served {
        Served::with(dir, &["--pg", address])
    }

    fn with(dir: &Path, arguments: &[&str]) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gnitz"));
        command.arg("serve").arg(dir.join("served")).args(["--http", ""]).args(arguments);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listening = log.find(|line| line.contains("listening")).expect("the server listens");
        let address = listening.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
        let address = address.to_string();
        // Nobody else reads it, and it must not fill up.
        std::thread::spawn(move || log.for_each(drop));
        Served { child, address }
    }

    fn url(&self) -> String {
        format!("postgres://me@{}/any", self.address)
    }

    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.address.clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn served(test: &str) -> (PathBuf, Served) {
    let dir = directory(test);
    let server = Served::start(&dir, "127.0.0.1:0");
    (dir, server)
}

/// Runs the same on the directory `db` and on the server; the answer is what both wrote.
fn both(dir: &Path, server: &Served, arguments: &[&str], input: &str) -> Ran {
    let url = server.url();
    let there = shell_in(dir, &[&["--connect", url.as_str()], arguments].concat(), input);
    let here = shell_in(dir, &[&["db"], arguments].concat(), input);
    assert_eq!(there.out, here.out, "{arguments:?}: {input}\n{}\n{}", there.err, here.err);
    assert_eq!((&there.err, there.code), (&here.err, here.code), "{arguments:?}: {input}");
    here
}

const TYPES: &str = "CREATE TABLE types (id BIGINT PRIMARY KEY, b BOOLEAN, s SMALLINT, i INTEGER NOT NULL DEFAULT 7,
    r REAL, d DOUBLE PRECISION, n DECIMAL(12,3), w DECIMAL(30,4), t TEXT, v VARCHAR(5), y BYTEA, da DATE, ti TIME,
    ts TIMESTAMP, tz TIMESTAMPTZ);
INSERT INTO types VALUES (1, true, -1, 42, 1.5, 0.1, 1.5, 12345678901234567890.5, 'a', 'abc', '\\x00ff', '2024-02-29',
     '12:34:56.5', '2024-01-01 00:00:00', '2024-01-01 00:00:00+02');
INSERT INTO types VALUES (2, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO types VALUES (3, false, 32767, -2147483648, 'NaN', '-Infinity', -0.001, 0, '', '', '', '0001-01-01',
     '00:00:00', '1969-12-31 23:59:59.999999', '1970-01-01 00:00:00+00');
INSERT INTO types VALUES (4, false, 0, 0, 1e20, 1e-20, 999999999.999, -1, E'山\\t\"q\", x\\ny', 'é', '\\x61',
     '9999-12-31', '23:59:59', '2024-06-30 12:00:00', '2024-06-30 12:00:00+00');
CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT DEFAULT 'none', price DECIMAL(8,2));
CREATE MATERIALIZED VIEW v AS SELECT name, count(*) AS n, sum(price) AS total FROM t GROUP BY name;
";

const SAME: &str = "DROP TABLE IF EXISTS gone;
CREATE TABLE IF NOT EXISTS t (id BIGINT);
SELECT * FROM types ORDER BY id;
.mode json
SELECT * FROM types ORDER BY id;
.mode line
SELECT * FROM types ORDER BY id;
.mode table
SELECT * FROM types ORDER BY id;
SELECT id FROM types WHERE id > 100;
SELECT 1 AS a; ; SELECT NULL AS b, 'x' AS c; -- the end
SELECT INTERVAL '1 year 2 days 03:04:05' AS iv, INTERVAL '-1 mons +2 days' AS iw,
    now() - now() AS zero;
.import in.csv t
SELECT * FROM v ORDER BY name;
INSERT INTO t VALUES (7, 'x', 1) RETURNING id, price;
UPDATE t SET price = price + 1 WHERE id < 3;
BEGIN;
DELETE FROM t WHERE id = 1;
SELECT count(*) FROM t;
ROLLBACK;
SELECT count(*) AS n, avg(price) AS mean, max(name) FROM t;
COPY (SELECT * FROM types ORDER BY id) TO STDOUT;
COPY t TO STDOUT (FORMAT csv, HEADER);
SHOW TABLES;
SELECT relname, relkind, relhasindex, relnatts FROM pg_class WHERE relname IN ('t', 'v') ORDER BY oid;
SELECT attname, attnum, atttypid::regtype FROM pg_attribute WHERE attrelid = 'types'::regclass AND attnum > 0
    ORDER BY attnum;
.tables
.views
.schema
.schema v
.read more.sql
CHECK MATERIALIZED VIEW v;
EXPLAIN SELECT name FROM t WHERE id = 1;
.help
";

#[test]
fn a_server_is_shown_as_a_directory_is() {
    let (dir, server) = served("same");
    std::fs::write(dir.join("in.csv"), "id,name,price\n1,a,2.5\n2,,\n3,\"\",1\n4,a,0.25\n").unwrap();
    std::fs::write(dir.join("more.sql"), ".mode csv\nSELECT 'read' AS done;\n.mode table\n").unwrap();
    both(&dir, &server, &[], TYPES).good();
    let ran = both(&dir, &server, &[], SAME);
    let notices = "NOTICE: table \"gone\" does not exist, skipping\n\
        NOTICE: relation \"t\" already exists, skipping\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), notices));
    assert!(ran.out.contains("\n  1 | true  |    -1 |          42 |"), "{}", ran.out);
    // The text and the bytes of the fourth row.
    assert!(ran.out.contains("| 山\\t\"q\", x\\ny | é    | \\x61   |"), "{}", ran.out);
    assert!(ran.out.contains("4 rows imported into t\n"), "{}", ran.out);
    assert!(ran.out.contains("\ndone\nread\n"), "{}", ran.out);
    assert!(ran.out.contains("  \"i\" INTEGER NOT NULL DEFAULT 7,\n"), "{}", ran.out);
}

#[test]
fn errors_are_told_as_those_of_a_directory() {
    let (dir, server) = served("same-errors");
    both(&dir, &server, &[], TYPES).good();
    std::fs::write(dir.join("bad.csv"), "id,name,price\n1,\"two\nlines\",2.5\n2,b,cheap\n").unwrap();
    std::fs::write(dir.join("short.csv"), "id,name\n1,a\n2\n").unwrap();
    std::fs::write(dir.join("quote.csv"), "id,name\n1,\"a\"b\n").unwrap();
    std::fs::write(dir.join("misfit.csv"), "id,cost\n1,2\n").unwrap();
    std::fs::write(dir.join("bad.sql"), "SELECT 1 AS a;\n\nSELECT nope;\n").unwrap();
    for (text, code) in [
        ("SELECT 1 AS a;\n\n  SELECT 'é',\n    nope;\nSELECT 2;", "42703"),
        ("SELECT * FRM t", "42601"),
        ("SELECT * FROM nothing", "42P01"),
        ("INSERT INTO t VALUES (1), (1)", "23505"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT CAST('x' AS INTEGER)", "22P02"),
        ("DROP TABLE t", "2BP01"),
        ("INSERT INTO types (id, i) VALUES (9, NULL)", "23502"),
        ("CREATE TABLE t (id BIGINT)", "42P07"),
        ("COPY t FROM STDIN", "0A000"),
        ("SUBSCRIBE nothing", "42P01"),
        (".import bad.csv t", "22P02: bad.csv, line 4: "),
        (".import short.csv t", "22P04: short.csv, line 3: "),
        (".import quote.csv t", "22P04: quote.csv, line 2, field 2: "),
        (".import bad.csv nothing", "42P01"),
        (".import misfit.csv t", "misfit.csv, line 1: the header names \"cost\""),
        (".schema nothing", "42P01"),
        (".read bad.sql", "bad.sql:3:8: error 42703"),
        (".read absent.sql", "absent.sql: "),
        (".nothing", "no command .nothing"),
    ] {
        let ran = both(&dir, &server, &["-c", text, "-c", "SELECT 'went on'"], "");
        assert_eq!(ran.code, Some(1), "{text}: {ran:?}");
        assert!(ran.err.contains(code) && !ran.out.contains("went on"), "{text}: {ran:?}");
    }
}

#[test]
fn ctrl_c_cancels_what_the_server_runs() {
    let (dir, server) = served("remote-cancel");
    let mut talk = Talk::with(&dir, &["--connect", &server.url()]);
    let rows: Vec<String> = (0..3000).map(|id| format!("({id})")).collect();
    talk.send(&format!("CREATE TABLE t (id BIGINT);\nINSERT INTO t VALUES {};\n", rows.join(",")));
    talk.send("SELECT 1 AS a; SELECT count(*) FROM t x, t y, t z WHERE x.id + y.id < z.id;\nSELECT 2;\n");
    assert_eq!(talk.answer(2), ["a", "1"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    talk.interrupt();
    let (lines, err, code) = talk.end();
    assert!(err.contains("error 57014: ") && lines.is_empty() && code == Some(1), "{err}{lines:?}{code:?}");
}

#[test]
fn changes_stream_until_ctrl_c() {
    let (dir, server) = served("remote-feed");
    let (url, make) = (server.url(), "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT)");
    shell_in(&dir, &["--connect", &url, "-c", make, "-c", "INSERT INTO t VALUES (1, 'a')"], "").good();
    let mut talk = Talk::with(&dir, &["--connect", &url]);
    talk.send("SUBSCRIBE t;\nSELECT 'on' AS went;\n");
    let first = talk.answer(2);
    assert_eq!(first[0], "gnitz_epoch,gnitz_weight,id,name");
    assert!(first[1].ends_with(",1,1,a"), "{first:?}");
    for (statement, change) in
        [("INSERT INTO t VALUES (2, NULL)", ",1,2,"), ("DELETE FROM t WHERE id = 1", ",-1,1,a")]
    {
        shell_in(&dir, &["--connect", &url, "-c", statement], "").good();
        let told = talk.answer(1);
        assert!(told[0].ends_with(change), "{told:?}");
    }
    talk.interrupt();
    let (lines, err, code) = talk.end();
    assert_eq!((lines, err.as_str(), code), (vec!["went".to_string(), "on".into()], "", Some(0)));
    // A database of the shell's own has the same statement.
    let mut talk = Talk::with(&dir, &["db", "--format", "json"]);
    talk.send(&format!("{make}; INSERT INTO t VALUES (1, 'a'); SUBSCRIBE t;\n"));
    assert!(talk.answer(1)[0].ends_with("\"gnitz_weight\":1,\"id\":1,\"name\":\"a\"}"));
    talk.interrupt();
    let (lines, err, code) = talk.end();
    assert_eq!((lines, err.as_str(), code), (vec![], "", Some(0)));
}

#[test]
fn a_lost_connection_is_told_and_made_again() {
    let (dir, server) = served("lost");
    let url = server.url();
    let mut idle = Talk::with(&dir, &["--connect", &url]);
    let mut open = Talk::with(&dir, &["--connect", &url]);
    idle.send("CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t VALUES (1); SELECT 1 AS a;\n");
    assert_eq!(idle.answer(2), ["a", "1"]);
    open.send("BEGIN; INSERT INTO t VALUES (2); SELECT count(*) AS n FROM t;\n");
    assert_eq!(open.answer(2), ["n", "2"]);
    let address = server.kill();
    let server = Served::start(&dir, &address);
    idle.send("SELECT id FROM t;\n");
    assert_eq!(idle.answer(2), ["id", "1"]);
    open.send("INSERT INTO t VALUES (3);\n");
    let (lines, err, code) = open.end();
    assert!(lines.is_empty() && code == Some(1), "{lines:?}");
    let expected = format!("stdin:2:1: error 08006: the connection to {address} is lost: ");
    assert!(err.starts_with(&expected), "{err}");
    assert!(err.contains("\ndetail: the transaction that was open is lost with the connection\n"), "{err}");
    let address = server.kill();
    idle.send("SELECT id FROM t;\n");
    let (lines, err, code) = idle.end();
    assert!(lines.is_empty() && code == Some(1), "{lines:?}");
    assert!(err.contains(&format!("NOTICE: connected to {address} again; ")), "{err}");
    assert!(err.contains(&format!("error 08001: {address} cannot be reached: ")), "{err}");
}

#[test]
fn who_may_not_come_in_is_told() {
    let (dir, server) = served("doors");
    let as_role = |role: &str, password: &str| {
        let url = format!("postgres://{role}{password}@{}/any", server.address);
        shell_in(&dir, &["--connect", &url, "-c", "SELECT current_user AS me"], "")
    };
    shell_in(&dir, &["--connect", &server.url(), "-c", "CREATE USER ann PASSWORD 'secret'"], "").good();
    assert_eq!(as_role("ann", ":secret").good(), "me\nann\n");
    let (err, _) = as_role("ann", ":wrong").failed();
    assert!(err.starts_with("error 28P01: "), "{err}");
    let demanding = format!("postgres://me@{}/any?sslmode=require", server.address);
    let (err, _) = shell_in(&dir, &["--connect", &demanding], "").failed();
    assert!(err.starts_with("error 08001: ") && err.contains("does not offer TLS"), "{err}");
    let (err, _) = shell_in(&dir, &["--connect", "postgres://me@127.0.0.1:1/any"], "").failed();
    assert!(err.starts_with("error 08001: 127.0.0.1:1 cannot be reached: "), "{err}");
}

/// What goes over an encrypted connection, piece by piece and all at once, and whose certificate is believed.
#[test]
fn a_connection_is_encrypted() {
    let dir = directory("encrypted");
    let server = Served::with(&dir, &["--pg", "127.0.0.1:0", "--pg-tls", "true"]);
    let url = |mode: &str| format!("postgres://me@{}/any?sslmode={mode}", server.address);
    let lines: String = (0..20_000).map(|id| format!("{id},row number {id}\n")).collect();
    std::fs::write(dir.join("rows.csv"), format!("id,name\n{lines}")).unwrap();
    let make = "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT);\n.import rows.csv t\n";
    shell_in(&dir, &["--connect", &url("require")], make).good();
    for mode in ["require", "prefer", "disable"] {
        let all = shell_in(&dir, &["--connect", &url(mode), "-c", "SELECT * FROM t ORDER BY id"], "").good();
        assert_eq!(all, format!("id,name\n{lines}"), "{mode}");
    }
    let mut talk = Talk::with(&dir, &["--connect", &url("require")]);
    talk.send("SELECT 1 AS a; SELECT count(*) FROM t x, t y, t z WHERE x.id + y.id < z.id;\n");
    assert_eq!(talk.answer(2), ["a", "1"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    talk.interrupt();
    let (_, err, code) = talk.end();
    assert!(err.contains("error 57014: ") && code == Some(1), "{err}{code:?}");
    let vouched = |roots: &Path| {
        let mut shell = command(&dir, &["--connect", &url("require"), "-c", "SELECT 1 AS a"]);
        shell.env("PGSSLROOTCERT", roots);
        ran(shell, "")
    };
    assert_eq!(vouched(&dir.join("served/server.crt")).good(), "a\n1\n");
    let other = directory("encrypted-other");
    let _other = Served::with(&other, &["--pg", "127.0.0.1:0", "--pg-tls", "true"]);
    let (err, _) = vouched(&other.join("served/server.crt")).failed();
    assert!(err.starts_with("error 08001: ") && err.contains("certificate"), "{err}");
    let (err, _) = vouched(&dir.join("rows.csv")).failed();
    assert!(err.starts_with("error 08001: ") && err.contains("PGSSLROOTCERT"), "{err}");
}
