//! How large a query becomes when its common table expressions are put where they are named.
//!
//! That is what planning does, so that a text of a few lines, each naming the one before twice, has a plan that no
//! machine can hold. It is counted in the tree of the text, before anything is planned: a relation is one, a name of a
//! common table expression is as much as its query.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Visit, Visitor};

use crate::error::{Position, SqlError, SqlState};
use crate::names;

/// The most relations and queries that a query may come to.
const LARGEST: usize = 4_000;

/// An error if the query becomes too large.
pub(crate) fn check(query: &Query) -> Result<(), SqlError> {
    let mut sizes = Sizes { open: Vec::new(), largest: 0, dotted: None };
    let _ = Visit::visit(query, &mut sizes);
    if let Some((name, position)) = sizes.dotted {
        return Err(
            SqlError::unsupported(format!("a dot in the name \"{name}\" of a WITH query")).at(position)
        );
    }
    match sizes.largest > LARGEST {
        true => Err(SqlError::new(
            SqlState::TooComplex,
            format!("the query comes to more than {LARGEST} relations once its WITH is written out"),
        )
        .with_hint("a common table expression counts as often as it is named: put it into a table")),
        false => Ok(()),
    }
}

/// A query that is being walked.
struct Open {
    size: usize,
    /// Its common table expressions whose queries have been walked.
    known: HashMap<String, usize>,
    /// All of them: where their queries are in memory, and their names.
    defined: Vec<(usize, String)>,
}

struct Sizes {
    open: Vec<Open>,
    largest: usize,
    /// A name that could be taken for a schema's and a relation's.
    dotted: Option<(String, Option<Position>)>,
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

impl Visitor for Sizes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let mut given = tables.clone().map(|table| &table.alias.name);
        if let Some(name) = given.find(|name| name.value.contains('.')) {
            self.dotted = Some((names::fold(name), names::place(name)));
            return ControlFlow::Break(());
        }
        let defined = tables.map(|table| (address(&table.query), names::fold(&table.alias.name))).collect();
        self.open.push(Open { size: 1, known: HashMap::new(), defined });
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = names::relation(relation).unwrap_or_default();
        let size = self.open.iter().rev().find_map(|query| query.known.get(&name)).copied().unwrap_or(1);
        self.add(size);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Some(Open { size, .. }) = self.open.pop() else { return ControlFlow::Break(()) };
        let defined = self.open.last_mut().and_then(|outer| {
            let (_, name) = outer.defined.iter().find(|(at, _)| *at == address(query))?;
            outer.known.insert(name.clone(), size)
        });
        let is_defined =
            self.open.last().is_some_and(|outer| outer.defined.iter().any(|(at, _)| *at == address(query)));
        debug_assert!(defined.is_none(), "each query is walked once");
        if !is_defined {
            self.add(size);
        }
        self.largest = self.largest.max(size);
        if self.largest > LARGEST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Sizes {
    fn add(&mut self, size: usize) {
        if let Some(query) = self.open.last_mut() {
            query.size = query.size.saturating_add(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse_one};

    fn size(text: &str) -> usize {
        let Ok(Statement::Query(query)) = parse_one(text) else { panic!("{text}") };
        let mut sizes = Sizes { open: Vec::new(), largest: 0, dotted: None };
        let _ = Visit::visit(query.as_ref(), &mut sizes);
        sizes.largest
    }

    #[test]
    fn names_count_as_what_they_name() {
        assert_eq!(size("SELECT * FROM t, u"), 3);
        assert_eq!(size("SELECT * FROM (SELECT * FROM t) s"), 3);
        assert_eq!(size("WITH a AS (SELECT * FROM t) SELECT * FROM u"), 2);
        assert_eq!(size("WITH a AS (SELECT * FROM t) SELECT * FROM a p, a q"), 5);
        assert_eq!(size("WITH a AS (SELECT 1), b AS (SELECT * FROM a, a x) SELECT * FROM b, b y"), 7);
        let recursive = "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r";
        assert_eq!(size(recursive), 3);
    }
}
