//! What a change must hold to before it is anyone's: a primary key names at most one row, a row that goes was
//! there, and nobody else has touched the same rows since the transaction began.
//!
//! Both checks walk the change in key order beside the stored runs, so they cost one forward search per changed
//! row. (NOT NULL, lengths and ranges are checked where values become rows, in `sql`.)

use zset::{Batch, BatchBuilder, Strings, TraceCursor};

use crate::error::{Error, Result};
use crate::relation::Relation;

/// Checks that `runs` plus `delta` is a table: with a primary key every key has at most one row, once; without
/// one no row is there a negative number of times.
pub(crate) fn check(relation: &Relation, runs: &[Batch], delta: &Batch) -> Result<()> {
    let Some((first, last)) = delta.first_key().zip(delta.last_key()) else { return Ok(()) };
    let (first, last) = (relation.layout.key_part(first), relation.layout.key_part(last));
    let runs = near(relation, runs, first, last);
    let mut cursor = TraceCursor::new(&runs);
    if !relation.is_keyed() {
        for row in (0..delta.len()).filter(|&row| delta.weight(row) < 0) {
            cursor.seek_prefix(delta.key(row));
            let stored = cursor.next_net()?.map_or(0, |(_, _, weight)| weight);
            if stored.checked_add(delta.weight(row)).is_some_and(|sum| sum < 0) {
                return Err(vanished(relation, delta, row));
            }
        }
        return Ok(());
    }
    let mut from = 0;
    while from < delta.len() {
        let prefix = relation.layout.key_part(delta.key(from));
        let to = delta.prefix_end(from, prefix);
        cursor.seek_prefix(prefix);
        check_key(relation, &mut cursor, delta, from..to)?;
        from = to;
    }
    Ok(())
}

/// The runs that may hold rows whose encoded primary keys are between two. A table that grows at one end has few
/// where it changes.
fn near(relation: &Relation, runs: &[Batch], first: &[u8], last: &[u8]) -> Vec<Batch> {
    let layout = &relation.layout;
    let meets = |run: &&Batch| {
        run.last_key().is_some_and(|key| first <= layout.key_part(key))
            && run.first_key().is_some_and(|key| layout.key_part(key) <= last)
    };
    runs.iter().filter(meets).cloned().collect()
}

/// The change that takes away the rows with these primary keys, which are encoded; a key without a row changes
/// nothing.
pub(crate) fn removal(relation: &Relation, runs: &[Batch], keys: &Strings) -> Result<Batch> {
    let mut keys: Vec<&[u8]> = keys.iter().collect();
    keys.sort_unstable();
    keys.dedup();
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(Batch::empty()) };
    let runs = near(relation, runs, first, last);
    let mut cursor = TraceCursor::new(&runs);
    let mut gone = BatchBuilder::new();
    for key in keys {
        cursor.seek_prefix(key);
        while let Some((batch, row, weight)) = cursor.next_net()? {
            gone.push_from(batch, row, -weight)?;
        }
    }
    Ok(gone.finish_sorted())
}

/// Checks the rows of one primary key: those stored, which the cursor is at, plus those changed.
fn check_key(
    relation: &Relation,
    cursor: &mut TraceCursor<'_>,
    delta: &Batch,
    changed: std::ops::Range<usize>,
) -> Result<()> {
    let first = changed.start;
    let mut rows = 0_i64;
    let mut changed = changed.peekable();
    let mut next =
        |stored: Option<&[u8]>| changed.next_if(|&row| stored.is_none_or(|key| delta.key(row) <= key));
    loop {
        let stored = cursor.next_net()?;
        let stored_key = stored.map(|(batch, row, _)| batch.key(row));
        let mut weight = stored.map_or(0, |(_, _, weight)| weight);
        while let Some(row) = next(stored_key) {
            if Some(delta.key(row)) == stored_key {
                weight = weight.saturating_add(delta.weight(row));
            } else if delta.weight(row) < 0 {
                return Err(vanished(relation, delta, row));
            } else {
                rows = rows.saturating_add(delta.weight(row));
            }
        }
        if weight < 0 {
            return Err(vanished(relation, delta, first));
        }
        rows = rows.saturating_add(weight);
        if rows > 1 {
            let row = relation.layout.decode_row(delta, first);
            return Err(Error::Duplicate { table: relation.name().into(), key: relation.key_text(&row) });
        }
        if stored.is_none() {
            return Ok(());
        }
    }
}

