//! TPC-H: its eight tables, the views that the demo and the benchmark keep fresh, generated data, and the stream of
//! changes (the benchmark's refresh functions and price updates). Shared by `gnitz demo` and `gnitz bench tpch`.

mod bulk;
mod data;
mod refresh;
mod schema;

pub use bulk::{Batch, BulkWriter};
pub use data::{TABLES, load};
pub use refresh::{Change, Refresh, Writer};
pub use schema::{VIEWS, View, create_tables};
