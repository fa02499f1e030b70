//! Random typed trees over random rows: the program must answer as the naive evaluator does, value for value, or
//! fail with the same kind of error in the same, first failing, row.
//!
//! A failing case prints its seed; `SEED=n` runs that one alone, `CASES=n` runs more.

mod evaluate;
mod generate;

use expr::{Expr, NoFunctions, Program, Scratch};
use zset::{Datum, Vector};

use evaluate::{Stop, evaluate};
use generate::{Generator, INPUTS, Random};

const CASES: u64 = 20_000;

#[test]
fn programs_answer_as_the_naive_evaluator() {
    let mut scratch = Scratch::default();
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let only = number("SEED");
    let seeds = only.map_or(0..number("CASES").unwrap_or(CASES), |seed| seed..seed + 1);
    let mut failed = 0;
    let total = seeds.end - seeds.start;
    for seed in seeds {
        failed += u64::from(one_case(seed, &mut scratch));
    }
    assert!(only.is_some() || failed > total / 20, "errors must be among the answers: {failed} of {total}");
    assert!(only.is_some() || failed < total / 2, "values must be among the answers: {failed} of {total}");
}

/// Runs one case. Returns whether both ways failed.
fn one_case(seed: u64, scratch: &mut Scratch) -> bool {
    let mut random = Random::new(seed);
    let exprs: Vec<Expr> = (0..1 + random.below(2))
        .map(|_| {
            let ty = random.pick(&generate::TYPES);
            Generator::new(&mut random).expr(ty, 5)
        })
        .collect();
    let rows: Vec<Vec<Datum>> = (0..1 + random.below(20)).map(|_| generate::row(&mut random)).collect();
    let expected = naive(&exprs, &rows);
    let Some(expected) = expected else { return false };
    let shown: Vec<String> = exprs.iter().map(Expr::to_string).collect();
    let shown = format!("SEED={seed}\n{}", shown.join("\n"));
    for expr in &exprs {
        assert_eq!(expr.to_string().parse::<Expr>().as_ref(), Ok(expr), "{shown}");
    }
    let program = Program::compile(&exprs, &INPUTS, &NoFunctions).unwrap_or_else(|e| panic!("{e}\n{shown}"));
    let vectors: Vec<Vector> = (0..INPUTS.len())
        .map(|column| Vector::from_datums(INPUTS[column].ty.lane(), rows.iter().map(|row| &row[column])))
        .collect();
    let inputs: Vec<&Vector> = vectors.iter().collect();
    let answer = program.eval(&inputs, rows.len(), scratch);
    match (answer, expected) {
        (Ok(columns), Ok(expected)) => {
            for (row, values) in expected.iter().enumerate() {
                for ((column, expr), value) in columns.iter().zip(&exprs).zip(values) {
                    let ty = expr.column_type().ty;
                    assert_eq!(column.len(), rows.len(), "{shown}");
                    assert_eq!(
                        &column.get_as(row, ty),
                        value,
                        "row {row}: {:?}\n{shown}\n{program}",
                        rows[row]
                    );
                }
            }
            zeros_under_nulls(&columns, &shown);
            columns.into_iter().for_each(|column| scratch.recycle(column));
            selects_true_rows(&exprs, &rows, &expected, &inputs, scratch, &shown);
            false
        }
        (Err(error), Err((row, kind))) => {
            assert_eq!((error.row, error.kind), (row, kind), "{error}\n{:?}\n{shown}\n{program}", rows[row]);
            true
        }
        (answer, expected) => panic!("{answer:?}\nexpected {expected:?}\n{shown}\n{program}"),
    }
}

type Naive = Result<Vec<Vec<Datum>>, (usize, expr::ErrorKind)>;

/// Every row after the other; `None` where the evaluator would need wider numbers than it has.
fn naive(exprs: &[Expr], rows: &[Vec<Datum>]) -> Option<Naive> {
    let mut results = vec![];
    for (number, row) in rows.iter().enumerate() {
        match exprs.iter().map(|expr| evaluate(expr, row)).collect() {
            Ok(values) => results.push(values),
            Err(Stop::Error(kind)) => return Some(Err((number, kind))),
            Err(Stop::Unknown) => return None,
        }
    }
    Some(Ok(results))
}

/// A column hands out zeros where it is NULL.
fn zeros_under_nulls(columns: &[Vector], shown: &str) {
    for column in columns {
        for row in (0..column.len()).filter(|row| !column.is_valid(*row)) {
            let slot = Vector { data: column.data.clone(), valid: None }.get(row);
            let mut zero = Vector::new(column.lane());
            zero.push_null();
            zero.valid = None;
            assert_eq!(slot, zero.get(0), "row {row}\n{shown}");
        }
    }
}

/// `select` finds the rows for which a single condition is true.
fn selects_true_rows(
    exprs: &[Expr],
    rows: &[Vec<Datum>],
    expected: &[Vec<Datum>],
    inputs: &[&Vector],
    scratch: &mut Scratch,
    shown: &str,
) {
    if exprs[0].column_type().ty != zset::Type::Bool {
        return;
    }
    let program = Program::compile(&exprs[..1], &INPUTS, &NoFunctions).expect("it compiled with others");
    let wanted: Vec<u32> =
        (0..rows.len()).filter(|row| expected[*row][0] == Datum::Bool(true)).map(|row| row as u32).collect();
    assert_eq!(program.select(inputs, rows.len(), scratch), Ok(wanted), "{shown}");
}
