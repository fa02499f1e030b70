//! Cursors of `SUBSCRIBE`: changes that a client fetches when it wants them, for those that cannot read a result
//! which does not end.
//!
//! `FETCH` gives the rows that are there, and waits until there is one at least, or for so long as it says. What is not
//! fetched the engine adds up, as for a slow reader of any feed, so the open transaction keeps nothing from happening.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gnitz::{Column, Datum, Type, wire};
use tokio::time::Instant;

use crate::feed::AsyncFeed;
use crate::metrics::Held;
use crate::pg::cancel::Cause;
use crate::pg::command::{Command, Direction};
use crate::pg::cursor::undefined;
use crate::pg::error::Report;
use crate::pg::feed::{Change, Form, LOOK};
use crate::pg::frame::{Format, Formats};
use crate::pg::portal::{Cursor, Done, Portal, State};
use crate::pg::session::Client;
use crate::pg::statement::{Body, Prepared, Statement};

/// What a cursor follows, and how far it is.
pub(crate) struct Following {
    feed: AsyncFeed<gnitz::Result<Change>>,
    columns: Arc<Vec<Column>>,
    progress: bool,
    /// The epoch that was told last.
    told: u64,
    /// A change that was fetched in part, and of how many rows.
    rest: Option<(Change, usize)>,
    _open: Held,
}

/// What `FETCH` asks of a cursor that follows.
struct Wanted {
    rows: usize,
    /// When it waits no longer.
    until: Option<Instant>,
}

impl Client {
    /// Begins to follow and keeps what comes under a name.
    pub(crate) fn declare_following(
        &mut self,
        name: &str,
        cursor: Cursor,
        statement: Arc<Statement>,
    ) -> Result<Done, Report> {
        if cursor.hold {
            return Err(Report::unsupported("WITH HOLD for a cursor of SUBSCRIBE"));
        }
        let Body::Engine(engine) = &statement.body else { return Ok(Done::Empty) };
        let begun = self.guarded(false, &statement.text, || {
            let Some(feed) = engine.subscribe()? else { return Ok(None) };
            let columns = feed.columns()?;
            Ok(Some((feed, columns)))
        });
        let Some((feed, columns)) = begun?.filter(|(feed, _)| !feed.copy) else {
            return Err(Report::syntax("DECLARE CURSOR needs a query or SUBSCRIBE"));
        };
        let (progress, told) = (feed.progress, feed.subscription.epoch());
        let following = Following {
            feed: AsyncFeed::new(Box::new(feed.subscription), Change::of),
            columns: Arc::new(columns.clone()),
            progress,
            told,
            rest: None,
            _open: self.meter.metrics.subscription("pg"),
        };
        let prepared = Arc::new(Prepared {
            statement,
            parameters: Vec::new(),
            elements: Vec::new(),
            oids: Vec::new(),
            columns: Some(columns),
        });
        let state = State::Following(Box::new(following));
        let portal = Portal { prepared, values: Vec::new(), formats: Formats::default(), state, cursor };
        self.portals.insert(name.to_string(), portal);
        Ok(Done::Tag("DECLARE CURSOR".to_string()))
    }

    /// Whether a statement fetches from a cursor that follows, or as if it were one.
    pub(crate) fn fetches_changes(&self, statement: &Statement) -> bool {
        match &statement.body {
            Body::Command(Command::Fetch { name, timeout, .. }) => {
                let portal = self.portals.get(name);
                timeout.is_some() || portal.is_some_and(|portal| matches!(portal.state, State::Following(_)))
            }
            _ => false,
        }
    }

