//! Sequences as statements meet them: definitions, and the functions that give and set their values.
//!
//! A value of a sequence is given once, whatever becomes of the statement that took it, so taking one is no part of
//! what a query computes: it happens where rows are made (a column's default, a value of `INSERT`), or once an answer
//! is there, for the calls that are whole items of a select list. Anywhere else the functions are refused.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    ObjectName, OrderByKind, Query, Select, SelectItem, SequenceOptions, SetExpr, Value,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use zset::Type;

use crate::error::{SqlError, SqlState};
use crate::grammar::Grammar;
use crate::input;
use crate::names;
use crate::sqltype;

/// How the values of a sequence follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// The type that bounds its values.
    pub ty: Type,
    /// The first value.
    pub start: i64,
    /// The step, which may be negative.
    pub increment: i64,
    /// The least value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
}

impl Course {
    /// From 1 up to the end of a type.
    pub fn of(ty: Type) -> Course {
        let (_, max) = input::integer_range(ty);
        Course { ty, start: 1, increment: 1, min: 1, max }
    }

    /// What the options of a definition say.
    pub fn with_options(ty: Type, options: &[SequenceOptions]) -> Result<Course, SqlError> {
        let invalid = |message: String| Err(SqlError::new(SqlState::InvalidParameter, message));
        let (mut start, mut increment, mut min, mut max) = (None, 1, None, None);
        for option in options {
            match option {
                SequenceOptions::IncrementBy(value, _) => increment = number(value)?,
                SequenceOptions::StartWith(value, _) => start = Some(number(value)?),
                SequenceOptions::MinValue(value) => min = value.as_ref().map(number).transpose()?,
                SequenceOptions::MaxValue(value) => max = value.as_ref().map(number).transpose()?,
                SequenceOptions::Cache(value) if number(value)? == 1 => {}
                SequenceOptions::Cache(_) => {
                    return Err(SqlError::unsupported("CACHE of a sequence")
                        .with_hint("leave it out: values are kept ready for all sessions anyway"));
                }
                // The parser notes whether there is a NO before it.
                SequenceOptions::Cycle(true) => {}
                SequenceOptions::Cycle(false) => return Err(SqlError::unsupported("CYCLE of a sequence")),
            }
        }
        if increment == 0 {
            return invalid("INCREMENT must not be zero".to_string());
        }
        let (least, greatest) = input::integer_range(ty);
        let min = min.unwrap_or(if increment > 0 { 1 } else { least });
        let max = max.unwrap_or(if increment > 0 { greatest } else { -1 });
        let name = input::type_name(ty);
        if min < least || min > greatest {
            return invalid(format!("MINVALUE ({min}) is out of range for sequence data type {name}"));
        }
        if max < least || max > greatest {
            return invalid(format!("MAXVALUE ({max}) is out of range for sequence data type {name}"));
        }
        if min >= max {
            return invalid(format!("MINVALUE ({min}) must be less than MAXVALUE ({max})"));
        }
        let course =
            Course { ty, start: start.unwrap_or(if increment > 0 { min } else { max }), increment, min, max };
        course.check(course.start, "START")?;
        Ok(course)
    }

    /// Whether the sequence may begin here; `what` says so.
    pub fn check(&self, value: i64, what: &str) -> Result<(), SqlError> {
        let (min, max) = (self.min, self.max);
        let invalid = |message| Err(SqlError::new(SqlState::InvalidParameter, message));
        if value < min {
            return invalid(format!("{what} value ({value}) cannot be less than MINVALUE ({min})"));
        }
        if value > max {
            return invalid(format!("{what} value ({value}) cannot be greater than MAXVALUE ({max})"));
        }
        Ok(())
    }

    /// The options that differ from those of a plain sequence of the type, as a definition has them.
    pub fn options(&self) -> String {
        let Course { ty, start, increment, min, max } = *self;
        let (least, greatest) = input::integer_range(ty);
        let (first, last) = if increment > 0 { (1, greatest) } else { (least, -1) };
        let mut options = Vec::new();
        options.extend((increment != 1).then(|| format!("INCREMENT BY {increment}")));
        options.extend((min != first).then(|| format!("MINVALUE {min}")));
        options.extend((max != last).then(|| format!("MAXVALUE {max}")));
        let usual = if increment > 0 { min } else { max };
        options.extend((start != usual).then(|| format!("START WITH {start}")));
        options.join(" ")
    }
}

