//! Messages of a client: from bytes to frames, and from frames to messages.
//!
//! ```text
//! frame: tag u8 | length u32, itself included | body
//! ```
//!
//! A body is looked at only within its own frame, every length in it is checked, and text must be UTF-8: whatever
//! a client sends ends in a message or in an error that says what is wrong with it. (The decoders of `pgwire` read
//! past the end of a short frame, and panic; they turn ill-formed text into other text.) Values are slices of the
//! frame, nothing is copied.

use bytes::{Buf, Bytes, BytesMut};

/// The longest message that can be.
pub(crate) const MAX_MESSAGE: usize = i32::MAX as usize;

/// The longest message of a client that has not said who it is.
pub(crate) const MAX_STARTUP: usize = 10_000;

/// A message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Statements to run at once.
    Query(String),
    /// A statement to prepare.
    Parse(Parse),
    /// A prepared statement to be given its values.
    Bind(Bind),
    /// What a statement or portal takes and answers.
    Describe(Target),
    /// A portal to run.
    Execute {
        /// The portal.
        portal: String,
        /// At most so many rows; 0 for all.
        max_rows: usize,
    },
    /// A statement or portal to forget.
    Close(Target),
    /// The end of a group of messages.
    Sync,
    /// What is answered so far is wanted now.
    Flush,
    /// A piece of what COPY reads.
    CopyData(Bytes),
    /// Its end.
    CopyDone,
    /// Its end, without success.
    CopyFail(String),
    /// An answer to a request for authentication.
    Password(Bytes),
    /// The client goes.
    Terminate,
}

/// A statement to prepare.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parse {
    /// Its name; empty for the one that the next replaces.
    pub(crate) name: String,
    /// Its text.
    pub(crate) sql: String,
    /// The types of its parameters as far as they are given; 0 for one that is not.
    pub(crate) types: Vec<u32>,
}

/// Values for a prepared statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    /// The portal to make; empty for the one that the next replaces.
    pub(crate) portal: String,
    /// The statement.
    pub(crate) statement: String,
    /// The formats of the values.
    pub(crate) formats: Formats,
    /// The values.
    pub(crate) values: Vec<Option<Bytes>>,
    /// The formats of the answer's columns.
    pub(crate) results: Formats,
}

/// Which of two things of one name is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

/// The representation of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// As text.
    #[default]
    Text,
    /// In binary.
    Binary,
}

/// The formats of some values: one for each, one for all, or text if there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Formats(Vec<Format>);

impl Formats {
    /// One format for all.
    pub(crate) fn all(format: Format) -> Formats {
        Formats(vec![format])
    }

    /// The format of the value at this place.
    pub(crate) fn get(&self, index: usize) -> Format {
        match self.0.as_slice() {
            [] => Format::Text,
            [one] => *one,
            several => several.get(index).copied().unwrap_or_default(),
        }
    }

    /// Whether there are formats for so many values.
    pub(crate) fn fit(&self, count: usize) -> bool {
        self.0.len() <= 1 || self.0.len() == count
    }
}

/// What is wrong with a message. If it is its frame, nothing that follows can be trusted, and the connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Its class.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// The tag of the message, if only its body is wrong.
    pub(crate) within: Option<u8>,
}

impl Malformed {
    /// Something is wrong.
    pub(crate) fn new(message: impl Into<String>) -> Malformed {
        Malformed { code: "08P01", message: message.into(), within: None }
    }

    /// A message is longer than the server takes.
    pub(crate) fn too_long(tag: u8, length: usize, limit: usize) -> Malformed {
        let message = format!("a message of {length} bytes is longer than the {limit} that one may have");
        Malformed { code: "54000", message, within: Some(tag) }
    }
}

/// The tag of the next frame, if all of it is in the buffer.
pub(crate) fn buffered(buffer: &BytesMut) -> Option<u8> {
    let length = u32::from_be_bytes(buffer.get(1..5)?.try_into().ok()?) as usize;
    (buffer.len() > length).then(|| buffer[0])
}

/// The tag of the next frame and its length, which its tag is not part of, if that much is in the buffer.
pub(crate) fn begun(buffer: &BytesMut, limit: usize) -> Result<Option<(u8, usize)>, Malformed> {
    let Some(header) = buffer.get(..5) else { return Ok(None) };
    let tag = header[0];
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if !known(tag) {
        return Err(Malformed::new(format!("invalid frontend message type {tag}")));
    }
    if !(4..=limit).contains(&length) {
        return Err(Malformed::new(format!("invalid message length {length}")));
    }
    Ok(Some((tag, length)))
}

/// Takes the next frame, if all of it is in the buffer.
pub(crate) fn take(buffer: &mut BytesMut, limit: usize) -> Result<Option<(u8, Bytes)>, Malformed> {
    let Some((tag, length)) = begun(buffer, limit)? else { return Ok(None) };
    if buffer.len() <= length {
        return Ok(None);
    }
    buffer.advance(5);
    Ok(Some((tag, buffer.split_to(length - 4).freeze())))
}

fn known(tag: u8) -> bool {
    b"QPBDECSHdcfpX".contains(&tag)
}

