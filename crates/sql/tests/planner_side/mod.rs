//! The planner against a small database in memory: which circuits queries become, what is refused and with
//! which words, what ad-hoc queries answer. Most cases are text, in `cases/`: adding one is adding lines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use sql::sqlparser::ast::{Query, Statement};
use sql::sqlparser::dialect::PostgreSqlDialect;
use sql::sqlparser::parser::Parser;
use sql::{Catalog, ColumnDef, Planner, Rows, Scan, Snapshot, SqlError, TableDef, TableKind, types};
use zset::{Batch, BatchBuilder, CollectionId, ColumnType, Datum, Layout, Schema, Secret, Type};

mod answers;
mod plans;

const SECRET: Secret = Secret([5; 16]);

/// Tables by name, each a list of sorted runs.
#[derive(Clone, Default)]
pub struct Data {
    tables: BTreeMap<String, Arc<TableDef>>,
    runs: BTreeMap<u32, Vec<Batch>>,
}

impl Catalog for Data {
    fn table(&self, name: &str) -> Option<Arc<TableDef>> {
        self.tables.get(name).cloned()
    }

    fn tables(&self) -> Vec<Arc<TableDef>> {
        self.tables.values().cloned().collect()
    }
}

impl Scan for Data {
    fn runs(&self, id: CollectionId) -> Vec<Batch> {
        self.runs.get(&id.0).cloned().unwrap_or_default()
    }

    fn secret(&self) -> Secret {
        SECRET
    }
}

impl Snapshot for Data {}

impl Data {
    /// Adds a table; a type that ends in `!` is NOT NULL.
    pub fn define(&mut self, name: &str, columns: &str, key: &[u32]) -> &mut Data {
        let column = |text: &str| {
            let (name, ty) = text.trim().split_once(' ').expect("a name and a type");
            let (ty, nullable) = match ty.strip_suffix('!') {
                Some(ty) => (ty, false),
                None => (ty, true),
            };
            let ty: Type = ty.trim().parse().expect("a type");
            ColumnDef::new(name, ColumnType { ty, nullable })
        };
        let columns: Vec<ColumnDef> = columns.split(';').map(column).collect();
        let schema = Schema::new(columns.iter().map(|c| c.ty).collect(), key.to_vec());
        let id = CollectionId(self.tables.len() as u32 + 1);
        let def = TableDef {
            id,
            name: name.to_string(),
            kind: TableKind::Table,
            columns,
            primary_key: key.to_vec(),
            schema,
        };
        self.tables.insert(name.to_string(), Arc::new(def));
        self
    }

    /// Adds one run of rows with weights.
    pub fn run(&mut self, name: &str, rows: &[(Vec<Datum>, i64)]) -> &mut Data {
        let def = &self.tables[name];
        let layout = Layout::new(&def.schema, SECRET);
        let mut out = BatchBuilder::new();
        for (row, weight) in rows {
            layout.encode_datums(row, *weight, &mut out).expect("a row of the table");
        }
        let batch = out.finish().expect("a batch");
        self.runs.entry(def.id.0).or_default().push(batch);
        self
    }

    /// Rows from text: one a line, columns between `|`, `~` for NULL, and `xN` at the end for a weight.
    pub fn rows(&mut self, name: &str, text: &str) -> &mut Data {
        let types: Vec<Type> = self.tables[name].columns.iter().map(|c| c.ty.ty).collect();
        let rows: Vec<(Vec<Datum>, i64)> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (line, weight) = match line.rsplit_once(" x") {
                    Some((line, weight)) => (line, weight.parse().expect("a weight")),
                    None => (line, 1),
                };
                let row = line.split('|').map(str::trim).zip(&types).map(|(text, &ty)| datum(text, ty));
                (row.collect(), weight)
            })
            .collect();
        self.run(name, &rows)
    }
}

/// A value from its text.
pub fn datum(text: &str, ty: Type) -> Datum {
    if text == "~" {
        return Datum::Null;
    }
    sql::input::from_text(text, ty).expect("a value")
}

/// The planner and its data.
pub struct Db {
    pub planner: Planner,
    pub snapshot: Arc<dyn Snapshot>,
}

impl Db {
    pub fn new(data: Data) -> Db {
        Db { planner: Planner::new().expect("threads"), snapshot: Arc::new(data) }
    }

    pub fn rows(&self, text: &str) -> Result<Rows, SqlError> {
        self.planner.query(&self.snapshot, &query(text)?, &[], 0, &never())
    }

