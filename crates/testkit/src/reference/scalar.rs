//! Scalar expressions of the reference evaluator, one row at a time.
//!
//! An expression is built with its types already decided, so evaluation only needs values. Logic
//! is three-valued; AND, OR, CASE and COALESCE stop as soon as the answer is known, so a guard in
//! an earlier part keeps a later one from failing, as it does in PostgreSQL.

use super::value::{Failure, Type, Value, civil, date_text, fit_decimal, fit_double, fit_integer};
use std::cmp::Ordering;

/// The arithmetic operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; on integers towards zero
    Divide,
    /// `%`; the sign is the dividend's
    Remainder,
}

/// The comparison operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompareOp {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `IS DISTINCT FROM`
    Distinct,
    /// `IS NOT DISTINCT FROM`
    NotDistinct,
}

/// What `IS` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// `IS NULL`
    Null,
    /// `IS TRUE`
    True,
    /// `IS FALSE`
    False,
    /// `IS UNKNOWN`
    Unknown,
}

/// A field of a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The year.
    Year,
    /// The month, from 1.
    Month,
    /// The day of the month.
    Day,
}

/// The functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// `ABS(number)`
    Abs(Type),
    /// `UPPER(text)`
    Upper,
    /// `LOWER(text)`
    Lower,
    /// `LENGTH(text)`, in characters
    Length,
    /// `SUBSTRING(text FROM n FOR n)`
    Substring,
    /// `EXTRACT(part FROM date)`
    Extract(Part),
    /// The first argument that is not NULL.
    Coalesce,
    /// NULL when both are equal, else the first.
    Nullif,
    /// The greatest argument that is not NULL.
    Greatest,
    /// The least argument that is not NULL.
    Least,
    /// `text || text`
    Concat,
}

/// A scalar expression over the columns of one row.
#[derive(Clone, PartialEq, Debug)]
pub enum Scalar {
    /// A column by position.
    Column(usize),
    /// A constant; the type is needed to print a NULL.
    Literal(Value, Type),
    /// `NOT a`
    Not(Box<Scalar>),
    /// `-a`
    Negate(Box<Scalar>, Type),
    /// `a IS [NOT] …`
    Is(Box<Scalar>, Test, bool),
    /// `a op b`, with the type of the result.
    Arithmetic(ArithmeticOp, Box<Scalar>, Box<Scalar>, Type),
    /// `a op b`
    Compare(CompareOp, Box<Scalar>, Box<Scalar>),
    /// All of them.
    And(Vec<Scalar>),
    /// Any of them.
    Or(Vec<Scalar>),
    /// `CASE WHEN … THEN … ELSE … END`
    Case(Vec<(Scalar, Scalar)>, Option<Box<Scalar>>),
    /// `CAST(a AS type)`
    Cast(Box<Scalar>, Type),
    /// `a [NOT] LIKE 'pattern'`
    Like(Box<Scalar>, String, bool),
    /// `a [NOT] IN (…)`
    InList(Box<Scalar>, Vec<Scalar>, bool),
    /// `a [NOT] BETWEEN b AND c`
    Between(Box<Scalar>, Box<Scalar>, Box<Scalar>, bool),
    /// A function of its arguments.
    Call(Function, Vec<Scalar>),
}

impl Scalar {
    /// An integer constant of a type.
    pub fn int(value: i64, ty: Type) -> Scalar {
        Scalar::Literal(Value::Int(value), ty)
    }

    /// `self op other` as a boolean.
    pub fn compare(self, op: CompareOp, other: Scalar) -> Scalar {
        Scalar::Compare(op, Box::new(self), Box::new(other))
    }

    /// `self op other` as a number.
    pub fn arithmetic(self, op: ArithmeticOp, other: Scalar, ty: Type) -> Scalar {
        Scalar::Arithmetic(op, Box::new(self), Box::new(other), ty)
    }

