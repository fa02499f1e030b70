//! Arithmetic over columns of integers, floats and decimals.
//!
//! Addition, subtraction and multiplication are computed for all rows without branches while "did any go wrong" is
//! gathered beside; only when one did are the rows looked at one by one, to find whether a needed row is among
//! them. Division looks at every row: it may divide by zero, and it is slow anyway.

use zset::{Lane, Vector};

use crate::decimal::{self, Shape};
use crate::error::{EvalError, Failure};
use crate::frame::Frame;
use crate::number_fn;
use crate::operand::{Decimals, Element, Operand, zip};
use crate::tree::BinaryOp;

/// The width of an integer type: overflow is checked at the result's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    W16,
    W32,
    W64,
}

impl Width {
    pub(crate) fn range(self) -> (i64, i64) {
        match self {
            Width::W16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Width::W32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Width::W64 => (i64::MIN, i64::MAX),
        }
    }

    /// PostgreSQL's name of the type, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Width::W16 => "smallint",
            Width::W32 => "integer",
            Width::W64 => "bigint",
        }
    }

    /// `value` if it fits.
    pub(crate) fn checked(self, value: i64) -> Option<i64> {
        let (low, high) = self.range();
        (low..=high).contains(&value).then_some(value)
    }
}

/// `left op right` at a width, for one row.
pub(crate) fn integer_row(op: BinaryOp, width: Width, left: i64, right: i64) -> Result<i64, Failure> {
    let value = match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Sub => left.checked_sub(right),
        BinaryOp::Mul => left.checked_mul(right),
        BinaryOp::Div | BinaryOp::Rem if right == 0 => return Err(Failure::division_by_zero()),
        BinaryOp::Div => left.checked_div(right),
        BinaryOp::Rem => Some(left.wrapping_rem(right)),
        BinaryOp::BitAnd => Some(left & right),
        BinaryOp::BitOr => Some(left | right),
        BinaryOp::BitXor => Some(left ^ right),
        BinaryOp::Shl => Some(shift_left(width, left, right)),
        _ => Some(shift_right(width, left, right)),
    };
    value.and_then(|value| width.checked(value)).ok_or_else(|| Failure::out_of_range(width.name()))
}

fn shift_left(width: Width, value: i64, by: i64) -> i64 {
    match width {
        Width::W16 => i64::from((value as i32).wrapping_shl(by as u32) as i16),
        Width::W32 => i64::from((value as i32).wrapping_shl(by as u32)),
        Width::W64 => value.wrapping_shl(by as u32),
    }
}

fn shift_right(width: Width, value: i64, by: i64) -> i64 {
    match width {
        Width::W64 => value.wrapping_shr(by as u32),
        _ => i64::from((value as i32).wrapping_shr(by as u32)),
    }
}

/// `left op right` over integers.
pub(crate) fn integer(op: BinaryOp, width: Width, frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let (left, right) = (frame.ints(0), frame.ints(1));
    match op {
        BinaryOp::Add => dense_integer(frame, width, op, |a, b| a.overflowing_add(b)),
        BinaryOp::Sub => dense_integer(frame, width, op, |a, b| a.overflowing_sub(b)),
        BinaryOp::Mul => dense_integer(frame, width, op, |a, b| a.overflowing_mul(b)),
        BinaryOp::BitAnd => dense_integer(frame, width, op, |a, b| (a & b, false)),
        BinaryOp::BitOr => dense_integer(frame, width, op, |a, b| (a | b, false)),
        BinaryOp::BitXor => dense_integer(frame, width, op, |a, b| (a ^ b, false)),
        _ => frame.each(|row| integer_row(op, width, left.get(row), right.get(row))),
    }
}

fn dense_integer(
    frame: &mut Frame<'_>,
    width: Width,
    op: BinaryOp,
    f: impl Fn(i64, i64) -> (i64, bool),
) -> Result<Vector, EvalError> {
    let (left, right) = (frame.ints(0), frame.ints(1));
    let (low, high) = width.range();
    let span = high.wrapping_sub(low) as u64;
    let mut out = frame.pool.take();
    let mut wrong = false;
    zip(left, right, frame.rows.count, &mut out, |a, b| {
        let (value, overflow) = f(a, b);
        // One unsigned comparison for both ends of the range.
        wrong |= overflow | (value.wrapping_sub(low) as u64 > span);
        value
    });
    finish(frame, out, wrong, |row| integer_row(op, width, left.get(row), right.get(row)))
}

fn finish<R: crate::frame::Pooled>(
    frame: &mut Frame<'_>,
    mut out: Vec<R>,
    wrong: bool,
    row: impl Fn(usize) -> Result<R, Failure>,
) -> Result<Vector, EvalError> {
    let valid = frame.validity();
    if wrong {
        frame.settle(&mut out, valid.as_deref(), row)?;
    }
    Ok(Vector { data: R::data(out), valid })
}

