//! What PostgreSQL's grammar has and the parser's has not, written in the tokens as the parser knows it. Only tokens
//! are taken away or renamed, so that every other keeps its place in the text.
//!
//! - `FROM ONLY t` is `FROM t`: no table inherits from another. `ONLY` is a reserved word in PostgreSQL, so it is no
//!   name where a table may stand.
//! - `x OPERATOR(pg_catalog.=) ANY (…)` is `x = ANY (…)`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Rewrites the tokens of one statement.
pub(super) fn respell(tokens: &mut Vec<TokenWithSpan>) {
    let words: Vec<usize> =
        (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_))).collect();
    let mut gone = Vec::new();
    for at in 0..words.len() {
        let token = |ahead: usize| words.get(at + ahead).map(|&at| &tokens[at].token);
        match keyword(token(0)) {
            Some(Keyword::ONLY) if at > 0 && takes_tables(&tokens[words[at - 1]].token) => {
                gone.extend(only(tokens, &words, at));
            }
            Some(Keyword::OPERATOR) if is_qualified_before_any(&token) => {
                gone.extend([at, at + 1, at + 2, at + 3, at + 5]);
            }
            _ => {}
        }
    }
    // From the end, so that the places of those before stay.
    gone.sort_unstable();
    gone.into_iter().rev().for_each(|at| {
        tokens.remove(words[at]);
    });
}

fn keyword(token: Option<&Token>) -> Option<Keyword> {
    match token {
        Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// Whether a table may follow.
fn takes_tables(before: &Token) -> bool {
    let words = [Keyword::FROM, Keyword::JOIN, Keyword::UPDATE];
    *before == Token::Comma || keyword(Some(before)).is_some_and(|word| words.contains(&word))
}

/// The places of an `ONLY` that a name follows, and of the parentheses around the name.
fn only(tokens: &[TokenWithSpan], words: &[usize], at: usize) -> Vec<usize> {
    let token = |place: usize| words.get(place).map(|&place| &tokens[place].token);
    match token(at + 1) {
        Some(Token::Word(_)) => vec![at],
        Some(Token::LParen) => {
            let part = |place: &usize| matches!(token(*place), Some(Token::Word(_) | Token::Period));
            let end = (at + 2..).find(|place| !part(place)).unwrap_or(at);
            match token(end) {
                Some(Token::RParen) if end > at + 2 => vec![at, at + 1, end],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// `OPERATOR ( pg_catalog . op ) ANY`, or `SOME` or `ALL`
fn is_qualified_before_any<'t>(token: &impl Fn(usize) -> Option<&'t Token>) -> bool {
    let schema = match token(2) {
        Some(Token::Word(word)) => word.value.eq_ignore_ascii_case("pg_catalog"),
        _ => false,
    };
    schema
        && token(1) == Some(&Token::LParen)
        && token(3) == Some(&Token::Period)
        && token(5) == Some(&Token::RParen)
        && matches!(keyword(token(6)), Some(Keyword::ANY | Keyword::SOME | Keyword::ALL))
}
