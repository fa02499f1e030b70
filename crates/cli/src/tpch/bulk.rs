//! The refresh stream the way change capture delivers it: a batch of new rows and of keys of rows that go, for each
//! table, committed as one transaction through appenders. A row with another price is removed and added.

use gnitz::{Appender, Datum, Error, Session, Value};

use super::Change;

/// What a batch of changes comes to, as values that an appender takes.
#[derive(Default)]
pub struct Batch {
    orders: Vec<Vec<Datum>>,
    items: Vec<Vec<Datum>>,
    gone_orders: Vec<[Datum; 1]>,
    gone_items: Vec<[Datum; 2]>,
    rows: u64,
}

impl Batch {
    /// The batch of some changes.
    pub fn of(changes: &[Change]) -> Batch {
        let mut batch = Batch::default();
        for change in changes {
            batch.rows += change.rows();
            match change {
                Change::Insert { order, items } => {
                    batch.orders.push(datums(order));
                    batch.items.extend(items.iter().map(|item| datums(item)));
                }
                Change::Delete { order, lines } => {
                    batch.gone_orders.push([Datum::Int(*order)]);
                    batch.gone_items.extend(lines.iter().map(|line| [Datum::Int(*order), Datum::Int(*line)]));
                }
                Change::Reprice { order, line, item, .. } => {
                    batch.gone_items.push([Datum::Int(*order), Datum::Int(*line)]);
                    batch.items.push(datums(item));
                }
            }
        }
        batch
    }
}

/// The appenders that carry batches into the database.
pub struct BulkWriter {
    orders: Appender,
    items: Appender,
}

impl BulkWriter {
    /// Opens the appenders.
    pub fn new(session: &Session) -> Result<BulkWriter, Error> {
        Ok(BulkWriter { orders: session.appender("orders")?, items: session.appender("lineitem")? })
    }

    /// Makes a batch of changes in one transaction; returns how many rows they touched.
    pub fn commit(&mut self, session: &Session, batch: &Batch) -> Result<u64, Error> {
        let transaction = session.begin()?;
        batch.gone_orders.iter().try_for_each(|key| self.orders.remove_row(key))?;
        batch.orders.iter().try_for_each(|row| self.orders.append_row(row))?;
        let orders = self.orders.flush()?;
        batch.gone_items.iter().try_for_each(|key| self.items.remove_row(key))?;
        batch.items.iter().try_for_each(|row| self.items.append_row(row))?;
        let items = self.items.flush()?;
        transaction.commit()?;
        let expected =
            (batch.gone_orders.len() + batch.orders.len(), batch.gone_items.len() + batch.items.len());
        assert_eq!((orders, items), (expected.0 as u64, expected.1 as u64), "every key that goes is there");
        Ok(batch.rows)
    }
}

fn datums(row: &[Value]) -> Vec<Datum> {
    row.iter().map(|value| value.datum.clone()).collect()
}
