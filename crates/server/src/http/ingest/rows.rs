//! The rows of a body, one after another: lines of JSON or records of CSV, as text fields with column names.

use std::io::BufRead;
use std::rc::Rc;

use gnitz::csv::{Csv, Reader, Record};

use super::super::json::{self, Json};
use super::super::problem::Problem;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
}

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// It is added, and its key must be new.
    Insert,
    /// It is added, or changes the row that has its key.
    Upsert,
    /// It goes.
    Delete,
}

impl Op {
    /// The operation of a name.
    pub fn named(name: &str) -> Option<Op> {
        [Op::Insert, Op::Upsert, Op::Delete].into_iter().find(|op| op.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Op::Insert => "insert",
            Op::Upsert => "upsert",
            Op::Delete => "delete",
        }
    }
}

/// One row.
pub struct Row {
    /// The line it begins at, counted from 1.
    pub line: u64,
    /// What happens to it, if it says so.
    pub op: Option<Op>,
    /// The columns it gives; rows that give the same ones may share them.
    pub columns: Rc<[String]>,
    /// Their values as text; `None` is NULL.
    pub values: Vec<Option<String>>,
}

/// Calls `each` for every row of a body.
pub fn read(
    form: Form,
    body: impl BufRead,
    each: impl FnMut(Row) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match form {
        Form::Ndjson => ndjson(body, each),
        Form::Csv => csv(body, each),
    }
}

fn bad(line: u64, detail: impl Into<String>) -> Problem {
    let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "22P04", detail).at_line(line)
}

fn ndjson(mut body: impl BufRead, mut each: impl FnMut(Row) -> Result<(), Problem>) -> Result<(), Problem> {
    let mut bytes = Vec::new();
    let mut columns: Rc<[String]> = Rc::from([]);
    for line in 1.. {
        bytes.clear();
        let read =
            body.read_until(b'\n', &mut bytes).map_err(|error| Problem::internal(error.to_string()))?;
        if read == 0 {
            break;
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| bad(line, "the line is not UTF-8"))?;
        if text.trim().is_empty() {
            continue;
        }
        let parsed = json::parse(text.trim_end()).map_err(|malformed| bad(line, malformed.message()))?;
        let Json::Object(members) = parsed else { return Err(bad(line, "the line is not a JSON object")) };
        let (op, members) = envelope(members).map_err(|detail| bad(line, detail))?;
        let (names, values): (Vec<String>, Vec<Json>) = members.into_iter().unzip();
        if names != *columns {
            columns = names.into();
        }
        let values = values.into_iter().zip(columns.iter()).map(|(value, name)| field(value, name));
        let values = values.collect::<Result<_, _>>().map_err(|detail| bad(line, detail))?;
        each(Row { line, op, columns: Rc::clone(&columns), values })?;
    }
    Ok(())
}

type Members = Vec<(String, Json)>;

/// `{"op": "…", "row": {…}}`, or the row itself: a line is an envelope if those are its members, and `row` an object.
fn envelope(mut members: Members) -> Result<(Option<Op>, Members), String> {
    let is_row = |(name, value): &(String, Json)| name == "row" && matches!(value, Json::Object(_));
    let is_op = |(name, value): &(String, Json)| name == "op" && matches!(value, Json::Text(_));
    let (Some(row), Some(op)) = (members.iter().position(is_row), members.iter().position(is_op)) else {
        return Ok((None, members));
    };
    if members.len() != 2 {
        return Err("the line has members beside \"op\" and \"row\"".to_string());
    }
    let op = match &members[op].1 {
        Json::Text(name) => {
            Op::named(name).ok_or(format!("op \"{name}\" is none of insert, upsert, delete"))?
        }
        _ => return Err("\"op\" is not a string".to_string()),
    };
    match members.swap_remove(row).1 {
        Json::Object(row) => Ok((Some(op), row)),
        _ => Err("\"row\" is not an object".to_string()),
    }
}

