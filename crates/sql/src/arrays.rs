//! Arrays, which are no type of ours: they stand in a statement where what is asked for is their elements, and there
//! they are written out.
//!
//! `x = ANY (array)` is `x IN (…)`, `x <> ALL (array)` is `x NOT IN (…)`, any other operator a chain of OR or AND, and
//! `unnest(array, …)` in FROM is a list of VALUES. That is done on the syntax tree, so that a look-up by key stays one,
//! in writing statements too, and NULL elements have the meaning they have in `IN`.
//!
//! A parameter in such a place has no plan before its value is known, as its elements become part of the statement.
//! So a statement with [`ArrayParameters`] has two forms. The *open* one has the parameter itself in place of the array,
//! as one element: it is planned to find out the element's type and what the statement answers. The *filled* one has
//! the elements written out, in the type they were declared or inferred to be of, and runs once; its other parameters
//! move up.

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Ident, Parens, Query, Select, SelectItem,
    SetExpr, TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use zset::{Datum, Type};

use crate::array_text;
use crate::error::{SqlError, SqlState};
use crate::number::Number;
use crate::params::placeholder;
use crate::statement::Statement;

/// The parameters of a statement that are arrays, and the statement itself.
#[derive(Debug)]
pub struct ArrayParameters {
    statement: Statement,
    indices: Vec<usize>,
    /// What they are cast to, as far as they are: the type of their elements.
    types: Vec<Option<Type>>,
}

impl ArrayParameters {
    /// Writes the arrays of a statement out. Where parameters are among them, the statement becomes its open form.
    pub fn take(statement: &mut Statement) -> Result<Option<ArrayParameters>, SqlError> {
        let mut found = Find::default();
        visit(statement, &mut found);
        expand(statement)?;
        if found.indices.is_empty() {
            return Ok(None);
        }
        let original = statement.clone();
        visit(statement, &mut Open { indices: &found.indices });
        Ok(Some(ArrayParameters { statement: original, indices: found.indices, types: found.types }))
    }

    /// Their indices, from 0, ascending.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The types that parameters are said to be of, with those that casts of arrays say.
    pub fn given(&self, given: &[Option<Type>]) -> Vec<Option<Type>> {
        let mut all = given.to_vec();
        for (&index, ty) in self.indices.iter().zip(&self.types) {
            all.resize(all.len().max(index + 1), None);
            all[index] = all[index].or(*ty);
        }
        all
    }

    /// The filled form for these values. `elements` are the types of all parameters in the open form, where an array
    /// has its elements'; an array is given as text, `{…}`.
    pub fn fill(&self, values: &[(&Datum, Type)], elements: &[Type]) -> Result<Statement, SqlError> {
        let mut arrays = Vec::with_capacity(self.indices.len());
        for &index in &self.indices {
            let array = match values.get(index) {
                Some((Datum::Null, _)) | None => Expr::value(Value::Null),
                Some((Datum::Text(text), _)) => Expr::value(Value::SingleQuotedString(text.clone())),
                Some((_, ty)) => {
                    let message = format!("op ANY/ALL (array) requires array on right side, not {ty}");
                    return Err(SqlError::new(SqlState::WrongObjectType, message));
                }
            };
            arrays.push(cast(array, array_of(*elements.get(index).unwrap_or(&Type::Text))?));
        }
        let mut statement = self.statement.clone();
        visit(&mut statement, &mut Fill { indices: &self.indices, arrays: &arrays });
        expand(&mut statement)?;
        Ok(statement)
    }
}

/// Runs a visitor over the parts of a statement that have expressions, if it is one that reads or writes rows.
fn visit<V: VisitorMut>(statement: &mut Statement, visitor: &mut V) -> Option<V::Break> {
    let flow = match statement {
        Statement::Query(query) => query.visit(visitor),
        Statement::Insert(insert, _) => insert.visit(visitor),
        Statement::Update(update) => update.visit(visitor),
        Statement::Delete(delete) => delete.visit(visitor),
        _ => ControlFlow::Continue(()),
    };
    flow.break_value()
}

