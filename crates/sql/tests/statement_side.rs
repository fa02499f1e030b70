//! Statements against a small database in memory: what they change, what they answer, and the SQLSTATE of what
//! they refuse. The database is the plainest there could be: a map of tables, each a list of batches, so that
//! what is tested is the statement side alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sql::statement::{Explain, parse_one};
use sql::{
    Catalog, Changes, Env, Loader, Planner, PointQuery, PreparedDml, Scan, Snapshot, SqlError, Statement,
    TableDef, TableKind, create_table,
};
use zset::{Batch, CollectionId, Datum, Schema, Secret, Type};

/// 2024-02-29 12:00:00 UTC.
const NOW: i64 = 1_709_208_000_000_000;

#[derive(Clone, Default)]
struct State {
    tables: BTreeMap<String, Arc<TableDef>>,
    runs: BTreeMap<u32, Vec<Batch>>,
}

impl Catalog for State {
    fn table(&self, name: &str) -> Option<Arc<TableDef>> {
        self.tables.get(name).cloned()
    }

    fn tables(&self) -> Vec<Arc<TableDef>> {
        self.tables.values().cloned().collect()
    }
}

impl Scan for State {
    fn runs(&self, id: CollectionId) -> Vec<Batch> {
        self.runs.get(&id.0).cloned().unwrap_or_default()
    }

    fn secret(&self) -> Secret {
        Secret([7; 16])
    }
}

impl Snapshot for State {}

fn borrowed(params: &[(Datum, Type)]) -> Vec<(&Datum, Type)> {
    params.iter().map(|(value, ty)| (value, *ty)).collect()
}

struct Db {
    planner: Arc<Planner>,
    state: State,
    cancel: Arc<AtomicBool>,
}

impl Db {
    fn new() -> Db {
        let planner = Arc::new(Planner::new().expect("a planner"));
        Db { planner, state: State::default(), cancel: Arc::new(AtomicBool::new(false)) }
    }

    /// Sets or clears the cancel flag.
    fn cancel(&self, cancelled: bool) {
        self.cancel.store(cancelled, std::sync::atomic::Ordering::Relaxed);
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(self.state.clone())
    }

    fn try_run(&mut self, text: &str, params: &[(Datum, Type)]) -> Result<(u64, Vec<String>), SqlError> {
        let statement = parse_one(text)?;
        match &statement {
            Statement::CreateTable(create) => {
                let draft = create_table(&self.planner, create)?;
                let id = CollectionId(self.state.tables.len() as u32 + 1);
                let def = TableDef {
                    id,
                    name: draft.name.clone(),
                    kind: TableKind::Table,
                    columns: draft.columns,
                    primary_key: draft.primary_key,
                    schema: draft.schema,
                };
                self.state.tables.insert(draft.name, Arc::new(def));
                Ok((0, Vec::new()))
            }
            Statement::Query(query) => {
                let snapshot = self.snapshot();
                let rows = self.planner.query(&snapshot, query, params, NOW, &self.cancel)?;
                let shown: Vec<String> = rows.batches.iter().flat_map(show).collect();
                if let Some(point) = PointQuery::recognise(&self.planner, snapshot.as_ref(), query, &[]) {
                    let batch = point.fetch(snapshot.as_ref(), &borrowed(params), NOW, &self.cancel)?;
                    let mut sorted = show(&batch);
                    let mut general = shown.clone();
                    sorted.sort();
                    general.sort();
                    assert_eq!(sorted, general, "{text}: the direct path answers differently");
                    assert_eq!(types(point.schema()), types(&rows.schema), "{text}");
                }
                Ok((shown.len() as u64, shown))
            }
            _ => {
                let snapshot = self.snapshot();
                let prepared = PreparedDml::new(&self.planner, &snapshot, &statement, &[])?;
                let changes = self.execute(&prepared, params)?;
                self.apply(&changes);
                let shown = changes.returning.iter().flat_map(show).collect();
                Ok((changes.affected, shown))
            }
        }
    }

