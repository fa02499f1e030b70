//! Functions over numbers, and those that take any value.

use sql::SqlError;

use super::{ANY, Function, Returns, strict};
use crate::context::Context;
use crate::oid::*;
use crate::value::Value;

type Answer = Result<Value, SqlError>;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("abs", &[ANY], ANY, abs).returns(Returns::Argument(0)),
    strict("ceil", &[FLOAT8], FLOAT8, |_, a| Ok(float(&a[0], f64::ceil))),
    strict("ceiling", &[FLOAT8], FLOAT8, |_, a| Ok(float(&a[0], f64::ceil))),
    strict("floor", &[FLOAT8], FLOAT8, |_, a| Ok(float(&a[0], f64::floor))),
    strict("round", &[FLOAT8, INT4], FLOAT8, round).from(1),
    strict("mod", &[INT8, INT8], INT8, |_, a| {
        let (left, right) = (a[0].as_int(), a[1].as_int());
        Ok(Value::or_null(left.zip(right).and_then(|(a, b)| a.checked_rem(b)).map(Value::Int)))
    }),
    strict("greatest", &[ANY], ANY, |_, a| Ok(most(a, |a, b| a > b)))
        .variadic()
        .lenient()
        .returns(Returns::Argument(0)),
    strict("least", &[ANY], ANY, |_, a| Ok(most(a, |a, b| a < b)))
        .variadic()
        .lenient()
        .returns(Returns::Argument(0)),
    strict("pg_size_pretty", &[INT8], TEXT, |_, a| Ok(pretty_size(a[0].as_int().unwrap_or_default()).into())),
    strict("age", &[XID], INT4, |_, _| Ok(Value::Int(0))),
    strict("random", &[], FLOAT8, |_, _| Ok(Value::Float(0.5))),
    strict("hashtext", &[TEXT], INT4, |_, a| {
        let step = |hash: i32, byte: u8| hash.wrapping_mul(31).wrapping_add(i32::from(byte));
        Ok(Value::Int(a[0].as_str().unwrap_or_default().bytes().fold(7, step).into()))
    }),
];

fn abs(_: &Context<'_>, args: &[Value]) -> Answer {
    Ok(match &args[0] {
        Value::Int(value) => Value::Int(value.saturating_abs()),
        other => float(other, f64::abs),
    })
}

fn float(value: &Value, of: impl Fn(f64) -> f64) -> Value {
    value.as_float().map_or(Value::Null, |value| Value::Float(of(value)))
}

fn round(_: &Context<'_>, args: &[Value]) -> Answer {
    let digits = args.get(1).and_then(Value::as_int).unwrap_or(0).clamp(-15, 15);
    let scale = 10f64.powi(digits as i32);
    Ok(float(&args[0], |value| (value * scale).round() / scale))
}

fn most(args: &[Value], beats: impl Fn(&Value, &Value) -> bool) -> Value {
    let known = args.iter().filter(|arg| !arg.is_null());
    let best = known.reduce(|best, arg| if beats(arg, best) { arg } else { best });
    best.cloned().unwrap_or(Value::Null)
}

/// Bytes up to 10 kB, then rounded in the next unit, as PostgreSQL has it.
fn pretty_size(bytes: i64) -> String {
    let mut size = bytes;
    if size.abs() < 10 * 1024 {
        return format!("{size} bytes");
    }
    // One bit more is kept for rounding.
    size /= 512;
    for unit in ["kB", "MB", "GB", "TB"] {
        if size.abs() < 20 * 1024 - 1 {
            return format!("{} {unit}", (size + size.signum()) / 2);
        }
        size /= 1024;
    }
    format!("{} PB", (size + size.signum()) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_as_postgresql_rounds_them() {
        let sizes = [
            (0, "0 bytes"),
            (10239, "10239 bytes"),
            (10240, "10 kB"),
            (16384, "16 kB"),
            (10 * 1024 * 1024, "10 MB"),
            (1 << 40, "1024 GB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(pretty_size(bytes), text);
        }
    }
}
