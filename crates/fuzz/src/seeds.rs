//! Inputs that make sense, for the fuzzer to begin with.

use crate::Target;
use crate::conversation::framed;

/// Statements of many kinds, short, for they are cut up and put together.
const STATEMENTS: &[&str] = &[
    "SELECT 1; SELECT 'a' || x FROM t WHERE id = 1 ORDER BY 1 LIMIT 3",
    "SELECT x, COUNT(*) FILTER (WHERE id > 1), SUM(id), AVG(DISTINCT id) FROM t GROUP BY x HAVING COUNT(*) > 0",
    "SELECT * FROM t a LEFT JOIN all_types b ON a.id = b.i JOIN LATERAL (SELECT a.id + 1 AS k) c ON c.k > 1",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "SELECT ROW_NUMBER() OVER (PARTITION BY x ORDER BY id DESC), LAG(id) OVER (ORDER BY id) FROM t",
    "SELECT id FROM t UNION SELECT i FROM all_types EXCEPT ALL SELECT 2 INTERSECT SELECT 3",
    "SELECT CASE WHEN b THEN d ELSE DATE '2026-01-01' END, n::int, ts + INTERVAL '1 day', EXTRACT(year FROM tz) FROM all_types",
    "SELECT to_char(tz, 'YYYY-MM-DD HH24:MI:SS.US TZ'), date_trunc('hour', ts), tz AT TIME ZONE 'UTC' FROM all_types",
    "SELECT substring(x from 2 for 1), x LIKE 'o%e' ESCAPE '!', overlay(x placing 'y' from 1), position('n' in x) FROM t",
    "SELECT * FROM unnest(ARRAY[1, 2, NULL]) AS u(v) WHERE v = ANY (ARRAY[1, 2]) OR v IN (SELECT id FROM t)",
    "INSERT INTO t VALUES (3, E'\\n'), (4, $$d$$) ON CONFLICT (id) DO UPDATE SET x = excluded.x || t.x RETURNING *",
    "UPDATE t SET x = upper(x) FROM all_types a WHERE a.i = t.id RETURNING t.id, x",
    "DELETE FROM t USING all_types a WHERE a.i = t.id OR t.id = -1",
    "CREATE TABLE u (id INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v TEXT DEFAULT 'a' NOT NULL)",
    "CREATE MATERIALIZED VIEW v AS SELECT x, MAX(id) FROM t GROUP BY x; DROP MATERIALIZED VIEW v CASCADE",
    "CREATE VIEW w AS SELECT * FROM t; ALTER VIEW w RENAME TO z; COMMENT ON TABLE t IS 'x'",
    "CREATE SCHEMA s; CREATE TABLE s.t (a INT); ALTER TABLE s.t ADD COLUMN b TEXT; DROP SCHEMA s CASCADE",
    "CREATE SEQUENCE q START 5 CYCLE; SELECT nextval('q'), currval('q'), setval('q', 7); DROP SEQUENCE q",
    "BEGIN ISOLATION LEVEL SERIALIZABLE; SAVEPOINT a; ROLLBACK TO a; RELEASE a; COMMIT AND CHAIN; ROLLBACK",
    "BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM t; FETCH FORWARD 2 FROM c; MOVE ALL c; CLOSE c",
    "BEGIN; DECLARE f CURSOR FOR SUBSCRIBE totals WITH (SNAPSHOT, PROGRESS); FETCH ALL f WITH (timeout = '1ms')",
    "COPY (SELECT * FROM t) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (x)); COPY t TO STDOUT (FORMAT binary)",
    "PREPARE p (int, text) AS SELECT $1, $2; EXECUTE p (1, 'a'); DEALLOCATE p; DISCARD ALL",
    "SET search_path = public; SHOW ALL; SET LOCAL datestyle TO iso; RESET ALL; SELECT current_setting('timezone')",
    "GRANT SELECT (id) ON t TO other; REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC CASCADE",
    "EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM t; EXPLAIN CREATE MATERIALIZED VIEW v AS SELECT DISTINCT x FROM t",
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid",
    "SELECT pg_get_viewdef('totals'::regclass, true), 't'::regclass::oid, obj_description(1, 'pg_class'), version()",
    "SELECT table_name FROM information_schema.tables WHERE table_schema !~ '^pg_' AND table_name = ANY (ARRAY['t'])",
    "SELECT generate_series(1, 3), jsonb_build_object('a', 1), ROW(1, 2), (SELECT MAX(id) FROM t), EXISTS (SELECT 1)",
    "/* a /* nested */ comment */ SELECT -1e10, 0x1F, 1_000, .5, U&'\\0041', B'01', NULL::numeric(5,2) -- end",
];

