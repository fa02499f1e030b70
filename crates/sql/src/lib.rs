//! SQL for Gnitz: text becomes a logical plan (DataFusion's parser, planner and optimizer), and a
//! plan becomes either a circuit fragment (a materialized view) or an answer (an ad-hoc query).
//!
//! This is the only crate that touches DataFusion. It does not know where data lives: it sees a
//! [`Catalog`] (what tables there are) and a [`Scan`] (their sorted runs), together a [`Snapshot`].

pub mod catalog;
pub mod error;

pub use catalog::{Catalog, ColumnDef, Scan, Snapshot, TableDef, TableKind};
pub use datafusion::sql::sqlparser;
pub use error::{Position, SqlError, SqlState};
