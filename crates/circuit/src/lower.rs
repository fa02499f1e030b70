//! Circuit → program.
//!
//! Ids ascend from inputs to readers, so the circuit's order is an order to run in. Each node becomes one
//! instruction, with one exception: a source of a view that this same circuit keeps is the register of that
//! view's sink, whose change is known by then.

use std::collections::HashMap;

use crate::error::CircuitError;
use crate::graph::{Circuit, NodeId, Op};
use crate::isa::{Action, Instruction, Program, Reg, VERSION};

/// The program of a circuit: of the whole database, or of a slice of it. The circuit is verified first.
pub fn lower(circuit: &Circuit) -> Result<Program, CircuitError> {
    circuit.verify()?;
    let mut registers: HashMap<NodeId, Reg> = HashMap::new();
    let mut program = Program { version: VERSION, instructions: Vec::with_capacity(circuit.len()) };
    for (id, node) in circuit.nodes() {
        let kept_here = match node.op {
            Op::Source { collection } => circuit.sink_of(collection),
            _ => None,
        };
        if let Some(reg) = kept_here.and_then(|sink| registers.get(&sink)) {
            registers.insert(id, *reg);
            continue;
        }
        let out = Reg(program.instructions.len() as u32);
        let action = action(circuit, &node.op, &registers).ok_or_else(|| CircuitError::Malformed {
            place: id.to_string(),
            message: "an input has no trace".to_string(),
        })?;
        program.instructions.push(Instruction { out, schema: node.schema.clone(), action });
        registers.insert(id, out);
    }
    program.verify()?;
    Ok(program)
}

fn action(circuit: &Circuit, op: &Op, registers: &HashMap<NodeId, Reg>) -> Option<Action> {
    let reg = |id: &NodeId| registers.get(id).copied();
    Some(match op {
        Op::Source { collection } => Action::LoadDelta { collection: *collection },
        Op::Constant { rows } => Action::LoadConstant { rows: rows.clone() },
        Op::Filter { input, predicate } => {
            Action::Filter { input: reg(input)?, predicate: predicate.clone() }
        }
        Op::Map { input, exprs } => Action::Map { input: reg(input)?, exprs: exprs.clone() },
        Op::Union { inputs } => Action::Add { inputs: inputs.iter().map(reg).collect::<Option<_>>()? },
        Op::Negate { input } => Action::Negate { input: reg(input)? },
        Op::Arrange { input, trace } => Action::Integrate { input: reg(input)?, trace: *trace },
        Op::Join { left, right, key, residual, exprs } => Action::Join {
            left: reg(left)?,
            left_trace: circuit.trace_of(*left)?,
            right: reg(right)?,
            right_trace: circuit.trace_of(*right)?,
            key: *key,
            residual: residual.clone(),
            exprs: exprs.clone(),
        },
        Op::Distinct { input } => Action::Distinct { input: reg(input)?, trace: circuit.trace_of(*input)? },
        Op::Reduce { input, key, aggregates, extremes, state, global } => Action::Reduce {
            input: reg(input)?,
            key: *key,
            aggregates: aggregates.clone(),
            extremes: extremes
                .iter()
                .map(|id| Some((reg(id)?, circuit.trace_of(*id)?)))
                .collect::<Option<_>>()?,
            state: *state,
            global: *global,
        },
        Op::Sink { input, view } => Action::Store { input: reg(input)?, view: *view },
    })
}
