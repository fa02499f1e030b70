//! The crash test: whatever instant the power fails at, nothing acknowledged is lost and nothing is half done.
//!
//! A random workload (commits to a few tables under views with joins and aggregates, checkpoints and the
//! merges they cause, views and tables made and dropped, alone and in transactions with changes of rows) runs on a directory that records every call. The
//! recording is then cut at every boundary, in several ways each, and every image is opened as a database. It
//! must hold exactly one of the states the workload went through, no older than the last one acknowledged
//! before the cut, with every view as the reference computed it for that state; and a subscriber who has an earlier
//! state gets what leads from there to here, or is told that it is not known. What recovery itself writes is recorded
//! and cut in turn.
//!
//! States are computed once, while the workload runs, by the reference evaluator: an image costs an
//! open and a comparison, no planning.

use crate::actual;
use crate::generate::Generator;
use crate::parallel;
use crate::random::Random;
use crate::reference::model::{Model, Relation};
use crate::reference::query::Bag;
use crate::reference::sql;
use crate::workload::{self, Contents};
use gnitz::{Database, Session, Start};
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use storage::{Fs, Image, MemFs, Recording, RecordingFs, Survival};

/// Small enough that a workload of a few dozen commits checkpoints by itself, more than once.
pub(crate) const CHECKPOINT_BYTES: u64 = 6 << 10;

/// How many random images are made at each boundary, beside the two extreme ones.
const RANDOM_IMAGES: u64 = 3;

/// In one image of this many subscriptions are resumed.
const RESUMED_SHARE: u64 = 8;

/// One image in this many has its recovery recorded and cut.
const RECOVERY_SHARE: u64 = 64;

/// What a run went through.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct CrashTally {
    /// Workloads.
    pub workloads: u64,
    /// Images that were opened and found right.
    pub images: u64,
    /// Those among them that come from a crash inside recovery.
    pub in_recovery: u64,
    /// States acknowledged.
    pub commits: u64,
    /// Subscriptions that went on where they had stopped before the crash.
    pub resumed: u64,
}

impl AddAssign for CrashTally {
    fn add_assign(&mut self, other: CrashTally) {
        self.workloads += other.workloads;
        self.images += other.images;
        self.in_recovery += other.in_recovery;
        self.commits += other.commits;
        self.resumed += other.resumed;
    }
}

impl fmt::Display for CrashTally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CrashTally { workloads, images, in_recovery, commits, resumed } = self;
        write!(
            f,
            "{images} crash images ({in_recovery} of them inside recovery) of {workloads} workloads with {commits} commits, {resumed} subscriptions resumed"
        )
    }
}

/// Opens at least `images` images, of as many workloads as that takes, on every core.
pub fn crash(images: u64, seed: u64) -> Result<CrashTally, String> {
    let done = AtomicU64::new(0);
    let worker = |first: u64| -> Result<CrashTally, String> {
        let mut total = CrashTally::default();
        let mut number = first;
        while done.load(Ordering::Relaxed) < images {
            let tally = run(seed.wrapping_add(number))?;
            done.fetch_add(tally.images, Ordering::Relaxed);
            total += tally;
            number += parallel::workers() as u64;
        }
        Ok(total)
    };
    let tallies = parallel::run(parallel::workers() as u64, worker)?;
    let mut total = CrashTally::default();
    tallies.into_iter().for_each(|tally| total += tally);
    Ok(total)
}

/// Runs the workload of one seed and opens all of its images.
pub fn run(seed: u64) -> Result<CrashTally, String> {
    let disk = RecordingFs::new();
    let mut script = Vec::new();
    let explain = |message: String, script: &[String]| {
        format!(
            "crash workload {seed}: {message}\nThe statements:\n\n{};\n\nReplay: cargo xtask crash --seed {seed}",
            script.join(";\n")
        )
    };
    let history = record(seed, &disk, &mut script).map_err(|message| explain(message, &script))?;
    let mut tally =
        CrashTally { workloads: 1, commits: history.states.len() as u64, ..CrashTally::default() };
    replay(&disk.recording(), &history, seed, &mut tally).map_err(|message| explain(message, &script))?;
    Ok(tally)
}

/// One state of a workload's history.
struct State {
    /// How many calls the directory had seen when the statement that leads here began.
    begun: usize,
    /// How many it had seen when the statement was acknowledged.
    acknowledged: usize,
    epoch: u64,
    contents: Contents,
}

/// The states in order; the first is the empty database.
struct History {
    states: Vec<State>,
    /// Every name that ever was a relation's.
    names: Vec<String>,
}

