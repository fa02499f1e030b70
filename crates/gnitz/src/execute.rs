//! One statement, made ready and run: which kind it is decides where.
//!
//! Plans of queries and of writing statements are kept with the catalog they were made for, so that a prepared
//! statement plans once and plans again only after a change of the catalog.

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use sql::Prepared as PreparedQuery;
use sql::sqlparser::ast::Query;
use sql::statement::{CopyFrom, CopySource, CopyTo, Explain, Statement, parse_one};
use sql::{Env, PointQuery, PreparedDml, TableKind, ddl, explain, types};
use zset::{Datum, Type};

use crate::appender::flush;
use crate::error::{Error, Result};
use crate::mode::Core;
use crate::outcome::{Outcome, QueryResult, Value};
use crate::rows::Gather;
use crate::snapshot::Snapshot;
use crate::sync::lock;
use crate::transaction::Work;
use crate::version::Compiled;
use crate::{check, copy, definition, view};

/// What `SHOW TABLES` means.
const SHOW_TABLES: &str = "SELECT name, kind FROM gnitz_tables WHERE kind <> 'system' ORDER BY name";

/// A statement and, once it has run, its plan.
pub(crate) struct Prepared {
    statement: Statement,
    /// The relations it names.
    relations: Vec<String>,
    plan: Mutex<Option<Arc<Plan>>>,
}

/// A plan and the catalog it holds for.
struct Plan {
    compiled: Arc<Compiled>,
    kind: PlanKind,
}

enum PlanKind {
    /// A read by key.
    Point(Box<PointQuery>),
    /// Any other query.
    Query(Box<PreparedQuery>),
    /// A writing statement.
    Change(Box<PreparedDml>),
}

impl Prepared {
    /// A statement without a plan yet.
    pub(crate) fn new(statement: Statement) -> Prepared {
        let relations = statement.relations();
        Prepared { statement, relations, plan: Mutex::new(None) }
    }

    /// Whether its outcome is rows.
    pub(crate) fn answers_rows(&self) -> bool {
        match &self.statement {
            Statement::Query(_) | Statement::Explain(_) | Statement::Check { .. } | Statement::ShowTables => {
                true
            }
            Statement::Insert(insert) => insert.returning.is_some(),
            Statement::Update(update) => update.returning.is_some(),
            Statement::Delete(delete) => delete.returning.is_some(),
            _ => false,
        }
    }

