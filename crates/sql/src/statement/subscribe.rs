//! `SUBSCRIBE [TO] name | (query) [WITH (SNAPSHOT, PROGRESS)] [AS OF EPOCH n]`: a result that does not end, of rows
//! (epoch, weight, columns…). No grammar knows it, so it is read from the tokens.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Statement, expect_end, parser, translate};
use crate::depth;
use crate::error::{Position, SqlError, SqlState};
use crate::names;

/// What is followed, and how.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// A table or view by name, or a query.
    pub followed: Followed,
    /// Begin with the contents. It is so unless said otherwise, or an epoch is given.
    pub snapshot: bool,
    /// Tell of epochs that change nothing, too.
    pub progress: bool,
    /// The epoch that the subscriber has: what changed after it is wanted.
    pub as_of: Option<u64>,
    /// Lines of text are wanted: `COPY (SUBSCRIBE …) TO STDOUT`.
    pub copy: bool,
}

/// What `SUBSCRIBE` follows.
#[derive(Clone, Debug)]
pub enum Followed {
    /// A table or view.
    Relation(String),
    /// A query, with its text.
    Query(Box<datafusion::sql::sqlparser::ast::Query>),
}

/// Reads a statement whose first word is `SUBSCRIBE`; or, with `copy`, one that begins with `COPY (SUBSCRIBE`.
pub(super) fn subscribe(tokens: Vec<TokenWithSpan>, copy: bool) -> Result<Subscribe, SqlError> {
    let mut parser = parser(tokens);
    (0..if copy { 3 } else { 1 }).for_each(|_| parser.advance_token());
    let _optional = parser.parse_keyword(Keyword::TO);
    let begins_query = |token: &Token| {
        matches!(token, Token::LParen)
            || matches!(token, Token::Word(word) if matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES))
    };
    let followed = if begins_query(&parser.peek_token().token) {
        let mut query = parser.parse_query()?;
        depth::balance(&mut query);
        Followed::Query(translate::checked(query)?)
    } else {
        Followed::Relation(names::said(&parser.parse_object_name(false)?)?)
    };
    let mut subscribe = Subscribe { followed, snapshot: true, progress: false, as_of: None, copy: false };
    let mut asked = None;
    if parser.parse_keyword(Keyword::WITH) {
        parser.expect_token(&Token::LParen)?;
        loop {
            option(&mut parser, &mut subscribe, &mut asked)?;
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    }
    if parser.parse_keywords(&[Keyword::AS, Keyword::OF]) {
        subscribe.as_of = Some(epoch(&mut parser)?);
        subscribe.snapshot = asked.unwrap_or(false);
    }
    if copy {
        parser.expect_token(&Token::RParen)?;
        parser.expect_keywords(&[Keyword::TO, Keyword::STDOUT])?;
        subscribe.copy = true;
    }
    expect_end(&mut parser)?;
    if subscribe.snapshot && subscribe.as_of.is_some() {
        let message = "a subscription begins with the contents or after an epoch, not both";
        return Err(SqlError::new(SqlState::SyntaxError, message).with_hint("leave out SNAPSHOT"));
    }
    Ok(subscribe)
}

fn option(
    parser: &mut Parser<'_>,
    subscribe: &mut Subscribe,
    asked: &mut Option<bool>,
) -> Result<(), SqlError> {
    let name = parser.parse_identifier()?;
    let equals = parser.consume_token(&Token::Eq);
    let value = match parser.parse_one_of_keywords(&[Keyword::TRUE, Keyword::FALSE, Keyword::ON]) {
        Some(keyword) => keyword != Keyword::FALSE,
        None if equals => return Ok(parser.expected("TRUE or FALSE", parser.peek_token())?),
        None => true,
    };
    match names::fold(&name).as_str() {
        "snapshot" => (subscribe.snapshot, *asked) = (value, Some(value)),
        "progress" => subscribe.progress = value,
        other => {
            let message = format!("SUBSCRIBE has no option \"{other}\"");
            let error = SqlError::new(SqlState::SyntaxError, message).at(names::place(&name));
            return Err(error.with_hint("there are SNAPSHOT and PROGRESS"));
        }
    }
    Ok(())
}

/// `EPOCH n`
fn epoch(parser: &mut Parser<'_>) -> Result<u64, SqlError> {
    let word = parser.next_token();
    if !matches!(&word.token, Token::Word(word) if word.value.eq_ignore_ascii_case("epoch")) {
        return Ok(parser.expected("EPOCH", word)?);
    }
    let number = parser.next_token();
    let found = match &number.token {
        Token::Number(text, _) => text.parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| {
        let message = "an epoch is a whole number, as SUBSCRIBE tells it with each row";
        SqlError::new(SqlState::SyntaxError, message).at(Position::of(number.span))
    })
}

impl Subscribe {
    /// The same as a statement.
    pub(super) fn statement(self) -> Statement {
        Statement::Subscribe(Box::new(self))
    }
}
