//! The naive evaluator: plain recursion, a row at a time, a value at a time. It shares no code with the crate.
//!
//! Where it would need numbers wider than `i128` it gives up with [`Stop::Unknown`], and the case is not counted.

use std::cmp::Ordering;

use expr::{BinaryOp, ErrorKind, Expr, UnaryOp};
use zset::{Datum, Interval, Type};

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Error(ErrorKind),
    Unknown,
}

type Value = Result<Datum, Stop>;

const RANGE: Stop = Stop::Error(ErrorKind::NumericOutOfRange);
const ZERO: Stop = Stop::Error(ErrorKind::DivisionByZero);
const DATE: Stop = Stop::Error(ErrorKind::DatetimeOverflow);
const DAY: i128 = 86_400_000_000;

/// The value of an expression for one row.
pub fn evaluate(expr: &Expr, row: &[Datum]) -> Value {
    match expr {
        Expr::Column { index, .. } => Ok(row[*index as usize].clone()),
        Expr::Literal { value, .. } => Ok(value.clone()),
        Expr::Unary { op, arg } => unary(*op, evaluate(arg, row)?, arg.column_type().ty),
        Expr::Binary { op, left, right, ty } => {
            let (from, to) = (left.column_type().ty, right.column_type().ty);
            let (a, b) = (evaluate(left, row)?, evaluate(right, row)?);
            binary(*op, a, from, b, to, *ty)
        }
        Expr::And(terms) => logic(terms, row, false),
        Expr::Or(terms) => logic(terms, row, true),
        Expr::Case { branches, otherwise, .. } => {
            for (condition, value) in branches {
                if evaluate(condition, row)? == Datum::Bool(true) {
                    return evaluate(value, row);
                }
            }
            otherwise.as_ref().map_or(Ok(Datum::Null), |value| evaluate(value, row))
        }
        Expr::Cast { arg, ty, try_cast } => {
            let value = evaluate(arg, row)?;
            match cast(value, arg.column_type().ty, *ty) {
                Err(Stop::Error(_)) if *try_cast => Ok(Datum::Null),
                other => other,
            }
        }
        Expr::Like { arg, pattern, escape, negated, .. } => {
            let (text, pattern) = (evaluate(arg, row)?, evaluate(pattern, row)?);
            let (Datum::Text(text), Datum::Text(pattern)) = (text, pattern) else { return Ok(Datum::Null) };
            let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
            let escape = escape.unwrap_or('\\');
            if ends_in_escape(&pattern, escape) {
                return Err(Stop::Error(ErrorKind::Other("22025")));
            }
            Ok(Datum::Bool(like(&text, &pattern, escape) != *negated))
        }
        Expr::InList { arg, list, negated } => in_list(arg, list, *negated, row),
        Expr::Call { function, args, ty } => call(function, args, ty.ty, row),
    }
}

fn logic(terms: &[Expr], row: &[Datum], decisive: bool) -> Value {
    let mut result = Datum::Bool(!decisive);
    for term in terms {
        match evaluate(term, row)? {
            Datum::Bool(value) if value == decisive => return Ok(Datum::Bool(decisive)),
            Datum::Bool(_) => {}
            _ => result = Datum::Null,
        }
    }
    Ok(result)
}

fn in_list(arg: &Expr, list: &[Expr], negated: bool, row: &[Datum]) -> Value {
    if list.is_empty() {
        return Ok(Datum::Bool(negated));
    }
    let wanted = evaluate(arg, row)?;
    let mut unknown = wanted == Datum::Null;
    for item in list {
        let value = evaluate(item, row)?;
        if value == Datum::Null || wanted == Datum::Null {
            unknown = true;
        } else if order(&wanted, arg.column_type().ty, &value, item.column_type().ty)?.is_eq() {
            return Ok(Datum::Bool(!negated));
        }
    }
    Ok(if unknown { Datum::Null } else { Datum::Bool(negated) })
}

fn unary(op: UnaryOp, value: Datum, ty: Type) -> Value {
    let truth = match &value {
        Datum::Bool(value) => Some(*value),
        _ => None,
    };
    let known = value != Datum::Null;
    Ok(Datum::Bool(match op {
        UnaryOp::Not => return Ok(truth.map_or(Datum::Null, |value| Datum::Bool(!value))),
        UnaryOp::Neg => return negate(value, ty),
        UnaryOp::IsNull | UnaryOp::IsUnknown => !known,
        UnaryOp::IsNotNull | UnaryOp::IsNotUnknown => known,
        UnaryOp::IsTrue => truth == Some(true),
        UnaryOp::IsNotTrue => truth != Some(true),
        UnaryOp::IsFalse => truth == Some(false),
        UnaryOp::IsNotFalse => truth != Some(false),
    }))
}

