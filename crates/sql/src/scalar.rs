//! Scalar expressions of writing statements, compiled once: the new values of `UPDATE`, the rest of a `WHERE`,
//! what `RETURNING` gives.
//!
//! An expression is planned exactly as a query over its row would plan it (names, coercion, our arithmetic),
//! by asking the planner for the select list over relations that exist only for this; then it is translated and
//! compiled. Running it plans nothing. Parameters, and the time of the statement, are columns of one more
//! relation, so that a compiled expression serves every execution. A subquery is no scalar expression: its
//! caller turns to the ad-hoc engine.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::logical_expr::{Expr as Planned, LogicalPlan, Volatility};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArguments, Query, SelectItem, SetExpr, TimezoneInfo, Visit,
    visit_expressions, visit_expressions_mut,
};
use expr::{LARGEST_COLUMN, Program, Scratch};
use zset::{Batch, CollectionId, ColumnType, Datum, Schema, Secret, Type, Vector};

use crate::catalog::{Catalog, ColumnDef, Scan, Snapshot, TableDef, TableKind};
use crate::error::{SqlError, SqlState};
use crate::expr::{Scope as Translation, translate};
use crate::functions::Library;
use crate::literal::Literal;
use crate::params::{Params, placeholder};
use crate::planner::Planner;
use crate::statement::Statement;
use crate::{assign, input, names, statement};

/// The relation of the parameters, and the column of the statement's time.
const PARAMETERS: &str = "$parameters";
const NOW: &str = "$now";

/// The column an expression's value goes into.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// Its type.
    pub ty: Type,
}

/// A relation whose columns an expression may name.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The name that stands before its columns.
    pub name: String,
    /// The full name that it is known by: its own, or the alias as if it were one.
    pub full: String,
    /// Its columns.
    pub columns: Vec<ColumnDef>,
}

impl Relation {
    /// A table under a name.
    pub fn of(table: &TableDef, name: &str) -> Relation {
        let full = match name == table.own_name() {
            true => table.name.clone(),
            false => names::full(names::PUBLIC, name),
        };
        Relation { name: name.to_string(), full, columns: table.columns.clone() }
    }
}

/// The relations an expression may name, in the order of the columns it runs over.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    relations: Vec<Relation>,
}

impl Scope {
    /// These relations.
    pub fn new(relations: Vec<Relation>) -> Scope {
        Scope { relations }
    }

    /// The index of the column that a reference means, if it means one of these.
    pub fn column(&self, expr: &Expr) -> Option<usize> {
        let (schema, relation, name) = match expr {
            Expr::Identifier(ident) => (None, None, names::fold(ident)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, column] => (None, Some(names::fold(relation)), names::fold(column)),
                [schema, relation, column] => {
                    (Some(names::fold(schema)), Some(names::fold(relation)), names::fold(column))
                }
                _ => return None,
            },
            Expr::Nested(inner) => return self.column(inner),
            _ => return None,
        };
        let named = |r: &&Relation| match (&schema, &relation) {
            (Some(schema), Some(name)) => r.full == names::full(schema, name),
            (_, name) => name.as_ref().is_none_or(|name| *name == r.name),
        };
        let mut found = None;
        let mut start = 0;
        for r in &self.relations {
            if named(&r)
                && let Some(index) = r.columns.iter().position(|c| c.name == name)
                && found.replace(start + index).is_some()
            {
                return None;
            }
            start += r.columns.len();
        }
        found
    }

    /// The type of the column that a reference means.
    pub fn column_type(&self, expr: &Expr) -> Option<Type> {
        let index = self.column(expr)?;
        self.relations.iter().flat_map(|r| &r.columns).nth(index).map(|c| c.ty.ty)
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.relations.iter().map(|r| r.columns.len()).sum()
    }
}

/// Values that an execution gives its statement.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The parameters as they were given.
    pub raw: &'a [(&'a Datum, Type)],
    /// The same, each as its place takes it: see [`Params::bind`].
    pub params: &'a [Cow<'a, Datum>],
    /// The statement's time, in microseconds since 1970 in UTC.
    pub now: i64,
}

