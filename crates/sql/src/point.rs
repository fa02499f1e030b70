//! Reads by key: a `SELECT` of one relation whose `WHERE` gives the first key columns, answered by one search in
//! the sorted runs, without the ad-hoc engine.
//!
//! What is recognised is exactly what has the same answer here as there: columns and scalar expressions of one
//! table or view, the key's columns equal to constants or parameters, further terms joined by AND. Everything
//! else is left to the general path ([`recognise`](PointQuery::recognise) gives nothing), errors included, so
//! that there is one place that words them. A prepared read costs the search, the decoding of the columns
//! asked for and the making of an Arrow batch: about a microsecond.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableFactor,
};
use zset::{ColumnType, Datum, Layout, Type, Vector};

use crate::access::{self, Access, Hit};
use crate::catalog::{ColumnDef, Snapshot, TableDef, TableKind};
use crate::error::{SqlError, SqlState};
use crate::names;
use crate::origin::Origin;
use crate::output::column_names;
use crate::params::Params;
use crate::planner::Planner;
use crate::scalar::{self, Given, Relation, Scalars, Scope};
use crate::types::{answer_schema, record_batch, to_array};

/// A read by key made ready.
#[derive(Debug)]
pub struct PointQuery {
    table: Arc<TableDef>,
    layout: Layout,
    access: Access,
    output: Output,
    schema: SchemaRef,
    params: Params,
}

#[derive(Debug)]
enum Output {
    /// Columns as they are.
    Columns(Vec<(u32, Type)>),
    /// Expressions over all columns.
    Scalars(Scalars),
}

impl PointQuery {
    /// The read that `query` is, if it is one. `given` are types that its parameters are said to have.
    pub fn recognise(
        planner: &Arc<Planner>,
        snapshot: &dyn Snapshot,
        query: &Query,
        given: &[Option<Type>],
    ) -> Option<PointQuery> {
        let select = plain_select(query)?;
        let (name, alias) = one_table(select)?;
        let table =
            snapshot.table(&name).filter(|table| matches!(table.kind, TableKind::Table | TableKind::View))?;
        let alias = alias.unwrap_or_else(|| table.own_name().to_string());
        let scope = Scope::new(vec![Relation::of(&table, &alias)]);
        let mut params = Params::new(given);
        let condition = select.selection.as_ref()?;
        if !access::gives_key(&table, &scope, condition) {
            return None;
        }
        let access = Access::new(planner, &table, &scope, Some(condition), &mut params).ok()?;
        let exprs = select_list(select, &table, &alias)?;
        let origins: Vec<Option<Origin>> =
            exprs.iter().map(|expr| Origin::new(&table, scope.column(expr)?)).collect();
        let columns: Option<Vec<(u32, Type)>> = exprs
            .iter()
            .map(|expr| {
                let index = scope.column(expr)?;
                Some((u32::try_from(index).ok()?, table.columns[index].ty.ty))
            })
            .collect();
        let (output, types) = match columns {
            Some(columns) => {
                let types: Vec<ColumnType> =
                    columns.iter().map(|(at, _)| table.columns[*at as usize].ty).collect();
                (Output::Columns(columns), types)
            }
            None => {
                let exprs: Vec<_> = exprs.into_iter().map(|expr| (expr, None)).collect();
                let scalars = scalar::compile(planner, &scope, &exprs, &mut params).ok()?;
                let types = scalars.types().to_vec();
                (Output::Scalars(scalars), types)
            }
        };
        let names: Vec<String> = planned_names(select, &table, types.len());
        let names = column_names(query, &names);
        let columns = names.into_iter().zip(types).map(|(n, ty)| ColumnDef::new(n, ty));
        let schema = answer_schema(columns.zip(origins).collect());
        let layout = Layout::new(&table.schema, snapshot.secret());
        Some(PointQuery { schema, table, layout, access, output, params })
    }

    /// The table or view it reads.
    pub fn table(&self) -> &Arc<TableDef> {
        &self.table
    }

    /// The types of its parameters.
    pub fn parameters(&self) -> &[Option<Type>] {
        self.params.types()
    }

    /// Whether the whole key is given, so that there is at most one row to find in a table.
    pub fn is_one_row(&self) -> bool {
        self.access.is_of_one_row(&self.table)
    }