fn negate(value: Datum, ty: Type) -> Value {
    match value {
        Datum::Int(value) => number(-i128::from(value), ty),
        Datum::Wide(value) => number(-value, ty),
        Datum::Float(value) => Ok(Datum::Float(-value)),
        Datum::Interval(i) => {
            let negated = (i.months.checked_neg(), i.days.checked_neg(), i.micros.checked_neg());
            let (Some(months), Some(days), Some(micros)) = negated else { return Err(DATE) };
            Ok(Datum::Interval(Interval { months, days, micros }))
        }
        other => Ok(other),
    }
}

/// An unscaled number as a value of its type, if it is in range.
fn number(value: i128, ty: Type) -> Value {
    let (low, high) = match ty {
        Type::Int16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
        Type::Int32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Type::Decimal { precision, .. } => {
            let limit = 10i128.pow(u32::from(precision)) - 1;
            (-limit, limit)
        }
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    if value < low || value > high {
        return Err(RANGE);
    }
    Ok(match ty {
        Type::Decimal { precision, .. } if precision > 18 => Datum::Wide(value),
        _ => Datum::Int(value as i64),
    })
}

fn unscaled(value: &Datum) -> i128 {
    match value {
        Datum::Int(value) => i128::from(*value),
        Datum::Wide(value) => *value,
        other => panic!("not a number: {other:?}"),
    }
}

fn scale(ty: Type) -> u32 {
    if let Type::Decimal { scale, .. } = ty { u32::from(scale) } else { 0 }
}

fn is_exact(ty: Type) -> bool {
    matches!(ty, Type::Int16 | Type::Int32 | Type::Int64 | Type::Decimal { .. })
}

fn as_float(value: &Datum, ty: Type) -> f64 {
    match value {
        Datum::Float(value) => *value,
        value if scale(ty) == 0 => unscaled(value) as f64,
        // The decimal's digits, read by the standard library.
        value => format!("{}e-{}", unscaled(value), scale(ty)).parse().expect("digits are a float"),
    }
}

fn rescale(value: i128, from: u32, to: u32) -> Result<i128, Stop> {
    if to >= from {
        return value.checked_mul(10i128.pow(to - from)).ok_or(Stop::Unknown);
    }
    Ok(half_away(value, 10i128.pow(from - to)))
}

fn half_away(value: i128, by: i128) -> i128 {
    let whole = value / by;
    let rest = (value % by).abs();
    if rest >= by.abs() - rest { whole + value.signum() * by.signum() } else { whole }
}

fn order(a: &Datum, from: Type, b: &Datum, to: Type) -> Result<Ordering, Stop> {
    Ok(match (a, b) {
        (Datum::Interval(a), Datum::Interval(b)) => {
            let span =
                |i: &Interval| (i128::from(i.months) * 30 + i128::from(i.days)) * DAY + i128::from(i.micros);
            span(a).cmp(&span(b))
        }
        (Datum::Float(_), _) | (_, Datum::Float(_)) => {
            let (a, b) = (as_float(a, from), as_float(b, to));
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }
        _ if is_exact(from) && is_exact(to) => {
            let wide = scale(from).max(scale(to));
            rescale(unscaled(a), scale(from), wide)?.cmp(&rescale(unscaled(b), scale(to), wide)?)
        }
        (a, b) => a.cmp(b),
    })
}

fn binary(op: BinaryOp, a: Datum, from: Type, b: Datum, to: Type, ty: Type) -> Value {
    if op == BinaryOp::IsDistinctFrom || op == BinaryOp::IsNotDistinctFrom {
        let same = match (&a, &b) {
            (Datum::Null, Datum::Null) => true,
            (Datum::Null, _) | (_, Datum::Null) => false,
            _ => order(&a, from, &b, to)?.is_eq(),
        };
        return Ok(Datum::Bool(same == (op == BinaryOp::IsNotDistinctFrom)));
    }
    if a == Datum::Null || b == Datum::Null {
        return Ok(Datum::Null);
    }
    if op.is_comparison() {
        let order = order(&a, from, &b, to)?;
        return Ok(Datum::Bool(match op {
            BinaryOp::Eq => order.is_eq(),
            BinaryOp::NotEq => order.is_ne(),
            BinaryOp::Lt => order.is_lt(),
            BinaryOp::LtEq => order.is_le(),
            BinaryOp::Gt => order.is_gt(),
            _ => order.is_ge(),
        }));
    }
    match (&a, &b) {
        (Datum::Text(a), Datum::Text(b)) => Ok(Datum::Text(format!("{a}{b}"))),
        (Datum::Interval(a), Datum::Interval(b)) => add_intervals(*a, *b),
        (Datum::Int(days), Datum::Interval(i)) if ty == Type::Date => {
            let i = if op == BinaryOp::Sub { negate_interval(*i)? } else { *i };
            let moved = i128::from(add_months(*days, i.months)) + i128::from(i.days);
            date(moved + i128::from(i.micros).div_euclid(DAY))
        }
        (Datum::Int(micros), Datum::Interval(i)) => {
            let (days, time) = (micros.div_euclid(DAY as i64), micros.rem_euclid(DAY as i64));
            let start = i128::from(add_months(days, i.months)) + i128::from(i.days);
            timestamp(timestamp(start * DAY + i128::from(time))? + i128::from(i.micros))
                .map(|t| Datum::Int(t as i64))
        }
        _ if ty == Type::Date => date(unscaled(&a) + unscaled(&b)),
        _ if ty == Type::Interval => {
            let micros = unscaled(&a) - unscaled(&b);
            i64::try_from(micros).map_err(|_| DATE)?;
            let (days, micros) = ((micros / DAY) as i32, (micros % DAY) as i64);
            Ok(Datum::Interval(Interval { months: 0, days, micros }))
        }
        _ if from == Type::Date => match number(unscaled(&a) - unscaled(&b), Type::Int32) {
            Err(_) => Err(DATE),
            ok => ok,
        },
        _ if ty == Type::Float32 || ty == Type::Float64 => {
            float(op, as_float(&a, from), as_float(&b, to), ty == Type::Float32)
        }
        _ if matches!(ty, Type::Decimal { .. }) => decimal(op, &a, from, &b, to, ty),
        _ => integer(op, unscaled(&a), unscaled(&b), ty),
    }
}

fn negate_interval(i: Interval) -> Result<Interval, Stop> {
    match negate(Datum::Interval(i), Type::Interval)? {
        Datum::Interval(i) => Ok(i),
        _ => Err(Stop::Unknown),
    }
}

fn add_intervals(a: Interval, b: Interval) -> Value {
    let sums = (a.months.checked_add(b.months), a.days.checked_add(b.days), a.micros.checked_add(b.micros));
    let (Some(months), Some(days), Some(micros)) = sums else { return Err(DATE) };
    Ok(Datum::Interval(Interval { months, days, micros }))
}

fn integer(op: BinaryOp, a: i128, b: i128, ty: Type) -> Value {
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div | BinaryOp::Rem if b == 0 => return Err(ZERO),
        BinaryOp::Div => a / b,
        BinaryOp::Rem => a % b,
        BinaryOp::BitAnd => a & b,
        BinaryOp::BitOr => a | b,
        _ => a ^ b,
    };
    number(value, ty)
}

