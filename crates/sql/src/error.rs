//! The one error of this crate: what a user sees of a statement that cannot run.
//!
//! It carries a SQLSTATE, a sentence, the place in the statement's text where that is known, and
//! what to do instead where there is something to say.

use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Diagnostic, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

/// A place in the text of a statement, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl Position {
    /// The start of a span of the syntax tree, which is empty where the parser kept none.
    pub fn of(span: Span) -> Option<Position> {
        Position::of_location(span.start)
    }

    fn of_location(location: Location) -> Option<Position> {
        if location.line == 0 {
            return None;
        }
        Some(Position {
            line: u32::try_from(location.line).ok()?,
            column: u32::try_from(location.column).ok()?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

macro_rules! sql_states {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The SQLSTATE codes this crate and the engine above it answer with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SqlState { $($(#[$doc])* $name,)* }

        impl SqlState {
            /// The five characters.
            pub fn code(self) -> &'static str {
                match self { $(SqlState::$name => $code,)* }
            }

            /// The state of a code, if it is one of these.
            pub fn from_code(code: &str) -> Option<SqlState> {
                match code { $($code => Some(SqlState::$name),)* _ => None }
            }
        }
    };
}

sql_states! {
    /// A construct that is not supported where it stands.
    FeatureNotSupported = "0A000",
    /// A scalar subquery that gave more than one row.
    CardinalityViolation = "21000",
    /// Text longer than its column allows.
    StringTooLong = "22001",
    /// A number outside the range of its type.
    NumericOutOfRange = "22003",
    /// NULL where a value must be.
    NullNotAllowed = "22004",
    /// A malformed date or time.
    InvalidDatetime = "22007",
    /// A date or time outside its range.
    DatetimeOverflow = "22008",
    /// Division by zero.
    DivisionByZero = "22012",
    /// Bytes that are no text in the database's encoding.
    BadEncoding = "22021",
    /// An argument outside what its function takes.
    InvalidParameter = "22023",
    /// An ill-formed escape in a pattern.
    InvalidEscape = "22025",
    /// A LIMIT that is negative.
    InvalidRowCountInLimit = "2201W",
    /// An OFFSET that is negative.
    InvalidRowCountInOffset = "2201X",
    /// Text that is not a value of the type it is cast to.
    InvalidText = "22P02",
    /// A regular expression that is none.
    InvalidRegex = "2201B",
    /// Bytes that are no value of the type they are said to be.
    BadBinary = "22P03",
    /// A malformed line of a file being copied.
    BadCopyFormat = "22P04",
    /// A sequence has come to its end.
    SequenceLimitExceeded = "2200H",
    /// NULL for a column that is NOT NULL.
    NotNullViolation = "23502",
    /// A key that exists already.
    UniqueViolation = "23505",
    /// A statement that needs a transaction of another state.
    ActiveTransaction = "25001",
    /// A statement that needs an open transaction.
    NoActiveTransaction = "25P01",
    /// A statement in a transaction that has failed before.
    FailedTransaction = "25P02",
    /// A privilege that its object does not have.
    InvalidGrant = "0LP01",
    /// Nobody of this name may log in.
    InvalidAuthorization = "28000",
    /// The password is wrong.
    InvalidPassword = "28P01",
    /// The role may not do this.
    InsufficientPrivilege = "42501",
    /// There is an object of this name.
    DuplicateObject = "42710",
    /// No schema of this name.
    UndefinedSchema = "3F000",
    /// An object that others depend on.
    DependentObjects = "2BP01",
    /// No savepoint of this name.
    InvalidSavepoint = "3B001",
    /// A commit that met a concurrent change.
    SerializationFailure = "40001",
    /// Text that is not SQL.
    SyntaxError = "42601",
    /// Text that is no name.
    InvalidName = "42602",
    /// A column named twice.
    DuplicateColumn = "42701",
    /// A name that fits several columns.
    AmbiguousColumn = "42702",
    /// A name before a column that several tables of a FROM have.
    AmbiguousAlias = "42P09",
    /// A column that does not exist.
    UndefinedColumn = "42703",
    /// An object that does not exist.
    UndefinedObject = "42704",
    /// A column outside GROUP BY and aggregates.
    GroupingError = "42803",
    /// Types that do not fit together.
    DatatypeMismatch = "42804",
    /// An object of the wrong kind.
    WrongObjectType = "42809",
    /// A function's name that several have.
    AmbiguousFunction = "42725",
    /// A value for a column that is always generated.
    GeneratedAlways = "428C9",
    /// A function that does not exist for these arguments.
    UndefinedFunction = "42883",
    /// A name that only the system gives.
    ReservedName = "42939",
    /// A table that does not exist.
    UndefinedTable = "42P01",
    /// A parameter without a value.
    UndefinedParameter = "42P02",
    /// A table that exists already.
    DuplicateTable = "42P07",
    /// A schema of this name exists.
    DuplicateSchema = "42P06",
    /// A column reference that is not allowed in its place.
    InvalidColumnReference = "42P10",
    /// A definition of a table that makes no sense.
    InvalidTableDefinition = "42P16",
    /// A definition that goes in a circle.
    InvalidObjectDefinition = "42P17",
    /// A parameter whose type cannot be told.
    IndeterminateType = "42P18",
    /// More memory than one query may take.
    OutOfMemory = "53200",
    /// More than the settings allow.
    ConfigurationLimitExceeded = "53400",
    /// A size that a format or a buffer cannot hold.
    LimitExceeded = "54000",
    /// A statement that is too large or too deep.
    TooComplex = "54001",
    /// More columns than there may be.
    TooManyColumns = "54011",
    /// A statement that writes, in a transaction that only reads.
    ReadOnlyTransaction = "25006",
    /// An object is not in the state that the call needs.
    NotInPrerequisiteState = "55000",
    /// The statement was cancelled.
    QueryCanceled = "57014",
    /// The disk or the files failed.
    IoError = "58030",
    /// Something that must not happen did.
    Internal = "XX000",
    /// Stored bytes that are not what was written.
    DataCorrupted = "XX001",
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a statement cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The class of the error.
    pub state: SqlState,
    /// One sentence without a full stop.
    pub message: String,
    /// Where in the statement.
    pub position: Option<Position>,
    /// What to do instead.
    pub hint: Option<String>,
}

impl SqlError {
    /// An error without place and hint.
    pub fn new(state: SqlState, message: impl Into<String>) -> SqlError {
        SqlError { state, message: message.into(), position: None, hint: None }
    }

    /// `construct` is not supported.
    pub fn unsupported(construct: impl fmt::Display) -> SqlError {
        SqlError::new(SqlState::FeatureNotSupported, format!("{construct} is not supported"))
    }

    /// A call of a sequence where it cannot stand.
    pub fn misplaced_call(name: &str) -> SqlError {
        SqlError::unsupported(format!("{name}() in this place")).with_hint(
            "it stands as a whole item of a select list, as a value of INSERT … VALUES, and in a column's default",
        )
    }

    /// The session's owner, or a time limit, wants no more of the statement.
    pub fn canceled() -> SqlError {
        SqlError::new(SqlState::QueryCanceled, "the statement was cancelled")
    }

    /// The query takes more than `query_memory`; `what` says which part of it.
    pub fn out_of_memory(what: impl fmt::Display) -> SqlError {
        SqlError::new(SqlState::OutOfMemory, format!("out of memory for this query: {what}"))
            .with_hint("select less at once, or raise the limit `query_memory`")
    }

    /// Something that must not happen did.
    pub fn internal(message: impl Into<String>) -> SqlError {
        SqlError::new(SqlState::Internal, message)
    }

    /// The same error with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> SqlError {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with a place, unless it has one already.
    pub fn at(mut self, position: Option<Position>) -> SqlError {
        self.position = self.position.or(position);
        self
    }

    /// The five characters of the SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        self.state.code()
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.state, self.message)?;
        if let Some(position) = self.position {
            write!(f, " ({position})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}

impl From<ParserError> for SqlError {
    fn from(error: ParserError) -> SqlError {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
            ParserError::RecursionLimitExceeded => {
                return SqlError::new(SqlState::TooComplex, "the statement is nested too deeply");
            }
        };
        let (message, position) = split_position(&text);
        SqlError::new(SqlState::SyntaxError, format!("syntax error: {message}")).at(position)
    }
}

/// Our errors travel through DataFusion unchanged.
impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> SqlError {
        from_datafusion(error, None)
    }
}

impl From<ArrowError> for SqlError {
    fn from(error: ArrowError) -> SqlError {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<SqlError>() {
                Ok(ours) => *ours,
                Err(other) => SqlError::internal(other.to_string()),
            },
            ArrowError::DivideByZero => SqlError::new(SqlState::DivisionByZero, "division by zero"),
            ArrowError::ArithmeticOverflow(text) => SqlError::new(SqlState::NumericOutOfRange, text),
            ArrowError::CastError(text) | ArrowError::ParseError(text) => {
                SqlError::new(SqlState::InvalidText, text)
            }
            ArrowError::ComputeError(text) => from_text(&text),
            ArrowError::InvalidArgumentError(text) => from_text(&text),
            other => of_foreign(&other.to_string()),
        }
    }
}

impl From<expr::EvalError> for SqlError {
    fn from(error: expr::EvalError) -> SqlError {
        let state = SqlState::from_code(error.sqlstate()).unwrap_or(SqlState::Internal);
        SqlError::new(state, error.message)
    }
}

impl From<expr::ExprError> for SqlError {
    fn from(error: expr::ExprError) -> SqlError {
        SqlError::new(SqlState::FeatureNotSupported, error.to_string())
    }
}

impl From<zset::ZsetError> for SqlError {
    fn from(error: zset::ZsetError) -> SqlError {
        let state = match error {
            zset::ZsetError::WeightOverflow { .. } => SqlState::NumericOutOfRange,
            zset::ZsetError::TooLarge { .. } => SqlState::LimitExceeded,
            zset::ZsetError::Corrupt { .. } => SqlState::DataCorrupted,
            zset::ZsetError::Null { .. } => SqlState::NotNullViolation,
            zset::ZsetError::OutOfRange { .. } => SqlState::NumericOutOfRange,
            zset::ZsetError::Shape { .. } => SqlState::Internal,
        };
        SqlError::new(state, error.to_string())
    }
}

fn from_datafusion(error: DataFusionError, place: Option<Position>) -> SqlError {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<SqlError>() {
            Ok(ours) => ours.at(place),
            Err(other) => match other.downcast::<ArrowError>() {
                Ok(arrow) => SqlError::from(*arrow).at(place),
                Err(other) => of_foreign(&other.to_string()).at(place),
            },
        },
        DataFusionError::ArrowError(inner, _) => SqlError::from(*inner).at(place),
        DataFusionError::SQL(inner, _) => SqlError::from(*inner).at(place),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let hint = hint_of(&diagnostic);
            let place = position_of(&diagnostic).or(place);
            let mut error = from_datafusion(*inner, place);
            error.hint = error.hint.or(hint);
            error
        }
        DataFusionError::Context(_, inner) => from_datafusion(*inner, place),
        DataFusionError::Shared(inner) => match inner.as_ref() {
            DataFusionError::External(boxed) => match boxed.downcast_ref::<SqlError>() {
                Some(ours) => ours.clone().at(place),
                None => from_text(&boxed.to_string()).at(place),
            },
            other => from_text(&other.strip_backtrace()).at(place),
        },
        DataFusionError::Collection(mut errors) if !errors.is_empty() => {
            from_datafusion(errors.swap_remove(0), place)
        }
        DataFusionError::SchemaError(inner, _) => from_schema_error(&inner).at(place),
        DataFusionError::NotImplemented(text) => {
            SqlError { state: SqlState::FeatureNotSupported, ..from_text(&text) }.at(place)
        }
        DataFusionError::ResourcesExhausted(text) => SqlError::out_of_memory(first_line(&text)).at(place),
        DataFusionError::Plan(text) | DataFusionError::Execution(text) => from_text(&text).at(place),
        other => from_text(&other.strip_backtrace()).at(place),
    }
}

fn from_schema_error(error: &SchemaError) -> SqlError {
    let state = match error {
        SchemaError::AmbiguousReference { .. } => SqlState::AmbiguousColumn,
        SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
            SqlState::DuplicateColumn
        }
        SchemaError::FieldNotFound { field, .. } => {
            // As PostgreSQL words it: in quotes, unless the relation is named too.
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => format!("\"{}\"", field.name),
            };
            return SqlError::new(SqlState::UndefinedColumn, format!("column {name} does not exist"));
        }
    };
    SqlError::new(state, first_line(&error.to_string()))
}

