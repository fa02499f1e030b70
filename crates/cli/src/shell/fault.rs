//! An error as a person reads it: what is wrong, where (file, line and column, with the line and a mark under the
//! place), and the way out.

use std::fmt::Write as _;

use gnitz::{Error, Position};

use super::render::columns_wide;

/// Characters shown before and after the place; a statement may be one line of a megabyte.
const AROUND: usize = 70;

/// The error in one line, with its SQLSTATE, and the hint on the next.
pub fn sentence(error: &Error) -> String {
    let mut text = format!("error {}: {}", error.sqlstate(), error.message());
    if let Some(hint) = error.hint() {
        let _ = write!(text, "\nhint: {hint}");
    }
    text
}

/// The error with its place in a source of which `statement` is the part that starts at `first_line` (from 1) and
/// `first_column` (from 1).
pub fn pointed(
    error: &Error,
    source: &str,
    statement: &str,
    first_line: usize,
    first_column: usize,
) -> String {
    let Some(position) = error.position() else {
        return format!("{source}:{first_line}:{first_column}: {}", sentence(error));
    };
    let (line, column) = (position.line as usize, position.column as usize);
    let line_there = first_line + line.saturating_sub(1);
    let column_there = if line <= 1 { first_column + column.saturating_sub(1) } else { column };
    let shown = marked_line(statement, position, line_there);
    format!("{source}:{line_there}:{column_there}: {}\n{shown}", sentence(error))
}

/// The error with its place in a statement that was just typed.
pub fn marked(error: &Error, statement: &str) -> String {
    match error.position() {
        Some(position) => {
            format!("{}\n{}", sentence(error), marked_line(statement, position, position.line as usize))
        }
        None => sentence(error),
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
