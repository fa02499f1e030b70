//! Relations of several schemas in one query.
//!
//! DataFusion takes a name without a schema for any schema's relation, and the first that fits for the one that is
//! meant. So in a query that writes a schema besides `public`, or one before a column's relation, each relation that
//! has no alias gets one, which nothing else in the query is called; and the names before columns become those of what
//! they mean by SQL's rules: the innermost query that has it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::error::{SqlError, SqlState};
use crate::names;
use crate::with::WithNames;

/// Sees to it that each name means one relation.
pub(crate) fn tell_apart(query: &mut Query) -> Result<(), SqlError> {
    let mut found = Found::default();
    let _ = Visit::visit(query, &mut found);
    if !found.schemas {
        return Ok(());
    }
    let mut naming = Naming { with: WithNames::default(), called: found.called, frames: Vec::new() };
    match VisitMut::visit(query, &mut naming) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Whether a query writes schemas, and what its FROMs call anything.
#[derive(Default)]
struct Found {
    schemas: bool,
    called: Vec<String>,
}

impl Visitor for Found {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let full = names::relation(name).ok().filter(|_| args.is_none());
                self.schemas |= full.is_some_and(|full| names::split(&full).0 != names::PUBLIC);
                if alias.is_none() {
                    self.called.extend(last(name));
                }
                alias
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::Function { alias, .. } => alias,
            _ => &None,
        };
        self.called.extend(alias.iter().map(|alias| names::fold(&alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.schemas |= select.projection.iter().any(|item| {
            matches!(item, SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _)
                if name.0.len() > 1)
        });
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.schemas |= matches!(expr, Expr::CompoundIdentifier(parts) if parts.len() > 2);
        ControlFlow::Continue(())
    }
}

/// The last part of a name.
fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(names::fold)
}

/// What a FROM has.
struct Called {
    /// The name that may stand before its columns.
    own: String,
    /// The relation's full name, if it is none but a relation.
    full: Option<String>,
    /// The name that stands before its columns from now on.
    alias: String,
    /// It stands within a join that has an alias: only the conditions in there can name it.
    hidden: bool,
}

impl Called {
    /// What is no relation, or has an alias: the name stays what it is.
    fn so(own: String, hidden: bool) -> Called {
        Called { alias: own.clone(), own, full: None, hidden }
    }
}

/// A query or a SELECT that the walk is in.
enum Frame {
    /// Whether it is one SELECT; then its FROM, once the SELECT has been walked: ORDER BY may name it.
    Query(bool, Vec<Called>),
    /// Its FROM.
    Select(Vec<Called>),
}

struct Naming {
    with: WithNames,
    /// All names that the query's FROMs have, those that are given here among them.
    called: Vec<String>,
    frames: Vec<Frame>,
}

