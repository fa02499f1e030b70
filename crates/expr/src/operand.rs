//! How a kernel sees an argument: a slice with a value for each row, or one scalar for all of them.
//!
//! A constant is never splatted into a column. Kernels that are simple enough to be vectorised go through [`zip`],
//! which has one tight loop for each combination of slice and scalar; the others index with `get`.

use zset::{Data, Datum, Interval, Strings};

use crate::function::Argument;

/// Values of a fixed-width lane.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand<'a, T> {
    Slice(&'a [T]),
    Scalar(T),
}

impl<T: Copy> Operand<'_, T> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> T {
        match self {
            Operand::Slice(values) => values[row],
            Operand::Scalar(value) => *value,
        }
    }
}

/// Decimals of either lane, read as the wider.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decimals<'a> {
    Narrow(Operand<'a, i64>),
    Wide(Operand<'a, i128>),
}

impl Decimals<'_> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> i128 {
        match self {
            Decimals::Narrow(values) => i128::from(values.get(row)),
            Decimals::Wide(values) => values.get(row),
        }
    }
}

/// Text or byte strings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Texts<'a> {
    Column(&'a Strings),
    Scalar(&'a [u8]),
}

impl<'a> Texts<'a> {
    #[inline]
    pub(crate) fn bytes(&self, row: usize) -> &'a [u8] {
        match self {
            Texts::Column(strings) => strings.get(row),
            Texts::Scalar(bytes) => bytes,
        }
    }

    /// As text; a text column holds nothing but UTF-8.
    #[inline]
    pub(crate) fn text(&self, row: usize) -> &'a str {
        std::str::from_utf8(self.bytes(row)).unwrap_or_default()
    }
}

/// A type that lies in a `Vec` of its lane.
pub(crate) trait Element: Copy + Default + 'static {
    /// The slice of a column of this lane; `None` for another lane.
    fn slice(data: &Data) -> Option<&[Self]>;
    /// A constant of this lane.
    fn scalar(value: &Datum) -> Option<Self>;
    /// The column of these values.
    fn data(values: Vec<Self>) -> Data;
}

macro_rules! element {
    ($ty:ty, $data:ident, $datum:ident) => {
        impl Element for $ty {
            fn slice(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$data(values) => Some(values),
                    _ => None,
                }
            }

            fn scalar(value: &Datum) -> Option<Self> {
                match value {
                    Datum::$datum(value) => Some(*value),
                    _ => None,
                }
            }

            fn data(values: Vec<Self>) -> Data {
                Data::$data(values)
            }
        }
    };
}

element!(bool, Bool, Bool);
element!(i64, I64, Int);
element!(i128, I128, Wide);
element!(f64, F64, Float);
element!(Interval, Interval, Interval);

/// The argument's values in lane `T`. The compiler has checked the lane; NULL reads as zero.
pub(crate) fn values<'a, T: Element>(argument: &Argument<'a>) -> Operand<'a, T> {
    match argument {
        Argument::Column(vector, _) => Operand::Slice(T::slice(&vector.data).unwrap_or_default()),
        Argument::Constant(value, _) => Operand::Scalar(T::scalar(value).unwrap_or_default()),
    }
}

/// The argument's values as decimals.
pub(crate) fn decimals<'a>(argument: &Argument<'a>) -> Decimals<'a> {
    let wide = match argument {
        Argument::Column(vector, _) => matches!(vector.data, Data::I128(_)),
        Argument::Constant(value, _) => matches!(value, Datum::Wide(_)),
    };
    if wide { Decimals::Wide(values(argument)) } else { Decimals::Narrow(values(argument)) }
}

/// The argument's values as strings.
pub(crate) fn texts<'a>(argument: &Argument<'a>) -> Texts<'a> {
    match argument {
        Argument::Column(vector, _) => match &vector.data {
            Data::Bytes(strings) => Texts::Column(strings),
            _ => Texts::Scalar(&[]),
        },
        Argument::Constant(value, _) => Texts::Scalar(value.as_bytes().unwrap_or_default()),
    }
}

/// Which rows of the argument are not NULL; `None` where all are not.
pub(crate) fn validity<'a>(argument: &Argument<'a>) -> Option<&'a [bool]> {
    match argument {
        Argument::Column(vector, _) => vector.valid.as_deref(),
        Argument::Constant(..) => None,
    }
}

/// Whether the argument is the constant NULL.
pub(crate) fn is_null(argument: &Argument<'_>) -> bool {
    matches!(argument, Argument::Constant(Datum::Null, _))
}

/// Appends `f(left, right)` for each row.
#[inline(always)]
pub(crate) fn zip<A: Copy, B: Copy, R: Clone>(
    left: Operand<'_, A>,
    right: Operand<'_, B>,
    rows: usize,
    out: &mut Vec<R>,
    mut f: impl FnMut(A, B) -> R,
) {
    match (left, right) {
        (Operand::Slice(left), Operand::Slice(right)) => {
            out.extend(left[..rows].iter().zip(&right[..rows]).map(|(a, b)| f(*a, *b)));
        }
        (Operand::Slice(left), Operand::Scalar(b)) => out.extend(left[..rows].iter().map(|a| f(*a, b))),
        (Operand::Scalar(a), Operand::Slice(right)) => out.extend(right[..rows].iter().map(|b| f(a, *b))),
        (Operand::Scalar(a), Operand::Scalar(b)) => out.resize(out.len() + rows, f(a, b)),
    }
}