    /// Its first words.
    pub(crate) fn name(&self) -> &'static str {
        self.statement.name()
    }

    /// Runs it.
    pub(crate) fn run(&self, core: &Core, params: &[Value]) -> Result<Outcome> {
        core.clear_cancel();
        let tag = self.statement.name();
        let done = |()| Outcome::Done { tag };
        let noted = |notices| {
            core.note(notices);
            done(())
        };
        match &self.statement {
            Statement::Query(query) => {
                core.read(|work| self.query(core, work, query, params)).map(Outcome::Rows)
            }
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                core.write(|work| self.change(core, work, params))
            }
            Statement::CreateTable(create) => core
                .outside(tag, |engine| {
                    definition::create_table(engine, ddl::create_table(&engine.planner, create)?)
                })
                .map(noted),
            Statement::CreateView(create) => {
                core.outside(tag, |engine| view::create(engine, create, core.cancel())).map(noted)
            }
            Statement::Drop(drop) => core.outside(tag, |engine| definition::drop(engine, drop)).map(noted),
            Statement::Begin => core.begin().map(done),
            Statement::Commit => {
                core.commit().map(|done| Outcome::Done { tag: if done { "COMMIT" } else { "ROLLBACK" } })
            }
            Statement::Rollback => core.rollback().map(done),
            Statement::Explain(explain) => {
                core.read(|work| self.explain(core, work, explain)).map(Outcome::Rows)
            }
            Statement::Check { view } => core
                .read(|work| {
                    let snapshot = Arc::new(work.snapshot(true, core.cancel())?);
                    check::check(&core.engine().planner, &snapshot, view, core.cancel())
                })
                .map(Outcome::Rows),
            Statement::CopyFrom(copy) => copy_from(core, copy),
            Statement::CopyTo(copy) => core.read(|work| self.copy_to(core, work, copy)),
            Statement::ShowTables => {
                let Statement::Query(query) = parse_one(SHOW_TABLES)? else {
                    return Err(Error::Sql(sql::SqlError::internal("SHOW TABLES is a query")));
                };
                core.read(|work| self.query(core, work, &query, &[])).map(Outcome::Rows)
            }
            Statement::Set { .. } => core.read(|_| Ok(())).map(done),
        }
    }

    fn query(&self, core: &Core, work: &mut Work, query: &Query, params: &[Value]) -> Result<QueryResult> {
        let snapshot = self.snapshot(core, work)?;
        let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(&snapshot);
        let planner = &core.engine().planner;
        let plan = self.plan(&snapshot, || {
            if let Some(point) = PointQuery::recognise(planner, as_dyn.as_ref(), query) {
                return Ok(PlanKind::Point(Box::new(point)));
            }
            Ok(PlanKind::Query(Box::new(planner.prepare(&as_dyn, query, &[])?)))
        })?;
        let params = parameters(params);
        match &plan.kind {
            PlanKind::Point(point) => {
                let batch = point.fetch(as_dyn.as_ref(), &params, work.now(), core.cancel())?;
                Ok(QueryResult { schema: batch.schema(), batches: vec![batch] })
            }
            PlanKind::Query(prepared) => {
                let rows = planner.run(prepared, &as_dyn, &params, work.now(), core.cancel())?;
                Ok(QueryResult { schema: rows.schema, batches: rows.batches })
            }
            PlanKind::Change(_) => {
                Err(Error::Sql(sql::SqlError::internal("a query has the plan of a change")))
            }
        }
    }

    fn change(&self, core: &Core, work: &mut Work, params: &[Value]) -> Result<Outcome> {
        let snapshot = self.snapshot(core, work)?;
        let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(&snapshot);
        let planner = &core.engine().planner;
        let plan = self.plan(&snapshot, || {
            Ok(PlanKind::Change(Box::new(PreparedDml::new(planner, &as_dyn, &self.statement)?)))
        })?;
        let PlanKind::Change(dml) = &plan.kind else {
            return Err(Error::Sql(sql::SqlError::internal("a change has the plan of a query")));
        };
        let params = parameters(params);
        let env = Env { planner, snapshot: &as_dyn, params: &params, now: work.now(), cancel: core.cancel() };
        let changes = dml.execute(&env)?;
        work.change(changes.table.id, &changes.delta)?;
        match changes.returning {
            Some(batch) => Ok(Outcome::Rows(QueryResult { schema: batch.schema(), batches: vec![batch] })),
            None => Ok(Outcome::Count { tag: self.statement.name(), rows: changes.affected }),
        }
    }

    /// What the statement reads: views follow the transaction's own changes if it names one.
    fn snapshot(&self, core: &Core, work: &mut Work) -> Result<Arc<Snapshot>> {
        let catalog = &work.base().compiled.catalog;
        let is_view = |name: &String| catalog.get(name).is_some_and(|r| r.def.kind != TableKind::Table);
        let views = self.relations.iter().any(is_view);
        let snapshot = work.snapshot(views, core.cancel())?;
        snapshot.verify(self.relations.iter().map(String::as_str))?;
        Ok(Arc::new(snapshot))
    }

    /// The plan, made now unless there is one for this catalog.
    fn plan(&self, snapshot: &Snapshot, make: impl FnOnce() -> Result<PlanKind>) -> Result<Arc<Plan>> {
        let compiled = &snapshot.version().compiled;
        let known = lock(&self.plan).clone();
        if let Some(plan) = known.filter(|plan| Arc::ptr_eq(&plan.compiled, compiled)) {
            return Ok(plan);
        }
        let plan = Arc::new(Plan { compiled: Arc::clone(compiled), kind: make()? });
        *lock(&self.plan) = Some(Arc::clone(&plan));
        Ok(plan)
    }

    fn copy_to(&self, core: &Core, work: &mut Work, copy: &CopyTo) -> Result<Outcome> {
        let snapshot = self.snapshot(core, work)?;
        let rows = match &copy.source {
            CopySource::Table { name, columns } => {
                let relation = work.relation(name)?;
                let mut file =
                    copy::Writer::create(copy, copy::column_names(&relation, columns).into_iter())?;
                let runs = sql::Scan::runs(snapshot.as_ref(), relation.id());
                file.relation(&relation, columns, &runs, core.cancel())?;
                file.finish()?
            }
            CopySource::Query(query) => {
                let result = self.query(core, work, query, &[])?;
                let names = result.schema.fields().iter().map(|field| field.name().as_str());
                let mut file = copy::Writer::create(copy, names)?;
                result.batches.iter().try_for_each(|batch| file.batch(batch))?;
                file.finish()?
            }
        };
        Ok(Outcome::Count { tag: "COPY", rows })
    }

    fn explain(&self, core: &Core, work: &mut Work, explain: &Explain) -> Result<QueryResult> {
        let snapshot: Arc<dyn sql::Snapshot> = self.snapshot(core, work)?;
        let planner = &core.engine().planner;
        let text = match explain {
            Explain::View(name) => explain_view(work, name)?,
            Explain::Statement(statement) => match statement.as_ref() {
                Statement::Query(query) => match planner.plan_view(&snapshot, query) {
                    Ok(plan) => explain::explain_view(&plan)?,
                    Err(refusal) => {
                        let plan = planner.explain_query(&snapshot, query)?;
                        format!("logical plan:\n{plan}\nno circuit: {}", refusal.message)
                    }
                },
                Statement::CreateView(create) => {
                    explain::explain_view(&planner.plan_view(&snapshot, &create.query)?)?
                }
                change => explain_change(planner, &snapshot, work, change)?,
            },
        };
        lines(&text)
    }
}

