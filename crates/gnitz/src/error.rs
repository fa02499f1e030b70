//! The one error of the embedded API: a class (SQLSTATE), a sentence, the place in the statement
//! where that is known, and what to do instead.
//!
//! A variant names who is at fault and carries what the sentence needs; callers that only want to
//! show it use [`Error::sqlstate`], [`Error::message`], [`Error::position`] and [`Error::hint`].

use std::fmt;

use sql::{Position, SqlError, SqlState, names};
use storage::StorageError;
use vm::VmError;
use zset::ZsetError;

/// The SQLSTATE of a disk that is full.
const DISK_FULL: &str = "53100";

/// What every call of this crate answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. Nothing of the statement or transaction it belongs to has happened.
#[derive(Debug)]
pub enum Error {
    /// The statement cannot be parsed, planned or evaluated.
    Sql(SqlError),
    /// The files failed; after a failed write the database takes no more commits, unless there was only no space.
    Storage(StorageError),
    /// The circuits failed in a way that no row explains.
    Vm(VmError),
    /// A commit would make a view's expression fail.
    View {
        /// The views that the failing operator feeds.
        views: Vec<String>,
        /// The key columns of the row it failed on, as text.
        key: String,
        /// What the expression said.
        source: expr::EvalError,
    },
    /// A primary key that exists already.
    Duplicate {
        /// The table.
        table: String,
        /// The key, as `(columns)=(values)`.
        key: String,
    },
    /// A concurrent transaction committed first.
    Conflict {
        /// The table.
        table: String,
        /// The row, as text.
        key: String,
    },
    /// A statement in a transaction that has failed.
    FailedTransaction,
    /// A statement that writes, in a transaction that only reads.
    ReadOnly,
    /// `BEGIN` inside a transaction.
    ActiveTransaction,
    /// `COMMIT` or `ROLLBACK` outside of one.
    NoTransaction,
    /// A transaction changed the catalog, and so did another one, which committed first.
    CatalogChanged,
    /// A subscription cannot resume where it was asked to.
    NoHistory {
        /// The table or view.
        name: String,
        /// The epoch after which its changes were wanted.
        epoch: u64,
        /// Why they can't be had.
        reason: &'static str,
    },
    /// A subscriber read so slowly that its changes were not kept for it any longer.
    Lagged {
        /// The epoch after which to resume.
        epoch: u64,
    },
    /// No relation of this name.
    UndefinedTable {
        /// The name.
        name: String,
    },
    /// A relation of this name exists.
    DuplicateTable {
        /// The name.
        name: String,
    },
    /// A relation of the wrong kind.
    WrongKind {
        /// The name.
        name: String,
        /// What it is not: `a table`, `a materialized view`.
        expected: &'static str,
    },
    /// Others depend on what is to be dropped.
    Dependents {
        /// What is to be dropped.
        name: String,
        /// Who depends on it.
        dependents: Vec<String>,
    },
    /// A line of a file that cannot be copied.
    Copy {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A malformed field of a file.
    CopyField {
        /// The file.
        path: String,
        /// The line at which its record begins, counted from 1.
        line: u64,
        /// Which field of the record, counted from 1.
        field: usize,
        /// What is wrong with it.
        message: &'static str,
    },
    /// A malformed line of a file.
    CopyFormat {
        /// What is wrong with it.
        message: String,
    },
    /// A file outside the database could not be read or written.
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The statement was cancelled.
    Canceled,
    /// The database was closed.
    Closed,
    /// The stored catalog cannot be read.
    Catalog {
        /// What is wrong with it.
        message: String,
    },
    /// A call that makes no sense as it stands, such as a wrong number of parameters.
    Usage {
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// The class of the error: five characters, PostgreSQL's.
    pub fn sqlstate(&self) -> &'static str {
        let state = match self {
            Error::Sql(error) => error.state,
            Error::Storage(error) => return error.sqlstate(),
            Error::Vm(error) => return error.sqlstate(),
            Error::View { source, .. } => return source.sqlstate(),
            Error::Copy { source, .. } => return source.sqlstate(),
            Error::Duplicate { .. } => SqlState::UniqueViolation,
            Error::Conflict { .. } | Error::CatalogChanged => SqlState::SerializationFailure,
            Error::FailedTransaction => SqlState::FailedTransaction,
            Error::ReadOnly => SqlState::ReadOnlyTransaction,
            Error::ActiveTransaction => SqlState::ActiveTransaction,
            Error::NoTransaction => SqlState::NoActiveTransaction,
            Error::NoHistory { .. } => SqlState::NotInPrerequisiteState,
            Error::Lagged { .. } => SqlState::ConfigurationLimitExceeded,
            Error::UndefinedTable { .. } => SqlState::UndefinedTable,
            Error::DuplicateTable { .. } => SqlState::DuplicateTable,
            Error::WrongKind { .. } => SqlState::WrongObjectType,
            Error::Dependents { .. } => SqlState::DependentObjects,
            Error::CopyFormat { .. } | Error::CopyField { .. } => SqlState::BadCopyFormat,
            Error::File { source, .. } if storage::is_full(source.kind()) => return DISK_FULL,
            Error::File { .. } | Error::Closed => SqlState::IoError,
            Error::Canceled => SqlState::QueryCanceled,
            Error::Catalog { .. } => SqlState::DataCorrupted,
            Error::Usage { .. } => SqlState::InvalidParameter,
        };
        state.code()
    }

    /// One sentence without a full stop.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// Where in the statement's text, if that is known.
    pub fn position(&self) -> Option<Position> {
        match self {
            Error::Sql(error) => error.position,
            _ => None,
        }
    }

    /// The same error without a place in a text.
    pub(crate) fn nowhere(mut self) -> Error {
        if let Error::Sql(error) = &mut self {
            error.position = None;
        }
        self
    }

    /// What to do instead, if there is something to say.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Error::Sql(error) => return error.hint.clone(),
            Error::Copy { source, .. } => return source.hint(),
            Error::Storage(StorageError::Full { .. }) => {
                "free some space on the disk and try again; the database need not be restarted"
            }
            Error::Storage(StorageError::Poisoned { .. } | StorageError::Io { .. }) => {
                "close the database and open it again: every acknowledged commit is kept"
            }
            Error::Storage(StorageError::Corrupt { .. }) => "restore the database from a copy",
            Error::Conflict { .. } | Error::CatalogChanged => "run the transaction again",
            Error::FailedTransaction => "end it with ROLLBACK",
            Error::NoHistory { .. } => "subscribe anew, beginning with the contents",
            Error::Lagged { epoch } => return Some(format!("resume after epoch {epoch}")),
            Error::Dependents { .. } => "use DROP ... CASCADE to drop them too",
            Error::View { .. } => {
                "change the row, or drop the view and write its expression so that it cannot fail"
            }
            _ => return None,
        };
        Some(text.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Sql(error) => f.write_str(&error.message),
            Error::Storage(error) => write!(f, "{error}"),
            Error::Vm(error) => write!(f, "{error}"),
            Error::View { views, key, source } => {
                let noun = if views.len() == 1 { "view" } else { "views" };
                let names: Vec<String> = views.iter().map(|v| format!("\"{v}\"")).collect();
                write!(f, "{} in {noun} {} at row {key}", source.message, names.join(", "))
            }
            Error::Duplicate { table, key } => {
                write!(
                    f,
                    "duplicate key value violates unique constraint \"{}\": Key {key} already exists",
                    names::key(table)
                )
            }
            Error::Conflict { table, key } => write!(
                f,
                "could not serialize access: row {key} of table \"{table}\" was changed by a concurrent transaction"
            ),
            Error::FailedTransaction => {
                f.write_str("the transaction has failed; statements are ignored until it ends")
            }
            Error::ReadOnly => f.write_str("cannot write in a read-only transaction"),
            Error::ActiveTransaction => f.write_str("a transaction is in progress already"),
            Error::NoTransaction => f.write_str("no transaction is in progress"),
            Error::CatalogChanged => f.write_str(
                "could not serialize access: a concurrent transaction changed tables or views too",
            ),
            Error::NoHistory { name, epoch, reason } => {
                write!(f, "the changes of \"{name}\" after epoch {epoch} cannot be had: {reason}")
            }
            Error::Lagged { epoch } => {
                write!(f, "the subscriber fell too far behind; it has everything up to epoch {epoch}")
            }
            Error::UndefinedTable { name } => {
                write!(f, "relation \"{}\" does not exist", sql::names::shown(name))
            }
            Error::DuplicateTable { name } => write!(f, "relation \"{name}\" already exists"),
            Error::WrongKind { name, expected } => write!(f, "\"{name}\" is not {expected}"),
            Error::Dependents { name, dependents } => {
                let names: Vec<String> = dependents.iter().map(|d| format!("\"{d}\"")).collect();
                write!(f, "cannot drop \"{name}\" because {} depend on it", names.join(", "))
            }
            Error::Copy { path, line, source } => write!(f, "{path}, line {line}: {source}"),
            Error::CopyField { path, line, field, message } => {
                write!(f, "{path}, line {line}, field {field}: {message}")
            }
            Error::CopyFormat { message } | Error::Usage { message } => f.write_str(message),
            Error::File { path, source } => write!(f, "{path}: {source}"),
            Error::Canceled => f.write_str("the statement was cancelled"),
            Error::Closed => f.write_str("the database is closed"),
            Error::Catalog { message } => write!(f, "the stored catalog cannot be read: {message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Sql(error) => Some(error),
            Error::Storage(error) => Some(error),
            Error::Vm(error) => Some(error),
            Error::Copy { source, .. } => Some(source),
            Error::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Error {
        Error::Sql(error)
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Error {
        Error::Storage(error)
    }
}

impl From<ZsetError> for Error {
    fn from(error: ZsetError) -> Error {
        Error::Sql(SqlError::from(error))
    }
}

impl From<expr::EvalError> for Error {
    fn from(error: expr::EvalError) -> Error {
        Error::Sql(SqlError::from(error))
    }
}

impl From<VmError> for Error {
    fn from(error: VmError) -> Error {
        Error::Vm(error)
    }
}

impl From<circuit::CircuitError> for Error {
    fn from(error: circuit::CircuitError) -> Error {
        Error::Sql(SqlError::internal(error.to_string()))
    }
}
