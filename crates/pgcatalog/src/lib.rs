//! `pg_catalog` and `information_schema`: what PostgreSQL's clients ask a server about itself.
//!
//! The tables are data (`tables`): their columns are PostgreSQL's own, their rows are computed from [`Facts`], the
//! little trait by which the engine says what relations, roles and settings exist. Only the tables that a query
//! names are computed.
//!
//! Queries over them are answered here too (`query`), by a small interpreter of the syntax tree. Clients write them
//! for PostgreSQL: with correlated subqueries everywhere, LATERAL, arrays and their subscripts, set-returning functions
//! in the select list, casts to and from `regclass`. The tables are tiny and no view reads them, so what counts is to
//! understand the query and to answer within a millisecond, not speed a row.

pub mod facts;
pub mod settings;

mod context;
mod functions;
mod oid;
mod query;
mod regex;
mod tables;
mod text;
mod types;
mod value;
mod viewdef;
mod world;

pub use facts::{
    Activity, Asked, Column, Facts, PreparedStatement, Relation, RelationKind, Role, Schema, Sequence,
    Session, Setting, State,
};
pub use query::{Answer, Concern, OutputColumn, Parameter, Prepared, concern, fold};
pub use tables::has as has_table;
pub use types::{element_of as element_type, named as type_named, pg_type_of, storage_type};
pub use world::{quoted as quote_ident, relation_oid};

/// The number of the role that owns what is built in.
pub const BOOTSTRAP_ROLE: u32 = oid::BOOTSTRAP_ROLE;
