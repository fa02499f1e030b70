//! An error as a person reads it: what is wrong, where (file, line and column, with the line and a mark under the
//! place), and the way out.

use std::fmt::Write as _;

use gnitz::Error;

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
    let text = statement.lines().nth(line.saturating_sub(1)).unwrap_or("");
    let shown_line = first_line + line.saturating_sub(1);
    let shown_column = if line <= 1 { first_column + column.saturating_sub(1) } else { column };
    let margin = format!("{shown_line} | ");
    let before: String = text.chars().take(column.saturating_sub(1)).collect();
    let blanks: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let pad = " ".repeat(margin.len());
    format!("{source}:{shown_line}:{shown_column}: {}\n{margin}{text}\n{pad}{blanks}^", sentence(error))
}
