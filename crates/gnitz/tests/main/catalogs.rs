//! The queries that PostgreSQL's clients send about the catalogs (`tests/catalogs/*.txt`), each with what PostgreSQL 15
//! answered for the same schema, or with our own answer and the reason why it is another.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use gnitz::{Database, Datum, Session, SessionFacts, Value};

/// One query of a file.
#[derive(Default)]
struct Section {
    title: String,
    params: Vec<String>,
    query: String,
    answer: Vec<String>,
    own: Option<Vec<String>>,
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/catalogs")
}

fn read(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut part = "query";
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            sections.push(Section { title: title.to_string(), ..Section::default() });
            part = "query";
            continue;
        }
        let Some(section) = sections.last_mut() else { continue };
        match part {
            "query" if line == "----" => part = "answer",
            "query" => match line.strip_prefix("params: ") {
                Some(params) => section.params = params.split(" | ").map(str::to_string).collect(),
                None => {
                    let _ = writeln!(section.query, "{line}");
                }
            },
            _ if line.starts_with("---- gnitz: ") => {
                section.own = Some(Vec::new());
                part = "own";
            }
            _ if line.is_empty() => {}
            "own" => section.own.iter_mut().for_each(|own| own.push(line.to_string())),
            _ => section.answer.push(line.to_string()),
        }
    }
    sections
}

/// A session on the schema, and what the OIDs of its objects are called.
fn world() -> (Database, Session, HashMap<String, String>) {
    let database = Database::in_memory().unwrap();
    let session = database.session();
    session.execute(&std::fs::read_to_string(folder().join("schema.sql")).unwrap()).unwrap();
    let mut names = HashMap::new();
    let objects = [
        "select oid, relname from pg_class where oid >= 16384",
        "select oid, 'type ' || typname from pg_type where oid >= 16384",
        "select oid, 'constraint ' || conname from pg_constraint where oid >= 16384",
        "select oid, 'rule of ' || ev_class::regclass::text from pg_rewrite",
        "select oid, 'database' from pg_database",
    ];
    for query in objects {
        for row in session.query(query).unwrap().rows().unwrap() {
            let [Datum::Int(oid), Datum::Text(name)] = &row[..] else { panic!("{row:?}") };
            names.insert(oid.to_string(), format!("{{{name}}}"));
        }
    }
    (database, session, names)
}

/// PostgreSQL's superuser, as whom its answers were recorded, has another name than ours.
fn ours(text: &str) -> String {
    text.replace("postgres", "gnitz")
}

fn answer(session: &Session, section: &Section, names: &HashMap<String, String>) -> Vec<String> {
    // Some queries change settings.
    session.set_facts(SessionFacts::default());
    let placed =
        |text: &str| names.iter().fold(ours(text), |text, (oid, name)| text.replace(name.as_str(), oid));
    let params: Vec<Value> = section
        .params
        .iter()
        .map(|param| if param == "-" { Value::NULL } else { Value::from(placed(param)) })
        .collect();
    let result = session.prepare(&placed(&section.query)).and_then(|statement| statement.query(&params));
    let result = match result {
        Ok(result) => result,
        Err(error) => return vec![format!("error: {} {}", error.sqlstate(), error.message())],
    };
    let types = result.types().unwrap();
    let shown = |(value, ty): (&Datum, &gnitz::Type)| match value {
        Datum::Null => "-".to_string(),
        value => named(&value.display(*ty).to_string().replace('\n', "\\n"), names),
    };
    let rows = result.rows().unwrap();
    rows.iter().map(|row| row.iter().zip(&types).map(shown).collect::<Vec<_>>().join("|")).collect()
}

/// The text with OIDs replaced by names.
fn named(text: &str, names: &HashMap<String, String>) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(names.get(&digits).unwrap_or(&digits));
        digits.clear();
        out.extend((c != '\0').then_some(c));
    }
    out
}

