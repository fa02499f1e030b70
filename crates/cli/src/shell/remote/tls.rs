//! Encryption of a connection, as PostgreSQL's clients have it: asked for before anything is said, and taken where the
//! server offers it unless the address says otherwise.
//!
//! Like `psql`, the shell believes whatever certificate the server shows, which keeps out those who listen and not those
//! who stand in between, unless `PGSSLROOTCERT` names a file of certificates that it must go back to.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::config::SslMode;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned,
};
use tokio_util::either::Either;

/// The message that asks for encryption: a length and a number that is no version of the protocol.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A connection, encrypted or not.
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// What is under it.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(into),
            Stream::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(from),
            Stream::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// Encrypts a connection if the server can, and leaves it as it is if that cannot and need not.
pub async fn encrypt(
    mut socket: tokio::net::TcpStream,
    mode: SslMode,
    host: &str,
) -> io::Result<Either<tokio::net::TcpStream, TlsStream<tokio::net::TcpStream>>> {
    if mode == SslMode::Disable {
        return Ok(Either::Left(socket));
    }
    socket.write_all(&REQUEST).await?;
    match (socket.read_u8().await?, mode) {
        (b'S', _) => {}
        (b'N', SslMode::Prefer) => return Ok(Either::Left(socket)),
        (b'N', _) => {
            return Err(io::Error::other("the server does not offer TLS, and sslmode=require asks for it"));
        }
        _ => return Err(io::Error::other("the server does not speak PostgreSQL's protocol")),
    }
    // A certificate names no interface.
    let host = host.split('%').next().unwrap_or(host);
    let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
    let roots = std::env::var_os("PGSSLROOTCERT");
    let connector = TlsConnector::from(Arc::new(config(roots.as_deref().map(Path::new))?));
    connector.connect(name, socket).await.map(Either::Right)
}

fn config(roots: Option<&Path>) -> io::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let Some(path) = roots else {
        let verifier = Arc::new(Anyone(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    };
    let bad = |error: &dyn std::fmt::Display| {
        io::Error::other(format!("PGSSLROOTCERT, {}: {error}", path.display()))
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
        let certificate = certificate.map_err(|error| bad(&error))?;
        store.add(certificate).map_err(|error| bad(&error))?;
    }
    if store.is_empty() {
        return Err(bad(&"there is no certificate in it"));
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// Takes any certificate whose key the server has.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
