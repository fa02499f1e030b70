//! A view's query after a relation that it reads got another name. The relation keeps its old name within the query,
//! as an alias, so that everything else in the text still means what it meant.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias, TableFactor, Visit,
    VisitMut, Visitor, VisitorMut,
};

use crate::error::SqlError;
use crate::names;
use crate::statement::{Statement, parse_one};

/// The query with `to` in the place of `from`, as text. Refused where a WITH gives one of the two names another
/// meaning.
pub fn relation_in_query(text: &str, from: &str, to: &str) -> Result<String, SqlError> {
    let Statement::Query(mut query) = parse_one(text)? else {
        return Err(SqlError::internal("the query of a view is not a query"));
    };
    let mut shadow = Shadow { names: [from, to], found: false };
    let _ = query.visit(&mut shadow);
    if shadow.found {
        let what = format!("renaming \"{from}\" to \"{to}\" where a view's WITH has that name");
        return Err(SqlError::unsupported(what).with_hint("drop the view first, and create it again"));
    }
    let _ = VisitMut::visit(query.as_mut(), &mut Renaming { from, to });
    Ok(query.to_string())
}

/// Looks for common table expressions of certain names.
struct Shadow<'a> {
    names: [&'a str; 2],
    found: bool,
}

impl Visitor for Shadow<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let mut given = tables.map(|table| names::fold(&table.alias.name));
        self.found |= given.any(|name| self.names.contains(&name.as_str()));
        ControlFlow::Continue(())
    }
}

struct Renaming<'a> {
    from: &'a str,
    to: &'a str,
}

impl VisitorMut for Renaming<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor
            && names::relation(name).is_ok_and(|name| name == self.from)
        {
            *name = names::spelled_whole(self.to);
            alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: names::spelled(names::own(self.from)),
                columns: Vec::new(),
                at: None,
            });
        }
        ControlFlow::Continue(())
    }

    /// A column with its relation's schema before it, which an alias has not.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [.., schema, relation, _] = parts.as_slice()
            && names::full(&names::fold(schema), &names::fold(relation)) == self.from
        {
            parts.drain(..parts.len() - 2);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && name.0.len() > 1
                && names::relation(name).is_ok_and(|name| name == self.from)
            {
                name.0.drain(..name.0.len() - 1);
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relation_keeps_its_name_inside() {
        let renamed =
            |text| relation_in_query(text, "t", "New").map_err(|error| error.sqlstate().to_string());
        assert_eq!(
            renamed("SELECT t.a, x.b FROM t, public.t AS x WHERE EXISTS (SELECT 1 FROM t JOIN u ON t.a = u.a)"),
            Ok("SELECT t.a, x.b FROM \"New\" AS t, \"New\" AS x WHERE EXISTS (SELECT 1 FROM \"New\" AS t JOIN u ON t.a = u.a)".into())
        );
        assert_eq!(renamed("SELECT t FROM u"), Ok("SELECT t FROM u".into()));
        assert_eq!(renamed("WITH t AS (SELECT 1) SELECT * FROM t"), Err("0A000".into()));
        assert_eq!(
            renamed("SELECT * FROM (WITH \"New\" AS (SELECT 1) SELECT * FROM t) AS s"),
            Err("0A000".into())
        );
    }
}
