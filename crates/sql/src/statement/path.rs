//! Names without a schema, and where a session looks for what they mean.
//!
//! What is read from a text says of each relation what stood there: a schema and a dot before the relation's own name,
//! or the dot alone (`names::said`). Once it is known which relations there are, each gets its one full name, and so do
//! the relations in queries and the sequences in calls. From then on nobody asks in which schemas the session looks.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, TableFactor,
    TableObject, Value, VisitMut, VisitorMut,
};

use super::{
    Absent, AlterAction, CopySource, Explain, Followed, GrantTarget, Parsed, RoleChange, Statement, alter,
};
use crate::error::SqlError;
use crate::names;
use crate::sequence;
use crate::with::WithNames;

/// In which schemas a session looks.
pub trait Path: Sync {
    /// The full name of the relation that goes by its own name alone. What there is not has a dot before its own name.
    fn find(&self, own: &str) -> String;

    /// The full name of what is made by its own name alone.
    fn place(&self, own: &str) -> Result<String, SqlError>;
}

/// A statement whose relations are not looked for yet.
#[derive(Clone, Debug)]
pub struct Unsettled(pub(super) Parsed);

impl Unsettled {
    /// Where the statement is in its text, without the semicolon.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.0.range.clone()
    }

    /// The statement, where names without a schema are those of `public`.
    pub fn in_public(self) -> Result<Parsed, SqlError> {
        self.settle(None)
    }

    /// The statement, where names without a schema are looked for.
    pub fn in_path(self, path: &dyn Path) -> Result<Parsed, SqlError> {
        self.settle(Some(path))
    }

    fn settle(self, path: Option<&dyn Path>) -> Result<Parsed, SqlError> {
        let Unsettled(mut parsed) = self;
        let (depth, statement) = (parsed.depth, &mut parsed.statement);
        depth.run(|| settle(statement, path)).map_err(|error| error.at(Some(parsed.start)))?;
        Ok(parsed)
    }
}

/// The full name of a relation that is there, said so.
fn found(said: &str, path: Option<&dyn Path>) -> String {
    match (names::split(said), path) {
        (("", own), Some(path)) => path.find(own),
        (("", own), None) => names::full(names::PUBLIC, own),
        ((schema, own), _) => names::full(schema, own),
    }
}

/// The full name of what is made and said so.
fn placed(said: &str, path: Option<&dyn Path>) -> Result<String, SqlError> {
    match (names::split(said), path) {
        (("", own), Some(path)) => path.place(own),
        _ => Ok(found(said, path)),
    }
}

/// The full name of what is none of the relations, but may be the index of a table's key.
fn found_absent(said: &str, kind: Absent, path: Option<&dyn Path>) -> String {
    let table = said.strip_suffix("_pkey").filter(|_| kind == Absent::Index).map(|table| found(table, path));
    match (kind, table.filter(|table| !table.starts_with('.'))) {
        (Absent::Extension, _) => said.to_string(),
        (_, Some(table)) => format!("{table}_pkey"),
        (_, None) => found(said, path),
    }
}

