//! Changes as server-sent events.
//!
//! A task turns messages into events and puts them into a short queue, which the connection empties. If the queue
//! stays full for too long, the events in it are followed by an error that says where to go on, and the stream is over;
//! a socket that takes not even that is cut by the listener.

use std::io;

use axum::body::{Body as HttpBody, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::sleep;

use super::super::state::State;
use super::message::{Body, Message};
use super::source::{Source, too_slow};

/// Events that may wait for the socket.
const QUEUE: usize = 16;

/// Begins the stream.
pub fn answer(source: Source, state: State, place: OwnedSemaphorePermit) -> Response {
    let (queue, events) = mpsc::channel(QUEUE);
    let (last_words, farewell) = oneshot::channel();
    // They live as long as the body: the place is free again once the connection has taken the rest, or is gone.
    let kept = (place, state.0.metrics.subscription("sse"));
    tokio::spawn(pump(source, state, queue, last_words));
    let events = futures::stream::unfold(events, |mut events| async move {
        events.recv().await.map(|event| (event, events))
    });
    let farewell = futures::stream::once(farewell).filter_map(async |farewell| farewell.ok());
    let body = HttpBody::from_stream(events.chain(farewell).map(move |event| {
        let _ = &kept;
        Ok::<_, io::Error>(event)
    }));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

async fn pump(
    mut source: Source,
    state: State,
    queue: mpsc::Sender<Bytes>,
    last_words: oneshot::Sender<Bytes>,
) {
    let (heartbeat, drain) = (state.0.config.http.heartbeat, state.0.config.http.drain_timeout);
    // The epoch of the last event that is sure to be sent before what follows it.
    let mut queued = source.epoch();
    loop {
        let event = tokio::select! {
            message = source.next() => match message {
                None => return,
                Some(message) => event(&message),
            },
            () = sleep(heartbeat) => Bytes::from_static(b": alive\n\n"),
            () = queue.closed() => return,
            () = state.closed() => {
                let end = Message::end("the server is shutting down", queued);
                let _ = last_words.send(event(&end));
                return;
            }
        };
        match queue.send_timeout(event, drain).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => return,
            Err(SendTimeoutError::Timeout(_)) => {
                state.0.metrics.disconnected();
                let _ = last_words.send(self::event(&too_slow(queued)));
                return;
            }
        }
        queued = source.epoch();
    }
}

/// A message as an event; its id is the epoch to go on from.
fn event(message: &Message) -> Bytes {
    let id = message.epoch.map(|epoch| format!("id: {epoch}\n")).unwrap_or_default();
    let data = match &message.body {
        Body::Text(text) => text.as_str(),
        Body::Binary(_) => "",
    };
    Bytes::from(format!("event: {}\n{id}data: {data}\n\n", message.event.name()))
}
