//! How a connection begins: encryption, who it is, and what it is told.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use gnitz::Session;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;

use crate::logging;
use crate::pg::cancel::{Full, Limits, Who};
use crate::pg::error::Report;
use crate::pg::frame::{Body, MAX_STARTUP, Malformed, Message};
use crate::pg::io::Io;
use crate::pg::listen::Shared;
use crate::pg::peers::Asking;
use crate::pg::scram::{self, Exchange, Refusal};
use crate::pg::session::{Client, Slot};
use crate::pg::settings::Settings;

const CANCEL: u32 = 1234 << 16 | 5678;
const ENCRYPT: u32 = 1234 << 16 | 5679;
const ENCRYPT_GSS: u32 = 1234 << 16 | 5680;

/// What a client says first.
struct Startup {
    minor: u32,
    parameters: BTreeMap<String, String>,
}

/// What a first packet asks for.
enum First {
    /// A session.
    Startup(Startup),
    /// Encryption.
    Encrypt,
    /// Something that is done.
    Done,
}

/// A connection from its first byte to its last. It is `known` once it is a session.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    known: &AtomicBool,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let begun = tokio::time::timeout(shared.options.startup_timeout, begin(&shared, stream, peer)).await;
    match begun {
        Ok(Ok(Some(mut client))) => {
            known.store(true, Ordering::Relaxed);
            client.run().await
        }
        Ok(Ok(None)) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn begin(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) -> io::Result<Option<Client>> {
    let mut io = Io::new(Either::Left(stream), BytesMut::new());
    let mut may_encrypt = shared.tls.as_ref();
    let startup = loop {
        match first(&mut io, shared, may_encrypt.is_some()).await {
            Ok(First::Startup(startup)) => break startup,
            Ok(First::Done) => return Ok(None),
            Ok(First::Encrypt) => match encrypt(io, may_encrypt.take()).await? {
                Some(encrypted) => io = encrypted,
                None => return Ok(None),
            },
            Err(Ended::Io(error)) => return Err(error),
            Err(Ended::Told(report)) => return refuse(&mut io, &report).await,
        }
    };
    let session = match admit(&mut io, shared, &startup, peer).await {
        Ok(session) => session,
        Err(Ended::Io(error)) => return Err(error),
        Err(Ended::Told(report)) => return refuse(&mut io, &report).await,
    };
    let secret = i32::from_be_bytes(scram::random()?);
    let user = session.facts().user.clone();
    let of_role = shared.database.connection_limit(&user).unwrap_or_default();
    let limits = Limits { all: shared.options.max_connections, of_role };
    let database = startup.parameters.get("database").unwrap_or(&user).clone();
    let address = (peer.ip().to_string(), peer.port());
    let who = Who { user: user.clone(), database: database.clone(), client: address.clone() };
    let backend = match shared.backends.add(who, session.cancel_handle(), secret, limits) {
        Ok(backend) => backend,
        Err(Full::All) => {
            let report = Report::fatal("53300", "sorry, too many clients already")
                .with_hint(format!("the server takes {} connections", limits.all));
            return refuse(&mut io, &report).await;
        }
        Err(Full::Role) => {
            let report = Report::fatal("53300", format!("too many connections for role \"{user}\""));
            return refuse(&mut io, &report).await;
        }
    };
    session.set_peers(Arc::new(Asking { shared: Arc::clone(shared), own: Arc::clone(&backend) }));
    let slot = Slot::new(backend, Arc::clone(shared));
    session.set_facts(gnitz::SessionFacts {
        database,
        pid: slot.pid,
        client: Some(address),
        ..gnitz::SessionFacts::clone(&session.facts())
    });
    let settings = settings(shared, &startup);
    io.out.authentication(0, &[]);
    settings.told().for_each(|(name, value)| io.out.parameter_status(name, value));
    io.out.key_data(slot.pid, slot.secret);
    io.out.ready(gnitz::Status::Idle);
    io.flush().await?;
    Ok(Some(Client::new(io, session, settings, slot)))
}

/// Why a connection ends before it has begun.
enum Ended {
    Io(io::Error),
    Told(Report),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Ended {
        Ended::Io(error)
    }
}

impl From<Malformed> for Ended {
    fn from(malformed: Malformed) -> Ended {
        Ended::Told(Report::fatal("08P01", malformed.message))
    }
}

async fn refuse(io: &mut Io, report: &Report) -> io::Result<Option<Client>> {
    io.out.report(report);
    io.close().await;
    Ok(None)
}

/// Reads packets until one that asks for something that can be done.
async fn first(io: &mut Io, shared: &Shared, may_encrypt: bool) -> Result<First, Ended> {
    // A client may ask for two kinds of encryption before it goes on without.
    for _ in 0..3 {
        let Some(mut packet) = packet(io).await? else { return Ok(First::Done) };
        match packet.u32()? {
            CANCEL => {
                let (pid, secret) = (packet.u32()? as i32, packet.u32()? as i32);
                shared.backends.cancel(pid, secret);
                io.close().await;
                return Ok(First::Done);
            }
            ENCRYPT if may_encrypt => return Ok(First::Encrypt),
            ENCRYPT | ENCRYPT_GSS => io.write_byte(b'N').await?,
            version if version >> 16 == 3 => {
                return Ok(First::Startup(Startup::read(version & 0xffff, packet)?));
            }
            version => {
                let (major, minor) = (version >> 16, version & 0xffff);
                let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0");
                return Err(Ended::Told(Report::fatal("0A000", message)));
            }
        }
    }
    Err(Ended::Told(Report::fatal("08P01", "a startup packet was expected")))
}

async fn encrypt(mut io: Io, acceptor: Option<&TlsAcceptor>) -> io::Result<Option<Io>> {
    io.write_byte(b'S').await?;
    match (io.into_parts(), acceptor) {
        ((Either::Left(stream), read), Some(acceptor)) if read.is_empty() => {
            let stream = acceptor.accept(stream).await?;
            Ok(Some(Io::new(Either::Right(Box::new(stream)), BytesMut::new())))
        }
        // What came before the handshake could be anyone's.
        _ => Ok(None),
    }
}

/// A packet without a tag: those before a session.
async fn packet(io: &mut Io) -> Result<Option<Body>, Ended> {
    let Some(mut length) = io.exactly(4).await? else { return Ok(None) };
    let length = length.get_u32() as usize;
    if !(8..=MAX_STARTUP).contains(&length) {
        return Err(Malformed::new("invalid length of startup packet").into());
    }
    Ok(io.exactly(length - 4).await?.map(|bytes| Body { bytes }))
}

impl Startup {
    fn read(minor: u32, mut packet: Body) -> Result<Startup, Malformed> {
        let mut parameters = BTreeMap::new();
        loop {
            let name = packet.string()?;
            if name.is_empty() {
                return Ok(Startup { minor, parameters });
            }
            parameters.insert(name, packet.string()?);
        }
    }

    fn user(&self) -> &str {
        self.parameters.get("user").map_or("", String::as_str)
    }
}

/// The session of a client that may come in.
async fn admit(io: &mut Io, shared: &Shared, startup: &Startup, peer: SocketAddr) -> Result<Session, Ended> {
    let options: Vec<&str> =
        startup.parameters.keys().filter(|name| name.starts_with("_pq_.")).map(String::as_str).collect();
    if startup.minor > 0 || !options.is_empty() {
        io.out.negotiate(3 << 16, &options);
    }
    let told = |code, message: String| Ended::Told(Report::fatal(code, message));
    let user = startup.user();
    if user.is_empty() {
        return Err(told("28000", "no PostgreSQL user name specified in startup packet".to_string()));
    }
    if !matches!(
        startup.parameters.get("replication").map(String::as_str),
        None | Some("false" | "off" | "0")
    ) {
        return Err(told("0A000", "replication is not supported".to_string()));
    }
    let failed = |error: gnitz::Error| told(error.sqlstate(), error.message());
    let database = &shared.database;
    if database.has_passwords().map_err(failed)? {
        if let Err(ended) = authenticate(io, shared, user).await {
            logging::failed_login("pg", user, &peer.ip().to_string(), "authentication failed");
            shared.metrics.failed_login("pg");
            tokio::time::sleep(shared.options.failed_login).await;
            return Err(ended);
        }
        return database.session_as(user).map_err(failed);
    }
    if !peer.ip().to_canonical().is_loopback() {
        let message = format!("no role has a password, so connections from {} are not accepted", peer.ip());
        return Err(told("28000", message));
    }
    // While nobody can prove who they are, a name that no role has is as good as any.
    match database.has_role(user).map_err(failed)? {
        true => database.session_as(user).map_err(failed),
        false => Ok(database.session()),
    }
}

async fn authenticate(io: &mut Io, shared: &Shared, user: &str) -> Result<(), Ended> {
    io.out.authentication(10, format!("{}\0\0", scram::MECHANISM).as_bytes());
    io.flush().await?;
    let failed =
        || Ended::Told(Report::fatal("28P01", format!("password authentication failed for user \"{user}\"")));
    let refused = |refusal| match refusal {
        Refusal::Wrong => failed(),
        Refusal::Malformed => Ended::Told(Report::fatal("08P01", "malformed SCRAM message")),
    };
    let mut first = Body { bytes: password(io).await?.ok_or_else(failed)? };
    if first.string()? != scram::MECHANISM {
        return Err(Malformed::new("client selected an invalid SASL authentication mechanism").into());
    }
    let length = first.u32()? as usize;
    let known = shared
        .database
        .verifier(user)
        .map_err(|error| Ended::Told(Report::fatal(error.sqlstate(), error.message())))?;
    let verifier = known.unwrap_or_else(|| scram::made_up(user, &shared.key));
    let exchange = Exchange::begin(verifier, &first.take(length)?).map_err(refused)?;
    io.out.authentication(11, exchange.server_first.as_bytes());
    io.flush().await?;
    let last = password(io).await?.ok_or_else(failed)?;
    let server_final = exchange.finish(&last).map_err(refused)?;
    io.out.authentication(12, server_final.as_bytes());
    Ok(())
}

/// The client's next answer to a request for authentication.
async fn password(io: &mut Io) -> Result<Option<Bytes>, Ended> {
    loop {
        match io.take_first()? {
            Some(Message::Password(bytes)) => return Ok(Some(bytes)),
            Some(_) => return Err(Malformed::new("expected SASL response").into()),
            None if io.fill().await? => {}
            None => return Ok(None),
        }
    }
}

/// The settings that the server and the client begin with.
fn settings(shared: &Shared, startup: &Startup) -> Settings {
    let mut settings = Settings::new(BTreeMap::new());
    let options = &shared.options;
    for (name, limit) in [
        ("statement_timeout", options.statement_timeout),
        ("idle_session_timeout", options.idle_timeout),
        ("idle_in_transaction_session_timeout", options.idle_in_transaction_timeout),
    ] {
        limit.iter().for_each(|limit| settings.start_with(name, &limit.as_millis().to_string()));
    }
    settings.begin_as(startup.user());
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => command_line(value).for_each(|(name, value)| settings.start_with(&name, &value)),
            _ => settings.start_with(name, value),
        }
    }
    settings
}

/// The settings in a command line: `-c name=value` and `--name=value`.
fn command_line(text: &str) -> impl Iterator<Item = (String, String)> {
    let words = text.split_whitespace().filter_map(|word| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        let (name, value) = word.split_once('=')?;
        Some((name.replace('-', "_"), value.replace("\\ ", " ")))
    });
    words.collect::<Vec<_>>().into_iter()
}
