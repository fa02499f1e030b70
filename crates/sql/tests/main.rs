//! The crate's tests from outside: one binary, a module for each side of it.

mod planner_side;
mod statement_side;