fn expand(statement: &mut Statement) -> Result<(), SqlError> {
    visit(statement, &mut Expand).map_or(Ok(()), Err)
}

/// Writes the arrays of a query out.
pub(crate) fn expand_query(query: &mut Query) -> Result<(), SqlError> {
    query.visit(&mut Expand).break_value().map_or(Ok(()), Err)
}

/// The parameter that an array is, casts aside.
fn parameter(array: &Expr) -> Option<usize> {
    match array {
        Expr::Nested(inner) => parameter(inner),
        Expr::Cast { expr, data_type: DataType::Array(_), .. } => parameter(expr),
        Expr::Value(value) => placeholder(&value.value).ok()?,
        _ => None,
    }
}

/// Finds the parameters that stand for arrays.
#[derive(Default)]
struct Find {
    indices: Vec<usize>,
    types: Vec<Option<Type>>,
}

impl Find {
    fn note(&mut self, array: &Expr) {
        let Some(index) = parameter(array) else { return };
        let ty = declared(array);
        match self.indices.binary_search(&index) {
            Ok(at) => self.types[at] = self.types[at].or(ty),
            Err(at) => {
                self.indices.insert(at, index);
                self.types.insert(at, ty);
            }
        }
    }
}

/// The type of the elements that the innermost cast of an array says.
fn declared(array: &Expr) -> Option<Type> {
    match array {
        Expr::Nested(inner) => declared(inner),
        Expr::Cast { expr, data_type: DataType::Array(of), .. } => {
            let own = || crate::sqltype::of(&element_type(of)?).ok().map(|declared| declared.ty);
            declared(expr).or_else(own)
        }
        _ => None,
    }
}

impl VisitorMut for Find {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr {
            self.note(right);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::UNNEST { array_exprs, .. } = factor {
            array_exprs.iter().for_each(|array| self.note(array));
        }
        ControlFlow::Continue(())
    }
}

/// Puts one element in the place of each array that is a parameter.
struct Open<'a> {
    indices: &'a [usize],
}

impl VisitorMut for Open<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::AnyOp { left, compare_op, right, .. } | Expr::AllOp { left, compare_op, right } => {
                if let Some(element) = parameter(right).and_then(|_| element(right)) {
                    let (left, op) = (mem::replace(left, null()), compare_op.clone());
                    *expr = Expr::Nested(Box::new(Expr::BinaryOp { left, op, right: Box::new(element) }));
                }
            }
            // Elsewhere the parameter is an array, of which nothing is known yet.
            Expr::Cast { data_type: DataType::Array(_), .. }
                if parameter(expr).is_some_and(|index| self.indices.contains(&index)) =>
            {
                if let Expr::Cast { expr: inner, .. } = expr {
                    **inner = Expr::value(Value::SingleQuotedString("{}".to_string()));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::UNNEST { array_exprs, with_offset: false, .. } = factor
            && array_exprs.iter().any(|array| parameter(array).is_some())
        {
            let columns: Option<Vec<Vec<Expr>>> = array_exprs
                .iter()
                .map(|array| match parameter(array) {
                    Some(_) => element(array).map(|element| vec![element]),
                    None => elements(array).ok().flatten(),
                })
                .collect();
            if let Some(columns) = columns {
                listed(factor, columns);
            }
        }
        ControlFlow::Continue(())
    }
}

/// An array that is a parameter as one element: the parameter under the casts of the array's elements.
fn element(array: &Expr) -> Option<Expr> {
    match array {
        Expr::Nested(inner) => element(inner),
        Expr::Cast { expr, data_type: DataType::Array(of), .. } => {
            Some(cast(element(expr)?, element_type(of)?))
        }
        Expr::Value(_) => Some(array.clone()),
        _ => None,
    }
}