/// `left op right` over floats; `single` rounds to REAL.
pub(crate) fn float(op: BinaryOp, single: bool, frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    match op {
        BinaryOp::Add => dense_float(frame, single, op, |a, b| (a + b, false)),
        BinaryOp::Sub => dense_float(frame, single, op, |a, b| (a - b, false)),
        BinaryOp::Mul => dense_float(frame, single, op, |a, b| (a * b, (a != 0.0) & (b != 0.0))),
        BinaryOp::Div => dense_float(frame, single, op, |a, b| (a / b, a != 0.0)),
        _ => {
            let (left, right) = (frame.floats(0), frame.floats(1));
            frame.each(|row| number_fn::float(op, left.get(row), right.get(row), single))
        }
    }
}

fn dense_float(
    frame: &mut Frame<'_>,
    single: bool,
    op: BinaryOp,
    f: impl Fn(f64, f64) -> (f64, bool),
) -> Result<Vector, EvalError> {
    let (left, right) = (frame.floats(0), frame.floats(1));
    let mut out = frame.pool.take();
    let mut suspect = false;
    zip(left, right, frame.rows.count, &mut out, |a, b| {
        let (exact, must_not_vanish) = f(a, b);
        let value = number_fn::narrow(exact, single);
        // Every failure ends in an infinity or a NaN, or in a product or quotient that vanished.
        suspect |= !value.is_finite() | ((value == 0.0) & must_not_vanish);
        value
    });
    finish(frame, out, suspect, |row| number_fn::float(op, left.get(row), right.get(row), single))
}

/// How a decimal operator is computed, decided when it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalPath {
    /// All in `i64`: operands scaled by these factors cannot overflow, nor can their sum or product.
    Narrow(i64, i64),
    /// The product of two `i64` in `i128`, which cannot overflow.
    Widening,
    /// In `i128` with the result's scale from the start; overflow is checked.
    Wide,
    /// Anything else.
    General,
}

impl DecimalPath {
    /// The path for operands of these precisions; `narrow` says which of left, right and result are `i64`.
    pub(crate) fn choose(op: BinaryOp, precisions: (u8, u8), shape: Shape) -> DecimalPath {
        let narrow = |precision: u8| precision <= 18;
        let both = narrow(precisions.0) && narrow(precisions.1);
        let common = shape.left_scale.max(shape.right_scale);
        let (up_left, up_right) = (common - shape.left_scale, common - shape.right_scale);
        let aligned = narrow(precisions.0 + up_left) && narrow(precisions.1 + up_right);
        match op {
            BinaryOp::Add | BinaryOp::Sub if both && aligned && shape.scale == common => {
                let factor = |up: u8| decimal::power(u32::from(up)) as i64;
                let fits = narrow(shape.precision);
                if fits {
                    DecimalPath::Narrow(factor(up_left), factor(up_right))
                } else {
                    DecimalPath::General
                }
            }
            BinaryOp::Add | BinaryOp::Sub if up_left == 0 && up_right == 0 && shape.scale == common => {
                if narrow(shape.precision) {
                    DecimalPath::General
                } else {
                    DecimalPath::Wide
                }
            }
            BinaryOp::Mul if shape.scale == shape.left_scale + shape.right_scale => {
                match (narrow(shape.precision), precisions.0 + precisions.1 <= 18) {
                    (true, true) => DecimalPath::Narrow(1, 1),
                    (true, false) => DecimalPath::General,
                    (false, _) if both => DecimalPath::Widening,
                    (false, _) => DecimalPath::Wide,
                }
            }
            _ => DecimalPath::General,
        }
    }
}

/// `left op right` over decimals.
pub(crate) fn decimal(
    op: BinaryOp,
    shape: Shape,
    path: DecimalPath,
    frame: &mut Frame<'_>,
) -> Result<Vector, EvalError> {
    let (left, right) = (frame.decimals(0), frame.decimals(1));
    if let (Decimals::Narrow(left), Decimals::Narrow(right)) = (left, right) {
        match (path, op) {
            (DecimalPath::Narrow(l, r), BinaryOp::Add) => {
                return dense_decimal(frame, op, shape, left, right, |a, b| {
                    a.wrapping_mul(l).wrapping_add(b.wrapping_mul(r))
                });
            }
            (DecimalPath::Narrow(l, r), BinaryOp::Sub) => {
                return dense_decimal(frame, op, shape, left, right, |a, b| {
                    a.wrapping_mul(l).wrapping_sub(b.wrapping_mul(r))
                });
            }
            (DecimalPath::Narrow(..), _) => {
                return dense_decimal(frame, op, shape, left, right, i64::wrapping_mul);
            }
            (DecimalPath::Widening, _) => {
                return dense_decimal(frame, op, shape, left, right, |a, b| i128::from(a) * i128::from(b));
            }
            (DecimalPath::Wide | DecimalPath::General, _) => {}
        }
    }
    if path == DecimalPath::Wide {
        return match (left, right) {
            (Decimals::Wide(left), Decimals::Narrow(right)) => wide_decimal(frame, op, shape, left, right),
            (Decimals::Narrow(left), Decimals::Wide(right)) => wide_decimal(frame, op, shape, left, right),
            (Decimals::Wide(left), Decimals::Wide(right)) => wide_decimal(frame, op, shape, left, right),
            (Decimals::Narrow(left), Decimals::Narrow(right)) => wide_decimal(frame, op, shape, left, right),
        };
    }
    let lane = if shape.precision <= 18 { Lane::I64 } else { Lane::I128 };
    frame.each_decimal(lane, |row| decimal::arithmetic(op, left.get(row), right.get(row), shape))
}

