//! The virtual machine: runs a circuit's program for one epoch.
//!
//! [`Machine::prepare`] compiles a [`circuit::Program`] once; [`Machine::step`] is then a pure function from
//! the changes of tables and the traces as they were to the changes of all views and traces. It stores
//! nothing and changes nothing: who commits applies the changes it returns, or throws them away.
//!
//! Between operators rows are columns (`flow`), neither sorted nor added up; they are encoded, sorted and
//! consolidated only where they are remembered (`store`). One operator, one file. `docs/zset.md` has each
//! one's rule.

mod accumulate;
mod consolidate;
mod context;
mod distinct;
mod error;
mod extremes;
mod filter;
mod flow;
mod group;
mod join;
mod load;
mod machine;
mod map;
mod negate;
mod project;
mod reduce;
mod store;
mod union;

pub use context::Traces;
pub use error::VmError;
pub use machine::Machine;
