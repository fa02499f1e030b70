//! Measures the interpreter: `cargo run --release -p expr --example eval`.
//!
//! Prints nanoseconds a row for slices of 1,024 rows, and a call for one row.

use std::hint::black_box;
use std::time::Instant;

use expr::{Expr, NoFunctions, Program, Scratch};
use zset::{ColumnType, Strings, Type, Vector};

const ROWS: usize = 1024;

fn main() {
    let inputs = columns();
    let types = [
        ColumnType::required(Type::Int64),
        ColumnType::required(Type::Int64),
        ColumnType::required(Type::Int64),
        ColumnType::required(Type::Decimal { precision: 15, scale: 2 }),
        ColumnType::required(Type::Decimal { precision: 15, scale: 2 }),
        ColumnType::required(Type::Text),
        ColumnType::nullable(Type::Int64),
        ColumnType::required(Type::Float64),
    ];
    let selections = [
        (
            "three terms, 10 % pass",
            "(and (< $0:BIGINT 500:BIGINT) (>= $1:BIGINT 300:BIGINT) (<> $2:BIGINT 7:BIGINT))",
        ),
        (
            "Q6",
            "(and (>= $0:BIGINT 100:BIGINT) (< $0:BIGINT 465:BIGINT) (>= $4:DECIMAL(15,2) '0.05':DECIMAL(15,2)) (<= $4:DECIMAL(15,2) '0.07':DECIMAL(15,2)) (< $1:BIGINT 24:BIGINT))",
        ),
        ("guarded division", "(and (<> $1:BIGINT 0:BIGINT) (> (/:BIGINT $0:BIGINT $1:BIGINT) 1:BIGINT))"),
        ("with NULLs", "(and (< $6:BIGINT? 500:BIGINT) (>= $1:BIGINT 300:BIGINT))"),
        ("LIKE %special%requests%", "(like $5:TEXT \"%special%requests%\":TEXT)"),
        ("text equality", "(= $5:TEXT \"AIR REG\":TEXT)"),
        ("IN of 4", "(in $0:BIGINT 1:BIGINT 5:BIGINT 9:BIGINT 400:BIGINT)"),
    ];
    let values = [
        ("a + b, BIGINT", "(+:BIGINT $0:BIGINT $1:BIGINT)"),
        ("a + b, INTEGER", "(+:INTEGER $0:BIGINT $1:BIGINT)"),
        ("a * b, BIGINT", "(*:BIGINT $0:BIGINT $1:BIGINT)"),
        (
            "price * (1 - discount)",
            "(*:DECIMAL(31,4) $3:DECIMAL(15,2) (-:DECIMAL(16,2) '1':DECIMAL(1,0) $4:DECIMAL(15,2)))",
        ),
        (
            "price * (1 - discount) * (1 + tax)",
            "(*:DECIMAL(38,6) (*:DECIMAL(31,4) $3:DECIMAL(15,2) (-:DECIMAL(16,2) '1':DECIMAL(1,0) $4:DECIMAL(15,2))) (+:DECIMAL(16,2) '1':DECIMAL(1,0) $4:DECIMAL(15,2)))",
        ),
        ("a * b, DOUBLE", "(*:DOUBLE $7:DOUBLE $7:DOUBLE)"),
        ("CASE", "(case:BIGINT (when (< $0:BIGINT 500:BIGINT) $1:BIGINT) (else 0:BIGINT))"),
        ("substring", "(call:TEXT \"substr\" $5:TEXT 1:BIGINT 3:BIGINT)"),
        ("EXTRACT(year)", "(call:INTEGER \"date_part\" \"year\":TEXT (+:DATE '1992-01-01':DATE $0:BIGINT))"),
        ("int to decimal", "(cast:DECIMAL(15,2) $0:BIGINT)"),
    ];
    let columns: Vec<&Vector> = inputs.iter().collect();
    for (name, source) in selections {
        let program = compile(source, &types);
        report(name, |rows, scratch| {
            black_box(program.select(&columns, rows, scratch).map(|found| found.len()).unwrap_or_default());
        });
    }
    for (name, source) in values {
        let program = compile(source, &types);
        report(name, |rows, scratch| {
            if let Ok(results) = program.eval(&columns, rows, scratch) {
                results.into_iter().for_each(|column| scratch.recycle(black_box(column)));
            }
        });
    }
}

fn compile(source: &str, types: &[ColumnType]) -> Program {
    let expr: Expr = source.parse().expect("the text of an expression");
    Program::compile(&[expr], types, &NoFunctions).expect("it compiles")
}

/// Times the call for whole slices and for one row: the best of many short samples, as the machine may be busy.
fn report(name: &str, mut call: impl FnMut(usize, &mut Scratch)) {
    let mut scratch = Scratch::default();
    let mut best = |rows: usize, times: usize| {
        (0..200)
            .map(|_| {
                let start = Instant::now();
                (0..times).for_each(|_| call(rows, &mut scratch));
                start.elapsed().as_nanos() as f64 / times as f64
            })
            .fold(f64::MAX, f64::min)
    };
    let slice = best(ROWS, 10) / ROWS as f64;
    let single = best(1, 1_000);
    println!("{name:36} {slice:6.2} ns a row   {single:6.0} ns for one row");
}

fn columns() -> [Vector; 8] {
    let numbers = |factor: usize, modulus: usize| -> Vec<i64> {
        (0..ROWS).map(|row| (row * factor % modulus) as i64).collect()
    };
    let words =
        ["TRUCK", "AIR REG", "the special customer requests", "a longer comment that has neither of them"];
    let texts: Strings = (0..ROWS).map(|row| words[row % 4]).collect();
    let mut nullable = Vector::from(numbers(7, 1000));
    nullable.valid = Some((0..ROWS).map(|row| row % 5 != 0).collect());
    [
        Vector::from(numbers(7919, 1000)),
        Vector::from(numbers(104_729, 400)),
        Vector::from(numbers(31, 11)),
        Vector::from(numbers(7_777_777, 10_000_000)),
        Vector::from(numbers(3, 11)),
        Vector::from(texts),
        nullable,
        Vector::from((0..ROWS).map(|row| row as f64 / 3.0).collect::<Vec<f64>>()),
    ]
}