fn number(expr: &Expr) -> Result<i64, SqlError> {
    let text = expr.to_string().replace(' ', "");
    text.trim_start_matches('+').parse().map_err(|_| {
        let message = format!("value \"{text}\" is out of range for type bigint");
        SqlError::new(SqlState::NumericOutOfRange, message)
    })
}

/// The type of a sequence's values, from `AS type`.
pub fn value_type(data_type: Option<&DataType>) -> Result<Type, SqlError> {
    let Some(data_type) = data_type else { return Ok(Type::Int64) };
    match sqltype::of(data_type)?.ty {
        ty @ (Type::Int16 | Type::Int32 | Type::Int64) => Ok(ty),
        _ => {
            let message = "sequence type must be smallint, integer, or bigint";
            Err(SqlError::new(SqlState::InvalidParameter, message))
        }
    }
}

/// The text of a default that takes a sequence's values, as PostgreSQL prints it.
pub fn default_text(sequence: &str) -> String {
    let (schema, own) = names::split(sequence);
    let schema = if schema == names::PUBLIC { String::new() } else { format!("{}.", names::spelled(schema)) };
    let name = format!("{schema}{}", names::spelled(own)).replace('\'', "''");
    format!("nextval('{name}'::regclass)")
}

/// Values taken from a sequence together.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    next: i64,
    increment: i64,
}

impl Run {
    /// Values from `first` on.
    pub fn new(first: i64, increment: i64) -> Run {
        Run { next: first, increment }
    }

    /// The next one. There are as many as were asked for.
    pub fn take(&mut self) -> i64 {
        let value = self.next;
        self.next = value.wrapping_add(self.increment);
        value
    }
}

/// The sequences that there are, for a session.
pub trait Sequences {
    /// Takes the next values of a sequence.
    fn next(&self, sequence: &str, count: usize) -> Result<Run, SqlError>;

    /// The value that the session took last from a sequence.
    fn current(&self, sequence: &str) -> Result<i64, SqlError>;

    /// The value that the session took last from any sequence.
    fn last(&self) -> Result<i64, SqlError>;
}

/// Where there are none.
#[derive(Clone, Copy, Debug)]
pub struct NoSequences;

impl Sequences for NoSequences {
    fn next(&self, sequence: &str, _: usize) -> Result<Run, SqlError> {
        self.current(sequence).map(|first| Run::new(first, 1))
    }

    fn current(&self, sequence: &str) -> Result<i64, SqlError> {
        Err(names::unknown(sequence))
    }

    fn last(&self) -> Result<i64, SqlError> {
        Err(SqlError::new(SqlState::NotInPrerequisiteState, "lastval is not yet defined in this session"))
    }
}

/// A value that a sequence gives in the place of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `nextval('s')`
    Next(String),
    /// `currval('s')`
    Current(String),
    /// `lastval()`
    Last,
}

impl Taken {
    /// What an expression takes, if it is one of these calls and nothing else.
    pub fn of(expr: &Expr) -> Result<Option<Taken>, SqlError> {
        let Some((function, args)) = call(expr) else { return Ok(None) };
        Ok(match (function, args.as_slice()) {
            (Callee::Next, [name]) => literal_name(name)?.map(Taken::Next),
            (Callee::Current, [name]) => literal_name(name)?.map(Taken::Current),
            (Callee::Last, []) => Some(Taken::Last),
            _ => None,
        })
    }
}

/// The sequence whose values a default takes.
pub fn of_default(text: &str) -> Option<String> {
    // Most defaults are something else, and need not be parsed to be told apart.
    if !text.to_ascii_lowercase().contains("nextval") {
        return None;
    }
    let expr = Parser::new(&Grammar).try_with_sql(text).ok()?.parse_expr().ok()?;
    match Taken::of(&expr) {
        Ok(Some(Taken::Next(sequence))) => Some(sequence),
        _ => None,
    }
}