/// Checks that the rows of every primary key that `delta` touches are the same in `head` as they were in `base`:
/// the first committer wins. Rows without a primary key have no identity to fight over.
pub(crate) fn check_untouched(
    relation: &Relation,
    base: &[Batch],
    head: &[Batch],
    delta: &Batch,
) -> Result<()> {
    if !relation.is_keyed() {
        return Ok(());
    }
    let (mut base, mut head) = (TraceCursor::new(base), TraceCursor::new(head));
    let mut from = 0;
    while from < delta.len() {
        let prefix = relation.layout.key_part(delta.key(from));
        base.seek_prefix(prefix);
        head.seek_prefix(prefix);
        loop {
            let (was, is) = (base.next_net()?, head.next_net()?);
            if !same_row(was, is) {
                return Err(vanished(relation, delta, from));
            }
            if was.is_none() {
                break;
            }
        }
        from = delta.prefix_end(from, prefix);
    }
    Ok(())
}

type Net<'a> = Option<(&'a Batch, usize, i64)>;

fn same_row(left: Net<'_>, right: Net<'_>) -> bool {
    let row = |net: Net<'_>| net.map(|(batch, row, weight)| (batch.key(row).to_vec(), weight));
    match (left, right) {
        (None, None) => true,
        _ => row(left) == row(right),
    }
}

fn vanished(relation: &Relation, delta: &Batch, row: usize) -> Error {
    let row = relation.layout.decode_row(delta, row);
    Error::Conflict { table: relation.name().to_string(), key: relation.key_text(&row) }
}

#[cfg(test)]
mod tests {
    use sql::{ColumnDef, TableDef, TableKind};
    use zset::{BatchBuilder, CollectionId, ColumnType, Datum, Schema, Secret, Type};

    use super::*;

    fn relation(primary_key: Vec<u32>) -> Relation {
        let int = ColumnType { ty: Type::Int64, nullable: false };
        let columns = vec![ColumnDef::new("id", int), ColumnDef::new("v", int)];
        let schema = Schema { columns: vec![int, int], key: primary_key.clone() };
        let kind = TableKind::Table;
        let def = TableDef { id: CollectionId(1), name: "t".into(), kind, columns, primary_key, schema };
        Relation::new(def, None, Secret([1; 16]))
    }

    fn batch(relation: &Relation, rows: &[(i64, i64, i64)]) -> Batch {
        let mut builder = BatchBuilder::new();
        for &(id, v, weight) in rows {
            relation.layout.encode_datums(&[Datum::Int(id), Datum::Int(v)], weight, &mut builder).unwrap();
        }
        builder.finish().unwrap()
    }

    fn state(result: Result<()>) -> &'static str {
        result.map_or_else(|error| error.sqlstate(), |()| "ok")
    }

    #[test]
    fn a_key_has_one_row() {
        let t = relation(vec![0]);
        let runs = [batch(&t, &[(1, 10, 1), (2, 20, 1)]), batch(&t, &[(2, 20, -1), (2, 21, 1)])];
        let check = |rows: &[(i64, i64, i64)]| state(check(&t, &runs, &batch(&t, rows)));
        assert_eq!(check(&[(3, 30, 1), (4, 40, 1)]), "ok");
        assert_eq!(check(&[(1, 11, 1)]), "23505");
        assert_eq!(check(&[(1, 10, 1)]), "23505");
        assert_eq!(check(&[(3, 30, 2)]), "23505");
        assert_eq!(check(&[(3, 30, 1), (3, 31, 1)]), "23505");
        assert_eq!(check(&[(1, 10, -1), (1, 11, 1), (2, 21, -1), (2, 5, 1)]), "ok");
        assert_eq!(check(&[(2, 20, -1)]), "40001");
        assert_eq!(check(&[(9, 9, -1)]), "40001");
    }

    #[test]
    fn a_bag_takes_anything_but_debts() {
        let t = relation(vec![]);
        let runs = [batch(&t, &[(1, 10, 2)])];
        let check = |rows: &[(i64, i64, i64)]| state(check(&t, &runs, &batch(&t, rows)));
        assert_eq!(check(&[(1, 10, 5), (7, 7, 1)]), "ok");
        assert_eq!(check(&[(1, 10, -2)]), "ok");
        assert_eq!(check(&[(1, 10, -3)]), "40001");
        assert_eq!(check(&[(1, 11, -1)]), "40001");
    }

    #[test]
    fn the_first_committer_wins() {
        let t = relation(vec![0]);
        let base = [batch(&t, &[(1, 10, 1), (2, 20, 1)])];
        let change = batch(&t, &[(1, 10, -1), (1, 11, 1), (5, 50, 1)]);
        let other = |rows: &[(i64, i64, i64)]| {
            let head = [base[0].clone(), batch(&t, rows)];
            state(check_untouched(&t, &base, &head, &change))
        };
        assert_eq!(other(&[(2, 20, -1)]), "ok");
        assert_eq!(other(&[(1, 10, -1)]), "40001");
        assert_eq!(other(&[(1, 10, -1), (1, 12, 1)]), "40001");
        assert_eq!(other(&[(5, 51, 1)]), "40001");
    }
}
