//! `LOCK TABLE`: nothing is ever locked here. A transaction reads one snapshot, whose tables stay as they are however
//! others change them: that is all that `ACCESS SHARE` promises, and what `pg_dump` asks for. Every stronger mode
//! promises that others wait, which they do not.

use datafusion::sql::sqlparser::ast::{Lock, LockTableMode, LockTableTarget};

use crate::error::{Position, SqlError};
use crate::names;

/// The tables that a `LOCK TABLE … IN ACCESS SHARE MODE` names, each with its place.
pub(super) fn lock(asked: &Lock) -> Result<Vec<(String, Option<Position>)>, SqlError> {
    // Without a mode it is the strongest.
    let mode = asked.lock_mode.as_ref().unwrap_or(&LockTableMode::AccessExclusive);
    if *mode != LockTableMode::AccessShare {
        return Err(SqlError::unsupported(format!("LOCK TABLE … IN {mode} MODE"))
            .with_hint("leave it out: a transaction whose rows another one changed is refused at COMMIT"));
    }
    let table = |target: &LockTableTarget| Ok((names::said(&target.name)?, names::position(&target.name)));
    asked.tables.iter().map(table).collect()
}