/// Gathers rows for a table; they give these columns, or all of them if none are named. With `one_moment` the rows
/// are those of one statement, so that a default of `now()` is the same in all.
pub(crate) fn gather(core: &Core, table: &str, columns: &[String], one_moment: bool) -> Result<Gather> {
    core.read(|work| {
        let relation = work.relation(table)?;
        if relation.def.kind != TableKind::Table {
            return Err(Error::WrongKind { name: table.to_string(), expected: "a table" });
        }
        let snapshot = Snapshot::new(Arc::clone(work.base()));
        let now = one_moment.then(|| work.now());
        Gather::new(&core.engine().planner, snapshot, relation, columns, now)
    })
}

fn copy_from(core: &Core, copy: &CopyFrom) -> Result<Outcome> {
    let empty = gather(core, &copy.table, &copy.columns, true)?;
    // Reading the file is part of the transaction, so a bad line fails it; outside of one nobody waits for it.
    let mut gathered = core.read(|_| copy::read(copy, empty, core.cancel(), core.copied_bytes()))?;
    let rows = flush(core, &mut gathered)?;
    Ok(Outcome::Count { tag: "COPY", rows })
}

fn parameters(params: &[Value]) -> Vec<(Datum, Type)> {
    params.iter().map(|value| (value.datum.clone(), value.ty)).collect()
}

fn explain_view(work: &Work, name: &str) -> Result<String> {
    let relation = work.relation(name)?;
    let Some(view) = &relation.view else {
        return Err(Error::WrongKind { name: name.to_string(), expected: "a materialized view" });
    };
    let slice = work.base().compiled.catalog.circuit.slice(relation.id());
    let plan: String = view.logical.lines().map(|line| format!("  {line}\n")).collect();
    Ok(format!("logical plan:\n{plan}{}", explain::explain_circuit(&slice)?))
}

/// A change costs what it takes to find its rows, and what the views over its table make of it.
fn explain_change(
    planner: &Arc<sql::Planner>,
    snapshot: &Arc<dyn sql::Snapshot>,
    work: &Work,
    statement: &Statement,
) -> Result<String> {
    let dml = PreparedDml::new(planner, snapshot, statement)?;
    let catalog = &work.base().compiled.catalog;
    let views: Vec<String> =
        catalog.dependents(dml.table().id).iter().map(|v| v.name().to_string()).collect();
    let followed = if views.is_empty() { "none".to_string() } else { views.join(", ") };
    Ok(format!("{} on {}\nviews that follow: {followed}", statement.name(), dml.table().name))
}

fn lines(text: &str) -> Result<QueryResult> {
    let schema = Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]));
    let lines: Vec<&str> = text.lines().collect();
    let rows = lines.len();
    let column: ArrayRef = Arc::new(StringArray::from(lines));
    let batch = types::record_batch(&schema, vec![column], rows)?;
    Ok(QueryResult { schema, batches: vec![batch] })
}
