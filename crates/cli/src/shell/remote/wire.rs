//! Frames of PostgreSQL's protocol on a socket.
//!
//! ```text
//! tag u8 | length u32, itself included | body
//! ```

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};

use super::talk::{Broken, report};
use super::tls::Stream;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// The longest body that is believed.
const LONGEST: usize = 1 << 30;

/// Bytes before the body: the tag and the length.
const HEAD: usize = 5;

/// A socket whose other end speaks the protocol.
pub struct Wire {
    stream: BufReader<Stream>,
}

/// A message of the server.
pub struct Frame {
    /// What it is.
    pub tag: u8,
    /// What it says.
    pub body: Vec<u8>,
}

impl Wire {
    /// Takes over a connection after the login.
    pub fn new(stream: Stream) -> Wire {
        Wire { stream: BufReader::with_capacity(PIECE, stream) }
    }

    /// Sends a message.
    pub fn send(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + HEAD - 1).ok().filter(|length| *length as usize <= LONGEST);
        let length = length.ok_or_else(|| io::Error::other("the statement is too long"))?;
        let mut frame = Vec::with_capacity(body.len() + HEAD);
        frame.push(tag);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(body);
        let stream = self.stream.get_mut();
        stream.write_all(&frame)?;
        stream.flush()
    }

    /// The next message.
    pub fn receive(&mut self) -> io::Result<Frame> {
        let mut head = [0; HEAD];
        self.stream.read_exact(&mut head).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => io::Error::new(ErrorKind::UnexpectedEof, "the server ended it"),
            _ => error,
        })?;
        let [tag, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if !(HEAD - 1..=LONGEST).contains(&length) {
            return Err(malformed());
        }
        let mut body = vec![0; length + 1 - HEAD];
        self.stream.read_exact(&mut body)?;
        Ok(Frame { tag, body })
    }

    /// Whether the next message must be waited for, as far as can be told without looking.
    pub fn is_drained(&self) -> bool {
        self.stream.buffer().is_empty()
    }

    /// Whether there is something to read, the end included.
    pub fn has_news(&mut self) -> bool {
        !self.is_drained() || !matches!(self.peek(), Ok(None))
    }

    /// Whether the connection seems to stand while nothing runs.
    pub fn looks_alive(&mut self) -> bool {
        !matches!(self.peek(), Ok(Some(b'E' | 0)) | Err(_))
    }

    /// How the connection ended, if it did while nothing ran.
    pub fn ended(&mut self) -> Option<Broken> {
        if self.looks_alive() {
            return None;
        }
        // Between statements a server sends an error only to say why it ends.
        Some(match self.receive() {
            Ok(frame) if frame.tag == b'E' => {
                let fault = report(&frame.body).ok().map(|report| report.fault);
                Broken { error: malformed(), fault }
            }
            Ok(_) => Broken { error: malformed(), fault: None },
            Err(error) => Broken { error, fault: None },
        })
    }

    /// The first byte that waits to be read, 0 at the end; nothing if none waits.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        self.stream.get_ref().socket().set_nonblocking(true)?;
        let peeked = self.stream.fill_buf().map(|waiting| waiting.first().copied().unwrap_or(0));
        self.stream.get_ref().socket().set_nonblocking(false)?;
        match peeked {
            Ok(byte) => Ok(Some(byte)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The fields of a message, taken from its front.
pub struct Fields<'b>(pub &'b [u8]);

impl<'b> Fields<'b> {
    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> io::Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// An array of bytes.
    pub fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.bytes(N)?.try_into().map_err(|_| malformed())
    }

    /// A text that ends in a zero byte.
    pub fn text(&mut self) -> io::Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
        let text = String::from_utf8_lossy(self.bytes(end)?).into_owned();
        self.bytes(1)?;
        Ok(text)
    }
}

/// What the server sent is no message.
pub fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the server sent what is not PostgreSQL's protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_where_the_message_does() {
        let mut fields = Fields(b"\0\x02ab\0\xff");
        assert_eq!(u16::from_be_bytes(fields.array().unwrap()), 2);
        assert_eq!(fields.text().unwrap(), "ab");
        assert!(fields.text().is_err());
        assert!(fields.array::<2>().is_err());
        assert_eq!(fields.bytes(1).unwrap(), b"\xff");
    }
}
