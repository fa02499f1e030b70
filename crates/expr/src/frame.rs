//! What a kernel is called with: its arguments, the rows that count, and a pool of buffers to answer in.
//!
//! The contract of every kernel: it answers a value for each row of the slice, but only *needed* rows matter
//! (those that are active and whose arguments are not NULL). A row that is not needed never fails, and its slot
//! holds some value within the range of its type, so that later kernels can compute on it without looking.

use std::sync::Arc;

use zset::{Data, Interval, Lane, Strings, Vector};

use crate::error::{ErrorKind, EvalError, Failure};
use crate::function::Argument;
use crate::operand::{self, Decimals, Element, Operand, Texts};
use crate::text_fn;

/// The bytes of strings that one column of a slice may hold before the slice is cut: see
/// [`Program::eval`](crate::Program::eval).
pub const LARGEST_SLICE: usize = 4 * text_fn::LARGEST_VALUE;

/// Buffers of strings that are larger than this are not kept.
const KEPT: usize = 1 << 20;

/// The rows of a slice, and which of them a kernel must give an answer for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) count: usize,
    /// `None` where all are active.
    pub(crate) active: Option<&'a [bool]>,
}

impl Rows<'_> {
    #[inline]
    pub(crate) fn is_active(&self, row: usize) -> bool {
        self.active.is_none_or(|active| active[row])
    }
}

/// Buffers of past slices, kept for the next.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    bools: Vec<Vec<bool>>,
    ints: Vec<Vec<i64>>,
    wides: Vec<Vec<i128>>,
    floats: Vec<Vec<f64>>,
    intervals: Vec<Vec<Interval>>,
    strings: Vec<Strings>,
}

/// An [`Element`] whose buffers the pool keeps.
pub(crate) trait Pooled: Element {
    fn shelf(pool: &mut Pool) -> &mut Vec<Vec<Self>>;
}

macro_rules! pooled {
    ($ty:ty, $shelf:ident) => {
        impl Pooled for $ty {
            fn shelf(pool: &mut Pool) -> &mut Vec<Vec<Self>> {
                &mut pool.$shelf
            }
        }
    };
}

pooled!(bool, bools);
pooled!(i64, ints);
pooled!(i128, wides);
pooled!(f64, floats);
pooled!(Interval, intervals);

impl Pool {
    /// An empty buffer.
    pub(crate) fn take<T: Pooled>(&mut self) -> Vec<T> {
        T::shelf(self).pop().unwrap_or_default()
    }

    /// An empty buffer for strings.
    pub(crate) fn take_strings(&mut self) -> Strings {
        self.strings.pop().unwrap_or_default()
    }

    /// Keeps a buffer for later.
    pub(crate) fn give<T: Pooled>(&mut self, mut buffer: Vec<T>) {
        buffer.clear();
        T::shelf(self).push(buffer);
    }

    /// Keeps a column's buffers for later.
    pub(crate) fn recycle(&mut self, vector: Vector) {
        match vector.data {
            Data::Bool(values) => self.give(values),
            Data::I64(values) => self.give(values),
            Data::I128(values) => self.give(values),
            Data::F64(values) => self.give(values),
            Data::Interval(values) => self.give(values),
            Data::Bytes(strings) if strings.heap().len() > KEPT => {}
            Data::Bytes(mut strings) => {
                strings.clear();
                self.strings.push(strings);
            }
        }
        vector.valid.into_iter().for_each(|valid| self.give(valid));
    }

    /// An empty column.
    pub(crate) fn vector(&mut self, lane: Lane) -> Vector {
        let data = match lane {
            Lane::Bool => Data::Bool(self.take()),
            Lane::I64 => Data::I64(self.take()),
            Lane::I128 => Data::I128(self.take()),
            Lane::F64 => Data::F64(self.take()),
            Lane::Interval => Data::Interval(self.take()),
            Lane::Bytes => Data::Bytes(self.take_strings()),
        };
        Vector { data, valid: None }
    }

    /// A buffer of `rows` times the same value.
    pub(crate) fn filled<T: Pooled>(&mut self, value: T, rows: usize) -> Vec<T> {
        let mut buffer = self.take();
        buffer.resize(rows, value);
        buffer
    }
}

/// A kernel with whatever was prepared for it when the expression was compiled.
pub(crate) type Kernel = Arc<dyn Fn(&mut Frame<'_>) -> Result<Vector, EvalError> + Send + Sync>;

/// Makes a [`Kernel`] of a closure.
pub(crate) fn kernel(
    f: impl Fn(&mut Frame<'_>) -> Result<Vector, EvalError> + Send + Sync + 'static,
) -> Kernel {
    Arc::new(f)
}

/// One call of a kernel.
pub(crate) struct Frame<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) args: &'a [Argument<'a>],
    pub(crate) pool: &'a mut Pool,
}

