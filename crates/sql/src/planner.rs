//! The planner: a query's syntax tree in, a view's circuit or a query's answer out.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema as ArrowSchema};
use circuit::Circuit;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::Query;
use zset::{ColumnType, Datum, Schema, Type};

use crate::adhoc::{Executor, Rows, depends_on_the_moment};
use crate::catalog::{ColumnDef, Snapshot, TableDef};
use crate::constructs::Constructs;
use crate::error::{SqlError, SqlState};
use crate::functions::Library;
use crate::fuse::fuse;
use crate::origin::Origin;
use crate::output::column_names;
use crate::series::Values;
use crate::session::Session;
use crate::table::Relation;
use crate::types::{from_arrow, from_arrow_or_refuse, record_batch, to_arrow, to_scalar};
use crate::{assign, hints, limits, trace, view};

/// A value with its type, for a parameter.
pub type Parameter = (Datum, Type);

/// Turns queries into circuits and answers. One serves a whole process; it holds DataFusion's state and the
/// threads that queries run on.
pub struct Planner {
    session: Arc<Session>,
    executor: Arc<Executor>,
    query_memory: usize,
}

/// The bytes that a query may take unless told otherwise.
pub const QUERY_MEMORY: usize = 1 << 30;

/// What a materialized view's query becomes.
#[derive(Clone, Debug)]
pub struct ViewPlan {
    /// The view's columns.
    pub columns: Vec<ColumnDef>,
    /// Its circuit, a fragment with one sink: its collection ids are placeholders until it is absorbed.
    pub circuit: Circuit,
    /// How the view's rows are encoded: keyed by the group where the query ends in one.
    pub schema: Schema,
    /// The optimised logical plan, for reading.
    pub logical: String,
    /// What the user should know of how the query was understood.
    pub notice: Option<String>,
}

/// A query that is planned once and run many times.
#[derive(Debug)]
pub struct Prepared {
    query: Query,
    given: Vec<Option<Type>>,
    headings: Vec<Heading>,
    params: Vec<Option<Type>>,
    schema: ArrowSchema,
    /// The optimised plan for these relations; none where the plan must be made anew each time.
    cached: Mutex<Option<Cached>>,
}

/// What is said of a column of an answer beside its type.
#[derive(Clone, Debug)]
struct Heading {
    name: String,
    origin: Option<Origin>,
}

#[derive(Clone, Debug)]
struct Cached {
    plan: LogicalPlan,
    relations: Vec<Arc<TableDef>>,
}

impl Prepared {
    /// The parameters' types, `$1` first; none where the query's text leaves one open.
    pub fn params(&self) -> &[Option<Type>] {
        &self.params
    }

    /// The answer's columns as they were when the query was prepared.
    pub fn schema(&self) -> &ArrowSchema {
        &self.schema
    }
}

impl Planner {
    /// A planner. It fails only where threads cannot be started.
    pub fn new() -> std::io::Result<Planner> {
        let (session, executor) = (Arc::new(Session::new()), Arc::new(Executor::new()?));
        Ok(Planner { session, executor, query_memory: QUERY_MEMORY })
    }

    /// The same planner, but each query may take so many bytes for what its operators keep and for its answer.
    pub fn with_query_memory(&self, query_memory: usize) -> Planner {
        let (session, executor) = (Arc::clone(&self.session), Arc::clone(&self.executor));
        Planner { session, executor, query_memory }
    }

    /// The bytes that a query may take.
    pub fn query_memory(&self) -> usize {
        self.query_memory
    }

