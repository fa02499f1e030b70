//! LIKE patterns, compiled once: `%` is any run of characters, `_` any one, an escape takes the next literally.
//!
//! A pattern is cut at its `%` into segments; the first is anchored at the start of the text, the last at its
//! end, and those between are found leftmost first, which is complete because `%` matches anything.

use crate::error::{ErrorKind, EvalError, Failure};

/// Whether a text is LIKE a pattern, for those who do not compile programs.
pub fn like(text: &str, pattern: &str, escape: Option<char>, ignore_case: bool) -> Result<bool, EvalError> {
    let pattern = Pattern::compile(pattern, escape, ignore_case).map_err(|failure| failure.at(0))?;
    Ok(pattern.matches(text.as_bytes()))
}

/// The bytes of a needle that is worth preparing a search for.
const LONG: usize = 64;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
    ignore_case: bool,
}

/// What stands between two `%`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// No `_` in it. Bytes are enough: UTF-8 never matches within a character.
    Plain(Vec<u8>),
    /// `None` is `_`.
    Mixed(Vec<Option<char>>),
}

impl Pattern {
    /// Compiles a pattern. It is an error for it to end with the escape character.
    pub(crate) fn compile(
        pattern: &str,
        escape: impl Into<Option<char>>,
        ignore_case: bool,
    ) -> Result<Pattern, Failure> {
        let escape = escape.into();
        let mut segments = vec![];
        let mut current = vec![];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let literal = match c {
                c if Some(c) == escape => chars.next().ok_or_else(ends_with_escape)?,
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

    /// Whether the whole text, UTF-8, matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        if self.ignore_case {
            // Letter by letter, as the pattern was folded; whole-text folding treats a final sigma differently.
            let folded: String = as_text(text).chars().flat_map(char::to_lowercase).collect();
            return self.matches_folded(folded.as_bytes());
        }
        self.matches_folded(text)
    }

    fn matches_folded(&self, text: &[u8]) -> bool {
        let [first, between @ .., last] = self.segments.as_slice() else {
            return self.segments.iter().all(|only| only.at_start(text).is_some_and(<[u8]>::is_empty));
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

fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn ends_with_escape() -> Failure {
    Failure::new(ErrorKind::Other("22025"), "LIKE pattern must not end with escape character")
}

impl Segment {
    fn new(chars: Vec<Option<char>>) -> Segment {
        if chars.contains(&None) {
            Segment::Mixed(chars)
        } else {
            Segment::Plain(chars.into_iter().flatten().collect::<String>().into_bytes())
        }
    }

    /// What is left of the text behind this segment at its start.
    fn at_start<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            // Comparing with nothing is not free: the address of an empty `Vec` makes `memcmp` fault and recover.
            Segment::Plain(plain) if plain.is_empty() => Some(text),
            Segment::Plain(plain) => text.strip_prefix(plain.as_slice()),
            Segment::Mixed(chars) => mixed_at_start(chars, as_text(text)).map(str::as_bytes),
        }
    }

    /// What is left of the text behind the first place where this segment stands.
    fn find<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Segment::Plain(plain) if plain.is_empty() => Some(text),
            Segment::Plain(plain) => find(text, plain).map(|at| &text[at + plain.len()..]),
            Segment::Mixed(chars) => {
                let text = as_text(text);
                let behind = text.char_indices().find_map(|(at, _)| mixed_at_start(chars, &text[at..]));
                behind.map(str::as_bytes)
            }
        }
    }

    fn at_end(&self, text: &[u8]) -> bool {
        match self {
            Segment::Plain(plain) => plain.is_empty() || text.ends_with(plain),
            Segment::Mixed(chars) => {
                let mut rest = as_text(text).chars().rev();
                chars.iter().rev().all(|wanted| rest.next().is_some_and(|c| wanted.is_none_or(|w| w == c)))
            }
        }
    }
}

fn mixed_at_start<'a>(wanted: &[Option<char>], text: &'a str) -> Option<&'a str> {
    let mut rest = text.chars();
    let all = wanted.iter().all(|wanted| rest.next().is_some_and(|c| wanted.is_none_or(|w| w == c)));
    all.then_some(rest.as_str())
}

/// Where `needle` first stands. Texts are short, so nothing is prepared: its first byte is looked for. A long one might
/// nearly stand everywhere, and takes a search that reads the text but once.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.len() > LONG {
        return memchr::memmem::find(text, needle);
    }
    let (&first, rest) = needle.split_first()?;
    let starts = text.get(..(text.len() + 1).saturating_sub(needle.len()))?;
    let mut at = 0;
    loop {
        at += find_byte(starts.get(at..)?, first)? + 1;
        if text[at..].starts_with(rest) {
            return Some(at - 1);
        }
    }
}

/// Where `byte` first stands, eight bytes a step.
fn find_byte(text: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let wanted = ONES * u64::from(byte);
    let (words, rest) = text.as_chunks::<8>();
    for (nth, word) in words.iter().enumerate() {
        let differences = u64::from_le_bytes(*word) ^ wanted;
        // The top bit of the lowest zero byte, and of no byte below it.
        let zeros = differences.wrapping_sub(ONES) & !differences & TOPS;
        if zeros != 0 {
            return Some(nth * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|b| *b == byte).map(|at| words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::compile(pattern, '\\', false).is_ok_and(|p| p.matches(text.as_bytes()))
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
    fn bytes_are_found_wherever_they_stand() {
        for length in 0..40 {
            for place in 0..length {
                let text: Vec<u8> = (0..length).map(|at| if at >= place { b'x' } else { b'x' ^ 1 }).collect();
                assert_eq!(find_byte(&text, b'x'), Some(place));
                assert_eq!(find(&text, b"x"), Some(place));
                assert_eq!(find_byte(&text, b'z'), None);
            }
        }
        assert_eq!(find(b"aaab", b"aab"), Some(1));
        let long = [vec![b'a'; 500], vec![b'b']].concat();
        for length in [1, LONG, LONG + 1, 300, 501] {
            assert_eq!(find(&long, &long[501 - length..]), Some(501 - length));
            assert_eq!(find(&long[..500], &long[501 - length..]), None);
        }
        assert_eq!(find(b"aa", b"aaa"), None);
    }

    #[test]
    fn escape_and_case() {
        let pattern = |text, escape, fold| Pattern::compile(text, escape, fold);
        assert!(pattern("a#%b", '#', false).is_ok_and(|p| p.matches(b"a%b") && !p.matches(b"axb")));
        assert!(pattern("ÄB%", '\\', true).is_ok_and(|p| p.matches("äbC".as_bytes())));
        assert!(pattern("a\\", '\\', false).is_err());
    }
}
