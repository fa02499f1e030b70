//! The names that a query's WITH gives, and where they can be named: for who walks a query and must tell them from
//! relations.

use datafusion::sql::sqlparser::ast::Query;

use crate::names;

/// The names that can be named where a walk is.
#[derive(Debug, Default)]
pub struct WithNames {
    /// The queries around, the innermost last.
    frames: Vec<Frame>,
}

/// The names that a query's WITH gives.
#[derive(Debug)]
struct Frame {
    /// Each with the place of the query it stands for, in the order in which they are given.
    given: Vec<(String, usize)>,
    recursive: bool,
    /// How many of them can be named now.
    known: usize,
}

impl WithNames {
    /// The walk comes to a query.
    pub fn enter(&mut self, query: &Query) {
        if let Some((frame, at)) = self.given_as(query) {
            // A query of a WITH sees those before it, and itself if that is said.
            frame.known = if frame.recursive { frame.given.len() } else { at };
        }
        let given = query.with.iter().flat_map(|with| &with.cte_tables);
        self.frames.push(Frame {
            given: given.map(|cte| (names::fold(&cte.alias.name), place(&cte.query))).collect(),
            recursive: query.with.as_ref().is_some_and(|with| with.recursive),
            known: 0,
        });
    }

    /// The walk leaves it.
    pub fn leave(&mut self, query: &Query) {
        self.frames.pop();
        if let Some((frame, at)) = self.given_as(query) {
            frame.known = if frame.recursive { frame.given.len() } else { at + 1 };
        }
    }

    /// Whether a (folded) name alone means one of them.
    pub fn give(&self, own: &str) -> bool {
        self.frames.iter().flat_map(|frame| &frame.given[..frame.known]).any(|(name, _)| name == own)
    }

    fn given_as(&mut self, query: &Query) -> Option<(&mut Frame, usize)> {
        let frame = self.frames.last_mut()?;
        let at = frame.given.iter().position(|(_, given)| *given == place(query))?;
        Some((frame, at))
    }
}

/// What tells queries of one tree apart.
fn place(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}
