//! The normal form of a statement: its shape without its values, for logs.
//!
//! Strings of every kind and numbers become `?`, lists of them one `?`, comments and line ends go. What looks like a
//! password goes however it is written, and so do the rows that follow a `COPY … FROM STDIN`. The text need
//! not be SQL: whatever follows a quote that does not end counts as its string.

/// As long as a normal form gets.
const LONGEST: usize = 2_000;

/// The statement without values.
pub fn normal(sql: &str) -> String {
    let mut words = Words { rest: sql, copies: false, password: false };
    let mut out = String::new();
    while let Some(word) = words.next_word() {
        append(&mut out, word);
        if out.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|&at| out.is_char_boundary(at)).unwrap_or(0);
            out.truncate(end);
            out.push('…');
            break;
        }
    }
    out
}

/// What a statement does, by its first word: one of a fixed few, for metrics.
pub fn kind(sql: &str) -> &'static str {
    const KINDS: &[&str] = &[
        "select", "insert", "update", "delete", "create", "drop", "alter", "begin", "commit", "rollback",
        "copy", "explain", "check", "show", "set", "with", "values", "grant", "revoke", "truncate",
    ];
    let mut words = Words { rest: sql, copies: false, password: false };
    let first = words.next_word().unwrap_or_default().to_ascii_lowercase();
    match first.as_str() {
        "with" | "values" | "table" => "select",
        "start" => "begin",
        "end" => "commit",
        "abort" => "rollback",
        other => KINDS.iter().find(|kind| **kind == other).copied().unwrap_or("other"),
    }
}

fn append(out: &mut String, word: &str) {
    let listed = word == "?" && out.ends_with("?, ");
    if listed {
        out.truncate(out.len() - 2);
        return;
    }
    if word == "," && out.ends_with('?') {
        out.push_str(", ");
        return;
    }
    let glued = matches!(word, "," | ";" | ")" | "." | "]" | "::") || out.is_empty();
    if !(glued || out.ends_with([' ', '(', '.', '[']) || out.ends_with("::")) {
        out.push(' ');
    }
    if glued && out.ends_with(' ') {
        out.pop();
    }
    out.push_str(word);
}

/// The words of a text, with `?` for its values.
struct Words<'a> {
    rest: &'a str,
    /// Whether the statement so far begins a COPY whose rows may follow it.
    copies: bool,
    /// Whether the word before was `PASSWORD`.
    password: bool,
}

impl<'a> Words<'a> {
    fn next_word(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let first = self.rest.chars().next()?;
        let password = std::mem::take(&mut self.password);
        let word = match first {
            '\'' => self.string(0, false),
            '$' => self.dollar(),
            '"' => self.take_to(|rest| quoted_end(&rest[1..], '"', false) + 1),
            '0'..='9' => self.number(),
            '.' if self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            c if c.is_alphabetic() || c == '_' => self.name(),
            ':' if self.rest.starts_with("::") => self.take_to(|_| 2),
            c => self.take_to(|_| c.len_utf8()),
        };
        if word == ";" && std::mem::take(&mut self.copies) {
            self.skip_rows();
        }
        if password && !word.eq_ignore_ascii_case("null") && word != ";" {
            return Some("?");
        }
        if word.eq_ignore_ascii_case("password") {
            self.password = true;
        }
        if word.eq_ignore_ascii_case("stdin") {
            self.copies = true;
        }
        Some(word)
    }

    fn take_to(&mut self, end: impl FnOnce(&str) -> usize) -> &'a str {
        let end = end(self.rest).min(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A string whose opening quote is so many bytes ahead.
    fn string(&mut self, quote: usize, escapes: bool) -> &'a str {
        self.take_to(|rest| quote + 1 + quoted_end(&rest[quote + 1..], '\'', escapes));
        "?"
    }

