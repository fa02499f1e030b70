//! TPC-H query 3 through the machine, without SQL or storage: changes a CPU-second at several batch sizes, and
//! the latency of one-row steps.
//!
//! ```text
//! cargo run --release -p vm --example q3 [customers]
//! ```
//!
//! The data are synthetic but Q3-shaped: ten orders a customer, four line items an order, a fifth of the customers
//! in the segment, half of the orders and line items on the right side of their dates. Each figure counts the
//! changes of the tables that go into the circuit; making them is not timed, adding what a step returns to the
//! traces is.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use circuit::{Aggregate, AggregateKind, Circuit, NodeId, lower, optimize};
use expr::{BinaryOp, Expr, NoFunctions};
use vm::{Machine, Traces};
use zset::{
    Batch, BatchBuilder, CollectionId, ColumnType, Datum, Deltas, Layout, Schema, Secret, Type, Vector, merge,
};

const CUSTOMER: CollectionId = CollectionId(1);
const ORDERS: CollectionId = CollectionId(2);
const LINEITEM: CollectionId = CollectionId(3);
const SECRET: Secret = Secret([7; 16]);
const CUTOFF: i64 = 9204;
const MONEY: Type = Type::Decimal { precision: 15, scale: 2 };

fn main() -> Result<(), Box<dyn Error>> {
    let customers: i64 = std::env::args().nth(1).map_or(Ok(30_000), |text| text.parse())?;
    let circuit = optimize(&query());
    println!("{circuit}");
    for batch in [1_000, 10_000, 100_000] {
        load(&circuit, customers, batch)?;
    }
    single_rows(&circuit, customers)
}

/// The circuit, as a planner makes it.
fn query() -> Circuit {
    let mut circuit = Circuit::new();
    let customer = circuit.source(CUSTOMER, schema(CUSTOMER));
    let orders = circuit.source(ORDERS, schema(ORDERS));
    let lineitem = circuit.source(LINEITEM, schema(LINEITEM));
    let date = |op, circuit: &Circuit, node, index| {
        Expr::compare(op, column(circuit, node, index), Expr::literal(Datum::Int(CUTOFF), Type::Date))
    };
    let segment = Expr::literal(Datum::Text("BUILDING".into()), Type::Text);
    let in_segment = Expr::compare(BinaryOp::Eq, column(&circuit, customer, 1), segment);
    let customer = circuit.filter(customer, in_segment);
    let customer = circuit.project(customer, &[0]);
    let early = date(BinaryOp::Lt, &circuit, orders, 2);
    let orders = circuit.filter(orders, early);
    let late = date(BinaryOp::Gt, &circuit, lineitem, 4);
    let lineitem = circuit.filter(lineitem, late);
    let lineitem = circuit.project(lineitem, &[0, 2, 3]);
    let exprs = [1, 3, 4].map(|index| Expr::Column { index, ty: ColumnType::required(types(index)) });
    let with_customer = circuit.join((customer, &[0]), (orders, &[1]), None, exprs.to_vec());
    let one = Expr::literal(Datum::Int(100), MONEY);
    let product = Type::Decimal { precision: 31, scale: 4 };
    let rest = Expr::binary(
        BinaryOp::Sub,
        one,
        Expr::column(5, MONEY, false),
        Type::Decimal { precision: 16, scale: 2 },
    );
    let revenue = Expr::binary(BinaryOp::Mul, Expr::column(4, MONEY, false), rest, product);
    let exprs = vec![
        Expr::column(0, Type::Int64, false),
        Expr::column(1, Type::Date, false),
        Expr::column(2, Type::Int32, false),
        revenue,
    ];
    let joined = circuit.join((with_customer, &[0]), (lineitem, &[0]), None, exprs);
    let sum = Aggregate {
        kind: AggregateKind::Sum,
        arg: Some(3),
        filter: None,
        ty: ColumnType::nullable(Type::Decimal { precision: 38, scale: 4 }),
    };
    let reduced = circuit.reduce(joined, 3, vec![sum], false);
    circuit.sink(reduced, &[0, 1, 2]);
    circuit
}

/// Types of (customer key) ++ orders.
fn types(index: u32) -> Type {
    [Type::Int64, Type::Int64, Type::Int64, Type::Date, Type::Int32][index as usize]
}

fn column(circuit: &Circuit, node: NodeId, index: u32) -> Expr {
    Expr::Column { index, ty: circuit.columns(node)[index as usize] }
}

fn schema(table: CollectionId) -> Schema {
    let required = |types: &[Type]| types.iter().map(|&ty| ColumnType::required(ty)).collect();
    match table {
        CUSTOMER => Schema::new(required(&[Type::Int64, Type::Text]), vec![0]),
        ORDERS => Schema::new(required(&[Type::Int64, Type::Int64, Type::Date, Type::Int32]), vec![0]),
        _ => Schema::new(required(&[Type::Int64, Type::Int32, MONEY, MONEY, Type::Date]), vec![0, 1]),
    }
}

/// Rows of one table, made column by column.
struct Rows {
    layout: Layout,
    columns: Vec<Vector>,
}

impl Rows {
    fn new(table: CollectionId) -> Rows {
        let schema = schema(table);
        let columns = schema.columns.iter().map(|column| Vector::new(column.ty.lane())).collect();
        Rows { layout: Layout::new(&schema, SECRET), columns }
    }

