//! Who may connect, and encryption.

use std::sync::Arc;

use server::pg::{Options, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{ask, code, connect, options, start, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_proved() {
    let server = start().await;
    let owner = server.database.session();
    owner
        .execute(
            "CREATE TABLE t (id INTEGER); CREATE USER me PASSWORD 'secret'; CREATE USER you PASSWORD 'other'",
        )
        .unwrap();
    owner.execute("CREATE ROLE group_ PASSWORD 'third'; GRANT SELECT ON t TO me").unwrap();
    let try_as = async |user: &str, password: &str| {
        let mut config = server.config();
        config.user(user).password(password);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        ask(&client, "SHOW session_authorization").await
    };
    assert_eq!(try_as("me", "secret").await.unwrap()[0], "me");
    assert_eq!(try_as("you", "other").await.unwrap()[0], "you");
    assert_eq!(code(try_as("group_", "third").await), "28000");
    let allowed = async |user: &str, password: &str| {
        let mut config = server.config();
        let (client, connection) = config.user(user).password(password).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        ask(&client, "SELECT * FROM t").await
    };
    assert!(allowed("me", "secret").await.is_ok());
    assert_eq!(code(allowed("you", "other").await), "42501");
    for (user, password) in [("me", "other"), ("you", ""), ("nobody", "secret")] {
        assert_eq!(code(try_as(user, password).await), "28P01", "{user}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted() {
    let directory = std::env::temp_dir().join(format!("gnitz-tls-{}", std::process::id()));
    let tls = Tls::SelfSigned { directory: directory.clone() };
    let server = start_with(Options { tls: tls.clone(), ..options() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'S');
    let certificate = CertificateDer::from_pem_file(directory.join("server.crt")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let mut config = server.config();
    config.ssl_mode(SslMode::Disable);
    let (client, connection) = config.connect_raw(stream, NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(ask(&client, "SELECT 'hidden'").await.unwrap()[0], "hidden");
    // Those who do not ask for it are served as well, and the next start takes the same certificate.
    let plain = connect(&server).await;
    assert_eq!(ask(&plain, "SELECT 1").await.unwrap()[0], "1");
    let before = std::fs::read(directory.join("server.crt")).unwrap();
    start_with(Options { tls, ..options() }).await.stop().await;
    assert_eq!(std::fs::read(directory.join("server.crt")).unwrap(), before);
    server.stop().await;
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_that_is_not_there_is_refused() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // GSS, then TLS, then a version that nobody speaks.
    for code in [5680_u32, 5679] {
        stream.write_all(&[0, 0, 0, 8]).await.unwrap();
        stream.write_all(&(1234 << 16 | code).to_be_bytes()).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
    }
    stream.write_all(&[0, 0, 0, 8, 0, 2, 0, 0]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"E") && answer.windows(5).any(|five| five == b"0A000"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn startup_settings_are_taken() {
    let server = start().await;
    let mut config = server.config();
    config.application_name("a test").options("-c statement_timeout=5000 -c timezone=Europe/Rome");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(ask(&client, "SHOW application_name").await.unwrap()[0], "a test");
    assert_eq!(ask(&client, "SHOW statement_timeout").await.unwrap()[0], "5s");
    assert_eq!(ask(&client, "SHOW timezone").await.unwrap()[0], "UTC");
    ask(&client, "SET application_name = 'x'; RESET application_name").await.unwrap();
    assert_eq!(ask(&client, "SHOW application_name").await.unwrap()[0], "a test");
    server.stop().await;
}
