//! The stream of changes: the benchmark's refresh functions (RF1 brings new orders with their line items, RF2 takes
//! old ones away; TPC-H specification 3.0, section 2.5) and price updates of single line items.
//!
//! TPC-H uses 8 of every 32 order keys, so new orders fit in the gap after an old one: RF1's orders are the
//! generated ones at a key 8 higher, with another customer. After the last order the stream goes round once more,
//! with the kinds of change in other turns and new orders in the next gap. Everything follows from the scale alone.

use std::iter::Peekable;

use gnitz::{Datum, Error, Session, Statement, Type, Value};
use tpchgen::dates::TPCHDate;
use tpchgen::generators::{
    CustomerGenerator, LineItem, LineItemGenerator, LineItemGeneratorIterator, Order, OrderGenerator,
    OrderGeneratorIterator,
};

/// The place of `l_extendedprice` among the columns of a line item.
const PRICE: usize = 5;

/// How far the key of a new order lies behind that of the order it was made from.
const GAP: i64 = 8;

/// One change to the orders and their line items.
pub enum Change {
    /// RF1: a new order with its line items.
    Insert { order: Vec<Value>, items: Vec<Vec<Value>> },
    /// RF2: an order and its line items go.
    Delete { order: i64, lines: Vec<i64> },
    /// A line item gets another price (hundredths); the whole row as it is then.
    Reprice { order: i64, line: i64, price: i64, item: Vec<Value> },
}

impl Change {
    /// Rows of tables that the change touches.
    pub fn rows(&self) -> u64 {
        match self {
            Change::Insert { items, .. } => 1 + items.len() as u64,
            Change::Delete { lines, .. } => 1 + lines.len() as u64,
            Change::Reprice { .. } => 1,
        }
    }
}

/// Rounds over the generated orders: a third would change orders that are gone.
const ROUNDS: i64 = 2;

/// A long source of changes: each takes the next generated order, in turn for each kind.
pub struct Refresh {
    scale: f64,
    round: i64,
    orders: OrderGeneratorIterator<'static>,
    items: Peekable<LineItemGeneratorIterator<'static>>,
    customers: i64,
    turn: usize,
}

impl Refresh {
    /// The stream for a database loaded at this scale.
    pub fn new(scale: f64) -> Refresh {
        Refresh {
            scale,
            round: 0,
            orders: OrderGenerator::new(scale, 1, 1).iter(),
            items: LineItemGenerator::new(scale, 1, 1).iter().peekable(),
            customers: CustomerGenerator::calculate_row_count(scale, 1, 1),
            turn: 0,
        }
    }

    fn insert(&self, order: &Order<'_>, items: &[LineItem<'_>]) -> Change {
        let customer = (order.o_custkey * 7 + 3) % self.customers + 1;
        let key = order.o_orderkey + GAP * (self.round + 1);
        Change::Insert {
            order: order_row(order, key, customer),
            items: items.iter().map(|item| item_row(item, key)).collect(),
        }
    }
}

impl Iterator for Refresh {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        let order = match self.orders.next() {
            Some(order) => order,
            None if self.round + 1 < ROUNDS => {
                *self = Refresh {
                    round: self.round + 1,
                    turn: 2 * (self.round as usize + 1),
                    ..Refresh::new(self.scale)
                };
                self.orders.next()?
            }
            None => return None,
        };
        let mut items = Vec::new();
        while let Some(item) = self.items.next_if(|item| item.l_orderkey == order.o_orderkey) {
            items.push(item);
        }
        self.turn += 1;
        Some(match self.turn % 3 {
            1 => self.insert(&order, &items),
            2 => {
                let lines = items.iter().map(|item| i64::from(item.l_linenumber)).collect();
                Change::Delete { order: order.o_orderkey, lines }
            }
            _ => {
                let item = items.first()?;
                let price = item.l_extendedprice.into_inner() / 10 * (9 - self.round) + 1;
                let (order, line) = (item.l_orderkey, i64::from(item.l_linenumber));
                let mut item = item_row(item, order);
                item[PRICE] = money(price);
                Change::Reprice { order, line, price, item }
            }
        })
    }
}

/// The prepared statements that carry changes into the database.
pub struct Writer {
    insert_order: Statement,
    insert_item: Statement,
    delete_order: Statement,
    delete_item: Statement,
    reprice: Statement,
}

impl Writer {
    /// Prepares the statements.
    pub fn new(session: &Session) -> Result<Writer, Error> {
        let places = |n: usize| (1..=n).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ");
        Ok(Writer {
            insert_order: session.prepare(&format!("INSERT INTO orders VALUES ({})", places(9)))?,
            insert_item: session.prepare(&format!("INSERT INTO lineitem VALUES ({})", places(16)))?,
            delete_order: session.prepare("DELETE FROM orders WHERE o_orderkey = $1")?,
            delete_item: session
                .prepare("DELETE FROM lineitem WHERE l_orderkey = $1 AND l_linenumber = $2")?,
            reprice: session.prepare(
                "UPDATE lineitem SET l_extendedprice = $3 WHERE l_orderkey = $1 AND l_linenumber = $2",
            )?,
        })
    }

    /// Makes some changes in one transaction; returns how many rows they touched.
    pub fn commit(&self, session: &Session, changes: &[Change]) -> Result<u64, Error> {
        let transaction = session.begin()?;
        for change in changes {
            self.write(change)?;
        }
        transaction.commit()?;
        Ok(changes.iter().map(Change::rows).sum())
    }

    fn write(&self, change: &Change) -> Result<(), Error> {
        match change {
            Change::Insert { order, items } => {
                self.insert_order.execute(order)?;
                for item in items {
                    self.insert_item.execute(item)?;
                }
            }
            Change::Delete { order, lines } => {
                self.delete_order.execute(&[Value::from(*order)])?;
                for line in lines {
                    self.delete_item.execute(&[Value::from(*order), Value::from(*line)])?;
                }
            }
            Change::Reprice { order, line, price, .. } => {
                self.reprice.execute(&[Value::from(*order), Value::from(*line), money(*price)])?;
            }
        }
        Ok(())
    }
}

fn order_row(order: &Order<'_>, key: i64, customer: i64) -> Vec<Value> {
    vec![
        Value::from(key),
        Value::from(customer),
        text(order.o_orderstatus),
        money(order.o_totalprice.into_inner()),
        date(order.o_orderdate),
        text(order.o_orderpriority),
        text(order.o_clerk),
        Value::from(order.o_shippriority),
        text(order.o_comment),
    ]
}

fn item_row(item: &LineItem<'_>, key: i64) -> Vec<Value> {
    vec![
        Value::from(key),
        Value::from(item.l_partkey),
        Value::from(item.l_suppkey),
        Value::from(item.l_linenumber),
        money(item.l_quantity * 100),
        money(item.l_extendedprice.into_inner()),
        money(item.l_discount.into_inner()),
        money(item.l_tax.into_inner()),
        text(item.l_returnflag),
        text(item.l_linestatus),
        date(item.l_shipdate),
        date(item.l_commitdate),
        date(item.l_receiptdate),
        text(item.l_shipinstruct),
        text(item.l_shipmode),
        text(item.l_comment),
    ]
}

fn text(value: impl ToString) -> Value {
    Value::from(value.to_string())
}

fn money(hundredths: i64) -> Value {
    Value { datum: Datum::Int(hundredths), ty: Type::Decimal { precision: 15, scale: 2 } }
}

fn date(value: TPCHDate) -> Value {
    Value { datum: Datum::Int(value.to_unix_epoch().into()), ty: Type::Date }
}