fn float(op: BinaryOp, a: f64, b: f64, single: bool) -> Value {
    if matches!(op, BinaryOp::Div | BinaryOp::Rem) && b == 0.0 && !a.is_nan() {
        return Err(ZERO);
    }
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        _ => a % b,
    };
    let value = if single { f64::from(value as f32) } else { value };
    let overflow = value.is_infinite() && !a.is_infinite() && !b.is_infinite();
    let underflow = value == 0.0
        && a != 0.0
        && ((op == BinaryOp::Mul && b != 0.0) || (op == BinaryOp::Div && !b.is_infinite()));
    if overflow || underflow { Err(RANGE) } else { Ok(Datum::Float(value)) }
}

fn decimal(op: BinaryOp, a: &Datum, from: Type, b: &Datum, to: Type, ty: Type) -> Value {
    let (x, y) = (unscaled(a), unscaled(b));
    let (p, q, r) = (scale(from), scale(to), scale(ty));
    let common = p.max(q);
    let value = match op {
        BinaryOp::Add => rescale(rescale(x, p, common)? + rescale(y, q, common)?, common, r)?,
        BinaryOp::Sub => rescale(rescale(x, p, common)? - rescale(y, q, common)?, common, r)?,
        BinaryOp::Mul => rescale(x.checked_mul(y).ok_or(Stop::Unknown)?, p + q, r)?,
        _ if y == 0 => return Err(ZERO),
        BinaryOp::Div => {
            let up = (r + q) as i32 - p as i32;
            let grown =
                |value: i128, by: i32| value.checked_mul(10i128.pow(by.max(0) as u32)).ok_or(Stop::Unknown);
            half_away(grown(x, up)?, grown(y, -up)?)
        }
        _ => rescale(rescale(x, p, common)? % rescale(y, q, common)?, common, r)?,
    };
    number(value, ty)
}

