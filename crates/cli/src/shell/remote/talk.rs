//! One statement: its text goes out, messages come back until the server is ready for the next.

use std::io::{self, Read};

use gnitz::Status;
use tokio_postgres::error::DbError;

use super::wire::{Fields, Frame, Wire, malformed};
use crate::shell::backend::{Answer, Taker, no_input};
use crate::shell::fault::Fault;
use crate::shell::grid::Kind;
use crate::shell::render::Cell;
use crate::shell::words::first;

/// Bytes of a file that are sent at once.
const PIECE: usize = 64 << 10;

/// The first words of statements after which relations may have other names.
const DEFINING: [&str; 6] = ["create", "drop", "alter", "commit", "end", "rollback"];

/// A connection that broke.
pub struct Broken {
    /// How.
    pub error: io::Error,
    /// What the server said before.
    pub fault: Option<Fault>,
}

/// How a statement ended.
pub struct Ended {
    /// Why it failed.
    pub fault: Option<Fault>,
    /// Where the transaction stands now.
    pub status: Status,
    /// Whether relations may have changed their names.
    pub defined: bool,
}

/// An error or notice of the server.
pub struct Report {
    /// Its severity, as told.
    pub severity: String,
    /// What it says.
    pub fault: Fault,
}

/// A statement on a connection.
pub struct Talk<'t, 'i> {
    /// The connection.
    pub wire: &'t mut Wire,
    /// Who takes the answer.
    pub take: Taker<'t>,
    /// Cancels the statement.
    pub stop: &'t dyn Fn(),
    /// The stream of a `COPY … FROM STDIN`.
    pub input: Option<&'i mut dyn Read>,
}

impl Talk<'_, '_> {
    /// Runs it to its end.
    pub fn run(mut self, text: &str) -> Result<Ended, Broken> {
        let defined = DEFINING.contains(&first(text).as_str());
        let mut fault = None;
        match self.talk(text, &mut fault) {
            Ok(status) => Ok(Ended { fault, status, defined }),
            Err(error) => Err(Broken { error, fault }),
        }
    }

    fn talk(&mut self, text: &str, fault: &mut Option<Fault>) -> io::Result<Status> {
        let mut body = text.as_bytes().to_vec();
        body.push(0);
        self.wire.send(b'Q', &body)?;
        let (mut kinds, mut wanted, mut sending) = (Vec::new(), true, false);
        loop {
            // A server that has failed says so, and takes no more.
            if sending && !self.wire.has_news() {
                sending = self.send_piece(fault);
                continue;
            }
            if self.wire.is_drained() {
                wanted = self.give(Answer::Pause, wanted);
            }
            let Frame { tag, body } = self.wire.receive()?;
            let mut fields = Fields(&body);
            match tag {
                b'T' => {
                    let (names, told) = columns(&mut fields)?;
                    kinds = told;
                    wanted = self.give(Answer::Columns(names), wanted);
                }
                b'D' => {
                    let row = row(&mut fields, &kinds)?;
                    wanted = self.give(Answer::Row(row), wanted);
                }
                b'd' => wanted = self.give(Answer::Bytes(body), wanted),
                // There is nothing left to stop.
                b'C' => {
                    (self.take)(Answer::Tag(fields.text()?));
                }
                b'N' => {
                    (self.take)(Answer::Notice(report(&body)?.notice()));
                }
                b'E' => {
                    *fault = fault.take().or(Some(report(&body)?.fault));
                    sending = false;
                }
                b'G' => sending = true,
                // Nothing to run; the beginning and end of a copy; settings; what another session tells.
                b'I' | b'H' | b'c' | b'S' | b'A' => {}
                b'Z' => return status(&mut fields),
                _ => return Err(malformed()),
            }
        }
    }

    /// Hands on a piece of the answer. When no more is wanted, the statement is stopped, and what still comes is
    /// dropped.
    fn give(&mut self, answer: Answer, wanted: bool) -> bool {
        if wanted && !(self.take)(answer) {
            (self.stop)();
            return false;
        }
        wanted
    }