    fn push(&mut self, row: &[Datum]) {
        self.columns.iter_mut().zip(row).for_each(|(column, value)| column.push_datum(value));
    }

    fn finish(mut self) -> Result<Batch, zset::ZsetError> {
        let rows = self.columns[0].len();
        let mut builder = BatchBuilder::new();
        let refs: Vec<&Vector> = self.columns.iter().collect();
        self.layout.encode(&refs, rows, &vec![1; rows], &mut builder)?;
        self.columns.clear();
        builder.finish()
    }
}

/// A random-looking number that is the same for the same input.
fn scramble(seed: i64) -> i64 {
    let word = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as i64
}

/// One customer with ten orders and forty line items.
fn family(customer: i64, customers: i64, out: &mut [Rows; 3]) {
    let segment = if scramble(customer) % 5 == 0 { "BUILDING" } else { "MACHINERY" };
    out[0].push(&[Datum::Int(customer), segment.into()]);
    for order in customer * 10..customer * 10 + 10 {
        let date = CUTOFF - 500 + scramble(order) % 1000;
        // Orders are of any customer, most of whom came before or will come after.
        let buyer = scramble(order ^ 0x5555) % customers;
        out[1].push(&[Datum::Int(order), Datum::Int(buyer), Datum::Int(date), Datum::Int(0)]);
        (0..4).for_each(|line| out[2].push(&item(order, line)));
    }
}

fn item(order: i64, line: i64) -> [Datum; 5] {
    let seed = order * 4 + line;
    let date = CUTOFF - 500 + scramble(seed ^ 0x3333) % 1000;
    let (price, discount) = (scramble(seed) % 10_000_000, scramble(!seed) % 11);
    [order, line, price, discount, date].map(Datum::Int)
}

/// Streams all data through the circuit in batches of about `batch` changes, three tables a step.
fn load(circuit: &Circuit, customers: i64, batch: i64) -> Result<(), Box<dyn Error>> {
    let machine = Machine::prepare(&lower(circuit)?, &NoFunctions, SECRET)?;
    let mut traces = Runs::default();
    let step = (batch / 51).max(1);
    let (mut changes, mut stepping, mut applying) = (0, Duration::ZERO, Duration::ZERO);
    for first in (0..customers).step_by(step as usize) {
        let inputs = families(first..(first + step).min(customers), customers)?;
        changes += inputs.values().map(Batch::len).sum::<usize>();
        let start = Instant::now();
        let outputs = machine.step(&inputs, &traces, first == 0, &AtomicBool::new(false))?;
        stepping += start.elapsed();
        let start = Instant::now();
        traces.apply(outputs)?;
        applying += start.elapsed();
    }
    let rate = changes as f64 / (stepping + applying).as_secs_f64() / 1e6;
    let share = |time: Duration| time.as_nanos() as f64 / changes as f64;
    println!(
        "batches of {batch:>6}: {changes} changes, {rate:.2} M/s; {:.0} ns a change in the step, {:.0} in the traces",
        share(stepping),
        share(applying)
    );
    Ok(())
}

fn families(range: std::ops::Range<i64>, customers: i64) -> Result<Deltas, zset::ZsetError> {
    let mut rows = [Rows::new(CUSTOMER), Rows::new(ORDERS), Rows::new(LINEITEM)];
    range.for_each(|customer| family(customer, customers, &mut rows));
    [CUSTOMER, ORDERS, LINEITEM].into_iter().zip(rows).map(|(id, rows)| Ok((id, rows.finish()?))).collect()
}

/// The time of steps that change one line item of a loaded database.
fn single_rows(circuit: &Circuit, customers: i64) -> Result<(), Box<dyn Error>> {
    let machine = Machine::prepare(&lower(circuit)?, &NoFunctions, SECRET)?;
    let mut traces = Runs::default();
    let loaded = families(0..customers, customers)?;
    traces.apply(machine.step(&loaded, &traces, true, &AtomicBool::new(false))?)?;
    let mut times = Vec::new();
    for order in 0..20_000 {
        let mut rows = Rows::new(LINEITEM);
        rows.push(&item(scramble(order) % (customers * 10), 9));
        let inputs = Deltas::from([(LINEITEM, rows.finish()?)]);
        let start = Instant::now();
        let outputs = machine.step(&inputs, &traces, false, &AtomicBool::new(false))?;
        times.push(start.elapsed());
        traces.apply(outputs)?;
    }
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!("steps of one row: median {:?}, 99 % {:?}", at(0.5), at(0.99));
    Ok(())
}

/// The traces, as runs that are merged geometrically.
#[derive(Default)]
struct Runs(BTreeMap<CollectionId, Vec<Batch>>);

impl Traces for Runs {
    fn runs(&self, id: CollectionId) -> &[Batch] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
}

impl Runs {
    fn apply(&mut self, deltas: Deltas) -> Result<(), zset::ZsetError> {
        for (id, batch) in deltas {
            let runs = self.0.entry(id).or_default();
            runs.push(batch);
            // Runs of like size are merged together, four or more at a time.
            let like = |runs: &[Batch]| {
                let last = runs.last().map_or(0, Batch::len).max(64);
                runs.iter().rev().take_while(|run| run.len() <= last * 4).count()
            };
            while let similar @ 4.. = like(runs) {
                let merged = merge(&runs[runs.len() - similar..])?;
                runs.truncate(runs.len() - similar);
                runs.push(merged);
            }
        }
        Ok(())
    }
}
