//! What statements say of sequences, read from the tokens where the grammar lacks it: `OVERRIDING … VALUE`, the options
//! of an identity column in any order, and `RESTART`.

use datafusion::sql::sqlparser::ast::{DataType, ObjectName, SequenceOptions};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Statement, expect_end};
use crate::error::{Position, SqlError, SqlState};
use crate::names;
use crate::sequence::{Course, value_type};

/// Which values an `INSERT` puts into identity columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overriding {
    /// Its own, but not into columns that are always generated.
    #[default]
    Nothing,
    /// `OVERRIDING SYSTEM VALUE`: its own, wherever.
    SystemValue,
    /// `OVERRIDING USER VALUE`: those of the sequences.
    UserValue,
}

/// A sequence that does not exist yet: what `CREATE SEQUENCE` says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceDraft {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub position: Option<Position>,
    /// A relation of the name is no error.
    pub if_not_exists: bool,
    /// How its values follow each other.
    pub course: Course,
}

/// `RESTART [WITH n]` of a sequence, or of the one of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The sequence, or the table.
    pub name: String,
    /// Where the name stands.
    pub position: Option<Position>,
    /// The table's column.
    pub column: Option<String>,
    /// Without such a relation there is nothing to do.
    pub if_exists: bool,
    /// The first value; without it where the sequence began.
    pub with: Option<i64>,
}

pub(super) fn create(
    (temporary, if_not_exists): (bool, bool),
    name: &ObjectName,
    data_type: Option<&DataType>,
    options: &[SequenceOptions],
    owned_by: Option<ObjectName>,
) -> Result<Statement, SqlError> {
    let position = names::position(name);
    if temporary {
        return Err(SqlError::unsupported("a TEMPORARY sequence").at(position));
    }
    if owned_by.is_some_and(|owner| owner.to_string() != "NONE") {
        return Err(SqlError::unsupported("OWNED BY of a sequence")
            .at(position)
            .with_hint("make the column SERIAL or GENERATED … AS IDENTITY: its sequence goes with it"));
    }
    let course = Course::with_options(value_type(data_type)?, options).map_err(|error| error.at(position))?;
    let name = names::said(name)?;
    Ok(Statement::CreateSequence(SequenceDraft { name, position, if_not_exists, course }))
}

/// The places of the tokens that are not blank.
fn words(tokens: &[TokenWithSpan]) -> Vec<usize> {
    (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_) | Token::EOF)).collect()
}

fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

fn is_word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}

/// Takes `OVERRIDING SYSTEM VALUE` or `OVERRIDING USER VALUE` out of an `INSERT`.
pub(super) fn overriding(tokens: &mut Vec<TokenWithSpan>) -> Overriding {
    let words = words(tokens);
    if words.first().is_none_or(|&first| keyword(&tokens[first].token) != Keyword::INSERT) {
        return Overriding::Nothing;
    }
    // It stands behind the table and its columns, before the rows.
    let ends = |token: &Token| matches!(keyword(token), Keyword::VALUES | Keyword::SELECT | Keyword::WITH);
    for at in 0..words.len().saturating_sub(2) {
        let token = |ahead: usize| &tokens[words[at + ahead]].token;
        if ends(token(0)) {
            break;
        }
        if !is_word(token(0), "OVERRIDING") || !is_word(token(2), "VALUE") {
            continue;
        }
        let found = match token(1) {
            token if is_word(token, "SYSTEM") => Overriding::SystemValue,
            token if is_word(token, "USER") => Overriding::UserValue,
            _ => continue,
        };
        for ahead in [2, 1, 0] {
            tokens.remove(words[at + ahead]);
        }
        return found;
    }
    Overriding::Nothing
}

/// Puts the options of identity columns and of `CREATE SEQUENCE` into the order that the grammar wants.
pub(super) fn order_options(tokens: &mut [TokenWithSpan]) {
    let words = words(tokens);
    let is = |at: usize, wanted: Keyword| {
        words.get(at).is_some_and(|&place| keyword(&tokens[place].token) == wanted)
    };
    let mut parts = Vec::new();
    if !is(0, Keyword::CREATE) {
        return;
    }
    if is(1, Keyword::SEQUENCE) {
        let first = (2..words.len()).find(|&at| rank(&tokens[words[at]].token).is_some());
        parts.extend(first.map(|first| first..words.len()));
    }
    for at in 0..words.len() {
        let opens = words.get(at + 1).is_some_and(|&place| tokens[place].token == Token::LParen);
        if is(at, Keyword::IDENTITY) && opens {
            let end = (at + 2..words.len()).find(|&end| tokens[words[end]].token == Token::RParen);
            parts.extend(end.map(|end| at + 2..end));
        }
    }
    for part in parts {
        let mut options: Vec<(u8, Vec<TokenWithSpan>)> = Vec::new();
        for at in part.clone() {
            let token = &tokens[words[at]];
            let after_no = at > part.start && keyword(&tokens[words[at - 1]].token) == Keyword::NO;
            // NO goes with what follows it.
            let rank = match keyword(&token.token) {
                Keyword::NO => words.get(at + 1).and_then(|&next| rank(&tokens[next].token)),
                _ if after_no => None,
                _ => rank(&token.token),
            };
            match (rank, options.last_mut()) {
                (Some(rank), _) => options.push((rank, vec![token.clone()])),
                (None, Some((_, option))) => option.push(token.clone()),
                (None, None) => return,
            }
        }
        options.sort_by_key(|(rank, _)| *rank);
        let ordered = options.into_iter().flat_map(|(_, option)| option);
        for (at, token) in part.zip(ordered) {
            tokens[words[at]] = token;
        }
    }
}