fn settle(statement: &mut Statement, path: Option<&dyn Path>) -> Result<(), SqlError> {
    let find = |said: &mut String| *said = found(said, path);
    match statement {
        Statement::Query(query) => walk(query.as_mut(), path),
        Statement::Insert(insert, _) => {
            if let (TableObject::TableName(name), Some(path)) = (&mut insert.table, path) {
                look_up(name, path);
            }
            walk(insert.as_mut(), path);
        }
        Statement::Update(update) => walk(update.as_mut(), path),
        Statement::Delete(delete) => walk(delete.as_mut(), path),
        Statement::CreateTable(create) => {
            if let ([name], Some(path)) = (create.name.0.as_slice(), path) {
                let own = name.as_ident().map(names::fold).unwrap_or_default();
                create.name = at(&create.name, &path.place(&own)?);
            }
            walk(create.as_mut(), path);
        }
        Statement::CreateView(create) => {
            create.name = placed(&create.name, path)?;
            walk(&mut create.query, path);
        }
        Statement::CreateSequence(draft) => draft.name = placed(&draft.name, path)?,
        Statement::Truncate { tables, .. } => tables.iter_mut().for_each(find),
        Statement::Restart(restart) => find(&mut restart.name),
        Statement::Drop(drop) => drop.names.iter_mut().for_each(|(name, _)| find(name)),
        Statement::Alter(asked) => {
            find(&mut asked.name);
            if let AlterAction::Rename(to) = &mut asked.action {
                *to = alter::renamed(&asked.name, to).map_err(|error| error.at(asked.position))?;
            }
        }
        Statement::Upkeep(upkeep) => upkeep.relations.iter_mut().for_each(|(name, _)| find(name)),
        Statement::Explain(Explain::View(name)) | Statement::Check { view: name } => find(name),
        Statement::Explain(Explain::Statement(inner)) => settle(inner, path)?,
        Statement::CopyFrom(copy) => find(&mut copy.table),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopySource::Table { name, .. } => find(name),
            CopySource::Query(query) => walk(query.as_mut(), path),
        },
        Statement::Role(RoleChange::Rights(rights)) => match &mut rights.on {
            GrantTarget::Relations(relations) | GrantTarget::Sequences(relations) => {
                relations.iter_mut().for_each(find);
            }
            GrantTarget::AllRelations(_) | GrantTarget::AllSequences(_) | GrantTarget::Schemas(_) => {}
        },
        Statement::Subscribe(subscribe) => match &mut subscribe.followed {
            Followed::Relation(name) => find(name),
            Followed::Query(query) => walk(query.as_mut(), path),
        },
        Statement::Lock(tables) => tables.iter_mut().for_each(|(name, _)| find(name)),
        Statement::DropAbsent(drop) => {
            drop.names.iter_mut().for_each(|name| *name = found_absent(name, drop.kind, path));
        }
        Statement::Role(_)
        | Statement::Schema(_)
        | Statement::Begin { .. }
        | Statement::Commit
        | Statement::Rollback
        | Statement::Savepoint(_)
        | Statement::Release(_)
        | Statement::RollbackTo(_)
        | Statement::ShowTables
        | Statement::Set { .. }
        | Statement::SetPath(_) => {}
    }
    Ok(())
}

/// Gives the relations of a tree, and the sequences that it calls, their full names. In `public` they have them.
fn walk(tree: &mut impl VisitMut, path: Option<&dyn Path>) {
    if let Some(path) = path {
        let _ = tree.visit(&mut Walk { path, with: WithNames::default() });
    }
}

struct Walk<'a> {
    path: &'a dyn Path,
    with: WithNames,
}

/// Writes the full name of a relation that is named alone.
fn look_up(name: &mut ObjectName, path: &dyn Path) {
    if let [part] = name.0.as_slice()
        && let Some(ident) = part.as_ident()
    {
        let full = path.find(&names::fold(ident));
        *name = at(name, &full);
    }
}

/// A full name in the place of another.
fn at(name: &ObjectName, full: &str) -> ObjectName {
    let place = name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span);
    let part = |ident: Ident| Ident { span: place.unwrap_or(ident.span), ..ident };
    let parts = names::spelled_whole(full).0.into_iter().filter_map(|part| part.as_ident().cloned());
    ObjectName::from(parts.map(part).collect::<Vec<_>>())
}

impl VisitorMut for Walk<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.with.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.with.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = factor
            && !self.is_of_with(name)
        {
            look_up(name, self.path);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if sequence::Callee::of(&function.name).is_some()
            && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
        {
            self.sequence(first);
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_> {
    fn is_of_with(&self, name: &ObjectName) -> bool {
        let alone = match name.0.as_slice() {
            [part] => part.as_ident().map(names::fold),
            _ => None,
        };
        alone.is_some_and(|own| self.with.give(&own))
    }

    /// The sequence that a call names in a literal.
    fn sequence(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => self.sequence(inner),
            Expr::Value(value) => {
                if let Value::SingleQuotedString(text) = &mut value.value
                    && let Ok(mut name) = sequence::object_name(text)
                    && name.0.len() == 1
                {
                    look_up(&mut name, self.path);
                    *text = name.to_string();
                }
            }
            _ => {}
        }
    }
}
