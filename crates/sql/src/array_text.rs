//! Arrays as text: `{1,2,NULL,"a b"}`.

use std::iter::Peekable;

/// The elements of `{…}`, each as text or NULL; `None` if the text is not an array of one dimension. Blanks around
/// elements and quotes say nothing, as in PostgreSQL.
pub fn parse(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim_matches(BLANKS).strip_prefix('{')?.strip_suffix('}')?;
    let mut chars = inner.trim_matches(BLANKS).chars().peekable();
    let mut items = Vec::new();
    if chars.peek().is_none() {
        return Some(items);
    }
    loop {
        skip_blanks(&mut chars);
        items.push(match chars.next_if_eq(&'"') {
            Some(_) => Some(quoted(&mut chars)?),
            None => plain(&mut chars)?,
        });
        skip_blanks(&mut chars);
        match chars.next() {
            None => return Some(items),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// What counts as a blank between elements.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];

type Chars<'a> = Peekable<std::str::Chars<'a>>;

fn skip_blanks(chars: &mut Chars<'_>) {
    while chars.next_if(|c| BLANKS.contains(c)).is_some() {}
}

/// The rest of an element in quotes, up to the quote that ends it.
fn quoted(chars: &mut Chars<'_>) -> Option<String> {
    let mut item = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(item),
            '\\' => item.push(chars.next()?),
            c => item.push(c),
        }
    }
}

/// An element without quotes, up to the comma after it; blanks at its end are not of it unless they are escaped. An
/// element of nothing is none.
fn plain(chars: &mut Chars<'_>) -> Option<Option<String>> {
    let (mut item, mut end, mut escaped) = (String::new(), 0, false);
    while let Some(c) = chars.next_if(|c| *c != ',') {
        match c {
            '\\' => {
                item.push(chars.next()?);
                (end, escaped) = (item.len(), true);
            }
            '{' | '}' | '"' => return None,
            c => {
                item.push(c);
                if !BLANKS.contains(&c) {
                    end = item.len();
                }
            }
        }
    }
    item.truncate(end);
    match item.is_empty() {
        true => None,
        false => Some(Some(item).filter(|item| escaped || !item.eq_ignore_ascii_case("null"))),
    }
}

/// Elements as `{…}`, quoted where they must be.
pub fn format<S: AsRef<str>>(items: impl IntoIterator<Item = Option<S>>) -> String {
    let mut text = String::from("{");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match item.as_ref().map(AsRef::as_ref) {
            None => text.push_str("NULL"),
            Some(item) if needs_quotes(item) => {
                text.push('"');
                for c in item.chars() {
                    if matches!(c, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                text.push('"');
            }
            Some(item) => text.push_str(item),
        }
    }
    text.push('}');
    text
}

fn needs_quotes(item: &str) -> bool {
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_whitespace();
    item.is_empty() || item.eq_ignore_ascii_case("null") || item.contains(special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for text in ["{}", "{1,2}", "{NULL,\"NULL\"}", "{\"a b\",\"\\\"\",\"\",x}"] {
            let items = parse(text).expect(text);
            assert_eq!(format(items), text);
        }
    }

    #[test]
    fn blanks_around_elements_are_skipped() {
        let some = |items: &[&str]| Some(items.iter().map(|item| Some(item.to_string())).collect::<Vec<_>>());
        assert_eq!(parse("{ a , b }"), some(&["a", "b"]));
        assert_eq!(parse(" { \"p\", \"f\" ,\n\"t\"\t} "), some(&["p", "f", "t"]));
        assert_eq!(parse("{ \" a \" , b c }"), some(&[" a ", "b c"]));
        assert_eq!(parse("{a\\ , \\ b, \\null}"), some(&["a ", " b", "null"]));
        assert_eq!(parse("{ }"), some(&[]));
        assert_eq!(parse("{ Null , x}"), Some(vec![None, Some("x".to_string())]));
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in [
            "{{1}}",
            "1",
            "{a,}",
            "{,a}",
            "{a,,b}",
            "{,}",
            "{\"a\"b}",
            "{a\"b\"}",
            "{\"a}",
            "{a\\}",
            "{\"a\" \"b\"}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
