//! Results as text: aligned tables for people, CSV and JSON for programs, one field a line for wide rows.

use std::io::{self, Write};

use clap::ValueEnum;

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
        Mode::Table => table(out, grid),
        Mode::Csv => csv_lines(out, grid),
        Mode::Json => json(out, grid),
        Mode::Line => lines(out, grid),
    }
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

fn table(out: &mut dyn Write, grid: &Grid) -> io::Result<()> {
    let shown: Vec<Vec<String>> =
        grid.rows.iter().map(|row| row.iter().map(|cell| one_line(cell.shown())).collect()).collect();
    let mut widths: Vec<usize> = grid.columns.iter().map(|name| columns_wide(name)).collect();
    for row in &shown {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns_wide(text));
        }
    }
    let names: Vec<String> =
        grid.columns.iter().zip(&widths).map(|(name, width)| padded(name, *width, false)).collect();
    writeln!(out, " {}", names.join(" | ").trim_end())?;
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    writeln!(out, "{}", rules.join("+"))?;
    for (row, texts) in grid.rows.iter().zip(&shown) {
        let fields: Vec<String> = (row.iter().zip(texts).zip(&widths))
            .map(|((cell, text), width)| padded(text, *width, matches!(cell, Cell::Number(_))))
            .collect();
        writeln!(out, " {}", fields.join(" | ").trim_end())?;
    }
    writeln!(out, "({} {})", grid.rows.len(), if grid.rows.len() == 1 { "row" } else { "rows" })
}

/// Characters, not bytes; wide scripts are left to the terminal.
fn columns_wide(text: &str) -> usize {
    text.chars().count()
}

fn one_line(text: &str) -> String {
    text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
}

fn padded(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(columns_wide(text)));
    if right { blanks + text } else { text.to_string() + &blanks }
}

fn csv_lines(out: &mut dyn Write, grid: &Grid) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(out);
    writer.write_record(&grid.columns)?;
    for row in &grid.rows {
        writer.write_record(row.iter().map(|cell| if *cell == Cell::Null { "" } else { cell.shown() }))?;
    }
    writer.flush()
}

fn json(out: &mut dyn Write, grid: &Grid) -> io::Result<()> {
    let names: Vec<String> = grid.columns.iter().map(|name| quoted(name)).collect();
    let rows: Vec<String> = (grid.rows.iter())
        .map(|row| {
            let fields: Vec<String> =
                names.iter().zip(row).map(|(name, cell)| format!("{name}:{}", json_value(cell))).collect();
            format!("{{{}}}", fields.join(","))
        })
        .collect();
    writeln!(out, "[{}]", rows.join(",\n "))
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
    let width = grid.columns.iter().map(|name| columns_wide(name)).max().unwrap_or(0);
    for (number, row) in grid.rows.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        for (name, cell) in grid.columns.iter().zip(row) {
            writeln!(out, "{} = {}", padded(name, width, true), cell.shown())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mode: Mode) -> String {
        let grid = Grid {
            columns: vec!["id".into(), "name".into(), "ok".into()],
            rows: vec![
                vec![Cell::Number("7".into()), Cell::Text("a \"b\", c\n".into()), Cell::Bool(true)],
                vec![Cell::Number("10".into()), Cell::Null, Cell::Bool(false)],
            ],
        };
        let mut out = Vec::new();
        write(&mut out, mode, &grid).unwrap();
        String::from_utf8(out).unwrap()
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