    /// The expression's value in one row.
    pub fn eval(&self, row: &[Value]) -> Result<Value, Failure> {
        match self {
            Scalar::Column(index) => Ok(row[*index].clone()),
            Scalar::Literal(value, _) => Ok(value.clone()),
            Scalar::Not(arg) => Ok(truth(arg.truth(row)?.map(|value| !value))),
            Scalar::Negate(arg, ty) => negate(arg.eval(row)?, *ty),
            Scalar::Is(arg, test, negated) => {
                let holds = is(&arg.eval(row)?, *test);
                Ok(Value::Bool(holds != *negated))
            }
            Scalar::Arithmetic(op, left, right, ty) => {
                arithmetic(*op, left.eval(row)?, right.eval(row)?, *ty)
            }
            Scalar::Compare(op, left, right) => Ok(compare(*op, &left.eval(row)?, &right.eval(row)?)),
            Scalar::And(parts) => Ok(truth(connect(parts, row, false)?)),
            Scalar::Or(parts) => Ok(truth(connect(parts, row, true)?)),
            Scalar::Case(branches, otherwise) => case(branches, otherwise.as_deref(), row),
            Scalar::Cast(arg, ty) => cast(arg.eval(row)?, *ty),
            Scalar::Like(arg, pattern, negated) => match arg.eval(row)? {
                Value::Null => Ok(Value::Null),
                value => Ok(Value::Bool(like(value.as_text(), pattern) != *negated)),
            },
            Scalar::InList(arg, list, negated) => in_list(&arg.eval(row)?, list, *negated, row),
            Scalar::Between(arg, low, high, negated) => {
                let value = arg.eval(row)?;
                let above = compare(CompareOp::GreaterOrEqual, &value, &low.eval(row)?);
                let below = compare(CompareOp::LessOrEqual, &value, &high.eval(row)?);
                Ok(truth(both(as_truth(&above), as_truth(&below)).map(|within| within != *negated)))
            }
            Scalar::Call(function, args) => call(*function, args, row),
        }
    }

    /// The value of a boolean expression: `None` is unknown.
    pub fn truth(&self, row: &[Value]) -> Result<Option<bool>, Failure> {
        Ok(as_truth(&self.eval(row)?))
    }

    /// Whether a condition lets the row through: only TRUE does.
    pub fn holds(&self, row: &[Value]) -> Result<bool, Failure> {
        Ok(self.truth(row)? == Some(true))
    }
}

fn truth(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::Bool)
}

fn as_truth(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(*value),
        other => panic!("not a truth value: {other:?}"),
    }
}

fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// AND and OR: `decisive` is the part's value that settles the whole.
fn connect(parts: &[Scalar], row: &[Value], decisive: bool) -> Result<Option<bool>, Failure> {
    let mut known = true;
    for part in parts {
        match part.truth(row)? {
            Some(value) if value == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => known = false,
        }
    }
    Ok(known.then_some(!decisive))
}

fn is(value: &Value, test: Test) -> bool {
    match test {
        Test::Null | Test::Unknown => value.is_null(),
        Test::True => *value == Value::Bool(true),
        Test::False => *value == Value::Bool(false),
    }
}

fn case(branches: &[(Scalar, Scalar)], otherwise: Option<&Scalar>, row: &[Value]) -> Result<Value, Failure> {
    for (condition, result) in branches {
        if condition.holds(row)? {
            return result.eval(row);
        }
    }
    otherwise.map_or(Ok(Value::Null), |result| result.eval(row))
}

fn in_list(value: &Value, list: &[Scalar], negated: bool, row: &[Value]) -> Result<Value, Failure> {
    let mut known = true;
    for item in list {
        match as_truth(&compare(CompareOp::Equal, value, &item.eval(row)?)) {
            Some(true) => return Ok(Value::Bool(!negated)),
            Some(false) => {}
            None => known = false,
        }
    }
    Ok(truth(known.then_some(negated)))
}

/// Compares two values under SQL's rules for NULL.
pub fn compare(op: CompareOp, left: &Value, right: &Value) -> Value {
    if left.is_null() || right.is_null() {
        let same = left.is_null() && right.is_null();
        return match op {
            CompareOp::Distinct => Value::Bool(!same),
            CompareOp::NotDistinct => Value::Bool(same),
            _ => Value::Null,
        };
    }
    let order = left.compare(right);
    Value::Bool(match op {
        CompareOp::Equal | CompareOp::NotDistinct => order == Ordering::Equal,
        CompareOp::NotEqual | CompareOp::Distinct => order != Ordering::Equal,
        CompareOp::Less => order == Ordering::Less,
        CompareOp::LessOrEqual => order != Ordering::Greater,
        CompareOp::Greater => order == Ordering::Greater,
        CompareOp::GreaterOrEqual => order != Ordering::Less,
    })
}

fn negate(value: Value, ty: Type) -> Result<Value, Failure> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Int(value) => fit_integer(-i128::from(value), ty),
        Value::Double(value) => Ok(Value::double(-value.get())),
        value => arithmetic(ArithmeticOp::Subtract, Value::Int(0), value, ty),
    }
}

