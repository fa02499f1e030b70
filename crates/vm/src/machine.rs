//! The machine: a program made ready to run, and the step that runs it.
//!
//! A step visits only instructions with something to do: a bit an instruction says whether one of its inputs
//! has changed, and making a register sets the bits of those who read it. Instructions read only what comes
//! before them, so one pass over the bits is enough, and the part of a program that a small change does not
//! reach costs nothing. A register is let go after its last reader.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use circuit::{Action, Program, ReduceState, Reg};
use expr::{ExprError, Functions, Scratch};
use zset::{Batch, CollectionId, Deltas, Layout, Schema, Secret};

use crate::context::{Context, Traces};
use crate::distinct::Distinct;
use crate::error::{Failure, VmError};
use crate::filter::Filter;
use crate::flow::Flow;
use crate::join::{Join, Parts};
use crate::load::{LoadConstant, LoadDelta};
use crate::map::Map;
use crate::negate::negate;
use crate::reduce::Reduce;
use crate::store::Store;
use crate::union::add;

/// A program made ready to run. It has no state of its own and may run several steps at once.
#[derive(Debug)]
pub struct Machine {
    instructions: Vec<Prepared>,
    /// The instructions that a collection's change sets off.
    loads: HashMap<CollectionId, Vec<usize>>,
    /// The instructions that the first step sets off.
    firsts: Vec<usize>,
    /// Memory of earlier steps.
    memory: Mutex<Vec<Memory>>,
}

#[derive(Debug)]
struct Prepared {
    operator: Operator,
    inputs: Vec<usize>,
    readers: Vec<usize>,
    /// The inputs that nobody reads after this instruction.
    last_read: Vec<usize>,
    views: Vec<CollectionId>,
}

#[derive(Debug)]
enum Operator {
    LoadDelta(LoadDelta),
    LoadConstant(LoadConstant),
    Filter(Filter),
    Map(Map),
    Add,
    Negate,
    Store(Store),
    Join(Join),
    Distinct(Distinct),
    Reduce(Reduce),
}

/// What a step needs and leaves empty.
#[derive(Debug)]
struct Memory {
    registers: Vec<Flow>,
    pending: Bits,
    scratch: Scratch,
}

impl Machine {
    /// Makes a program ready to run: verifies it, compiles its expressions and its layouts.
    pub fn prepare(program: &Program, functions: &dyn Functions, secret: Secret) -> Result<Machine, VmError> {
        program.verify().map_err(VmError::Program)?;
        let mut preparation = Preparation { program, functions, secret, layouts: HashMap::new() };
        let views = views_of(program);
        let mut instructions = Vec::with_capacity(program.instructions.len());
        for ((index, instruction), views) in program.instructions.iter().enumerate().zip(views) {
            let operator = preparation
                .operator(index)
                .map_err(|source| VmError::Expression { instruction: index, source })?;
            let inputs: Vec<usize> = instruction.action.inputs().iter().map(|reg| reg.0 as usize).collect();
            instructions.push(Prepared {
                operator,
                inputs,
                readers: Vec::new(),
                last_read: Vec::new(),
                views: views.into_iter().collect(),
            });
        }
        link(&mut instructions);
        let mut loads: HashMap<CollectionId, Vec<usize>> = HashMap::new();
        let mut firsts = Vec::new();
        for (index, instruction) in instructions.iter().enumerate() {
            match &instruction.operator {
                Operator::LoadDelta(load) => loads.entry(load.collection).or_default().push(index),
                Operator::LoadConstant(_) => firsts.push(index),
                Operator::Reduce(reduce) if reduce.global => firsts.push(index),
                _ => {}
            }
        }
        Ok(Machine { instructions, loads, firsts, memory: Mutex::new(Vec::new()) })
    }

