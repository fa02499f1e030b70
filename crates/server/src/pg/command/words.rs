//! A statement as words: names, numbers, strings, symbols. Comments are skipped.

use crate::pg::error::Report;

/// A word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// A name or keyword, as written.
    Plain(&'a str),
    /// A name in double quotes.
    Quoted(String),
    /// A string.
    Text(String),
    /// A number.
    Number(&'a str),
    /// Anything else.
    Symbol(char),
}

impl Word<'_> {
    /// What it says.
    pub(crate) fn text(&self) -> String {
        match self {
            Word::Plain(text) | Word::Number(text) => (*text).to_string(),
            Word::Quoted(text) | Word::Text(text) => text.clone(),
            Word::Symbol(symbol) => symbol.to_string(),
        }
    }
}

/// What is left of a statement.
pub(crate) struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// All of it.
    pub(crate) fn new(text: &'a str) -> Words<'a> {
        Words { text, at: 0 }
    }

    /// Takes the next word.
    pub(crate) fn next(&mut self) -> Option<Word<'a>> {
        let (word, at) = self.look()?;
        self.at = at;
        Some(word)
    }

    /// Takes a keyword, in lower case.
    pub(crate) fn keyword(&mut self) -> Option<String> {
        let word = self.peek_keyword()?;
        self.next();
        Some(word)
    }

    /// The next word if it is a keyword, in lower case.
    pub(crate) fn peek_keyword(&self) -> Option<String> {
        match self.look()?.0 {
            Word::Plain(word) => Some(word.to_ascii_lowercase()),
            _ => None,
        }
    }

    /// Takes this keyword if it is the next.
    pub(crate) fn skip(&mut self, keyword: &str) -> bool {
        let found = self.peek_keyword().as_deref() == Some(keyword);
        if found {
            self.next();
        }
        found
    }

    /// Takes this symbol if it is the next.
    pub(crate) fn skip_symbol(&mut self, symbol: char) -> bool {
        let found = matches!(self.look(), Some((Word::Symbol(next), _)) if next == symbol);
        if found {
            self.next();
        }
        found
    }

    /// Takes this keyword, which must be the next.
    pub(crate) fn expect(&mut self, keyword: &str) -> Result<(), Report> {
        if self.skip(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes a name, folded unless it is quoted.
    pub(crate) fn name(&mut self) -> Result<String, Report> {
        let name = match self.look() {
            Some((Word::Plain(name), _)) => name.to_lowercase(),
            Some((Word::Quoted(name), _)) => name,
            _ => return Err(self.unexpected()),
        };
        self.next();
        Ok(name)
    }

    /// Takes the value of a setting.
    pub(crate) fn value(&mut self) -> Result<String, Report> {
        let sign = if self.skip_symbol('-') { "-" } else { "" };
        match self.look() {
            Some((word, _)) if super::plain(&word) => {
                self.next();
                Ok(format!("{sign}{}", word.text()))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Takes a whole number if it is the next.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        let start = self.at;
        let negative = self.skip_symbol('-');
        match self.next() {
            Some(Word::Number(digits)) if let Ok(number) = digits.parse::<i64>() => {
                Some(if negative { -number } else { number })
            }
            _ => {
                self.at = start;
                None
            }
        }
    }

    /// Takes what stands between parentheses, if one opens here.
    pub(crate) fn parenthesised(&mut self) -> Result<Option<&'a str>, Report> {
        if !self.skip_symbol('(') {
            return Ok(None);
        }
        let start = self.at;
        let mut depth = 1;
        loop {
            let before = self.blank(self.at);
            match self.next() {
                Some(Word::Symbol('(')) => depth += 1,
                Some(Word::Symbol(')')) => depth -= 1,
                Some(_) => {}
                None => return Err(self.unexpected()),
            }
            if depth == 0 {
                return Ok(Some(&self.text[start..before]));
            }
        }
    }

    /// Takes the rest of the text and says where it begins.
    pub(crate) fn rest(&mut self) -> usize {
        let start = self.blank(self.at);
        self.at = self.text.len();
        start
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Report> {
        if self.blank(self.at) == self.text.len() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The next word should not be there.
    pub(crate) fn unexpected(&self) -> Report {
        let start = self.blank(self.at);
        let position = self.text[..start].chars().count() + 1;
        let report = match self.look() {
            Some((_, end)) => {
                Report::syntax(format!("syntax error at or near \"{}\"", &self.text[start..end]))
            }
            None => Report::syntax("syntax error at end of input"),
        };
        report.at(Some(position))
    }

    /// The next word and where it ends.
    fn look(&self) -> Option<(Word<'a>, usize)> {
        let start = self.blank(self.at);
        let rest = &self.text[start..];
        let first = rest.chars().next()?;
        let run = |keep: fn(char) -> bool| rest.find(|c| !keep(c)).unwrap_or(rest.len());
        Some(match first {
            '\'' => {
                let (text, length) = quoted(rest, '\'');
                (Word::Text(text), start + length)
            }
            '"' => {
                let (text, length) = quoted(rest, '"');
                (Word::Quoted(text), start + length)
            }
            '0'..='9' => {
                let length = run(|c| c.is_ascii_alphanumeric() || c == '.');
                (Word::Number(&rest[..length]), start + length)
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = run(|c| c.is_alphanumeric() || c == '_' || c == '$');
                (Word::Plain(&rest[..length]), start + length)
            }
            symbol => (Word::Symbol(symbol), start + symbol.len_utf8()),
        })
    }

    /// Where blanks and comments from here on end.
    fn blank(&self, mut at: usize) -> usize {
        loop {
            let rest = &self.text[at..];
            let trimmed = rest.trim_start();
            at += rest.len() - trimmed.len();
            if trimmed.starts_with("--") {
                at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                at += comment(trimmed);
            } else {
                return at;
            }
        }
    }
}

/// What stands in quotes, and how long it is with them. A quote that does not close goes to the end.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            out.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            out.push(quote);
        } else {
            return (out, at + quote.len_utf8());
        }
    }
    (out, text.len())
}

/// How long a comment is, with those in it.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}
