//! From an optimised logical plan to a view's circuit.
//!
//! Every node of the plan becomes a few operators whose output columns are the node's, in order. What has no
//! incremental form here is refused with the construct's name and, where the text shows it, its place. Equal
//! sub-plans become equal operators, which the circuit keeps once.

use std::collections::BTreeMap;

use circuit::{Circuit, NodeId, Op};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{
    Distinct, Expr, FetchType, LogicalPlan, Projection, SkipType, TableScan, Union, Values,
};
use expr::{Program, Scratch};
use zset::{ColumnType, Datum, Schema, Type};

use crate::constructs::{Construct, Constructs, refused};
use crate::error::{SqlError, SqlState};
use crate::expr::{Scope, translate as translate_expr};
use crate::functions::Library;
use crate::table::Relation;
use crate::types::from_arrow_or_refuse;

mod aggregate;
mod join;

/// The circuit of a view, with one sink, and how the view's rows are encoded.
pub(crate) fn translate(plan: &LogicalPlan, constructs: &Constructs) -> Result<(Circuit, Schema), SqlError> {
    let mut translator = Translator { circuit: Circuit::new(), constructs, grouped: BTreeMap::new() };
    let top = translator.node(plan)?;
    if plan.schema().fields().is_empty() {
        return Err(SqlError::unsupported("a materialized view without columns"));
    }
    let key = translator.group_key(top);
    let sink = translator.circuit.sink(top, &key);
    let circuit = circuit::optimize(&translator.circuit);
    let schema = match circuit.nodes().find(|(_, node)| matches!(node.op, Op::Sink { .. })) {
        Some((_, node)) => node.schema.clone(),
        None => translator.circuit.node(sink).schema.clone(),
    };
    Ok((circuit, schema))
}

struct Translator<'a> {
    circuit: Circuit,
    constructs: &'a Constructs,
    /// Joins of reduces over the same groups, with the number of leading columns that hold the group.
    grouped: BTreeMap<NodeId, u32>,
}

