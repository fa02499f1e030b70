//! The table of functions over numbers, and greatest and least over any type.

use std::cmp::Ordering;

use zset::Type::{self, Decimal, Float64, Int64};
use zset::{Interval, Lane};

use super::{Entry, Form, Prepared, Signature, is_float, is_integer, is_number};
use crate::cast::width;
use crate::decimal;
use crate::error::Failure;
use crate::frame::{Frame, Kernel, kernel};
use crate::kernels::choose;
use crate::kernels::logic::known;
use crate::number_fn::{self, Rounding, round_decimal};
use crate::operand::{self, Element, Operand};

pub(super) const TABLE: &[Entry] = &[
    ("abs", Form::Kernel(abs)),
    ("signum", Form::Kernel(sign)),
    ("sign", Form::Kernel(sign)),
    ("round", Form::Kernel(|s| round(s, Rounding::HalfAway))),
    ("trunc", Form::Kernel(|s| round(s, Rounding::TowardZero))),
    ("ceil", Form::Kernel(|s| round(s, Rounding::Up))),
    ("ceiling", Form::Kernel(|s| round(s, Rounding::Up))),
    ("floor", Form::Kernel(|s| round(s, Rounding::Down))),
    ("sqrt", Form::Kernel(|s| float(s, number_fn::sqrt))),
    ("cbrt", Form::Kernel(|s| float(s, |x| Ok(x.cbrt())))),
    ("exp", Form::Kernel(|s| float(s, number_fn::exp))),
    ("ln", Form::Kernel(|s| float(s, |x| number_fn::logarithm(x, f64::ln)))),
    ("log2", Form::Kernel(|s| float(s, |x| number_fn::logarithm(x, f64::log2)))),
    ("log10", Form::Kernel(|s| float(s, |x| number_fn::logarithm(x, f64::log10)))),
    ("log", Form::Kernel(log)),
    ("power", Form::Kernel(power)),
    ("pow", Form::Kernel(power)),
    ("degrees", Form::Kernel(|s| float(s, |x| number_fn::finite(x, x.to_degrees())))),
    ("radians", Form::Kernel(|s| float(s, |x| Ok(x.to_radians())))),
    ("pi", Form::Kernel(pi)),
    ("gcd", Form::Kernel(gcd)),
    ("greatest", Form::Kernel(|s| extreme(s, Ordering::Greater))),
    ("least", Form::Kernel(|s| extreme(s, Ordering::Less))),
];

fn abs(signature: &Signature<'_>) -> Option<Prepared> {
    let &[arg] = signature.args else { return None };
    if let (Some(_), Some(width)) = (width(arg), width(signature.result)) {
        let kernel = kernel(move |frame| {
            let values = frame.ints(0);
            let out = || Failure::out_of_range(width.name());
            frame.each(|row| values.get(row).checked_abs().and_then(|v| width.checked(v)).ok_or_else(out))
        });
        return Prepared::strict([arg], kernel);
    }
    if is_float(arg) && is_float(signature.result) {
        return Prepared::strict([arg], float_kernel(|x| Ok(x.abs())));
    }
    // At the result's scale the sign is all that changes.
    let Decimal { .. } = signature.result else { return None };
    let lane = signature.result.lane();
    let kernel = kernel(move |frame| {
        let values = frame.decimals(0);
        frame.each_decimal(lane, |row| Ok(values.get(row).abs()))
    });
    is_number(arg).then(|| Prepared::strict([signature.result], kernel))?
}

fn sign(signature: &Signature<'_>) -> Option<Prepared> {
    let &[arg] = signature.args else { return None };
    match signature.result {
        result if is_float(result) && is_number(arg) => {
            let sign = |x: f64| if x == 0.0 || x.is_nan() { x } else { x.signum() };
            Prepared::strict([Float64], float_kernel(move |x| Ok(sign(x))))
        }
        result if is_integer(result) && is_integer(arg) => {
            let kernel = kernel(|frame| {
                let values = frame.ints(0);
                frame.each(|row| Ok(values.get(row).signum()))
            });
            Prepared::strict([arg], kernel)
        }
        Decimal { precision, scale } if is_number(arg) && !is_float(arg) => {
            let lane = signature.result.lane();
            let kernel = kernel(move |frame| {
                let values = frame.decimals(0);
                let one = decimal::power(u32::from(scale));
                frame.each_decimal(lane, |row| decimal::checked(values.get(row).signum() * one, precision))
            });
            Prepared::strict([arg], kernel)
        }
        _ => None,
    }
}

