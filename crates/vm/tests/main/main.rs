//! The machine against definitions: whole circuits, over random changes in many epochs, compared after each
//! with an evaluator that recomputes everything from the tables and shares no operator code with it.

mod cases;
mod generate;
mod oracle;
mod random;
mod sums;
mod world;
