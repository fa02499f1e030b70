//! One statement, made ready and run: which kind it is decides where.
//!
//! Plans of queries and of writing statements are kept with the catalog they were made for, so that a prepared
//! statement plans once and plans again only after a change of the catalog.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use pgcatalog::Concern;
use sql::depth::Depth;
use sql::sequence::Calls;
use sql::sqlparser::ast::Query;
use sql::statement::{
    CopyFormat, CopyFrom, CopyPlace, CopySource, CopyTo, Explain, Followed, Need, Parsed, Privileges,
    Statement, parse_one,
};
use sql::{
    ArrayParameters, Changes, Env, PointQuery, Position, PreparedDml, SqlError, TableKind, ddl, explain,
    types,
};
use zset::{Datum, Type};

use crate::appender::flush;
use crate::definition::Change;
use crate::error::{Error, Result};
use crate::follow::{self, Feed};
use crate::mode::{Core, Status};
use crate::outcome::{Column, CopyLayout, Description, Outcome, QueryResult, StatementKind, Value};
use crate::plan::{Plan, PlanKind, columns};
use crate::relation::Relation;
use crate::rows::Gather;
use crate::snapshot::Snapshot;
use crate::subscribe::Start;
use crate::sync::lock;
use crate::transaction::Work;
use crate::{check, copy, create_as, facts, rights, scram, sequence, truncate, upkeep};

/// What `SHOW TABLES` means.
const SHOW_TABLES: &str =
    "SELECT name, kind FROM gnitz_tables WHERE kind NOT IN ('system', 'sequence') ORDER BY name";

/// The column of an explanation.
const PLAN: &str = "plan";

/// A statement and, once it has run, its plan.
pub(crate) struct Prepared {
    pub(crate) statement: Statement,
    depth: Depth,
    /// The relations it names.
    relations: Vec<String>,
    /// The rights it takes.
    needs: Vec<Need>,
    /// Its parameters that are arrays. Then `statement` is the open form, which is planned and never run.
    pub(crate) arrays: Option<ArrayParameters>,
    /// The calls of sequences in its select list, which `statement` is without.
    pub(crate) calls: Option<Calls>,
    /// Why its arrays cannot be read, or its calls not be made.
    pub(crate) wrong: Option<SqlError>,
    /// The types that the caller said its parameters are of.
    pub(crate) given: Mutex<Vec<Option<Type>>>,
    pub(crate) plan: Mutex<Option<Arc<Plan>>>,
}

impl Prepared {
    /// A statement without a plan yet.
    pub(crate) fn new(parsed: Parsed) -> Prepared {
        let Parsed { mut statement, depth, .. } = parsed;
        let (relations, needs) = depth.run(|| (statement.relations(), statement.needs()));
        let taken = match &mut statement {
            Statement::Query(query) => depth.run(|| Calls::take(query)),
            _ => Ok(None),
        };
        let (calls, unmade) = taken.map_or_else(|error| (None, Some(error)), |calls| (calls, None));
        let (arrays, wrong) = match depth.run(|| arrays(&mut statement)) {
            Ok(arrays) => (arrays, unmade),
            Err(error) => (None, Some(error)),
        };
        let (given, plan) = (Mutex::default(), Mutex::new(None));
        Prepared { statement, depth, relations, needs, arrays, calls, wrong, given, plan }
    }

    /// The parameters that take arrays, given as text: `{…}`. What is described as their type is that of the elements.
    pub(crate) fn array_parameters(&self) -> &[usize] {
        self.arrays.as_ref().map_or(&[], ArrayParameters::indices)
    }

    /// What it does, as far as whoever runs it must know.
    pub(crate) fn kind(&self) -> StatementKind {
        match &self.statement {
            Statement::Query(_) => StatementKind::Query,
            Statement::Insert(..) | Statement::Update(_) | Statement::Delete(_) => StatementKind::Change,
            Statement::CreateTable(_)
            | Statement::CreateSequence(_)
            | Statement::Restart(_)
            | Statement::Schema(_)
            | Statement::CreateView(_)
            | Statement::Drop(_)
            | Statement::Alter(_)
            | Statement::Role(_) => StatementKind::Definition,
            Statement::Subscribe(_) => StatementKind::Subscribe,
            Statement::Begin { .. } => StatementKind::Begin,
            Statement::Commit => StatementKind::Commit,
            Statement::Rollback => StatementKind::Rollback,
            Statement::RollbackTo(_) => StatementKind::RollbackTo,
            Statement::CopyFrom(CopyFrom { place: CopyPlace::Stream, .. }) => StatementKind::CopyIn,
            Statement::CopyTo(copy) if copy.place == CopyPlace::Stream => StatementKind::CopyOut,
            _ => StatementKind::Other,
        }
    }