    /// The functions that circuits may call.
    pub fn functions(&self) -> &'static Library {
        Library::shared()
    }

    /// Plans a materialized view.
    pub fn plan_view(&self, snapshot: &Arc<dyn Snapshot>, query: &Query) -> Result<ViewPlan, SqlError> {
        let constructs = Constructs::of(query);
        constructs.check_view()?;
        let bound = self.session.bind(snapshot, query, Vec::new(), &Values::default())?;
        let plan = self.session.optimize_view(self.session.analyze(bound)?)?;
        let planned: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let names = column_names(query, &planned);
        let (circuit, schema) = view::translate(&plan, &constructs)?;
        let columns = names.iter().zip(&schema.columns).map(|(name, &ty)| ColumnDef::new(name, ty)).collect();
        let notice = query.order_by.is_some().then(|| {
            "a materialized view has no order: ORDER BY belongs into the queries that read it".to_string()
        });
        Ok(ViewPlan { columns, circuit, schema, logical: plan.display_indent().to_string(), notice })
    }

    /// The columns of a plain view of this query.
    pub fn plan_plain_view(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        query: &Query,
    ) -> Result<Vec<ColumnDef>, SqlError> {
        let (bound, headings) = self.bind_query(snapshot, query, &[], &Values::default())?;
        if !parameters(&bound, &[])?.types.is_empty() {
            return Err(SqlError::new(SqlState::UndefinedParameter, "a view has no parameters"));
        }
        let plan = self.optimized(bound, None)?;
        let column = |(field, heading): (&FieldRef, &Heading)| {
            let ty = match field.data_type() {
                DataType::Null => Type::Text,
                ty => from_arrow_or_refuse(ty)?,
            };
            Ok(ColumnDef::new(&heading.name, ColumnType { ty, nullable: field.is_nullable() }))
        };
        plan.schema().fields().iter().zip(&headings).map(column).collect()
    }

    /// Answers a query. `now` is what `now()` gives, in microseconds since 1970 in UTC.
    pub fn query(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        query: &Query,
        params: &[Parameter],
        now: i64,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Rows, SqlError> {
        let types: Vec<Option<Type>> = params.iter().map(|(_, ty)| Some(*ty)).collect();
        let values = scalars(params)?;
        let (bound, headings) = self.bind_query(snapshot, query, &types, &Values::known(&values))?;
        let plan = self.optimized(bound, Some(now))?;
        self.run_plan(plan, &headings, snapshot, params, cancel)
    }

    /// Plans a query whose parameters have these types, or the ones their places suggest.
    pub fn prepare(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        query: &Query,
        given: &[Option<Type>],
    ) -> Result<Prepared, SqlError> {
        let hinted = hints::of(query, given);
        let values = Values::default();
        let (mut bound, headings) = self.bind_query(snapshot, query, &hinted, &values)?;
        let Asked { types: params, open } = parameters(&bound, &hinted)?;
        let typed = params.iter().all(Option::is_some);
        if open {
            // Every place of a parameter has the type that its first has, and what nothing tells the type of is text.
            let told: Vec<_> = params.iter().map(|ty| ty.or(Some(Type::Text))).collect();
            match self.bind_query(snapshot, query, &told, &values) {
                Ok((told, _)) => bound = told,
                Err(error) if typed => return Err(error),
                // Values of other types, which a caller may give, may do better than text.
                Err(_) => {}
            }
        }
        let steady = !values.were_asked() && !depends_on_the_moment(&bound)?;
        let (schema, cached) = match self.session.analyze(bound.clone()) {
            Ok(analyzed) => {
                let schema = renamed(analyzed.schema().as_arrow(), &headings);
                let cached = match typed && steady {
                    true => {
                        let plan = fuse(self.session.optimize_query(analyzed, None)?)?;
                        let relations = relations(&plan)?;
                        Some(Cached { plan, relations })
                    }
                    false => None,
                };
                (schema, cached)
            }
            Err(error) if typed => return Err(error),
            Err(_) => (renamed(bound.schema().as_arrow(), &headings), None),
        };
        Ok(Prepared {
            query: query.clone(),
            given: given.to_vec(),
            headings,
            params,
            schema,
            cached: Mutex::new(cached),
        })
    }

    /// Runs a prepared query. It is planned again where its tables have changed since.
    pub fn run(
        &self,
        prepared: &Prepared,
        snapshot: &Arc<dyn Snapshot>,
        params: &[Parameter],
        now: i64,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Rows, SqlError> {
        let cached = prepared.cached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(cached) = cached else {
            return self.query(snapshot, &prepared.query, params, now, cancel);
        };
        let current = |def: &Arc<TableDef>| snapshot.table(&def.name).is_some_and(|now| now == *def);
        if cached.relations.iter().all(current) {
            return self.run_plan(cached.plan, &prepared.headings, snapshot, params, cancel);
        }
        let again = self.prepare(snapshot, &prepared.query, &prepared.given)?;
        let fresh = again.cached.into_inner().unwrap_or_else(PoisonError::into_inner);
        *prepared.cached.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.query(snapshot, &prepared.query, params, now, cancel)
    }

    /// The plan of a select list over relations: coerced, with our arithmetic and simplified, its expressions in
    /// their order at the top.
    pub(crate) fn plan_scalars(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        query: &Query,
    ) -> Result<LogicalPlan, SqlError> {
        let bound = self.session.bind(snapshot, query, Vec::new(), &Values::default())?;
        self.session.simplify(self.session.analyze(bound)?)
    }

    /// The text of a query's optimised logical plan.
    pub fn explain_query(&self, snapshot: &Arc<dyn Snapshot>, query: &Query) -> Result<String, SqlError> {
        let (bound, _) = self.bind_query(snapshot, query, &[], &Values::default())?;
        Ok(self.optimized(bound, None)?.display_indent().to_string())
    }

    fn bind_query(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        query: &Query,
        given: &[Option<Type>],
        values: &Values<'_>,
    ) -> Result<(LogicalPlan, Vec<Heading>), SqlError> {
        Constructs::of(query).check_query()?;
        let field = |ty: &Option<Type>| ty.map(|ty| Arc::new(Field::new("", to_arrow(ty), true)) as FieldRef);
        let bound = self.session.bind(snapshot, query, given.iter().map(field).collect(), values)?;
        let planned: Vec<String> = bound.schema().fields().iter().map(|field| field.name().clone()).collect();
        let names = column_names(query, &planned).into_iter();
        let headings =
            names.zip(trace::origins(&bound)).map(|(name, origin)| Heading { name, origin }).collect();
        Ok((bound, headings))
    }

    /// The optimised plan; without a time a call of `now()` stays one.
    fn optimized(&self, bound: LogicalPlan, now: Option<i64>) -> Result<LogicalPlan, SqlError> {
        let now = if depends_on_the_moment(&bound)? { now } else { None };
        let plan = self.session.optimize_query(self.session.analyze(bound)?, now)?;
        Ok(fuse(plan)?)
    }

    fn run_plan(
        &self,
        plan: LogicalPlan,
        headings: &[Heading],
        snapshot: &Arc<dyn Snapshot>,
        params: &[Parameter],
        cancel: &Arc<AtomicBool>,
    ) -> Result<Rows, SqlError> {
        let plan = match params.is_empty() {
            true => plan,
            false => {
                let waits = limits::waits(&plan)?;
                let plan = bind_parameters(plan, params)?;
                if waits { self.session.push_limits(plan)? } else { plan }
            }
        };
        let rows = self.executor.run(&self.session, &plan, snapshot, cancel, self.query_memory)?;
        let schema = Arc::new(renamed(&rows.schema, headings));
        let rename = |batch: RecordBatch| {
            let count = batch.num_rows();
            record_batch(&schema, batch.columns().to_vec(), count)
        };
        let batches = rows.batches.into_iter().map(rename).collect::<Result<Vec<_>, _>>()?;
        Ok(Rows { schema, batches })
    }
}

fn scalars(params: &[Parameter]) -> Result<Vec<ScalarValue>, SqlError> {
    params.iter().map(|(value, ty)| to_scalar(value, *ty)).collect()
}

/// The plan with values for its parameters, in the types that the plan has for them.
fn bind_parameters(plan: LogicalPlan, params: &[Parameter]) -> Result<LogicalPlan, SqlError> {
    let wanted = plan.get_parameter_types()?;
    let mut values = Vec::with_capacity(params.len());
    for (index, (value, ty)) in params.iter().enumerate() {
        let wanted = wanted.get(&format!("${}", index + 1)).cloned().flatten();
        let scalar = match wanted.as_ref().and_then(from_arrow) {
            // Numbers are rounded as an assignment rounds them.
            Some(wanted) if wanted != *ty && assign::allowed(*ty, wanted) => {
                to_scalar(&assign::datum(value, *ty, wanted)?, wanted)?
            }
            _ => to_scalar(value, *ty)?,
        };
        values.push(match wanted {
            Some(wanted) if wanted != scalar.data_type() => scalar.cast_to(&wanted)?,
            _ => scalar,
        });
    }
    Ok(plan.replace_params_with_values(&ParamValues::from(values))?)
}

/// The parameters that a plan asks for.
struct Asked {
    /// Their types: those that are given, and what the first place that has one says.
    types: Vec<Option<Type>>,
    /// Whether some place of a parameter has no type, or another one.
    open: bool,
}

fn parameters(plan: &LogicalPlan, given: &[Option<Type>]) -> Result<Asked, SqlError> {
    let mut asked = Asked { types: given.to_vec(), open: false };
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(Placeholder { id, field }) = expr {
                    asked.note(id, field.as_ref())?;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(asked)
}

impl Asked {
    fn note(&mut self, name: &str, field: Option<&FieldRef>) -> Result<(), SqlError> {
        let undefined = |message: String| SqlError::new(SqlState::UndefinedParameter, message);
        let number: usize = name
            .strip_prefix('$')
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| undefined(format!("parameters are written $1, $2, …, not {name}")))?;
        let index = number.checked_sub(1).ok_or_else(|| undefined("there is no parameter $0".to_string()))?;
        if self.types.len() <= index {
            self.types.resize(index + 1, None);
        }
        let ty = field.map(|field| field.data_type()).filter(|ty| **ty != DataType::Null);
        let ty = ty.and_then(from_arrow);
        let known = self.types[index].or(ty);
        self.open |= ty.is_none() || ty != known;
        self.types[index] = known;
        Ok(())
    }
}

/// The tables and views that a plan reads.
fn relations(plan: &LogicalPlan) -> Result<Vec<Arc<TableDef>>, SqlError> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found.extend(Relation::of(&scan.source));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn renamed(schema: &ArrowSchema, headings: &[Heading]) -> ArrowSchema {
    let fields = schema.fields().iter().zip(headings).map(|(field, heading)| {
        let field = field.as_ref().clone().with_name(&heading.name);
        match heading.origin {
            Some(origin) => origin.put_on(field),
            None => field,
        }
    });
    ArrowSchema::new(fields.collect::<Vec<_>>())
}
