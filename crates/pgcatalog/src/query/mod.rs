//! Queries over the catalogs, from the syntax tree to rows.
//!
//! A query is bound once (`bind`): names become places, literals take the types of their places, every expression
//! gets a PostgreSQL type. Running it (`run`, `eval`) reads only the tables it names. Queries that do not depend on
//! the row around them run once; joins on equal columns go by a hash table.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use sql::sqlparser::ast::{self, Expr as AstExpr, FunctionArguments, Query, Visit, Visitor};
use sql::{SqlError, names};
use zset::{Datum, Type};

use self::bind::Binder;
use self::plan::Plan;
use self::run::Exec;
use self::scope::Ctes;
use crate::context::{Context, parse_name};
use crate::facts::Facts;
use crate::functions::is_about_catalogs;
use crate::value::Value;
use crate::world::World;
use crate::{oid, tables, text, types};

mod bind;
mod bind_call;
mod bind_expr;
mod bind_ops;
mod eval;
mod fold;
mod from;
mod group;
mod meter;
mod plan;
mod run;
mod scope;

pub use fold::fold;

/// A value for a parameter, with its type.
pub type Parameter = (Datum, Type);

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// The OID of its PostgreSQL type.
    pub ty: u32,
}

/// The rows of a query; each value is in the lane of [`storage_type`](crate::storage_type) of its column's type.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The columns.
    pub columns: Vec<OutputColumn>,
    /// The rows.
    pub rows: Vec<Vec<Datum>>,
}

/// A query that is bound and can be run any number of times.
pub struct Prepared {
    plan: Arc<Plan>,
    params: Vec<u32>,
    columns: Vec<OutputColumn>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({:?})", self.columns)
    }
}

impl Prepared {
    /// Binds a query; `given` says the types of parameters that are known already, as PostgreSQL's OIDs.
    pub fn new(facts: &dyn Facts, query: &Query, given: &[Option<u32>]) -> Result<Prepared, SqlError> {
        let world = World::new(facts);
        let binder = Binder::new(&world, given.to_vec());
        let plan = binder.query(query, None, &Ctes { parent: None, outer: None, entries: Vec::new() })?;
        let params = binder.params.borrow().iter().map(|ty| ty.unwrap_or(oid::TEXT)).collect();
        let columns =
            plan.columns.iter().map(|column| OutputColumn { name: column.name.clone(), ty: column.ty });
        let columns = columns.collect();
        Ok(Prepared { plan: Arc::new(plan), params, columns })
    }

    /// The types of the parameters, `$1` first.
    pub fn params(&self) -> &[u32] {
        &self.params
    }

    /// The columns of the answer.
    pub fn columns(&self) -> &[OutputColumn] {
        &self.columns
    }

    /// Runs it.
    pub fn run(&self, facts: &dyn Facts, params: &[Parameter]) -> Result<Answer, SqlError> {
        let context = Context::new(World::new(facts));
        let params: Vec<Value> = params.iter().map(|(datum, ty)| parameter(datum, *ty)).collect();
        let exec = Exec::new(&context, &params);
        let rows = exec.rows(&self.plan, None)?;
        let answer = rows.iter().map(|row| exec.answer(row, &self.columns)).collect::<Result<_, _>>()?;
        Ok(Answer { columns: self.columns.clone(), rows: answer })
    }
}

impl Exec<'_, '_> {
    /// A row as it is handed out. It is counted twice, as it is copied into columns.
    fn answer(&self, row: &[Value], columns: &[OutputColumn]) -> Result<Vec<Datum>, SqlError> {
        let datums = row.iter().zip(columns).map(|(value, column)| {
            let datum = datum(self.context, value, column.ty)?;
            let text = if let Datum::Text(text) = &datum { text.len() } else { 0 };
            self.meter.take(2 * (size_of::<Datum>() + text))?;
            Ok(datum)
        });
        datums.collect()
    }
}

/// A parameter's value. Texts are read by the type of their place when they get there.
fn parameter(datum: &Datum, ty: Type) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Bool(value) => Value::Bool(*value),
        Datum::Int(value) if !matches!(ty, Type::Decimal { .. }) => Value::Int(*value),
        Datum::Float(value) => Value::Float(*value),
        Datum::Text(text) => Value::text(text),
        other => Value::text(other.display(ty).to_string()),
    }
}