#[test]
fn clients_are_answered_as_postgresql_answers() {
    let (_database, session, names) = world();
    let only = std::env::var("CATALOG_FILE").unwrap_or_default();
    let mut report = String::new();
    let (mut good, mut bad) = (0, 0);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "txt")) {
        let file = path.file_stem().unwrap().to_string_lossy().to_string();
        if !file.contains(&only) {
            continue;
        }
        for section in read(&std::fs::read_to_string(path).unwrap()) {
            let expected = section.own.as_ref().unwrap_or(&section.answer);
            let mut expected: Vec<String> = expected.iter().map(|line| ours(line)).collect();
            let mut got = answer(&session, &section, &names);
            if !section.query.to_lowercase().contains("order by") {
                expected.sort();
                got.sort();
            }
            if expected == got {
                good += 1;
                continue;
            }
            bad += 1;
            let _ = writeln!(report, "== {file}: {}\n{}", section.title, section.query);
            for row in expected.iter().filter(|row| !got.contains(row)) {
                let _ = writeln!(report, "- {row}");
            }
            for row in got.iter().filter(|row| !expected.contains(row)) {
                let _ = writeln!(report, "+ {row}");
            }
        }
    }
    assert!(bad == 0, "{good} answers are right, {bad} differ:\n{report}");
    assert!(good > 0 || !only.is_empty());
}

/// Values of one row, as text.
fn one(session: &Session, query: &str) -> String {
    let rows = crate::rows(session, query);
    assert_eq!(rows.len(), 1, "{query}: {rows:?}");
    rows[0].clone()
}

#[test]
fn names_may_be_qualified_everywhere() {
    let (_database, session) = crate::memory();
    crate::run(
        &session,
        "CREATE TABLE public.t (id BIGINT PRIMARY KEY, name TEXT);
         INSERT INTO gnitz.public.t VALUES (1, 'a'), (2, 'b');
         UPDATE \"public\".\"t\" SET name = 'c' WHERE id = 2;
         CREATE MATERIALIZED VIEW public.v AS SELECT count(*) AS n FROM public.t",
    );
    assert_eq!(one(&session, "SELECT name FROM gnitz.public.t WHERE id = 2"), "c");
    assert_eq!(one(&session, "SELECT v.n FROM public.v"), "2");
    assert_eq!(crate::state(&session, "DELETE FROM pg_catalog.pg_class"), "0A000");
    assert_eq!(crate::state(&session, "SELECT * FROM nowhere.t"), "42P01");
    assert_eq!(crate::state(&session, "SELECT * FROM pg_catalog.nothing"), "42P01");
}

#[test]
fn one_of_several_patterns_may_match() {
    let (_database, session) = crate::memory();
    let row = |list: &str| {
        crate::rows(&session, &format!("SELECT {list} FROM pg_class WHERE relname = 'pg_am'")).concat()
    };
    assert_eq!(row("relname LIKE ANY ('{x%,pg\\\\_a_}'), relname LIKE ANY (ARRAY['x', NULL])"), "true|-");
    assert_eq!(row("relname LIKE ANY (ARRAY['PG%']), relname ILIKE ANY (ARRAY['x', 'PG%'])"), "false|true");
    assert_eq!(
        row("relname NOT LIKE ANY (ARRAY['pg%']), relname NOT ILIKE ANY (ARRAY['x', 'PG%'])"),
        "false|true"
    );
    assert_eq!(crate::state(&session, "SELECT relname LIKE ANY ('{a}') ESCAPE '!' FROM pg_class"), "0A000");
    assert_eq!(
        row("relname ~~ ALL (ARRAY['pg%', '%m']), relname !~~* ALL (ARRAY['x', 'PG%'])"),
        "true|false"
    );
    assert_eq!(
        row("relname ~~ ANY (SELECT 'pg\\__m'), 'pg_am' IN (SELECT relname FROM pg_class)"),
        "true|true"
    );
}

