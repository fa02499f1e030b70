//! What EXPLAIN prints of a view, and of a query that would be one: plan, circuit with costs, program.

use std::fmt::Write;

use circuit::{Circuit, lower};

use crate::error::SqlError;
use crate::planner::ViewPlan;

/// The text for a planned view.
pub fn explain_view(plan: &ViewPlan) -> Result<String, SqlError> {
    let mut text = String::new();
    section(&mut text, "logical plan", &plan.logical);
    text.push_str(&explain_circuit(&plan.circuit)?);
    Ok(text)
}

/// The text for a circuit: its operators, each with what its cost follows, and its program.
pub fn explain_circuit(circuit: &Circuit) -> Result<String, SqlError> {
    let program = lower(circuit).map_err(|error| SqlError::internal(error.to_string()))?;
    let mut text = String::new();
    section(&mut text, "circuit", &with_costs(circuit));
    section(&mut text, "program", &program.to_string());
    Ok(text)
}

/// The circuit's text form with each operator's cost class before its line.
fn with_costs(circuit: &Circuit) -> String {
    let printed = circuit.to_string();
    let mut lines = Vec::new();
    for line in printed.lines() {
        let id = line.trim_start().split([' ', '=', ':']).next().unwrap_or_default();
        let cost = circuit.nodes().find(|(node, _)| node.to_string() == id).map(|(_, node)| node.op.cost());
        lines.push(match cost {
            Some(cost) => format!("{:<8}{line}", cost.to_string()),
            None => format!("{:8}{line}", ""),
        });
    }
    lines.join("\n")
}

fn section(text: &mut String, title: &str, body: &str) {
    let _ = writeln!(text, "{title}:");
    for line in body.lines() {
        let _ = writeln!(text, "  {line}");
    }
}
