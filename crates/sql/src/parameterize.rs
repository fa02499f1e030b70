//! Texts that differ in nothing but their values, made one text with parameters: simple parameterization, as SQL Server
//! calls it, so that programs which write values into their statements are read and planned once too.
//!
//! Two steps, both careful: [`parameterize`] takes the numbers and strings out of a text without knowing its grammar
//! and gives up at whatever is not plain; [`is_plain`] then looks at the statement that was read from the rest, and
//! agrees only if each parameter stands where a literal of the same type means the same: in a row of `VALUES`, beside a
//! column that it is compared with, or where a column is assigned it or another column and a number more or less.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, Expr, OnConflict, OnConflictAction, OnInsert, SetExpr, Value, visit_expressions,
};
use zset::{Datum, Type};

use crate::catalog::TableDef;
use crate::statement::Statement;
use crate::{assign, names};

/// Bytes of the longest text that is looked at.
const LONGEST: usize = 1 << 10;

/// A text without its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameterized {
    /// With `$1`, `$2`, … in their places.
    pub text: String,
    /// Their types. Strings are [`Type::Text`]: they have none before their place is known.
    pub types: Vec<Type>,
    /// The values.
    pub values: Vec<Datum>,
}

/// Takes the values out of a text; `None` if it is not a plain `SELECT`, `INSERT`, `UPDATE` or `DELETE`, or has no values.
pub fn parameterize(text: &str) -> Option<Parameterized> {
    let text = text.trim_ascii();
    let word = text.get(..6)?;
    let changes =
        ["select", "insert", "update", "delete"].iter().any(|first| word.eq_ignore_ascii_case(first));
    if !changes || text.len() > LONGEST {
        return None;
    }
    let mut taken = Taken {
        rest: text,
        out: Parameterized {
            text: String::with_capacity(text.len() + 8),
            types: Vec::new(),
            values: Vec::new(),
        },
    };
    while let Some(&byte) = taken.rest.as_bytes().first() {
        match byte {
            b'\'' => taken.string()?,
            b'0'..=b'9' => taken.number()?,
            b'"' => {
                let end = taken.rest[1..].find('"')? + 2;
                taken.copy(end);
            }
            b'$' | b'\\' => return None,
            b'-' if taken.rest.starts_with("--") => return None,
            b'/' if taken.rest.starts_with("/*") => return None,
            b';' if taken.rest.len() > 1 => return None,
            b';' => taken.rest = "",
            _ if is_word(byte) => taken.copy(word_length(taken.rest)),
            _ => taken.copy(1),
        }
    }
    (!taken.out.values.is_empty()).then_some(taken.out)
}

/// A text of which some has been taken.
struct Taken<'t> {
    rest: &'t str,
    out: Parameterized,
}

impl Taken<'_> {
    fn copy(&mut self, bytes: usize) {
        let (copied, rest) = self.rest.split_at(bytes);
        self.out.text.push_str(copied);
        self.rest = rest;
    }

    /// A string; one with a prefix (`E'…'`) is not plain.
    fn string(&mut self) -> Option<()> {
        if self.out.text.bytes().next_back().is_some_and(|before| is_word(before) || before == b'&') {
            return None;
        }
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        let mut doubled = false;
        loop {
            end += bytes[end..].iter().position(|&byte| byte == b'\'')?;
            if bytes.get(end + 1) != Some(&b'\'') {
                break;
            }
            doubled = true;
            end += 2;
        }
        let inner = &self.rest[1..end];
        let value = if doubled { inner.replace("''", "'") } else { inner.to_string() };
        self.rest = &self.rest[end + 1..];
        self.parameter(Datum::Text(value), Type::Text);
        Some(())
    }

    /// A whole number, with the sign before it if that can only be its own; any other number stays in the text.
    fn number(&mut self) -> Option<()> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = self.rest.as_bytes().get(length);
        if self.out.text.ends_with('.') || after.is_some_and(|&byte| byte == b'.' || is_word(byte)) {
            let word = |byte: &u8| *byte == b'.' || is_word(*byte);
            self.copy(self.rest.bytes().take_while(|byte| word(byte)).count());
            return Some(());
        }
        let digits: i64 = self.rest[..length].parse().ok()?;
        let unsigned = self.out.text.strip_suffix('-').filter(|before| {
            before.trim_ascii_end().bytes().next_back().is_some_and(|byte| b"(,=<>+-*".contains(&byte))
        });
        let value = match unsigned.map(str::len) {
            Some(length) => {
                self.out.text.truncate(length);
                -digits
            }
            None => digits,
        };
        // The type of the least number depends on whether the sign is part of it.
        let ty = if i32::try_from(digits).is_ok() { Type::Int32 } else { Type::Int64 };
        self.rest = &self.rest[length..];
        self.parameter(Datum::Int(value), ty);
        Some(())
    }

    fn parameter(&mut self, value: Datum, ty: Type) {
        use std::fmt::Write;
        self.out.values.push(value);
        self.out.types.push(ty);
        // Writing to a string does not fail.
        let _ = write!(self.out.text, "${}", self.out.values.len());
    }
}