impl<'a> Frame<'a> {
    pub(crate) fn ints(&self, arg: usize) -> Operand<'a, i64> {
        operand::values(&self.args[arg])
    }

    pub(crate) fn floats(&self, arg: usize) -> Operand<'a, f64> {
        operand::values(&self.args[arg])
    }

    pub(crate) fn bools(&self, arg: usize) -> Operand<'a, bool> {
        operand::values(&self.args[arg])
    }

    pub(crate) fn intervals(&self, arg: usize) -> Operand<'a, Interval> {
        operand::values(&self.args[arg])
    }

    pub(crate) fn decimals(&self, arg: usize) -> Decimals<'a> {
        operand::decimals(&self.args[arg])
    }

    pub(crate) fn texts(&self, arg: usize) -> Texts<'a> {
        operand::texts(&self.args[arg])
    }

    /// Which rows have no NULL among their arguments; `None` where all have none.
    pub(crate) fn validity(&mut self) -> Option<Vec<bool>> {
        let mut result: Option<Vec<bool>> = None;
        for arg in self.args {
            let Some(valid) = operand::validity(arg) else { continue };
            let valid = &valid[..self.rows.count];
            match &mut result {
                Some(result) => result.iter_mut().zip(valid).for_each(|(r, v)| *r &= v),
                None => {
                    let mut copy = self.pool.take();
                    copy.extend_from_slice(valid);
                    result = Some(copy);
                }
            }
        }
        result
    }

    /// The column of `f(row)` for every needed row, zero elsewhere; NULL where an argument is.
    pub(crate) fn each<R: Pooled>(
        &mut self,
        mut f: impl FnMut(usize) -> Result<R, Failure>,
    ) -> Result<Vector, EvalError> {
        let valid = self.validity();
        let mut out = self.pool.take();
        out.reserve(self.rows.count);
        for row in 0..self.rows.count {
            let needed = self.rows.is_active(row) && valid.as_ref().is_none_or(|valid| valid[row]);
            out.push(if needed { f(row).map_err(|e| e.at(row))? } else { R::default() });
        }
        Ok(Vector { data: R::data(out), valid })
    }

    /// As [`each`](Frame::each), with NULL where `f` fails or has no value.
    pub(crate) fn each_maybe<R: Pooled>(
        &mut self,
        mut f: impl FnMut(usize) -> Option<R>,
    ) -> Result<Vector, EvalError> {
        let count = self.rows.count;
        let mut valid = self.validity().unwrap_or_else(|| self.pool.filled(true, count));
        let mut out = self.pool.take();
        out.reserve(count);
        for (row, valid) in valid.iter_mut().enumerate() {
            let value = if *valid && self.rows.is_active(row) { f(row) } else { None };
            *valid = value.is_some();
            out.push(value.unwrap_or_default());
        }
        Ok(Vector { data: R::data(out), valid: Some(valid) })
    }

    /// The column of the strings that `f` appends for every needed row. Where they come to too much together, the
    /// error tells how many rows fit.
    pub(crate) fn each_text(
        &mut self,
        mut f: impl FnMut(usize, &mut Vec<u8>) -> Result<(), Failure>,
    ) -> Result<Vector, EvalError> {
        let valid = self.validity();
        let mut out = self.pool.take_strings();
        for row in 0..self.rows.count {
            let needed = self.rows.is_active(row) && valid.as_ref().is_none_or(|valid| valid[row]);
            let mut result = Ok(());
            if out.heap().len() > LARGEST_SLICE {
                return Err(EvalError::new(
                    ErrorKind::SliceFull,
                    row,
                    "out of memory for the strings of a slice",
                ));
            }
            out.push_with(|heap| {
                if needed {
                    let start = heap.len();
                    result = f(row, heap).and_then(|()| text_fn::bounded(heap.len() - start));
                }
            });
            result.map_err(|e: Failure| e.at(row))?;
        }
        Ok(Vector { data: Data::Bytes(out), valid })
    }

    /// As [`each`](Frame::each), for a decimal of either lane.
    pub(crate) fn each_decimal(
        &mut self,
        lane: Lane,
        mut f: impl FnMut(usize) -> Result<i128, Failure>,
    ) -> Result<Vector, EvalError> {
        // A decimal of the narrow lane has at most 18 digits, which fit.
        if lane == Lane::I128 { self.each(f) } else { self.each(|row| f(row).map(|value| value as i64)) }
    }

    /// Settles a column that was computed for all rows at once when some row went wrong: the first needed row for
    /// which `f` fails is the error, and the other failing rows become zero.
    #[cold]
    pub(crate) fn settle<R: Pooled>(
        &self,
        out: &mut [R],
        valid: Option<&[bool]>,
        f: impl Fn(usize) -> Result<R, Failure>,
    ) -> Result<(), EvalError> {
        for (row, slot) in out.iter_mut().enumerate() {
            let needed = self.rows.is_active(row) && valid.is_none_or(|valid| valid[row]);
            match f(row) {
                Ok(value) => *slot = value,
                Err(failure) if needed => return Err(failure.at(row)),
                Err(_) => *slot = R::default(),
            }
        }
        Ok(())
    }
}
