//! A Rust file as the tidy check sees it: the text with comments and literals blanked out (same length, so that
//! offsets and lines stay true), its functions with their lengths, and which lines belong to tests.
//! A full parser would be a dependency for what a lexer of one page can tell.

/// A file's text in the two forms the checks need.
pub struct Source {
    /// The text as it stands.
    pub raw: String,
    /// The text with every comment, string and character literal replaced by blanks.
    pub code: String,
}

/// A function: its name, the line it starts on (from 1) and how many lines it spans.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

impl Source {
    pub fn new(raw: String) -> Source {
        let code = blank(&raw);
        Source { raw, code }
    }

    /// The blanked text up to the file's `#[cfg(test)]` module, which stands last by convention.
    pub fn product_code(&self) -> &str {
        let end = self.code.find("#[cfg(test)]\nmod ").unwrap_or(self.code.len());
        &self.code[..end]
    }

    /// Every function of the product code with its length.
    pub fn functions(&self) -> Vec<Function> {
        let code = self.product_code();
        let mut found = Vec::new();
        for (at, _) in code.match_indices("fn ") {
            let starts_word = code[..at].chars().next_back().is_none_or(|c| !is_word(c));
            let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
            if !starts_word || name.is_empty() {
                continue;
            }
            if let Some(body) = body(code, at) {
                let line = code[..at].matches('\n').count() + 1;
                let lines = code[at..body].matches('\n').count() + 1;
                found.push(Function { name, line, lines });
            }
        }
        found
    }
}

/// The offset just past the body of the item that starts at `from`, or none where a `;` ends it first.
fn body(code: &str, from: usize) -> Option<usize> {
    let (mut depth, mut brackets) = (0usize, 0isize);
    for (i, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if depth == 0 && brackets == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(from + i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn blank(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut out = bytes.to_vec();
    let mut i = 0;
    while i < bytes.len() {
        let end = literal_end(bytes, i);
        if end > i {
            for b in &mut out[i..end] {
                if *b != b'\n' {
                    *b = b' ';
                }
            }
            i = end;
        } else {
            i += 1;
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Where the comment or literal that starts at `i` ends; `i` itself where none starts there.
fn literal_end(bytes: &[u8], i: usize) -> usize {
    let rest = &bytes[i..];
    let after_word = i > 0 && (bytes[i - 1].is_ascii_alphanumeric() || bytes[i - 1] == b'_');
    if rest.starts_with(b"//") {
        return i + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return find(bytes, i + 2, b"*/");
    }
    if !after_word && (rest.starts_with(b"r\"") || rest.starts_with(b"r#")) {
        let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let mut close = vec![b'"'];
            close.extend(std::iter::repeat_n(b'#', hashes));
            return find(bytes, i + 2 + hashes, &close);
        }
        return i;
    }
    match rest {
        [b'"', ..] => quoted(bytes, i, b'"'),
        [b'\'', b'\\', ..] => quoted(bytes, i, b'\''),
        [b'\'', b'\'', ..] => i,
        [b'\'', ..] => char_end(bytes, i),
        _ => i,
    }
}

/// A character literal's end, or `i` where the quote opens a lifetime.
fn char_end(bytes: &[u8], i: usize) -> usize {
    let width = match bytes.get(i + 1) {
        Some(b) if *b >= 0xf0 => 4,
        Some(b) if *b >= 0xe0 => 3,
        Some(b) if *b >= 0xc0 => 2,
        _ => 1,
    };
    if bytes.get(i + 1 + width) == Some(&b'\'') { i + width + 2 } else { i }
}

fn quoted(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b if b == quote => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let from = from.min(bytes.len());
    bytes[from..].windows(what.len()).position(|w| w == what).map_or(bytes.len(), |at| from + at + what.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_literals_but_keeps_lifetimes() {
        let source = Source::new(
            "fn f<'a>(x: &'a str) { let q = '\"'; /* { */ g(r#\"}\"#, \"\\\"{\"); // }\n}\n".into(),
        );
        assert_eq!(source.code.len(), source.raw.len());
        assert!(source.code.contains("fn f<'a>(x: &'a str) {"));
        assert_eq!(source.code.matches('{').count(), 1);
        assert_eq!(source.code.matches('}').count(), 1);
    }

    #[test]
    fn measures_functions_and_skips_declarations() {
        let source =
            Source::new("trait T {\n    fn a(&self);\n    fn b(&self) {\n        1;\n    }\n}\n".into());
        let functions: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(functions, [("b".to_string(), 3, 3)]);
    }
}
