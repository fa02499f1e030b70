//! The server, started in the process on a free port over a database in memory, and driven by a PostgreSQL driver.

mod access;
mod arrays;
mod copy;
mod described;
mod extended;
mod feeds;
mod garbage;
mod limits;
mod schemas;
mod search_path;
mod sequences;
mod sessions;
mod simple;
mod transactions;
mod types;

use std::net::SocketAddr;

use gnitz::Database;
use server::Server;
use server::metrics::Metrics;
use server::pg::Options;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// A server that runs until it is stopped.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<gnitz::Result<()>>,
    database: Database,
    metrics: Metrics,
}

impl Running {
    /// Stops it and waits until it has ended.
    async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.expect("the server ends").expect("the database is closed");
    }

    /// How to connect.
    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.address.port()).user("me").dbname("any");
        config
    }
}

/// Options of a test: any free port.
fn options() -> Options {
    Options { address: "127.0.0.1:0".to_string(), ..Options::default() }
}

async fn start_with(options: Options) -> Running {
    let database = Database::in_memory().expect("a database");
    let server = Server::new(database.clone()).with_pg(options).await.expect("a free port");
    let metrics = server.metrics().clone();
    let address = server.pg_address().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { address, stop, task, database, metrics }
}

async fn start() -> Running {
    start_with(options()).await
}

/// A connection, and the task that keeps it.
async fn connect(running: &Running) -> Client {
    let (client, connection) = running.config().connect(NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// The same as another role.
async fn connect_as(server: &Running, user: &str) -> Client {
    let mut config = server.config();
    let (client, connection) = config.user(user).password("secret").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What a text answers: its rows as text, with `NULL`, and its tags.
async fn ask(client: &Client, text: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let messages = client.simple_query(text).await?;
    let shown = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
            Some(cells.collect::<Vec<_>>().join("|"))
        }
        SimpleQueryMessage::CommandComplete(count) => Some(format!("#{count}")),
        _ => None,
    });
    Ok(shown.collect())
}

/// The class of the error that something must end in.
#[track_caller]
fn code<T>(result: Result<T, tokio_postgres::Error>) -> String {
    let Err(error) = result else { panic!("an error was expected") };
    error.code().map_or_else(|| format!("{error:?}"), |state: &SqlState| state.code().to_string())
}