fn date(days: i128) -> Value {
    if (-2_440_588..=2_145_042_905).contains(&days) { Ok(Datum::Int(days as i64)) } else { Err(DATE) }
}

fn timestamp(micros: i128) -> Result<i128, Stop> {
    let last = i128::from(days_of(294_247, 1, 1)) * DAY - 1;
    if (-2_440_588 * DAY..=last).contains(&micros) { Ok(micros) } else { Err(DATE) }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date, by counting leap years.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = |y: i64| y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    let years = (year - 1970) * 365 + leaps(before) - leaps(1969);
    years + (1..month).map(|m| month_length(year, m)).sum::<i64>() + day - 1
}

/// Year, month and day, by guessing the year and correcting it.
fn parts_of(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + days.div_euclid(if days < 0 { 365 } else { 366 });
    while days_of(year + 1, 1, 1) <= days {
        year += 1 + (days - days_of(year + 1, 1, 1)) / 366;
    }
    let mut rest = days - days_of(year, 1, 1);
    let mut month = 1;
    while rest >= month_length(year, month) {
        rest -= month_length(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

fn add_months(days: i64, months: i32) -> i64 {
    let (year, month, day) = parts_of(days);
    let total = year * 12 + month - 1 + i64::from(months);
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    days_of(year, month, day.min(month_length(year, month)))
}

fn cast(value: Datum, from: Type, to: Type) -> Value {
    if value == Datum::Null || from == to {
        return Ok(value);
    }
    match (to, &value) {
        (Type::Bool, Datum::Int(value)) => Ok(Datum::Bool(*value != 0)),
        (Type::Bool, Datum::Text(text)) => {
            let word = text.trim().to_lowercase();
            let shortens = |full: &str| !word.is_empty() && full.starts_with(&word);
            let on = |full: &str| word.len() > 1 && full.starts_with(&word);
            if shortens("true") || shortens("yes") || word == "on" || word == "1" {
                Ok(Datum::Bool(true))
            } else if shortens("false") || shortens("no") || on("off") || word == "0" {
                Ok(Datum::Bool(false))
            } else {
                Err(Stop::Error(ErrorKind::InvalidText))
            }
        }
        (Type::Text, Datum::Bool(value)) => Ok(Datum::Text(value.to_string())),
        (Type::Text, value) => Ok(Datum::Text(written(unscaled(value), scale(from)))),
        (Type::Date, Datum::Int(micros)) => date(i128::from(micros.div_euclid(DAY as i64))),
        (Type::Time, Datum::Int(micros)) => Ok(Datum::Int(micros.rem_euclid(DAY as i64))),
        (Type::Timestamp, Datum::Int(days)) => {
            timestamp(i128::from(*days) * DAY).map(|micros| Datum::Int(micros as i64))
        }
        (Type::Float32 | Type::Float64, value) => {
            let single = to == Type::Float32;
            if let (true, Datum::Int(value), true) = (single, value, scale(from) == 0) {
                return Ok(Datum::Float(f64::from(*value as f32)));
            }
            let exact = as_float(value, from);
            let rounded = if single { f64::from(exact as f32) } else { exact };
            let lost = (rounded == 0.0 && exact != 0.0) || (rounded.is_infinite() && exact.is_finite());
            if lost { Err(RANGE) } else { Ok(Datum::Float(rounded)) }
        }
        (Type::Decimal { .. }, value) => match rescale(unscaled(value), scale(from), scale(to)) {
            Ok(value) => number(value, to),
            Err(stop) => Err(stop),
        },
        (_, Datum::Bool(value)) => Ok(Datum::Int(i64::from(*value))),
        (_, Datum::Float(value)) => {
            let rounded = value.round_ties_even();
            if !(rounded > -9.3e18 && rounded < 9.3e18) { Err(RANGE) } else { number(rounded as i128, to) }
        }
        (_, Datum::Text(text)) => {
            let text = text.trim();
            match text.parse::<i128>() {
                Ok(value) => number(value, to),
                Err(_) => Err(Stop::Error(ErrorKind::InvalidText)),
            }
        }
        (_, value) => number(half_away(unscaled(value), 10i128.pow(scale(from))), to),
    }
}

fn written(value: i128, scale: u32) -> String {
    let digits = format!("{:0>width$}", value.abs(), width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn ends_in_escape(pattern: &[char], escape: char) -> bool {
    let mut at = 0;
    while at < pattern.len() {
        if pattern[at] == escape {
            at += 1;
            if at == pattern.len() {
                return true;
            }
        }
        at += 1;
    }
    false
}

fn like(text: &[char], pattern: &[char], escape: char) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((c, rest)) if *c == escape => {
            text.first() == rest.first() && like(&text[1..], &rest[1..], escape)
        }
        Some(('%', rest)) => (0..=text.len()).any(|skip| like(&text[skip..], rest, escape)),
        Some(('_', rest)) => !text.is_empty() && like(&text[1..], rest, escape),
        Some((c, rest)) => text.first() == Some(c) && like(&text[1..], rest, escape),
    }
}

fn call(name: &str, args: &[Expr], ty: Type, row: &[Datum]) -> Value {
    if name == "coalesce" {
        for arg in args {
            let value = evaluate(arg, row)?;
            if value != Datum::Null {
                return Ok(value);
            }
        }
        return Ok(Datum::Null);
    }
    let values: Vec<Datum> = args.iter().map(|arg| evaluate(arg, row)).collect::<Result<_, _>>()?;
    match name {
        "greatest" | "least" => {
            let mut best = Datum::Null;
            for value in values.into_iter().filter(|value| *value != Datum::Null) {
                let better = best == Datum::Null
                    || order(&value, ty, &best, ty)?
                        == if name == "least" { Ordering::Less } else { Ordering::Greater };
                best = if better { value } else { best };
            }
            return Ok(best);
        }
        "nullif" => {
            let [a, b] = &values[..] else { return Err(Stop::Unknown) };
            let equal = *a != Datum::Null && *b != Datum::Null && order(a, ty, b, ty)?.is_eq();
            return Ok(if equal { Datum::Null } else { a.clone() });
        }
        "concat" => {
            let texts = values.into_iter().filter_map(|value| match value {
                Datum::Text(text) => Some(text),
                _ => None,
            });
            return Ok(Datum::Text(texts.collect()));
        }
        _ => {}
    }
    if values.contains(&Datum::Null) {
        return Ok(Datum::Null);
    }
    strict_call(name, &values, args, ty)
}

fn strict_call(name: &str, values: &[Datum], args: &[Expr], ty: Type) -> Value {
    let text = |at: usize| match &values[at] {
        Datum::Text(text) => text.clone(),
        other => panic!("not text: {other:?}"),
    };
    let chars = |at: usize| text(at).chars().collect::<Vec<char>>();
    match name {
        "abs" => number(unscaled(&values[0]).abs(), ty),
        "round" => {
            let from = scale(args[0].column_type().ty);
            number(rescale(half_away(unscaled(&values[0]), 10i128.pow(from)), 0, scale(ty))?, ty)
        }
        "length" => Ok(Datum::Int(chars(0).len() as i64)),
        "upper" => Ok(Datum::Text(text(0).to_uppercase())),
        "btrim" => Ok(Datum::Text(text(0).trim_matches(' ').to_string())),
        "left" => {
            let (chars, count) = (chars(0), unscaled(&values[1]));
            let kept = if count < 0 { chars.len() as i128 + count } else { count };
            Ok(Datum::Text(chars.into_iter().take(kept.max(0) as usize).collect()))
        }
        "substr" => {
            let (start, length) = (unscaled(&values[1]), unscaled(&values[2]));
            if length < 0 {
                return Err(Stop::Error(ErrorKind::Other("22011")));
            }
            let inside = |at: &usize| (start..start + length).contains(&(*at as i128 + 1));
            let chars = chars(0);
            Ok(Datum::Text((0..chars.len()).filter(inside).map(|at| chars[at]).collect()))
        }
        "date_part" => {
            let micros = unscaled(&values[1]) as i64;
            let days = micros.div_euclid(DAY as i64);
            let (year, month, day) = parts_of(days);
            Ok(Datum::Int(match text(0).as_str() {
                "year" => {
                    if year > 0 {
                        year
                    } else {
                        year - 1
                    }
                }
                "month" => month,
                "day" => day,
                "doy" => days - days_of(year, 1, 1) + 1,
                _ => micros.rem_euclid(DAY as i64) / 3_600_000_000,
            }))
        }
        other => panic!("no function {other}"),
    }
}