/// `left op right` computed in the result type.
pub fn arithmetic(op: ArithmeticOp, left: Value, right: Value, ty: Type) -> Result<Value, Failure> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    match ty {
        Type::Smallint | Type::Integer | Type::Bigint => {
            integer_arithmetic(op, left.as_int().into(), right.as_int().into(), ty)
        }
        Type::Decimal(precision, scale) => {
            let (left, right) = (left.to_decimal(), right.to_decimal());
            let exact = match op {
                ArithmeticOp::Add => left.plus(right),
                ArithmeticOp::Subtract => left.minus(right),
                ArithmeticOp::Multiply => left.times(right),
                ArithmeticOp::Divide | ArithmeticOp::Remainder => {
                    panic!("decimal quotients are not part of the random grammar")
                }
            };
            let exact = exact.ok_or_else(|| Failure::out_of_range("a decimal is out of range"))?;
            fit_decimal(exact, precision, scale)
        }
        Type::Double => double_arithmetic(op, left.to_f64(), right.to_f64()),
        other => panic!("no arithmetic on {other}"),
    }
}

fn integer_arithmetic(op: ArithmeticOp, left: i128, right: i128, ty: Type) -> Result<Value, Failure> {
    let exact = match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide | ArithmeticOp::Remainder if right == 0 => {
            return Err(Failure::division_by_zero());
        }
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Remainder => left % right,
    };
    fit_integer(exact, ty)
}

fn double_arithmetic(op: ArithmeticOp, left: f64, right: f64) -> Result<Value, Failure> {
    let value = match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Subtract => left - right,
        ArithmeticOp::Multiply => left * right,
        ArithmeticOp::Divide if right == 0.0 => return Err(Failure::division_by_zero()),
        ArithmeticOp::Divide => left / right,
        ArithmeticOp::Remainder => panic!("no remainder of doubles in the random grammar"),
    };
    fit_double(value, left.is_finite() && right.is_finite())
}

/// Converts a value to a type, as an explicit cast or an assignment does.
pub fn cast(value: Value, ty: Type) -> Result<Value, Failure> {
    match (value, ty) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Int(value), ty) if ty.is_integer() => fit_integer(value.into(), ty),
        (Value::Decimal(value), ty) if ty.is_integer() => {
            let rounded = value.round_to(0).ok_or_else(|| Failure::out_of_range("a decimal is too long"))?;
            fit_integer(rounded, ty)
        }
        (value @ (Value::Int(_) | Value::Decimal(_)), Type::Decimal(precision, scale)) => {
            fit_decimal(value.to_decimal(), precision, scale)
        }
        (value @ (Value::Int(_) | Value::Decimal(_)), Type::Double) => Ok(Value::double(value.to_f64())),
        (Value::Int(value), Type::Text) => Ok(Value::text(value.to_string())),
        (Value::Bool(value), Type::Text) => Ok(Value::text(value.to_string())),
        (Value::Date(days), Type::Text) => Ok(Value::text(date_text(days))),
        (Value::Text(text), ty) if ty.is_integer() => match text.trim().parse::<i128>() {
            Ok(value) => fit_integer(value, ty),
            Err(_) => Err(Failure::new("22P02", format!("{text:?} is not a number"))),
        },
        (value @ Value::Bool(_), Type::Bool)
        | (value @ Value::Double(_), Type::Double)
        | (value @ Value::Text(_), Type::Text)
        | (value @ Value::Date(_), Type::Date) => Ok(value),
        (value, ty) => panic!("no cast of {value:?} to {ty} in the random grammar"),
    }
}