    fn execute(&self, prepared: &PreparedDml, params: &[(Datum, Type)]) -> Result<Changes, SqlError> {
        let snapshot = self.snapshot();
        let params = &borrowed(params);
        let (sequences, cancel) = (&sql::sequence::NoSequences, &self.cancel);
        let env = Env { planner: &self.planner, snapshot: &snapshot, params, now: NOW, sequences, cancel };
        prepared.execute(&env)
    }

    fn apply(&mut self, changes: &Changes) {
        if !changes.delta.is_empty() {
            self.state.runs.entry(changes.table.id.0).or_default().push(changes.delta.clone());
        }
    }

    fn run(&mut self, text: &str) -> u64 {
        match self.try_run(text, &[]) {
            Ok((affected, _)) => affected,
            Err(error) => panic!("{text}: {error}"),
        }
    }

    fn rows(&mut self, text: &str) -> Vec<String> {
        match self.try_run(text, &[]) {
            Ok((_, rows)) => rows,
            Err(error) => panic!("{text}: {error}"),
        }
    }

    fn refused(&mut self, text: &str) -> String {
        match self.try_run(text, &[]) {
            Ok(_) => panic!("{text}: was not refused"),
            Err(error) => format!("{} {}", error.sqlstate(), error.message),
        }
    }

    fn state_of(&mut self, text: &str) -> String {
        self.refused(text)[..5].to_string()
    }
}

fn types(schema: &arrow::datatypes::Schema) -> Vec<(String, arrow::datatypes::DataType)> {
    schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
}

fn show(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a formatter"))
        .collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}

fn items() -> Db {
    let mut db = Db::new();
    db.run("CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(5) NOT NULL, price NUMERIC(6,2) DEFAULT 1.5, at DATE)");
    db.run("INSERT INTO item VALUES (1, 'one', 10, '2024-01-01'), (2, 'two', 20.005, NULL), (3, 'three', DEFAULT, '2024-03-03')");
    db
}

#[test]
fn inserts_values_defaults_and_expressions() {
    let mut db = items();
    assert_eq!(
        db.rows("SELECT * FROM item ORDER BY id"),
        ["1|one|10.00|2024-01-01", "2|two|20.01|NULL", "3|three|1.50|2024-03-03"]
    );
    assert_eq!(
        db.rows(
            "INSERT INTO item (name, id) VALUES (upper('x') || 'y', 2 + 2) RETURNING *, id * 2 AS twice, name"
        ),
        ["4|Xy|1.50|NULL|8|Xy"]
    );
    db.run("CREATE TABLE log (n BIGINT, at TIMESTAMPTZ DEFAULT now(), day DATE DEFAULT current_date, tag TEXT DEFAULT 'a' || 'b')");
    assert_eq!(
        db.rows("INSERT INTO log (n) VALUES (1), (2) RETURNING n, day, tag"),
        ["1|2024-02-29|ab", "2|2024-02-29|ab"]
    );
    assert_eq!(db.run("INSERT INTO log DEFAULT VALUES"), 1);
    assert_eq!(db.rows("SELECT count(*) FROM log WHERE at = TIMESTAMPTZ '2024-02-29 12:00:00+00'"), ["3"]);
}

#[test]
fn a_scan_looks_at_the_cancel_flag() {
    let mut db = items();
    for statement in [
        "UPDATE item SET price = 1 WHERE name LIKE 'o%'",
        "DELETE FROM item WHERE price > 5",
        "DELETE FROM item",
    ] {
        db.cancel(true);
        assert_eq!(db.try_run(statement, &[]).expect_err("cancelled").sqlstate(), "57014", "{statement}");
        db.cancel(false);
    }
    assert_eq!(db.run("DELETE FROM item WHERE price > 5"), 2);
}

