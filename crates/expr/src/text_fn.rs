//! Functions over text, on single values. Positions and lengths count characters, starting with 1, as SQL's do.
//!
//! What makes text appends it to the caller's buffer, so that a column of results is written without allocating.

use crate::error::{ErrorKind, Failure};

/// The bytes of the largest value that may be computed, so that a row cannot exhaust memory: what one message of a
/// client's may bring.
pub const LARGEST_VALUE: usize = 64 << 20;

/// The number of characters.
pub(crate) fn length(text: &str) -> i64 {
    let bytes = if text.is_ascii() { text.len() } else { text.chars().count() };
    bytes as i64
}

/// The byte offset of the character at `index`, or the end.
fn offset(text: &str, index: i64) -> usize {
    let Ok(index) = usize::try_from(index) else { return 0 };
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// SUBSTRING: a start before the text takes from the length, as the standard says.
pub(crate) fn substring(text: &str, start: i64, length: Option<i64>) -> Result<&str, Failure> {
    let from = start.saturating_sub(1);
    let Some(length) = length else { return Ok(&text[offset(text, from.max(0))..]) };
    if length < 0 {
        return Err(Failure::new(ErrorKind::Other("22011"), "negative substring length not allowed"));
    }
    let rest = &text[offset(text, from.max(0))..];
    let kept = from.saturating_add(length) - from.max(0);
    Ok(&rest[..offset(rest, kept)])
}

/// The first `count` characters, or all but the last `-count`.
pub(crate) fn left(text: &str, count: i64) -> &str {
    let kept = if count < 0 { length(text).saturating_add(count) } else { count };
    &text[..offset(text, kept)]
}

/// The last `count` characters, or all but the first `-count`.
pub(crate) fn right(text: &str, count: i64) -> &str {
    let dropped = if count < 0 { count.saturating_neg() } else { length(text).saturating_sub(count) };
    &text[offset(text, dropped)..]
}

/// Removes characters of `set` from both ends, the start, or the end.
pub(crate) fn trim<'a>(text: &'a str, set: &str, start: bool, end: bool) -> &'a str {
    let inside = |c: char| set.contains(c);
    let text = if start { text.trim_start_matches(inside) } else { text };
    if end { text.trim_end_matches(inside) } else { text }
}

/// The position of the first occurrence, 0 if there is none.
pub(crate) fn position(text: &str, wanted: &str) -> i64 {
    text.find(wanted).map_or(0, |at| length(&text[..at]) + 1)
}

/// Replaces every occurrence; an empty `from` replaces nothing.
pub(crate) fn replace(text: &str, from: &str, to: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
    if from.is_empty() {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let start = out.len();
    for (nth, piece) in text.split(from).enumerate() {
        let to = if nth > 0 { to } else { "" };
        bounded(out.len() - start + to.len() + piece.len())?;
        out.extend_from_slice(to.as_bytes());
        out.extend_from_slice(piece.as_bytes());
    }
    Ok(())
}

/// An error if a value would have more bytes than any may.
pub(crate) fn bounded(bytes: usize) -> Result<(), Failure> {
    if bytes <= LARGEST_VALUE {
        return Ok(());
    }
    Err(Failure::new(ErrorKind::Other("54000"), "requested length too large"))
}

/// Upper case.
pub(crate) fn upper(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend(text.bytes().map(|b| b.to_ascii_uppercase()));
    } else {
        out.extend_from_slice(text.to_uppercase().as_bytes());
    }
}

/// Lower case.
pub(crate) fn lower(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend(text.bytes().map(|b| b.to_ascii_lowercase()));
    } else {
        out.extend_from_slice(text.to_lowercase().as_bytes());
    }
}

/// Upper case at the start of each word, lower case within it; a word is letters and digits.
pub(crate) fn initcap(text: &str, out: &mut Vec<u8>) {
    let mut within = false;
    for c in text.chars() {
        if within {
            c.to_lowercase().for_each(|c| push(c, out));
        } else {
            c.to_uppercase().for_each(|c| push(c, out));
        }
        within = c.is_alphanumeric();
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The characters from last to first.
pub(crate) fn reverse(text: &str, out: &mut Vec<u8>) {
    text.chars().rev().for_each(|c| push(c, out));
}

/// The text `count` times over.
pub(crate) fn repeat(text: &str, count: i64, out: &mut Vec<u8>) -> Result<(), Failure> {
    let count = usize::try_from(count).unwrap_or(0);
    bounded(text.len().saturating_mul(count))?;
    copies(text, count, out);
    Ok(())
}

/// The text so many times, each copy as long as all before.
fn copies(text: &str, count: usize, out: &mut Vec<u8>) {
    let (start, whole) = (out.len(), text.len() * count);
    out.reserve(whole);
    out.extend_from_slice(&text.as_bytes()[..text.len().min(whole)]);
    while out.len() - start < whole {
        let done = out.len() - start;
        out.extend_from_within(start..start + done.min(whole - done));
    }
}

/// Fills to `width` characters from the left (or the right), or cuts at the right.
pub(crate) fn pad(
    text: &str,
    width: i64,
    fill: &str,
    at_left: bool,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let missing = width.saturating_sub(length(text));
    if missing <= 0 || fill.is_empty() {
        out.extend_from_slice(left(text, width.max(0)).as_bytes());
        return Ok(());
    }
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    let round = fill.chars().count();
    let rest = &fill[..offset(fill, (missing % round) as i64)];
    bounded((missing / round).saturating_mul(fill.len()).saturating_add(rest.len() + text.len()))?;
    if !at_left {
        out.extend_from_slice(text.as_bytes());
    }
    copies(fill, missing / round, out);
    out.extend_from_slice(rest.as_bytes());
    if at_left {
        out.extend_from_slice(text.as_bytes());
    }
    Ok(())
}

/// The `nth` field between delimiters, counted from the end where negative; empty if there is none.
pub(crate) fn split_part<'a>(text: &'a str, delimiter: &str, nth: i64) -> Result<&'a str, Failure> {
    let field = match nth {
        0 => return Err(Failure::new(ErrorKind::InvalidParameter, "field position must not be zero")),
        1 | -1 if delimiter.is_empty() => Some(text),
        _ if delimiter.is_empty() => None,
        1.. => text.split(delimiter).nth((nth - 1) as usize),
        _ => {
            let fields = text.split(delimiter).count() as i64;
            let index = usize::try_from(fields.saturating_add(nth)).ok();
            index.and_then(|index| text.split(delimiter).nth(index))
        }
    };
    Ok(field.unwrap_or(""))
}

