//! `INSERT`: new rows from a list of values or from a query, each completed by defaults, then added; or, where
//! `ON CONFLICT` says so, turned into updates of the rows that are in their way.

use std::sync::Arc;

use crate::grammar::Grammar;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, DataType, Expr, ObjectName, OnInsert, Query, SelectItem, SetExpr, SetOperator,
    SetQuantifier, TableObject,
};
use datafusion::sql::sqlparser::parser::Parser;
use zset::{BatchBuilder, Datum, Vector};

use super::asked::{gather, typed};
use super::conflict::Conflict;
use super::plain::{self, Plain};
use super::taken::{self, Counted};
use super::{Affected, Env, Writable, is_default, rows};
use crate::adhoc::Rows;
use crate::catalog::{ColumnDef, Snapshot};
use crate::error::{SqlError, SqlState};
use crate::literal::Literal;
use crate::names;
use crate::params::{Params, placeholder};
use crate::planner::Planner;
use crate::scalar::{self, Given, Scalars, Scope, Target};
use crate::sequence::{Sequences, Taken};
use crate::statement::{Overriding, Statement, parse_expression, parse_one};

/// A prepared `INSERT`.
#[derive(Debug)]
pub(super) struct Insert {
    source: Source,
    defaults: Defaults,
    conflict: Option<Conflict>,
}

#[derive(Debug)]
enum Source {
    /// A few rows without expressions, `ON CONFLICT` and `RETURNING`.
    Plain(Plain, Counted),
    Values(Values),
    Query {
        query: Box<Query>,
        params: Params,
        /// The table's column for each column of the query.
        columns: Vec<u32>,
        /// The columns are named, so that the query must give all of them.
        explicit: bool,
        /// The first column that it may not give, and why.
        guard: Option<(usize, SqlError)>,
    },
}

/// A list of rows as written.
#[derive(Debug)]
struct Values {
    /// One row after the other, one cell for each of the table's columns.
    cells: Vec<Vec<Cell>>,
    /// The expressions among the cells.
    computed: Option<Scalars>,
    counted: Counted,
}

#[derive(Clone, Debug)]
enum Cell {
    Value(Datum),
    Parameter(usize),
    /// The expression of this number.
    Computed(usize),
    /// What a sequence gives, by its number in [`Counted`].
    Taken(usize),
    /// The column's default.
    Default,
}

/// What columns without a value get.
#[derive(Debug)]
pub(super) struct Defaults {
    /// A constant, for each column that has no expression.
    constants: Vec<Datum>,
    /// The columns whose default is computed, and how.
    computed: Option<(Vec<u32>, Scalars)>,
    /// The columns that sequences give values to.
    sequences: Vec<(u32, String)>,
}

pub(super) fn prepare(
    planner: &Arc<Planner>,
    snapshot: &Arc<dyn Snapshot>,
    (insert, overriding): (&ast::Insert, Overriding),
    params: &mut Params,
) -> Result<(Writable, String, Insert), SqlError> {
    refuse_clauses(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(SqlError::unsupported("INSERT into anything but a table"));
    };
    let target = Writable::find(snapshot, name)?;
    let alias = insert.table_alias.as_ref().map(|alias| names::fold(&alias.alias));
    let alias = alias.unwrap_or_else(|| target.def.own_name().to_string());
    let columns = named_columns(&target, &insert.columns)?;
    let explicit = !insert.columns.is_empty();
    let into = Written { columns: &columns, explicit, overriding };
    let defaults = Defaults::new(planner, &target)?;
    let source = match insert.source.as_deref() {
        None => Source::Values(default_values(&target)),
        Some(query) => match plain_values(query) {
            Some(rows) => Source::Values(values(planner, &target, into, rows, params)?),
            None => query_source(&target, into, &defaults, query, params)?,
        },
    };
    let conflict = match &insert.on {
        Some(OnInsert::OnConflict(on)) => Some(Conflict::new(planner, &target, &alias, on, params)?),
        Some(other) => return Err(SqlError::unsupported(other).with_hint("write ON CONFLICT")),
        None => None,
    };
    let source = match source {
        Source::Values(mut values) => {
            values.take_defaults(&defaults)?;
            match conflict.is_none() && insert.returning.is_none() {
                true => values.simplest(&defaults),
                false => Source::Values(values),
            }
        }
        source => source,
    };
    Ok((target, alias, Insert { source, defaults, conflict }))
}