/// A value as the text that a quoted literal of it would have.
fn field(value: Json, column: &str) -> Result<Option<String>, String> {
    match value {
        Json::Null => Ok(None),
        Json::Bool(truth) => Ok(Some(truth.to_string())),
        Json::Number(text) | Json::Text(text) => Ok(Some(text)),
        Json::Array(_) | Json::Object(_) => Err(format!("the value of \"{column}\" is not a single value")),
    }
}

fn csv(body: impl BufRead, mut each: impl FnMut(Row) -> Result<(), Problem>) -> Result<(), Problem> {
    let form = Csv::default();
    let mut reader = Reader::new(body, &form);
    let mut record = Record::default();
    let mut columns: Option<Rc<[String]>> = None;
    loop {
        let more = reader.read(&mut record).map_err(|error| Problem::internal(error.to_string()))?;
        if !more.map_err(|fault| bad(record.line(), fault.message()))? {
            return Ok(());
        }
        let line = record.line();
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_string);
        let values = (0..record.len()).map(|at| record.get(at, &form.null).map(text).transpose());
        let values = values.collect::<Result<Vec<_>, _>>().map_err(|_| bad(line, "the line is not UTF-8"))?;
        let Some(columns) = &columns else {
            columns = Some(values.into_iter().map(Option::unwrap_or_default).collect());
            continue;
        };
        if values.len() != columns.len() {
            let (fields, names) = (values.len(), columns.len());
            return Err(bad(line, format!("the line has {fields} fields, the header {names}")));
        }
        each(Row { line, op: None, columns: Rc::clone(columns), values })?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (u64, Option<Op>, Vec<String>, Vec<Option<String>>);

    fn rows(form: Form, body: &str) -> Result<Vec<Read>, Problem> {
        let mut rows = Vec::new();
        read(form, body.as_bytes(), |row| {
            rows.push((row.line, row.op, row.columns.to_vec(), row.values));
            Ok(())
        })?;
        Ok(rows)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_string())
    }

    #[test]
    fn lines_of_json_are_rows() {
        let body = "{\"a\": 1.50, \"b\": null}\n\n{\"op\":\"delete\",\"row\":{\"a\":\"x\"}}\r\n{\"op\":\"up\",\"row\":true}";
        let rows = rows(Form::Ndjson, body).unwrap();
        assert_eq!(rows[0], (1, None, vec!["a".into(), "b".into()], vec![some("1.50"), None]));
        assert_eq!(rows[1], (3, Some(Op::Delete), vec!["a".into()], vec![some("x")]));
        assert_eq!(rows[2], (4, None, vec!["op".into(), "row".into()], vec![some("up"), some("true")]));
    }

    #[test]
    fn what_cannot_be_a_row_is_told_with_its_line() {
        let cases = [
            ("{}\n[1]", 2),
            ("{\"a\":1}\n\n{\"a\":", 3),
            ("{\"a\":{}}", 1),
            ("{\"op\":\"merge\",\"row\":{}}", 1),
            ("{\"op\":\"insert\",\"row\":{},\"more\":1}", 1),
        ];
        for (body, line) in cases {
            assert_eq!(rows(Form::Ndjson, body).unwrap_err().line, Some(line), "{body}");
        }
        assert_eq!(rows(Form::Csv, "a,b\n1,2\n1\n").unwrap_err().line, Some(3));
        assert_eq!(rows(Form::Csv, "a\n\"open\n").unwrap_err().line, Some(2));
    }

    #[test]
    fn records_of_csv_are_rows() {
        let rows = rows(Form::Csv, "a,b\n1,\n\"\",\"x,\ny\"\n").unwrap();
        assert_eq!(rows[0].3, [some("1"), None]);
        assert_eq!(rows[1].3, [some(""), some("x,\ny")]);
        assert_eq!(rows[1].0, 3);
    }
}
