//! The parser's statements to ours. Clauses of other databases that the grammar lets through are refused here
//! by name; clauses of `CREATE TABLE` and of the three writing statements are checked where those are bound.

use datafusion::sql::sqlparser::ast::{
    self, ObjectType, Query, SetExpr, TransactionAccessMode, TransactionIsolationLevel, TransactionMode,
};

use super::absent::{self, Absent};
use super::{CreateView, Drop, Overriding, Statement, alter, copy, lock, roles, schemas, sequence, settings};
use crate::catalog::TableKind;
use crate::error::{SqlError, SqlState};
use crate::names;

/// What was read from a statement's tokens before the grammar saw them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// A role is to be a user.
    pub(super) user: bool,
    /// What is altered.
    pub(super) altered: TableKind,
    /// `WITH DATA`, `WITH NO DATA` at the end.
    pub(super) with_data: Option<bool>,
    /// `OVERRIDING … VALUE`
    pub(super) overriding: Overriding,
}

pub(super) fn statement(statement: ast::Statement, read: Read) -> Result<Statement, SqlError> {
    use ast::Statement as S;
    let Read { user, altered, with_data, overriding } = read;
    if with_data.is_some() {
        may_have_data(&statement, with_data)?;
    }
    match statement {
        S::Query(query) => Ok(Statement::Query(checked(query)?)),
        S::Insert(insert) => Ok(Statement::Insert(Box::new(insert), overriding)),
        S::Update(update) => Ok(Statement::Update(Box::new(update))),
        S::Delete(delete) => Ok(Statement::Delete(Box::new(delete))),
        S::Truncate(truncate) => self::truncate(&truncate),
        S::CreateTable(table) => Ok(Statement::CreateTable(Box::new(table))),
        S::CreateSequence { temporary, if_not_exists, name, data_type, sequence_options, owned_by } => {
            sequence::create(
                (temporary, if_not_exists),
                &name,
                data_type.as_ref(),
                &sequence_options,
                owned_by,
            )
        }
        S::CreateView(view) => create_view(view, with_data == Some(false)),
        S::AlterTable(table) => alter::alter(table, altered),
        S::CreateRole(role) => roles::create(role, user),
        S::AlterRole { name, operation } => roles::alter(&name, operation),
        S::Grant(grant) => roles::grant(&grant),
        S::Revoke(revoke) => roles::revoke(&revoke),
        S::DropExtension(drop) => Ok(absent::drop_extension(&drop)),
        S::CreateSchema { schema_name, if_not_exists, .. } => schemas::create(&schema_name, if_not_exists),
        S::AlterSchema(asked) => schemas::alter(&asked),
        S::Drop { object_type, if_exists, names, cascade, .. } => {
            drop(object_type, if_exists, &names, cascade)
        }
        S::StartTransaction { modes, modifier: None, .. } => {
            modes.iter().try_for_each(transaction_mode)?;
            let access = |mode: &TransactionMode| match mode {
                TransactionMode::AccessMode(mode) => Some(*mode == TransactionAccessMode::ReadOnly),
                TransactionMode::IsolationLevel(_) => None,
            };
            Ok(Statement::Begin { read_only: modes.iter().rev().find_map(access) })
        }
        S::Commit { chain: false, modifier: None, .. } => Ok(Statement::Commit),
        S::Rollback { chain: false, savepoint: None } => Ok(Statement::Rollback),
        S::Rollback { chain: false, savepoint: Some(name) } => Ok(Statement::RollbackTo(names::fold(&name))),
        S::Savepoint { name } => Ok(Statement::Savepoint(names::fold(&name))),
        S::ReleaseSavepoint { name } => Ok(Statement::Release(names::fold(&name))),
        S::Copy { source, to, target, options, legacy_options, .. } => {
            copy::copy(source, to, target, options, legacy_options)
        }
        S::Lock(asked) => lock::lock(&asked).map(Statement::Lock),
        S::Set(set) => settings::set(&set),
        S::ShowTables {
            terse: false,
            history: false,
            extended: false,
            full: false,
            external: false,
            show_options,
        } if show_options.show_in.is_none() && show_options.filter_position.is_none() => {
            Ok(Statement::ShowTables)
        }
        other => Err(refusal(&other)),
    }
}

/// Names the statement by its leading words.
fn refusal(statement: &ast::Statement) -> SqlError {
    let text = statement.to_string();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_uppercase()).take_while(|word| !word.is_empty()).take(3).collect();
    let error = SqlError::unsupported(words.join(" "));
    match statement {
        ast::Statement::Merge(_) => error.with_hint("write INSERT … ON CONFLICT"),
        _ => error,
    }
}

