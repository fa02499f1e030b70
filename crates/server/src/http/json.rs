//! JSON as it was written: numbers keep their digits, members their order.
//!
//! The usual reader turns numbers into doubles, so that `0.1234567890123456789` for a NUMERIC would be rounded
//! before anyone saw it. This one hands the digits on, and the database reads them by the column's type.

/// How deep arrays and objects may nest.
const DEEPEST: usize = 64;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object's members, in their order.
    Object(Vec<(String, Json)>),
}

/// Why a text is not JSON: what is wrong, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What would have to stand there.
    pub expected: &'static str,
    /// Where.
    pub offset: usize,
}

impl Malformed {
    /// The sentence for a user.
    pub fn message(&self) -> String {
        format!("malformed JSON at byte {}: expected {}", self.offset + 1, self.expected)
    }
}

/// Reads a whole text.
pub fn parse(text: &str) -> Result<Json, Malformed> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    if reader.at < text.len() { reader.fail("the end") } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, Malformed> {
        self.blanks();
        if depth > DEEPEST {
            return self.fail("less nesting");
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Malformed> {
        let mut members = Vec::new();
        self.at += 1;
        self.blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return self.fail("a member's name");
            }
            let name = self.string()?;
            self.blanks();
            if !self.take(b':') {
                return self.fail("`:`");
            }
            members.push((name, self.value(depth + 1)?));
            self.blanks();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            if !self.take(b',') {
                return self.fail("`,` or `}`");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Malformed> {
        let mut items = Vec::new();
        self.at += 1;
        self.blanks();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return self.fail("`,` or `]`");
            }
        }
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                None => return self.fail("a string that ends"),
                Some(b'"') => break,
                Some(b'\\') => (escaped, at) = (true, at + 2),
                Some(0..0x20) => {
                    return Err(Malformed { expected: "an escaped control character", offset: at });
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        if !escaped {
            return Ok(self.text[start + 1..at].to_string());
        }
        let wrong = |_| Malformed { expected: "a string with valid escapes", offset: start };
        serde_json::from_str(&self.text[start..=at]).map_err(wrong)
    }

    fn number(&mut self) -> Result<Json, Malformed> {
        let start = self.at;
        let rest = &self.text[start..];
        let part = |c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let number = &rest[..rest.find(part).unwrap_or(rest.len())];
        if serde_json::from_str::<serde_json::Number>(number).is_err() && !beyond_doubles(number) {
            return self.fail("a number");
        }
        self.at += number.len();
        Ok(Json::Number(number.to_string()))
    }

    fn word(&mut self) -> Result<Json, Malformed> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.fail("a value")
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, Malformed> {
        Err(Malformed { expected, offset: self.at })
    }
}

/// A well-formed number that the usual reader refuses for its size alone.
fn beyond_doubles(number: &str) -> bool {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let digits = exponent.trim_start_matches(['+', '-']);
    let sound = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    sound && serde_json::from_str::<serde_json::Number>(mantissa).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_order_are_kept() {
        let text = r#" {"b": [0.12345678901234567890, -1e400, null], "a": "x\n\u00e9", "t": true} "#;
        let Json::Object(members) = parse(text).unwrap() else { panic!("an object") };
        let number = |text: &str| Json::Number(text.to_string());
        assert_eq!(members[0].0, "b");
        let array = vec![number("0.12345678901234567890"), number("-1e400"), Json::Null];
        assert_eq!(members[0].1, Json::Array(array));
        assert_eq!(members[1], ("a".to_string(), Json::Text("x\né".to_string())));
        assert_eq!(members[2].1, Json::Bool(true));
    }

    #[test]
    fn it_refuses_what_the_usual_reader_refuses() {
        let cases = [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "+1",
            "nul",
            "\"x",
            "\"\\q\"",
            "\"\n\"",
            "1 2",
            "[1 2]",
            "{\"a\" 1}",
            "1e",
            ".5",
            "\"\\ud800\"",
            "é",
            "[\"\\\"]",
        ];
        for text in cases {
            assert!(parse(text).is_err(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
        for text in ["[]", "{}", " [ ] ", "-0", "1e5", "\"\"", "[[1],{\"a\":{}}]", "12345678901234567890123"]
        {
            assert!(parse(text).is_ok(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
