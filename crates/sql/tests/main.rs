//! The crate's tests from outside: one binary, a module for each side of it.

mod statement_side;
