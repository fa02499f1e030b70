//! The text form of programs; see [`text`](crate::text) for what it shares with circuits'.
//!
//! ```text
//! program 1
//! r0 load_delta c1 : (BIGINT NOT NULL, TEXT) key [0]
//! r1 integrate r0 to c5 : (BIGINT NOT NULL, TEXT) key [1]
//! r2 join r1 c5 r0 c1 on 1 : …
//!   give <expression>
//! halt
//! ```
//!
//! Traces that an instruction reads stand behind the register with their change. The last line tells a whole
//! program from a torn one.

use std::fmt;
use std::str::FromStr;

use zset::CollectionId;

use crate::error::CircuitError;
use crate::isa::{Action, Instruction, Program, Reg};
use crate::text::{Entry, Lines, Words, syntax, write_payload};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {}", self.version)?;
        self.instructions.iter().try_for_each(|instruction| write!(f, "{instruction}"))?;
        writeln!(f, "halt")
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.out, self.action.name())?;
        match &self.action {
            Action::LoadDelta { collection } => write!(f, " {collection}")?,
            Action::Join { left, left_trace, right, right_trace, key, .. } => {
                write!(f, " {left} {left_trace} {right} {right_trace} on {key}")?;
            }
            Action::Distinct { input, trace } => write!(f, " {input} {trace}")?,
            Action::Reduce { input, key, extremes, global, .. } => {
                write!(f, " {input}")?;
                if *global {
                    write!(f, " global")?
                } else {
                    write!(f, " by {key}")?
                }
                extremes.iter().try_for_each(|(reg, trace)| write!(f, " with {reg} {trace}"))?;
            }
            action => action.inputs().iter().try_for_each(|input| write!(f, " {input}"))?,
        }
        if let Some(collection) = self.action.written() {
            write!(f, " to {collection}")?;
        }
        writeln!(f, " : {}", self.schema)?;
        write_payload(f, &self.action.as_op(), &self.schema)
    }
}

impl FromStr for Program {
    type Err = CircuitError;

    fn from_str(text: &str) -> Result<Program, CircuitError> {
        let mut lines = Lines::new(text);
        let version = lines.title("program")?.parse().map_err(|_| syntax(1, "a version"))?;
        let mut program = Program { version, instructions: Vec::new() };
        while !lines.skip("halt") {
            let entry = lines.entry()?.ok_or_else(|| syntax(text.lines().count(), "halt"))?;
            let out = Reg(entry.number(entry.out, 'r')?);
            let action = parse_action(&entry)?;
            program.instructions.push(Instruction { out, schema: entry.schema, action });
        }
        if !lines.is_done() {
            return Err(syntax(text.lines().count(), "nothing after halt"));
        }
        program.verify()?;
        Ok(program)
    }
}

fn parse_action(entry: &Entry<'_>) -> Result<Action, CircuitError> {
    let mut words = entry.words();
    let action = match entry.name {
        "load_delta" => Action::LoadDelta { collection: words.collection()? },
        "load_constant" => Action::LoadConstant { rows: entry.rows()? },
        "filter" => Action::Filter { input: register(&mut words)?, predicate: entry.predicate()? },
        "map" => Action::Map { input: register(&mut words)?, exprs: entry.exprs()? },
        "add" => {
            let mut inputs = Vec::new();
            while !words.is_done() {
                inputs.push(register(&mut words)?);
            }
            Action::Add { inputs }
        }
        "negate" => Action::Negate { input: register(&mut words)? },
        "integrate" => {
            Action::Integrate { input: register(&mut words)?, trace: words.after("to")?.collection()? }
        }
        "join" => {
            let (left, left_trace) = change_and_trace(&mut words)?;
            let (right, right_trace) = change_and_trace(&mut words)?;
            let key = words.after("on")?.count()?;
            let (residual, exprs) = (entry.residual()?, entry.exprs()?);
            Action::Join { left, left_trace, right, right_trace, key, residual, exprs }
        }
        "distinct" => {
            let (input, trace) = change_and_trace(&mut words)?;
            Action::Distinct { input, trace }
        }
        "reduce" => {
            let input = register(&mut words)?;
            let global = words.skip("global");
            let key = if global { 0 } else { words.after("by")?.count()? };
            let mut extremes = Vec::new();
            while words.skip("with") {
                extremes.push(change_and_trace(&mut words)?);
            }
            let state = words.after("to")?.collection()?;
            Action::Reduce { input, key, aggregates: entry.aggregates()?, extremes, state, global }
        }
        "store" => Action::Store { input: register(&mut words)?, view: words.after("to")?.collection()? },
        _ => return Err(entry.expected("the name of an instruction")),
    };
    entry.require(words.is_done(), "nothing more before the colon")?;
    Ok(action)
}

fn register(words: &mut Words<'_, '_>) -> Result<Reg, CircuitError> {
    words.name('r').map(Reg)
}

fn change_and_trace(words: &mut Words<'_, '_>) -> Result<(Reg, CollectionId), CircuitError> {
    Ok((register(words)?, words.collection()?))
}
