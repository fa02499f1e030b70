//! A whole database as the reference sees it: relations, their contents, and what statements do.
//!
//! The model predicts. A statement is applied to a copy; if it fails, or if a view cannot be
//! computed afterwards, the copy is dropped and the failure is what the database must answer.

use super::query::{Bag, Query, Row, add_weight};
use super::scalar::{Scalar, cast};
use super::value::{Failure, Type};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A column.
#[derive(Clone, PartialEq, Debug)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// A table.
#[derive(Clone, PartialEq, Debug)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ColumnSpec>,
    /// The primary key's columns; without any the table is a bag.
    pub key: Vec<usize>,
}

/// A materialized view.
#[derive(Clone, PartialEq, Debug)]
pub struct ViewSpec {
    /// Its name.
    pub name: String,
    /// Its columns, for views over it.
    pub columns: Vec<ColumnSpec>,
    /// What it holds.
    pub query: Query,
}

/// A table or a view.
#[derive(Clone, PartialEq, Debug)]
pub enum Relation {
    /// A table.
    Table(TableSpec),
    /// A view.
    View(ViewSpec),
}

impl Relation {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Relation::Table(table) => &table.name,
            Relation::View(view) => &view.name,
        }
    }

    /// Its columns.
    pub fn columns(&self) -> &[ColumnSpec] {
        match self {
            Relation::Table(table) => &table.columns,
            Relation::View(view) => &view.columns,
        }
    }
}

/// What an INSERT does about a key that is taken.
#[derive(Clone, PartialEq, Debug)]
pub enum Conflict {
    /// Fail with 23505.
    Fail,
    /// Leave the row that is there.
    Nothing,
    /// Assign columns, by expressions over the old row followed by the proposed one.
    Update(Vec<(usize, Scalar)>),
}

/// A statement that changes one table.
#[derive(Clone, PartialEq, Debug)]
pub enum Statement {
    /// `INSERT … VALUES`
    Insert {
        /// Into which table.
        table: usize,
        /// The rows.
        rows: Vec<Row>,
        /// What to do about keys that are taken.
        conflict: Conflict,
    },
    /// `INSERT … SELECT`
    InsertSelect {
        /// Into which table.
        table: usize,
        /// Where the rows come from.
        query: Query,
    },
    /// `UPDATE`
    Update {
        /// Which table.
        table: usize,
        /// The new values, over the old row.
        set: Vec<(usize, Scalar)>,
        /// Which rows.
        filter: Option<Scalar>,
    },
    /// `DELETE`
    Delete {
        /// Which table.
        table: usize,
        /// Which rows.
        filter: Option<Scalar>,
    },
}

/// The state of a database. Cloning shares contents.
#[derive(Clone, Default)]
pub struct Model {
    /// Tables and views in order of creation: a view comes after what it reads.
    pub relations: Vec<Arc<Relation>>,
    /// What each holds.
    pub contents: Vec<Arc<Bag>>,
}

impl Model {
    /// Adds a table or view; a view is filled at once.
    pub fn create(&mut self, relation: Relation) -> Result<usize, Failure> {
        let bag = match &relation {
            Relation::Table(_) => Bag::new(),
            Relation::View(view) => self.eval(&view.query)?,
        };
        self.relations.push(Arc::new(relation));
        self.contents.push(Arc::new(bag));
        Ok(self.relations.len() - 1)
    }

    /// The table with this number.
    pub fn table(&self, number: usize) -> &TableSpec {
        match &*self.relations[number] {
            Relation::Table(table) => table,
            Relation::View(view) => panic!("{} is a view", view.name),
        }
    }

    /// How many rows the largest table or view has, each counted as often as it occurs.
    pub fn largest(&self) -> i64 {
        self.contents.iter().map(|bag| bag.values().sum()).max().unwrap_or(0)
    }

    /// A query's answer now.
    pub fn eval(&self, query: &Query) -> Result<Bag, Failure> {
        query.eval(&|relation| &self.contents[relation])
    }

    /// Recomputes every view.
    pub fn refresh(&mut self) -> Result<(), Failure> {
        for number in 0..self.relations.len() {
            if let Relation::View(view) = &*self.relations[number] {
                let bag = self.eval(&view.query).map_err(|failure| Failure {
                    what: format!("view {}: {}", view.name, failure.what),
                    ..failure
                })?;
                self.contents[number] = Arc::new(bag);
            }
        }
        Ok(())
    }

    /// Carries out one statement, without refreshing views; a failure changes nothing.
    pub fn apply(&mut self, statement: &Statement) -> Result<(), Failure> {
        let (table, change) = match statement {
            Statement::Insert { table, rows, conflict } => {
                let rows = rows.iter().map(|row| (row.clone(), 1)).collect();
                (*table, self.inserted(*table, rows, conflict)?)
            }
            Statement::InsertSelect { table, query } => {
                let rows = self.eval(query)?.into_iter().collect();
                (*table, self.inserted(*table, rows, &Conflict::Fail)?)
            }
            Statement::Update { table, set, filter } => (*table, self.updated(*table, set, filter.as_ref())?),
            Statement::Delete { table, filter } => {
                let mut bag = Bag::new();
                for (row, weight) in &*self.contents[*table] {
                    if !chosen(filter.as_ref(), row)? {
                        bag.insert(row.clone(), *weight);
                    }
                }
                (*table, bag)
            }
        };
        self.contents[table] = Arc::new(change);
        Ok(())
    }

