//! Union: the sum of its inputs (UNION ALL).
//!
//! Linear: the change of the sum is the sum of the changes; no state. Pieces are passed on as they are.

use crate::flow::Flow;

pub(crate) fn add<'a>(inputs: impl Iterator<Item = &'a Flow>) -> Flow {
    Flow { pieces: inputs.flat_map(|input| input.pieces.iter().cloned()).collect() }
}
