//! DataFusion set up our way: functions, analyzer and optimizer rules, options; and the bridge by which its
//! planner finds our tables.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::arrow::temporal_conversions::timestamp_us_to_datetime;
use datafusion::catalog::view::ViewTable;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result, TableReference, plan_datafusion_err};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::context::SessionState;
use datafusion::execution::{SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyExpressions};
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerContext, OptimizerRule};
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;

use crate::catalog::{Snapshot, TableDef, TableKind};
use crate::comparable::reworded;
use crate::error::SqlError;
use crate::optional::OptionalSubqueries;
use crate::output::tell_apart;
use crate::portion::ROWS;
use crate::repair::{name_outputs, repair};
use crate::rules::CheckedArithmetic;
use crate::series::{self, Times, Values};
use crate::settle::{Modulo, SettleTypes, TimeArithmetic};
use crate::statement::{Statement, parse_one};
use crate::table::Relation;
use crate::types::to_arrow;
use crate::{
    arrays, bounded, dialect, expansion, extremes, joined, limits, moment, names, schemas, sqltype, sums,
};

/// Rules that do a view harm. Turning a key join into a semi join costs state; limits have no place in a view;
/// common subexpressions are shared when expressions are compiled; the leaf rules only shuffle projections;
/// and our circuits have DISTINCT, also inside an aggregate.
const NOT_FOR_VIEWS: [&str; 7] = [
    "eliminate_join",
    "push_down_limit",
    "common_sub_expression_eliminate",
    "extract_leaf_expressions",
    "push_down_leaf_projections",
    "replace_distinct_aggregate",
    "single_distinct_aggregation_to_group_by",
];

/// Rules that an ad-hoc query does without: the first three could evaluate an expression for rows that do not need
/// it; the last loses groups that differ only in a column which a key of one joined table seems to determine.
const NOT_FOR_QUERIES: [&str; 4] = [
    "common_sub_expression_eliminate",
    "extract_leaf_expressions",
    "push_down_leaf_projections",
    "single_distinct_aggregation_to_group_by",
];

/// Functions of PostgreSQL's that DataFusion has under another name.
const POSTGRES_NAMES: [(&str, &str); 3] = [("sign", "signum"), ("ceiling", "ceil"), ("pow", "power")];

/// DataFusion's state for this process: the same for every query.
pub(crate) struct Session {
    state: SessionState,
    for_views: Optimizer,
    simplifier: Optimizer,
    limiter: Optimizer,
    view_options: Arc<ConfigOptions>,
}

impl Session {
    pub(crate) fn new() -> Session {
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_information_schema(false)
            .with_batch_size(ROWS);
        let options = config.options_mut();
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.collect_spans = true;
        // The optimizer knows better than the executor which columns cannot be NULL; both are right.
        options.execution.skip_physical_aggregate_schema_check = true;
        options.optimizer.enable_dynamic_filter_pushdown = false;
        options.optimizer.enable_topk_dynamic_filter_pushdown = false;
        options.optimizer.enable_join_dynamic_filter_pushdown = false;
        options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        let mut view_options = options.clone();
        view_options.optimizer.max_passes = 8;
        view_options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;

        let mut aggregates = SessionStateDefaults::default_aggregate_functions();
        aggregates
            .retain(|function| !matches!(function.name(), "sum" | "avg" | "min" | "max" | "string_agg"));
        aggregates.extend(sums::aggregates());
        aggregates.extend(extremes::aggregates());
        aggregates.push(joined::aggregate());
        let mut planners = SessionStateDefaults::default_expr_planners();
        planners.insert(0, Arc::new(TimeArithmetic));
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_expr_planners(planners)
            .with_scalar_functions(bounded::functions())
            .with_aggregate_functions(aggregates)
            .with_analyzer_rules(analyzer_rules())
            .with_optimizer_rules(optimizer_rules(&NOT_FOR_QUERIES))
            .with_type_planner(Arc::new(OurTypes))
            .build();
        Session {
            state,
            for_views: Optimizer::with_rules(optimizer_rules(&NOT_FOR_VIEWS)),
            simplifier: Optimizer::with_rules(vec![Arc::new(SimplifyExpressions::new())]),
            limiter: Optimizer::with_rules(vec![Arc::new(PushDownLimit::new())]),
            view_options: Arc::new(view_options),
        }
    }

