//! Comparisons: both sides lie in one lane and have one meaning there, so a comparison cannot fail.
//!
//! Floats follow PostgreSQL's total order, in which NaN equals itself and stands above all numbers; intervals are
//! compared by length, a month being 30 days. IS DISTINCT FROM treats NULL as a value.

use std::cmp::Ordering;

use zset::{Data, Datum, Interval, Lane, Vector};

use crate::decimal;
use crate::error::EvalError;
use crate::frame::Frame;
use crate::operand::{self, Element, Operand, zip};
use crate::tree::BinaryOp;

/// `left op right` in a lane.
pub(crate) fn compare(op: BinaryOp, lane: Lane, frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let mut out = frame.pool.take();
    values(op, lane, frame, &mut out);
    Ok(finish(op, out, frame))
}

fn finish(op: BinaryOp, mut out: Vec<bool>, frame: &mut Frame<'_>) -> Vector {
    if op.is_null_safe() {
        null_safe(op, frame, &mut out);
        return Vector { data: Data::Bool(out), valid: None };
    }
    Vector { data: Data::Bool(out), valid: frame.validity() }
}

/// `left op right` over decimals of scales that no common type can hold: exact, row by row.
pub(crate) fn decimals(
    op: BinaryOp,
    left_scale: u8,
    right_scale: u8,
    frame: &mut Frame<'_>,
) -> Result<Vector, EvalError> {
    let (left, right) = (frame.decimals(0), frame.decimals(1));
    let mut out = frame.pool.take();
    out.extend(
        (0..frame.rows.count)
            .map(|row| holds(op, decimal::compare(left.get(row), left_scale, right.get(row), right_scale))),
    );
    Ok(finish(op, out, frame))
}

fn values(op: BinaryOp, lane: Lane, frame: &Frame<'_>, out: &mut Vec<bool>) {
    match lane {
        Lane::Bool => ordered::<bool>(op, frame, out),
        Lane::I64 => ordered::<i64>(op, frame, out),
        Lane::I128 => ordered::<i128>(op, frame, out),
        Lane::F64 => floats(op, frame, out),
        Lane::Bytes => texts(op, frame, out),
        Lane::Interval => intervals(op, frame, out),
    }
}

fn ordered<T: Element + Ord>(op: BinaryOp, frame: &Frame<'_>, out: &mut Vec<bool>) {
    let left: Operand<'_, T> = operand::values(&frame.args[0]);
    let right = operand::values(&frame.args[1]);
    let rows = frame.rows.count;
    match op {
        BinaryOp::Eq | BinaryOp::IsNotDistinctFrom => zip(left, right, rows, out, |a, b| a == b),
        BinaryOp::Lt => zip(left, right, rows, out, |a, b| a < b),
        BinaryOp::LtEq => zip(left, right, rows, out, |a, b| a <= b),
        BinaryOp::Gt => zip(left, right, rows, out, |a, b| a > b),
        BinaryOp::GtEq => zip(left, right, rows, out, |a, b| a >= b),
        _ => zip(left, right, rows, out, |a, b| a != b),
    }
}

fn floats(op: BinaryOp, frame: &Frame<'_>, out: &mut Vec<bool>) {
    let (left, right) = (frame.floats(0), frame.floats(1));
    let rows = frame.rows.count;
    // `a != a` is NaN, written so that the loop stays free of calls.
    let equal = |a: f64, b: f64| (a == b) | (a.is_nan() & b.is_nan());
    let less = |a: f64, b: f64| (a < b) | (!a.is_nan() & b.is_nan());
    match op {
        BinaryOp::Eq | BinaryOp::IsNotDistinctFrom => zip(left, right, rows, out, equal),
        BinaryOp::Lt => zip(left, right, rows, out, less),
        BinaryOp::LtEq => zip(left, right, rows, out, |a, b| !less(b, a)),
        BinaryOp::Gt => zip(left, right, rows, out, |a, b| less(b, a)),
        BinaryOp::GtEq => zip(left, right, rows, out, |a, b| !less(a, b)),
        _ => zip(left, right, rows, out, |a, b| !equal(a, b)),
    }
}

fn texts(op: BinaryOp, frame: &Frame<'_>, out: &mut Vec<bool>) {
    let (left, right) = (frame.texts(0), frame.texts(1));
    let rows = 0..frame.rows.count;
    match op {
        BinaryOp::Eq | BinaryOp::IsNotDistinctFrom => {
            out.extend(rows.map(|row| equal(left.bytes(row), right.bytes(row))));
        }
        BinaryOp::NotEq | BinaryOp::IsDistinctFrom => {
            out.extend(rows.map(|row| !equal(left.bytes(row), right.bytes(row))));
        }
        _ => out.extend(rows.map(|row| holds(op, left.bytes(row).cmp(right.bytes(row))))),
    }
}

/// Two empty strings are equal without asking `memcmp`, for which their addresses may be a fault to recover from.
fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && (left.is_empty() || left == right)
}

fn intervals(op: BinaryOp, frame: &Frame<'_>, out: &mut Vec<bool>) {
    let (left, right) = (frame.intervals(0), frame.intervals(1));
    zip(left, right, frame.rows.count, out, |a: Interval, b: Interval| holds(op, a.span().cmp(&b.span())));
}

/// Whether a comparison holds for operands of this order.
pub(crate) fn holds(op: BinaryOp, order: Ordering) -> bool {
    match op {
        BinaryOp::Eq | BinaryOp::IsNotDistinctFrom => order.is_eq(),
        BinaryOp::Lt => order.is_lt(),
        BinaryOp::LtEq => order.is_le(),
        BinaryOp::Gt => order.is_gt(),
        BinaryOp::GtEq => order.is_ge(),
        _ => order.is_ne(),
    }
}

/// Corrects the rows in which a side is NULL.
fn null_safe(op: BinaryOp, frame: &Frame<'_>, out: &mut [bool]) {
    let same = op == BinaryOp::IsNotDistinctFrom;
    let present = |arg: usize, row: usize| {
        !operand::is_null(&frame.args[arg])
            && operand::validity(&frame.args[arg]).is_none_or(|valid| valid[row])
    };
    let plain =
        |arg: usize| !operand::is_null(&frame.args[arg]) && operand::validity(&frame.args[arg]).is_none();
    if plain(0) && plain(1) {
        return;
    }
    for (row, out) in out.iter_mut().enumerate() {
        match (present(0, row), present(1, row)) {
            (true, true) => {}
            (left, right) => *out = (left == right) == same,
        }
    }
}

/// The order of two values of one lane, as comparisons see it; NULL is not among them.
pub(crate) fn order(left: &Datum, right: &Datum) -> Ordering {
    match (left, right) {
        (Datum::Interval(a), Datum::Interval(b)) => a.span().cmp(&b.span()),
        _ => left.cmp(right),
    }
}
