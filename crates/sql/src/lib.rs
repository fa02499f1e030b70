//! SQL for Gnitz: text becomes a logical plan (DataFusion's parser, planner and optimizer), and a
//! plan becomes either a circuit fragment (a materialized view) or an answer (an ad-hoc query).
//!
//! This is the only crate that touches DataFusion. It does not know where data lives: it sees a
//! [`Catalog`] (what tables there are) and a [`Scan`] (their sorted runs), together a [`Snapshot`].

mod access;
mod adhoc;
pub mod array_text;
pub mod arrays;
mod assign;
pub mod catalog;
mod checked;
mod constructs;
pub mod ddl;
pub mod depth;
mod dialect;
pub mod dml;
pub mod error;
mod evaluate;
mod expansion;
pub mod explain;
mod expr;
mod extremes;
mod floats;
mod functions;
mod fuse;
mod grammar;
mod hints;
pub mod input;
mod limits;
pub mod literal;
mod moment;
pub mod names;
pub mod number;
mod optional;
mod origin;
mod output;
pub mod parameterize;
mod params;
mod planner;
pub mod point;
pub mod rename;
mod repair;
mod rules;
mod scalar;
mod scan;
pub mod sequence;
mod series;
mod session;
mod settle;
pub mod split;
mod sqltype;
pub mod statement;
mod sums;
mod table;
mod trace;
pub mod types;
mod view;
mod watch;
mod zone;

pub use adhoc::Rows;
pub use arrays::ArrayParameters;
pub use catalog::{Catalog, ColumnDef, Identity, Scan, Snapshot, TableDef, TableKind};
pub use datafusion::sql::sqlparser;
pub use ddl::{TableDraft, create_table};
pub use dml::{Changes, Env, Loader, PreparedDml};
pub use error::{Position, SqlError, SqlState};
pub use explain::{explain_circuit, explain_view};
pub use functions::Library;
pub use origin::Origin;
pub use planner::{Parameter, Planner, Prepared, QUERY_MEMORY, ViewPlan};
pub use point::PointQuery;
pub use sequence::{Course, Sequences};
pub use split::{Split, split};
pub use statement::{Parsed, Statement, parse, parse_one};