    /// Gives the changes that a `FETCH` asks for. With `describe` their columns are told first.
    pub(crate) async fn fetch_changes(
        &mut self,
        statement: &Statement,
        formats: &Formats,
        describe: bool,
    ) -> io::Result<Result<Done, Report>> {
        let Body::Command(Command::Fetch { name, to, only_move, timeout }) = &statement.body else {
            return Ok(Ok(Done::Empty));
        };
        if *only_move {
            return Ok(Err(Report::unsupported("MOVE of a cursor of SUBSCRIBE")));
        }
        let wanted = match Self::wanted(*to, timeout.as_deref()) {
            Ok(wanted) => wanted,
            Err(report) => return Ok(Err(report)),
        };
        let Some(portal) = self.portals.get_mut(name) else { return Ok(Err(undefined(name))) };
        let binary = portal.cursor.binary;
        if !matches!(portal.state, State::Following(_)) {
            let what = "FETCH … WITH (TIMEOUT) of a cursor that is not one of SUBSCRIBE";
            return Ok(Err(Report::unsupported(what)));
        }
        let State::Following(mut following) = std::mem::replace(&mut portal.state, State::Done) else {
            return Ok(Ok(Done::Empty));
        };
        let formats = if binary { Formats::all(Format::Binary) } else { formats.clone() };
        if describe {
            self.io.out.columns(&following.columns, &formats);
        }
        self.backend.begin(self.settings.time("statement_timeout"));
        let fetched = self.pass_fetched(&mut following, &formats, &wanted).await;
        let cause = self.backend.end();
        let fetched = match (fetched?, cause) {
            (_, Some(cause)) => Err(cause.report()),
            (Err(error), None) => return Ok(Err(Report::of(&error, &statement.text))),
            (Ok(rows), None) => Ok(Done::Tag(format!("FETCH {rows}"))),
        };
        // What has not failed goes on.
        if let Some(portal) = self.portals.get_mut(name) {
            portal.state = State::Following(following);
        }
        Ok(fetched)
    }

    fn wanted(to: Direction, timeout: Option<&str>) -> Result<Wanted, Report> {
        let rows = match to {
            Direction::All => usize::MAX,
            Direction::Forward(rows) if rows > 0 => usize::try_from(rows).unwrap_or(usize::MAX),
            _ => {
                return Err(Report::error("55000", "cursor can only scan forward")
                    .with_hint("a cursor of SUBSCRIBE gives each change once: FETCH n, or FETCH ALL"));
            }
        };
        let Some(timeout) = timeout else { return Ok(Wanted { rows, until: None }) };
        let value = wire::text::read(timeout, Type::Interval).map_err(|error| Report::of(&error, ""))?;
        let micros = match value.datum {
            Datum::Interval(time) if time.months == 0 => {
                time.micros.checked_add(i64::from(time.days).saturating_mul(86_400_000_000))
            }
            _ => None,
        };
        let micros = micros.and_then(|micros| u64::try_from(micros).ok()).ok_or_else(|| {
            Report::error("22023", format!("invalid value for option \"timeout\": \"{timeout}\""))
        })?;
        Ok(Wanted { rows, until: Instant::now().checked_add(Duration::from_micros(micros)) })
    }

    /// Writes what is there, once something is, and says how many rows that was.
    async fn pass_fetched(
        &mut self,
        following: &mut Following,
        formats: &Formats,
        wanted: &Wanted,
    ) -> io::Result<gnitz::Result<u64>> {
        let types = following.columns.iter().skip(if following.progress { 3 } else { 2 });
        let types: Vec<Type> = types.map(|column| column.ty).collect();
        let form = Form { formats, copy: false, progress: following.progress, types };
        let mut rows = 0;
        loop {
            // Whatever belongs to this epoch is in the feed once it can be seen.
            let reached = self.database_epoch().filter(|_| following.progress);
            while rows < wanted.rows {
                let Some((change, from)) = following.rest.take() else {
                    match following.feed.try_next().await {
                        Err(error) => return Ok(Err(error)),
                        Ok(None) => break,
                        Ok(Some(Err(error))) => return Ok(Err(error)),
                        Ok(Some(Ok(change))) => following.rest = Some((change, 0)),
                    }
                    continue;
                };
                following.told = change.epoch;
                let until = change.weights.len().min(from.saturating_add(wanted.rows - rows));
                self.write_rows(&change, from..until, &form).await?;
                rows += until - from;
                if until < change.weights.len() {
                    following.rest = Some((change, until));
                }
            }
            if rows < wanted.rows
                && let Some(reached) = reached.filter(|reached| *reached > following.told)
            {
                following.told = reached;
                self.write_progress(reached, &form);
                rows += 1;
            }
            let is_over = wanted.until.is_some_and(|until| until <= Instant::now());
            if self.is_ending() {
                self.backend.stop(Cause::Shutdown);
            }
            if rows > 0 || is_over || following.feed.is_finished() || self.backend.is_stopped() {
                return Ok(Ok(rows as u64));
            }
            let look = Instant::now() + LOOK;
            tokio::select! {
                () = following.feed.ready() => {}
                more = self.io.fill() => if !more? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                },
                () = tokio::time::sleep_until(wanted.until.map_or(look, |until| until.min(look))) => {}
            }
        }
    }
}