    /// Whether its outcome is rows.
    pub(crate) fn answers_rows(&self) -> bool {
        match &self.statement {
            Statement::Query(_) | Statement::Explain(_) | Statement::Check { .. } | Statement::ShowTables => {
                true
            }
            Statement::Insert(insert, _) => insert.returning.is_some(),
            Statement::Update(update) => update.returning.is_some(),
            Statement::Delete(delete) => delete.returning.is_some(),
            _ => false,
        }
    }

    /// Its first words.
    pub(crate) fn name(&self) -> &'static str {
        self.statement.name()
    }

    /// How deep it is with the queries of the plain views that it names.
    pub(crate) fn room(&self, core: &Core) -> Result<Depth> {
        if self.relations.is_empty() {
            return Ok(self.depth);
        }
        core.with_catalog(|catalog| self.depth.over(catalog.levels_behind(&self.relations)))
    }

    /// Runs it.
    pub(crate) fn run(&self, core: &Core, params: &[Value]) -> Result<Outcome> {
        core.clear_cancel();
        match &self.arrays {
            Some(arrays) => {
                self.room(core)?.run(|| self.fill(core, arrays, params))?.run(core, &rest(arrays, params))
            }
            None => self.room(core)?.run(|| self.run_here(core, params)),
        }
    }

    /// The statement with its arrays written out.
    fn fill(&self, core: &Core, arrays: &ArrayParameters, params: &[Value]) -> Result<Prepared> {
        let given = lock(&self.given).clone();
        let types = self.describe_here(core, &given)?.parameters;
        let statement = core.read(|_| Ok(arrays.fill(&borrowed(params), &types)?))?;
        let mut filled = Prepared::new(Parsed {
            statement,
            range: 0..0,
            start: Position { line: 1, column: 1 },
            depth: self.depth,
        });
        *lock(&filled.given) = rest(arrays, &given);
        filled.calls = self.calls.clone();
        Ok(filled)
    }

    fn run_here(&self, core: &Core, params: &[Value]) -> Result<Outcome> {
        let tag = self.statement.name();
        let done = |()| Outcome::Done { tag };
        if let Some(error) = &self.wrong {
            return core.read(|_| Err(Error::Sql(error.clone())));
        }
        match &self.statement {
            Statement::Query(query) => match &self.calls {
                None => core.read(|work| self.query(core, work, query, params)).map(Outcome::Rows),
                Some(calls) => {
                    let query = |work: &mut Work| self.query(core, work, query, params);
                    sequence::run(core, calls, query).map(Outcome::Rows)
                }
            },
            Statement::Insert(..) | Statement::Update(_) | Statement::Delete(_) => {
                let table = self.changed();
                core.write(table.as_ref().map(|table| &*table.pace), |work| self.change(core, work, params))
            }
            Statement::Explain(explain) => {
                core.read(|work| self.explain(core, work, explain)).map(Outcome::Rows)
            }
            Statement::Check { view } => core
                .read(|work| {
                    work.base().compiled.catalog.permit(core.role(), &self.needs)?;
                    let snapshot = Arc::new(work.snapshot(true, core.cancel())?);
                    check::check(&core.engine().planner, &snapshot, view, core.cancel())
                })
                .map(Outcome::Rows),
            Statement::CopyFrom(CopyFrom { place: CopyPlace::File(path), .. }) => {
                core.read(|work| work.base().compiled.catalog.permit_files(core.role()))?;
                let rows = self.copy_in(core, || Ok(Box::new(copy::open(path)?)))?;
                Ok(Outcome::Count { tag, rows })
            }
            Statement::CopyTo(copy) if let CopyPlace::File(path) = &copy.place => {
                core.read(|work| work.base().compiled.catalog.permit_files(core.role()))?;
                let rows = self.copy_out(core, &mut || Ok(Box::new(copy::create(path)?)))?;
                Ok(Outcome::Count { tag, rows })
            }
            Statement::CopyFrom(_) | Statement::CopyTo(_) => Err(needs_a_stream()),
            Statement::ShowTables => {
                let Statement::Query(query) = parse_one(SHOW_TABLES)? else {
                    return Err(Error::Sql(sql::SqlError::internal("SHOW TABLES is a query")));
                };
                core.read(|work| self.query(core, work, &query, &[])).map(Outcome::Rows)
            }
            Statement::Subscribe(_) => Err(Error::Usage {
                message: "SUBSCRIBE never ends, so it cannot be run like this: use Statement::subscribe"
                    .to_string(),
            }),
            Statement::Truncate { tables, restart } => {
                truncate::run(core, tables, *restart, &self.needs).map(done)
            }
            Statement::Set { .. } => core.read(|_| Ok(())).map(done),
            Statement::SetPath(path) => core.set_path(path).map(done),
            Statement::Lock(tables) => self.lock(core, tables).map(done),
            _ => self.define(core, params),
        }
    }

    /// Begins what a `SUBSCRIBE` asks for; `None` for any other statement.
    pub(crate) fn subscribe(&self, core: &Core) -> Result<Option<Feed>> {
        let Statement::Subscribe(asked) = &self.statement else { return Ok(None) };
        let start = match (asked.as_of, asked.snapshot) {
            (Some(epoch), _) => Start::After(epoch),
            (None, true) => Start::Contents,
            (None, false) => Start::Now,
        };
        let subscription = self.room(core)?.run(|| follow::begin(core, &self.statement, start))?;
        Ok(Some(Feed { subscription, progress: asked.progress, copy: asked.copy }))
    }

    /// `LOCK TABLE … IN ACCESS SHARE MODE`: the snapshot that the transaction reads is as good as a lock, so all there
    /// is to do is to refuse what PostgreSQL refuses.
    fn lock(&self, core: &Core, tables: &[(String, Option<Position>)]) -> Result<()> {
        if core.status() == Status::Idle {
            let message = "LOCK TABLE can only be used in transaction blocks";
            return Err(sql::SqlError::new(sql::SqlState::NoActiveTransaction, message).into());
        }
        core.read(|work| {
            let catalog = &work.base().compiled.catalog;
            catalog.permit(core.role(), &self.needs)?;
            for (name, position) in tables {
                let relation = catalog.get(name);
                let relation = relation.ok_or_else(|| sql::names::unknown(name).at(*position))?;
                if relation.def.kind != TableKind::Table {
                    let message = format!("cannot lock relation \"{name}\"");
                    return Err(sql::SqlError::new(sql::SqlState::WrongObjectType, message).into());
                }
            }
            Ok(())
        })
    }

    /// Runs a statement that changes the catalog, or says where the transaction stands.
    fn define(&self, core: &Core, params: &[Value]) -> Result<Outcome> {
        let tag = self.statement.name();
        let done = |()| Outcome::Done { tag };
        let noted = |notices| {
            core.note(notices);
            done(())
        };
        match &self.statement {
            Statement::CreateTable(create) if create.query.is_some() => create_as::run(core, create, || {
                let query = create.query.as_deref().ok_or_else(|| sql::SqlError::internal("no query"))?;
                core.read(|work| self.query(core, work, query, params))
            }),
            Statement::CreateTable(create) => {
                let draft = core.read(|_| Ok(ddl::create_table(&core.engine().planner, create)?))?;
                core.define(Change::Table(draft)).map(noted)
            }
            Statement::CreateSequence(draft) => core.define(Change::Sequence(draft.clone())).map(noted),
            Statement::Restart(restart) => core.define(Change::Restart(vec![restart.clone()])).map(noted),
            Statement::CreateView(create) if !create.materialized => {
                core.read(|work| work.base().compiled.catalog.permit_naming(core.role(), &self.needs))?;
                core.define(Change::PlainView(create.clone())).map(noted)
            }
            Statement::CreateView(create) => {
                core.read(|work| work.base().compiled.catalog.permit(core.role(), &self.needs))?;
                core.define(Change::View(create.clone())).map(noted)
            }
            Statement::Drop(drop) => core.define(Change::Drop(drop.clone())).map(noted),
            Statement::DropAbsent(drop) => upkeep::drop_absent(core, drop).map(noted),
            Statement::Schema(change) => core.define(Change::Schema(change.clone())).map(noted),
            Statement::Upkeep(asked) => upkeep::run(core, asked).map(noted),
            Statement::Alter(alter) => core.define(Change::Alter(alter.clone())).map(noted),
            Statement::Role(change) => {
                let change = core.read(|_| scram::hide(change))?;
                core.define(Change::Roles(change)).map(noted)
            }
            Statement::Begin { read_only } => core.begin(*read_only).map(done),
            Statement::Commit => {
                core.commit().map(|done| Outcome::Done { tag: if done { "COMMIT" } else { "ROLLBACK" } })
            }
            Statement::Rollback => core.rollback().map(done),
            Statement::Savepoint(name) => core.savepoint(name).map(done),
            Statement::Release(name) => core.release(name).map(done),
            Statement::RollbackTo(name) => core.rollback_to(name).map(done),
            _ => Err(Error::Sql(sql::SqlError::internal("a statement has no way to run"))),
        }
    }

    fn query(&self, core: &Core, work: &mut Work, query: &Query, params: &[Value]) -> Result<QueryResult> {
        let snapshot = self.snapshot(core, work)?;
        let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(&snapshot);
        let planner = &core.engine().planner;
        let facts = || facts::SnapshotFacts::new(&snapshot, core);
        let plan = self.query_plan(core, &snapshot, query)?;
        match &plan.kind {
            PlanKind::Point(point) => {
                let batch = point.fetch(as_dyn.as_ref(), &borrowed(params), work.now(), core.cancel())?;
                Ok(QueryResult { schema: batch.schema(), batches: vec![batch] })
            }
            PlanKind::Catalog(prepared) => facts::run(core, &facts(), prepared, &owned(params)),
            PlanKind::Query(prepared) => {
                let params = owned(params);
                let rows = planner.run(prepared, &as_dyn, &params, work.now(), core.cancel())?;
                Ok(QueryResult { schema: rows.schema, batches: rows.batches })
            }
            PlanKind::Change(_) => {
                Err(Error::Sql(sql::SqlError::internal("a query has the plan of a change")))
            }
        }
    }

    fn change(&self, core: &Core, work: &mut Work, params: &[Value]) -> Result<Outcome> {
        let changes = self.changes(core, work, params)?;
        work.change(changes.table.id, &changes.delta)?;
        match changes.returning {
            Some(batch) => Ok(Outcome::Rows(QueryResult { schema: batch.schema(), batches: vec![batch] })),
            None => Ok(Outcome::Count { tag: self.statement.name(), rows: changes.affected }),
        }
    }

    /// What a writing statement changes. Its snapshot is gone when this returns, so that the changes can be added to
    /// the transaction in place.
    fn changes(&self, core: &Core, work: &mut Work, params: &[Value]) -> Result<Changes> {
        let snapshot = self.snapshot(core, work)?;
        let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(&snapshot);
        let planner = &core.engine().planner;
        let plan = self.change_plan(core, &snapshot)?;
        let PlanKind::Change(dml) = &plan.kind else {
            return Err(Error::Sql(sql::SqlError::internal("a change has the plan of a query")));
        };
        let (params, now, sequences) = (borrowed(params), work.now(), &sequence::Source::new(core, work));
        let cancel = core.cancel();
        Ok(dml.execute(&Env { planner, snapshot: &as_dyn, params: &params, now, sequences, cancel })?)
    }

    /// What the statement reads: views follow the transaction's own changes if it names one.
    fn snapshot(&self, core: &Core, work: &mut Work) -> Result<Arc<Snapshot>> {
        let catalog = &work.base().compiled.catalog;
        catalog.permit(core.role(), &self.needs)?;
        let is_view = |name: &String| catalog.get(name).is_some_and(|r| r.def.kind != TableKind::Table);
        let views = self.relations.iter().any(is_view);
        let snapshot = work.snapshot(views, core.cancel())?;
        snapshot.verify(self.relations.iter().map(String::as_str))?;
        Ok(Arc::new(snapshot))
    }

    /// The plan that was made before, if it was for this catalog.
    fn known(&self, snapshot: &Snapshot) -> Option<Arc<Plan>> {
        let plan = lock(&self.plan);
        plan.as_ref().filter(|plan| Arc::ptr_eq(&plan.compiled, &snapshot.version().compiled)).cloned()
    }

    /// A plan for this catalog; with `keep` it is there the next time.
    pub(crate) fn made(&self, snapshot: &Snapshot, kind: PlanKind, keep: bool) -> Arc<Plan> {
        let plan = Arc::new(Plan { compiled: Arc::clone(&snapshot.version().compiled), kind });
        *lock(&self.plan) = keep.then(|| Arc::clone(&plan));
        plan
    }

    fn query_plan(&self, core: &Core, snapshot: &Arc<Snapshot>, query: &Query) -> Result<Arc<Plan>> {
        if let Some(plan) = self.known(snapshot) {
            return Ok(plan);
        }
        let planner = &core.engine().planner;
        let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(snapshot);
        let given = lock(&self.given).clone();
        let facts = || facts::SnapshotFacts::new(snapshot, core);
        let make = |query: &Query| {
            if let Some(point) = PointQuery::recognise(planner, as_dyn.as_ref(), query, &given) {
                return Ok(PlanKind::Point(Box::new(point)));
            }
            Result::Ok(PlanKind::Query(Box::new(planner.prepare(&as_dyn, query, &given)?)))
        };
        let concern = pgcatalog::concern(query);
        let kind = match concern {
            Concern::None => make(query)?,
            Concern::Wholly => PlanKind::Catalog(Box::new(facts::prepare(&facts(), query, &given)?)),
            Concern::Partly => make(&pgcatalog::fold(&facts(), query)?)?,
        };
        // What one asks of the session in parts may be something else the next time.
        Ok(self.made(snapshot, kind, concern != Concern::Partly))
    }

    fn change_plan(&self, core: &Core, snapshot: &Arc<Snapshot>) -> Result<Arc<Plan>> {
        if let Some(plan) = self.known(snapshot) {
            return Ok(plan);
        }
        let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(snapshot);
        let given = lock(&self.given).clone();
        let dml = PreparedDml::new(&core.engine().planner, &as_dyn, &self.statement, &given)?;
        Ok(self.made(snapshot, PlanKind::Change(Box::new(dml)), true))
    }

    /// What it takes and answers, planning it if that has not been done. `given` are types that its parameters
    /// have whatever their places suggest.
    pub(crate) fn describe(&self, core: &Core, given: &[Option<Type>]) -> Result<Description> {
        if *lock(&self.given) != given {
            *lock(&self.given) = given.to_vec();
            *lock(&self.plan) = None;
        }
        self.room(core)?.run(|| self.describe_here(core, given))
    }

    fn describe_here(&self, core: &Core, given: &[Option<Type>]) -> Result<Description> {
        if let Some(error) = &self.wrong {
            return core.read(|_| Err(Error::Sql(error.clone())));
        }
        let cast = self.arrays.as_ref().map(|arrays| arrays.given(given));
        let given = cast.as_deref().unwrap_or(given);
        match &self.statement {
            Statement::Query(query) => core.read(|work| {
                let snapshot = self.snapshot(core, work)?;
                let described = self.query_plan(core, &snapshot, query)?.description(given)?;
                Ok(match &self.calls {
                    Some(calls) => sequence::describe(calls, described),
                    None => described,
                })
            }),
            Statement::Insert(..) | Statement::Update(_) | Statement::Delete(_) => core.read(|work| {
                let snapshot = self.snapshot(core, work)?;
                self.change_plan(core, &snapshot)?.description(given)
            }),
            Statement::ShowTables => {
                Ok(Description::of_columns(["name", "kind"].map(|name| Column::new(name, Type::Text)).into()))
            }
            Statement::Explain(_) => Ok(Description::of_columns(vec![Column::new(PLAN, Type::Text)])),
            Statement::Subscribe(asked) if !asked.copy => core.read(|work| {
                let followed = match &asked.followed {
                    Followed::Relation(name) => {
                        columns(&types::arrow_schema(&work.relation(name)?.def.columns))?
                    }
                    Followed::Query(query) => {
                        let snapshot = self.snapshot(core, work)?;
                        self.query_plan(core, &snapshot, query)?
                            .description(given)?
                            .columns
                            .unwrap_or_default()
                    }
                };
                Ok(Description::of_columns(follow::columns(followed, asked.progress)))
            }),
            Statement::Check { view } => core.read(|work| {
                let mut columns = columns(&types::arrow_schema(&work.relation(view)?.def.columns))?;
                columns.push(Column::new("weight", Type::Int64));
                Ok(Description::of_columns(columns))
            }),
            _ => Ok(Description::default()),
        }
    }

    /// How a `COPY` of a stream is laid out; `None` for other statements.
    pub(crate) fn copy_layout(&self, core: &Core) -> Result<Option<CopyLayout>> {
        self.room(core)?.run(|| self.copy_layout_here(core))
    }

    fn copy_layout_here(&self, core: &Core) -> Result<Option<CopyLayout>> {
        // Who may not copy hears it before anything is said of the rows.
        if matches!(self.statement, Statement::CopyFrom(_) | Statement::CopyTo(_)) {
            core.read(|work| work.base().compiled.catalog.permit(core.role(), &self.needs))?;
        }
        let (format, columns) = match &self.statement {
            Statement::CopyFrom(copy) if copy.place == CopyPlace::Stream => {
                (&copy.format, core.read(|work| width(work, &copy.table, &copy.columns))?)
            }
            Statement::CopyTo(copy) if copy.place == CopyPlace::Stream => {
                let columns = match &copy.source {
                    CopySource::Table { name, columns } => core.read(|work| width(work, name, columns))?,
                    CopySource::Query(query) => core.read(|work| {
                        let snapshot = self.snapshot(core, work)?;
                        let plan = self.query_plan(core, &snapshot, query)?;
                        Ok(plan.description(&[])?.columns.map_or(0, |columns| columns.len()))
                    })?,
                };
                (&copy.format, columns)
            }
            _ => return Ok(None),
        };
        Ok(Some(CopyLayout { binary: *format == CopyFormat::Binary, columns }))
    }

    /// Runs a `COPY … FROM` with what the input gives that is made once it is known whose rows it has.
    pub(crate) fn copy_in<'i>(
        &self,
        core: &Core,
        input: impl FnOnce() -> Result<Box<dyn Read + 'i>>,
    ) -> Result<u64> {
        let Statement::CopyFrom(copy) = &self.statement else { return Err(needs_a_stream()) };
        core.clear_cancel();
        let empty = gather(core, &copy.table, &copy.columns, true)?;
        let watch = copy::Watch { cancel: core.cancel(), copied: core.copied_bytes() };
        // Reading is part of the transaction, so a bad line fails it; outside of one nobody waits for it.
        let mut gathered = core.read(|_| copy::read(copy, input()?, empty, watch))?;
        flush(core, &mut gathered)
    }

    /// Runs a `COPY … TO`, into what `output` makes once it is known that there will be rows.
    pub(crate) fn copy_out<'o>(
        &self,
        core: &Core,
        output: &mut dyn FnMut() -> Result<Box<dyn Write + 'o>>,
    ) -> Result<u64> {
        let Statement::CopyTo(copy) = &self.statement else { return Err(needs_a_stream()) };
        core.clear_cancel();
        core.read(|work| self.copy_to(core, work, copy, output))
    }

    fn copy_to<'o>(
        &self,
        core: &Core,
        work: &mut Work,
        copy: &CopyTo,
        output: &mut dyn FnMut() -> Result<Box<dyn Write + 'o>>,
    ) -> Result<u64> {
        let snapshot = self.snapshot(core, work)?;
        match &copy.source {
            CopySource::Table { name, columns } => {
                let relation = work.relation(name)?;
                if relation.is_plain_view() || relation.sequence.is_some() {
                    return Err(no_rows_of_its_own(&relation));
                }
                copy::places(&relation, columns)?;
                let names = copy::column_names(&relation, columns).into_iter();
                let mut writer = copy::Writer::begin(&copy.place, &copy.format, output()?, names)?;
                let runs = sql::Scan::runs(snapshot.as_ref(), relation.id());
                writer.relation(&relation, columns, &runs, core.cancel())?;
                writer.finish()
            }
            CopySource::Query(query) => {
                let result = self.query(core, work, query, &[])?;
                let names = result.schema.fields().iter().map(|field| field.name().as_str());
                let mut writer = copy::Writer::begin(&copy.place, &copy.format, output()?, names)?;
                result.batches.iter().try_for_each(|batch| writer.batch(batch))?;
                writer.finish()
            }
        }
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
        let need = Need { relation: table.to_string(), privileges: Privileges::INSERT };
        work.base().compiled.catalog.permit(core.role(), &[need])?;
        let snapshot = Snapshot::new(Arc::clone(work.base()));
        let now = one_moment.then(|| work.now());
        let sequences = sequence::Source::new(core, work);
        let engine = core.engine();
        let bounds = (now, engine.transaction_memory);
        Gather::new(&engine.planner, snapshot, relation, (columns, sequences), bounds)
    })
}

