//! A statement of a session with the relations that its names mean, and what that rests on.
//!
//! What a name without a schema means can change while a statement is prepared: with the session's search path, and, when
//! that looks into several schemas, with what is made in them. The statement is then read again when it is used.

use std::sync::{Arc, Mutex};

use sql::statement::{Parsed, Unsettled, read_alone};

use crate::error::Result;
use crate::execute::Prepared;
use crate::mode::{Core, Status};
use crate::search_path::SearchPath;
use crate::sync::lock;
use crate::version::Compiled;

/// What the names of a statement were looked up in; nothing where all of them are those of `public`.
type Basis = Option<(Arc<pgcatalog::Session>, Arc<Compiled>)>;

/// A prepared statement, made anew when its names may mean something else.
pub(crate) struct Settled {
    /// Nothing if it runs at once, as it was made.
    text: Option<String>,
    now: Mutex<(Basis, Arc<Prepared>)>,
}

impl Settled {
    /// The one statement of a text.
    pub(crate) fn new(core: &Core, text: &str) -> Result<Settled> {
        let read = read_alone(text)?;
        // What cannot be made where the session looks now may be run when it looks elsewhere.
        let made = match settle(core, read.clone()) {
            Ok((basis, parsed)) => (basis, parsed),
            Err(_) => (None, read.in_public()?),
        };
        let now = Mutex::new((made.0, Arc::new(Prepared::new(made.1))));
        Ok(Settled { text: Some(text.to_string()), now })
    }

    /// A statement that was known, in a session that looks in `public` alone.
    pub(crate) fn known(prepared: Arc<Prepared>) -> Settled {
        Settled { text: None, now: Mutex::new((None, prepared)) }
    }

    /// The statement as it was made last.
    pub(crate) fn last(&self) -> Arc<Prepared> {
        Arc::clone(&lock(&self.now).1)
    }

    /// The statement as the session means it now.
    pub(crate) fn get(&self, core: &Core) -> Result<Arc<Prepared>> {
        let mut now = lock(&self.now);
        if let Some(text) = &self.text
            && !is_so_still(&now.0, core)?
        {
            let (basis, parsed) = settle(core, read_alone(text)?)?;
            let prepared = Prepared::new(parsed);
            // The types that its parameters were said to be of they still are.
            *lock(&prepared.given) = lock(&now.1.given).clone();
            *now = (basis, Arc::new(prepared));
        }
        Ok(Arc::clone(&now.1))
    }
}

fn is_so_still(basis: &Basis, core: &Core) -> Result<bool> {
    match (basis, core.has_plain_path()) {
        (None, true) => Ok(true),
        (Some((session, compiled)), false) => {
            let same_path = session.search_path == core.facts().search_path;
            Ok(same_path && Arc::ptr_eq(compiled, &core.compiled()?))
        }
        _ => Ok(false),
    }
}

/// Looks for the relations that a statement names. In a transaction that has failed nothing is looked at.
pub(crate) fn settle(core: &Core, read: Unsettled) -> Result<(Basis, Parsed)> {
    if core.has_plain_path() || core.status() == Status::Failed {
        return Ok((None, read.in_public()?));
    }
    let (session, compiled) = (core.facts(), core.compiled()?);
    let path = SearchPath::new(&compiled.catalog, &session, core.role());
    let parsed = if path.is_plain() { read.in_public()? } else { read.in_path(&path)? };
    Ok((Some((Arc::clone(&session), Arc::clone(&compiled))), parsed))
}
