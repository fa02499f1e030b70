//! The random history that crash tests put a database through, one numbered commit after another.
//!
//! A one-row table, the ledger, is set to the commit's number in the same transaction, so that every commit
//! makes a state that no other commit made, and a reopened database tells how far it came.

use crate::actual;
use crate::generate::{Generator, Step};
use crate::oracle::MANY;
use crate::reference::model::{ColumnSpec, Conflict, Model, Relation, Statement, TableSpec, ViewSpec};
use crate::reference::query::Bag;
use crate::reference::{CompareOp, Failure, Scalar, Type, Value, sql};
use gnitz::{Database, Session};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What all relations hold, by name.
pub(crate) type Contents = BTreeMap<String, Arc<Bag>>;

/// The ledger.
pub(crate) fn ledger() -> Relation {
    let column = |name: &str| ColumnSpec { name: name.to_owned(), ty: Type::Integer, nullable: false };
    let columns = vec![column("a"), column("b")];
    Relation::Table(TableSpec { name: "ledger".to_owned(), columns, key: vec![0] })
}

/// A view that the reference computes without large intermediate results.
pub(crate) fn view(generator: &mut Generator, number: usize, model: &Model) -> Relation {
    loop {
        let relation = generator.view(number, model);
        let mut after = model.clone();
        if let Relation::View(ViewSpec { query, .. }) = &relation
            && query.arms.iter().all(|arm| arm.sources.len() <= 3)
            && after.create(relation.clone()).is_ok()
            && after.largest() <= MANY
        {
            return relation;
        }
    }
}

/// Draws the commit with this number, over a model whose first relation is the ledger: its statements as SQL,
/// and the model after it. Statements that could not succeed are left out.
pub(crate) fn commit(generator: &mut Generator, model: &Model, number: i64) -> (Vec<String>, Model) {
    let statements = match generator.commit(model) {
        Step::Statement(statement) => vec![statement],
        Step::Transaction(statements, _) => statements,
        Step::Refused { .. } | Step::Checkpoint => Vec::new(),
    };
    let count = count_commit(number);
    let whole: Vec<Statement> = statements.into_iter().chain([count.clone()]).collect();
    attempt(model, &whole).or_else(|_| attempt(model, &[count])).expect("counting a commit cannot fail")
}

fn attempt(model: &Model, statements: &[Statement]) -> Result<(Vec<String>, Model), Failure> {
    let mut after = model.clone();
    let mut texts = Vec::new();
    for statement in statements {
        let text = sql::statement(statement, &after);
        if after.apply(statement).is_ok() {
            texts.push(text);
        }
    }
    after.refresh()?;
    if after.largest() > MANY {
        return Err(Failure::new("54000", "the views grow out of bounds"));
    }
    Ok((texts, after))
}

/// Sets the ledger's only row.
fn count_commit(number: i64) -> Statement {
    if number == 1 {
        let rows = vec![vec![Value::Int(0), Value::Int(1)]];
        return Statement::Insert { table: 0, rows, conflict: Conflict::Fail };
    }
    let filter = Scalar::Column(0).compare(CompareOp::Equal, Scalar::int(0, Type::Integer));
    Statement::Update { table: 0, set: vec![(1, Scalar::int(number, Type::Integer))], filter: Some(filter) }
}

/// Runs the statements as one transaction.
pub(crate) fn run(session: &Session, texts: &[String]) -> Result<(), String> {
    execute(session, "BEGIN")?;
    texts.iter().try_for_each(|text| execute(session, text))?;
    execute(session, "COMMIT")
}

/// Runs a statement that must succeed.
pub(crate) fn execute(session: &Session, text: &str) -> Result<(), String> {
    let outcome = session.execute(text);
    outcome.map(|_| ()).map_err(|error| format!("{text}\nfailed with {}: {error}", error.sqlstate()))
}

/// The names of all relations.
pub(crate) fn names(model: &Model) -> Vec<String> {
    model.relations.iter().map(|relation| relation.name().to_owned()).collect()
}

/// What the model's relations hold.
pub(crate) fn contents(model: &Model) -> Contents {
    names(model).into_iter().zip(model.contents.iter().cloned()).collect()
}

/// What an open database holds, of the relations with these names. Subscriptions begin with the contents, so
/// this needs no planning.
pub(crate) fn read(database: &Database, names: &[String]) -> Result<Contents, String> {
    let mut contents = Contents::new();
    for name in names {
        let mut subscription = match database.subscribe(name) {
            Ok(subscription) => subscription,
            Err(error) if error.sqlstate() == "42P01" => continue,
            Err(error) => return Err(format!("reading {name} failed with {}: {error}", error.sqlstate())),
        };
        let mut bag = Bag::new();
        let delta = subscription.try_next().map_err(|error| format!("reading {name} failed: {error}"))?;
        let delta = delta.ok_or_else(|| format!("the subscription to {name} began with nothing"))?;
        actual::add_delta(&mut bag, &delta.rows, &delta.weights);
        contents.insert(name.clone(), Arc::new(bag));
    }
    Ok(contents)
}

/// How two states differ, relation by relation.
pub(crate) fn differences(expected: &Contents, found: &Contents) -> String {
    let mut text = String::new();
    for name in expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name))) {
        match (expected.get(name), found.get(name)) {
            (Some(expected), Some(found)) => {
                if let Some(difference) = actual::difference(expected, found) {
                    text += &format!("{name} is wrong:\n{difference}");
                }
            }
            (Some(_), None) => text += &format!("{name} is missing\n"),
            _ => text += &format!("{name} should not be there\n"),
        }
    }
    text
}