    /// Runs the program for one epoch: from the changes of tables to those of every view and trace (the
    /// tables' own are not repeated). `first` is the first step of a circuit, in which constants and the rows
    /// of aggregates without GROUP BY come. Setting `cancel` ends the step soon, with [`VmError::Cancelled`].
    pub fn step(
        &self,
        inputs: &Deltas,
        traces: &dyn Traces,
        first: bool,
        cancel: &AtomicBool,
    ) -> Result<Deltas, VmError> {
        let pooled = self.memory.lock().ok().and_then(|mut pool| pool.pop());
        let mut memory = pooled.unwrap_or_else(|| Memory {
            registers: vec![Flow::default(); self.instructions.len()],
            pending: Bits::new(self.instructions.len()),
            scratch: Scratch::default(),
        });
        let scratch = std::mem::take(&mut memory.scratch);
        let mut context = Context::new(traces, first, scratch, cancel);
        self.run(inputs, &mut memory, &mut context)?;
        debug_assert!(memory.registers.iter().all(Flow::is_empty), "every register was read and emptied");
        memory.scratch = context.scratch;
        if let Ok(mut pool) = self.memory.lock() {
            pool.push(memory);
        }
        Ok(context.deltas)
    }

    /// Runs what there is to run, and leaves registers and pending bits empty, unless it fails.
    fn run(&self, inputs: &Deltas, memory: &mut Memory, context: &mut Context<'_>) -> Result<(), VmError> {
        let Memory { registers, pending, .. } = memory;
        let firsts = if context.first { self.firsts.as_slice() } else { &[] };
        let loads =
            inputs.iter().filter(|(_, batch)| !batch.is_empty()).filter_map(|(id, _)| self.loads.get(id));
        loads.flatten().chain(firsts).for_each(|&index| pending.insert(index));
        while let Some(index) = pending.take_first() {
            let instruction = &self.instructions[index];
            let flow = instruction
                .operator
                .step(registers, &instruction.inputs, inputs, context)
                .map_err(|failure| self.locate(index, failure))?;
            if !flow.is_empty() && !instruction.readers.is_empty() {
                registers[index] = flow;
                instruction.readers.iter().for_each(|&reader| pending.insert(reader));
            }
            instruction.last_read.iter().for_each(|&input| registers[input] = Flow::default());
        }
        Ok(())
    }

    fn locate(&self, instruction: usize, failure: Failure) -> VmError {
        let views = self.instructions[instruction].views.clone();
        match failure {
            Failure::Eval { key, source } => VmError::Eval { instruction, views, key, source },
            Failure::Zset(source) => VmError::Zset { instruction, views, source },
            Failure::Cancelled => VmError::Cancelled,
        }
    }
}

impl Operator {
    /// Carries one instruction out.
    fn step(
        &self,
        registers: &[Flow],
        inputs: &[usize],
        changes: &Deltas,
        context: &mut Context<'_>,
    ) -> Result<Flow, Failure> {
        let input = |index: usize| &registers[inputs[index]];
        match self {
            Operator::LoadDelta(load) => Ok(load.step(changes)),
            Operator::LoadConstant(load) => Ok(load.step(context.first)),
            Operator::Filter(filter) => filter.step(input(0), context),
            Operator::Map(map) => map.step(input(0), context),
            Operator::Add => Ok(add(inputs.iter().map(|&index| &registers[index]))),
            Operator::Negate => negate(input(0)),
            Operator::Store(store) => store.step(input(0), context),
            Operator::Join(join) => join.step(input(0), input(1), context),
            Operator::Distinct(distinct) => distinct.step(input(0), context),
            Operator::Reduce(reduce) => {
                let arrangements: Vec<Option<&Batch>> =
                    inputs[1..].iter().map(|&index| registers[index].as_batch()).collect();
                reduce.step(input(0), &arrangements, context)
            }
        }
    }
}

/// What preparing an instruction needs.
struct Preparation<'p> {
    program: &'p Program,
    functions: &'p dyn Functions,
    secret: Secret,
    /// One layout a schema, so that equal forms are recognised by address.
    layouts: HashMap<Schema, Arc<Layout>>,
}

