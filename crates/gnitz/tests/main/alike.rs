//! Statements that differ in their values alone: planned once for all of them, they do what each would have done.

use gnitz::{Outcome, Session};

use crate::{check, memory, rows, run, texts};

const TABLES: &str = "CREATE TABLE t (
        k INT PRIMARY KEY, small SMALLINT, big BIGINT, whole INT, real REAL, double DOUBLE PRECISION,
        money NUMERIC(9, 2), flag BOOLEAN, name TEXT, code VARCHAR(4), day DATE, at TIMESTAMP, zoned TIMESTAMPTZ,
        clock TIME, bytes BYTEA);
    CREATE TABLE words (word TEXT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 7);
    CREATE TABLE days (day DATE, part SMALLINT, n NUMERIC(6, 1), PRIMARY KEY (day, part));
    CREATE MATERIALIZED VIEW per_name AS SELECT name, COUNT(*) AS n, SUM(big) AS total FROM t GROUP BY name";

/// Statements with places for values.
const STATEMENTS: &[&str] = &[
    "INSERT INTO t (k, whole) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET whole = t.whole + ?",
    "INSERT INTO t (k, small, big) VALUES (?, ?, ?) ON CONFLICT (k) DO UPDATE SET small = excluded.small",
    "INSERT INTO t (k, money, real, double) VALUES (?, ?, ?, ?) ON CONFLICT (k) DO NOTHING",
    "INSERT INTO t (k, name, code, flag) VALUES (?, ?, ?, ?)",
    "INSERT INTO t (k, day, at, zoned, clock) VALUES (?, ?, ?, ?, ?) ON CONFLICT (k) DO NOTHING",
    "INSERT INTO t (k, bytes) VALUES (?, ?) RETURNING *",
    "INSERT INTO words VALUES (?, ?), (?, ?)",
    "INSERT INTO words (word) VALUES (?) RETURNING n, word",
    "INSERT INTO days VALUES (?, ?, ?) ON CONFLICT (day, part) DO UPDATE SET n = days.n - ?",
    "UPDATE t SET whole = whole + ?, big = big - ?, small = small + ? WHERE k = ?",
    "UPDATE t SET money = money + ?, double = double - ?, real = ? + real WHERE k = ? RETURNING money, double, real",
    "UPDATE t SET name = ?, code = ? WHERE k = ?",
    "UPDATE t SET day = ?, flag = ? WHERE k = ? AND whole < ?",
    "UPDATE words SET n = ? WHERE word = ?",
    "UPDATE nothing SET n = ? WHERE word = ?",
    "DELETE FROM words WHERE word = ? RETURNING *",
    "DELETE FROM t WHERE k = ? AND name <> ?",
    "SELECT * FROM t WHERE k = ?",
    "SELECT name, big FROM t WHERE k = ? AND big > ? AND money <= ?",
    "SELECT whole + ?, small - ?, money + ?, double + ? FROM t WHERE k = ?",
    "SELECT n FROM words WHERE word = ?",
    "SELECT n FROM days WHERE day = ? AND part = ?",
    "SELECT n FROM days WHERE part IN (?, ?) AND day = ?",
    "SELECT COUNT(*) FROM t WHERE whole > ? AND name < ?",
    "SELECT total FROM per_name WHERE name = ?",
    "SELECT ? FROM t WHERE k = ?",
];

const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-2",
    "7",
    "40000",
    "-40000",
    "2147483647",
    "-2147483648",
    "2147483648",
    "9223372036854775807",
    "99999999999999999999",
    "1.5",
    "-0.25",
    "NULL",
    "TRUE",
    "''",
    "'1'",
    "' 2 '",
    "'a'",
    "'it''s'",
    "'longer than four'",
    "'2020-02-29'",
    "'2020-02-30'",
    "'2021-03-04 05:06:07'",
    "'2021-03-04 05:06:07+02'",
    "'05:06'",
    "'1 day'",
    "'\\x00ff'",
    "'true'",
    "'NULL'",
    "'1e2'",
    "E'a\\tb'",
    "DATE '2020-02-29'",
    "1 + 1",
];