    /// `$1`, or a string in dollar quotes.
    fn dollar(&mut self) -> &'a str {
        let inner = &self.rest[1..];
        let end = inner.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(inner.len());
        if inner[end..].starts_with('$') && !inner.starts_with(|c: char| c.is_ascii_digit()) {
            let tag = &self.rest[..end + 2];
            let body = &self.rest[tag.len()..];
            let after = body.find(tag).map_or(self.rest.len(), |at| tag.len() + at + tag.len());
            self.rest = &self.rest[after..];
            return "?";
        }
        self.take_to(|_| 1 + end)
    }

    fn number(&mut self) -> &'a str {
        self.take_to(|rest| {
            let mut before = ' ';
            let part = |c: char| {
                let signed = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
                before = c;
                !(c.is_alphanumeric() || c == '.' || c == '_' || signed)
            };
            rest.find(part).unwrap_or(rest.len())
        });
        "?"
    }

    /// A name or key word; or a string with a letter before it, such as `E'…'`.
    fn name(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
        let end = end.unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(end);
        let prefix = matches!(name.to_ascii_lowercase().as_str(), "e" | "b" | "x" | "n");
        if prefix && after.starts_with('\'') {
            return self.string(end, name.eq_ignore_ascii_case("e"));
        }
        if name.eq_ignore_ascii_case("u") && after.starts_with("&'") {
            return self.string(end + 1, false);
        }
        self.take_to(|_| end)
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("--") {
                self.take_to(|rest| rest.find('\n').unwrap_or(rest.len()));
            } else if self.rest.starts_with("/*") {
                self.take_to(comment_end);
            } else {
                return;
            }
        }
    }

    /// Skips what follows a `COPY … FROM STDIN`, up to the line that ends it.
    fn skip_rows(&mut self) {
        let end = self.rest.find("\n\\.").map_or(self.rest.len(), |at| at + 3);
        self.rest = &self.rest[end..];
    }
}

/// Where a quoted text ends, behind its closing quote; a doubled quote is part of it.
fn quoted_end(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// Where a comment ends; comments nest.
fn comment_end(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(sql: &str, wanted: &str) {
        assert_eq!(normal(sql), wanted);
    }

    #[test]
    fn strings_and_numbers_are_gone() {
        becomes(
            "SELECT  a.b\nFROM t WHERE x = 'it''s' AND y>1.5e-3",
            "SELECT a.b FROM t WHERE x = ? AND y > ?",
        );
        becomes("select E'a\\'secret', U&'\\0041', x'ff', B'01', .5", "select ?");
        becomes("select 'open and secret; select 1", "select ?");
        becomes("select $1, $2::text, t1.c2", "select $1, $2::text, t1.c2");
        becomes("select \"Name 1\", 0xff", "select \"Name 1\", ?");
    }

    #[test]
    fn dollar_quotes_are_gone() {
        becomes("select $$secret$$, a", "select ?, a");
        becomes("select $x$ 'secret' $$ $x$;", "select ?;");
        becomes("select $tag$secret", "select ?");
    }

    #[test]
    fn lists_are_one() {
        becomes("INSERT INTO t VALUES (1, 'a', 2), (3,'b', 4)", "INSERT INTO t VALUES (?), (?)");
        becomes("select * from t where a in (1,2,3) and b = 4", "select * from t where a in (?) and b = ?");
    }

    #[test]
    fn comments_are_gone() {
        becomes("select 1 -- secret\n + /* secret /* deep */ secret */ 2", "select ? + ?");
        becomes("select a /* never ends", "select a");
    }

    #[test]
    fn passwords_are_gone_however_they_are_written() {
        becomes("CREATE ROLE ada LOGIN PASSWORD 'secret'", "CREATE ROLE ada LOGIN PASSWORD ?");
        becomes("ALTER ROLE ada PASSWORD $$secret$$ LOGIN", "ALTER ROLE ada PASSWORD ? LOGIN");
        becomes("alter role ada password secret", "alter role ada password ?");
        becomes(
            "alter role ada with encrypted password \"secret\"",
            "alter role ada with encrypted password ?",
        );
        becomes("ALTER ROLE ada PASSWORD NULL", "ALTER ROLE ada PASSWORD NULL");
    }

    #[test]
    fn copied_rows_are_gone() {
        becomes("COPY t FROM STDIN;\n1\tsecret\n\\.\nselect b;", "COPY t FROM STDIN; select b;");
        becomes("copy t from stdin;\n1\tsecret\n2\tsecret", "copy t from stdin;");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let long = format!("select {}", "é, ".repeat(2_000));
        let short = normal(&long);
        assert!(short.len() < LONGEST + 4 && short.ends_with('…'));
    }

    #[test]
    fn kinds_are_few() {
        let kinds =
            ["SELECT 1", " -- x\n with a as (select 1) select 2", "start transaction", "foo", ""].map(kind);
        assert_eq!(kinds, ["select", "select", "begin", "other", "other"]);
    }
}