impl<'a> Given<'a> {
    /// The value of the parameter with this index, as its place takes it; NULL where none was given.
    pub fn param(&self, index: usize) -> &'a Datum {
        self.params.get(index).map_or(&Datum::Null, |value| value)
    }
}

/// Compiled expressions over the columns of a scope.
#[derive(Debug)]
pub struct Scalars {
    program: Program,
    types: Vec<ColumnType>,
    width: usize,
    params: Vec<Type>,
    timed: bool,
}

impl Scalars {
    /// The types of the results.
    pub fn types(&self) -> &[ColumnType] {
        &self.types
    }

    /// Whether column `index` of the scope is looked at; others may be given empty.
    pub fn uses(&self, index: u32) -> bool {
        self.program.used_columns().contains(&index)
    }

    /// The values of every expression for `rows` rows of the scope's columns.
    pub fn eval(&self, columns: &[&Vector], rows: usize, given: &Given<'_>) -> Result<Vec<Vector>, SqlError> {
        self.with_inputs(columns, rows, given, |inputs| {
            Ok(self.program.eval(inputs, rows, &mut Scratch::default())?)
        })
    }

    /// The rows for which the one boolean expression is true.
    pub fn select(&self, columns: &[&Vector], rows: usize, given: &Given<'_>) -> Result<Vec<u32>, SqlError> {
        self.with_inputs(columns, rows, given, |inputs| {
            Ok(self.program.select(inputs, rows, &mut Scratch::default())?)
        })
    }

    fn with_inputs<T>(
        &self,
        columns: &[&Vector],
        rows: usize,
        given: &Given<'_>,
        run: impl FnOnce(&[&Vector]) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let used = |index: usize| self.program.used_columns().contains(&(index as u32));
        let mut extra = Vec::with_capacity(self.params.len() + 1);
        for (at, ty) in self.params.iter().enumerate() {
            let value = given.param(at);
            let rows = if used(self.width + at) { rows } else { 0 };
            if value.as_bytes().map_or(0, <[u8]>::len).saturating_mul(rows) > LARGEST_COLUMN {
                let message = format!("out of memory for a parameter beside {rows} rows");
                return Err(
                    SqlError::new(SqlState::OutOfMemory, message).with_hint("change fewer rows at once")
                );
            }
            extra.push(Vector::constant(ty.lane(), value, rows));
        }
        if self.timed {
            extra.push(Vector::constant(Type::TimestampTz.lane(), &Datum::Int(given.now), rows));
        }
        let inputs: Vec<&Vector> = columns.iter().copied().chain(&extra).collect();
        run(&inputs)
    }
}

