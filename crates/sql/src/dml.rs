//! Writing statements: `INSERT`, `UPDATE` and `DELETE` to the rows they add and remove.
//!
//! A statement is prepared once (names, types, compiled expressions) and executed any number of times against a
//! snapshot, which shows the open transaction's own changes. The result is a delta of one table, consolidated
//! and checked: after it no primary key is there twice, no NULL is where none may be. Nothing is written here.
//!
//! Rows come from one of two places. Where the condition and the values are scalar expressions, the table is
//! searched or scanned directly (`access`) and no planning happens at execution. Where a
//! subquery or another table is involved, the affected rows and their new values are asked of the ad-hoc engine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use datafusion::sql::sqlparser::ast::{Assignment, AssignmentTarget, Expr, ObjectName};
use zset::{Batch, Datum, Layout, Type, Vector};

use crate::catalog::{Snapshot, TableDef, TableKind};
use crate::error::{SqlError, SqlState};
use crate::names;
use crate::params::Params;
use crate::planner::Planner;
use crate::scalar::{self, Given, Relation, Scope};
use crate::sequence::Sequences;
use crate::statement::Statement;

mod asked;
mod conflict;
mod delete;
mod insert;
mod load;
mod plain;
mod returning;
mod rows;
mod taken;
mod update;

pub use load::Loader;
use returning::Returning;

/// What a statement changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The table.
    pub table: Arc<TableDef>,
    /// The rows added and removed, with their weights.
    pub delta: Batch,
    /// How many rows the statement is said to have affected.
    pub affected: u64,
    /// What `RETURNING` gives.
    pub returning: Option<RecordBatch>,
}

/// What one execution of a statement works with.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// The planner, for statements with subqueries.
    pub planner: &'a Arc<Planner>,
    /// The database as the statement sees it, its own transaction's changes included.
    pub snapshot: &'a Arc<dyn Snapshot>,
    /// The values of `$1`, `$2`, … with their types.
    pub params: &'a [(&'a Datum, Type)],
    /// The time that `now()` gives, in microseconds since 1970 in UTC.
    pub now: i64,
    /// Where sequences' values come from.
    pub sequences: &'a dyn Sequences,
    /// Set to stop the statement.
    pub cancel: &'a Arc<AtomicBool>,
}

/// A writing statement made ready to execute.
#[derive(Debug)]
pub struct PreparedDml {
    target: Writable,
    params: Params,
    action: Action,
    returning: Option<Returning>,
}

#[derive(Debug)]
enum Action {
    Insert(Box<insert::Insert>),
    Update(Box<update::Update>),
    Delete(Box<delete::Delete>),
}

/// What came of an action: the delta, and the rows it affected as `RETURNING` sees them, with how often each.
struct Affected {
    delta: Batch,
    columns: Vec<Vector>,
    weights: Vec<i64>,
}

impl PreparedDml {
    /// Prepares an `INSERT`, `UPDATE` or `DELETE`. `given` are types that its parameters are said to have.
    pub fn new(
        planner: &Arc<Planner>,
        snapshot: &Arc<dyn Snapshot>,
        statement: &Statement,
        given: &[Option<Type>],
    ) -> Result<PreparedDml, SqlError> {
        let mut params = Params::new(given);
        let (target, alias, action, items) = match statement {
            Statement::Insert(insert, overriding) => {
                let given = (insert.as_ref(), *overriding);
                let (target, alias, action) = insert::prepare(planner, snapshot, given, &mut params)?;
                (target, alias, Action::Insert(Box::new(action)), &insert.returning)
            }
            Statement::Update(update) => {
                let (target, alias, action) = update::prepare(planner, snapshot, update, &mut params)?;
                (target, alias, Action::Update(Box::new(action)), &update.returning)
            }
            Statement::Delete(delete) => {
                let (target, alias, action) = delete::prepare(planner, snapshot, delete, &mut params)?;
                (target, alias, Action::Delete(Box::new(action)), &delete.returning)
            }
            other => return Err(SqlError::internal(format!("{} changes no rows", other.name()))),
        };
        let returning = match items {
            Some(items) => Some(Returning::new(planner, &target, &alias, items, &mut params)?),
            None => None,
        };
        Ok(PreparedDml { target, params, action, returning })
    }

    /// Whether to prepare it takes some microseconds: it asks nothing of other rows.
    pub fn is_soon_made(statement: &Statement) -> bool {
        match statement {
            Statement::Insert(insert, _) => insert::is_of_values(insert) && !scalar::has_subquery(&**insert),
            Statement::Update(update) => update.from.is_none() && !scalar::has_subquery(&**update),
            Statement::Delete(delete) => delete.using.is_none() && !scalar::has_subquery(&**delete),
            _ => false,
        }
    }

    /// The table it changes.
    pub fn table(&self) -> &Arc<TableDef> {
        &self.target.def
    }

    /// The types of its parameters; `None` takes a value of any type.
    pub fn parameters(&self) -> &[Option<Type>] {
        self.params.types()
    }

