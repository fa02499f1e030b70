//! What a client sends: the messages that lead to the one that is fuzzed, it, and an end.

/// The messages of the protocol, those that follow one another in one connection together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The first packet: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.
    Startup,
    /// SASLInitialResponse, SASLResponse and PasswordMessage.
    Password,
    /// Query.
    Query,
    /// Parse, and Describe of what it made.
    Parse,
    /// Bind of two parameters.
    Bind,
    /// Describe, Execute and Close, as the first byte says.
    Portal,
    /// FunctionCall.
    FunctionCall,
    /// CopyData, and CopyDone or CopyFail; the first byte says of what.
    Copy,
    /// Any messages in any order: Sync, Flush and Terminate, too.
    Stream,
}

/// Statements that the targets of the extended protocol have prepared.
const PREPARED: [&str; 4] = [
    "SELECT $1::int + 1, $2::text",
    "INSERT INTO t VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
    "SELECT d, n, ts, b, f FROM all_types WHERE d = $1 OR n = $2",
    "SELECT $1::timestamptz, $2::int[]",
];

/// Ways to copy.
const COPIES: [&str; 5] = [
    "COPY t FROM STDIN",
    "COPY t FROM STDIN (FORMAT csv, HEADER)",
    "COPY t FROM STDIN (FORMAT binary)",
    "COPY all_types FROM STDIN (FORMAT csv)",
    "COPY all_types FROM STDIN (FORMAT binary)",
];

impl Target {
    /// All of them.
    pub const ALL: [Target; 9] = [
        Target::Startup,
        Target::Password,
        Target::Query,
        Target::Parse,
        Target::Bind,
        Target::Portal,
        Target::FunctionCall,
        Target::Copy,
        Target::Stream,
    ];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Target::Startup => "startup",
            Target::Password => "password",
            Target::Query => "query",
            Target::Parse => "parse",
            Target::Bind => "bind",
            Target::Portal => "portal",
            Target::FunctionCall => "function_call",
            Target::Copy => "copy",
            Target::Stream => "stream",
        }
    }

    /// What is sent for an input of the fuzzer.
    pub(crate) fn conversation(self, data: &[u8]) -> Vec<u8> {
        let (&choice, rest) = data.split_first().unwrap_or((&0, &[]));
        let mut bytes = match self {
            Target::Startup => return [first(data), framed(b'Q', b"SELECT 1\0")].concat(),
            Target::Password => return password(choice, rest),
            Target::Stream => return [greeting(), data.to_vec()].concat(),
            _ => greeting(),
        };
        match self {
            Target::Query => bytes.extend(framed(b'Q', &terminated(data))),
            Target::Parse => {
                bytes.extend(framed(b'P', data));
                bytes.extend(framed(b'D', b"S\0"));
            }
            Target::Bind => {
                bytes.extend(prepare(choice));
                bytes.extend(framed(b'B', &[b"\0s\0", rest].concat()));
                bytes.extend(framed(b'E', b"\0\0\0\0\0"));
            }
            Target::Portal => {
                bytes.extend(prepare(choice));
                bytes.extend(framed(b'B', b"p\0s\0\0\0\0\x02\0\0\0\x013\0\0\0\x017\0\x01\0\x01"));
                bytes.extend(framed([b'D', b'E', b'C'][usize::from(choice / 4) % 3], rest));
            }
            Target::FunctionCall => bytes.extend(framed(b'F', data)),
            Target::Copy => {
                let copy = COPIES[usize::from(choice) % COPIES.len()];
                bytes.extend(framed(b'Q', &terminated(copy.as_bytes())));
                let (left, right) = rest.split_at(rest.len() / 2);
                bytes.extend(framed(b'd', left));
                bytes.extend(framed(b'd', right));
                let fails = usize::from(choice) >= 2 * COPIES.len();
                bytes.extend(if fails { framed(b'f', &terminated(right)) } else { framed(b'c', b"") });
            }
            Target::Startup | Target::Password | Target::Stream => {}
        }
        bytes.extend(framed(b'S', b""));
        bytes.extend(framed(b'Q', b"SELECT count(*) FROM t\0"));
        bytes.extend(framed(b'X', b""));
        bytes
    }
}

/// A message.
pub(crate) fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], first(body).as_slice()].concat()
}

/// A first packet, which has no kind.
fn first(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body].concat()
}

fn terminated(text: &[u8]) -> Vec<u8> {
    [text, b"\0"].concat()
}

/// How a user begins who has no password, and whose statements do not take long.
fn greeting() -> Vec<u8> {
    first(b"\0\x03\0\0user\0someone\0options\0-c statement_timeout=500\0\0")
}

/// One of the statements, prepared as `s`.
fn prepare(choice: u8) -> Vec<u8> {
    let text = PREPARED[usize::from(choice) % PREPARED.len()];
    framed(b'P', &[b"s\0", text.as_bytes(), b"\0\0\0"].concat())
}

/// A login with messages of which one comes from the fuzzer.
fn password(choice: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = first(b"\0\x03\0\0user\0secret\0\0");
    if choice.is_multiple_of(2) {
        bytes.extend(framed(b'p', b"SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=fyko+d2lbbFgONRv9qkxdawL"));
    }
    bytes.extend(framed(b'p', rest));
    bytes
}