/// A value as it is handed out.
fn datum(context: &Context<'_>, value: &Value, ty: u32) -> Result<Datum, SqlError> {
    let stored = types::storage_type(ty);
    Ok(match (value, stored) {
        (Value::Null, _) => Datum::Null,
        (Value::Bool(value), Type::Bool) => Datum::Bool(*value),
        (Value::Float(value), Type::Float32 | Type::Float64) => Datum::Float(*value),
        (Value::Int(value), Type::Float32 | Type::Float64) => Datum::Float(*value as f64),
        (Value::Int(value), stored) if stored != Type::Text && stored != Type::Bool => Datum::Int(*value),
        (Value::Float(value), stored) if stored != Type::Text && stored != Type::Bool => {
            Datum::Int(*value as i64)
        }
        (Value::Text(text), stored) if stored != Type::Text => {
            let value = text::input(text, ty).unwrap_or(Value::Null);
            datum(context, &value, ty)?
        }
        _ => context.output(value, ty)?.map_or(Datum::Null, Datum::Text),
    })
}

/// How far a query is one for this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// Not at all.
    None,
    /// It reads users' tables, but uses what only the catalogs know, such as a function about the session: see
    /// [`fold`](crate::fold).
    Partly,
    /// It reads a catalog table, or no table at all and uses what only the catalogs know.
    Wholly,
}

/// How far a query is one for this crate.
pub fn concern(query: &Query) -> Concern {
    let mut seen = Seen::default();
    let _ = query.visit(&mut seen);
    match (seen.catalog, seen.special, seen.other) {
        (true, ..) | (_, true, false) => Concern::Wholly,
        (_, true, true) => Concern::Partly,
        _ => Concern::None,
    }
}

/// What a query names.
#[derive(Default)]
struct Seen {
    ctes: BTreeSet<String>,
    /// A table of the catalogs.
    catalog: bool,
    /// Any other table.
    other: bool,
    /// Something that only the catalogs know.
    special: bool,
}

impl Visitor for Seen {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.ctes.extend(ctes.map(|cte| names::fold(&cte.alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &ast::TableFactor) -> ControlFlow<()> {
        match factor {
            ast::TableFactor::Table { name, args: None, .. } => {
                let mut parts = parse_name(&name.to_string());
                let own = parts.pop().unwrap_or_default();
                let schema = parts.pop();
                if schema.is_none() && self.ctes.contains(&own) {
                    return ControlFlow::Continue(());
                }
                let system = matches!(schema.as_deref(), Some("pg_catalog" | "information_schema"));
                match system || tables::find(schema.as_deref(), &own).is_some() {
                    true => self.catalog = true,
                    false => self.other = true,
                }
            }
            ast::TableFactor::Table { name, args: Some(_), .. } | ast::TableFactor::Function { name, .. } => {
                self.special |= special_function(name);
            }
            ast::TableFactor::UNNEST { .. } => self.special = true,
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &AstExpr) -> ControlFlow<()> {
        self.special |= special(expr);
        ControlFlow::Continue(())
    }
}

/// Whether an expression, its operands aside, is one that only the catalogs know.
fn special(expr: &AstExpr) -> bool {
    match expr {
        AstExpr::Function(function) => {
            special_function(&function.name) || matches!(function.args, FunctionArguments::Subquery(_))
        }
        AstExpr::Identifier(ident) => ident.quote_style.is_none() && names::fold(ident) == "current_schema",
        AstExpr::Cast { data_type, .. } => special_type(data_type),
        AstExpr::AnyOp { right, .. } | AstExpr::AllOp { right, .. } => {
            !matches!(right.as_ref(), AstExpr::Subquery(_))
        }
        AstExpr::BinaryOp { op: ast::BinaryOperator::PGCustomBinaryOperator(_), .. } => true,
        _ => false,
    }
}

fn special_function(name: &ast::ObjectName) -> bool {
    let parts = parse_name(&name.to_string());
    let own = parts.last().map(String::as_str).unwrap_or_default();
    // The time is the database's business, here as everywhere.
    let time = matches!(
        own,
        "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" | "random"
    );
    (is_about_catalogs(own) && !time) || parts.len() > 1
}

fn special_type(data_type: &ast::DataType) -> bool {
    let text = data_type.to_string().to_lowercase();
    let bare = text.trim_start_matches("pg_catalog.");
    if text.starts_with("pg_catalog.") || text.ends_with("[]") {
        return true;
    }
    types::by_name(bare).is_some_and(|ty| {
        types::is_reg(ty) || matches!(ty, oid::OID | oid::NAME | oid::CHAR | oid::XID) || types::is_vector(ty)
    })
}
