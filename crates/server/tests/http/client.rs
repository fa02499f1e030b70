//! A server on a free port, and an HTTP client that is just enough to test it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gnitz::Database;
use serde_json::Value;
use server::config::Config;
use server::feed::EngineFeeds;
use server::http::{Access, State, serve};
use server::metrics::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs.
pub struct Server {
    pub address: SocketAddr,
    pub database: Database,
    pub state: State,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// A server of a database in memory.
    pub async fn start() -> Server {
        Server::with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Server {
        Server::of(Database::in_memory().unwrap(), Access::default(), change).await
    }

    /// A server of any database that lets in whom `access` lets in.
    pub async fn of(database: Database, access: Access, change: impl FnOnce(&mut Config)) -> Server {
        let mut config = Config { shutdown_timeout: Duration::from_secs(5), ..Config::default() };
        change(&mut config);
        let metrics = Metrics::new(&database);
        let feeds = Arc::new(EngineFeeds(database.clone()));
        let state = State::with(database.clone(), config, metrics, Arc::new(access), feeds);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let running = tokio::spawn(serve(listener, state.clone(), shutdown));
        Server { address, database, state, stop: Some(stop), running: Some(running) }
    }

    /// Runs statements beside HTTP.
    pub fn run(&self, sql: &str) {
        self.database.session().execute(sql).unwrap();
    }

    /// `POST /sql` with plain text.
    pub async fn sql(&self, sql: &str) -> Answer {
        self.post("/sql", &[("content-type", "text/plain")], sql).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        request(self.address, "POST", path, headers, body.as_ref()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[], b"").await
    }

    /// The only value that a query answers.
    pub fn value(&self, sql: &str) -> i64 {
        let rows = self.database.session().query(sql).unwrap().rows().unwrap();
        rows[0][0].as_int().unwrap()
    }

    /// Begins a shutdown.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the end of a shutdown.
    pub async fn stopped(&mut self) {
        let running = self.running.take().expect("it runs");
        tokio::time::timeout(PATIENCE, running).await.expect("it ends in time").unwrap().unwrap();
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body ended as it should.
    pub whole: bool,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Checks that it is a problem and gives it.
    #[track_caller]
    pub fn problem(&self, status: u16, sqlstate: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["sqlstate"], sqlstate, "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }
}

/// A request on a connection of its own.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let answering = async {
        let length = body.len().to_string();
        let mut all = vec![("connection", "close"), ("content-length", length.as_str())];
        all.extend_from_slice(headers);
        let mut connection = Connection::open(address).await;
        connection.send(method, path, &all).await;
        // The server may answer and close before it has read everything.
        let _ = connection.stream.write_all(body).await;
        connection.answer().await
    };
    tokio::time::timeout(PATIENCE, answering).await.expect("an answer in time")
}

/// A connection, read piece by piece.
#[derive(Debug)]
pub struct Connection {
    pub stream: TcpStream,
    /// What was read and not yet used.
    pub buffer: Vec<u8>,
    chunked: bool,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).await.unwrap();
        Connection { stream, buffer: Vec::new(), chunked: false }
    }

    /// Sends a request without its body.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.stream.peer_addr().unwrap()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    /// Reads status and headers.
    pub async fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            assert!(self.more().await, "the headers end");
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_string()));
        let headers: Vec<(String, String)> = lines.filter_map(header).collect();
        self.chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        (status, headers)
    }

    /// Reads a whole answer.
    pub async fn answer(&mut self) -> Answer {
        let (status, headers) = self.head().await;
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: Option<usize> = length.map(|(_, value)| value.parse().unwrap());
        let (mut body, mut whole) = (Vec::new(), false);
        if self.chunked {
            while let Some(chunk) = self.chunk().await {
                whole = chunk.is_empty();
                if whole {
                    break;
                }
                body.extend(chunk);
            }
        } else {
            while self.buffer.len() < length.unwrap_or(usize::MAX) && self.more().await {}
            body = std::mem::take(&mut self.buffer);
            whole = length.is_none_or(|length| length == body.len());
        }
        Answer { status, headers, body, whole }
    }

    /// The next chunk of a chunked body, empty at its end; `None` if the connection ends before.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let length = std::str::from_utf8(&self.buffer[..at]).unwrap();
                let length = usize::from_str_radix(length, 16).unwrap();
                if self.buffer.len() >= at + 2 + length + 2 {
                    let chunk = self.buffer[at + 2..at + 2 + length].to_vec();
                    self.buffer.drain(..at + 2 + length + 2);
                    return Some(chunk);
                }
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads more into the buffer; false at the end.
    pub async fn more(&mut self) -> bool {
        let reading = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer));
        reading.await.expect("something in time").is_ok_and(|bytes| bytes > 0)
    }
}

/// A server-sent event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: Option<u64>,
    pub data: Value,
}

/// A stream of server-sent events.
pub struct Events {
    pub connection: Connection,
    text: String,
}

impl Events {
    /// Subscribes.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut connection = Connection::open(address).await;
        connection.send("GET", path, headers).await;
        let (status, headers) = connection.head().await;
        assert_eq!(status, 200);
        assert!(headers.contains(&("content-type".to_string(), "text/event-stream".to_string())));
        Events { connection, text: String::new() }
    }

    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = event(block);
                self.text = rest.to_string();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = self.connection.chunk().await.filter(|chunk| !chunk.is_empty())?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// An event of its lines; `None` if they are only a comment.
fn event(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", name)) => event.name = name.to_string(),
            Some(("id", id)) => event.id = id.parse().ok(),
            Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    (!event.name.is_empty()).then_some(event)
}