/// Rounding in any direction, to a number of decimal places where a second argument gives one.
fn round(signature: &Signature<'_>, rounding: Rounding) -> Option<Prepared> {
    let (arg, places) = match *signature.args {
        [arg] => (arg, None),
        [arg, places] if is_integer(places) => (arg, Some(Int64)),
        _ => return None,
    };
    match signature.result {
        result if is_float(result) && is_number(arg) => {
            let types: Vec<Type> = [Float64].into_iter().chain(places).collect();
            Prepared::strict(types, round_float(rounding, places.is_some(), result == Type::Float32))
        }
        result if is_integer(result) && is_integer(arg) && places.is_none() => {
            let kernel = kernel(|frame| {
                let values = frame.ints(0);
                frame.each(|row| Ok(values.get(row)))
            });
            Prepared::strict([result], kernel)
        }
        Decimal { precision, scale: to } if is_number(arg) && !is_float(arg) => {
            let from = if let Decimal { scale, .. } = arg { scale } else { 0 };
            let lane = signature.result.lane();
            let with_places = places.is_some();
            let kernel = kernel(move |frame| {
                let values = frame.decimals(0);
                let places = with_places.then(|| frame.ints(1));
                frame.each_decimal(lane, |row| {
                    let places = places.map_or(0, |places| places.get(row));
                    let value = round_decimal(values.get(row), from, places, rounding);
                    let value = value.and_then(|value| decimal::rescale(value, from, to));
                    value.ok_or_else(decimal::overflow).and_then(|value| decimal::checked(value, precision))
                })
            });
            let types: Vec<Type> = [arg].into_iter().chain(places).collect();
            Prepared::strict(types, kernel)
        }
        _ => None,
    }
}

fn round_float(rounding: Rounding, with_places: bool, single: bool) -> Kernel {
    kernel(move |frame| {
        let values = frame.floats(0);
        if with_places {
            let places = frame.ints(1);
            return frame.each(|row| {
                let (value, places) = (values.get(row), places.get(row));
                let value = match rounding {
                    Rounding::HalfAway => number_fn::round_places(value, places),
                    _ => number_fn::truncate_places(value, places),
                };
                number_fn::narrowed(value, single)
            });
        }
        frame.each(|row| {
            let value = values.get(row);
            let value = match rounding {
                Rounding::HalfAway => value.round_ties_even(),
                Rounding::Down => value.floor(),
                Rounding::Up => value.ceil(),
                Rounding::TowardZero => value.trunc(),
            };
            number_fn::narrowed(value, single)
        })
    })
}

/// A function of one double.
fn float(signature: &Signature<'_>, f: fn(f64) -> Result<f64, Failure>) -> Option<Prepared> {
    let &[arg] = signature.args else { return None };
    let single = signature.result == Type::Float32;
    let kernel = float_kernel(move |x| number_fn::narrowed(f(x)?, single));
    (is_number(arg) && is_float(signature.result)).then(|| Prepared::strict([Float64], kernel))?
}

fn float_kernel(f: impl Fn(f64) -> Result<f64, Failure> + Send + Sync + 'static) -> Kernel {
    kernel(move |frame| {
        let values = frame.floats(0);
        frame.each(|row| f(values.get(row)))
    })
}

/// The decimal logarithm, or with two arguments the one to the base of the first.
fn log(signature: &Signature<'_>) -> Option<Prepared> {
    if signature.args.len() == 1 {
        return float(signature, |x| number_fn::logarithm(x, f64::log10));
    }
    two_floats(signature, |base, x| {
        let base = number_fn::logarithm(base, f64::ln)?;
        let value = number_fn::logarithm(x, f64::ln)?;
        number_fn::float(crate::BinaryOp::Div, value, base, false)
    })
}