/// Each character that stands in `from` becomes the one at the same place in `to`, or vanishes.
pub(crate) fn translate(text: &str, from: &str, to: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match from.chars().position(|f| f == c) {
            None => push(c, out),
            Some(at) => to.chars().nth(at).into_iter().for_each(|c| push(c, out)),
        }
    }
}

/// The code point of the first character, 0 of the empty text.
pub(crate) fn ascii(text: &str) -> i64 {
    text.chars().next().map_or(0, |c| i64::from(u32::from(c)))
}

/// The character of a code point.
pub(crate) fn chr(code: i64, out: &mut Vec<u8>) -> Result<(), Failure> {
    let c = u32::try_from(code).ok().filter(|code| *code != 0).and_then(char::from_u32);
    let wrong = || Failure::new(ErrorKind::Other("54000"), format!("requested character not valid: {code}"));
    push(c.ok_or_else(wrong)?, out);
    Ok(())
}

/// Bytes as PostgreSQL prints them: `\x` and two digits a byte.
pub(crate) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }
}

/// Bytes from text: `\x` and digits, or characters with `\\` and octal `\ooo` escapes.
pub(crate) fn unhex(text: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
    let invalid = || Failure::invalid_text("bytea", text);
    if let Some(digits) = text.strip_prefix("\\x") {
        let mut digits = digits.bytes().filter(|b| !b.is_ascii_whitespace());
        let value = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
        while let Some(high) = digits.next() {
            let high = value(high).ok_or_else(invalid)?;
            let low = digits.next().and_then(value).ok_or_else(invalid)?;
            out.push(high << 4 | low);
        }
        return Ok(());
    }
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'\\') => out.push(b'\\'),
            Some(first @ b'0'..=b'3') => {
                let mut octal = || bytes.next().filter(|b| (b'0'..=b'7').contains(b)).map(|b| b - b'0');
                let (second, third) = (octal().ok_or_else(invalid)?, octal().ok_or_else(invalid)?);
                out.push((first - b'0') << 6 | second << 3 | third);
            }
            _ => return Err(invalid()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substrings_count_characters_from_one() {
        for (start, length, expected) in [
            (1, Some(2), "aé"),
            (2, None, "éc"),
            (0, Some(2), "a"),
            (-5, Some(3), ""),
            (-1, Some(4), "aé"),
            (9, Some(1), ""),
            (2, Some(i64::MAX), "éc"),
            (i64::MIN, Some(i64::MAX), ""),
        ] {
            assert_eq!(substring("aéc", start, length), Ok(expected), "{start} {length:?}");
        }
        assert!(substring("abc", 1, Some(-1)).is_err());
    }

    #[test]
    fn ends_and_their_complements() {
        assert_eq!(
            (left("aéc", 2), left("aéc", -1), left("aéc", -9), left("aéc", 9)),
            ("aé", "aé", "", "aéc")
        );
        assert_eq!(
            (right("aéc", 2), right("aéc", -1), right("aéc", -9), right("aéc", 9)),
            ("éc", "éc", "", "aéc")
        );
        assert_eq!((left("a", i64::MIN), right("a", i64::MIN)), ("", ""));
    }

    #[test]
    fn bytes_round_trip() {
        let mut text = vec![];
        hex(&[0, 255, 16], &mut text);
        assert_eq!(text, b"\\x00ff10");
        let mut back = vec![];
        assert_eq!(unhex("\\x00 fF10", &mut back), Ok(()));
        assert_eq!(unhex("a\\\\\\101", &mut back), Ok(()));
        assert_eq!(back, b"\x00\xff\x10a\\A");
        assert!(unhex("\\x0", &mut vec![]).is_err() && unhex("\\9", &mut vec![]).is_err());
    }

    #[test]
    fn huge_results_are_refused() {
        let (most, half) = (LARGEST_VALUE as i64, "a".repeat(LARGEST_VALUE / 2));
        let refused = |made: &dyn Fn(&mut Vec<u8>) -> Result<(), Failure>| {
            let mut out = vec![];
            let failure = made(&mut out).map_err(|failure| (failure.kind, failure.message));
            let expected = (ErrorKind::Other("54000"), "requested length too large".to_string());
            assert_eq!((failure, out.capacity() <= LARGEST_VALUE * 2), (Err(expected), true));
        };
        refused(&|out| repeat("ab", i64::MAX, out));
        refused(&|out| repeat("é", most / 2 + 1, out));
        refused(&|out| pad("ab", i64::MAX, " ", true, out));
        refused(&|out| pad("ab", most / 2 + 2, "é", false, out));
        refused(&|out| replace(&half, "a", "xyz", out));
        for made in [
            repeat("é", most / 2, &mut vec![]),
            pad("é", most - 1, "a", true, &mut vec![]),
            pad("ab", most / 2 + 1, "é", false, &mut vec![]),
            replace(&half, "a", "é", &mut vec![]),
        ] {
            assert_eq!(made, Ok(()));
        }
    }
}