    /// Sends a piece of the stream that the server asks for, or why there is none; whether more is to be sent. If the
    /// connection is gone, reading will tell.
    fn send_piece(&mut self, fault: &mut Option<Fault>) -> bool {
        let Some(input) = self.input.as_mut() else {
            *fault = Some(no_input());
            let _ = self.wire.send(b'f', b"there is nothing to read\0");
            return false;
        };
        let mut piece = vec![0; PIECE];
        match input.read(&mut piece) {
            Ok(0) => {
                let _ = self.wire.send(b'c', &[]);
                false
            }
            Ok(count) => self.wire.send(b'd', &piece[..count]).is_ok(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            Err(error) => {
                *fault = Some(Fault::new("58030", error.to_string()));
                let _ = self.wire.send(b'f', b"the file cannot be read\0");
                false
            }
        }
    }
}

/// What the driver says of an error while it connects.
pub fn fault(told: &DbError) -> Fault {
    let text = |text: Option<&str>| text.map(str::to_string);
    let mut fault = Fault::new(told.code().code(), told.message());
    fault.detail = text(told.detail());
    fault.context = text(told.where_());
    fault.hint = text(told.hint());
    fault
}

/// The fields of an error or notice.
pub fn report(body: &[u8]) -> io::Result<Report> {
    let mut fields = Fields(body);
    let mut report = Report { severity: String::new(), fault: Fault::new("", "") };
    loop {
        let [code] = fields.array()?;
        if code == 0 {
            return Ok(report);
        }
        let text = fields.text()?;
        match code {
            b'S' => report.severity = text,
            b'C' => report.fault.code = text,
            b'M' => report.fault.message = text,
            b'D' => report.fault.detail = Some(text),
            b'H' => report.fault.hint = Some(text),
            b'W' => report.fault.context = Some(text),
            b'P' => report.fault.position = text.parse().ok(),
            _ => {}
        }
    }
}

impl Report {
    fn notice(&self) -> String {
        let hint = self.fault.hint.as_ref().map_or(String::new(), |hint| format!("\nhint: {hint}"));
        format!("{}: {}{hint}", self.severity, self.fault.message)
    }
}

fn columns(fields: &mut Fields<'_>) -> io::Result<(Vec<String>, Vec<Kind>)> {
    let count = u16::from_be_bytes(fields.array()?);
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    for _ in 0..count {
        names.push(fields.text()?);
        // The table and the column of it that it is.
        fields.bytes(6)?;
        kinds.push(Kind::of_oid(u32::from_be_bytes(fields.array()?)));
        // The type's size and modifier, and the format, which is text.
        fields.bytes(8)?;
    }
    Ok((names, kinds))
}

fn row(fields: &mut Fields<'_>, kinds: &[Kind]) -> io::Result<Vec<Cell>> {
    let count = usize::from(u16::from_be_bytes(fields.array()?));
    let mut row = Vec::with_capacity(count);
    for at in 0..count {
        let length = i32::from_be_bytes(fields.array()?);
        row.push(match usize::try_from(length) {
            Err(_) => Cell::Null,
            Ok(length) => {
                let text = String::from_utf8_lossy(fields.bytes(length)?).into_owned();
                kinds.get(at).copied().unwrap_or(Kind::Text).cell(text)
            }
        });
    }
    Ok(row)
}

fn status(fields: &mut Fields<'_>) -> io::Result<Status> {
    match fields.array()? {
        [b'I'] => Ok(Status::Idle),
        [b'T'] => Ok(Status::InTransaction),
        [b'E'] => Ok(Status::Failed),
        [_] => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_what_the_server_says() {
        let report = report(b"SERROR\0C42703\0Mno such column\0P8\0Hlook\0Xnew\0\0").unwrap();
        assert_eq!((report.severity.as_str(), report.fault.position), ("ERROR", Some(8)));
        assert_eq!(report.fault.sentence(), "error 42703: no such column\nhint: look");
    }

    #[test]
    fn values_have_the_kinds_of_their_columns() {
        let told = b"\0\x02a\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0b\0\0\0\0\0\0\0\0\0\0\x10\0\x01\xff\xff\xff\xff\0\0";
        let (names, kinds) = columns(&mut Fields(told)).unwrap();
        assert_eq!((names, &kinds), (vec!["a".into(), "b".into()], &vec![Kind::Number, Kind::Bool]));
        let row = row(&mut Fields(b"\0\x02\0\0\0\x0242\xff\xff\xff\xff"), &kinds).unwrap();
        assert_eq!(row, [Cell::Number("42".into()), Cell::Null]);
    }
}
