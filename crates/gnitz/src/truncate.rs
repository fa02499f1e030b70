//! `TRUNCATE`: every row of some tables taken away in one change, which views follow as they follow any other. The rows
//! are read in pieces, so that a large table can be cancelled half way; nothing has changed then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sql::statement::{Need, Restart};
use sql::{SqlError, SqlState, TableKind};
use zset::Merger;

use crate::definition::Change;
use crate::error::{Error, Result};
use crate::mode::{Core, Status};
use crate::relation::Relation;
use crate::transaction::Work;

/// How much of a table is taken away at once.
const PIECE_BYTES: usize = 8 << 20;

/// Empties the tables, for which these rights are needed, and has the sequences of their columns begin again if that
/// is said: with the rows, or not at all.
pub(crate) fn run(core: &Core, tables: &[String], restart: bool, needs: &[Need]) -> Result<()> {
    let sequences = if restart { sequences(core, tables)? } else { Vec::new() };
    if sequences.is_empty() {
        return empty_all(core, tables, needs);
    }
    let restart = |_| core.define(Change::Restart(sequences)).map(|notices| core.note(notices));
    if core.status() != Status::Idle {
        return empty_all(core, tables, needs).and_then(restart);
    }
    core.begin(None)?;
    match empty_all(core, tables, needs).and_then(restart) {
        Ok(()) => core.commit().map(|_| ()),
        Err(error) => {
            core.rollback()?;
            Err(error)
        }
    }
}

/// The sequences of the tables' columns, each to begin again.
fn sequences(core: &Core, tables: &[String]) -> Result<Vec<Restart>> {
    core.read(|work| {
        let catalog = &work.base().compiled.catalog;
        let tables = tables.iter().filter_map(|name| catalog.get(name));
        let sequences = tables.flat_map(|table| catalog.sequences_of(table.id()));
        let restart = |sequence: Arc<Relation>| Restart {
            name: sequence.name().to_string(),
            position: None,
            column: None,
            if_exists: false,
            with: None,
        };
        Ok(sequences.map(restart).collect())
    })
}

fn empty_all(core: &Core, tables: &[String], needs: &[Need]) -> Result<()> {
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
