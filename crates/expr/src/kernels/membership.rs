//! Two questions about one value and constants: is it in this list, does it match this pattern.

use zset::{Data, Datum, Vector};

use crate::error::{EvalError, Failure};
use crate::frame::Frame;
use crate::function::Argument;
use crate::kernels::compare::order;
use crate::like::Pattern;

/// The constants of an IN list, sorted, and whether NULL was among them.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    ints: Vec<i64>,
    others: Vec<Datum>,
    has_null: bool,
}

impl Set {
    /// The set of these constants, all of one lane.
    pub(crate) fn new(values: Vec<Datum>) -> Set {
        let has_null = values.contains(&Datum::Null);
        let mut ints: Vec<i64> = values.iter().filter_map(Datum::as_int).collect();
        let mut others: Vec<Datum> =
            values.into_iter().filter(|value| !value.is_null() && value.as_int().is_none()).collect();
        ints.sort_unstable();
        ints.dedup();
        others.sort_by(order);
        Set { ints, others, has_null }
    }

    fn has_int(&self, value: i64) -> bool {
        // A handful is searched faster without branches than by halves.
        if self.ints.len() <= 8 {
            self.ints.iter().fold(false, |found, item| found | (*item == value))
        } else {
            self.ints.binary_search(&value).is_ok()
        }
    }

    fn has_bytes(&self, value: &[u8]) -> bool {
        let at = |item: &Datum| item.as_bytes().unwrap_or_default().cmp(value);
        self.others.binary_search_by(at).is_ok()
    }

    fn has(&self, value: &Datum) -> bool {
        self.others.binary_search_by(|item| order(item, value)).is_ok()
    }

    /// IN, or NOT IN where `negated`.
    pub(crate) fn contains(&self, negated: bool, frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
        let has_null = self.has_null;
        let answer = |found: bool| if !found && has_null { None } else { Some(found != negated) };
        let ty = frame.args[0].ty();
        match frame.args[0] {
            Argument::Column(Vector { data: Data::I64(_), .. }, _) => {
                let values = frame.ints(0);
                if has_null {
                    return frame.each_maybe(|row| answer(self.has_int(values.get(row))));
                }
                frame.each(|row| Ok(self.has_int(values.get(row)) != negated))
            }
            Argument::Column(Vector { data: Data::Bytes(_), .. }, _) => {
                let values = frame.texts(0);
                frame.each_maybe(|row| answer(self.has_bytes(values.bytes(row))))
            }
            Argument::Column(column, _) => frame.each_maybe(|row| answer(self.has(&column.get_as(row, ty)))),
            Argument::Constant(value, _) => {
                let found = value.as_int().map_or_else(|| self.has(value), |value| self.has_int(value));
                frame.each_maybe(|_| answer(found))
            }
        }
    }
}

/// LIKE with a constant pattern.
pub(crate) fn like(pattern: &Pattern, negated: bool, frame: &mut Frame<'_>) -> Result<Vector, EvalError> {
    let texts = frame.texts(0);
    frame.each(|row| Ok(pattern.matches(texts.bytes(row)) != negated))
}

/// LIKE with a pattern for each row.
pub(crate) fn like_row(
    escape: char,
    ignore_case: bool,
    negated: bool,
    frame: &mut Frame<'_>,
) -> Result<Vector, EvalError> {
    let (texts, patterns) = (frame.texts(0), frame.texts(1));
    let mut last: Option<(&str, Pattern)> = None;
    frame.each(|row| -> Result<bool, Failure> {
        let wanted = patterns.text(row);
        let pattern = match last.take() {
            Some((text, pattern)) if text == wanted => pattern,
            _ => Pattern::compile(wanted, escape, ignore_case)?,
        };
        let matches = pattern.matches(texts.bytes(row));
        last = Some((wanted, pattern));
        Ok(matches != negated)
    })
}
