//! Gnitz, embedded: a SQL database whose materialized views are never stale.
//!
//! ```
//! # fn main() -> gnitz::Result<()> {
//! let database = gnitz::Database::in_memory()?;
//! let session = database.session();
//! session.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)")?;
//! session.execute("CREATE MATERIALIZED VIEW v AS SELECT SUM(n) AS total FROM t")?;
//! session.execute("INSERT INTO t VALUES (1, 20), (2, 22)")?;
//! println!("{}", session.query("SELECT total FROM v")?);
//! # Ok(())
//! # }
//! ```
//!
//! [`Database`] is the way in; a [`Session`] runs statements; [`Database::subscribe`] follows a view commit by
//! commit; [`Session::appender`] loads in bulk. Everything that fails is an [`Error`] with PostgreSQL's SQLSTATE.
//!
//! Inside, a commit makes the next version of the database from the last and publishes it once
//! it is durable (`engine`); a snapshot is one of them, perhaps with a transaction's own changes (`snapshot`,
//! `transaction`); the catalog is a value that changes with the manifest (`catalog`, `maintenance`).

mod alike;
mod alter;
mod appender;
mod apply;
mod bounds;
mod brief;
mod browse;
mod catalog;
mod catalog_text;
mod check;
mod clock;
mod commit;
mod copy;
mod counter;
mod create_as;
pub mod csv;
mod database;
mod definition;
mod describe;
mod engine;
mod error;
mod execute;
mod facts;
mod follow;
mod handle;
mod live;
mod maintenance;
mod mode;
mod namespace;
mod notice;
mod outcome;
mod pace;
mod peers;
mod plain_view;
mod plan;
mod queue;
mod redefine;
mod relation;
mod remembered;
mod rewind;
mod rights;
mod role;
mod rows;
mod schema;
mod scram;
mod search_path;
mod sequence;
mod serial;
mod session;
mod settled;
mod snapshot;
mod subscribe;
mod sync;
mod system;
mod transaction;
mod truncate;
mod upkeep;
mod version;
mod view;
pub mod wire;
mod written;

pub use appender::Appender;
pub use commit::Commit;
pub use copy::text_line;
pub use database::{Builder, Database, Stats};
pub use error::{Error, Result};
pub use follow::Feed;
pub use mode::Status;
pub use notice::{Notice, Severity};
pub use outcome::{
    Column, CopyLayout, Description, Origin, Outcome, PG_TYPE, QueryResult, StatementKind, Value,
};
pub use peers::{Peers, SettingChange};
pub use pgcatalog::settings;
pub use pgcatalog::{
    Activity, Asked, PreparedStatement, Session as SessionFacts, Setting, State, element_type, quote_ident,
    type_named,
};
pub use scram::Verifier;
pub use session::{CancelHandle, Session, Statement, Transaction};
pub use sql::array_text::{format as array_text, parse as array_elements};
pub use sql::{Position, Split, SqlError, SqlState, names, split};
pub use storage::{Fs, Sync};
pub use subscribe::{Delta, Start, Subscription};
pub use zset::{Datum, Interval, Type};
