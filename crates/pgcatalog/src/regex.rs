//! Regular expressions as clients' catalog queries use them: PostgreSQL's "advanced" ones, on the `regex` crate.
//!
//! The two syntaxes differ in escapes (`\m` is a word's start), in what a bracket may hold and in `{`; what is
//! written differently is translated, what the crate has not (back-references, look-around) is refused. Of several
//! alternatives that match at one place PostgreSQL takes the longest and the crate the first, which shows in
//! `substring` and `regexp_replace` only.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Captures, RegexBuilder};
use sql::{SqlError, SqlState};

use crate::value::bounded;

/// Bytes that a compiled pattern may take: a client's are a line long.
const SIZE_LIMIT: usize = 1 << 20;

/// A pattern, ready to match.
#[derive(Clone, Debug)]
pub(crate) struct Regex(regex::Regex);

impl Regex {
    /// Reads a pattern.
    pub(crate) fn new(pattern: &str, insensitive: bool) -> Result<Regex, SqlError> {
        let pattern = translate(pattern.strip_prefix("***:").unwrap_or(pattern))?;
        let built = RegexBuilder::new(&pattern)
            .case_insensitive(insensitive)
            .dot_matches_new_line(true)
            .size_limit(SIZE_LIMIT)
            .build();
        built.map(Regex).map_err(|error| {
            // The last line says what is wrong; those before it draw where, in the translated pattern.
            let text = error.to_string();
            invalid(text.lines().last().unwrap_or_default().trim_start_matches("error: "))
        })
    }

    /// Whether it matches anywhere in a text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The first match: the whole of it, then its groups.
    pub(crate) fn captures(&self, text: &str) -> Option<Vec<Option<String>>> {
        let found = self.0.captures(text)?;
        Some(found.iter().map(|group| group.map(|group| group.as_str().to_string())).collect())
    }

    /// The text with the first match, or all, replaced; `\1` stands for a group and `\&` for the match.
    pub(crate) fn replace(&self, text: &str, by: &str, all: bool) -> Result<String, SqlError> {
        let (mut out, mut end) = (String::new(), 0);
        let escapes = by.matches('\\').count();
        for found in self.0.captures_iter(text).take(if all { usize::MAX } else { 1 }) {
            let Some(whole) = found.get(0) else { continue };
            out.push_str(&text[end..whole.start()]);
            bounded(out.len().saturating_add(by.len()).saturating_add(whole.len().saturating_mul(escapes)))?;
            out.push_str(&expand(by, &found));
            end = whole.end();
        }
        out.push_str(&text[end..]);
        bounded(out.len())?;
        Ok(out)
    }
}

/// What a replacement comes to for a match.
fn expand(by: &str, found: &Captures<'_>) -> String {
    let group = |number: usize| found.get(number).map_or("", |group| group.as_str());
    let (mut out, mut chars) = (String::with_capacity(by.len()), by.chars());
    while let Some(c) = chars.next() {
        match if c == '\\' { chars.next() } else { None } {
            None => out.push(c),
            Some('&') => out.push_str(group(0)),
            Some(digit @ '1'..='9') => out.push_str(group(digit as usize - '0' as usize)),
            Some(other) => out.push(other),
        }
    }
    out
}

/// The pattern in the crate's syntax.
fn translate(pattern: &str) -> Result<String, SqlError> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(&mut chars, false, &mut out)?,
            '[' => set(&mut chars, &mut out)?,
            // A brace that opens no count stands for itself.
            '{' if !chars.peek().is_some_and(char::is_ascii_digit) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// What follows a backslash.
fn escape(chars: &mut Peekable<Chars<'_>>, in_set: bool, out: &mut String) -> Result<(), SqlError> {
    let c = chars.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
    let edge = match c {
        'm' => "\\b{start}",
        'M' => "\\b{end}",
        'y' => "\\b",
        'Y' => "\\B",
        'A' => "\\A",
        'Z' => "\\z",
        _ => "",
    };
    match c {
        'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'n' | 't' | 'r' | 'f' | 'v' | 'a' => out.extend(['\\', c]),
        _ if !edge.is_empty() && !in_set => out.push_str(edge),
        '1'..='9' => return Err(invalid("back-references are not supported")),
        c if c.is_ascii_alphanumeric() => return Err(invalid("invalid escape \\ sequence")),
        c => literal(c, out),
    }
    Ok(())
}