fn two_floats(signature: &Signature<'_>, f: fn(f64, f64) -> Result<f64, Failure>) -> Option<Prepared> {
    let &[left, right] = signature.args else { return None };
    if !is_number(left) || !is_number(right) || !is_float(signature.result) {
        return None;
    }
    let single = signature.result == Type::Float32;
    let kernel = kernel(move |frame| {
        let (left, right) = (frame.floats(0), frame.floats(1));
        frame.each(|row| number_fn::narrowed(f(left.get(row), right.get(row))?, single))
    });
    Prepared::strict([Float64, Float64], kernel)
}

/// Over doubles, or over integers where the result is one.
fn power(signature: &Signature<'_>) -> Option<Prepared> {
    let Some(width) = width(signature.result) else { return two_floats(signature, number_fn::power) };
    let &[left, right] = signature.args else { return None };
    if !is_integer(left) || !is_integer(right) {
        return None;
    }
    let kernel = kernel(move |frame| {
        let (bases, exponents) = (frame.ints(0), frame.ints(1));
        frame.each(|row| {
            number_fn::integer_power(bases.get(row), exponents.get(row), width.name(), |value| {
                width.checked(value)
            })
        })
    });
    Prepared::strict([left, right], kernel)
}

fn pi(signature: &Signature<'_>) -> Option<Prepared> {
    if !signature.args.is_empty() || !is_float(signature.result) {
        return None;
    }
    Prepared::strict([], kernel(|frame| frame.each(|_| Ok(std::f64::consts::PI))))
}

fn gcd(signature: &Signature<'_>) -> Option<Prepared> {
    let width = width(signature.result)?;
    let &[left, right] = signature.args else { return None };
    if !is_integer(left) || !is_integer(right) {
        return None;
    }
    let kernel = kernel(move |frame| {
        let (left, right) = (frame.ints(0), frame.ints(1));
        frame.each(|row| {
            let value = i64::try_from(number_fn::gcd(left.get(row), right.get(row))).ok();
            value.and_then(|v| width.checked(v)).ok_or_else(|| Failure::out_of_range(width.name()))
        })
    });
    Prepared::strict([left, right], kernel)
}

/// The argument that stands furthest in one direction; NULLs do not take part.
fn extreme(signature: &Signature<'_>, wanted: Ordering) -> Option<Prepared> {
    let lane = signature.result.lane();
    let kernel = kernel(move |frame| {
        let choice = match lane {
            Lane::Bool => choose_fixed(frame, wanted, |a: bool, b| a.cmp(&b)),
            Lane::I64 => choose_fixed(frame, wanted, |a: i64, b| a.cmp(&b)),
            Lane::I128 => choose_fixed(frame, wanted, |a: i128, b| a.cmp(&b)),
            Lane::F64 => choose_fixed(frame, wanted, zset::datum::compare_floats),
            Lane::Interval => choose_fixed(frame, wanted, |a: Interval, b| a.span().cmp(&b.span())),
            Lane::Bytes => {
                let texts: Vec<_> = (0..frame.args.len()).map(|arg| frame.texts(arg)).collect();
                choices(frame, |row, a, b| texts[a].bytes(row).cmp(texts[b].bytes(row)) == wanted)
            }
        };
        Ok(choose::assemble(lane, &choice, frame))
    });
    (!signature.args.is_empty())
        .then(|| Prepared::lenient(vec![signature.result; signature.args.len()], kernel))?
}

fn choose_fixed<T: Element>(
    frame: &Frame<'_>,
    wanted: Ordering,
    order: impl Fn(T, T) -> Ordering,
) -> Vec<u16> {
    let values: Vec<Operand<'_, T>> = frame.args.iter().map(operand::values).collect();
    choices(frame, |row, a, b| order(values[a].get(row), values[b].get(row)) == wanted)
}

/// For each row the number, from one, of the argument that beats all others; the first among equals.
fn choices(frame: &Frame<'_>, beats: impl Fn(usize, usize, usize) -> bool) -> Vec<u16> {
    let known: Vec<_> = frame.args.iter().map(known).collect();
    let best = |row: usize| {
        let candidates = (0..known.len()).filter(|&arg| known[arg].get(row));
        candidates.reduce(|best, arg| if beats(row, arg, best) { arg } else { best })
    };
    (0..frame.rows.count).map(|row| best(row).map_or(0, |arg| arg as u16 + 1)).collect()
}
