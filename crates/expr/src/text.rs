//! The text form of expressions: one S-expression, the same tree after reading it back.
//!
//! ```text
//! (and (>= $3:DATE '1995-01-01':DATE) (like $1:TEXT? "%green%":TEXT))
//! ```
//!
//! `$i:TYPE` is a column, with `?` where it may be NULL. A literal is a value and its type: `null:TEXT`,
//! `true:BOOLEAN`, `12:INTEGER`, `"text":TEXT`, `x"00ff":BYTEA`. Where the unscaled number behind a decimal, date,
//! time or interval has a readable form that reads back to it, that is written in single quotes: `'1.50':DECIMAL(5,2)`.
//! Operators carry the type of their result (`(+:BIGINT a b)`), comparisons only where it is not BOOLEAN.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use zset::{ColumnType, Datum, Interval, Type};

use crate::datetime_text::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
use crate::decimal;
use crate::error::ExprError;
use crate::interval_text::parse_interval;
use crate::tree::{BinaryOp, Expr, MAX_DEPTH, UnaryOp};

const UNARY: [(UnaryOp, &str); 10] = [
    (UnaryOp::Not, "not"),
    (UnaryOp::Neg, "neg"),
    (UnaryOp::IsNull, "is-null"),
    (UnaryOp::IsNotNull, "is-not-null"),
    (UnaryOp::IsTrue, "is-true"),
    (UnaryOp::IsNotTrue, "is-not-true"),
    (UnaryOp::IsFalse, "is-false"),
    (UnaryOp::IsNotFalse, "is-not-false"),
    (UnaryOp::IsUnknown, "is-unknown"),
    (UnaryOp::IsNotUnknown, "is-not-unknown"),
];

const BINARY: [(BinaryOp, &str); 19] = [
    (BinaryOp::Add, "+"),
    (BinaryOp::Sub, "-"),
    (BinaryOp::Mul, "*"),
    (BinaryOp::Div, "/"),
    (BinaryOp::Rem, "%"),
    (BinaryOp::Eq, "="),
    (BinaryOp::NotEq, "<>"),
    (BinaryOp::Lt, "<"),
    (BinaryOp::LtEq, "<="),
    (BinaryOp::Gt, ">"),
    (BinaryOp::GtEq, ">="),
    (BinaryOp::IsDistinctFrom, "is-distinct"),
    (BinaryOp::IsNotDistinctFrom, "is-not-distinct"),
    (BinaryOp::BitAnd, "&"),
    (BinaryOp::BitOr, "|"),
    (BinaryOp::BitXor, "#"),
    (BinaryOp::Shl, "<<"),
    (BinaryOp::Shr, ">>"),
    (BinaryOp::Concat, "||"),
];

impl fmt::Display for UnaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(UNARY.iter().find(|(op, _)| op == self).map_or("?", |(_, name)| name))
    }
}

impl fmt::Display for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(BINARY.iter().find(|(op, _)| op == self).map_or("?", |(_, name)| name))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Column { index, ty } => {
                write!(f, "${index}:")?;
                write_type(*ty, f)
            }
            Expr::Literal { value, ty } => {
                write_literal(value, *ty, f)?;
                write!(f, ":{ty}")
            }
            Expr::Unary { op, arg } => write!(f, "({op} {arg})"),
            Expr::Binary { op, left, right, ty: Type::Bool } if op.is_comparison() => {
                write!(f, "({op} {left} {right})")
            }
            Expr::Binary { op, left, right, ty } => write!(f, "({op}:{ty} {left} {right})"),
            Expr::And(terms) => write_list("(and", terms, f),
            Expr::Or(terms) => write_list("(or", terms, f),
            Expr::Case { branches, otherwise, ty } => {
                write!(f, "(case:{ty}")?;
                for (condition, value) in branches {
                    write!(f, " (when {condition} {value})")?;
                }
                match otherwise {
                    Some(value) => write!(f, " (else {value}))"),
                    None => f.write_char(')'),
                }
            }
            Expr::Cast { arg, ty, try_cast } => {
                write!(f, "({}:{ty} {arg})", if *try_cast { "try-cast" } else { "cast" })
            }
            Expr::Like { arg, pattern, escape, negated, ignore_case } => {
                let not = if *negated { "not-" } else { "" };
                let ignore = if *ignore_case { "i" } else { "" };
                write!(f, "({not}{ignore}like {arg} {pattern}")?;
                if let Some(escape) = escape {
                    f.write_char(' ')?;
                    write_text(escape.encode_utf8(&mut [0; 4]), f)?;
                }
                f.write_char(')')
            }
            Expr::InList { arg, list, negated } => {
                write!(f, "({} {arg}", if *negated { "not-in" } else { "in" })?;
                write_list("", list, f)
            }
            Expr::Call { function, args, ty } => {
                f.write_str("(call:")?;
                write_type(*ty, f)?;
                f.write_char(' ')?;
                write_text(function, f)?;
                write_list("", args, f)
            }
        }
    }
}