/// A bracket, after its first character.
fn set(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), SqlError> {
    out.push('[');
    out.extend(chars.next_if_eq(&'^'));
    // A closing bracket in the first place stands for itself, a hyphen in the first or the last.
    let (mut first, mut range) = (true, false);
    loop {
        let c = chars.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
        match c {
            ']' if !first => break,
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                out.extend(chars.by_ref().take_while(|c| *c != ']'));
                out.push(']');
            }
            '\\' => escape(chars, true, out)?,
            '-' if range && chars.peek().is_some_and(|next| *next != ']') => out.push('-'),
            c => literal(c, out),
        }
        (first, range) = (false, c != '-');
    }
    out.push(']');
    Ok(())
}

/// A character that means itself, within brackets and without.
fn literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

fn invalid(why: &str) -> SqlError {
    SqlError::new(SqlState::InvalidParameter, format!("invalid regular expression: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pattern, text, and whether PostgreSQL 15's `~` is true of them.
    const CASES: &[(&str, &str, bool)] = &[
        ("^(orders)$", "orders", true),
        ("^(orders)$", "orders2", false),
        ("^(orders)$", "orders\n", false),
        ("^(pg_cl.*)$", "pg_class", true),
        ("a.b", "a\nb", true),
        ("^(a|b.)$", "bc", true),
        ("^pg_(toast|temp_[0-9]+)$", "pg_temp_12", true),
        ("[^a-c]", "abc", false),
        ("[a-c-]", "-", true),
        ("[-a]", "-", true),
        ("[]a]", "]", true),
        ("[^]a]", "]", false),
        ("[[a]", "[", true),
        ("[a&&b]", "&", true),
        ("[\\w.]", ".", true),
        ("^[[:alpha:]_]+$", "a_B", true),
        ("^a{2,3}$", "aaa", true),
        ("^a{2,3}$", "a", false),
        ("a{b", "a{b", true),
        ("\\mword\\M", "a word.", true),
        ("\\mword\\M", "swords", false),
        ("\\yword", "sword", false),
        ("a\\Z", "ba", true),
        ("a\\.b", "axb", false),
        ("^(Mixed Case)$", "Mixed Case", true),
        ("(?i)ORD", "orders", true),
        ("***:ord", "orders", true),
        ("é+", "éé", true),
    ];

    #[test]
    fn patterns_match_as_in_postgresql() {
        for (pattern, text, expected) in CASES {
            let regex = Regex::new(pattern, false).expect(pattern);
            assert_eq!(regex.is_match(text), *expected, "{text:?} ~ {pattern:?}");
        }
        assert!(Regex::new("ORD", true).expect("a pattern").is_match("orders"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for pattern in ["(", "a\\", "[a", "(a)\\1", "\\q", "(?=a)", "a{1000000}{1000000}", "*a"] {
            let error = Regex::new(pattern, false).expect_err(pattern);
            assert!(error.to_string().contains("invalid regular expression: "), "{pattern}: {error}");
        }
    }

    #[test]
    fn groups_and_replacement() {
        let regex = Regex::new("^([^.]+)\\.(.*)$", false).expect("a pattern");
        let groups = regex.captures("a.bc").expect("a match");
        assert_eq!(groups[1..], [Some("a".to_string()), Some("bc".to_string())]);
        let regex = Regex::new("b+", false).expect("a pattern");
        assert_eq!(regex.replace("abbcb", "[\\&]", true).as_deref(), Ok("a[bb]c[b]"));
        assert_eq!(regex.replace("abbcb", "", false).as_deref(), Ok("acb"));
        let regex = Regex::new("(b)(c)?", false).expect("a pattern");
        assert_eq!(regex.replace("abcb", "\\2\\1$1\\\\", true).as_deref(), Ok("acb$1\\b$1\\"));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let regex = Regex::new("^(a*)*$", false).expect("a pattern");
        assert!(!regex.is_match(&("a".repeat(40) + "b")));
    }
}