/// Whether its rows are written out.
pub(super) fn is_of_values(insert: &ast::Insert) -> bool {
    insert.source.as_deref().is_none_or(|query| plain_values(query).is_some())
}

/// Where the values that are written go.
#[derive(Clone, Copy)]
struct Written<'a> {
    /// The columns, in the order of the values.
    columns: &'a [u32],
    /// They are named, so that all of them must be given.
    explicit: bool,
    overriding: Overriding,
}

impl Written<'_> {
    /// Whether a value that is written for this column gives way to its sequence's.
    fn gives_way(&self, column: &ColumnDef) -> bool {
        self.overriding == Overriding::UserValue && column.identity.is_some()
    }

    /// Refuses a value for a column that is always generated.
    fn check(&self, column: &ColumnDef) -> Result<(), SqlError> {
        match column.is_always_generated() && self.overriding == Overriding::Nothing {
            true => Err(taken::always_generated(column)),
            false => Ok(()),
        }
    }
}

impl Insert {
    pub(super) fn is_of_few_rows(&self) -> bool {
        match &self.source {
            Source::Plain(..) => true,
            Source::Values(values) => values.cells.len() <= plain::FEW,
            Source::Query { .. } => false,
        }
    }

    pub(super) fn execute(
        &self,
        target: &Writable,
        env: &Env<'_>,
        given: &Given<'_>,
    ) -> Result<Affected, SqlError> {
        let (mut columns, count) = match &self.source {
            Source::Plain(rows, counted) => {
                let taken = counted.take(env.sequences, rows.taken())?;
                return rows.insert(target, env, given, taken);
            }
            Source::Values(values) => {
                (values.columns(target, &self.defaults, env, given)?, values.cells.len())
            }
            Source::Query { query, params, columns, explicit, guard } => {
                let written = taken::write_out(query, env.sequences)?;
                let query = written.as_ref().unwrap_or(query);
                let answer =
                    env.planner.query(env.snapshot, query, &typed(params, env)?, env.now, env.cancel)?;
                let width = answer.schema.fields().len();
                if width > columns.len() {
                    return Err(too_many());
                }
                if *explicit && width < columns.len() {
                    return Err(too_few());
                }
                if let Some((_, error)) = guard.as_ref().filter(|(at, _)| *at < width) {
                    return Err(error.clone());
                }
                self.complete(target, &answer, &columns[..width], env, given)?
            }
        };
        rows::check(target, &mut columns)?;
        let snapshot = env.snapshot.as_ref();
        match &self.conflict {
            Some(conflict) => conflict.resolve(target, snapshot, columns, count, given),
            None => add(target, snapshot, columns, count),
        }
    }

    /// The rows of an answer that gives these columns, with defaults in the others.
    fn complete(
        &self,
        target: &Writable,
        answer: &Rows,
        columns: &[u32],
        env: &Env<'_>,
        given: &Given<'_>,
    ) -> Result<(Vec<Vector>, usize), SqlError> {
        let count = answer.batches.iter().map(|b| b.num_rows()).sum();
        let wanted = |column| !columns.contains(&column);
        let mut out = self.defaults.columns(target, count, given, wanted)?;
        self.defaults.take(env.sequences, count, &mut out, target, wanted)?;
        for (index, &column) in columns.iter().enumerate() {
            let def = &target.def.columns[column as usize];
            let place = Target { name: &def.name, ty: def.ty.ty };
            out[column as usize] = gather(answer, index, place, target, count)?;
        }
        Ok((out, count))
    }
}

fn add(
    target: &Writable,
    snapshot: &dyn Snapshot,
    columns: Vec<Vector>,
    count: usize,
) -> Result<Affected, SqlError> {
    let mut builder = BatchBuilder::new();
    let weights = vec![1; count];
    rows::push(target, &columns, &weights, &mut builder)?;
    Ok(Affected { delta: rows::finish(target, snapshot, builder)?, columns, weights })
}

