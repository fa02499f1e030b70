//! Random databases: schemas, data, queries and batches of statements, all from one seed.
//!
//! Values come from small pools, so that keys collide, joins meet and groups merge; NULLs, duplicates,
//! empty strings, negative zeros and NaN are ordinary. A case may carry one *hazard*: numbers near
//! the ends of their types, or divisors that are zero. Expressions that can fail then stand only where
//! SQL leaves no doubt whether they are evaluated (select lists and aggregate arguments, never
//! conditions that an optimizer may move), so the reference can tell which commits must be refused.

mod batch;
mod data;
mod expression;
mod query;

pub use batch::{Ending, Step};

use crate::random::Random;
use crate::reference::Model;
use crate::reference::model::{Relation, ViewSpec};

/// What may go wrong in a case's views.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hazard {
    /// Nothing: values are small and nothing divides.
    None,
    /// Integers near the ends of their types, so sums overflow (22003).
    Overflow,
    /// Divisors that may be zero (22012).
    Division,
}

/// Draws the parts of one case.
#[derive(Clone, Debug)]
pub struct Generator {
    random: Random,
    hazard: Hazard,
    /// How many relations, the first ones, no statement changes.
    spared: usize,
}

impl Generator {
    /// The generator of the case with this seed.
    pub fn new(seed: u64) -> Generator {
        let mut random = Random::new(seed);
        let hazard = match random.below(8) {
            0 | 1 => Hazard::Overflow,
            2 => Hazard::Division,
            _ => Hazard::None,
        };
        Generator { random, hazard, spared: 0 }
    }

    /// A generator whose cases never fail on purpose, and whose statements leave the first `spared` relations alone.
    pub fn harmless(seed: u64, spared: usize) -> Generator {
        Generator { random: Random::new(seed), hazard: Hazard::None, spared }
    }

    /// The case's hazard.
    pub fn hazard(&self) -> Hazard {
        self.hazard
    }

    /// The source of the case's choices.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// One to three tables.
    pub fn tables(&mut self) -> Vec<Relation> {
        let count = 1 + self.random.below(3);
        (0..count).map(|number| Relation::Table(self.table(number))).collect()
    }

    /// A view over what the model already has.
    pub fn view(&mut self, number: usize, model: &Model) -> Relation {
        let (query, columns) = self.query(model);
        Relation::View(ViewSpec { name: format!("v{number}"), columns, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::sql;

    /// The statements of a case, as far as the reference alone can play it.
    fn story(seed: u64) -> Vec<String> {
        let mut generator = Generator::new(seed);
        let mut model = Model::default();
        let mut story = Vec::new();
        for table in generator.tables() {
            story.push(sql::create(&table, &model));
            model.create(table).unwrap();
        }
        for statement in generator.fill(&model) {
            story.push(sql::statement(&statement, &model));
            let _ = model.apply(&statement);
        }
        for number in 0..3 {
            let view = generator.view(number, &model);
            story.push(sql::create(&view, &model));
            let _ = model.create(view);
        }
        for _ in 0..5 {
            if let Step::Statement(statement) = generator.step(&model) {
                story.push(sql::statement(&statement, &model));
                let mut after = model.clone();
                if after.apply(&statement).and_then(|()| after.refresh()).is_ok() {
                    model = after;
                }
            }
        }
        story
    }

    #[test]
    fn a_seed_tells_the_same_story_again() {
        for seed in 0..50 {
            assert_eq!(story(seed), story(seed));
        }
    }

    #[test]
    fn stories_have_what_the_field_got_wrong() {
        let all: Vec<String> = (0..300).flat_map(story).collect();
        let wanted = [
            "NULL",
            "''",
            "'NaN'",
            " JOIN ",
            "CROSS JOIN",
            "UNION ALL",
            "DISTINCT",
            "GROUP BY",
            "HAVING",
            "AVG(",
            "ON CONFLICT",
            "FROM v0",
            "t0 x JOIN t0 y",
            "FILTER",
            "IS DISTINCT FROM",
            "9223372036854775807",
        ];
        for word in wanted {
            assert!(all.iter().any(|statement| statement.contains(word)), "no statement has {word}");
        }
    }
}
