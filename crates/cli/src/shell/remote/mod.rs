//! The database behind a connection: any server that speaks PostgreSQL's protocol, ours first.
//!
//! A statement is sent as its text, in the simple protocol: what is answered is then what the server makes of that
//! text, settings and streams included, with the tag, the types and the state of the transaction, none of which a
//! driver hands on. The driver opens the connection and proves who it is.
//!
//! A connection that is lost is told; the next statement makes another. What was open on the old one is gone, and that
//! is told, too: no statement of a transaction runs outside of it.

mod login;
mod talk;
mod tls;
mod wire;

use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gnitz::Status;

use super::backend::{Answer, Backend, Cancel, Taker, query};
use super::fault::Fault;
use super::render::Cell;
use login::{Address, Door};
use talk::{Broken, Talk};
use wire::Wire;

/// How long names for completion are good while this session changes none.
const NAMES: Duration = Duration::from_secs(30);

const NAMES_QUERY: &str = "SELECT c.relname, a.attname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')";

/// A connection, and how to make another one.
pub struct Remote {
    address: Address,
    wire: Option<Wire>,
    status: Status,
    /// The way to the server beside the connection.
    door: Arc<Mutex<Option<Door>>>,
    /// What the server says of itself.
    version: String,
    names: Vec<String>,
    named: Option<Instant>,
}

impl Remote {
    /// Connects to what an address names.
    pub fn connect(address: &str) -> Result<Remote, Fault> {
        let mut remote = Remote {
            address: Address::parse(address)?,
            wire: None,
            status: Status::Idle,
            door: Arc::default(),
            version: String::new(),
            names: Vec::new(),
            named: None,
        };
        remote.open()?;
        Ok(remote)
    }

    fn open(&mut self) -> Result<(), Fault> {
        let link = self.address.connect()?;
        self.wire = Some(Wire::new(link.stream));
        *lock(&self.door) = Some(link.door);
        (self.version, self.status, self.named) = (link.version, Status::Idle, None);
        Ok(())
    }

    /// Sees that there is a connection. One that ended while nobody looked is told first.
    fn revive(&mut self, take: Taker<'_>) -> Result<(), Fault> {
        if let Some(broken) = self.wire.as_mut().and_then(|wire| wire.ended()) {
            let was_open = self.status != Status::Idle;
            let lost = self.lost(broken, false);
            if was_open {
                return Err(lost);
            }
            take(Answer::Notice(format!("WARNING: {}", lost.message)));
        }
        if self.wire.is_none() {
            self.open()?;
            let gone = "settings and prepared statements of the old connection are gone";
            take(Answer::Notice(format!("NOTICE: connected to {} again; {gone}", self.address)));
        }
        Ok(())
    }

    /// The connection is gone: what that means.
    fn lost(&mut self, broken: Broken, sent: bool) -> Fault {
        self.wire = None;
        *lock(&self.door) = None;
        let was_open = std::mem::replace(&mut self.status, Status::Idle) != Status::Idle;
        let told = broken.fault.is_some();
        let mut fault = broken.fault.unwrap_or_else(|| {
            Fault::new("08006", format!("the connection to {} is lost: {}", self.address, broken.error))
        });
        if was_open {
            fault.detail = Some("the transaction that was open is lost with the connection".to_string());
        } else if sent && !told {
            fault.detail = Some("whether the statement was done is not known".to_string());
        }
        fault.with_hint("the next statement connects again")
    }
}

impl Backend for Remote {
    fn run(&mut self, text: &str, input: Option<&mut dyn Read>, take: Taker<'_>) -> Result<(), Fault> {
        self.revive(take)?;
        let Some(wire) = &mut self.wire else { return Ok(()) };
        let door = Arc::clone(&self.door);
        let stop = || stop(&door, false);
        match (Talk { wire, take, stop: &stop, input }).run(text) {
            Ok(ended) => {
                self.status = ended.status;
                if ended.defined {
                    self.named = None;
                }
                ended.fault.map_or(Ok(()), Err)
            }
            Err(broken) => Err(self.lost(broken, true)),
        }
    }

    fn cancel(&self) -> Cancel {
        let door = Arc::clone(&self.door);
        Arc::new(move |again| stop(&door, again))
    }

    fn status(&self) -> Status {
        self.status
    }

    fn names(&mut self) -> Vec<String> {
        let fresh = self.named.is_some_and(|named| named.elapsed() < NAMES);
        // Within a transaction a query of ours could make it fail; a lost connection is for a statement to find.
        let can = self.status == Status::Idle && self.wire.as_mut().is_some_and(|wire| wire.looks_alive());
        if !fresh
            && can
            && let Ok(grid) = query(self, NAMES_QUERY)
        {
            let text = |cell| match cell {
                Cell::Text(text) => Some(text),
                _ => None,
            };
            self.names = grid.rows.into_iter().flatten().filter_map(text).collect();
            self.names.sort();
            self.names.dedup();
            self.named = Some(Instant::now());
        }
        self.names.clone()
    }

    fn title(&self) -> String {
        format!("Gnitz {} connected to {}, {}", env!("CARGO_PKG_VERSION"), self.address, self.version)
    }

    fn close(mut self: Box<Self>) -> Result<(), Fault> {
        if let Some(wire) = &mut self.wire {
            // A server that is gone needs no farewell.
            let _ = wire.send(b'X', &[]);
        }
        Ok(())
    }
}

/// Asks the server to stop what runs; the second time it is not waited for any more.
fn stop(door: &Mutex<Option<Door>>, again: bool) {
    let door = lock(door).clone();
    match door {
        Some(door) if again => door.hang_up(),
        Some(door) => {
            if let Err(error) = door.cancel() {
                eprintln!("the server was not reached to cancel: {error}; Ctrl-C again ends the connection");
            }
        }
        None => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