/// Puts arrays in the place of parameters, and counts the others anew.
struct Fill<'a> {
    indices: &'a [usize],
    arrays: &'a [Expr],
}

impl VisitorMut for Fill<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Ok(Some(index)) = placeholder(&value.value)
        {
            match self.indices.binary_search(&index) {
                Ok(at) => *expr = self.arrays[at].clone(),
                Err(before) => value.value = Value::Placeholder(format!("${}", index + 1 - before)),
            }
        }
        ControlFlow::Continue(())
    }
}

/// Writes out the arrays whose elements are known.
struct Expand;

impl VisitorMut for Expand {
    type Break = SqlError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expand_expr(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let TableFactor::UNNEST { array_exprs, with_offset: false, .. } = factor else {
            return ControlFlow::Continue(());
        };
        match array_exprs.iter().map(elements).collect::<Result<Option<Vec<_>>, _>>() {
            Ok(Some(columns)) => listed(factor, columns),
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

fn expand_expr(expr: &mut Expr) -> Result<(), SqlError> {
    match expr {
        Expr::AnyOp { left, compare_op, right, .. } => {
            if is_null(right) {
                *expr = cast(Expr::value(Value::Null), DataType::Boolean);
            } else if let Some(list) = elements(right)? {
                *expr = compared(mem::replace(left, null()), compare_op, list, false);
            }
        }
        Expr::AllOp { left, compare_op, right } => {
            if is_null(right) {
                *expr = cast(Expr::value(Value::Null), DataType::Boolean);
            } else if let Some(list) = elements(right)? {
                *expr = compared(mem::replace(left, null()), compare_op, list, true);
            }
        }
        // The planner would make an array of one element of it, the whole text.
        Expr::Cast { expr: inner, data_type: DataType::Array(_), .. } if is_text(inner) => {
            if let Some(list) = elements(expr)? {
                let Expr::Cast { expr: inner, .. } = expr else { return Ok(()) };
                let array = datafusion::sql::sqlparser::ast::Array { elem: list, named: true };
                **inner = Expr::Array(array);
            }
        }
        _ => {}
    }
    Ok(())
}

fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_text(inner),
        Expr::Value(value) => matches!(value.value, Value::SingleQuotedString(_)),
        _ => false,
    }
}

fn is_null(array: &Expr) -> bool {
    match array {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_null(inner),
        Expr::Value(value) => value.value == Value::Null,
        _ => false,
    }
}

/// `left op ANY` (or `ALL`) of the elements.
fn compared(left: Box<Expr>, op: &BinaryOperator, list: Vec<Expr>, all: bool) -> Expr {
    let equal = is(op, "=") && !all;
    let unequal = is(op, "<>") && all;
    if list.is_empty() {
        return Expr::value(Value::Boolean(all));
    }
    if equal || unequal {
        return Expr::InList { expr: left, list, negated: unequal };
    }
    let (left, connective) = (*left, if all { BinaryOperator::And } else { BinaryOperator::Or });
    let terms = list.into_iter().map(|item| {
        let (left, right) = (Box::new(left.clone()), Box::new(item));
        Expr::Nested(Box::new(Expr::BinaryOp { left, op: op.clone(), right }))
    });
    chain(terms.collect(), &connective)
}

fn is(op: &BinaryOperator, name: &str) -> bool {
    match op {
        BinaryOperator::PGCustomBinaryOperator(parts) => parts.last().is_some_and(|last| last == name),
        other => other.to_string() == name,
    }
}

/// A chain of a connective as flat as a tree can be, so that many terms do not nest deep.
fn chain(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut left = terms.into_iter();
        while let Some(first) = left.next() {
            pairs.push(match left.next() {
                Some(second) => Expr::Nested(Box::new(Expr::BinaryOp {
                    left: Box::new(first),
                    op: op.clone(),
                    right: Box::new(second),
                })),
                None => first,
            });
        }
        terms = pairs;
    }
    terms.pop().unwrap_or_else(|| Expr::value(Value::Null))
}

