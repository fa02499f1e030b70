//! The fault test: one call to the disk fails, and the database keeps its word all the same.
//!
//! The same short workload runs again and again on one prepared directory; each time another call fails in one
//! of four ways. From then on the database either refuses to commit (it is poisoned) or goes on and is right.
//! Reopened, with the disk well again, it holds everything it acknowledged and at most the one commit that
//! was under way.
//!
//! A disk that is full for some calls is another matter: what does not fit is refused with 53100 and leaves nothing,
//! neither for readers nor for who opens the files as they are, and is accepted when it is tried again with space.

use crate::crash::open;
use crate::generate::Generator;
use crate::parallel;
use crate::reference::model::{Model, Relation, Statement};
use crate::reference::{Failure, sql};
use crate::workload::{Contents, contents, differences, execute, names, read};
use gnitz::Database;
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use storage::{Fault, FaultFs, Image, MemFs};

const FAULTS: [Fault; 4] = [Fault::Io, Fault::ShortWrite, Fault::FailedSync, Fault::NoSpaceToSync];

/// What a write does before a full disk refuses it, and how many calls the disk is full for.
const FULL: [Fault; 3] = [Fault::NoSpace, Fault::NoSpaceHalfway, Fault::NoSpaceAfterwards];
const LASTING: [u64; 3] = [1, 4, 15];

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
    /// Runs on a disk that was full for a while.
    pub full: u64,
    /// Commits and checkpoints that it refused; each was made later.
    pub refused: u64,
}

impl AddAssign for FaultTally {
    fn add_assign(&mut self, other: FaultTally) {
        self.faults += other.faults;
        self.poisoned += other.poisoned;
        self.survived += other.survived;
        self.unopened += other.unopened;
        self.full += other.full;
        self.refused += other.refused;
    }
}

impl fmt::Display for FaultTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultTally { faults, poisoned, survived, unopened, full, refused } = self;
        write!(
            f,
            "{faults} disk faults: {poisoned} made the database refuse, {survived} did no harm, {unopened} kept it from opening; \
             {full} full disks: {refused} commits and checkpoints were refused, and made later"
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
    let single = FAULTS.map(|fault| (fault, 1, attempt as Attempt));
    let full = FULL.iter().flat_map(|&fault| LASTING.map(|calls| (fault, calls, persist as Attempt)));
    for (fault, calls, run) in single.into_iter().chain(full) {
        for call in 0.. {
            let disk = MemFs::from_image(&plan.image);
            let faulty = FaultFs::new(disk.clone(), fault, call).lasting(calls);
            let outcome = run(&plan, &faulty, &disk).map_err(|message| {
                format!(
                    "fault workload {seed}: {fault:?} at call {call}, {calls} in all: {message}\nThe commits:\n\n{};\n",
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

/// How a plan is run over a disk with a fault; the disk itself has none.
type Attempt = fn(&Plan, &FaultFs, &MemFs) -> Result<FaultTally, String>;

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
            plan.check(acknowledged, &database, "after the fault readers see something else")?;
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

/// One run on a disk that is full for a while: what it refuses is tried again.
fn persist(plan: &Plan, faulty: &FaultFs, disk: &MemFs) -> Result<FaultTally, String> {
    let mut tally = FaultTally { full: 1, ..FaultTally::default() };
    let database = open(Arc::new(faulty.clone()))?;
    let session = database.session();
    let mut until_it_fits = |what: &str, at: usize, attempt: &dyn Fn() -> gnitz::Result<()>| {
        while let Err(error) = attempt() {
            if error.sqlstate() != "53100" {
                return Err(format!("{what}\nfailed with {}: {error}", error.sqlstate()));
            }
            tally.refused += 1;
            plan.check(at, &database, "with a full disk readers see something else")?;
            plan.check_reopened(at, disk, "a full disk holds something else")?;
        }
        Ok(())
    };
    for (at, commit) in plan.commits.iter().enumerate() {
        until_it_fits(commit, at, &|| session.execute(commit).map(|_| ()))?;
        if at == COMMITS / 2 {
            until_it_fits("the checkpoint", at + 1, &|| database.checkpoint())?;
        }
    }
    plan.check(COMMITS, &database, "with space again readers see something else")?;
    plan.check_reopened(COMMITS, disk, "the disk holds something else")?;
    Ok(tally)
}

impl Plan {
    /// Fails if readers do not see exactly so many commits.
    fn check(&self, commits: usize, database: &Database, complaint: &str) -> Result<(), String> {
        let found = read(database, &self.names)?;
        match found == self.states[commits] {
            true => Ok(()),
            false => Err(format!("{complaint}:\n{}", differences(&self.states[commits], &found))),
        }
    }

    /// Fails if who opens the files as they are does not find exactly so many commits.
    fn check_reopened(&self, commits: usize, disk: &MemFs, complaint: &str) -> Result<(), String> {
        self.check(commits, &open(Arc::new(MemFs::from_image(&disk.image())))?, complaint)
    }
}
