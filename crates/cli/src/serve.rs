//! `gnitz serve`: a database for PostgreSQL's clients, until the process is asked to end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gnitz::Database;
use server::pg::{Options, Tls, UserList};
use server::{Server, runtime, signalled};

/// What `gnitz serve` takes.
#[derive(Args)]
pub struct ServeArguments {
    /// The database's directory, which is made if it is not there
    directory: PathBuf,
    /// Where PostgreSQL's clients connect
    #[arg(long, default_value = "127.0.0.1:5433", value_name = "ADDRESS")]
    pg: String,
    /// A file of users, a line each: the name, a colon, the password or its SCRAM-SHA-256 secret
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Encrypt, with a certificate that is made at the first start unless one is given
    #[arg(long)]
    tls: bool,
    /// The certificate, in PEM
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, requires = "tls_certificate", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How many connections there may be
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    max_connections: usize,
    /// Stop statements that run longer
    #[arg(long, value_name = "SECONDS")]
    statement_timeout: Option<u64>,
    /// End connections that do nothing for so long
    #[arg(long, value_name = "SECONDS")]
    idle_timeout: Option<u64>,
    /// End connections that do nothing for so long in a transaction
    #[arg(long, value_name = "SECONDS")]
    idle_in_transaction_timeout: Option<u64>,
}

/// Runs it.
pub fn run(arguments: &ServeArguments) -> ExitCode {
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gnitz: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &ServeArguments) -> Result<(), String> {
    let options = options(arguments)?;
    let local = options.users.is_none();
    let database = Database::open(&arguments.directory).map_err(|error| error.to_string())?;
    let runtime = runtime(options.max_connections).map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let at = format!("{}: ", arguments.pg);
        let server = Server::bind(database, options).await.map_err(|error| at + &error.to_string())?;
        let address = server.pg_address().map_err(|error| error.to_string())?;
        println!("serving {} to PostgreSQL's clients on {address}", arguments.directory.display());
        if local {
            println!("no users are set up (--users): only this machine may connect, without a password");
        }
        let stop = async {
            if let Err(error) = signalled().await {
                eprintln!("gnitz: signals cannot be heard: {error}");
                std::future::pending::<()>().await;
            }
            println!("ending: waiting for running statements, then writing a checkpoint");
        };
        server.run(stop).await.map_err(|error| error.to_string())
    })
}

fn options(arguments: &ServeArguments) -> Result<Options, String> {
    let mut options = Options { address: arguments.pg.clone(), ..Options::default() };
    if let Some(path) = &arguments.users {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let list = UserList::parse(&text).map_err(|line| {
            format!("{}, line {line}: a name, a colon and a password are expected", path.display())
        })?;
        options.users = Some(Arc::new(list));
    }
    options.tls = match (&arguments.tls_certificate, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Tls::Files { certificate: certificate.clone(), key: key.clone() },
        _ if arguments.tls => Tls::SelfSigned { directory: arguments.directory.clone() },
        _ => Tls::Off,
    };
    let seconds = |limit: Option<u64>| limit.map(Duration::from_secs);
    options.max_connections = arguments.max_connections;
    options.statement_timeout = seconds(arguments.statement_timeout);
    options.idle_timeout = seconds(arguments.idle_timeout);
    options.idle_in_transaction_timeout = seconds(arguments.idle_in_transaction_timeout);
    Ok(options)
}