/// The elements of an array that is written out: `ARRAY[…]`, `'{…}'`, or either with casts. NULL has none.
fn elements(array: &Expr) -> Result<Option<Vec<Expr>>, SqlError> {
    match array {
        Expr::Nested(inner) => elements(inner),
        Expr::Array(array) if array.elem.iter().any(|item| matches!(item, Expr::Array(_))) => Ok(None),
        Expr::Array(array) => Ok(Some(array.elem.clone())),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => {
                let items = items_of(text)?.into_iter();
                let value = |item: Option<String>| item.map_or(Value::Null, Value::SingleQuotedString);
                Ok(Some(items.map(|item| Expr::value(value(item))).collect()))
            }
            Value::Null => Ok(Some(Vec::new())),
            _ => Ok(None),
        },
        Expr::Cast { expr, data_type: DataType::Array(of), .. } => {
            let (Some(ty), Some(items)) = (element_type(of), elements(expr)?) else { return Ok(None) };
            items.into_iter().map(|item| typed(item, &ty)).collect::<Result<Vec<_>, _>>().map(Some)
        }
        _ => Ok(None),
    }
}

fn element_type(of: &ArrayElemTypeDef) -> Option<DataType> {
    match of {
        ArrayElemTypeDef::SquareBracket(of, _)
        | ArrayElemTypeDef::AngleBracket(of)
        | ArrayElemTypeDef::Parenthesis(of) => {
            let mut of = of.as_ref().clone();
            crate::dialect::plain_type(&mut of);
            Some(of)
        }
        ArrayElemTypeDef::None => None,
    }
}

/// An element under a cast. A NUMERIC without precision is the number that it is, as we have no type of all of them.
fn typed(item: Expr, ty: &DataType) -> Result<Expr, SqlError> {
    use datafusion::sql::sqlparser::ast::ExactNumberInfo::None as Any;
    let text = match (&item, ty) {
        (Expr::Value(value), DataType::Numeric(Any) | DataType::Decimal(Any)) => match &value.value {
            Value::SingleQuotedString(text) => text.trim(),
            _ => return Ok(item),
        },
        _ => return Ok(cast(item, ty.clone())),
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !plain || Number::parse(digits).is_none() {
        let message = format!("invalid input syntax for type numeric: \"{text}\"");
        return Err(SqlError::new(SqlState::InvalidText, message));
    }
    let number = Expr::value(Value::Number(digits.to_string(), false));
    Ok(match negative {
        true => Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) })),
        false => number,
    })
}

/// The type of arrays of these elements.
fn array_of(ty: Type) -> Result<DataType, SqlError> {
    let name = match ty {
        Type::Decimal { .. } => "NUMERIC".to_string(),
        ty => ty.to_string(),
    };
    Ok(Parser::new(&PostgreSqlDialect {}).try_with_sql(&format!("{name}[]"))?.parse_data_type()?)
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn null() -> Box<Expr> {
    Box::new(Expr::value(Value::Null))
}

/// Puts a list of VALUES in the place of an `unnest` in FROM. Arrays that are shorter than others end in NULLs.
fn listed(factor: &mut TableFactor, mut columns: Vec<Vec<Expr>>) {
    let TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } = factor else { return };
    let count = columns.iter().map(Vec::len).max().unwrap_or(0);
    for (column, array) in columns.iter_mut().zip(array_exprs.iter()) {
        let ty = match array {
            Expr::Cast { data_type: DataType::Array(of), .. } => element_type(of),
            _ => None,
        };
        let missing = || ty.clone().map_or_else(|| *null(), typed_null);
        // A list without rows says by one that is filtered out of what types it is.
        column.resize_with(count.max(1), missing);
    }
    if *with_ordinality {
        let number = |row: usize| Expr::value(Value::Number(row.to_string(), false));
        columns.push((1..=count.max(1)).map(number).collect());
    }
    let names = column_names(alias.as_ref(), columns.len(), *with_ordinality);
    let Some(mut query) = template(if count == 0 { "SELECT 1 WHERE false" } else { "VALUES (1)" }) else {
        return;
    };
    match query.body.as_mut() {
        SetExpr::Values(values) => {
            let mut items: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
            let row = |items: &mut Vec<std::vec::IntoIter<Expr>>| {
                items.iter_mut().filter_map(Iterator::next).collect()
            };
            if let Some(first) = values.rows.pop() {
                values.rows.extend((0..count).map(|_| Parens { content: row(&mut items), ..first.clone() }));
            }
        }
        SetExpr::Select(select) => none(select, columns),
        _ => return,
    }
    let name = alias.as_ref().map_or_else(|| Ident::new("unnest"), |alias| alias.name.clone());
    let columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    let alias = Some(TableAlias { explicit: true, name, columns, at: None });
    *factor = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias, sample: None };
}

