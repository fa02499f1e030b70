//! The simple protocol: a text of any number of statements, run at once.
//!
//! The whole text is read before the first statement runs. Several statements are one transaction, unless the text
//! itself, or the client before, has begun one.

use std::io;
use std::sync::Arc;

use gnitz::Value;

use crate::pg::error::Report;
use crate::pg::frame::Formats;
use crate::pg::session::Client;
use crate::pg::statement::Statement;

/// A statement of a text, and how many characters stand before it.
struct Part {
    statement: Arc<Statement>,
    values: Vec<Value>,
    before: usize,
}

impl Client {
    /// Runs the statements of a text.
    pub(crate) async fn simple(&mut self, text: String) -> io::Result<()> {
        // The statement without a name, and its portal, do not outlive a text.
        self.named.remove("");
        self.portals.remove("");
        match self.parts(text) {
            Ok(parts) if parts.is_empty() => self.io.out.plain(b'I'),
            Ok(parts) => self.run_parts(&parts).await?,
            Err(report) => self.fail(&report),
        }
        self.ready();
        Ok(())
    }

    fn parts(&mut self, text: String) -> Result<Vec<Part>, Report> {
        let key = (text, Vec::new());
        if let Some(statement) = self.cache.get(&key) {
            return Ok(vec![Part { statement, values: Vec::new(), before: 0 }]);
        }
        if let Some((statement, values)) = Statement::recall(&self.engine, &key.0) {
            return Ok(vec![Part { statement, values, before: 0 }]);
        }
        let text = key.0.as_str();
        let split = gnitz::split(text);
        let ranges = split.complete.into_iter().chain(Some(split.rest).filter(|rest| !rest.is_empty()));
        let mut parts = Vec::new();
        for range in ranges {
            let before = text[..range.start].chars().count();
            let parsed = Statement::parse(&self.engine, &text[range]);
            let statement = parsed.map_err(|report| shifted(report, before))?;
            parts.push(Part { statement, values: Vec::new(), before });
        }
        if let [part] = parts.as_slice() {
            self.cache.put(key, &part.statement);
        }
        Ok(parts)
    }

    async fn run_parts(&mut self, parts: &[Part]) -> io::Result<()> {
        for part in parts {
            let ready = self.check(&part.statement);
            let ready = ready.and_then(|()| match parts.len() {
                1 => Ok(()),
                _ => self.join_group(&part.statement),
            });
            let done = match ready {
                Ok(()) => self.run_part(part).await?,
                Err(report) => Err(report),
            };
            if let Err(report) = done {
                let report = shifted(report, part.before);
                self.fail(&report);
                return self.unless_fatal(&report).await;
            }
        }
        if let Err(report) = self.commit_group() {
            self.fail(&report);
        }
        Ok(())
    }

    async fn run_part(&mut self, part: &Part) -> io::Result<Result<(), Report>> {
        let formats = Formats::default();
        match self.perform(&part.statement, (&part.values, &formats), None).await? {
            Ok(done) => self.send(done, &formats, true).await.map(Ok),
            Err(report) => Ok(Err(report)),
        }
    }
}

/// The report with its place counted from the beginning of the whole text.
fn shifted(mut report: Report, before: usize) -> Report {
    report.position = report.position.map(|position| position + before);
    report
}
