//! Messages of a stream of changes.
//!
//! A `snapshot` replaces what the client has, a `delta` changes it, `progress` says that nothing else changed up to an
//! epoch. The last message is `end` (the relation is gone, or the server) or `error`; both say from which epoch to
//! go on. What is large comes in several messages of one epoch: it is whole with the one that is marked `last`, and
//! only then has the client something to go on from.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use axum::body::Bytes;
use gnitz::{Delta, QueryResult};
use serde_json::json;

use super::super::encode::{Members, each_row, plain, plain_schema, types};
use super::super::problem::Problem;

/// Rows of one message at most.
const ROWS: usize = 1_000;

/// The column of weights in Arrow.
const WEIGHT: &str = "gnitz_weight";

/// How messages of rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON objects.
    Json,
    /// Arrow streams, one a message.
    Arrow,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The contents.
    Snapshot,
    /// A change.
    Delta,
    /// An epoch is reached.
    Progress,
    /// It is over, and nothing went wrong.
    End,
    /// It is over.
    Error,
}

impl Event {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Event::Snapshot => "snapshot",
            Event::Delta => "delta",
            Event::Progress => "progress",
            Event::End => "end",
            Event::Error => "error",
        }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub event: Event,
    /// The epoch that the client is at after it, if that is a whole one.
    pub epoch: Option<u64>,
    /// Its body.
    pub body: Body,
}

/// The body of a message.
#[derive(Clone, Debug)]
pub enum Body {
    /// JSON, without line ends.
    Text(String),
    /// An Arrow stream.
    Binary(Bytes),
}

impl Message {
    /// Nothing else has changed up to this epoch.
    pub fn progress(epoch: u64) -> Message {
        let body = json!({ "event": "progress", "epoch": epoch });
        Message { event: Event::Progress, epoch: Some(epoch), body: Body::Text(body.to_string()) }
    }

    /// The stream ends; a client that wants more asks for what comes after `epoch`.
    pub fn end(reason: &str, epoch: Option<u64>) -> Message {
        let body = json!({ "event": "end", "reason": reason, "resume": epoch });
        Message { event: Event::End, epoch: None, body: Body::Text(body.to_string()) }
    }

    /// The stream ends because something went wrong.
    pub fn error(problem: &Problem, epoch: Option<u64>) -> Message {
        let body = json!({ "event": "error", "problem": problem, "resume": epoch });
        Message { event: Event::Error, epoch: None, body: Body::Text(body.to_string()) }
    }
}

/// The messages of a delta.
pub fn messages(event: Event, delta: &Delta, form: Form) -> io::Result<Vec<Message>> {
    let rows = delta.rows.num_rows();
    let starts: Vec<usize> = if rows == 0 { vec![0] } else { (0..rows).step_by(ROWS).collect() };
    let mut messages = Vec::with_capacity(starts.len());
    for (part, &start) in starts.iter().enumerate() {
        let last = part + 1 == starts.len();
        let length = ROWS.min(rows - start);
        let slice = Slice {
            event,
            epoch: delta.epoch,
            part,
            last,
            rows: delta.rows.slice(start, length),
            weights: &delta.weights[start..start + length],
        };
        let body = match form {
            Form::Json => Body::Text(slice.json()?),
            Form::Arrow => Body::Binary(slice.arrow()?),
        };
        messages.push(Message { event, epoch: last.then_some(delta.epoch), body });
    }
    Ok(messages)
}

/// What goes into one message.
struct Slice<'a> {
    event: Event,
    epoch: u64,
    part: usize,
    last: bool,
    rows: RecordBatch,
    weights: &'a [i64],
}

impl Slice<'_> {
    fn json(&self) -> io::Result<String> {
        let Slice { epoch, part, last, .. } = self;
        let head = format!(
            "{{\"event\":\"{}\",\"epoch\":{epoch},\"part\":{part},\"last\":{last},\"changes\":[",
            self.event.name()
        );
        let mut out = head.into_bytes();
        let rows = QueryResult { schema: self.rows.schema(), batches: vec![self.rows.clone()] };
        let members = Members::new(&rows.schema, types(&rows)?)?;
        let mut weights = self.weights.iter();
        each_row(&rows, |row| {
            if !out.ends_with(b"[") {
                out.push(b',');
            }
            let weight = weights.next().copied().unwrap_or_default();
            out.extend_from_slice(format!("{{\"weight\":{weight},\"row\":").as_bytes());
            members.write(&mut out, row)?;
            out.push(b'}');
            Ok(())
        })?;
        out.extend_from_slice(b"]}");
        String::from_utf8(out).map_err(io::Error::other)
    }

    fn arrow(&self) -> io::Result<Bytes> {
        let rows = plain(&self.rows, &plain_schema(&self.rows.schema()))?;
        let schema = rows.schema();
        let weight = Arc::new(Field::new(WEIGHT, DataType::Int64, false));
        let fields: Vec<_> = schema.fields().iter().cloned().chain([weight]).collect();
        let metadata = HashMap::from([
            ("gnitz.event".to_string(), self.event.name().to_string()),
            ("gnitz.epoch".to_string(), self.epoch.to_string()),
            ("gnitz.part".to_string(), self.part.to_string()),
            ("gnitz.last".to_string(), self.last.to_string()),
        ]);
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let weights: ArrayRef = Arc::new(Int64Array::from(self.weights.to_vec()));
        let columns = rows.columns().iter().cloned().chain([weights]).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?;
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
        writer.into_inner().map(Bytes::from).map_err(io::Error::other)
    }
}
