//! From an address to a connection on which statements can be sent.
//!
//! The driver reads the address, says who we are and proves it. Then the socket is ours: it sends nothing more until it
//! is asked.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres::{CancelToken, NoTls};
use tokio_rustls::rustls::StreamOwned;
use tokio_util::either::Either;

use super::talk;
use super::tls::{self, Stream};
use crate::shell::fault::Fault;

/// PostgreSQL's port.
const PORT: u16 = 5432;

/// How long a server may take to answer a call, unless the address says it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take to be asked to cancel: meanwhile nobody hears another Ctrl-C.
const HASTE: Duration = Duration::from_secs(2);

/// Where a server is, and who comes.
pub struct Address {
    config: Config,
    /// Whether it is to be encrypted.
    mode: SslMode,
    /// Those that may answer, in the order in which they are tried.
    hosts: Vec<(String, u16)>,
}

/// A connection that is open.
pub struct Link {
    /// What is said and heard on it.
    pub stream: Stream,
    /// The way to cancel.
    pub door: Door,
    /// What the server says it is.
    pub version: String,
}

/// What stops a connection's statement from outside.
#[derive(Clone)]
pub struct Door {
    token: CancelToken,
    peer: SocketAddr,
    mode: SslMode,
    host: String,
    stream: Arc<TcpStream>,
}

impl Address {
    /// Reads an address: a URL, or `key=value` words.
    pub fn parse(text: &str) -> Result<Address, Fault> {
        let mut config = text.parse::<Config>().map_err(|error| {
            let why = reason(&error);
            Fault::new("08001", format!("the address is not understood: {why}"))
                .with_hint("postgres://USER:PASSWORD@HOST:PORT/DATABASE")
        })?;
        // The driver is given a stream that is encrypted already.
        let mode = config.get_ssl_mode();
        config.ssl_mode(SslMode::Disable);
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("gnitz shell");
        }
        let hosts = hosts(&config)?;
        Ok(Address { config, mode, hosts })
    }

    /// Connects to the first host that answers.
    pub fn connect(&self) -> Result<Link, Fault> {
        let patience = self.config.get_connect_timeout().copied().unwrap_or(PATIENCE);
        let mut failed = io::Error::other("no host is named");
        for (at, (host, port)) in self.hosts.iter().enumerate() {
            // An address may stand for a name that is given, too.
            let name = match self.config.get_hosts().get(at) {
                Some(Host::Tcp(name)) => name,
                _ => host,
            };
            match call(host, *port, patience) {
                Ok(stream) => return self.login(stream, name, patience),
                Err(error) => failed = error,
            }
        }
        Err(self.unreachable(&failed))
    }

    /// Nobody answers there.
    pub fn unreachable(&self, error: &io::Error) -> Fault {
        Fault::new("08001", format!("{self} cannot be reached: {error}"))
    }

    fn login(&self, socket: TcpStream, host: &str, patience: Duration) -> Result<Link, Fault> {
        let failed = |error: io::Error| self.unreachable(&error);
        let peer = socket.peer_addr().map_err(failed)?;
        let lent = socket.try_clone().map_err(failed)?;
        lent.set_nonblocking(true).map_err(failed)?;
        let introduced = async {
            let lent = tokio::net::TcpStream::from_std(lent).map_err(failed)?;
            let mut stream = tls::encrypt(lent, self.mode, host).await.map_err(failed)?;
            Ok::<_, Fault>((self.introduce(&mut stream).await?, stream))
        };
        let in_time = async { tokio::time::timeout(patience, introduced).await };
        let introduced = runtime().map_err(failed)?.block_on(in_time);
        let ((token, version), stream) = introduced.map_err(|_| failed(io::ErrorKind::TimedOut.into()))??;
        socket.set_nonblocking(false).map_err(failed)?;
        let shared = Arc::new(socket.try_clone().map_err(failed)?);
        let stream = match stream {
            Either::Right(tls) => Stream::Tls(Box::new(StreamOwned::new(tls.into_inner().1, socket))),
            Either::Left(_) => Stream::Plain(socket),
        };
        let door = Door { token, peer, mode: self.mode, host: host.to_string(), stream: shared };
        Ok(Link { stream, door, version })
    }

    /// Says who we are; what the server is, and how a statement is cancelled.
    async fn introduce(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> Result<(CancelToken, String), Fault> {
        let known = self.config.connect_raw(stream, NoTls).await;
        let (client, connection) = known.map_err(|error| self.refused(&error))?;
        let version = connection.parameter("server_version").unwrap_or("an unknown version");
        Ok((client.cancel_token(), format!("server {version}")))
    }

    fn refused(&self, error: &tokio_postgres::Error) -> Fault {
        match error.as_db_error() {
            Some(told) => talk::fault(told),
            None => Fault::new("08001", format!("{self} cannot be talked to: {}", reason(error))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (host, port)) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}:{port}", if at > 0 { " or " } else { "" })?;
        }
        Ok(())
    }
}

impl Door {
    /// Asks the server to cancel, on a connection of its own.
    pub fn cancel(&self) -> io::Result<()> {
        let stream = TcpStream::connect_timeout(&self.peer, HASTE)?;
        stream.set_nonblocking(true)?;
        let asked = async {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            let stream = tls::encrypt(stream, self.mode, &self.host).await?;
            self.token.cancel_query_raw(stream, NoTls).await.map_err(io::Error::other)
        };
        runtime()?.block_on(async { tokio::time::timeout(HASTE, asked).await })?
    }

    /// Ends the connection; whoever reads from it sees its end.
    pub fn hang_up(&self) {
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The hosts of an address with their ports: one port is for all of them.
fn hosts(config: &Config) -> Result<Vec<(String, u16)>, Fault> {
    let port = |at: usize| match config.get_ports() {
        [] => PORT,
        [port] => *port,
        ports => ports.get(at).copied().unwrap_or(PORT),
    };
    let addresses = config.get_hostaddrs().iter().map(|address| Ok(address.to_string()));
    let names = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => Ok(name.clone()),
        Host::Unix(path) => {
            let message =
                format!("{}: the shell connects over TCP, not through a socket's file", path.display());
            Err(Fault::new("0A000", message))
        }
    });
    let mut hosts: Vec<String> = match config.get_hostaddrs() {
        [] => names.collect::<Result<_, _>>()?,
        _ => addresses.collect::<Result<_, Fault>>()?,
    };
    if hosts.is_empty() {
        hosts.push("localhost".to_string());
    }
    Ok(hosts.into_iter().enumerate().map(|(at, host)| (host, port(at))).collect())
}

fn call(host: &str, port: u16, patience: Duration) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The driver's sentence with what lies behind it.
fn reason(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> String {
        Address::parse(text).unwrap().to_string()
    }

    fn refused(text: &str) -> String {
        Address::parse(text).err().unwrap().sentence()
    }

    #[test]
    fn an_address_has_hosts_and_ports() {
        assert_eq!(address("postgres://me@example.org/db"), "example.org:5432");
        assert_eq!(address("postgresql://me:secret@10.0.0.1:7/db?sslmode=prefer"), "10.0.0.1:7");
        assert_eq!(address("host=a,b port=1,2 user=me"), "a:1 or b:2");
        assert_eq!(address("postgres://"), "localhost:5432");
    }

    #[test]
    fn what_the_shell_does_not_do_is_said() {
        assert!(refused("postgres://%2Ftmp/b").starts_with("error 0A000: /tmp: "));
        assert!(refused("postgres://a:port/b").starts_with("error 08001: the address is not understood: "));
    }
}