/// Runs a workload on the recording directory, a reference model beside it.
fn record(seed: u64, disk: &RecordingFs, script: &mut Vec<String>) -> Result<History, String> {
    let mut generator = Generator::harmless(seed, 1);
    let database = open(Arc::new(disk.clone()))?;
    let session = database.session();
    let mut runner = Runner {
        disk,
        database: database.clone(),
        session,
        model: Model::default(),
        script,
        history: History { states: Vec::new(), names: Vec::new() },
    };
    runner.acknowledge(0);
    runner.create(workload::ledger())?;
    for table in generator.tables() {
        runner.create(table)?;
    }
    for number in 0..2 {
        let view = workload::view(&mut generator, number, &runner.model);
        runner.create(view)?;
    }
    for number in 1..=24 {
        runner.commit(&mut generator, number)?;
        match generator.random().below(20) {
            0 => {
                let begun = disk.position();
                runner.script.push("-- checkpoint".to_owned());
                database.checkpoint().map_err(|error| format!("a checkpoint failed: {error}"))?;
                runner.acknowledge(begun);
            }
            1 if number < 12 => {
                let view = workload::view(&mut generator, 10 + number as usize, &runner.model);
                runner.create(view)?;
            }
            2 => runner.drop_last_view()?,
            3 | 4 if number < 16 => runner.commit_with_view(&mut generator, 100 + number)?,
            _ => {}
        }
    }
    Ok(runner.history)
}

struct Runner<'a> {
    disk: &'a RecordingFs,
    database: Database,
    session: Session,
    model: Model,
    script: &'a mut Vec<String>,
    history: History,
}

impl Runner<'_> {
    fn execute(&mut self, text: String) -> Result<(), String> {
        self.script.push(text.clone());
        workload::execute(&self.session, &text)
    }

    /// The model's state is now acknowledged.
    fn acknowledge(&mut self, begun: usize) {
        let contents = workload::contents(&self.model);
        let epoch = self.database.epoch().unwrap_or_default();
        self.history.states.push(State { begun, acknowledged: self.disk.position(), epoch, contents });
    }

    fn create(&mut self, relation: Relation) -> Result<(), String> {
        let begun = self.disk.position();
        self.execute(sql::create(&relation, &self.model))?;
        self.history.names.push(relation.name().to_owned());
        self.model.create(relation).map_err(|failure| format!("the reference failed: {}", failure.what))?;
        self.acknowledge(begun);
        Ok(())
    }

    fn drop_last_view(&mut self) -> Result<(), String> {
        let Some(Relation::View(view)) = self.model.relations.last().map(|relation| &**relation) else {
            return Ok(());
        };
        let begun = self.disk.position();
        self.execute(format!("DROP MATERIALIZED VIEW {}", view.name))?;
        self.model.relations.pop();
        self.model.contents.pop();
        self.acknowledge(begun);
        Ok(())
    }

    /// A commit that makes a view, too, between changes of rows.
    fn commit_with_view(&mut self, generator: &mut Generator, number: i64) -> Result<(), String> {
        let (mut texts, mut model) = workload::commit(generator, &self.model, number);
        let view = workload::view(generator, number as usize, &model);
        texts.insert(texts.len() / 2, sql::create(&view, &model));
        self.history.names.push(view.name().to_owned());
        model.create(view).map_err(|failure| format!("the reference failed: {}", failure.what))?;
        let begun = self.disk.position();
        self.script.push(format!("BEGIN;\n{};\nCOMMIT", texts.join(";\n")));
        workload::run(&self.session, &texts)?;
        self.model = model;
        self.acknowledge(begun);
        Ok(())
    }

    /// One commit with its number.
    fn commit(&mut self, generator: &mut Generator, number: i64) -> Result<(), String> {
        let (texts, model) = workload::commit(generator, &self.model, number);
        let begun = self.disk.position();
        self.script.push(format!("BEGIN;\n{};\nCOMMIT", texts.join(";\n")));
        workload::run(&self.session, &texts)?;
        self.model = model;
        self.acknowledge(begun);
        Ok(())
    }
}

/// Opens a database that does its maintenance in the thread that commits, so that a seed fixes every call.
pub(crate) fn open(disk: Arc<dyn Fs>) -> Result<Database, String> {
    let builder = Database::builder().checkpoint_bytes(CHECKPOINT_BYTES).history_bytes(3 * CHECKPOINT_BYTES);
    let builder = builder.inline_maintenance().secret([7; 16]);
    builder.open_fs(disk).map_err(|error| format!("opening failed with {}: {error}", error.sqlstate()))
}

