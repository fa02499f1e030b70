//! `TRUNCATE`: every row of some tables taken away in one change, which views follow as they follow any other. The rows
//! are read in pieces, so that a large table can be cancelled half way; nothing has changed then.

use std::sync::atomic::Ordering;

use sql::statement::Need;
use sql::{SqlError, SqlState, TableKind};
use zset::Merger;

use crate::error::{Error, Result};
use crate::mode::Core;
use crate::relation::Relation;
use crate::transaction::Work;

/// How much of a table is taken away at once.
const PIECE_BYTES: usize = 8 << 20;

/// Empties the tables, for which these rights are needed.
pub(crate) fn run(core: &Core, tables: &[String], needs: &[Need]) -> Result<()> {
    core.write(None, |work| {
        for name in tables {
            let relation = work.relation(name)?;
            match relation.def.kind {
                TableKind::Table => {}
                TableKind::System => {
                    let message = format!("permission denied: \"{name}\" is a system catalog");
                    return Err(SqlError::new(SqlState::InsufficientPrivilege, message).into());
                }
                _ => return Err(Error::WrongKind { name: name.clone(), expected: "a table" }),
            }
        }
        work.base().compiled.catalog.permit(core.role(), needs)?;
        for name in tables {
            let relation = work.relation(name)?;
            empty(core, work, &relation)?;
        }
        Ok(())
    })
}

fn empty(core: &Core, work: &mut Work, relation: &Relation) -> Result<()> {
    let runs = work.snapshot(false, core.cancel())?.stored(relation.id())?;
    let mut merger = Merger::new(&runs);
    while let Some(piece) = merger.next(PIECE_BYTES)? {
        if core.cancel().load(Ordering::Relaxed) {
            return Err(Error::Canceled);
        }
        work.change(relation.id(), &piece.negate())?;
    }
    Ok(())
}
