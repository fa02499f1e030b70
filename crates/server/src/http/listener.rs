//! Sockets that cannot be held for ever: so many at once, and none that is stuck or silent for too long.
//!
//! A client that stops reading fills its socket; what writes to it would wait for good. Here such a write fails
//! after a bound, which ends the connection and everything that belongs to it.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::state::State;
use crate::metrics::{Held, Metrics};

/// How long accepting pauses after it failed, as it does when the process has no more files.
const PAUSE: Duration = Duration::from_millis(200);

/// How much longer than its own bound a stuck write lasts, so that whoever writes can say goodbye first.
const GRACE: Duration = Duration::from_secs(5);

/// Listens for connections.
pub(super) struct Guarded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    metrics: Metrics,
    stuck: Duration,
    silent: Duration,
}

impl Guarded {
    pub(super) fn new(listener: TcpListener, state: &State) -> Guarded {
        let http = &state.0.config.http;
        Guarded {
            listener,
            places: Arc::new(Semaphore::new(http.max_connections)),
            metrics: state.0.metrics.clone(),
            stuck: http.drain_timeout + GRACE,
            // A statement may run for as long as a request may take without a byte going either way.
            silent: http.idle_timeout.max(http.request_timeout + GRACE),
        }
    }
}

impl Listener for Guarded {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            // The semaphore is never closed.
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    return (Socket::new(stream, place, self), peer);
                }
                Err(error) => {
                    tracing::warn!(target: "gnitz::http", %error, "a connection was not accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

impl Connected<IncomingStream<'_, Guarded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Guarded>) -> Peer {
        Peer(stream.remote_addr().ip())
    }
}

/// A connection with its two clocks.
pub(super) struct Socket {
    stream: TcpStream,
    received: Counter,
    sent: Counter,
    stuck: Duration,
    silent: Duration,
    /// Runs while a write waits.
    writing: Option<Pin<Box<Sleep>>>,
    /// Runs while nothing comes and nothing goes.
    waiting: Pin<Box<Sleep>>,
    active: Instant,
    _open: Held,
    _place: Option<OwnedSemaphorePermit>,
}

impl Socket {
    fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>, of: &Guarded) -> Socket {
        Socket {
            stream,
            received: of.metrics.byte_counter("http", "in"),
            sent: of.metrics.byte_counter("http", "out"),
            stuck: of.stuck,
            silent: of.silent,
            writing: None,
            waiting: Box::pin(sleep(of.silent)),
            active: Instant::now(),
            _open: of.metrics.connection("http"),
            _place: place,
        }
    }

    /// What becomes of a write: one that waits for longer than it may fails.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(done) = result else {
            let stuck = self.stuck;
            let clock = self.writing.get_or_insert_with(|| Box::pin(sleep(stuck)));
            return clock.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()));
        };
        self.writing = None;
        self.active = Instant::now();
        self.sent.inc_by(done.as_ref().map_or(0, |&bytes| bytes as u64));
        Poll::Ready(done)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(done) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            self.active = Instant::now();
            self.received.inc_by((buffer.filled().len() - before) as u64);
            return Poll::Ready(done);
        }
        while self.waiting.as_mut().poll(context).is_ready() {
            let end = self.active + self.silent;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.waiting = Box::pin(sleep_until(end));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
