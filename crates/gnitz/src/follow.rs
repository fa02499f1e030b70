//! `SUBSCRIBE`, and what begins a subscription for a session: its role must be allowed to read what is followed.

use sql::statement::{Followed, Need, Privileges, Statement};
use zset::Type;

use crate::error::Result;
use crate::mode::Core;
use crate::outcome::Column;
use crate::subscribe::{Start, Subscription};

/// A subscription that a `SUBSCRIBE` statement began.
pub struct Feed {
    /// The changes.
    pub subscription: Subscription,
    /// Epochs that change nothing are to be told, too.
    pub progress: bool,
    /// Rows are wanted as COPY writes them.
    pub copy: bool,
}

/// The columns of the rows that `SUBSCRIBE` answers: the epoch, the weight, with PROGRESS whether only the epoch is
/// told, and then what is followed.
pub(crate) fn columns(followed: Vec<Column>, progress: bool) -> Vec<Column> {
    let mut columns = vec![Column::new("gnitz_epoch", Type::Int64), Column::new("gnitz_weight", Type::Int64)];
    columns.extend(progress.then(|| Column::new("gnitz_progress", Type::Bool)));
    columns.extend(followed);
    columns
}

impl Feed {
    /// The columns of the rows that it answers.
    pub fn columns(&self) -> Result<Vec<Column>> {
        let followed = self.subscription.relation().def.columns.iter();
        Ok(columns(followed.cloned().map(Column::from).collect(), self.progress))
    }
}

/// Begins what a `SUBSCRIBE` statement, or a query, asks for.
pub(crate) fn begin(core: &Core, statement: &Statement, start: Start) -> Result<Subscription> {
    core.clear_cancel();
    core.engine().published()?.compiled.catalog.permit(core.role(), &statement.needs())?;
    let (relations, role) = (statement.relations(), Some(core.role().as_ref()));
    match statement {
        Statement::Query(query) => {
            core.engine().subscribe_query(query, &relations, start, role, core.cancel())
        }
        Statement::Subscribe(subscribe) => match &subscribe.followed {
            Followed::Relation(name) => core.engine().subscribe(name, start, role),
            Followed::Query(query) => {
                core.engine().subscribe_query(query, &relations, start, role, core.cancel())
            }
        },
        _ => Err(sql::SqlError::internal("only queries and SUBSCRIBE can be followed").into()),
    }
}

/// Begins a subscription of a table or view that the session's role may read.
pub(crate) fn begin_named(core: &Core, name: &str, start: Start) -> Result<Subscription> {
    let need = Need { relation: name.to_string(), privileges: Privileges::SELECT };
    core.engine().published()?.compiled.catalog.permit(core.role(), &[need])?;
    core.engine().subscribe(name, start, Some(core.role().as_ref()))
}
