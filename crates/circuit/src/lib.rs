//! Circuits: views as data, before anything runs.
//!
//! A view's query becomes a [`Circuit`], a graph of operators over Z-sets. All views of a database live in
//! one circuit, so that whatever two of them have in common is computed and stored once
//! ([`Circuit::absorb`]). [`passes`] make a view's part cheaper, [`lower`] turns the circuit into a
//! [`isa::Program`] for the virtual machine, [`verify`] checks both, and both can be printed and read back
//! ([`text`]). Nothing here runs, reads or writes.

pub mod aggregate;
pub mod graph;

pub use aggregate::{Aggregate, AggregateKind};
pub use graph::{Circuit, Node, NodeId, Op};
