//! Three-valued logic over columns of booleans, and the tests that turn it into two values.

use zset::{Data, Vector};

use crate::frame::Frame;
use crate::function::Argument;
use crate::operand::{self, Operand, zip};
use crate::tree::UnaryOp;

/// `left AND right`.
pub(crate) fn and(frame: &mut Frame<'_>) -> Vector {
    combine(frame, false)
}

/// `left OR right`.
pub(crate) fn or(frame: &mut Frame<'_>) -> Vector {
    combine(frame, true)
}

/// AND where `decisive` is false, OR where it is true: the value that decides whatever the other side is.
fn combine(frame: &mut Frame<'_>, decisive: bool) -> Vector {
    let (left, right) = (frame.bools(0), frame.bools(1));
    let rows = frame.rows.count;
    let mut out = frame.pool.take();
    let nullable = |arg: &Argument<'_>| operand::is_null(arg) || operand::validity(arg).is_some();
    if !frame.args.iter().any(nullable) {
        if decisive {
            zip(left, right, rows, &mut out, |a, b| a | b);
        } else {
            zip(left, right, rows, &mut out, |a, b| a & b);
        }
        return Vector { data: Data::Bool(out), valid: None };
    }
    let mut valid = frame.pool.take();
    let (left_valid, right_valid) = (known(&frame.args[0]), known(&frame.args[1]));
    for row in 0..rows {
        let (a, known_a) = (left.get(row), left_valid.get(row));
        let (b, known_b) = (right.get(row), right_valid.get(row));
        let decided = (known_a & (a == decisive)) | (known_b & (b == decisive));
        let known = decided | (known_a & known_b);
        // A NULL's slot is false.
        out.push(known & (decided == decisive));
        valid.push(known);
    }
    Vector { data: Data::Bool(out), valid: Some(valid) }
}

/// Which rows of an argument are known.
pub(crate) fn known<'a>(argument: &Argument<'a>) -> Operand<'a, bool> {
    match operand::validity(argument) {
        Some(valid) => Operand::Slice(valid),
        None => Operand::Scalar(!operand::is_null(argument)),
    }
}

/// NOT.
pub(crate) fn not(frame: &mut Frame<'_>) -> Vector {
    let arg = frame.bools(0);
    let mut out = frame.pool.take();
    zip(arg, known(&frame.args[0]), frame.rows.count, &mut out, |value, known| !value & known);
    Vector { data: Data::Bool(out), valid: frame.validity() }
}

/// IS NULL, TRUE, FALSE and UNKNOWN, and their opposites.
pub(crate) fn test(op: UnaryOp, frame: &mut Frame<'_>) -> Vector {
    let arg = frame.bools(0);
    let known = known(&frame.args[0]);
    let rows = frame.rows.count;
    let mut out: Vec<bool> = frame.pool.take();
    match op {
        UnaryOp::IsNull | UnaryOp::IsUnknown => zip(known, Operand::Scalar(()), rows, &mut out, |k, ()| !k),
        UnaryOp::IsNotNull | UnaryOp::IsNotUnknown => {
            zip(known, Operand::Scalar(()), rows, &mut out, |k, ()| k);
        }
        UnaryOp::IsTrue => zip(arg, known, rows, &mut out, |value, k| k & value),
        UnaryOp::IsNotTrue => zip(arg, known, rows, &mut out, |value, k| !(k & value)),
        UnaryOp::IsFalse => zip(arg, known, rows, &mut out, |value, k| k & !value),
        _ => zip(arg, known, rows, &mut out, |value, k| !(k & !value)),
    }
    Vector { data: Data::Bool(out), valid: None }
}

/// The rows among the active that a later term of AND (`decisive` false) or OR (true) is needed for: those that
/// are not decided yet. Returns whether there is one.
pub(crate) fn undecided(
    argument: &Argument<'_>,
    decisive: bool,
    active: Option<&[bool]>,
    rows: usize,
    out: &mut Vec<bool>,
) -> bool {
    let value: Operand<'_, bool> = operand::values(argument);
    let known = known(argument);
    zip(value, known, rows, out, |value, known| !(known & (value == decisive)));
    if let Some(active) = active {
        out.iter_mut().zip(active).for_each(|(out, active)| *out &= active);
    }
    out.contains(&true)
}
