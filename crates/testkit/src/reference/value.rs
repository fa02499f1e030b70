//! Values and arithmetic of the reference evaluator.
//!
//! Numbers are computed in a width in which nothing can be lost (`i128` for integers and
//! decimals), and only then held against the range of the result type: an overflow is seen, never
//! wrapped. Equality is SQL's grouping equality: NULL equals NULL, NaN equals NaN and is above
//! every number, the two zeros are one, and `1.50` equals `1.5`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A column type, as far as random cases use them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// `BOOLEAN`
    Bool,
    /// `SMALLINT`
    Smallint,
    /// `INTEGER`
    Integer,
    /// `BIGINT`
    Bigint,
    /// `DECIMAL(precision, scale)`
    Decimal(u8, u8),
    /// `DOUBLE PRECISION`
    Double,
    /// `TEXT`
    Text,
    /// `DATE`
    Date,
}

impl Type {
    /// Whether the type is one of the three integer widths.
    pub fn is_integer(self) -> bool {
        matches!(self, Type::Smallint | Type::Integer | Type::Bigint)
    }

    /// The least and greatest value of an integer type.
    pub fn integer_range(self) -> Option<(i64, i64)> {
        match self {
            Type::Smallint => Some((i16::MIN.into(), i16::MAX.into())),
            Type::Integer => Some((i32::MIN.into(), i32::MAX.into())),
            Type::Bigint => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }

    /// The wider of two integer types: what their sum has.
    pub fn wider(self, other: Type) -> Type {
        match (self, other) {
            (Type::Bigint, _) | (_, Type::Bigint) => Type::Bigint,
            (Type::Integer, _) | (_, Type::Integer) => Type::Integer,
            _ => self,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => write!(f, "BOOLEAN"),
            Type::Smallint => write!(f, "SMALLINT"),
            Type::Integer => write!(f, "INTEGER"),
            Type::Bigint => write!(f, "BIGINT"),
            Type::Decimal(precision, scale) => write!(f, "DECIMAL({precision}, {scale})"),
            Type::Double => write!(f, "DOUBLE PRECISION"),
            Type::Text => write!(f, "TEXT"),
            Type::Date => write!(f, "DATE"),
        }
    }
}

/// Why an expression has no value: the SQLSTATE the database must answer with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Five characters, as in PostgreSQL.
    pub sqlstate: &'static str,
    /// What happened, for the report of a failing case.
    pub what: String,
}

impl Failure {
    /// A failure with its SQLSTATE.
    pub fn new(sqlstate: &'static str, what: impl Into<String>) -> Failure {
        Failure { sqlstate, what: what.into() }
    }

    /// Numeric value out of range.
    pub fn out_of_range(what: impl Into<String>) -> Failure {
        Failure::new("22003", what)
    }

    /// Division by zero.
    pub fn division_by_zero() -> Failure {
        Failure::new("22012", "division by zero")
    }
}

/// An exact decimal number: `digits / 10^scale`, kept without trailing zeros after the point.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: i128,
    scale: u8,
}

impl Decimal {
    /// `digits / 10^scale`.
    pub fn new(mut digits: i128, mut scale: u8) -> Decimal {
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        Decimal { digits, scale }
    }

    /// The digits at a scale no smaller than the number's own; `None` where `i128` is too narrow.
    pub fn digits_at(self, scale: u8) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        10i128.checked_pow(more.into())?.checked_mul(self.digits)
    }

    /// The digits at any scale, rounded half away from zero.
    pub fn round_to(self, scale: u8) -> Option<i128> {
        if scale >= self.scale {
            return self.digits_at(scale);
        }
        let unit = 10i128.checked_pow((self.scale - scale).into())?;
        Some(divide_half_away(self.digits, unit))
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        self.digits as f64 / 10f64.powi(self.scale.into())
    }

    fn combine(self, other: Decimal, op: fn(i128, i128) -> Option<i128>) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let digits = op(self.digits_at(scale)?, other.digits_at(scale)?)?;
        Some(Decimal::new(digits, scale))
    }

    /// Exact sum.
    pub fn plus(self, other: Decimal) -> Option<Decimal> {
        self.combine(other, i128::checked_add)
    }

    /// Exact difference.
    pub fn minus(self, other: Decimal) -> Option<Decimal> {
        self.combine(other, i128::checked_sub)
    }

    /// Exact product.
    pub fn times(self, other: Decimal) -> Option<Decimal> {
        Some(Decimal::new(self.digits.checked_mul(other.digits)?, self.scale + other.scale))
    }
}

