//! The query of a view as the catalogs tell it: as it was written, but that the relations which the search path does
//! not find are named with their schema, so that the text means the same wherever it is read.

use std::ops::ControlFlow;

use sql::sqlparser::ast::{ObjectName, Query, Visit, Visitor};
use sql::statement::{Statement, parse_one};
use sql::{Position, WithNames, names};

use crate::facts::Relation;
use crate::world::World;

/// The query of a view; none for any other relation.
pub(crate) fn text(world: &World<'_>, view: &Relation) -> Option<String> {
    let query = view.query.as_ref()?;
    if world.path().next() == Some(names::PUBLIC) {
        return Some(query.clone());
    }
    let hidden = |name: &str| !world.sees(names::PUBLIC, name);
    Some(qualified(query, |name| world.find(Some(names::PUBLIC), name).is_some() && hidden(name)))
}

/// The query with `public.` before each name of a relation that stands alone.
fn qualified(text: &str, is_public: impl Fn(&str) -> bool) -> String {
    let Ok(Statement::Query(query)) = parse_one(text) else { return text.to_string() };
    let mut bare = Bare { is_public, with: WithNames::default(), places: Vec::new() };
    let _ = query.visit(&mut bare);
    let mut places: Vec<usize> = bare.places.iter().filter_map(|place| offset(text, *place)).collect();
    places.sort_unstable();
    let mut out = text.to_string();
    places.into_iter().rev().for_each(|place| out.insert_str(place, "public."));
    out
}

/// The byte at which a line and column stand.
fn offset(text: &str, place: Position) -> Option<usize> {
    let before: usize = text
        .split_inclusive('\n')
        .take(usize::try_from(place.line).ok()?.checked_sub(1)?)
        .map(str::len)
        .sum();
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    text[before..].char_indices().nth(column).map(|(at, _)| before + at)
}

/// Finds the names of relations without a schema that no WITH around them gives.
struct Bare<F> {
    is_public: F,
    with: WithNames,
    places: Vec<Position>,
}

impl<F: Fn(&str) -> bool> Visitor for Bare<F> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.with.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.with.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let [part] = name.0.as_slice() else { return ControlFlow::Continue(()) };
        let Some(ident) = part.as_ident() else { return ControlFlow::Continue(()) };
        let own = names::fold(ident);
        if !self.with.give(&own) && (self.is_public)(&own) {
            self.places.extend(names::place(ident));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_named_with_their_schema() {
        let known = |name: &str| ["t", "u", "Ü"].contains(&name);
        for (text, expected) in [
            ("SELECT t.a FROM t", "SELECT t.a FROM public.t"),
            (
                "SELECT 'ä', a\nFROM T x -- t\n  JOIN \"Ü\" USING (t)",
                "SELECT 'ä', a\nFROM public.T x -- t\n  JOIN public.\"Ü\" USING (t)",
            ),
            ("SELECT a FROM public.t, other", "SELECT a FROM public.t, other"),
            (
                "SELECT a FROM (SELECT a FROM u WHERE a IN (SELECT b FROM t)) AS t",
                "SELECT a FROM (SELECT a FROM public.u WHERE a IN (SELECT b FROM public.t)) AS t",
            ),
            (
                "WITH t AS (SELECT * FROM t), w AS (SELECT * FROM t, u) SELECT * FROM t, w, u",
                "WITH t AS (SELECT * FROM public.t), w AS (SELECT * FROM t, public.u) SELECT * FROM t, w, public.u",
            ),
            (
                "SELECT * FROM (WITH u AS (SELECT 1) SELECT * FROM u) AS x, u",
                "SELECT * FROM (WITH u AS (SELECT 1) SELECT * FROM u) AS x, public.u",
            ),
        ] {
            assert_eq!(qualified(text, known), expected);
        }
    }
}