fn typed_null(ty: DataType) -> Expr {
    use datafusion::sql::sqlparser::ast::ExactNumberInfo::None as Any;
    match ty {
        DataType::Numeric(Any) | DataType::Decimal(Any) => *null(),
        ty => cast(*null(), ty),
    }
}

fn none(select: &mut Select, columns: Vec<Vec<Expr>>) {
    let items = columns.into_iter().zip(1..).filter_map(|(column, number)| {
        let expr = column.into_iter().next()?;
        Some(SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', format!("column{number}")) })
    });
    select.projection = items.collect();
}

fn template(sql: &str) -> Option<Query> {
    let query = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).and_then(|mut p| p.parse_query());
    query.ok().map(|query| *query)
}

/// What the columns of an `unnest` are called: as the alias says; the only one, and without an alias all, by the
/// function. Names that come again are counted.
fn column_names(alias: Option<&TableAlias>, count: usize, ordinality: bool) -> Vec<Ident> {
    let arrays = count - usize::from(ordinality);
    let mut names: Vec<Ident> =
        alias.map_or_else(Vec::new, |alias| alias.columns.iter().map(|column| column.name.clone()).collect());
    names.truncate(count);
    if names.is_empty() && arrays == 1 {
        names.extend(alias.map(|alias| alias.name.clone()));
    }
    for at in names.len()..count {
        names.push(Ident::new(match (at == arrays, at) {
            (true, _) => "ordinality".to_string(),
            (false, 0) => "unnest".to_string(),
            (false, at) => format!("unnest_{at}"),
        }));
    }
    names
}

