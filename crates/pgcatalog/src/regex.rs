//! Regular expressions as clients' catalog queries use them: POSIX's, with PostgreSQL's common escapes.
//!
//! A pattern becomes a small tree, which is matched by backtracking: patterns are short (`^(orders)$`) and so are
//! the names they are tried on. Steps are counted, so that no pattern can hold up the session.

use std::cell::Cell;

use sql::{SqlError, SqlState};

/// A pattern, ready to match.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    root: Node,
    groups: usize,
    insensitive: bool,
}

#[derive(Clone, Debug)]
enum Node {
    Char(char),
    Any,
    Set {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    Start,
    End,
    /// A word's edge: at its start, at its end, or either.
    Edge {
        start: bool,
        end: bool,
    },
    Group {
        inner: Box<Node>,
        number: Option<usize>,
    },
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat {
        inner: Box<Node>,
        least: usize,
        most: usize,
        greedy: bool,
    },
}

/// How many steps a match may take.
const STEPS: u64 = 200_000;

impl Regex {
    /// Reads a pattern.
    pub(crate) fn new(pattern: &str, insensitive: bool) -> Result<Regex, SqlError> {
        let (pattern, insensitive) = match pattern.strip_prefix("(?i)") {
            Some(rest) => (rest, true),
            None => (pattern, insensitive),
        };
        let chars = pattern.strip_prefix("***:").unwrap_or(pattern).chars().collect();
        let mut parser = Parser { chars, at: 0, groups: 0 };
        let root = parser.either()?;
        if parser.at < parser.chars.len() {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(Regex { root, groups: parser.groups, insensitive })
    }

    /// Whether it matches anywhere in a text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.find(&self.fold(text), 0).is_some()
    }

    /// The first match: the whole of it, then its groups.
    pub(crate) fn captures(&self, text: &str) -> Option<Vec<Option<String>>> {
        let original: Vec<char> = text.chars().collect();
        let (start, end, groups) = self.find(&self.fold(text), 0)?;
        let part = |(start, end): (usize, usize)| original[start..end].iter().collect::<String>();
        let groups = groups.into_iter().map(|group| group.map(part));
        Some(std::iter::once(Some(part((start, end)))).chain(groups).collect())
    }

    /// The text with the first match, or all, replaced; `\1` stands for a group and `\&` for the match.
    pub(crate) fn replace(&self, text: &str, by: &str, all: bool) -> String {
        let original: Vec<char> = text.chars().collect();
        let folded = self.fold(text);
        let (mut out, mut at) = (String::new(), 0);
        while at <= original.len() {
            let Some((start, end, groups)) = self.find(&folded, at) else { break };
            out.extend(&original[at..start]);
            let mut chars = by.chars();
            while let Some(c) = chars.next() {
                let next = if c == '\\' { chars.next() } else { None };
                match next {
                    None => out.push(c),
                    Some('&') => out.extend(&original[start..end]),
                    Some(digit @ '1'..='9') => {
                        let group = groups.get(digit as usize - '1' as usize).copied().flatten();
                        group.into_iter().for_each(|(start, end)| out.extend(&original[start..end]));
                    }
                    Some(other) => out.push(other),
                }
            }
            // An empty match moves on by a character.
            if end == start {
                out.extend(original.get(end));
            }
            at = end.max(start + 1).max(at);
            if end == start {
                at = end + 1;
            }
            if !all {
                break;
            }
        }
        out.extend(original.get(at.min(original.len())..).unwrap_or_default());
        out
    }

    fn fold(&self, text: &str) -> Vec<char> {
        match self.insensitive {
            true => text.chars().map(lower).collect(),
            false => text.chars().collect(),
        }
    }

    fn find(&self, text: &[char], from: usize) -> Option<(usize, usize, Groups)> {
        let matcher = Matcher { text, insensitive: self.insensitive, steps: Cell::new(0) };
        (from..=text.len()).find_map(|start| {
            let mut groups = vec![None; self.groups];
            let mut end = None;
            let found = matcher.matches(&self.root, start, &mut groups, &mut |at, _| {
                end = Some(at);
                true
            });
            found.then(|| (start, end.unwrap_or(start), groups))
        })
    }
}

type Groups = Vec<Option<(usize, usize)>>;

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

struct Matcher<'t> {
    text: &'t [char],
    insensitive: bool,
    steps: Cell<u64>,
}

