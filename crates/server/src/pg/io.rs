//! A connection's two directions: frames in, answers out. Answers are written when the client waits for them, or when
//! there are many.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::pg::frame::{self, MAX_MESSAGE, MAX_STARTUP, Malformed, Message};
use crate::pg::reply::Replies;

/// Bytes of answers after which they are written.
const FLUSH_BYTES: usize = 64 << 10;

/// What is kept of a buffer that was once larger.
const KEEP_BYTES: usize = 1 << 20;

/// What bytes come from and go to: a socket as it is, or encrypted.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection.
pub(crate) struct Io {
    stream: Stream,
    input: BytesMut,
    /// The longest message that is kept.
    longest: usize,
    /// How much is still to come of one that was not.
    passing: usize,
    /// Answers that wait.
    pub(crate) out: Replies,
}

/// What came from the client.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message.
    Message(Message),
    /// Something that is none.
    Malformed(Malformed),
    /// The end.
    End,
}

impl Io {
    /// A connection of which these bytes have been read.
    pub(crate) fn new(stream: Stream, input: BytesMut) -> Io {
        Io { stream, input, longest: MAX_STARTUP, passing: 0, out: Replies::default() }
    }

    /// The tag of the next message, if it is there already.
    pub(crate) fn peek(&self) -> Option<u8> {
        frame::buffered(&self.input)
    }

    /// Reads more. False at the end. May be dropped without losing anything.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        if self.input.is_empty() {
            self.input.reserve(8 << 10);
        }
        Ok(self.stream.read_buf(&mut self.input).await? > 0)
    }

    /// Looks for a message, again and again for so long, without sleeping; whether there was something. What is encrypted
    /// is waited for, and so is the rest of a message that has begun.
    pub(crate) fn look(&mut self, moment: Duration) -> bool {
        let Either::Left(stream) = &self.stream else { return false };
        if !self.input.is_empty() {
            return false;
        }
        let socket = SockRef::from(stream);
        let begun = Instant::now();
        let mut piece = [0; 2 << 10];
        loop {
            match (&*socket).read(&mut piece) {
                Ok(count @ 1..) => {
                    self.input.extend_from_slice(&piece[..count]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < moment => {
                    std::thread::yield_now();
                }
                // The end and errors are found by who waits.
                _ => return false,
            }
        }
    }

    /// The next message of a client that has not said who it is, if all of it has been read.
    pub(crate) fn take_first(&mut self) -> Result<Option<Message>, Malformed> {
        let Some((tag, body)) = frame::take(&mut self.input, MAX_STARTUP)? else { return Ok(None) };
        frame::message(tag, body).map(Some)
    }

    /// From now on messages of so many bytes are taken; longer ones are told and passed over.
    pub(crate) fn take_up_to(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// The next message, if all of it has been read.
    pub(crate) fn take(&mut self) -> Result<Option<Message>, Malformed> {
        self.pass_over();
        if self.passing > 0 {
            return Ok(None);
        }
        if let Some((tag, length)) = frame::begun(&self.input, MAX_MESSAGE)?
            && length > self.longest
        {
            self.passing = 1 + length;
            self.pass_over();
            return Err(Malformed::too_long(tag, length, self.longest));
        }
        let Some((tag, body)) = frame::take(&mut self.input, MAX_MESSAGE)? else { return Ok(None) };
        frame::message(tag, body).map(Some)
    }

    fn pass_over(&mut self) {
        let here = self.passing.min(self.input.len());
        self.input.advance(here);
        self.passing -= here;
    }

    /// The next message, waited for. May be dropped without losing anything.
    pub(crate) async fn next(&mut self) -> io::Result<Incoming> {
        loop {
            match self.take() {
                Ok(Some(message)) => return Ok(Incoming::Message(message)),
                Err(malformed) => return Ok(Incoming::Malformed(malformed)),
                Ok(None) if self.fill().await? => {}
                Ok(None) => return Ok(Incoming::End),
            }
        }
    }

    /// So many bytes, waited for.
    pub(crate) async fn exactly(&mut self, count: usize) -> io::Result<Option<Bytes>> {
        while self.input.len() < count {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        Ok(Some(self.input.split_to(count).freeze()))
    }

    /// Writes a byte that is no message.
    pub(crate) async fn write_byte(&mut self, byte: u8) -> io::Result<()> {
        self.stream.write_all(&[byte]).await?;
        self.stream.flush().await
    }

    /// Writes what waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.out.bytes.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.out.bytes).await?;
        self.out.bytes.clear();
        self.out.bytes.shrink_to(KEEP_BYTES);
        self.stream.flush().await
    }

    /// Writes what waits, if it is much.
    pub(crate) async fn relieve(&mut self) -> io::Result<()> {
        if self.out.bytes.len() >= FLUSH_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Writes what waits and ends the connection.
    pub(crate) async fn close(&mut self) {
        let _ = self.flush().await;
        let _ = self.stream.shutdown().await;
    }

    /// The stream and what was read of it beyond what was taken.
    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.input)
    }
}
