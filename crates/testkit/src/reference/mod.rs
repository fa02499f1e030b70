//! The reference evaluator: what a query means, computed the slow and obvious way.
//!
//! It exists to disagree with the product, so it shares no code with it: values, arithmetic,
//! three-valued logic, joins and aggregates are written here once more, a row at a time, over
//! plain bags. The semantics are PostgreSQL's. Queries are built as data and print themselves as
//! SQL, so the same object is what the database is asked and what the answer is judged by.

pub mod model;
pub mod query;
pub mod scalar;
pub mod sql;
pub mod value;

pub use model::{Conflict, Model, Statement, TableSpec, ViewSpec};
pub use query::{Aggregate, AggregateFunction, Bag, Join, Query, Row, Select, Shape, Source};
pub use scalar::{ArithmeticOp, CompareOp, Function, Part, Scalar, Test};
pub use value::{Decimal, Failure, Real, Type, Value};
