//! `kill -9` under load: what a process acknowledged before it died is there when it comes back.
//!
//! The parent makes a database on the real disk and starts a child that commits as fast as it can, writing
//! each commit's number to its standard output once the commit has returned. At a random moment the parent
//! kills it, opens the directory itself, and compares every table and view with the reference at the
//! commit that the database says it came to: none below the last number it read, at most one above. Then a
//! new child goes on from there.

use crate::generate::Generator;
use crate::random::Random;
use crate::reference::model::Model;
use crate::reference::sql;
use crate::workload;
use gnitz::Database;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// What a line of the child begins with; the commit's number follows.
const ACKNOWLEDGED: &str = "acknowledged ";

/// Small, so that the load checkpoints while it is shot at.
const CHECKPOINT_BYTES: u64 = 32 << 10;

/// Kills a loaded process `rounds` times. `child` starts a process that calls [`load`] on this directory.
/// The answer is how many commits were made in all.
pub fn kill_nine(dir: &Path, rounds: usize, seed: u64, child: &dyn Fn() -> Command) -> Result<i64, String> {
    let mut model = prepare(dir, seed)?;
    let mut reached = 0;
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let wanted = reached + random.between(1, 25);
        let acknowledged = shoot(&mut child(), wanted, &mut random)?.unwrap_or(reached);
        let found = verify(dir, &mut model, seed, reached)?;
        if found < acknowledged || found > acknowledged.max(reached) + 1 {
            return Err(format!(
                "round {round}: commit {acknowledged} was acknowledged, but the database came back at {found}"
            ));
        }
        reached = found;
    }
    Ok(reached)
}

/// Commits for ever, from wherever the database stands, and says so on `out`.
pub fn load(dir: &Path, seed: u64, mut out: impl Write) -> Result<(), String> {
    let database = open(dir)?;
    let session = database.session();
    let mut model = schema(seed).0;
    let mut number = recorded(&database)?;
    (1..=number).for_each(|number| model = commit(seed, &model, number).1);
    loop {
        number += 1;
        let (texts, after) = commit(seed, &model, number);
        workload::run(&session, &texts)?;
        model = after;
        writeln!(out, "{ACKNOWLEDGED}{number}")
            .and_then(|()| out.flush())
            .map_err(|error| error.to_string())?;
    }
}

/// The commit with this number: the same in the child and in the parent.
fn commit(seed: u64, model: &Model, number: i64) -> (Vec<String>, Model) {
    workload::commit(&mut Generator::harmless(seed ^ (number as u64) << 20, 1), model, number)
}

fn open(dir: &Path) -> Result<Database, String> {
    let database = Database::builder().checkpoint_bytes(CHECKPOINT_BYTES).open(dir);
    database.map_err(|error| format!("opening failed with {}: {error}", error.sqlstate()))
}

/// The tables and views, and the statements that make them.
fn schema(seed: u64) -> (Model, Vec<String>) {
    let mut generator = Generator::harmless(seed, 1);
    let mut model = Model::default();
    let mut texts = Vec::new();
    let mut relations = vec![workload::ledger()];
    relations.extend(generator.tables());
    for relation in relations {
        texts.push(sql::create(&relation, &model));
        model.create(relation).expect("an empty table cannot fail");
    }
    for number in 0..3 {
        let view = workload::view(&mut generator, number, &model);
        texts.push(sql::create(&view, &model));
        model.create(view).expect("a harmless view over empty tables cannot fail");
    }
    (model, texts)
}

fn prepare(dir: &Path, seed: u64) -> Result<Model, String> {
    let (model, texts) = schema(seed);
    let database = open(dir)?;
    let session = database.session();
    texts.iter().try_for_each(|text| workload::execute(&session, text))?;
    close(database)?;
    Ok(model)
}

fn close(database: Database) -> Result<(), String> {
    database.close().map_err(|error| format!("closing failed: {error}"))
}

/// Runs a child until it has acknowledged `wanted`, then kills it a moment later. The answer is the last number
/// it wrote.
fn shoot(command: &mut Command, wanted: i64, random: &mut Random) -> Result<Option<i64>, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("the child did not start: {error}"))?;
    let stdout = child.stdout.take().ok_or("the child has no standard output")?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let mut last = None;
    let take = |line: &str| line.split_once(ACKNOWLEDGED).and_then(|(_, number)| number.trim().parse().ok());
    for line in lines.by_ref() {
        last = take(&line).or(last);
        if last >= Some(wanted) {
            break;
        }
    }
    if last < Some(wanted) {
        return Err(format!("the child ended by itself: {}", complaint(child)));
    }
    thread::sleep(Duration::from_micros(random.below(3000) as u64));
    child.kill().map_err(|error| format!("the child could not be killed: {error}"))?;
    // What it had written before it died is still in the pipe, and counts.
    for line in lines {
        last = take(&line).or(last);
    }
    child.wait().map_err(|error| error.to_string())?;
    Ok(last)
}

fn complaint(child: Child) -> String {
    match child.wait_with_output() {
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// Opens what the child left and compares it with the reference, which catches up from commit `from`.
fn verify(dir: &Path, model: &mut Model, seed: u64, from: i64) -> Result<i64, String> {
    let database = open(dir)?;
    let number = recorded(&database)?;
    (from + 1..=number).for_each(|number| *model = commit(seed, model, number).1);
    let found = workload::read(&database, &workload::names(model))?;
    let expected = workload::contents(model);
    if found != expected {
        let differences = workload::differences(&expected, &found);
        return Err(format!("after the kill at commit {number}:\n{differences}"));
    }
    close(database)?;
    Ok(number)
}

/// The number of the last commit the database holds.
fn recorded(database: &Database) -> Result<i64, String> {
    let contents = workload::read(database, &["ledger".to_owned()])?;
    let bag = contents.get("ledger").ok_or("the ledger is gone")?;
    Ok(bag.keys().next().map_or(0, |row| row[1].as_int()))
}
