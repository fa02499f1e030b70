//! `GET /subscribe/{view}`: the contents of a table or view and every later change, as server-sent events or over a
//! WebSocket.
//!
//! Both transports send the same [`message`]s, made by the same [`source`]; they differ in how a message is framed
//! and in what a client can be told once it does not read any more.

mod message;
mod socket;
mod source;
mod sse;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Path, Query, State as Extract, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use gnitz::names;
use serde::Deserialize;
use std::sync::Arc;

use super::auth::Identity;
use super::problem::Problem;
use super::state::State;
use crate::feed::Start;
use message::Form;
use source::{Source, Wanted};

/// The query of a subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Whether to begin with the contents; unless said otherwise it does.
    snapshot: Option<bool>,
    /// Whether to be told of epochs that changed nothing.
    progress: Option<bool>,
    /// The epoch that the client has everything of.
    as_of: Option<u64>,
    /// `json`, or over a WebSocket `arrow`.
    format: Option<String>,
}

/// Answers `GET /subscribe/{view}`.
pub async fn get(
    Extract(state): Extract<State>,
    Extension(identity): Extension<Identity>,
    Path(view): Path<String>,
    query: Result<Query<Options>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Query(options) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let view = names::plain(&view);
    let wants_socket = headers.contains_key(header::UPGRADE);
    let form = form(options.format.as_deref(), wants_socket)?;
    if state.is_closing() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "57P01", "the server is shutting down"));
    }
    let place = Arc::clone(&state.0.streams).try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "53300", "too many streams of changes are open")
            .with_hint("try again, or raise http.max_subscriptions")
    })?;
    let wanted = Wanted {
        start: start(&options, &headers)?,
        contents: options.snapshot.unwrap_or(true),
        progress: options.progress.unwrap_or(false),
        form,
    };
    let source = Source::open(&state, &identity, &view, wanted).await?;
    if !wants_socket {
        return Ok(sse::answer(source, state, place));
    }
    let upgrade = upgrade.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    Ok(upgrade
        .max_message_size(socket::LARGEST_MESSAGE)
        .on_upgrade(move |websocket| socket::run(websocket, source, state, place)))
}

fn form(name: Option<&str>, socket: bool) -> Result<Form, Problem> {
    match name {
        None | Some("json") => Ok(Form::Json),
        Some("arrow") if socket => Ok(Form::Arrow),
        Some("arrow") => Err(Problem::bad_request("server-sent events are text: Arrow needs a WebSocket")),
        Some(other) => Err(Problem::bad_request(format!("format \"{other}\" is neither json nor arrow"))),
    }
}

/// Where to begin: a reconnecting browser says it with a header, others in the query.
fn start(options: &Options, headers: &HeaderMap) -> Result<Start, Problem> {
    let last = match headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").parse::<u64>()) {
        Some(Err(_)) => return Err(Problem::bad_request("Last-Event-ID is not an epoch")),
        Some(Ok(epoch)) => Some(epoch),
        None => options.as_of,
    };
    Ok(match last {
        Some(epoch) => Start::After(epoch),
        None if options.snapshot == Some(false) => Start::Now,
        None => Start::Contents,
    })
}
