//! Functions from outside: they see only the rows that need them, are not folded, and their errors find their row;
//! and what a compiled program promises to its callers.

use std::sync::{Arc, Mutex};

use expr::{
    Argument, ErrorKind, EvalError, Expr, ExprError, Functions, NoFunctions, Program, ScalarFunction, Scratch,
};
use zset::{ColumnType, Data, Datum, Type, Vector};

/// A function `half(BIGINT)` that refuses odd numbers and remembers what it was called with.
#[derive(Default)]
struct Half {
    calls: Arc<Mutex<Vec<Vec<Datum>>>>,
}

impl Functions for Half {
    fn resolve(
        &self,
        name: &str,
        args: &[ColumnType],
        ty: Type,
    ) -> Result<Arc<dyn ScalarFunction>, ExprError> {
        if name == "half" && args.len() == 1 && args[0].ty == Type::Int64 && ty == Type::Int64 {
            return Ok(Arc::new(Half { calls: self.calls.clone() }));
        }
        NoFunctions.resolve(name, args, ty)
    }
}

impl ScalarFunction for Half {
    fn call(&self, args: &[Argument<'_>], rows: usize) -> Result<Vector, EvalError> {
        let values: Vec<Datum> = match args[0] {
            Argument::Constant(value, _) => vec![value.clone(); rows],
            Argument::Column(column, _) => {
                assert_eq!(column.len(), rows);
                (0..rows).map(|row| column.get(row)).collect()
            }
        };
        let mut result = Vector::new(args[0].ty().lane());
        for (row, value) in values.iter().enumerate() {
            match value {
                Datum::Int(value) if value % 2 == 0 => result.push_datum(&Datum::Int(value / 2)),
                Datum::Null => result.push_null(),
                _ => return Err(EvalError::new(ErrorKind::InvalidParameter, row, "odd")),
            }
        }
        self.calls.lock().expect("no call panics").push(values);
        Ok(result)
    }
}

fn ints(values: &[i64]) -> Vector {
    Vector::from(values.to_vec())
}

fn run(source: &str, functions: &dyn Functions, column: &Vector) -> Result<Vec<Datum>, EvalError> {
    let expr: Expr = source.parse().expect("an expression");
    let program =
        Program::compile(&[expr], &[ColumnType::nullable(Type::Int64)], functions).expect("it compiles");
    let results = program.eval(&[column], column.len(), &mut Scratch::default())?;
    Ok((0..column.len()).map(|row| results[0].get(row)).collect())
}

#[test]
fn only_active_rows_are_passed() {
    let half = Half::default();
    let guarded = "(case:BIGINT (when (= (%:BIGINT $0:BIGINT? 2:BIGINT) 0:BIGINT) (call:BIGINT? \"half\" $0:BIGINT?)) (else -1:BIGINT))";
    let answer = run(guarded, &half, &ints(&[4, 5, 6, 7, 8]));
    assert_eq!(answer, Ok([2, -1, 3, -1, 4].map(Datum::Int).to_vec()));
    assert_eq!(*half.calls.lock().expect("no call panics"), vec![[4, 6, 8].map(Datum::Int).to_vec()]);
}

#[test]
fn errors_find_their_row() {
    let half = Half::default();
    let guarded = "(and (> $0:BIGINT? 2:BIGINT) (= (call:BIGINT? \"half\" $0:BIGINT?) 2:BIGINT))";
    let error = run(guarded, &half, &ints(&[1, 1, 4, 6, 7, 9])).expect_err("seven is odd");
    assert_eq!((error.row, error.kind), (4, ErrorKind::InvalidParameter));
    assert_eq!(run(guarded, &half, &ints(&[1, 4, 6])).map(|values| values[1].clone()), Ok(Datum::Bool(true)));
}

#[test]
fn calls_are_neither_folded_nor_shared() {
    let half = Half::default();
    let twice = "(+:BIGINT (call:BIGINT? \"half\" 8:BIGINT) (call:BIGINT? \"half\" 8:BIGINT))";
    assert_eq!(run(twice, &half, &ints(&[0, 0])), Ok(vec![Datum::Int(8); 2]));
    assert_eq!(half.calls.lock().expect("no call panics").len(), 2);
}

#[test]
fn a_shared_part_is_computed_once() {
    let shared = "(*:BIGINT (+:BIGINT $0:BIGINT? 1:BIGINT) (+:BIGINT $0:BIGINT? 1:BIGINT))";
    let expr: Expr = shared.parse().expect("an expression");
    let program =
        Program::compile(&[expr], &[ColumnType::nullable(Type::Int64)], &NoFunctions).expect("compiles");
    assert_eq!(program.to_string().matches("add bigint").count(), 1, "{program}");
    assert_eq!(run(shared, &NoFunctions, &ints(&[2, -5])), Ok(vec![Datum::Int(9), Datum::Int(16)]));
}

#[test]
fn what_cannot_be_compiled_is_refused() {
    for (source, state) in [
        ("$1:BIGINT", "42703"),
        ("$0:TEXT", "42703"),
        ("(+:BIGINT $0:BIGINT \"a\":TEXT)", "42883"),
        ("(and $0:BIGINT)", "42883"),
        ("(= $0:BIGINT \"a\":TEXT)", "42883"),
        ("(cast:DATE $0:BIGINT)", "42883"),
        ("(call:BIGINT \"no_such\" $0:BIGINT)", "42883"),
        ("(call:TEXT \"upper\" $0:BIGINT)", "42883"),
        ("70000:SMALLINT", "42883"),
        ("\"a\":BYTEA", "42883"),
    ] {
        let expr: Expr = source.parse().unwrap_or_else(|e| panic!("{source}: {e}"));
        let result = Program::compile(&[expr], &[ColumnType::nullable(Type::Int64)], &NoFunctions);
        assert_eq!(result.map(|_| ()).map_err(|e| e.sqlstate()), Err(state), "{source}");
    }
    let mut deep: Expr = "$0:BIGINT?".parse().expect("a column");
    for _ in 0..600 {
        deep = Expr::unary(expr::UnaryOp::Neg, deep);
    }
    let result = Program::compile(&[deep], &[ColumnType::nullable(Type::Int64)], &NoFunctions);
    assert!(matches!(result, Err(ExprError::TooLarge { .. })));
}

#[test]
fn unused_columns_may_be_empty_and_longer_ones_are_cut() {
    let program = Program::compile(
        &["$1:BIGINT".parse().expect("a column"), "(is-null $1:BIGINT)".parse().expect("a test")],
        &[ColumnType::required(Type::Text), ColumnType::required(Type::Int64)],
        &NoFunctions,
    )
    .expect("it compiles");
    assert_eq!(program.used_columns(), [1]);
    let (empty, long) = (Vector::new(Type::Text.lane()), ints(&[1, 2, 3]));
    let mut scratch = Scratch::default();
    let results = program.eval(&[&empty, &long], 2, &mut scratch).expect("nothing fails");
    assert!(matches!(&results[0].data, Data::I64(values) if values == &[1, 2]));
    assert_eq!(results[1].len(), 2);
    assert_eq!(program.eval(&[&empty, &long], 0, &mut scratch).map(|results| results[1].len()), Ok(0));
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Program>();
    shared::<Scratch>();
}

/// Twelve texts of 32 MiB are more than a slice may hold: the rows are then computed some at a time, and the answers
/// and the first error are those of all at once.
#[test]
fn strings_that_do_not_fit_together_are_computed_apart() {
    let text = ColumnType::nullable(Type::Text);
    let texts: Vec<Datum> = (0..12).map(|row| Datum::Text(["a", "é", "b"][row % 3].to_string())).collect();
    let columns = [Vector::from_datums(Type::Text.lane(), &texts), ints(&(0..12).collect::<Vec<_>>())];
    let types = [text, ColumnType::nullable(Type::Int64)];
    let compile = |source: &str| {
        let expr: Expr = source.parse().expect("an expression");
        Program::compile(&[expr], &types, &NoFunctions).expect("it compiles")
    };
    let inputs: Vec<&Vector> = columns.iter().collect();
    let mut scratch = Scratch::default();

    let lengths = compile("(call:BIGINT? \"octet_length\" (call:TEXT? \"repeat\" $0:TEXT? 20000000:BIGINT))");
    let found = lengths.eval(&inputs, 12, &mut scratch).expect("values");
    let expected: Vec<i64> = (0..12).map(|row| [20_000_000, 40_000_000, 20_000_000][row % 3]).collect();
    assert_eq!((0..12).map(|row| found[0].get(row)).collect::<Vec<_>>(), ints_of(&expected));

    let long = compile(
        "(> (call:BIGINT? \"octet_length\" (call:TEXT? \"repeat\" $0:TEXT? 20000000:BIGINT)) 30000000:BIGINT)",
    );
    assert_eq!(long.select(&inputs, 12, &mut scratch), Ok(vec![1, 4, 7, 10]));

    let failing = compile(
        "(+:BIGINT (call:BIGINT? \"octet_length\" (call:TEXT? \"repeat\" $0:TEXT? 20000000:BIGINT)) (/:BIGINT 1:BIGINT (-:BIGINT $1:BIGINT? 9:BIGINT)))",
    );
    let error = failing.eval(&inputs, 12, &mut scratch).expect_err("row 9 divides by zero");
    assert_eq!((error.kind, error.row), (ErrorKind::DivisionByZero, 9));

    let too_large = compile("(call:TEXT? \"repeat\" $0:TEXT? (*:BIGINT $1:BIGINT? 5000000:BIGINT))");
    let error = too_large.eval(&inputs, 12, &mut scratch).expect_err("row 7 has 70 MB");
    assert_eq!((error.sqlstate(), error.row), ("54000", 7));
}

fn ints_of(values: &[i64]) -> Vec<Datum> {
    values.iter().map(|value| Datum::Int(*value)).collect()
}