/// The error of a library that DataFusion calls.
fn of_foreign(text: &str) -> SqlError {
    regex_error(text).unwrap_or_else(|| SqlError::internal(text))
}

/// A regular expression that cannot be read, as its library words it: over several lines, the reason last.
fn regex_error(text: &str) -> Option<SqlError> {
    let is_one =
        ["regex parse error", "Regular expression did not compile"].iter().any(|says| text.contains(says));
    let reason = is_one.then(|| text.lines().find_map(|line| line.trim().strip_prefix("error: ")))?;
    let message = format!("invalid regular expression: {}", reason.unwrap_or("it is too large"));
    Some(SqlError::new(SqlState::InvalidRegex, message))
}

/// DataFusion tells most errors as text only; the SQLSTATE is read from its few fixed phrases.
fn from_text(text: &str) -> SqlError {
    if let Some(error) = regex_error(text) {
        return error;
    }
    let message = first_line(text);
    let lower = message.to_lowercase();
    let has = |needle: &str| lower.contains(needle);
    let state = if has("correlated scalar subquery") {
        return SqlError::unsupported("a correlated scalar subquery that is not one aggregate")
            .with_hint("take max() or min() of its column, or write it as a join");
    } else if has("outerreferencecolumn") {
        return SqlError::unsupported("a correlated or LATERAL subquery that cannot become a join")
            .with_hint("write it as a join with a subquery that has its own GROUP BY");
    } else if has("physical plan does not support") {
        return SqlError::unsupported("a subquery in this place")
            .with_hint("write it as a join, or with WITH and a condition in WHERE");
    } else if has("divide by zero") || has("division by zero") {
        return SqlError::new(SqlState::DivisionByZero, "division by zero");
    } else if has("overflow") || has("out of range") || has("too large to store") {
        SqlState::NumericOutOfRange
    } else if lower.starts_with("table ") && has("not found") {
        let name = message.split('\'').nth(1).unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        return SqlError::new(SqlState::UndefinedTable, format!("relation \"{name}\" does not exist"));
    } else if let Some(name) = ["nextval", "setval", "currval", "lastval"]
        .into_iter()
        .find(|name| lower.contains(&format!("invalid function '{name}'")))
    {
        return SqlError::misplaced_call(name);
    } else if has("invalid function") || has("no function matches") || has("does not support") {
        SqlState::UndefinedFunction
    } else if has("must appear in the group by") || has("must be in the group by") {
        SqlState::GroupingError
    } else if has("placeholder") {
        SqlState::UndefinedParameter
    } else if has("more than one row") || has("more than 1 row") {
        SqlState::CardinalityViolation
    } else if has("cannot cast") || has("cannot parse") || has("error parsing") {
        SqlState::InvalidText
    } else if has("coerc") || has("cannot infer common") || has("can't convert") {
        SqlState::DatatypeMismatch
    } else if has("not implemented") || has("unsupported") || has("not supported") {
        SqlState::FeatureNotSupported
    } else if has("number of columns") || has("same number") {
        SqlState::SyntaxError
    } else {
        SqlState::InvalidParameter
    };
    SqlError::new(state, message)
}