/// First packets.
const BEGINNINGS: &[&[u8]] = &[
    b"\0\x03\0\0user\0someone\0database\0gnitz\0application_name\0a\0\0",
    b"\0\x03\0\x02user\0me\0_pq_.x\x001\0replication\0database\0\0",
    b"\0\x03\0\0user\0me\0options\0-c statement_timeout=1 --datestyle=iso\0client_encoding\0utf8\0\0",
    b"\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02",
    b"\x04\xd2\x16\x2f",
    b"\x04\xd2\x16\x30",
    b"\0\x02\0\0",
];

/// Answers to the question for a password.
const PASSWORDS: &[&[u8]] = &[
    b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    b"SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=fyko+d2lbbFgONRv9qkxdawL",
    b"SCRAM-SHA-256-PLUS\0\0\0\0\x09p=tls,,n=",
    b"secret\0",
];

/// Two parameters, after the names of a portal and a statement.
const BINDINGS: &[&[u8]] = &[
    b"\0\0\0\x02\0\0\0\x013\0\0\0\x017\0\0",
    b"\0\x01\0\x01\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x01\xff\xff\xff\xff\0\x01\0\x01",
    b"\0\x02\0\0\0\x01\0\x02\0\0\0\x0a2026-11-22\0\0\0\x0a\0\x01\0\0\0\0\0\x02\0\x0f\0\x01\0\0",
    b"\0\0\0\x02\0\0\0\x0a2026-11-22\0\0\0\x07{1,2,3}\0\x01\0\x01",
];

/// What is asked of a portal or a statement.
const PORTALS: &[&[u8]] =
    &[b"S\0", b"Ss\0", b"Pp\0", b"p\0\0\0\0\x01", b"\0\0\0\0\0", b"p\0\xff\xff\xff\xff"];

/// Calls by the number of a function.
const CALLS: &[&[u8]] = &[
    b"\0\0\x05\x14\0\0\0\x01\0\0\0\x04\0\0\0\x01\0\0",
    b"\0\0\x08\x90\0\x01\0\x01\0\x02\0\0\0\x04\0\0\0\x01\xff\xff\xff\xff\0\x01",
];

/// Rows, in each format.
const ROWS: &[&[u8]] = &[
    b"7\tseven\n8\t\\N\n\\.\n",
    b"id,x\n9,\"a \"\"b\"\"\"\n10,\n",
    b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x0b\0\0\0\x01x\xff\xff",
    b"2026-11-22,1.5,2026-11-22 10:00:00,2026-11-22 10:00:00+01,t,1e10,2.5,3,4,\\xff,10:00,abc\n",
];

/// Messages one after another: kinds and bodies.
const STREAMS: &[&[(u8, &[u8])]] = &[
    &[(b'Q', b"SELECT 1\0"), (b'S', b""), (b'H', b""), (b'X', b"")],
    &[
        (b'P', b"s\0SELECT id, x FROM t\0\0\0"),
        (b'D', b"Ss\0"),
        (b'B', b"\0s\0\0\0\0\0\0\0"),
        (b'E', b"\0\0\0\0\x01"),
        (b'H', b""),
        (b'E', b"\0\0\0\0\0"),
        (b'C', b"Ss\0"),
        (b'S', b""),
    ],
    &[(b'Q', b"COPY t FROM STDIN\0"), (b'd', b"7\tseven\n"), (b'H', b""), (b'f', b"enough\0"), (b'S', b"")],
    &[(b'Q', b"BEGIN\0"), (b'E', b"c\0\0\0\0\0"), (b'p', b"secret\0"), (b'Q', b"COMMIT\0")],
];

/// The inputs of a target.
pub fn of(target: Target) -> Vec<Vec<u8>> {
    let all = |bodies: &[&[u8]]| bodies.iter().map(|body| body.to_vec()).collect();
    let chosen = |choices: u8, bodies: &[&[u8]]| -> Vec<Vec<u8>> {
        (0..choices).flat_map(|choice| bodies.iter().map(move |body| [&[choice], *body].concat())).collect()
    };
    match target {
        Target::Startup => all(BEGINNINGS),
        Target::Password => chosen(2, PASSWORDS),
        Target::Query => STATEMENTS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        Target::Parse => {
            let parse = |text: &&str| [b"\0", text.as_bytes(), b"\0\0\x01\0\0\0\x14"].concat();
            STATEMENTS.iter().filter(|text| !text.contains(';')).map(parse).collect()
        }
        Target::Bind => chosen(4, BINDINGS),
        Target::Portal => chosen(12, PORTALS),
        Target::FunctionCall => all(CALLS),
        Target::Copy => chosen(11, ROWS),
        Target::Stream => {
            let stream = |messages: &&[(u8, &[u8])]| {
                messages.iter().flat_map(|(kind, body)| framed(*kind, body)).collect()
            };
            STREAMS.iter().map(stream).collect()
        }
    }
}
