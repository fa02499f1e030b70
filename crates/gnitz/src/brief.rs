//! Which statements take microseconds, so that a thread that serves many sessions may run them itself.

use std::sync::Arc;

use pgcatalog::Concern;
use sql::statement::Statement;
use sql::{PointQuery, PreparedDml, TableKind};

use crate::execute::Prepared;
use crate::mode::{Core, Status};
use crate::plan::PlanKind;
use crate::relation::Relation;
use crate::snapshot::Snapshot;
use crate::sync::lock;

impl Prepared {
    /// Whether running it takes some microseconds, once it is the writer if it must be: a look-up of one row for which
    /// nothing is planned, or a change of a few rows that was as quick before, views included.
    pub(crate) fn is_brief(&self, core: &Core) -> bool {
        let plan = || lock(&self.plan).clone();
        match &self.statement {
            Statement::Begin { .. } | Statement::Rollback | Statement::Set { .. } => true,
            Statement::Query(_) if self.arrays.is_some() || self.calls.is_some() => false,
            Statement::Query(_) => plan().is_some_and(|plan| match &plan.kind {
                PlanKind::Point(point) => {
                    point.is_one_row()
                        && (core.status() == Status::Idle || point.table().kind == TableKind::Table)
                }
                PlanKind::Query(_) | PlanKind::Change(_) | PlanKind::Catalog(_) => false,
            }),
            Statement::Insert(..) | Statement::Update(_) | Statement::Delete(_) => {
                let idle = core.status() == Status::Idle;
                self.changed().is_some_and(|table| !idle || table.pace.is_quick())
            }
            Statement::Commit => core.commits_briefly(),
            _ => false,
        }
    }

    /// The table that it changes few rows of, as its plan says.
    pub(crate) fn changed(&self) -> Option<Arc<Relation>> {
        let plan = lock(&self.plan).clone()?;
        match &plan.kind {
            PlanKind::Change(dml) if dml.is_of_few_rows() => {
                plan.compiled.catalog.by_id(dml.table().id).cloned()
            }
            _ => None,
        }
    }

    /// Plans it if that has not been done and takes some microseconds.
    pub(crate) fn plan_briefly(&self, core: &Core) {
        if self.arrays.is_some() || self.calls.is_some() || self.wrong.is_some() || lock(&self.plan).is_some()
        {
            return;
        }
        let simple = match &self.statement {
            Statement::Query(query) => pgcatalog::concern(query) == Concern::None,
            Statement::Insert(..) | Statement::Update(_) | Statement::Delete(_) => {
                PreparedDml::is_soon_made(&self.statement)
            }
            _ => false,
        };
        if !simple {
            return;
        }
        let snapshot = core.read(|work| Ok(work.snapshot(false, core.cancel()).ok().map(Arc::new)));
        let (Ok(Some(snapshot)), Ok(room)) = (snapshot, self.room(core)) else { return };
        let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(&snapshot);
        let (planner, given) = (&core.engine().planner, lock(&self.given).clone());
        // What is wrong with it is told when it runs.
        let kind = room.run(|| match &self.statement {
            Statement::Query(query) => PointQuery::recognise(planner, as_dyn.as_ref(), query, &given)
                .map(|point| PlanKind::Point(Box::new(point))),
            change => {
                let dml = PreparedDml::new(planner, &as_dyn, change, &given);
                dml.ok().map(|dml| PlanKind::Change(Box::new(dml)))
            }
        });
        if let Some(kind) = kind {
            self.made(&snapshot, kind, true);
        }
    }

    /// Whether it is brief and need not wait for anybody who is not.
    pub(crate) fn is_short(&self, core: &Core) -> bool {
        let writes = match &self.statement {
            Statement::Insert(..) | Statement::Update(_) | Statement::Delete(_) => {
                core.status() == Status::Idle
            }
            Statement::Commit => true,
            _ => false,
        };
        (!writes || core.engine().is_soon_free()) && self.is_brief(core)
    }
}