#[test]
fn inserts_from_a_query() {
    let mut db = items();
    db.run("CREATE TABLE copy (id BIGINT PRIMARY KEY, label TEXT, day TIMESTAMP)");
    assert_eq!(db.run("INSERT INTO copy SELECT id, name, at FROM item WHERE id < 3"), 2);
    assert_eq!(db.rows("SELECT * FROM copy ORDER BY id"), ["1|one|2024-01-01T00:00:00", "2|two|NULL"]);
    assert_eq!(db.run("INSERT INTO copy (label, id) SELECT NULL, max(id) + 10 FROM item"), 1);
    assert_eq!(db.rows("SELECT id, label FROM copy WHERE id = 13"), ["13|NULL"]);
    assert_eq!(db.run("INSERT INTO copy SELECT 20, 'x', '2024-05-05'"), 1);
    assert_eq!(db.state_of("INSERT INTO copy SELECT name, name FROM item"), "42804");
    assert_eq!(db.state_of("INSERT INTO copy (id, label) SELECT id FROM item"), "42601");
    assert_eq!(db.state_of("INSERT INTO copy SELECT id, name, at, id FROM item"), "42601");
    assert_eq!(db.run("INSERT INTO item SELECT id + 100, 'n', price FROM item"), 3);
    assert_eq!(db.rows("SELECT count(*) FROM item"), ["6"]);
}

#[test]
fn keeps_constraints() {
    let mut db = items();
    assert_eq!(
        db.refused("INSERT INTO item VALUES (9, 'n'), (2, 'dup')"),
        "23505 duplicate key value violates unique constraint \"item_pkey\": Key (id)=(2) already exists"
    );
    assert_eq!(db.state_of("INSERT INTO item VALUES (9, 'n'), (9, 'm')"), "23505");
    assert_eq!(db.state_of("INSERT INTO item VALUES (9, 'n'), (9, 'n')"), "23505");
    assert_eq!(db.rows("SELECT id FROM item WHERE id = 9"), [] as [&str; 0]);
    assert_eq!(
        db.refused("INSERT INTO item (id) VALUES (9)"),
        "23502 null value in column \"name\" of relation \"item\" violates not-null constraint"
    );
    assert_eq!(db.state_of("INSERT INTO item VALUES (NULL, 'n')"), "23502");
    assert_eq!(db.state_of("UPDATE item SET name = NULL"), "23502");
    assert_eq!(db.state_of("INSERT INTO item VALUES (9, 'toolong')"), "22001");
    assert_eq!(db.state_of("UPDATE item SET name = name || name || name"), "22001");
    assert_eq!(db.rows("INSERT INTO item VALUES (9, 'blank   ') RETURNING name || '.'"), ["blank."]);
    assert_eq!(db.rows("SELECT 'abcdef'::varchar(3), CAST(12345 AS CHAR(2))"), ["abc|12"]);
    assert_eq!(db.run("UPDATE item SET name = (name || name)::varchar(5) WHERE id = 9"), 1);
    assert_eq!(db.state_of("INSERT INTO item VALUES (10, 'n', 10000)"), "22003");
    assert_eq!(db.state_of("INSERT INTO item VALUES (3000000000, 'n')"), "22003");
    assert_eq!(db.state_of("INSERT INTO item VALUES (10, 'n', 1, 'yesterday or so')"), "22007");
    assert_eq!(db.state_of("INSERT INTO item VALUES (10, 'n', 1, 5)"), "42804");
    assert_eq!(db.state_of("INSERT INTO item VALUES (1, 'n', true)"), "42804");
    assert_eq!(db.state_of("UPDATE item SET price = price / 0"), "22012");
}