/// The elements of an array's text, `{…}`, each as text or NULL.
fn items_of(text: &str) -> Result<Vec<Option<String>>, SqlError> {
    let trimmed = text.trim();
    if trimmed.starts_with('[') || trimmed.get(1..).is_some_and(|rest| rest.trim_start().starts_with('{')) {
        return Err(SqlError::unsupported("an array of several dimensions or with bounds"));
    }
    let malformed = || SqlError::new(SqlState::InvalidText, format!("malformed array literal: \"{text}\""));
    array_text::parse(text).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse_one;

    fn expanded(sql: &str) -> String {
        let mut statement = parse_one(sql).expect(sql);
        match ArrayParameters::take(&mut statement) {
            Ok(_) => shown(&statement),
            Err(error) => error.sqlstate().to_string(),
        }
    }

    fn shown(statement: &Statement) -> String {
        match statement {
            Statement::Query(query) => query.to_string(),
            Statement::Delete(delete) => delete.to_string(),
            _ => String::new(),
        }
    }

    #[test]
    fn texts_of_arrays() {
        let items = |text: &str| items_of(text).map_err(|error| error.sqlstate());
        let some = |text: &str| Some(text.to_string());
        assert_eq!(items("{}"), Ok(vec![]));
        assert_eq!(items(" { 1 , 2b c ,NULL, \"NULL\" ,\"a \\\"\\\\\" , \\null }"), {
            Ok(vec![some("1"), some("2b c"), None, some("NULL"), some("a \"\\"), some("null")])
        });
        for text in ["", "1", "{1", "{1,}", "{,}", "{1}x", "{\"a\"b}", "{a\"b\"}"] {
            assert_eq!(items(text), Err("22P02"), "{text}");
        }
        assert_eq!(items("{{1},{2}}"), Err("0A000"));
    }

    #[test]
    fn arrays_are_written_out() {
        for (sql, expected) in [
            ("SELECT a = ANY('{1,NULL}')", "SELECT a IN ('1', NULL)"),
            ("SELECT a <> ALL(ARRAY[1, 2])", "SELECT a NOT IN (1, 2)"),
            ("SELECT a = ANY('{1}'::int[])", "SELECT a IN (CAST('1' AS INT))"),
            ("SELECT a < ANY('{}')", "SELECT false"),
            ("SELECT a < ALL('{}'::text[])", "SELECT true"),
            ("SELECT a = ANY(NULL)", "SELECT CAST(NULL AS BOOLEAN)"),
            ("SELECT a < ANY(ARRAY[1, 2])", "SELECT ((a < 1) OR (a < 2))"),
            ("SELECT a = ANY('{1.5,-2}'::numeric[])", "SELECT a IN (1.5, (-2))"),
            ("DELETE FROM t WHERE a = ANY('{\"x\"}')", "DELETE FROM t WHERE a IN ('x')"),
            ("SELECT a = ANY(SELECT 1)", "SELECT a = ANY(SELECT 1)"),
            ("SELECT a = ANY('{{1}}')", "0A000"),
            ("SELECT a = ANY('1')", "22P02"),
            (
                "SELECT * FROM unnest('{1,2}'::int[], '{a}'::text[]) AS t(x, y)",
                "SELECT * FROM (VALUES (CAST('1' AS INT), CAST('a' AS TEXT)), (CAST('2' AS INT), CAST(NULL AS TEXT))) AS t (x, y)",
            ),
            (
                "SELECT * FROM unnest('{}'::int[]) WITH ORDINALITY",
                "SELECT * FROM (SELECT CAST(NULL AS INT) AS \"column1\", 1 AS \"column2\" WHERE false) AS unnest (unnest, ordinality)",
            ),
        ] {
            assert_eq!(expanded(sql), expected, "{sql}");
        }
    }

    #[test]
    fn parameters_have_two_forms() {
        let sql = "SELECT $1, a FROM t WHERE a = ANY($2) AND b = $3 AND ($2::int[] IS NULL OR c <> ALL($4::text[]))";
        let mut statement = parse_one(sql).expect("a query");
        let arrays = ArrayParameters::take(&mut statement).ok().flatten().expect("arrays");
        assert_eq!(arrays.indices(), [1, 3]);
        assert_eq!(
            shown(&statement),
            "SELECT $1, a FROM t WHERE (a = $2) AND b = $3 AND ('{}'::INT[] IS NULL OR (c <> CAST($4 AS TEXT)))"
        );
        let text = |text: &str| Datum::Text(text.to_string());
        let values = [Datum::Int(1), text("{1,2}"), Datum::Null, text("{x}")];
        let values: Vec<(&Datum, Type)> = values.iter().map(|value| (value, Type::Text)).collect();
        let filled = arrays.fill(&values, &[Type::Int64, Type::Int64, Type::Int64, Type::Text]);
        assert_eq!(
            filled.map(|filled| shown(&filled)).map_err(|error| error.to_string()).as_deref(),
            Ok("SELECT $1, a FROM t WHERE a IN (CAST('1' AS BIGINT), CAST('2' AS BIGINT)) AND b = $2 AND \
                (CAST(ARRAY[CAST('1' AS BIGINT), CAST('2' AS BIGINT)] AS BIGINT[])::INT[] IS NULL OR \
                c NOT IN (CAST(CAST('x' AS TEXT) AS TEXT)))")
        );
    }
}
