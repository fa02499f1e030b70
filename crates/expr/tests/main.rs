//! What expressions answer: against a file of cases, and against a naive evaluator on random trees.

mod cases;
mod oracle;
