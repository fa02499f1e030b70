//! Results as text: aligned tables for people, CSV and JSON for programs, one field a line for wide rows.

mod growing;

use std::borrow::Cow;
use std::io::{self, Write};

use clap::ValueEnum;
use unicode_width::UnicodeWidthStr;

pub use growing::Growing;

/// How results are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Mode {
    /// Aligned columns and a row count.
    Table,
    /// A header line, then rows; NULL is empty.
    Csv,
    /// An array of objects for each result.
    Json,
    /// One column a line.
    Line,
}

/// One value of a result, as far as writing it goes.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number in the form that JSON takes too.
    Number(String),
    /// TRUE or FALSE.
    Bool(bool),
    /// Anything else.
    Text(String),
}

/// A result: the columns' names and the rows.
pub struct Grid {
    /// Names, in order.
    pub columns: Vec<String>,
    /// Rows of as many cells.
    pub rows: Vec<Vec<Cell>>,
}

/// Writes a result in a mode.
pub fn write(out: &mut dyn Write, mode: Mode, grid: &Grid) -> io::Result<()> {
    match mode {
        Mode::Table => table(out, &Table::new(grid)),
        Mode::Csv => csv_lines(out, grid),
        Mode::Json => json(out, grid),
        Mode::Line => lines(out, grid),
    }
}

/// As [`write`], but a table that is wider than the terminal has a field on each line instead: wrapped lines of a
/// table cannot be read. One column alone stays a table.
pub fn write_fitting(
    out: &mut dyn Write,
    mode: Mode,
    grid: &Grid,
    terminal: Option<usize>,
) -> io::Result<()> {
    let Some(terminal) = terminal.filter(|_| mode == Mode::Table && grid.columns.len() > 1) else {
        return write(out, mode, grid);
    };
    let aligned = Table::new(grid);
    if aligned.width() <= terminal {
        return table(out, &aligned);
    }
    lines(out, grid)?;
    writeln!(out, "({}, wider than the terminal)", count(grid.rows.len() as u64))
}

impl Cell {
    fn shown(&self) -> &str {
        match self {
            Cell::Null => "NULL",
            Cell::Number(text) | Cell::Text(text) => text,
            Cell::Bool(true) => "true",
            Cell::Bool(false) => "false",
        }
    }
}

/// A result's texts on one line each, and how wide its columns are.
struct Table<'a> {
    grid: &'a Grid,
    texts: Vec<Vec<Cow<'a, str>>>,
    widths: Vec<usize>,
}

impl Table<'_> {
    fn new(grid: &Grid) -> Table<'_> {
        let texts: Vec<Vec<_>> = (grid.rows.iter())
            .map(|row| row.iter().map(|cell| escaped(cell.shown(), true)).collect())
            .collect();
        let mut widths: Vec<usize> = grid.columns.iter().map(|name| columns_wide(name)).collect();
        for row in &texts {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(columns_wide(text));
            }
        }
        Table { grid, texts, widths }
    }

    /// A blank on either side of each column, and a line between two.
    fn width(&self) -> usize {
        self.widths.iter().map(|width| width + 3).sum::<usize>().saturating_sub(1)
    }
}

fn table(out: &mut dyn Write, table: &Table<'_>) -> io::Result<()> {
    let Table { grid, texts, widths } = table;
    table_head(out, &grid.columns, widths)?;
    table_rows(out, &grid.rows, texts, widths)?;
    writeln!(out, "({})", count(grid.rows.len() as u64))
}

fn table_head(out: &mut dyn Write, columns: &[String], widths: &[usize]) -> io::Result<()> {
    let names: Vec<String> =
        columns.iter().zip(widths).map(|(name, width)| padded(name, *width, false)).collect();
    writeln!(out, " {}", names.join(" | ").trim_end())?;
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    writeln!(out, "{}", rules.join("+"))
}

fn table_rows(
    out: &mut dyn Write,
    rows: &[Vec<Cell>],
    texts: &[Vec<Cow<'_, str>>],
    widths: &[usize],
) -> io::Result<()> {
    for (row, texts) in rows.iter().zip(texts) {
        let fields: Vec<String> = (row.iter().zip(texts).zip(widths))
            .map(|((cell, text), width)| padded(text, *width, matches!(cell, Cell::Number(_))))
            .collect();
        writeln!(out, " {}", fields.join(" | ").trim_end())?;
    }
    Ok(())
}

fn count(rows: u64) -> String {
    format!("{rows} {}", if rows == 1 { "row" } else { "rows" })
}

/// Columns of a terminal: wide scripts take two a character.
pub fn columns_wide(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Text whose control characters cannot command the terminal; line ends too unless several lines are welcome.
fn escaped(text: &str, one_line: bool) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && (one_line || c != '\n');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !harmful(c) => safe.push(c),
            '\n' | '\r' | '\t' => safe.extend(c.escape_default()),
            c => safe.push_str(&format!("\\x{:02X}", c as u32)),
        }
    }
    Cow::Owned(safe)
}

fn padded(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(columns_wide(text)));
    if right { blanks + text } else { text.to_string() + &blanks }
}

/// As COPY reads it back: NULL is nothing, and text that is empty has quotes.
fn csv_lines(out: &mut dyn Write, grid: &Grid) -> io::Result<()> {
    csv_head(out, &grid.columns)?;
    grid.rows.iter().try_for_each(|row| csv_row(out, row))
}

