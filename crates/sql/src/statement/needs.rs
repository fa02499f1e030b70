//! Which rights a statement needs, on which relations, as PostgreSQL asks for them: a view is read with its own
//! right, not with those on what it reads.

use datafusion::sql::sqlparser::ast::{self, OnConflictAction, OnInsert};

use super::{CopySource, Explain, Privileges, Statement};
use crate::names;

/// Rights on one relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The relation.
    pub relation: String,
    /// The rights.
    pub privileges: Privileges,
}

impl Statement {
    /// The rights it takes, besides those to change the catalog: one entry a relation. Names that a WITH gives are
    /// among them; they matter only if a relation of the name exists.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = Needs(Vec::new());
        match self {
            Statement::Insert(insert, _) => needs.insert(self, insert),
            Statement::Update(update) => {
                let reads = update.selection.is_some() || update.returning.is_some() || update.from.is_some();
                let target = match &update.table.relation {
                    ast::TableFactor::Table { name, .. } => names::relation(name).ok(),
                    _ => None,
                };
                needs.change(self, target, Privileges::UPDATE, reads);
            }
            Statement::Delete(delete) => {
                let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
                    &delete.from;
                let target = from.first().and_then(|table| match &table.relation {
                    ast::TableFactor::Table { name, .. } => names::relation(name).ok(),
                    _ => None,
                });
                let reads =
                    delete.selection.is_some() || delete.returning.is_some() || delete.using.is_some();
                needs.change(self, target, Privileges::DELETE, reads);
            }
            Statement::Truncate { tables, .. } => {
                tables.iter().for_each(|table| needs.add(table.clone(), Privileges::TRUNCATE));
            }
            Statement::CopyFrom(copy) => needs.add(copy.table.clone(), Privileges::INSERT),
            Statement::CopyTo(copy) => match &copy.source {
                CopySource::Table { name, .. } => needs.add(name.clone(), Privileges::SELECT),
                CopySource::Query(_) => needs.read(self.relations()),
            },
            Statement::Explain(Explain::Statement(inner)) => return inner.needs(),
            _ => needs.read(self.relations()),
        }
        needs.0
    }
}

struct Needs(Vec<Need>);

impl Needs {
    fn add(&mut self, relation: String, privileges: Privileges) {
        match self.0.iter_mut().find(|need| need.relation == relation) {
            Some(need) => need.privileges = need.privileges.and(privileges),
            None => self.0.push(Need { relation, privileges }),
        }
    }

    fn read(&mut self, relations: Vec<String>) {
        relations.into_iter().for_each(|relation| self.add(relation, Privileges::SELECT));
    }

    /// The target needs the privilege, and is read only if the statement looks at its rows; everything else is read.
    fn change(&mut self, statement: &Statement, target: Option<String>, privilege: Privileges, reads: bool) {
        let mut named = statement.relations();
        if let Some(target) = target {
            if let Some(at) = named.iter().position(|name| *name == target) {
                named.remove(at);
            }
            self.add(target.clone(), privilege);
            if reads {
                self.add(target, Privileges::SELECT);
            }
        }
        self.read(named);
    }

    fn insert(&mut self, statement: &Statement, insert: &ast::Insert) {
        let target = match &insert.table {
            ast::TableObject::TableName(name) => names::relation(name).ok(),
            _ => None,
        };
        let conflict = match &insert.on {
            Some(OnInsert::OnConflict(conflict)) => Some(&conflict.action),
            _ => None,
        };
        let updates = matches!(conflict, Some(OnConflictAction::DoUpdate(_)));
        let privilege = match updates {
            true => Privileges::INSERT.and(Privileges::UPDATE),
            false => Privileges::INSERT,
        };
        self.change(statement, target, privilege, conflict.is_some() || insert.returning.is_some());
    }
}