#[test]
fn updates_and_deletes_by_key_and_by_scan() {
    let mut db = items();
    assert_eq!(
        db.rows("UPDATE item SET price = price * 2, name = 'due' WHERE id = 2 RETURNING id, price, name"),
        ["2|40.02|due"]
    );
    assert_eq!(db.run("UPDATE item SET price = 0 WHERE id = 2 AND name = 'two'"), 0);
    assert_eq!(db.run("UPDATE item SET price = 0 WHERE id = 2.5"), 0);
    assert_eq!(db.run("UPDATE item AS i SET at = '2024-12-24' WHERE i.price < 20 OR i.at IS NULL"), 3);
    assert_eq!(db.rows("SELECT id FROM item WHERE at = DATE '2024-12-24' ORDER BY id"), ["1", "2", "3"]);
    assert_eq!(db.run("UPDATE item SET id = id + 1"), 3);
    assert_eq!(db.rows("SELECT id FROM item ORDER BY id"), ["2", "3", "4"]);
    assert_eq!(db.state_of("UPDATE item SET id = 7"), "23505");
    assert_eq!(db.state_of("UPDATE item SET id = 4 WHERE id = 2"), "23505");
    assert_eq!(db.run("UPDATE item SET (name, price) = ('p', DEFAULT) WHERE id = 4"), 1);
    assert_eq!(db.rows("DELETE FROM item WHERE id = 4 RETURNING *"), ["4|p|1.50|2024-12-24"]);
    assert_eq!(db.run("DELETE FROM item WHERE name LIKE 'd%'"), 1);
    assert_eq!(db.run("DELETE FROM item"), 1);
    assert_eq!(db.rows("SELECT * FROM item"), [] as [&str; 0]);
}

#[test]
fn asks_the_engine_for_subqueries_and_joins() {
    let mut db = items();
    db.run("CREATE TABLE tag (owner INT, word TEXT)");
    db.run("INSERT INTO tag VALUES (1, 'x'), (1, 'y'), (3, 'z')");
    assert_eq!(db.run("UPDATE item SET price = (SELECT count(*) FROM tag WHERE tag.owner = item.id)"), 3);
    assert_eq!(db.rows("SELECT id, price FROM item ORDER BY id"), ["1|2.00", "2|0.00", "3|1.00"]);
    assert_eq!(
        db.run("UPDATE item SET name = word, at = '2020-02-02' FROM tag WHERE tag.owner = item.id"),
        2
    );
    assert_eq!(db.rows("SELECT id, name, at FROM item WHERE id = 3"), ["3|z|2020-02-02"]);
    assert_eq!(
        db.rows("DELETE FROM item USING tag t WHERE t.owner = item.id AND t.word = 'z' RETURNING id"),
        ["3"]
    );
    assert_eq!(db.run("DELETE FROM tag WHERE owner IN (SELECT id FROM item)"), 2);
    assert_eq!(db.state_of("DELETE FROM tag USING item WHERE true"), "0A000");
    assert_eq!(db.run("INSERT INTO item VALUES ((SELECT max(id) FROM item) + 1, 'sub', DEFAULT, '2024-05-05'), (50, 'l', (SELECT 2), NULL)"), 2);
    assert_eq!(db.rows("SELECT name FROM item WHERE id = 3"), ["sub"]);
}

#[test]
fn resolves_conflicts() {
    let mut db = items();
    assert_eq!(db.rows("INSERT INTO item VALUES (1, 'uno'), (4, 'vier'), (4, 'again') ON CONFLICT DO NOTHING RETURNING id, name"), ["4|vier"]);
    let upsert = "ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = item.price + excluded.price";
    assert_eq!(
        db.rows(&format!("INSERT INTO item VALUES (5, 'five', 5), (1, 'uno', 1), (6, 'six', 6) {upsert} RETURNING id, name, price")),
        ["5|five|5.00", "1|uno|11.00", "6|six|6.00"]
    );
    assert_eq!(
        db.run(&format!("INSERT INTO item VALUES (1, 'x', 1), (2, 'y', 1) {upsert} WHERE item.id > 1")),
        1
    );
    assert_eq!(db.rows("SELECT name FROM item WHERE id = 1"), ["uno"]);
    assert_eq!(db.state_of(&format!("INSERT INTO item VALUES (1, 'x', 1), (1, 'y', 1) {upsert}")), "21000");
    assert_eq!(db.state_of(&format!("INSERT INTO item VALUES (11, 'x', 1), (11, 'y', 1) {upsert}")), "21000");
    assert_eq!(db.state_of("INSERT INTO item VALUES (1, 'x') ON CONFLICT (name) DO NOTHING"), "42P10");
    assert_eq!(db.state_of("INSERT INTO item VALUES (1, 'x') ON CONFLICT DO UPDATE SET name = 'y'"), "42601");
    assert_eq!(
        db.state_of("INSERT INTO item VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET id = 2"),
        "23505"
    );
    assert_eq!(
        db.state_of("INSERT INTO item VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = name"),
        "42702"
    );
    db.run("INSERT INTO item VALUES (1, 'x') ON CONFLICT ON CONSTRAINT item_pkey DO NOTHING");
}

