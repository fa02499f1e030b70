//! The database as a server: the PostgreSQL protocol for existing clients, HTTP for everything else.
//!
//! It rests on the public API of `gnitz` alone: a connection is a session, a change feed is a subscription.

pub mod config;
pub mod feed;
pub mod http;
pub mod logging;
pub mod metrics;