/// What became of a statement.
fn told(done: gnitz::Result<Vec<Outcome>>) -> String {
    match done {
        Ok(outcomes) => {
            let each = outcomes.iter().map(|outcome| match outcome {
                Outcome::Rows(rows) => format!("{:?} {:?}", rows.schema, texts(rows)),
                other => other.to_string(),
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Err(error) => format!("{} {}", error.sqlstate(), error.message()),
    }
}

/// A text with its places filled from a series of numbers.
fn filled(statement: &str, next: &mut impl FnMut() -> usize, values: &[&str]) -> String {
    let mut parts = statement.split('?');
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        text.push_str(values[next() % values.len()]);
        text.push_str(part);
    }
    text
}

/// Runs it as a statement that nothing was known of.
fn anew(session: &Session, text: &str) -> String {
    told(session.prepare(text).and_then(|statement| statement.execute(&[])).map(|outcome| vec![outcome]))
}

#[test]
fn statements_that_are_alike_do_what_each_would() {
    let ((_first, shared), (_second, alone)) = (memory(), memory());
    run(&shared, TABLES);
    run(&alone, TABLES);
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize
    };
    let (mut recalled, mut failed) = (0, 0);
    // Mostly of the same few values, so that rows are met again.
    let pools = [&["1", "2", "3"][..], &["'a'", "'1'", "'2020-02-29'"], VALUES];
    for round in 0..6_000 {
        let statement = STATEMENTS[next() % STATEMENTS.len()];
        let pool = pools[next() % pools.len()];
        let text = filled(statement, &mut next, pool);
        recalled += u32::from(shared.recall(&text).is_some());
        let (of_shared, of_alone) = (told(shared.execute(&text)), anew(&alone, &text));
        assert_eq!(of_shared, of_alone, "{round}: {text}");
        failed += u32::from(of_alone.as_bytes()[..5].iter().all(u8::is_ascii_alphanumeric));
        if round % 1_000 == 500 {
            // Another catalog: what was planned is planned again.
            let change =
                format!("ALTER TABLE words RENAME TO words{round}; ALTER TABLE words{round} RENAME TO words");
            run(&shared, &change);
            run(&alone, &change);
        }
    }
    assert!(recalled > 800, "{recalled} statements were recalled");
    assert!(failed > 300, "{failed} statements failed");
    for table in ["t", "words", "days", "per_name"] {
        let all = format!("SELECT * FROM {table} ORDER BY 1, 2");
        assert_eq!(rows(&shared, &all), rows(&alone, &all));
    }
    check(&shared);
}

#[test]
fn another_table_of_the_name_is_another_place() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (k INT PRIMARY KEY, v INT)");
    for k in 1..5 {
        run(&session, &format!("INSERT INTO t VALUES ({k}, '{k}')"));
    }
    assert!(session.recall("INSERT INTO t VALUES (9, '9')").is_some());
    run(&session, "DROP TABLE t; CREATE TABLE t (k INT PRIMARY KEY, v TEXT)");
    for k in ["1", "two", "3"] {
        run(&session, &format!("INSERT INTO t VALUES ({}, '{k}')", k.len()));
        assert_eq!(rows(&session, &format!("SELECT v FROM t WHERE k = {}", k.len())), [k]);
        run(&session, &format!("DELETE FROM t WHERE k = {}", k.len()));
    }
}

#[test]
fn an_error_has_no_place_in_a_text_that_nobody_wrote() {
    let (_database, session) = memory();
    run(&session, "CREATE TABLE t (k INT PRIMARY KEY, v SMALLINT)");
    for k in 1..4 {
        run(&session, &format!("INSERT INTO t VALUES ({k}, {k})"));
    }
    assert!(session.recall("INSERT INTO t VALUES (1, 1)").is_some());
    let twice = session.execute("INSERT INTO t VALUES (1, 1)").unwrap_err();
    assert_eq!((twice.sqlstate(), twice.position()), ("23505", None));
    // What its place does not take is read where it stands.
    let wrong = session.execute("INSERT INTO t VALUES (7, 'x')").unwrap_err();
    assert_eq!(wrong.sqlstate(), "22P02");
    run(&session, "BEGIN; INSERT INTO t VALUES (8, 8)");
    assert_eq!(rows(&session, "SELECT v FROM t WHERE k = 8"), ["8"]);
    run(&session, "ROLLBACK");
    assert_eq!(rows(&session, "SELECT v FROM t WHERE k = 8"), Vec::<String>::new());
}