#[test]
fn bags_keep_copies() {
    let mut db = Db::new();
    db.run("CREATE TABLE bag (a INT, b TEXT)");
    assert_eq!(db.run("INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (2, NULL)"), 3);
    assert_eq!(db.rows("SELECT a, b FROM bag ORDER BY a"), ["1|x", "1|x", "2|NULL"]);
    assert_eq!(db.rows("UPDATE bag SET a = a + 1 WHERE b = 'x' RETURNING a"), ["2", "2"]);
    assert_eq!(db.run("INSERT INTO bag VALUES (2, 'x') ON CONFLICT DO NOTHING"), 1);
    assert_eq!(db.run("DELETE FROM bag WHERE a = 2 AND b IS NOT NULL"), 3);
    assert_eq!(db.run("DELETE FROM bag WHERE b IN (SELECT 'q') OR b IS NULL"), 1);
    assert_eq!(db.rows("SELECT count(*) FROM bag"), ["0"]);
}

#[test]
fn prepared_statements_take_parameters() {
    let mut db = items();
    let run = |db: &mut Db, text: &str, params: &[(Datum, Type)]| {
        db.try_run(text, params).map_err(|e| e.sqlstate())
    };
    let int = |n: i64| (Datum::Int(n), Type::Int64);
    let text = |t: &str| (Datum::Text(t.into()), Type::Text);
    let insert = "INSERT INTO item VALUES ($1, $2, $3 + 1, $4)";
    assert_eq!(
        run(&mut db, insert, &[int(7), text("seven"), int(6), text("2024-07-07")]).map(|r| r.0),
        Ok(1)
    );
    assert_eq!(
        run(&mut db, "SELECT price, at FROM item WHERE id = $1", &[int(7)]),
        Ok((1, vec!["7.00|2024-07-07".into()]))
    );
    assert_eq!(
        run(
            &mut db,
            "UPDATE item SET price = price + $2 WHERE id = $1",
            &[int(7), (Datum::Float(0.5), Type::Float64)]
        )
        .map(|r| r.0),
        Ok(1)
    );
    assert_eq!(run(&mut db, "UPDATE item SET name = 'q' WHERE id = $1", &[int(1 << 40)]).map(|r| r.0), Ok(0));
    assert_eq!(
        run(&mut db, "UPDATE item SET name = 'q' WHERE id = $1", &[(Datum::Null, Type::Int32)]).map(|r| r.0),
        Ok(0)
    );
    assert_eq!(
        run(&mut db, "DELETE FROM item WHERE id = $1 AND price > $2", &[int(7), int(100)]).map(|r| r.0),
        Ok(0)
    );
    assert_eq!(
        run(&mut db, insert, &[int(1 << 40), text("x"), int(1), text("2024-01-01")]).err(),
        Some("22003")
    );
    assert_eq!(run(&mut db, insert, &[int(8), text("x"), int(1), text("soon")]).err(), Some("22007"));
    assert_eq!(run(&mut db, "DELETE FROM item WHERE id = $1", &[]).err(), Some("42P02"));
    assert_eq!(
        run(&mut db, "DELETE FROM item WHERE id = $1", &[(Datum::Text("x".into()), Type::Int32)]).err(),
        Some("42804")
    );
    assert_eq!(run(&mut db, "UPDATE item SET name = repeat($1, $1)", &[int(1)]).err(), Some("42P18"));
    assert_eq!(run(&mut db, "DELETE FROM item WHERE id IN (SELECT $1)", &[int(7)]).map(|r| r.0), Ok(1));
}

