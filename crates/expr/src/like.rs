//! LIKE patterns, compiled once: `%` is any run of characters, `_` any one, an escape takes the next literally.
//!
//! A pattern is cut at its `%` into segments; the first is anchored at the start of the text, the last at its
//! end, and those between are found leftmost first, which is complete because `%` matches anything.

use crate::error::{ErrorKind, Failure};

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
    ignore_case: bool,
}

/// What stands between two `%`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// No `_` in it.
    Plain(String),
    /// `None` is `_`.
    Mixed(Vec<Option<char>>),
}

impl Pattern {
    /// Compiles a pattern. It is an error for it to end with the escape character.
    pub(crate) fn compile(pattern: &str, escape: char, ignore_case: bool) -> Result<Pattern, Failure> {
        let mut segments = vec![];
        let mut current = vec![];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let literal = match c {
                c if c == escape => chars.next().ok_or_else(ends_with_escape)?,
                '%' => {
                    segments.push(Segment::new(std::mem::take(&mut current)));
                    continue;
                }
                '_' => {
                    current.push(None);
                    continue;
                }
                c => c,
            };
            if ignore_case {
                current.extend(literal.to_lowercase().map(Some));
            } else {
                current.push(Some(literal));
            }
        }
        segments.push(Segment::new(current));
        Ok(Pattern { segments, ignore_case })
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.ignore_case {
            // Letter by letter, as the pattern was folded; whole-text folding treats a final sigma differently.
            let folded: String = text.chars().flat_map(char::to_lowercase).collect();
            return self.matches_folded(&folded);
        }
        self.matches_folded(text)
    }

    fn matches_folded(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.segments.as_slice() else {
            return self.segments.iter().all(|only| only.at_start(text).is_some_and(str::is_empty));
        };
        let Some(mut rest) = first.at_start(text) else { return false };
        for segment in between {
            match segment.find(rest) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        last.at_end(rest)
    }
}

fn ends_with_escape() -> Failure {
    Failure::new(ErrorKind::Other("22025"), "LIKE pattern must not end with escape character")
}

impl Segment {
    fn new(chars: Vec<Option<char>>) -> Segment {
        if chars.contains(&None) {
            Segment::Mixed(chars)
        } else {
            Segment::Plain(chars.into_iter().flatten().collect())
        }
    }

    /// What is left of the text behind this segment at its start.
    fn at_start<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Segment::Plain(plain) => text.strip_prefix(plain.as_str()),
            Segment::Mixed(chars) => {
                let mut rest = text.chars();
                let all =
                    chars.iter().all(|wanted| rest.next().is_some_and(|c| wanted.is_none_or(|w| w == c)));
                all.then(|| rest.as_str())
            }
        }
    }

    /// What is left of the text behind the first place where this segment stands.
    fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Segment::Plain(plain) => text.find(plain.as_str()).map(|at| &text[at + plain.len()..]),
            Segment::Mixed(_) => text.char_indices().find_map(|(at, _)| self.at_start(&text[at..])),
        }
    }

    fn at_end(&self, text: &str) -> bool {
        match self {
            Segment::Plain(plain) => text.ends_with(plain.as_str()),
            Segment::Mixed(chars) => {
                let mut rest = text.chars().rev();
                chars.iter().rev().all(|wanted| rest.next().is_some_and(|c| wanted.is_none_or(|w| w == c)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::compile(pattern, '\\', false).is_ok_and(|p| p.matches(text))
    }

    #[test]
    fn runs_and_single_characters() {
        for (text, pattern) in [
            ("", ""),
            ("", "%"),
            ("abc", "abc"),
            ("abc", "a%"),
            ("abc", "%c"),
            ("abc", "%b%"),
            ("abc", "a_c"),
            ("abc", "___"),
            ("abc", "_%"),
            ("aXbXc", "a%b%c"),
            ("aab", "%ab"),
            ("añb", "a_b"),
            ("100%", "100\\%"),
            ("a\nb", "a%b"),
            ("abcbc", "a%bc"),
            ("special packages requests", "%special%requests%"),
            ("xay", "%_a_%"),
        ] {
            assert!(like(text, pattern), "{text:?} like {pattern:?}");
        }
        for (text, pattern) in [
            ("a", ""),
            ("", "_"),
            ("abc", "ab"),
            ("abc", "b%"),
            ("aba", "ab%ba"),
            ("ab", "a_b"),
            ("1000", "100\\%"),
            ("ABC", "abc"),
            ("a", "_%_"),
        ] {
            assert!(!like(text, pattern), "{text:?} not like {pattern:?}");
        }
    }

    #[test]
    fn escape_and_case() {
        let pattern = |text, escape, fold| Pattern::compile(text, escape, fold);
        assert!(pattern("a#%b", '#', false).is_ok_and(|p| p.matches("a%b") && !p.matches("axb")));
        assert!(pattern("ÄB%", '\\', true).is_ok_and(|p| p.matches("äbC")));
        assert!(pattern("a\\", '\\', false).is_err());
    }
}
