//! `POST /ingest/{table}`: a batch of rows in, one commit, and a retry that changes nothing.
//!
//! The rows and the batch's id are written in one transaction, so either both are there or neither. A client that
//! lost the answer sends the batch again: its id is found, nothing is written, and the answer is the same.

mod apply;
mod batches;
mod rows;

use std::io::{BufReader, Read};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gnitz::{Session, names};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use super::accept::content_type;
use super::auth::Identity;
use super::body;
use super::problem::Problem;
use super::state::State;
use super::statements::{Stop, StopOnDrop, Turn};
use crate::logging::kind;
use crate::meter::Done;
use apply::Ingest;
pub use batches::Batches;
use batches::{Ingested, digest};
use rows::{Form, Op};

/// How often a batch that met a concurrent commit is tried.
const ATTEMPTS: u32 = 8;

/// How long a cancelled batch is waited for.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// The longest id of a batch.
const LONGEST_ID: usize = 200;

/// The query of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// What happens to rows that do not say it themselves.
    op: Option<String>,
    /// The batch's id, unless a header has it.
    batch: Option<String>,
}

/// Answers `POST /ingest/{table}`.
pub async fn post(
    Extract(state): Extract<State>,
    Extension(identity): Extension<Identity>,
    Path(table): Path<String>,
    query: Result<Query<Options>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Query(options) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let table = names::plain(&table);
    let shared = &state.0;
    let deadline = Instant::now() + shared.config.http.request_timeout;
    let form = form(&headers)?;
    let batch = batch_id(&headers, options.batch)?;
    let op = match options.op.as_deref() {
        None => Op::Insert,
        Some(name) => Op::named(name).ok_or_else(|| {
            Problem::bad_request(format!("op \"{name}\" is none of insert, upsert, delete"))
        })?,
    };
    let pieces = body::collect(&headers, body, shared.config.http.max_body, deadline).await?;
    let turn = Turn::wait(&state, identity, deadline).await?;
    let stop_on_drop = StopOnDrop(turn.stop.clone());
    let request = Request { table, form, op, batch, pieces };
    let worker = state.clone();
    let mut running = tokio::task::spawn_blocking(move || request.run(&worker, &turn));
    let done = match timeout_at(deadline, &mut running).await {
        Ok(done) => done,
        Err(_) => {
            stop_on_drop.0.stop();
            let late = |_| Problem::new(StatusCode::GATEWAY_TIMEOUT, "57014", "the batch took too long");
            timeout(CANCEL_WAIT, running).await.map_err(late)?
        }
    };
    done.map_err(|_| Problem::internal("the batch ended in a panic"))?
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    match content_type(headers).as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/json" => {
            Ok(Form::Ndjson)
        }
        "text/csv" => Ok(Form::Csv),
        other => {
            let detail = format!("a body of type \"{other}\" has no rows that can be read");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "22023", detail)
                .with_hint("send application/x-ndjson or text/csv"))
        }
    }
}

fn batch_id(headers: &HeaderMap, query: Option<String>) -> Result<Option<String>, Problem> {
    let header = match headers.get("idempotency-key").map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text.to_string()),
        Some(Err(_)) => return Err(Problem::bad_request("the Idempotency-Key header is not ASCII")),
    };
    match header.or(query) {
        Some(id) if id.is_empty() || id.len() > LONGEST_ID => {
            Err(Problem::bad_request(format!("a batch's id has 1 to {LONGEST_ID} bytes")))
        }
        id => Ok(id),
    }
}

/// A batch that is to be ingested.
struct Request {
    table: String,
    form: Form,
    op: Op,
    batch: Option<String>,
    pieces: Vec<Bytes>,
}

impl Request {
    fn run(&self, state: &State, turn: &Turn) -> Result<Response, Problem> {
        let (begun, meter) = (std::time::Instant::now(), &turn.meter);
        let done = self.attempts(state, turn);
        let verb = if self.op == Op::Delete { "DELETE FROM" } else { "INSERT INTO" };
        let statement = &format!("{verb} {}", names::written(&self.table));
        match &done {
            Ok((rows, replayed)) => {
                let done = Done { read: 0, written: *rows, committed: !replayed && *rows > 0 };
                meter.ended(statement, kind(statement), begun.elapsed(), Ok(done));
            }
            Err(problem) => {
                meter.ended(statement, kind(statement), begun.elapsed(), Err(problem.sqlstate));
            }
        }
        done.map(|(rows, replayed)| self.answer(rows, replayed))
    }