    /// DataFusion's own state.
    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    /// DataFusion's state for a query whose batches have only so many rows.
    pub(crate) fn in_portions(&self, rows: usize) -> SessionState {
        let config = self.state.config().clone().with_batch_size(rows);
        SessionStateBuilder::new_from_existing(self.state.clone()).with_config(config).build()
    }

    /// The plan of a query as written: names resolved, nothing coerced. `params` are the types of its parameters.
    pub(crate) fn bind(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        query: &ast::Query,
        params: Vec<Option<FieldRef>>,
        values: &Values<'_>,
    ) -> Result<LogicalPlan, SqlError> {
        expansion::check(query)?;
        let mut query = query.clone();
        schemas::tell_apart(&mut query)?;
        arrays::expand_query(&mut query)?;
        dialect::translate(&mut query);
        repair(&mut query);
        tell_apart(&mut query.body);
        let plan = |query: ast::Query| {
            let names = Names { session: self, state: &self.state, snapshot, values };
            let mut context = PlannerContext::new().with_prepare_param_data_types(params.clone());
            let statement = ast::Statement::Query(Box::new(query));
            SqlToRel::new(&names).sql_statement_to_plan_with_context(statement, &mut context)
        };
        match plan(query.clone()) {
            Err(error) if error.to_string().contains("require unique expression names") => {
                name_outputs(&mut query);
                plan(query).map_err(|error| reworded(error.into()))
            }
            planned => planned.map_err(|error| reworded(error.into())),
        }
    }

    /// What a plain view's name stands for: the plan of its query as written, with the view's names for the columns.
    fn plain_view(&self, snapshot: &Arc<dyn Snapshot>, def: &TableDef) -> Result<LogicalPlan, SqlError> {
        let internal = |what: &str| SqlError::internal(format!("the plain view \"{}\" {what}", def.name));
        let text = snapshot.plain_view(&def.name).ok_or_else(|| internal("has no query"))?;
        let Statement::Query(query) = parse_one(&text)? else { return Err(internal("is not a query")) };
        // A place in the view's text is none in the statement that names the view.
        let bound = self.bind(snapshot, &query, Vec::new(), &Values::default());
        let bound = bound.map_err(|error| SqlError { position: None, ..error })?;
        let columns = bound.schema().columns();
        if columns.len() < def.columns.len() {
            return Err(internal("has lost columns"));
        }
        let named = columns.into_iter().zip(&def.columns);
        let named: Vec<Expr> = named.map(|(column, def)| Expr::Column(column).alias(&def.name)).collect();
        Ok(LogicalPlanBuilder::from(bound).project(named)?.build()?)
    }

    /// The plan with types coerced and arithmetic made ours.
    pub(crate) fn analyze(&self, plan: LogicalPlan) -> Result<LogicalPlan, SqlError> {
        Ok(self.state.analyzer().execute_and_check(plan, self.state.config_options(), |_, _| {})?)
    }

    /// The analysed plan optimised for a view: `now()` stays a call, so that it can be refused.
    pub(crate) fn optimize_view(&self, plan: LogicalPlan) -> Result<LogicalPlan, SqlError> {
        let context = OptimizerContext::new_with_config_options(Arc::clone(&self.view_options))
            .without_query_execution_start_time();
        Ok(self.for_views.optimize(plan, &context, |_, _| {})?)
    }

    /// The analysed plan with its expressions simplified and nothing moved: each keeps its place.
    pub(crate) fn simplify(&self, plan: LogicalPlan) -> Result<LogicalPlan, SqlError> {
        let context = OptimizerContext::new_with_config_options(Arc::clone(&self.view_options))
            .without_query_execution_start_time();
        Ok(self.simplifier.optimize(plan, &context, |_, _| {})?)
    }