/// `COPY` of a plain view or a sequence.
fn no_rows_of_its_own(relation: &Relation) -> Error {
    let message = format!("cannot copy from {} \"{}\"", rights::kind(relation), relation.name());
    let error = sql::SqlError::new(sql::SqlState::WrongObjectType, message);
    error.with_hint("Try the COPY (SELECT ...) TO variant.").into()
}

fn needs_a_stream() -> Error {
    Error::Usage { message: "COPY of STDIN or STDOUT needs a stream, which only its caller has".to_string() }
}

/// How many columns of a relation these are: all if none are named.
fn width(work: &Work, table: &str, columns: &[String]) -> Result<usize> {
    Ok(copy::places(&*work.relation(table)?, columns)?.len())
}

/// Writes the arrays of a statement out, unless it is about the catalogs, which know arrays.
fn arrays(statement: &mut Statement) -> std::result::Result<Option<ArrayParameters>, SqlError> {
    let wholly = |statement: &Statement| match statement {
        Statement::Query(query) => pgcatalog::concern(query) == Concern::Wholly,
        _ => false,
    };
    if !wholly(statement) {
        return ArrayParameters::take(statement);
    }
    // Arrays alone may be what made it theirs.
    let mut written = statement.clone();
    match ArrayParameters::take(&mut written) {
        Ok(arrays) if !wholly(&written) => {
            *statement = written;
            Ok(arrays)
        }
        _ => Ok(None),
    }
}

