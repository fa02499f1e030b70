//! The HTTP side over real sockets: every route, its formats, its limits, its streams, and its end.
//!
//! The client is small on purpose and shares no code with the server (`client`, `websocket`).

mod access;
mod client;
mod formats;
mod health;
mod ingest;
mod limits;
mod shutdown;
mod sockets;
mod statements;
mod streams;
mod websocket;
