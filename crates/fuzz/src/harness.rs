//! The server that the targets talk to, and how.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gnitz::Database;
use server::Server;
use server::pg::Options;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// After so many inputs the database is made anew: what they leave behind would slow down the next.
const INPUTS: usize = 2_000;

/// The memory that a query may take, far below what the fuzzer takes for a leak.
const MEMORY: usize = 64 << 20;

/// After that a connection is taken to hang.
const LIMIT: Duration = Duration::from_secs(30);

/// What there is to talk about.
const SETUP: &str = "
    CREATE TABLE t (id BIGINT PRIMARY KEY, x TEXT);
    CREATE TABLE all_types (d DATE, n NUMERIC(20, 4), ts TIMESTAMP, tz TIMESTAMPTZ, b BOOLEAN, f DOUBLE PRECISION,
        r REAL, s SMALLINT, i INT, bytes BYTEA, tm TIME, v VARCHAR(5));
    INSERT INTO t VALUES (1, 'one'), (2, NULL);
    INSERT INTO all_types (d, n, ts) VALUES ('2026-11-22', 1.5, '2026-11-22 10:00:00');
    CREATE MATERIALIZED VIEW totals AS SELECT x, COUNT(*) AS n FROM t GROUP BY x;
    CREATE USER someone;
    CREATE USER other;
    GRANT ALL ON t, all_types, totals TO someone;
    GRANT CREATE ON SCHEMA public TO someone";

struct Running {
    runtime: Runtime,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    inputs: usize,
}

/// One whose roles have no passwords, and one that asks for them.
static RUNNING: [Mutex<Option<Running>>; 2] = [Mutex::new(None), Mutex::new(None)];

/// Sends these bytes and reads until the connection ends.
pub(crate) fn talk(passwords: bool, bytes: &[u8]) {
    let address = address(passwords);
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    // The server may have had enough before the end; what is sent fits into the socket's buffers.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut sink = vec![0; 64 << 10];
    loop {
        match stream.read(&mut sink) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {
                panic!("the connection does not end")
            }
            Err(_) => return,
        }
    }
}

/// Where the server listens.
fn address(passwords: bool) -> SocketAddr {
    let mut running = RUNNING[usize::from(passwords)].lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(old) = running.take_if(|running| running.inputs >= INPUTS) {
        let _ = old.stop.send(());
        old.runtime.shutdown_timeout(LIMIT);
    }
    let running = running.get_or_insert_with(|| start(passwords));
    running.inputs += 1;
    running.address
}

fn start(passwords: bool) -> Running {
    let database = Database::builder().query_memory(MEMORY).transaction_memory(MEMORY).open_in_memory();
    let database = database.expect("a database");
    database.session().execute(SETUP).expect("tables");
    if passwords {
        database.session().execute("CREATE USER secret PASSWORD 'known'").expect("a role");
    }
    let runtime = server::runtime(100).expect("threads");
    let address = "127.0.0.1:0".to_string();
    let options = Options { address, failed_login: Duration::ZERO, ..Options::default() };
    let server = runtime.block_on(Server::new(database).with_pg(options)).expect("a free port");
    let address = server.pg_address().expect("an address");
    let (stop, stopped) = oneshot::channel();
    runtime.spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { runtime, address, stop, inputs: 0 }
}
