//! Schemas: what relations are in. There is always `public`, which belongs to the database's first role.
//!
//! A relation's full name says its schema, so that a schema itself is no more than an owner, and rights.

use std::collections::BTreeMap;

use sql::names;

use crate::role::{FIRST, PUBLIC_NUMBER};

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    /// A number that no relation and no other schema has.
    pub(crate) number: u32,
    /// The role that may do everything with it.
    pub(crate) owner: String,
}

/// The schemas of a new database.
pub(crate) fn first() -> BTreeMap<String, Namespace> {
    let public = Namespace { number: PUBLIC_NUMBER, owner: FIRST.to_string() };
    BTreeMap::from([(names::PUBLIC.to_string(), public)])
}