/// Compiles expressions over `scope`. One with a target is converted to the target's type as an assignment is,
/// and takes part in telling the parameters' types.
pub fn compile(
    planner: &Arc<Planner>,
    scope: &Scope,
    exprs: &[(Expr, Option<Target<'_>>)],
    params: &mut Params,
) -> Result<Scalars, SqlError> {
    for (expr, target) in exprs {
        refuse_subquery(expr)?;
        params.infer(expr, target.map(|t| t.ty), &|column| scope.column_type(column))?;
    }
    let mut wanted: Vec<usize> = Vec::new();
    let mut timed = false;
    let mut rewritten = Vec::with_capacity(exprs.len());
    for (expr, _) in exprs {
        let mut expr = expr.clone();
        rewrite(&mut expr, &mut wanted, &mut timed)?;
        rewritten.push(expr);
    }
    // Parameters up to the greatest that is used are inputs; those in between need no type of their own.
    let count = wanted.iter().max().map_or(0, |last| last + 1);
    let mut types = Vec::with_capacity(count);
    for index in 0..count {
        types.push(if wanted.contains(&index) { params.required(index)? } else { Type::Bool });
    }
    let inputs = Inputs::new(scope, &types, timed);
    let columns = inputs.types();
    let mut done: Vec<Option<expr::Expr>> = Vec::with_capacity(exprs.len());
    let mut open = Vec::new();
    for ((expr, target), rewritten) in exprs.iter().zip(rewritten) {
        let direct = direct(expr, *target, scope, params, &columns)?;
        if direct.is_none() {
            open.push(rewritten);
        }
        done.push(direct);
    }
    let mut planned = match open.is_empty() {
        true => Vec::new(),
        false => inputs.translate(planner, open)?,
    }
    .into_iter();
    let mut compiled = Vec::with_capacity(exprs.len());
    for (direct, (_, target)) in done.into_iter().zip(exprs) {
        let mut expr =
            direct.or_else(|| planned.next()).ok_or_else(|| SqlError::internal("a lost expression"))?;
        if let Some(target) = target {
            convert(&mut expr, *target)?;
        }
        compiled.push(expr);
    }
    let program = Program::compile(&compiled, &columns, Library::shared())?;
    let results = compiled.iter().map(expr::Expr::column_type).collect();
    Ok(Scalars { program, types: results, width: scope.width(), params: types, timed })
}

/// What needs no planning: a literal that has a target, a parameter, a column.
fn direct(
    expr: &Expr,
    target: Option<Target<'_>>,
    scope: &Scope,
    params: &Params,
    columns: &[ColumnType],
) -> Result<Option<expr::Expr>, SqlError> {
    let column = |index: usize| {
        let ty = *columns.get(index)?;
        Some(expr::Expr::Column { index: u32::try_from(index).ok()?, ty })
    };
    if let (Some(target), Some(literal)) = (target, Literal::of(expr)?) {
        let value = literal.assign(target.ty).map_err(|error| match error.state {
            SqlState::DatatypeMismatch => {
                SqlError { message: format!("column \"{}\": {}", target.name, error.message), ..error }
            }
            _ => error,
        })?;
        return Ok(Some(expr::Expr::Literal { value, ty: target.ty }));
    }
    if let Expr::Value(value) = expr {
        return match placeholder(&value.value)? {
            Some(index) => {
                params.required(index)?;
                Ok(column(scope.width() + index))
            }
            None => Ok(None),
        };
    }
    Ok(scope.column(expr).and_then(column))
}

/// Compiles a condition, for [`Scalars::select`].
pub fn condition(
    planner: &Arc<Planner>,
    scope: &Scope,
    expr: &Expr,
    params: &mut Params,
) -> Result<Scalars, SqlError> {
    params.infer(expr, Some(Type::Bool), &|column| scope.column_type(column))?;
    let literal = Literal::of(expr)?.map(|_| Target { name: "WHERE", ty: Type::Bool });
    let scalars = compile(planner, scope, &[(expr.clone(), literal)], params)?;
    match scalars.types.first() {
        Some(ColumnType { ty: Type::Bool, .. }) => Ok(scalars),
        other => {
            let ty = other.map_or_else(String::new, |other| input::type_name(other.ty));
            Err(SqlError::new(
                SqlState::DatatypeMismatch,
                format!("argument of WHERE must be type boolean, not type {ty}"),
            ))
        }
    }
}

/// Compiles an expression that names no column and no parameter: a default.
pub fn constant(planner: &Arc<Planner>, expr: &Expr, target: Target<'_>) -> Result<Scalars, SqlError> {
    let mut params = Params::default();
    let scalars = compile(planner, &Scope::default(), &[(expr.clone(), Some(target))], &mut params)?;
    if !params.types().is_empty() {
        return Err(SqlError::new(SqlState::UndefinedParameter, "there is no parameter in this place"));
    }
    Ok(scalars)
}

/// Whether a query stands anywhere in the expressions below a node of the syntax tree.
pub fn has_subquery(node: &impl Visit) -> bool {
    visit_expressions(node, |expr| match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

fn refuse_subquery(expr: &Expr) -> Result<(), SqlError> {
    if has_subquery(expr) {
        return Err(SqlError::unsupported("a subquery in this place"));
    }
    Ok(())
}

/// Makes an expression give its target's type, if assignment may.
fn convert(expr: &mut expr::Expr, target: Target<'_>) -> Result<(), SqlError> {
    let from = expr.column_type().ty;
    if from == target.ty {
        return Ok(());
    }
    if !assign::allowed(from, target.ty) {
        return Err(SqlError::new(
            SqlState::DatatypeMismatch,
            format!(
                "column \"{}\" is of type {} but expression is of type {}",
                target.name,
                input::type_name(target.ty),
                input::type_name(from)
            ),
        )
        .with_hint("rewrite or cast the expression"));
    }
    let arg = std::mem::replace(expr, expr::Expr::Literal { value: Datum::Null, ty: target.ty });
    *expr = expr::Expr::Cast { arg: Box::new(arg), ty: target.ty, try_cast: false };
    Ok(())
}

/// Turns parameters and the functions of the current time into columns of the parameters' relation.
fn rewrite(expr: &mut Expr, wanted: &mut Vec<usize>, timed: &mut bool) -> Result<(), SqlError> {
    let parameter =
        |name: &str| Expr::CompoundIdentifier(vec![names::quoted(PARAMETERS), names::quoted(name)]);
    let flow = visit_expressions_mut(expr, |expr| {
        let replacement = match &*expr {
            Expr::Value(value) => match placeholder(&value.value) {
                Ok(None) => return ControlFlow::Continue(()),
                Ok(Some(index)) => {
                    wanted.push(index);
                    parameter(&format!("${}", index + 1))
                }
                Err(error) => return ControlFlow::Break(error),
            },
            Expr::Function(function) if has_no_arguments(&function.args) => {
                let zoneless = |ty| cast(parameter(NOW), ty);
                let time = match function.name.to_string().to_ascii_lowercase().as_str() {
                    "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" => {
                        parameter(NOW)
                    }
                    "localtimestamp" => zoneless(DataType::Timestamp(None, TimezoneInfo::None)),
                    "current_date" => zoneless(DataType::Date),
                    "current_time" | "localtime" => cast(
                        zoneless(DataType::Timestamp(None, TimezoneInfo::None)),
                        DataType::Time(None, TimezoneInfo::None),
                    ),
                    _ => return ControlFlow::Continue(()),
                };
                *timed = true;
                time
            }
            _ => return ControlFlow::Continue(()),
        };
        *expr = replacement;
        ControlFlow::Continue(())
    });
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn has_no_arguments(args: &FunctionArguments) -> bool {
    match args {
        FunctionArguments::None => true,
        FunctionArguments::List(list) => list.args.is_empty(),
        FunctionArguments::Subquery(_) => false,
    }
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// The columns a program runs over: those of the scope, then the parameters, then the time.
struct Inputs {
    relations: Vec<Relation>,
}

impl Inputs {
    fn new(scope: &Scope, params: &[Type], timed: bool) -> Inputs {
        let mut columns: Vec<ColumnDef> = (1..)
            .zip(params)
            .map(|(number, ty)| ColumnDef::new(format!("${number}"), ColumnType::nullable(*ty)))
            .collect();
        if timed {
            columns.push(ColumnDef::new(NOW, ColumnType::required(Type::TimestampTz)));
        }
        let mut relations = scope.relations.clone();
        if !columns.is_empty() {
            let name = PARAMETERS.to_string();
            relations.push(Relation { full: name.clone(), name, columns });
        }
        Inputs { relations }
    }

    fn types(&self) -> Vec<ColumnType> {
        self.relations.iter().flat_map(|r| &r.columns).map(|c| c.ty).collect()
    }

    fn translate(&self, planner: &Arc<Planner>, exprs: Vec<Expr>) -> Result<Vec<expr::Expr>, SqlError> {
        let count = exprs.len();
        let snapshot: Arc<dyn Snapshot> = Arc::new(Imaginary::new(&self.relations));
        let plan = planner.plan_scalars(&snapshot, &self.select(exprs)?)?;
        let (planned, schema) = outputs(&plan);
        if planned.len() != count {
            return Err(SqlError::unsupported("an expression that gives several columns or rows"));
        }
        let mut columns = Columns { relations: &self.relations, schema };
        planned.iter().map(|expr| translate(expr, &mut columns)).collect()
    }

    /// `SELECT expressions FROM relations`
    fn select(&self, exprs: Vec<Expr>) -> Result<Query, SqlError> {
        let from: Vec<String> = self.relations.iter().map(|r| names::written(&r.full).to_string()).collect();
        let text = match from.is_empty() {
            true => "SELECT 0".to_string(),
            false => format!("SELECT 0 FROM {}", from.join(", ")),
        };
        let Statement::Query(mut query) = statement::parse_one(&text)? else {
            return Err(SqlError::internal("a select list is no query"));
        };
        if let SetExpr::Select(select) = query.body.as_mut() {
            let item =
                |(at, expr)| SelectItem::ExprWithAlias { expr, alias: names::quoted(&format!("${at}")) };
            select.projection = exprs.into_iter().enumerate().map(item).collect();
        }
        Ok(*query)
    }
}

/// The expressions of a plan's result, over the columns of the node below.
fn outputs(plan: &LogicalPlan) -> (Vec<Planned>, DFSchemaRef) {
    match plan {
        LogicalPlan::Projection(projection) => {
            (projection.expr.clone(), Arc::clone(projection.input.schema()))
        }
        other => {
            (other.schema().columns().into_iter().map(Planned::Column).collect(), Arc::clone(other.schema()))
        }
    }
}

/// What columns of the plan mean: inputs by position.
struct Columns<'a> {
    relations: &'a [Relation],
    schema: DFSchemaRef,
}

impl Translation for Columns<'_> {
    fn schema(&self) -> &DFSchema {
        &self.schema
    }

    fn column(&mut self, column: &Column) -> Result<expr::Expr, SqlError> {
        let relation = column.relation.as_ref().map(|r| r.table());
        let mut start = 0;
        for candidate in self.relations {
            if relation.is_none_or(|name| name == candidate.name)
                && let Some(at) = candidate.columns.iter().position(|c| c.name == column.name)
            {
                let index = u32::try_from(start + at).unwrap_or(u32::MAX);
                return Ok(expr::Expr::Column { index, ty: candidate.columns[at].ty });
            }
            start += candidate.columns.len();
        }
        Err(SqlError::unsupported(format!("{} in this place", column.flat_name()))
            .with_hint("only columns, constants and scalar functions may stand here"))
    }

    fn other(&mut self, expr: &Planned, refusal: SqlError) -> Result<expr::Expr, SqlError> {
        Err(match expr {
            // A compiled expression would keep one value for ever.
            Planned::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                SqlError::unsupported(format!("the function {}() in this place", call.name()))
                    .with_hint("write it in a query: INSERT … SELECT")
            }
            _ => refusal,
        })
    }
}

/// A snapshot of relations that have columns and no rows.
struct Imaginary {
    tables: Vec<Arc<TableDef>>,
}

impl Imaginary {
    fn new(relations: &[Relation]) -> Imaginary {
        let table = |(id, relation): (u32, &Relation)| {
            Arc::new(TableDef {
                id: CollectionId(id),
                name: relation.full.clone(),
                kind: TableKind::Table,
                columns: relation.columns.clone(),
                primary_key: Vec::new(),
                schema: Schema::new(relation.columns.iter().map(|c| c.ty).collect(), Vec::new()),
            })
        };
        Imaginary { tables: (0..).zip(relations).map(table).collect() }
    }
}

impl Catalog for Imaginary {
    fn table(&self, name: &str) -> Option<Arc<TableDef>> {
        self.tables.iter().find(|table| table.name == name).cloned()
    }

    fn tables(&self) -> Vec<Arc<TableDef>> {
        self.tables.clone()
    }
}

impl Scan for Imaginary {
    fn runs(&self, _: CollectionId) -> Vec<Batch> {
        Vec::new()
    }

    fn secret(&self) -> Secret {
        Secret([0; 16])
    }
}

impl Snapshot for Imaginary {}