fn write_list(head: &str, items: &[Expr], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(head)?;
    items.iter().try_for_each(|item| write!(f, " {item}"))?;
    f.write_char(')')
}

fn write_type(ty: ColumnType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}{}", ty.ty, if ty.nullable { "?" } else { "" })
}

fn write_literal(value: &Datum, ty: Type, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Datum::Null => f.write_str("null"),
        Datum::Bool(value) => write!(f, "{value}"),
        Datum::Float(value) if value.is_nan() => f.write_str("nan"),
        Datum::Float(value) => write!(f, "{value:?}"),
        Datum::Text(text) => write_text(text, f),
        Datum::Bytes(bytes) => {
            f.write_str("x\"")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_char('"')
        }
        Datum::Int(_) | Datum::Wide(_) | Datum::Interval(_) => {
            let readable = value.display(ty).to_string();
            if reads_back(&readable, ty).is_some_and(|back| same(&back, value)) {
                return write!(f, "'{readable}'");
            }
            match value {
                Datum::Int(value) => write!(f, "{value}"),
                Datum::Wide(value) => write!(f, "{value}w"),
                Datum::Interval(Interval { months, days, micros }) => write!(f, "{months}m{days}d{micros}us"),
                _ => Ok(()),
            }
        }
    }
}

/// Whether two values are the same in every bit of their representation.
fn same(left: &Datum, right: &Datum) -> bool {
    left == right && left.lane() == right.lane()
}

/// The value that a quoted literal of the type stands for.
fn reads_back(text: &str, ty: Type) -> Option<Datum> {
    let int = |value: Result<i64, _>| value.ok().map(Datum::Int);
    match ty {
        Type::Date => int(parse_date(text)),
        Type::Time => int(parse_time(text)),
        Type::Timestamp => int(parse_timestamp(text)),
        Type::TimestampTz => int(parse_timestamptz(text)),
        Type::Interval => parse_interval(text).ok().map(Datum::Interval),
        Type::Decimal { precision, scale } => {
            let value = decimal::parse(text, precision, scale).ok()?;
            match ty.lane() {
                zset::Lane::I128 => Some(Datum::Wide(value)),
                _ => i64::try_from(value).ok().map(Datum::Int),
            }
        }
        _ => None,
    }
}

/// Text in double quotes, on one line.
fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => {
                write!(f, "\\u{{{:x}}}", u32::from(c))?
            }
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl FromStr for Expr {
    type Err = ExprError;

    /// Reads what `Display` writes; blanks between the parts may be any.
    fn from_str(text: &str) -> Result<Expr, ExprError> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let expr = reader.expr()?;
        reader.blanks();
        if reader.at < text.len() {
            return Err(reader.error("the end"));
        }
        Ok(expr)
    }
}

