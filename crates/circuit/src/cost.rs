//! What an operator's work in one step follows: the change, the groups it touches, or everything.

use std::fmt;

use crate::graph::{Circuit, NodeId, Op};

/// What the work of a step is proportional to, logarithms aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cost {
    /// The rows of the change, and the rows it puts out.
    Change,
    /// The rows of the groups that the change touches.
    Group,
    /// The rows of a whole input.
    Whole,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cost::Change => "change",
            Cost::Group => "group",
            Cost::Whole => "whole",
        })
    }
}

impl Op {
    /// The operator's cost class.
    ///
    /// Linear operators and DISTINCT follow the change: each changed row is looked at once, or looked up
    /// once. So does a join by key, since every pair that it visits is put out or dropped by its residual;
    /// without a key it visits the whole other side. MIN and MAX read one value of an ordered trace.
    pub fn cost(&self) -> Cost {
        match self {
            Op::Join { key: 0, .. } => Cost::Whole,
            Op::Source { .. }
            | Op::Constant { .. }
            | Op::Filter { .. }
            | Op::Map { .. }
            | Op::Union { .. }
            | Op::Negate { .. }
            | Op::Arrange { .. }
            | Op::Join { .. }
            | Op::Distinct { .. }
            | Op::Reduce { .. }
            | Op::Sink { .. } => Cost::Change,
        }
    }
}

impl Circuit {
    /// The most expensive class among the operators that these nodes need: what a view costs as a whole.
    pub fn cost_of(&self, roots: impl IntoIterator<Item = NodeId>) -> Cost {
        let costs = self.needed(roots).into_iter().map(|id| self.node(id).op.cost());
        costs.max().unwrap_or(Cost::Change)
    }
}