/// The functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// `nextval`
    Next,
    /// `setval`
    Set,
    /// `currval`
    Current,
    /// `lastval`
    Last,
}

impl Callee {
    /// The function of this (folded) name.
    pub fn named(name: &str) -> Option<Callee> {
        match name {
            "nextval" => Some(Callee::Next),
            "setval" => Some(Callee::Set),
            "currval" => Some(Callee::Current),
            "lastval" => Some(Callee::Last),
            _ => None,
        }
    }

    /// The function that is called so.
    pub(crate) fn of(name: &ObjectName) -> Option<Callee> {
        let text = name.to_string().to_lowercase();
        Callee::named(text.strip_prefix("pg_catalog.").unwrap_or(&text))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Callee::Next => "nextval",
            Callee::Set => "setval",
            Callee::Current => "currval",
            Callee::Last => "lastval",
        }
    }
}

fn call(expr: &Expr) -> Option<(Callee, Vec<&Expr>)> {
    let Expr::Function(Function {
        name, args: FunctionArguments::List(list), over: None, filter: None, ..
    }) = expr
    else {
        return None;
    };
    let callee = Callee::of(name)?;
    let plain = list.duplicate_treatment.is_none() && list.clauses.is_empty();
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let args: Option<Vec<&Expr>> = args.collect();
    args.filter(|_| plain).map(|args| (callee, args))
}

/// The name in `'s'`, `'s'::regclass` or `'s'::text::regclass`.
fn literal_name(expr: &Expr) -> Result<Option<String>, SqlError> {
    match expr {
        Expr::Nested(inner) => literal_name(inner),
        Expr::Cast { expr, data_type, .. } if is_name_type(data_type) => literal_name(expr),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => name_in(text).map(Some),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn is_name_type(data_type: &DataType) -> bool {
    let name = data_type.to_string().to_lowercase();
    matches!(name.strip_prefix("pg_catalog.").unwrap_or(&name), "regclass" | "text" | "varchar")
}

/// The relation that a text names, as a cast to `regclass` reads it.
pub fn name_in(text: &str) -> Result<String, SqlError> {
    names::relation(&object_name(text)?)
}

/// Whether a text names a relation without a schema.
pub fn is_alone(text: &str) -> bool {
    object_name(text).is_ok_and(|name| name.0.len() == 1)
}

/// The name that a text is.
pub(crate) fn object_name(text: &str) -> Result<ObjectName, SqlError> {
    let invalid = || SqlError::new(SqlState::InvalidName, "invalid name syntax");
    let mut parser = Parser::new(&Grammar).try_with_sql(text).map_err(|_| invalid())?;
    let name = parser.parse_object_name(false).map_err(|_| invalid())?;
    if parser.peek_token().token != Token::EOF {
        return Err(invalid());
    }
    Ok(name)
}

/// The calls of a query that are whole items of its select list, taken out of it: their arguments stand in their
/// places, and what they give is to be put there for each row of the answer.
#[derive(Clone, Debug)]
pub struct Calls {
    items: Vec<Item>,
}

/// A column of the answer.
#[derive(Clone, Debug)]
pub enum Item {
    /// As many columns of the query as they are.
    Same,
    /// A call: its arguments are the next columns of the query.
    Call {
        /// The function.
        callee: Callee,
        /// How many arguments it has: the sequence's name as text, then for `setval` a BIGINT and perhaps a BOOLEAN.
        args: usize,
        /// What the column is called.
        name: String,
    },
}

impl Calls {
    /// The columns of the answer, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Whether it gives new values, or sets them: what takes a transaction that may write.
    pub fn writes(&self) -> bool {
        let writes = |item: &Item| matches!(item, Item::Call { callee: Callee::Next | Callee::Set, .. });
        self.items.iter().any(writes)
    }

    /// Takes the calls out of a query. `None` if it has none.
    pub fn take(query: &mut Query) -> Result<Option<Calls>, SqlError> {
        let sorted_by_place = orders_by_place(query);
        let SetExpr::Select(select) = query.body.as_mut() else { return Ok(None) };
        let of_item = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                call(expr).is_some_and(|(callee, _)| matches!(callee, Callee::Next | Callee::Set))
            }
            _ => false,
        };
        if !select.projection.iter().any(of_item) {
            return Ok(None);
        }
        if sorted_by_place || groups_by_place(select) {
            return Err(
                SqlError::misplaced_call("nextval").with_hint("name the columns in ORDER BY and GROUP BY")
            );
        }
        if select.distinct.is_some() || select.having.is_some() {
            return Err(SqlError::misplaced_call("nextval").with_hint("leave DISTINCT and HAVING out"));
        }
        let (mut items, mut projection) = (Vec::new(), Vec::new());
        for (index, item) in std::mem::take(&mut select.projection).into_iter().enumerate() {
            let (expr, alias) = match &item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
                _ => {
                    return Err(SqlError::misplaced_call("nextval")
                        .with_hint("write the columns in the place of the *"));
                }
            };
            match call(expr) {
                Some((callee, args)) => {
                    let types = argument_types(callee, args.len())?;
                    let name = alias.map_or_else(|| callee.name().to_string(), names::fold);
                    items.push(Item::Call { callee, args: args.len(), name });
                    for (at, (arg, ty)) in args.into_iter().zip(types).enumerate() {
                        let alias = Ident::with_quote('"', format!("${index}.{at}"));
                        projection.push(SelectItem::ExprWithAlias { expr: argument(arg, ty)?, alias });
                    }
                }
                None => {
                    items.push(Item::Same);
                    projection.push(item);
                }
            }
        }
        if projection.is_empty() {
            return Err(SqlError::misplaced_call("lastval"));
        }
        select.projection = projection;
        Ok(Some(Calls { items }))
    }
}