    /// The answer as lines, columns between `|`, in the order given.
    pub fn answer(&self, text: &str) -> Result<Vec<String>, SqlError> {
        Ok(lines(&self.rows(text)?))
    }
}

/// A flag that nobody sets.
pub fn never() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

/// A flag that is set.
pub fn cancelled() -> Arc<AtomicBool> {
    let flag = AtomicBool::new(false);
    flag.store(true, Ordering::Relaxed);
    Arc::new(flag)
}

/// The syntax tree of a query.
pub fn query(text: &str) -> Result<Query, SqlError> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, text)?;
    match statements.pop() {
        Some(Statement::Query(query)) if statements.is_empty() => Ok(*query),
        _ => panic!("not one query: {text}"),
    }
}

/// Rows as lines.
pub fn lines(rows: &Rows) -> Vec<String> {
    rows.batches.iter().flat_map(batch_lines).collect()
}

fn batch_lines(batch: &RecordBatch) -> Vec<String> {
    let columns: Vec<Vec<String>> = batch
        .columns()
        .iter()
        .map(|array| {
            let ty = types::from_arrow(array.data_type()).expect("a type of ours");
            let vector = types::to_vector(array, ty).expect("a column of ours");
            (0..array.len())
                .map(|row| match vector.get_as(row, ty) {
                    Datum::Null => "~".to_string(),
                    value => value.display(ty).to_string(),
                })
                .collect()
        })
        .collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column[row].as_str()).collect::<Vec<_>>().join("|"))
        .collect()
}

/// The tables that most cases use.
pub fn small() -> Data {
    let mut data = Data::default();
    data.define("t", "id INTEGER!; a INTEGER; b BIGINT; s TEXT", &[0]);
    data.rows("t", "1 | 10 | 5 | ab\n 2 | 20 | 0 | cd\n 3 | ~ | 7 | ~\n 4 | 10 | ~ | ef");
    data.define("bag", "k INTEGER; v TEXT", &[]);
    data.rows("bag", "1 | x x2\n 2 | y\n ~ | z\n 2 | y\n 10 | w");
    data.define("n", "i SMALLINT; f DOUBLE; r REAL; d DECIMAL(15,2); l BIGINT", &[]);
    data.rows(
        "n",
        "1 | 0.1 | 0.5 | 1.00 | 9223372036854775807\n 2 | 0.2 | 1.5 | 2.50 | 1\n 3 | 0.3 | ~ | -1.25 | 0",
    );
    data.define("w", "day DATE; at TIMESTAMP; z TIMESTAMPTZ; tm TIME; ok BOOLEAN; bin BYTEA", &[]);
    data.rows("w", "2020-02-29 | 2020-02-29 12:30:00 | 2020-02-29 12:30:00+00 | 23:30:00 | true | \\x00ff");
    data.define("pair", "a INTEGER!; b TEXT!; c INTEGER", &[0, 1]);
    data.rows("pair", "1 | a | 1\n 1 | b | 2\n 2 | a | 3\n 300 | c | 4");
    data.rows("pair", "1 | b | 2 x-1\n 1 | b | 20\n 2 | z | 5");
    data
}

/// One case of a case file: the words after `---`'s keyword, the statement, and what is expected.
pub struct Case {
    pub keyword: String,
    pub sql: String,
    pub expected: Vec<String>,
    pub line: usize,
}

/// Cases are separated by empty lines. The first line is a keyword with its argument, then the statement, then
/// `----` and what is expected, if anything is. Lines that begin with `#` are comments.
pub fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut block: Vec<(usize, &str)> = Vec::new();
    for (number, line) in text.lines().chain(std::iter::once("")).enumerate() {
        if line.starts_with('#') {
            continue;
        }
        if !line.trim().is_empty() {
            block.push((number + 1, line));
            continue;
        }
        if let Some((first, rest)) = block.split_first() {
            let cut = rest.iter().position(|(_, line)| *line == "----").unwrap_or(rest.len());
            let sql: Vec<&str> = rest[..cut].iter().map(|(_, line)| *line).collect();
            let expected = rest.iter().skip(cut + 1).map(|(_, line)| line.to_string()).collect();
            cases.push(Case { keyword: first.1.to_string(), sql: sql.join("\n"), expected, line: first.0 });
        }
        block.clear();
    }
    cases
}