/// A query must only read, and what it cannot lock it must not claim to.
pub(super) fn checked(query: Box<Query>) -> Result<Box<Query>, SqlError> {
    match query.body.as_ref() {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            return Err(SqlError::unsupported("WITH before INSERT, UPDATE or DELETE")
                .with_hint("write the query inside the statement, in INSERT … SELECT or in a subquery"));
        }
        _ => {}
    }
    match query.locks.first() {
        Some(lock) => Err(SqlError::unsupported(lock)
            .with_hint("leave it out: a transaction whose rows another one changed is refused at COMMIT")),
        None => Ok(query),
    }
}

/// No table is referred to by another one or has descendants, so the clauses about those change nothing.
fn truncate(truncate: &ast::Truncate) -> Result<Statement, SqlError> {
    if truncate.if_exists || truncate.partitions.is_some() || truncate.on_cluster.is_some() {
        return Err(SqlError::unsupported("IF EXISTS, PARTITION and ON CLUSTER of TRUNCATE"));
    }
    let names = truncate.table_names.iter().map(|table| names::said(&table.name));
    let restart = matches!(truncate.identity, Some(ast::TruncateIdentityOption::Restart));
    Ok(Statement::Truncate { tables: names.collect::<Result<_, _>>()?, restart })
}

/// Only what is made of a query can be made without its rows.
fn may_have_data(statement: &ast::Statement, with_data: Option<bool>) -> Result<(), SqlError> {
    match statement {
        ast::Statement::CreateView(view) if view.materialized => Ok(()),
        ast::Statement::CreateTable(table) if table.query.is_some() => match with_data {
            Some(false) => Err(SqlError::unsupported("CREATE TABLE AS … WITH NO DATA")
                .with_hint("write LIMIT 0 at the end of the query")),
            _ => Ok(()),
        },
        _ => Err(SqlError::new(SqlState::SyntaxError, "syntax error at or near \"WITH\"")),
    }
}

fn create_view(view: ast::CreateView, no_data: bool) -> Result<Statement, SqlError> {
    let position = names::position(&view.name);
    let kind = if view.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
    let refuse = |what: &str| Err(SqlError::unsupported(format!("{what} of CREATE {kind}")).at(position));
    if !view.materialized && view.if_not_exists {
        let message = "syntax error at or near \"NOT\"";
        let error = SqlError::new(SqlState::SyntaxError, message).at(position);
        return Err(error.with_hint("write CREATE OR REPLACE VIEW"));
    }
    if view.or_alter || view.or_replace && view.materialized {
        return Err(SqlError::unsupported("CREATE OR REPLACE MATERIALIZED VIEW")
            .at(position)
            .with_hint("drop the view first"));
    }
    if view.options != ast::CreateTableOptions::None {
        return refuse("the WITH options");
    }
    if view.temporary || view.secure || view.copy_grants || view.with_no_schema_binding {
        return refuse("TEMPORARY or SECURE");
    }
    if !view.cluster_by.is_empty() || view.comment.is_some() || view.to.is_some() || view.params.is_some() {
        return refuse("the options");
    }
    if view.columns.iter().any(|c| c.data_type.is_some() || c.options.is_some()) {
        return refuse("types and options in the column list");
    }
    Ok(Statement::CreateView(Box::new(CreateView {
        name: names::said(&view.name)?,
        position,
        materialized: view.materialized,
        or_replace: view.or_replace,
        if_not_exists: view.if_not_exists,
        columns: view.columns.iter().map(|c| names::fold(&c.name)).collect(),
        query: *checked(view.query)?,
        no_data,
    })))
}

fn drop(
    object_type: ObjectType,
    if_exists: bool,
    names: &[ast::ObjectName],
    cascade: bool,
) -> Result<Statement, SqlError> {
    let kind = match object_type {
        ObjectType::Table => TableKind::Table,
        ObjectType::MaterializedView => TableKind::View,
        ObjectType::View => TableKind::PlainView,
        ObjectType::Sequence => TableKind::Sequence,
        ObjectType::Role => return roles::drop(names, if_exists),
        ObjectType::Schema => return schemas::drop(names, if_exists, cascade),
        other if let Some(kind) = Absent::of(other) => return absent::drop(kind, if_exists, names),
        other => return Err(SqlError::unsupported(format!("DROP {other}"))),
    };
    let names = names.iter().map(|name| Ok((names::said(name)?, names::position(name))));
    Ok(Statement::Drop(Drop { kind, names: names.collect::<Result<_, SqlError>>()?, if_exists, cascade }))
}

/// A transaction reads one snapshot, which is what REPEATABLE READ promises and more than the lesser levels do.
fn transaction_mode(mode: &TransactionMode) -> Result<(), SqlError> {
    match mode {
        TransactionMode::AccessMode(TransactionAccessMode::ReadWrite | TransactionAccessMode::ReadOnly)
        | TransactionMode::IsolationLevel(
            TransactionIsolationLevel::ReadUncommitted
            | TransactionIsolationLevel::ReadCommitted
            | TransactionIsolationLevel::RepeatableRead
            | TransactionIsolationLevel::Snapshot,
        ) => Ok(()),
        other => Err(SqlError::unsupported(format!("the transaction mode {other}"))),
    }
}
