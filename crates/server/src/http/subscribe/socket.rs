//! Changes over a WebSocket.
//!
//! The client has nothing to say but that it is there or goes; what it sends is read for pings and for the close.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use super::super::state::State;
use super::message::{Body, Event, Message};
use super::source::{Source, too_slow};

/// As much as a client may send at once.
pub const LARGEST_MESSAGE: usize = 64 << 10;

/// How long a client that does not read has for its farewell, and any client for the end of the handshake.
const FAREWELL: Duration = Duration::from_secs(2);

/// Sends messages until there are no more, or nobody to take them.
pub async fn run(mut socket: WebSocket, mut source: Source, state: State, place: OwnedSemaphorePermit) {
    let _open = state.0.metrics.subscription("websocket");
    let code = pump(&mut socket, &mut source, &state).await;
    if let Some((code, reason)) = code {
        let close = CloseFrame { code, reason: reason.into() };
        let closing = async {
            if socket.send(Frame::Close(Some(close))).await.is_ok() {
                while let Some(Ok(_)) = socket.recv().await {}
            }
        };
        let _ = timeout(FAREWELL, closing).await;
    }
    drop(place);
}

/// Why the server closes; `None` if it was the client.
type Close = Option<(u16, &'static str)>;

async fn pump(socket: &mut WebSocket, source: &mut Source, state: &State) -> Close {
    let (heartbeat, drain) = (state.0.config.http.heartbeat, state.0.config.http.drain_timeout);
    loop {
        let sure = source.epoch();
        let (event, frame) = tokio::select! {
            message = source.next() => match message {
                None => return Some((close_code::NORMAL, "there will be no more changes")),
                Some(message) => (Some(message.event), frame(message)),
            },
            received = socket.recv() => match received {
                None | Some(Err(_)) | Some(Ok(Frame::Close(_))) => return None,
                Some(Ok(_)) => continue,
            },
            () = sleep(heartbeat) => (None, Frame::Ping(Bytes::new())),
            () = state.closed() => {
                let end = frame(Message::end("the server is shutting down", sure));
                let _ = timeout(FAREWELL, socket.send(end)).await;
                return Some((close_code::AWAY, "the server is shutting down"));
            }
        };
        match timeout(drain, socket.send(frame)).await {
            Ok(Ok(())) if event == Some(Event::Error) => {
                return Some((close_code::ERROR, "see the last message"));
            }
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => {
                state.0.metrics.disconnected();
                // What was to be sent is in the socket's buffer, and comes before the farewell if that comes at all.
                let farewell = self::frame(too_slow(source.epoch()));
                let _ = timeout(FAREWELL, socket.send(farewell)).await;
                return Some((close_code::POLICY, "the client did not read for too long"));
            }
        }
    }
}

fn frame(message: Message) -> Frame {
    match message.body {
        Body::Text(text) => Frame::Text(text.into()),
        Body::Binary(bytes) => Frame::Binary(bytes),
    }
}
