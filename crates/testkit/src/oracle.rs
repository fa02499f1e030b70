//! The oracle: a view is its query, after every epoch, or the case fails.
//!
//! A case is a random database and a random history of it, both drawn from one seed. The reference
//! model runs beside the database. After every epoch each view is read in three ways (its contents, the
//! ad-hoc answer to its query, the sum of its subscription's deltas) and held against the reference; a
//! commit that the reference cannot compute must be refused with the same SQLSTATE and change
//! nothing. At the end every view is checked by the database itself, and once more after reopening.

use crate::generate::{Ending, Generator, Step};
use crate::reference::model::{Model, Relation, Statement};
use crate::reference::query::Bag;
use crate::reference::{Failure, sql};
use crate::{actual, parallel};
use gnitz::{Database, Session, Subscription};
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use storage::MemFs;

/// Rows that a view may have: joins over joins of bags multiply, and a case must stay small.
pub(crate) const MANY: i64 = 3000;

/// What a run went through.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Cases.
    pub cases: u64,
    /// Views that were created.
    pub views: u64,
    /// Epochs after which every view was compared.
    pub epochs: u64,
    /// Commits that had to be refused, and were.
    pub refused: u64,
    /// Comparisons of a view with the reference.
    pub comparisons: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.cases += other.cases;
        self.views += other.views;
        self.epochs += other.epochs;
        self.refused += other.refused;
        self.comparisons += other.comparisons;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { cases, views, epochs, refused, comparisons } = self;
        write!(
            f,
            "{cases} random cases, {views} views, {epochs} epochs, {refused} commits rightly refused, {comparisons} comparisons"
        )
    }
}

/// Runs `cases` cases, the first with this seed, on every core. The error is the report of a failing case.
pub fn simulate(cases: u64, seed: u64) -> Result<Tally, String> {
    let tallies = parallel::run(cases, |number| case(seed.wrapping_add(number)))?;
    let mut total = Tally::default();
    tallies.into_iter().for_each(|tally| total += tally);
    Ok(total)
}

/// Runs the case of one seed.
pub fn case(seed: u64) -> Result<Tally, String> {
    let mut script = Vec::new();
    let mut tally = Tally { cases: 1, ..Tally::default() };
    run(seed, &mut script, &mut tally).map_err(|message| {
        format!(
            "seed {seed}: {message}\nThe statements:\n\n{};\n\nReplay: cargo xtask sim --seed {seed}   or   \
             GNITZ_SEED={seed} cargo test -p testkit oracle",
            script.join(";\n")
        )
    })?;
    Ok(tally)
}

fn run(seed: u64, script: &mut Vec<String>, tally: &mut Tally) -> Result<(), String> {
    let mut generator = Generator::new(seed);
    let disk = MemFs::new();
    let mut case = Case::open(&disk, Model::default(), script, tally)?;
    for table in generator.tables() {
        case.create(table)?;
    }
    let early = generator.random().below(2);
    let views = 1 + generator.random().below(3);
    for number in 0..early {
        let view = generator.view(number, &case.model);
        case.create(view)?;
    }
    for statement in generator.fill(&case.model) {
        case.step(&mut generator, Step::Statement(statement))?;
    }
    for number in early..views {
        let view = generator.view(number, &case.model);
        case.create(view)?;
    }
    case.compare_all()?;
    for _ in 0..4 + generator.random().below(6) {
        let step = generator.step(&case.model);
        case.step(&mut generator, step)?;
    }
    case.check()?;
    let mut model = case.model.clone();
    // Write, restart, write, restart: numbers that a restart forgets show only at the second.
    for _ in 0..2 {
        if generator.random().percent(50) {
            case.script.push("-- closed".to_owned());
            case.database.close().map_err(|error| format!("closing failed: {error}"))?;
        }
        drop(case);
        script.push("-- reopened".to_owned());
        case = Case::open(&disk, model, script, tally)?;
        case.compare_all()?;
        let step = generator.step(&case.model);
        case.step(&mut generator, step)?;
        model = case.model.clone();
    }
    case.check()
}

/// One database beside its model.
struct Case<'a> {
    database: Database,
    session: Session,
    model: Model,
    views: Vec<Watched>,
    script: &'a mut Vec<String>,
    tally: &'a mut Tally,
}