/// Where an option stands among the others, by its first word.
fn rank(token: &Token) -> Option<u8> {
    match keyword(token) {
        Keyword::INCREMENT => Some(0),
        Keyword::MINVALUE => Some(1),
        Keyword::MAXVALUE => Some(2),
        Keyword::START => Some(3),
        Keyword::CACHE => Some(4),
        Keyword::CYCLE => Some(5),
        Keyword::OWNED => Some(6),
        _ => None,
    }
}

/// Whether it is `ALTER SEQUENCE`, or `ALTER TABLE … ALTER … RESTART …`.
pub(super) fn is_restart(words: &[&TokenWithSpan]) -> bool {
    let is = |at: usize, wanted: Keyword| words.get(at).is_some_and(|t| keyword(&t.token) == wanted);
    let of_column = |at: usize| {
        let column = if is(at + 1, Keyword::COLUMN) { at + 2 } else { at + 1 };
        is(at, Keyword::ALTER) && is(column + 1, Keyword::RESTART)
    };
    is(1, Keyword::SEQUENCE) || is(1, Keyword::TABLE) && (3..words.len()).any(of_column)
}

/// `ALTER SEQUENCE [IF EXISTS] s RESTART …`, `ALTER TABLE [IF EXISTS] [ONLY] t ALTER [COLUMN] c RESTART …`
pub(super) fn restart(mut parser: Parser<'_>) -> Result<Statement, SqlError> {
    parser.advance_token();
    let of_table = parser.parse_keyword(Keyword::TABLE);
    if !of_table {
        parser.expect_keyword(Keyword::SEQUENCE)?;
    }
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let _ = of_table && parser.parse_keyword(Keyword::ONLY);
    let name = parser.parse_object_name(false)?;
    let position = names::position(&name);
    let mut column = None;
    if of_table {
        parser.expect_keyword(Keyword::ALTER)?;
        let _ = parser.parse_keyword(Keyword::COLUMN);
        column = Some(names::fold(&parser.parse_identifier()?));
    }
    if !parser.parse_keyword(Keyword::RESTART) {
        return Err(SqlError::unsupported("ALTER SEQUENCE … but RESTART").at(position).with_hint(
            "RESTART and setval() change where a sequence stands; make another one for other options",
        ));
    }
    let said = parser.parse_keyword(Keyword::WITH);
    let with = match (said, parser.peek_token().token) {
        (false, Token::EOF | Token::SemiColon) => None,
        _ => Some(parser.parse_number()?.to_string()),
    };
    let out_of_range = |text: &str| {
        let message = format!("value \"{text}\" is out of range for type bigint");
        SqlError::new(SqlState::NumericOutOfRange, message)
    };
    let with = with.map(|text| text.trim_start_matches('+').parse().map_err(|_| out_of_range(&text)));
    expect_end(&mut parser)?;
    let (name, with) = (names::said(&name)?, with.transpose()?);
    Ok(Statement::Restart(Restart { name, position, column, if_exists, with }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse_one;

    #[test]
    fn overriding_is_taken_from_an_insert() {
        let of = |sql: &str| match parse_one(sql) {
            Ok(Statement::Insert(insert, overriding)) => (insert.to_string(), overriding),
            other => panic!("{sql}: {other:?}"),
        };
        let system = of("INSERT INTO t (id) OVERRIDING SYSTEM VALUE VALUES (1)");
        assert_eq!(system, ("INSERT INTO t (id) VALUES (1)".to_string(), Overriding::SystemValue));
        assert_eq!(of("INSERT INTO t OVERRIDING USER VALUE SELECT 1").1, Overriding::UserValue);
        assert_eq!(of("INSERT INTO t SELECT overriding FROM u").1, Overriding::Nothing);
    }

    #[test]
    fn restarts_are_read() {
        let of = |sql: &str| match parse_one(sql) {
            Ok(Statement::Restart(restart)) => (restart.name, restart.column, restart.with),
            other => panic!("{sql}: {other:?}"),
        };
        let (t, c) = ("t".to_string(), Some("c".to_string()));
        assert_eq!(of("ALTER SEQUENCE t RESTART"), (t.clone(), None, None));
        assert_eq!(of("ALTER SEQUENCE IF EXISTS public.t RESTART WITH 7"), (t.clone(), None, Some(7)));
        assert_eq!(of("ALTER TABLE t ALTER COLUMN c RESTART 7;"), (t.clone(), c.clone(), Some(7)));
        assert_eq!(of("ALTER TABLE ONLY t ALTER c RESTART"), (t, c, None));
        let state = |sql: &str| parse_one(sql).map(|_| ()).map_err(|error| error.sqlstate());
        assert_eq!(state("ALTER SEQUENCE t INCREMENT BY 2"), Err("0A000"));
        assert_eq!(state("ALTER SEQUENCE t RESTART WITH x"), Err("42601"));
    }

    #[test]
    fn options_come_in_any_order() {
        let sql = "CREATE SEQUENCE s CACHE 1 START WITH 5 NO MAXVALUE INCREMENT BY 2";
        let Ok(Statement::CreateSequence(draft)) = parse_one(sql) else { panic!("a sequence") };
        assert_eq!((draft.course.start, draft.course.increment), (5, 2));
        let sql = "CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY (START 2 INCREMENT 3), b INT)";
        assert!(matches!(parse_one(sql), Ok(Statement::CreateTable(_))));
    }
}