impl Preparation<'_> {
    fn operator(&mut self, index: usize) -> Result<Operator, ExprError> {
        let program = self.program;
        let instruction = &program.instructions[index];
        let made = |reg: &Reg| &program.instructions[reg.0 as usize];
        Ok(match &instruction.action {
            Action::LoadDelta { collection } => Operator::LoadDelta(LoadDelta {
                collection: *collection,
                layout: self.layout(&instruction.schema),
            }),
            Action::LoadConstant { rows } => {
                Operator::LoadConstant(LoadConstant::prepare(rows, &instruction.schema))
            }
            Action::Filter { predicate, .. } => {
                Operator::Filter(Filter::prepare(predicate, instruction, self.functions)?)
            }
            Action::Map { input, exprs } => Operator::Map(Map::prepare(exprs, made(input), self.functions)?),
            Action::Add { .. } => Operator::Add,
            Action::Negate { .. } => Operator::Negate,
            Action::Integrate { trace: collection, .. } | Action::Store { view: collection, .. } => {
                Operator::Store(Store { collection: *collection, layout: self.layout(&instruction.schema) })
            }
            Action::Join { left, left_trace, right, right_trace, key, residual, exprs } => {
                let parts = Parts {
                    left: (made(left), self.layout(&made(left).schema), *left_trace),
                    right: (made(right), self.layout(&made(right).schema), *right_trace),
                    key: *key,
                    residual: residual.as_ref(),
                    exprs,
                };
                Operator::Join(Join::prepare(parts, self.functions)?)
            }
            Action::Distinct { input, trace } => {
                Operator::Distinct(Distinct { trace: *trace, layout: self.layout(&made(input).schema) })
            }
            Action::Reduce { input, key, aggregates, extremes, state, global } => {
                let columns = &made(input).schema.columns;
                let stored = ReduceState::plan(columns, aggregates).schema(&columns[..*key as usize]);
                let arrangements =
                    extremes.iter().map(|(reg, trace)| (*trace, self.layout(&made(reg).schema))).collect();
                let state = (*state, self.layout(&stored));
                Operator::Reduce(Reduce::prepare(made(input), *key, aggregates, arrangements, state, *global))
            }
        })
    }

    fn layout(&mut self, schema: &Schema) -> Arc<Layout> {
        if let Some(layout) = self.layouts.get(schema) {
            return Arc::clone(layout);
        }
        let layout = Arc::new(Layout::new(schema, self.secret));
        self.layouts.insert(schema.clone(), Arc::clone(&layout));
        layout
    }
}

/// Fills in who reads each register, and who does last.
fn link(instructions: &mut [Prepared]) {
    let mut last_reader = vec![None; instructions.len()];
    for index in 0..instructions.len() {
        for input in instructions[index].inputs.clone() {
            instructions[input].readers.push(index);
            last_reader[input] = Some(index);
        }
    }
    for (input, reader) in last_reader.into_iter().enumerate() {
        if let Some(reader) = reader {
            instructions[reader].last_read.push(input);
        }
    }
}

/// The views that depend on each instruction.
fn views_of(program: &Program) -> Vec<BTreeSet<CollectionId>> {
    let mut views = vec![BTreeSet::new(); program.instructions.len()];
    for (index, instruction) in program.instructions.iter().enumerate().rev() {
        if let Action::Store { view, .. } = instruction.action {
            views[index].insert(view);
        }
        let own: BTreeSet<CollectionId> = views[index].clone();
        for input in instruction.action.inputs() {
            views[input.0 as usize].extend(&own);
        }
    }
    views
}

/// A set of instructions from which the first is taken.
#[derive(Debug)]
struct Bits {
    words: Vec<u64>,
    /// All words before this one are zero.
    from: usize,
}

impl Bits {
    fn new(size: usize) -> Bits {
        Bits { words: vec![0; size.div_ceil(64)], from: size.div_ceil(64) }
    }

    fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
        self.from = self.from.min(index / 64);
    }

    /// Takes the least element out.
    fn take_first(&mut self) -> Option<usize> {
        while let Some(word) = self.words.get_mut(self.from) {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                return Some(self.from * 64 + bit as usize);
            }
            self.from += 1;
        }
        None
    }
}