/// The columns that values are given for; all of them where none are named.
fn named_columns(target: &Writable, named: &[ObjectName]) -> Result<Vec<u32>, SqlError> {
    if named.is_empty() {
        return Ok((0..target.def.columns.len() as u32).collect());
    }
    let mut columns = Vec::with_capacity(named.len());
    for name in named {
        let column = target.column(name)?;
        if columns.contains(&column) {
            return Err(SqlError::new(
                SqlState::DuplicateColumn,
                format!("column \"{}\" specified more than once", target.def.columns[column as usize].name),
            )
            .at(names::position(name)));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// The rows of a query that is `VALUES` and nothing else.
fn plain_values(query: &Query) -> Option<Vec<&[Expr]>> {
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none();
    match query.body.as_ref() {
        SetExpr::Values(values) if plain => {
            let rows: Vec<&[Expr]> = values.rows.iter().map(|row| row.content.as_slice()).collect();
            (!rows.iter().any(|row| row.iter().any(scalar::has_subquery))).then_some(rows)
        }
        _ => None,
    }
}

fn default_values(target: &Writable) -> Values {
    let cells = vec![vec![Cell::Default; target.def.columns.len()]];
    Values { cells, computed: None, counted: Counted::default() }
}

fn values(
    planner: &Arc<Planner>,
    target: &Writable,
    into: Written<'_>,
    written: Vec<&[Expr]>,
    params: &mut Params,
) -> Result<Values, SqlError> {
    let Written { columns, explicit, .. } = into;
    let mut counted = Counted::default();
    let width = written.first().map_or(0, |row| row.len());
    let mut cells = Vec::with_capacity(written.len());
    let mut exprs: Vec<(Expr, Option<Target<'_>>)> = Vec::new();
    for row in written {
        if row.len() != width {
            return Err(SqlError::new(SqlState::SyntaxError, "VALUES lists must all be the same length"));
        }
        if row.len() > columns.len() {
            return Err(too_many());
        }
        if explicit && row.len() < columns.len() {
            return Err(too_few());
        }
        let mut out = vec![Cell::Default; target.def.columns.len()];
        for (expr, &column) in row.iter().zip(columns) {
            let def = &target.def.columns[column as usize];
            if !is_default(expr) {
                into.check(def)
                    .map_err(|error| error.at(crate::error::Position::of(ast::Spanned::span(expr))))?;
            }
            out[column as usize] = match cell(expr, def, params)? {
                Some(_) if into.gives_way(def) => Cell::Default,
                Some(cell) => cell,
                None if let Some(taken) = Taken::of(expr)? => Cell::Taken(counted.number(taken)),
                None => {
                    exprs.push((expr.clone(), Some(Target { name: &def.name, ty: def.ty.ty })));
                    Cell::Computed(exprs.len() - 1)
                }
            };
        }
        cells.push(out);
    }
    let computed = match exprs.is_empty() {
        true => None,
        false => Some(scalar::compile(planner, &Scope::default(), &exprs, params)?),
    };
    Ok(Values { cells, computed, counted })
}

/// What is written in one place, unless it is an expression.
fn cell(expr: &Expr, column: &ColumnDef, params: &mut Params) -> Result<Option<Cell>, SqlError> {
    if is_default(expr) {
        return Ok(Some(Cell::Default));
    }
    if let Expr::Value(value) = expr
        && let Some(index) = placeholder(&value.value)?
    {
        // One parameter in columns of two types is converted for each.
        let taken = params.note(index, Some(column.ty.ty)) == Some(column.ty.ty);
        return Ok(taken.then_some(Cell::Parameter(index)));
    }
    match Literal::of(expr)? {
        Some(literal) => literal.assign(column.ty.ty).map(|value| Some(Cell::Value(value))),
        None => Ok(None),
    }
    .map_err(|error| match error.state {
        SqlState::DatatypeMismatch => {
            SqlError { message: format!("column \"{}\": {}", column.name, error.message), ..error }
        }
        _ => error,
    })
    .map_err(|error| error.at(crate::error::Position::of(ast::Spanned::span(expr))))
}

impl Values {
    /// Notes which defaults are sequences' values.
    fn take_defaults(&mut self, defaults: &Defaults) -> Result<(), SqlError> {
        for (column, sequence) in &defaults.sequences {
            let number = self.counted.number(Taken::Next(sequence.clone()));
            for row in &mut self.cells {
                if let Some(cell @ Cell::Default) = row.get_mut(*column as usize) {
                    *cell = Cell::Taken(number);
                }
            }
        }
        Ok(())
    }

    /// Rows without expressions, if they are few.
    fn simplest(self, defaults: &Defaults) -> Source {
        let constant = |cells: &Vec<Cell>| {
            let of = |(column, cell): (u32, &Cell)| match cell {
                Cell::Value(_) | Cell::Parameter(_) | Cell::Taken(_) => true,
                Cell::Computed(_) => false,
                Cell::Default => defaults.is_constant(column),
            };
            (0..).zip(cells).all(of)
        };
        if self.cells.len() > plain::FEW || !self.cells.iter().all(constant) {
            return Source::Values(self);
        }
        let plain = |(cell, default): (Cell, &Datum)| match cell {
            Cell::Value(value) => plain::Cell::Value(value),
            Cell::Parameter(at) => plain::Cell::Parameter(at),
            Cell::Taken(at) => plain::Cell::Taken(at),
            Cell::Default | Cell::Computed(_) => plain::Cell::Value(default.clone()),
        };
        let row = |cells: Vec<Cell>| cells.into_iter().zip(&defaults.constants).map(plain).collect();
        Source::Plain(Plain { cells: self.cells.into_iter().map(row).collect() }, self.counted)
    }

    fn columns(
        &self,
        target: &Writable,
        defaults: &Defaults,
        env: &Env<'_>,
        given: &Given<'_>,
    ) -> Result<Vec<Vector>, SqlError> {
        let computed = match &self.computed {
            Some(scalars) => scalars.eval(&[], 1, given)?,
            None => Vec::new(),
        };
        let count = self.cells.len();
        let cells = self.cells.iter().flatten();
        let taken = cells.filter_map(|cell| if let Cell::Taken(at) = cell { Some(*at) } else { None });
        let mut values = self.counted.take(env.sequences, taken)?;
        let wants = |column: u32| {
            self.cells.iter().any(|row| matches!(row.get(column as usize), Some(Cell::Default)))
        };
        let defaults = defaults.columns(target, count, given, wants)?;
        let columns = &target.def.columns;
        let mut out: Vec<Vector> =
            columns.iter().map(|def| Vector::with_capacity(def.ty.ty.lane(), count)).collect();
        // Row by row, as sequences count.
        for (row, cells) in self.cells.iter().enumerate() {
            for (index, (cell, column)) in cells.iter().zip(&mut out).enumerate() {
                let ty = columns[index].ty.ty;
                match cell {
                    Cell::Value(value) => column.push_datum(value),
                    Cell::Parameter(at) => column.push_datum(given.param(*at)),
                    Cell::Computed(at) => column.push_datum(&computed[*at].get_as(0, ty)),
                    Cell::Taken(at) => column.push_datum(&values.next(*at, ty)?),
                    Cell::Default => column.extend_range(&defaults[index], row..row + 1),
                }
            }
        }
        Ok(out)
    }
}

impl Defaults {
    pub(super) fn new(planner: &Arc<Planner>, target: &Writable) -> Result<Defaults, SqlError> {
        let mut constants = Vec::with_capacity(target.def.columns.len());
        let mut columns = Vec::new();
        let mut exprs = Vec::new();
        let mut sequences: Vec<(u32, String)> = Vec::new();
        for (index, def) in (0..).zip(&target.def.columns) {
            let mut constant = Datum::Null;
            sequences.extend(def.identity.as_ref().map(|identity| (index, identity.sequence.clone())));
            if let Some(text) = &def.default {
                let expr = parse_expression(text)?;
                match Literal::of(&expr)? {
                    Some(literal) => constant = literal.assign(def.ty.ty)?,
                    None if let Some(Taken::Next(sequence)) = Taken::of(&expr)? => {
                        sequences.push((index, sequence));
                    }
                    None => {
                        columns.push(index);
                        exprs.push((expr, Some(Target { name: &def.name, ty: def.ty.ty })));
                    }
                }
            }
            constants.push(constant);
        }
        let computed = match exprs.is_empty() {
            true => None,
            false => {
                let scalars = scalar::compile(planner, &Scope::default(), &exprs, &mut Params::default())?;
                Some((columns, scalars))
            }
        };
        Ok(Defaults { constants, computed, sequences })
    }

    /// Whether a sequence gives the column its values.
    fn is_counted(&self, column: u32) -> bool {
        self.sequences.iter().any(|(counted, _)| *counted == column)
    }

    /// Puts `count` values of sequences into those of the columns that they give values to and that are wanted.
    pub(super) fn take(
        &self,
        sequences: &dyn Sequences,
        count: usize,
        columns: &mut [Vector],
        target: &Writable,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<(), SqlError> {
        for (column, sequence) in self.sequences.iter().filter(|(column, _)| wanted(*column)) {
            let def = &target.def.columns[*column as usize];
            columns[*column as usize] = taken::column(sequences, sequence, def.ty.ty, count)?;
        }
        Ok(())
    }

    /// Whether the default of this column is the same at every execution.
    fn is_constant(&self, column: u32) -> bool {
        self.computed.as_ref().is_none_or(|(columns, _)| !columns.contains(&column))
    }

    /// `count` rows of the defaults of the columns that are wanted; the others stay empty, and what sequences give
    /// is not there yet.
    pub(super) fn columns(
        &self,
        target: &Writable,
        count: usize,
        given: &Given<'_>,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<Vec<Vector>, SqlError> {
        let mut out: Vec<Vector> = (0..)
            .zip(target.def.columns.iter().zip(&self.constants))
            .map(|(index, (def, constant))| {
                Vector::constant(def.ty.ty.lane(), constant, if wanted(index) { count } else { 0 })
            })
            .collect();
        if let Some((columns, scalars)) = &self.computed
            && columns.iter().any(|column| wanted(*column))
        {
            for (column, values) in columns.iter().zip(scalars.eval(&[], count, given)?) {
                out[*column as usize] = values;
            }
        }
        Ok(out)
    }
}

/// A query's rows. Bare strings, NULLs and parameters of its select list take the types of their columns.
fn query_source(
    target: &Writable,
    into: Written<'_>,
    defaults: &Defaults,
    query: &Query,
    params: &mut Params,
) -> Result<Source, SqlError> {
    let mut query = Box::new(query.clone());
    let columns = leave_to_sequences(target, into, defaults, &mut query)?;
    let (columns, explicit) = (columns.as_slice(), into.explicit);
    let is_list = matches!(query.body.as_ref(), SetExpr::Values(_));
    let guard = guard(target, into).filter(|_| !is_list);
    if let Some((_, error)) = guard.as_ref().filter(|_| explicit) {
        return Err(error.clone());
    }
    let no_column = |_: &Expr| None;
    if let SetExpr::Select(select) = query.body.as_mut() {
        for (item, &column) in select.projection.iter_mut().zip(columns) {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                break;
            };
            let ty = target.def.columns[column as usize].ty.ty;
            match Literal::of(expr)? {
                Some(Literal::Text(_) | Literal::Null) => cast_to(expr, ty)?,
                _ => {
                    params.infer(expr, Some(ty), &no_column)?;
                }
            }
        }
        // Two columns may be the same expression, and the planner wants each to have a name of its own.
        for (index, item) in select.projection.iter_mut().enumerate() {
            if let SelectItem::UnnamedExpr(expr) = item {
                let alias = names::quoted(&format!("${index}"));
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
    }
    if let SetExpr::Values(values) = query.body.as_mut() {
        for row in &mut values.rows {
            for (expr, &column) in row.content.iter_mut().zip(columns) {
                let def = &target.def.columns[column as usize];
                if is_default(expr) {
                    *expr = parse_expression(def.default.as_deref().unwrap_or("NULL"))?;
                }
                match Literal::of(expr)? {
                    Some(Literal::Text(_) | Literal::Null) => cast_to(expr, def.ty.ty)?,
                    _ => {
                        params.infer(expr, Some(def.ty.ty), &no_column)?;
                    }
                }
            }
        }
        if scalar::has_subquery(&*values) {
            query.body = Box::new(selects(values)?);
        }
    }
    params.note_all(&query)?;
    Ok(Source::Query { params: params.clone(), query, columns: columns.to_vec(), explicit, guard })
}

/// The columns that a query gives. Those for which a list of rows says `DEFAULT`, and which sequences give values to,
/// are taken out of it.
fn leave_to_sequences(
    target: &Writable,
    into: Written<'_>,
    defaults: &Defaults,
    query: &mut Query,
) -> Result<Vec<u32>, SqlError> {
    let mut left = into.columns.to_vec();
    let SetExpr::Values(values) = query.body.as_mut() else { return Ok(left) };
    for at in (0..left.len()).rev() {
        let def = &target.def.columns[left[at] as usize];
        let is_left = |row: &ast::Parens<Vec<Expr>>| {
            row.content.get(at).is_some_and(|expr| is_default(expr) || into.gives_way(def))
        };
        let (all, any) = (values.rows.iter().all(is_left), values.rows.iter().any(is_left));
        if !all {
            into.check(def)?;
        }
        match defaults.is_counted(left[at]) {
            true if all => {
                left.remove(at);
                values.rows.iter_mut().for_each(|row| _ = row.content.remove(at));
            }
            true if any => {
                return Err(SqlError::unsupported(format!(
                    "DEFAULT of column \"{}\" in some rows of VALUES with subqueries",
                    def.name
                ))
                .with_hint("write an INSERT for each kind of row"));
            }
            _ => {}
        }
    }
    Ok(left)
}

/// The first of the columns that a query may not give, and why.
fn guard(target: &Writable, into: Written<'_>) -> Option<(usize, SqlError)> {
    let refusal = |(at, &column): (usize, &u32)| {
        let def = &target.def.columns[column as usize];
        if into.gives_way(def) {
            let refusal = SqlError::unsupported("OVERRIDING USER VALUE with a query");
            return Some((at, refusal.with_hint("leave the identity columns out of the query")));
        }
        into.check(def).err().map(|error| (at, error))
    };
    into.columns.iter().enumerate().find_map(refusal)
}

/// A list of rows as one `SELECT` a row: the planner runs no subquery inside `VALUES`.
fn selects(values: &ast::Values) -> Result<SetExpr, SqlError> {
    let mut all: Option<SetExpr> = None;
    for row in &values.rows {
        let Statement::Query(mut query) = parse_one("SELECT 0")? else {
            return Err(SqlError::internal("a select list is no query"));
        };
        if let SetExpr::Select(select) = query.body.as_mut() {
            let item = |(index, expr): (usize, &Expr)| {
                let alias = names::quoted(&format!("${index}"));
                SelectItem::ExprWithAlias { expr: expr.clone(), alias }
            };
            select.projection = row.content.iter().enumerate().map(item).collect();
        }
        all = Some(match all {
            None => *query.body,
            Some(left) => SetExpr::SetOperation {
                left: Box::new(left),
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                right: query.body,
            },
        });
    }
    all.ok_or_else(|| SqlError::new(SqlState::SyntaxError, "VALUES has no rows"))
}

fn cast_to(expr: &mut Expr, ty: zset::Type) -> Result<(), SqlError> {
    let data_type: DataType = Parser::new(&Grammar).try_with_sql(&ty.to_string())?.parse_data_type()?;
    let inner = Box::new(expr.clone());
    *expr = Expr::Cast { kind: CastKind::Cast, expr: inner, data_type, array: false, format: None };
    Ok(())
}

fn too_many() -> SqlError {
    SqlError::new(SqlState::SyntaxError, "INSERT has more expressions than target columns")
}

fn too_few() -> SqlError {
    SqlError::new(SqlState::SyntaxError, "INSERT has more target columns than expressions")
}

fn refuse_clauses(insert: &ast::Insert) -> Result<(), SqlError> {
    let refusals = [
        (insert.or.is_some(), "INSERT OR"),
        (insert.overwrite, "INSERT OVERWRITE"),
        (!insert.assignments.is_empty(), "INSERT … SET"),
        (insert.partitioned.is_some(), "PARTITION in INSERT"),
        (insert.output.is_some(), "OUTPUT in INSERT"),
        (insert.multi_table_insert_type.is_some(), "INSERT into several tables"),
        (insert.settings.is_some() || insert.format_clause.is_some(), "FORMAT in INSERT"),
        (insert.insert_alias.is_some(), "an alias after the rows of INSERT"),
        (!insert.into, "INSERT without INTO"),
    ];
    match refusals.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(SqlError::unsupported(what)),
        None => Ok(()),
    }
}
