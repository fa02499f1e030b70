//! `GET /health` and `GET /metrics`: how the server fares.

use axum::extract::{Query, State as Extract};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use super::state::State;

/// The query of `GET /health`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// `live`: whether to restart the process; `ready`, and unless said otherwise: whether to send it requests.
    probe: Option<String>,
}

/// Answers `GET /health`: 200, or 503 if commits are refused. A process that answers at all is alive. A full disk is
/// told, but the database is ready all the same: it answers queries, and by commits it finds out that there is space.
pub async fn health(
    Extract(state): Extract<State>,
    query: Result<Query<Probe>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Probe { probe }) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let database = &state.0.database;
    let (ready, reason) = match database.check_writable() {
        _ if state.is_closing() => (false, Some("the server is shutting down".to_string())),
        Ok(()) => (true, database.full().map(|error| error.message())),
        Err(error) => (false, Some(error.message())),
    };
    let healthy = match probe.as_deref() {
        None | Some("ready") => ready,
        Some("live") => true,
        Some(_) => return Err(Problem::bad_request("probe is neither live nor ready")),
    };
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "live": true, "ready": ready, "epoch": database.epoch().ok(), "reason": reason });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((status, headers, body.to_string()).into_response())
}

/// Answers `GET /metrics`.
pub async fn metrics(Extract(state): Extract<State>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (headers, state.0.metrics.text()).into_response()
}