impl Naming {
    /// Gives the relations of a FROM names, and notes all that it has.
    fn factor(&mut self, factor: &mut TableFactor, hidden: bool, into: &mut Vec<Called>) {
        match factor {
            TableFactor::Table { name, alias: alias @ None, args: None, .. } => {
                let (Some(own), Ok(full)) = (last(name), names::relation(name)) else { return };
                if name.0.len() == 1 && self.with.give(&own) {
                    return into.push(Called::so(own, hidden));
                }
                let given = self.alias(&own, &full);
                *name = ObjectName::from([names::split(&full).0, &own].map(names::quoted).to_vec());
                let ident = names::quoted(&given);
                *alias = Some(TableAlias { explicit: true, name: ident, columns: Vec::new(), at: None });
                into.push(Called { own, full: Some(full), alias: given, hidden });
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let named = alias.as_ref().map(|alias| names::fold(&alias.name));
                self.factors(table_with_joins, hidden || named.is_some(), into);
                into.extend(named.map(|own| Called::so(own, hidden)));
            }
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. } => {
                into.push(Called::so(names::fold(&alias.name), hidden));
            }
            TableFactor::Table { name, .. } => into.extend(last(name).map(|own| Called::so(own, hidden))),
            _ => {}
        }
    }

    fn factors(&mut self, table: &mut TableWithJoins, hidden: bool, into: &mut Vec<Called>) {
        self.factor(&mut table.relation, hidden, into);
        table.joins.iter_mut().for_each(|join| self.factor(&mut join.relation, hidden, into));
    }

    /// A name that nothing else in the query has: its own if that is so, or one made of the full name.
    fn alias(&mut self, own: &str, full: &str) -> String {
        if self.called.iter().filter(|called| *called == own).count() == 1 {
            return own.to_string();
        }
        let tries = std::iter::once(full.to_string()).chain((2_u32..).map(|n| format!("{full} {n}")));
        let free = tries.into_iter().find(|alias| !self.called.contains(alias));
        let free = free.unwrap_or_else(|| full.to_string());
        self.called.push(free.clone());
        free
    }

    /// What a qualifier means, in the innermost query that has it; nothing if none has.
    fn meant(&self, schema: Option<&str>, own: &str) -> Result<Option<&Called>, SqlError> {
        for frame in self.frames.iter().rev() {
            let (Frame::Query(_, from) | Frame::Select(from)) = frame;
            let fits = |called: &&Called| match schema {
                Some(schema) => called.full.as_deref() == Some(names::full(schema, own).as_str()),
                None => called.own == own,
            };
            let (hidden, seen): (Vec<&Called>, Vec<&Called>) =
                from.iter().filter(fits).partition(|called| called.hidden);
            match (seen.as_slice(), hidden.as_slice()) {
                ([one], _) | ([], [one]) => return Ok(Some(one)),
                ([], []) => {}
                _ => {
                    let message = format!("table reference \"{own}\" is ambiguous");
                    let error = SqlError::new(SqlState::AmbiguousAlias, message);
                    return Err(error.with_hint("write the schema before it, or give aliases"));
                }
            }
        }
        Ok(None)
    }

    /// The name that is to stand before a column instead of this; nothing if what is written will do.
    fn instead(&self, qualifier: &[Ident]) -> Result<Option<Ident>, SqlError> {
        let (schema, own) = match qualifier {
            [] => return Ok(None),
            [own] => (None, names::fold(own)),
            [.., schema, own] => (Some(names::fold(schema)), names::fold(own)),
        };
        match self.meant(schema.as_deref(), &own)? {
            Some(called) => Ok(Some(names::quoted(&called.alias))),
            None => match schema {
                None => Ok(None),
                Some(schema) => {
                    let full = names::full(&schema, &own);
                    let message = format!("invalid reference to FROM-clause entry for table \"{full}\"");
                    let place = qualifier.first().and_then(names::place);
                    Err(SqlError::new(SqlState::UndefinedTable, message).at(place))
                }
            },
        }
    }
}

/// Has a walk end with an error.
fn flow(result: Result<(), SqlError>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Naming {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.with.enter(query);
        self.frames.push(Frame::Query(matches!(*query.body, SetExpr::Select(_)), Vec::new()));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.frames.pop();
        self.with.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        let mut from = Vec::new();
        select.from.iter_mut().for_each(|table| self.factors(table, false, &mut from));
        self.frames.push(Frame::Select(from));
        let wildcard = |item: &mut SelectItem| {
            let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            else {
                return Ok(());
            };
            let parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
            if let Some(alias) = self.instead(&parts)? {
                *name = ObjectName::from(vec![alias]);
            }
            Ok(())
        };
        flow(select.projection.iter_mut().try_for_each(wildcard))
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<SqlError> {
        if let Some(Frame::Select(from)) = self.frames.pop()
            && let Some(Frame::Query(true, of_order)) = self.frames.last_mut()
        {
            *of_order = from;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::CompoundIdentifier(parts) = expr else { return ControlFlow::Continue(()) };
        let Some((column, qualifier)) = parts.split_last() else { return ControlFlow::Continue(()) };
        match self.instead(qualifier) {
            Ok(Some(alias)) => *parts = vec![alias, column.clone()],
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}