    /// The optimised plan with limits, whose parameters have their values by now, brought to where they save work.
    pub(crate) fn push_limits(&self, plan: LogicalPlan) -> Result<LogicalPlan, SqlError> {
        let plan = limits::settle(plan)?;
        Ok(self.limiter.optimize(plan, &self.state, |_, _| {})?)
    }

    /// The analysed plan optimised for being run once, with this time for `now()` if there is one.
    pub(crate) fn optimize_query(
        &self,
        plan: LogicalPlan,
        now: Option<i64>,
    ) -> Result<LogicalPlan, SqlError> {
        let Some(now) = now else {
            return Ok(self.state.optimizer().optimize(plan, &self.state, |_, _| {})?);
        };
        let mut state = self.state.clone();
        state.mark_start_execution();
        let moment = timestamp_us_to_datetime(now).map(|moment| moment.and_utc());
        state.execution_props_mut().query_execution_start_time = moment;
        Ok(state.optimizer().optimize(plan, &state, |_, _| {})?)
    }
}

fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(OptionalSubqueries), Arc::new(SettleTypes)];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(CheckedArithmetic));
    rules
}

fn optimizer_rules(without: &[&str]) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let all = Optimizer::new().rules;
    all.into_iter().filter(|rule| !without.contains(&rule.name())).collect()
}

/// Gives the types that a statement names the Arrow types that stand for ours, where DataFusion would take
/// others (nanoseconds above all).
#[derive(Debug)]
struct OurTypes;

impl TypePlanner for OurTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let declared = sqltype::of(sql_type).ok();
        Ok(declared.map(|d| Arc::new(datafusion::arrow::datatypes::Field::new("", to_arrow(d.ty), true))))
    }
}

/// What names in a query stand for.
struct Names<'a> {
    session: &'a Session,
    state: &'a SessionState,
    snapshot: &'a Arc<dyn Snapshot>,
    values: &'a Values<'a>,
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let undefined = || names::unknown(&name.to_string());
        let schema = name.schema().unwrap_or(names::PUBLIC);
        // Such a schema and a name could come to another's full name.
        if schema.contains('.') {
            return Err(undefined().into());
        }
        let def = self.snapshot.table(&names::full(schema, name.table())).ok_or_else(undefined)?;
        if def.kind == TableKind::PlainView {
            let plan = self.session.plain_view(self.snapshot, &def)?;
            return Ok(provider_as_source(Arc::new(ViewTable::new(plan, None))));
        }
        Ok(provider_as_source(Arc::new(Relation::new(def, self.snapshot.as_ref()))))
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let function = self
            .state
            .table_functions()
            .get(name)
            .ok_or_else(|| plan_datafusion_err!("function {name} does not exist"))?;
        let context =
            SimplifyContext::builder().with_config_options(Arc::clone(self.state.config_options())).build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let args = args
            .into_iter()
            .map(|arg| simplifier.coerce(self.values.put_into(arg)?, &schema))
            .map(|arg| arg.and_then(|arg| simplifier.simplify(arg)))
            .collect::<Result<Vec<_>>>()?;
        let (args, times) = match name {
            "generate_series" | "range" => series::arguments(args)?,
            _ => (args, None),
        };
        let args = datafusion::catalog::TableFunctionArgs::new(&args, self.state);
        let made = function.create_table_provider_with_args(args)?;
        Ok(provider_as_source(match times {
            Some(ty) => Arc::new(Times::new(made, ty)),
            None => made,
        }))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(OurTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let name = POSTGRES_NAMES.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours);
        match name {
            "mod" => Some(Arc::new(ScalarUDF::from(Modulo::new()))),
            _ if moment::find(name).is_some() => moment::find(name).cloned(),
            _ => self.state.scalar_functions().get(name).cloned(),
        }
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
