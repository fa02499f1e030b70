//! A statement of a session with the relations that its names mean, and what that rests on.
//!
//! What a name without a schema means can change while a statement is prepared: with the session's search path, and, when
//! that looks into several schemas, with what is made in them. The statement is then read again when it is used.

use std::sync::{Arc, Mutex};

use sql::statement::{Parsed, Unsettled, read_alone};

use crate::error::Result;
use crate::execute::Prepared;
use crate::mode::Core;
use crate::search_path::SearchPath;
use crate::sync::lock;
use crate::version::Compiled;

/// What the names of a statement were looked up in; nothing where all of them are those of `public`.
type Basis = Option<(Arc<pgcatalog::Session>, Arc<Compiled>)>;

/// A prepared statement, made anew when its names may mean something else.
pub(crate) struct Settled {
    text: String,
    now: Mutex<(Basis, Arc<Prepared>)>,
}

impl Settled {
    /// The one statement of a text.
    pub(crate) fn new(core: &Core, text: &str) -> Result<Settled> {
        let made = make(core, read_alone(text)?)?;
        Ok(Settled { text: text.to_string(), now: Mutex::new(made) })
    }

    /// A statement whose names are those of `public`, for as long as the session looks there alone.
    pub(crate) fn in_public(text: &str, prepared: Arc<Prepared>) -> Settled {
        Settled { text: text.to_string(), now: Mutex::new((None, prepared)) }
    }

    /// The statement as it was made last.
    pub(crate) fn last(&self) -> Arc<Prepared> {
        Arc::clone(&lock(&self.now).1)
    }

    /// The statement as the session means it now.
    pub(crate) fn get(&self, core: &Core) -> Result<Arc<Prepared>> {
        let mut now = lock(&self.now);
        if !is_so_still(&now.0, core)? {
            *now = make(core, read_alone(&self.text)?)?;
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

fn make(core: &Core, read: Unsettled) -> Result<(Basis, Arc<Prepared>)> {
    let (basis, parsed) = settle(core, read)?;
    Ok((basis, Arc::new(Prepared::new(parsed))))
}

/// Looks for the relations that a statement names.
pub(crate) fn settle(core: &Core, read: Unsettled) -> Result<(Basis, Parsed)> {
    if core.has_plain_path() {
        return Ok((None, read.in_public()?));
    }
    let (session, compiled) = (core.facts(), core.compiled()?);
    let path = SearchPath::new(&compiled.catalog, &session, core.role());
    let parsed = if path.is_plain() { read.in_public()? } else { read.in_path(&path)? };
    Ok((Some((Arc::clone(&session), Arc::clone(&compiled))), parsed))
}
