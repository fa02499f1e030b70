//! An error as a person reads it: what is wrong, where (file, line and column, with the line and a mark under the
//! place), and the way out.

use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};

use gnitz::{Error, Position};
use server::pg::Report;

use super::render::columns_wide;

/// Characters shown before and after the place; a statement may be one line of a megabyte.
const AROUND: usize = 70;

/// An error as a server tells it; that of a database in this process is told in the same words. Boxed, since it is the
/// rare end of almost every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(Box<Told>);

/// What an error says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Its SQLSTATE.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// Where in what was being read.
    pub context: Option<String>,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<usize>,
}

impl Deref for Fault {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}

impl DerefMut for Fault {
    fn deref_mut(&mut self) -> &mut Told {
        &mut self.0
    }
}

impl From<Told> for Fault {
    fn from(told: Told) -> Fault {
        Fault(Box::new(told))
    }
}

impl Fault {
    /// A sentence and its class.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Fault {
        let (code, message) = (code.into(), message.into());
        Fault::from(Told { code, message, ..Told::default() })
    }

    /// The engine's error in a statement.
    pub fn of(error: &Error, statement: &str) -> Fault {
        let report = Report::of(error, statement);
        Fault::from(Told {
            code: report.code.to_string(),
            message: report.message.clone(),
            detail: report.detail.clone(),
            context: report.context.clone(),
            hint: report.hint.clone(),
            position: report.position,
        })
    }

    /// The same with what to do instead.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// The error in one line, with its SQLSTATE, and whatever else it says each on a line.
    pub fn sentence(&self) -> String {
        let mut text = format!("error {}: {}", self.code, self.message);
        let more = [("detail", &self.detail), ("context", &self.context), ("hint", &self.hint)];
        for (name, line) in more.iter().filter_map(|(name, line)| Some((name, line.as_ref()?))) {
            let _ = write!(text, "\n{name}: {line}");
        }
        text
    }

    /// The error with its place in a source of which `statement` is the part that starts at `first_line` (from 1) and
    /// `first_column` (from 1).
    pub fn pointed(&self, source: &str, statement: &str, first_line: usize, first_column: usize) -> String {
        let Some(position) = self.place(statement) else {
            return format!("{source}:{first_line}:{first_column}: {}", self.sentence());
        };
        let (line, column) = (position.line as usize, position.column as usize);
        let line_there = first_line + line.saturating_sub(1);
        let column_there = if line <= 1 { first_column + column.saturating_sub(1) } else { column };
        let shown = marked_line(statement, position, line_there);
        format!("{source}:{line_there}:{column_there}: {}\n{shown}", self.sentence())
    }

    /// The error with its place in a statement that was just typed.
    pub fn marked(&self, statement: &str) -> String {
        match self.place(statement) {
            Some(position) => {
                let shown = marked_line(statement, position, position.line as usize);
                format!("{}\n{shown}", self.sentence())
            }
            None => self.sentence(),
        }
    }

    /// Its place as line and column.
    fn place(&self, statement: &str) -> Option<Position> {
        let before = self.position?.saturating_sub(1);
        let (mut line, mut column) = (1, 1);
        for c in statement.chars().take(before) {
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        Some(Position { line, column })
    }
}

/// The line under this number, with a mark below the place.
fn marked_line(statement: &str, position: Position, number: usize) -> String {
    let text = statement.lines().nth((position.line as usize).saturating_sub(1)).unwrap_or("");
    let at = (position.column as usize).saturating_sub(1);
    let skipped = at.saturating_sub(AROUND);
    let mut shown: String = text.chars().skip(skipped).take(2 * AROUND).collect();
    let mut before: String = text.chars().skip(skipped).take(at - skipped).collect();
    if skipped > 0 {
        (shown, before) = (format!("…{shown}"), format!("…{before}"));
    }
    if text.chars().count() > skipped + 2 * AROUND {
        shown.push('…');
    }
    let margin = format!("{number} | ");
    let blank = |c: char| {
        if c == '\t' { "\t".to_string() } else { " ".repeat(columns_wide(c.encode_utf8(&mut [0; 4]))) }
    };
    let blanks: String = before.chars().map(blank).collect();
    format!("{margin}{shown}\n{}{blanks}^", " ".repeat(margin.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(statement: &str, line: u32, column: u32) -> String {
        marked_line(statement, Position { line, column }, line as usize)
    }

    #[test]
    fn characters_are_counted_over_lines() {
        let mut fault = Fault::new("42703", "no");
        fault.position = Some(12);
        assert_eq!(fault.place("select é,\n nope"), Some(Position { line: 2, column: 2 }));
        assert_eq!(fault.pointed("f", "select é,\n nope", 3, 5), "f:4:2: error 42703: no\n4 |  nope\n     ^");
    }

    #[test]
    fn the_mark_stands_under_the_place() {
        assert_eq!(mark("select\n  nope", 2, 3), "2 | nope".replace("nope", "  nope") + "\n      ^");
        assert_eq!(mark("select '山', nope", 1, 13), "1 | select '山', nope\n                 ^");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let long = format!("{}nope{}", "x, ".repeat(1000), ", y".repeat(1000));
        let shown = mark(&long, 1, 3001);
        let (line, below) = shown.split_once('\n').unwrap();
        let at = below.chars().position(|c| c == '^').unwrap();
        assert_eq!(line.chars().skip(at).take(4).collect::<String>(), "nope");
        assert!(line.chars().count() < 200 && line.ends_with('…'));
    }
}
