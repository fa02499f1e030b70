//! Random batches: what happens to a database between two looks at its views.

use super::expression::Place;
use super::{Generator, Hazard};
use crate::reference::model::{Conflict, Model, Relation, Statement, TableSpec};
use crate::reference::{
    ArithmeticOp, CompareOp, Join, Query, Row, Scalar, Select, Shape, Source, Type, Value,
};

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// `COMMIT`
    Commit,
    /// `ROLLBACK`
    Rollback,
}

/// One thing a session does.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// A statement on its own.
    Statement(Statement),
    /// `BEGIN`, statements, and an end.
    Transaction(Vec<Statement>, Ending),
    /// A statement that must fail, whatever the data.
    Refused {
        /// Its text.
        sql: String,
        /// What it must answer.
        sqlstate: &'static str,
    },
    /// A checkpoint of the storage.
    Checkpoint,
}

impl Generator {
    /// The first rows, put in before the views are created or after.
    pub fn fill(&mut self, model: &Model) -> Vec<Statement> {
        let tables = self.targets(model);
        tables.into_iter().map(|table| self.insert(table, model, 16)).collect()
    }

    /// What happens next.
    pub fn step(&mut self, model: &Model) -> Step {
        match self.random.below(100) {
            0..55 => Step::Statement(self.statement(model)),
            55..65 => self.transaction(model, Ending::Rollback),
            65..88 => self.transaction(model, Ending::Commit),
            88..96 => self.refused(model),
            _ => Step::Checkpoint,
        }
    }

    /// A committed change: what a workload consists of that cares for commits only.
    pub fn commit(&mut self, model: &Model) -> Step {
        match self.random.below(3) {
            0 => self.transaction(model, Ending::Commit),
            _ => Step::Statement(self.statement(model)),
        }
    }

    /// Every table changes, some twice; or nothing does.
    fn transaction(&mut self, model: &Model, ending: Ending) -> Step {
        if self.random.percent(5) {
            return Step::Transaction(Vec::new(), ending);
        }
        let mut copy = model.clone();
        let mut statements = Vec::new();
        let mut order = self.targets(model);
        order.push(*self.random.pick(&order));
        for table in order {
            let statement = self.statement_on(table, &copy);
            // Later statements see what earlier ones did; one that fails is the last.
            let failed = copy.apply(&statement).is_err();
            statements.push(statement);
            if failed {
                break;
            }
        }
        Step::Transaction(statements, ending)
    }

    /// The tables that statements may change.
    fn targets(&self, model: &Model) -> Vec<usize> {
        let is_table = |number: &usize| matches!(*model.relations[*number], Relation::Table(_));
        (self.spared..model.relations.len()).filter(is_table).collect()
    }

    fn any_table(&mut self, model: &Model) -> usize {
        let tables = self.targets(model);
        *self.random.pick(&tables)
    }

    fn statement(&mut self, model: &Model) -> Statement {
        let table = self.any_table(model);
        self.statement_on(table, model)
    }

    fn statement_on(&mut self, table: usize, model: &Model) -> Statement {
        let rows = model.contents[table].len();
        match self.random.below(100) {
            _ if rows < 3 => self.insert(table, model, 6),
            0..35 if rows < 40 => self.insert(table, model, 8),
            35..42 if rows < 20 => self.insert_select(table, model),
            42..65 => self.update(table, model),
            65..67 => Statement::Delete { table, filter: None },
            67..70 => {
                let never = Scalar::Literal(Value::Bool(false), Type::Bool);
                Statement::Delete { table, filter: Some(never) }
            }
            _ => Statement::Delete { table, filter: Some(self.choice(table, model)) },
        }
    }

    fn insert(&mut self, table: usize, model: &Model, most: usize) -> Statement {
        let spec = model.table(table).clone();
        let count = 1 + self.random.below(most);
        let conflict = if spec.key.is_empty() { Conflict::Fail } else { self.conflict(&spec) };
        let careful = self.random.percent(90);
        let mut seen: Vec<Row> = model.contents[table].keys().map(|row| key_of(&spec, row)).collect();
        if matches!(conflict, Conflict::Update(_)) {
            seen.clear();
        }
        let unique = !spec.key.is_empty() && careful && conflict != Conflict::Nothing;
        let mut rows = Vec::new();
        for _ in 0..count {
            let row =
                (0..20).map(|_| self.row(&spec)).find(|row| !unique || !seen.contains(&key_of(&spec, row)));
            let Some(row) = row else { continue };
            seen.push(key_of(&spec, &row));
            if !unique && self.random.percent(15) {
                rows.push(row.clone());
            }
            rows.push(row);
        }
        if rows.is_empty() {
            rows.push(self.row(&spec));
        }
        Statement::Insert { table, rows, conflict }
    }