fn is_place(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

/// Whether the order is by numbers of columns, which are others once the calls are taken out.
fn orders_by_place(query: &Query) -> bool {
    match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(list)) => list.iter().any(|by| is_place(&by.expr)),
        Some(OrderByKind::All(_)) => true,
        None => false,
    }
}

fn groups_by_place(select: &Select) -> bool {
    match &select.group_by {
        GroupByExpr::Expressions(list, _) => list.iter().any(is_place),
        GroupByExpr::All(_) => true,
    }
}

fn argument_types(callee: Callee, args: usize) -> Result<&'static [&'static str], SqlError> {
    match (callee, args) {
        (Callee::Next | Callee::Current, 1) => Ok(&["TEXT"]),
        (Callee::Last, 0) => Ok(&[]),
        (Callee::Set, 2) => Ok(&["TEXT", "BIGINT"]),
        (Callee::Set, 3) => Ok(&["TEXT", "BIGINT", "BOOLEAN"]),
        _ => {
            let message = format!("function {} of {args} arguments does not exist", callee.name());
            Err(SqlError::new(SqlState::UndefinedFunction, message))
        }
    }
}

/// An argument, as a value of the type. A name that is cast to `regclass` is the name.
fn argument(arg: &Expr, ty: &str) -> Result<Expr, SqlError> {
    let mut inner = arg;
    while let Expr::Cast { expr, data_type, .. } = inner
        && ty == "TEXT"
        && is_name_type(data_type)
    {
        inner = expr;
    }
    let data_type: DataType = Parser::new(&Grammar).try_with_sql(ty)?.parse_data_type()?;
    let expr = Box::new(inner.clone());
    Ok(Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse_expression, parse_one};

    #[test]
    fn calls_are_known_however_the_name_is_written() {
        let of = |text: &str| Taken::of(&parse_expression(text).unwrap()).map_err(|e| e.sqlstate());
        let next = |name: &str| Ok(Some(Taken::Next(name.to_string())));
        assert_eq!(of("nextval('S')"), next("s"));
        assert_eq!(of("pg_catalog.nextval('public.\"S\"'::regclass)"), next("S"));
        assert_eq!(of("NEXTVAL(('s'::text)::regclass)"), next("s"));
        assert_eq!(of("currval('s')"), Ok(Some(Taken::Current("s".into()))));
        assert_eq!(of("lastval()"), Ok(Some(Taken::Last)));
        assert_eq!(of("nextval('s') + 1"), Ok(None));
        assert_eq!(of("nextval('a b')"), Err("42602"));
        assert_eq!(of("nextval('1a')"), Err("42602"));
        assert_eq!(of_default(&default_text("My seq")), Some("My seq".to_string()));
        assert_eq!(default_text("t_id_seq"), "nextval('t_id_seq'::regclass)");
    }

    #[test]
    fn a_call_in_a_select_list_leaves_its_arguments() {
        let taken = |sql: &str| {
            let Ok(Statement::Query(mut query)) = parse_one(sql) else { panic!("a query: {sql}") };
            let calls = Calls::take(&mut query).map_err(|error| error.sqlstate())?;
            Ok::<_, &str>((query.to_string(), calls.map(|calls| calls.items.len())))
        };
        let (query, items) = taken("SELECT 1, setval('s'::regclass, max(id), $1) AS x FROM t").unwrap();
        assert_eq!(
            query,
            "SELECT 1, CAST('s' AS TEXT) AS \"$1.0\", CAST(max(id) AS BIGINT) AS \"$1.1\", \
             CAST($1 AS BOOLEAN) AS \"$1.2\" FROM t"
        );
        assert_eq!(items, Some(2));
        assert_eq!(taken("SELECT nextval('s') + 1").unwrap().1, None);
        assert_eq!(taken("SELECT DISTINCT nextval('s')").err(), Some("0A000"));
        assert_eq!(taken("SELECT setval('s', n), n FROM t ORDER BY 2").err(), Some("0A000"));
        assert_eq!(taken("SELECT n, setval('s', max(m)) FROM t GROUP BY 1").err(), Some("0A000"));
        assert_eq!(taken("SELECT nextval('s'), n FROM t ORDER BY n").unwrap().1, Some(2));
        assert_eq!(taken("SELECT *, nextval('s') FROM t").err(), Some("0A000"));
        assert_eq!(taken("SELECT nextval('s', 1)").err(), Some("42883"));
    }

    #[test]
    fn options_say_where_a_sequence_begins_and_ends() {
        let course = |options: &str| {
            let sql = format!("CREATE TABLE t (id INTEGER GENERATED ALWAYS AS IDENTITY ({options}))");
            let Ok(Statement::CreateTable(create)) = parse_one(&sql) else { panic!("a table: {sql}") };
            use datafusion::sql::sqlparser::ast::ColumnOption;
            let ColumnOption::Generated { sequence_options: Some(options), .. } =
                &create.columns[0].options[0].option
            else {
                panic!("an identity")
            };
            Course::with_options(Type::Int32, options).map_err(|error| error.sqlstate())
        };
        let of = |start, increment, min, max| Ok(Course { ty: Type::Int32, start, increment, min, max });
        let max = i64::from(i32::MAX);
        assert_eq!(course(""), of(1, 1, 1, max));
        assert_eq!(course("START WITH 10 INCREMENT BY 5"), of(10, 5, 1, max));
        assert_eq!(course("INCREMENT -1"), of(-1, -1, i64::from(i32::MIN), -1));
        assert_eq!(course("CACHE 1 NO CYCLE MAXVALUE 9 START 3 NO MINVALUE"), of(3, 1, 1, 9));
        assert_eq!(course("INCREMENT BY 0"), Err("22023"));
        assert_eq!(course("START 0"), Err("22023"));
        assert_eq!(course("START 3000000000"), Err("22023"));
        assert_eq!(course("CYCLE"), Err("0A000"));
        assert_eq!(course("CACHE 20"), Err("0A000"));
        assert_eq!(course("START 5 INCREMENT 2").unwrap().options(), "INCREMENT BY 2 START WITH 5");
        assert_eq!(course("").unwrap().options(), "");
    }
}