impl Translator<'_> {
    fn node(&mut self, plan: &LogicalPlan) -> Result<NodeId, SqlError> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => {
                let input = self.node(&filter.input)?;
                self.filter(input, filter.input.schema(), &filter.predicate)
            }
            LogicalPlan::Join(join) => self.join(join, None),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.node(input)?;
                self.distinct(input)
            }
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => {
                let rows = if empty.produce_one_row { vec![vec![Datum::Bool(true)]] } else { Vec::new() };
                let columns = match empty.schema.fields().is_empty() {
                    true => vec![ColumnType { ty: Type::Bool, nullable: false }],
                    false => column_types(&empty.schema)?,
                };
                Ok(self.circuit.constant(rows, columns))
            }
            LogicalPlan::SubqueryAlias(alias) => self.node(&alias.input),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.node(&sort.input),
            LogicalPlan::Limit(limit) => match (limit.get_skip_type()?, limit.get_fetch_type()?) {
                (SkipType::Literal(0), FetchType::Literal(None)) => self.node(&limit.input),
                _ => Err(self.refuse(plan)),
            },
            _ => Err(self.refuse(plan)),
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Result<NodeId, SqlError> {
        let Some(def) = Relation::of(&scan.source) else {
            let name = scan.table_name.table();
            return Err(refused(&format!("reading {name}"), "a view reads tables and other views"));
        };
        if def.kind == crate::catalog::TableKind::System {
            return Err(SqlError::unsupported(format!("reading the system table {} in a view", def.name))
                .with_hint("its rows are not changed by commits: query it directly"));
        }
        if def.kind == crate::catalog::TableKind::Sequence {
            return Err(SqlError::unsupported(format!("reading the sequence {} in a view", def.name)));
        }
        // The filters that a scan is given only narrow what it reads; they all stand above it too.
        let node = self.circuit.source(def.id, def.schema.clone());
        let Some(columns) = &scan.projection else { return Ok(node) };
        let all = columns.len() == def.columns.len() && columns.iter().enumerate().all(|(i, &c)| i == c);
        if all {
            return Ok(node);
        }
        let columns: Vec<u32> = columns.iter().map(|&column| column as u32).collect();
        match columns.is_empty() {
            true => Ok(self.map(node, Vec::new())),
            false => Ok(self.circuit.project(node, &columns)),
        }
    }

    fn projection(&mut self, projection: &Projection) -> Result<NodeId, SqlError> {
        if let LogicalPlan::Join(join) = projection.input.as_ref() {
            return self.join(join, Some(&projection.expr));
        }
        let input = self.node(&projection.input)?;
        let exprs = self.exprs(input, projection.input.schema(), &projection.expr)?;
        if let Op::Constant { rows } = &self.circuit.node(input).op
            && projection.input.schema().fields().is_empty()
        {
            let rows = rows.len();
            return self.constants(vec![exprs; rows], column_types(&projection.schema)?);
        }
        Ok(self.map(input, exprs))
    }

    fn filter(&mut self, input: NodeId, schema: &DFSchema, predicate: &Expr) -> Result<NodeId, SqlError> {
        let predicate = self.expr(input, schema, predicate)?;
        Ok(self.circuit.filter(input, predicate))
    }

    /// A map that has at least one column, which rows need to be told apart from none.
    fn map(&mut self, input: NodeId, mut exprs: Vec<expr::Expr>) -> NodeId {
        if exprs.is_empty() {
            exprs.push(expr::Expr::literal(Datum::Bool(true), Type::Bool));
        }
        let columns = self.circuit.columns(input);
        let identity = exprs.len() == columns.len()
            && exprs.iter().enumerate().all(
                |(place, expr)| matches!(expr, expr::Expr::Column { index, .. } if *index as usize == place),
            );
        if identity { input } else { self.circuit.map(input, exprs) }
    }

    fn distinct(&mut self, input: NodeId) -> Result<NodeId, SqlError> {
        self.refuse_intervals(self.circuit.columns(input), "DISTINCT or UNION over a column")?;
        Ok(self.circuit.distinct(input))
    }

    fn union(&mut self, union: &Union) -> Result<NodeId, SqlError> {
        let wanted = column_types(&union.schema)?;
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            let node = self.node(input)?;
            // Arrow types that are one type to us need nothing; a NULL without a type takes its column's.
            let exprs: Vec<expr::Expr> = wanted
                .iter()
                .zip(self.circuit.columns(node))
                .enumerate()
                .map(|(index, (wanted, &ty))| {
                    let column = expr::Expr::Column { index: index as u32, ty };
                    if ty.ty == wanted.ty { column } else { expr::Expr::cast(column, wanted.ty) }
                })
                .collect();
            inputs.push(self.map(node, exprs));
        }
        Ok(self.circuit.union(inputs))
    }

    fn values(&mut self, values: &Values) -> Result<NodeId, SqlError> {
        let empty = DFSchema::empty();
        let row = |row: &Vec<Expr>| {
            let mut scope = ViewScope { schema: &empty, columns: Vec::new(), constructs: self.constructs };
            row.iter().map(|expr| translate_expr(expr, &mut scope)).collect::<Result<Vec<_>, _>>()
        };
        let rows = values.values.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.constants(rows, column_types(&values.schema)?)
    }

    /// Rows of constant expressions, evaluated now.
    fn constants(&mut self, rows: Vec<Vec<expr::Expr>>, types: Vec<ColumnType>) -> Result<NodeId, SqlError> {
        let mut columns: Vec<ColumnType> =
            types.iter().map(|column| ColumnType { ty: column.ty, nullable: false }).collect();
        let mut values = Vec::with_capacity(rows.len());
        for exprs in rows {
            let exprs: Vec<expr::Expr> =
                exprs.into_iter().zip(&types).map(|(expr, column)| fit(expr, column.ty)).collect();
            let program = Program::compile(&exprs, &[], Library::shared())?;
            let row: Vec<Datum> = program
                .eval(&[], 1, &mut Scratch::default())?
                .iter()
                .zip(&types)
                .map(|(value, column)| value.get_as(0, column.ty))
                .collect();
            for (column, value) in columns.iter_mut().zip(&row) {
                column.nullable |= value.is_null();
            }
            values.push(row);
        }
        Ok(self.circuit.constant(values, columns))
    }

    fn exprs(&self, input: NodeId, schema: &DFSchema, exprs: &[Expr]) -> Result<Vec<expr::Expr>, SqlError> {
        exprs.iter().map(|expr| self.expr(input, schema, expr)).collect()
    }

    fn expr(&self, input: NodeId, schema: &DFSchema, expr: &Expr) -> Result<expr::Expr, SqlError> {
        let columns = self.circuit.columns(input);
        let columns = (0..schema.fields().len())
            .map(|index| (index as u32, columns[index]))
            .map(|(index, ty)| expr::Expr::Column { index, ty })
            .collect();
        translate_expr(expr, &mut ViewScope { schema, columns, constructs: self.constructs })
    }

    fn refuse_intervals(&self, columns: &[ColumnType], what: &str) -> Result<(), SqlError> {
        match columns.iter().any(|column| column.ty == Type::Interval) {
            true => Err(refused(
                &format!("{what} of type INTERVAL"),
                "use its length in seconds: EXTRACT(EPOCH FROM …)",
            )),
            false => Ok(()),
        }
    }

    /// The columns that hold the group where `node` is an aggregate's output, whole or with columns dropped,
    /// reordered or computed from it: they tell its rows apart.
    fn group_key(&self, node: NodeId) -> Vec<u32> {
        if let Some(key) = self.grouped.get(&node) {
            return (0..*key).collect();
        }
        match &self.circuit.node(node).op {
            Op::Reduce { key, .. } => (0..*key).collect(),
            Op::Filter { input, .. } => self.group_key(*input),
            Op::Map { input, exprs } => {
                let place = |column: &u32| {
                    let is = |expr: &expr::Expr| matches!(expr, expr::Expr::Column { index, .. } if index == column);
                    exprs.iter().position(is).map(|place| place as u32)
                };
                self.group_key(*input).iter().map(place).collect::<Option<Vec<u32>>>().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The refusal of a plan node.
    fn refuse(&self, plan: &LogicalPlan) -> SqlError {
        let (what, hint, place) = match plan {
            LogicalPlan::Window(_) => (
                "a window function",
                "compute it in the query that reads the view, or use GROUP BY",
                self.constructs.place(|c| matches!(c, Construct::Window(_))),
            ),
            LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => (
                "LIMIT, OFFSET or FETCH",
                "keep all rows in the view and put the limit into the queries that read it",
                self.constructs.place(|c| *c == Construct::Limit),
            ),
            LogicalPlan::Distinct(_) => (
                "SELECT DISTINCT ON",
                "use GROUP BY with MIN or MAX, or join with the group's MIN or MAX",
                self.constructs.place(|c| *c == Construct::DistinctOn),
            ),
            LogicalPlan::Unnest(_) => (
                "UNNEST",
                "store the elements as rows of a table",
                self.constructs.place(|c| *c == Construct::Unnest),
            ),
            LogicalPlan::RecursiveQuery(_) => (
                "WITH RECURSIVE",
                "run the recursive query outside of a view",
                self.constructs.place(|c| *c == Construct::Recursive),
            ),
            LogicalPlan::Subquery(_) => (
                "a LATERAL subquery",
                "write it as a join with a subquery that has its own GROUP BY",
                self.constructs.place(|c| *c == Construct::Lateral),
            ),
            other => {
                let hint = "see docs/sql.md for what a view may contain";
                return refused(&other.display().to_string(), hint);
            }
        };
        refused(what, hint).at(place)
    }
}

/// The columns of a plan's schema.
fn column_types(schema: &DFSchema) -> Result<Vec<ColumnType>, SqlError> {
    let column = |field: &datafusion::arrow::datatypes::FieldRef| {
        Ok(ColumnType { ty: from_arrow_or_refuse(field.data_type())?, nullable: field.is_nullable() })
    };
    schema.fields().iter().map(column).collect()
}

/// The value in a type.
fn fit(value: expr::Expr, ty: Type) -> expr::Expr {
    match value {
        expr::Expr::Literal { value: Datum::Null, .. } => expr::Expr::literal(Datum::Null, ty),
        value if value.column_type().ty == ty => value,
        value => expr::Expr::cast(value, ty),
    }
}

/// The meaning of columns in a view: what each is over the circuit node below.
struct ViewScope<'a> {
    schema: &'a DFSchema,
    columns: Vec<expr::Expr>,
    constructs: &'a Constructs,
}

impl Scope for ViewScope<'_> {
    fn schema(&self) -> &DFSchema {
        self.schema
    }

    fn column(&mut self, column: &Column) -> Result<expr::Expr, SqlError> {
        let index = self.schema.index_of_column(column)?;
        self.columns.get(index).cloned().ok_or_else(|| {
            SqlError::new(SqlState::Internal, format!("column {} is not in the circuit", column.name))
        })
    }

    fn other(&mut self, expr: &Expr, refusal: SqlError) -> Result<expr::Expr, SqlError> {
        let place = match expr {
            Expr::ScalarFunction(call) => self.constructs.place_of_call(call.name()),
            Expr::ScalarSubquery(_) => self.constructs.place(|c| *c == Construct::ScalarSubquery),
            Expr::Exists(_) => self.constructs.place(|c| *c == Construct::Exists),
            Expr::InSubquery(_) => self.constructs.place(|c| *c == Construct::InSubquery),
            Expr::SetComparison(_) => self.constructs.place(|c| *c == Construct::Quantified),
            Expr::Unnest(_) => self.constructs.place(|c| *c == Construct::Unnest),
            _ => None,
        };
        Err(refusal.at(place))
    }
}