    fn inserted(&self, table: usize, rows: Vec<(Row, i64)>, conflict: &Conflict) -> Result<Bag, Failure> {
        let spec = self.table(table);
        let mut bag = (*self.contents[table]).clone();
        let mut typed = Vec::with_capacity(rows.len());
        for (row, weight) in rows {
            let row: Row = row
                .into_iter()
                .zip(&spec.columns)
                .map(|(value, column)| cast(value, column.ty))
                .collect::<Result<_, _>>()?;
            typed.push((row, weight));
        }
        for (row, _) in &typed {
            check_nulls(spec, row)?;
        }
        if spec.key.is_empty() {
            typed.into_iter().for_each(|(row, weight)| add_weight(&mut bag, row, weight));
            return Ok(bag);
        }
        let mut taken: HashMap<Row, Row> = bag.keys().map(|row| (key_of(spec, row), row.clone())).collect();
        if matches!(conflict, Conflict::Update(_)) {
            // Told before anything is computed: such a command fails whatever it assigns.
            let keys: HashSet<Row> = typed.iter().map(|(row, _)| key_of(spec, row)).collect();
            if keys.len() < typed.len() {
                return Err(Failure::new("21000", "a row is touched twice by ON CONFLICT"));
            }
        }
        for (row, weight) in typed {
            if weight > 1 && *conflict == Conflict::Fail {
                return Err(duplicate(spec));
            }
            match (taken.get(&key_of(spec, &row)), conflict) {
                (None, _) => {
                    taken.insert(key_of(spec, &row), row);
                }
                (Some(_), Conflict::Fail) => return Err(duplicate(spec)),
                (Some(_), Conflict::Nothing) => {}
                (Some(old), Conflict::Update(set)) => {
                    let both = [old.as_slice(), &row].concat();
                    let new = assign(spec, old, &both, set)?;
                    taken.insert(key_of(spec, &row), new);
                }
            }
        }
        Ok(taken.into_values().map(|row| (row, 1)).collect())
    }

    fn updated(
        &self,
        table: usize,
        set: &[(usize, Scalar)],
        filter: Option<&Scalar>,
    ) -> Result<Bag, Failure> {
        let spec = self.table(table);
        let mut bag = Bag::new();
        for (row, weight) in &*self.contents[table] {
            let new = if chosen(filter, row)? { assign(spec, row, row, set)? } else { row.clone() };
            add_weight(&mut bag, new, *weight);
        }
        if !spec.key.is_empty() {
            let rows = self.contents[table].len() as i64;
            let keys: HashMap<Row, ()> = bag.keys().map(|row| (key_of(spec, row), ())).collect();
            if (keys.len() as i64) < rows {
                return Err(duplicate(spec));
            }
        }
        Ok(bag)
    }
}

fn chosen(filter: Option<&Scalar>, row: &Row) -> Result<bool, Failure> {
    filter.map_or(Ok(true), |filter| filter.holds(row))
}

fn assign(spec: &TableSpec, old: &Row, inputs: &Row, set: &[(usize, Scalar)]) -> Result<Row, Failure> {
    let mut new = old.clone();
    for (column, value) in set {
        new[*column] = cast(value.eval(inputs)?, spec.columns[*column].ty)?;
    }
    check_nulls(spec, &new)?;
    Ok(new)
}

fn check_nulls(spec: &TableSpec, row: &Row) -> Result<(), Failure> {
    for (at, (value, column)) in row.iter().zip(&spec.columns).enumerate() {
        if value.is_null() && (!column.nullable || spec.key.contains(&at)) {
            return Err(Failure::new("23502", format!("{}.{} is NULL", spec.name, column.name)));
        }
    }
    Ok(())
}

fn key_of(spec: &TableSpec, row: &Row) -> Row {
    spec.key.iter().map(|at| row[*at].clone()).collect()
}

fn duplicate(spec: &TableSpec) -> Failure {
    Failure::new("23505", format!("a key of {} occurs twice", spec.name))
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;

    fn keyed() -> Model {
        let column = |name: &str, nullable| ColumnSpec { name: name.into(), ty: Type::Integer, nullable };
        let spec = TableSpec {
            name: "t".into(),
            columns: vec![column("k", false), column("v", true)],
            key: vec![0],
        };
        let mut model = Model::default();
        model.create(Relation::Table(spec)).unwrap();
        model
    }

    fn insert(rows: &[(i64, i64)], conflict: Conflict) -> Statement {
        let rows = rows.iter().map(|(k, v)| vec![Value::Int(*k), Value::Int(*v)]).collect();
        Statement::Insert { table: 0, rows, conflict }
    }

    #[test]
    fn a_duplicate_key_changes_nothing() {
        let mut model = keyed();
        model.apply(&insert(&[(1, 10)], Conflict::Fail)).unwrap();
        let before = model.contents[0].clone();
        let failure = model.apply(&insert(&[(2, 20), (1, 30)], Conflict::Fail)).unwrap_err();
        assert_eq!(failure.sqlstate, "23505");
        assert_eq!(before, model.contents[0]);
    }

    #[test]
    fn a_conflict_may_be_resolved_with_both_rows() {
        let mut model = keyed();
        model.apply(&insert(&[(1, 10)], Conflict::Fail)).unwrap();
        model.apply(&insert(&[(1, 99), (2, 20)], Conflict::Nothing)).unwrap();
        let sum = Scalar::Column(1).arithmetic(
            super::super::scalar::ArithmeticOp::Add,
            Scalar::Column(3),
            Type::Integer,
        );
        model.apply(&insert(&[(1, 5)], Conflict::Update(vec![(1, sum)]))).unwrap();
        let expected: Bag =
            [(1, 15), (2, 20)].map(|(k, v)| (vec![Value::Int(k), Value::Int(v)], 1)).into_iter().collect();
        assert_eq!(*model.contents[0], expected);
    }
}
