//! CASE and COALESCE: each row has chosen one of several columns; here the result is put together.
//!
//! The choice is a number for each row: 0 is NULL, `n` the n-th column. Rows that did not need a value have
//! chosen nothing and come out NULL, which nobody reads.

use zset::{Data, Interval, Lane, Vector};

use crate::frame::{Frame, Pooled};
use crate::operand::{self, Operand};

/// The column that holds, for each row, the value of the argument it chose.
pub(crate) fn assemble(lane: Lane, choice: &[u16], frame: &mut Frame<'_>) -> Vector {
    match lane {
        Lane::Bool => fixed::<bool>(choice, frame),
        Lane::I64 => fixed::<i64>(choice, frame),
        Lane::I128 => fixed::<i128>(choice, frame),
        Lane::F64 => fixed::<f64>(choice, frame),
        Lane::Interval => fixed::<Interval>(choice, frame),
        Lane::Bytes => strings(choice, frame),
    }
}

fn fixed<T: Pooled>(choice: &[u16], frame: &mut Frame<'_>) -> Vector {
    let mut out: Vec<T> = frame.pool.filled(T::default(), choice.len());
    for (nth, arg) in frame.args.iter().enumerate() {
        let nth = nth as u16 + 1;
        let rows = choice.iter().zip(out.iter_mut());
        match operand::values::<T>(arg) {
            Operand::Scalar(value) => {
                rows.for_each(|(chosen, out)| *out = if *chosen == nth { value } else { *out });
            }
            Operand::Slice(values) => rows
                .zip(values)
                .for_each(|((chosen, out), value)| *out = if *chosen == nth { *value } else { *out }),
        }
    }
    Vector { data: T::data(out), valid: validity(choice, frame) }
}

fn strings(choice: &[u16], frame: &mut Frame<'_>) -> Vector {
    let mut out = frame.pool.take_strings();
    for (row, &chosen) in choice.iter().enumerate() {
        let arg = usize::from(chosen).checked_sub(1).and_then(|nth| frame.args.get(nth));
        out.push(arg.map_or(&[], |arg| operand::texts(arg).bytes(row)));
    }
    Vector { data: Data::Bytes(out), valid: validity(choice, frame) }
}

fn validity(choice: &[u16], frame: &mut Frame<'_>) -> Option<Vec<bool>> {
    let mut valid: Vec<bool> = frame.pool.take();
    valid.extend(choice.iter().map(|chosen| *chosen != 0));
    for (nth, arg) in frame.args.iter().enumerate() {
        let nth = nth as u16 + 1;
        let rows = choice.iter().zip(valid.iter_mut());
        if operand::is_null(arg) {
            rows.for_each(|(chosen, valid)| *valid &= *chosen != nth);
        } else if let Some(known) = operand::validity(arg) {
            rows.zip(known).for_each(|((chosen, valid), known)| *valid &= (*chosen != nth) | known);
        }
    }
    if valid.contains(&false) {
        return Some(valid);
    }
    frame.pool.give(valid);
    None
}
