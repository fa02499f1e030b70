//! `REFRESH MATERIALIZED VIEW`, `ANALYZE`, `VACUUM`: what another database must be told to do now and then. Here views
//! follow every commit, and what is removed is cleared away as it comes, so there is nothing left to do but to see that
//! the names are right. The grammar has neither all of them nor their options, so they are read from the tokens.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{expect_end, parser};
use crate::error::{Position, SqlError, SqlState};
use crate::names;

/// A statement that asks for upkeep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// What is asked for.
    pub task: Task,
    /// The relations, each with the columns it is asked for; none for all there are.
    pub relations: Vec<(String, Vec<String>)>,
}

/// What upkeep there is elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// `REFRESH MATERIALIZED VIEW`
    Refresh,
    /// `ANALYZE`
    Analyze,
    /// `VACUUM`
    Vacuum,
}

const ANALYZE_OPTIONS: [&str; 2] = ["verbose", "skip_locked"];
const VACUUM_OPTIONS: [&str; 10] = [
    "full",
    "freeze",
    "verbose",
    "analyze",
    "disable_page_skipping",
    "skip_locked",
    "index_cleanup",
    "process_toast",
    "truncate",
    "parallel",
];

impl Task {
    /// The words of its statement.
    pub fn name(self) -> &'static str {
        match self {
            Task::Refresh => "REFRESH MATERIALIZED VIEW",
            Task::Analyze => "ANALYZE",
            Task::Vacuum => "VACUUM",
        }
    }

    /// The task that a statement's first word asks for.
    pub(super) fn of(word: &str) -> Option<Task> {
        match word {
            "REFRESH" => Some(Task::Refresh),
            "ANALYZE" | "ANALYSE" => Some(Task::Analyze),
            "VACUUM" => Some(Task::Vacuum),
            _ => None,
        }
    }

    /// Reads the statement.
    pub(super) fn read(self, tokens: Vec<TokenWithSpan>) -> Result<Upkeep, SqlError> {
        let mut parser = parser(tokens);
        parser.advance_token();
        let relations = match self {
            Task::Refresh => vec![(refresh(&mut parser)?, Vec::new())],
            Task::Analyze | Task::Vacuum => {
                self.options(&mut parser)?;
                relations(&mut parser)?
            }
        };
        expect_end(&mut parser)?;
        Ok(Upkeep { task: self, relations })
    }

    /// In parentheses, or, as once was the only way, as words.
    fn options(self, parser: &mut Parser<'_>) -> Result<(), SqlError> {
        let known: &[&str] = if self == Task::Analyze { &ANALYZE_OPTIONS } else { &VACUUM_OPTIONS };
        if !parser.consume_token(&Token::LParen) {
            let words: &[&str] = if self == Task::Analyze { &known[..1] } else { &known[..4] };
            for word in words {
                let next = parser.peek_token().token;
                if matches!(next, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
                {
                    parser.advance_token();
                }
            }
            return Ok(());
        }
        loop {
            let option = parser.parse_identifier()?;
            let name = names::fold(&option);
            if !known.contains(&name.as_str()) {
                let message = format!("unrecognized {} option \"{name}\"", self.name());
                return Err(SqlError::new(SqlState::SyntaxError, message).at(names::place(&option)));
            }
            if !matches!(parser.peek_token().token, Token::Comma | Token::RParen) {
                option_value(parser)?;
            }
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        Ok(parser.expect_token(&Token::RParen).map(|_| ())?)
    }
}

/// A truth value or a number, which mean nothing here.
fn option_value(parser: &mut Parser<'_>) -> Result<(), SqlError> {
    let value = parser.next_token();
    match &value.token {
        Token::Word(_) | Token::Number(..) | Token::SingleQuotedString(_) => Ok(()),
        _ => Ok(parser.expected("a value", value)?),
    }
}

/// `MATERIALIZED VIEW [CONCURRENTLY] name [WITH [NO] DATA]`
fn refresh(parser: &mut Parser<'_>) -> Result<String, SqlError> {
    parser.expect_keywords(&[Keyword::MATERIALIZED, Keyword::VIEW])?;
    let concurrently = parser.parse_keyword(Keyword::CONCURRENTLY);
    let name = names::said(&parser.parse_object_name(false)?)?;
    let with = parser.peek_token();
    if !parser.parse_keyword(Keyword::WITH) {
        return Ok(name);
    }
    let empty = parser.parse_keyword(Keyword::NO);
    parser.expect_keyword(Keyword::DATA)?;
    let place = Position::of(with.span);
    match (empty, concurrently) {
        (false, _) => Ok(name),
        (true, true) => {
            let message = "CONCURRENTLY and WITH NO DATA options cannot be used together";
            Err(SqlError::new(SqlState::SyntaxError, message).at(place))
        }
        (true, false) => Err(SqlError::unsupported("REFRESH MATERIALIZED VIEW … WITH NO DATA")
            .at(place)
            .with_hint("a materialized view always has its rows: drop it if it is not needed")),
    }
}

/// `[name [(columns)] [, …]]`
fn relations(parser: &mut Parser<'_>) -> Result<Vec<(String, Vec<String>)>, SqlError> {
    let mut relations = Vec::new();
    if matches!(parser.peek_token().token, Token::EOF | Token::SemiColon) {
        return Ok(relations);
    }
    loop {
        let name = names::said(&parser.parse_object_name(false)?)?;
        let mut columns = Vec::new();
        if parser.consume_token(&Token::LParen) {
            columns = parser.parse_comma_separated(|parser| parser.parse_identifier())?;
            parser.expect_token(&Token::RParen)?;
        }
        relations.push((name, columns.iter().map(names::fold).collect()));
        if !parser.consume_token(&Token::Comma) {
            return Ok(relations);
        }
    }
}

/// Takes `WITH [NO] DATA` from the end of a `CREATE … AS`; says whether it was there, and if so whether with data.
pub(super) fn with_data(tokens: &mut Vec<TokenWithSpan>) -> Option<bool> {
    let words: Vec<usize> = (0..tokens.len())
        .filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_) | Token::EOF | Token::SemiColon))
        .collect();
    let is = |at: usize, name: &str| {
        matches!(&tokens[at].token, Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
    };
    let (&first, &last) = (words.first()?, words.last()?);
    if !is(first, "create") || !is(last, "data") {
        return None;
    }
    let filled = !words.iter().rev().nth(1).is_some_and(|&at| is(at, "no"));
    let with = *words.iter().rev().nth(if filled { 1 } else { 2 })?;
    if !is(with, "with") {
        return None;
    }
    tokens.drain(with..=last);
    Some(filled)
}