/// What belongs to the parameters that are no arrays.
fn rest<T: Clone>(arrays: &ArrayParameters, all: &[T]) -> Vec<T> {
    let kept = all.iter().enumerate().filter(|(index, _)| !arrays.indices().contains(index));
    kept.map(|(_, value)| value.clone()).collect()
}

fn owned(params: &[Value]) -> Vec<(Datum, Type)> {
    params.iter().map(|value| (value.datum.clone(), value.ty)).collect()
}

fn borrowed(params: &[Value]) -> Vec<(&Datum, Type)> {
    params.iter().map(|value| (&value.datum, value.ty)).collect()
}

fn explain_view(work: &Work, name: &str) -> Result<String> {
    let relation = work.relation(name)?;
    let Some(view) = relation.view.as_ref().filter(|_| relation.has_rows()) else {
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
    let dml = PreparedDml::new(planner, snapshot, statement, &[])?;
    let catalog = &work.base().compiled.catalog;
    let dependents = catalog.dependents(dml.table().id);
    let views = dependents.iter().filter(|view| view.has_rows()).map(|view| view.name().to_string());
    let views: Vec<String> = views.collect();
    let followed = if views.is_empty() { "none".to_string() } else { views.join(", ") };
    Ok(format!("{} on {}\nviews that follow: {followed}", statement.name(), dml.table().name))
}

fn lines(text: &str) -> Result<QueryResult> {
    let schema = Arc::new(Schema::new(vec![Field::new(PLAN, DataType::Utf8, false)]));
    let lines: Vec<&str> = text.lines().collect();
    let rows = lines.len();
    let column: ArrayRef = Arc::new(StringArray::from(lines));
    let batch = types::record_batch(&schema, vec![column], rows)?;
    Ok(QueryResult { schema, batches: vec![batch] })
}