/// A view and what its subscription has added up to.
struct Watched {
    relation: usize,
    subscription: Subscription,
    sum: Bag,
    /// The view's contents, and its query asked ad hoc: both planned once, since planning is what a case
    /// spends its time on.
    contents: gnitz::Statement,
    query: gnitz::Statement,
}

impl<'a> Case<'a> {
    fn open(
        disk: &MemFs,
        model: Model,
        script: &'a mut Vec<String>,
        tally: &'a mut Tally,
    ) -> Result<Case<'a>, String> {
        let database = Database::builder().inline_maintenance().open_fs(Arc::new(disk.clone()));
        let database = database.map_err(|error| format!("opening failed: {error}"))?;
        let session = database.session();
        let mut case = Case { database, session, model, views: Vec::new(), script, tally };
        for relation in 0..case.model.relations.len() {
            if matches!(*case.model.relations[relation], Relation::View(_)) {
                case.watch(relation)?;
            }
        }
        Ok(case)
    }

    fn watch(&mut self, relation: usize) -> Result<(), String> {
        let Relation::View(view) = &*self.model.relations[relation] else { return Ok(()) };
        let name = &view.name;
        let subscription = self.database.subscribe(name);
        let subscription = subscription.map_err(|error| format!("subscribing to {name} failed: {error}"))?;
        let prepare = |text: String| {
            let prepared = self.session.prepare(&text);
            prepared.map_err(|error| format!("preparing {text}\nfailed with {}: {error}", error.sqlstate()))
        };
        let contents = prepare(format!("SELECT * FROM {name}"))?;
        let query = prepare(sql::query(&view.query, &self.model))?;
        self.views.push(Watched { relation, subscription, sum: Bag::new(), contents, query });
        Ok(())
    }

    /// Creates a table or view; a view that cannot be computed must be refused.
    fn create(&mut self, relation: Relation) -> Result<(), String> {
        let text = sql::create(&relation, &self.model);
        let is_view = matches!(relation, Relation::View(_));
        let mut model = self.model.clone();
        let created = model.create(relation);
        if model.largest() > MANY {
            return Ok(());
        }
        self.execute(&text, &created.clone().map(|_| ()))?;
        if let Ok(number) = created {
            self.model = model;
            if is_view {
                self.tally.views += 1;
                self.watch(number)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, generator: &mut Generator, step: Step) -> Result<(), String> {
        let mut model = self.model.clone();
        match step {
            Step::Statement(statement) => {
                let text = sql::statement(&statement, &model);
                let outcome = model.apply(&statement).and_then(|()| model.refresh());
                if model.largest() > MANY {
                    return Ok(());
                }
                self.execute(&text, &outcome)?;
                self.settle(model, &outcome);
            }
            Step::Transaction(statements, ending) => self.transaction(generator, &statements, ending)?,
            Step::Refused { sql, sqlstate } => {
                self.execute(&sql, &Err(Failure::new(sqlstate, "by intention")))?
            }
            Step::Checkpoint => {
                self.script.push("-- checkpoint".to_owned());
                self.database.checkpoint().map_err(|error| format!("a checkpoint failed: {error}"))?;
            }
        }
        self.compare_all()
    }

    fn transaction(
        &mut self,
        generator: &mut Generator,
        statements: &[Statement],
        ending: Ending,
    ) -> Result<(), String> {
        let mut model = self.model.clone();
        if statements.iter().try_for_each(|statement| model.apply(statement)).is_ok()
            && model.refresh().is_ok()
            && model.largest() > MANY
        {
            return Ok(());
        }
        let mut model = self.model.clone();
        self.execute("BEGIN", &Ok(()))?;
        for statement in statements {
            let text = sql::statement(statement, &model);
            let outcome = model.apply(statement);
            self.execute(&text, &outcome)?;
            if outcome.is_err() {
                return self.execute("ROLLBACK", &Ok(()));
            }
        }
        let outcome = model.refresh();
        if outcome.is_ok() && generator.random().percent(30) && !self.views.is_empty() {
            let at = generator.random().below(self.views.len());
            self.compare_inside(self.views[at].relation, &model)?;
        }
        match ending {
            Ending::Commit => {
                self.execute("COMMIT", &outcome)?;
                self.settle(model, &outcome);
                Ok(())
            }
            Ending::Rollback => self.execute("ROLLBACK", &Ok(())),
        }
    }

    fn settle(&mut self, model: Model, outcome: &Result<(), Failure>) {
        match outcome {
            Ok(()) => self.model = model,
            Err(_) => self.tally.refused += 1,
        }
    }

    /// Runs a statement that must succeed, or fail with this SQLSTATE.
    fn execute(&mut self, text: &str, expected: &Result<(), Failure>) -> Result<(), String> {
        self.script.push(text.to_owned());
        match (self.session.execute(text), expected) {
            (Ok(_), Ok(())) => Ok(()),
            (Ok(_), Err(failure)) => {
                Err(format!("{text}\nsucceeded, but must fail with {} ({})", failure.sqlstate, failure.what))
            }
            (Err(error), Ok(())) => Err(format!("{text}\nfailed with {}: {error}", error.sqlstate())),
            (Err(error), Err(failure)) if error.sqlstate() == failure.sqlstate => Ok(()),
            (Err(error), Err(failure)) => Err(format!(
                "{text}\nfailed with {}: {error}\nbut must fail with {} ({})",
                error.sqlstate(),
                failure.sqlstate,
                failure.what
            )),
        }
    }

    fn query(&self, text: &str) -> Result<Bag, String> {
        let answer = self.session.query(text);
        let answer = answer.map_err(|error| format!("{text}\nfailed with {}: {error}", error.sqlstate()))?;
        Ok(actual::bag(&answer.batches))
    }

    /// A view inside a transaction shows what the transaction would make of it.
    fn compare_inside(&mut self, relation: usize, model: &Model) -> Result<(), String> {
        let name = model.relations[relation].name();
        let text = format!("SELECT * FROM {name}");
        self.script.push(text.clone());
        self.tally.comparisons += 1;
        same(&format!("{name} inside the transaction"), &model.contents[relation], &self.query(&text)?)
    }

    /// Every view in every way.
    fn compare_all(&mut self) -> Result<(), String> {
        self.tally.epochs += 1;
        for at in 0..self.views.len() {
            let relation = self.views[at].relation;
            let expected = self.model.contents[relation].clone();
            let Relation::View(view) = &*self.model.relations[relation].clone() else { continue };
            let name = &view.name;
            let found = answer(name, &self.views[at].contents)?;
            same(&format!("the contents of {name}"), &expected, &found)?;
            let found = answer(&format!("the query of {name}"), &self.views[at].query)?;
            same(&format!("the ad-hoc answer to the query of {name}"), &expected, &found)?;
            let watched = &mut self.views[at];
            while let Some(delta) = watched.subscription.try_next().map_err(|error| error.to_string())? {
                actual::add_delta(&mut watched.sum, &delta.rows, &delta.weights);
            }
            same(&format!("the sum of what the subscription of {name} gave"), &expected, &watched.sum)?;
            self.tally.comparisons += 3;
        }
        Ok(())
    }

    /// The tables, and the database's own check of each view.
    fn check(&mut self) -> Result<(), String> {
        for (relation, expected) in self.model.relations.iter().zip(&self.model.contents) {
            let name = relation.name();
            if let Relation::Table(_) = &**relation {
                let found = self.query(&format!("SELECT * FROM {name}"))?;
                same(&format!("the contents of {name}"), expected, &found)?;
                continue;
            }
            let found = self.query(&format!("CHECK MATERIALIZED VIEW {name}"))?;
            if !found.is_empty() {
                return Err(format!("CHECK MATERIALIZED VIEW {name} found {} rows", found.len()));
            }
        }
        Ok(())
    }
}

fn answer(what: &str, statement: &gnitz::Statement) -> Result<Bag, String> {
    let answer = statement.query(&[]);
    let answer = answer.map_err(|error| format!("{what} failed with {}: {error}", error.sqlstate()))?;
    Ok(actual::bag(&answer.batches))
}

fn same(what: &str, expected: &Bag, found: &Bag) -> Result<(), String> {
    match actual::difference(expected, found) {
        None => Ok(()),
        Some(difference) => Err(format!("{what} is wrong:\n{difference}")),
    }
}