/// A place in the text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, expected: &str) -> ExprError {
        ExprError::Syntax { offset: self.at, message: format!("expected {expected}") }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `wanted` if it stands here.
    fn take(&mut self, wanted: &str) -> bool {
        let here = self.rest().starts_with(wanted);
        if here {
            self.at += wanted.len();
        }
        here
    }

    fn expect(&mut self, wanted: &str) -> Result<(), ExprError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(&format!("{wanted:?}"))) }
    }

    /// Takes characters as long as they are `inside`.
    fn run(&mut self, inside: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn expr(&mut self) -> Result<Expr, ExprError> {
        self.blanks();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExprError::TooLarge { limit: MAX_DEPTH });
        }
        let expr = if self.take("(") {
            let expr = self.form()?;
            self.blanks();
            self.expect(")")?;
            expr
        } else if self.take("$") {
            let index =
                self.run(|c| c.is_ascii_digit()).parse().map_err(|_| self.error("a column number"))?;
            self.expect(":")?;
            Expr::Column { index, ty: self.column_type()? }
        } else {
            self.literal()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// What stands between the parentheses.
    fn form(&mut self) -> Result<Expr, ExprError> {
        let head = self.run(|c| !c.is_whitespace() && !matches!(c, ':' | '(' | ')' | '"' | '\''));
        if let Some((op, _)) = UNARY.iter().find(|(_, name)| *name == head) {
            return Ok(Expr::unary(*op, self.expr()?));
        }
        if let Some((op, _)) = BINARY.iter().find(|(_, name)| *name == head) {
            let ty = if self.take(":") { self.ty()? } else { Type::Bool };
            return Ok(Expr::binary(*op, self.expr()?, self.expr()?, ty));
        }
        match head {
            "and" => Ok(Expr::And(self.list()?)),
            "or" => Ok(Expr::Or(self.list()?)),
            "case" => self.case(),
            "cast" | "try-cast" => {
                self.expect(":")?;
                let ty = self.ty()?;
                Ok(Expr::Cast { arg: Box::new(self.expr()?), ty, try_cast: head == "try-cast" })
            }
            "like" | "not-like" | "ilike" | "not-ilike" => self.like(head),
            "in" | "not-in" => {
                let arg = Box::new(self.expr()?);
                Ok(Expr::InList { arg, list: self.list()?, negated: head == "not-in" })
            }
            "call" => {
                self.expect(":")?;
                let ty = self.column_type()?;
                self.blanks();
                let function = self.text()?;
                Ok(Expr::Call { function, args: self.list()?, ty })
            }
            _ => Err(self.error("an operator")),
        }
    }

    /// Expressions up to the closing parenthesis.
    fn list(&mut self) -> Result<Vec<Expr>, ExprError> {
        let mut list = vec![];
        loop {
            self.blanks();
            if self.rest().starts_with(')') {
                return Ok(list);
            }
            list.push(self.expr()?);
        }
    }

    fn case(&mut self) -> Result<Expr, ExprError> {
        self.expect(":")?;
        let ty = self.ty()?;
        let (mut branches, mut otherwise) = (vec![], None);
        loop {
            self.blanks();
            if otherwise.is_none() && self.take("(when") {
                branches.push((self.expr()?, self.expr()?));
            } else if otherwise.is_none() && self.take("(else") {
                otherwise = Some(Box::new(self.expr()?));
            } else {
                return Ok(Expr::Case { branches, otherwise, ty });
            }
            self.blanks();
            self.expect(")")?;
        }
    }

    fn like(&mut self, head: &str) -> Result<Expr, ExprError> {
        let (arg, pattern) = (Box::new(self.expr()?), Box::new(self.expr()?));
        self.blanks();
        let mut escape = None;
        if self.rest().starts_with('"') {
            let text = self.text()?;
            let mut chars = text.chars();
            escape = chars.next().filter(|_| chars.next().is_none());
            escape.ok_or_else(|| self.error("one escape character"))?;
        }
        let (negated, ignore_case) = (head.starts_with("not"), head.ends_with("ilike"));
        Ok(Expr::Like { arg, pattern, escape, negated, ignore_case })
    }

    fn ty(&mut self) -> Result<Type, ExprError> {
        let start = self.at;
        self.run(|c| c.is_ascii_alphanumeric());
        if self.take("(") {
            self.run(|c| c != ')');
            self.expect(")")?;
        }
        self.text[start..self.at].parse().map_err(|_| self.error("a type"))
    }

    fn column_type(&mut self) -> Result<ColumnType, ExprError> {
        Ok(ColumnType { ty: self.ty()?, nullable: self.take("?") })
    }

    fn literal(&mut self) -> Result<Expr, ExprError> {
        if self.rest().starts_with('"') {
            let text = self.text()?;
            return self.typed(Datum::Text(text));
        }
        if self.take("x\"") {
            let digits = self.run(|c| c.is_ascii_hexdigit());
            self.expect("\"")?;
            let bytes = hex_bytes(digits).ok_or_else(|| self.error("pairs of hexadecimal digits"))?;
            return self.typed(Datum::Bytes(bytes));
        }
        if self.take("'") {
            let quoted = self.run(|c| c != '\'');
            self.expect("'")?;
            self.expect(":")?;
            let ty = self.ty()?;
            let value = reads_back(quoted, ty).ok_or_else(|| self.error("a value of the type"))?;
            return Ok(Expr::Literal { value, ty });
        }
        let word = self.run(|c| !c.is_whitespace() && !matches!(c, ':' | '(' | ')'));
        let value = bare(word).ok_or_else(|| self.error("a value"))?;
        self.typed(value)
    }

    fn typed(&mut self, value: Datum) -> Result<Expr, ExprError> {
        self.expect(":")?;
        let ty = self.ty()?;
        // A float without a point or exponent is never written, so an integer is one.
        Ok(Expr::Literal { value, ty })
    }

    /// Text in double quotes.
    fn text(&mut self) -> Result<String, ExprError> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            text.push_str(self.run(|c| c != '"' && c != '\\'));
            if self.take("\"") {
                return Ok(text);
            }
            self.expect("\\")?;
            let c = self.rest().chars().next().ok_or_else(|| self.error("an escaped character"))?;
            self.at += c.len_utf8();
            text.push(match c {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    self.expect("{")?;
                    let code = u32::from_str_radix(self.run(|c| c.is_ascii_hexdigit()), 16);
                    let c = code.ok().and_then(char::from_u32).ok_or_else(|| self.error("a code point"))?;
                    self.expect("}")?;
                    c
                }
                c => c,
            });
        }
    }
}

fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let [high, low] = pair else { return None };
            let value = |b: u8| (b as char).to_digit(16).map(|digit| digit as u8);
            Some(value(*high)? << 4 | value(*low)?)
        })
        .collect()
}

/// A literal without quotes.
fn bare(word: &str) -> Option<Datum> {
    match word {
        "null" => return Some(Datum::Null),
        "true" => return Some(Datum::Bool(true)),
        "false" => return Some(Datum::Bool(false)),
        "nan" => return Some(Datum::Float(f64::NAN)),
        "inf" => return Some(Datum::Float(f64::INFINITY)),
        "-inf" => return Some(Datum::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if let Some(wide) = word.strip_suffix('w') {
        return wide.parse().ok().map(Datum::Wide);
    }
    if let Some(parts) = word.strip_suffix("us") {
        let (months, rest) = parts.split_once('m')?;
        let (days, micros) = rest.split_once('d')?;
        let interval =
            Interval { months: months.parse().ok()?, days: days.parse().ok()?, micros: micros.parse().ok()? };
        return Some(Datum::Interval(interval));
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return None;
    }
    match word.contains(['.', 'e']) {
        true => word.parse().ok().map(Datum::Float),
        false => word.parse().ok().map(Datum::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(expr: &Expr) -> String {
        let text = expr.to_string();
        assert_eq!(text.parse::<Expr>().as_ref(), Ok(expr), "{text}");
        assert!(!text.contains('\n'), "{text}");
        text
    }

    #[test]
    fn literals_of_every_kind() {
        let decimal = |precision| Type::Decimal { precision, scale: 2 };
        let interval = |months, days, micros| Datum::Interval(Interval { months, days, micros });
        let cases = [
            (Datum::Null, Type::Text, "null:TEXT"),
            (Datum::Bool(true), Type::Bool, "true:BOOLEAN"),
            (Datum::Int(-7), Type::Int16, "-7:SMALLINT"),
            (Datum::Int(i64::MIN), Type::Int64, "-9223372036854775808:BIGINT"),
            (Datum::Int(150), decimal(5), "'1.50':DECIMAL(5,2)"),
            (Datum::Int(i64::MAX), decimal(5), "9223372036854775807:DECIMAL(5,2)"),
            (Datum::Wide(-150), decimal(20), "'-1.50':DECIMAL(20,2)"),
            (Datum::Wide(i128::MAX), decimal(38), "170141183460469231731687303715884105727w:DECIMAL(38,2)"),
            (Datum::Int(3), decimal(20), "3:DECIMAL(20,2)"),
            (Datum::Float(0.1), Type::Float64, "0.1:DOUBLE"),
            (Datum::Float(-1e300), Type::Float64, "-1e300:DOUBLE"),
            (Datum::Float(f64::NAN), Type::Float32, "nan:REAL"),
            (Datum::Float(f64::NEG_INFINITY), Type::Float64, "-inf:DOUBLE"),
            (Datum::Text("a\"\\\n\u{1}é'".into()), Type::Text, "\"a\\\"\\\\\\n\\u{1}é'\":TEXT"),
            (Datum::Bytes(vec![0, 255]), Type::Bytes, "x\"00ff\":BYTEA"),
            (Datum::Int(0), Type::Date, "'1970-01-01':DATE"),
            (Datum::Int(i64::MAX), Type::Date, "9223372036854775807:DATE"),
            (Datum::Int(-1), Type::Timestamp, "'1969-12-31 23:59:59.999999':TIMESTAMP"),
            (Datum::Int(0), Type::TimestampTz, "'1970-01-01 00:00:00+00':TIMESTAMPTZ"),
            (Datum::Int(1), Type::Time, "'00:00:00.000001':TIME"),
            (interval(0, 90, 0), Type::Interval, "'90 days':INTERVAL"),
            (interval(-14, 3, -1), Type::Interval, "'-1 years -2 mons +3 days -00:00:00.000001':INTERVAL"),
            (interval(i32::MIN, i32::MAX, i64::MIN), Type::Interval, ""),
        ];
        for (value, ty, expected) in cases {
            let text = round_trip(&Expr::literal(value, ty));
            assert!(expected.is_empty() || text == expected, "{text}");
        }
        assert!(round_trip(&Expr::literal(Datum::Float(-0.0), Type::Float64)).starts_with("-0.0"));
    }

    #[test]
    fn every_operator() {
        let a = || Expr::column(0, Type::Int64, true);
        for op in UnaryOp::ALL {
            round_trip(&Expr::unary(op, a()));
        }
        for op in BinaryOp::ALL {
            round_trip(&Expr::binary(op, a(), a(), Type::Bool));
            round_trip(&Expr::binary(op, a(), a(), Type::Decimal { precision: 20, scale: 4 }));
        }
        round_trip(&Expr::And(vec![]));
        round_trip(&Expr::Or(vec![a(), a(), a()]));
        round_trip(&Expr::Case { branches: vec![(a(), a()), (a(), a())], otherwise: None, ty: Type::Int64 });
        round_trip(&Expr::Case { branches: vec![], otherwise: Some(Box::new(a())), ty: Type::Text });
        for (negated, ignore_case, escape) in
            [(true, false, Some('\\')), (false, true, None), (true, true, Some('"'))]
        {
            let (arg, pattern) = (Box::new(a()), Box::new(a()));
            round_trip(&Expr::Like { arg, pattern, escape, negated, ignore_case });
            round_trip(&Expr::InList { arg: Box::new(a()), list: vec![a(); 3], negated });
            round_trip(&Expr::Cast { arg: Box::new(a()), ty: Type::Int16, try_cast: negated });
        }
        round_trip(&Expr::call("date_part", vec![a()], Type::Float64, true));
        let text = round_trip(&Expr::call("odd \"name\"", vec![], Type::Float64, false));
        assert_eq!(text, "(call:DOUBLE \"odd \\\"name\\\"\")");
    }

    #[test]
    fn bad_text_is_told_and_never_panics() {
        let good = "(case:TEXT (when (>= $0:BIGINT? 5:BIGINT) \"é\":TEXT) (else x\"00\":BYTEA))";
        assert!(good.parse::<Expr>().is_ok());
        for cut in (0..good.len()).filter(|at| good.is_char_boundary(*at)) {
            assert!(good[..cut].parse::<Expr>().is_err(), "{}", &good[..cut]);
        }
        let deep = "(not ".repeat(100_000);
        assert_eq!(deep.parse::<Expr>(), Err(ExprError::TooLarge { limit: MAX_DEPTH }));
        for bad in [
            "",
            "$",
            "$0",
            "$0:NOTHING",
            "(+ 1:BIGINT)",
            "1:BIGINT 2:BIGINT",
            "(frob)",
            "'x':DATE",
            "x\"0\":BYTEA",
        ] {
            assert!(bad.parse::<Expr>().is_err(), "{bad}");
        }
    }
}