fn first_line(text: &str) -> String {
    let line = text.lines().find(|l| !l.trim().is_empty()).unwrap_or(text);
    let line = line.trim().trim_end_matches('.');
    let prefixes = [
        "Error during planning: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "Arrow error: ",
        "Internal error: ",
        "Invalid argument error: ",
        "Compute error: ",
        "External error: ",
    ];
    let mut rest = line;
    while let Some(next) = prefixes.iter().find_map(|p| rest.strip_prefix(p)) {
        rest = next;
    }
    rest.to_string()
}

fn position_of(diagnostic: &Diagnostic) -> Option<Position> {
    let start = diagnostic.span?.start;
    if start.line == 0 {
        return None;
    }
    Some(Position { line: u32::try_from(start.line).ok()?, column: u32::try_from(start.column).ok()? })
}

fn hint_of(diagnostic: &Diagnostic) -> Option<String> {
    diagnostic.helps.first().map(|help| help.message.clone())
}

/// The parser puts the place at the end of its sentence: `… at Line: 1, Column: 8`.
fn split_position(text: &str) -> (String, Option<Position>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text.to_string(), None);
    };
    let Some((line, column)) = place.split_once(", Column: ") else {
        return (text.to_string(), None);
    };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (message.to_string(), Some(Position { line, column })),
        _ => (text.to_string(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_parsers_place() {
        let error = SqlError::from(ParserError::ParserError(
            "Expected: an expression, found: EOF at Line: 2, Column: 14".into(),
        ));
        assert_eq!(error.sqlstate(), "42601");
        assert_eq!(error.position, Some(Position { line: 2, column: 14 }));
        assert_eq!(error.message, "syntax error: Expected: an expression, found: EOF");
    }

    #[test]
    fn our_own_errors_come_back_whole() {
        let ours = SqlError::unsupported("X").with_hint("write Y");
        let wrapped = DataFusionError::External(Box::new(ours.clone())).context("outer");
        assert_eq!(SqlError::from(wrapped), ours);
    }

    #[test]
    fn codes_are_read_back() {
        assert_eq!(SqlState::from_code("23505"), Some(SqlState::UniqueViolation));
        assert_eq!(SqlState::UniqueViolation.to_string(), "23505");
    }
}
