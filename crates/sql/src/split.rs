//! A text of several statements, cut at its semicolons: by the tokenizer, so that strings, quoted names,
//! comments and dollar quotes hide theirs.
//!
//! The shell asks with each line whether what was typed so far is whole ([`split`]); the parser takes
//! the same pieces (`pieces`). A text whose last string or comment is not closed is not whole yet; any
//! other tokenizer error is left for the parser to tell.

use std::ops::Range;

use crate::grammar::Grammar;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::{Position, SqlError, SqlState};

/// What a text consists of so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The byte ranges of the statements that a semicolon ended, without it.
    pub complete: Vec<Range<usize>>,
    /// The byte range of what follows the last semicolon; empty if that is only blanks and comments.
    pub rest: Range<usize>,
}

impl Split {
    /// Whether nothing is left open.
    pub fn is_complete(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Cuts a text that may still be growing.
pub fn split(text: &str) -> Split {
    let mut tokens = Vec::new();
    // Where the tokenizer stops, the tokens before it still say where statements ended.
    let stopped = tokenizer(text).tokenize_with_location_into_buf(&mut tokens).is_err();
    let mut places = Places::new(text);
    let mut complete = Vec::new();
    let mut open: Option<Range<usize>> = None;
    let mut end_of_last = 0;
    for token in &tokens {
        match &token.token {
            Token::SemiColon => {
                end_of_last = places.offset(token.span.end);
                complete.extend(open.take());
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => {
                let start = open.map_or_else(|| places.offset(token.span.start), |o| o.start);
                open = Some(start..places.offset(token.span.end));
            }
        }
    }
    let rest = if stopped {
        let start = open.map_or(end_of_last, |o| o.start);
        start + (text[start..].len() - text[start..].trim_start().len())..text.len()
    } else {
        open.unwrap_or(text.len()..text.len())
    };
    Split { complete, rest }
}

/// One statement's tokens and where they stand.
pub(crate) struct Piece {
    /// The tokens, without the semicolon.
    pub tokens: Vec<TokenWithSpan>,
    /// Their byte range in the text.
    pub range: Range<usize>,
    /// The first token.
    pub start: Position,
    /// Just after the last token.
    pub end: Position,
}

/// The statements of a whole text; empty ones are dropped.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, SqlError> {
    let tokens = tokenizer(text).tokenize_with_location().map_err(|error| {
        SqlError::new(SqlState::SyntaxError, format!("syntax error: {}", error.message))
            .at(Some(position(error.location)))
    })?;
    let mut places = Places::new(text);
    let mut pieces = Vec::new();
    let mut open = Vec::new();
    for token in tokens {
        if token.token == Token::SemiColon {
            pieces.extend(piece(std::mem::take(&mut open), &mut places));
        } else {
            open.push(token);
        }
    }
    pieces.extend(piece(open, &mut places));
    Ok(pieces)
}

fn piece(tokens: Vec<TokenWithSpan>, places: &mut Places<'_>) -> Option<Piece> {
    let solid = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
    let first = tokens.iter().find(solid)?.span.start;
    let last = tokens.iter().rfind(solid)?.span.end;
    let range = places.offset(first)..places.offset(last);
    Some(Piece { range, start: position(first), end: position(last), tokens })
}

fn tokenizer(text: &str) -> Tokenizer<'_> {
    Tokenizer::new(&Grammar, text)
}

/// A place as errors tell it.
pub(crate) fn position(location: Location) -> Position {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(location.line), column: number(location.column) }
}

/// Lines and columns to byte offsets, walking forward once.
struct Places<'a> {
    text: &'a str,
    offset: usize,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        Places { text, offset: 0, line: 1, column: 1 }
    }

    /// The offset of a place at or after the last one asked for.
    fn offset(&mut self, location: Location) -> usize {
        for c in self.text[self.offset..].chars() {
            if (self.line, self.column) >= (location.line, location.column) {
                break;
            }
            self.offset += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Vec<&str>, &str) {
        let split = split(text);
        (split.complete.into_iter().map(|r| &text[r]).collect(), &text[split.rest])
    }

    #[test]
    fn cuts_at_semicolons_outside_of_quotes() {
        let text = "select ';' ; -- ; no\n select \"a;b\", $x$ ; $x$ /* ; /* ; */ */;\n";
        let (complete, rest) = parts(text);
        assert_eq!(complete, ["select ';'", "select \"a;b\", $x$ ; $x$"]);
        assert_eq!(rest, "");
        assert_eq!(parts("a; ;;b"), (vec!["a"], "b"));
        assert_eq!(parts(" -- nothing\n"), (vec![], ""));
    }

    #[test]
    fn open_quotes_and_comments_are_not_whole() {
        assert_eq!(parts("select 1; select 'it"), (vec!["select 1"], "select 'it"));
        assert_eq!(parts("select 1; /* and"), (vec!["select 1"], "/* and"));
        assert_eq!(parts("select $$ x;"), (vec![], "select $$ x;"));
        assert_eq!(parts("select \"x;"), (vec![], "select \"x;"));
    }

    #[test]
    fn pieces_know_their_place() {
        let text = "select 'é';\n\n  delete from t;";
        let pieces = pieces(text).expect("tokens");
        assert_eq!(&text[pieces[1].range.clone()], "delete from t");
        assert_eq!(pieces[1].start, Position { line: 3, column: 3 });
        let error = super::pieces("select 1;\n 'x").err();
        assert_eq!(error.and_then(|e| e.position), Some(Position { line: 2, column: 2 }));
    }
}