/// The message of a frame.
pub(crate) fn message(tag: u8, body: Bytes) -> Result<Message, Malformed> {
    read(tag, body).map_err(|malformed| Malformed { within: Some(tag), ..malformed })
}

fn read(tag: u8, body: Bytes) -> Result<Message, Malformed> {
    let mut body = Body { bytes: body };
    let message = match tag {
        b'Q' => Message::Query(body.string()?),
        b'P' => Message::Parse(body.parse()?),
        b'B' => Message::Bind(body.bind()?),
        b'D' => Message::Describe(body.target()?),
        b'E' => {
            let portal = body.string()?;
            let max_rows = usize::try_from(body.u32()? as i32).unwrap_or(0);
            Message::Execute { portal, max_rows }
        }
        b'C' => Message::Close(body.target()?),
        b'S' => Message::Sync,
        b'H' => Message::Flush,
        b'd' => return Ok(Message::CopyData(body.bytes)),
        b'c' => Message::CopyDone,
        b'f' => Message::CopyFail(body.string()?),
        b'p' => return Ok(Message::Password(body.bytes)),
        b'X' => return Ok(Message::Terminate),
        other => return Err(Malformed::new(format!("invalid frontend message type {other}"))),
    };
    match body.bytes.is_empty() {
        true => Ok(message),
        false => Err(Malformed::new("invalid message format")),
    }
}

/// What is left of a frame's body.
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
}

impl Body {
    /// A text that ends in a zero byte.
    pub(crate) fn string(&mut self) -> Result<String, Malformed> {
        let end = self.bytes.iter().position(|&byte| byte == 0);
        let end = end.ok_or_else(|| Malformed::new("invalid string in message"))?;
        let text = self.bytes.split_to(end);
        self.bytes.advance(1);
        let text = std::str::from_utf8(&text);
        text.map(str::to_string).map_err(|_| Malformed::new("invalid byte sequence for encoding \"UTF8\""))
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<Bytes, Malformed> {
        match self.bytes.len() < count {
            true => Err(Malformed::new("insufficient data left in message")),
            false => Ok(self.bytes.split_to(count)),
        }
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take(4).map(|mut bytes| bytes.get_u32())
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.take(2).map(|mut bytes| bytes.get_u16())
    }

    /// As many things as the number before them says.
    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Body) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u16()?;
        (0..count).map(|_| one(self)).collect()
    }

    fn parse(&mut self) -> Result<Parse, Malformed> {
        Ok(Parse { name: self.string()?, sql: self.string()?, types: self.list(Body::u32)? })
    }

    fn bind(&mut self) -> Result<Bind, Malformed> {
        let (portal, statement) = (self.string()?, self.string()?);
        let formats = self.formats()?;
        let values = self.list(|body| match body.u32()? as i32 {
            -1 => Ok(None),
            length => body.take(usize::try_from(length).unwrap_or(usize::MAX)).map(Some),
        })?;
        Ok(Bind { portal, statement, formats, values, results: self.formats()? })
    }

    fn formats(&mut self) -> Result<Formats, Malformed> {
        let format = |body: &mut Body| match body.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Malformed::new(format!("unsupported format code: {other}"))),
        };
        self.list(format).map(Formats)
    }

    fn target(&mut self) -> Result<Target, Malformed> {
        let kind = self.take(1)?[0];
        let name = self.string()?;
        match kind {
            b'S' => Ok(Target::Statement(name)),
            b'P' => Ok(Target::Portal(name)),
            other => Err(Malformed::new(format!("invalid target of a message: {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(tag: u8, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(&[tag]);
        bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_bind_is_read() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0";
        let mut buffer = framed(b'B', body);
        assert_eq!(buffered(&buffer), Some(b'B'));
        let (tag, body) = take(&mut buffer, MAX_MESSAGE).expect("well formed").expect("whole");
        let Ok(Message::Bind(bind)) = message(tag, body) else { panic!("a Bind") };
        assert_eq!((bind.portal.as_str(), bind.statement.as_str()), ("p", "s"));
        assert_eq!(bind.values, [Some(Bytes::from_static(b"x")), None]);
        assert_eq!((bind.formats.get(1), bind.results.get(7)), (Format::Binary, Format::Text));
    }

    #[test]
    fn no_prefix_of_a_message_is_a_message() {
        let body = Bytes::from_static(b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0");
        for length in 0..body.len() {
            assert!(message(b'B', body.slice(..length)).is_err(), "{length}");
            let mut frame = framed(b'B', &body);
            frame.truncate(length + 5);
            assert!(matches!(take(&mut frame, MAX_MESSAGE), Ok(None)));
        }
        assert!(message(b'Q', Bytes::from_static(b"SELECT 1")).is_err());
        assert!(message(b'Q', Bytes::from_static(b"SELECT '\xff'\0")).is_err());
        assert!(message(b'S', Bytes::from_static(b"x")).is_err());
        assert!(take(&mut framed(b'?', b""), MAX_MESSAGE).is_err());
        assert!(take(&mut BytesMut::from(&b"Q\0\0\0\x03"[..]), MAX_MESSAGE).is_err());
        assert!(take(&mut BytesMut::from(&b"Q\xff\0\0\x03"[..]), MAX_MESSAGE).is_err());
    }
}