impl Matcher<'_> {
    /// Whether the node matches at `at` and what comes after it, `then`, accepts where it ends.
    fn matches(
        &self,
        node: &Node,
        at: usize,
        groups: &mut Groups,
        then: &mut dyn FnMut(usize, &mut Groups) -> bool,
    ) -> bool {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > STEPS {
            return false;
        }
        match node {
            Node::Char(_) | Node::Any | Node::Set { .. } => {
                let fits = self.text.get(at).is_some_and(|c| self.fits(node, *c));
                fits && then(at + 1, groups)
            }
            Node::Start => at == 0 && then(at, groups),
            Node::End => at == self.text.len() && then(at, groups),
            Node::Edge { start, end } => {
                let word = |at: Option<&char>| at.is_some_and(|c| c.is_alphanumeric() || *c == '_');
                let (before, after) =
                    (word(at.checked_sub(1).and_then(|at| self.text.get(at))), word(self.text.get(at)));
                ((*start && !before && after) || (*end && before && !after)) && then(at, groups)
            }
            Node::Group { inner, number } => self.matches(inner, at, groups, &mut |end, groups| {
                let Some(number) = *number else { return then(end, groups) };
                let before = groups[number].replace((at, end));
                then(end, groups) || {
                    groups[number] = before;
                    false
                }
            }),
            Node::Sequence(nodes) => self.sequence(nodes, at, groups, then),
            Node::Either(nodes) => nodes.iter().any(|node| self.matches(node, at, groups, then)),
            Node::Repeat { .. } => self.repeat(node, 0, at, groups, then),
        }
    }

    fn fits(&self, node: &Node, c: char) -> bool {
        match node {
            Node::Char(wanted) => {
                let wanted = if self.insensitive { lower(*wanted) } else { *wanted };
                wanted == c
            }
            Node::Set { ranges, negated } => {
                let within = |c: char| ranges.iter().any(|(from, to)| *from <= c && c <= *to);
                let upper = || c.to_uppercase().next().unwrap_or(c);
                (within(c) || (self.insensitive && within(upper()))) != *negated
            }
            _ => true,
        }
    }

    fn sequence(
        &self,
        nodes: &[Node],
        at: usize,
        groups: &mut Groups,
        then: &mut dyn FnMut(usize, &mut Groups) -> bool,
    ) -> bool {
        match nodes.split_first() {
            None => then(at, groups),
            Some((first, rest)) => {
                self.matches(first, at, groups, &mut |at, groups| self.sequence(rest, at, groups, then))
            }
        }
    }

    fn repeat(
        &self,
        node: &Node,
        done: usize,
        at: usize,
        groups: &mut Groups,
        then: &mut dyn FnMut(usize, &mut Groups) -> bool,
    ) -> bool {
        let Node::Repeat { inner, least, most, greedy } = node else { return false };
        if done >= *least && !greedy && then(at, groups) {
            return true;
        }
        let again = done < *most
            && self.matches(inner, at, groups, &mut |end, groups| {
                (end > at || done < *least) && self.repeat(node, done + 1, end, groups, then)
            });
        again || (done >= *least && *greedy && then(at, groups))
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    groups: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn take(&mut self, c: char) -> bool {
        let taken = self.peek() == Some(c);
        self.at += usize::from(taken);
        taken
    }

    fn either(&mut self) -> Result<Node, SqlError> {
        let mut branches = vec![self.sequence()?];
        while self.take('|') {
            branches.push(self.sequence()?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Either(branches) })
    }

    fn sequence(&mut self) -> Result<Node, SqlError> {
        let mut nodes = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            let atom = self.atom()?;
            nodes.push(self.repeated(atom)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn atom(&mut self) -> Result<Node, SqlError> {
        match self.next() {
            Some('.') => Ok(Node::Any),
            Some('^') => Ok(Node::Start),
            Some('$') => Ok(Node::End),
            Some('[') => self.set(),
            Some('(') => {
                let number = match self.chars.get(self.at..self.at + 2) {
                    Some(['?', ':']) => {
                        self.at += 2;
                        None
                    }
                    _ => {
                        self.groups += 1;
                        Some(self.groups - 1)
                    }
                };
                let inner = Box::new(self.either()?);
                match self.take(')') {
                    true => Ok(Node::Group { inner, number }),
                    false => Err(invalid("parentheses () not balanced")),
                }
            }
            Some('*' | '+' | '?') => Err(invalid("quantifier operand invalid")),
            Some('\\') => self.escape(),
            Some(c) => Ok(Node::Char(c)),
            None => Ok(Node::Sequence(Vec::new())),
        }
    }

    fn escape(&mut self) -> Result<Node, SqlError> {
        let set = |ranges: &[(char, char)], negated| Node::Set { ranges: ranges.to_vec(), negated };
        Ok(match self.next().ok_or_else(|| invalid("invalid escape \\ sequence"))? {
            'd' => set(&[('0', '9')], false),
            'D' => set(&[('0', '9')], true),
            'w' => set(WORD, false),
            'W' => set(WORD, true),
            's' => set(SPACE, false),
            'S' => set(SPACE, true),
            'm' => Node::Edge { start: true, end: false },
            'M' => Node::Edge { start: false, end: true },
            'y' => Node::Edge { start: true, end: true },
            'A' => Node::Start,
            'Z' => Node::End,
            'n' => Node::Char('\n'),
            't' => Node::Char('\t'),
            c => Node::Char(c),
        })
    }

    fn set(&mut self) -> Result<Node, SqlError> {
        let negated = self.take('^');
        let mut ranges = Vec::new();
        loop {
            let unbalanced = || invalid("brackets [] not balanced");
            let c = match self.next().ok_or_else(unbalanced)? {
                ']' if !ranges.is_empty() => return Ok(Node::Set { ranges, negated }),
                '[' if self.peek() == Some(':') => {
                    ranges.extend(self.class()?);
                    continue;
                }
                '\\' => match self.escape()? {
                    Node::Set { ranges: more, .. } => {
                        ranges.extend(more);
                        continue;
                    }
                    Node::Char(c) => c,
                    _ => return Err(invalid("invalid escape \\ sequence")),
                },
                c => c,
            };
            let range = self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']');
            let end = if range { self.chars.get(self.at + 1).copied().unwrap_or(c) } else { c };
            self.at += if range { 2 } else { 0 };
            ranges.push((c, end));
        }
    }

    /// `[:alpha:]`, after its first bracket.
    fn class(&mut self) -> Result<Vec<(char, char)>, SqlError> {
        let rest: String = self.chars[self.at..].iter().collect();
        let (name, ranges) = CLASSES
            .iter()
            .find(|(name, _)| rest.starts_with(&format!(":{name}:]")))
            .ok_or_else(|| invalid("invalid character class"))?;
        self.at += name.len() + 3;
        Ok(ranges.to_vec())
    }

    fn repeated(&mut self, atom: Node) -> Result<Node, SqlError> {
        let (least, most) = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') if self.chars.get(self.at + 1).is_some_and(char::is_ascii_digit) => self.bounds()?,
            _ => return Ok(atom),
        };
        self.at += 1;
        let greedy = !self.take('?');
        Ok(Node::Repeat { inner: Box::new(atom), least, most, greedy })
    }

    /// `{2,5}`, up to before its last brace.
    fn bounds(&mut self) -> Result<(usize, usize), SqlError> {
        let from = self.at + 1;
        let end = self.chars[from..]
            .iter()
            .position(|c| *c == '}')
            .ok_or_else(|| invalid("braces {} not balanced"))?;
        let text: String = self.chars[from..from + end].iter().collect();
        self.at = from + end;
        let number = |text: &str| text.parse::<usize>().map_err(|_| invalid("invalid repetition count(s)"));
        match text.split_once(',') {
            None => number(&text).map(|count| (count, count)),
            Some((least, "")) => Ok((number(least)?, usize::MAX)),
            Some((least, most)) => Ok((number(least)?, number(most)?)),
        }
    }
}

