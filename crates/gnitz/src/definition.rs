//! The statements that change the catalog, each a function from a version to what the next one is made of.
//!
//! They run in a transaction on its private version and once more when it commits, on the newest (`redefine.rs`), so
//! nothing here may depend on anything but the version and the statement.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sql::ddl::TableDraft;
use sql::statement::{
    Alter, AlterAction, CreateView, Drop, Privileges, Restart, RoleChange, SchemaChange, SequenceDraft,
    Statement,
};
use sql::{ColumnDef, Planner, SqlError, SqlState, TableDef, TableKind, names};
use storage::State;

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::notice::Notice;
use crate::relation::{Relation, fingerprint};
use crate::version::{Compiled, Version};
use crate::{alter, plain_view, rights, schema, serial, view};

/// A change of the catalog, as data: a transaction keeps those it made, and makes them again on the newest version
/// when it commits.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// The role that asks for it.
    pub(crate) by: Arc<str>,
    /// What is to be changed.
    pub(crate) what: Change,
}

/// What is changed of the catalog.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// `CREATE TABLE`
    Table(TableDraft),
    /// `CREATE SEQUENCE`
    Sequence(SequenceDraft),
    /// `RESTART` of sequences
    Restart(Vec<Restart>),
    /// `CREATE MATERIALIZED VIEW`
    View(Box<CreateView>),
    /// `CREATE VIEW`
    PlainView(Box<CreateView>),
    /// `DROP TABLE`, `DROP MATERIALIZED VIEW`, `DROP VIEW`
    Drop(Drop),
    /// `ALTER TABLE`, `ALTER MATERIALIZED VIEW`, `ALTER VIEW`
    Alter(Alter),
    /// `CREATE SCHEMA`, `DROP SCHEMA`, `ALTER SCHEMA`
    Schema(SchemaChange),
    /// `CREATE ROLE`, `GRANT` and their kin; passwords are verifiers already.
    Roles(RoleChange),
}

impl Definition {
    /// The relations that it names.
    pub(crate) fn names(&self) -> Vec<String> {
        match &self.what {
            Change::Table(draft) => vec![draft.name.clone()],
            Change::Sequence(draft) => vec![draft.name.clone()],
            Change::Restart(all) => all.iter().map(|restart| restart.name.clone()).collect(),
            Change::View(create) | Change::PlainView(create) => {
                let read = Statement::Query(Box::new(create.query.clone())).relations();
                read.into_iter().chain([create.name.clone()]).collect()
            }
            Change::Drop(drop) => drop.names.iter().map(|(name, _)| name.clone()).collect(),
            Change::Alter(alter) => match &alter.action {
                AlterAction::Rename(to) => vec![alter.name.clone(), to.clone()],
                AlterAction::RenameColumn(..) | AlterAction::Owner(_) => vec![alter.name.clone()],
            },
            Change::Schema(_) | Change::Roles(_) => Vec::new(),
        }
    }
}

impl Definition {
    /// The schemas that get something new, or go with all that is in them.
    pub(crate) fn schemas(&self) -> Vec<&str> {
        match &self.what {
            Change::Table(draft) => vec![names::split(&draft.name).0],
            Change::Sequence(draft) => vec![names::split(&draft.name).0],
            Change::View(create) | Change::PlainView(create) => vec![names::split(&create.name).0],
            Change::Schema(SchemaChange::Create { name, .. } | SchemaChange::Owner { name, .. }) => {
                vec![name]
            }
            Change::Schema(SchemaChange::Drop { names, .. }) => names.iter().map(String::as_str).collect(),
            Change::Restart(_) | Change::Drop(_) | Change::Alter(_) | Change::Roles(_) => Vec::new(),
        }
    }

    /// Whether schemas go.
    pub(crate) fn drops_schemas(&self) -> bool {
        matches!(self.what, Change::Schema(SchemaChange::Drop { .. }))
    }
}

