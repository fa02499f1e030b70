//! `CREATE TABLE … AS`: a table of a query's columns, filled with its rows, in one transaction.

use sql::sqlparser::ast::CreateTable;
use sql::{ColumnDef, SqlError, TableDraft, names, types};
use zset::{ColumnType, Schema, Type};

use crate::appender::flush;
use crate::definition::{Change, renamed};
use crate::error::Result;
use crate::execute::gather;
use crate::mode::{Core, Status};
use crate::outcome::{Outcome, QueryResult};

/// Makes the table of what `answer` gives.
pub(crate) fn run(
    core: &Core,
    create: &CreateTable,
    answer: impl FnOnce() -> Result<QueryResult>,
) -> Result<Outcome> {
    if core.status() != Status::Idle {
        return fill(core, create, answer);
    }
    core.begin(None)?;
    match fill(core, create, answer) {
        Ok(outcome) => core.commit().map(|_| outcome),
        Err(error) => {
            core.rollback()?;
            Err(error)
        }
    }
}

fn fill(core: &Core, create: &CreateTable, answer: impl FnOnce() -> Result<QueryResult>) -> Result<Outcome> {
    let name = names::relation(&create.name)?;
    let there = |name: &str| core.read(|work| Ok(work.relation(name).is_ok()));
    if create.if_not_exists && there(&name)? {
        return Ok(Outcome::Done { tag: "CREATE TABLE AS" });
    }
    let plain =
        create.columns.is_empty() && create.constraints.is_empty() && !create.temporary && !create.or_replace;
    if !plain {
        return core.read(|_| {
            let refusal = SqlError::unsupported("columns, constraints and options of CREATE TABLE AS");
            Err(refusal.with_hint("create the table, then INSERT … SELECT").into())
        });
    }
    let rows = answer()?;
    let table = core.read(|_| draft(name.clone(), &rows))?;
    let notices = core.define(Change::Table(table))?;
    core.note(notices);
    let mut gathered = gather(core, &name, &[], true)?;
    for batch in &rows.batches {
        core.read(|_| gathered.add_batch(batch))?;
    }
    let rows = flush(core, &mut gathered)?;
    Ok(Outcome::Count { tag: "SELECT", rows })
}

/// A bag with the columns of an answer.
fn draft(name: String, rows: &QueryResult) -> Result<TableDraft> {
    let mut columns = Vec::new();
    for (field, ty) in rows.schema.fields().iter().zip(rows.types()?) {
        if ty == Type::Interval {
            return Err(SqlError::unsupported("a column of type INTERVAL").into());
        }
        columns.push(ColumnDef::new(field.name(), ColumnType::nullable(ty)));
    }
    let columns = renamed(columns, &[])?;
    debug_assert_eq!(types::arrow_schema(&columns).fields().len(), rows.schema.fields().len());
    let schema = Schema::new(columns.iter().map(|column| column.ty).collect(), Vec::new());
    Ok(TableDraft {
        name,
        position: None,
        if_not_exists: false,
        columns,
        primary_key: Vec::new(),
        schema,
        sequences: Vec::new(),
    })
}
