//! What the catalogs are computed from: a small trait that the engine implements over one snapshot and one session.

use std::sync::Arc;

use sql::{SqlError, SqlState};
use zset::Type;

use crate::settings::path_elements;

/// What kind of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A base table.
    Table,
    /// A materialized view.
    View,
    /// A plain view.
    PlainView,
    /// A system table of Gnitz's own.
    System,
    /// A sequence.
    Sequence,
}

impl RelationKind {
    /// Whether a query stands behind it.
    pub fn is_view(self) -> bool {
        matches!(self, RelationKind::View | RelationKind::PlainView)
    }
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The `n` of `VARCHAR(n)`.
    pub max_len: Option<u32>,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// The text of its default.
    pub default: Option<String>,
    /// Whether it is `GENERATED ALWAYS AS IDENTITY` (true) or `BY DEFAULT` (false).
    pub identity: Option<bool>,
}

/// How a sequence counts, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The type of its values.
    pub ty: Type,
    /// The first one.
    pub start: i64,
    /// The step.
    pub increment: i64,
    /// The least value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
    /// The value given last, if there was one.
    pub last: Option<i64>,
    /// The number of the table that it was made with, and of the column, from 0.
    pub owner: Option<(u32, u32)>,
    /// The column is an identity column.
    pub identity: bool,
}

/// A table or view that a user made, or a system table of Gnitz's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// A number that stays the same as long as the relation exists, and is never another's.
    pub id: u32,
    /// The schema it is listed in.
    pub schema: String,
    /// Its name in there.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in the key's order.
    pub primary_key: Vec<u32>,
    /// A view's query.
    pub query: Option<String>,
    /// The numbers of the relations that a view reads.
    pub reads: Vec<u32>,
    /// The name of its owner; none for the owner of the database.
    pub owner: Option<String>,
    /// What a sequence is.
    pub sequence: Option<Sequence>,
    /// How many rows it has, roughly.
    pub rows: i64,
    /// How many bytes it takes.
    pub bytes: i64,
}

/// A schema that has relations of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// A number that no relation has; 0 is `public`'s.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The name of its owner; none for the owner of the database.
    pub owner: Option<String>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its number: stable, and none below 16384 but 10, the first role's.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it may connect.
    pub login: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Whether it may make databases.
    pub create_database: bool,
    /// The roles it is a member of.
    pub member_of: Vec<u32>,
}

/// A setting of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, in PostgreSQL's spelling.
    pub name: String,
    /// Its value now.
    pub value: String,
}

/// Who asks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The name of the current role.
    pub user: String,
    /// The name of the role that connected.
    pub session_user: String,
    /// The name of the database.
    pub database: String,
    /// The process number that clients cancel by.
    pub pid: i32,
    /// The schemas in which names are looked for; `$user` is that of the user's name.
    pub search_path: Vec<String>,
    /// Settings whose values differ from the built-in ones.
    pub settings: Vec<Setting>,
    /// The address and port of the server's side of the connection; none where there is no connection.
    pub server: Option<(String, u16)>,
    /// The same of the client's side.
    pub client: Option<(String, u16)>,
}

impl Session {
    /// Gives a setting a value: the catalogs say it from now on, and see by it if it is the search path.
    pub fn set(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("search_path") {
            self.search_path = path_elements(value);
        }
        self.settings.retain(|own| !own.name.eq_ignore_ascii_case(name));
        self.settings.push(Setting { name: name.to_string(), value: value.to_string() });
    }

    /// The schema that an element of the search path stands for.
    pub fn schema_of<'a>(&'a self, element: &'a str) -> &'a str {
        if element == "$user" { &self.user } else { element }
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It runs a statement.
    Active,
    /// It waits for its client.
    #[default]
    Idle,
    /// It does so in a transaction.
    InTransaction,
    /// It does so in a transaction that has failed.
    Failed,
}

/// A session of the server, as another one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The process number that clients cancel by.
    pub pid: i32,
    /// The name of its role.
    pub user: String,
    /// The name of the database.
    pub database: String,
    /// What the client calls itself.
    pub application_name: String,
    /// The address and port of the client's side.
    pub client: Option<(String, u16)>,
    /// When it began; this and the following in microseconds since 1970.
    pub started: i64,
    /// When its transaction began, if one is open.
    pub transaction_started: Option<i64>,
    /// When its last statement began, if there was one.
    pub query_started: Option<i64>,
    /// When it came to stand where it stands.
    pub state_changed: i64,
    /// Where it stands.
    pub state: State,
    /// Its last statement.
    pub query: Arc<str>,
}

/// What a session is asked to do by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Stop the statement that it runs.
    Cancel,
    /// End.
    Terminate,
}