/// Integer division rounded to the nearest, halves away from zero. `unit` is positive.
pub fn divide_half_away(digits: i128, unit: i128) -> i128 {
    let (whole, rest) = (digits / unit, digits % unit);
    let up = rest.unsigned_abs() * 2 >= unit.unsigned_abs();
    whole + if up { digits.signum() } else { 0 }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.digits_at(scale), other.digits_at(scale)) {
            (Some(left), Some(right)) => left.cmp(&right),
            (None, _) => self.digits.cmp(&0),
            (_, None) => 0.cmp(&other.digits),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        (self.digits, self.scale) == (other.digits, other.scale)
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.digits, self.scale).hash(state);
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// A double with SQL's order: one zero, one NaN, which is above everything.
#[derive(Clone, Copy, Debug)]
pub struct Real(f64);

impl Real {
    /// Takes the number in its canonical form.
    pub fn new(value: f64) -> Real {
        if value.is_nan() {
            Real(f64::NAN)
        } else if value == 0.0 {
            Real(0.0)
        } else {
            Real(value)
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Real) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or_else(|| self.0.is_nan().cmp(&other.0.is_nan()))
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Real) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Real) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// The exact sum of doubles, rounded once when it is read.
///
/// Shewchuk's method: the sum is kept as doubles of falling size that do not overlap. Adding a term carries
/// what each addition rounds away down the list, so nothing is lost and the order of the terms does not matter.
#[derive(Clone, Default, Debug)]
pub struct RealSum {
    /// The parts, smallest first.
    parts: Vec<f64>,
    nan: bool,
}

impl RealSum {
    /// Adds a number several times.
    pub fn add(&mut self, value: f64, times: i64) {
        let product = value * times as f64;
        self.add_once(product);
        // What the product rounded away, exactly.
        self.add_once(value.mul_add(times as f64, -product));
    }

    fn add_once(&mut self, mut value: f64) {
        self.nan |= !value.is_finite();
        let mut kept = Vec::with_capacity(self.parts.len() + 1);
        for part in std::mem::take(&mut self.parts) {
            let (large, small) = if value.abs() < part.abs() { (part, value) } else { (value, part) };
            let sum = large + small;
            let rest = small - (sum - large);
            if rest != 0.0 {
                kept.push(rest);
            }
            value = sum;
        }
        kept.push(value);
        self.parts = kept;
    }

    /// The double nearest to the sum; of two equally near, the even one.
    pub fn value(&self) -> f64 {
        if self.nan {
            return f64::NAN;
        }
        let mut parts = self.parts.iter().rev().copied();
        let mut sum = parts.next().unwrap_or(0.0);
        let mut rest = 0.0;
        for part in parts.by_ref() {
            let before = sum;
            sum = before + part;
            rest = part - (sum - before);
            if rest != 0.0 {
                break;
            }
        }
        // Half a unit is left over, and what is smaller still decides to which side it goes.
        if let Some(next) = parts.next()
            && next.is_sign_negative() == rest.is_sign_negative()
            && next != 0.0
        {
            let twice = rest * 2.0;
            if sum + twice - sum == twice {
                sum += twice;
            }
        }
        sum
    }
}

/// One SQL value. `Ord` is the order in reports and in MIN and MAX; values that meet have one type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// NULL
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A decimal of any precision.
    Decimal(Decimal),
    /// A double.
    Double(Real),
    /// Text, compared by bytes.
    Text(Arc<str>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Something only outside data holds (times, intervals, bytes), in its printed form.
    Other(Arc<str>),
}

impl Value {
    /// Text.
    pub fn text(text: impl AsRef<str>) -> Value {
        Value::Text(Arc::from(text.as_ref()))
    }

    /// A double.
    pub fn double(value: f64) -> Value {
        Value::Double(Real::new(value))
    }

