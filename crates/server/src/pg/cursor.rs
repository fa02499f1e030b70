//! Cursors: `DECLARE`, `FETCH`, `MOVE`, `CLOSE`.
//!
//! A cursor's query runs when it is declared, and its rows are kept: they are those of one snapshot whatever happens
//! to the tables, and any of them can be fetched again. A cursor of `SUBSCRIBE` is another thing: see
//! [`fetch`](crate::pg::fetch).

use std::sync::Arc;

use crate::pg::command::Direction;
use crate::pg::error::Report;
use crate::pg::frame::Formats;
use crate::pg::portal::{Cursor, Done, Portal, State};
use crate::pg::session::Client;
use crate::pg::statement::{Prepared, Statement};

impl Client {
    /// Runs a query and keeps its rows under a name.
    pub(crate) fn declare(&mut self, name: &str, cursor: Cursor, query: &str) -> Result<Done, Report> {
        if !cursor.hold && !self.in_block() {
            return Err(Report::error("25P01", "DECLARE CURSOR can only be used in transaction blocks"));
        }
        if self.portals.contains_key(name) {
            return Err(Report::error("42P03", format!("cursor \"{name}\" already exists")));
        }
        let statement = Statement::parse(&self.engine, query)?;
        match statement.kind() {
            Some(gnitz::StatementKind::Query) => {}
            Some(gnitz::StatementKind::Subscribe) => return self.declare_following(name, cursor, statement),
            _ => return Err(Report::syntax("DECLARE CURSOR needs a query or SUBSCRIBE")),
        }
        let Done::Rows(answer, tag) = self.run_statement(&statement, &[], None)? else {
            return Err(Report::syntax("DECLARE CURSOR needs a query"));
        };
        let prepared = Arc::new(Prepared {
            statement,
            parameters: Vec::new(),
            elements: Vec::new(),
            oids: Vec::new(),
            columns: Some(answer.columns.to_vec()),
        });
        let state = State::Rows { answer, at: 0, tag };
        let portal = Portal { prepared, values: Vec::new(), formats: Formats::default(), state, cursor };
        self.portals.insert(name.to_string(), portal);
        Ok(Done::Tag("DECLARE CURSOR".to_string()))
    }

    /// Goes to rows of a cursor and gives them, or only their number.
    pub(crate) fn fetch(&mut self, name: &str, to: Direction, only_move: bool) -> Result<Done, Report> {
        let portal = self.portals.get_mut(name).ok_or_else(|| undefined(name))?;
        let State::Rows { answer, at, .. } = &mut portal.state else {
            return Err(Report::error("55000", format!("portal \"{name}\" cannot be run")));
        };
        let (rows, stands) = walk(*at, answer.rows, to);
        let back = rows.windows(2).any(|pair| pair[1] < pair[0]) || stands < *at;
        if portal.cursor.forward && back {
            return Err(Report::error("55000", "cursor can only scan forward")
                .with_hint("declare it with SCROLL option to enable backward scan"));
        }
        *at = stands;
        if only_move {
            return Ok(Done::Tag(format!("MOVE {}", rows.len())));
        }
        Ok(Done::Fetched { answer: answer.clone(), rows, binary: portal.cursor.binary })
    }

    /// Forgets a cursor, or all of them.
    pub(crate) fn close_cursor(&mut self, name: Option<&str>) -> Result<(), Report> {
        match name {
            None => self.portals.clear(),
            Some(name) => {
                self.portals.remove(name).ok_or_else(|| undefined(name))?;
            }
        }
        Ok(())
    }
}

/// A cursor that does not exist.
pub(crate) fn undefined(name: &str) -> Report {
    Report::error("34000", format!("cursor \"{name}\" does not exist"))
}

/// The rows, counted from 0, that are met on the way from where the cursor stands, and where it stands then.
fn walk(at: usize, count: usize, to: Direction) -> (Vec<usize>, usize) {
    let clamp = |place: i128| place.clamp(0, count as i128 + 1) as usize;
    let on = |place: usize| if (1..=count).contains(&place) { vec![place - 1] } else { Vec::new() };
    match to {
        Direction::All => ((at..count).collect(), count + 1),
        Direction::BackwardAll => ((0..at.saturating_sub(1).min(count)).rev().collect(), 0),
        Direction::Forward(0) => (on(at), at),
        Direction::Forward(steps) if steps > 0 => {
            let stands = clamp(at as i128 + i128::from(steps));
            ((at.min(count)..stands.min(count)).collect(), stands)
        }
        Direction::Forward(steps) => {
            let stands = clamp(at as i128 + i128::from(steps));
            ((stands.max(1)..at).rev().map(|place| place - 1).collect(), stands)
        }
        Direction::Absolute(place) => {
            let stands = match place < 0 {
                true => clamp(count as i128 + 1 + i128::from(place)),
                false => clamp(place.into()),
            };
            (on(stands), stands)
        }
        Direction::Relative(steps) => {
            let stands = clamp(at as i128 + i128::from(steps));
            (on(stands), stands)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_walk_as_postgresqls_do() {
        use Direction::{Absolute, All, BackwardAll, Forward, Relative};
        let steps: [(Direction, &[usize], usize); 16] = [
            (Forward(2), &[0, 1], 2),
            (Forward(0), &[1], 2),
            (Forward(-1), &[0], 1),
            (Forward(-1), &[], 0),
            (All, &[0, 1, 2, 3, 4], 6),
            (Forward(1), &[], 6),
            (Forward(-2), &[4, 3], 4),
            (BackwardAll, &[2, 1, 0], 0),
            (Absolute(3), &[2], 3),
            (Relative(1), &[3], 4),
            (Absolute(-1), &[4], 5),
            (Forward(5), &[], 6),
            (Absolute(-9), &[], 0),
            (Relative(i64::MAX), &[], 6),
            (Forward(i64::MIN), &[4, 3, 2, 1, 0], 0),
            (Forward(i64::MAX), &[0, 1, 2, 3, 4], 6),
        ];
        let mut at = 0;
        for (to, rows, stands) in steps {
            assert_eq!(walk(at, 5, to), (rows.to_vec(), stands), "{to:?} from {at}");
            at = stands;
        }
        assert_eq!(walk(0, 0, All), (vec![], 1));
    }
}
