//! Bodies: a request's is read up to a limit, an answer's is written while it is made.
//!
//! An answer is made on a thread that may block, in pieces that a task sends on; between them stands a short queue,
//! so that a slow client slows the making and not the memory down. Until the first piece is full nothing has been
//! sent, not even the status: what goes wrong until then is still answered as a problem.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::problem::Problem;

/// Bytes of an answer that are sent at once.
const PIECE: usize = 64 << 10;

/// Pieces that may wait to be sent.
const PIECES: usize = 4;

/// Reads a request's body, in the pieces it comes in.
pub async fn collect(
    headers: &HeaderMap,
    body: Body,
    limit: u64,
    deadline: Instant,
) -> Result<Vec<Bytes>, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "54000", detail)
            .with_hint("send it in parts, or raise http.max_body")
    };
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(too_large());
    }
    let mut stream = body.into_data_stream();
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut bytes = 0;
    loop {
        let next = timeout_at(deadline, stream.next()).await;
        let next = next.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "57014", "the body did not come in time")
        })?;
        let Some(piece) = next else { return Ok(pieces) };
        let piece = piece.map_err(|error| Problem::bad_request(format!("the body ends early: {error}")))?;
        bytes += piece.len() as u64;
        if bytes > limit {
            return Err(too_large());
        }
        pieces.push(piece);
    }
}

/// The body as text.
pub fn text(pieces: Vec<Bytes>) -> Result<String, Problem> {
    let bytes = match <[Bytes; 1]>::try_from(pieces) {
        Ok([only]) => Vec::from(only),
        Err(several) => several.concat(),
    };
    String::from_utf8(bytes).map_err(|_| Problem::bad_request("the body is not UTF-8"))
}

/// What makes an answer writes it here.
pub struct Output {
    buffer: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
    /// How long a full queue is waited for.
    drain: Duration,
    sent: bool,
}

/// Where an answer comes out.
pub type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// An answer's two ends; called on a task.
pub fn channel(drain: Duration) -> (Output, Pieces) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (Output { buffer: Vec::new(), sender, runtime: Handle::current(), drain, sent: false }, pieces)
}

impl Output {
    /// Whether something has been sent, so that the status is settled.
    pub fn has_sent(&self) -> bool {
        self.sent
    }

    /// Sends what there is, as the last of it.
    pub fn finish(mut self) -> io::Result<()> {
        self.send()
    }

    /// Ends the answer so that the client sees that it is not whole.
    pub fn abort(self, reason: &str) {
        let error = io::Error::other(reason.to_string());
        let _ = self.runtime.block_on(timeout(self.drain, self.sender.send(Err(error))));
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        self.sent = true;
        let sending = match self.sender.try_send(Ok(piece)) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(mpsc::error::TrySendError::Full(piece)) => timeout(self.drain, self.sender.send(piece)),
        };
        match self.runtime.block_on(sending) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    /// Does nothing: pieces are sent when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A body of pieces; `keep` lives as long as it.
pub fn stream<K: Send + 'static>(first: io::Result<Bytes>, rest: Pieces, keep: K) -> Body {
    let rest = futures::stream::unfold((rest, keep), |(mut rest, keep)| async move {
        let next = rest.recv().await;
        next.map(|piece| (piece, (rest, keep)))
    });
    Body::from_stream(futures::stream::once(async { first }).chain(rest))
}
