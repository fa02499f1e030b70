//! `POST /sql`: statements in, results out.
//!
//! The body is the SQL itself, or a JSON object with `sql` and `params`. The answer is sent while it is made. What
//! the statements did before one failed stays done, unless they were in a transaction.

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gnitz::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::accept::{Format, content_type};
use super::auth::Identity;
use super::body::{self, Pieces};
use super::encode::Encoder;
use super::json::{self, Json};
use super::problem::Problem;
use super::state::State;
use super::statements::{self, Script, StopOnDrop, Turn};

/// How long a cancelled statement is waited for.
const CANCEL_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// Answers `POST /sql`.
pub async fn post(
    Extract(state): Extract<State>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let shared = &state.0;
    let deadline = Instant::now() + shared.config.http.request_timeout;
    let format = Format::accepted(&headers)?;
    let pieces = body::collect(&headers, body, shared.config.http.max_body, deadline).await?;
    let script = script(&headers, pieces)?;
    let turn = Turn::wait(&state, identity, deadline).await?;
    let stop_on_drop = StopOnDrop(turn.stop.clone());
    let (out, pieces) = body::channel(shared.config.http.drain_timeout);
    let running =
        tokio::task::spawn_blocking(move || statements::run(&turn, &script, Encoder::new(format), out));
    answer(format, running, pieces, stop_on_drop, deadline).await
}

/// Answers with the first piece and those to come, or with the problem that came before it.
async fn answer(
    format: Format,
    running: JoinHandle<Result<(), Problem>>,
    mut pieces: Pieces,
    stop: StopOnDrop,
    deadline: Instant,
) -> Result<Response, Problem> {
    let first = match timeout_at(deadline, pieces.recv()).await {
        Ok(first) => first,
        Err(_) => {
            stop.0.stop();
            timeout(CANCEL_WAIT, pieces.recv()).await.map_err(|_| late())?
        }
    };
    if let Some(first) = first {
        let headers = [(header::CONTENT_TYPE, format.media_type())];
        return Ok((headers, body::stream(first, pieces, stop)).into_response());
    }
    match running.await {
        Ok(Err(problem)) if problem.is_cancel() => Err(late()),
        Ok(Err(problem)) => Err(problem),
        Ok(Ok(())) => Err(Problem::internal("the statements ended without an answer")),
        Err(_) => Err(Problem::internal("the statements ended in a panic")),
    }
}

fn late() -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "57014", "the request took too long and was cancelled")
        .with_hint("raise http.request_timeout, or ask for less")
}

/// What a body asks for.
fn script(headers: &HeaderMap, pieces: Vec<Bytes>) -> Result<Script, Problem> {
    let text = body::text(pieces)?;
    match content_type(headers).as_str() {
        "application/json" => object(&text),
        "" | "text/plain" | "application/sql" => Ok(Script { sql: text, params: Vec::new() }),
        other => {
            let detail = format!("a body of type {other} is no SQL");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "22023", detail)
                .with_hint("send application/json, text/plain or application/sql"))
        }
    }
}

fn object(text: &str) -> Result<Script, Problem> {
    let parsed = json::parse(text).map_err(|malformed| Problem::bad_request(malformed.message()))?;
    let Json::Object(members) = parsed else {
        return Err(Problem::bad_request("the body is not a JSON object with a member \"sql\""));
    };
    let (mut sql, mut params) = (None, Vec::new());
    for (name, value) in members {
        match (name.as_str(), value) {
            ("sql", Json::Text(text)) => sql = Some(text),
            ("sql", _) => return Err(Problem::bad_request("\"sql\" is not a string")),
            ("params", Json::Array(values)) => {
                params = values.into_iter().map(parameter).collect::<Result<_, _>>()?;
            }
            ("params", Json::Null) => {}
            ("params", _) => return Err(Problem::bad_request("\"params\" is not an array")),
            (other, _) => {
                let detail = format!("the body has a member \"{other}\"; it may have \"sql\" and \"params\"");
                return Err(Problem::bad_request(detail));
            }
        }
    }
    let sql = sql.ok_or_else(|| Problem::bad_request("the body has no member \"sql\""))?;
    Ok(Script { sql, params })
}

/// A parameter. A number that is not an integer goes as its digits, which its place in the statement reads exactly.
fn parameter(value: Json) -> Result<Value, Problem> {
    match value {
        Json::Null => Ok(Value::NULL),
        Json::Bool(truth) => Ok(truth.into()),
        Json::Number(digits) => Ok(digits.parse::<i64>().map_or_else(|_| digits.into(), Value::from)),
        Json::Text(text) => Ok(text.into()),
        Json::Array(_) | Json::Object(_) => Err(Problem::bad_request("a parameter is a single value")),
    }
}
