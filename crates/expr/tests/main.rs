//! What expressions answer: against a file of cases, against a naive evaluator on random trees, and with
//! functions from outside.

mod cases;
mod functions;
mod oracle;
