//! The database over HTTP: statements, batches of rows, streams of changes, and how it fares.
//!
//! [`router`] has the routes, [`serve`] runs them on a socket. Each route is a file; what all of them go through
//! (who may call, how often, how long) is `guard`, and each error is a `problem`. `docs/http.md` is written for
//! users, `openapi` for programs.

mod accept;
mod auth;
mod body;
mod encode;
mod guard;
mod health;
mod ingest;
mod json;
mod listener;
mod openapi;
mod problem;
mod query;
mod routes;
mod state;
mod statements;
mod subscribe;
mod value;

pub use auth::{Access, Authenticator, Credentials, Denied, Identity, PasswordCheck, read_tokens};
pub use routes::{router, serve};
pub use state::State;