#[test]
fn reads_by_key_answer_like_queries() {
    let mut db = Db::new();
    db.run("CREATE TABLE line (o BIGINT, n INT, note TEXT, amount NUMERIC(20,2), PRIMARY KEY (o, n))");
    db.run("INSERT INTO line VALUES (1, 1, 'a', 1.5), (1, 2, 'b', 2.5), (2, 1, NULL, 3)");
    db.run("INSERT INTO line VALUES (3, 1, 'c', 4)");
    db.run("DELETE FROM line WHERE o = 1 AND n = 1");
    for (query, direct) in [
        ("SELECT * FROM line WHERE o = 1 AND n = 2", true),
        ("SELECT note AS x, l.amount * 2, l.n FROM line l WHERE 2 = n AND o = '1'", true),
        ("SELECT n FROM line WHERE o = 1", true),
        ("SELECT l.* FROM line AS l WHERE l.o = 2 AND l.note IS NULL", true),
        ("SELECT n FROM line WHERE o = 2.5", true),
        ("SELECT note FROM line WHERE o = NULL", true),
        ("SELECT n FROM line WHERE n = 1", false),
        ("SELECT count(*) FROM line WHERE o = 1", false),
        ("SELECT n FROM line WHERE o = 1 ORDER BY n", false),
        ("SELECT n FROM line WHERE o = 1 AND n IN (SELECT 1)", false),
        ("SELECT o FROM line WHERE o > 1", false),
    ] {
        let Ok(Statement::Query(parsed)) = parse_one(query) else { panic!("{query}") };
        let snapshot = db.snapshot();
        let found = PointQuery::recognise(&db.planner, snapshot.as_ref(), &parsed, &[]).is_some();
        assert_eq!(found, direct, "{query}");
        db.run(query);
    }
    assert_eq!(db.rows("SELECT note, amount FROM line WHERE o = 1 AND n = 2"), ["b|2.50"]);
}