    /// A decimal.
    pub fn decimal(digits: i128, scale: u8) -> Value {
        Value::Decimal(Decimal::new(digits, scale))
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The integer inside; the evaluator is typed, so anything else is a mistake in a test.
    pub fn as_int(&self) -> i64 {
        match self {
            Value::Int(value) => *value,
            other => panic!("not an integer: {other:?}"),
        }
    }

    /// The text inside.
    pub fn as_text(&self) -> &str {
        match self {
            Value::Text(value) => value,
            other => panic!("not a text: {other:?}"),
        }
    }

    /// A number as a double.
    pub fn to_f64(&self) -> f64 {
        match self {
            Value::Int(value) => *value as f64,
            Value::Decimal(value) => value.to_f64(),
            Value::Double(value) => value.get(),
            other => panic!("not a number: {other:?}"),
        }
    }

    /// An integer or decimal as a decimal.
    pub fn to_decimal(&self) -> Decimal {
        match self {
            Value::Int(value) => Decimal::new((*value).into(), 0),
            Value::Decimal(value) => *value,
            other => panic!("not an exact number: {other:?}"),
        }
    }

    /// Compares two values that are not NULL, numbers of different types by their value.
    pub fn compare(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Double(_), Value::Int(_) | Value::Decimal(_))
            | (Value::Int(_) | Value::Decimal(_), Value::Double(_)) => {
                Real::new(self.to_f64()).cmp(&Real::new(other.to_f64()))
            }
            (Value::Int(_), Value::Decimal(_)) | (Value::Decimal(_), Value::Int(_)) => {
                self.to_decimal().cmp(&other.to_decimal())
            }
            _ => self.cmp(other),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => write!(f, "NULL"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Decimal(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{:?}", value.get()),
            Value::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Value::Date(days) => write!(f, "DATE '{}'", date_text(*days)),
            Value::Other(text) => write!(f, "{text}"),
        }
    }
}

/// Keeps an integer that fits its type.
pub fn fit_integer(value: i128, ty: Type) -> Result<Value, Failure> {
    let (low, high) = ty.integer_range().expect("an integer type");
    if value < low.into() || value > high.into() {
        return Err(Failure::out_of_range(format!("{value} does not fit {ty}")));
    }
    Ok(Value::Int(value as i64))
}

/// Keeps a decimal that fits its type, rounded to the type's scale.
pub fn fit_decimal(value: Decimal, precision: u8, scale: u8) -> Result<Value, Failure> {
    let digits = value.round_to(scale).filter(|digits| digits.unsigned_abs() < 10u128.pow(precision.into()));
    match digits {
        Some(digits) => Ok(Value::decimal(digits, scale)),
        None => Err(Failure::out_of_range(format!("{value} does not fit DECIMAL({precision}, {scale})"))),
    }
}

/// Keeps a double that did not become infinite on the way.
pub fn fit_double(value: f64, finite_inputs: bool) -> Result<Value, Failure> {
    if value.is_infinite() && finite_inputs {
        return Err(Failure::out_of_range("a double is out of range"));
    }
    Ok(Value::double(value))
}

/// Year, month and day of a day number, by the proleptic Gregorian calendar.
pub fn civil(days: i32) -> (i32, u32, u32) {
    let (mut year, mut rest) = (1970, days);
    while rest < 0 {
        year -= 1;
        rest += year_length(year);
    }
    while rest >= year_length(year) {
        rest -= year_length(year);
        year += 1;
    }
    let mut month = 1;
    while rest >= month_length(year, month) {
        rest -= month_length(year, month);
        month += 1;
    }
    (year, month, rest as u32 + 1)
}

/// A date as `2024-02-29`.
pub fn date_text(days: i32) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn year_length(year: i32) -> i32 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_length(year: i32, month: u32) -> i32 {
    match month {
        2 => 28 + i32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_that_of_grouping() {
        assert_eq!(Value::decimal(150, 2), Value::decimal(15, 1));
        assert_eq!(Value::double(-0.0), Value::double(0.0));
        assert_eq!(Value::double(f64::NAN), Value::double(f64::NAN));
        assert!(Value::double(f64::NAN) > Value::double(f64::INFINITY));
        assert!(Decimal::new(-5, 1) < Decimal::new(0, 0));
        assert_eq!(Value::Int(1).compare(&Value::decimal(10, 1)), Ordering::Equal);
    }

    #[test]
    fn decimals_round_half_away_from_zero_and_print_their_point() {
        assert_eq!(Decimal::new(125, 2).round_to(1), Some(13));
        assert_eq!(Decimal::new(-125, 2).round_to(1), Some(-13));
        assert_eq!(Decimal::new(-5, 2).to_string(), "-0.05");
        assert!(fit_decimal(Decimal::new(9995, 2), 3, 1).is_err());
    }

    #[test]
    fn doubles_add_up_exactly_in_any_order() {
        let terms = [1e100, 1.0 / 3.0, -1e100, 0.1, 1e-300, 1.0 / 3.0];
        let sum_of = |order: &mut dyn Iterator<Item = usize>| {
            let mut sum = RealSum::default();
            order.for_each(|at| sum.add(terms[at], 3));
            sum.value()
        };
        let forwards = sum_of(&mut (0..6));
        assert_eq!(forwards, sum_of(&mut (0..6).rev()));
        assert_eq!(forwards, 2.3);
        let mut half = RealSum::default();
        [1.0, f64::EPSILON / 2.0, 1e-30].into_iter().for_each(|term| half.add(term, 1));
        assert_eq!(half.value(), 1.0 + f64::EPSILON);
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(date_text(-1), "1969-12-31");
        assert_eq!(date_text(19_782), "2024-02-29");
    }
}
