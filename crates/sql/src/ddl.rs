//! `CREATE TABLE` to the definition of a table.
//!
//! A primary key becomes the key of the row's encoding, its columns in the order the key names them; a table
//! without one has no key columns and is a bag. Constraints that would need a look at other rows or tables at
//! each change (`UNIQUE`, `FOREIGN KEY`, `CHECK`) and clauses of other databases are refused by name. A default
//! is kept as text and checked here against its column: it may name no column. A `SERIAL` or identity column comes
//! with a sequence, to which the engine gives a name that is free.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, ColumnOption, CreateTableOptions, Expr, GeneratedAs, SequenceOptions, TableConstraint,
};
use zset::{ColumnType, Schema, Type};

use crate::catalog::ColumnDef;
use crate::error::{Position, SqlError, SqlState};
use crate::literal::Literal;
use crate::names;
use crate::planner::Planner;
use crate::scalar::{self, Target};
use crate::sequence::{Course, Taken};
use crate::sqltype::{self, Declared};

/// As many columns as PostgreSQL allows.
const MAX_COLUMNS: usize = 1_600;

/// A table that does not exist yet: what `CREATE TABLE` says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDraft {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub position: Option<Position>,
    /// A relation of the name is no error.
    pub if_not_exists: bool,
    /// Its columns.
    pub columns: Vec<ColumnDef>,
    /// The primary key's columns, in key order; empty for a bag.
    pub primary_key: Vec<u32>,
    /// How its rows are encoded.
    pub schema: Schema,
    /// The sequences that are made with it.
    pub sequences: Vec<OwnSequence>,
}

/// The sequence of a column that is made with its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSequence {
    /// The column.
    pub column: u32,
    /// `ALWAYS` or not of an identity column; nothing for `SERIAL`.
    pub always: Option<bool>,
    /// How its values follow each other.
    pub course: Course,
}

/// The table that a `CREATE TABLE` defines.
pub fn create_table(planner: &Arc<Planner>, create: &ast::CreateTable) -> Result<TableDraft, SqlError> {
    let name = names::relation(&create.name)?;
    let position = names::position(&create.name);
    refuse_clauses(create).map_err(|error| error.at(position))?;
    if create.columns.is_empty() || create.columns.len() > MAX_COLUMNS {
        let what = format!("a table of {} columns", create.columns.len());
        return Err(SqlError::unsupported(what).at(position));
    }
    let mut draft = Draft { table: &name, columns: Vec::new(), primary_key: None, sequences: Vec::new() };
    for column in &create.columns {
        draft.column(planner, column).map_err(|error| error.at(names::place(&column.name)))?;
    }
    for constraint in &create.constraints {
        draft.constraint(constraint).map_err(|error| error.at(position))?;
    }
    let primary_key = draft.primary_key.take().unwrap_or_default();
    for &index in &primary_key {
        draft.require(index)?;
    }
    let Draft { columns, sequences, .. } = draft;
    let schema = Schema::new(columns.iter().map(|c| c.ty).collect(), primary_key.clone());
    let if_not_exists = create.if_not_exists;
    Ok(TableDraft { if_not_exists, position, columns, primary_key, schema, sequences, name })
}

/// How a column is generated (`ALWAYS` or not; nothing for `SERIAL`), and by which values.
type Generated = (Option<bool>, Course);

struct Draft<'a> {
    table: &'a str,
    columns: Vec<ColumnDef>,
    primary_key: Option<Vec<u32>>,
    sequences: Vec<OwnSequence>,
}

