//! TLS: the certificate from files, or one that signs itself, made at the first start and kept.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Whether connections can be encrypted, and with which certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    #[default]
    Off,
    /// With this certificate chain and key, in PEM.
    Files {
        /// The certificate and those that vouch for it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// With `server.crt` and `server.key` of this directory, which are made if they are not there.
    SelfSigned {
        /// The directory.
        directory: PathBuf,
    },
}

impl Tls {
    /// What accepts encrypted connections; `None` if there are to be none.
    pub(crate) fn acceptor(&self) -> io::Result<Option<TlsAcceptor>> {
        let (certificate, key) = match self {
            Tls::Off => return Ok(None),
            Tls::Files { certificate, key } => (certificate.clone(), key.clone()),
            Tls::SelfSigned { directory } => self_signed(directory)?,
        };
        let bad = |path: &Path, error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
        };
        let chain = CertificateDer::pem_file_iter(&certificate).map_err(|error| bad(&certificate, &error))?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| bad(&certificate, &error))?;
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(|error| bad(&key, &error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|error| bad(&certificate, &error))?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

/// The files of the certificate that signs itself.
fn self_signed(directory: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let paths = (directory.join("server.crt"), directory.join("server.key"));
    if paths.0.exists() && paths.1.exists() {
        return Ok(paths);
    }
    fs::create_dir_all(directory)?;
    let names = vec!["localhost".to_string(), "127.0.0.1".to_string(), "::1".to_string()];
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    write_private(&paths.1, &made.signing_key.serialize_pem())?;
    fs::write(&paths.0, made.cert.pem())?;
    Ok(paths)
}

/// Writes a file that its owner alone can read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