/// Whether a byte may be part of a name or keyword.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|&byte| is_word(byte)).count()
}

/// Whether each of the parameters of a statement on this one table, which are of these types, stands once and where a
/// literal means the same.
pub fn is_plain(statement: &Statement, table: &TableDef, types: &[Type]) -> bool {
    let mut plain = vec![0_u32; types.len()];
    let mut note = |value: &Expr, takes: &dyn Fn(Type) -> bool| {
        if let Some(index) = parameter(value)
            && types.get(index).is_some_and(|ty| takes(*ty))
        {
            plain[index] += 1;
        }
    };
    // What stands beside a column: a number if that is one, a string besides others.
    let beside = |column: &Expr, others: bool| {
        let number = column_type(column, table).map(assign::is_numeric);
        move |ty: Type| number.is_some_and(|number| if ty == Type::Text { others } else { number })
    };
    let mut visit = |expr: &Expr| {
        match expr {
            Expr::BinaryOp { left, op, right } if is_comparison(op) => {
                note(right, &beside(left, true));
                note(left, &beside(right, true));
            }
            Expr::InList { expr, list, .. } => {
                list.iter().for_each(|item| note(item, &beside(expr, true)));
            }
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    };
    match statement {
        Statement::Query(query) => _ = visit_expressions(query.as_ref(), &mut visit),
        Statement::Delete(delete) => _ = visit_expressions(delete.as_ref(), &mut visit),
        Statement::Update(update) => _ = visit_expressions(update.as_ref(), &mut visit),
        Statement::Insert(insert, _) => _ = visit_expressions(insert.as_ref(), &mut visit),
        _ => return false,
    }
    if let Statement::Insert(insert, _) = statement {
        rows(insert).flatten().for_each(|value| note(value, &|_| true));
    }
    for set in assigned(statement) {
        match &set.value {
            Expr::BinaryOp { left, op: BinaryOperator::Plus | BinaryOperator::Minus, right } => {
                note(right, &beside(left, false));
                note(left, &beside(right, false));
            }
            value => note(value, &|_| true),
        }
    }
    plain.iter().all(|&count| count == 1)
}

/// The rows of an `INSERT`'s `VALUES`.
fn rows(insert: &ast::Insert) -> impl Iterator<Item = &Vec<Expr>> {
    let values = insert.source.as_deref().and_then(|query| match query.body.as_ref() {
        SetExpr::Values(values) => Some(&values.rows),
        _ => None,
    });
    values.into_iter().flatten().map(|row| &row.content)
}

/// What a statement assigns to columns by name.
fn assigned(statement: &Statement) -> &[ast::Assignment] {
    match statement {
        Statement::Update(update) => &update.assignments,
        Statement::Insert(insert, _) => match &insert.on {
            Some(OnInsert::OnConflict(OnConflict { action: OnConflictAction::DoUpdate(update), .. })) => {
                &update.assignments
            }
            _ => &[],
        },
        _ => &[],
    }
}

fn parameter(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// The type of the column of the table that an expression is.
fn column_type(expr: &Expr, table: &TableDef) -> Option<Type> {
    let ident = match expr {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(parts) => parts.last()?,
        _ => return None,
    };
    let column = usize::try_from(table.column(&names::fold(ident))?).ok()?;
    table.columns.get(column).map(|column| column.ty.ty)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

#[cfg(test)]
mod tests {
    use zset::{CollectionId, ColumnType, Schema};

    use super::*;
    use crate::catalog::{ColumnDef, TableKind};
    use crate::statement::parse_one;

    fn taken(text: &str) -> Option<(String, String)> {
        let Parameterized { text, values, types } = parameterize(text)?;
        let shown = values.iter().zip(types).map(|(value, ty)| match value {
            Datum::Int(value) => format!("{value}:{ty:?}"),
            other => format!("{other:?}"),
        });
        Some((text, shown.collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn values_leave_the_text() {
        let both = |text, values: &str| Some((String::from(text), values.to_string()));
        assert_eq!(
            taken(" SELECT a1, \"b 2\" FROM t3 WHERE k=-5 AND v <> 3000000000;"),
            both("SELECT a1, \"b 2\" FROM t3 WHERE k=$1 AND v <> $2", "-5:Int32 3000000000:Int64")
        );
        assert_eq!(
            taken("insert into t values (1, 'it''s', -2, '', 1.5, .5, 1e3, x - 7, é8)"),
            both(
                "insert into t values ($1, $2, $3, $4, 1.5, .5, 1e3, x - $5, é8)",
                "1:Int32 Text(\"it's\") -2:Int32 Text(\"\") 7:Int32"
            )
        );
        assert_eq!(
            taken("UPDATE t SET v = v + -4 WHERE k - 1 = 2"),
            both("UPDATE t SET v = v + $1 WHERE k - $2 = $3", "-4:Int32 1:Int32 2:Int32")
        );
    }

    #[test]
    fn what_is_not_plain_is_left_alone() {
        for text in [
            "",
            "SELECT",
            "SELECT v FROM t",
            "BEGIN",
            "SELECT E'a'",
            "SELECT U&'a'",
            "SELECT x'1f'",
            "SELECT 1 -- 2",
            "SELECT 1 /* 2 */",
            "SELECT 1; SELECT 2",
            "SELECT $1, 2",
            "SELECT $$a$$",
            "SELECT 'a",
            "SELECT \"a",
            "SELECT 99999999999999999999",
            &format!("SELECT {}", "1, ".repeat(LONGEST)),
        ] {
            assert_eq!(parameterize(text), None, "{text}");
        }
    }

    #[test]
    fn literals_and_parameters_mean_the_same_in_some_places() {
        let column = |name: &str, ty| ColumnDef::new(name, ColumnType::nullable(ty));
        let columns = vec![
            column("k", Type::Int32),
            column("v", Type::Int64),
            column("n", Type::Text),
            column("d", Type::Date),
        ];
        let schema = Schema::new(columns.iter().map(|c| c.ty).collect(), vec![0]);
        let (id, kind) = (CollectionId(1), TableKind::Table);
        let table = TableDef { id, name: "t".to_string(), kind, columns, primary_key: vec![0], schema };
        let plain = |text: &str| {
            let Parameterized { text, types, .. } = parameterize(text).unwrap();
            parse_one(&text).is_ok_and(|statement| is_plain(&statement, &table, &types))
        };
        for text in [
            "SELECT v FROM t WHERE k = 1 AND 'a' = t.n AND v IN (1, 2)",
            "INSERT INTO t VALUES (1, 'a'), (2, 'b') ON CONFLICT (k) DO UPDATE SET v = t.v + 1, n = 'c'",
            "UPDATE t SET v = v - 1, n = 'x' WHERE k = '7'",
            "DELETE FROM t WHERE k = 5 AND d > '2020-01-01'",
        ] {
            assert!(plain(text), "{text}");
        }
        for text in [
            "SELECT 1 FROM t WHERE k = 2",
            "SELECT v + 1 FROM t WHERE k = 2",
            "SELECT v FROM t WHERE k = 2 LIMIT 1",
            "SELECT v FROM t WHERE k = 2 ORDER BY 1",
            "SELECT v FROM t WHERE k = 1 + 2",
            "SELECT v FROM t WHERE lower(n) = 'a'",
            "SELECT v FROM t WHERE n = 1",
            "SELECT v FROM t WHERE k = 1 AND d IN (1, 2)",
            "SELECT v FROM t WHERE k = DATE '2020-01-01'",
            "SELECT v FROM t WHERE k = CAST('5' AS VARCHAR(3))",
            "UPDATE t SET d = d + '1 day' WHERE k = 1",
            "UPDATE t SET d = d + 1 WHERE k = 1",
            "UPDATE t SET v = v + 1 + 2 WHERE k = 1",
            "INSERT INTO t VALUES (-(1))",
            "INSERT INTO t SELECT 1",
        ] {
            assert!(!plain(text), "{text}");
        }
    }
}
