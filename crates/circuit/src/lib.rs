//! Circuits: views as data, before anything runs.
//!
//! A view's query becomes a [`Circuit`], a graph of operators over Z-sets. All views of a database live in
//! one circuit, so that whatever two of them have in common is computed and stored once
//! ([`Circuit::absorb`]). [`passes`] make a view's part cheaper, [`lower()`] turns the circuit into a
//! [`Program`] for the virtual machine, [`Circuit::verify`] and [`Program::verify`] check both, and both can
//! be printed and read back ([`text`]). Nothing here runs, reads or writes.

pub mod aggregate;
pub mod cost;
pub mod error;
pub mod graph;
pub mod isa;
pub mod lower;
pub mod passes;
pub mod text;

mod absorb;
mod program_text;
mod slice;
mod verify;

pub use absorb::Absorbed;
pub use aggregate::{Aggregate, AggregateKind, ReduceState, Slot};
pub use cost::Cost;
pub use error::CircuitError;
pub use graph::{Circuit, Node, NodeId, Op};
pub use isa::{Action, Instruction, Program, Reg};
pub use lower::lower;
pub use passes::optimize;