/// What a changed catalog is, with the state that goes with it; nothing, if there was nothing to do.
pub(crate) type Redefined = Result<Option<(Compiled, State)>>;

impl Definition {
    /// Makes the change on a version, which stays as it is. The change is to be committed as `epoch`.
    pub(crate) fn apply(
        &self,
        planner: &Arc<Planner>,
        base: &Arc<Version>,
        (epoch, cancel): (u64, &AtomicBool),
        notices: &mut Vec<Notice>,
    ) -> Redefined {
        let by = self.by.as_ref();
        let catalog = &base.compiled.catalog;
        match &self.what {
            Change::Table(draft) => {
                catalog.permit_in_schema(by, &draft.name, Privileges::CREATE)?;
                create_table(planner, base, draft, (epoch, by), notices)
            }
            Change::Sequence(draft) => {
                catalog.permit_in_schema(by, &draft.name, Privileges::CREATE)?;
                serial::create(planner, base, draft, (epoch, by), notices)
            }
            Change::Restart(all) => serial::restart(planner, base, all, (epoch, by), notices),
            Change::View(create) => {
                catalog.permit_in_schema(by, &create.name, Privileges::CREATE)?;
                view::create(planner, base, create, (epoch, by, cancel), notices)
            }
            Change::PlainView(create) => {
                catalog.permit_in_schema(by, &create.name, Privileges::CREATE)?;
                plain_view::create(planner, base, create, (epoch, by))
            }
            Change::Alter(alter) => alter::apply(planner, base, alter, by, notices),
            Change::Drop(drop) => drop_relations(planner, base, drop, by, notices),
            Change::Schema(change) => schema::change(planner, base, change, by, notices),
            Change::Roles(change) => {
                let mut catalog = catalog.clone();
                catalog.change_roles(change, by)?;
                Ok(Some((Compiled::new(catalog, planner.functions())?, base.state.clone())))
            }
        }
    }
}

fn create_table(
    planner: &Planner,
    base: &Version,
    draft: &TableDraft,
    (epoch, by): (u64, &str),
    notices: &mut Vec<Notice>,
) -> Redefined {
    if exists(&base.compiled.catalog, &draft.name, draft.if_not_exists, notices)? {
        return Ok(None);
    }
    let mut catalog = base.compiled.catalog.clone();
    let id = catalog.allocate();
    let mut state = base.state.clone();
    state.insert(id, fingerprint(&draft.schema))?;
    let TableDraft { name, mut columns, primary_key, schema, sequences, .. } = draft.clone();
    serial::check_defaults(&catalog, &columns, by)?;
    serial::make(&mut catalog, &mut state, (id, &name, &mut columns), &sequences, (epoch, by))?;
    let def = TableDef { id, name, kind: TableKind::Table, columns, primary_key, schema };
    catalog.insert(Relation::new(def, None, catalog.secret).made(epoch, by));
    Ok(Some((Compiled::new(catalog, planner.functions())?, state)))
}

/// Drops tables or views, and with CASCADE what depends on them.
fn drop_relations(
    planner: &Planner,
    base: &Version,
    drop: &Drop,
    by: &str,
    notices: &mut Vec<Notice>,
) -> Redefined {
    let mut catalog = base.compiled.catalog.clone();
    let mut state = base.state.clone();
    let named = named(&catalog, drop, notices)?;
    if named.is_empty() {
        return Ok(None);
    }
    // Who may drop something may drop what depends on it, whose ever that is.
    named.iter().try_for_each(|relation| catalog.permit_drop(by, relation))?;
    remove(&mut catalog, &mut state, (&named, drop.cascade), notices)?;
    Ok(Some((Compiled::new(catalog, planner.functions())?, state)))
}