/// A statement that the session has prepared under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedStatement {
    /// Its name.
    pub name: String,
    /// Its text.
    pub statement: Arc<str>,
    /// When it was prepared, in microseconds since 1970.
    pub prepared: i64,
    /// The types of its parameters, as PostgreSQL's OIDs.
    pub parameters: Vec<u32>,
    /// Whether it was by `PREPARE`, and not by the protocol.
    pub from_sql: bool,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            user: "gnitz".to_string(),
            session_user: "gnitz".to_string(),
            database: "gnitz".to_string(),
            pid: 1,
            search_path: vec!["public".to_string()],
            settings: Vec::new(),
            server: None,
            client: None,
        }
    }
}

/// What exists.
pub trait Facts: Send + Sync {
    /// Every relation but the catalogs, in any order.
    fn relations(&self) -> Vec<Relation>;

    /// Who asks.
    fn session(&self) -> &Session;

    /// The version of this program, for `version()`.
    fn version(&self) -> &str;

    /// Microseconds since 1970, the same for the whole statement.
    fn now(&self) -> i64;

    /// When the database was opened, in the same unit.
    fn started(&self) -> i64;

    /// Bytes that one query may keep.
    fn query_memory(&self) -> usize;

    /// Whether the statement shall stop.
    fn is_canceled(&self) -> bool;

    /// The number of the last commit.
    fn epoch(&self) -> i64;

    /// All roles. The first is the owner of the database and of everything built in.
    fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role {
            oid: crate::oid::BOOTSTRAP_ROLE,
            name: self.session().session_user.clone(),
            superuser: true,
            login: true,
            create_role: true,
            create_database: true,
            member_of: Vec::new(),
        }];
        if self.session().user != self.session().session_user {
            roles.push(Role { oid: 16_382, name: self.session().user.clone(), ..roles[0].clone() });
        }
        roles
    }

    /// `set_config`: the statements after this one shall see another value, those of the transaction alone if it is
    /// `local`.
    fn set(&self, name: &str, value: &str, local: bool) {
        let _ = (name, value, local);
    }

    /// All sessions of the server; none where there is no server.
    fn sessions(&self) -> Vec<Activity> {
        Vec::new()
    }

    /// Asks a session to stop; whether there is one of this process number.
    fn stop(&self, pid: i32, asked: Asked) -> bool {
        let _ = (pid, asked);
        false
    }

    /// The statements that the session has prepared, in any order.
    fn prepared(&self) -> Vec<PreparedStatement> {
        Vec::new()
    }

    /// The value that the session took last from a sequence, which is named as SQL writes it.
    fn current_value(&self, sequence: &str) -> Result<i64, SqlError> {
        let message = format!("currval of sequence \"{sequence}\" is not yet defined in this session");
        Err(SqlError::new(SqlState::NotInPrerequisiteState, message))
    }

    /// The value that the session took last from any sequence.
    fn last_value(&self) -> Result<i64, SqlError> {
        let message = "lastval is not yet defined in this session";
        Err(SqlError::new(SqlState::NotInPrerequisiteState, message))
    }

    /// Something that the client should be warned of.
    fn warn(&self, message: String) {
        let _ = message;
    }

    /// The schemas that have relations of users.
    fn schemas(&self) -> Vec<Schema> {
        vec![Schema { id: 0, name: "public".to_string(), owner: None }]
    }

    /// Whether a role has a privilege (`CREATE` or `USAGE`) on a schema.
    fn has_schema_privilege(&self, role: &str, schema: &Schema, privilege: &str) -> bool {
        let _ = (role, schema, privilege);
        true
    }

    /// What `GRANT` gave on a schema of this owner, as [`Facts::access_list`] tells of relations.
    fn schema_access_list(&self, schema: &Schema, owner: &str) -> Option<Vec<String>> {
        let _ = (schema, owner);
        None
    }

    /// Whether a role has a privilege (`SELECT`, `USAGE`, …) on a relation.
    fn has_privilege(&self, role: &str, relation: &Relation, privilege: &str) -> bool {
        let _ = (role, privilege);
        relation.kind != RelationKind::System || privilege == "SELECT"
    }

    /// What `GRANT` gave on a relation, as PostgreSQL writes access lists (`role=arwd/grantor`); none for the
    /// defaults of the owner.
    fn access_list(&self, relation: &Relation) -> Option<Vec<String>> {
        let _ = relation;
        None
    }

    /// The comment on a relation (0) or one of its columns (from 1).
    fn comment(&self, relation: &Relation, column: usize) -> Option<String> {
        let _ = (relation, column);
        None
    }

    /// The rows of a relation for a query that reads it beside the catalogs, as shared text (NULL as none); `None`
    /// where that is not possible.
    fn rows(&self, relation: &Relation) -> Option<Vec<Vec<Option<Arc<str>>>>> {
        let _ = relation;
        None
    }
}