/// A decimal's lane: what the dense loop writes.
trait Unscaled: crate::frame::Pooled + Element {
    fn limit(precision: u8) -> Self;
    fn exceeds(self, limit: Self) -> bool;
    fn from_wide(value: i128) -> Self;
}

impl Unscaled for i64 {
    fn limit(precision: u8) -> i64 {
        decimal::power(u32::from(precision.min(18))) as i64
    }

    fn exceeds(self, limit: i64) -> bool {
        self.wrapping_add(limit - 1) as u64 > (2 * (limit - 1)) as u64
    }

    fn from_wide(value: i128) -> i64 {
        value as i64
    }
}

impl Unscaled for i128 {
    fn limit(precision: u8) -> i128 {
        decimal::power(u32::from(precision))
    }

    fn exceeds(self, limit: i128) -> bool {
        (self >= limit) | (self <= -limit)
    }

    fn from_wide(value: i128) -> i128 {
        value
    }
}

fn dense_decimal<R: Unscaled>(
    frame: &mut Frame<'_>,
    op: BinaryOp,
    shape: Shape,
    left: Operand<'_, i64>,
    right: Operand<'_, i64>,
    f: impl Fn(i64, i64) -> R,
) -> Result<Vector, EvalError> {
    let limit = R::limit(shape.precision);
    let mut out = frame.pool.take();
    let mut wrong = false;
    zip(left, right, frame.rows.count, &mut out, |a, b| {
        let value = f(a, b);
        wrong |= value.exceeds(limit);
        value
    });
    finish(frame, out, wrong, |row| {
        let (a, b) = (i128::from(left.get(row)), i128::from(right.get(row)));
        decimal::arithmetic(op, a, b, shape).map(R::from_wide)
    })
}

/// Sums and products of which an operand has more than 18 digits.
fn wide_decimal<A, B>(
    frame: &mut Frame<'_>,
    op: BinaryOp,
    shape: Shape,
    left: Operand<'_, A>,
    right: Operand<'_, B>,
) -> Result<Vector, EvalError>
where
    A: Copy + Into<i128>,
    B: Copy + Into<i128>,
{
    let limit = i128::limit(shape.precision);
    let mut out = frame.pool.take();
    let mut wrong = false;
    zip(left, right, frame.rows.count, &mut out, |a: A, b: B| {
        let (value, overflow) = match op {
            BinaryOp::Add => a.into().overflowing_add(b.into()),
            BinaryOp::Sub => a.into().overflowing_sub(b.into()),
            _ => multiply(a.into(), b.into()),
        };
        wrong |= overflow | value.exceeds(limit);
        value
    });
    finish(frame, out, wrong, |row| {
        decimal::arithmetic(op, left.get(row).into(), right.get(row).into(), shape)
    })
}

/// Most long decimals hold short numbers: those multiply in one instruction.
fn multiply(a: i128, b: i128) -> (i128, bool) {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => (i128::from(a) * i128::from(b), false),
        _ => a.overflowing_mul(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_follows_the_digits() {
        let shape = |precision, scale| Shape { left_scale: 2, right_scale: 2, precision, scale };
        let path = |op, precisions, shape| DecimalPath::choose(op, precisions, shape);
        assert_eq!(path(BinaryOp::Add, (15, 15), shape(16, 2)), DecimalPath::Narrow(1, 1));
        assert_eq!(path(BinaryOp::Mul, (8, 9), shape(18, 4)), DecimalPath::Narrow(1, 1));
        assert_eq!(path(BinaryOp::Mul, (15, 16), shape(32, 4)), DecimalPath::Widening);
        assert_eq!(path(BinaryOp::Mul, (15, 16), shape(32, 3)), DecimalPath::General);
        assert_eq!(path(BinaryOp::Add, (18, 18), shape(19, 2)), DecimalPath::General);
        let uneven = Shape { left_scale: 0, right_scale: 4, precision: 16, scale: 4 };
        assert_eq!(path(BinaryOp::Sub, (10, 15), uneven), DecimalPath::Narrow(10_000, 1));
    }

    #[test]
    fn shifts_take_their_count_modulo_the_width() {
        for (op, width, left, right, expected) in [
            (BinaryOp::Shl, Width::W32, 1, 31, i64::from(i32::MIN)),
            (BinaryOp::Shl, Width::W32, 1, 33, 2),
            (BinaryOp::Shr, Width::W64, -8, 1, -4),
            (BinaryOp::Shl, Width::W64, 1, 64, 1),
            (BinaryOp::Rem, Width::W64, i64::MIN, -1, 0),
        ] {
            assert_eq!(integer_row(op, width, left, right), Ok(expected));
        }
        assert!(integer_row(BinaryOp::Div, Width::W64, i64::MIN, -1).is_err());
        assert!(integer_row(BinaryOp::Div, Width::W32, i64::from(i32::MIN), -1).is_err());
    }
}