/// Whether a relation of this name exists, which is an error unless it is allowed; then it is noticed.
pub(crate) fn exists(
    catalog: &Catalog,
    name: &str,
    allowed: bool,
    notices: &mut Vec<Notice>,
) -> Result<bool> {
    match catalog.get(name) {
        None => Ok(false),
        Some(_) if allowed => {
            notices.push(Notice::exists(name));
            Ok(true)
        }
        Some(_) => Err(Error::DuplicateTable { name: name.to_string() }),
    }
}

/// A query's columns under the names that a view gives them; fewer names leave the last columns theirs.
pub(crate) fn renamed(mut columns: Vec<ColumnDef>, names: &[String]) -> Result<Vec<ColumnDef>> {
    if names.len() > columns.len() {
        let message = format!("{} column names for a query of {} columns", names.len(), columns.len());
        return Err(SqlError::new(SqlState::SyntaxError, message).into());
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|other| other.name == column.name) {
            let message = format!("column \"{}\" specified more than once", column.name);
            let error = SqlError::new(SqlState::DuplicateColumn, message);
            return Err(error.with_hint("give each column a name of its own with AS").into());
        }
    }
    Ok(columns)
}

/// Takes relations out and, with CASCADE, what depends on them.
pub(crate) fn remove(
    catalog: &mut Catalog,
    state: &mut State,
    (named, cascade): (&[Arc<Relation>], bool),
    notices: &mut Vec<Notice>,
) -> Result<()> {
    for relation in with_dependents(catalog, named, cascade, notices)? {
        for freed in catalog.remove(&relation) {
            state.remove(freed);
        }
    }
    catalog.lower()
}

/// These and, with CASCADE, what depends on them, dependents first. Everything that would be left dangling is named
/// in the refusal.
fn with_dependents(
    catalog: &Catalog,
    named: &[Arc<Relation>],
    cascade: bool,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Arc<Relation>>> {
    let mut targets: Vec<Arc<Relation>> = Vec::new();
    for relation in named {
        let dependents = catalog.dependents(relation.id());
        let is_named = |other: &Arc<Relation>| named.iter().any(|n| n.id() == other.id());
        let left: Vec<String> =
            dependents.iter().filter(|d| !is_named(d)).map(|d| d.name().to_string()).collect();
        if !cascade && !left.is_empty() {
            return Err(Error::Dependents { name: relation.name().to_string(), dependents: left });
        }
        serial::check_drop(catalog, relation, &is_named)?;
        let own = catalog.sequences_of(relation.id());
        let fresh = |own: &Arc<Relation>| targets.iter().all(|target| target.id() != own.id());
        targets.extend(own.into_iter().filter(fresh).collect::<Vec<_>>());
        for target in dependents.into_iter().chain([Arc::clone(relation)]) {
            if !targets.iter().any(|t| t.id() == target.id()) {
                if !is_named(&target) {
                    notices.push(Notice::new(format!("drop cascades to \"{}\"", target.name())));
                }
                targets.push(target);
            }
        }
    }
    Ok(targets)
}

/// What a statement about relations of this kind expects.
pub(crate) fn expected(kind: TableKind) -> &'static str {
    match kind {
        TableKind::View => "a materialized view",
        TableKind::PlainView => "a view",
        TableKind::Sequence => "a sequence",
        TableKind::Table | TableKind::System => "a table",
    }
}

fn named(catalog: &Catalog, drop: &Drop, notices: &mut Vec<Notice>) -> Result<Vec<Arc<Relation>>> {
    let (kind, expected) = (drop.kind, expected(drop.kind));
    let mut named = Vec::new();
    for (name, _) in &drop.names {
        match catalog.get(name) {
            Some(relation) if relation.def.kind == kind => named.push(Arc::clone(relation)),
            Some(relation) => return Err(rights::not_a(relation, expected)),
            None if drop.if_exists => {
                notices.push(Notice::missing(expected.trim_start_matches("a "), name));
            }
            None => return Err(Error::UndefinedTable { name: name.clone() }),
        }
    }
    Ok(named)
}
