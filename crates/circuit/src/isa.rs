//! The program: a circuit in the order and form in which the virtual machine runs it.
//!
//! One program serves the whole database. An instruction makes one register, once, from registers made before
//! it; a register holds the change of one node in this step. Whatever an instruction needs besides (the
//! traces it reads, the collection it writes) it names itself, so that a program can be read without its
//! circuit.

use expr::Expr;
use zset::{CollectionId, Datum, Schema};

use crate::aggregate::Aggregate;
use crate::cost::Cost;
use crate::graph::{NodeId, Op};

/// The version of the instruction set; a program of another version is not run.
pub const VERSION: u32 = 1;

/// Names a register of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(pub u32);

impl std::fmt::Display for Reg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// A program: run from the first instruction to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The instruction set it is written in.
    pub version: u32,
    /// The instructions; every register is made before it is read.
    pub instructions: Vec<Instruction>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The register it makes.
    pub out: Reg,
    /// The columns of that register, and the key of what is stored.
    pub schema: Schema,
    /// What it does.
    pub action: Action,
}

/// What an instruction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The step's change of a table, or of a view that another circuit keeps.
    LoadDelta {
        /// The collection that changed.
        collection: CollectionId,
    },
    /// Rows that come in the first step and never again.
    LoadConstant {
        /// The rows.
        rows: Vec<Vec<Datum>>,
    },
    /// The rows for which the predicate is true.
    Filter {
        /// What is filtered.
        input: Reg,
        /// A boolean over its columns.
        predicate: Expr,
    },
    /// Each row replaced by the expressions' values.
    Map {
        /// What is mapped.
        input: Reg,
        /// One expression a column.
        exprs: Vec<Expr>,
    },
    /// The sum of registers.
    Add {
        /// What is summed.
        inputs: Vec<Reg>,
    },
    /// Negated weights.
    Negate {
        /// What is negated.
        input: Reg,
    },
    /// The input sorted by the schema's key and added up; it is the change of the trace.
    Integrate {
        /// What is remembered.
        input: Reg,
        /// Where.
        trace: CollectionId,
    },
    /// The change of a join: each side's change against the other side's trace, and against its change.
    Join {
        /// The change of the left side, sorted by its key.
        left: Reg,
        /// The left side before the step.
        left_trace: CollectionId,
        /// The change of the right side, sorted by its key.
        right: Reg,
        /// The right side before the step.
        right_trace: CollectionId,
        /// How many leading key columns are equal.
        key: u32,
        /// A boolean over left and right columns.
        residual: Option<Expr>,
        /// One expression a column.
        exprs: Vec<Expr>,
    },
    /// The change of the set of rows that are there at all.
    Distinct {
        /// The change of the input, sorted by its key.
        input: Reg,
        /// The input before the step.
        trace: CollectionId,
    },
    /// The change of the groups' rows.
    Reduce {
        /// What is aggregated.
        input: Reg,
        /// How many leading columns make the group.
        key: u32,
        /// The aggregates.
        aggregates: Vec<Aggregate>,
        /// For each MIN and MAX: the change and the trace of its arrangement by (group, value).
        extremes: Vec<(Reg, CollectionId)>,
        /// Where the groups' sums are.
        state: CollectionId,
        /// Whether there always is exactly one row.
        global: bool,
    },
    /// The input sorted by the schema's key and added up; it is the change of a view.
    Store {
        /// What the view holds.
        input: Reg,
        /// The view.
        view: CollectionId,
    },
}

impl Action {
    /// The registers it reads.
    pub fn inputs(&self) -> Vec<Reg> {
        self.as_op().inputs().into_iter().map(|id| Reg(id.0)).collect()
    }

    /// The collections whose contents before the step it reads.
    pub fn traces(&self) -> Vec<CollectionId> {
        match self {
            Action::Join { left_trace, right_trace, .. } => vec![*left_trace, *right_trace],
            Action::Distinct { trace, .. } => vec![*trace],
            Action::Reduce { extremes, state, .. } => {
                std::iter::once(*state).chain(extremes.iter().map(|&(_, trace)| trace)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The collection whose change it makes.
    pub fn written(&self) -> Option<CollectionId> {
        self.as_op().collection()
    }

    /// What the work of a step follows.
    pub fn cost(&self) -> Cost {
        self.as_op().cost()
    }

    /// The instruction's name in the text form.
    pub fn name(&self) -> &'static str {
        match self {
            Action::LoadDelta { .. } => "load_delta",
            Action::LoadConstant { .. } => "load_constant",
            Action::Filter { .. } => "filter",
            Action::Map { .. } => "map",
            Action::Add { .. } => "add",
            Action::Negate { .. } => "negate",
            Action::Integrate { .. } => "integrate",
            Action::Join { .. } => "join",
            Action::Distinct { .. } => "distinct",
            Action::Reduce { .. } => "reduce",
            Action::Store { .. } => "store",
        }
    }

    /// The operator it carries out, with registers for nodes: what both have in common is said once, there.
    pub(crate) fn as_op(&self) -> Op {
        let node = |reg: &Reg| NodeId(reg.0);
        match self {
            Action::LoadDelta { collection } => Op::Source { collection: *collection },
            Action::LoadConstant { rows } => Op::Constant { rows: rows.clone() },
            Action::Filter { input, predicate } => {
                Op::Filter { input: node(input), predicate: predicate.clone() }
            }
            Action::Map { input, exprs } => Op::Map { input: node(input), exprs: exprs.clone() },
            Action::Add { inputs } => Op::Union { inputs: inputs.iter().map(node).collect() },
            Action::Negate { input } => Op::Negate { input: node(input) },
            Action::Integrate { input, trace } => Op::Arrange { input: node(input), trace: *trace },
            Action::Join { left, right, key, residual, exprs, .. } => Op::Join {
                left: node(left),
                right: node(right),
                key: *key,
                residual: residual.clone(),
                exprs: exprs.clone(),
            },
            Action::Distinct { input, .. } => Op::Distinct { input: node(input) },
            Action::Reduce { input, key, aggregates, extremes, state, global } => Op::Reduce {
                input: node(input),
                key: *key,
                aggregates: aggregates.clone(),
                extremes: extremes.iter().map(|(reg, _)| node(reg)).collect(),
                state: *state,
                global: *global,
            },
            Action::Store { input, view } => Op::Sink { input: node(input), view: *view },
        }
    }
}