#[test]
fn defines_tables() {
    let mut db = Db::new();
    db.run("CREATE TABLE IF NOT EXISTS T (\"A b\" INT, c CHAR(3) NOT NULL DEFAULT 'x', d TIMESTAMPTZ, PRIMARY KEY (d, \"A b\"))");
    let def = db.state.table("t").expect("the table");
    assert_eq!(def.primary_key, [2, 0]);
    assert_eq!(def.columns.iter().map(|c| c.ty.nullable).collect::<Vec<_>>(), [false, false, false]);
    assert_eq!(def.columns[1].max_len, Some(3));
    let cases = [
        ("CREATE TABLE x (a INT, A INT)", "42701"),
        ("CREATE TABLE x (a INT PRIMARY KEY, b INT PRIMARY KEY)", "42P16"),
        ("CREATE TABLE x (a INT, PRIMARY KEY (b))", "42703"),
        ("CREATE TABLE x (a INT, PRIMARY KEY (a, a))", "42701"),
        ("CREATE TABLE x (a REAL PRIMARY KEY)", "0A000"),
        ("CREATE TABLE x (a INTERVAL)", "0A000"),
        ("CREATE TABLE x (a NUMERIC)", "0A000"),
        ("CREATE TABLE x (a JSON)", "0A000"),
        ("CREATE TABLE x (a INT UNIQUE)", "0A000"),
        ("CREATE TABLE x (a INT CHECK (a > 0))", "0A000"),
        ("CREATE TABLE x (a INT REFERENCES t (c))", "0A000"),
        ("CREATE TABLE x (a INT GENERATED ALWAYS AS (1) STORED)", "0A000"),
        ("CREATE TABLE x (a INT, CONSTRAINT u UNIQUE (a))", "0A000"),
        ("CREATE TABLE x (a INT NULL NOT NULL)", "42P16"),
        ("CREATE TABLE x (a INT DEFAULT 'one')", "22P02"),
        ("CREATE TABLE x (a INT DEFAULT current_date)", "42804"),
        ("CREATE TABLE x (a INT DEFAULT b, b INT)", "42703"),
        ("CREATE TABLE x (a INT DEFAULT (SELECT 1))", "0A000"),
        ("CREATE TEMP TABLE x (a INT)", "0A000"),
        ("CREATE TABLE x AS SELECT 1", "0A000"),
        ("CREATE TABLE x ()", "0A000"),
    ];
    for (text, state) in cases {
        assert_eq!(db.state_of(text), state, "{text}");
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    let mut db = items();
    let cases = [
        ("INSERT INTO nowhere VALUES (1)", "42P01"),
        ("INSERT INTO item (nothing) VALUES (1)", "42703"),
        ("INSERT INTO item (id, id) VALUES (1, 2)", "42701"),
        ("INSERT INTO item VALUES (1, 'a'), (2)", "42601"),
        ("INSERT INTO item (id, name) VALUES (1)", "42601"),
        ("INSERT INTO item VALUES (1, 'a', 1, NULL, 5)", "42601"),
        ("UPDATE item SET nothing = 1", "42703"),
        ("UPDATE item SET id = 1, id = 2", "42601"),
        ("UPDATE item SET name = nothing", "42703"),
        ("UPDATE item SET price = sum(price)", "0A000"),
        ("DELETE FROM item WHERE id", "42804"),
        ("DELETE FROM item WHERE id = 1 RETURNING other.*", "42P01"),
        ("DELETE FROM item WHERE name = 5 + 5 AND nothing", "42703"),
    ];
    for (text, state) in cases {
        assert_eq!(db.state_of(text), state, "{text}");
    }
}

#[test]
fn a_statement_outlives_no_table() {
    let mut db = items();
    let statement = parse_one("DELETE FROM item WHERE id = 1").expect("a statement");
    let prepared = PreparedDml::new(&db.planner, &db.snapshot(), &statement, &[]).expect("prepared");
    let mut other = TableDef::clone(&db.state.table("item").expect("the table"));
    other.id = CollectionId(99);
    other.schema = Schema::new(other.schema.columns.clone(), other.schema.key.clone());
    db.state.tables.insert("item".into(), Arc::new(other));
    assert_eq!(db.execute(&prepared, &[]).err().map(|e| e.sqlstate()), Some("42P01"));
}

#[test]
fn loads_rows_without_a_statement() {
    let mut db = items();
    let mut loader =
        Loader::new(&db.planner, &db.snapshot(), "item", &["id".into(), "name".into()]).expect("a loader");
    loader.push_text([Some("10"), Some("ten")].into_iter()).expect("a row");
    loader.push(&[Datum::Int(11), Datum::Text("elf".into())]).expect("a row");
    assert_eq!(loader.rows(), 2);
    let changes = loader.finish(db.snapshot().as_ref(), NOW).expect("changes");
    db.apply(&changes);
    assert_eq!(db.rows("SELECT * FROM item WHERE id = 10"), ["10|ten|1.50|NULL"]);
    let state = |result: Result<(), SqlError>| result.map_err(|e| e.sqlstate());
    assert_eq!(state(loader.push_text([Some("x"), None].into_iter())), Err("22P02"));
    let mut loader = Loader::new(&db.planner, &db.snapshot(), "item", &[]).expect("a loader");
    assert_eq!(state(loader.push_text([Some("1")].into_iter())), Err("22P04"));
    let row = [Datum::Int(1), Datum::Text("dup".into()), Datum::Null, Datum::Null];
    loader.push(&row).expect("a row");
    assert_eq!(loader.finish(db.snapshot().as_ref(), NOW).err().map(|e| e.sqlstate()), Some("23505"));
}

#[test]
fn explain_holds_a_statement() {
    let Ok(Statement::Explain(Explain::Statement(inner))) = parse_one("EXPLAIN DELETE FROM item") else {
        panic!("an EXPLAIN")
    };
    assert_eq!(inner.name(), "DELETE");
}
