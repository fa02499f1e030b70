//! Messages of the server, appended to the buffer that is written when the client waits for it.

use gnitz::wire::{Cell, Cells};
use gnitz::{Column, Status, Type, names};

use crate::pg::error::Report;
use crate::pg::frame::{Format, Formats};
use crate::pg::types::{oid, value};

/// Answers that wait to be written.
#[derive(Default)]
pub(crate) struct Replies {
    /// Their bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Replies {
    /// Appends a message; its length is filled in once its body is known.
    pub(crate) fn frame(&mut self, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[tag, 0, 0, 0, 0]);
        body(&mut self.bytes);
        let length = (self.bytes.len() - start - 1) as u32;
        self.bytes[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    }

    /// A request for authentication, or its end.
    pub(crate) fn authentication(&mut self, code: u32, data: &[u8]) {
        self.frame(b'R', |out| {
            out.extend_from_slice(&code.to_be_bytes());
            out.extend_from_slice(data);
        });
    }

    /// The value of a setting that clients follow.
    pub(crate) fn parameter_status(&mut self, name: &str, value: &str) {
        self.frame(b'S', |out| {
            put_text(out, name);
            put_text(out, value);
        });
    }

    /// What a client needs to cancel.
    pub(crate) fn key_data(&mut self, pid: i32, secret: i32) {
        self.frame(b'K', |out| {
            out.extend_from_slice(&pid.to_be_bytes());
            out.extend_from_slice(&secret.to_be_bytes());
        });
    }

    /// The protocol's version, and what the client asked for that does not exist.
    pub(crate) fn negotiate(&mut self, minor: u32, unknown: &[&str]) {
        self.frame(b'v', |out| {
            out.extend_from_slice(&minor.to_be_bytes());
            out.extend_from_slice(&(unknown.len() as u32).to_be_bytes());
            unknown.iter().for_each(|name| put_text(out, name));
        });
    }

    /// The next statement is awaited.
    pub(crate) fn ready(&mut self, status: Status) {
        let letter = match status {
            Status::Idle => b'I',
            Status::InTransaction => b'T',
            Status::Failed => b'E',
        };
        self.frame(b'Z', |out| out.push(letter));
    }

    /// An error or notice.
    pub(crate) fn report(&mut self, report: &Report) {
        let tag = if matches!(report.severity, "ERROR" | "FATAL") { b'E' } else { b'N' };
        self.frame(tag, |out| {
            let mut field = |code: u8, text: &str| {
                out.push(code);
                put_text(out, text);
            };
            field(b'S', report.severity);
            field(b'V', report.severity);
            field(b'C', report.code);
            field(b'M', &report.message);
            report.detail.iter().for_each(|detail| field(b'D', detail));
            report.hint.iter().for_each(|hint| field(b'H', hint));
            report.position.iter().for_each(|position| field(b'P', &position.to_string()));
            report.context.iter().for_each(|context| field(b'W', context));
            if let Some((table, constraint)) = &report.constraint {
                let (schema, table) = names::split(table);
                field(b's', schema);
                field(b't', table);
                field(b'n', constraint);
            }
            out.push(0);
        });
    }

    /// A message without a body: `1` parsed, `2` bound, `3` closed, `n` no rows, `s` suspended, `I` nothing to run,
    /// `c` the end of a copy.
    pub(crate) fn plain(&mut self, tag: u8) {
        self.frame(tag, |_| {});
    }

    /// The types of a statement's parameters.
    pub(crate) fn parameters(&mut self, oids: &[u32]) {
        self.frame(b't', |out| {
            out.extend_from_slice(&(oids.len() as u16).to_be_bytes());
            oids.iter().for_each(|oid| out.extend_from_slice(&oid.to_be_bytes()));
        });
    }

    /// The columns of an answer.
    pub(crate) fn columns(&mut self, columns: &[Column], formats: &Formats) {
        self.frame(b'T', |out| {
            out.extend_from_slice(&(columns.len() as u16).to_be_bytes());
            for (index, column) in columns.iter().enumerate() {
                put_text(out, &column.name);
                let info = oid::of_column(column);
                let (table, number) = column.origin.map_or((0, 0), |origin| (origin.relation, origin.number));
                out.extend_from_slice(&table.to_be_bytes());
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&info.oid.to_be_bytes());
                out.extend_from_slice(&info.size.to_be_bytes());
                out.extend_from_slice(&info.modifier.to_be_bytes());
                let format: i16 = if formats.get(index) == Format::Binary { 1 } else { 0 };
                out.extend_from_slice(&format.to_be_bytes());
            }
        });
    }

    /// A row of an answer.
    pub(crate) fn row(&mut self, columns: &[Column], (cells, row): (&Cells, usize), formats: &Formats) {
        self.frame(b'D', |out| {
            out.extend_from_slice(&(cells.columns() as u16).to_be_bytes());
            for at in 0..cells.columns() {
                let foreign = columns.get(at).and_then(|column| column.pg_type);
                value::write(cells.get(at, row), formats.get(at), (cells.ty(at), foreign), out);
            }
        });
    }

    /// A row of cells of any origin.
    pub(crate) fn cells<'c>(&mut self, cells: &[(Cell<'c>, Type)], formats: &Formats) {
        self.frame(b'D', |out| {
            out.extend_from_slice(&(cells.len() as u16).to_be_bytes());
            for (at, (cell, ty)) in cells.iter().enumerate() {
                value::write(*cell, formats.get(at), (*ty, None), out);
            }
        });
    }

    /// A line of a copy.
    pub(crate) fn line<'c>(&mut self, cells: &[(Cell<'c>, Type)]) {
        self.frame(b'd', |out| gnitz::text_line(out, cells.iter().copied()));
    }

    /// The end of a statement.
    pub(crate) fn complete(&mut self, tag: &str) {
        self.frame(b'C', |out| put_text(out, tag));
    }

    /// The beginning of a copy, `G` from or `H` to the client.
    pub(crate) fn copy(&mut self, tag: u8, layout: gnitz::CopyLayout) {
        self.frame(tag, |out| {
            out.push(layout.binary.into());
            out.extend_from_slice(&(layout.columns as u16).to_be_bytes());
            let format = u16::from(layout.binary).to_be_bytes();
            (0..layout.columns).for_each(|_| out.extend_from_slice(&format));
        });
    }
}

/// A column of text, for what the server answers itself.
pub(crate) fn text_column(name: &str) -> Column {
    Column::new(name, Type::Text)
}

/// A text that ends in a zero byte; one within it ends it.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|&byte| byte != 0));
    out.push(0);
}