fn call(function: Function, args: &[Scalar], row: &[Value]) -> Result<Value, Failure> {
    match function {
        Function::Coalesce => {
            for arg in args {
                let value = arg.eval(row)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            return Ok(Value::Null);
        }
        Function::Greatest | Function::Least => return extreme(function, args, row),
        Function::Nullif => {
            let (left, right) = (args[0].eval(row)?, args[1].eval(row)?);
            let equal = compare(CompareOp::Equal, &left, &right) == Value::Bool(true);
            return Ok(if equal { Value::Null } else { left });
        }
        _ => {}
    }
    let mut values = Vec::with_capacity(args.len());
    for arg in args {
        let value = arg.eval(row)?;
        if value.is_null() {
            return Ok(Value::Null);
        }
        values.push(value);
    }
    strict_call(function, &values)
}

/// Functions that give NULL for NULL and otherwise look only at values.
fn strict_call(function: Function, values: &[Value]) -> Result<Value, Failure> {
    Ok(match function {
        Function::Abs(ty) => match &values[0] {
            Value::Int(value) => return fit_integer(i128::from(*value).abs(), ty),
            Value::Double(value) => Value::double(value.get().abs()),
            value if value.compare(&Value::Int(0)) == Ordering::Less => {
                return negate(value.clone(), ty);
            }
            value => value.clone(),
        },
        Function::Upper => Value::text(values[0].as_text().to_uppercase()),
        Function::Lower => Value::text(values[0].as_text().to_lowercase()),
        Function::Length => Value::Int(values[0].as_text().chars().count() as i64),
        Function::Substring => substring(values[0].as_text(), values[1].as_int(), values[2].as_int()),
        Function::Concat => Value::text(format!("{}{}", values[0].as_text(), values[1].as_text())),
        Function::Extract(part) => match &values[0] {
            Value::Date(days) => {
                let (year, month, day) = civil(*days);
                Value::Int(match part {
                    Part::Year => year.into(),
                    Part::Month => month.into(),
                    Part::Day => day.into(),
                })
            }
            other => panic!("not a date: {other:?}"),
        },
        Function::Coalesce | Function::Nullif | Function::Greatest | Function::Least => {
            unreachable!("handled where NULL is an ordinary argument")
        }
    })
}

fn extreme(function: Function, args: &[Scalar], row: &[Value]) -> Result<Value, Failure> {
    let wanted = if function == Function::Greatest { Ordering::Greater } else { Ordering::Less };
    let mut best = Value::Null;
    for arg in args {
        let value = arg.eval(row)?;
        if !value.is_null() && (best.is_null() || value.compare(&best) == wanted) {
            best = value;
        }
    }
    Ok(best)
}

/// `SUBSTRING(text FROM start FOR count)`: positions before the first count, but hold nothing.
fn substring(text: &str, start: i64, count: i64) -> Value {
    let taken = text.chars().zip(1i64..).filter(|(_, at)| *at >= start && *at < start + count);
    Value::text(taken.map(|(character, _)| character).collect::<String>())
}

/// LIKE with `%` and `_`; the backslash takes the next character literally.
pub fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    like_from(&text, &pattern)
}

fn like_from(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|skip| like_from(&text[skip..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like_from(&text[1..], rest),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            text.first() == Some(literal) && like_from(&text[1..], rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> Scalar {
        Scalar::Literal(Value::Null, Type::Bool)
    }

    fn boolean(value: bool) -> Scalar {
        Scalar::Literal(Value::Bool(value), Type::Bool)
    }

    #[test]
    fn logic_is_three_valued_and_lazy() {
        let failing = Scalar::int(1, Type::Integer)
            .arithmetic(ArithmeticOp::Divide, Scalar::int(0, Type::Integer), Type::Integer)
            .compare(CompareOp::Greater, Scalar::int(0, Type::Integer));
        assert_eq!(Scalar::And(vec![boolean(false), failing.clone()]).eval(&[]), Ok(Value::Bool(false)));
        assert_eq!(Scalar::Or(vec![boolean(true), failing.clone()]).eval(&[]), Ok(Value::Bool(true)));
        assert_eq!(Scalar::And(vec![null(), failing]).eval(&[]).unwrap_err().sqlstate, "22012");
        assert_eq!(Scalar::And(vec![null(), boolean(false)]).eval(&[]), Ok(Value::Bool(false)));
        assert_eq!(Scalar::Or(vec![null(), boolean(false)]).eval(&[]), Ok(Value::Null));
    }

    #[test]
    fn integers_never_wrap() {
        let least = Value::Int(i64::MIN);
        let divide = arithmetic(ArithmeticOp::Divide, least.clone(), Value::Int(-1), Type::Bigint);
        assert_eq!(divide.unwrap_err().sqlstate, "22003");
        let rest = arithmetic(ArithmeticOp::Remainder, least, Value::Int(-1), Type::Bigint);
        assert_eq!(rest, Ok(Value::Int(0)));
        let sum = arithmetic(ArithmeticOp::Add, Value::Int(i32::MAX.into()), Value::Int(1), Type::Integer);
        assert_eq!(sum.unwrap_err().sqlstate, "22003");
    }

    #[test]
    fn patterns_match_as_in_sql() {
        assert!(like("abc", "a%c") && like("abc", "_b_") && like("", "%") && like("a%", "a\\%"));
        assert!(!like("abc", "a_") && !like("ab", "a\\%"));
        assert_eq!(substring("hello", 2, 3), Value::text("ell"));
    }
}