    /// The columns of its answer.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The answer. Fails if the relation is no longer the one it was prepared for: prepare it again then.
    pub fn fetch(
        &self,
        snapshot: &dyn Snapshot,
        params: &[(&Datum, Type)],
        now: i64,
        cancel: &AtomicBool,
    ) -> Result<RecordBatch, SqlError> {
        let current = snapshot.table(&self.table.name);
        if current.is_none_or(|current| current.id != self.table.id) {
            return Err(SqlError::new(
                SqlState::UndefinedTable,
                format!(
                    "relation \"{}\" is no longer the one the statement was prepared for",
                    self.table.name
                ),
            ));
        }
        let bound = self.params.bind(params)?;
        let given = Given { raw: params, params: &bound, now };
        let found = self.access.look(&self.layout, snapshot, self.table.id, &given)?;
        let hits = repeated(self.access.hits(&self.layout, &found, &given, cancel)?);
        match &self.output {
            Output::Columns(columns) => {
                let array =
                    |&(column, ty): &(u32, Type)| to_array(access::column(&self.layout, &hits, column), ty);
                let arrays = columns.iter().map(array).collect::<Result<_, _>>()?;
                record_batch(&self.schema, arrays, hits.len())
            }
            Output::Scalars(scalars) => {
                let columns = access::columns(&self.layout, &hits, |index| scalars.uses(index));
                let inputs: Vec<&Vector> = columns.iter().collect();
                let results = scalars.eval(&inputs, hits.len(), &given)?;
                let arrays =
                    results.into_iter().zip(scalars.types()).map(|(values, ty)| to_array(values, ty.ty));
                record_batch(&self.schema, arrays.collect::<Result<_, _>>()?, hits.len())
            }
        }
    }
}

/// A row of weight n comes n times.
fn repeated(hits: Vec<Hit<'_>>) -> Vec<Hit<'_>> {
    if hits.iter().all(|hit| hit.weight == 1) {
        return hits;
    }
    let copies = |hit: Hit<'_>| usize::try_from(hit.weight).unwrap_or_default();
    hits.into_iter().flat_map(|hit| std::iter::repeat_n(hit, copies(hit))).collect()
}

/// The `SELECT` that a query is, if nothing but its list, table and condition says what it gives.
fn plain_select(query: &Query) -> Option<&Select> {
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty();
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(exprs, modifiers) if exprs.is_empty() && modifiers.is_empty());
    let bare = select.distinct.is_none()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.having.is_none()
        && select.named_window.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
        && select.flavor == SelectFlavor::Standard;
    (plain && ungrouped && bare).then_some(select)
}

/// The one table of a `FROM`, and its alias.
fn one_table(select: &Select) -> Option<(String, Option<String>)> {
    let [from] = select.from.as_slice() else { return None };
    match &from.relation {
        TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
        } if from.joins.is_empty()
            && with_hints.is_empty()
            && partitions.is_empty()
            && index_hints.is_empty() =>
        {
            let alias = match alias {
                Some(alias) if alias.columns.is_empty() => Some(names::fold(&alias.name)),
                Some(_) => return None,
                None => None,
            };
            Some((names::relation(name).ok()?, alias))
        }
        _ => None,
    }
}

/// The expressions of the select list, wildcards written out.
fn select_list(select: &Select, table: &TableDef, alias: &str) -> Option<Vec<Expr>> {
    let all = || table.columns.iter().map(|c| Expr::Identifier(names::quoted(&c.name)));
    let mut exprs = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                exprs.push(expr.clone())
            }
            SelectItem::Wildcard(options) if options.to_string().is_empty() => exprs.extend(all()),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                if options.to_string().is_empty() && table.goes_by(alias, &names::relation(name).ok()?) =>
            {
                exprs.extend(all());
            }
            _ => return None,
        }
    }
    (!exprs.is_empty()).then_some(exprs)
}

/// Names for what wildcards stand for, at their places among `count` columns.
fn planned_names(select: &Select, table: &TableDef, count: usize) -> Vec<String> {
    let mut names = Vec::with_capacity(count);
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                names.extend(table.columns.iter().map(|c| c.name.clone()));
            }
            _ => names.push(String::new()),
        }
    }
    names
}