    fn conflict(&mut self, spec: &TableSpec) -> Conflict {
        let free: Vec<usize> = (0..spec.columns.len()).filter(|at| !spec.key.contains(at)).collect();
        match self.random.below(4) {
            0 => Conflict::Nothing,
            1 if !free.is_empty() => {
                let column = *self.random.pick(&free);
                let (old, proposed) = (Scalar::Column(column), Scalar::Column(spec.columns.len() + column));
                let ty = spec.columns[column].ty;
                if matches!(ty, Type::Integer | Type::Bigint) && self.random.percent(50) {
                    return Conflict::Update(vec![(column, old.arithmetic(ArithmeticOp::Add, proposed, ty))]);
                }
                Conflict::Update(vec![(column, proposed)])
            }
            _ => Conflict::Fail,
        }
    }

    /// Rows of one table into another, a column of the same type for each; keys may well collide.
    fn insert_select(&mut self, table: usize, model: &Model) -> Statement {
        let relation = self.any_table(model);
        let (scope, spec) = (model.table(relation).columns.clone(), model.table(table).clone());
        let mut outputs = Vec::new();
        for column in &spec.columns {
            let found = self
                .column(&scope, |ty| ty == column.ty)
                .filter(|at| column.nullable || !scope[*at].nullable);
            outputs.push(match found {
                Some(at) => Scalar::Column(at),
                None => Scalar::Literal(self.constant(column.ty), column.ty),
            });
        }
        let source = Source { relation, alias: "x".to_owned(), join: Join::Comma };
        let filter = Some(self.condition(&scope, 0, Place::Guarded));
        let select =
            Select { sources: vec![source], filter, shape: Shape::Project(outputs), distinct: false };
        Statement::InsertSelect { table, query: Query { arms: vec![select], distinct: false } }
    }

    fn update(&mut self, table: usize, model: &Model) -> Statement {
        let spec = model.table(table).clone();
        let mut set: Vec<(usize, Scalar)> = Vec::new();
        for _ in 0..1 + self.random.below(2) {
            let column = self.random.below(spec.columns.len());
            let taken = set.iter().any(|(other, _)| *other == column);
            let kept = spec.key.contains(&column) && self.random.percent(70);
            if !taken && !kept {
                set.push((column, self.new_value(&spec, column)));
            }
        }
        if set.is_empty() {
            return Statement::Delete { table, filter: Some(self.choice(table, model)) };
        }
        let filter = self.random.percent(90).then(|| self.choice(table, model));
        Statement::Update { table, set, filter }
    }

    fn new_value(&mut self, spec: &TableSpec, column: usize) -> Scalar {
        let target = &spec.columns[column];
        if target.ty.is_integer() && self.hazard == Hazard::None && self.random.percent(50) {
            let step = Scalar::int(self.random.between(1, 3), target.ty);
            return Scalar::Column(column).arithmetic(ArithmeticOp::Add, step, target.ty);
        }
        Scalar::Literal(self.value(target), target.ty)
    }

    /// A condition that picks a few rows: often one that is there.
    fn choice(&mut self, table: usize, model: &Model) -> Scalar {
        let spec = model.table(table).clone();
        let contents = model.contents[table].clone();
        if !contents.is_empty() && self.random.percent(60) {
            let at = self.random.below(contents.len());
            let row = contents.keys().nth(at).expect("a row below the count").clone();
            let by = if spec.key.is_empty() {
                vec![self.random.below(spec.columns.len())]
            } else {
                spec.key.clone()
            };
            let tests = by.iter().map(|column| {
                let value = Scalar::Literal(row[*column].clone(), spec.columns[*column].ty);
                Scalar::Column(*column).compare(CompareOp::NotDistinct, value)
            });
            let mut tests: Vec<Scalar> = tests.collect();
            return if tests.len() == 1 { tests.remove(0) } else { Scalar::And(tests) };
        }
        self.condition(&spec.columns, 1, Place::Guarded)
    }

    fn refused(&mut self, model: &Model) -> Step {
        let table = self.any_table(model);
        let spec = model.table(table).clone();
        let name = &spec.name;
        let (sql, sqlstate) = match self.random.below(7) {
            0 => ("INSERT INTO nowhere VALUES (1)".to_owned(), "42P01"),
            1 => (format!("UPDATE {name} SET missing = 1"), "42703"),
            2 => (format!("DELETE FRM {name}"), "42601"),
            3 => (format!("CREATE TABLE {name} (a INTEGER)"), "42P07"),
            4 => (format!("SELECT a / 0 FROM {name} UNION ALL SELECT 1 / 0"), "22012"),
            5 => match spec.columns.iter().position(|column| !column.nullable) {
                Some(column) => {
                    let mut row: Vec<String> = spec.columns.iter().map(|_| "NULL".to_owned()).collect();
                    row[column] = "NULL".to_owned();
                    (format!("INSERT INTO {name} VALUES ({})", row.join(", ")), "23502")
                }
                None => ("DROP TABLE nowhere".to_owned(), "42P01"),
            },
            _ => {
                let mut row: Vec<String> = vec!["NULL".to_owned(); spec.columns.len()];
                row[0] = "99999999999999999999".to_owned();
                (format!("INSERT INTO {name} VALUES ({})", row.join(", ")), "22003")
            }
        };
        Step::Refused { sql, sqlstate }
    }
}

fn key_of(spec: &TableSpec, row: &Row) -> Row {
    spec.key.iter().map(|at| row[*at].clone()).collect()
}
