//! The ids of batches that were ingested, kept in a table so that they are as durable as the rows.
//!
//! The table has the latest ids only, as many as `http.ingest_keep` says: each new id takes the oldest one with it, in
//! the same commit. Which is the oldest is remembered here and read from the table once, at the first use.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::body::Bytes;
use axum::http::StatusCode;
use gnitz::{Database, Datum, Result, Session, Value};

use super::super::problem::Problem;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS gnitz_ingested (
    role TEXT NOT NULL, batch TEXT NOT NULL, \"table\" TEXT NOT NULL, \"rows\" BIGINT NOT NULL, digest BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (role, batch))";

/// Ids that go with one commit at most, when there are too many.
const DROPPED_AT_ONCE: usize = 16;

/// What is remembered of a batch.
pub struct Ingested {
    /// Whose it is, and its id: roles do not know of each other's.
    pub id: Id,
    /// The table it went to.
    pub table: String,
    /// A hash of what it asked for.
    pub digest: i64,
}

/// A role, and an id that it gave a batch.
pub type Id = (String, String);

/// The ids, oldest first.
pub struct Batches {
    keep: usize,
    /// `None` until they are read.
    order: Mutex<Option<VecDeque<Id>>>,
    /// Held by all who try for the first time, or by one who tries again.
    turn: RwLock<()>,
}

impl Batches {
    /// Ids that are yet to be read, of which so many are to be kept.
    pub fn new(keep: usize) -> Batches {
        Batches { keep, order: Mutex::new(None), turn: RwLock::new(()) }
    }

    /// Waits for the right to try beside others.
    pub fn beside_others(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to try again, which a batch has alone: no other one is in its way then.
    pub fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the table if it is not there, and reads the order of the ids.
    pub fn prepare(&self, database: &Database) -> Result<()> {
        let mut order = self.order();
        if order.is_some() {
            return Ok(());
        }
        // The table is the server's: no role may see what others have sent, or say that it has sent something.
        let session = database.session();
        session.execute(CREATE)?;
        let rows =
            session.query("SELECT role, batch FROM gnitz_ingested ORDER BY at, role, batch")?.rows()?;
        let id = |row: Vec<Datum>| match <[Datum; 2]>::try_from(row) {
            Ok([Datum::Text(role), Datum::Text(batch)]) => Some((role, batch)),
            _ => None,
        };
        *order = Some(rows.into_iter().filter_map(id).collect());
        Ok(())
    }

    /// How many rows a batch had that was ingested before; a problem if it was another one of the same id.
    pub fn find(&self, session: &Session, ingested: &Ingested) -> std::result::Result<Option<u64>, Problem> {
        let (role, batch) = &ingested.id;
        let find = "SELECT \"rows\", digest FROM gnitz_ingested WHERE role = $1 AND batch = $2";
        let statement = session.privileged().prepare(find)?;
        let rows = statement.query(&[role.as_str().into(), batch.as_str().into()])?.rows()?;
        let Some(row) = rows.first() else { return Ok(None) };
        if row[1].as_int() != Some(ingested.digest) {
            let detail = format!("batch \"{batch}\" was ingested before with other contents");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "22023", detail)
                .with_hint("give each batch an id of its own"));
        }
        Ok(Some(row[0].as_int().and_then(|rows| u64::try_from(rows).ok()).unwrap_or_default()))
    }

    /// Writes a batch's id in the session's transaction, and drops what is too old; says how many those were.
    pub fn record(&self, session: &Session, ingested: &Ingested, rows: u64) -> Result<Vec<Id>> {
        let session = session.privileged();
        let insert = "INSERT INTO gnitz_ingested (role, batch, \"table\", \"rows\", digest)
            VALUES ($1, $2, $3, $4, $5)";
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let (role, batch) = &ingested.id;
        let params: [Value; 5] = [
            role.as_str().into(),
            batch.as_str().into(),
            ingested.table.as_str().into(),
            rows.into(),
            ingested.digest.into(),
        ];
        session.prepare(insert)?.execute(&params)?;
        let oldest = self.oldest();
        let delete = session.prepare("DELETE FROM gnitz_ingested WHERE role = $1 AND batch = $2")?;
        for (role, batch) in &oldest {
            delete.execute(&[role.as_str().into(), batch.as_str().into()])?;
        }
        Ok(oldest)
    }

    /// Remembers that a batch was committed, and that the oldest ones went with it.
    pub fn committed(&self, id: &Id, oldest: Vec<Id>) {
        if let Some(order) = &mut *self.order() {
            order.retain(|known| !oldest.contains(known));
            order.push_back(id.clone());
        }
    }

    /// The ids that one more is one too many for.
    fn oldest(&self) -> Vec<Id> {
        let order = self.order();
        let Some(order) = &*order else { return Vec::new() };
        let surplus = (order.len() + 1).saturating_sub(self.keep);
        order.iter().take(surplus.min(DROPPED_AT_ONCE)).cloned().collect()
    }

    fn order(&self) -> MutexGuard<'_, Option<VecDeque<Id>>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash of what a batch asks for (FNV-1a): the same on every machine and at every time, since it is stored.
pub fn digest(table: &str, op: &str, pieces: &[Bytes]) -> i64 {
    let head = [table.as_bytes(), &[0], op.as_bytes(), &[0]];
    let all = head.into_iter().chain(pieces.iter().map(|piece| piece.as_ref()));
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    all.flatten().fold(0xcbf2_9ce4_8422_2325, step).cast_signed()
}