    fn answer(&self, rows: u64, replayed: bool) -> Response {
        let body = json!({ "table": self.table, "batch": self.batch, "rows": rows });
        let mut response = ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response();
        if replayed {
            let replayed = axum::http::HeaderValue::from_static("true");
            response.headers_mut().insert("idempotency-replayed", replayed);
        }
        response
    }

    /// Tries until no concurrent commit is in the way; says how many rows there were, and whether they had been
    /// written before.
    fn attempts(&self, state: &State, turn: &Turn) -> Result<(u64, bool), Problem> {
        let (session, stop) = (&turn.session, &turn.stop);
        let ingested = self.batch.as_ref().map(|batch| Ingested {
            id: (turn.meter.role.clone(), batch.clone()),
            table: self.table.clone(),
            digest: digest(&self.table, self.op.name(), &self.pieces),
        });
        let batches = &state.0.batches;
        if ingested.is_some() {
            batches.prepare(&state.0.database)?;
        }
        let find = || ingested.as_ref().map_or(Ok(None), |ingested| batches.find(session, ingested));
        let (mut beside, mut alone, mut attempt) = (Some(batches.beside_others()), None, 1);
        loop {
            if let Some(rows) = find()? {
                return Ok((rows, true));
            }
            let problem = match self.attempt(batches, session, ingested.as_ref(), stop) {
                Ok(rows) => return Ok((rows, false)),
                Err(problem) => problem,
            };
            if problem.sqlstate == "40001" && attempt < ATTEMPTS {
                // Others that met each other wait here, too, so that one of them after the other gets through.
                beside.take();
                alone = alone.or_else(|| Some(batches.alone()));
                attempt += 1;
                continue;
            }
            // What is in the way of this batch may be the batch itself, sent twice.
            return match find()? {
                Some(rows) => Ok((rows, true)),
                None => Err(problem),
            };
        }
    }

    /// One transaction; with rows many at a time at first, and if that fails one by one, to tell which it was.
    fn attempt(
        &self,
        batches: &Batches,
        session: &Session,
        ingested: Option<&Ingested>,
        stop: &Stop,
    ) -> Result<u64, Problem> {
        let mut last = None;
        for chunk in [apply::CHUNK, 1] {
            let transaction = session.begin()?;
            let body = BufReader::new(Chunks { pieces: &self.pieces, at: 0 });
            let written = Ingest::new(session, &self.table, self.op, chunk, stop)
                .and_then(|ingest| ingest.all(self.form, body))
                .and_then(|rows| {
                    let oldest =
                        ingested.map(|ingested| batches.record(session, ingested, rows)).transpose()?;
                    Ok((rows, oldest))
                });
            match written {
                Ok((rows, oldest)) => {
                    transaction.commit()?;
                    if let (Some(ingested), Some(oldest)) = (ingested, oldest) {
                        batches.committed(&ingested.id, oldest);
                    }
                    return Ok(rows);
                }
                Err(problem) if problem.line.is_some() || problem.sqlstate == "57014" => return Err(problem),
                Err(problem) => last = Some(problem),
            }
        }
        Err(last.unwrap_or_else(|| Problem::internal("the batch was not tried")))
    }
}

/// The pieces of a body as one reader.
struct Chunks<'a> {
    pieces: &'a [Bytes],
    at: usize,
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some((first, rest)) = self.pieces.split_first() {
            let left = &first[self.at..];
            if !left.is_empty() {
                let length = left.len().min(buffer.len());
                buffer[..length].copy_from_slice(&left[..length]);
                self.at += length;
                return Ok(length);
            }
            (self.pieces, self.at) = (rest, 0);
        }
        Ok(0)
    }
}