/// Cuts the recording everywhere.
fn replay(recording: &Recording, history: &History, seed: u64, tally: &mut CrashTally) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut replay = recording.replay();
    loop {
        let boundary = replay.boundary();
        let allowed = allowed(history, boundary);
        let mut images = vec![(Survival::All, 0), (Survival::None, 0)];
        images.extend((0..RANDOM_IMAGES).map(|_| (Survival::Random, random.bits())));
        for (survival, image_seed) in images {
            let image = replay.image(survival, image_seed);
            let place = format!("boundary {boundary}, {survival:?}, image seed {image_seed}");
            let nested = random.bits().is_multiple_of(RECOVERY_SHARE);
            let outcome = if nested {
                recover_and_cut(&image, history, allowed, &mut random, tally)
            } else {
                tally.images += 1;
                verify(Arc::new(MemFs::from_image(&image)), history, allowed).and_then(|(database, state)| {
                    if tally.images.is_multiple_of(RESUMED_SHARE) {
                        tally.resumed += resume(&database, history, state)?;
                    }
                    Ok(())
                })
            };
            outcome.map_err(|message| format!("{place}: {message}"))?;
        }
        if !replay.advance() {
            return Ok(());
        }
    }
}

/// The states an image at this boundary may hold: the last one acknowledged before it, to the last one begun.
fn allowed(history: &History, boundary: usize) -> (usize, usize) {
    let last = |holds: &dyn Fn(&State) -> bool| history.states.iter().rposition(holds).unwrap_or(0);
    (last(&|state| state.acknowledged <= boundary), last(&|state| state.begun <= boundary))
}

/// Goes on from an earlier state, relation by relation; says how many could.
fn resume(database: &Database, history: &History, at: usize) -> Result<u64, String> {
    let (now, then) = (&history.states[at], &history.states[at - at.min(2 + at % 7)]);
    let mut resumed = 0;
    for (name, contents) in &now.contents {
        let Some(known) = then.contents.get(name) else { continue };
        let mut feed = match database.subscribe_from(name, Start::After(then.epoch)) {
            Ok(feed) => feed,
            Err(error) if error.sqlstate() == "55000" => continue,
            Err(error) => return Err(format!("resuming {name} failed with {}: {error}", error.sqlstate())),
        };
        let mut bag = Bag::clone(known);
        while let Some(delta) = feed.try_next().map_err(|error| error.to_string())? {
            actual::add_delta(&mut bag, &delta.rows, &delta.weights);
        }
        if let Some(difference) = actual::difference(contents, &bag) {
            return Err(format!("{name} resumed after epoch {} is wrong:\n{difference}", then.epoch));
        }
        resumed += 1;
    }
    Ok(resumed)
}

/// Opens an image and finds its state.
fn verify(
    disk: Arc<dyn Fs>,
    history: &History,
    allowed: (usize, usize),
) -> Result<(Database, usize), String> {
    let database = open(disk)?;
    let found = workload::read(&database, &history.names)?;
    let candidates = allowed.0..=allowed.1;
    let state = candidates.rev().find(|at| history.states[*at].contents == found);
    let state = state.ok_or_else(|| {
        let nearest = &history.states[allowed.1].contents;
        format!(
            "the state is none of {} to {}:\n{}",
            allowed.0,
            allowed.1,
            workload::differences(nearest, &found)
        )
    })?;
    Ok((database, state))
}

/// Opens an image while recording what recovery writes, then cuts that too: a database that crashes while
/// it recovers must come back to the very same state.
fn recover_and_cut(
    image: &Image,
    history: &History,
    allowed: (usize, usize),
    random: &mut Random,
    tally: &mut CrashTally,
) -> Result<(), String> {
    let disk = RecordingFs::from_image(image);
    let (_, state) = verify(Arc::new(disk.clone()), history, allowed)?;
    tally.images += 1;
    let recording = disk.recording();
    let mut replay = recording.replay();
    loop {
        for survival in [Survival::All, Survival::None, Survival::Random] {
            let image = replay.image(survival, random.bits());
            let place = format!("crash in recovery at boundary {}, {survival:?}", replay.boundary());
            verify(Arc::new(MemFs::from_image(&image)), history, (state, state))
                .map_err(|message| format!("{place}: {message}"))?;
            tally.images += 1;
            tally.in_recovery += 1;
        }
        if !replay.advance() {
            return Ok(());
        }
    }
}
