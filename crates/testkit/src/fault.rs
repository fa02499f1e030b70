//! The fault test: one call to the disk fails, and the database keeps its word all the same.
//!
//! The same short workload runs again and again on one prepared directory; each time another call fails in one
//! of four ways. From then on the database either refuses to commit (it is poisoned) or goes on and is right.
//! Reopened, with the disk well again, it holds everything it acknowledged and at most the one commit that
//! was under way.

use crate::crash::open;
use crate::generate::Generator;
use crate::parallel;
use crate::reference::model::{Model, Relation, Statement};
use crate::reference::{Failure, sql};
use crate::workload::{Contents, contents, differences, execute, names, read};
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use storage::{Fault, FaultFs, Image, MemFs};

const FAULTS: [Fault; 4] = [Fault::Io, Fault::NoSpace, Fault::ShortWrite, Fault::FailedSync];

/// Commits of one run.
const COMMITS: usize = 8;

/// What a run went through.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FaultTally {
    /// Faults that struck.
    pub faults: u64,
    /// Runs in which the database refused to go on.
    pub poisoned: u64,
    /// Runs in which a fault struck and all commits succeeded.
    pub survived: u64,
    /// Runs in which the database could not even be opened while the fault was there.
    pub unopened: u64,
}

impl AddAssign for FaultTally {
    fn add_assign(&mut self, other: FaultTally) {
        self.faults += other.faults;
        self.poisoned += other.poisoned;
        self.survived += other.survived;
        self.unopened += other.unopened;
    }
}

impl fmt::Display for FaultTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultTally { faults, poisoned, survived, unopened } = self;
        write!(
            f,
            "{faults} disk faults: {poisoned} made the database refuse, {survived} did no harm, {unopened} kept it from opening"
        )
    }
}

/// Lets every call of `workloads` workloads fail once in each way, on every core.
pub fn faults(workloads: u64, seed: u64) -> Result<FaultTally, String> {
    let tallies = parallel::run(workloads, |number| workload(seed.wrapping_add(number)))?;
    let mut total = FaultTally::default();
    tallies.into_iter().for_each(|tally| total += tally);
    Ok(total)
}

/// A directory to start from, and what will be done to it.
struct Plan {
    image: Image,
    names: Vec<String>,
    /// The SQL of each commit.
    commits: Vec<String>,
    /// The state before the first commit and after each.
    states: Vec<Contents>,
}

fn workload(seed: u64) -> Result<FaultTally, String> {
    let plan = prepare(seed).map_err(|message| format!("fault workload {seed}: {message}"))?;
    let mut tally = FaultTally::default();
    for fault in FAULTS {
        for call in 0.. {
            let disk = MemFs::from_image(&plan.image);
            let faulty = FaultFs::new(disk.clone(), fault, call);
            let outcome = attempt(&plan, &faulty, &disk).map_err(|message| {
                format!(
                    "fault workload {seed}: {fault:?} at call {call}: {message}\nThe commits:\n\n{};\n",
                    plan.commits.join(";\n")
                )
            })?;
            if !faulty.struck() {
                break;
            }
            tally += outcome;
        }
    }
    Ok(tally)
}

/// Makes a small database and draws the commits: rows put in and taken out, which need no planning.
fn prepare(seed: u64) -> Result<Plan, String> {
    let mut generator = Generator::harmless(seed, 0);
    let disk = MemFs::new();
    let database = open(Arc::new(disk.clone()))?;
    let session = database.session();
    let mut model = Model::default();
    let explain = |failure: Failure| format!("the reference failed: {}", failure.what);
    for table in generator.tables() {
        execute(&session, &sql::create(&table, &model))?;
        model.create(table).map_err(explain)?;
    }
    for number in 0..2 {
        let view = generator.view(number, &model);
        execute(&session, &sql::create(&view, &model))?;
        model.create(view).map_err(explain)?;
    }
    let mut plan = Plan {
        image: Image::new(),
        names: names(&model),
        commits: Vec::new(),
        states: vec![contents(&model)],
    };
    while plan.commits.len() < COMMITS {
        let Some(statement) = generator.fill(&model).pop() else { continue };
        let mut next = model.clone();
        let text = sql::statement(&statement, &next);
        if next.apply(&statement).is_err() || unchanged(&model, &next, &statement) {
            continue;
        }
        next.refresh().map_err(explain)?;
        model = next;
        plan.commits.push(text);
        plan.states.push(contents(&model));
    }
    drop((session, database));
    plan.image = disk.image();
    Ok(plan)
}

/// A commit that changes nothing writes nothing, so no call of it could fail.
fn unchanged(before: &Model, after: &Model, statement: &Statement) -> bool {
    let Statement::Insert { table, .. } = statement else { return true };
    assert!(matches!(*before.relations[*table], Relation::Table(_)), "only tables are filled");
    before.contents[*table] == after.contents[*table]
}

/// One run with one fault.
fn attempt(plan: &Plan, faulty: &FaultFs, disk: &MemFs) -> Result<FaultTally, String> {
    let mut tally = FaultTally { faults: 1, ..FaultTally::default() };
    let mut acknowledged = 0;
    let mut failed = false;
    match open(Arc::new(faulty.clone())) {
        Err(message) if !faulty.struck() => return Err(message),
        Err(_) => tally.unopened = 1,
        Ok(database) => {
            let session = database.session();
            for (at, commit) in plan.commits.iter().enumerate() {
                match session.execute(commit) {
                    Ok(_) if failed => return Err(format!("{commit}\nwas accepted after a failure")),
                    Ok(_) => acknowledged = at + 1,
                    Err(error) if !faulty.struck() => return Err(format!("{commit}\nfailed: {error}")),
                    Err(_) => failed = true,
                }
                if at == COMMITS / 2 {
                    let outcome = database.checkpoint();
                    if let Err(error) = outcome
                        && !faulty.struck()
                    {
                        return Err(format!("the checkpoint failed: {error}"));
                    }
                }
            }
            let found = read(&database, &plan.names)?;
            if found != plan.states[acknowledged] {
                let difference = differences(&plan.states[acknowledged], &found);
                return Err(format!("after the fault readers see something else:\n{difference}"));
            }
            if failed { tally.poisoned = 1 } else { tally.survived = 1 }
        }
    }
    let reopened = open(Arc::new(MemFs::from_image(&disk.image())))?;
    let found = read(&reopened, &plan.names)?;
    let under_way = if failed { acknowledged + 1 } else { acknowledged };
    if (acknowledged..=under_way).any(|at| plan.states[at] == found) {
        return Ok(tally);
    }
    let difference = differences(&plan.states[acknowledged], &found);
    Err(format!("{acknowledged} commits were acknowledged, but reopening shows another state:\n{difference}"))
}