#[test]
fn queries_over_tables_may_ask_the_catalogs() {
    let (_database, session) = crate::memory();
    crate::run(
        &session,
        "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    );
    assert_eq!(one(&session, "SELECT count(*), current_user, current_database() FROM t"), "2|gnitz|gnitz");
    assert_eq!(one(&session, "SELECT id FROM t WHERE name = ANY('{b,c}'::text[])"), "2");
    assert_eq!(one(&session, "SELECT id FROM t WHERE id <> ALL(ARRAY[2, 3])"), "1");
    assert_eq!(one(&session, "SELECT pg_catalog.upper(name) FROM t WHERE id::pg_catalog.int4 = 2"), "B");
    assert_eq!(
        one(&session, "SELECT id FROM t WHERE name OPERATOR(pg_catalog.~) '^a' COLLATE pg_catalog.default"),
        "1"
    );
    assert_eq!(
        one(&session, "SELECT c.relname, t.name FROM pg_class c, t WHERE c.oid = 't'::regclass AND t.id = 1"),
        "t|a"
    );
    assert_eq!(crate::state(&session, "SELECT 'nowhere'::regclass FROM t"), "42P01");
}

#[test]
fn settings_and_the_session_are_what_they_were_said_to_be() {
    let (_database, session) = crate::memory();
    assert_eq!(
        one(&session, "SELECT current_user, session_user, CURRENT_SCHEMA, current_schemas(true)::text"),
        "gnitz|gnitz|public|{pg_catalog,public}"
    );
    assert_eq!(one(&session, "SELECT set_config('application_name', 'x', false)"), "x");
    assert_eq!(one(&session, "SELECT current_setting('application_name')"), "x");
    crate::run(&session, "CREATE TABLE t (id BIGINT)");
    assert_eq!(one(&session, "SELECT pg_table_is_visible('t'::regclass)"), "true");
    assert_eq!(one(&session, "SELECT set_config('search_path', '', false)"), "");
    assert_eq!(
        one(&session, "SELECT 'public.t'::regclass, pg_table_is_visible('public.t'::regclass)"),
        "public.t|false"
    );
    assert_eq!(crate::state(&session, "SELECT current_setting('nothing')"), "42704");
    session.set_facts(SessionFacts { user: "ada".to_string(), pid: 42, ..SessionFacts::default() });
    assert_eq!(one(&session, "SELECT current_user, pg_backend_pid()"), "ada|42");
}

#[test]
fn columns_carry_their_types() {
    let (_database, session) = crate::memory();
    let result = session
        .query("SELECT oid, relname, relkind, relnatts, reloptions, oid::regclass FROM pg_class")
        .unwrap();
    let types: Vec<u32> = result.pg_types().into_iter().flatten().collect();
    assert_eq!(types, [26, 19, 18, 21, 1009, 2205]);
    assert_eq!(gnitz::element_type(1009), Some(25));
    assert_eq!(gnitz::array_elements("{a,NULL}"), Some(vec![Some("a".to_string()), None]));
}

#[test]
fn what_postgresql_refuses_is_refused() {
    let (_database, session) = crate::memory();
    for (query, code) in [
        ("SELECT '{a,}'::text[]", "22P02"),
        ("SELECT '{\"a\" b}'::text[]", "22P02"),
        ("SELECT (typname::text)[0] FROM pg_type", "42804"),
        ("SELECT relkind[0] FROM pg_class", "42804"),
        ("SELECT parse_ident('a.b(int)')", "22023"),
        ("SELECT parse_ident('a..b')", "22023"),
        ("SELECT parse_ident('\"a')", "22023"),
        ("SELECT 'length'::regproc", "42725"),
        ("SELECT set_config('a.b', 'c', false), n FROM (VALUES (1)) AS t (n), pg_class", "00000"),
    ] {
        let got = session.query(query).map_or_else(|error| error.sqlstate(), |_| "00000");
        assert_eq!(got, code, "{query}");
    }
}

#[test]
fn a_view_says_where_it_reads_from_if_names_do_not() {
    let (_database, session) = crate::memory();
    crate::run(
        &session,
        "CREATE TABLE t (a BIGINT); CREATE TABLE u (a BIGINT);
         CREATE MATERIALIZED VIEW v AS WITH u AS (SELECT a FROM u) SELECT u.a FROM t JOIN u ON t.a = u.a",
    );
    let written = " WITH u AS (SELECT a FROM u) SELECT u.a FROM t JOIN u ON t.a = u.a;";
    let texts = "SELECT pg_get_viewdef('public.v'::regclass) = definition, definition FROM pg_matviews";
    assert_eq!(one(&session, texts), format!("true|{written}"));
    crate::run(&session, "SELECT set_config('search_path', '', false)");
    let whole = " WITH u AS (SELECT a FROM public.u) SELECT u.a FROM public.t JOIN u ON t.a = u.a;";
    assert_eq!(one(&session, texts), format!("true|{whole}"));
    assert_eq!(
        one(&session, "SELECT view_definition FROM information_schema.views WHERE table_name = 'v'"),
        whole
    );
}

#[test]
fn without_a_server_a_session_is_alone() {
    let (_database, session) = crate::memory();
    assert_eq!(one(&session, "SELECT count(*), min(state) FROM pg_stat_activity"), "1|active");
    assert_eq!(one(&session, "SELECT pg_cancel_backend(77)"), "false");
    let notices = session.take_notices();
    assert_eq!(notices[0].to_string(), "WARNING: PID 77 is not a PostgreSQL server process");
    assert_eq!(one(&session, "SELECT count(*) FROM pg_prepared_statements"), "0");
}