    /// Whether it changes only the rows that it names: those of its `VALUES`, or one by its key.
    pub fn is_of_few_rows(&self) -> bool {
        match &self.action {
            Action::Insert(insert) => insert.is_of_few_rows(),
            Action::Update(update) => update.is_of_one_row(&self.target.def),
            Action::Delete(delete) => delete.is_of_one_row(&self.target.def),
        }
    }

    /// The columns that `RETURNING` gives, if there is one.
    pub fn returning(&self) -> Option<arrow::datatypes::SchemaRef> {
        self.returning.as_ref().map(|returning| Arc::clone(returning.schema()))
    }

    /// The changes it makes to the snapshot. Fails if the table is no longer the one it was prepared for: prepare
    /// it again then.
    pub fn execute(&self, env: &Env<'_>) -> Result<Changes, SqlError> {
        let current = env.snapshot.table(&self.target.def.name);
        if current.is_none_or(|current| current.id != self.target.def.id) {
            return Err(SqlError::new(
                SqlState::UndefinedTable,
                format!(
                    "relation \"{}\" is no longer the one the statement was prepared for",
                    self.target.def.name
                ),
            ));
        }
        let params = self.params.bind(env.params)?;
        let given = Given { raw: env.params, params: &params, now: env.now };
        let shown = self.returning.is_some();
        let Affected { delta, columns, weights } = match &self.action {
            Action::Insert(insert) => insert.execute(&self.target, env, &given)?,
            Action::Update(update) => update.execute(&self.target, env, &given)?,
            Action::Delete(delete) => delete.execute(&self.target, env, &given, shown)?,
        };
        let returning = match &self.returning {
            Some(returning) => Some(returning.eval(&columns, &weights, &given)?),
            None => None,
        };
        let affected = weights.iter().map(|weight| weight.unsigned_abs()).sum();
        Ok(Changes { table: Arc::clone(&self.target.def), delta, affected, returning })
    }
}

/// A table that a statement may change, and how its rows are encoded.
#[derive(Debug)]
pub(crate) struct Writable {
    def: Arc<TableDef>,
    layout: Layout,
}

impl Writable {
    /// The base table of this name.
    fn find(snapshot: &Arc<dyn Snapshot>, name: &ObjectName) -> Result<Writable, SqlError> {
        let place = names::position(name);
        let name = names::relation(name)?;
        let def = snapshot.table(&name).ok_or_else(|| names::unknown(&name).at(place))?;
        Writable::of(snapshot.as_ref(), def).map_err(|error| error.at(place))
    }

    fn of(snapshot: &dyn Snapshot, def: Arc<TableDef>) -> Result<Writable, SqlError> {
        let kind = match def.kind {
            TableKind::Table => {
                let layout = Layout::new(&def.schema, snapshot.secret());
                return Ok(Writable { def, layout });
            }
            TableKind::PlainView => {
                return Err(SqlError::unsupported(format!("changing the rows of view \"{}\"", def.name))
                    .with_hint("change the tables that it reads"));
            }
            TableKind::View => "materialized view",
            TableKind::System => "system table",
            TableKind::Sequence => "sequence",
        };
        Err(SqlError::new(SqlState::WrongObjectType, format!("cannot change {kind} \"{}\"", def.name))
            .with_hint("only tables are changed; views follow"))
    }

    /// The table's columns under the name the statement gives the table.
    fn scope(&self, alias: &str) -> Scope {
        Scope::new(vec![Relation::of(&self.def, alias)])
    }

    /// The column a name means, at its place in the statement.
    fn column(&self, name: &ObjectName) -> Result<u32, SqlError> {
        let folded = names::column(name)?;
        self.def.column(&folded).ok_or_else(|| {
            SqlError::new(
                SqlState::UndefinedColumn,
                format!("column \"{folded}\" of relation \"{}\" does not exist", self.def.name),
            )
            .at(names::position(name))
        })
    }

    /// The columns and expressions of a `SET` list.
    fn assignments<'e>(&self, list: &'e [Assignment]) -> Result<Vec<(u32, &'e Expr)>, SqlError> {
        let mut out: Vec<(u32, &Expr)> = Vec::new();
        for assignment in list {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => out.push((self.column(name)?, &assignment.value)),
                AssignmentTarget::Tuple(names) => {
                    let Expr::Tuple(values) = &assignment.value else {
                        return Err(SqlError::unsupported(
                            "SET (columns) = with anything but a list of values",
                        ));
                    };
                    if values.len() != names.len() {
                        return Err(SqlError::new(
                            SqlState::SyntaxError,
                            "number of columns does not match number of values",
                        ));
                    }
                    for (name, value) in names.iter().zip(values) {
                        out.push((self.column(name)?, value));
                    }
                }
            }
        }
        let mut columns: Vec<u32> = out.iter().map(|(column, _)| *column).collect();
        columns.sort_unstable();
        if let Some(twice) = columns.windows(2).find(|pair| pair[0] == pair[1]) {
            let name = &self.def.columns[twice[0] as usize].name;
            return Err(SqlError::new(
                SqlState::SyntaxError,
                format!("multiple assignments to same column \"{name}\""),
            ));
        }
        Ok(out)
    }
}

/// Whether an expression is the word `DEFAULT`, which stands for the column's default.
fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
