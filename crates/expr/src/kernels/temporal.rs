//! Operators on dates, times, timestamps and intervals: which there are, and the loop for each.

use zset::{Interval, Type, Vector};

use crate::calendar::{DAY, checked_date, checked_timestamp, overflow};
use crate::datetime;
use crate::error::{EvalError, Failure};
use crate::frame::Frame;
use crate::kernels::arithmetic::Width;
use crate::tree::BinaryOp;

/// The loop of an operator that needs nothing but its operands.
pub(crate) type Kernel = fn(&mut Frame<'_>) -> Result<Vector, EvalError>;

/// The kernel of `left op right`; numbers next to intervals are doubles by then.
pub(crate) fn prepare(op: BinaryOp, left: Type, right: Type, ty: Type) -> Option<Kernel> {
    use BinaryOp::{Add, Div, Mul, Sub};
    use Type::{Date, Float64, Int16, Int32, Int64, Interval, Time, Timestamp, TimestampTz};
    let kernel: Kernel = match (op, left, right, ty) {
        (Sub, Date, Date, Int32 | Int64) => |f| date_difference(f),
        (Sub, Date, Date, Interval) => |f| difference(f, DAY),
        (Sub, Timestamp | TimestampTz, Timestamp | TimestampTz, Interval) => |f| difference(f, 1),
        (Sub, Time, Time, Interval) => |f| time_difference(f),
        (Add, Date, Int16 | Int32 | Int64, Date) => |f| add_days(f, 0, 1),
        (Add, Int16 | Int32 | Int64, Date, Date) => |f| add_days(f, 1, 1),
        (Sub, Date, Int16 | Int32 | Int64, Date) => |f| add_days(f, 0, -1),
        (Add, Date, Time, Timestamp) => |f| at_time(f, 0),
        (Add, Time, Date, Timestamp) => |f| at_time(f, 1),
        (Add, Date, Interval, Date) => |f| shift_date(f, 0, 1),
        (Add, Interval, Date, Date) => |f| shift_date(f, 1, 1),
        (Sub, Date, Interval, Date) => |f| shift_date(f, 0, -1),
        (Add, Date, Interval, Timestamp) => |f| shift(f, 0, 1, DAY),
        (Add, Interval, Date, Timestamp) => |f| shift(f, 1, 1, DAY),
        (Sub, Date, Interval, Timestamp) => |f| shift(f, 0, -1, DAY),
        (Add, Timestamp | TimestampTz, Interval, _) if ty == left => |f| shift(f, 0, 1, 1),
        (Add, Interval, Timestamp | TimestampTz, _) if ty == right => |f| shift(f, 1, 1, 1),
        (Sub, Timestamp | TimestampTz, Interval, _) if ty == left => |f| shift(f, 0, -1, 1),
        (Add, Time, Interval, Time) => |f| shift_time(f, 0, 1),
        (Add, Interval, Time, Time) => |f| shift_time(f, 1, 1),
        (Sub, Time, Interval, Time) => |f| shift_time(f, 0, -1),
        (Add, Interval, Interval, Interval) => |f| sum(f, 1),
        (Sub, Interval, Interval, Interval) => |f| sum(f, -1),
        (Mul, Interval, Float64, Interval) => |f| scale(f, 0),
        (Mul, Float64, Interval, Interval) => |f| scale(f, 1),
        (Div, Interval, Float64, Interval) => |f| divide(f),
        _ => return None,
    };
    Some(kernel)
}

/// Unary minus on an interval.
pub(crate) fn negate(frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let arg = frame.intervals(0);
    frame.each(|row| datetime::negate(arg.get(row)))
}

fn date_difference(frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let (left, right) = (frame.ints(0), frame.ints(1));
    frame.each(|row| {
        let days = left.get(row) - right.get(row);
        Width::W32.checked(days).ok_or_else(|| overflow("date"))
    })
}

fn difference(frame: &mut Frame<'_>, unit: i64) -> Result<Vector, EvalError> {
    let (left, right) = (frame.ints(0), frame.ints(1));
    let micros = |value: i64| value.checked_mul(unit).ok_or_else(|| overflow("interval"));
    frame.each(|row| datetime::difference(micros(left.get(row))?, micros(right.get(row))?))
}

fn time_difference(frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let (left, right) = (frame.ints(0), frame.ints(1));
    frame.each(|row| Ok(Interval { months: 0, days: 0, micros: left.get(row) - right.get(row) }))
}

fn add_days(frame: &mut Frame<'_>, date: usize, sign: i64) -> Result<Vector, EvalError> {
    let (dates, days) = (frame.ints(date), frame.ints(1 - date));
    frame.each(|row| {
        let days = days.get(row).checked_mul(sign).and_then(|days| dates.get(row).checked_add(days));
        days.ok_or_else(|| overflow("date")).and_then(checked_date)
    })
}

fn at_time(frame: &mut Frame<'_>, date: usize) -> Result<Vector, EvalError> {
    let (dates, times) = (frame.ints(date), frame.ints(1 - date));
    frame.each(|row| crate::calendar::timestamp(dates.get(row), times.get(row)))
}

/// The interval, or its negative.
fn signed(interval: Interval, sign: i64) -> Result<Interval, Failure> {
    if sign < 0 { datetime::negate(interval) } else { Ok(interval) }
}

fn shift(frame: &mut Frame<'_>, date: usize, sign: i64, unit: i64) -> Result<Vector, EvalError> {
    let (dates, intervals) = (frame.ints(date), frame.intervals(1 - date));
    frame.each(|row| {
        let micros = dates.get(row).checked_mul(unit).ok_or_else(|| overflow("timestamp"))?;
        let micros = checked_timestamp(micros)?;
        datetime::add_interval(micros, signed(intervals.get(row), sign)?)
    })
}

/// A date moved by an interval and still a date: the day in which the moment lies.
fn shift_date(frame: &mut Frame<'_>, date: usize, sign: i64) -> Result<Vector, EvalError> {
    let (dates, intervals) = (frame.ints(date), frame.intervals(1 - date));
    frame.each(|row| datetime::shift_date(dates.get(row), signed(intervals.get(row), sign)?))
}

fn shift_time(frame: &mut Frame<'_>, time: usize, sign: i64) -> Result<Vector, EvalError> {
    let (times, intervals) = (frame.ints(time), frame.intervals(1 - time));
    frame.each(|row| {
        let interval = intervals.get(row);
        // Whole days fall away first, so that the sign can always be changed.
        let within = Interval { micros: interval.micros % DAY * sign, ..Interval::default() };
        Ok(datetime::add_to_time(times.get(row), within))
    })
}

fn sum(frame: &mut Frame<'_>, sign: i64) -> Result<Vector, EvalError> {
    let (left, right) = (frame.intervals(0), frame.intervals(1));
    frame.each(|row| datetime::add_intervals(left.get(row), signed(right.get(row), sign)?))
}

fn scale(frame: &mut Frame<'_>, interval: usize) -> Result<Vector, EvalError> {
    let (intervals, factors) = (frame.intervals(interval), frame.floats(1 - interval));
    frame.each(|row| datetime::scale(intervals.get(row), factors.get(row)))
}

fn divide(frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let (intervals, divisors) = (frame.intervals(0), frame.floats(1));
    frame.each(|row| match divisors.get(row) {
        0.0 => Err(Failure::division_by_zero()),
        divisor => datetime::divide(intervals.get(row), divisor),
    })
}
