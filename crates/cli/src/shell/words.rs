//! The words of a dot command, and what Tab can make of a word: keywords, names of the database, files.

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::{Context, Helper, Highlighter, Hinter, Validator};

use super::commands::COMMANDS;

/// Keywords in the order in which they are offered.
const KEYWORDS: &str = "ABORT,AND,AS,ASC,AVG,BEGIN,BETWEEN,BIGINT,BOOLEAN,BY,BYTEA,CASCADE,CASE,CAST,\
    CHECK MATERIALIZED VIEW,COALESCE,COMMIT,CONFLICT,COPY,COUNT,CREATE MATERIALIZED VIEW,CREATE TABLE,CROSS JOIN,\
    DATE,DECIMAL,DEFAULT,DELETE FROM,DESC,DISTINCT,DO NOTHING,DO UPDATE SET,DOUBLE PRECISION,DROP,ELSE,END,EXISTS,\
    EXPLAIN,EXTRACT,FALSE,FILTER,FROM,GROUP BY,HAVING,IF EXISTS,IF NOT EXISTS,IN,INSERT INTO,INTEGER,INTERVAL,IS,\
    JOIN,LEFT JOIN,LIKE,LIMIT,MATERIALIZED VIEW,MAX,MIN,NOT,NULL,NUMERIC,OFFSET,ON CONFLICT,OR,ORDER BY,\
    PRIMARY KEY,REAL,RETURNING,ROLLBACK,SELECT,SET,SHOW TABLES,SMALLINT,SUBSCRIBE,SUM,TABLE,TEXT,THEN,TIME,TIMESTAMP,\
    TIMESTAMPTZ,TRUE,UNION,UPDATE,USING,VALUES,VARCHAR,VIEW,WHEN,WHERE,WITH";

/// The words of a command's line. Quotes of either kind hold blanks together; they stay on the word.
pub fn split(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let quoted = matches!(first, '\'' | '"').then(|| rest[1..].find(first).map(|at| at + 2)).flatten();
        let end = quoted.unwrap_or_else(|| rest.find(char::is_whitespace).unwrap_or(rest.len()));
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    words
}

/// The first word of a statement, in lower case; nothing if it begins with something else.
pub fn first(statement: &str) -> String {
    let end = statement.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(statement.len());
    statement[..end].to_ascii_lowercase()
}

/// A word without the quotes around it.
pub fn unquoted(word: &str) -> &str {
    let inside = |quote| word.strip_prefix(quote).and_then(|word| word.strip_suffix(quote));
    inside('\'').or_else(|| inside('"')).unwrap_or(word)
}

/// A relation's name as SQL reads it: in lower case unless quoted.
pub fn folded(word: &str) -> String {
    if word.starts_with('"') { unquoted(word).to_string() } else { word.to_lowercase() }
}

/// What can be completed: the names of relations and columns change with the catalog.
#[derive(Helper, Highlighter, Hinter, Validator)]
pub struct Words {
    /// Relations and columns.
    pub names: Vec<String>,
    /// Whether the line begins a statement or a command.
    pub fresh: bool,
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        if self.fresh && before.trim_start().starts_with('.') {
            return self.complete_command(line, position, context);
        }
        let start = start_of_word(before);
        let word = &before[start..];
        if word.is_empty() {
            return Ok((start, Vec::new()));
        }
        let mut found = self.names_like(word);
        found.extend(keywords_like(word));
        Ok((start, found))
    }
}

impl Words {
    fn complete_command(
        &self,
        line: &str,
        position: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = &before[start..];
        let words = split(&before[..start]);
        let found = match words.as_slice() {
            [] => matching(COMMANDS.iter().map(|(name, _, _)| *name), word),
            [".mode"] => matching(["table", "csv", "json", "line"].into_iter(), word),
            [".timer"] => matching(["on", "off"].into_iter(), word),
            [".import" | ".read"] => return FilenameCompleter::new().complete(line, position, context),
            [".schema"] | [".import", _] => self.names_like(word),
            _ => Vec::new(),
        };
        Ok((start, found))
    }

    fn names_like(&self, word: &str) -> Vec<Pair> {
        let (quote, word) = (word.starts_with('"'), word.trim_start_matches('"').to_lowercase());
        let like = self.names.iter().filter(|name| name.to_lowercase().starts_with(&word));
        like.map(|name| pair(name, if quote || !is_plain(name) { quoted(name) } else { name.clone() }))
            .collect()
    }
}

fn matching<'a>(candidates: impl Iterator<Item = &'a str>, word: &str) -> Vec<Pair> {
    candidates.filter(|c| c.starts_with(word)).map(|c| pair(c, format!("{c} "))).collect()
}

/// Keywords in the case in which the word was begun.
fn keywords_like(word: &str) -> Vec<Pair> {
    let upper = word.to_uppercase();
    let lower = word.chars().all(|c| !c.is_uppercase());
    let like = KEYWORDS.split(',').filter(|keyword| keyword.starts_with(&upper));
    like.map(|keyword| {
        let keyword = if lower { keyword.to_lowercase() } else { keyword.to_string() };
        pair(&keyword, format!("{keyword} "))
    })
    .collect()
}

fn pair(display: &str, replacement: String) -> Pair {
    Pair { display: display.to_string(), replacement }
}

fn start_of_word(before: &str) -> usize {
    let boundary = |c: char| !(c.is_alphanumeric() || c == '_');
    let start =
        before.rfind(boundary).map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
    start - usize::from(before[..start].ends_with('"'))
}

/// Whether a name means itself without quotes.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_lowercase() || c == '_' || c.is_ascii_digit();
    name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A name between double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use rustyline::history::DefaultHistory;

    use super::*;

    fn completed(line: &str) -> Vec<String> {
        let names = ["orders", "order_id", "Odd Name"].map(str::to_string).to_vec();
        let history = DefaultHistory::new();
        let words = Words { names, fresh: true };
        let found = words.complete(line, line.len(), &Context::new(&history)).unwrap();
        found.1.into_iter().map(|pair| format!("{}{}", &line[..found.0], pair.replacement)).collect()
    }

    #[test]
    fn quotes_hold_a_word_together() {
        let words = split(" .import  'my file.csv' \"T 1\" it's ");
        assert_eq!(words, [".import", "'my file.csv'", "\"T 1\"", "it's"]);
        assert_eq!(
            words.iter().map(|word| unquoted(word)).collect::<Vec<_>>(),
            [".import", "my file.csv", "T 1", "it's"]
        );
        assert_eq!((folded("Orders"), folded("\"Orders\"")), ("orders".into(), "Orders".into()));
    }

    #[test]
    fn keywords_follow_the_case_and_names_are_quoted_where_they_must_be() {
        assert_eq!(completed("sel"), ["select "]);
        assert_eq!(completed("SELECT 1 FR"), ["SELECT 1 FROM "]);
        assert_eq!(completed("select o.ord"), ["select o.orders", "select o.order_id", "select o.order by "]);
        assert_eq!(completed("select od"), ["select \"Odd Name\""]);
        assert_eq!(completed("select \"od"), ["select \"Odd Name\""]);
        assert_eq!(completed("select "), Vec::<String>::new());
    }

    #[test]
    fn commands_have_their_own_words() {
        assert_eq!(completed(".sc"), [".schema "]);
        assert_eq!(completed(".mode j"), [".mode json "]);
        assert_eq!(completed(".schema orde"), [".schema orders", ".schema order_id"]);
    }
}
