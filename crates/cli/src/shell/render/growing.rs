//! A result that grows while it is shown, as that of `SUBSCRIBE` does: its rows are written when they come.
//!
//! A table's columns are as wide as the first rows need; wider values come later and stand out. JSON is an object a
//! line: an array would not be one before its end.

use std::io::{self, Write};

use super::{Cell, Grid, Mode, Table};

/// What was shown of it, and what waits to be.
pub struct Growing {
    mode: Mode,
    /// The terminal's width.
    terminal: Option<usize>,
    waiting: Grid,
    /// The widths of a table's columns, once it has begun.
    widths: Vec<usize>,
    shown: u64,
    begun: bool,
}

impl Growing {
    /// A result of these columns.
    pub fn new(mode: Mode, terminal: Option<usize>, columns: Vec<String>) -> Growing {
        let waiting = Grid { columns, rows: Vec::new() };
        Growing { mode, terminal, waiting, widths: Vec::new(), shown: 0, begun: false }
    }

    /// Another row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.waiting.rows.push(row);
    }

    /// Writes what came.
    pub fn show(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.begun {
            self.begin(out)?;
        }
        let Grid { columns, rows } = &self.waiting;
        match self.mode {
            Mode::Table => super::table_rows(out, rows, &Table::new(&self.waiting).texts, &self.widths)?,
            Mode::Csv => rows.iter().try_for_each(|row| super::csv_row(out, row))?,
            Mode::Json => {
                let names: Vec<String> = columns.iter().map(|name| super::quoted(name)).collect();
                rows.iter().try_for_each(|row| writeln!(out, "{}", super::json_object(&names, row)))?;
            }
            Mode::Line => {
                for (number, row) in rows.iter().enumerate() {
                    if self.shown > 0 || number > 0 {
                        writeln!(out)?;
                    }
                    super::field_lines(out, columns, row)?;
                }
            }
        }
        self.shown += self.waiting.rows.len() as u64;
        self.waiting.rows.clear();
        out.flush()
    }

    /// Writes its end.
    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.show(out)?;
        if self.mode == Mode::Table {
            writeln!(out, "({})", super::count(self.shown))?;
        }
        out.flush()
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.begun = true;
        let table = Table::new(&self.waiting);
        let columns = &self.waiting.columns;
        if self.terminal.is_some_and(|terminal| columns.len() > 1 && table.width() > terminal)
            && self.mode == Mode::Table
        {
            self.mode = Mode::Line;
        }
        match self.mode {
            Mode::Table => {
                self.widths.clone_from(&table.widths);
                super::table_head(out, columns, &table.widths)
            }
            Mode::Csv => super::csv_head(out, columns),
            Mode::Json | Mode::Line => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(mode: Mode, terminal: Option<usize>) -> String {
        let mut growing = Growing::new(mode, terminal, vec!["n".into(), "name".into()]);
        let mut out = Vec::new();
        growing.push(vec![Cell::Number("10".into()), Cell::Null]);
        growing.show(&mut out).unwrap();
        growing.show(&mut out).unwrap();
        growing.push(vec![Cell::Number("7".into()), Cell::Text("longer".into())]);
        growing.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_way_of_writing_goes_on() {
        let table = " n  | name\n----+------\n 10 | NULL\n  7 | longer\n(2 rows)\n";
        assert_eq!(grown(Mode::Table, None), table);
        assert_eq!(grown(Mode::Csv, None), "n,name\n10,\n7,longer\n");
        assert_eq!(grown(Mode::Json, None), "{\"n\":10,\"name\":null}\n{\"n\":7,\"name\":\"longer\"}\n");
        let lines = "   n = 10\nname = NULL\n\n   n = 7\nname = longer\n";
        assert_eq!(grown(Mode::Line, None), lines);
        assert_eq!(grown(Mode::Table, Some(5)), lines);
    }
}
