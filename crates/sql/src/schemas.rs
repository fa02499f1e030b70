//! Relations of several schemas in one query.
//!
//! DataFusion takes a name without a schema for any schema's relation, and the first that fits for the one that is
//! meant. So in a query that names a relation outside `public`, those of `public` are given their schema; two relations
//! of one name beside each other are refused unless one has an alias; and a column with a schema before its relation's
//! name must be of the one relation that is called so.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor,
    TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::error::{Position, SqlError, SqlState};
use crate::names;
use crate::with::WithNames;

/// Sees to it that each name means one relation.
pub(crate) fn tell_apart(query: &mut Query) -> Result<(), SqlError> {
    let mut found = Found::default();
    if let ControlFlow::Break(error) = Visit::visit(query, &mut found) {
        return Err(error);
    }
    if !found.has_schemas() {
        return Ok(());
    }
    found.check()?;
    let _ = VisitMut::visit(query, &mut Qualify { with: WithNames::default() });
    Ok(())
}

/// What a query's FROMs call, and the columns with a schema.
#[derive(Default)]
struct Found {
    with: WithNames,
    called: Vec<Called>,
    columns: Vec<(String, Option<Position>)>,
}

/// A name that stands before columns.
struct Called {
    own: String,
    /// The relation's full name, if it is not an alias, a subquery or a name that a WITH gives.
    full: Option<String>,
}

impl Found {
    /// Whether anything is said of a schema besides `public`.
    fn has_schemas(&self) -> bool {
        let relations = self.called.iter().filter_map(|called| called.full.as_ref());
        relations.chain(self.columns.iter().map(|(full, _)| full)).any(|full| full.contains('.'))
    }

    fn check(&self) -> Result<(), SqlError> {
        for (full, position) in &self.columns {
            if !self.called.iter().any(|called| called.full.as_ref() == Some(full)) {
                let message = format!("invalid reference to FROM-clause entry for table \"{full}\"");
                return Err(SqlError::new(SqlState::UndefinedTable, message).at(*position));
            }
            let own = names::own(full);
            let other = |called: &Called| called.own == own && called.full.as_ref() != Some(full);
            if self.called.iter().any(other) {
                return Err(twice(own).at(*position));
            }
        }
        Ok(())
    }

    fn factor(&self, factor: &TableFactor, into: &mut Vec<(Called, Option<Position>)>) {
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let own = alias.as_ref().map(|alias| names::fold(&alias.name));
                let plain = alias.is_none() && args.is_none();
                let full = names::relation(name).ok().filter(|_| plain);
                let given =
                    name.0.len() == 1 && full.as_ref().is_some_and(|full| self.with.give(names::own(full)));
                let last = name.0.last().and_then(|part| part.as_ident()).map(names::fold);
                if let Some(own) = own.or(last) {
                    into.push((Called { own, full: full.filter(|_| !given) }, names::position(name)));
                }
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.factors(table_with_joins, into),
            TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. } => {
                let own = names::fold(&alias.name);
                into.push((Called { own, full: None }, names::place(&alias.name)));
            }
            _ => {}
        }
    }

    fn factors(&self, table: &TableWithJoins, into: &mut Vec<(Called, Option<Position>)>) {
        self.factor(&table.relation, into);
        table.joins.iter().for_each(|join| self.factor(&join.relation, into));
    }

    /// A column's or wildcard's qualifier, if it has a schema.
    fn qualifier(&mut self, parts: &[&Ident]) {
        if let [.., schema, relation] = parts
            && let Some(first) = parts.first()
        {
            let full = names::full(&names::fold(schema), &names::fold(relation));
            self.columns.push((full, names::place(first)));
        }
    }
}

fn twice(own: &str) -> SqlError {
    let message =
        format!("table name \"{own}\" specified more than once, for relations of different schemas");
    SqlError::new(SqlState::DuplicateAlias, message).with_hint("give one of them an alias")
}

impl Visitor for Found {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        self.with.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        self.with.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SqlError> {
        let mut called = Vec::new();
        select.from.iter().for_each(|table| self.factors(table, &mut called));
        for (at, (one, position)) in called.iter().enumerate() {
            let differs = |(other, _): &(Called, _)| other.own == one.own && other.full != one.full;
            let schema = |called: &Called| called.full.as_ref().is_some_and(|full| full.contains('.'));
            if let Some((other, _)) = called[..at].iter().find(|other| differs(other))
                && (schema(one) || schema(other))
            {
                return ControlFlow::Break(twice(&one.own).at(*position));
            }
        }
        self.called.extend(called.into_iter().map(|(called, _)| called));
        for item in &select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            {
                let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
                self.qualifier(&parts);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [qualifier @ .., _] = parts.as_slice()
        {
            self.qualifier(&qualifier.iter().collect::<Vec<_>>());
        }
        ControlFlow::Continue(())
    }
}

/// Writes `public` before the names of relations that stand alone.
struct Qualify {
    with: WithNames,
}

impl VisitorMut for Qualify {
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
            && let [part] = name.0.as_slice()
            && let Some(own) = part.as_ident()
            && !self.with.give(&names::fold(own))
        {
            *name = ObjectName::from(vec![Ident::new(names::PUBLIC), own.clone()]);
        }
        ControlFlow::Continue(())
    }
}
