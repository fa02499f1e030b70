//! The tests' own machinery: a reference that shares nothing with the product, generators of random databases,
//! and the harnesses that set the two against each other.
//!
//! | module | asks |
//! |---|---|
//! | [`oracle`] | is every view its query, after every epoch? |
//! | [`mod@crash`] | does a power loss at any instant lose anything acknowledged? |
//! | [`fault`] | does a failing disk call make the database lie? |
//! | [`ledger`] | does a killed process come back with all it acknowledged? |
//! | [`ivm_random`] | are the answers those that other databases give? |
//! | [`script`] | does each statement answer what is written beside it? |
//!
//! `make test` runs all of them at a fixed size (`tests/main.rs`); `cargo xtask sim` and `cargo xtask crash` run
//! the first two for as long as one likes.

pub mod actual;
pub mod crash;
pub mod fault;
pub mod generate;
pub mod ivm_random;
pub mod ledger;
pub mod oracle;
pub mod parallel;
pub mod random;
pub mod reference;
pub mod script;
mod workload;

pub use crash::crash;
pub use oracle::simulate;
