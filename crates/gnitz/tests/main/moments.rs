//! Dates and times as text, in other zones, and now: the same in views and in queries.

use crate::{check, fails, memory, rows, run, state};

#[test]
fn moments_are_formatted_by_pictures() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ, ts TIMESTAMP, d DATE, picture TEXT);
         INSERT INTO t VALUES (1, '2026-03-05 15:04:05.067+00', '2026-03-05 15:04:05', '2026-03-05', 'FMMonth DDth, YYYY'),
            (2, '2025-12-31 00:00:00+00', NULL, '2026-01-01', 'IYYY-IW');
         CREATE MATERIALIZED VIEW v AS SELECT id, to_char(at, 'Dy HH12:MI:SS.MS AM TZ') AS a,
            to_char(ts, 'YYYY-MM-DD\"T\"HH24:MI:SS') AS b, to_char(d, picture) AS c FROM t",
    );
    let expected = [
        "1|Thu 03:04:05.067 PM UTC|2026-03-05T15:04:05|March 05th, 2026",
        "2|Wed 12:00:00.000 AM UTC|-|2026-01",
    ];
    assert_eq!(rows(&session, "SELECT * FROM v ORDER BY id"), expected);
    run(&session, "UPDATE t SET picture = '' WHERE id = 2");
    assert_eq!(rows(&session, "SELECT c IS NULL FROM v ORDER BY id"), ["false", "true"]);
    check(&session);
    assert_eq!(rows(&session, "SELECT id FROM t WHERE to_char(at, 'YYYY-MM') = '2026-03'"), ["1"]);
    assert_eq!(rows(&session, "SELECT to_char(at, 'YYYY') AS y, count(*) FROM t GROUP BY 1 ORDER BY 1"), {
        ["2025|1", "2026|1"]
    });
    for (call, expected) in [
        ("to_char(12.5, '9,999.99')", "0A000"),
        ("to_char(5, '999')", "0A000"),
        ("to_char(INTERVAL '1 day', 'DD')", "0A000"),
        ("to_char('2026-01-01', 'YYYY')", "42883"),
        ("to_date('2026-01-02', 'YYYY-MM-DD')", "0A000"),
        ("to_timestamp('2026-01-02', 'YYYY-MM-DD')", "0A000"),
        ("to_timestamp('2026-01-02')", "42883"),
        ("date_format(DATE '2026-01-01', '%Y')", "42883"),
    ] {
        assert_eq!(state(&session, &format!("SELECT {call}")), expected, "{call}");
    }
}

#[test]
fn zones_turn_moments_into_clocks_and_back() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ, ts TIMESTAMP);
         INSERT INTO t VALUES (1, '2026-01-01 00:00:00+00', '2026-01-01 00:00:00'), (2, '2026-07-01 00:00:00+00', NULL);
         CREATE MATERIALIZED VIEW v AS SELECT id, at AT TIME ZONE 'Europe/Berlin' AS a, ts AT TIME ZONE 'America/New_York' AS b,
            at AT TIME ZONE INTERVAL '5 hours 30 minutes' AS c FROM t",
    );
    let expected = [
        "1|2026-01-01T01:00:00|2026-01-01T05:00:00Z|2026-01-01T05:30:00",
        "2|2026-07-01T02:00:00|-|2026-07-01T05:30:00",
    ];
    assert_eq!(rows(&session, "SELECT * FROM v ORDER BY id"), expected);
    assert_eq!(
        rows(
            &session,
            "SELECT id, at AT TIME ZONE 'europe/berlin', ts AT TIME ZONE 'EST', timezone('UTC', at) FROM t ORDER BY id"
        ),
        [
            "1|2026-01-01T01:00:00|2026-01-01T05:00:00Z|2026-01-01T00:00:00",
            "2|2026-07-01T02:00:00|-|2026-07-01T00:00:00",
        ]
    );
    run(&session, "UPDATE t SET ts = at AT TIME ZONE 'Asia/Tokyo'");
    assert_eq!(
        rows(&session, "SELECT ts FROM t ORDER BY id"),
        ["2026-01-01T09:00:00", "2026-07-01T09:00:00"]
    );
    check(&session);
    assert_eq!(
        rows(
            &session,
            "SELECT DATE '2026-07-01' AT TIME ZONE 'UTC', '2026-07-01' AT TIME ZONE 'Europe/Berlin'"
        ),
        ["2026-07-01T00:00:00|2026-07-01T02:00:00"]
    );
    let (code, message) = fails(&session, "SELECT at AT TIME ZONE 'Europe/Nowhere' FROM t");
    assert_eq!((code.as_str(), message.as_str()), ("22023", "time zone \"Europe/Nowhere\" not recognized"));
    assert_eq!(state(&session, "SELECT at AT TIME ZONE INTERVAL '1 day' FROM t"), "22023");
    assert_eq!(state(&session, "SELECT TIMESTAMP '2101-01-01' AT TIME ZONE 'Europe/Berlin'"), "0A000");
    assert_eq!(state(&session, "SELECT TIME '10:00' AT TIME ZONE 'UTC'"), "42883");
}

#[test]
fn now_is_a_moment_in_a_zone() {
    let (_database, session) = memory();
    run(
        &session,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMPTZ DEFAULT now(), ts TIMESTAMP); INSERT INTO t VALUES (1)",
    );
    let types = |sql: &str| session.query(sql).unwrap().types().unwrap();
    use gnitz::Type::{Bool, Date, Interval, Timestamp, TimestampTz};
    assert_eq!(
        types(
            "SELECT now(), current_timestamp, transaction_timestamp(), localtimestamp, to_timestamp(0), current_date FROM t"
        ),
        [TimestampTz, TimestampTz, TimestampTz, Timestamp, TimestampTz, Date]
    );
    assert_eq!(
        types(
            "SELECT now() - at, now() - INTERVAL '1 day', date_trunc('day', now()), at < now(), ts < now() FROM t"
        ),
        [Interval, TimestampTz, TimestampTz, Bool, Bool]
    );
    assert_eq!(
        rows(&session, "SELECT id FROM t WHERE at <= now() AND at > now() - INTERVAL '1 hour'"),
        ["1"]
    );
    assert_eq!(rows(&session, "SELECT count(*) FROM t WHERE at AT TIME ZONE 'UTC' <= localtimestamp"), ["1"]);
    run(&session, "BEGIN; INSERT INTO t VALUES (2); UPDATE t SET ts = now() WHERE id = 2");
    assert_eq!(
        rows(
            &session,
            "SELECT at = now(), ts = localtimestamp, now() = current_timestamp FROM t WHERE id = 2"
        ),
        ["true|true|true"]
    );
    run(&session, "COMMIT");
    assert_eq!(
        rows(&session, "SELECT to_timestamp(1700000000), to_timestamp(1.5), to_timestamp(-0.000001)"),
        ["2023-11-14T22:13:20Z|1970-01-01T00:00:01.500Z|1969-12-31T23:59:59.999999Z"]
    );
    assert_eq!(state(&session, "SELECT to_timestamp(1e30)"), "22008");
    assert_eq!(state(&session, "CREATE MATERIALIZED VIEW v AS SELECT id, now() FROM t"), "0A000");
}