fn csv_head(out: &mut dyn Write, columns: &[String]) -> io::Result<()> {
    csv_record(out, columns.iter().map(|name| Some(name.as_str())))
}

fn csv_row(out: &mut dyn Write, row: &[Cell]) -> io::Result<()> {
    csv_record(out, row.iter().map(|cell| (*cell != Cell::Null).then(|| cell.shown())))
}

fn csv_record<'a>(out: &mut dyn Write, fields: impl Iterator<Item = Option<&'a str>>) -> io::Result<()> {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        match field {
            None => {}
            Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            }
            Some(text) => out.write_all(text.as_bytes())?,
        }
    }
    out.write_all(b"\n")
}

fn json(out: &mut dyn Write, grid: &Grid) -> io::Result<()> {
    let names: Vec<String> = grid.columns.iter().map(|name| quoted(name)).collect();
    out.write_all(b"[")?;
    for (number, row) in grid.rows.iter().enumerate() {
        write!(out, "{}{}", if number > 0 { ",\n " } else { "" }, json_object(&names, row))?;
    }
    out.write_all(b"]\n")
}

/// `names` are JSON already.
fn json_object(names: &[String], row: &[Cell]) -> String {
    let fields: Vec<String> =
        names.iter().zip(row).map(|(name, cell)| format!("{name}:{}", json_value(cell))).collect();
    format!("{{{}}}", fields.join(","))
}

fn json_value(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_string(),
        Cell::Number(text) => text.clone(),
        Cell::Bool(_) => cell.shown().to_string(),
        Cell::Text(text) => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn lines(out: &mut dyn Write, grid: &Grid) -> io::Result<()> {
    for (number, row) in grid.rows.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        field_lines(out, &grid.columns, row)?;
    }
    Ok(())
}

fn field_lines(out: &mut dyn Write, columns: &[String], row: &[Cell]) -> io::Result<()> {
    let width = columns.iter().map(|name| columns_wide(name)).max().unwrap_or(0);
    for (name, cell) in columns.iter().zip(row) {
        writeln!(out, "{} = {}", padded(name, width, true), escaped(cell.shown(), false))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> Grid {
        Grid {
            columns: vec!["id".into(), "name".into(), "ok".into()],
            rows: vec![
                vec![Cell::Number("7".into()), Cell::Text("a \"b\", c\n".into()), Cell::Bool(true)],
                vec![Cell::Number("10".into()), Cell::Null, Cell::Bool(false)],
            ],
        }
    }

    fn shown(mode: Mode) -> String {
        fitted(mode, &people(), None)
    }

    fn fitted(mode: Mode, grid: &Grid, terminal: Option<usize>) -> String {
        let mut out = Vec::new();
        write_fitting(&mut out, mode, grid, terminal).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wide_scripts_are_aligned_and_control_characters_are_harmless() {
        let row = |a: &str, b: &str| vec![Cell::Text(a.into()), Cell::Text(b.into())];
        let grid = Grid {
            columns: vec!["a".into(), "b".into()],
            rows: vec![row("山田", "\x1b[1m"), row("é", "x")],
        };
        let expected = [" a    | b", "------+---------", " 山田 | \\x1B[1m", " é    | x", "(2 rows)", ""];
        assert_eq!(fitted(Mode::Table, &grid, None), expected.join("\n"));
    }

    #[test]
    fn a_table_wider_than_the_terminal_has_a_field_on_a_line() {
        assert_eq!(fitted(Mode::Table, &people(), Some(25)), shown(Mode::Table));
        let narrow = fitted(Mode::Table, &people(), Some(24));
        assert!(
            narrow.ends_with("name = NULL\n  ok = false\n(2 rows, wider than the terminal)\n"),
            "{narrow}"
        );
    }

    #[test]
    fn csv_tells_empty_text_from_null() {
        let grid =
            Grid { columns: vec!["a".into()], rows: vec![vec![Cell::Null], vec![Cell::Text(String::new())]] };
        assert_eq!(fitted(Mode::Csv, &grid, None), "a\n\n\"\"\n");
    }

    #[test]
    fn a_table_aligns_numbers_right_and_text_left() {
        let expected = [
            " id | name       | ok",
            "----+------------+-------",
            "  7 | a \"b\", c\\n | true",
            " 10 | NULL       | false",
            "(2 rows)",
            "",
        ];
        assert_eq!(shown(Mode::Table), expected.join("\n"));
    }

    #[test]
    fn csv_quotes_where_it_must_and_leaves_null_empty() {
        assert_eq!(shown(Mode::Csv), "id,name,ok\n7,\"a \"\"b\"\", c\n\",true\n10,,false\n");
    }

    #[test]
    fn json_keeps_types() {
        let parsed: serde_json::Value = serde_json::from_str(&shown(Mode::Json)).unwrap();
        assert_eq!(parsed[0]["name"], "a \"b\", c\n");
        assert_eq!(parsed[0]["id"], 7);
        assert_eq!(parsed[1]["name"], serde_json::Value::Null);
        assert_eq!(parsed[1]["ok"], false);
    }

    #[test]
    fn line_mode_puts_a_field_on_a_line() {
        assert!(shown(Mode::Line).ends_with("\n\n  id = 10\nname = NULL\n  ok = false\n"));
    }
}
