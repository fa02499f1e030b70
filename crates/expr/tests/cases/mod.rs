//! Runs `cases.txt`: each line as written, with all constants passed as columns, and with only the first of them.
//!
//! Written with constants a case is folded when it is compiled; as columns it runs the loops. With all of them as
//! columns the case stands between rows of NULLs, so that a failing row is found at its place.

use expr::{Expr, NoFunctions, Program, Scratch};
use zset::{ColumnType, Datum, Type, Vector};

#[test]
fn cases_answer_as_written() {
    let mut wrong = vec![];
    for (number, line) in include_str!("../cases.txt").lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((source, expected)) = line.rsplit_once(" => ") else {
            panic!("line {}: no =>", number + 1);
        };
        let expr: Expr = source.parse().unwrap_or_else(|e| panic!("line {}: {e}", number + 1));
        for (way, lifted) in [("as written", 0), ("first as column", 1), ("all as columns", usize::MAX)] {
            let answer = evaluate(&expr, lifted);
            if answer != expected {
                wrong.push(format!("{}: {line}\n    {way}: {answer}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The answer in the notation of the file, with the first `lifted` constants passed as columns.
fn evaluate(expr: &Expr, lifted: usize) -> String {
    let mut columns: Vec<(Datum, Type)> = vec![];
    let lift = |node: Expr| match node {
        Expr::Literal { value, ty } if columns.len() < lifted => {
            columns.push((value, ty));
            Expr::column(columns.len() as u32 - 1, ty, true)
        }
        other => other,
    };
    let expr = expr.rewrite(&mut { lift });
    let types: Vec<ColumnType> = columns.iter().map(|(_, ty)| ColumnType::nullable(*ty)).collect();
    let ty = expr.column_type().ty;
    let program = match Program::compile(std::slice::from_ref(&expr), &types, &NoFunctions) {
        Ok(program) => program,
        Err(error) => return format!("not compiled: {error}"),
    };
    assert!(!program.to_string().contains(", missing"), "{program}");
    let row = if lifted == usize::MAX && !columns.is_empty() { 1 } else { 0 };
    let vectors: Vec<Vector> = columns.iter().map(|(value, ty)| column(value, *ty, row)).collect();
    let inputs: Vec<&Vector> = vectors.iter().collect();
    let mut scratch = Scratch::default();
    match program.eval(&inputs, 3, &mut scratch) {
        Err(error) if error.row != row => format!("error {} in row {}", error.sqlstate(), error.row),
        Err(error) => format!("error {}", error.sqlstate()),
        Ok(results) => shown(&results[0].get_as(row, ty), ty),
    }
}

/// The value three times, or between two NULLs where it is to stand in the second row.
fn column(value: &Datum, ty: Type, row: usize) -> Vector {
    let around = if row == 1 { &Datum::Null } else { value };
    Vector::from_datums(ty.lane(), [around, value, around])
}

fn shown(value: &Datum, ty: Type) -> String {
    let text = value.display(ty).to_string();
    match value {
        Datum::Null => "null".to_string(),
        Datum::Text(_) if text.trim() != text || text.is_empty() => format!("\"{text}\""),
        _ => text,
    }
}
