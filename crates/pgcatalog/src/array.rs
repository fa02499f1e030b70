//! Arrays as text: `{1,2,NULL,"a b"}`, and vectors (`int2vector`) as `1 2`.

/// The elements of `{…}`, each as text or NULL; `None` if the text is not an array of one dimension.
pub fn parse(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Some(items);
    }
    let mut chars = inner.chars().peekable();
    loop {
        let (mut item, mut quoted) = (String::new(), false);
        while let Some(c) = chars.next_if(|c| *c != ',') {
            match c {
                '"' => {
                    quoted = true;
                    loop {
                        match chars.next()? {
                            '"' => break,
                            '\\' => item.push(chars.next()?),
                            c => item.push(c),
                        }
                    }
                }
                '\\' => item.push(chars.next()?),
                '{' | '}' => return None,
                c => item.push(c),
            }
        }
        items.push(match quoted {
            true => Some(item),
            false if item.trim().eq_ignore_ascii_case("null") => None,
            false => Some(item.trim().to_string()),
        });
        if chars.next().is_none() {
            return Some(items);
        }
    }
}

/// Elements as `{…}`, quoted where they must be.
pub(crate) fn format(items: impl Iterator<Item = Option<String>>) -> String {
    let mut text = String::from("{");
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        match item {
            None => text.push_str("NULL"),
            Some(item) if needs_quotes(&item) => {
                text.push('"');
                for c in item.chars() {
                    if matches!(c, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                text.push('"');
            }
            Some(item) => text.push_str(&item),
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
            assert_eq!(format(items.into_iter()), text);
        }
        assert_eq!(parse("{ a , b }"), Some(vec![Some("a".to_string()), Some("b".to_string())]));
        assert_eq!(parse("{{1}}"), None);
        assert_eq!(parse("1"), None);
    }
}