const WORD: &[(char, char)] = &[('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_'), ('\u{80}', char::MAX)];
const SPACE: &[(char, char)] = &[(' ', ' '), ('\t', '\r')];

/// A class of characters: its name and its ranges.
type Class = (&'static str, &'static [(char, char)]);

const CLASSES: &[Class] = &[
    ("alpha", &[('a', 'z'), ('A', 'Z')]),
    ("alnum", &[('a', 'z'), ('A', 'Z'), ('0', '9')]),
    ("digit", &[('0', '9')]),
    ("space", SPACE),
    ("upper", &[('A', 'Z')]),
    ("lower", &[('a', 'z')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
];

fn invalid(why: &str) -> SqlError {
    SqlError::new(SqlState::InvalidParameter, format!("invalid regular expression: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn matches(pattern: &str, text: &str) -> bool {
        Regex::new(pattern, false).expect(pattern).is_match(text)
    }

    #[test]
    fn patterns_that_clients_send() {
        assert!(matches("^(orders)$", "orders"));
        assert!(!matches("^(orders)$", "orders2"));
        assert!(matches("^(pg_cl.*)$", "pg_class"));
        assert!(matches("^(a|b.)$", "bc"));
        assert!(matches("^pg_(toast|temp_[0-9]+)$", "pg_temp_12"));
        assert!(!matches("[^a-c]", "abc"));
        assert!(matches("^[[:alpha:]_]+$", "a_B"));
        assert!(matches("^a{2,3}$", "aaa"));
        assert!(!matches("^a{2,3}$", "a"));
        assert!(matches("^(Mixed Case)$", "Mixed Case"));
        assert!(Regex::new("ORD", true).expect("a pattern").is_match("orders"));
        assert!(Regex::new("(", false).is_err());
    }

    #[test]
    fn groups_and_replacement() {
        let regex = Regex::new("^([^.]+)\\.(.*)$", false).expect("a pattern");
        let groups = regex.captures("a.bc").expect("a match");
        assert_eq!(groups[1..], [Some("a".to_string()), Some("bc".to_string())]);
        let regex = Regex::new("b+", false).expect("a pattern");
        assert_eq!(regex.replace("abbcb", "[\\&]", true), "a[bb]c[b]");
        assert_eq!(regex.replace("abbcb", "", false), "acb");
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!matches("^(a*)*$", &("a".repeat(40) + "b")));
    }
}