impl Draft<'_> {
    fn column(&mut self, planner: &Arc<Planner>, column: &ast::ColumnDef) -> Result<(), SqlError> {
        let name = names::fold(&column.name);
        if self.columns.iter().any(|c| c.name == name) {
            return Err(SqlError::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        let serial = sqltype::serial(&column.data_type);
        let declared = match serial {
            Some(ty) => Declared { ty, max_len: None },
            None => sqltype::of(&column.data_type)?,
        };
        if declared.ty == Type::Interval {
            return Err(SqlError::unsupported("a column of type INTERVAL")
                .with_hint("keep a number of seconds or days, or two timestamps"));
        }
        let index = u32::try_from(self.columns.len()).unwrap_or(u32::MAX);
        let mut def = ColumnDef::new(name, ColumnType::nullable(declared.ty));
        def.max_len = declared.max_len;
        let mut said_null = false;
        let mut generated = serial.map(|ty| (None, Course::of(ty)));
        def.ty.nullable = serial.is_none();
        for option in &column.options {
            match &option.option {
                ColumnOption::Null => said_null = true,
                ColumnOption::NotNull => def.ty.nullable = false,
                ColumnOption::Default(expr) => {
                    check_default(planner, &def, expr)?;
                    def.default = Some(expr.to_string());
                }
                ColumnOption::Generated {
                    generated_as: how @ (GeneratedAs::Always | GeneratedAs::ByDefault),
                    sequence_options: Some(options),
                    generation_expr: None,
                    ..
                } => {
                    let always = matches!(how, GeneratedAs::Always);
                    generated = Some(self.identity(&def, generated, (always, options))?);
                    def.ty.nullable = false;
                }
                ColumnOption::PrimaryKey(constraint) => {
                    refuse_deferred(constraint)?;
                    self.set_primary_key(vec![index])?;
                    def.ty.nullable = false;
                }
                other => return Err(refused_option(other)),
            }
        }
        if said_null && !def.ty.nullable {
            return Err(SqlError::new(
                SqlState::InvalidTableDefinition,
                format!(
                    "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{}\"",
                    def.name, self.table
                ),
            ));
        }
        if let Some(generated) = generated {
            self.own_sequence(index, &def, generated)?;
        }
        self.columns.push(def);
        Ok(())
    }

    /// What an identity column's values are like.
    fn identity(
        &self,
        def: &ColumnDef,
        before: Option<Generated>,
        (always, options): (bool, &[SequenceOptions]),
    ) -> Result<Generated, SqlError> {
        match before {
            Some((Some(_), _)) => return Err(self.twice("multiple identity specifications", def)),
            Some((None, _)) => return Err(self.twice("both default and identity specified", def)),
            None => {}
        }
        if !matches!(def.ty.ty, Type::Int16 | Type::Int32 | Type::Int64) {
            let message = "identity column type must be smallint, integer, or bigint";
            return Err(SqlError::new(SqlState::InvalidParameter, message));
        }
        Ok((Some(always), Course::with_options(def.ty.ty, options)?))
    }

    /// Notes the sequence of a column, which can have no other default.
    fn own_sequence(
        &mut self,
        column: u32,
        def: &ColumnDef,
        (always, course): Generated,
    ) -> Result<(), SqlError> {
        if def.default.is_some() {
            let what = match always {
                Some(_) => "both default and identity specified",
                None => "multiple default values specified",
            };
            return Err(self.twice(what, def));
        }
        self.sequences.push(OwnSequence { column, always, course });
        Ok(())
    }

    fn twice(&self, what: &str, column: &ColumnDef) -> SqlError {
        let message = format!("{what} for column \"{}\" of table \"{}\"", column.name, self.table);
        SqlError::new(SqlState::SyntaxError, message)
    }

    fn constraint(&mut self, constraint: &TableConstraint) -> Result<(), SqlError> {
        let TableConstraint::PrimaryKey(key) = constraint else {
            return Err(match constraint {
                TableConstraint::Unique(_) => {
                    SqlError::unsupported("UNIQUE").with_hint("make the columns the PRIMARY KEY")
                }
                TableConstraint::ForeignKey(_) => SqlError::unsupported("FOREIGN KEY"),
                TableConstraint::Check(_) => SqlError::unsupported("CHECK"),
                other => SqlError::unsupported(format!("the constraint {other}")),
            });
        };
        refuse_deferred(key)?;
        let mut indices = Vec::with_capacity(key.columns.len());
        for column in &key.columns {
            let Expr::Identifier(ident) = &column.column.expr else {
                return Err(SqlError::unsupported("a PRIMARY KEY on an expression"));
            };
            let options = &column.column.options;
            if options.asc.is_some() || options.nulls_first.is_some() || column.operator_class.is_some() {
                return Err(SqlError::unsupported("an order in PRIMARY KEY"));
            }
            let name = names::fold(ident);
            let index = self.columns.iter().position(|c| c.name == name).ok_or_else(|| {
                SqlError::new(
                    SqlState::UndefinedColumn,
                    format!("column \"{name}\" named in key does not exist"),
                )
                .at(names::place(ident))
            })?;
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if indices.contains(&index) {
                return Err(SqlError::new(
                    SqlState::DuplicateColumn,
                    format!("column \"{name}\" appears twice in primary key constraint"),
                ));
            }
            indices.push(index);
        }
        self.set_primary_key(indices)
    }

    fn set_primary_key(&mut self, columns: Vec<u32>) -> Result<(), SqlError> {
        if self.primary_key.replace(columns).is_some() {
            return Err(SqlError::new(
                SqlState::InvalidTableDefinition,
                format!("multiple primary keys for table \"{}\" are not allowed", self.table),
            ));
        }
        Ok(())
    }

    /// A column of the key is never NULL and has an order that equality agrees with.
    fn require(&mut self, index: u32) -> Result<(), SqlError> {
        let Some(column) = self.columns.get_mut(index as usize) else { return Ok(()) };
        if matches!(column.ty.ty, Type::Float32 | Type::Float64) {
            return Err(SqlError::unsupported(format!(
                "the type {} of column \"{}\" in a PRIMARY KEY",
                column.ty.ty, column.name
            ))
            .with_hint("use NUMERIC(p, s)"));
        }
        column.ty.nullable = false;
        Ok(())
    }
}

/// A default converts to its column's type and depends on no row. NULL is allowed whatever the column.
fn check_default(planner: &Arc<Planner>, column: &ColumnDef, expr: &Expr) -> Result<(), SqlError> {
    if let Some(Taken::Next(_)) = Taken::of(expr)? {
        if !matches!(column.ty.ty, Type::Int16 | Type::Int32 | Type::Int64) {
            return Err(SqlError::unsupported(
                "nextval() as the default of a column that is not of integers",
            ));
        }
        return Ok(());
    }
    match Literal::of(expr)? {
        Some(Literal::Null) => Ok(()),
        Some(literal) => literal.assign(column.ty.ty).map(|_| ()),
        None => scalar::constant(planner, expr, Target { name: &column.name, ty: column.ty.ty }).map(|_| ()),
    }
    .map_err(|error| match error.state {
        SqlState::DatatypeMismatch => SqlError {
            message: format!("column \"{}\": the default is of another type: {}", column.name, error.message),
            ..error
        },
        _ => error,
    })
}

fn refuse_deferred(key: &ast::PrimaryKeyConstraint) -> Result<(), SqlError> {
    let plain = key.index_name.is_none() && key.index_type.is_none() && key.index_options.is_empty();
    match &key.characteristics {
        None if plain => Ok(()),
        Some(other) => Err(SqlError::unsupported(format!("PRIMARY KEY {other}"))),
        None => Err(SqlError::unsupported("PRIMARY KEY with index options")),
    }
}

fn refused_option(option: &ColumnOption) -> SqlError {
    match option {
        ColumnOption::Unique(_) => {
            SqlError::unsupported("UNIQUE").with_hint("make the column the PRIMARY KEY")
        }
        ColumnOption::ForeignKey(_) => SqlError::unsupported("REFERENCES (a foreign key)"),
        ColumnOption::Check(_) => SqlError::unsupported("CHECK"),
        ColumnOption::Generated { .. } => SqlError::unsupported("GENERATED ALWAYS AS (expression)")
            .with_hint("compute the column in a view"),
        ColumnOption::Collation(_) => {
            SqlError::unsupported("COLLATE").with_hint("text is ordered by its bytes")
        }
        other => SqlError::unsupported(format!("the column option {other}")),
    }
}

fn refuse_clauses(create: &ast::CreateTable) -> Result<(), SqlError> {
    let refusals = [
        (create.or_replace, "CREATE OR REPLACE TABLE"),
        (create.temporary || create.global.is_some(), "a TEMPORARY table"),
        (create.external, "an EXTERNAL table"),
        (create.like.is_some() || create.clone.is_some(), "LIKE"),
        (create.inherits.is_some(), "INHERITS"),
        (create.partition_of.is_some() || create.for_values.is_some(), "PARTITION OF"),
        (create.partition_by.is_some(), "PARTITION BY"),
        (create.on_commit.is_some(), "ON COMMIT"),
        (create.comment.is_some(), "COMMENT"),
        (create.table_options != CreateTableOptions::None, "WITH options of a table"),
        (create.without_rowid || create.strict, "STRICT and WITHOUT ROWID"),
        (create.file_format.is_some() || create.location.is_some(), "LOCATION"),
        (create.order_by.is_some() || create.primary_key.is_some(), "ORDER BY of a table"),
        (create.cluster_by.is_some() || create.clustered_by.is_some(), "CLUSTER BY"),
        (create.on_cluster.is_some(), "ON CLUSTER"),
        (create.transient || create.volatile || create.iceberg || create.dynamic, "this kind of table"),
    ];
    match refusals.iter().find(|(given, _)| *given) {
        Some((_, "CREATE TABLE AS")) => Err(SqlError::unsupported("CREATE TABLE AS")
            .with_hint("create the table, then INSERT … SELECT; or create a materialized view")),
        Some((_, what)) => Err(SqlError::unsupported(what)),
        None => Ok(()),
    }
}
